// Options of `skep run` that come from the object: each const volatile global is one.
#pragma once

#include <string>
#include <vector>

#include "cli/command.h"
#include "object/object.h"

namespace skep::cli {

// Reads `arguments` ("--min-us", "100", "--verbose", "--name=x") as the object's variables and sets them. A
// variable min_us is --min-us or --min_us; a bool needs no value. Fails with kUsage.
[[nodiscard]] std::expected<void, Failure> set_variables(object::Object& object,
                                                         const std::vector<std::string>& arguments);
// "--min-us U64  only those that took longer (default 0)" lines; empty where there are none.
[[nodiscard]] std::string variable_help(const object::Object& object);

}  // namespace skep::cli
