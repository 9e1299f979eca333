// Where a signal came, and where its handler lets the thread go on: of the third argument of an SA_SIGINFO handler.
// Async-signal-safe.
#pragma once

#include <ucontext.h>

#include <cstdint>

namespace skep {

[[nodiscard]] inline uint64_t signal_pc(const void* context) {
  const auto& machine = static_cast<const ucontext_t*>(context)->uc_mcontext;
#if defined(__x86_64__)
  return static_cast<uint64_t>(machine.gregs[REG_RIP]);
#elif defined(__aarch64__)
  return machine.pc;
#else
#error "signal_context: say where this machine's signal frame has the program counter"
#endif
}

inline void set_signal_pc(void* context, uint64_t pc) {
  auto& machine = static_cast<ucontext_t*>(context)->uc_mcontext;
#if defined(__x86_64__)
  machine.gregs[REG_RIP] = static_cast<greg_t>(pc);
#else
  machine.pc = pc;
#endif
}

}  // namespace skep
