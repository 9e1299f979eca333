// What the loader's files share.
#pragma once

#include <algorithm>
#include <cctype>
#include <string_view>

#include "loader/loader.h"

namespace skep::loader {

// The kernel's names have 15 bytes of [A-Za-z0-9_.].
template <size_t N>
void set_name(char (&field)[N], std::string_view name) {
  const size_t length = std::min(name.size(), N - 1);
  for (size_t i = 0; i < length; ++i) {
    const char c = name[i];
    field[i] = std::isalnum(static_cast<unsigned char>(c)) != 0 || c == '_' || c == '.' ? c : '_';
  }
}

// The engine's own words for a call that failed, else its errno's; EPERM comes with what is missing.
[[nodiscard]] Error engine_error(const engine::Engine& engine, int64_t result,
                                 std::string_view what);

[[nodiscard]] inline uint64_t address_of(const void* pointer) {
  return reinterpret_cast<uint64_t>(pointer);
}
[[nodiscard]] inline bool is_kernel(const engine::Engine& engine) {
  return engine.name() == "kernel";
}

}  // namespace skep::loader
