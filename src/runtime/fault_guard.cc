#include "runtime/fault_guard.h"

#include <signal.h>

#include <algorithm>
#include <cstdint>
#include <mutex>

#include "base/hive_control.h"
#include "base/signal_context.h"
#include "object/prog_header.h"
#include "vm/fault_table.h"

namespace skep::runtime {
namespace {

// What the guards of all threads share: how many live, and what was there before the first.
struct Shared {
  std::mutex mutex;
  unsigned guards = 0;
  struct sigaction before_segv{}, before_bus{};
};
Shared& shared() {
  static Shared instance;
  return instance;
}

// Async-signal-safe: reads the control segment, which is mapped as long as native code runs.
uint64_t find_fixup(uint64_t rip) {
  if (rip < hive::kCode || rip >= hive::kCode + hive::kCodeSize) return 0;
  uint32_t used = hive::control_header().objects_used.load(std::memory_order_acquire);
  for (uint32_t i = 0; i < std::min(used, hive::kMaxObjects); ++i) {
    const hive::ObjectEntry& entry = hive::directory()[i];
    if (entry.kind.load(std::memory_order_acquire) !=
        static_cast<uint32_t>(hive::ObjectKind::kProg))
      continue;
    const auto& program = *reinterpret_cast<const ProgHeader*>(entry.address);
    const auto* table = reinterpret_cast<const vm::FaultPair*>(program.fault_table);
    uint64_t fixup =
        vm::find_fixup(table, program.fault_count, program.code, program.code_size, rip);
    if (fixup == 0)
      fixup = vm::find_fixup(reinterpret_cast<const vm::FaultPair*>(program.second_fault_table),
                             program.second_fault_count, program.second_code,
                             program.second_code_size, rip);
    if (fixup != 0) return fixup;
  }
  return 0;
}

void on_fault(int signal, siginfo_t*, void* raw) {
  if (uint64_t fixup = find_fixup(signal_pc(raw))) return set_signal_pc(raw, fixup);
  // Not ours: as if we were not here. The instruction faults again.
  ::sigaction(signal, signal == SIGSEGV ? &shared().before_segv : &shared().before_bus, nullptr);
}

}  // namespace

FaultGuard::FaultGuard(bool needed) : installed_(needed) {
  if (!installed_) return;
  Shared& all = shared();
  std::lock_guard lock(all.mutex);
  if (all.guards++ > 0) return;
  struct sigaction action{};
  action.sa_sigaction = on_fault;
  action.sa_flags = SA_SIGINFO | SA_ONSTACK | SA_NODEFER;
  ::sigaction(SIGSEGV, &action, &all.before_segv);
  ::sigaction(SIGBUS, &action, &all.before_bus);
}

FaultGuard::~FaultGuard() {
  if (!installed_) return;
  Shared& all = shared();
  std::lock_guard lock(all.mutex);
  if (--all.guards > 0) return;
  ::sigaction(SIGSEGV, &all.before_segv, nullptr);
  ::sigaction(SIGBUS, &all.before_bus, nullptr);
}

}  // namespace skep::runtime
