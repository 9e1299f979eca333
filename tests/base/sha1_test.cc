#include "base/sha1.h"

#include <gtest/gtest.h>

namespace skep {
namespace {

std::string hex(ByteSpan bytes) {
  std::string text;
  for (auto byte : sha1(bytes)) text += fmt::format("{:02x}", byte);
  return text;
}

// The vectors of FIPS 180-4 and RFC 3174.
TEST(Sha1, agrees_with_the_published_vectors) {
  EXPECT_EQ(hex({}), "da39a3ee5e6b4b0d3255bfef95601890afd80709");
  EXPECT_EQ(hex(bytes_of("abc")), "a9993e364706816aba3e25717850c26c9cd0d89d");
  EXPECT_EQ(hex(bytes_of("abcdbcdecdefdefgefghfghighijhijkijkljklmklmnlmnomnopnopq")),
            "84983e441c3bd26ebaae4aa1f95129e5e54670f1");
  EXPECT_EQ(hex(bytes_of(std::string(1000000, 'a'))), "34aa973cd4c4daa4f61eeb2bdbad27316534016f");
}

}  // namespace
}  // namespace skep
