// The system calls of x86-64 Linux: names and numbers.
#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <string_view>

namespace skep::hooks {

struct SyscallRow {
  uint16_t nr;
  std::string_view name;  // "openat"
};

// By number; numbers that were never used, or are no more, are absent.
[[nodiscard]] std::span<const SyscallRow> syscalls();

// The number of a name as the manual pages have it ("stat"), or as tracepoints have it ("newstat").
[[nodiscard]] std::optional<uint32_t> syscall_number(std::string_view name);
// Empty where there is none.
[[nodiscard]] std::string_view syscall_name(uint32_t nr);
// The call whose name is nearest; empty where none is near.
[[nodiscard]] std::string_view closest_syscall(std::string_view name);

}  // namespace skep::hooks
