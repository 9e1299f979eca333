// ScalarDomain<W>: the operations of scalar.h for words of W bits with halves of W/2. scalar.cc is
// ScalarDomain<64>; tests/verifier runs the same code over all values of 4 and 8 bits. Nobody else
// includes this. A Scalar of a smaller W keeps words zero-extended and signed bounds sign-extended.
//
// A scalar is taken apart into its tnum and two Intervals ("wide" and "half"), worked on, and put
// together by sync_bounds, which intersects what each part implies of the others.
#pragma once

#include <bit>
#include <utility>

#include "verifier/interval.h"
#include "verifier/scalar.h"

namespace skep::verifier {

template <unsigned W>
struct ScalarDomain {
  static constexpr unsigned H = W / 2;
  using Wide = Interval<W>;
  using Half = Interval<H>;
  static constexpr uint64_t kMask = Wide::kMax;
  static constexpr uint64_t kHalfMask = Half::kMax;

  static Wide wide(const Scalar& s) { return {s.umin, s.umax, s.smin, s.smax}; }
  static Half half(const Scalar& s) { return {s.u32_min, s.u32_max, s.s32_min, s.s32_max}; }
  static Tnum cut(Tnum t) { return {t.value & kMask, t.mask & kMask}; }
  static Tnum low(Tnum t) { return {t.value & kHalfMask, t.mask & kHalfMask}; }
  static Tnum with_low(Tnum t, Tnum part) {
    return {(t.value & ~kHalfMask) | part.value, (t.mask & ~kHalfMask) | part.mask};
  }

  static Scalar assemble(Tnum bits, const Wide& w, const Half& h) {
    Scalar s;
    s.var_off = bits;
    put(s, w);
    put(s, h);
    return s;
  }
  static void put(Scalar& s, const Wide& w) {
    s.umin = w.umin, s.umax = w.umax, s.smin = w.smin, s.smax = w.smax;
  }
  static void put(Scalar& s, const Half& h) {
    s.u32_min = static_cast<uint32_t>(h.umin), s.u32_max = static_cast<uint32_t>(h.umax);
    s.s32_min = static_cast<int32_t>(h.smin), s.s32_max = static_cast<int32_t>(h.smax);
  }

  static Scalar unknown() { return assemble(cut(tnum_unknown()), {}, {}); }
  static Scalar constant(uint64_t word) {
    word &= kMask;
    return assemble(tnum_constant(word), Wide::of_constant(word),
                    Half::of_constant(word & kHalfMask));
  }
  static bool contains(const Scalar& s, uint64_t word) {
    return s.var_off.contains(word) && wide(s).contains(word) && half(s).contains(word & kHalfMask);
  }

  // ---- sync ----

  // The low halves of an arc of fewer than 2^H numbers are an arc of the half circle.
  static void narrow_half(Half& h, const Wide& w) {
    if (w.umax - w.umin <= kHalfMask) h.narrow_to_arc(w.umin & kHalfMask, w.umax - w.umin);
    const uint64_t length = static_cast<uint64_t>(w.smax) - static_cast<uint64_t>(w.smin);
    if (length <= kHalfMask) h.narrow_to_arc(Wide::to_word(w.smin) & kHalfMask, length);
  }

  // The first number >= x whose low half lies on the arc first..first+length; false if past `last`.
  static bool first_with_half(uint64_t& x, uint64_t last, uint64_t first, uint64_t length) {
    const uint64_t into = ((x & kHalfMask) - first) & kHalfMask;
    if (into > length) {
      const uint64_t step = kHalfMask - into + 1;
      if (last - x < step) return false;
      x += step;
    }
    return true;
  }
  static bool last_with_half(uint64_t& x, uint64_t least, uint64_t first, uint64_t length) {
    const uint64_t into = ((x & kHalfMask) - first) & kHalfMask;
    if (into > length) {
      const uint64_t step = into - length;
      if (x - least < step) return false;
      x -= step;
    }
    return true;
  }
  // The ends of both wide ranges move inward to numbers whose low halves are possible: nothing
  // between an end and the first such number can be the word. A signed range is walked as an
  // unsigned one by turning the circle half way (flipping the sign bit), which leaves low halves as
  // they are.
  static bool narrow_wide(Wide& w, const Half& h) {
    const std::pair<uint64_t, uint64_t> arcs[] = {
        {h.umin, h.umax - h.umin},
        {Half::to_word(h.smin), static_cast<uint64_t>(h.smax) - static_cast<uint64_t>(h.smin)}};
    for (auto [first, length] : arcs) {
      if (length >= kHalfMask) continue;
      if (!first_with_half(w.umin, w.umax, first, length) ||
          !last_with_half(w.umax, w.umin, first, length)) {
        return false;
      }
      uint64_t least = Wide::to_word(w.smin) ^ Wide::kSign,
               most = Wide::to_word(w.smax) ^ Wide::kSign;
      if (!first_with_half(least, most, first, length) ||
          !last_with_half(most, least, first, length)) {
        return false;
      }
      w.smin = Wide::to_signed(least ^ Wide::kSign);
      w.smax = Wide::to_signed(most ^ Wide::kSign);
    }
    return true;
  }

