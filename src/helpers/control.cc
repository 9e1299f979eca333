// Loops and locks. Freestanding.
#include "base/robust_lock.h"
#include "base/slots.h"
#include "helpers/bodies.h"

namespace skep::helpers {

// (u32 nr_loops, void *callback_fn, void *callback_ctx, u64 flags): how often it was called
SKEP_HELPER(loop) {
  constexpr uint32_t kMost = 1u << 23;
  const auto times = static_cast<uint32_t>(r1);
  if (r4 != 0) return result(kEinval);
  if (times > kMost) return result(kE2big);
  if (run->call_bpf == nullptr) return result(kEnotsupp);
  for (uint32_t i = 0; i < times; i++) {
    if (run->call_bpf(run, r2, i, r3, 0, 0, 0) != 0) return i + 1;
  }
  return times;
}

// (struct bpf_spin_lock *lock): the lock's word is a RobustLock in the map value, so a thread that is killed
// in between locks nobody out. An owner that lives but does not run (stopped by a debugger) is waited for,
// then its lock is taken: a traced process must not hang on a stopped one. The value may then be torn.
SKEP_HELPER(spin_lock) {
  constexpr unsigned kPatience = 64;  // RobustLock waits some milliseconds each time
  auto* lock = pointer<hive::RobustLock>(r1);
  const hive::BeeWord me = hive::bee_word(run->slot);
  for (unsigned i = 0; i < kPatience; i++) {
    if (lock->lock(me) != hive::Locked::kBusy) return 0;
  }
  __atomic_store_n(pointer<uint32_t>(r1), me, __ATOMIC_RELEASE);
  return 0;
}
SKEP_HELPER(spin_unlock) {
  auto* lock = pointer<hive::RobustLock>(r1);
  if (lock->word() == hive::bee_word(run->slot)) lock->unlock();  // else it was taken from us
  return 0;
}

}  // namespace skep::helpers
