// STACK_TRACE's layout: a bucket for each id, with two buffers of which one is current, so that a
// stack that replaces another is complete before it is seen. Freestanding.
#pragma once

#include <atomic>
#include <cstdint>

#include "base/robust_lock.h"
#include "base/shared.h"
#include "object/map_header.h"

namespace skep::maps {

struct StackBucket {
  hive::RobustLock lock;
  hive::Shared<uint32_t>
      current;  // 0: empty; else 1 + number of the buffer (8) | frames (8) | times stored (16)
  hive::Shared<uint32_t> hash;
  uint32_t reserved;
};

inline uint32_t stack_frames(uint32_t current) { return current >> 8 & 0xff; }

inline constexpr uint32_t kBuildIdFrame = 32;  // struct bpf_stack_build_id

// MapHeader::extra[0]: the buckets; index_mask: how many, less 1; values: the buffers, value_stride
// each.
inline StackBucket& stack_bucket(const MapHeader& map, uint64_t id) {
  return reinterpret_cast<StackBucket*>(map.extra[0])[id & map.index_mask];
}
inline unsigned char* stack_buffer(const MapHeader& map, uint64_t id, uint32_t which) {
  return reinterpret_cast<unsigned char*>(map.values + ((id & map.index_mask) * 2 + (which & 1)) *
                                                           map.value_stride);
}

// What the user side reads: value_size bytes, zeroes after the last frame. -ENOENT where the id is
// not in use.
int64_t copy_stack(const MapHeader& map, uint32_t id, void* value);

}  // namespace skep::maps
