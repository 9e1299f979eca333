// Interval<N>: what is known of an N-bit number by order: an unsigned range and a signed one, both
// true at once. Scalar has two, of its 64 bits and of its low 32; this is their one implementation,
// for any N, so that tests can try all of it at 2 to 8 bits.
//
// On the circle of 2^N numbers a range of either kind is an arc. Addition and subtraction work on
// arcs (from + length), and an arc narrows each range whose seam (0 for the unsigned, 2^(N-1) for
// the signed) it does not cross.
#pragma once

#include <algorithm>
#include <cstdint>

#include "verifier/tnum.h"

namespace skep::verifier {

template <unsigned N>
struct Interval {
  static constexpr uint64_t kMax = N == 64 ? ~uint64_t{0} : (uint64_t{1} << (N % 64)) - 1;
  static constexpr uint64_t kSign = uint64_t{1} << (N - 1);
  static constexpr int64_t kSignedMax = static_cast<int64_t>(kMax >> 1);
  static constexpr int64_t kSignedMin = -kSignedMax - 1;

  static constexpr int64_t to_signed(uint64_t word) {
    return static_cast<int64_t>(word << (64 - N)) >> (64 - N);
  }
  static constexpr uint64_t to_word(int64_t number) { return static_cast<uint64_t>(number) & kMax; }

  uint64_t umin = 0, umax = kMax;
  int64_t smin = kSignedMin, smax = kSignedMax;

  static Interval of_constant(uint64_t word) {
    return {word, word, to_signed(word), to_signed(word)};
  }
  static Interval of_unsigned(uint64_t min, uint64_t max) {
    Interval range;
    range.umin = min, range.umax = max;
    return range;
  }
  static Interval of_signed(int64_t min, int64_t max) {
    Interval range;
    range.smin = min, range.smax = max;
    return range;
  }
  [[nodiscard]] bool contains(uint64_t word) const {
    const int64_t number = to_signed(word);
    return umin <= word && word <= umax && smin <= number && number <= smax;
  }

  // The arc from `first` over `length` more numbers: narrows what it can.
  void narrow_to_arc(uint64_t first, uint64_t length) {
    if (length >= kMax) return;
    const uint64_t last = (first + length) & kMax;
    if (first <= last) {  // does not cross 0
      umin = std::max(umin, first);
      umax = std::min(umax, last);
    }
    if (to_signed(first) <= to_signed(last)) {  // does not cross the sign
      smin = std::max(smin, to_signed(first));
      smax = std::min(smax, to_signed(last));
    }
  }
  void narrow_to(const Interval& other) {
    umin = std::max(umin, other.umin);
    umax = std::min(umax, other.umax);
    smin = std::max(smin, other.smin);
    smax = std::min(smax, other.smax);
  }

  // Makes both ranges the tightest for the numbers in both; false where there are none. Exact: the
  // numbers in both are an arc of non-negative ones and an arc of negative ones. Unsigned, the
  // non-negative ones come first; signed, they come last.
  [[nodiscard]] bool tighten() {
    if (umin > umax || smin > smax) return false;
    const uint64_t pos_min = std::max(umin, smin < 0 ? 0 : to_word(smin));
    const uint64_t pos_max = smax < 0 ? 0 : std::min(umax, to_word(smax));
    const bool has_pos = smax >= 0 && pos_min <= pos_max;
    const uint64_t neg_min = std::max(umin, smin < 0 ? to_word(smin) : kSign);
    const uint64_t neg_max = std::min(umax, smax < 0 ? to_word(smax) : kMax);
    const bool has_neg = smin < 0 && neg_min <= neg_max;
    if (!has_pos && !has_neg) return false;
    umin = has_pos ? pos_min : neg_min;
    umax = has_neg ? neg_max : pos_max;
    smin = to_signed(has_neg ? neg_min : pos_min);
    smax = to_signed(has_pos ? pos_max : neg_max);
    return true;
  }

  // A member of `bits` is at least its known ones and at most those and its unknown bits; as a
  // signed number its least has an unknown sign bit set and its greatest has it clear.
  void narrow_to(Tnum bits) {
    umin = std::max(umin, bits.min());
    umax = std::min(umax, bits.max());
    smin = std::max(smin, to_signed(bits.value | (bits.mask & kSign)));
    smax = std::min(smax, to_signed(bits.value | (bits.mask & ~kSign)));
  }

  // ---- transfer functions; a is *this, x in a, y in b, all results modulo 2^N ----

