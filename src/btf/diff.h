// How two BTFs differ, by the names of their types: what `skep btf diff` prints.
#pragma once

#include <string>
#include <vector>

#include "btf/btf.h"

namespace skep::btf {

struct Difference {
  enum class What : uint8_t { Added, Removed, Changed };
  What what{};
  Kind kind{};
  std::string name;
  // Of Changed: a line for each difference: "size 16 → 24", "- int old_member; /* at 8 */",
  // "+ long new_member; /* at 8 */", "  member moved: at 16 → 24".
  std::vector<std::string> details;
};

// Structs, unions, enums, typedefs and functions with a name (of several with one name, the first), sorted
// by kind and name.
[[nodiscard]] std::vector<Difference> diff(const Btf& before, const Btf& after);

}  // namespace skep::btf
