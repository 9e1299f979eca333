// bpf_map_lookup_elem of the hash tables, for the optimising tier: compiled to bitcode, linked into each program
// that looks a known map up, where the key's size is a constant. The same steps as HashTable::find, but for
// buckets that have overflowed: 1 says that the helper must look.
//
// Freestanding. Nothing here may differ from hash.cc but in speed: tests/runtime runs both.
#include "maps/hash_table.h"
#include "object/helper_context.h"

extern "C" void* skep_hash_lookup(const skep::MapHeader* map, const void* key,
                                  skep::HelperContext* run, uint32_t key_size, uint32_t per_cpu,
                                  uint32_t lru) {
  using skep::maps::HashTable;
  const HashTable table(*map);
  const auto& geometry = table.geometry();
  const uint64_t hash = HashTable::hash_bytes(key, key_size, geometry.seed);
  skep::maps::Bucket& line = table.bucket(static_cast<uint32_t>(hash));
  for (uint32_t those = HashTable::matches(line, static_cast<uint32_t>(hash >> 32)); those != 0;
       those &= those - 1) {
    const uint64_t word = line.entries[__builtin_ctz(those)].load(std::memory_order_acquire);
    const uint32_t index = static_cast<uint32_t>(word) - 1;  // of an empty entry: out of range
    if (!table.in_range(index)) continue;
    skep::maps::Element& element = table.element(index);
    if (!HashTable::equal_bytes(element.key(), key, key_size)) continue;
    if (lru != 0 && element.referenced.load(std::memory_order_relaxed) == 0)
      element.referenced.store(1, std::memory_order_relaxed);
    if (per_cpu != 0)
      return reinterpret_cast<void*>(map->values + uint64_t{run->slot} * map->slot_stride +
                                     uint64_t{index} * map->value_stride);
    return reinterpret_cast<unsigned char*>(&element) + geometry.value_offset;
  }
  return line.overflow.load(std::memory_order_relaxed) == 0 ? nullptr : reinterpret_cast<void*>(1);
}
