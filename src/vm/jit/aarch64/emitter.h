// AArch64 instructions as numbers: one function a form, no state but the words so far, after the Arm Architecture
// Reference Manual (C4, C6). tests/vm/aarch64_emitter_test.cc compares every form with what GNU as makes of it.
//
// Register 31 is sp as an address's base and in add_imm, sub_imm and add_to_sp, elsewhere zero.
#pragma once

#include <bit>
#include <cstdint>
#include <optional>
#include <vector>

namespace skep::jit::arm {

inline constexpr unsigned kZero = 31, kSp = 31, kFrame = 29, kLink = 30;
enum Cond : uint8_t { kEq, kNe, kHs, kLo, kMi, kPl, kVs, kVc, kHi, kLs, kGe, kLt, kGt, kLe };
[[nodiscard]] constexpr Cond inverse(Cond cond) { return static_cast<Cond>(cond ^ 1); }

// d = n op m; of the first row also d = n op (m << amount).
enum class Op3 : uint32_t {
  kAdd = 0x0b000000,
  kSub = 0x4b000000,
  kAdds = 0x2b000000,
  kSubs = 0x6b000000,
  kAnd = 0x0a000000,
  kBic = 0x0a200000,
  kOrr = 0x2a000000,
  kOrn = 0x2a200000,
  kEor = 0x4a000000,
  kAnds = 0x6a000000,

  kUdiv = 0x1ac00800,
  kSdiv = 0x1ac00c00,
  kLsl = 0x1ac02000,
  kLsr = 0x1ac02400,
  kAsr = 0x1ac02800,
  kMul = 0x1b007c00,
};
// d = n op a bit pattern.
enum class Logic : uint32_t {
  kAnd = 0x12000000,
  kOrr = 0x32000000,
  kEor = 0x52000000,
  kAnds = 0x72000000,
};
// Atomics of ARMv8.1: t = memory, memory op= s.
enum class Lse : uint32_t {
  kAdd = 0x0000,
  kClr = 0x1000,
  kEor = 0x2000,
  kSet = 0x3000,
  kSwp = 0x8000
};
enum class Access : uint32_t { kStore = 0, kLoad = 1, kLoadSigned = 2 };  // signed: to 64 bits

// The 13 bits (N, immr, imms) of a pattern that logical instructions can have as an immediate: a rotated run of ones,
// repeated. 0 and ~0 are none.
[[nodiscard]] constexpr std::optional<uint32_t> bit_pattern(uint64_t value, bool wide) {
  if (!wide) value = (value & 0xffffffff) | value << 32;
  if (value == 0 || value == ~uint64_t{0}) return std::nullopt;
  unsigned size = 64;
  while (size > 2) {
    const unsigned half = size / 2;
    const uint64_t mask = (uint64_t{1} << half) - 1;
    if ((value & mask) != (value >> half & mask)) break;
    size = half;
  }
  const uint64_t mask = size == 64 ? ~uint64_t{0} : (uint64_t{1} << size) - 1;
  uint64_t element = value & mask;
  // Rotated so that the run of ones begins at bit 0.
  unsigned start = 0;
  if ((element & 1) != 0 &&
      (element >> (size - 1) & 1) != 0) {  // the run wraps: it begins after the zeros
    start = size - static_cast<unsigned>(std::countl_one(element << (64 - size)));
  } else {
    start = static_cast<unsigned>(std::countr_zero(element));
  }
  element = (element >> start | (start == 0 ? 0 : element << (size - start))) & mask;
  const auto ones = static_cast<unsigned>(std::countr_one(element));
  if (element != (ones == 64 ? ~uint64_t{0} : (uint64_t{1} << ones) - 1)) return std::nullopt;
  const uint32_t rotate = (size - start) % size;
  const uint32_t imms = ((~(size * 2 - 1) & 0x3f) | (ones - 1)) & 0x3f;
  return (size == 64 ? 1u << 12 : 0) | rotate << 6 | imms;
}

class Emitter {
 public:
  std::vector<uint32_t> code;

