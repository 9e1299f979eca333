// The headers that come with skep, as text.
#pragma once

#include <string_view>
#include <vector>

namespace skep::cc {

struct Header {
  std::string_view name;  // "bpf/bpf_helpers.h"
  std::string_view text;
};
// Without bpf_helper_defs.h and vmlinux.h, which are made.
[[nodiscard]] std::vector<Header> shipped_headers();

}  // namespace skep::cc
