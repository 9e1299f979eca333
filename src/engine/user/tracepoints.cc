#include "engine/user/tracepoints.h"

#include "hooks/syscalls.h"

namespace skep::engine::user {

Result<uint64_t> find_tracepoint(std::string_view category, std::string_view name) {
  if (category == "raw_syscalls" && name == "sys_enter") return kRawSysEnter;
  if (category == "raw_syscalls" && name == "sys_exit") return kRawSysExit;
  constexpr std::string_view kEnter = "sys_enter_";
  constexpr std::string_view kExit = "sys_exit_";
  if (category == "syscalls" && (name.starts_with(kEnter) || name.starts_with(kExit))) {
    bool exit = name.starts_with(kExit);
    std::string_view call = name.substr(exit ? kExit.size() : kEnter.size());
    auto nr = hooks::syscall_number(call);
    if (!nr) {
      Error error(ENOENT, fmt::format("tracepoint {}/{}: there is no system call \"{}\"", category,
                                      name, call));
      std::string_view close = hooks::closest_syscall(call);
      if (close.empty()) return std::unexpected(std::move(error));
      return std::unexpected(
          std::move(error).with_hint(fmt::format("did you mean \"{}\"?", close)));
    }
    return kFirstSyscallTracepoint + 2 * static_cast<uint64_t>(*nr) + (exit ? 1 : 0);
  }
  return std::unexpected(
      Error(ENOENT,
            fmt::format("tracepoint {}/{}: the user engine does not have it", category, name))
          .with_hint("it has syscalls/sys_enter_*, syscalls/sys_exit_* and "
                     "raw_syscalls/sys_{enter,exit}"));
}

Result<uint32_t> find_syscall_function(std::string_view name) {
  constexpr std::string_view kPrefix = "__x64_sys_";
  if (!name.starts_with(kPrefix)) {
    return std::unexpected(
        Error(ENOENT, fmt::format("the user engine has no function \"{}\" to probe", name))
            .with_hint("it has those of the system calls, __x64_sys_NAME: SEC(\"ksyscall/NAME\"); "
                       "--engine kernel probes the kernel's"));
  }
  const std::string_view call = name.substr(kPrefix.size());
  if (auto nr = hooks::syscall_number(call)) return static_cast<uint32_t>(*nr);
  Error error(ENOENT, fmt::format("there is no system call \"{}\"", call));
  const std::string_view close = hooks::closest_syscall(call);
  if (close.empty()) return std::unexpected(std::move(error));
  return std::unexpected(std::move(error).with_hint(fmt::format("did you mean \"{}\"?", close)));
}

std::string syscall_function_name(uint64_t nr) {
  return fmt::format("__x64_sys_{}", hooks::syscall_name(static_cast<uint32_t>(nr)));
}

std::string tracepoint_name(uint64_t id) {
  if (id == kRawSysEnter) return "sys_enter";
  if (id == kRawSysExit) return "sys_exit";
  if (id < kFirstSyscallTracepoint) return "";
  id -= kFirstSyscallTracepoint;
  return fmt::format("sys_{}_{}", id % 2 != 0 ? "exit" : "enter",
                     hooks::syscall_name(static_cast<uint32_t>(id / 2)));
}

}  // namespace skep::engine::user
