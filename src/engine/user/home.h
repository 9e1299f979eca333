// Where a hive keeps what has a path: its server's socket and its pins.
#pragma once

#include <string>

#include "base/hive.h"
#include "base/result.h"

namespace skep::engine::user {

// session_directory()/hive-<name>; hive-<pid> where it has no name, or one that is no file's.
[[nodiscard]] Result<std::string> hive_home(const HiveOptions& options);
[[nodiscard]] Result<std::string> hive_home(const std::string& name);
// SKEP_HIVE, or empty.
[[nodiscard]] std::string hive_from_environment();

}  // namespace skep::engine::user
