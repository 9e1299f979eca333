// What the AArch64 tier's code may hold, as hardening_test.cc has it for x86-64: every word, from the code's first to its
// last, is of a short list of forms; branches stay inside; no number of the program's shows. Runs on any machine.
#include <gtest/gtest.h>

#include <array>
#include <set>

#include "isa/assembler.h"
#include "support/aarch64_words.h"
#include "support/random_program.h"
#include "support/unsafe_program.h"
#include "vm/hardened.h"
#include "vm/jit/jit.h"

namespace skep::jit {
namespace {

using test::hardened;

struct Form {
  uint32_t mask, value;
};
// Registers, immediates and condition are free; everything else of an instruction is not. Nothing here enters the
// kernel, reads or writes a system register, touches a vector register or gives memory to the caches.
constexpr Form kForms[] = {
    {0xffffffff, 0},                                     // udf, in front of blinded code
    {0xffffffff, 0xd4200000},                            // brk 0
    {0x1f000000, 0x0a000000}, {0x1f000000, 0x0b000000},  // logical, add and sub of registers
    {0x1f800000, 0x12000000}, {0x1f000000, 0x11000000},  // of immediates
    {0x1f800000, 0x12800000}, {0x1f800000, 0x13000000},  // movn, movz, movk; bit fields
    {0x7fe00000, 0x1a800000}, {0x7fe0f000, 0x1ac00000},  // csel; division
    {0x7fe0f000, 0x1ac02000}, {0x7fe00000, 0x1b000000},  // shifts; madd, msub
    {0xffe0fc00, 0x9bc07c00}, {0x7fffe000, 0x5ac00000},  // umulh; rev
    {0x3b000000, 0x39000000}, {0x3b200c00, 0x38000000},  // loads and stores: scaled, unscaled
    {0x3b200c00, 0x38200800}, {0x3b200c00, 0x38200000},  // indexed; atomics
    {0x3f000000, 0x08000000},  // exclusive, acquire, release, compare and swap
    {0xfe000000, 0xa8000000},  // pairs
    {0x7c000000, 0x14000000}, {0xff000010, 0x54000000},  // b, bl; b.cond
    {0x7e000000, 0x34000000}, {0x9f000000, 0x10000000},  // cbz, cbnz; adr
    {0xffffffff, 0xd65f03c0}, {0xffffffff, 0xd63f0200},  // ret; blr x16
    {0xffffffff, 0xd503379f}, {0xffffffff, 0xd5033fdf},  // dsb nsh; isb
    {0xffffffff, 0xd5033bbf}, {0xffffffff, 0xd503229f},  // dmb ish; csdb
};
constexpr uint32_t kBranchReg = 0xd61f0200;  // br x16: a tail call's, which no random program has

// Empty, or what is wrong.
std::string judged(const NativeCode& code) {
  const auto words = aarch64::words_of(code);
  for (size_t i = 0; i < words.size(); ++i) {
    const uint32_t word = words[i];
    const bool known = std::any_of(std::begin(kForms), std::end(kForms), [&](const Form& form) {
      return (word & form.mask) == form.value;
    });
    if (!known) return fmt::format("{:08x} at {}", word, i * 4);
    int64_t by = 0;
    if ((word & 0x7c000000) == 0x14000000) by = static_cast<int32_t>(word << 6) >> 6;
    if ((word & 0xff000010) == 0x54000000 || (word & 0x7e000000) == 0x34000000)
      by = static_cast<int32_t>(word << 8) >> 13;
    const int64_t to = static_cast<int64_t>(i) + by;
    if (to < 0 || to >= static_cast<int64_t>(words.size()))
      return fmt::format("a branch at {} to {}", i * 4, to * 4);
    if (by != 0 && words[static_cast<size_t>(to)] == 0)
      return fmt::format("a branch at {} to a trap", i * 4);
    if (word == 0 && i * 4 >= code.entry - code.block.address)
      return fmt::format("a trap at {}", i * 4);
  }
  return {};
}

class Aarch64Hardening : public testing::Test {
 protected:
  void SetUp() override { memory_ = std::move(*make_private_code_memory(1 << 20)); }
  Result<NativeCode> compiled(const char* text, const JitOptions& options) {
    auto insns = isa::assemble_insns(text);
    if (!insns) return fail(insns);
    return compile_aarch64(VerifiedProgramMaker::unverified(std::move(*insns)), options, *memory_);
  }
  std::unique_ptr<CodeMemory> memory_;
};

TEST_F(Aarch64Hardening, every_word_of_random_programs_is_of_a_form_that_may_be_there) {
  for (uint64_t seed = 1; seed <= 300; seed++) {
    const VerifiedProgram program = VerifiedProgramMaker::unverified(RandomProgram(seed).make());
    for (unsigned variant = 0; variant < 4; ++variant) {
      JitOptions options = hardened(seed);
      if (variant > 0) options.blinding_seed.reset(), options.speculation_barriers = false;
      options.cpu.lse = variant == 2;
      if (variant == 3) options.fuel = 1000;
      auto code = compile_aarch64(program, options, *memory_);
      ASSERT_TRUE(code) << code.error().text();
      ASSERT_EQ(judged(*code), "") << "seed " << seed << " variant " << variant;
      const auto words = aarch64::words_of(*code);
      EXPECT_EQ(std::count(words.begin(), words.end(), kBranchReg), 0);
      memory_->free(code->block);
    }
  }
}

TEST_F(Aarch64Hardening, no_constant_of_the_program_is_in_blinded_code) {
  constexpr uint32_t kNumbers[] = {0x3c909090, 0x4badf00d, 0x7eadbeef, 0x5ca1ab1e, 0x0f05c3c3};
  constexpr const char* kText =
      "r6 = r1\n r1 = *(u64 *)(r6 +8)\n r1 |= 0x3c909090\n r2 = 0x4badf00d7eadbeef ll\n r0 = r1\n "
      "r0 += 0x5ca1ab1e\n r0 ^= 0x0f05c3c3\n r0 &= 0x4badf00d\n r0 *= 0x5ca1ab1e\n w0 |= "
      "0x3c909090\n"
      "*(u64 *)(r6 +0) = 0x0f05c3c3\n if r0 > 0x5ca1ab1e goto +1\n r0 += r2\n"
      "if w0 == 0x3c909090 goto +1\n r0 /= 0x4badf00d\n r0 %= 0x7eadbeef\n exit";
  JitOptions plain = hardened(0);
  plain.blinding_seed.reset();
  auto shown = compiled(kText, plain);
  ASSERT_TRUE(shown) << shown.error().text();
  for (uint32_t number : kNumbers)
    EXPECT_TRUE(aarch64::moves_number(aarch64::words_of(*shown), number));
  for (uint64_t seed = 0; seed < 50; seed++) {
    auto code = compiled(kText, hardened(seed));
    ASSERT_TRUE(code);
    for (uint32_t number : kNumbers)
      EXPECT_FALSE(aarch64::moves_number(aarch64::words_of(*code), number))
          << std::hex << number << " with seed " << seed;
    memory_->free(code->block);
  }
}

TEST_F(Aarch64Hardening, traps_surround_the_code) {
  std::set<uint64_t> starts;
  for (uint64_t seed = 0; seed < 64; seed++) {
    auto code = compiled("r0 = 1\n exit", hardened(seed));
    ASSERT_TRUE(code);
    const uint64_t start = code->entry - code->block.address;
    starts.insert(start);
    EXPECT_GE(start, 16u);
    for (uint64_t i = 0; i < start; i++)
      EXPECT_EQ(std::to_integer<int>(code->block.writable[i]), 0);
    for (uint32_t i = 0; i < 16; i++)
      EXPECT_EQ(std::to_integer<int>(code->block.writable[code->code_size + i]), 0);
    memory_->free(code->block);
  }
  EXPECT_GT(starts.size(), 8u);  // where it starts can't be known
}

TEST_F(Aarch64Hardening, a_barrier_stands_before_the_first_access_of_each_block) {
  auto code = compiled(
      "r2 = *(u64 *)(r1 +0)\n if r2 > 10 goto out\n r2 <<= 3\n r1 += r2\n r0 = *(u64 *)(r1 +8)\n"
      "r3 = *(u64 *)(r1 +16)\n r0 += r3\n exit\n out: r0 = 0\n exit",
      hardened(3));
  ASSERT_TRUE(code);
  unsigned barriers = 0;
  bool fenced = true;
  for (uint32_t word : aarch64::words_of(*code)) {
    if (word == 0xd5033fdf) barriers++, fenced = true;
    if ((word & 0xff000010) == 0x54000000) fenced = false;
    EXPECT_TRUE(fenced || (word & 0x3b400000) != 0x39400000);
  }
  EXPECT_EQ(barriers, 2u);  // the first block's, and the one after the test
}

TEST_F(Aarch64Hardening, atomics_are_one_instruction_where_the_cpu_has_them_and_a_loop_where_not) {
  constexpr const char* kText =
      "r0 = 1\n r2 = 2\n lock *(u64 *)(r1 +0) += r2\n r2 = atomic_fetch_and((u64 *)(r1 +0), r2)\n"
      "r2 = xchg_64(r1 +0, r2)\n r0 = cmpxchg_64(r1 +0, r0, r2)\n exit";
  for (bool lse : {true, false}) {
    JitOptions options = hardened(1);
    options.blinding_seed.reset(), options.speculation_barriers = false;
    options.cpu.lse = lse;
    auto code = compiled(kText, options);
    ASSERT_TRUE(code) << code.error().text();
    unsigned loops = 0, barriers = 0;
    for (uint32_t word : aarch64::words_of(*code)) {
      loops += (word & 0x3ffffc00) == 0x085f7c00;
      barriers += word == 0xd5033bbf;
    }
    EXPECT_EQ(loops, lse ? 0u : 4u);
    EXPECT_EQ(barriers, lse ? 0u : 3u);  // an operation without a result is not ordered
  }
}

}  // namespace
}  // namespace skep::jit
