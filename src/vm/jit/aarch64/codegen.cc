// Functions' frames, the loop over instructions, and what becomes of the words.
#include "vm/jit/aarch64/codegen.h"

#include <algorithm>
#include <cstddef>
#include <cstring>

#include "object/helper_context.h"
#include "vm/jit/placed_code.h"
#include "vm/metering.h"

namespace skep::jit::arm {

using namespace isa;

namespace {

constexpr int kTrap = 0;                  // udf
constexpr uint32_t kMaxLoops = 8u << 20;  // BPF_MAX_LOOPS: what may_goto allows
// Bytes of zeros after the code, which is an undefined instruction; where blinded, a random number before it.
constexpr uint32_t kGuard = 16;
constexpr uint8_t kCalleeSaved[] = {19, 20, 21, 22, 23, 24, 25, 26, 27};
constexpr uint8_t kUnsaved[] = {13, 14, 15, 8, 6};

}  // namespace

CodeGen::CodeGen(const VerifiedProgram& program, const JitOptions& options,
                 const Analysis& analysis)
    : program_(program), options_(options), a_(analysis), insns_(analysis.insns()) {
  blind_ = options.blinding_seed.has_value();
  if (options.fuel != 0) costs_ = vm::block_costs(program);
}

// splitmix64
uint64_t CodeGen::random() {
  uint64_t z = random_state_ += 0x9e3779b97f4a7c15;
  z = (z ^ z >> 30) * 0xbf58476d1ce4e5b9;
  z = (z ^ z >> 27) * 0x94d049bb133111eb;
  return z ^ z >> 31;
}

void CodeGen::load_imm(unsigned reg, uint64_t value) {
  if (!blind_) return e_.move_imm(reg, value);
  const bool wide = value > UINT32_MAX;
  const uint64_t mask = wide ? random() : random() & 0xffffffff;
  e_.move_imm(reg, value ^ mask);
  e_.move_imm(kE, mask);
  e_.op(Op3::kEor, wide, reg, reg, kE);
}

// ---- frames

void CodeGen::assign_homes(bool main) {
  home_.fill(kZero);
  for (unsigned v = 0; v < 6; ++v) home_[v] = static_cast<uint8_t>(v == 0 ? kResult : v - 1);
  home_[kFramePointer] = kSp;
  std::array<uint8_t, std::size(kUnsaved) + std::size(kCalleeSaved)> homes{};
  size_t count = 0, next = 0;
  if (!function_->calls)
    for (uint8_t reg : kUnsaved) homes[count++] = reg;
  for (uint8_t reg : kCalleeSaved) homes[count++] = reg;
  saved_count_ = 0;
  if (function_->calls) saved_[saved_count_++] = kFrame, saved_[saved_count_++] = kLink;
  if (main && a_.uses_context()) saved_[saved_count_++] = kContext;
  for (unsigned v = 6; v < kVirtualRegisters; ++v) {
    if (v == kFramePointer) continue;
    if (v >= kFirstSlot + function_->slots + function_->constants) break;
    if (v < kFirstSlot && (function_->used >> v & 1) == 0) continue;
    if (next == count) return broken("a function with so many registers");
    home_[v] = homes[next++];
    if (home_[v] >= kCalleeSaved[0]) saved_[saved_count_++] = home_[v];
  }
}

void CodeGen::prologue(bool main) {
  const int bytes = static_cast<int>((saved_count_ + 1) / 2 * 16);
  for (unsigned k = 0; k < saved_count_; k += 2) {
    const unsigned second = k + 1 < saved_count_ ? saved_[k + 1] : kZero;
    if (k == 0)
      e_.push_pair(saved_[0], second, kSp, -bytes);
    else
      e_.store_pair(saved_[k], second, kSp, static_cast<int>(k * 8));
  }
  if (function_->calls) e_.add_imm(true, kFrame, kSp, 0);
  if (frame_ != 0) e_.sub_imm(true, kSp, kSp, frame_);
  if (function_->has_may_goto) {
    e_.move_imm(kA, kMaxLoops);
    e_.store(4, kA, kSp, 0);
  }
  if (main && a_.uses_context()) e_.mov(true, kContext, 1);
  if (main && a_.has_callbacks() && a_.uses_context()) {
    address_of(kA, Target::thunk, 0);
    set_field(8, kA, kContext, offsetof(HelperContext, call_bpf));
  }
  for (unsigned k = 0; k < function_->constants; ++k)
    e_.move_imm(home_[kFirstSlot + function_->slots + k], function_->constant[k]);
}

void CodeGen::epilogue() {
  if (frame_ != 0) e_.add_imm(true, kSp, kSp, frame_);
  const int bytes = static_cast<int>((saved_count_ + 1) / 2 * 16);
  for (unsigned k = (saved_count_ + 1) / 2 * 2; k > 0;) {
    k -= 2;
    const unsigned second = k + 1 < saved_count_ ? saved_[k + 1] : kZero;
    if (k == 0)
      e_.pop_pair(saved_[0], second, kSp, bytes);
    else
      e_.load_pair(saved_[k], second, kSp, static_cast<int>(k * 8));
  }
}

// With r0, which functions leave in its home. Whoever called the program expects it in x0.
void CodeGen::leave() {
  if (index_ == 0) e_.mov(true, 0, kResult);
  epilogue();
  e_.ret();
}

void CodeGen::function(uint32_t index) {
  function_ = &a_.functions()[index];
  index_ = index;
  while (e_.here() % 16 != 0) e_.trap();
  offsets_[index] = e_.here();
  const bool main = index == 0;
  assign_homes(main);
  const uint32_t depth = (function_->used >> kFramePointer & 1) != 0
                             ? (program_.subprograms()[index].stack_depth + 15) & ~15u
                             : 0;
  frame_ = depth + (function_->has_may_goto ? 16 : 0);
  if (main) {
    if (!costs_.empty()) {
      e_.move_imm(kA, options_.fuel);
      set_field(8, kA, 1, offsetof(HelperContext, fuel));
      set_field(4, kZero, 1, offsetof(HelperContext, flags));
    }
    tail_entry_ = e_.here();
  }
  prologue(main);
  fenced_ = false;
  for (uint32_t i = function_->start; i < function_->end && broken_ == nullptr; i = next_) step(i);
  stubs();
}

// All stubs of a kind share what they jump to.
void CodeGen::stubs() {
  auto shared = [&](Stub::Kind kind) {
    bool any = false;
    for (const Stub& stub : stubs_) {
      if (stub.kind != kind) continue;
      bind(stub.at);
      any = true;
    }
    return any;
  };
  for (const Stub& stub : stubs_) {
    if (stub.kind != Stub::kFault) continue;
    faults_.push_back({.insn = stub.at, .fixup = e_.here()});
    e_.mov(true, stub.reg, kZero);
    e_.jump(static_cast<int64_t>(stub.at) + 4 - e_.here());
  }
  if (shared(Stub::kNoFuel)) {
    set_field(8, kZero, kContext, offsetof(HelperContext, fuel));
    e_.move_imm(kA, kRanOutOfFuel);
    set_field(4, kA, kContext, offsetof(HelperContext, flags));
    if (index_ == 0 && options_.out_of_fuel != 0) {
      e_.move_imm(kA, options_.out_of_fuel);
      const uint32_t again = e_.here();
      e_.load_exclusive(8, kB, kA);
      e_.add_imm(true, kB, kB, 1);
      e_.store_exclusive(false, 8, kC, kB, kA);
      e_.jump_if_not_zero(false, kC, static_cast<int64_t>(again) - e_.here());
    }
    e_.move_imm(kResult, program_.subprograms()[index_].is_callback ? 1 : 0);
    leave();
  }
  if (shared(Stub::kExitZero)) {
    e_.move_imm(kResult, 0);
    leave();
  }
  stubs_.clear();
}

void CodeGen::field(unsigned size, unsigned to, unsigned base, size_t offset) {
  e_.load(size, to, base, static_cast<uint32_t>(offset));
}
void CodeGen::set_field(unsigned size, unsigned from, unsigned base, size_t offset) {
  e_.store(size, from, base, static_cast<uint32_t>(offset));
}

void CodeGen::to_stub(Stub::Kind kind) {
  stubs_.push_back({.kind = kind, .reg = 0, .at = e_.here()});
}

void CodeGen::leave_if(Cond cond, Stub::Kind kind) {
  if (far_) {
    e_.jump_if(inverse(cond), 8);
    to_stub(kind);
    return e_.jump();
  }
  to_stub(kind);
  e_.jump_if(cond);
}

// The rest of the fuel must pay for the block that begins here.
void CodeGen::charge(uint32_t cost) {
  field(8, kA, kContext, offsetof(HelperContext, fuel));
  if (Emitter::fits_imm12(cost)) {
    e_.subs_imm(true, kA, kA, cost);
  } else {
    e_.move_imm(kB, cost);
    e_.op(Op3::kSubs, true, kA, kA, kB);
  }
  leave_if(kLo, Stub::kNoFuel);
  set_field(8, kA, kContext, offsetof(HelperContext, fuel));
}

// After a call of what may have run out of it.
void CodeGen::check_fuel() {
  if (costs_.empty()) return;
  field(4, kA, kContext, offsetof(HelperContext, flags));
  static_assert(kRanOutOfFuel == 1);  // the only flag
  e_.cmp_imm(false, kA, 0);
  leave_if(kNe, Stub::kNoFuel);
}

unsigned CodeGen::reg(unsigned v, unsigned scratch) {
  if (v != kFramePointer) return home_[v];
  e_.add_imm(true, scratch, kSp, frame_);
  return scratch;
}

void CodeGen::step(uint32_t i) {
  const Insn& insn = insns_[i];
  if ((a_.flags(i) & kLeader) != 0) fenced_ = false;
  lines_[i] = e_.here();
  next_ = i + 1;
  const bool dead = i < program_.facts().size() && program_.facts()[i].dead;
  if (!costs_.empty() && costs_[i] != 0 && !dead) charge(costs_[i]);
  if (insn.opcode == kNop) return;
  out_ = a_.live_out(i);
  switch (insn.cls()) {
    case BPF_LD: insn.mode() == BPF_IMM ? load_imm64(i, insn) : load_packet(insn); break;
    case BPF_LDX: load(insn); break;
    case BPF_ST:
    case BPF_STX: store(insn); break;
    case BPF_ALU: alu(i, insn, false); break;
    case BPF_ALU64: alu(i, insn, true); break;
    default: jump(i, insn);
  }
  for (uint32_t k = i + 1; k < next_; ++k) lines_[k] = e_.here();
  if (broken_ != nullptr && broken_at_ == 0) broken_at_ = i;
}

// call_bpf(context, entry, r1 … r5), for helpers that call back. Calls nothing but this program's own callbacks, each
// directly: `entry` may come from memory that others can write.
void CodeGen::thunk() {
  while (e_.here() % 16 != 0) e_.trap();
  thunk_ = e_.here();
  e_.push_pair(kFrame, kLink, kSp, -32);
  e_.store_pair(kContext, kZero, kSp, 16);
  e_.add_imm(true, kFrame, kSp, 0);
  e_.mov(true, kContext, 0);
  e_.mov(true, kA, 1);
  for (unsigned r = 0; r < 5; ++r) e_.mov(true, r, r + 2);
  std::vector<uint32_t> ends;
  for (uint32_t f = 0; f < a_.functions().size(); ++f) {
    if (!program_.subprograms()[f].is_callback) continue;
    address_of(kB, Target::function, f);
    e_.cmp(true, kA, kB);
    const uint32_t other = skip(kNe);
    fixups_.push_back({e_.here(), Target::function, f});
    e_.call();
    ends.push_back(skip());
    bind(other);
  }
  e_.trap();
  for (uint32_t end : ends) bind(end);
  e_.mov(true, 0, kResult);
  e_.load_pair(kContext, kZero, kSp, 16);
  e_.pop_pair(kFrame, kLink, kSp, 32);
  e_.ret();
}

// ---- the words

void CodeGen::address_of(unsigned reg, Target kind, uint32_t target) {
  if (!far_) {
    fixups_.push_back({e_.here(), kind, target});
    return e_.adr(reg);
  }
  addresses_.push_back({e_.here(), kind, target});
  for (unsigned quarter = 0; quarter < 4; ++quarter)
    quarter == 0 ? e_.move_zero(reg, 0, 0) : e_.move_keep(true, reg, 0, quarter);
}

void CodeGen::generate() {
  e_.code.clear();
  e_.code.reserve(a_.estimate(a_.size()) / 4 + 16 * a_.functions().size() + 64);
  random_state_ = options_.blinding_seed.value_or(0);
  too_far_ = false;
  fixups_.clear();
  addresses_.clear();
  faults_.clear();
  stubs_.clear();
  if (blind_)
    for (uint64_t k = kGuard / 4 * (1 + random() % 16); k > 0; --k) e_.word(0);
  for (uint32_t f = 0; f < a_.functions().size() && broken_ == nullptr; ++f) function(f);
  lines_[a_.size()] = e_.here();
  if (a_.has_callbacks()) thunk();
}

bool CodeGen::patch_branches() {
  for (const Fixup& fixup : fixups_) {
    const uint32_t target = fixup.kind == Target::insn       ? lines_[fixup.target]
                            : fixup.kind == Target::function ? offsets_[fixup.target]
                                                             : thunk_;
    if (!e_.patch(fixup.at, target)) return false;
  }
  return !too_far_;
}

Result<NativeCode> CodeGen::finish(CodeMemory& memory) {
  const auto size = static_cast<uint32_t>(e_.code.size() * 4);
  const size_t fault_at = fault_table_at(size, kGuard);
  SKEP_TRY(block, memory.allocate(fault_at + faults_.size() * sizeof(FaultEntry)));
  for (const Fixup& fixup : addresses_) {
    const uint64_t address =
        block.address + (fixup.kind == Target::function ? offsets_[fixup.target] : thunk_);
    for (unsigned quarter = 0; quarter < 4; ++quarter)
      e_.code[fixup.at / 4 + quarter] |= static_cast<uint32_t>(address >> 16 * quarter & 0xffff)
                                         << 5;
  }
  NativeCode code =
      place_code(block, std::as_bytes(std::span(e_.code)), kGuard, kTrap, std::move(faults_));
  // The data cache is the same for both mappings; the instruction cache is asked for the address that runs.
  __builtin___clear_cache(reinterpret_cast<char*>(block.address),
                          reinterpret_cast<char*>(block.address + fault_at));
  code.entry = block.address + offsets_[0];
  code.tail_entry = block.address + tail_entry_;
  code.lines = std::move(lines_);
  code.subprograms = std::move(offsets_);
  return code;
}

Result<NativeCode> CodeGen::run(CodeMemory& memory) {
  lines_.resize(a_.size() + 1);
  offsets_.resize(a_.functions().size());
  fixups_.reserve(a_.jumps() + 8);
  for (;;) {
    generate();
    if (broken_ == nullptr && !patch_branches()) {
      if (!far_) {
        far_ = true;
        continue;
      }
      broken("a branch that is too far");
    }
    if (broken_ != nullptr) return fail(EINVAL, "insn {}: can't compile {}", broken_at_, broken_);
    return finish(memory);
  }
}

}  // namespace skep::jit::arm
