// The table of kfuncs; those that do nothing in user space; casts and locks. Freestanding.
#include "helpers/kfuncs.h"

#include "base/robust_lock.h"

namespace skep::helpers {
namespace {

constexpr HelperFn kBodies[] = {
#define SKEP_BODY(name) name,
    SKEP_KFUNC_NAMES(SKEP_BODY)
#undef SKEP_BODY
};

constexpr int64_t kEdeadlk = -35, kEtimedout = -110;

// As bpf_spin_lock, but it gives up instead of waiting for ever.
uint64_t lock_resilient(uint64_t address, HelperContext* run) {
  auto* lock = pointer<hive::RobustLock>(address);
  const hive::BeeWord me = hive::bee_word(run->slot);
  if (lock->word() == me) return result(kEdeadlk);
  return lock->lock(me) == hive::Locked::kBusy ? result(kEtimedout) : 0;
}
void unlock_resilient(uint64_t address, HelperContext* run) {
  auto* lock = pointer<hive::RobustLock>(address);
  if (lock->word() == hive::bee_word(run->slot)) lock->unlock();
}

}  // namespace

std::span<const HelperFn, spec::kKfuncs> kfunc_bodies() { return kBodies; }

// A bee owns its slot and what it reaches lives until it has left: there is nothing to disable or to lock.
SKEP_HELPER(bpf_rcu_read_lock) { return 0; }
SKEP_HELPER(bpf_rcu_read_unlock) { return 0; }
SKEP_HELPER(bpf_preempt_disable) { return 0; }
SKEP_HELPER(bpf_preempt_enable) { return 0; }
SKEP_HELPER(bpf_local_irq_save) {
  *pointer<uint64_t>(r1) = 0;
  return 0;
}
SKEP_HELPER(bpf_local_irq_restore) { return 0; }

SKEP_HELPER(bpf_rdonly_cast) { return r1; }

SKEP_HELPER(bpf_res_spin_lock) { return lock_resilient(r1, run); }
SKEP_HELPER(bpf_res_spin_unlock) {
  unlock_resilient(r1, run);
  return 0;
}
SKEP_HELPER(bpf_res_spin_lock_irqsave) {
  *pointer<uint64_t>(r2) = 0;
  return lock_resilient(r1, run);
}
SKEP_HELPER(bpf_res_spin_unlock_irqrestore) {
  unlock_resilient(r1, run);
  return 0;
}

}  // namespace skep::helpers
