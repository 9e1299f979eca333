// SHA-1 (FIPS 180-4): not for security here, but because a program's tag is the first 8 bytes of
// it, and tools compare tags.
#pragma once

#include <array>
#include <cstdint>

#include "base/bytes.h"

namespace skep {

[[nodiscard]] std::array<uint8_t, 20> sha1(ByteSpan bytes);

}  // namespace skep
