// Steps inside one bucket. See hash_table.h.
#include "maps/hash_table.h"

#include "base/shared.h"

namespace skep::maps {

uint32_t HashTable::find_in_overflow(const void* key, const Hashed& hashed) const {
  Bucket& line = bucket(hashed.bucket);
  const uint32_t end = marker(hashed.bucket);
  for (uint32_t attempt = 0; attempt < 8; ++attempt) {
    uint32_t link = line.overflow.load(std::memory_order_acquire);
    uint32_t steps = 0;
    while (!is_end(link) && steps++ < kMaxChain) {
      uint32_t index = link - 1;
      if (!in_range(index)) break;
      if (element(index).hash.load(std::memory_order_relaxed) == hashed.low && key_is(index, key))
        return index;
      link = element(index).next.load(std::memory_order_acquire);
    }
    if (link == end || link == 0) return kNone;
    // Another bucket's end: an element was freed and used again under us. New ones are put in
    // front, so a second walk sees all that a first one could have missed.
  }
  return kNone;
}

HashTable::Place HashTable::place_of_key(const void* key, const Hashed& hashed) const {
  Bucket& line = bucket(hashed.bucket);
  for (uint32_t those = matches(line, hashed.tag); those != 0; those &= those - 1) {
    auto& entry = line.entries[__builtin_ctz(those)];
    uint32_t index = static_cast<uint32_t>(entry.load(std::memory_order_relaxed)) - 1;
    if (in_range(index) && key_is(index, key)) return {&entry, nullptr, index};
  }
  hive::Shared<uint32_t>* link = &line.overflow;
  for (uint32_t steps = 0; steps < kMaxChain; ++steps) {
    uint32_t word = link->load(std::memory_order_relaxed);
    if (is_end(word) || !in_range(word - 1)) break;
    if (key_is(word - 1, key)) return {nullptr, link, word - 1};
    link = &element(word - 1).next;
  }
  return {};
}

HashTable::Place HashTable::place_of_element(uint32_t bucket_index, uint32_t index) const {
  Bucket& line = bucket(bucket_index);
  for (auto& entry : line.entries) {
    uint64_t word = entry.load(std::memory_order_relaxed);
    if (word != 0 && static_cast<uint32_t>(word) == index + 1) return {&entry, nullptr, index};
  }
  hive::Shared<uint32_t>* link = &line.overflow;
  for (uint32_t steps = 0; steps < kMaxChain; ++steps) {
    uint32_t word = link->load(std::memory_order_relaxed);
    if (is_end(word) || !in_range(word - 1)) break;
    if (word == index + 1) return {nullptr, link, index};
    link = &element(word - 1).next;
  }
  return {};
}

void HashTable::put(const Place& place, uint32_t tag, uint32_t index, Bee bee) const {
  pool(bee.slot).transit.store(place.index + 1, std::memory_order_release);
  element(place.index).state.store(owned_by(bee.slot), std::memory_order_release);
  if (place.entry != nullptr) {
    place.entry->store(uint64_t{tag} << 32 | (index + 1), std::memory_order_release);
  } else {
    element(index).next.store(element(place.index).next.load(std::memory_order_relaxed),
                              std::memory_order_relaxed);
    place.link->store(index + 1, std::memory_order_release);
  }
  element(index).state.store(kPublished, std::memory_order_release);
}

void HashTable::unlink(const Place& place, Bee bee) const {
  pool(bee.slot).transit.store(place.index + 1, std::memory_order_release);
  element(place.index).state.store(owned_by(bee.slot), std::memory_order_release);
  if (place.entry != nullptr)
    place.entry->store(0, std::memory_order_release);
  else
    place.link->store(element(place.index).next.load(std::memory_order_relaxed),
                      std::memory_order_release);
}

bool HashTable::insert(const Hashed& hashed, uint32_t index) const {
  Bucket& line = bucket(hashed.bucket);
  for (auto& entry : line.entries) {
    if (entry.load(std::memory_order_relaxed) != 0) continue;
    entry.store(uint64_t{hashed.tag} << 32 | (index + 1), std::memory_order_release);
    element(index).state.store(kPublished, std::memory_order_release);
    return true;
  }
  uint32_t head = line.overflow.load(std::memory_order_relaxed);
  uint32_t steps = 0;
  for (uint32_t link = head; !is_end(link);
       link = element(link - 1).next.load(std::memory_order_relaxed))
    if (!in_range(link - 1) || ++steps >= kMaxChain) return false;
  element(index).next.store(is_end(head) ? marker(hashed.bucket) : head, std::memory_order_relaxed);
  line.overflow.store(index + 1, std::memory_order_release);
  element(index).state.store(kPublished, std::memory_order_release);
  return true;
}

}  // namespace skep::maps
