// Eight bytes as the seed of a random verified program: interpreter and native code must agree on it.
#include <cstdio>
#include <cstdlib>
#include <cstring>

#include "../tests/support/differential.cc"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  static const auto differential = [] {
    auto made = skep::differential::Differential::make(false);
    if (!made) {
      std::fprintf(stderr, "differential: %s\n", made.error().text().c_str());
      std::abort();
    }
    return std::move(*made);
  }();
  uint64_t seed = 0;
  std::memcpy(&seed, data, size < 8 ? size : 8);
  const std::string wrong = differential->judge(seed, false);
  if (!wrong.empty()) {
    std::fprintf(stderr, "finding: %s\n", wrong.c_str());
    std::abort();
  }
  return 0;
}
