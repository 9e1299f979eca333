// Scalar: what the verifier knows of a 64-bit number that is no pointer: each bit (a tnum), its
// range as a signed and as an unsigned number, and the same two ranges of its low 32 bits. The word
// lies in all five sets at once; sync_bounds lets each tighten the others.
//
//     r1 = *(u8 *)(r2 +0)      var_off (0x0; 0xff)  0..255 signed and unsigned, 64 and 32 bits
//     if w1 s> 7 goto          refine_branch narrows lhs (and rhs) on each side
//
// The operations are pure functions, sound for every word that the operands may be: x in a, y in b
// implies (x op y) in scalar_alu(op, a, b). The argument stands beside each transfer function in
// scalar_domain.h, which is written for any width so that tests can try all of it at 4 and 8 bits.
//
// Shifts: amounts are taken modulo the width, as every engine of ours does (RFC 9669). Division by
// zero gives 0 and modulo by zero leaves the dividend.
#pragma once

#include <cstdint>
#include <limits>
#include <optional>

#include "isa/insn.h"
#include "verifier/tnum.h"

namespace skep::verifier {

struct Scalar {
  Tnum var_off = tnum_unknown();
  int64_t smin = std::numeric_limits<int64_t>::min();
  int64_t smax = std::numeric_limits<int64_t>::max();
  uint64_t umin = 0;
  uint64_t umax = std::numeric_limits<uint64_t>::max();
  int32_t s32_min = std::numeric_limits<int32_t>::min();
  int32_t s32_max = std::numeric_limits<int32_t>::max();
  uint32_t u32_min = 0;
  uint32_t u32_max = std::numeric_limits<uint32_t>::max();

  bool operator==(const Scalar&) const = default;
  [[nodiscard]] constexpr bool is_constant() const { return var_off.is_constant(); }
  [[nodiscard]] constexpr bool is_constant32() const { return tnum_subreg(var_off).is_constant(); }
  [[nodiscard]] constexpr uint64_t constant() const {
    return var_off.value;
  }  // where is_constant()
  // The word is possible; exact for constants, else all five sets are asked.
  [[nodiscard]] bool contains(uint64_t x) const;
};

[[nodiscard]] constexpr Scalar scalar_unknown() { return {}; }
[[nodiscard]] Scalar scalar_constant(uint64_t value);
[[nodiscard]] Scalar scalar_unsigned_range(uint64_t min, uint64_t max);  // min <= max
[[nodiscard]] Scalar scalar_signed_range(int64_t min, int64_t max);      // min <= max
// What a load of 1, 2, 4 or 8 bytes leaves in a register.
[[nodiscard]] Scalar scalar_of_load(unsigned bytes, bool sign_extended);

// Lets the five sets tighten one another (the kernel's reg_bounds_sync). False where they
// contradict: no word is in all of them, the path can't be. The scalar is then unspecified but
// usable.
[[nodiscard]] bool sync_bounds(Scalar& scalar);

enum class AluOp : uint8_t {
  add,
  sub,
  mul,
  div,
  sdiv,
  mod,
  smod,
  bit_or,
  bit_and,
  bit_xor,
  lsh,
  rsh,
  arsh
};
// Of an ALU or ALU64 instruction; none for MOV, NEG and END, which have functions of their own, and
// for what is no legal operation.
[[nodiscard]] std::optional<AluOp> alu_op(const Insn& insn);

// dst op src. With !is64 on the low halves, and the result's upper half is 0.
[[nodiscard]] Scalar scalar_alu(AluOp op, bool is64, const Scalar& dst, const Scalar& src);
[[nodiscard]] Scalar scalar_neg(bool is64, const Scalar& value);
// BPF_END: `bits` is 16, 32, 64; swap: the bytes change order (to_be on a little-endian host,
// bswap), else only the upper bits are cleared.
[[nodiscard]] Scalar scalar_end(const Scalar& value, unsigned bits, bool swap);
// MOVSX from 8, 16 or 32 bits; with !is64 the upper half becomes 0.
[[nodiscard]] Scalar scalar_sign_extend(const Scalar& value, unsigned bits, bool is64);
// MOV of 32 bits: the low half, zero-extended.
[[nodiscard]] Scalar scalar_zero_extend32(const Scalar& value);
// The low 1, 2, 4 bytes, zero-extended (spilled, then narrowly loaded); 8 returns it as it is.
[[nodiscard]] Scalar scalar_zero_extend(const Scalar& value, unsigned bytes);

// What `if lhs op rhs` does (op: BPF_JEQ … BPF_JSLE, BPF_JSET): 1 always taken, 0 never, -1 not
// known.
[[nodiscard]] int branch_taken(uint8_t op, bool is_jmp32, const Scalar& lhs, const Scalar& rhs);
// Narrows both sides to the words for which the branch goes as `taken` says. False: there are none.
[[nodiscard]] bool refine_branch(uint8_t op, bool is_jmp32, Scalar& lhs, Scalar& rhs, bool taken);

// Every word of `inner` is one of `outer` (the kernel's range_within and tnum_in): what pruning
// asks.
[[nodiscard]] bool scalar_subset(const Scalar& outer, const Scalar& inner);
// Words in both; none where there are none.
[[nodiscard]] std::optional<Scalar> scalar_intersect(const Scalar& a, const Scalar& b);
// The smallest scalar of this domain that holds both.
[[nodiscard]] Scalar scalar_join(const Scalar& a, const Scalar& b);

}  // namespace skep::verifier