  // x + y runs over an arc: from the sum of the firsts, over the sum of the lengths. Holds for the
  // arcs of both kinds of range, so the result lies in both arcs.
  [[nodiscard]] Interval add(const Interval& b) const {
    Interval sum;
    sum.narrow_to_sum(umin, umax - umin, b.umin, b.umax - b.umin);
    sum.narrow_to_sum(to_word(smin), signed_length(), to_word(b.smin), b.signed_length());
    return sum;
  }
  // -y runs over the arc from -(last of y), of the same length.
  [[nodiscard]] Interval sub(const Interval& b) const {
    Interval difference;
    difference.narrow_to_sum(umin, umax - umin, (0 - b.umax) & kMax, b.umax - b.umin);
    difference.narrow_to_sum(to_word(smin), signed_length(), (0 - to_word(b.smax)) & kMax,
                             b.signed_length());
    return difference;
  }
  // Where the greatest unsigned product does not overflow none does, and the product is monotone in
  // both. A product of signed ranges is bilinear, so its extremes are at the corners; none may
  // overflow.
  [[nodiscard]] Interval mul(const Interval& b) const {
    Interval product;
    const auto greatest = static_cast<unsigned __int128>(umax) * b.umax;
    if (greatest <= kMax) {
      product.umin = umin * b.umin;
      product.umax = static_cast<uint64_t>(greatest);
    }
    const __int128 corners[] = {
        static_cast<__int128>(smin) * b.smin, static_cast<__int128>(smin) * b.smax,
        static_cast<__int128>(smax) * b.smin, static_cast<__int128>(smax) * b.smax};
    const __int128 least = std::min({corners[0], corners[1], corners[2], corners[3]});
    const __int128 most = std::max({corners[0], corners[1], corners[2], corners[3]});
    if (least >= kSignedMin && most <= kSignedMax) {
      product.smin = static_cast<int64_t>(least);
      product.smax = static_cast<int64_t>(most);
    }
    return product;
  }
  // By a constant d != 0; unsigned division is monotone in x.
  [[nodiscard]] Interval div(uint64_t d) const { return of_unsigned(umin / d, umax / d); }
  // Monotone up or down by d's sign, but for the one overflow, least / -1 == least.
  [[nodiscard]] Interval sdiv(uint64_t d) const {
    const int64_t divisor = to_signed(d);
    if (divisor == -1 && smin == kSignedMin)
      return smax == kSignedMin ? of_signed(smin, smin) : Interval{};
    const int64_t first = smin / divisor, last = smax / divisor;
    return of_signed(std::min(first, last), std::max(first, last));
  }
  // x mod d < d, and is never above x. Of a constant both remainders are computed.
  [[nodiscard]] Interval mod(uint64_t d) const {
    return umin == umax ? of_constant(umin % d) : of_unsigned(0, std::min(umax, d - 1));
  }
  // The remainder has x's sign (or is 0), its magnitude is below |d| and not above |x|.
  [[nodiscard]] Interval smod(uint64_t d) const {
    const uint64_t magnitude = to_signed(d) < 0 ? (0 - d) & kMax : d;
    const auto most = static_cast<int64_t>(magnitude - 1);
    if (smin == smax && magnitude != 1) return of_constant(to_word(smin % to_signed(d)));
    return of_signed(smin >= 0 ? 0 : std::max(smin, -most), smax <= 0 ? 0 : std::min(smax, most));
  }
  // `bits` is the tnum of the result, from which narrow_to takes the rest.
  // x & y has at most the bits of either operand.
  [[nodiscard]] Interval bit_and(const Interval& b) const {
    return of_unsigned(0, std::min(umax, b.umax));
  }
  // x | y has at least the bits of either operand.
  [[nodiscard]] Interval bit_or(const Interval& b) const {
    return of_unsigned(std::max(umin, b.umin), kMax);
  }
  // By a constant amount < N: monotone while no set bit is shifted out. Signed as well, while the
  // bits shifted out are all copies of the sign.
  [[nodiscard]] Interval lsh(unsigned amount) const {
    Interval shifted;
    if (umax <= (kMax >> amount)) shifted.umin = umin << amount, shifted.umax = umax << amount;
    if (smin >= (kSignedMin >> amount) && smax <= (kSignedMax >> amount)) {
      shifted.smin = to_signed(to_word(smin) << amount);
      shifted.smax = to_signed(to_word(smax) << amount);
    }
    return shifted;
  }
  [[nodiscard]] Interval rsh(unsigned amount) const {
    return of_unsigned(umin >> amount, umax >> amount);
  }
  [[nodiscard]] Interval arsh(unsigned amount) const {
    return of_signed(smin >> amount, smax >> amount);
  }

 private:
  [[nodiscard]] uint64_t signed_length() const {
    return static_cast<uint64_t>(smax) - static_cast<uint64_t>(smin);
  }
  void narrow_to_sum(uint64_t first_a, uint64_t length_a, uint64_t first_b, uint64_t length_b) {
    if (length_a > kMax - length_b) return;  // all round the circle
    narrow_to_arc((first_a + first_b) & kMax, length_a + length_b);
  }
};

}  // namespace skep::verifier
