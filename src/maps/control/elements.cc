// The element commands of bpf(2): kernel/bpf/syscall.c map_lookup_elem and on.
#include <algorithm>
#include <cstring>

#include "maps/control/maps.h"
#include "maps/hash_table.h"
#include "maps/local_storage.h"
#include "maps/map_ops.h"
#include "maps/stack_trace.h"
#include "maps/types.h"
#include "maps/value_copy.h"

namespace skep::maps {
namespace {

using enum MapType;

MapType type_of(const MapHeader& map) { return static_cast<MapType>(map.type); }

bool is_per_cpu(const MapHeader& map) {
  MapType type = type_of(map);
  return type == BPF_MAP_TYPE_PERCPU_ARRAY || type == BPF_MAP_TYPE_PERCPU_HASH ||
         type == BPF_MAP_TYPE_LRU_PERCPU_HASH || type == BPF_MAP_TYPE_PERCPU_CGROUP_STORAGE;
}
bool is_hash(const MapHeader& map) {
  MapType type = type_of(map);
  return type == BPF_MAP_TYPE_HASH || type == BPF_MAP_TYPE_LRU_HASH ||
         type == BPF_MAP_TYPE_PERCPU_HASH || type == BPF_MAP_TYPE_LRU_PERCPU_HASH;
}
// Queues, stacks, bloom filters: no key; look-up is peek, update is push.
bool is_keyless(const MapHeader& map) {
  MapType type = type_of(map);
  return type == BPF_MAP_TYPE_QUEUE || type == BPF_MAP_TYPE_STACK ||
         type == BPF_MAP_TYPE_BLOOM_FILTER;
}

Result<> answer(int64_t result, const char* what) {
  switch (result) {
    case kEnoent: return fail(ENOENT, "{}: no such element", what);
    case kEexist: return fail(EEXIST, "{}: the element exists already", what);
    case kE2big: return fail(E2BIG, "{}: the map is full, or the index beyond its end", what);
    case kEbusy:
      return fail(EBUSY, "{}: the element's lock is held by a program that does not run on", what);
    default: break;
  }
  if (result < 0)
    return fail(static_cast<int>(-result), "{}: refused by the map's type or flags", what);
  return {};
}

Result<> check_key(const MapHeader& map, ByteSpan key) {
  if (key.size() != map.key_size)
    return fail(EINVAL, "expected a key of {} bytes, found {}", map.key_size, key.size());
  return {};
}
Result<> check_value(const MapHeader& map, size_t size) {
  if (size != user_value_size(map))
    return fail(EINVAL, "expected a value of {} bytes, found {}", user_value_size(map), size);
  return {};
}
Result<> check_readable(const MapHeader& map) {
  if ((map.map_flags & BPF_F_WRONLY) != 0)
    return fail(EPERM, "the map is write-only (BPF_F_WRONLY)");
  return {};
}
Result<> check_writable(const MapHeader& map) {
  if ((map.map_flags & BPF_F_RDONLY) != 0)
    return fail(EPERM, "the map is read-only (BPF_F_RDONLY)");
  if (map.frozen != 0) return fail(EPERM, "the map is frozen");
  return {};
}

// Reads, and removes where `remove`, an element of a hash under its bucket's lock, so that the
// value is whole.
int64_t read_hash(const MapHeader& map, const void* key, std::byte* value, bool remove, Bee bee) {
  HashTable table(map);
  if (remove)
    if (int64_t wrong = table.settle(bee)) return wrong;
  HashTable::Hashed hashed = table.hash(key);
  {
    BucketLock lock(table.bucket(hashed.bucket), bee);
    if (!lock) return kEbusy;
    HashTable::Place place = table.place_of_key(key, hashed);
    if (place.index == HashTable::kNone) return kEnoent;
    if (table.per_cpu()) {
      uint64_t stride = round_up(map.value_size, 8);
      for (uint32_t slot = 0; slot < map.slots; ++slot) {
        std::memset(value + slot * stride, 0, stride);
        std::memcpy(value + slot * stride, table.value(place.index, slot), map.value_size);
      }
    } else {
      std::memcpy(value, table.value(place.index, 0), map.value_size);
    }
    if (remove) table.unlink(place, bee);
  }
  if (remove) (void)table.give_back(bee);
  return 0;
}

// Values of one machine word, without the lock: each is whole. Where the key was taken out meanwhile, its element may
// be another key's by now: looked up again, it must be where it was.
bool is_word(const MapHeader& map) {
  return (map.value_size == 8 || map.value_size == 4) &&
         (type_of(map) == BPF_MAP_TYPE_HASH || type_of(map) == BPF_MAP_TYPE_LRU_HASH);
}
int64_t read_word(const MapHeader& map, const void* key, std::byte* value) {
  HashTable table(map);
  HashTable::Hashed hashed = table.hash(key);
  uint32_t index = table.find(key, hashed);
  for (uint32_t attempt = 0; attempt < 64; ++attempt) {
    if (index == HashTable::kNone) return kEnoent;
    copy_words(value, table.value(index, 0), map.value_size);
    std::atomic_thread_fence(std::memory_order_acquire);
    const uint32_t again = table.find(key, hashed);
    if (again == index) return 0;
    index = again;
  }
  return kEbusy;
}

int64_t read_array(const MapHeader& map, const void* key, std::byte* value, Bee bee) {
  const MapOps* ops = ops_of(type_of(map));
  if (!is_per_cpu(map)) {
    void* from = ops->lookup_slot(map, key, 0, bee);
    if (from == nullptr) return kEnoent;
    copy_words(value, from, map.value_size);
    return 0;
  }
  uint64_t stride = round_up(map.value_size, 8);
  for (uint32_t slot = 0; slot < map.slots; ++slot) {
    void* from = ops->lookup_slot(map, key, slot, bee);
    if (from == nullptr) return kEnoent;
    std::memset(value + slot * stride, 0, stride);
    std::memcpy(value + slot * stride, from, map.value_size);
  }
  return 0;
}

int64_t write_percpu_array(const MapHeader& map, const void* key, const std::byte* value,
                           uint64_t flags, Bee bee) {
  if (flags > BPF_EXIST) return kEinval;
  uint64_t stride = round_up(map.value_size, 8);
  for (uint32_t slot = 0; slot < map.slots; ++slot) {
    void* to = kPercpuArrayOps.lookup_slot(map, key, slot, bee);
    if (to == nullptr) return kE2big;
    if (flags == BPF_NOEXIST) return kEexist;
    copy_value(map, to, value + slot * stride);
  }
  return 0;
}

int64_t read_any(const MapHeader& map, const void* key, std::byte* value, Bee bee) {
  const MapOps* ops = ops_of(type_of(map));
  if (is_hash(map)) return read_hash(map, key, value, false, bee);
  switch (type_of(map)) {
    case BPF_MAP_TYPE_ARRAY:
    case BPF_MAP_TYPE_PERCPU_ARRAY:
    case BPF_MAP_TYPE_CGROUP_STORAGE:
    case BPF_MAP_TYPE_PERCPU_CGROUP_STORAGE: return read_array(map, key, value, bee);
    case BPF_MAP_TYPE_STACK_TRACE: {
      uint32_t id = load<uint32_t>(key);
      return copy_stack(map, id, value);
    }
    case BPF_MAP_TYPE_QUEUE:
    case BPF_MAP_TYPE_STACK:
    case BPF_MAP_TYPE_BLOOM_FILTER: return ops->peek(map, value, bee);
    case BPF_MAP_TYPE_LPM_TRIE: {
      void* from = ops->lookup(map, key, bee);
      if (from == nullptr) return kEnoent;
      std::memcpy(value, from, map.value_size);
      return 0;
    }
    default: return kEnotsupp;
  }
}

int64_t write_any(const MapHeader& map, const void* key, const std::byte* value, uint64_t flags,
                  Bee bee) {
  const MapOps* ops = ops_of(type_of(map));
  if (is_keyless(map)) return ops->push(map, value, flags, bee);
  switch (type_of(map)) {
    case BPF_MAP_TYPE_PERCPU_HASH:
    case BPF_MAP_TYPE_LRU_PERCPU_HASH: return hash_update_all_slots(map, key, value, flags, bee);
    case BPF_MAP_TYPE_PERCPU_ARRAY: return write_percpu_array(map, key, value, flags, bee);
    case BPF_MAP_TYPE_PERCPU_CGROUP_STORAGE: {
      if ((flags & ~uint64_t{BPF_EXIST}) != 0) return kEinval;
      for (uint32_t slot = 0; slot < map.slots; ++slot) {
        void* to = ops->lookup_slot(map, key, slot, bee);
        if (to == nullptr) return kEnoent;
        copy_value(map, to, value + slot * round_up(map.value_size, 8));
      }
      return 0;
    }
    default: return ops->update(map, key, value, flags, bee);
  }
}

// In what is handed out, fields that only programs' calls may touch are 0.
void hide(const MapHeader& map, std::byte* value) {
  if (map.fields == 0) return;
  const uint32_t copies = is_per_cpu(map) ? map.slots : 1;
  for (uint32_t slot = 0; slot < copies; ++slot)
    hide_fields(map, value + slot * round_up(map.value_size, 8));
}

int64_t read_locked(const MapHeader& map, const void* key, std::byte* value, Bee bee) {
  const MapOps* ops = ops_of(type_of(map));
  if (ops->lookup_slot == nullptr || map.fields == 0) return kEinval;
  void* from = ops->lookup_slot(map, key, 0, bee);
  if (from == nullptr) return kEnoent;
  return copy_locked(map, from, value, from, bee);
}

std::unexpected<Error> no_slot() {
  return fail(EBUSY, "all slots of the hive are in use by running programs");
}

}  // namespace

size_t user_value_size(const MapHeader& map) {
  switch (type_of(map)) {
    case BPF_MAP_TYPE_PERCPU_HASH:
    case BPF_MAP_TYPE_LRU_PERCPU_HASH:
    case BPF_MAP_TYPE_PERCPU_CGROUP_STORAGE:
    case BPF_MAP_TYPE_PERCPU_ARRAY: return round_up(map.value_size, 8) * map.slots;
    default: return map.value_size;
  }
}

int64_t read_elem(const MapHeader& map, const void* key, void* value) {
  auto* to = static_cast<std::byte*>(value);
  if (is_word(map)) return read_word(map, key, to);
  if (type_of(map) == BPF_MAP_TYPE_ARRAY) return read_array(map, key, to, Bee{});
  HeldSlot slot;
  return slot ? read_any(map, key, to, bee_in(slot.slot())) : kEbusy;
}

Result<> lookup_elem(const MapHeader& map, ByteSpan key, std::span<std::byte> value,
                     uint64_t flags) {
  if ((flags & ~uint64_t{BPF_F_LOCK}) != 0)
    return fail(EINVAL, "lookup flags {:#x}: none are allowed for this map", flags);
  SKEP_CHECK(check_readable(map));
  // A bloom filter's look-up reads the value that it is asked about.
  SKEP_CHECK(check_key(map, key));
  SKEP_CHECK(check_value(map, value.size()));
  int64_t read = 0;
  if ((flags & BPF_F_LOCK) != 0) {
    HeldSlot slot;
    if (!slot) return no_slot();
    read = read_locked(map, key.data(), value.data(), bee_in(slot.slot()));
  } else {
    read = read_elem(map, key.data(), value.data());
  }
  hide(map, value.data());
  return answer(read, "lookup");
}

Result<> update_elem(const MapHeader& map, ByteSpan key, ByteSpan value, uint64_t flags) {
  SKEP_CHECK(check_writable(map));
  SKEP_CHECK(check_key(map, key));
  SKEP_CHECK(check_value(map, value.size()));
  HeldSlot slot;
  if (!slot) return no_slot();
  const Bee bee = bee_in(slot.slot());
  const int64_t written = (flags & BPF_F_LOCK) != 0
                              ? update_locked(map, key.data(), value.data(), flags, bee)
                              : write_any(map, key.data(), value.data(), flags, bee);
  return answer(written, "update");
}

Result<> delete_elem(const MapHeader& map, ByteSpan key) {
  SKEP_CHECK(check_writable(map));
  SKEP_CHECK(check_key(map, key));
  HeldSlot slot;
  if (!slot) return no_slot();
  return answer(ops_of(type_of(map))->remove(map, key.data(), bee_in(slot.slot())), "delete");
}

Result<> next_key(const MapHeader& map, ByteSpan key, std::span<std::byte> next) {
  SKEP_CHECK(check_readable(map));
  if (!key.empty()) SKEP_CHECK(check_key(map, key));
  if (next.size() != map.key_size)
    return fail(EINVAL, "expected room for a key of {} bytes, found {}", map.key_size, next.size());
  HeldSlot slot;
  if (!slot) return no_slot();
  return answer(
      ops_of(type_of(map))
          ->next_key(map, key.empty() ? nullptr : key.data(), next.data(), bee_in(slot.slot())),
      "next key");
}

Result<> lookup_and_delete_elem(const MapHeader& map, ByteSpan key, std::span<std::byte> value,
                                uint64_t flags) {
  if (flags != 0) return fail(EINVAL, "flags {:#x}: none are allowed for this map", flags);
  SKEP_CHECK(check_readable(map));
  SKEP_CHECK(check_writable(map));
  SKEP_CHECK(check_key(map, key));
  SKEP_CHECK(check_value(map, value.size()));
  HeldSlot slot;
  if (!slot) return no_slot();
  Bee bee = bee_in(slot.slot());
  if (is_hash(map)) {
    const int64_t taken = read_hash(map, key.data(), value.data(), true, bee);
    hide(map, value.data());
    return answer(taken, "lookup and delete");
  }
  if (type_of(map) == BPF_MAP_TYPE_QUEUE || type_of(map) == BPF_MAP_TYPE_STACK)
    return answer(ops_of(type_of(map))->pop(map, value.data(), bee), "pop");
  return fail(524, "lookup and delete is not for this map type");
}

// ---- batches ----

namespace {

// One bucket of a hash under its lock, so that each value is whole. ENOSPC where it holds more than
// `room`.
int64_t read_bucket(const MapHeader& map, uint64_t at, uint32_t room, bool remove, Batch& batch,
                    Bee bee) {
  HashTable table(map);
  if (remove)
    if (int64_t wrong = table.settle(bee)) return wrong;
  Bucket& line = table.bucket(at);
  BucketLock lock(line, bee);
  if (!lock) return kEbusy;
  std::vector<uint32_t> there;
  for (auto& entry : line.entries) {
    uint64_t word = entry.load(std::memory_order_relaxed);
    if (word != 0 && table.in_range(static_cast<uint32_t>(word) - 1))
      there.push_back(static_cast<uint32_t>(word) - 1);
  }
  uint32_t link = line.overflow.load(std::memory_order_relaxed);
  for (uint32_t steps = 0;
       !HashTable::is_end(link) && table.in_range(link - 1) && steps < kMaxChain; ++steps) {
    there.push_back(link - 1);
    link = table.element(link - 1).next.load(std::memory_order_relaxed);
  }
  if (there.size() > room) return kEnospc;
  const size_t one = user_value_size(map);
  for (uint32_t index : there) {
    const auto* key = reinterpret_cast<const std::byte*>(table.element(index).key());
    batch.keys.insert(batch.keys.end(), key, key + map.key_size);
    batch.values.resize(batch.values.size() + one);
    std::byte* value = batch.values.data() + batch.values.size() - one;
    const uint32_t copies = table.per_cpu() ? map.slots : 1;
    for (uint32_t slot = 0; slot < copies; ++slot)
      std::memcpy(value + slot * round_up(map.value_size, 8), table.value(index, slot),
                  map.value_size);
    hide(map, value);
    ++batch.count;
    if (!remove) continue;
    HashTable::Place place = table.place_of_element(static_cast<uint32_t>(at), index);
    if (place.index == HashTable::kNone) continue;
    table.unlink(place, bee);
    if (int64_t wrong = table.give_back(bee)) return wrong;
  }
  return 0;
}

// The cursor is the number of the next bucket, as the kernel's is.
Result<Batch> lookup_hash_batch(const MapHeader& map, std::vector<std::byte>& cursor,
                                uint32_t limit, bool remove) {
  if (!cursor.empty() && cursor.size() < sizeof(uint32_t))
    return fail(EINVAL, "not a cursor of this map");
  uint64_t at = cursor.empty() ? 0 : load<uint32_t>(cursor.data());
  const uint64_t buckets = HashTable(map).geometry().bucket_mask + 1;
  HeldSlot slot;
  if (!slot) return no_slot();
  Batch batch;
  for (; at < buckets; ++at) {
    int64_t result = read_bucket(map, at, limit - batch.count, remove, batch, bee_in(slot.slot()));
    if (result == kEnospc && batch.count != 0) break;
    if (result == kEnospc)
      return fail(ENOSPC, "a batch of {} has no room for what one bucket of the map holds", limit);
    SKEP_CHECK(answer(result, "batch"));
  }
  batch.done = at == buckets;
  cursor.assign(std::max<size_t>(sizeof(uint32_t), map.key_size), std::byte{0});
  store(cursor.data(), static_cast<uint32_t>(at));
  return batch;
}

}  // namespace

Result<Batch> lookup_batch(const MapHeader& map, std::vector<std::byte>& cursor, uint32_t limit,
                           bool remove, uint64_t flags) {
  if (flags != 0) return fail(EINVAL, "flags {:#x}: none are allowed for this map", flags);
  if (is_keyless(map) || type_of(map) == BPF_MAP_TYPE_RINGBUF ||
      type_of(map) == BPF_MAP_TYPE_USER_RINGBUF)
    return fail(524, "batches are not for this map type");
  if (remove && !is_hash(map)) return fail(524, "lookup and delete is not for this map type");
  SKEP_CHECK(check_readable(map));
  if (remove) SKEP_CHECK(check_writable(map));
  if (is_hash(map)) return lookup_hash_batch(map, cursor, limit, remove);
  // Others by their keys: the cursor is the last one handed out. A scribbled map may name keys for
  // ever.
  if (!cursor.empty()) SKEP_CHECK(check_key(map, cursor));
  Batch batch;
  std::vector<std::byte> at = cursor, key(map.key_size), value(user_value_size(map));
  for (uint64_t steps = 0; batch.count < limit; ++steps) {
    if (steps > 2 * uint64_t{map.max_entries} + 64)
      return fail(EIO, "the map's keys never end: it is damaged");
    auto found = next_key(map, at, key);
    if (!found && found.error().code() == ENOENT) {
      batch.done = true;
      break;
    }
    if (!found) return fail(found);
    auto read = lookup_elem(map, key, value);
    if (read) {
      batch.keys.insert(batch.keys.end(), key.begin(), key.end());
      batch.values.insert(batch.values.end(), value.begin(), value.end());
      ++batch.count;
    } else if (read.error().code() != ENOENT) {  // ENOENT: removed meanwhile
      return fail(read);
    }
    at = key;
  }
  cursor = at;
  return batch;
}

Result<> update_batch(const MapHeader& map, ByteSpan keys, ByteSpan values, uint32_t count,
                      uint32_t& done, uint64_t flags) {
  done = 0;
  size_t value_size = user_value_size(map);
  if (keys.size() != size_t{count} * map.key_size || values.size() != count * value_size)
    return fail(EINVAL, "a batch of {} needs {} bytes of keys and {} of values", count,
                size_t{count} * map.key_size, count * value_size);
  for (; done < count; ++done)
    SKEP_CHECK(update_elem(map, keys.subspan(size_t{done} * map.key_size, map.key_size),
                           values.subspan(done * value_size, value_size), flags));
  return {};
}

Result<> delete_batch(const MapHeader& map, ByteSpan keys, uint32_t count, uint32_t& done) {
  done = 0;
  if (keys.size() != size_t{count} * map.key_size)
    return fail(EINVAL, "a batch of {} needs {} bytes of keys", count,
                size_t{count} * map.key_size);
  for (; done < count; ++done)
    SKEP_CHECK(delete_elem(map, keys.subspan(size_t{done} * map.key_size, map.key_size)));
  return {};
}

}  // namespace skep::maps
