// What a script means: where its probes attach, what type each expression and map has. Fills the "Analysis" members of
// ast.h. EINVAL with the place, what was expected, and a suggestion where a name is nearly right.
#pragma once

#include <span>

#include "lang/ast.h"

namespace skep::lang {

enum class Availability : uint8_t { always, arguments, returned, syscall };

struct Builtin {
  std::string_view name;
  Type type = Type::integer;
  Availability needs = Availability::always;
  std::string_view help;
};
[[nodiscard]] std::span<const Builtin> builtins();

struct Function {
  std::string_view name;
  Type result = Type::unknown;   // unknown: a statement
  unsigned least = 0, most = 0;  // arguments
  std::string_view help;
};
[[nodiscard]] std::span<const Function> functions();

[[nodiscard]] Result<> analyse(Script& script);

}  // namespace skep::lang
