// Lazy values: how they are made, combined, and turned into code at last. See codegen.h.
#include <bit>

#include "vm/jit/x86_64/codegen.h"

namespace skep::jit::x86 {

Value CodeGen::copy_of(unsigned reg) {
  return {.kind = Kind::kLinear, .base = static_cast<uint8_t>(reg), .deps = bit(reg)};
}

Value CodeGen::const_of(int64_t imm) { return {.kind = Kind::kConst, .imm = imm}; }

Value CodeGen::value(unsigned v) const { return lazy(v) ? values_[v] : copy_of(home_[v]); }

void CodeGen::set_deps(Value& value) {
  value.deps = 0;
  if (value.base != kNoReg && value.base != rsp) value.deps |= bit(value.base);
  if (value.index != kNoReg) value.deps |= bit(value.index);
}

// Makes `value` a wide kLinear with the same 64 (wide) or low 32 bits, if it can be.
bool CodeGen::linear(Value& value, bool wide, uint16_t zero_extended) {
  switch (value.kind) {
    case Kind::kConst:
      if (wide && !fits32(value.imm)) return false;
      value.kind = Kind::kLinear;
      value.imm = static_cast<int32_t>(value.imm);
      return true;
    case Kind::kLinear:
      if (!value.narrow) return true;
      if (wide && !(value.is_copy() && (zero_extended >> value.base & 1) != 0)) return false;
      value.narrow = false;
      return true;
    case Kind::kShl:
      if ((wide && value.narrow) || value.shift > 3) return false;
      value.kind = Kind::kLinear;
      value.index = value.base;
      value.base = kNoReg;
      value.narrow = false;
      return true;
    case Kind::kShr:
    case Kind::kZext8:
    case Kind::kZext16: return false;
  }
  return false;
}

bool CodeGen::add(Value a, Value b, bool wide, Value& sum) const {
  if (!linear(a, wide, zext_) || !linear(b, wide, zext_)) return false;
  int64_t imm = a.imm + b.imm;
  if (!wide) imm = static_cast<int32_t>(imm);
  if (!fits32(imm)) return false;
  uint8_t plain[4];
  unsigned plains = 0;
  uint8_t scaled = kNoReg, shift = 0;
  for (const Value* part : {&a, &b}) {
    if (part->base != kNoReg) plain[plains++] = part->base;
    if (part->index == kNoReg) continue;
    if (part->shift == 0) {
      plain[plains++] = part->index;
    } else if (scaled == kNoReg) {
      scaled = part->index, shift = part->shift;
    } else {
      return false;
    }
  }
  if (plains + (scaled != kNoReg) > 2) return false;
  sum = {.kind = Kind::kLinear, .narrow = !wide, .imm = imm};
  if (plains > 0) sum.base = plain[0];
  if (scaled != kNoReg) {
    sum.index = scaled, sum.shift = shift;
  } else if (plains == 2) {
    sum.index = plain[1];
    if (sum.index == rsp) std::swap(sum.base, sum.index);
    if (sum.index == rsp) return false;
  }
  set_deps(sum);
  return true;
}

void CodeGen::load_imm(unsigned reg, int64_t imm) {
  auto value = static_cast<uint64_t>(imm);
  if (!blind_) {
    if (value == 0) {
      e_.zero(reg);
    } else {
      e_.mov_imm(reg, value);
    }
    return;
  }
  uint64_t mask = random();
  if (value <= UINT32_MAX) {
    mask &= 0xffffffff;
    e_.mov_imm(reg, value ^ mask);
    e_.alu_imm(kXor, false, reg, static_cast<int32_t>(mask));
  } else if (fits32(imm)) {
    mask &= 0x7fffffff;
    e_.mov_imm(reg, value ^ mask);
    e_.alu_imm(kXor, true, reg, static_cast<int32_t>(mask));
  } else {  // in halves: no register is at hand for a 64-bit mask. Positive ones touch just their half.
    mask &= 0x7fffffff7fffffff;
    e_.mov_imm64(reg, value ^ mask);
    e_.alu_imm(kXor, true, reg, static_cast<int32_t>(mask));
    e_.shift(kRol, true, reg, 32);
    e_.alu_imm(kXor, true, reg, static_cast<int32_t>(mask >> 32));
    e_.shift(kRol, true, reg, 32);
  }
}

uint64_t CodeGen::random() {  // splitmix64
  uint64_t z = random_state_ += 0x9e3779b97f4a7c15;
  z = (z ^ z >> 30) * 0xbf58476d1ce4e5b9;
  z = (z ^ z >> 27) * 0x94d049bb133111eb;
  return z ^ z >> 31;
}

// Code for `value` into machine register `home`.
void CodeGen::compute(unsigned home, const Value& value) {
  bool zero_extended = value.narrow;
  switch (value.kind) {
    case Kind::kConst:
      load_imm(home, value.imm);
      zero_extended = static_cast<uint64_t>(value.imm) <= UINT32_MAX;
      break;
    case Kind::kLinear: {
      bool wide = !value.narrow;
      auto imm = static_cast<int32_t>(value.imm);
      Mem mem{.base = value.base, .index = value.index, .scale = value.shift, .disp = imm};
      if (value.index == kNoReg) {
        if (value.base == kNoReg) {
          load_imm(home, wide ? int64_t{imm} : int64_t{static_cast<uint32_t>(imm)});
          zero_extended = !wide || imm >= 0;
        } else if (imm == 0) {
          if (!wide || value.base != home) e_.mov(wide, home, value.base);
          if (wide) zero_extended = this->zero_extended(value.base);
        } else if (value.base == home) {
          e_.alu_imm(kAdd, wide, home, imm);
          note_flags(home, wide, false);
        } else {
          e_.lea(wide, home, mem);
        }
      } else if (value.base == kNoReg) {
        if (value.shift == 0) {
          mem.base = value.index, mem.index = kNoReg;
          if (imm == 0) {
            e_.mov(wide, home, value.index);
          } else {
            e_.lea(wide, home, mem);
          }
        } else if (imm == 0 && value.index == home) {
          e_.shift(kShl, wide, home, value.shift);
        } else if (value.shift == 1) {  // shorter than a scaled index without a base
          mem.base = value.index, mem.scale = 0;
          e_.lea(wide, home, mem);
        } else {
          e_.lea(wide, home, mem);
        }
      } else if (imm == 0 && value.base == home && value.shift == 0) {
        e_.alu(kAdd, wide, home, value.index);
        note_flags(home, wide, false);
      } else if (imm == 0 && value.index == home && value.shift == 0 && value.base != rsp) {
        e_.alu(kAdd, wide, home, value.base);
        note_flags(home, wide, false);
      } else {
        e_.lea(wide, home, mem);
      }
      break;
    }
    case Kind::kShl:
      if (value.base == home) {
        e_.shift(kShl, !value.narrow, home, value.shift);
      } else if (value.shift == 1) {
        e_.lea(!value.narrow, home, {.base = value.base, .index = value.base});
      } else if (value.shift <= 3) {
        e_.lea(!value.narrow, home, {.index = value.base, .scale = value.shift});
      } else {
        e_.mov(!value.narrow, home, value.base);
        e_.shift(kShl, !value.narrow, home, value.shift);
      }
      break;
    case Kind::kShr:
      if (value.base != home) e_.mov(!value.narrow, home, value.base);
      e_.shift(kShr, !value.narrow, home, value.shift);
      if (!value.narrow) zero_extended = value.shift >= 32;
      break;
    case Kind::kZext8: e_.zero_extend(1, home, value.base), zero_extended = true; break;
    case Kind::kZext16: e_.zero_extend(2, home, value.base), zero_extended = true; break;
  }
  zext_ = static_cast<uint16_t>(zero_extended ? zext_ | bit(home) : zext_ & ~bit(home));
}

void CodeGen::materialise(unsigned v) {
  if (!lazy(v) || v == isa::kFramePointer) return;
  room();
  in_progress_ |= bit(v);
  clobber(home_[v], static_cast<uint16_t>((in_ | out_) & ~bit(v)));
  compute(home_[v], values_[v]);
  lazy_ &= static_cast<uint16_t>(~bit(v));
  in_progress_ &= static_cast<uint16_t>(~bit(v));
}

void CodeGen::clobber(unsigned reg, uint16_t mask) { clobber_all(bit(reg), mask); }

void CodeGen::clobber_all(uint16_t regs, uint16_t mask) {
  for (auto left = static_cast<uint16_t>(lazy_ & mask); left != 0;
       left &= static_cast<uint16_t>(left - 1)) {
    auto v = static_cast<unsigned>(std::countr_zero(left));
    if (!lazy(v) || (values_[v].deps & regs) == 0) continue;
    if ((in_progress_ & bit(v)) != 0) return broken("a cycle of lazy values");
    materialise(v);
  }
}

void CodeGen::flush(uint16_t mask) {
  for (auto left = static_cast<uint16_t>(lazy_ & mask); left != 0;
       left &= static_cast<uint16_t>(left - 1))
    materialise(static_cast<unsigned>(std::countr_zero(left)));
}

void CodeGen::flush_except_last(uint16_t mask, uint16_t last) {
  flush(static_cast<uint16_t>(mask & ~last));
  flush(static_cast<uint16_t>(mask & last));
}

// Soundness: call "u before v" the order that computing u, which reads v's home, must come before v. An
// older u may wait on a newer v, since v was assigned while u read v's home. For a newer v to wait on an
// older u as well, v would have to read the home of a lazy register: then v is made to have none before it.
void CodeGen::prepare(unsigned v, uint16_t deps) {
  auto others = static_cast<uint16_t>(lazy_ & out_ & ~bit(v));
  if (others == 0) return;
  uint16_t lazy_homes = 0, waiting = 0;
  for (uint16_t left = others; left != 0; left &= static_cast<uint16_t>(left - 1)) {
    auto u = static_cast<unsigned>(std::countr_zero(left));
    if (u == isa::kFramePointer) continue;
    lazy_homes |= bit(home_[u]);
    if ((values_[u].deps & bit(home_[v])) != 0) waiting |= bit(u);
  }
  if (waiting != 0 && (deps & ~bit(home_[v]) & lazy_homes) != 0) flush(waiting);
}

void CodeGen::assign(unsigned v, Value value) {
  if (value.kind == Kind::kLinear && !value.narrow && value.is_copy() && value.base == home_[v]) {
    lazy_ &= static_cast<uint16_t>(~bit(v));  // it never left
    return;
  }
  values_[v] = value;
  lazy_ |= bit(v);
}

unsigned CodeGen::begin_def(unsigned v) {
  clobber(home_[v], static_cast<uint16_t>(out_ & ~bit(v)));
  return home_[v];
}

void CodeGen::end_def(unsigned v, bool zero_extended) {
  lazy_ &= static_cast<uint16_t>(~bit(v));
  zext_ = static_cast<uint16_t>(zero_extended ? zext_ | bit(home_[v]) : zext_ & ~bit(home_[v]));
}

unsigned CodeGen::modify(unsigned v) {
  materialise(v);
  return begin_def(v);
}

// The machine register whose low `size` bytes are v's.
unsigned CodeGen::plain_reg(unsigned v, unsigned size) const {
  if (!lazy(v)) return home_[v];
  const Value& x = values_[v];
  switch (x.kind) {
    case Kind::kLinear:
      if (x.is_copy() && x.base != rsp && (!x.narrow || size <= 4 || zero_extended(x.base)))
        return x.base;
      return kNoReg;
    case Kind::kZext8: return size == 1 ? x.base : kNoReg;
    case Kind::kZext16: return size <= 2 ? x.base : kNoReg;
    case Kind::kConst:
    case Kind::kShl:
    case Kind::kShr: return kNoReg;
  }
  return kNoReg;
}

void CodeGen::ready_reg(unsigned v, unsigned size) {
  if (v != isa::kFramePointer && plain_reg(v, size) == kNoReg) materialise(v);
}

unsigned CodeGen::reg(unsigned v, unsigned size) {
  if (v == isa::kFramePointer) {
    compute(kScratch, values_[v]);
    return kScratch;
  }
  return plain_reg(v, size);
}

void CodeGen::ready_mem(unsigned v, int32_t off) {
  if (!lazy(v)) return;
  Value x = values_[v];
  if (x.kind == Kind::kShl || x.kind == Kind::kConst || !linear(x, true, zext_) ||
      !fits32(x.imm + off))
    materialise(v);
}

Mem CodeGen::mem(unsigned v, int32_t off) const {
  if (!lazy(v)) return {.base = home_[v], .disp = off};
  const Value& x = values_[v];
  return {.base = x.base,
          .index = x.index,
          .scale = x.shift,
          .disp = static_cast<int32_t>(x.imm + off)};
}

}  // namespace skep::jit::x86