  // Where only one member of the tnum lies in the unsigned range, the word is that; where none
  // does, the path can't be. (The ends are not moved to members otherwise: the kernel does not, and
  // its logs show.)
  static bool collapse_to_member(Tnum& bits, Wide& w) {
    if (bits.is_constant()) return true;
    const uint64_t first = tnum_first_member(bits, w.umin);
    const uint64_t last = tnum_last_member(bits, w.umax);
    if (first > last || first < w.umin || last > w.umax) return false;
    if (first == last) {
      bits = tnum_constant(first);
      w.narrow_to(Wide::of_constant(first));
    }
    return true;
  }

  // Each step intersects a part with a set that must hold the word because another part does.
  static bool sync_bounds(Scalar& s) {
    Wide w = wide(s);
    Half h = half(s);
    Tnum bits = s.var_off;
    bool possible = narrow_ranges(bits, w, h) && deduce(w, h) && deduce(w, h) &&
                    narrow_bits(bits, w, h) && narrow_ranges(bits, w, h) && h.tighten();
    s = assemble(bits, w, h);
    return possible;
  }
  static bool narrow_ranges(Tnum& bits, Wide& w, Half& h) {
    if (w.umin > w.umax || bits.min() > w.umax || bits.max() < w.umin) return false;
    w.narrow_to(bits);
    if (!w.tighten() || !collapse_to_member(bits, w)) return false;
    h.narrow_to(low(bits));  // after: the bits may have become known
    return h.tighten();
  }
  static bool deduce(Wide& w, Half& h) {
    narrow_half(h, w);
    return h.tighten() && narrow_wide(w, h) && w.tighten();
  }
  static bool narrow_bits(Tnum& bits, const Wide& w, const Half& h) {
    const Tnum of_wide = tnum_range(w.umin, w.umax);
    if (!tnum_overlap(bits, of_wide)) return false;
    bits = tnum_intersect(bits, of_wide);
    const Tnum of_half = tnum_range(h.umin, h.umax);
    if (!tnum_overlap(low(bits), of_half)) return false;
    bits = with_low(bits, tnum_intersect(low(bits), of_half));
    return true;
  }

  // ---- ALU ----

  // A result whose upper half is 0 and of whose low half this is known.
  static Scalar zero_extended(Tnum low_bits, const Half& h) {
    return synced(low_bits, Wide::of_unsigned(h.umin, h.umax), h);
  }
  static Scalar synced(Tnum bits, const Wide& w, const Half& h) {
    Scalar s = assemble(bits, w, h);
    (void)sync_bounds(s);  // never false here: the operands' words have a result
    return s;
  }

  // What order says of the result of `op` on N bits; bits: the result's, already known.
  template <unsigned N>
  static Interval<N> result_range(AluOp op, const Interval<N>& a, const Interval<N>& b) {
    switch (op) {
      case AluOp::add: return a.add(b);
      case AluOp::sub: return a.sub(b);
      case AluOp::mul: return a.mul(b);
      case AluOp::bit_and: return a.bit_and(b);
      case AluOp::bit_or: return a.bit_or(b);
      default: return {};
    }
  }

  // Operations whose low half depends on low halves only: both intervals are computed on their own.
  static Scalar low_closed(AluOp op, bool is_wide, const Scalar& a, const Scalar& b) {
    Tnum bits;
    switch (op) {
      case AluOp::add: bits = tnum_add(a.var_off, b.var_off); break;
      case AluOp::sub: bits = tnum_sub(a.var_off, b.var_off); break;
      case AluOp::mul: bits = tnum_mul(a.var_off, b.var_off); break;
      case AluOp::bit_and: bits = tnum_and(a.var_off, b.var_off); break;
      case AluOp::bit_or: bits = tnum_or(a.var_off, b.var_off); break;
      default: bits = tnum_xor(a.var_off, b.var_off); break;
    }
    bits = cut(bits);
    const Half h = result_range(op, half(a), half(b));
    if (!is_wide) return zero_extended(low(bits), h);
    return synced(bits, result_range(op, wide(a), wide(b)), h);
  }

