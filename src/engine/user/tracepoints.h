// The user engine's tracepoints, by number: those of the system calls.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "base/result.h"

namespace skep::engine::user {

// Ids: two of their own, then 2 * nr + kFirstSyscallTracepoint, and one more on exit.
inline constexpr uint64_t kRawSysEnter = 2, kRawSysExit = 3, kFirstSyscallTracepoint = 16;

// PerfEventAttr::config of a tracepoint; ENOENT with a suggestion.
[[nodiscard]] Result<uint64_t> find_tracepoint(std::string_view category, std::string_view name);
// What an id stands for: "sys_enter_openat".
[[nodiscard]] std::string tracepoint_name(uint64_t id);

}  // namespace skep::engine::user
