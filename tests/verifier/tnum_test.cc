// Every tnum operation over every tnum of five bits: sound, and for the bitwise ones, addition and
// subtraction also optimal (the smallest tnum that holds all results).
#include "verifier/tnum.h"

#include <gtest/gtest.h>

#include <random>
#include <vector>

namespace skep::verifier {
namespace {

constexpr unsigned kBits = 5;
constexpr uint64_t kMask = (1u << kBits) - 1;

std::vector<Tnum> all_tnums() {
  std::vector<Tnum> all;
  for (uint64_t mask = 0; mask <= kMask; mask++) {
    for (uint64_t value = 0; value <= kMask; value++) {
      if ((value & mask) == 0) all.push_back({value, mask});
    }
  }
  return all;
}
std::vector<uint64_t> members(Tnum t) {
  std::vector<uint64_t> words;
  for (uint64_t x = 0; x <= kMask; x++) {
    if (t.contains(x)) words.push_back(x);
  }
  return words;
}
Tnum cut(Tnum t) { return {t.value & kMask, t.mask & kMask}; }
Tnum smallest_holding(const std::vector<uint64_t>& words) {
  Tnum t = tnum_constant(words[0]);
  for (uint64_t x : words)
    t = {t.value & ~(t.mask | (t.value ^ x)), t.mask | (t.value ^ (x & ~t.mask))};
  return t;
}

using Binary = Tnum (*)(Tnum, Tnum);
using Concrete = uint64_t (*)(uint64_t, uint64_t);

void check_binary(Binary abstract, Concrete concrete, bool optimal) {
  const auto all = all_tnums();
  for (Tnum a : all) {
    const auto xs = members(a);
    for (Tnum b : all) {
      const Tnum result = cut(abstract(a, b));
      ASSERT_EQ(result.value & result.mask, 0u);
      std::vector<uint64_t> results;
      for (uint64_t x : xs) {
        for (uint64_t y : members(b)) {
          const uint64_t z = concrete(x, y) & kMask;
          ASSERT_TRUE(result.contains(z)) << x << " op " << y << " = " << z;
          if (optimal) results.push_back(z);
        }
      }
      if (optimal) {
        ASSERT_EQ(result, smallest_holding(results))
            << a.value << "/" << a.mask << " " << b.value << "/" << b.mask;
      }
    }
  }
}

TEST(Tnum, addition_is_sound_and_optimal) {
  check_binary(tnum_add, [](uint64_t x, uint64_t y) { return x + y; }, true);
}
TEST(Tnum, subtraction_is_sound_and_optimal) {
  check_binary(tnum_sub, [](uint64_t x, uint64_t y) { return x - y; }, true);
}
TEST(Tnum, and_is_sound_and_optimal) {
  check_binary(tnum_and, [](uint64_t x, uint64_t y) { return x & y; }, true);
}
TEST(Tnum, or_is_sound_and_optimal) {
  check_binary(tnum_or, [](uint64_t x, uint64_t y) { return x | y; }, true);
}
TEST(Tnum, xor_is_sound_and_optimal) {
  check_binary(tnum_xor, [](uint64_t x, uint64_t y) { return x ^ y; }, true);
}
TEST(Tnum, multiplication_is_sound) {
  check_binary(tnum_mul, [](uint64_t x, uint64_t y) { return x * y; }, false);
}

TEST(Tnum, negation_is_sound) {
  for (Tnum a : all_tnums()) {
    for (uint64_t x : members(a)) ASSERT_TRUE(cut(tnum_neg(a)).contains((0 - x) & kMask));
  }
}

TEST(Tnum, shifts_are_exact) {
  for (Tnum a : all_tnums()) {
    for (unsigned shift = 0; shift < kBits; shift++) {
      std::vector<uint64_t> left, right, arithmetic;
      for (uint64_t x : members(a)) {
        left.push_back((x << shift) & kMask);
        right.push_back(x >> shift);
        const int64_t number = static_cast<int64_t>(x << (64 - kBits)) >> (64 - kBits);
        arithmetic.push_back(static_cast<uint64_t>(number >> shift) & kMask);
      }
      ASSERT_EQ(cut(tnum_shl(a, shift)), smallest_holding(left));
      ASSERT_EQ(tnum_shr(a, shift), smallest_holding(right));
      ASSERT_EQ(tnum_ashr(a, shift, kBits), smallest_holding(arithmetic));
    }
  }
}

TEST(Tnum, range_holds_all_between_its_ends_and_is_the_smallest) {
  for (uint64_t min = 0; min <= kMask; min++) {
    for (uint64_t max = min; max <= kMask; max++) {
      std::vector<uint64_t> words;
      for (uint64_t x = min; x <= max; x++) words.push_back(x);
      ASSERT_EQ(tnum_range(min, max), smallest_holding(words));
    }
  }
  EXPECT_TRUE(tnum_range(0, ~uint64_t{0}).is_unknown());
  EXPECT_TRUE(tnum_range(1, 0).is_unknown());
  EXPECT_EQ(tnum_range(uint64_t{1} << 63, uint64_t{1} << 63), tnum_constant(uint64_t{1} << 63));
}

TEST(Tnum, set_operations_agree_with_sets) {
  const auto all = all_tnums();
  for (Tnum a : all) {
    for (Tnum b : all) {
      bool overlap = false, subset = true;
      for (uint64_t x = 0; x <= kMask; x++) {
        overlap |= a.contains(x) && b.contains(x);
        subset &= !b.contains(x) || a.contains(x);
        if (a.contains(x) || b.contains(x)) {
          ASSERT_TRUE(tnum_union(a, b).contains(x));
        }
      }
      ASSERT_EQ(tnum_overlap(a, b), overlap);
      ASSERT_EQ(tnum_subset(a, b), subset);
      if (!overlap) continue;
      for (uint64_t x = 0; x <= kMask; x++) {
        ASSERT_EQ(tnum_intersect(a, b).contains(x), a.contains(x) && b.contains(x));
      }
    }
  }
}

TEST(Tnum, finds_the_members_next_to_a_number) {
  for (Tnum a : all_tnums()) {
    const auto words = members(a);
    for (uint64_t z = 0; z <= a.max(); z++) {
      uint64_t expected = a.max();
      for (uint64_t x : words)
        if (x >= z) expected = std::min(expected, x);
      ASSERT_EQ(tnum_first_member(a, z), expected);
    }
    for (uint64_t z = a.min(); z <= kMask; z++) {
      uint64_t expected = a.min();
      for (uint64_t x : words)
        if (x <= z) expected = std::max(expected, x);
      ASSERT_EQ(tnum_last_member(a, z), expected);
    }
  }
}

TEST(Tnum, casts_and_byte_swaps_follow_every_member) {
  std::mt19937_64 random(7);
  for (int round = 0; round < 20000; round++) {
    const uint64_t mask = random() & random();
    const Tnum a{random() & ~mask, mask};
    const uint64_t x = a.value | (random() & mask);
    for (unsigned bytes : {1u, 2u, 4u}) {
      ASSERT_TRUE(tnum_cast(a, bytes).contains(x & ((uint64_t{1} << (bytes * 8)) - 1)));
      const unsigned unused = 64 - bytes * 8;
      ASSERT_TRUE(
          tnum_sign_extend(a, bytes * 8)
              .contains(static_cast<uint64_t>(static_cast<int64_t>(x << unused) >> unused)));
    }
    ASSERT_TRUE(tnum_byteswap(a, 16).contains(__builtin_bswap16(static_cast<uint16_t>(x))));
    ASSERT_TRUE(tnum_byteswap(a, 32).contains(__builtin_bswap32(static_cast<uint32_t>(x))));
    ASSERT_TRUE(tnum_byteswap(a, 64).contains(__builtin_bswap64(x)));
  }
}

TEST(Tnum, alignment_asks_the_low_bits_of_all_members) {
  EXPECT_TRUE(tnum_is_aligned({8, 0xf0}, 8));
  EXPECT_FALSE(tnum_is_aligned({8, 4}, 8));
  EXPECT_FALSE(tnum_is_aligned({4, 0}, 8));
}

}  // namespace
}  // namespace skep::verifier
