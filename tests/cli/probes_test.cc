// USDT, uprobe.multi and the functions of system calls, in a command that skep starts.
#include <gtest/gtest.h>

#include <string>

#include "cli/shell.h"

namespace {

using skep::cli::test::Outcome;
using skep::cli::test::run_shell;

const std::string kTargets = SKEP_BINARY_DIR "/hooks_targets/";

Outcome skep(const std::string& arguments) { return run_shell("skep " + arguments + " 2>&1"); }

const std::string kProbes = "run --json --engine user " SKEP_SOURCE_DIR "/tests/cli/probes.bpf.c ";

bool has(const Outcome& outcome, const std::string& text) {
  return outcome.out.find(text) != std::string::npos;
}

TEST(Usdt, arguments_are_read_and_the_semaphore_counts) {
  const std::string target = kTargets + "target_usdt";
  EXPECT_EQ(run_shell(target).out, "semaphore 0, 0 hits\n");
  auto traced =
      skep(kProbes + "--program on_usdt --function " + target + ":skep:probe -- " + target);
  EXPECT_TRUE(has(traced, "semaphore 1, 3 hits")) << traced.out;
  EXPECT_TRUE(has(traced, "\"usdt_hits\":3")) << traced.out;
  EXPECT_TRUE(has(traced, "\"usdt_first\":6")) << traced.out;
  EXPECT_TRUE(has(traced, "\"usdt_second\":6000")) << traced.out;
}

// The dynamic linker maps a library's data over a mapping that it made before.
TEST(Usdt, a_library_that_is_opened_later_is_probed) {
  const std::string library = kTargets + "libtarget_usdt_library.so";
  auto traced = skep(kProbes + "--program on_usdt --function " + library + ":skep:probe -- " +
                     kTargets + "target_usdt " + library);
  EXPECT_TRUE(has(traced, "semaphore 1, 3 hits")) << traced.out;
  EXPECT_TRUE(has(traced, "\"usdt_second\":6000")) << traced.out;
}

TEST(Usdt, an_unknown_probe_names_those_that_there_are) {
  const std::string target = kTargets + "target_usdt";
  auto refused =
      skep(kProbes + "--program on_usdt --function " + target + ":skep:other -- " + target);
  EXPECT_NE(refused.status, 0);
  EXPECT_TRUE(has(refused, "it has: skep:probe")) << refused.out;
}

TEST(UprobeMulti, all_functions_of_a_pattern_are_probed) {
  const std::string target = kTargets + "target_usdt";
  auto traced = skep(kProbes + "--program on_multi --program on_multi_return --function '" +
                     target + ":multi_*' -- " + target);
  EXPECT_TRUE(has(traced, "\"multi_hits\":10")) << traced.out;
  // 1+…+5 of the first, and those plus 2 of the second.
  EXPECT_TRUE(has(traced, "\"multi_returns\":40")) << traced.out;
}

TEST(UprobeMulti, a_session_runs_on_entry_and_on_return_unless_it_declines) {
  const std::string target = kTargets + "target_usdt";
  auto traced =
      skep(kProbes + "--program on_session --function " + target + ":multi_first -- " + target);
  // Of the calls with 0 to 4 that with 2 declines.
  EXPECT_TRUE(has(traced, "\"session_runs\":9")) << traced.out;
}

TEST(SyscallFunctions, arguments_and_results_are_those_of_the_call) {
  auto traced = skep(kProbes +
                     "--program on_openat --program on_openat_return --program on_function -- "
                     "cat /skep-no-such-file");
  EXPECT_EQ(traced.status, 1) << traced.out;
  EXPECT_TRUE(has(traced, "\"calls\":1")) << traced.out;
  EXPECT_FALSE(has(traced, "\"call_results\":0")) << traced.out;
  EXPECT_FALSE(has(traced, "\"wrapped\":1,")) << traced.out;
  EXPECT_FALSE(has(traced, "\"wrapped\":0")) << traced.out;
}

TEST(SyscallFunctions, another_function_of_the_kernel_is_refused_with_what_there_is) {
  auto refused = skep(kProbes + "--program on_other -- true");
  EXPECT_EQ(refused.status, 66) << refused.out;
  EXPECT_TRUE(has(refused, "no function \"vfs_read\" to probe")) << refused.out;
  EXPECT_TRUE(has(refused, "__x64_sys_NAME")) << refused.out;
}

}  // namespace
