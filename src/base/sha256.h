// SHA-256 (FIPS 180-4) and HMAC (RFC 2104) over it: what authenticates cached native code.
#pragma once

#include <array>
#include <cstdint>

#include "base/bytes.h"

namespace skep {

using Digest256 = std::array<uint8_t, 32>;

[[nodiscard]] Digest256 sha256(ByteSpan bytes);
[[nodiscard]] Digest256 hmac_sha256(ByteSpan key, ByteSpan message);
// In time that does not depend on where they differ.
[[nodiscard]] bool equal_digests(ByteSpan a, ByteSpan b);

}  // namespace skep
