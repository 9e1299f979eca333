// BTF as C: declarations that a compiler takes back to the same layout, and type names for messages.
#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <unordered_set>

#include "btf/btf.h"

namespace skep::btf {

struct DumpOptions {
  // vmlinux.h's frame: include guard, preserve_access_index on every record, prototypes of kfuncs.
  bool as_vmlinux_h = true;
};

// All types, each after what it needs whole.
[[nodiscard]] std::string dump_c(const Btf& btf, const DumpOptions& options = {});
// Only these and what they need: whole where it lies inside by value, forward-declared where it is
// behind a pointer.
[[nodiscard]] std::string dump_c(const Btf& btf, std::span<const TypeId> roots,
                                 const DumpOptions& options = {});

// "const char *", "struct task_struct *[4]", "int (*)(void *, int)"; with a name, a declaration.
[[nodiscard]] std::string type_text(const Btf& btf, TypeId id, std::string_view name = {});
// One type's whole definition, "struct pair {\n\tint a;\n…}", with nothing that it depends on.
[[nodiscard]] std::string definition_text(const Btf& btf, TypeId id);

}  // namespace skep::btf
