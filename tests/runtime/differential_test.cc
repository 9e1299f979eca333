// A short run of what ./dev fuzz differential does at length.
#include "support/differential.h"

#include <gtest/gtest.h>

#include <cstdio>

#include "isa/assembler.h"
#include "verifier/verifier.h"

namespace skep::differential {
namespace {

TEST(Differential, engines_agree_on_random_verified_programs) {
  auto made = Differential::make(true);
  ASSERT_TRUE(made) << made.error().text();
  for (uint64_t seed = 1; seed <= 3000; seed++) {
    std::string wrong = (*made)->judge(seed, seed % 8 == 0, seed % 64 == 1);
    ASSERT_EQ(wrong, "");
  }
  const Counts& counts = (*made)->counts();
  EXPECT_GT(counts.programs, 2000u) << counts.rejected << " were rejected";
  EXPECT_GT(counts.out_of_fuel, 100u);
  EXPECT_GT(counts.callbacks, 100u);
  EXPECT_GT(counts.tail_calls, 50u);
  if ((*made)->optimising_error().empty()) {
    EXPECT_GT(counts.optimised, 20u);
  } else {
    std::printf("without the optimising tier: %s\n", (*made)->optimising_error().c_str());
  }
  RecordProperty("in_the_kernel", std::to_string(counts.kernel));
  if (!(*made)->kernel_error().empty())
    GTEST_SKIP() << "without the kernel: " << (*made)->kernel_error();
  EXPECT_GT(counts.kernel, 100u) << counts.kernel_refused << " were refused";
}

// The second path to the division was cut off because the first one's state covered it: no check had relied on
// r2. What the code generator gets to know may not rely on it either.
TEST(Differential, a_divisor_that_is_zero_on_a_pruned_path_is_not_called_nonzero) {
  auto insns = isa::assemble_insns(
      "r1 = *(u32 *)(r1 +0)\n r2 = 0\n if r1 > 5 goto +1\n r2 = 1\n r0 = 7\n r0 /= r2\n exit");
  ASSERT_TRUE(insns) << insns.error().text();
  Program program;
  program.insns = *insns;
  program.type = ProgType::BPF_PROG_TYPE_SCHED_CLS;
  program.license = "GPL";
  verifier::Report report = verifier::verify(program, {.test_state_freq = true});
  ASSERT_TRUE(report.verified);
  EXPECT_FALSE(report.verified->facts()[5].divisor_is_nonzero);
}

}  // namespace
}  // namespace skep::differential
