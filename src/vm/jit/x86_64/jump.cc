// Jumps, comparisons, selects, may_goto.
#include <cstring>

#include "vm/jit/x86_64/codegen.h"

namespace skep::jit::x86 {

using namespace isa;

namespace {

Cond condition(uint8_t op) {
  switch (op) {
    case BPF_JEQ: return kE;
    case BPF_JGT: return kA;
    case BPF_JGE: return kAe;
    case BPF_JLT: return kB;
    case BPF_JLE: return kBe;
    case BPF_JSGT: return kG;
    case BPF_JSGE: return kGe;
    case BPF_JSLT: return kL;
    case BPF_JSLE: return kLe;
    default: return kNe;  // BPF_JNE, BPF_JSET
  }
}

bool holds(uint8_t op, uint64_t a, uint64_t b, bool wide) {
  auto sa = static_cast<int64_t>(a), sb = static_cast<int64_t>(b);
  if (!wide) {
    a = static_cast<uint32_t>(a), b = static_cast<uint32_t>(b);
    sa = static_cast<int32_t>(a), sb = static_cast<int32_t>(b);
  }
  switch (op) {
    case BPF_JEQ: return a == b;
    case BPF_JNE: return a != b;
    case BPF_JGT: return a > b;
    case BPF_JGE: return a >= b;
    case BPF_JLT: return a < b;
    case BPF_JLE: return a <= b;
    case BPF_JSGT: return sa > sb;
    case BPF_JSGE: return sa >= sb;
    case BPF_JSLT: return sa < sb;
    case BPF_JSLE: return sa <= sb;
    default: return (a & b) != 0;
  }
}

constexpr bool ignores_sign(Cond cond) {
  return cond == kE || cond == kNe || cond == kA || cond == kAe || cond == kB || cond == kBe;
}

}  // namespace

void CodeGen::emit_jump(uint32_t i, uint32_t target) {
  uint32_t from = here();
  if (target <= i) {
    int64_t disp = static_cast<int64_t>(lines_[target]) - (from + 2);
    if (fits8(disp)) return e_.jmp8(disp);
    return e_.jmp32(disp - 3);
  }
  bool near = a_.estimate(target) - a_.estimate(i + 1) <= 116 && costs_.empty() &&
              (far_.empty() || !far_[i]);
  if (near) {
    e_.jmp8(0);
  } else {
    e_.jmp32(0);
  }
  fixups_.push_back({near ? Fixup::kInsn8 : Fixup::kInsn32, here() - (near ? 1 : 4), target, i});
}

void CodeGen::emit_jump(Cond cond, uint32_t i, uint32_t target) {
  uint32_t from = here();
  fenced_ = false;
  if (target <= i) {
    int64_t disp = static_cast<int64_t>(lines_[target]) - (from + 2);
    if (fits8(disp)) return e_.jcc8(cond, disp);
    return e_.jcc32(cond, disp - 4);
  }
  bool near = a_.estimate(target) - a_.estimate(i + 1) <= 116 && costs_.empty() &&
              (far_.empty() || !far_[i]);
  if (near) {
    e_.jcc8(cond, 0);
  } else {
    e_.jcc32(cond, 0);
  }
  fixups_.push_back({near ? Fixup::kInsn8 : Fixup::kInsn32, here() - (near ? 1 : 4), target, i});
}

uint8_t* CodeGen::skip(Cond cond) {
  e_.jcc8(cond, 0);
  return e_.p;
}
uint8_t* CodeGen::skip() {
  e_.jmp8(0);
  return e_.p;
}
void CodeGen::bind(uint8_t* jump) {
  if (e_.p - jump > 127) return broken("a skip");
  jump[-1] = static_cast<uint8_t>(e_.p - jump);
}

// Sets the flags for `insn`; its operands need not stay as they are.
Cond CodeGen::compare(const Insn& insn, bool wide) {
  unsigned size = wide ? 8 : 4;
  int64_t imm = insn.imm;
  bool known = !insn.uses_src_reg() || (constant(insn.src, imm) && (!wide || fits32(imm)));
  if (!wide) imm = static_cast<int32_t>(imm);
  Cond cond = condition(insn.op());
  ready_reg(insn.dst, size);
  if (!known) {
    ready_reg(insn.src, size);
    ready_reg(insn.dst, size);
    unsigned a = reg(insn.dst, size), b = reg(insn.src, size);
    if (insn.op() == BPF_JSET) {
      e_.test(wide, a, b);
    } else {
      e_.alu(kCmp, wide, a, b);
    }
    return cond;
  }
  unsigned a = reg(insn.dst, size);
  auto small = static_cast<int32_t>(imm);
  if (blind_ && !insn.uses_src_reg()) {
    unsigned b = a == kScratch ? kScratch2 : kScratch;
    load_imm(b, wide ? imm : static_cast<uint32_t>(imm));
    if (insn.op() == BPF_JSET) {
      e_.test(wide, a, b);
    } else {
      e_.alu(kCmp, wide, a, b);
    }
    return cond;
  }
  if (insn.op() == BPF_JSET) {
    e_.test_imm(wide, a, small);
    return cond;
  }
  if (small == 0) {
    if (cond == kA) cond = kNe;
    if (cond == kBe) cond = kE;
    bool equality = cond == kE || cond == kNe;
    bool fresh = flags_at_ == e_.p && flags_reg_ == a;
    if (fresh && equality && (flags_wide_ == wide || zero_extended(a))) return cond;
    if (fresh && flags_wide_ == wide) {
      if (cond == kL) return kS;
      if (cond == kGe) return kNs;
      if (flags_logic_ && (cond == kG || cond == kLe)) return cond;
    }
    e_.test(wide && !(equality && zero_extended(a)), a, a);
    return cond;
  }
  if (wide && small > 0 && ignores_sign(cond) && zero_extended(a)) wide = false;
  e_.alu_imm(kCmp, wide, a, small);
  return cond;
}

void CodeGen::jump(uint32_t i, const Insn& insn) {
  bool wide = insn.cls() == BPF_JMP;
  switch (insn.op()) {
    case BPF_JA: {
      if ((a_.flags(i) & kCopied) != 0) return jump_to_copy(i, insn);
      uint32_t to = Analysis::target(insn, i);
      flush(a_.live_in(to));
      emit_jump(i, to);
      lazy_ = bit(kFramePointer);
      return;
    }
    case BPF_JCOND: return may_goto(i, insn);
    case BPF_CALL: return call(i, insn);
    case BPF_EXIT:
      materialise(0);
      epilogue();
      lazy_ = bit(kFramePointer);
      return;
    default: break;
  }
  if ((a_.flags(i) & (kSelect1 | kSelect2)) != 0) return select(i, insn);
  uint32_t to = Analysis::target(insn, i);
  int64_t a = 0, b = insn.imm;
  if (constant(insn.dst, a) && (!insn.uses_src_reg() || constant(insn.src, b))) {
    if (!holds(insn.op(), static_cast<uint64_t>(a), static_cast<uint64_t>(b), wide)) return;
    flush(a_.live_in(to));
    emit_jump(i, to);
    lazy_ = bit(kFramePointer);
    return;
  }
  if ((a_.flags(i) & kCopied) != 0) return jump_to_copy(i, insn);
  flush_except_last(a_.live_in(to), bit(insn.dst));
  Cond cond = compare(insn, wide);
  emit_jump(cond, i, to);
}

// Instead of jumping to a block, does what is in it: the state on the way there is this path's own, and what falls
// through goes on from before it.
void CodeGen::jump_to_copy(uint32_t i, const Insn& insn) {
  uint32_t to = Analysis::target(insn, i), end = a_.copied_end(*function_, to);
  bool always = insn.op() == BPF_JA, loop = end == i;
  uint32_t over = 0;
  if (loop) flush_except_last(a_.live_in(i + 1), bit(insn.dst));
  if (!always) {
    Cond cond = compare(insn, insn.cls() == BPF_JMP);
    e_.jcc32(inverse(cond), 0);
    over = here();
  }
  const auto values = values_;
  const uint16_t lazies = lazy_, zero_extended = zext_;
  flags_at_ = nullptr;
  for (uint32_t k = to; k < end; k = next_) {
    room();
    next_ = k + 1;
    if (insns_[k].opcode != kNop) generate(k);
  }
  room();
  const Insn& last = insns_[end];
  uint32_t then = Analysis::target(last, end);
  in_ = a_.live_in(end);
  out_ = a_.live_out(end);
  lazy_ &= static_cast<uint16_t>(in_ | bit(kFramePointer));
  flush_except_last(static_cast<uint16_t>(a_.live_in(then) | a_.live_in(end + 1)), bit(last.dst));
  emit_jump(compare(last, last.cls() == BPF_JMP), i, then);
  if (!loop) emit_jump(i, end + 1);
  values_ = values;
  lazy_ = lazies;
  zext_ = zero_extended;
  flags_at_ = nullptr;
  fenced_ = false;
  in_ = a_.live_in(i);
  out_ = a_.live_out(i);
  next_ = i + 1;
  if (always || loop) lazy_ = bit(kFramePointer), zext_ = 0;
  if (always) return;
  auto disp = static_cast<int32_t>(here() - over);
  std::memcpy(buffer_.get() + over - 4, &disp, 4);
}

// `if a > b goto +1; c = d`: c = !(a > b) ? d : c.
void CodeGen::select(uint32_t i, const Insn& insn) {
  unsigned count = (a_.flags(i) & kSelect2) != 0 ? 2 : 1;
  bool wide = insn.cls() == BPF_JMP;
  next_ = i + 1 + count;
  uint16_t after = a_.live_out(i + count);
  in_ |= static_cast<uint16_t>(a_.live_in(i + 1) | a_.live_in(i + count) | after);
  out_ = in_;
  if (count == 1 && set_condition(insn, insns_[i + 1], after)) return;
  // All that takes part comes home, so that nothing read below is about to be written.
  uint16_t parts = bit(insn.dst);
  if (insn.uses_src_reg()) parts |= bit(insn.src);
  for (unsigned k = 1; k <= count; k++) {
    const Insn& move = insns_[i + k];
    parts |= bit(move.dst);
    if (move.uses_src_reg()) parts |= bit(move.src);
  }
  for (unsigned v = 0; v < kVirtualRegisters; v++) {
    if ((parts & bit(v)) == 0 || !lazy(v) || v == kFramePointer) continue;
    bool is_target = v == insns_[i + 1].dst || (count == 2 && v == insns_[i + 2].dst);
    if (values_[v].kind != Kind::kConst || is_target) materialise(v);
  }
  struct {
    unsigned dst = kNoReg, src = 0;
    bool wide = true, zero_extended = false;
  } moves[2];
  for (unsigned k = 0; k < count; k++) {
    const Insn& move = insns_[i + 1 + k];
    if ((after & bit(move.dst)) == 0) continue;
    bool move_wide = move.cls() == BPF_ALU64;
    unsigned dst = home_[move.dst];
    clobber(dst, static_cast<uint16_t>(in_ & ~bit(move.dst)));
    int64_t imm = move.imm;
    unsigned scratch = k == 0 ? kScratch : kScratch2;
    auto& m = moves[k];
    m.dst = dst;
    if (!move.uses_src_reg() || constant(move.src, imm)) {
      if (!move_wide) imm = static_cast<int64_t>(static_cast<uint32_t>(imm));
      e_.mov_imm(scratch, static_cast<uint64_t>(imm));
      m.src = scratch;
      bool small = static_cast<uint64_t>(imm) <= UINT32_MAX;
      m.zero_extended = small && zero_extended(dst);
      m.wide = !m.zero_extended;
    } else {
      unsigned src = home_[move.src];
      if (move_wide || zero_extended(src)) {
        m.src = src;
        m.zero_extended = zero_extended(src) && zero_extended(dst);
        m.wide = !m.zero_extended;
      } else if (zero_extended(dst)) {
        m.src = src, m.zero_extended = true, m.wide = false;
      } else {
        e_.mov(false, scratch, src);
        m.src = scratch;
      }
    }
  }
  // Operands that are constants in registers of their own would need a scratch register.
  Cond cond;
  int64_t a = 0, b = insn.imm;
  if (constant(insn.dst, a)) materialise(insn.dst);
  if (insn.uses_src_reg() && constant(insn.src, b) && wide && !fits32(b)) materialise(insn.src);
  cond = inverse(compare(insn, wide));
  for (const auto& m : moves) {
    if (m.dst == kNoReg) continue;
    e_.cmov(cond, m.wide, m.dst, m.src);
    zext_ = static_cast<uint16_t>(m.zero_extended ? zext_ | bit(m.dst) : zext_ & ~bit(m.dst));
  }
  flags_at_ = nullptr;
  out_ = after;
}

// `c = 1; if a > b goto +1; c = 0`: the condition as a number.
bool CodeGen::set_condition(const Insn& insn, const Insn& move, uint16_t after) {
  int64_t taken;
  unsigned v = move.dst;
  if (move.uses_src_reg() || (after & bit(v)) == 0 || !constant(v, taken)) return false;
  if (taken + move.imm != 1 || (taken != 0 && taken != 1) || v == insn.dst ||
      (insn.uses_src_reg() && v == insn.src))
    return false;
  // The operands come home first: nothing may come between the comparison and its use.
  if (insn.dst != kFramePointer) materialise(insn.dst);
  int64_t b;
  if (insn.uses_src_reg() && !(constant(insn.src, b) && fits32(b))) materialise(insn.src);
  clobber(home_[v], static_cast<uint16_t>(in_ & ~bit(v)));
  e_.zero(home_[v]);
  flags_at_ = nullptr;
  lazy_ &= static_cast<uint16_t>(~bit(v));
  Cond cond = compare(insn, insn.cls() == BPF_JMP);
  e_.setcc(taken == 1 ? cond : inverse(cond), home_[v]);
  end_def(v, true);
  flags_at_ = nullptr;
  out_ = after;
  return true;
}

// A counter of the frame's, BPF_MAX_LOOPS at entry: jumps when it has run out.
void CodeGen::may_goto(uint32_t i, const Insn& insn) {
  uint32_t to = Analysis::target(insn, i);
  flush(a_.live_in(to));
  e_.alu_store_imm(kCmp, 4, {.base = rsp}, 0);
  emit_jump(kE, i, to);
  e_.alu_store_imm(kSub, 4, {.base = rsp}, 1);
}

}  // namespace skep::jit::x86
