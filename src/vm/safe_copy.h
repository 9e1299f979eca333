// Loads that survive a bad address, in a process whose SIGSEGV and SIGBUS handler asks fix_fault().
//
//   void on_segv(int, siginfo_t*, void* context) {
//     auto& rip = static_cast<ucontext_t*>(context)->uc_mcontext.gregs[REG_RIP];
//     if (uint64_t next = skep::vm::fix_fault(rip)) { rip = next; return; }
//     …not ours…
//   }
//
// Without such a handler a bad address kills the process, as any other load does. Async-signal-safe.
#pragma once

#include <cstddef>
#include <cstdint>

namespace skep::vm {

// Copies `size` bytes; how many were left when a fault came (0: all copied).
[[nodiscard]] size_t safe_copy(void* to, const void* from, size_t size);

// Where to go on after a fault at `rip` inside safe_copy; 0 where it is not there.
[[nodiscard]] uint64_t fix_fault(uint64_t rip);

}  // namespace skep::vm
