// The ring buffer's layout, as the kernel maps it to its consumers, so that their code reads it as
// it is:
//
//   page 0      consumer position (u64)
//   page 1      producer position (u64), then ours: the reservation lock
//   page 2…     `max_entries` bytes of records, and as many again
//
// Positions only grow; a record starts at position & (max_entries - 1) and is contiguous: one that
// begins near the end goes on into the second half (the kernel maps its data twice instead), where
// nothing else is ever stored.
//
//   record: len u32 (bit 31 BUSY, bit 30 DISCARD) | pgoff u32 | len bytes | up to a multiple of 8
//
// While a record is BUSY, pgoff is its producer's BeeWord: a consumer that finds a record busy and
// its producer gone skips it. When it is submitted, pgoff is what the kernel puts there: pages from
// page 0.
//
// Freestanding.
#pragma once

#include <atomic>
#include <cstdint>

#include "base/robust_lock.h"
#include "base/shared.h"
#include "object/map_header.h"

namespace skep::maps {

inline constexpr uint32_t kRingBusy = 1u << 31, kRingDiscard = 1u << 30,
                          kRingLength = kRingDiscard - 1;
inline constexpr uint64_t kRingHeader = 8;
inline constexpr uint64_t kRingPage = 4096;

struct RingConsumerPage {
  hive::Shared<uint64_t> position;
};
struct RingProducerPage {
  hive::Shared<uint64_t> position;
  uint64_t reserved[7];
  hive::RobustLock lock;
  uint32_t unused;
  hive::Shared<uint64_t>
      consumed;  // the consumer's position as last seen under the lock: it may be behind
};
struct RingRecord {
  hive::Shared<uint32_t> length;
  hive::Shared<uint32_t> page_or_bee;
};
static_assert(sizeof(RingRecord) == kRingHeader);

inline RingConsumerPage& ring_consumer(const MapHeader& map) {
  return *reinterpret_cast<RingConsumerPage*>(map.data);
}
inline RingProducerPage& ring_producer(const MapHeader& map) {
  return *reinterpret_cast<RingProducerPage*>(map.data + kRingPage);
}
inline RingRecord& ring_record(const MapHeader& map, uint64_t position) {
  return *reinterpret_cast<RingRecord*>(map.values + (position & map.index_mask & ~uint64_t{7}));
}
inline uint64_t ring_step(uint64_t length) { return (length + kRingHeader + 7) & ~uint64_t{7}; }

}  // namespace skep::maps
