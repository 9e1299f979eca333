// The static linker: several objects into one, as `ld -r` would, and their BTF with them.
//
//   sections       of one name are put behind one another; license and version must agree
//   symbols        a strong definition wins over a weak one and over externs; two strong ones are an error; static
//                  ones stay apart
//   externs        that another object defines become it: functions, variables, maps, if their types agree
//   BTF            merged and deduplicated; DATASECs laid out anew; .BTF.ext moved along with the code
//
// What comes out is an object like any other: it can be opened, and linked again.
#pragma once

#include <span>
#include <string>
#include <vector>

#include "base/bytes.h"
#include "base/result.h"

namespace skep::object {

struct LinkInput {
  std::string name;  // for messages
  ByteSpan bytes;    // an ELF file of EM_BPF
};

// EINVAL for a damaged input or types that contradict each other, EEXIST for two definitions of one symbol; the
// message names the files. All inputs are of one byte order, which is the output's.
[[nodiscard]] Result<std::vector<std::byte>> link_objects(std::span<const LinkInput> inputs);

}  // namespace skep::object
