// Copying values that have fields which only calls may touch (object/value_fields.h): those stay out of every
// copy. Maps without such fields pay one test. Freestanding.
#pragma once

#include "maps/map_ops.h"
#include "object/heap.h"

namespace skep::maps {

inline const ValueFields* fields_of(const MapHeader& map) {
  return reinterpret_cast<const ValueFields*>(map.fields);
}

// All of the value but its fields.
inline void copy_around_fields(const MapHeader& map, void* to, const void* from) {
  const ValueFields& fields = *fields_of(map);
  auto* out = static_cast<unsigned char*>(to);
  const auto* in = static_cast<const unsigned char*>(from);
  uint32_t at = 0;
  for (uint32_t i = 0; i < fields.count && i < ValueFields::kMost; ++i) {
    const ValueField& field = fields.fields[i];
    if (field.offset > at) __builtin_memcpy(out + at, in + at, field.offset - at);
    at = field.offset + field.size;
  }
  if (at < map.value_size) __builtin_memcpy(out + at, in + at, map.value_size - at);
}
// Over a value that programs use: what its fields hold goes, its lock stays.
inline void copy_value(const MapHeader& map, void* to, const void* from) {
  if (map.fields == 0) [[likely]]
    return copy_words(to, from, map.value_size);
  copy_around_fields(map, to, from);
  heap::empty_value(*fields_of(map), to);
}
// Into an element that nobody sees yet; `from` null: zeros.
inline void fill_value(const MapHeader& map, void* to, const void* from) {
  if (map.fields == 0) [[likely]]
    return copy_words(to, from, map.value_size);
  const ValueFields& fields = *fields_of(map);
  heap::empty_value(fields, to);
  copy_around_fields(map, to, from);
  for (uint32_t i = 0; i < fields.count && i < ValueFields::kMost; ++i)
    __builtin_memset(static_cast<unsigned char*>(to) + fields.fields[i].offset, 0,
                     fields.fields[i].size);
}
// In a copy for the user's side: fields are 0 there.
inline void hide_fields(const MapHeader& map, void* copy) {
  if (map.fields == 0) return;
  const ValueFields& fields = *fields_of(map);
  for (uint32_t i = 0; i < fields.count && i < ValueFields::kMost; ++i)
    __builtin_memset(static_cast<unsigned char*>(copy) + fields.fields[i].offset, 0,
                     fields.fields[i].size);
}

// The value's bpf_spin_lock; null: it has none.
inline hive::RobustLock* lock_of(const MapHeader& map, void* value) {
  if (map.fields == 0) return nullptr;
  const ValueFields& fields = *fields_of(map);
  for (uint32_t i = 0; i < fields.count && i < ValueFields::kMost; ++i)
    if (fields.fields[i].kind == FieldKind::spin_lock)
      return reinterpret_cast<hive::RobustLock*>(static_cast<unsigned char*>(value) +
                                                 fields.fields[i].offset);
  return nullptr;
}
// BPF_F_LOCK: under the value's lock. -EINVAL where it has none, -EBUSY where it can't be had.
inline int64_t copy_locked(const MapHeader& map, void* value, void* to, const void* from, Bee bee) {
  hive::RobustLock* lock = lock_of(map, value);
  if (lock == nullptr) return kEinval;
  if (lock->lock(bee.word) == hive::Locked::kBusy) return kEbusy;
  copy_around_fields(map, to, from);
  lock->unlock();
  return 0;
}

// An update with BPF_F_LOCK, from either side.
int64_t update_locked(const MapHeader& map, const void* key, const void* value, uint64_t flags,
                      Bee bee);

}  // namespace skep::maps
