// ./dev fuzz differential: engines against each other on random verified programs, counted.
// Usage: differential [--programs N] [--seconds S] [--seed FIRST] [--kernel EVERY] [--llvm EVERY]
#include <fmt/format.h>

#include <chrono>
#include <cstdlib>
#include <cstring>
#include <limits>

#include "support/differential.h"

int main(int argc, char** argv) {
  uint64_t programs = std::numeric_limits<uint64_t>::max(), seed = 1, every = 16, llvm = 64;
  double seconds = std::numeric_limits<double>::infinity();
  for (int i = 1; i + 1 < argc; i += 2) {
    const std::string_view name = argv[i];
    if (name == "--programs")
      programs = std::strtoull(argv[i + 1], nullptr, 10);
    else if (name == "--seconds")
      seconds = std::strtod(argv[i + 1], nullptr);
    else if (name == "--seed")
      seed = std::strtoull(argv[i + 1], nullptr, 10);
    else if (name == "--kernel")
      every = std::strtoull(argv[i + 1], nullptr, 10);
    else if (name == "--llvm")
      llvm = std::strtoull(argv[i + 1], nullptr, 10);
    else
      return fmt::print(stderr, "differential: unknown option {}\n", name), 2;
  }
  auto made = skep::differential::Differential::make(every != 0);
  if (!made) return fmt::print(stderr, "differential: {}\n", made.error().text()), 1;
  auto& differential = **made;
  if (!differential.kernel_error().empty())
    fmt::print(stderr, "differential: without the kernel: {}\n", differential.kernel_error());

  const auto start = std::chrono::steady_clock::now();
  auto elapsed = [&] {
    return std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
  };
  auto print = [&] {
    const auto& c = differential.counts();
    fmt::print(
        "{} programs agree ({} in the kernel, too, {} in the optimising tier; {} ran out of fuel, "
        "{} "
        "have callbacks, {} tail calls), {} rejected, {} refused by the kernel; {:.0f} s, {:.0f} "
        "programs a second; next seed {}\n",
        c.programs, c.kernel, c.optimised, c.out_of_fuel, c.callbacks, c.tail_calls, c.rejected,
        c.kernel_refused, elapsed(), static_cast<double>(c.programs) / elapsed(), seed);
    std::fflush(stdout);
  };
  double next = 30;
  for (; differential.counts().programs < programs && (seed % 64 != 0 || elapsed() < seconds);
       seed++) {
    std::string wrong =
        differential.judge(seed, every != 0 && seed % every == 0, llvm != 0 && seed % llvm == 0);
    if (!wrong.empty()) {
      fmt::print("finding: {}\n", wrong);
      return 1;
    }
    if (seed % 64 == 0 && elapsed() > next) print(), next += 30;
  }
  print();
  return 0;
}
