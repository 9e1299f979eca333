// Assembly as an Object: what isa's assembler made of a `.bpf.s` file, so that a loader sees one kind of object.
#pragma once

#include <string_view>

#include "base/result.h"
#include "isa/assembler.h"
#include "object/object.h"

namespace skep::object {

// `name` is for messages. EINVAL where a map's type is unknown, or a program has no section and `section`, which
// then stands for it, is empty.
[[nodiscard]] Result<Object> object_from_assembly(const isa::Assembly& assembly,
                                                  std::string_view name,
                                                  std::string_view section = {});

// The same of a `.bpf.s` file's text; helpers are called by the names that spec/helpers has. EINVAL: what does not
// assemble.
[[nodiscard]] Result<Object> open_assembly(std::string_view text, std::string_view name,
                                           std::string_view section = {});

}  // namespace skep::object
