// The consumer of a ring buffer: see ../ringbuf.h. The producers' memory is hostile: positions and
// lengths are checked, a sample is copied before it is looked at, and what can't be made sense of
// is skipped up to the producer's position.
#include <atomic>
#include <cstring>

#include "maps/control/events.h"
#include "maps/ringbuf.h"

namespace skep::maps {

RingReader::RingReader(const MapHeader& map)
    : map_(map),
      position_(ring_consumer(map).position.load(std::memory_order_acquire) & ~uint64_t{7}) {}

bool RingReader::pending() const { return ring_producer(map_).position.load() != position_; }

size_t RingReader::consume(const Callback& callback, size_t limit) {
  // Our position goes to the producers now and then, not at every record: they read it at each of
  // theirs.
  constexpr uint64_t kPublishEvery = 64;
  auto& shared_position = ring_consumer(map_).position;
  size_t consumed = 0;
  uint64_t unpublished = 0, produced = position_;
  bool go_on = true;
  // A producer that discards for ever, or rewrites what we look at, does not keep us: one turn looks at as many
  // records as the ring can hold, twice.
  uint64_t looks_left = 2 * (map_.max_entries / kRingHeader) + 2;
  while (go_on && consumed < limit && looks_left-- > 0) {
    if (position_ == produced) {
      // Before this look at the producer's position: whoever commits at ours wakes us (ringbuf.cc).
      if (unpublished != 0) shared_position.store(position_);
      unpublished = 0;
      produced = ring_producer(map_).position.load();
      if (produced == position_) break;
      if (produced - position_ > map_.max_entries || produced % 8 != 0) {
        ++resyncs_;
        position_ = produced & ~uint64_t{7};
        shared_position.store(position_);
        break;
      }
    }
    RingRecord& record = ring_record(map_, position_);
    uint32_t word = record.length.load(std::memory_order_acquire);
    uint64_t length = word & kRingLength;
    if (ring_step(length) > produced - position_) {
      ++resyncs_;
      position_ = produced;
      ++unpublished;
      continue;
    }
    if ((word & kRingBusy) != 0) {
      // Seen by the producer before it decides whether to wake us, or we see its record done.
      shared_position.store(position_);
      unpublished = 0;
      bool gone = hive::bee_is_gone(record.page_or_bee.load(std::memory_order_relaxed));
      // It may have been submitted just before its producer left.
      word = record.length.load();
      if ((word & kRingBusy) != 0 && !gone) break;
      if ((word & kRingBusy) != 0) {
        ++dead_records_;
        word |= kRingDiscard;
      }
      length = word & kRingLength;
      if (ring_step(length) > produced - position_) continue;
    }
    if ((word & kRingDiscard) == 0) {
      const auto* sample = reinterpret_cast<const std::byte*>(&record) + kRingHeader;
      sample_.assign(sample, sample + length);
      ++consumed;
      go_on = callback(sample_);
    }
    position_ += ring_step(length);
    if (++unpublished >= kPublishEvery) {
      shared_position.store(position_, std::memory_order_release);
      unpublished = 0;
    }
  }
  if (unpublished != 0) shared_position.store(position_);
  return consumed;
}

}  // namespace skep::maps
