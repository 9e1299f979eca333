// The seed of a random test: printed, so that a failure (or a hang) can be repeated with
// SKEP_SEED=….
#pragma once

#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <random>

namespace skep::test {

inline uint64_t random_test_seed() {
  const char* given = std::getenv("SKEP_SEED");
  uint64_t seed = given != nullptr
                      ? std::strtoull(given, nullptr, 0)
                      : uint64_t{std::random_device{}()} << 32 | std::random_device{}();
  std::printf("SKEP_SEED=%#lx\n", seed);
  std::fflush(stdout);  // before what may hang
  return seed;
}

}  // namespace skep::test
