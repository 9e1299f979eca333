#include "base/sha1.h"

#include <bit>

namespace skep {
namespace {

struct State {
  std::array<uint32_t, 5> h{0x67452301, 0xefcdab89, 0x98badcfe, 0x10325476, 0xc3d2e1f0};

  void block(const uint8_t* bytes) {
    std::array<uint32_t, 80> w;
    for (unsigned i = 0; i < 16; ++i) {
      w[i] = std::byteswap(load<uint32_t>(bytes + 4 * i));
    }
    for (unsigned i = 16; i < 80; ++i)
      w[i] = std::rotl(w[i - 3] ^ w[i - 8] ^ w[i - 14] ^ w[i - 16], 1);
    auto [a, b, c, d, e] = h;
    for (unsigned i = 0; i < 80; ++i) {
      uint32_t f;
      uint32_t k;
      if (i < 20) {
        f = (b & c) | (~b & d), k = 0x5a827999;
      } else if (i < 40) {
        f = b ^ c ^ d, k = 0x6ed9eba1;
      } else if (i < 60) {
        f = (b & c) | (b & d) | (c & d), k = 0x8f1bbcdc;
      } else {
        f = b ^ c ^ d, k = 0xca62c1d6;
      }
      uint32_t next = std::rotl(a, 5) + f + e + k + w[i];
      e = d, d = c, c = std::rotl(b, 30), b = a, a = next;
    }
    h[0] += a, h[1] += b, h[2] += c, h[3] += d, h[4] += e;
  }
};

}  // namespace

std::array<uint8_t, 20> sha1(ByteSpan bytes) {
  State state;
  const auto* data = reinterpret_cast<const uint8_t*>(bytes.data());
  size_t whole = bytes.size() / 64 * 64;
  for (size_t at = 0; at < whole; at += 64) state.block(data + at);
  // The rest, a 1 bit, zeros, and the length in bits as 64-bit big endian.
  std::array<uint8_t, 128> tail{};
  size_t rest = bytes.size() - whole;
  if (rest > 0) std::memcpy(tail.data(), data + whole, rest);
  tail[rest] = 0x80;
  size_t padded = rest + 9 <= 64 ? 64 : 128;
  store(tail.data() + padded - 8, std::byteswap(uint64_t{bytes.size()} * 8));
  for (size_t at = 0; at < padded; at += 64) state.block(tail.data() + at);
  std::array<uint8_t, 20> digest;
  for (unsigned i = 0; i < 5; ++i) store(digest.data() + 4 * i, std::byteswap(state.h[i]));
  return digest;
}

}  // namespace skep
