// See liveness.h.
#include "verifier/liveness.h"

namespace skep::verifier {

using namespace isa;

Successors successors(std::span<const Insn> insns, uint32_t i) {
  const Insn& insn = insns[i];
  Successors result;
  const auto add = [&](int64_t target) {
    if (target >= 0 && target < static_cast<int64_t>(insns.size())) {
      result.next[result.count++] = static_cast<uint32_t>(target);
    }
  };
  const int64_t here = i;
  if (is_ld_imm64(insn)) {
    add(here + 2);
    return result;
  }
  if (insn.cls() != BPF_JMP && insn.cls() != BPF_JMP32) {
    add(here + 1);
    return result;
  }
  switch (insn.op()) {
    case BPF_EXIT: break;
    case BPF_JA: add(here + 1 + (insn.cls() == BPF_JMP32 ? insn.imm : insn.off)); break;
    case BPF_CALL: add(here + 1); break;
    default:
      add(here + 1);
      if (insn.off != 0) add(here + 1 + insn.off);
      break;
  }
  return result;
}

namespace {

struct UseDef {
  RegisterMask use = 0, def = 0;
};

constexpr RegisterMask bit(unsigned r) { return static_cast<RegisterMask>(1u << r); }
constexpr RegisterMask kCallArguments = 0b111110;
constexpr RegisterMask kCallClobbers = 0b111111;

UseDef use_def(const Insn& insn) {
  const RegisterMask dst = bit(insn.dst), src = bit(insn.src);
  switch (insn.cls()) {
    case BPF_LD:
      if (insn.mode() == BPF_IMM) return {0, dst};
      // LD_ABS and LD_IND take the context from r6 and clobber as calls do.
      return {static_cast<RegisterMask>(bit(6) | (insn.mode() == BPF_IND ? src : 0)),
              kCallClobbers};
    case BPF_LDX: return {src, dst};
    case BPF_ST: return {dst, 0};
    case BPF_STX:
      if (insn.mode() == BPF_ATOMIC) {
        if (insn.imm == BPF_CMPXCHG) return {static_cast<RegisterMask>(dst | src | bit(0)), bit(0)};
        if (insn.imm == BPF_LOAD_ACQ) return {src, dst};
        if (insn.imm == BPF_STORE_REL) return {static_cast<RegisterMask>(dst | src), 0};
        return {static_cast<RegisterMask>(dst | src),
                static_cast<RegisterMask>((insn.imm & BPF_FETCH) != 0 ? src : 0)};
      }
      return {static_cast<RegisterMask>(dst | src), 0};
    case BPF_ALU:
    case BPF_ALU64:
      if (insn.op() == BPF_END || insn.op() == BPF_NEG) return {dst, dst};
      if (insn.op() == BPF_MOV) return {insn.uses_src_reg() ? src : RegisterMask{0}, dst};
      return {static_cast<RegisterMask>(insn.uses_src_reg() ? dst | src : dst), dst};
    default: break;
  }
  switch (insn.op()) {  // jumps
    case BPF_JA:
    case BPF_JCOND: return {};
    case BPF_EXIT: return {bit(0), 0};
    case BPF_CALL: return {kCallArguments, kCallClobbers};
    default: return {static_cast<RegisterMask>(insn.uses_src_reg() ? dst | src : dst), 0};
  }
}

}  // namespace

Predecessors::Predecessors(std::span<const Insn> insns) : first(insns.size() + 1, 0) {
  const auto each = [&](auto&& edge) {
    for (uint32_t i = 0; i < insns.size(); ++i) {
      const Successors next = successors(insns, i);
      for (unsigned s = 0; s < next.count; ++s) edge(i, next.next[s]);
    }
  };
  each([&](uint32_t, uint32_t to) { ++first[to + 1]; });
  for (size_t i = 1; i < first.size(); ++i) first[i] += first[i - 1];
  of.resize(first.back());
  std::vector<uint32_t> filled(first.begin(), first.end() - 1);
  each([&](uint32_t from, uint32_t to) { of[filled[to]++] = from; });
}

std::vector<RegisterMask> compute_register_liveness(std::span<const Insn> insns,
                                                    const Predecessors& before) {
  std::vector<RegisterMask> live(insns.size(), 0);
  std::vector<uint32_t> pending;
  std::vector<bool> waits(insns.size(), false);
  const auto visit = [&](uint32_t i) {
    const UseDef ud = use_def(insns[i]);
    const Successors next = successors(insns, i);
    RegisterMask out = 0;
    for (unsigned s = 0; s < next.count; ++s) out |= live[next.next[s]];
    const auto in = static_cast<RegisterMask>((out & ~ud.def) | ud.use);
    if (in == live[i]) return;
    live[i] = in;
    for (uint32_t p : before.at(i)) {
      if (!waits[p]) {
        waits[p] = true;
        pending.push_back(p);
      }
    }
  };
  for (size_t i = insns.size(); i-- > 0;) {
    waits[i] = false;  // what waited here is done with this visit
    visit(static_cast<uint32_t>(i));
  }
  while (!pending.empty()) {
    const uint32_t i = pending.back();
    pending.pop_back();
    waits[i] = false;
    visit(i);
  }
  return live;
}

void StackLiveness::reset(std::span<const Insn> insns, const Predecessors* before) {
  insns_ = insns;
  before_ = before;
  instances_.clear();
  index_.clear();
  memory_ = 0;
  dirty_ = false;
}

uint32_t StackLiveness::instance(uint32_t caller, uint32_t callsite, uint32_t start, uint32_t end) {
  const auto [place, fresh] =
      index_.try_emplace({caller, callsite, start}, static_cast<uint32_t>(instances_.size()));
  if (fresh) {
    Instance made{caller, callsite, start, end, caller == kNone ? 0 : instances_[caller].depth + 1,
                  {},     {}};
    made.marks.resize(size_t{end - start} * (made.depth + 1));
    memory_ += made.marks.size() * sizeof(Marks);
    instances_.push_back(std::move(made));
  }
  return place->second;
}

void StackLiveness::commit() {
  Instance& instance = instances_[instance_];
  bool changed = false;
  for (uint32_t frame = 0; frame <= instance.depth; ++frame) {
    Marks& marks = instance.at(insn_, frame);
    const SlotMask read = marks.read | reads_[frame];
    const SlotMask write = marks.write & writes_[frame];
    changed |= read != marks.read || write != marks.write;
    marks.read = read;
    marks.write = write;
  }
  if (changed) {
    instance.pending.push_back(insn_);
    dirty_ = true;
  }
}

// `live` only grows, since `read` only grows and `write` only shrinks: what is pending and what
// follows from it is all that there is to do, and the whole work is bounded by the bits.
void StackLiveness::solve(Instance& instance) {
  const uint32_t frames = instance.depth + 1;
  while (!instance.pending.empty()) {
    const uint32_t i = instance.pending.back();
    instance.pending.pop_back();
    const Successors next = successors(insns_, i);
    bool changed = false;
    for (uint32_t frame = 0; frame < frames; ++frame) {
      SlotMask out = 0;
      for (unsigned s = 0; s < next.count; ++s) {
        if (next.next[s] >= instance.start && next.next[s] < instance.end) {
          out |= instance.at(next.next[s], frame).live;
        }
      }
      Marks& marks = instance.at(i, frame);
      const SlotMask live = marks.live | marks.read | (out & ~marks.write);
      changed |= live != marks.live;
      marks.live = live;
    }
    if (!changed) continue;
    for (uint32_t p : before_->at(i)) {
      if (p >= instance.start && p < instance.end) instance.pending.push_back(p);
    }
  }
}

void StackLiveness::refresh() {
  if (!dirty_) return;
  dirty_ = false;
  // A callee comes after its caller in instances_, so one pass from the back sees each after all
  // that it calls.
  for (size_t i = instances_.size(); i-- > 0;) {
    Instance& instance = instances_[i];
    if (instance.pending.empty()) continue;
    solve(instance);
    if (instance.caller == kNone) continue;
    Instance& caller = instances_[instance.caller];
    for (uint32_t frame = 0; frame < instance.depth; ++frame) {
      const SlotMask read = instance.at(instance.start, frame).live;
      Marks& marks = caller.at(instance.callsite, frame);
      if ((read & ~marks.read) != 0) {
        marks.read |= read;
        caller.pending.push_back(instance.callsite);
      }
    }
  }
}

SlotMask StackLiveness::live(uint32_t instance, uint32_t insn, uint32_t frame) {
  refresh();
  Instance& of = instances_[instance];
  if (insn < of.start || insn >= of.end || frame > of.depth) return 0;
  return of.at(insn, frame).live;
}

}  // namespace skep::verifier