  [[nodiscard]] uint32_t here() const { return static_cast<uint32_t>(code.size() * 4); }
  void word(uint32_t insn) { code.push_back(insn); }

  // ---- arithmetic
  void op(Op3 what, bool wide, unsigned d, unsigned n, unsigned m, unsigned shifted_left = 0) {
    word(static_cast<uint32_t>(what) | sf(wide) | m << 16 | shifted_left << 10 | n << 5 | d);
  }
  // d = a + n * m; d = a - n * m
  void madd(bool wide, unsigned d, unsigned n, unsigned m, unsigned a) {
    word(0x1b000000 | sf(wide) | m << 16 | a << 10 | n << 5 | d);
  }
  void msub(bool wide, unsigned d, unsigned n, unsigned m, unsigned a) {
    word(0x1b008000 | sf(wide) | m << 16 | a << 10 | n << 5 | d);
  }
  void umulh(unsigned d, unsigned n, unsigned m) { word(0x9bc07c00 | m << 16 | n << 5 | d); }
  void mov(bool wide, unsigned d, unsigned m) { op(Op3::kOrr, wide, d, kZero, m); }
  void cmp(bool wide, unsigned n, unsigned m) { op(Op3::kSubs, wide, kZero, n, m); }
  // imm below 4096, or a multiple of 4096 below 2^24 (fits_imm12).
  void add_imm(bool wide, unsigned d, unsigned n, uint32_t imm) {
    imm12(0x11000000, wide, d, n, imm);
  }
  void sub_imm(bool wide, unsigned d, unsigned n, uint32_t imm) {
    imm12(0x51000000, wide, d, n, imm);
  }
  void subs_imm(bool wide, unsigned d, unsigned n, uint32_t imm) {
    imm12(0x71000000, wide, d, n, imm);
  }
  void cmp_imm(bool wide, unsigned n, uint32_t imm) { subs_imm(wide, kZero, n, imm); }
  void cmn_imm(bool wide, unsigned n, uint32_t imm) { imm12(0x31000000, wide, kZero, n, imm); }
  [[nodiscard]] static bool fits_imm12(uint64_t imm) {
    return imm < 4096 || (imm < 1 << 24 && imm % 4096 == 0);
  }
  void add_to_sp(unsigned d, unsigned m) { word(0x8b2063e0 | m << 16 | d); }  // d = sp + m
  void logic(Logic what, bool wide, unsigned d, unsigned n, uint32_t pattern) {
    word(static_cast<uint32_t>(what) | sf(wide) | pattern << 10 | n << 5 | d);
  }
  // Bits [from, to] of n to the bottom of d (from <= to), or bits [0, to] to above the bottom; then zeros or the sign.
  void bitfield(bool is_signed, bool wide, unsigned d, unsigned n, unsigned from, unsigned to) {
    word((is_signed ? 0x13000000u : 0x53000000u) | sf(wide) | (wide ? 1u << 22 : 0) | from << 16 |
         to << 10 | n << 5 | d);
  }
  void lsl_imm(bool wide, unsigned d, unsigned n, unsigned by) {
    const unsigned top = wide ? 63 : 31;
    bitfield(false, wide, d, n, (top + 1 - by) & top, top - by);
  }
  void lsr_imm(bool wide, unsigned d, unsigned n, unsigned by) {
    bitfield(false, wide, d, n, by, wide ? 63 : 31);
  }
  void asr_imm(bool wide, unsigned d, unsigned n, unsigned by) {
    bitfield(true, wide, d, n, by, wide ? 63 : 31);
  }
  void reverse64(unsigned d, unsigned n) { word(0xdac00c00 | n << 5 | d); }
  void reverse32(unsigned d, unsigned n) { word(0x5ac00800 | n << 5 | d); }
  void reverse16(unsigned d, unsigned n) { word(0x5ac00400 | n << 5 | d); }  // of each half word
  void select(bool wide, unsigned d, unsigned n, unsigned m, Cond cond) {    // d = cond ? n : m
    word(0x1a800000 | sf(wide) | m << 16 | static_cast<uint32_t>(cond) << 12 | n << 5 | d);
  }
  // In as few instructions as there are: from zeros, from ones, or as a bit pattern.
  void move_imm(unsigned d, uint64_t value) {
    const bool wide = value > UINT32_MAX;
    const unsigned parts = wide ? 4 : 2;
    unsigned ones = 0, zeros = 0;
    for (unsigned i = 0; i < parts; ++i) {
      ones += part(value, i) == 0xffff;
      zeros += part(value, i) == 0;
    }
    const bool negated = ones > zeros;
    if ((negated ? ones : zeros) + 1 < parts)
      if (auto pattern = bit_pattern(value, wide))
        return logic(Logic::kOrr, wide, d, kZero, *pattern);
    const uint32_t skipped = negated ? 0xffff : 0;
    bool first = true;
    for (unsigned i = 0; i < parts; ++i) {
      const uint32_t bits = part(value, i);
      if (bits == skipped && !(first && i == parts - 1)) continue;
      if (first)
        move_wide(negated ? 0x12800000 : 0x52800000, wide, d, negated ? bits ^ 0xffff : bits, i);
      else
        move_keep(wide, d, bits, i);
      first = false;
    }
  }
  void move_zero(unsigned d, uint32_t bits, unsigned quarter) {
    move_wide(0x52800000, true, d, bits, quarter);
  }
  void move_keep(bool wide, unsigned d, uint32_t bits, unsigned quarter) {
    move_wide(0x72800000, wide, d, bits, quarter);
  }

