#include "engine/user/home.h"

#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cctype>
#include <cstdlib>

namespace skep::engine::user {

namespace {

bool is_file_name(const std::string& name) {
  return !name.empty() && name[0] != '.' &&
         std::all_of(name.begin(), name.end(), [](unsigned char c) {
           return std::isalnum(c) != 0 || c == '_' || c == '-' || c == '.';
         });
}

}  // namespace

Result<std::string> hive_home(const std::string& name) {
  if (!is_file_name(name))
    return fail(EINVAL, "\"{}\" is no name of a hive: letters, digits, '_', '-' and '.'", name);
  SKEP_TRY(directory, session_directory());
  return directory + "/hive-" + name;
}

Result<std::string> hive_home(const HiveOptions& options) {
  return hive_home(options.has_home ? options.name : std::to_string(::getpid()));
}

std::string hive_from_environment() {
  const char* name = ::getenv("SKEP_HIVE");
  return name != nullptr ? name : "";
}

}  // namespace skep::engine::user