  // By a constant amount, taken modulo N (RFC 9669). The result's bits are exactly the operand's,
  // moved.
  template <unsigned N>
  static std::pair<Tnum, Interval<N>> shifted(AluOp op, Tnum bits, const Interval<N>& a,
                                              unsigned amount) {
    switch (op) {
      case AluOp::lsh: {
        const Tnum moved = tnum_shl(bits, amount);
        return {{moved.value & Interval<N>::kMax, moved.mask & Interval<N>::kMax}, a.lsh(amount)};
      }
      case AluOp::rsh: return {tnum_shr(bits, amount), a.rsh(amount)};
      default: return {tnum_ashr(bits, amount, N), a.arsh(amount)};
    }
  }
  static Scalar shift(AluOp op, bool is_wide, const Scalar& a, const Scalar& b) {
    if (!is_wide) {
      if (!low(b.var_off).is_constant()) return zero_extended(low(tnum_unknown()), {});
      auto [bits, h] = shifted(op, low(a.var_off), half(a), b.var_off.value & (H - 1));
      return zero_extended(bits, h);
    }
    if (!b.var_off.is_constant()) return unknown();
    const unsigned amount = b.var_off.value & (W - 1);
    auto [bits, w] = shifted(op, a.var_off, wide(a), amount);
    Half h;
    if (op == AluOp::lsh) {
      // The low half of x << n depends on x's low half alone; and x << H is that half moved up, so
      // its order, signed and unsigned, is the half's (clang's sign extension: << 32, s>> 32).
      if (amount < H) h = half(a).lsh(amount);
      if (amount == H) {
        w.narrow_to(Wide{static_cast<uint64_t>(a.u32_min) << H,
                         static_cast<uint64_t>(a.u32_max) << H,
                         static_cast<int64_t>(a.s32_min) * (int64_t{1} << H),
                         static_cast<int64_t>(a.s32_max) * (int64_t{1} << H)});
      }
    }
    return synced(bits, w, h);
  }

  // By a constant only. By 0 the quotient is 0 and the remainder the dividend. Bits are learnt from
  // the range; but a remainder that is the dividend keeps all that is known of it.
  template <unsigned N>
  static std::pair<Interval<N>, bool> divided(AluOp op, const Interval<N>& a, uint64_t d) {
    const bool remainder = op == AluOp::mod || op == AluOp::smod;
    if (d == 0) return {remainder ? a : Interval<N>::of_constant(0), remainder};
    switch (op) {
      case AluOp::div: return {a.div(d), false};
      case AluOp::sdiv: return {a.sdiv(d), false};
      case AluOp::mod: return {a.mod(d), a.umax < d};
      default: {
        const uint64_t magnitude = (Interval<N>::to_signed(d) < 0 ? 0 - d : d) & Interval<N>::kMax;
        const auto most = static_cast<int64_t>(magnitude - 1);
        const bool same = a.smin >= -most && a.smax <= most;
        return {a.smod(d), same};
      }
    }
  }
  static Scalar divide(AluOp op, bool is_wide, const Scalar& a, const Scalar& b) {
    if (!is_wide) {
      if (!low(b.var_off).is_constant()) return zero_extended(low(tnum_unknown()), {});
      auto [h, unchanged] = divided(op, half(a), low(b.var_off).value);
      return unchanged ? zero_extended(low(a.var_off), half(a))
                       : zero_extended(low(tnum_unknown()), h);
    }
    if (!b.var_off.is_constant()) return unknown();
    auto [w, unchanged] = divided(op, wide(a), b.var_off.value);
    return unchanged ? a : synced(cut(tnum_unknown()), w, {});
  }

  static Scalar alu(AluOp op, bool is_wide, const Scalar& a, const Scalar& b) {
    switch (op) {
      case AluOp::add:
      case AluOp::sub:
      case AluOp::mul:
      case AluOp::bit_or:
      case AluOp::bit_and:
      case AluOp::bit_xor: return low_closed(op, is_wide, a, b);
      case AluOp::lsh:
      case AluOp::rsh:
      case AluOp::arsh: return shift(op, is_wide, a, b);
      case AluOp::div:
      case AluOp::sdiv:
      case AluOp::mod:
      case AluOp::smod: return divide(op, is_wide, a, b);
    }
    std::unreachable();
  }
  static Scalar negate(bool is_wide, const Scalar& a) {
    return low_closed(AluOp::sub, is_wide, constant(0), a);
  }

