// Division and remainder. BPF defines them everywhere: x / 0 is 0, x % 0 is x, and the most negative number
// by -1 wraps. By constants they become multiplications by a reciprocal (Granlund, Montgomery 1994; the
// one-division way to the magic number is Robison's, as in libdivide).
#include <bit>

#include "vm/jit/x86_64/codegen.h"

namespace skep::jit::x86 {

using namespace isa;

namespace {

__extension__ typedef unsigned __int128 Wide;

// floor(x / d) == high(x * factor) >> shift, or with `add` ((x - high) / 2 + high) >> shift.
struct Magic {
  uint64_t factor;
  unsigned shift;
  bool add;
};

// For x of `bits` bits (32 or 64), d no power of two and below 2^(bits - 1).
Magic magic_for(uint64_t d, unsigned bits) {
  auto log = static_cast<unsigned>(std::bit_width(d) - 1);
  Wide power = static_cast<Wide>(1) << (bits + log);
  auto m = static_cast<uint64_t>(power / d);
  auto rest = static_cast<uint64_t>(power - static_cast<Wide>(m) * d);
  if (d - rest < uint64_t{1} << log) return {m + 1, log, false};
  uint64_t twice = 2 * m;
  if (2 * static_cast<Wide>(rest) >= d) twice++;
  uint64_t factor = twice + 1;
  if (bits == 32) factor &= 0xffffffff;
  return {factor, log, true};
}

}  // namespace

// Whether the program still needs what is in `reg`, other than as v.
bool CodeGen::must_keep(unsigned reg, unsigned except_v) const {
  unsigned v = owner_[reg];
  if (v != kNoReg && v != except_v && (out_ & bit(v)) != 0 && !lazy(v)) return true;
  for (auto left = static_cast<uint16_t>(lazy_ & out_ & ~bit(except_v)); left != 0;
       left &= static_cast<uint16_t>(left - 1))
    if ((values_[static_cast<unsigned>(std::countr_zero(left))].deps & bit(reg)) != 0) return true;
  return false;
}

void CodeGen::divide(uint32_t i, const Insn& insn, bool wide) {
  bool is_signed = insn.off == 1, remainder = insn.op() == BPF_MOD;
  unsigned v = insn.dst;
  if ((out_ & bit(v)) == 0) return;
  int64_t imm = insn.imm;
  bool known = !insn.uses_src_reg();
  if (!known && constant(insn.src, imm)) known = true;
  if (!known && (function_->known >> insn.src & 1) != 0) {  // the one value that it ever has
    known = true;
    imm = static_cast<int64_t>(function_->known_value[insn.src]);
  }
  if (known) {
    if (!wide)
      imm =
          is_signed ? static_cast<int32_t>(imm) : static_cast<int64_t>(static_cast<uint32_t>(imm));
    if (imm == 0) {
      if (!remainder) {
        prepare(v, 0);
        return assign(v, const_of(0));
      }
      return shift_const(v, 0, BPF_LSH, wide);  // unchanged, or zero extended
    }
    if (!blind_ && divide_const(v, imm, wide, is_signed, remainder)) return;
    modify(v);
    load_imm(kScratch, imm);
    return divide_reg(v, kScratch, wide, is_signed, remainder, true, imm == -1);
  }
  modify(v);
  unsigned size = wide ? 8 : 4;
  ready_reg(insn.src, size);
  bool nonzero = !program_.facts().empty() && program_.facts()[i].divisor_is_nonzero;
  divide_reg(v, reg(insn.src, size), wide, is_signed, remainder, nonzero, is_signed);
}

// v is in its home.
void CodeGen::divide_reg(unsigned v, unsigned divisor, bool wide, bool is_signed, bool remainder,
                         bool nonzero, bool maybe_minus_one) {
  unsigned dst = home_[v];
  uint8_t* to_zero = nullptr;
  uint8_t* to_minus = nullptr;
  if (!nonzero) {
    e_.test(wide, divisor, divisor);
    to_zero = skip(kE);
  }
  if (is_signed && maybe_minus_one) {
    e_.alu_imm(kCmp, wide, divisor, -1);
    to_minus = skip(kE);
  }
  bool keep_rax = dst != rax && must_keep(rax, v), keep_rdx = dst != rdx && must_keep(rdx, v);
  unsigned rax_in = kNoReg, rdx_in = kNoReg;
  if (divisor == rax) {
    e_.mov(true, kScratch, rax);
    divisor = rax_in = kScratch;
  } else if (divisor == rdx) {
    e_.mov(true, kScratch, rdx);
    divisor = rdx_in = kScratch;
  }
  bool pushed = false;
  if (keep_rax && rax_in == kNoReg) e_.mov(true, rax_in = kScratch2, rax);
  if (keep_rdx && rdx_in == kNoReg) {
    if (divisor != kScratch) {
      e_.mov(true, rdx_in = kScratch, rdx);
    } else if (rax_in != kScratch2) {
      e_.mov(true, rdx_in = kScratch2, rdx);
    } else {
      e_.push(rdx);
      pushed = true;
    }
  }
  if (dst != rax) e_.mov(wide, rax, dst);
  if (is_signed) {
    e_.sign_extend_rax(wide);
    e_.idiv(wide, divisor);
  } else {
    e_.zero(rdx);
    e_.div(wide, divisor);
  }
  unsigned result = remainder ? rdx : rax;
  if (dst != result) e_.mov(wide, dst, result);
  if (keep_rax) e_.mov(true, rax, rax_in);
  if (pushed) {
    e_.pop(rdx);
  } else if (keep_rdx) {
    e_.mov(true, rdx, rdx_in);
  }
  bool zero_needs_code = to_zero != nullptr && !(remainder && wide);
  if (zero_needs_code || to_minus != nullptr) {
    uint8_t* end = skip();
    uint8_t* second_end = nullptr;
    if (to_minus != nullptr) {
      bind(to_minus);
      if (remainder) {
        e_.zero(dst);
      } else {
        e_.neg(wide, dst);
      }
      if (zero_needs_code) second_end = skip();
    }
    if (zero_needs_code) {
      bind(to_zero);
      if (remainder) {
        e_.mov(false, dst, dst);
      } else {
        e_.zero(dst);
      }
    }
    bind(end);
    if (second_end != nullptr) bind(second_end);
  }
  if (to_zero != nullptr && !zero_needs_code) bind(to_zero);
  end_def(v, !wide);
}

bool CodeGen::divide_const(unsigned v, int64_t imm, bool wide, bool is_signed, bool remainder) {
  if (imm == 1) {
    if (remainder) {
      prepare(v, 0);
      assign(v, const_of(0));
    } else {
      shift_const(v, 0, BPF_LSH, wide);
    }
    return true;
  }
  if (is_signed) {
    if (imm < 2 || wide || imm == INT32_MIN) return false;
    signed_magic(v, imm, wide, remainder);
    return true;
  }
  auto divisor = static_cast<uint64_t>(imm);
  if (std::has_single_bit(divisor) && (!remainder || divisor <= uint64_t{1} << 31)) {
    if (remainder) {
      alu_const(v, static_cast<int32_t>(divisor - 1), BPF_AND, wide);
      if (!wide) shift_const(v, 0, BPF_LSH, false);
    } else {
      shift_const(v, static_cast<unsigned>(std::countr_zero(divisor)), BPF_RSH, wide);
    }
    return true;
  }
  if (divisor > INT64_MAX || std::has_single_bit(divisor)) return false;
  if (!wide && divisor > INT32_MAX) return false;
  unsigned_magic(v, divisor, wide, remainder);
  return true;
}

void CodeGen::unsigned_magic(unsigned v, uint64_t divisor, bool wide, bool remainder) {
  unsigned dst = modify(v);
  bool large = divisor > INT32_MAX;
  if (wide && zero_extended(dst) && !large) wide = false;
  Magic magic = magic_for(divisor, wide ? 64 : 32);
  auto by = static_cast<int32_t>(divisor);
  // An even divisor that needs an addition: halve both first, then the product has a bit to spare.
  unsigned halvings = 0;
  if (magic.add && wide && divisor % 2 == 0) {
    halvings = static_cast<unsigned>(std::countr_zero(divisor));
    uint64_t odd = divisor >> halvings;
    auto log = static_cast<unsigned>(std::bit_width(odd) - 1);
    magic = {static_cast<uint64_t>((static_cast<Wide>(1) << (64 + log)) / odd) + 1, log, false};
  }
  if (!wide) {
    e_.mov(false, kScratch, dst);
    e_.mov_imm(kScratch2, magic.factor);
    e_.imul(true, kScratch2, kScratch);
    if (magic.add) {
      e_.shift(kShr, true, kScratch2, 32);
      e_.alu(kSub, false, kScratch, kScratch2);
      e_.shift(kShr, false, kScratch, 1);
      e_.alu(kAdd, false, kScratch2, kScratch);
      if (magic.shift != 0) e_.shift(kShr, false, kScratch2, magic.shift);
    } else {
      e_.shift(kShr, true, kScratch2, 32 + magic.shift);
    }
    if (remainder) {
      e_.imul_imm(false, kScratch2, kScratch2, by);
      e_.alu(kSub, false, dst, kScratch2);
    } else {
      e_.mov(false, dst, kScratch2);
    }
    return end_def(v, true);
  }
  // The high half of a 64-bit product, to kScratch.
  if (options_.cpu.bmi2) {
    bool keep = dst != rdx && must_keep(rdx, v);
    if (keep) e_.mov(true, kScratch2, rdx);
    e_.mov_imm(kScratch, magic.factor);
    bool moved = dst != rdx;
    if (!moved && halvings != 0) {
      e_.mov(true, kScratch2, rdx);
      e_.shift(kShr, true, rdx, halvings);
    } else if (moved) {
      e_.mov(true, rdx, dst);
      if (halvings != 0) e_.shift(kShr, true, rdx, halvings);
    }
    e_.mulx(true, kScratch, kScratch, kScratch);
    if (keep || (!moved && halvings != 0)) e_.mov(true, rdx, kScratch2);
    if (magic.add) e_.mov(true, kScratch2, dst);
  } else {
    bool keep_rax = dst != rax && must_keep(rax, v), keep_rdx = dst != rdx && must_keep(rdx, v);
    if (keep_rax) e_.push(rax);
    if (keep_rdx) e_.push(rdx);
    e_.mov(true, kScratch2, dst);
    if (dst != rax) e_.mov(true, rax, dst);
    if (halvings != 0) e_.shift(kShr, true, rax, halvings);
    e_.mov_imm(kScratch, magic.factor);
    e_.mul(true, kScratch);
    e_.mov(true, kScratch, rdx);
    if (keep_rdx) e_.pop(rdx);
    if (keep_rax) e_.pop(rax);
    if (dst == rax || dst == rdx) e_.mov(true, dst, kScratch2);
  }
  if (magic.add) {
    e_.alu(kSub, true, kScratch2, kScratch);
    e_.shift(kShr, true, kScratch2, 1);
    e_.alu(kAdd, true, kScratch, kScratch2);
  }
  if (magic.shift != 0) e_.shift(kShr, true, kScratch, magic.shift);
  if (remainder) {
    if (large) {
      e_.mov_imm(kScratch2, divisor);
      e_.imul(true, kScratch, kScratch2);
    } else {
      e_.imul_imm(true, kScratch, kScratch, by);
    }
    e_.alu(kSub, true, dst, kScratch);
  } else {
    e_.mov(true, dst, kScratch);
  }
  end_def(v, false);
}

// 32 bits, divisor of at least 2. Hacker's Delight 10-1, with the product in 64 bits.
void CodeGen::signed_magic(unsigned v, int64_t divisor, bool wide, bool remainder) {
  auto d = static_cast<uint64_t>(divisor);
  uint64_t nc = 0x7fffffff - (uint64_t{0x80000000} % d);
  unsigned p = 32;
  while ((uint64_t{1} << p) <= nc * (d - (uint64_t{1} << p) % d)) p++;
  uint64_t factor = ((uint64_t{1} << p) + d - (uint64_t{1} << p) % d) / d;
  unsigned dst = modify(v);
  e_.sign_extend(4, true, kScratch, dst);
  e_.mov_imm(kScratch2, factor);
  e_.imul(true, kScratch2, kScratch);
  e_.shift(kSar, true, kScratch2, p);
  e_.shift(kSar, false, kScratch, 31);
  e_.alu(kSub, false, kScratch2, kScratch);
  if (remainder) {
    e_.imul_imm(false, kScratch2, kScratch2, static_cast<int32_t>(divisor));
    e_.alu(kSub, false, dst, kScratch2);
  } else {
    e_.mov(false, dst, kScratch2);
  }
  end_def(v, !wide);
}

}  // namespace skep::jit::x86
