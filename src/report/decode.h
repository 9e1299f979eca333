// Bytes to a tree of values, by BTF. Private to report/: what is public gives text.
//
//   integer → number      char[] → string (to its NUL)    struct, union, datasec → object, in order;
//   bool → boolean        other arrays → array            members of anonymous ones join their parent
//   enum → its name, or a number      pointer, 128-bit integer → "0x…"     floating point → number
//   what lies past the end of the bytes → null
//
// Total: any BTF, valid or not, and any bytes give some tree of bounded size.
#pragma once

#include <nlohmann/json_fwd.hpp>

#include "btf/btf.h"

namespace skep::report {

using Value = nlohmann::ordered_json;

[[nodiscard]] Value decode(const btf::Btf& btf, btf::TypeId type, ByteSpan bytes);
// Without a type: "0a 0b 0c".
[[nodiscard]] std::string hex(ByteSpan bytes);

// A value in one column: strings as they are at the top, quoted inside; {pid=3, name="x"}, [1, 2].
// Always escaped.
[[nodiscard]] std::string to_text(const Value& value, bool nested = false);
// One line, ASCII only: safe for a terminal, whatever the strings hold.
[[nodiscard]] std::string to_line(const Value& value);

// Is this a member that only fills a hole?
[[nodiscard]] bool is_padding(std::string_view name);
// A char, as arrays of which strings are made.
[[nodiscard]] bool is_char_type(const btf::Type& type);

// A leaf that is a column of its own: "pid", or "key.pid" for a struct in a struct.
struct Leaf {
  std::string name;
  btf::TypeId type = 0;
  uint32_t bit_offset = 0;
  uint32_t bitfield_size = 0;
};
// A type's columns: a struct's members, structs inside them flattened; one without a name for anything else.
[[nodiscard]] std::vector<Leaf> leaves(const btf::Btf& btf, btf::TypeId type);
[[nodiscard]] Value decode(const btf::Btf& btf, const Leaf& leaf, ByteSpan bytes);
// Numbers line up on the right.
[[nodiscard]] bool is_numeric(const btf::Btf& btf, btf::TypeId type);

}  // namespace skep::report
