// Speculative execution, for programs of those who may not read the kernel's memory (no CAP_PERFMON).
//
// Spectre v1: a mispredicted branch runs instructions with numbers that the branch should have excluded. So the way
// that can't be taken is walked as well, with unknown numbers in what was compared (push_speculative); and a
// pointer that a register's number moves is masked to where the move was proved to end (the window of
// sanitize_pointer_alu), the walk going on with what is left where the mask made the number 0. What would be
// refused on such a path only gets a barrier (stop_speculation): speculation ends before it.
// Spectre v4: a store may be passed by a later load. Stores of pointers, and over anything but numbers, get a barrier
// behind them (write_stack_fixed).
//
// A window belongs to the instruction: all paths must agree on it.
#include "verifier/env.h"
#include "verifier/text.h"

namespace skep::verifier {

using namespace isa;

namespace {

// The kernel's BPF_ALU_* of an instruction.
enum : uint8_t {
  kMaskSource = 1,
  kMaskDestination = 2,
  kNegative = 4,
  kNoPointer = 8,
  kImmediate = 16,
};

}  // namespace

bool Verifier::push_speculative(const Insn* jump, uint32_t insn) {
  VerifierState* branch = push_branch(insn, insn_);
  if (branch == nullptr) return false;
  branch->speculative = true;
  if (jump == nullptr) return true;
  mark_unknown(branch->frame().regs[jump->dst]);
  if (jump->uses_src_reg()) mark_unknown(branch->frame().regs[jump->src]);
  return true;
}

// A refusal on a speculative path: a barrier stands before the instruction, and the path ends.
bool Verifier::stop_speculation() {
  if (!cur_->speculative || !rejection_ || profile_.version < kernel_version(6, 17)) return false;
  const int error = rejection_->error;
  if (error != EPERM && error != EACCES && error != EINVAL) return false;
  rejection_.reset();
  message_.clear();
  detail_.clear();
  aux_[insn_].barrier_before = true;
  aux_[insn_].alu_state = 0;
  return true;
}

bool Verifier::reject_alu(const Insn& insn, AluProblem problem) {
  constexpr std::string_view kProhibited = "pointer arithmetic with it prohibited for !root";
  const unsigned dst = insn.dst, src = insn.src;
  const bool src_is_number = regs()[src].is_scalar();
  const std::string_view op = insn.op() == BPF_ADD ? "add" : "sub";
  switch (problem) {
    case AluProblem::bounds:
      return reject(Rule::pointer_arithmetic, EACCES,
                    "R{} has unknown scalar with mixed signed bounds, {}",
                    src_is_number ? src : dst, kProhibited);
    case AluProblem::type:
      return reject(Rule::pointer_arithmetic, EACCES,
                    "R{} has pointer with unsupported alu operation, {}", src_is_number ? dst : src,
                    kProhibited);
    case AluProblem::paths:
      return reject(Rule::pointer_arithmetic, EACCES,
                    "R{} tried to {} from different maps, paths or scalars, {}", dst, op,
                    kProhibited);
    case AluProblem::limit:
      return reject(Rule::pointer_arithmetic, EACCES, "R{} tried to {} beyond pointer bounds, {}",
                    dst, op, kProhibited);
    case AluProblem::none:
    case AluProblem::failed: break;
  }
  return false;
}

bool Verifier::note_alu_window(uint8_t state, uint32_t limit) {
  InsnAux& aux = aux_[insn_];
  if (aux.alu_state != 0 && (aux.alu_state != state || aux.alu_limit != limit)) return false;
  aux.alu_state = state;
  aux.alu_limit = limit;
  return true;
}

bool Verifier::sanitize_scalar_alu(const Insn& insn) {
  if (skips_alu_sanitation(insn) || note_alu_window(kNoPointer, 0)) return true;
  return reject_alu(insn, AluProblem::paths);
}

// Before the move (not `commit`): how far the pointer may go, as far as its object is known. After it: the part of that
// which this move can use.
bool Verifier::sanitize_pointer_alu(const Insn& insn, const RegState& pointer,
                                    const RegState& scalar, bool pointer_is_dst, AluWindow& window,
                                    bool commit) {
  if (skips_alu_sanitation(insn)) return true;
  const bool known = scalar.number.is_constant();
  const bool negative = scalar.number.smin < 0;
  if (!cur_->speculative) {
    if (!commit) {
      if (!known && negative != (scalar.number.smax < 0))
        return reject_alu(insn, AluProblem::bounds);
      window.to_left = negative == (insn.op() == BPF_ADD);
    }
    uint32_t max = 0, limit = 0;
    if (pointer.is(Base::stack)) {
      max = kMaxStackBytes + (window.to_left ? 1 : 0);
      limit =
          static_cast<uint32_t>(-(pointer.off + static_cast<int64_t>(pointer.number.constant())));
    } else if (pointer.is(Base::map_value)) {
      max = maps_[pointer.map].map->value_size;
      limit = static_cast<uint32_t>(
          (window.to_left ? static_cast<uint64_t>(pointer.number.smin) : pointer.number.umax) +
          static_cast<uint64_t>(int64_t{pointer.off}));
    } else {
      return reject_alu(insn, AluProblem::type);
    }
    if (limit >= max) return reject_alu(insn, AluProblem::limit);
    if (commit) {
      const int64_t moved = int64_t{window.limit} - limit;
      if (!note_alu_window(window.state, static_cast<uint32_t>(moved < 0 ? -moved : moved)))
        return reject_alu(insn, AluProblem::paths);
    } else {
      window.state = static_cast<uint8_t>((negative ? kNegative : 0) | (known ? kImmediate : 0) |
                                          (pointer_is_dst ? kMaskSource : kMaskDestination));
      window.limit = limit;
      if (!known) explore_alu_limits_ = true;
    }
  }
  // A constant becomes an immediate: there is nothing to mask.
  if (commit || known) return true;
  RegState& dst = regs()[insn.dst];
  const RegState kept = dst;
  dst = RegState(pointer);
  const bool pushed = push_speculative(nullptr, insn_ + 1);
  dst = kept;
  return pushed;
}

// Even a pointer that is not followed must stay inside: a mispredicted branch could follow it.
bool Verifier::check_pointer_stays_inside(unsigned number) {
  if (bypass_spec_v1_) return true;
  const RegState& reg = regs()[number];
  if (reg.is(Base::stack)) {
    if (!reg.number.is_constant()) {
      return reject(Rule::stack_variable_offset, EACCES,
                    "R{} variable stack access prohibited for !root, var_off={} off={}", number,
                    tnum_text(reg.number.var_off), reg.off);
    }
    const int64_t off = int64_t{reg.off} + static_cast<int64_t>(reg.number.constant());
    if (off >= 0 || off < -int64_t{kMaxStackBytes}) {
      return reject(Rule::stack_out_of_bounds, EACCES,
                    "R{} stack pointer arithmetic goes out of range, prohibited for !root; off={}",
                    number, off);
    }
  }
  if (reg.is(Base::map_value) && !check_map_access(number, 0, 1, false, true)) {
    return reject(Rule::map_value_out_of_bounds, EACCES,
                  "R{} pointer arithmetic of map value goes out of range, prohibited for !root",
                  number);
  }
  return true;
}

}  // namespace skep::verifier
