// Which file of this room does a map type's work.
#include "maps/map_ops.h"

#include "maps/types.h"

namespace skep::maps {
namespace {

constexpr uint32_t kTypes = static_cast<uint32_t>(MapType::BPF_MAP_TYPE_INSN_ARRAY) + 1;

struct Table {
  const MapOps* rows[kTypes] = {};
  constexpr const MapOps*& operator[](MapType type) { return rows[static_cast<uint32_t>(type)]; }
};

constexpr Table make_table() {
  Table table;
  using enum MapType;
  table[BPF_MAP_TYPE_HASH] = &kHashOps;
  table[BPF_MAP_TYPE_PERCPU_HASH] = &kHashOps;
  table[BPF_MAP_TYPE_LRU_HASH] = &kLruHashOps;
  table[BPF_MAP_TYPE_LRU_PERCPU_HASH] = &kLruHashOps;
  table[BPF_MAP_TYPE_ARRAY] = &kArrayOps;
  table[BPF_MAP_TYPE_PERCPU_ARRAY] = &kPercpuArrayOps;
  table[BPF_MAP_TYPE_PROG_ARRAY] = &kObjectArrayOps;
  table[BPF_MAP_TYPE_CGROUP_ARRAY] = &kObjectArrayOps;
  table[BPF_MAP_TYPE_ARRAY_OF_MAPS] = &kMapArrayOps;
  table[BPF_MAP_TYPE_HASH_OF_MAPS] = &kMapHashOps;
  table[BPF_MAP_TYPE_RINGBUF] = &kRingbufOps;
  table[BPF_MAP_TYPE_USER_RINGBUF] = &kRingbufOps;
  table[BPF_MAP_TYPE_PERF_EVENT_ARRAY] = &kPerfEventArrayOps;
  table[BPF_MAP_TYPE_STACK_TRACE] = &kStackTraceOps;
  table[BPF_MAP_TYPE_QUEUE] = &kQueueOps;
  table[BPF_MAP_TYPE_STACK] = &kStackOps;
  table[BPF_MAP_TYPE_BLOOM_FILTER] = &kBloomFilterOps;
  table[BPF_MAP_TYPE_LPM_TRIE] = &kLpmTrieOps;
  for (MapType type : {BPF_MAP_TYPE_TASK_STORAGE, BPF_MAP_TYPE_CGRP_STORAGE,
                       BPF_MAP_TYPE_INODE_STORAGE, BPF_MAP_TYPE_SK_STORAGE})
    table[type] = &kLocalStorageOps;
  table[BPF_MAP_TYPE_DEVMAP] = table[BPF_MAP_TYPE_CPUMAP] = table[BPF_MAP_TYPE_XSKMAP] =
      &kPortArrayOps;
  table[BPF_MAP_TYPE_DEVMAP_HASH] = &kPortHashOps;
  table[BPF_MAP_TYPE_CGROUP_STORAGE] = table[BPF_MAP_TYPE_PERCPU_CGROUP_STORAGE] =
      &kCgroupStorageOps;
  return table;
}
constexpr Table kTable = make_table();

}  // namespace

const MapOps* ops_of(MapType type) {
  auto index = static_cast<uint32_t>(type);
  return index < kTypes ? kTable.rows[index] : nullptr;
}

}  // namespace skep::maps
