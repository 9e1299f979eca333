// Every text case has the verdict, rule, place and message that it says.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cstdlib>

#include "test_paths.h"
#include "verifier/case_file.h"
#include "verifier/verifier.h"

namespace skep {
namespace {

using verifier_cases::Case;

class VerifierCase : public testing::TestWithParam<Case> {};

TEST_P(VerifierCase, has_the_verdict_that_it_says) {
  const Case& c = GetParam();
  const Result<Program> program = verifier_cases::make_program(c);
  ASSERT_TRUE(program) << program.error().text();
  verifier::Options options;
  options.log_level = 2;
  options.privileged = !c.unprivileged;
  options.strict_alignment = c.strict;
  if (!c.kernel.empty()) options.profile = verifier::find_kernel_profile(c.kernel);
  const verifier::Report report = verifier::verify(*program, options);
  if (std::getenv("SKEP_CASE_LOG") != nullptr) std::printf("%s\n", report.log.c_str());
  EXPECT_EQ(report.accepted() ? "accept" : "reject", c.expect) << report.log;
  EXPECT_NE(report.verified.has_value(), report.rejection.has_value());
  for (const std::string& message : c.messages)
    EXPECT_THAT(report.log, testing::HasSubstr(message));
  if (report.rejection) {
    if (!c.rule.empty()) {
      EXPECT_EQ(verifier::rule_name(report.rejection->rule), c.rule) << report.log;
    }
    if (c.insn >= 0) {
      EXPECT_EQ(report.rejection->insn, static_cast<uint32_t>(c.insn)) << report.log;
    }
    EXPECT_FALSE(report.rejection->message.empty());
    EXPECT_FALSE(report.rejection->explanation.empty());
  }

  // Neither the log nor remembering more states changes a verdict.
  options.log_level = 0;
  options.test_state_freq = true;
  const verifier::Report again = verifier::verify(*program, options);
  EXPECT_EQ(again.accepted(), report.accepted());
  EXPECT_TRUE(again.log.empty());
}

INSTANTIATE_TEST_SUITE_P(
    cases, VerifierCase,
    testing::ValuesIn(verifier_cases::load_cases(SKEP_SOURCE_DIR "/tests/verifier/cases")),
    [](const testing::TestParamInfo<Case>& c) {
      std::string name = c.param.file + "_" + c.param.name;
      std::replace_if(name.begin(), name.end(), [](char ch) { return std::isalnum(ch) == 0; }, '_');
      return name;
    });

}  // namespace
}  // namespace skep
