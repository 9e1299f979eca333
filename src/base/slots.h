// Slots: a thread that runs a program (a "bee") owns one slot of the hive while it does. The slot
// is its CPU number to per-CPU maps, names it as a lock's owner, and tells the controlling side
// when it has left what is about to be freed. Freestanding: the agent compiles this.
//
// The table is the first thing in the data segment, so any traced process can scribble over it:
// what is read from it is bounded by the control segment's slot count, and no wait on it is without
// end.
//
// A slot's life, all of it kill-safe:
//   claim:    CAS owner 0 -> pid<<32|tid            (a full barrier: what it reads next is after)
//   release:  generation + 1, then owner = 0        (the generation moves before the slot is free)
// So while a bee runs, its (slot, generation) pair is unique and constant; a pair whose generation
// has moved, or whose owner is dead, is a bee that will never run again. Locks and ring records
// name their owner so.
#pragma once

#include <atomic>
#include <cstddef>
#include <cstdint>

#include "base/hive_control.h"
#include "base/raw_syscall.h"
#include "base/shared.h"

namespace skep::hive {

struct alignas(64) Slot {
  Shared<uint64_t> owner;       // pid << 32 | tid; 0 = free
  Shared<uint32_t> generation;  // of the bee in it, or of the next one
  uint32_t reserved;
  uint64_t unused[6];
};

struct alignas(64) SlotTable {
  Shared<uint32_t> wake;      // futex: events are ready (see wake_consumers)
  Shared<uint32_t> sleepers;  // consumers that sleep on `wake`
  Shared<uint32_t> deaths;    // slots taken over from dead threads
  uint32_t reserved[13];
  Slot slots[kMaxSlots];
};

inline constexpr uint64_t kSlotTable = kData;
inline constexpr uint64_t kSlotTableSize = 20 * 1024;  // pages
static_assert(sizeof(SlotTable) <= kSlotTableSize);

inline SlotTable& slot_table() { return *reinterpret_cast<SlotTable*>(kSlotTable); }
inline uint32_t slot_count() {
  uint32_t count = control_header().slot_count;
  return count < kMaxSlots ? count : kMaxSlots;
}

// A running bee as lock words and ring records name it: 1 | generation (23 bits) | slot (8 bits).
// Never 0.
using BeeWord = uint32_t;
inline constexpr uint32_t kGenerationMask = 0x7fffff;

inline BeeWord bee_word(uint32_t slot) {
  uint32_t generation = slot_table().slots[slot].generation.load(std::memory_order_relaxed);
  return 0x80000000u | (generation & kGenerationMask) << 8 | slot;
}

// True where the bee that `word` names will never run again. Costs a system call or two where its
// slot has not moved on; never waits. The word may be anything at all.
inline bool bee_is_gone(BeeWord word) {
  uint32_t index = word & 0xff;
  if ((word & 0x80000000u) == 0 || index >= slot_count()) return true;
  Slot& slot = slot_table().slots[index];
  uint64_t owner = slot.owner.load(std::memory_order_acquire);
  uint32_t generation = slot.generation.load(std::memory_order_acquire);
  if ((generation & kGenerationMask) != (word >> 8 & kGenerationMask) || owner == 0) return true;
  return raw::thread_is_dead(static_cast<uint32_t>(owner >> 32), static_cast<uint32_t>(owner));
}

inline constexpr uint32_t kNoSlot = ~0u;

inline bool try_claim(uint32_t slot, uint64_t owner) {
  uint64_t free = 0;
  return slot_table().slots[slot].owner.compare_exchange_strong(free, owner);
}
// Takes the slot from a dead thread: its generation moves on, so whatever names the dead bee sees
// it gone.
inline bool take_over(uint32_t index, uint64_t dead, uint64_t owner) {
  Slot& slot = slot_table().slots[index];
  if (!slot.owner.compare_exchange_strong(dead, owner)) return false;
  slot.generation.fetch_add(1, std::memory_order_release);
  slot_table().deaths.fetch_add(1, std::memory_order_relaxed);
  return true;
}
inline void release(uint32_t index) {
  Slot& slot = slot_table().slots[index];
  // Only the owner writes the generation of a claimed slot: no locked instruction needed.
  slot.generation.store(slot.generation.load(std::memory_order_relaxed) + 1,
                        std::memory_order_release);
  slot.owner.store(0, std::memory_order_release);
}

inline uint64_t owner_word(uint32_t pid, uint32_t tid) { return uint64_t{pid} << 32 | tid; }

// Slow path of claim(): all were tried once. Frees dead owners' slots, then yields a bounded number
// of times. kNoSlot after some milliseconds of all slots busy: the program is not run (a recursion
// miss).
inline uint32_t claim_slowly(uint32_t preferred, uint64_t owner) {
  uint32_t count = slot_count();
  for (uint32_t round = 0; round < 256; ++round) {
    for (uint32_t i = 0; i < count; ++i) {
      uint32_t index = preferred + i;
      if (index >= count) index -= count;
      if (try_claim(index, owner)) return index;
      if ((round & 31) != 0) continue;
      uint64_t holder = slot_table().slots[index].owner.load(std::memory_order_acquire);
      if (holder != 0 &&
          raw::thread_is_dead(static_cast<uint32_t>(holder >> 32), static_cast<uint32_t>(holder)) &&
          take_over(index, holder, owner))
        return index;
    }
    raw::syscall(raw::kSchedYield);
  }
  return kNoSlot;
}

// Claims the preferred slot (the current CPU's number, or the one used last), else any other.
// `owner` is owner_word(getpid(), gettid()), which callers cache. Recursion is the caller's to
// prevent.
inline uint32_t claim(uint32_t preferred, uint64_t owner) {
  uint32_t count = slot_count();
  if (count == 0) return kNoSlot;
  if (preferred >= count) preferred %= count;
  if (try_claim(preferred, owner)) return preferred;
  for (uint32_t i = 1; i < count; ++i) {
    uint32_t index = preferred + i;
    if (index >= count) index -= count;
    if (slot_table().slots[index].owner.load(std::memory_order_relaxed) == 0 &&
        try_claim(index, owner))
      return index;
  }
  return claim_slowly(preferred, owner);
}

// Frees every slot of process `pid`: for the agent of a new image after execve (the threads that
// ran before it are gone though the pid lives on), and for the controller that saw the process end.
// `me`: the caller's owner_word, under which a slot is held for the moment between.
inline void release_all_of(uint32_t pid, uint64_t me) {
  for (uint32_t i = 0; i < slot_count(); ++i) {
    uint64_t owner = slot_table().slots[i].owner.load(std::memory_order_acquire);
    if (owner != 0 && static_cast<uint32_t>(owner >> 32) == pid && take_over(i, owner, me))
      release(i);
  }
}

// Frees slots whose owners are dead; how many. Never waits.
inline uint32_t reap_dead_slots(uint64_t me) {
  uint32_t reaped = 0;
  for (uint32_t i = 0; i < slot_count(); ++i) {
    uint64_t owner = slot_table().slots[i].owner.load(std::memory_order_acquire);
    if (owner == 0 ||
        !raw::thread_is_dead(static_cast<uint32_t>(owner >> 32), static_cast<uint32_t>(owner)))
      continue;
    if (take_over(i, owner, me)) {
      release(i);
      ++reaped;
    }
  }
  return reaped;
}

// Tells consumers that events are ready. A system call only where one sleeps. This is what
// HostOps::wake does.
inline void wake_consumers() {
  SlotTable& table = slot_table();
  table.wake.fetch_add(1);
  if (table.sleepers.load() == 0) return;
  constexpr long kFutexWake = 1;  // not private: the word is shared memory
  raw::syscall(raw::kFutex, reinterpret_cast<long>(&table.wake), kFutexWake, 0x7fffffff);
}

}  // namespace skep::hive
