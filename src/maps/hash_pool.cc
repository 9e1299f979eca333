// Free elements: each slot has a pool, guarded by a robust lock that only its own bee takes as long
// as it is not empty; then elements are taken from the others', so that exactly max_entries fit
// whoever inserts them.
//
// Taking, under the pool's lock:      transit = e   state(e) = mine   head = next(e)   | unlock
// Giving back, under the pool's lock: next(e) = head   head = e   state(e) = free   maybe_free = 1
//                                     transit = 0 | unlock
//
// A pool whose lock is taken over from the dead is finished first: if its head is not free, the
// taker died before (or the giver died after) it moved the head, so the head moves on. What becomes
// of that element then is told by the dead bee's transit word and the element's state, whose owner
// nobody but the slot's next bee changes.
#include "maps/hash_table.h"
#include "maps/value_copy.h"

namespace skep::maps {
namespace {

constexpr uint32_t kLookEvery = 64;

// HashShared::maybe_free.
constexpr uint32_t kFull = 0, kMaybeFree = 1, kLooking = 2;  // kLooking + slot

bool looks_empty(const Pool& pool) {
  return pool.head.load(std::memory_order_relaxed) == 0 &&
         pool.fresh.load(std::memory_order_relaxed) >=
             pool.fresh_end.load(std::memory_order_relaxed);
}

}  // namespace

bool HashTable::lock_pool(Pool& from, Bee bee) const {
  hive::Locked locked = from.lock.lock(bee.word);
  if (locked == hive::Locked::kBusy) return false;
  if (locked == hive::Locked::kClean) return true;
  uint32_t head = from.head.load(std::memory_order_relaxed);
  if (head != 0 && in_range(head - 1) &&
      element(head - 1).state.load(std::memory_order_relaxed) != kFree)
    from.head.store(element(head - 1).free_next.load(std::memory_order_relaxed),
                    std::memory_order_relaxed);
  uint32_t fresh = from.fresh.load(std::memory_order_relaxed);
  if (fresh < from.fresh_end.load(std::memory_order_relaxed) && in_range(fresh) &&
      element(fresh).state.load(std::memory_order_relaxed) != kFree)
    from.fresh.store(fresh + 1, std::memory_order_relaxed);
  return true;
}

// The stores' order is what recovery relies on: x86 keeps it, release stores keep compilers and
// others to it.
uint32_t HashTable::take_from(Pool& from, Bee bee) const {
  if (!lock_pool(from, bee)) return kNone;
  Pool& mine = pool(bee.slot);
  uint32_t taken = kNone;
  uint32_t head = from.head.load(std::memory_order_relaxed);
  if (head != 0 && in_range(head - 1)) {
    taken = head - 1;
    mine.transit.store(head, std::memory_order_release);
    element(taken).state.store(owned_by(bee.slot), std::memory_order_release);
    from.head.store(element(taken).free_next.load(std::memory_order_relaxed),
                    std::memory_order_release);
  } else {
    uint32_t fresh = from.fresh.load(std::memory_order_relaxed);
    if (fresh < from.fresh_end.load(std::memory_order_relaxed) && in_range(fresh)) {
      taken = fresh;
      mine.transit.store(fresh + 1, std::memory_order_release);
      element(taken).state.store(owned_by(bee.slot), std::memory_order_release);
      from.fresh.store(fresh + 1, std::memory_order_release);
    }
  }
  from.lock.unlock();
  return taken;
}

uint32_t HashTable::take(Bee bee) const {
  uint32_t taken = take_from(pool(bee.slot), bee);
  if (taken != kNone) return taken;
  // A full map answers at once, but for a look now and then for what the dead have left.
  Pool& mine = pool(bee.slot);
  uint32_t exhausted = mine.exhausted.load(std::memory_order_relaxed);
  mine.exhausted.store(exhausted + 1, std::memory_order_relaxed);
  if (shared().maybe_free.load(std::memory_order_relaxed) == kFull && exhausted % kLookEvery != 0)
    return kNone;

  // 0 only once a whole round has found nothing and nobody gave anything back meanwhile. Until then
  // the word says who looks: whoever is killed on the way, or is overtaken, leaves "maybe".
  uint32_t looking = kLooking + bee.slot;
  for (uint32_t pass = 0; pass < 2; ++pass) {
    shared().maybe_free.store(looking);
    bool certain = true;
    for (uint32_t i = 0; i < map_.slots; ++i) {
      uint32_t slot = bee.slot + i;
      if (slot >= map_.slots) slot -= map_.slots;
      Pool& other = pool(slot);
      uint32_t holder = other.lock.word();
      std::atomic_thread_fence(std::memory_order_acquire);  // unlocked: all that was pushed is seen
      if (looks_empty(other)) {
        if (holder == 0) continue;
        // It may be about to push, and have looked at maybe_free already.
        if (!hive::bee_is_gone(holder)) {
          certain = false;
          continue;
        }
      }
      taken = take_from(other, bee);
      if (taken != kNone) return taken;
      if (!looks_empty(other)) certain = false;  // its lock could not be had
    }
    if (pass == 0)
      recover_dead(bee);
    else if (certain)
      shared().maybe_free.compare_exchange_strong(looking, kFull);
  }
  return kNone;
}

void HashTable::announce_free() const {
  if (shared().maybe_free.load(std::memory_order_relaxed) != kMaybeFree)
    shared().maybe_free.store(kMaybeFree);
}

int64_t HashTable::give_back(Bee bee) const {
  Pool& mine = pool(bee.slot);
  uint32_t word = mine.transit.load(std::memory_order_relaxed);
  if (word == 0 || !in_range(word - 1)) {
    mine.transit.store(0, std::memory_order_relaxed);
    return 0;
  }
  if (map_.fields != 0) [[unlikely]] {
    for (uint32_t slot = 0; slot < (per_cpu() ? map_.slots : 1); ++slot)
      heap::empty_value(*fields_of(map_), value(word - 1, slot));
  }
  if (!lock_pool(mine, bee))
    return kEbusy;  // stays in transit: settled by this slot's next operation
  Element& given = element(word - 1);
  given.free_next.store(mine.head.load(std::memory_order_relaxed), std::memory_order_release);
  mine.head.store(word, std::memory_order_release);
  given.state.store(kFree, std::memory_order_release);
  announce_free();  // under the lock: take() relies on it
  mine.transit.store(0, std::memory_order_release);
  mine.lock.unlock();
  return 0;
}

int HashTable::was_published(uint32_t index, Bee bee) const {
  uint32_t home = element(index).hash.load(std::memory_order_relaxed) &
                  static_cast<uint32_t>(geometry_.bucket_mask);
  BucketLock lock(bucket(home), bee);
  if (!lock) return -1;
  if (place_of_element(home, index).index == kNone) return 0;
  element(index).state.store(kPublished, std::memory_order_release);
  return 1;
}

// The slot's last bee died with `transit` set to x. Whoever takes an element out of a bucket makes
// it its own first, under the bucket's lock. So if x is not this slot's, it went its way after the
// dead had published it.
int64_t HashTable::recover_transit(Bee bee) const {
  // First finish every pool that the dead may have held, so that `state` tells the truth.
  for (uint32_t slot = 0; slot < map_.slots; ++slot) {
    if (pool(slot).lock.word() == 0) continue;
    if (!lock_pool(pool(slot), bee)) return kEbusy;
    pool(slot).lock.unlock();
  }
  Pool& mine = pool(bee.slot);
  const uint16_t own = owned_by(bee.slot);
  uint32_t word = mine.transit.load(std::memory_order_relaxed);
  uint32_t index = word - 1;
  auto settled = [&] {
    announce_free();  // the dead may have given x back and not come to say so
    mine.transit.store(0, std::memory_order_release);
    return int64_t{0};
  };
  if (!in_range(index) || word == mine.spare.load(std::memory_order_relaxed) ||
      element(index).state.load(std::memory_order_relaxed) != own)
    return settled();
  int there = was_published(index, bee);
  if (there < 0) return kEbusy;
  if (there == 1)
    return settled();  // an insertion that was done, or a removal or update that was not
  // x is in no bucket. Was it replaced by the spare, which then is the spare no longer?
  uint32_t held = spare(bee);
  bool replaced = element(held).state.load(std::memory_order_relaxed) != own;
  if (!replaced) {
    there = was_published(held, bee);
    if (there < 0) return kEbusy;
    replaced = there == 1;
  }
  if (!replaced) return give_back(bee);
  mine.spare.store(word, std::memory_order_release);
  return settled();
}

// Settles what slots without an owner have left, each as its owner for the moment.
void HashTable::recover_dead(Bee bee) const {
  uint64_t me = hive::slot_table().slots[bee.slot].owner.load(std::memory_order_relaxed);
  for (uint32_t slot = 0; slot < map_.slots; ++slot) {
    if (slot == bee.slot || pool(slot).transit.load(std::memory_order_relaxed) == 0) continue;
    uint64_t owner = hive::slot_table().slots[slot].owner.load(std::memory_order_acquire);
    bool ours = owner == 0 ? hive::try_claim(slot, me)
                           : raw::thread_is_dead(static_cast<uint32_t>(owner >> 32),
                                                 static_cast<uint32_t>(owner)) &&
                                 hive::take_over(slot, owner, me);
    if (!ours) continue;
    (void)recover_transit(bee_in(slot));
    hive::release(slot);
  }
}

}  // namespace skep::maps