  // ---- casts ----

  static Scalar zero_extend_half(const Scalar& a) { return zero_extended(low(a.var_off), half(a)); }

  // The low `bits` of an arc of at most 2^bits numbers are an arc of the smaller circle; as an
  // unsigned range where it does not cross 0, as a signed one where it does not cross the smaller
  // sign.
  static Scalar zero_extend(const Scalar& a, unsigned bits) {
    const uint64_t keep = (uint64_t{1} << bits) - 1;
    Wide w = Wide::of_unsigned(0, keep);
    if (a.umax - a.umin <= keep && (a.umin & keep) <= (a.umax & keep)) {
      w = Wide::of_unsigned(a.umin & keep, a.umax & keep);
    }
    return synced({a.var_off.value & keep, a.var_off.mask & keep}, w, {});
  }
  static int64_t extend(uint64_t word, unsigned bits) {
    return static_cast<int64_t>(word << (64 - bits)) >> (64 - bits);
  }
  static void narrow_signed(Wide& w, uint64_t first, uint64_t length, unsigned bits) {
    if (length >= (uint64_t{1} << bits) || extend(first, bits) > extend(first + length, bits))
      return;
    w.smin = std::max(w.smin, extend(first, bits));
    w.smax = std::min(w.smax, extend(first + length, bits));
  }
  static Scalar sign_extend(const Scalar& a, unsigned bits, bool is_wide) {
    Wide w = Wide::of_signed(-(int64_t{1} << (bits - 1)), (int64_t{1} << (bits - 1)) - 1);
    narrow_signed(w, a.umin, a.umax - a.umin, bits);
    narrow_signed(w, static_cast<uint64_t>(a.smin),
                  static_cast<uint64_t>(a.smax) - static_cast<uint64_t>(a.smin), bits);
    if (bits <= H) {
      narrow_signed(w, a.u32_min, uint64_t{a.u32_max} - a.u32_min, bits);
      narrow_signed(w, static_cast<uint64_t>(int64_t{a.s32_min}),
                    static_cast<uint64_t>(int64_t{a.s32_max} - int64_t{a.s32_min}), bits);
    }
    const Scalar extended = synced(cut(tnum_sign_extend(a.var_off, bits)), w, {});
    return is_wide ? extended : zero_extend_half(extended);
  }

  // ---- branches ----

  // Narrows a and b to where `a op b` holds. Each case keeps every pair (x, y) for which it does.
  template <unsigned N>
  static bool narrow_less(Interval<N>& a, Interval<N>& b,
                          bool or_equal) {  // x < y: x < ymax, y > xmin
    const uint64_t strict = or_equal ? 0 : 1;
    if (b.umax < strict || a.umin > Interval<N>::kMax - strict) return false;
    a.umax = std::min(a.umax, b.umax - strict);
    b.umin = std::max(b.umin, a.umin + strict);
    return true;
  }
  template <unsigned N>
  static bool narrow_signed_less(Interval<N>& a, Interval<N>& b, bool or_equal) {
    const int64_t strict = or_equal ? 0 : 1;
    if (!or_equal && (b.smax == Interval<N>::kSignedMin || a.smin == Interval<N>::kSignedMax))
      return false;
    a.smax = std::min(a.smax, b.smax - strict);
    b.smin = std::max(b.smin, a.smin + strict);
    return true;
  }
  // x != word: an end that is `word` moves in by one.
  template <unsigned N>
  static bool narrow_unequal(Interval<N>& a, uint64_t word) {
    const int64_t number = Interval<N>::to_signed(word);
    if ((a.umin == word && a.umax == word) || (a.smin == number && a.smax == number)) return false;
    a.umin += a.umin == word;
    a.umax -= a.umax == word;
    a.smin += a.smin == number;
    a.smax -= a.smax == number;
    return true;
  }

