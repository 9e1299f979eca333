// A fast 128-bit hash for cache keys and checksums: 5 MB of BTF in about a millisecond. Against accidents, not
// against attackers: whoever can write the cache directory can run programs as its owner anyway.
#pragma once

#include <array>
#include <cstdint>
#include <string>
#include <string_view>

#include "base/bytes.h"

namespace skep::cc {

class Hasher {
 public:
  // Each part counts with its length: ("ab", "c") is not ("a", "bc").
  Hasher& add(ByteSpan bytes);
  Hasher& add(std::string_view text) { return add(bytes_of(text)); }
  Hasher& add(uint64_t number) { return add(std::as_bytes(std::span(&number, 1))); }
  [[nodiscard]] std::array<uint64_t, 2> value() const;
  [[nodiscard]] std::string hex() const;

 private:
  void mix(uint64_t word);
  uint64_t a_ = 0x9e3779b97f4a7c15, b_ = 0xc2b2ae3d27d4eb4f;
};

}  // namespace skep::cc
