// DEVMAP, DEVMAP_HASH, CPUMAP, XSKMAP: the controlling process's side. See ../ports.h.
#include "maps/ports.h"

#include <cstring>

#include "maps/control/maps.h"
#include "maps/object_maps.h"

namespace skep::maps {
namespace {

std::atomic_ref<uint64_t> element(const MapHeader& map, uint32_t index) {
  return std::atomic_ref(*reinterpret_cast<uint64_t*>(map.values + uint64_t{index} * 8));
}

}  // namespace

Result<Port*> make_port(Hive& hive, const Port& port) {
  SKEP_TRY(memory, hive.allocate_object(sizeof(Port)));
  auto* made = static_cast<Port*>(memory);
  *made = port;
  return made;
}

void free_port(Hive& hive, Port* port) {
  hive.defer([&hive, port] { hive.free_object(port); });
}

Result<> set_port(Hive& hive, MapHeader* map, uint32_t key, const Port* port, uint64_t flags) {
  if (!hive.controls()) return fail(EPERM, "only the controlling process may change this map");
  if (map->type == static_cast<uint32_t>(MapType::BPF_MAP_TYPE_DEVMAP_HASH))
    return set_object(hive, map, ByteSpan(reinterpret_cast<const std::byte*>(&key), sizeof key),
                      reinterpret_cast<uint64_t>(port), flags);
  if (key >= map->max_entries)
    return fail(E2BIG, "key {}: map {} has {}", key, map->name, map->max_entries);
  element(*map, key).store(reinterpret_cast<uint64_t>(port));
  return {};
}

const Port* port_at(const MapHeader& map, uint32_t key) {
  if (map.type == static_cast<uint32_t>(MapType::BPF_MAP_TYPE_DEVMAP_HASH)) {
    ObjectHashEntry* entry = find_object_entry(map, &key);
    return entry == nullptr ? nullptr : reinterpret_cast<const Port*>(entry->object.load());
  }
  return key < map.max_entries ? reinterpret_cast<const Port*>(element(map, key).load()) : nullptr;
}

}  // namespace skep::maps
