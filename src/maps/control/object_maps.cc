// The one writer of prog arrays and maps of maps: the controlling process. See ../object_maps.cc.
#include "maps/object_maps.h"

#include <cstring>

#include "maps/control/maps.h"
#include "maps/hash_table.h"
#include "maps/storage_helpers.h"

namespace skep::maps {
namespace {

std::atomic_ref<uint64_t> element(const MapHeader& map, uint32_t index) {
  return std::atomic_ref(*reinterpret_cast<uint64_t*>(map.values + uint64_t{index} * 8));
}

Result<> check_owner(const Hive& hive, const MapHeader& map) {
  if (!hive.controls()) return fail(EPERM, "only the controlling process may change this map");
  if (map.frozen != 0) return fail(EPERM, "the map is frozen");
  return {};
}

Result<> set_element(MapHeader& map, uint32_t index, uint64_t object) {
  if (index >= map.max_entries)
    return fail(E2BIG, "index {} is beyond the map's {} elements", index, map.max_entries);
  uint64_t before = element(map, index).exchange(object);
  if (object == 0 && before == 0) return fail(ENOENT, "element {} is empty", index);
  return {};
}

}  // namespace

Result<> set_program(Hive& hive, MapHeader* map, uint32_t index, const ProgHeader* program) {
  if (map->type != static_cast<uint32_t>(MapType::BPF_MAP_TYPE_PROG_ARRAY))
    return fail(EINVAL, "not a prog array");
  SKEP_CHECK(check_owner(hive, *map));
  return set_element(*map, index, reinterpret_cast<uint64_t>(program));
}

Result<> set_cgroup(Hive& hive, MapHeader* map, uint32_t index, bool there) {
  if (map->type != static_cast<uint32_t>(MapType::BPF_MAP_TYPE_CGROUP_ARRAY))
    return fail(EINVAL, "not a cgroup array");
  SKEP_CHECK(check_owner(hive, *map));
  return set_element(*map, index, there ? kHiveCgroup : 0);
}

Result<> set_inner_map(Hive& hive, MapHeader* map, ByteSpan key, const MapHeader* inner,
                       uint64_t flags) {
  SKEP_CHECK(check_owner(hive, *map));
  if (key.size() != map->key_size)
    return fail(EINVAL, "expected a key of {} bytes, found {}", map->key_size, key.size());
  if (flags > BPF_EXIST) return fail(EINVAL, "flags {:#x}", flags);
  auto address = reinterpret_cast<uint64_t>(inner);
  if (map->type == static_cast<uint32_t>(MapType::BPF_MAP_TYPE_ARRAY_OF_MAPS)) {
    if (flags == BPF_NOEXIST) return fail(EEXIST, "every element of an array exists");
    return set_element(*map, load<uint32_t>(key.data()), address);
  }
  if (map->type != static_cast<uint32_t>(MapType::BPF_MAP_TYPE_HASH_OF_MAPS))
    return fail(EINVAL, "not a map of maps");
  return set_object(hive, map, key, address, flags);
}

Result<> set_object(Hive& hive, MapHeader* map, ByteSpan key, uint64_t address, uint64_t flags) {
  ObjectHashEntry* entry = find_object_entry(*map, key.data());
  bool there = entry != nullptr && entry->object.load() != 0;
  if (address == 0) {
    if (!there) return fail(ENOENT, "no such element");
    entry->object.store(0);
    map->extra[1] -= 1;
    return {};
  }
  if (there && flags == BPF_NOEXIST) return fail(EEXIST, "the element exists already");
  if (!there && flags == BPF_EXIST) return fail(ENOENT, "no such element");
  if (there) {
    entry->object.store(address);
    return {};
  }
  if (map->extra[1] >= map->max_entries) return fail(E2BIG, "the map is full");
  if (entry == nullptr) {
    // The first entry on the key's way that is free, or that was freed under another key: with its
    // key changed under readers it could be taken for the wrong one, so only never-used entries are
    // taken; when none is left, the freed ones are, for which no reader may be on its way.
    uint64_t hash = HashTable::hash_bytes(key.data(), map->key_size, map->extra[0]);
    for (int pass = 0; pass < 2 && entry == nullptr; ++pass) {
      if (pass == 1) SKEP_CHECK(hive.synchronize());
      for (uint64_t probe = 0; probe <= map->index_mask; ++probe) {
        ObjectHashEntry& candidate = object_entry(*map, hash + probe);
        if (candidate.object.load() != 0 || (pass == 0 && candidate.used.load() != 0)) continue;
        std::memcpy(candidate.key(), key.data(), key.size());
        entry = &candidate;
        break;
      }
    }
    if (entry == nullptr) return fail(E2BIG, "the map is full");
  }
  entry->used.store(1, std::memory_order_release);
  entry->object.store(address, std::memory_order_release);
  map->extra[1] += 1;
  return {};
}

Result<uint32_t> object_id_at(const MapHeader& map, ByteSpan key) {
  if (key.size() != map.key_size)
    return fail(EINVAL, "expected a key of {} bytes, found {}", map.key_size, key.size());
  uint64_t address = 0;
  if (map.type == static_cast<uint32_t>(MapType::BPF_MAP_TYPE_HASH_OF_MAPS)) {
    ObjectHashEntry* entry = find_object_entry(map, key.data());
    if (entry != nullptr) address = entry->object.load(std::memory_order_acquire);
  } else {
    uint32_t index = load<uint32_t>(key.data());
    if (index < map.max_entries) address = element(map, index).load(std::memory_order_acquire);
  }
  if (address == 0) return fail(ENOENT, "no such element");
  // MapHeader and ProgHeader both begin with magic and id.
  if (!hive::in_control(address, 8)) return fail(EINVAL, "the element is no object of the hive");
  return load<uint32_t>(reinterpret_cast<const void*>(address + 4));
}

}  // namespace skep::maps
