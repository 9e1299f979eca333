// Tnum's operations and why each is sound. Notation: x is any member of a, y any member of b;
// ranges and carries as in Vishwanathan et al., "Sound, Precise, and Fast Abstract Interpretation
// with Tristate Numbers" (CGO 2022).
#include "verifier/tnum.h"

#include <bit>

#include "verifier/tnum_formulas.h"

namespace skep::verifier {

namespace {

// A mask of the lowest `bits` bits, for bits up to 64.
constexpr uint64_t low_bits(unsigned bits) {
  return bits >= 64 ? ~uint64_t{0} : (uint64_t{1} << bits) - 1;
}

TristateWord<uint64_t> word_of(Tnum t) { return {t.value, t.mask}; }
Tnum tnum_of(const TristateWord<uint64_t>& w) { return {w.value, w.mask}; }

constexpr int64_t sign_extend(uint64_t value, unsigned bits) {
  const unsigned unused = 64 - bits;
  return static_cast<int64_t>(value << unused) >> unused;
}

}  // namespace

// All numbers from min to max share the bits above the highest one in which min and max differ.
Tnum tnum_range(uint64_t min, uint64_t max) {
  if (min > max) return tnum_unknown();
  const uint64_t varying = low_bits(64 - static_cast<unsigned>(std::countl_zero(min ^ max)));
  return {min & ~varying, varying};
}

// A shift by a known amount moves each bit, known or not; the zeros that come in are known.
Tnum tnum_shl(Tnum a, unsigned shift) { return {a.value << shift, a.mask << shift}; }
Tnum tnum_shr(Tnum a, unsigned shift) { return {a.value >> shift, a.mask >> shift}; }

// As tnum_shr, but copies of the top bit come in: copies of a known bit are known (its value
// repeats in `value`), copies of an unknown one are unknown (it repeats in `mask`).
Tnum tnum_ashr(Tnum a, unsigned shift, unsigned width) {
  const uint64_t keep = low_bits(width);
  return {static_cast<uint64_t>(sign_extend(a.value, width) >> shift) & keep,
          static_cast<uint64_t>(sign_extend(a.mask, width) >> shift) & keep};
}

// x = a.value + p, y = b.value + q with p, q submasks of the masks. The sum without any unknown bit
// is `least`, with all of them `most`. A bit of the result can vary only where an operand's bit
// does, or where the carry into it does; the carry into bit i is monotone in p and q, so it varies
// only if it differs between the two extreme sums, which shows in least ^ most.
Tnum tnum_add(Tnum a, Tnum b) { return tnum_of(tristate_add(word_of(a), word_of(b))); }

// The same argument with borrows: monotone up in y's unknown bits, down in x's.
Tnum tnum_sub(Tnum a, Tnum b) { return tnum_of(tristate_sub(word_of(a), word_of(b))); }

Tnum tnum_neg(Tnum a) { return tnum_sub(tnum_constant(0), a); }

// Bit by bit. A result bit is a known 1 where both are; it may be 1 where both may be.
Tnum tnum_and(Tnum a, Tnum b) { return tnum_of(tristate_and(word_of(a), word_of(b))); }
// A known 1 where either is; unknown where neither is a known 1 and either is unknown.
Tnum tnum_or(Tnum a, Tnum b) { return tnum_of(tristate_or(word_of(a), word_of(b))); }
Tnum tnum_xor(Tnum a, Tnum b) { return tnum_of(tristate_xor(word_of(a), word_of(b))); }

// Long multiplication: the sum over i of x's bit i times (y << i). A known bit adds the term or
// does not; an unknown one gives the union of both sums. tnum_add and tnum_union are sound, so each
// step is.
Tnum tnum_mul(Tnum a, Tnum b) {
  Tnum sum = tnum_constant(0);
  while (a.max() != 0) {
    if (a.value & 1) {
      sum = tnum_add(sum, b);
    } else if (a.mask & 1) {
      sum = tnum_union(sum, tnum_add(sum, b));
    }
    a = tnum_shr(a, 1);
    b = tnum_shl(b, 1);
  }
  return sum;
}

// They have a word in common exactly where no bit is known in both and differs.
bool tnum_overlap(Tnum a, Tnum b) { return ((a.value ^ b.value) & ~a.mask & ~b.mask) == 0; }

Tnum tnum_intersect(Tnum a, Tnum b) {
  const uint64_t unknown = a.mask & b.mask;
  return {(a.value | b.value) & ~unknown, unknown};
}

Tnum tnum_union(Tnum a, Tnum b) {
  const uint64_t unknown = a.mask | b.mask | (a.value ^ b.value);
  return {a.value & ~unknown, unknown};
}

bool tnum_subset(Tnum outer, Tnum inner) {
  return (inner.mask & ~outer.mask) == 0 && (inner.value & ~outer.mask) == outer.value;
}

// A member is value + s for a submask s of mask; asked is the least s >= d, d = least - value. Let
// b be the highest bit that d has and mask has not. A submask that equals d above b is below d, so
// one of mask's bits above b must be raised: an increment that ripples through mask's bits only.
uint64_t tnum_first_member(Tnum a, uint64_t least) {
  if (least <= a.value) return a.value;
  const uint64_t d = least - a.value;
  const uint64_t outside = d & ~a.mask;
  if (outside == 0) return a.value + d;
  const uint64_t below = low_bits(64 - static_cast<unsigned>(std::countl_zero(outside)));
  return a.value + (((d | below | ~a.mask) + 1) & a.mask);
}

// x -> ~x turns the order round and members into members.
uint64_t tnum_last_member(Tnum a, uint64_t most) {
  return ~tnum_first_member({~a.max(), a.mask}, ~most);
}

bool tnum_is_aligned(Tnum a, uint64_t size) { return size == 0 || (a.max() & (size - 1)) == 0; }

Tnum tnum_cast(Tnum a, unsigned bytes) {
  return {a.value & low_bits(bytes * 8), a.mask & low_bits(bytes * 8)};
}

// As in tnum_ashr: the copies of the sign bit are as known as it is.
Tnum tnum_sign_extend(Tnum a, unsigned bits) {
  return {static_cast<uint64_t>(sign_extend(a.value, bits)),
          static_cast<uint64_t>(sign_extend(a.mask, bits))};
}

Tnum tnum_byteswap(Tnum a, unsigned bits) {
  return {std::byteswap(a.value) >> (64 - bits), std::byteswap(a.mask) >> (64 - bits)};
}

}  // namespace skep::verifier
