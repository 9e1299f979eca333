// Consumers of ring buffers and perf event arrays: what a program sent, in order. Library only.
// Every position and length that is read from shared memory is checked; a scribbled ring is
// resynchronised and counted, never trusted.
#pragma once

#include <chrono>
#include <cstdint>
#include <functional>
#include <vector>

#include "base/bytes.h"
#include "base/hive.h"
#include "base/result.h"
#include "object/map_header.h"

namespace skep::maps {

// One consumer of one BPF_MAP_TYPE_RINGBUF. Not thread-safe.
class RingReader {
 public:
  // The sample, copied: valid until the callback returns. False stops the poll after this one.
  using Callback = std::function<bool(ByteSpan sample)>;

  explicit RingReader(const MapHeader& map);
  // Hands over what is there, at most `limit` samples, without waiting: how many.
  size_t consume(const Callback& callback, size_t limit = SIZE_MAX);
  [[nodiscard]] uint64_t dead_records() const {
    return dead_records_;
  }  // producer was killed before submit
  [[nodiscard]] uint64_t resyncs() const { return resyncs_; }  // nonsense was found and skipped
  // Something is there that consume() would look at (it may be busy still).
  [[nodiscard]] bool pending() const;

 private:
  MapHeader map_;
  uint64_t position_;
  std::vector<std::byte> sample_;
  uint64_t dead_records_ = 0, resyncs_ = 0;
};

// All slots' rings of one BPF_MAP_TYPE_PERF_EVENT_ARRAY, merged by time. Programs can output as
// long as one exists.
class PerfReader {
 public:
  struct Event {
    ByteSpan sample;    // copied: valid until the callback returns
    uint32_t cpu = 0;   // slot
    uint64_t time = 0;  // CLOCK_MONOTONIC ns at output
  };
  using Callback = std::function<bool(const Event&)>;
  using LostCallback = std::function<void(uint32_t cpu, uint64_t count)>;

  PerfReader(Hive& hive, MapHeader& map);
  ~PerfReader();
  PerfReader(const PerfReader&) = delete;
  PerfReader& operator=(const PerfReader&) = delete;
  size_t consume(const Callback& callback, const LostCallback& lost = {}, size_t limit = SIZE_MAX);
  [[nodiscard]] bool pending() const;

 private:
  struct Ring {
    uint64_t tail = 0;
    uint64_t lost_seen = 0;
  };
  MapHeader* shared_;
  MapHeader map_;
  std::vector<Ring> rings_;
  std::vector<std::byte> sample_;
};

// Sleeps until a producer wakes consumers (any ring of the hive) or the time is over; returns at
// once where `ready` says that something is there. Never sleeps longer than 100 ms at a stretch: a
// wake-up may be scribbled away.
void wait_for_events(const std::function<bool()>& ready, std::chrono::milliseconds limit);

}  // namespace skep::maps
