// Words for types and numbers, as the kernel's log has them.
#pragma once

#include <string>

#include "verifier/state.h"

namespace skep::verifier {

[[nodiscard]] std::string type_text(Base base, Flags flags);  // "map_value_or_null", "rdonly_mem"
[[nodiscard]] inline std::string type_text(const RegState& reg) {
  return type_text(reg.base, reg.flags);
}
[[nodiscard]] std::string tnum_text(Tnum tnum);           // "(0x0; 0xff)", or the constant
[[nodiscard]] std::string unsigned_text(uint64_t value);  // decimal to 16 bits, else hex
[[nodiscard]] std::string signed_text(int64_t value);

}  // namespace skep::verifier
