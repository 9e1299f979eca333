// Text to Script.
//
//   script    := { probes [ "/" expr "/" ] block }
//   probes    := probe { "," probe }
//   block     := "{" { statement } "}"
//   statement := "if" "(" expr ")" block [ "else" ( block | if ) ]
//              | ( map | variable ) ( "=" | "+=" | … ) expr ";"  |  ( map | variable ) ( "++" | "--" ) ";"
//              | call ";"
//   expr      := C's, from "?:" down to unary - ! ~
#pragma once

#include <string_view>

#include "lang/ast.h"

namespace skep::lang {

// `file` is for messages. EINVAL with the place where what was expected is not.
[[nodiscard]] Result<Script> parse(std::string_view source, std::string_view file);

}  // namespace skep::lang