  // ---- memory: size 1, 2, 4 or 8
  void access_scaled(Access what, unsigned size, unsigned t, unsigned n, uint32_t offset) {
    word(log(size) << 30 | 0x39000000 | static_cast<uint32_t>(what) << 22 | offset / size << 10 |
         n << 5 | t);
  }
  void access_unscaled(Access what, unsigned size, unsigned t, unsigned n, int offset) {
    word(log(size) << 30 | 0x38000000 | static_cast<uint32_t>(what) << 22 |
         (static_cast<uint32_t>(offset) & 0x1ff) << 12 | n << 5 | t);
  }
  void access_indexed(Access what, unsigned size, unsigned t, unsigned n, unsigned m,
                      bool scaled = false) {
    word(log(size) << 30 | 0x38206800 | static_cast<uint32_t>(what) << 22 | m << 16 |
         (scaled ? 1u << 12 : 0) | n << 5 | t);
  }
  void load(unsigned size, unsigned t, unsigned n, uint32_t offset) {
    access_scaled(Access::kLoad, size, t, n, offset);
  }
  void store(unsigned size, unsigned t, unsigned n, uint32_t offset) {
    access_scaled(Access::kStore, size, t, n, offset);
  }
  void store_pair(unsigned t, unsigned u, unsigned n, int offset) {
    pair(0xa9000000, t, u, n, offset);
  }
  void load_pair(unsigned t, unsigned u, unsigned n, int offset) {
    pair(0xa9400000, t, u, n, offset);
  }
  // n += offset; store there. Load from n; n += offset.
  void push_pair(unsigned t, unsigned u, unsigned n, int offset) {
    pair(0xa9800000, t, u, n, offset);
  }
  void pop_pair(unsigned t, unsigned u, unsigned n, int offset) {
    pair(0xa8c00000, t, u, n, offset);
  }
  void load_exclusive(unsigned size, unsigned t, unsigned n) {
    word(log(size) << 30 | 0x085f7c00 | n << 5 | t);
  }
  void store_exclusive(bool releases, unsigned size, unsigned status, unsigned t, unsigned n) {
    word(log(size) << 30 | 0x08007c00 | (releases ? 1u << 15 : 0) | status << 16 | n << 5 | t);
  }
  void load_acquire(unsigned size, unsigned t, unsigned n) {
    word(log(size) << 30 | 0x08dffc00 | n << 5 | t);
  }
  void store_release(unsigned size, unsigned t, unsigned n) {
    word(log(size) << 30 | 0x089ffc00 | n << 5 | t);
  }
  // ARMv8.1. `ordered`: acquires and releases.
  void atomic(Lse what, bool ordered, unsigned size, unsigned s, unsigned t, unsigned n) {
    word(log(size) << 30 | 0x38200000 | (ordered ? 3u << 22 : 0) | static_cast<uint32_t>(what) |
         s << 16 | n << 5 | t);
  }
  void compare_and_swap(unsigned size, unsigned s, unsigned t,
                        unsigned n) {  // acquires and releases
    word(log(size) << 30 | 0x08e0fc00 | s << 16 | n << 5 | t);
  }
  void barrier() { word(0xd5033bbf); }  // dmb ish
  void speculation_barrier() {
    word(0xd503379f);
    word(0xd5033fdf);
  }  // dsb nsh; isb
  void consume_prediction() { word(0xd503229f); }  // csdb

