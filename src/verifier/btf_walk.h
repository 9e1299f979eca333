// Where an offset into a struct leads: the kernel's rules for following typed pointers.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "btf/btf.h"
#include "verifier/state.h"

namespace skep::verifier {

struct Walk {
  enum class Kind : uint8_t {
    error,
    scalar,
    pointer,           // to the struct `type`
    untrusted_memory,  // to something else
    structure,         // `type`, which begins there
  };
  Kind kind = Kind::error;
  btf::TypeId type = 0;
  Flags flags = 0;         // kUser, kPercpu, kRcu by type tags; kUntrusted behind a union
  std::string_view field;  // pointer: its name
  std::string message;     // error: the kernel's words
};

// `size` bytes at `off` in the struct or union `id`. flexible: a struct's last array may have any length.
[[nodiscard]] Walk walk_struct(const btf::Btf& btf, btf::TypeId id, int64_t off, uint32_t size,
                               Flags flags, bool flexible);
// The same, down to a number or pointer.
[[nodiscard]] Walk walk_to_leaf(const btf::Btf& btf, btf::TypeId id, int64_t off, uint32_t size,
                                bool flexible);
// What begins at `off` in the struct `id`, or it itself at 0, is `need`.
[[nodiscard]] bool struct_matches(const btf::Btf& btf, btf::TypeId id, int64_t off,
                                  const btf::Btf& need_btf, btf::TypeId need, bool strict,
                                  bool flexible);

// What a pointer points to, past type tags and modifiers, and what the tags say.
struct Pointee {
  btf::Type type;
  Flags flags = 0;
};
[[nodiscard]] Pointee pointee_of(const btf::Btf& btf, const btf::Type& pointer);

// All members, at most four structs deep, are numbers.
[[nodiscard]] bool is_plain_struct(const btf::Btf& btf, const btf::Type& type, unsigned depth = 0);

}  // namespace skep::verifier
