// The consumer of a ring buffer: see ../ringbuf.h. The producers' memory is hostile: positions and lengths are checked, a
// sample is copied before it is looked at, and what can't be made sense of is skipped up to the producer's position.
#include <atomic>
#include <cstring>

#include "maps/control/events.h"
#include "maps/ringbuf.h"

namespace skep::maps {

RingReader::RingReader(const MapHeader& map)
    : map_(map), position_(ring_consumer(map).position.load(std::memory_order_acquire) & ~uint64_t{7}) {}

bool RingReader::pending() const { return ring_producer(map_).position.load() != position_; }

size_t RingReader::consume(const Callback& callback, size_t limit) {
  size_t consumed = 0;
  bool go_on = true;
  while (go_on && consumed < limit) {
    uint64_t produced = ring_producer(map_).position.load(std::memory_order_acquire);
    if (produced == position_) break;
    uint64_t available = produced - position_;
    if (available > map_.max_entries || produced % 8 != 0) {
      ++resyncs_;
      position_ = produced & ~uint64_t{7};
      ring_consumer(map_).position.store(position_);
      break;
    }
    RingRecord& record = ring_record(map_, position_);
    uint32_t word = record.length.load(std::memory_order_acquire);
    uint64_t length = word & kRingLength;
    if (ring_step(length) > available) {
      ++resyncs_;
      position_ = produced;
      ring_consumer(map_).position.store(position_);
      continue;
    }
    if ((word & kRingBusy) != 0) {
      if (!hive::bee_is_gone(record.page_or_bee.load(std::memory_order_relaxed))) break;
      // It may have been submitted just before its producer left.
      std::atomic_thread_fence(std::memory_order_acquire);
      word = record.length.load(std::memory_order_acquire);
      if ((word & kRingBusy) != 0) {
        ++dead_records_;
        position_ += ring_step(length);
        ring_consumer(map_).position.store(position_);
      }
      continue;
    }
    if ((word & kRingDiscard) == 0) {
      const auto* sample = reinterpret_cast<const std::byte*>(&record) + kRingHeader;
      sample_.assign(sample, sample + length);
      ++consumed;
      go_on = callback(sample_);
    }
    position_ += ring_step(length);
    // Before the next look at the producer's: whoever commits at our position wakes us (ringbuf.cc).
    ring_consumer(map_).position.store(position_);
  }
  return consumed;
}

}  // namespace skep::maps
