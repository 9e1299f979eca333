// Skeletons: a header that has an object inside it and names all that it holds, so that a program that uses it is
// checked by its compiler.
//
//   C    source-compatible with bpftool's: struct NAME with maps, progs, links and a pointer to each section of
//        globals, NAME__open, __load, __attach, __destroy …, for libbpf or libskep
//   C++  class NAME on skep.hpp: owned, typed maps, sections of globals as structs, no macros
#pragma once

#include <string>

#include "base/bytes.h"
#include "base/result.h"
#include "object/object.h"

namespace skep::object {

enum class SkeletonLanguage : uint8_t { c, cpp };

// "bootstrap_bpf" of "build/bootstrap.bpf.o": what bpftool names it.
[[nodiscard]] std::string skeleton_name(std::string_view path);

// `elf`: the object's file, put into the header without what is only for debuggers. EINVAL where `name` is no
// identifier, or the object has globals that a compiler would lay out otherwise.
[[nodiscard]] Result<std::string> make_skeleton(ByteSpan elf, std::string_view file,
                                                std::string_view name, SkeletonLanguage language);

}  // namespace skep::object
