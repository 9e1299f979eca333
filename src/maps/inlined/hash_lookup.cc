// bpf_map_lookup_elem of the hash tables, for the optimising tier: compiled to bitcode, linked into each program
// that looks a known map up, where the key's size is a constant. The same steps as HashTable::find, but for
// buckets that have overflowed: 1 says that the helper must look.
//
// The table's geometry comes as arguments, not from its header: they are constants of the program, which no
// acquire load here makes the compiler read again.
//
// Freestanding. Nothing here may differ from hash.cc but in speed: tests/runtime runs both.
#include "maps/hash_table.h"
#include "object/helper_context.h"

extern "C" void* skep_hash_lookup(const void* key, const skep::HelperContext* run,
                                  unsigned char* buckets, unsigned char* elements,
                                  unsigned char* values, uint64_t seed, uint64_t bucket_mask,
                                  uint64_t element_stride, uint64_t value_offset, uint32_t total,
                                  uint64_t slot_stride, uint64_t value_stride, uint32_t key_size,
                                  uint32_t per_cpu, uint32_t lru) {
  using skep::maps::HashTable;
  const uint64_t hash = HashTable::hash_bytes(key, key_size, seed);
  const skep::maps::Bucket& line =
      reinterpret_cast<skep::maps::Bucket*>(buckets)[static_cast<uint32_t>(hash) & bucket_mask];
  for (uint32_t those = HashTable::matches(line, static_cast<uint32_t>(hash >> 32)); those != 0;
       those &= those - 1) {
    const uint64_t word = line.entries[__builtin_ctz(those)].load(std::memory_order_acquire);
    const uint32_t index = static_cast<uint32_t>(word) - 1;  // of an empty entry: out of range
    if (index >= total) continue;
    auto& element = *reinterpret_cast<skep::maps::Element*>(elements + index * element_stride);
    if (!HashTable::equal_bytes(element.key(), key, key_size)) continue;
    if (lru != 0 && element.referenced.load(std::memory_order_relaxed) == 0)
      element.referenced.store(1, std::memory_order_relaxed);
    if (per_cpu != 0) return values + uint64_t{run->slot} * slot_stride + index * value_stride;
    return reinterpret_cast<unsigned char*>(&element) + value_offset;
  }
  if (__builtin_expect(line.overflow.load(std::memory_order_relaxed) == 0, 1)) return nullptr;
  return reinterpret_cast<void*>(1);
}
