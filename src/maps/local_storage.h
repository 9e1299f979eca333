// What the storage maps share: values that belong to a task, cgroup, inode or socket (TASK_STORAGE and its
// kin), or to a hook of a cgroup (CGROUP_STORAGE). local_storage.cc says how they are kept.
#pragma once

#include <cstdint>

#include "maps/map_ops.h"

namespace skep::maps {

// Whose value it is. A task: its thread id. A cgroup: its id. An inode: number and device. A socket: its cookie.
// A cgroup's hook: the cgroup's id and the attach type (0 where the map's key has none).
struct StorageKey {
  uint64_t id;
  uint64_t more;
};

// MapHeader::extra of a storage map. All in the control segment.
struct StorageGeometry {
  uint64_t table;  // MapHeader of the hash that holds the values, by StorageKey
  uint64_t zeros;  // value_size bytes of 0: a new value where the program gives none
};
inline const StorageGeometry& storage_geometry(const MapHeader& map) {
  return *reinterpret_cast<const StorageGeometry*>(map.extra);
}
// The hash behind a storage map: any map operation may be done on it, with StorageKeys.
inline const MapHeader& storage_table(const MapHeader& map) {
  return *reinterpret_cast<const MapHeader*>(storage_geometry(map).table);
}

constexpr bool is_local_storage(MapType type) {
  return type == MapType::BPF_MAP_TYPE_TASK_STORAGE || type == MapType::BPF_MAP_TYPE_CGRP_STORAGE ||
         type == MapType::BPF_MAP_TYPE_INODE_STORAGE || type == MapType::BPF_MAP_TYPE_SK_STORAGE;
}
constexpr bool is_cgroup_storage(MapType type) {
  return type == MapType::BPF_MAP_TYPE_CGROUP_STORAGE ||
         type == MapType::BPF_MAP_TYPE_PERCPU_CGROUP_STORAGE;
}

// The owner's value. `create`: where there is none, one with `initial` (null: zeros). Null where there is none and
// none could be made.
[[nodiscard]] void* storage_get(const MapHeader& map, const StorageKey& key, bool create,
                                const void* initial, Bee bee);
// -ENOENT where there was none.
[[nodiscard]] int64_t storage_delete(const MapHeader& map, const StorageKey& key, Bee bee);
// Takes away the values of tasks that have ended; how many. Bounded by the map's size.
uint32_t reap_dead_tasks(const MapHeader& map, Bee bee);
// A task ended, or one of this id began: its values go from every task storage of the hive.
void forget_task(uint32_t tid, Bee bee);

// The hive's task storages, for forget_task(): published at hive::Root::kTaskStorages.
struct TaskStorages {
  uint32_t count;
  uint32_t reserved;
  uint64_t maps[];  // MapHeader
};

}  // namespace skep::maps
