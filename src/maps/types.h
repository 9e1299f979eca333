// The rows of operations, one for each file of this room; map_ops.cc finds them by type.
// Freestanding.
#pragma once

#include "maps/map_ops.h"

namespace skep::maps {

extern constinit const MapOps kHashOps, kLruHashOps;                       // hash.cc
extern constinit const MapOps kArrayOps, kPercpuArrayOps;                  // array.cc
extern constinit const MapOps kObjectArrayOps, kMapArrayOps, kMapHashOps;  // object_maps.cc
extern constinit const MapOps kRingbufOps;                                 // ringbuf.cc
extern constinit const MapOps kPerfEventArrayOps;                          // perf_event_array.cc
extern constinit const MapOps kStackTraceOps;                              // stack_trace.cc
extern constinit const MapOps kQueueOps, kStackOps;                        // queue_stack.cc
extern constinit const MapOps kBloomFilterOps;                             // bloom_filter.cc
extern constinit const MapOps kLpmTrieOps;                                 // lpm_trie.cc

extern const MapOps kPortArrayOps, kPortHashOps;          // ports.cc
extern const MapOps kLocalStorageOps, kCgroupStorageOps;  // local_storage.cc

// Per-CPU hashes from the user side: `values` has round_up(value_size, 8) bytes for each slot.
int64_t hash_update_all_slots(const MapHeader& map, const void* key, const void* values,
                              uint64_t flags, Bee bee);

}  // namespace skep::maps
