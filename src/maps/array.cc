// ARRAY and PERCPU_ARRAY: values side by side at MapHeader::values; code generators inline the
// look-up. A value is written in place, as the kernel does: each aligned 8-byte word is whole, the
// value as such need not be.
#include "maps/types.h"
#include "maps/value_copy.h"

namespace skep::maps {
namespace {

uint32_t index_of(const void* key) {
  uint32_t index;
  __builtin_memcpy(&index, key, sizeof index);
  return index;
}

void* value_at(const MapHeader& map, uint32_t index, uint32_t slot) {
  return reinterpret_cast<void*>(map.values + uint64_t{slot} * map.slot_stride +
                                 (index & map.index_mask) * map.value_stride);
}

void* array_lookup(const MapHeader& map, const void* key, Bee) {
  uint32_t index = index_of(key);
  return index < map.max_entries ? value_at(map, index, 0) : nullptr;
}

void* percpu_lookup(const MapHeader& map, const void* key, Bee bee) {
  uint32_t index = index_of(key);
  return index < map.max_entries ? value_at(map, index, bee.slot) : nullptr;
}

void* lookup_slot(const MapHeader& map, const void* key, uint32_t slot, Bee) {
  uint32_t index = index_of(key);
  return index < map.max_entries && (map.slot_stride == 0 || slot < map.slots)
             ? value_at(map, index, slot)
             : nullptr;
}

int64_t update(const MapHeader& map, const void* key, const void* value, uint64_t flags, Bee bee) {
  if (flags > BPF_EXIST) return kEinval;
  uint32_t index = index_of(key);
  if (index >= map.max_entries) return kE2big;
  if (flags == BPF_NOEXIST) return kEexist;  // every element exists from the start
  copy_value(map, value_at(map, index, map.slot_stride == 0 ? 0 : bee.slot), value);
  return 0;
}

int64_t remove(const MapHeader&, const void*, Bee) { return kEinval; }

int64_t next_key(const MapHeader& map, const void* key, void* next, Bee) {
  uint32_t index = key != nullptr ? index_of(key) : ~0u;
  uint32_t following = index >= map.max_entries ? 0 : index + 1;
  if (index == map.max_entries - 1) return kEnoent;
  __builtin_memcpy(next, &following, sizeof following);
  return 0;
}

}  // namespace

const MapOps kArrayOps = {array_lookup, update,  remove,  next_key,
                          nullptr,      nullptr, nullptr, lookup_slot};
const MapOps kPercpuArrayOps = {percpu_lookup, update,  remove,  next_key,
                                nullptr,       nullptr, nullptr, lookup_slot};

}  // namespace skep::maps
