// ALU and ALU64.
#include <bit>

#include "vm/jit/aarch64/codegen.h"

namespace skep::jit::arm {

using namespace isa;

namespace {

bool is_alu(const Insn& insn, bool wide) { return insn.cls() == (wide ? BPF_ALU64 : BPF_ALU); }

Op3 operation(uint8_t op) {
  switch (op) {
    case BPF_ADD: return Op3::kAdd;
    case BPF_SUB: return Op3::kSub;
    case BPF_MUL: return Op3::kMul;
    case BPF_OR: return Op3::kOrr;
    case BPF_AND: return Op3::kAnd;
    case BPF_XOR: return Op3::kEor;
    case BPF_LSH: return Op3::kLsl;  // these take the amount modulo the width
    case BPF_RSH: return Op3::kLsr;
    default: return Op3::kAsr;
  }
}

}  // namespace

void CodeGen::alu(uint32_t i, const Insn& insn, bool wide) {
  if (!live(insn.dst)) return;  // nobody reads it
  switch (insn.op()) {
    case BPF_MOV: return move(i, insn, wide);
    case BPF_END: return byte_order(insn, wide);
    default: return operate(i, insn, wide, home_[insn.dst], home_[insn.dst]);
  }
}

// A copy that the next instruction changes is that operation with another source.
void CodeGen::move(uint32_t i, const Insn& insn, bool wide) {
  const unsigned d = home_[insn.dst];
  if (!insn.uses_src_reg())
    return load_imm(
        d, wide ? static_cast<uint64_t>(int64_t{insn.imm}) : static_cast<uint32_t>(insn.imm));
  if (insn.off > 1) {  // movsx from 8, 16 or 32 bits; 1 is addr_space_cast, a move
    const unsigned from = reg(insn.src, kA);
    return e_.bitfield(true, wide, d, from, 0, static_cast<unsigned>(insn.off) - 1);
  }
  if (joins(i) && wide && insn.src == kFramePointer) {
    const Insn& next = insns_[i + 1];
    const int64_t sum = int64_t{frame_} + next.imm;
    if (is_alu(next, true) && next.op() == BPF_ADD && !next.uses_src_reg() &&
        next.dst == insn.dst && !blind_ && sum >= 0 && sum < 4096) {
      take_next(i);
      if (live(insn.dst)) e_.add_imm(true, d, kSp, static_cast<uint32_t>(sum));
      return;
    }
  }
  if (insn.src == kFramePointer) {
    reg(kFramePointer, d);
    if (!wide) e_.mov(false, d, d);
    return;
  }
  const unsigned from = home_[insn.src];
  if (joins(i) && from != d) {
    const Insn& next = insns_[i + 1];
    if (is_alu(next, wide) && next.dst == insn.dst && next.op() != BPF_MOV &&
        next.op() != BPF_END && !(next.uses_src_reg() && next.src == insn.dst)) {
      take_next(i);
      if (live(insn.dst)) operate(i + 1, next, wide, d, from);
      return;
    }
  }
  if (from == d && wide) return;
  e_.mov(wide, d, from);
}

// d = n op operand, for what `insn` does; n may be another register than its own.
void CodeGen::operate(uint32_t i, const Insn& insn, bool wide, unsigned d, unsigned n) {
  if (insn.op() == BPF_NEG) return e_.op(Op3::kSub, wide, d, kZero, n);
  if (!insn.uses_src_reg()) {
    if (shift_pair(i, insn, wide, d, n) || operate_imm(insn, wide, d, n)) return;
    load_imm(kB, wide ? static_cast<uint64_t>(int64_t{insn.imm}) : static_cast<uint32_t>(insn.imm));
  }
  // Where the operand is the destination, as in r1 -= r1, it is read before d is written.
  const unsigned m = insn.uses_src_reg() ? reg(insn.src, kB) : kB;
  if (insn.op() == BPF_DIV || insn.op() == BPF_MOD) return divide(insn, wide, d, n, m);
  switch (insn.op()) {
    case BPF_ADD:
    case BPF_SUB:
    case BPF_MUL:
    case BPF_OR:
    case BPF_AND:
    case BPF_XOR:
    case BPF_LSH:
    case BPF_RSH:
    case BPF_ARSH: return e_.op(operation(insn.op()), wide, d, n, m);
    default: return broken("an unknown ALU operation");
  }
}

void CodeGen::add_imm(bool wide, unsigned d, unsigned n, int64_t imm) {
  const bool negative = imm < 0;
  const auto size = static_cast<uint64_t>(negative ? -imm : imm);
  if (Emitter::fits_imm12(size)) {
    const auto small = static_cast<uint32_t>(size);
    return negative ? e_.sub_imm(wide, d, n, small) : e_.add_imm(wide, d, n, small);
  }
  e_.move_imm(kB, wide ? static_cast<uint64_t>(imm) : static_cast<uint32_t>(imm));
  e_.op(Op3::kAdd, wide, d, n, kB);
}

// Without a register for the immediate, where that can be; false: it can't. Shift amounts are no secret of the
// program's even where it is blinded.
bool CodeGen::operate_imm(const Insn& insn, bool wide, unsigned d, unsigned n) {
  const int64_t imm = insn.imm;
  const uint64_t value = wide ? static_cast<uint64_t>(imm) : static_cast<uint32_t>(imm);
  const unsigned by = static_cast<unsigned>(imm) & (wide ? 63 : 31);
  switch (insn.op()) {
    case BPF_LSH: e_.lsl_imm(wide, d, n, by); return true;
    case BPF_RSH: e_.lsr_imm(wide, d, n, by); return true;
    case BPF_ARSH: e_.asr_imm(wide, d, n, by); return true;
    default: break;
  }
  if (blind_) return false;
  const auto log = static_cast<unsigned>(std::countr_zero(value));
  switch (insn.op()) {
    case BPF_ADD: add_imm(wide, d, n, imm); return true;
    case BPF_SUB: add_imm(wide, d, n, -imm); return true;
    case BPF_MUL:
      if (value == 0) {
        e_.mov(wide, d, kZero);
      } else if (std::has_single_bit(value)) {
        e_.lsl_imm(wide, d, n, log);
      } else if (std::has_single_bit(value - 1)) {  // n + (n << k)
        e_.op(Op3::kAdd, wide, d, n, n, static_cast<unsigned>(std::countr_zero(value - 1)));
      } else {
        return false;
      }
      return true;
    case BPF_DIV:
      if (insn.off == 1 || !std::has_single_bit(value)) return false;
      e_.lsr_imm(wide, d, n, log);
      return true;
    case BPF_MOD:
      if (insn.off == 1 || !std::has_single_bit(value)) return false;
      if (value == 1)
        e_.mov(wide, d, kZero);
      else
        e_.logic(Logic::kAnd, wide, d, n, *bit_pattern(value - 1, wide));
      return true;
    case BPF_AND:
    case BPF_OR:
    case BPF_XOR: {
      const auto pattern = bit_pattern(value, wide);
      if (!pattern) {
        if (insn.op() != BPF_XOR || value != (wide ? ~uint64_t{0} : 0xffffffff)) return false;
        e_.op(Op3::kOrn, wide, d, kZero, n);
        return true;
      }
      e_.logic(insn.op() == BPF_AND  ? Logic::kAnd
               : insn.op() == BPF_OR ? Logic::kOrr
                                     : Logic::kEor,
               wide, d, n, *pattern);
      return true;
    }
    default: return false;
  }
}

// A shift up and the next one down again: bits taken out of the middle, or the old way to extend a narrow value.
bool CodeGen::shift_pair(uint32_t i, const Insn& insn, bool wide, unsigned d, unsigned n) {
  if (insn.op() != BPF_LSH || !joins(i)) return false;
  const Insn& next = insns_[i + 1];
  if (!is_alu(next, wide) || next.uses_src_reg() || next.dst != insn.dst ||
      (next.op() != BPF_RSH && next.op() != BPF_ARSH))
    return false;
  const unsigned top = wide ? 63 : 31;
  const unsigned up = static_cast<unsigned>(insn.imm) & top,
                 down = static_cast<unsigned>(next.imm) & top;
  take_next(i);
  if (live(insn.dst)) e_.bitfield(next.op() == BPF_ARSH, wide, d, n, (down - up) & top, top - up);
  return true;
}

// The machine's x / 0 is 0 and the most negative number by -1 wraps, as in BPF; so x - x / 0 * 0 is x.
void CodeGen::divide(const Insn& insn, bool wide, unsigned d, unsigned n, unsigned m) {
  const Op3 op = insn.off == 1 ? Op3::kSdiv : Op3::kUdiv;
  if (insn.op() == BPF_DIV) return e_.op(op, wide, d, n, m);
  e_.op(op, wide, kC, n, m);
  e_.msub(wide, d, kC, m, n);
}

void CodeGen::byte_order(const Insn& insn, bool wide) {
  const unsigned d = home_[insn.dst];
  const bool swap = wide || (insn.opcode & BPF_TO_BE) != 0;  // ALU64|END is bswap
  switch (insn.imm) {
    case 64:
      if (swap) e_.reverse64(d, d);
      return;
    case 32: return swap ? e_.reverse32(d, d) : e_.mov(false, d, d);
    default:
      if (swap) e_.reverse16(d, d);
      e_.bitfield(false, false, d, d, 0, 15);
  }
}

}  // namespace skep::jit::arm
