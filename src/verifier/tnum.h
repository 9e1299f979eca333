// Tnum: a "tracked number", what is known of each bit of a 64-bit word. Bit i of `mask` set: bit i
// is unknown (and bit i of `value` is 0); clear: bit i is bit i of `value`. The word may be any
//
//     { x : x & ~mask == value }
//
// so {v, 0} is the constant v, {0, ~0} is anything, {0, 7} is 0 to 7, {4, ~7} is 4 modulo 8.
//
// Every operation is sound: for all x in a and y in b, x op y is in op(a, b). The arguments stand
// in tnum.cc. Sets are never empty: a contradiction is the caller's to detect (tnum_overlap).
//
// To add an operation: here, tnum.cc, and the exhaustive test in tests/verifier/tnum_test.cc.
#pragma once

#include <cstdint>

namespace skep::verifier {

struct Tnum {
  uint64_t value = 0;
  uint64_t mask = ~uint64_t{0};

  bool operator==(const Tnum&) const = default;
  [[nodiscard]] constexpr bool is_constant() const { return mask == 0; }
  [[nodiscard]] constexpr bool is_unknown() const { return mask == ~uint64_t{0}; }
  [[nodiscard]] constexpr uint64_t min() const { return value; }  // unsigned
  [[nodiscard]] constexpr uint64_t max() const { return value | mask; }
  [[nodiscard]] constexpr bool contains(uint64_t x) const { return (x & ~mask) == value; }
};

[[nodiscard]] constexpr Tnum tnum_constant(uint64_t value) { return {value, 0}; }
[[nodiscard]] constexpr Tnum tnum_unknown() { return {0, ~uint64_t{0}}; }
// The smallest tnum that holds all of min..max (unsigned); unknown where min > max.
[[nodiscard]] Tnum tnum_range(uint64_t min, uint64_t max);

[[nodiscard]] Tnum tnum_shl(Tnum a, unsigned shift);  // shift < 64
[[nodiscard]] Tnum tnum_shr(Tnum a, unsigned shift);  // logical
[[nodiscard]] Tnum tnum_ashr(Tnum a, unsigned shift,
                             unsigned width);  // arithmetic, of the low `width` bits
[[nodiscard]] Tnum tnum_add(Tnum a, Tnum b);
[[nodiscard]] Tnum tnum_sub(Tnum a, Tnum b);
[[nodiscard]] Tnum tnum_neg(Tnum a);
[[nodiscard]] Tnum tnum_and(Tnum a, Tnum b);
[[nodiscard]] Tnum tnum_or(Tnum a, Tnum b);
[[nodiscard]] Tnum tnum_xor(Tnum a, Tnum b);
[[nodiscard]] Tnum tnum_mul(Tnum a, Tnum b);

[[nodiscard]] bool tnum_overlap(Tnum a, Tnum b);         // have a word in common
[[nodiscard]] Tnum tnum_intersect(Tnum a, Tnum b);       // of overlapping sets
[[nodiscard]] Tnum tnum_union(Tnum a, Tnum b);           // the smallest that holds both
[[nodiscard]] bool tnum_subset(Tnum outer, Tnum inner);  // every word of inner is in outer
// The smallest member that is >= least (where least <= max()), the largest that is <= most (where
// most >= min()).
[[nodiscard]] uint64_t tnum_first_member(Tnum a, uint64_t least);
[[nodiscard]] uint64_t tnum_last_member(Tnum a, uint64_t most);
[[nodiscard]] bool tnum_is_aligned(Tnum a, uint64_t size);  // all multiples of size, a power of two

[[nodiscard]] Tnum tnum_cast(Tnum a, unsigned bytes);        // zero-extended low bytes
[[nodiscard]] Tnum tnum_sign_extend(Tnum a, unsigned bits);  // sign-extended from the low bits
[[nodiscard]] Tnum tnum_byteswap(Tnum a, unsigned bits);     // low 16, 32, 64 bits swapped, rest 0

// The low and high halves, and a word with its low half replaced.
[[nodiscard]] constexpr Tnum tnum_subreg(Tnum a) {
  return {a.value & 0xffff'ffff, a.mask & 0xffff'ffff};
}
[[nodiscard]] constexpr Tnum tnum_with_subreg(Tnum a, Tnum low) {
  return {(a.value & ~uint64_t{0xffff'ffff}) | (low.value & 0xffff'ffff),
          (a.mask & ~uint64_t{0xffff'ffff}) | (low.mask & 0xffff'ffff)};
}

}  // namespace skep::verifier
