// The scalar domain: every operation over (nearly) every abstract value at 4 bits with halves of 2,
// over random ones at 8 bits with all their members, and over random members at 64 bits. Then the
// precision that programs in the field depend on.
#include "verifier/scalar.h"

#include <gtest/gtest.h>

#include <map>
#include <random>
#include <vector>

#include "verifier/scalar_domain.h"

namespace skep::verifier {
namespace {

using namespace isa;

constexpr AluOp kAluOps[] = {AluOp::add, AluOp::sub,  AluOp::mul,    AluOp::div,     AluOp::sdiv,
                             AluOp::mod, AluOp::smod, AluOp::bit_or, AluOp::bit_and, AluOp::bit_xor,
                             AluOp::lsh, AluOp::rsh,  AluOp::arsh};
constexpr uint8_t kJumps[] = {BPF_JEQ,  BPF_JNE,  BPF_JGT,  BPF_JGE,  BPF_JLT, BPF_JLE,
                              BPF_JSGT, BPF_JSGE, BPF_JSLT, BPF_JSLE, BPF_JSET};

// What a machine of N bits does.
template <unsigned N>
uint64_t compute(AluOp op, uint64_t x, uint64_t y) {
  using Range = Interval<N>;
  const int64_t sx = Range::to_signed(x), sy = Range::to_signed(y);
  const unsigned amount = y & (N - 1);
  switch (op) {
    case AluOp::add: return (x + y) & Range::kMax;
    case AluOp::sub: return (x - y) & Range::kMax;
    case AluOp::mul: return (x * y) & Range::kMax;
    case AluOp::div: return y == 0 ? 0 : x / y;
    case AluOp::sdiv:
      return y == 0     ? 0
             : sy == -1 ? (0 - x) & Range::kMax
                        : static_cast<uint64_t>(sx / sy) & Range::kMax;
    case AluOp::mod: return y == 0 ? x : x % y;
    case AluOp::smod:
      return y == 0 ? x : sy == -1 ? 0 : static_cast<uint64_t>(sx % sy) & Range::kMax;
    case AluOp::bit_or: return x | y;
    case AluOp::bit_and: return x & y;
    case AluOp::bit_xor: return x ^ y;
    case AluOp::lsh: return (x << amount) & Range::kMax;
    case AluOp::rsh: return x >> amount;
    case AluOp::arsh: return static_cast<uint64_t>(sx >> amount) & Range::kMax;
  }
  return 0;
}
template <unsigned N>
bool compare(uint8_t op, uint64_t x, uint64_t y) {
  const int64_t sx = Interval<N>::to_signed(x), sy = Interval<N>::to_signed(y);
  switch (op) {
    case BPF_JEQ: return x == y;
    case BPF_JNE: return x != y;
    case BPF_JGT: return x > y;
    case BPF_JGE: return x >= y;
    case BPF_JLT: return x < y;
    case BPF_JLE: return x <= y;
    case BPF_JSGT: return sx > sy;
    case BPF_JSGE: return sx >= sy;
    case BPF_JSLT: return sx < sy;
    case BPF_JSLE: return sx <= sy;
    default: return (x & y) != 0;
  }
}

template <unsigned W>
struct Checker {
  using Domain = ScalarDomain<W>;
  static constexpr uint64_t kHalf = Domain::kHalfMask;

  static std::vector<uint64_t> members(const Scalar& s) {
    std::vector<uint64_t> words;
    for (uint64_t x = 0; x <= Domain::kMask; x++) {
      if (Domain::contains(s, x)) words.push_back(x);
    }
    return words;
  }
  static std::string show(const Scalar& s) {
    return "(" + std::to_string(s.var_off.value) + ";" + std::to_string(s.var_off.mask) + ") u" +
           std::to_string(s.umin) + ".." + std::to_string(s.umax) + " s" + std::to_string(s.smin) +
           ".." + std::to_string(s.smax) + " u32 " + std::to_string(s.u32_min) + ".." +
           std::to_string(s.u32_max) + " s32 " + std::to_string(s.s32_min) + ".." +
           std::to_string(s.s32_max);
  }

