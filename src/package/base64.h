// RFC 4648 base64, strictly: padded, no blanks, no bits left over.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "base/bytes.h"

namespace skep::package {

[[nodiscard]] std::string to_base64(ByteSpan bytes);
// EINVAL says at which character.
[[nodiscard]] Result<std::vector<std::byte>> from_base64(std::string_view text);

}  // namespace skep::package
