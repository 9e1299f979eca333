// What native code knows of a hash map, to look into it without a call: where things lie, and the hash of keys of
// 4 and 8 bytes. maps/hash_table.h has the rest and draws the layout; change both together.
// Freestanding.
#pragma once

#include <cstdint>

#include "object/map_header.h"

namespace skep {

// MapHeader::extra of HASH, PERCPU_HASH, LRU_HASH and LRU_PERCPU_HASH (control segment: trusted).
struct HashGeometry {
  uint64_t buckets;
  uint64_t bucket_mask;
  uint64_t elements;
  uint64_t element_stride;
  uint64_t seed;
  uint64_t pools;
  uint64_t shared;
  uint64_t value_offset;  // from the element; 0 = per-CPU planes at MapHeader::values
  uint64_t total;         // elements: max_entries and a spare for each slot
  uint64_t lru;
};
static_assert(sizeof(HashGeometry) <= sizeof(MapHeader::extra));

// A bucket: 64 bytes, of which `overflow` says whether there is more than the entries; an entry is the tag, the upper
// half of the hash, over the element's number + 1. `referenced`, a byte, is
// set by look-ups in LRU maps.
inline constexpr uint32_t kBucketEntries = 7, kBucketBytes = 64, kBucketOverflow = 4,
                          kBucketFirstEntry = 8, kElementKey = 16, kElementReferenced = 14;

// fold(a, b): the halves of the 128-bit product, xor'ed. The hash is fold(key ^ seed, kHashFactor ^ seed << 1): its
// lower half, masked, is the bucket.
inline constexpr uint64_t kHashFactor = 0x9e3779b97f4a7c15;

}  // namespace skep
