// Code for programs of people whom one doesn't trust, as the tests of both machines ask for it.
#pragma once

#include <array>

#include "vm/jit/jit.h"

namespace skep::jit::test {

inline std::array<uint64_t, 1024> helpers{};

inline JitOptions hardened(uint64_t seed) {
  JitOptions options;
  options.helper_table = options.kfunc_table = reinterpret_cast<uint64_t>(helpers.data());
  options.blinding_seed = seed;
  options.speculation_barriers = true;
  return options;
}

}  // namespace skep::jit::test
