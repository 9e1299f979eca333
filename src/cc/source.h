#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "cc/cc.h"

namespace skep::cc {

struct Include {
  std::string name;
  bool quoted = false;
};
// The #include lines, also those that an #if leaves out.
[[nodiscard]] std::vector<Include> includes(std::string_view source);

}  // namespace skep::cc
