// PROG_ARRAY, CGROUP_ARRAY, ARRAY_OF_MAPS and HASH_OF_MAPS: elements are hive addresses of objects
// (ProgHeader, MapHeader), 0 where empty. Programs follow them without a check, so the elements lie
// in the control segment, where only the controlling process writes (control/object_maps.cc); a
// program can look up, never update.
//
// HASH_OF_MAPS: open addressing with linear probing. Entry: object u64 | used u64 | key. `object`
// is the last store of an insertion and the first of a removal; a removed entry keeps its key and
// is found again or reused when the key comes back, so that readers need no lock.
#include "maps/object_maps.h"

#include <atomic>

#include "base/shared.h"
#include "maps/hash_table.h"
#include "maps/types.h"

namespace skep::maps {
namespace {

void* element(const MapHeader& map, const void* key) {
  uint32_t index;
  __builtin_memcpy(&index, key, sizeof index);
  if (index >= map.max_entries) return nullptr;
  return reinterpret_cast<void*>(map.values + uint64_t{index} * 8);
}

// What a program gets from an array of maps: the inner map itself.
void* inner_at(const MapHeader& map, const void* key, Bee) {
  void* at = element(map, key);
  if (at == nullptr) return nullptr;
  return reinterpret_cast<void*>(
      static_cast<hive::Shared<uint64_t>*>(at)->load(std::memory_order_acquire));
}

void* object_lookup(const MapHeader&, const void*, Bee) {
  return nullptr;
}  // -EOPNOTSUPP from bpf(2)

int64_t refuse_update(const MapHeader&, const void*, const void*, uint64_t, Bee) { return kEperm; }
int64_t refuse_remove(const MapHeader&, const void*, Bee) { return kEperm; }

int64_t next_index(const MapHeader& map, const void* key, void* next, Bee bee) {
  return kArrayOps.next_key(map, key, next, bee);
}

void* hash_inner(const MapHeader& map, const void* key, Bee) {
  ObjectHashEntry* entry = find_object_entry(map, key);
  if (entry == nullptr) return nullptr;
  return reinterpret_cast<void*>(entry->object.load(std::memory_order_acquire));
}

int64_t hash_next(const MapHeader& map, const void* key, void* next, Bee) {
  uint64_t at = 0;
  if (key != nullptr)
    if (ObjectHashEntry* entry = find_object_entry(map, key);
        entry != nullptr && entry->object.load(std::memory_order_acquire) != 0)
      at = (reinterpret_cast<uint64_t>(entry) - map.values) / map.value_stride + 1;
  for (; at <= map.index_mask; ++at) {
    ObjectHashEntry& entry = object_entry(map, at);
    if (entry.object.load(std::memory_order_acquire) == 0) continue;
    __builtin_memcpy(next, entry.key(), map.key_size);
    return 0;
  }
  return kEnoent;
}

}  // namespace

ObjectHashEntry& object_entry(const MapHeader& map, uint64_t index) {
  return *reinterpret_cast<ObjectHashEntry*>(map.values +
                                             (index & map.index_mask) * map.value_stride);
}

ObjectHashEntry* find_object_entry(const MapHeader& map, const void* key) {
  uint64_t hash = HashTable::hash_bytes(key, map.key_size, map.extra[0]);
  for (uint64_t probe = 0; probe <= map.index_mask; ++probe) {
    ObjectHashEntry& entry = object_entry(map, hash + probe);
    if (entry.used.load(std::memory_order_acquire) == 0) return nullptr;
    if (HashTable::equal_bytes(entry.key(), key, map.key_size)) return &entry;
  }
  return nullptr;
}

const MapOps kObjectArrayOps = {object_lookup, refuse_update, refuse_remove, next_index,
                                nullptr,       nullptr,       nullptr,       nullptr};
const MapOps kMapArrayOps = {inner_at, refuse_update, refuse_remove, next_index,
                             nullptr,  nullptr,       nullptr,       nullptr};
const MapOps kMapHashOps = {hash_inner, refuse_update, refuse_remove, hash_next,
                            nullptr,    nullptr,       nullptr,       nullptr};

}  // namespace skep::maps
