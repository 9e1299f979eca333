// A BTF-defined map: a variable in .maps whose struct says what it is by its members' types.
#pragma once

#include <string>

#include "btf/btf.h"
#include "object/object.h"

namespace skep::object {

struct MapDefinition {
  MapSpec spec;
  // Byte offset of the member `values` in the variable, where elements may be set; -1: none.
  int64_t values_offset = -1;
};

// `type` is of the variable, or, for an inner map, of what `values` points to.
[[nodiscard]] Result<MapDefinition> read_map_definition(const btf::Btf& btf, std::string_view name,
                                                        btf::TypeId type, bool is_inner = false);

}  // namespace skep::object
