// HASH, PERCPU_HASH, LRU_HASH, LRU_PERCPU_HASH. hash_table.h draws the table and says why it
// survives being killed. The kernel's: kernel/bpf/hashtab.c (semantics and errno).
#include "maps/hash_table.h"
#include "maps/types.h"
#include "maps/value_copy.h"

namespace skep::maps {
namespace {

constexpr uint32_t kNone = HashTable::kNone;
constexpr uint32_t kAttempts = 64;  // an insertion and a removal of one key may chase each other

int64_t check_flags(uint64_t flags) { return flags > BPF_EXIST ? kEinval : 0; }

void clear_words(void* to, uint64_t size) {
  hive::kill_point();
  __builtin_memset(to, 0, size);
}

// What a per-CPU map's other slots hold of a key that is new to them.
void fill_new(const HashTable& table, uint32_t index, const void* value, Bee bee,
              bool only_this_slot) {
  const MapHeader& map = table.map();
  if (!table.per_cpu()) {
    fill_value(map, table.value(index, 0), value);
    return;
  }
  uint64_t stride = round_up(map.value_size, 8);
  for (uint32_t slot = 0; slot < map.slots; ++slot) {
    if (!only_this_slot)
      copy_value(map, table.value(index, slot),
                 static_cast<const unsigned char*>(value) + slot * stride);
    else if (slot == bee.slot)
      copy_value(map, table.value(index, slot), value);
    else
      clear_words(table.value(index, slot), map.value_size);
  }
}

void fill_key(const HashTable& table, uint32_t index, const void* key,
              const HashTable::Hashed& hashed) {
  Element& element = table.element(index);
  element.hash.store(hashed.low, std::memory_order_relaxed);
  element.referenced.store(0, std::memory_order_relaxed);
  hive::kill_point();
  __builtin_memcpy(element.key(), key, table.map().key_size);
}

// The key is there (it was a moment ago): replaces its value. -ENOENT where it has gone meanwhile.
int64_t replace(const HashTable& table, const void* key, const HashTable::Hashed& hashed,
                const void* value, Bee bee) {
  Pool& mine = table.pool(bee.slot);
  uint32_t fresh = table.spare(bee);
  // All but the swap is done before the lock is taken.
  fill_key(table, fresh, key, hashed);
  fill_new(table, fresh, value, bee, false);
  BucketLock lock(table.bucket(hashed.bucket), bee);
  if (!lock) return kEbusy;
  HashTable::Place place = table.place_of_key(key, hashed);
  if (place.index == kNone) return kEnoent;
  if (table.geometry().lru != 0)
    table.element(fresh).referenced.store(1, std::memory_order_relaxed);
  table.put(place, hashed.tag, fresh, bee);
  lock.release();
  if (table.map().fields != 0) [[unlikely]]
    heap::empty_value(*fields_of(table.map()), table.value(place.index, 0));
  mine.spare.store(place.index + 1, std::memory_order_release);
  mine.transit.store(0, std::memory_order_release);
  return 0;
}

// Per-CPU maps: this slot's value is this bee's alone. Under the lock, so that the element is not used
// for another key meanwhile.
int64_t write_in_place(const HashTable& table, const void* key, const HashTable::Hashed& hashed,
                       const void* value, Bee bee, bool only_this_slot) {
  BucketLock lock(table.bucket(hashed.bucket), bee);
  if (!lock) return kEbusy;
  HashTable::Place place = table.place_of_key(key, hashed);
  if (place.index == kNone) return kEnoent;
  if (table.geometry().lru != 0)
    table.element(place.index).referenced.store(1, std::memory_order_relaxed);
  if (only_this_slot)
    copy_value(table.map(), table.value(place.index, bee.slot), value);
  else
    fill_new(table, place.index, value, bee, false);
  return 0;
}

// The key is not there (it was not a moment ago). -EEXIST where it has come meanwhile.
int64_t insert(const HashTable& table, const void* key, const HashTable::Hashed& hashed,
               const void* value, Bee bee, bool only_this_slot) {
  Pool& mine = table.pool(bee.slot);
  uint32_t index = table.take(bee);
  if (index == kNone && table.geometry().lru != 0) {
    index = table.evict(bee);
    if (index == kNone) return kEnomem;
  }
  if (index == kNone) return kE2big;
  fill_key(table, index, key, hashed);
  fill_new(table, index, value, bee, only_this_slot);
  int64_t result = 0;
  {
    BucketLock lock(table.bucket(hashed.bucket), bee);
    if (!lock)
      result = kEbusy;
    else if (table.place_of_key(key, hashed).index != kNone)
      result = kEexist;
    else if (!table.insert(hashed, index))
      result = kE2big;
  }
  if (result == 0) {
    mine.transit.store(0, std::memory_order_release);
    return 0;
  }
  (void)table.give_back(bee);
  return result;
}

// Values of one machine word are replaced where they are: by one store, so they are whole at every instant, and
// under the bucket's lock, so that the element is not another key's meanwhile. Longer ones are swapped in (replace).
bool fits_one_store(const HashTable& table) {
  uint32_t size = table.map().value_size;
  return !table.per_cpu() && table.map().fields == 0 && size <= 8 && (size & (size - 1)) == 0;
}
void store_word(void* to, const void* from, uint32_t size) {
  hive::kill_point();
  switch (size) {
    case 8: *static_cast<volatile uint64_t*>(to) = HashTable::load8(from); break;
    case 4:
      *static_cast<volatile uint32_t*>(to) = static_cast<uint32_t>(HashTable::load4(from));
      break;
    case 2: {
      uint16_t half;
      __builtin_memcpy(&half, from, sizeof half);
      *static_cast<volatile uint16_t*>(to) = half;
      break;
    }
    default: *static_cast<volatile uint8_t*>(to) = *static_cast<const uint8_t*>(from);
  }
}
// -ENOENT where the key is not there.
int64_t store_in_place(const HashTable& table, const void* key, const HashTable::Hashed& hashed,
                       const void* value, uint64_t flags, Bee bee) {
  BucketLock lock(table.bucket(hashed.bucket), bee);
  if (!lock) return kEbusy;
  HashTable::Place place = table.place_of_key(key, hashed);
  if (place.index == kNone) return kEnoent;
  if (flags == BPF_NOEXIST) return kEexist;
  store_word(table.value(place.index, 0), value, table.map().value_size);
  if (table.geometry().lru != 0)
    table.element(place.index).referenced.store(1, std::memory_order_relaxed);
  return 0;
}

int64_t update_any(const MapHeader& map, const void* key, const void* value, uint64_t flags,
                   Bee bee, bool only_this_slot) {
  if (int64_t wrong = check_flags(flags)) return wrong;
  HashTable table(map);
  if (int64_t wrong = table.settle(bee)) return wrong;
  HashTable::Hashed hashed = table.hash(key);
  const bool in_place = fits_one_store(table);
  for (uint32_t attempt = 0; attempt < kAttempts; ++attempt) {
    uint32_t index = kNone;
    if (in_place) {
      int64_t result = store_in_place(table, key, hashed, value, flags, bee);
      if (result != kEnoent) return result;
    } else {
      index = table.find(key, hashed);
    }
    if (index != kNone) {
      if (flags == BPF_NOEXIST) return kEexist;
      if (table.per_cpu()) {
        int64_t result = write_in_place(table, key, hashed, value, bee, only_this_slot);
        if (result != kEnoent) return result;
        continue;
      }
      int64_t result = replace(table, key, hashed, value, bee);
      if (result != kEnoent) return result;
      continue;
    }
    if (flags == BPF_EXIST) return kEnoent;
    int64_t result = insert(table, key, hashed, value, bee, only_this_slot);
    if (result != kEexist) return result;
    if (flags == BPF_NOEXIST) return kEexist;
  }
  return kEbusy;
}

int64_t hash_update(const MapHeader& map, const void* key, const void* value, uint64_t flags,
                    Bee bee) {
  return update_any(map, key, value, flags, bee, true);
}

void* hash_lookup(const MapHeader& map, const void* key, Bee bee) {
  HashTable table(map);
  uint32_t index = table.find(key, table.hash(key));
  return index == kNone ? nullptr : table.value(index, bee.slot);
}

void* lru_lookup(const MapHeader& map, const void* key, Bee bee) {
  HashTable table(map);
  uint32_t index = table.find(key, table.hash(key));
  if (index == kNone) return nullptr;
  auto& referenced = table.element(index).referenced;
  if (referenced.load(std::memory_order_relaxed) == 0)
    referenced.store(1, std::memory_order_relaxed);
  return table.value(index, bee.slot);
}

void* hash_lookup_slot(const MapHeader& map, const void* key, uint32_t slot, Bee) {
  HashTable table(map);
  if (slot >= map.slots) return nullptr;
  uint32_t index = table.find(key, table.hash(key));
  return index == kNone ? nullptr : table.value(index, slot);
}

int64_t hash_remove(const MapHeader& map, const void* key, Bee bee) {
  HashTable table(map);
  if (int64_t wrong = table.settle(bee)) return wrong;
  HashTable::Hashed hashed = table.hash(key);
  {
    BucketLock lock(table.bucket(hashed.bucket), bee);
    if (!lock) return kEbusy;
    HashTable::Place place = table.place_of_key(key, hashed);
    if (place.index == kNone) return kEnoent;
    table.unlink(place, bee);
  }
  (void)table.give_back(bee);
  return 0;
}

// Keys in the order of buckets, within one the line and then the chain.
int64_t hash_next_key(const MapHeader& map, const void* key, void* next, Bee) {
  HashTable table(map);
  uint64_t at = 0;
  uint32_t after = kNone;  // the element after which to go on in bucket `at`
  if (key != nullptr) {
    HashTable::Hashed hashed = table.hash(key);
    after = table.find(key, hashed);
    if (after != kNone) at = hashed.bucket;
  }
  for (; at <= table.geometry().bucket_mask; ++at) {
    Bucket& line = table.bucket(at);
    bool passed = after == kNone;
    auto offer = [&](uint32_t index) {
      if (!table.in_range(index)) return false;
      if (passed) {
        __builtin_memcpy(next, table.element(index).key(), map.key_size);
        return true;
      }
      passed = index == after;
      return false;
    };
    for (auto& entry : line.entries) {
      uint64_t word = entry.load(std::memory_order_acquire);
      if (word != 0 && offer(static_cast<uint32_t>(word) - 1)) return 0;
    }
    uint32_t link = line.overflow.load(std::memory_order_acquire);
    for (uint32_t steps = 0; !HashTable::is_end(link) && steps < kMaxChain; ++steps) {
      if (!table.in_range(link - 1)) break;
      if (offer(link - 1)) return 0;
      link = table.element(link - 1).next.load(std::memory_order_acquire);
    }
    after = kNone;
  }
  return kEnoent;
}

}  // namespace

// The user side writes all slots' values at once.
int64_t hash_update_all_slots(const MapHeader& map, const void* key, const void* values,
                              uint64_t flags, Bee bee) {
  return update_any(map, key, values, flags, bee, false);
}

const MapOps kHashOps = {hash_lookup, hash_update, hash_remove, hash_next_key,
                         nullptr,     nullptr,     nullptr,     hash_lookup_slot};
const MapOps kLruHashOps = {lru_lookup, hash_update, hash_remove, hash_next_key,
                            nullptr,    nullptr,     nullptr,     hash_lookup_slot};

}  // namespace skep::maps