  static void check_alu(const Scalar& a, const Scalar& b) {
    const auto xs = members(a), ys = members(b);
    for (AluOp op : kAluOps) {
      const Scalar wide = Domain::alu(op, true, a, b), half = Domain::alu(op, false, a, b);
      for (uint64_t x : xs) {
        for (uint64_t y : ys) {
          ASSERT_TRUE(Domain::contains(wide, compute<W>(op, x, y)))
              << "op " << int(op) << " of " << x << ", " << y << "\n a " << show(a) << "\n b "
              << show(b) << "\n -> " << show(wide);
          ASSERT_TRUE(Domain::contains(half, compute<W / 2>(op, x & kHalf, y & kHalf)))
              << "half op " << int(op) << " of " << x << ", " << y << "\n a " << show(a) << "\n b "
              << show(b) << "\n -> " << show(half);
        }
      }
    }
  }
  static void check_branch(const Scalar& a,
                           Scalar b) {  // b: a copy, as one object twice means one word
    const auto xs = members(a), ys = members(b);
    for (uint8_t op : kJumps) {
      for (bool is_half : {false, true}) {
        const int known = Domain::taken(op, is_half, a, b);
        Scalar yes_a = a, yes_b = b, no_a = a, no_b = b;
        const bool can = Domain::refine(op, is_half, yes_a, yes_b, true);
        const bool cannot = Domain::refine(op, is_half, no_a, no_b, false);
        for (uint64_t x : xs) {
          for (uint64_t y : ys) {
            const bool taken =
                is_half ? compare<W / 2>(op, x & kHalf, y & kHalf) : compare<W>(op, x, y);
            ASSERT_TRUE(known == -1 || known == taken)
                << int(op) << " half " << is_half << " " << show(a) << "\n"
                << show(b);
            const bool possible = taken ? can : cannot;
            const Scalar& now_a = taken ? yes_a : no_a;
            const Scalar& now_b = taken ? yes_b : no_b;
            ASSERT_TRUE(possible && Domain::contains(now_a, x) && Domain::contains(now_b, y))
                << "jump " << int(op) << " half " << is_half << " of " << x << ", " << y
                << " taken " << taken << "\n a " << show(a) << "\n b " << show(b) << "\n -> "
                << show(now_a) << "\n -> " << show(now_b);
          }
        }
      }
    }
  }
  static void check_one(const Scalar& a) {
    for (uint64_t x : members(a)) {
      ASSERT_TRUE(Domain::contains(Domain::negate(true, a), (0 - x) & Domain::kMask)) << show(a);
      ASSERT_TRUE(Domain::contains(Domain::negate(false, a), (0 - x) & kHalf)) << show(a);
      ASSERT_TRUE(Domain::contains(Domain::zero_extend_half(a), x & kHalf)) << show(a);
      for (unsigned bits = 1; bits < W; bits++) {
        const uint64_t low = x & ((uint64_t{1} << bits) - 1);
        ASSERT_TRUE(Domain::contains(Domain::zero_extend(a, bits), low)) << bits << " " << show(a);
        const auto extended = static_cast<uint64_t>(Domain::extend(x, bits));
        ASSERT_TRUE(Domain::contains(Domain::sign_extend(a, bits, true), extended & Domain::kMask))
            << x << " from " << bits << " " << show(a);
        if (bits < W / 2) {
          ASSERT_TRUE(Domain::contains(Domain::sign_extend(a, bits, false), extended & kHalf))
              << show(a);
        }
      }
    }
  }
  static void check_sets(const Scalar& a, const Scalar& b) {
    const Scalar join = Domain::join(a, b);
    const auto both = Domain::intersect(a, b);
    ASSERT_TRUE(Domain::subset(join, a) && Domain::subset(join, b));
    for (uint64_t x = 0; x <= Domain::kMask; x++) {
      const bool in_a = Domain::contains(a, x), in_b = Domain::contains(b, x);
      if (in_a || in_b) {
        ASSERT_TRUE(Domain::contains(join, x));
      }
      if (in_a && in_b) {
        ASSERT_TRUE(both && Domain::contains(*both, x));
      }
      if (Domain::subset(a, b)) {
        ASSERT_TRUE(!in_b || in_a);
      }
    }
  }
};

// All of tnum, unsigned and signed ranges of either width on their own, and tnum with range.
std::vector<Scalar> abstract_values_of_4_bits() {
  using Domain = ScalarDomain<4>;
  std::vector<Scalar> all;
  const auto add = [&](Tnum bits, const Interval<4>& w, const Interval<2>& h) {
    Scalar s = Domain::assemble(bits, w, h);
    if (Domain::sync_bounds(s) && std::ranges::find(all, s) == all.end()) all.push_back(s);
  };
  const Tnum any{0, 15};
  for (uint64_t mask = 0; mask < 16; mask++) {
    for (uint64_t value = 0; value < 16; value++) {
      if ((value & mask) == 0) add({value, mask}, {}, {});
    }
  }
  for (uint64_t min = 0; min < 16; min++) {
    for (uint64_t max = min; max < 16; max++) {
      add(any, Interval<4>::of_unsigned(min, max), {});
      add(any, Interval<4>::of_signed(int64_t(min) - 8, int64_t(max) - 8), {});
      add({0, 14}, Interval<4>::of_unsigned(min, max), {});
      add({4, 11}, Interval<4>::of_signed(int64_t(min) - 8, int64_t(max) - 8), {});
    }
  }
  for (uint64_t min = 0; min < 4; min++) {
    for (uint64_t max = min; max < 4; max++) {
      add(any, {}, Interval<2>::of_unsigned(min, max));
      add(any, {}, Interval<2>::of_signed(int64_t(min) - 2, int64_t(max) - 2));
      add(any, Interval<4>::of_unsigned(3, 9),
          Interval<2>::of_signed(int64_t(min) - 2, int64_t(max) - 2));
    }
  }
  return all;
}

TEST(Scalar, arithmetic_is_sound_for_all_values_of_4_bits) {
  const auto all = abstract_values_of_4_bits();
  ASSERT_GT(all.size(), 250u);
  for (const Scalar& a : all) {
    for (const Scalar& b : all) ASSERT_NO_FATAL_FAILURE(Checker<4>::check_alu(a, b));
  }
}
TEST(Scalar, branches_are_sound_for_all_values_of_4_bits) {
  const auto all = abstract_values_of_4_bits();
  for (const Scalar& a : all) {
    for (const Scalar& b : all) ASSERT_NO_FATAL_FAILURE(Checker<4>::check_branch(a, b));
  }
}
TEST(Scalar, sets_and_casts_are_sound_for_all_values_of_4_bits) {
  const auto all = abstract_values_of_4_bits();
  for (const Scalar& a : all) {
    ASSERT_NO_FATAL_FAILURE(Checker<4>::check_one(a));
    for (const Scalar& b : all) ASSERT_NO_FATAL_FAILURE(Checker<4>::check_sets(a, b));
  }
}

// Syncing loses no word, of any combination of tnum, ranges and half ranges; and says "impossible"
// only of the empty set.
TEST(Scalar, syncing_keeps_every_word_of_every_combination_of_4_bits) {
  using Domain = ScalarDomain<4>;
  uint64_t tried = 0;
  for (uint64_t mask = 0; mask < 16; mask++)
    for (uint64_t value = 0; value < 16; value++) {
      if ((value & mask) != 0) continue;
      for (uint64_t umin = 0; umin < 16; umin += 1)
        for (uint64_t umax = umin; umax < 16; umax++)
          for (int64_t smin = -8; smin < 8; smin += 3)
            for (int64_t smax = smin; smax < 8; smax += 2)
              for (uint64_t hmin = 0; hmin < 4; hmin++)
                for (uint64_t hmax = hmin; hmax < 4; hmax++)
                  for (int64_t hs = -2; hs < 2; hs++) {
                    const Scalar before =
                        Domain::assemble({value, mask}, {umin, umax, smin, smax},
                                         {hmin, hmax, hs, std::min<int64_t>(hs + 2, 1)});
                    Scalar after = before;
                    const bool possible = Domain::sync_bounds(after);
                    tried++;
                    for (uint64_t x = 0; x < 16; x++) {
                      if (!Domain::contains(before, x)) continue;
                      ASSERT_TRUE(possible && Domain::contains(after, x))
                          << x << " lost from " << Checker<4>::show(before);
                    }
                    if (possible) {
                      ASSERT_TRUE(Domain::subset(before, after));
                    }
                  }
    }
  EXPECT_GT(tried, 1'000'000u);
}

class RandomScalars {
 public:
  explicit RandomScalars(uint64_t seed) : random_(seed) {}
  uint64_t word() {  // often near an edge
    const uint64_t raw = random_();
    switch (random_() % 8) {
      case 0: return raw & 0xff;
      case 1: return ~(raw & 0xff);
      case 2: return 0x7fffffff + (raw & 0xf) - 8;
      case 3: return (uint64_t{1} << 63) + (raw & 0xf) - 8;
      case 4: return (uint64_t{1} << (raw % 64)) - (raw >> 63);
      case 5: return 0xffffffff00000000 | raw >> 32;
      default: return raw;
    }
  }
  // A scalar that holds `word`, made by narrowing what is known one constraint at a time.
  template <unsigned W>
  Scalar around(uint64_t word) {
    using Domain = ScalarDomain<W>;
    word &= Domain::kMask;
    Scalar s = Domain::unknown();
    const unsigned kinds = random_() % 32;
    if (kinds & 1) {
      const uint64_t mask = (random_() & random_()) & Domain::kMask;
      s.var_off = {word & ~mask, mask};
    }
    typename Domain::Wide w = Domain::wide(s);
    typename Domain::Half h = Domain::half(s);
    if (kinds & 2) w.umin = word - pick(word), w.umax = word + pick(Domain::kMask - word);
    const int64_t number = Domain::Wide::to_signed(word);
    if (kinds & 4) {
      w.smin =
          int64_t(uint64_t(number) - pick(uint64_t(number) - uint64_t(Domain::Wide::kSignedMin)));
      w.smax =
          int64_t(uint64_t(number) + pick(uint64_t(Domain::Wide::kSignedMax) - uint64_t(number)));
    }
    const uint64_t low = word & Domain::kHalfMask;
    if (kinds & 8) h.umin = low - pick(low), h.umax = low + pick(Domain::kHalfMask - low);
    const int64_t low_number = Domain::Half::to_signed(low);
    if (kinds & 16) {
      h.smin = low_number - int64_t(pick(uint64_t(low_number - Domain::Half::kSignedMin)));
      h.smax = low_number + int64_t(pick(uint64_t(Domain::Half::kSignedMax - low_number)));
    }
    s = Domain::assemble(s.var_off, w, h);
    EXPECT_TRUE(Domain::sync_bounds(s)) << word;
    EXPECT_TRUE(Domain::contains(s, word)) << word;
    return s;
  }
  uint64_t pick(uint64_t most) {  // 0..most, mostly small
    if (most == 0) return 0;
    const uint64_t limit = random_() % 2 ? std::min<uint64_t>(most, 20) : most;
    return limit == ~uint64_t{0} ? random_() : random_() % (limit + 1);
  }
  std::mt19937_64& engine() { return random_; }

