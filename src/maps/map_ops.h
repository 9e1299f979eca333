// MapOps: what a map type can do, from the program's side. One constant row a type, local to each
// process (shared memory holds no function pointer): ops_of(MapType). Freestanding: the agent
// compiles src/maps/*.cc; src/maps/control/ is the library's alone.
//
// Everything that these functions read from the data segment may have been scribbled over by a
// traced process: element numbers are bounded by the header (control segment, trusted), chains are
// walked a bounded number of steps. They return what the kernel's do: a value's address, or 0, or
// -errno.
//
// To add a map type: its file here with its row at the bottom, the row in map_ops.cc, its geometry
// in control/geometry.cc, its test in tests/maps/.
#pragma once

#include <cstddef>
#include <cstdint>

#include "base/shared.h"
#include "base/slots.h"
#include "object/map_header.h"
#include "spec/types.h"

namespace skep::maps {

// Who asks: the slot that the caller owns and its name in lock words.
struct Bee {
  uint32_t slot;
  hive::BeeWord word;
};
inline Bee bee_in(uint32_t slot) { return {slot, hive::bee_word(slot)}; }

// errno values, negative as results carry them.
inline constexpr int64_t kEnoent = -2, kE2big = -7, kEnomem = -12, kEfault = -14, kEbusy = -16,
                         kEexist = -17, kEinval = -22, kEnospc = -28, kEperm = -1, kEnotsupp = -524,
                         kEopnotsupp = -95, kEagain = -11;

struct MapOps {
  // The value's address (per-CPU maps: that of bee.slot), or null.
  void* (*lookup)(const MapHeader&, const void* key, Bee);
  int64_t (*update)(const MapHeader&, const void* key, const void* value, uint64_t flags, Bee);
  int64_t (*remove)(const MapHeader&, const void* key, Bee);
  // The key after `key` (null, or one that is not there: the first); -ENOENT at the end.
  int64_t (*next_key)(const MapHeader&, const void* key, void* next, Bee);
  // Queues, stacks, bloom filters.
  int64_t (*push)(const MapHeader&, const void* value, uint64_t flags, Bee);
  int64_t (*pop)(const MapHeader&, void* value, Bee);
  int64_t (*peek)(const MapHeader&, void* value, Bee);
  // Per-CPU maps: the value of another slot; for others the same as a lookup that leaves no trace
  // (LRU order unchanged), which is what the user side reads with.
  void* (*lookup_slot)(const MapHeader&, const void* key, uint32_t slot, Bee);
};

// Null for types that have no operations here; a member is null where the type does not support it.
const MapOps* ops_of(MapType type);

inline uint64_t round_up(uint64_t value, uint64_t to) { return (value + to - 1) & ~(to - 1); }

// Copies a value to where values lie (multiples of 8), so that a reader sees each aligned 8-byte
// word whole.
inline void copy_words(void* to, const void* from, uint64_t size) {
  auto* out = static_cast<unsigned char*>(to);
  auto* in = static_cast<const unsigned char*>(from);
  while (size >= 8) {
    uint64_t word;
    __builtin_memcpy(&word, in, 8);
    hive::kill_point();
    *reinterpret_cast<volatile uint64_t*>(out) = word;
    out += 8, in += 8, size -= 8;
  }
  if (size >= 4) {
    uint32_t word;
    __builtin_memcpy(&word, in, 4);
    hive::kill_point();
    *reinterpret_cast<volatile uint32_t*>(out) = word;
    out += 4, in += 4, size -= 4;
  }
  while (size-- > 0) {
    hive::kill_point();
    *reinterpret_cast<volatile unsigned char*>(out++) = *in++;
  }
}

}  // namespace skep::maps
