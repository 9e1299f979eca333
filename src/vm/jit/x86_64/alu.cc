// ALU and ALU64 but division.
#include <bit>

#include "vm/jit/x86_64/codegen.h"

namespace skep::jit::x86 {

using namespace isa;

void CodeGen::alu(uint32_t i, const Insn& insn, bool wide) {
  uint8_t op = insn.op();
  if (op == BPF_DIV || op == BPF_MOD) return divide(i, insn, wide);
  if ((out_ & bit(insn.dst)) == 0) return;  // nobody reads it
  switch (op) {
    case BPF_MOV: return move(insn, wide);
    case BPF_END: return byte_order(i, insn, wide);
    case BPF_NEG: {
      unsigned dst = modify(insn.dst);
      e_.neg(wide, dst);
      end_def(insn.dst, !wide);
      note_flags(dst, wide, false);
      return;
    }
    default: break;
  }
  bool shift = op == BPF_LSH || op == BPF_RSH || op == BPF_ARSH;
  if (insn.uses_src_reg()) return alu_reg(insn.dst, insn.src, op, wide);
  if (!blind_ || shift) return alu_const(insn.dst, insn.imm, op, wide);
  modify(insn.dst);
  load_imm(kScratch, wide ? int64_t{insn.imm} : int64_t{static_cast<uint32_t>(insn.imm)});
  alu_eager(insn.dst, kScratch, op, wide);
}

// dst is in its home, which may be changed; src_reg holds the operand.
void CodeGen::alu_eager(unsigned v, unsigned src_reg, uint8_t op, bool wide) {
  unsigned dst = home_[v];
  bool was_zero_extended = zero_extended(dst), logic = false, both = false;
  switch (op) {
    case BPF_ADD: e_.alu(kAdd, wide, dst, src_reg); break;
    case BPF_SUB: e_.alu(kSub, wide, dst, src_reg); break;
    case BPF_OR: e_.alu(kOr, wide, dst, src_reg), logic = both = true; break;
    case BPF_XOR: e_.alu(kXor, wide, dst, src_reg), logic = both = true; break;
    case BPF_AND:
      if (zero_extended(dst) || zero_extended(src_reg)) wide = false;  // the same, and shorter
      e_.alu(kAnd, wide, dst, src_reg), logic = true;
      break;
    case BPF_MUL: e_.imul(wide, dst, src_reg); break;
    default: return broken("an unknown ALU operation");
  }
  bool zero = !wide || (both && was_zero_extended && zero_extended(src_reg));
  end_def(v, zero);
  if (op != BPF_MUL) note_flags(dst, wide, logic);
}

void CodeGen::add_values(unsigned dst, unsigned src, bool wide) {
  Value a = value(dst), b = value(src), sum;
  prepare(dst, a.deps | b.deps);
  a = value(dst), b = value(src);
  for (unsigned attempt = 0; !add(a, b, wide, sum); attempt++) {
    // Both home always add up.
    Value probe = a;
    bool a_is_worse = !linear(probe, wide, zext_) ||
                      (probe.base != kNoReg && probe.index != kNoReg) ||
                      (probe.index != kNoReg && probe.shift != 0 && attempt == 1);
    unsigned worse = attempt == 0 ? (a_is_worse ? dst : src) : attempt == 1 ? dst : src;
    if (worse == kFramePointer) worse = dst;
    materialise(worse);
    if (attempt > 2) return broken("a sum");
    // What was materialised may have waited on others' homes.
    prepare(dst, value(dst).deps | value(src).deps);
    a = value(dst), b = value(src);
  }
  assign(dst, sum);
}

void CodeGen::alu_reg(unsigned dst, unsigned src, uint8_t op, bool wide) {
  int64_t imm;
  if (op == BPF_LSH || op == BPF_RSH || op == BPF_ARSH) {
    if (constant(src, imm)) return alu_const(dst, imm & (wide ? 63 : 31), op, wide);
    return shift_reg(dst, src, op, wide);
  }
  if (constant(src, imm) && (!wide || fits32(imm)))
    return alu_const(dst, wide ? imm : static_cast<int32_t>(imm), op, wide);
  if ((op == BPF_ADD || op == BPF_OR || op == BPF_XOR) && rotate(dst, src, wide)) return;
  if (op == BPF_ADD) {
    // A value that is home and needed there is best changed there, unless the sum can be put off.
    return add_values(dst, src, wide);
  }
  if (op == BPF_SUB || op == BPF_XOR) {
    if (dst == src) {
      prepare(dst, 0);
      return assign(dst, const_of(0));
    }
  }
  modify(dst);
  ready_reg(src, wide ? 8 : 4);
  alu_eager(dst, reg(src, wide ? 8 : 4), op, wide);
}

void CodeGen::alu_const(unsigned v, int64_t imm, uint8_t op, bool wide) {
  int64_t known;
  if (constant(v, known)) {
    auto a = static_cast<uint64_t>(known), b = static_cast<uint64_t>(imm);
    if (!wide) a = static_cast<uint32_t>(a), b = static_cast<uint32_t>(b);
    uint64_t result = 0;
    switch (op) {
      case BPF_ADD: result = a + b; break;
      case BPF_SUB: result = a - b; break;
      case BPF_MUL: result = a * b; break;
      case BPF_OR: result = a | b; break;
      case BPF_AND: result = a & b; break;
      case BPF_XOR: result = a ^ b; break;
      case BPF_LSH: result = a << (b & (wide ? 63 : 31)); break;
      case BPF_RSH: result = a >> (b & (wide ? 63 : 31)); break;
      default:
        result = wide ? static_cast<uint64_t>(known >> (b & 63))
                      : static_cast<uint64_t>(static_cast<int32_t>(a) >> (b & 31));
    }
    if (!wide) result = static_cast<uint32_t>(result);
    return assign(v, const_of(static_cast<int64_t>(result)));  // it had no dependents to wait for
  }
  switch (op) {
    case BPF_SUB:
      if (imm == INT32_MIN) break;
      imm = -imm;
      [[fallthrough]];
    case BPF_ADD: {
      Value sum;
      prepare(v, value(v).deps);
      if (!add(value(v), const_of(imm), wide, sum)) {
        materialise(v);
        if (!add(value(v), const_of(imm), wide, sum)) return broken("a constant sum");
      }
      return assign(v, sum);
    }
    case BPF_MUL: return multiply_const(v, imm, wide);
    case BPF_LSH:
    case BPF_RSH:
    case BPF_ARSH: return shift_const(v, static_cast<unsigned>(imm) & (wide ? 63 : 31), op, wide);
    case BPF_AND:
      if (imm == -1 && wide) return;
      if (imm == 0xff || imm == 0xffff) {
        unsigned size = imm == 0xff ? 1 : 2;
        ready_reg(v, size);
        unsigned from = plain_reg(v, size);
        prepare(v, bit(from));
        from = plain_reg(v, size);
        Value x{.kind = size == 1 ? Kind::kZext8 : Kind::kZext16,
                .base = static_cast<uint8_t>(from)};
        set_deps(x);
        return assign(v, x);
      }
      break;
    case BPF_OR:
      if (imm == 0 && wide) return;
      break;
    case BPF_XOR:
      if (imm == 0 && wide) return;
      if (imm == -1) {
        e_.not_(wide, modify(v));
        return end_def(v, !wide);
      }
      break;
    default: break;
  }
  unsigned dst = modify(v);
  auto small = static_cast<int32_t>(imm);
  bool logic = true, zero = !wide;
  switch (op) {
    case BPF_SUB: e_.alu_imm(kSub, wide, dst, small), logic = false; break;
    case BPF_OR:
      e_.alu_imm(kOr, wide && (small < 0 || !zero_extended(dst)), dst, small);
      zero |= zero_extended(dst) && small >= 0;
      break;
    case BPF_XOR:
      e_.alu_imm(kXor, wide && (small < 0 || !zero_extended(dst)), dst, small);
      zero |= zero_extended(dst) && small >= 0;
      break;
    case BPF_AND:
      zero |= small >= 0 || zero_extended(dst);
      e_.alu_imm(kAnd, !zero, dst, small);
      break;
    default: return broken("an unknown ALU operation");
  }
  end_def(v, zero);
  note_flags(dst, wide && !zero, logic);
}

void CodeGen::move(const Insn& insn, bool wide) {
  unsigned v = insn.dst, src = insn.src;
  if (!insn.uses_src_reg()) {
    int64_t imm = wide ? insn.imm : static_cast<int64_t>(static_cast<uint32_t>(insn.imm));
    if (blind_) {
      load_imm(begin_def(v), imm);
      return end_def(v, static_cast<uint64_t>(imm) <= UINT32_MAX);
    }
    prepare(v, 0);
    return assign(v, const_of(imm));
  }
  if (insn.off > 1) {  // movsx from 8, 16 or 32 bits; 1 is addr_space_cast, a move
    unsigned size = static_cast<unsigned>(insn.off) / 8;
    unsigned dst = begin_def(v);
    ready_reg(src, size);
    e_.sign_extend(size, wide, dst, reg(src, size));
    return end_def(v, !wide);
  }
  Value x = value(src);
  prepare(v, x.deps);
  x = value(src);
  if (!wide) {
    switch (x.kind) {
      case Kind::kConst: x.imm = static_cast<uint32_t>(x.imm); break;
      case Kind::kLinear:
        // A copy of a register whose upper half is 0 anyway stays a wide copy.
        if (!(x.is_copy() && zero_extended(x.base))) x.narrow = true;
        x.imm = static_cast<int32_t>(x.imm);
        break;
      case Kind::kShl:
      case Kind::kShr:
        if (!x.narrow) {
          if (x.kind == Kind::kShl && x.shift < 32) {
            x.narrow = true;
          } else {
            materialise(src);
            prepare(v, bit(home_[src]));
            x = value(src);
            x.narrow = !zero_extended(x.base);
          }
        }
        break;
      case Kind::kZext8:
      case Kind::kZext16: break;
    }
  }
  assign(v, x);
}

// dst op= src where the two are opposite constant shifts of one register: a rotate.
bool CodeGen::rotate(unsigned dst, unsigned src, bool wide) {
  if (dst == src || !lazy(dst) || !lazy(src)) return false;
  Value a = values_[dst], b = values_[src];
  unsigned width = wide ? 64 : 32;
  bool left_first = a.kind == Kind::kShl && b.kind == Kind::kShr;
  if (!left_first && !(a.kind == Kind::kShr && b.kind == Kind::kShl)) return false;
  if (a.base != b.base || a.narrow == wide || b.narrow == wide || a.shift + b.shift != width)
    return false;
  unsigned left = left_first ? a.shift : b.shift;
  // Reads a.base, writes dst's home: whoever waits for that home goes first.
  unsigned home = begin_def(dst);
  if (home == a.base) {
    e_.shift(kRol, wide, home, left);
  } else if (options_.cpu.bmi2) {
    e_.rorx(wide, home, a.base, width - left);
  } else {
    e_.mov(wide, home, a.base);
    e_.shift(kRol, wide, home, left);
  }
  end_def(dst, !wide);
  return true;
}

void CodeGen::shift_const(unsigned v, unsigned count, uint8_t op, bool wide) {
  Value x = value(v);
  if (x.kind == Kind::kShl && wide && !x.narrow && op != BPF_LSH && x.shift == count &&
      (count == 32 || count == 48 || count == 56)) {
    // The old way to extend a narrow value: shift up and down again.
    unsigned size = (64 - count) / 8;
    if (op == BPF_ARSH) {
      unsigned home = begin_def(v);
      e_.sign_extend(size, true, home, x.base);
      return end_def(v, false);
    }
    if (size == 4) {
      Value copy = copy_of(x.base);
      copy.narrow = !zero_extended(x.base);
      return assign(v, copy);
    }
    x.kind = size == 1 ? Kind::kZext8 : Kind::kZext16;
    x.shift = 0;
    return assign(v, x);
  }
  if (count == 0) {
    if (wide) return;
    Insn zext{.opcode = BPF_ALU | BPF_MOV | BPF_X,
              .dst = static_cast<uint8_t>(v),
              .src = static_cast<uint8_t>(v)};
    return move(zext, false);
  }
  if (op == BPF_ARSH) {
    unsigned dst = modify(v);
    e_.shift(kSar, wide, dst, count);
    end_def(v, !wide);
    return note_flags(dst, wide, false);
  }
  if (op == BPF_LSH && x.kind == Kind::kShl && x.narrow != wide &&
      x.shift + count < (wide ? 64u : 32u)) {
    x.shift = static_cast<uint8_t>(x.shift + count);
    return assign(v, x);
  }
  // A right shift of more than 32 bits needs the whole register; any narrow shift just its low half.
  unsigned size = wide ? 8 : 4;
  ready_reg(v, size);
  prepare(v, bit(plain_reg(v, size)));
  unsigned from = plain_reg(v, size);
  if (from == kNoReg) return broken("a shift");
  Value shifted{.kind = op == BPF_LSH ? Kind::kShl : Kind::kShr,
                .base = static_cast<uint8_t>(from),
                .shift = static_cast<uint8_t>(count),
                .narrow = !wide};
  // 64-bit shifts of a value with an empty upper half.
  if (wide && op == BPF_RSH && count < 32 && zero_extended(from)) shifted.narrow = true;
  set_deps(shifted);
  assign(v, shifted);
}

void CodeGen::shift_reg(unsigned v, unsigned src, uint8_t op, bool wide) {
  Shift shift = op == BPF_LSH ? kShl : op == BPF_RSH ? kShr : kSar;
  unsigned size = wide ? 8 : 4;
  if (options_.cpu.bmi2) {
    unsigned dst = begin_def(v);
    ready_reg(v, size);
    ready_reg(src, 1);
    ready_reg(v, size);
    e_.shift_x(shift, wide, dst, reg(v, size), reg(src, 1));
    return end_def(v, !wide);
  }
  // The count must be in cl.
  unsigned dst = modify(v);
  ready_reg(src, 1);
  unsigned count = reg(src, 1);
  if (count == rcx && dst != rcx) {
    e_.shift_cl(shift, wide, dst);
  } else if (dst == rcx) {
    e_.mov(wide, kScratch, rcx);
    e_.mov(false, rcx, count);
    e_.shift_cl(shift, wide, kScratch);
    e_.mov(wide, rcx, kScratch);
  } else {
    bool keep = must_keep(rcx, v);
    if (keep) e_.mov(true, kScratch, rcx);
    e_.mov(false, rcx, count);
    e_.shift_cl(shift, wide, dst);
    if (keep) e_.mov(true, rcx, kScratch);
  }
  end_def(v, !wide);
}

void CodeGen::multiply_const(unsigned v, int64_t imm, bool wide) {
  auto factor =
      static_cast<uint64_t>(wide ? imm : static_cast<int64_t>(static_cast<uint32_t>(imm)));
  if (factor == 0) {
    prepare(v, 0);
    return assign(v, const_of(0));
  }
  if (std::has_single_bit(factor))
    return shift_const(v, static_cast<unsigned>(std::countr_zero(factor)), BPF_LSH, wide);
  unsigned size = wide ? 8 : 4;
  ready_reg(v, size);
  if (factor == 3 || factor == 5 || factor == 9) {
    prepare(v, bit(plain_reg(v, size)));
    auto from = static_cast<uint8_t>(plain_reg(v, size));
    Value x{.kind = Kind::kLinear,
            .base = from,
            .index = from,
            .shift = static_cast<uint8_t>(factor == 3   ? 1
                                          : factor == 5 ? 2
                                                        : 3),
            .narrow = !wide};
    set_deps(x);
    return assign(v, x);
  }
  unsigned dst = begin_def(v);
  ready_reg(v, size);
  e_.imul_imm(wide, dst, reg(v, size), static_cast<int32_t>(imm));
  end_def(v, !wide);
}

void CodeGen::byte_order(uint32_t i, const Insn& insn, bool wide) {
  unsigned v = insn.dst;
  bool swaps = wide || (insn.opcode & BPF_TO_BE) != 0;  // ALU64|END is bswap
  if (!swaps) {
    if (insn.imm == 64) return;
    if (insn.imm == 16) return alu_const(v, 0xffff, BPF_AND, true);
    Insn zext{.opcode = BPF_ALU | BPF_MOV | BPF_X, .dst = insn.dst, .src = insn.dst};
    return move(zext, false);
  }
  if (options_.cpu.movbe && (a_.flags(i + 1) & kLeader) == 0) {  // swap and store
    const Insn& next = insns_[i + 1];
    if (next.cls() == BPF_STX && next.mode() == BPF_MEM && next.src == v && next.dst != v &&
        insn.imm != 16 && static_cast<int>(next.access_size()) * 8 == insn.imm &&
        (a_.live_out(i + 1) & bit(v)) == 0) {
      in_ |= a_.live_in(i + 1);
      out_ = a_.live_out(i + 1);
      unsigned size = next.access_size();
      ready_mem(next.dst, next.off);
      ready_reg(v, size);
      ready_mem(next.dst, next.off);
      e_.store_swapped(size, mem(next.dst, next.off), reg(v, size));
      next_ = i + 2;
      return;
    }
  }
  unsigned dst = modify(v);
  switch (insn.imm) {
    case 16:
      e_.rol16(dst, 8);
      e_.zero_extend(2, dst, dst);
      break;
    case 32: e_.bswap(false, dst); break;
    default: e_.bswap(true, dst);
  }
  end_def(v, insn.imm != 64);
}

}  // namespace skep::jit::x86