  // One comparison on N bits, of which `bits_a`, `bits_b` are the tnums. `op` is normal: JEQ, JNE,
  // JSET, JLT, JLE, JSLT, JSLE; kNotSet is JSET not taken.
  static constexpr uint8_t kNotSet = isa::BPF_JSET | isa::BPF_X;
  template <unsigned N>
  static bool narrow_pair(uint8_t op, Tnum& bits_a, Interval<N>& a, Tnum& bits_b, Interval<N>& b) {
    switch (op) {
      case isa::BPF_JEQ:
        if (!tnum_overlap(bits_a, bits_b)) return false;
        bits_a = bits_b = tnum_intersect(bits_a, bits_b);
        a.narrow_to(b);
        b = a;
        return true;
      case isa::BPF_JNE:
        if (bits_b.is_constant() && !narrow_unequal(a, bits_b.value)) return false;
        return !bits_a.is_constant() || narrow_unequal(b, bits_a.value);
      case isa::BPF_JSET:  // one of y's bits is set in x: tells which only if y has a single one
        return narrow_set(bits_a, bits_b) && narrow_set(bits_b, bits_a);
      case kNotSet:  // none of y's known ones is set in x, and the other way round
        return narrow_clear(bits_a, bits_b.value) && narrow_clear(bits_b, bits_a.value);
      case isa::BPF_JLT: return narrow_less(a, b, false);
      case isa::BPF_JLE: return narrow_less(a, b, true);
      case isa::BPF_JSLT: return narrow_signed_less(a, b, false);
      case isa::BPF_JSLE: return narrow_signed_less(a, b, true);
      default: return true;
    }
  }
  static bool narrow_set(Tnum& bits, Tnum test) {
    if ((bits.max() & test.max()) == 0) return false;
    if (test.is_constant() && std::has_single_bit(test.value)) bits = tnum_or(bits, test);
    return true;
  }
  static bool narrow_clear(Tnum& bits, uint64_t clear) {
    if ((bits.value & clear) != 0) return false;
    bits.mask &= ~clear;
    return true;
  }

  static uint8_t negated(uint8_t op) {
    using namespace isa;
    switch (op) {
      case BPF_JEQ: return BPF_JNE;
      case BPF_JNE: return BPF_JEQ;
      case BPF_JSET: return kNotSet;
      case BPF_JGT: return BPF_JLE;
      case BPF_JGE: return BPF_JLT;
      case BPF_JLT: return BPF_JGE;
      case BPF_JLE: return BPF_JGT;
      case BPF_JSGT: return BPF_JSLE;
      case BPF_JSGE: return BPF_JSLT;
      case BPF_JSLT: return BPF_JSGE;
      case BPF_JSLE: return BPF_JSGT;
      default: return op;
    }
  }
  static bool refine(uint8_t op, bool is_half, Scalar& lhs, Scalar& rhs, bool taken) {
    if (&lhs == &rhs) {
      Scalar other = rhs;
      if (!refine(op, is_half, lhs, other, taken)) return false;
      const auto both = intersect(lhs, other);
      if (both) lhs = *both;
      return both.has_value();
    }
    using namespace isa;
    if (!taken) op = negated(op);
    Scalar *a = &lhs, *b = &rhs;
    switch (op) {  // a > b is b < a
      case BPF_JGT:
        op = BPF_JLT;
        std::swap(a, b);
        break;
      case BPF_JGE:
        op = BPF_JLE;
        std::swap(a, b);
        break;
      case BPF_JSGT:
        op = BPF_JSLT;
        std::swap(a, b);
        break;
      case BPF_JSGE:
        op = BPF_JSLE;
        std::swap(a, b);
        break;
      default: break;
    }
    if (is_half) {
      Half half_a = half(*a), half_b = half(*b);
      Tnum bits_a = low(a->var_off), bits_b = low(b->var_off);
      if (!narrow_pair(op, bits_a, half_a, bits_b, half_b)) return false;
      put(*a, half_a), put(*b, half_b);
      a->var_off = with_low(a->var_off, bits_a), b->var_off = with_low(b->var_off, bits_b);
    } else {
      Wide wide_a = wide(*a), wide_b = wide(*b);
      if (!narrow_pair(op, a->var_off, wide_a, b->var_off, wide_b)) return false;
      put(*a, wide_a), put(*b, wide_b);
      if (op == BPF_JEQ) {  // equal words have equal halves
        Half both = half(*a);
        both.narrow_to(half(*b));
        put(*a, both), put(*b, both);
      }
    }
    return sync_bounds(*a) && sync_bounds(*b);
  }

