// Eviction of LRU_HASH and LRU_PERCPU_HASH: a clock. One hand goes round all elements; what was
// looked up or updated since it last passed is spared once. Look-ups only set a byte that is
// already in the cache line that they read.
#include "maps/hash_table.h"

namespace skep::maps {
namespace {

constexpr uint32_t kGentleSteps = 8192;  // then the next live element goes, referenced or not
constexpr uint32_t kMaxHeld = 256;       // buckets that were held by others: then all may be

}  // namespace

uint32_t HashTable::evict(Bee bee) const {
  auto total = static_cast<uint32_t>(geometry_.total);
  // The whole round twice: what is found nowhere then is not there, or the map is scribbled over.
  const uint64_t max_steps = kGentleSteps + 2 * uint64_t{total};
  uint32_t held = 0;
  for (uint64_t step = 0; step < max_steps; ++step) {
    uint32_t index = shared().hand.fetch_add(1, std::memory_order_relaxed) % total;
    Element& candidate = element(index);
    if (candidate.state.load(std::memory_order_relaxed) != kPublished) continue;
    if (candidate.referenced.load(std::memory_order_relaxed) != 0 && step < kGentleSteps) {
      candidate.referenced.store(0, std::memory_order_relaxed);
      continue;
    }
    uint32_t home = candidate.hash.load(std::memory_order_relaxed) &
                    static_cast<uint32_t>(geometry_.bucket_mask);
    if (bucket(home).lock.try_lock(bee.word) == hive::Locked::kBusy) {
      if (++held == kMaxHeld) return kNone;  // each costs system calls
      continue;
    }
    Place place = place_of_element(home, index);
    if (place.index == kNone) {
      bucket(home).lock.unlock();  // gone meanwhile
      continue;
    }
    unlink(place, bee);
    bucket(home).lock.unlock();
    return index;
  }
  return kNone;
}

}  // namespace skep::maps
