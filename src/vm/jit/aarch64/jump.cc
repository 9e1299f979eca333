// Jumps, comparisons, selects, may_goto.
#include "vm/jit/aarch64/codegen.h"

namespace skep::jit::arm {

using namespace isa;

namespace {

Cond condition(uint8_t op) {
  switch (op) {
    case BPF_JEQ: return kEq;
    case BPF_JGT: return kHi;
    case BPF_JGE: return kHs;
    case BPF_JLT: return kLo;
    case BPF_JLE: return kLs;
    case BPF_JSGT: return kGt;
    case BPF_JSGE: return kGe;
    case BPF_JSLT: return kLt;
    case BPF_JSLE: return kLe;
    default: return kNe;  // BPF_JNE, BPF_JSET
  }
}

}  // namespace

uint32_t CodeGen::skip(Cond cond) {
  e_.jump_if(cond);
  return e_.here() - 4;
}
uint32_t CodeGen::skip() {
  e_.jump();
  return e_.here() - 4;
}
void CodeGen::bind(uint32_t at) {
  if (!e_.patch(at, e_.here())) too_far_ = true;
}

// Sets the flags for `insn`.
Cond CodeGen::compare(const Insn& insn, bool wide) {
  const Cond cond = condition(insn.op());
  const unsigned n = reg(insn.dst, kA);
  const bool tests = insn.op() == BPF_JSET;
  if (insn.uses_src_reg()) {
    const unsigned m = reg(insn.src, kB);
    tests ? e_.op(Op3::kAnds, wide, kZero, n, m) : e_.cmp(wide, n, m);
    return cond;
  }
  const int64_t imm = insn.imm;
  const uint64_t value = wide ? static_cast<uint64_t>(imm) : static_cast<uint32_t>(imm);
  if (!blind_) {
    if (tests) {
      if (auto pattern = bit_pattern(value, wide)) {
        e_.logic(Logic::kAnds, wide, kZero, n, *pattern);
        return cond;
      }
    } else if (imm >= 0 && Emitter::fits_imm12(static_cast<uint64_t>(imm))) {
      e_.cmp_imm(wide, n, static_cast<uint32_t>(imm));
      return cond;
    } else if (imm < 0 && Emitter::fits_imm12(static_cast<uint64_t>(-imm))) {
      e_.cmn_imm(wide, n, static_cast<uint32_t>(-imm));
      return cond;
    }
  }
  load_imm(kB, value);
  tests ? e_.op(Op3::kAnds, wide, kZero, n, kB) : e_.cmp(wide, n, kB);
  return cond;
}

void CodeGen::branch(Cond cond, uint32_t target) {
  if (far_) {
    e_.jump_if(inverse(cond), 8);
    fixups_.push_back({e_.here(), Target::insn, target});
    return e_.jump();
  }
  fixups_.push_back({e_.here(), Target::insn, target});
  e_.jump_if(cond);
}

void CodeGen::branch_zero(bool wide, bool if_zero, unsigned t, uint32_t target) {
  if (far_) {
    if_zero ? e_.jump_if_not_zero(wide, t, 8) : e_.jump_if_zero(wide, t, 8);
    fixups_.push_back({e_.here(), Target::insn, target});
    return e_.jump();
  }
  fixups_.push_back({e_.here(), Target::insn, target});
  if_zero ? e_.jump_if_zero(wide, t) : e_.jump_if_not_zero(wide, t);
}

void CodeGen::jump(uint32_t i, const Insn& insn) {
  if (insn.op() == BPF_CALL) return call(i, insn);
  if (insn.op() == BPF_EXIT) return leave();
  const uint32_t target = Analysis::target(insn, i);
  if (insn.op() == BPF_JA) {
    fixups_.push_back({e_.here(), Target::insn, target});
    return e_.jump();
  }
  if (insn.op() == BPF_JCOND) return may_goto(target);
  if ((a_.flags(i) & (kSelect1 | kSelect2)) != 0) return select(i, insn);
  const bool wide = insn.cls() == BPF_JMP;
  if (!insn.uses_src_reg() && insn.imm == 0 && (insn.op() == BPF_JEQ || insn.op() == BPF_JNE))
    branch_zero(wide, insn.op() == BPF_JEQ, reg(insn.dst, kA), target);
  else
    branch(compare(insn, wide), target);
  fenced_ = false;
}

// `if a > b goto +1; c = d`: c = a > b ? c : d. The second move reads nothing that the first writes.
void CodeGen::select(uint32_t i, const Insn& insn) {
  const uint32_t count = (a_.flags(i) & kSelect2) != 0 ? 2 : 1;
  next_ = i + 1 + count;
  const uint16_t after = a_.live_out(i + count);
  const Cond cond = compare(insn, insn.cls() == BPF_JMP);
  for (uint32_t k = i + 1; k < next_; ++k) {
    const Insn& move = insns_[k];
    const bool wide = move.cls() == BPF_ALU64;
    const unsigned dst = home_[move.dst];
    if ((after >> move.dst & 1) == 0) continue;
    unsigned from = kA;
    if (!move.uses_src_reg()) {
      const uint64_t value =
          wide ? static_cast<uint64_t>(int64_t{move.imm}) : static_cast<uint32_t>(move.imm);
      if (value == 0)
        from = kZero;
      else
        e_.move_imm(kA, value);
    } else if (wide) {
      from = home_[move.src];
    } else {
      e_.mov(false, kA, home_[move.src]);
    }
    e_.select(true, dst, dst, from, cond);
  }
}

// A counter of the frame's, BPF_MAX_LOOPS at entry: jumps when it has run out.
void CodeGen::may_goto(uint32_t target) {
  e_.load(4, kA, kSp, 0);
  branch_zero(false, true, kA, target);
  e_.sub_imm(false, kA, kA, 1);
  e_.store(4, kA, kSp, 0);
  fenced_ = false;
}

}  // namespace skep::jit::arm
