// Bytes as a program: the verifier must end, and what it accepts must run without a forbidden access and
// inside the states that it predicted (tests/verifier/soundness.h).
//   byte 0: options; then instructions of 8 bytes each
#include <cstdio>
#include <cstdlib>

#include "../tests/verifier/soundness.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  using namespace skep;
  if (size < 9) return 0;
  verifier::Options options;
  options.log_level = (data[0] & 1) != 0 ? 2 : 0;
  options.log_limit = 1 << 20;
  options.privileged = (data[0] & 2) == 0;
  options.test_state_freq = (data[0] & 4) != 0;
  options.every_number_matters = (data[0] & 8) != 0;
  const auto profiles = verifier::kernel_profiles();
  if ((data[0] & 16) != 0) options.profile = &profiles[(data[0] >> 5) % profiles.size()];
  std::vector<Insn> insns((size - 1) / sizeof(Insn));
  std::memcpy(insns.data(), data + 1, insns.size() * sizeof(Insn));
  const soundness::Outcome outcome = soundness::judge(std::move(insns), size, 2, options);
  if (!outcome.finding.empty()) {
    std::fprintf(stderr, "finding: %s\n", outcome.finding.c_str());
    std::abort();
  }
  return 0;
}