 private:
  std::mt19937_64 random_;
};

TEST(Scalar, all_is_sound_for_random_values_of_8_bits) {
  RandomScalars random(11);
  for (int round = 0; round < 1500; round++) {
    const Scalar a = random.around<8>(random.engine()()), b = random.around<8>(random.engine()());
    ASSERT_NO_FATAL_FAILURE(Checker<8>::check_one(a));
    ASSERT_NO_FATAL_FAILURE(Checker<8>::check_sets(a, b));
    if (Checker<8>::members(a).size() * Checker<8>::members(b).size() > 4000) continue;
    ASSERT_NO_FATAL_FAILURE(Checker<8>::check_alu(a, b));
    ASSERT_NO_FATAL_FAILURE(Checker<8>::check_branch(a, b));
  }
}

TEST(Scalar, all_is_sound_for_random_words_of_64_bits) {
  RandomScalars random(13);
  for (int round = 0; round < 60000; round++) {
    const uint64_t x = random.word(), y = random.word();
    const Scalar a = random.around<64>(x);
    const Scalar b = random.engine()() % 3 == 0 ? scalar_constant(y) : random.around<64>(y);
    for (AluOp op : kAluOps) {
      ASSERT_TRUE(scalar_alu(op, true, a, b).contains(compute<64>(op, x, y)))
          << int(op) << " " << x << " " << y << Checker<64>::show(a);
      ASSERT_TRUE(scalar_alu(op, false, a, b).contains(compute<32>(op, uint32_t(x), uint32_t(y))))
          << int(op) << " " << x << " " << y;
    }
    for (uint8_t op : kJumps) {
      for (bool half : {false, true}) {
        const bool taken = half ? compare<32>(op, uint32_t(x), uint32_t(y)) : compare<64>(op, x, y);
        const int known = branch_taken(op, half, a, b);
        ASSERT_TRUE(known == -1 || known == taken);
        Scalar now_a = a, now_b = b;
        ASSERT_TRUE(refine_branch(op, half, now_a, now_b, taken));
        ASSERT_TRUE(now_a.contains(x) && now_b.contains(y))
            << int(op) << " " << half << " " << x << " " << y;
      }
    }
    for (unsigned bits : {8u, 16u, 32u}) {
      ASSERT_TRUE(scalar_sign_extend(a, bits, true)
                      .contains(static_cast<uint64_t>(ScalarDomain<64>::extend(x, bits))));
      ASSERT_TRUE(scalar_sign_extend(a, bits, false)
                      .contains(static_cast<uint32_t>(ScalarDomain<64>::extend(x, bits))));
      ASSERT_TRUE(scalar_zero_extend(a, bits / 8).contains(x & ((uint64_t{1} << bits) - 1)));
    }
    ASSERT_TRUE(scalar_neg(true, a).contains(0 - x));
    ASSERT_TRUE(scalar_neg(false, a).contains(static_cast<uint32_t>(0 - x)));
    ASSERT_TRUE(scalar_end(a, 16, true).contains(__builtin_bswap16(static_cast<uint16_t>(x))));
    ASSERT_TRUE(scalar_end(a, 32, true).contains(__builtin_bswap32(static_cast<uint32_t>(x))));
    ASSERT_TRUE(scalar_end(a, 64, true).contains(__builtin_bswap64(x)));
    ASSERT_TRUE(scalar_end(a, 16, false).contains(x & 0xffff));
    ASSERT_TRUE(scalar_join(a, b).contains(x) && scalar_join(a, b).contains(y));
  }
}

TEST(Scalar, arithmetic_on_constants_is_exact) {
  RandomScalars random(17);
  for (int round = 0; round < 20000; round++) {
    const uint64_t x = random.word(), y = random.word();
    for (AluOp op : kAluOps) {
      ASSERT_EQ(scalar_alu(op, true, scalar_constant(x), scalar_constant(y)),
                scalar_constant(compute<64>(op, x, y)))
          << int(op) << " " << x << " " << y;
      ASSERT_EQ(scalar_alu(op, false, scalar_constant(x), scalar_constant(y)),
                scalar_constant(compute<32>(op, uint32_t(x), uint32_t(y))))
          << int(op) << " " << x << " " << y;
    }
  }
}

// ---- precision that programs depend on ----

TEST(Scalar, a_byte_load_is_between_0_and_255) {
  const Scalar byte = scalar_of_load(1, false);
  EXPECT_EQ(byte.umax, 255u);
  EXPECT_EQ(byte.smin, 0);
  EXPECT_EQ(byte.u32_max, 255u);
  EXPECT_EQ(byte.var_off, (Tnum{0, 255}));
  EXPECT_EQ(scalar_of_load(2, true).smin, -32768);
  EXPECT_EQ(scalar_of_load(8, false), scalar_unknown());
}
TEST(Scalar, a_mask_bounds_an_index) {
  const Scalar index = scalar_alu(AluOp::bit_and, true, scalar_unknown(), scalar_constant(0x3f));
  EXPECT_EQ(index.umax, 63u);
  EXPECT_EQ(index.smin, 0);
  const Scalar scaled = scalar_alu(AluOp::lsh, true, index, scalar_constant(3));
  EXPECT_EQ(scaled.umax, 63u * 8);
  EXPECT_TRUE(tnum_is_aligned(scaled.var_off, 8));
}
TEST(Scalar, the_compilers_sign_extension_of_a_word_keeps_signed_bounds) {
  Scalar x = scalar_unknown(), limit = scalar_constant(100), zero = scalar_constant(0);
  ASSERT_TRUE(refine_branch(BPF_JSLT, true, x, limit, true));
  ASSERT_TRUE(refine_branch(BPF_JSGE, true, x, zero, true));
  const Scalar up = scalar_alu(AluOp::lsh, true, x, scalar_constant(32));
  const Scalar back = scalar_alu(AluOp::arsh, true, up, scalar_constant(32));
  EXPECT_EQ(back.smin, 0);
  EXPECT_EQ(back.smax, 99);
  EXPECT_EQ(back.umax, 99u);
}
TEST(Scalar, two_unsigned_comparisons_make_a_range) {
  Scalar x = scalar_unknown(), low = scalar_constant(5), high = scalar_constant(20);
  ASSERT_TRUE(refine_branch(BPF_JGE, false, x, low, true));
  ASSERT_TRUE(refine_branch(BPF_JGT, false, x, high, false));
  EXPECT_EQ(x.umin, 5u);
  EXPECT_EQ(x.umax, 20u);
  EXPECT_EQ(x.smin, 5);
  EXPECT_EQ(x.smax, 20);
  EXPECT_EQ(x.u32_max, 20u);
  EXPECT_EQ(x.var_off, (Tnum{0, 31}));
  EXPECT_EQ(branch_taken(BPF_JLT, false, x, scalar_constant(21)), 1);
  EXPECT_EQ(branch_taken(BPF_JSGT, true, x, scalar_constant(20)), 0);
  EXPECT_EQ(branch_taken(BPF_JEQ, false, x, scalar_constant(6)), -1);
}
TEST(Scalar, a_comparison_of_two_registers_narrows_both) {
  Scalar x = scalar_unsigned_range(10, 100), y = scalar_unsigned_range(0, 50);
  ASSERT_TRUE(refine_branch(BPF_JLT, false, x, y, true));
  EXPECT_EQ(x.umax, 49u);
  EXPECT_EQ(y.umin, 11u);
}
TEST(Scalar, equality_makes_both_sides_what_either_is) {
  Scalar x = scalar_unsigned_range(10, 100), y = scalar_unsigned_range(100, 200);
  EXPECT_EQ(branch_taken(BPF_JEQ, false, x, y), -1);
  ASSERT_TRUE(refine_branch(BPF_JEQ, false, x, y, true));
  EXPECT_EQ(x, scalar_constant(100));
  EXPECT_EQ(y, scalar_constant(100));
}
TEST(Scalar, an_impossible_side_is_refused) {
  Scalar x = scalar_unsigned_range(10, 20), y = scalar_constant(30);
  EXPECT_FALSE(refine_branch(BPF_JGT, false, x, y, true));
  Scalar even = scalar_unknown(), odd = scalar_constant(7);
  even.var_off = {0, ~uint64_t{1}};
  EXPECT_EQ(branch_taken(BPF_JEQ, false, even, odd), 0);
  EXPECT_FALSE(refine_branch(BPF_JEQ, false, even, odd, true));
}
TEST(Scalar, inequality_moves_an_end) {
  Scalar x = scalar_unsigned_range(0, 9), zero = scalar_constant(0);
  ASSERT_TRUE(refine_branch(BPF_JEQ, false, x, zero, false));
  EXPECT_EQ(x.umin, 1u);
}
TEST(Scalar, a_bit_test_that_fails_clears_the_bits) {
  Scalar x = scalar_unknown(), bits = scalar_constant(7);
  ASSERT_TRUE(refine_branch(BPF_JSET, false, x, bits, false));
  EXPECT_TRUE(tnum_is_aligned(x.var_off, 8));
  Scalar y = scalar_unknown(), one = scalar_constant(4);
  ASSERT_TRUE(refine_branch(BPF_JSET, false, y, one, true));
  EXPECT_EQ(y.var_off.value, 4u);
  EXPECT_EQ(branch_taken(BPF_JSET, false, y, one), 1);
}
TEST(Scalar, a_negative_constant_subtracts_without_wrapping_the_unsigned_range) {
  const Scalar x = scalar_unsigned_range(8, 16);
  const Scalar moved = scalar_alu(AluOp::add, true, x, scalar_constant(static_cast<uint64_t>(-4)));
  EXPECT_EQ(moved.umin, 4u);
  EXPECT_EQ(moved.umax, 12u);
  EXPECT_EQ(moved.smin, 4);
}
TEST(Scalar, division_and_remainder_by_a_constant_bound_the_result) {
  const Scalar x = scalar_of_load(4, false);
  EXPECT_EQ(scalar_alu(AluOp::mod, true, x, scalar_constant(10)).umax, 9u);
  EXPECT_EQ(scalar_alu(AluOp::div, true, x, scalar_constant(1u << 16)).umax, 0xffffu);
  EXPECT_EQ(scalar_alu(AluOp::mod, true, x, scalar_constant(0)), x);
  EXPECT_EQ(scalar_alu(AluOp::div, true, x, scalar_constant(0)), scalar_constant(0));
  EXPECT_EQ(scalar_alu(AluOp::smod, true, scalar_unknown(), scalar_constant(7)).smin, -6);
}
TEST(Scalar, a_word_operation_clears_the_upper_half) {
  const Scalar sum = scalar_alu(AluOp::add, false, scalar_unknown(), scalar_constant(1));
  EXPECT_EQ(sum.umax, 0xffffffffu);
  EXPECT_EQ(sum.smin, 0);
}
TEST(Scalar, a_comparison_of_words_bounds_the_whole_when_the_upper_half_is_known) {
  Scalar x = scalar_zero_extend32(scalar_unknown()), limit = scalar_constant(16);
  ASSERT_TRUE(refine_branch(BPF_JLT, true, x, limit, true));
  EXPECT_EQ(x.umax, 15u);
}
TEST(Scalar, a_register_compared_with_itself_is_equal) {
  const Scalar x = scalar_unknown();
  EXPECT_EQ(branch_taken(BPF_JEQ, false, x, x), 1);
  EXPECT_EQ(branch_taken(BPF_JLT, false, x, x), 0);
  EXPECT_EQ(branch_taken(BPF_JSET, false, x, x), -1);
}
TEST(Scalar, the_only_member_of_a_tnum_in_a_range_is_the_word) {
  Scalar x = scalar_unknown();
  x.var_off = {0, 0xf0};
  x.umin = 0x21, x.umax = 0x35;
  ASSERT_TRUE(sync_bounds(x));
  EXPECT_EQ(x, scalar_constant(0x30));
}
TEST(Scalar, pruning_order_follows_the_sets) {
  EXPECT_TRUE(scalar_subset(scalar_unknown(), scalar_constant(5)));
  EXPECT_TRUE(scalar_subset(scalar_unsigned_range(0, 10), scalar_unsigned_range(2, 7)));
  EXPECT_FALSE(scalar_subset(scalar_unsigned_range(2, 7), scalar_unsigned_range(0, 10)));
  const auto both = scalar_intersect(scalar_unsigned_range(0, 10), scalar_unsigned_range(7, 20));
  ASSERT_TRUE(both);
  EXPECT_EQ(both->umin, 7u);
  EXPECT_EQ(both->umax, 10u);
  EXPECT_FALSE(scalar_intersect(scalar_constant(1), scalar_constant(2)));
}
TEST(Scalar, instructions_name_their_operation) {
  EXPECT_EQ(alu_op({.opcode = BPF_ALU64 | BPF_DIV | BPF_X, .off = 1}), AluOp::sdiv);
  EXPECT_EQ(alu_op({.opcode = BPF_ALU | BPF_MOD | BPF_K}), AluOp::mod);
  EXPECT_EQ(alu_op({.opcode = BPF_ALU64 | BPF_MOV | BPF_K}), std::nullopt);
  EXPECT_EQ(alu_op({.opcode = BPF_JMP | BPF_JEQ | BPF_K}), std::nullopt);
}

}  // namespace
}  // namespace skep::verifier
