// An Object from parts that some code generator made, without an ELF file in between.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "base/result.h"
#include "object/object.h"

namespace skep::object {

struct BuiltProgram {
  std::string name;     // a C identifier
  std::string section;  // what SEC() would say
  // Flat: calls are relative already, maps are BPF_PSEUDO_MAP_IDX or _MAP_IDX_VALUE with the index into `maps`.
  std::vector<Insn> insns;
};
struct ObjectParts {
  std::string name;  // for messages
  std::string license;
  std::shared_ptr<const btf::Btf>
      btf;  // what the maps' key_type and value_type are in; may be null
  std::vector<MapSpec> maps;
  std::vector<BuiltProgram> programs;
};

[[nodiscard]] Object object_from_parts(ObjectParts parts);

}  // namespace skep::object