  // ---- branches: distances in bytes from the instruction, 0 where patch() fills them in
  void jump(int64_t by = 0) { word(0x14000000 | (static_cast<uint32_t>(by / 4) & 0x3ffffff)); }
  void call(int64_t by = 0) { word(0x94000000 | (static_cast<uint32_t>(by / 4) & 0x3ffffff)); }
  void jump_if(Cond cond, int64_t by = 0) { word(0x54000000 | field19(by) | cond); }
  void jump_if_zero(bool wide, unsigned t, int64_t by = 0) {
    word(0x34000000 | sf(wide) | field19(by) | t);
  }
  void jump_if_not_zero(bool wide, unsigned t, int64_t by = 0) {
    word(0x35000000 | sf(wide) | field19(by) | t);
  }
  void adr(unsigned d) { word(0x10000000 | d); }
  void jump_reg(unsigned n) { word(0xd61f0000 | n << 5); }
  void call_reg(unsigned n) { word(0xd63f0000 | n << 5); }
  void ret() { word(0xd65f03c0); }
  void trap() { word(0xd4200000); }  // brk 0

  // Fills the distance of the branch or adr at offset `at`; false: it doesn't reach.
  [[nodiscard]] bool patch(uint32_t at, uint32_t target) {
    uint32_t& insn = code[at / 4];
    const int64_t by = static_cast<int64_t>(target) - at;
    if ((insn & 0x7c000000) == 0x14000000) {
      if (by < -(int64_t{1} << 27) || by >= int64_t{1} << 27) return false;
      insn |= static_cast<uint32_t>(by / 4) & 0x3ffffff;
      return true;
    }
    if (by < -(1 << 20) || by >= 1 << 20) return false;
    if ((insn & 0x9f000000) == 0x10000000)
      insn |= (static_cast<uint32_t>(by) & 3) << 29 | (static_cast<uint32_t>(by >> 2) & 0x7ffff)
                                                          << 5;
    else
      insn |= field19(by);
    return true;
  }

 private:
  static uint32_t sf(bool wide) { return wide ? 1u << 31 : 0; }
  static uint32_t log(unsigned size) { return static_cast<uint32_t>(std::countr_zero(size)); }
  static uint32_t part(uint64_t value, unsigned i) {
    return static_cast<uint32_t>(value >> 16 * i & 0xffff);
  }
  static uint32_t field19(int64_t by) { return (static_cast<uint32_t>(by / 4) & 0x7ffff) << 5; }
  void imm12(uint32_t form, bool wide, unsigned d, unsigned n, uint32_t imm) {
    const uint32_t field = imm < 4096 ? imm << 10 : 1u << 22 | imm >> 12 << 10;
    word(form | sf(wide) | field | n << 5 | d);
  }
  void move_wide(uint32_t form, bool wide, unsigned d, uint32_t bits, unsigned quarter) {
    word(form | sf(wide) | quarter << 21 | bits << 5 | d);
  }
  void pair(uint32_t form, unsigned t, unsigned u, unsigned n, int offset) {
    word(form | (static_cast<uint32_t>(offset / 8) & 0x7f) << 15 | u << 10 | n << 5 | t);
  }
};

}  // namespace skep::jit::arm
