// soundness [--seconds N] [--programs N] [--seed N]: random programs through the verifier; the accepted ones run on the
// interpreter with every access checked, and (every other one) every live register held against the states that the
// verifier predicted. Ends at the first finding, with the program. The last line is JSON.
#include <fmt/format.h>

#include <chrono>
#include <cstdlib>
#include <string>

#include "isa/disassembler.h"
#include "verifier/random_program.h"
#include "verifier/soundness.h"

int main(int argc, char** argv) {
  using namespace skep;
  uint64_t seconds = 60, programs = ~uint64_t{0}, seed = 1'000'000'000;
  for (int i = 1; i + 1 < argc; i += 2) {
    const std::string option = argv[i];
    uint64_t& value = option == "--seconds" ? seconds : option == "--programs" ? programs : seed;
    if (option != "--seconds" && option != "--programs" && option != "--seed") {
      fmt::print(stderr, "usage: soundness [--seconds N] [--programs N] [--seed N]\n");
      return 2;
    }
    value = std::strtoull(argv[i + 1], nullptr, 0);
  }
  const auto begin = std::chrono::steady_clock::now();
  const auto elapsed = [&] {
    return std::chrono::duration<double>(std::chrono::steady_clock::now() - begin).count();
  };
  uint64_t tried = 0, accepted = 0;
  int status = 0;
  for (; tried < programs && elapsed() < static_cast<double>(seconds); ++tried) {
    const std::vector<Insn> insns = soundness::random_program(seed + tried);
    verifier::Options options;
    options.every_number_matters = tried % 2 == 0;
    const soundness::Outcome outcome = soundness::judge(insns, seed + tried, 4, options);
    accepted += outcome.accepted ? 1 : 0;
    if (outcome.finding.empty()) continue;
    fmt::print("finding, seed {}: {}\n{}\n", seed + tried, outcome.finding,
               isa::disassemble_all(insns));
    status = 1;
    ++tried;
    break;
  }
  fmt::print(
      "{{\"programs\":{},\"accepted\":{},\"findings\":{},\"seconds\":{:.0f},\"per_second\":{:.0f}}}"
      "\n",
      tried, accepted, status, elapsed(), static_cast<double>(tried) / elapsed());
  return status;
}
