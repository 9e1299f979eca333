// MapHeader: a map as programs and native code see it. It lies in the control segment, so that a
// traced process can read it and never change it: geometry and addresses read from here can be
// trusted, what they point to (the data segment) is any process's to scribble on.
//
// Freestanding: the agent compiles this.
#pragma once

#include <cstdint>

namespace skep {

struct alignas(64) MapHeader {
  uint32_t magic;  // kMapMagic once published (the last store of its creation), 0 when free
  uint32_t id;
  uint32_t type;  // MapType
  uint32_t map_flags;
  uint32_t key_size;
  uint32_t value_size;
  uint32_t max_entries;
  uint32_t slots;         // per-CPU maps: copies of each value
  uint32_t value_stride;  // bytes from one element's value to the next (rounded up to 8)
  uint32_t frozen;        // BPF_MAP_FREEZE was called
  uint64_t data;          // address of the map's memory in the data segment
  uint64_t data_size;     // bytes
  // ARRAY, PERCPU_ARRAY: element i of slot s is values + (s * slot_stride) + i * value_stride, and
  // i is bounded by max_entries (then masked by index_mask).
  uint64_t values;
  uint64_t slot_stride;
  uint64_t index_mask;
  uint64_t extra[16];  // each map type's own; its .cc says what
  char name[16];
  // For inspectors: the BTF object (by id, of this hive) that has the types of key and value; 0: none.
  uint32_t btf_id;
  uint32_t btf_key_type_id;
  uint32_t btf_value_type_id;
  uint32_t reserved;
  uint64_t fields;  // ValueFields (object/value_fields.h) of the values; 0: they are plain bytes
};

inline constexpr uint32_t kMapMagic = 0x70616d73;  // "smap"

}  // namespace skep
