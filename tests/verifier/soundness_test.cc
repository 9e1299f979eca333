// Programs made at random, of all instruction classes, with numbers near the bounds: what is accepted does
// nothing that it may not, and stays inside the states that the verifier predicted.
#include "verifier/soundness.h"

#include <gtest/gtest.h>

#include <cstdlib>

#include "isa/disassembler.h"
#include "verifier/random_program.h"

namespace skep {
namespace {

// SKEP_RANDOM_PROGRAMS asks for more of them than a test run's.
uint64_t programs_or(uint64_t usual) {
  const char* asked = std::getenv("SKEP_RANDOM_PROGRAMS");
  return asked != nullptr ? std::strtoull(asked, nullptr, 10) : usual;
}

std::string listing(const std::vector<Insn>& insns) { return isa::disassemble_all(insns); }

TEST(soundness, accepted_programs_stay_inside_the_predicted_states) {
  unsigned accepted = 0;
  const uint64_t programs = programs_or(4000);
  for (uint64_t seed = 1; seed <= programs; ++seed) {
    const std::vector<Insn> insns = soundness::random_program(seed);
    verifier::Options options;
    options.every_number_matters = true;
    const soundness::Outcome outcome = soundness::judge(insns, seed, 6, options);
    accepted += outcome.accepted ? 1 : 0;
    ASSERT_EQ(outcome.finding, "") << "seed " << seed << "\n" << listing(insns);
  }
  // A generator whose programs are all refused tests nothing.
  EXPECT_GT(accepted, programs / 5);
}

TEST(soundness, accepted_programs_touch_only_their_own_memory) {
  unsigned accepted = 0;
  const uint64_t programs = programs_or(6000);
  for (uint64_t seed = 100'000'001; seed <= 100'000'000 + programs; ++seed) {
    const std::vector<Insn> insns = soundness::random_program(seed);
    const soundness::Outcome outcome = soundness::judge(insns, seed, 6, {});
    accepted += outcome.accepted ? 1 : 0;
    ASSERT_EQ(outcome.finding, "") << "seed " << seed << "\n" << listing(insns);
  }
  EXPECT_GT(accepted, programs / 5);
}

TEST(soundness, remembering_more_states_changes_no_verdict) {
  for (uint64_t seed = 1; seed <= 1500; ++seed) {
    const std::vector<Insn> insns = soundness::random_program(seed);
    verifier::Options often;
    often.test_state_freq = true;
    ASSERT_EQ(soundness::judge(insns, seed, 0, {}).accepted,
              soundness::judge(insns, seed, 0, often).accepted)
        << "seed " << seed << "\n"
        << listing(insns);
  }
}

}  // namespace
}  // namespace skep
