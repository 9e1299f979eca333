// Kernel profiles: in order, found by name, and no feature ever goes away.
#include "verifier/profile.h"

#include <gtest/gtest.h>

namespace skep::verifier {
namespace {

TEST(KernelProfile, is_found_by_name) {
  for (const KernelProfile& profile : kernel_profiles())
    EXPECT_EQ(find_kernel_profile(profile.name), &profile);
  EXPECT_EQ(find_kernel_profile("3.18"), nullptr);
  EXPECT_EQ(newest_profile().name, "newest");
}

TEST(KernelProfile, versions_ascend_and_features_stay) {
  constexpr bool KernelProfile::* kFeatures[] = {&KernelProfile::subprograms,
                                                 &KernelProfile::jmp32,
                                                 &KernelProfile::direct_values,
                                                 &KernelProfile::bounded_loops,
                                                 &KernelProfile::global_functions,
                                                 &KernelProfile::tail_calls_in_subprograms,
                                                 &KernelProfile::atomics,
                                                 &KernelProfile::callbacks,
                                                 &KernelProfile::variable_stack_access,
                                                 &KernelProfile::scalar_word,
                                                 &KernelProfile::isa_v4,
                                                 &KernelProfile::source_at_file,
                                                 &KernelProfile::may_goto,
                                                 &KernelProfile::load_acquire,
                                                 &KernelProfile::static_liveness};
  const auto all = kernel_profiles();
  for (size_t i = 1; i < all.size(); ++i) {
    EXPECT_LT(all[i - 1].version, all[i].version);
    EXPECT_LE(all[i - 1].max_insns, all[i].max_insns);
    EXPECT_LE(all[i - 1].max_processed, all[i].max_processed);
    for (const auto feature : kFeatures)
      EXPECT_LE(all[i - 1].*feature, all[i].*feature) << all[i].name;
  }
  for (const auto feature : kFeatures) EXPECT_TRUE(newest_profile().*feature);
}

}  // namespace
}  // namespace skep::verifier
