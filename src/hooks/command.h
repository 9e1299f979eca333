// COMMAND of `skep run`: found as a shell would find it, and looked at before it is started, so
// that what can't be traced is refused with the reason.
#pragma once

#include <string>
#include <vector>

#include "base/result.h"

namespace skep::hooks {

// The file that execvp would run for `name`. ENOENT where there is none, EACCES where it is not
// executable.
[[nodiscard]] Result<std::string> find_command(const std::string& name);

// Whether this user can trace a new process of `path`: EPERM for set-user-id, set-group-id and file
// capabilities, ENOEXEC for another architecture or no executable format at all, ENOTSUP for a
// statically linked program. A script
// (#!) is judged by its interpreter.
[[nodiscard]] Result<> check_command(const std::string& path);

}  // namespace skep::hooks
