// Bytes of a BTF type from what a person writes: 5, 0x1f, true, RED (an enumerator), "text" (char[]), [1, 2],
// {"pid": 3, "comm": "ls"}. Or bytes as they are: hex:0a0b0c0d.
#pragma once

#include <string_view>
#include <vector>

#include "base/result.h"
#include "btf/btf.h"

namespace skep::cli {

// Exactly `size` bytes; members that are not named are zero. EINVAL, ERANGE: what was expected, and where.
// Without a type only hex: will do, or hexadecimal digits without it.
[[nodiscard]] Result<std::vector<std::byte>> typed_bytes(const btf::Btf* btf, btf::TypeId type,
                                                         size_t size, std::string_view text);

}  // namespace skep::cli
