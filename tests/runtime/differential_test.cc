// A short run of what ./dev fuzz differential does at length.
#include "support/differential.h"

#include <gtest/gtest.h>

namespace skep::differential {
namespace {

TEST(Differential, engines_agree_on_random_verified_programs) {
  auto made = Differential::make(true);
  ASSERT_TRUE(made) << made.error().text();
  for (uint64_t seed = 1; seed <= 3000; seed++) {
    std::string wrong = (*made)->judge(seed, seed % 8 == 0);
    ASSERT_EQ(wrong, "");
  }
  const Counts& counts = (*made)->counts();
  EXPECT_GT(counts.programs, 2000u) << counts.rejected << " were rejected";
  EXPECT_GT(counts.out_of_fuel, 100u);
  RecordProperty("in_the_kernel", std::to_string(counts.kernel));
  if (!(*made)->kernel_error().empty())
    GTEST_SKIP() << "without the kernel: " << (*made)->kernel_error();
  EXPECT_GT(counts.kernel, 100u) << counts.kernel_refused << " were refused";
}

}  // namespace
}  // namespace skep::differential
