#include "vm/jit/llvm/kinds.h"

#include <algorithm>

namespace skep::jit::optimising {

using namespace isa;

namespace {

constexpr int32_t kMapLookup = 1, kTailCall = 12;  // BPF_FUNC_*

Kind join(Kind a, Kind b) { return std::max(a, b); }

bool join_into(Kinds& to, const Kinds& from) {
  bool changed = false;
  for (unsigned r = 0; r < kRegisters; ++r) {
    const Kind joined = join(to[r], from[r]);
    changed |= joined != to[r];
    to[r] = joined;
  }
  return changed;
}

}  // namespace

Ways ways_on(const Insn& insn, uint32_t i) {
  if (insn.opcode == kNop || (insn.cls() != BPF_JMP && insn.cls() != BPF_JMP32)) return {};
  switch (insn.op()) {
    case BPF_CALL: return {};
    case BPF_EXIT: return {.falls_through = false};
    case BPF_JA:
      return {.falls_through = false, .jumps = true, .target = Analysis::target(insn, i)};
    default: return {.jumps = true, .target = Analysis::target(insn, i)};
  }
}

RegisterKinds RegisterKinds::of(const VerifiedProgram& program, const Analysis& analysis) {
  RegisterKinds made;
  made.program_ = &program;
  made.analysis_ = &analysis;
  made.before_.resize(analysis.size() + 1);
  made.written_.resize(analysis.size());
  const auto functions = analysis.functions();
  made.arguments_.resize(functions.size());
  made.arguments_[0][1] = Kind::pointer;
  for (size_t f = 1; f < functions.size(); ++f)
    if (program.subprograms()[f].is_callback)
      for (unsigned r = 1; r < 6; ++r) made.arguments_[f][r] = Kind::number;
  // A call may tell an earlier function more: to a fixed point, which the few kinds make near.
  for (bool again = true; again;) {
    again = false;
    for (size_t f = 0; f < functions.size(); ++f) again |= made.flow(functions[f], f);
  }
  for (const Function& function : functions) made.find_written(function);
  return made;
}

// One round over a function; whether anything changed, in it or in what it calls.
bool RegisterKinds::flow(const Function& function, size_t index) {
  Kinds entry{};
  for (unsigned r = 1; r < 6; ++r) entry[r] = arguments_[index][r];
  entry[kFramePointer] = Kind::stack;
  bool changed = join_into(before_[function.start], entry);
  for (uint32_t i = function.start; i < function.end; ++i) {
    const Insn& insn = analysis_->insns()[i];
    Kinds after = before_[i];
    if (insn.opcode == (BPF_JMP | BPF_CALL) && insn.src == BPF_PSEUDO_CALL) {
      auto& callee = arguments_[analysis_->function_at(i + 1 + static_cast<uint32_t>(insn.imm))];
      for (unsigned r = 1; r < 6; ++r) {
        const Kind joined = join(callee[r], after[r]);
        changed |= joined != callee[r];
        callee[r] = joined;
      }
    }
    step(i, after);
    const Ways ways = ways_on(insn, i);
    if (ways.falls_through) changed |= join_into(before_[i + 1], after);
    if (ways.jumps) changed |= join_into(before_[ways.target], after);
  }
  return changed;
}

void RegisterKinds::step(uint32_t i, Kinds& kinds) const {
  const Insn& insn = analysis_->insns()[i];
  if (insn.opcode == kNop) return;
  Kind& dst = kinds[insn.dst];
  const Kind src = insn.src < kRegisters ? kinds[insn.src] : Kind::none;
  switch (insn.cls()) {
    case BPF_LD:
      if (insn.mode() == BPF_IMM) {
        const bool map = insn.src == BPF_PSEUDO_MAP_FD || insn.src == BPF_PSEUDO_MAP_IDX ||
                         insn.src == BPF_PSEUDO_MAP_VALUE || insn.src == BPF_PSEUDO_MAP_IDX_VALUE;
        dst = map ? Kind::pointer : Kind::number;
      } else {
        kinds[0] = Kind::number;
      }
      break;
    case BPF_LDX: dst = Kind::number; break;
    case BPF_ST: break;
    case BPF_STX:
      if (insn.mode() != BPF_ATOMIC) break;
      if (insn.imm == BPF_LOAD_ACQ) {
        dst = Kind::number;
      } else if (insn.imm == BPF_CMPXCHG) {
        kinds[0] = Kind::number;
      } else if (insn.imm != BPF_STORE_REL && (insn.imm & BPF_FETCH) != 0) {
        kinds[insn.src] = Kind::number;
      }
      break;
    case BPF_ALU: dst = Kind::number; break;
    case BPF_ALU64:
      if (insn.op() == BPF_MOV && insn.uses_src_reg() && insn.off <= 1) {
        dst = src == Kind::none ? Kind::number : src;
      } else if (insn.op() == BPF_ADD && insn.uses_src_reg()) {
        if (is_pointer(dst) && is_pointer(src)) {
          dst = Kind::number;
        } else if (!is_pointer(dst)) {
          dst = is_pointer(src) ? src : Kind::number;
        }
      } else if (insn.op() == BPF_SUB && insn.uses_src_reg()) {
        if (!is_pointer(dst) || is_pointer(src)) dst = Kind::number;
      } else if (insn.op() != BPF_ADD && insn.op() != BPF_SUB) {
        dst = Kind::number;
      } else if (!is_pointer(dst)) {
        dst = Kind::number;
      }
      break;
    default:
      if (insn.op() == BPF_CALL)
        kinds[0] = insn.src == 0 && !insn.uses_src_reg() && insn.imm == kMapLookup ? Kind::pointer
                                                                                   : Kind::number;
  }
}

// Forwards: the bytes that all paths have written, through r10 itself. What others write counts for nothing.
void RegisterKinds::find_written(const Function& function) {
  const Insn* insns = analysis_->insns();
  auto through_frame = [](const Insn& insn) {
    return insn.opcode != kNop && insn.cls() == BPF_LDX && insn.src == kFramePointer;
  };
  if (std::none_of(insns + function.start, insns + function.end, through_frame)) return;
  const uint32_t size = function.end - function.start;
  std::vector<Bytes> before(size + 1);
  for (Bytes& bytes : before) bytes.set();
  before[0].reset();
  auto range = [](const Insn& insn, auto visit) {
    const int first = insn.off + static_cast<int>(kMaxStackBytes);
    for (int b = first; b < first + static_cast<int>(insn.access_size()); ++b)
      if (b >= 0 && b < static_cast<int>(kMaxStackBytes)) visit(static_cast<size_t>(b));
  };
  for (bool again = true; again;) {
    again = false;
    for (uint32_t i = function.start; i < function.end; ++i) {
      const Insn& insn = insns[i];
      Bytes after = before[i - function.start];
      if (through_frame(insn)) {
        bool all = true;
        range(insn, [&](size_t b) { all = all && after[b]; });
        written_[i] = all;
      }
      const bool store =
          insn.opcode != kNop && insn.dst == kFramePointer &&
          (insn.cls() == BPF_ST || (insn.cls() == BPF_STX && insn.mode() == BPF_MEM));
      if (store) range(insn, [&](size_t b) { after.set(b); });
      const Ways ways = ways_on(insn, i);
      auto flow_to = [&](uint32_t to) {
        Bytes& there = before[to - function.start];
        if ((there & after) == there) return;
        there &= after;
        again = true;
      };
      if (ways.falls_through) flow_to(i + 1);
      if (ways.jumps) flow_to(ways.target);
    }
  }
}

}  // namespace skep::jit::optimising
