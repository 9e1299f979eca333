#include "cc/hash.h"

namespace skep::cc {

namespace {

// Folds a 128-bit product: every bit of each operand reaches every bit of the result.
uint64_t fold(uint64_t x, uint64_t y) {
  __extension__ using Wide = unsigned __int128;
  const Wide product = static_cast<Wide>(x) * y;
  return static_cast<uint64_t>(product) ^ static_cast<uint64_t>(product >> 64);
}

}  // namespace

void Hasher::mix(uint64_t word) {
  const uint64_t a = fold(a_ ^ word, 0xa0761d6478bd642f);
  b_ = std::rotl(b_ ^ word, 29) * 0xe7037ed1a0b428db + a;
  a_ = a ^ b_;
}

Hasher& Hasher::add(ByteSpan bytes) {
  mix(bytes.size());
  while (bytes.size() >= 8) {
    mix(load<uint64_t>(bytes.data()));
    bytes = bytes.subspan(8);
  }
  uint64_t rest = 0;
  if (!bytes.empty()) std::memcpy(&rest, bytes.data(), bytes.size());
  mix(rest);
  return *this;
}

std::array<uint64_t, 2> Hasher::value() const {
  return {fold(a_ ^ 0x8ebc6af09c88c6e3, b_ ^ 0x589965cc75374cc3),
          fold(b_ ^ 0x1d8e4e27c47d124f, a_ + 0xeb44accab455d165)};
}

std::string Hasher::hex() const { return fmt::format("{:016x}{:016x}", value()[0], value()[1]); }

}  // namespace skep::cc
