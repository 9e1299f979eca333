// The user engine's tracepoints and kprobes: those of the system calls. Tracepoints go by number.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "base/result.h"

namespace skep::engine::user {

// Ids: two of their own, then 2 * nr + kFirstSyscallTracepoint, and one more on exit.
inline constexpr uint64_t kRawSysEnter = 2, kRawSysExit = 3, kFirstSyscallTracepoint = 16;

// PerfEventAttr::type, as /sys/bus/event_source/devices/*/type has them of a kernel.
inline constexpr uint32_t kUprobeType = 1000, kKprobeType = 1001;

// The number of the system call whose function in the kernel is `name`: __x64_sys_openat. ENOENT with a suggestion
// for any other function.
[[nodiscard]] Result<uint32_t> find_syscall_function(std::string_view name);

[[nodiscard]] std::string syscall_function_name(uint64_t nr);

// PerfEventAttr::config of a tracepoint; ENOENT with a suggestion.
[[nodiscard]] Result<uint64_t> find_tracepoint(std::string_view category, std::string_view name);
// What an id stands for: "sys_enter_openat".
[[nodiscard]] std::string tracepoint_name(uint64_t id);

}  // namespace skep::engine::user
