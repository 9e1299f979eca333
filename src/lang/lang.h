// The tracing language: one line that says where to look and what to count.
//
//   skep trace 'uprobe:libc.so.6:malloc /arg0 > 4096/ { @bytes[comm] = hist(arg0); }' -- ls -l
//
// A script becomes an Object directly: no C, no clang. parse() → analyse() → generate(), each a pure function of
// what it is given. docs/language.md describes the language; numbers are signed 64-bit, strings 64 bytes.
#pragma once

#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "lang/ast.h"
#include "object/object.h"

namespace skep::lang {

// What a map shows when it is printed: per-CPU parts put together.
struct ShownMap {
  std::string map;    // Object's name of it
  std::string title;  // "@bytes"
  Type type{};
  btf::TypeId shown_type = 0;  // of a merged value, in the object's BTF
  bool has_key = false;
};

struct Compiled {
  object::Object object;
  std::vector<ShownMap> maps;  // in the order of their first use
};

// EINVAL with the place and a suggestion. `file` is for messages.
[[nodiscard]] Result<Compiled> compile(std::string_view source, std::string_view file);

// The parts that each CPU has of one value, as one of shown_type's bytes.
[[nodiscard]] std::vector<std::byte> merge(Type type,
                                           std::span<const std::vector<std::byte>> parts);

}  // namespace skep::lang
