// BPF_MAP_TYPE_BLOOM_FILTER: a bit array at MapHeader::values; index_mask is its number of bits
// less 1, extra[0] the seed, extra[1] the number of hashes. Bits are only ever set, so there is
// nothing to lock. The kernel's: kernel/bpf/bloom_filter.c.
#include <atomic>

#include "base/shared.h"
#include "maps/hash_table.h"
#include "maps/types.h"

namespace skep::maps {
namespace {

hive::Shared<uint64_t>& word_of(const MapHeader& map, const void* value, uint64_t n,
                                uint64_t& bit) {
  uint64_t hash =
      HashTable::hash_bytes(value, map.value_size, map.extra[0] + n * 0x9e3779b97f4a7c15) &
      map.index_mask;
  bit = uint64_t{1} << (hash & 63);
  return reinterpret_cast<hive::Shared<uint64_t>*>(map.values)[hash >> 6];
}

int64_t push(const MapHeader& map, const void* value, uint64_t flags, Bee) {
  if (flags != BPF_ANY) return kEinval;
  for (uint64_t n = 0; n < map.extra[1]; ++n) {
    uint64_t bit;
    auto& word = word_of(map, value, n, bit);
    if ((word.load(std::memory_order_relaxed) & bit) == 0)
      word.fetch_or(bit, std::memory_order_relaxed);
  }
  return 0;
}

int64_t peek(const MapHeader& map, void* value, Bee) {
  for (uint64_t n = 0; n < map.extra[1]; ++n) {
    uint64_t bit;
    if ((word_of(map, value, n, bit).load(std::memory_order_relaxed) & bit) == 0) return kEnoent;
  }
  return 0;
}

}  // namespace

const MapOps kBloomFilterOps = {
    [](const MapHeader&, const void*, Bee) -> void* { return nullptr; },
    [](const MapHeader&, const void*, const void*, uint64_t, Bee) { return kEinval; },
    [](const MapHeader&, const void*, Bee) { return kEopnotsupp; },
    [](const MapHeader&, const void*, void*, Bee) { return kEopnotsupp; },
    push,
    [](const MapHeader&, void*, Bee) { return kEopnotsupp; },
    peek,
    nullptr};

}  // namespace skep::maps