  // Cheap tests by the ranges first, as nearly every branch in a program is decided by them or not
  // at all.
  template <unsigned N>
  static int quick_branch(uint8_t op, Tnum bits_a, const Interval<N>& a, Tnum bits_b,
                          const Interval<N>& b) {
    using namespace isa;
    const auto decide = [](bool always, bool never) { return always ? 1 : never ? 0 : -1; };
    switch (op) {
      case BPF_JEQ:
        return decide(bits_a.is_constant() && bits_a == bits_b, apart(bits_a, a, bits_b, b));
      case BPF_JNE:
        return decide(apart(bits_a, a, bits_b, b), bits_a.is_constant() && bits_a == bits_b);
      case BPF_JSET:
        return decide((bits_a.value & bits_b.value) != 0, (bits_a.max() & bits_b.max()) == 0);
      case BPF_JGT: return decide(a.umin > b.umax, a.umax <= b.umin);
      case BPF_JGE: return decide(a.umin >= b.umax, a.umax < b.umin);
      case BPF_JLT: return decide(a.umax < b.umin, a.umin >= b.umax);
      case BPF_JLE: return decide(a.umax <= b.umin, a.umin > b.umax);
      case BPF_JSGT: return decide(a.smin > b.smax, a.smax <= b.smin);
      case BPF_JSGE: return decide(a.smin >= b.smax, a.smax < b.smin);
      case BPF_JSLT: return decide(a.smax < b.smin, a.smin >= b.smax);
      case BPF_JSLE: return decide(a.smax <= b.smin, a.smin > b.smax);
      default: return -1;
    }
  }
  template <unsigned N>
  static bool apart(Tnum bits_a, const Interval<N>& a, Tnum bits_b, const Interval<N>& b) {
    return !tnum_overlap(bits_a, bits_b) || a.umin > b.umax || a.umax < b.umin || a.smin > b.smax ||
           a.smax < b.smin;
  }
  // Then by refuting: if no word lets the branch fall through, it is taken, and the other way
  // round.
  static int taken(uint8_t op, bool is_half, const Scalar& lhs, const Scalar& rhs) {
    const int quick =
        is_half ? quick_branch(op, low(lhs.var_off), half(lhs), low(rhs.var_off), half(rhs))
                : quick_branch(op, lhs.var_off, wide(lhs), rhs.var_off, wide(rhs));
    if (quick >= 0) return quick;
    if (&lhs == &rhs) return same_register(op, is_half, lhs);
    Scalar a = lhs, b = rhs;
    if (!refine(op, is_half, a, b, false)) return 1;
    a = lhs, b = rhs;
    if (!refine(op, is_half, a, b, true)) return 0;
    return -1;
  }
  // `if r1 op r1`: a word equals itself. JSET asks whether it is not 0.
  static int same_register(uint8_t op, bool is_half, const Scalar& s) {
    using namespace isa;
    switch (op) {
      case BPF_JEQ:
      case BPF_JGE:
      case BPF_JLE:
      case BPF_JSGE:
      case BPF_JSLE: return 1;
      case BPF_JNE:
      case BPF_JGT:
      case BPF_JLT:
      case BPF_JSGT:
      case BPF_JSLT: return 0;
      default: break;
    }
    const bool can_be_zero =
        is_half ? half(s).contains(0) && low(s.var_off).contains(0) : contains(s, 0);
    return can_be_zero ? -1 : 1;
  }

  // ---- order ----

  static bool subset(const Scalar& outer, const Scalar& inner) {
    return within(wide(outer), wide(inner)) && within(half(outer), half(inner)) &&
           tnum_subset(outer.var_off, inner.var_off);
  }
  template <unsigned N>
  static bool within(const Interval<N>& outer, const Interval<N>& inner) {
    return outer.umin <= inner.umin && inner.umax <= outer.umax && outer.smin <= inner.smin &&
           inner.smax <= outer.smax;
  }
  static std::optional<Scalar> intersect(const Scalar& a, const Scalar& b) {
    if (!tnum_overlap(a.var_off, b.var_off)) return std::nullopt;
    Wide w = wide(a);
    w.narrow_to(wide(b));
    Half h = half(a);
    h.narrow_to(half(b));
    Scalar both = assemble(tnum_intersect(a.var_off, b.var_off), w, h);
    if (!sync_bounds(both)) return std::nullopt;
    return both;
  }
  template <unsigned N>
  static Interval<N> hull(const Interval<N>& a, const Interval<N>& b) {
    return {std::min(a.umin, b.umin), std::max(a.umax, b.umax), std::min(a.smin, b.smin),
            std::max(a.smax, b.smax)};
  }
  static Scalar join(const Scalar& a, const Scalar& b) {
    return assemble(tnum_union(a.var_off, b.var_off), hull(wide(a), wide(b)),
                    hull(half(a), half(b)));
  }
};

}  // namespace skep::verifier
