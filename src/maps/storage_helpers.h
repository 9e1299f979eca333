// Bodies of the storage helpers (local_storage.cc), for map_helpers.cc. Freestanding.
#pragma once

#include <cstdint>

#include "maps/hash_table.h"
#include "object/helper_context.h"

namespace skep::maps {

// The hive's one cgroup: that of the traced processes.
inline constexpr uint64_t kHiveCgroup = 1;

#define SKEP_MAP_HELPER(name) \
  uint64_t name(uint64_t, uint64_t, uint64_t, uint64_t, uint64_t, HelperContext*)
SKEP_MAP_HELPER(task_storage_get);
SKEP_MAP_HELPER(task_storage_delete);
SKEP_MAP_HELPER(cgroup_storage_get);
SKEP_MAP_HELPER(cgroup_storage_delete);
SKEP_MAP_HELPER(inode_storage_get);
SKEP_MAP_HELPER(inode_storage_delete);
SKEP_MAP_HELPER(socket_storage_get);
SKEP_MAP_HELPER(socket_storage_delete);
SKEP_MAP_HELPER(get_local_storage);
#undef SKEP_MAP_HELPER

}  // namespace skep::maps
