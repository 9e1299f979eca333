// The consumer of a perf event array: merges the slots' rings by time. See ../perf_event_array.h;
// all that is read from the rings is checked, and a ring that makes no sense is skipped to its
// head.
#include <time.h>

#include <algorithm>
#include <climits>
#include <cstring>

#include "maps/control/events.h"
#include "maps/perf_event_array.h"

namespace skep::maps {
namespace {

std::atomic_ref<uint64_t> readers(MapHeader& map) {
  return std::atomic_ref(map.extra[offsetof(PerfGeometry, readers) / 8]);
}

void copy_out(const MapHeader& map, uint32_t slot, uint64_t position, void* to, uint64_t size) {
  uint64_t ring = perf_geometry(map).ring_size;
  uint64_t at = position & (ring - 1);
  uint64_t first = std::min(size, ring - at);
  std::memcpy(to, perf_data(map, slot) + at, first);
  std::memcpy(static_cast<std::byte*>(to) + first, perf_data(map, slot), size - first);
}

struct Header {
  uint32_t type;
  uint16_t misc, size;
  uint64_t time;
  uint32_t raw_size;
} __attribute__((packed));
static_assert(sizeof(Header) == kPerfSampleHeader);

}  // namespace

PerfReader::PerfReader(Hive& hive, MapHeader& map)
    : shared_(hive.controls() ? &map : nullptr), rings_(map.slots) {
  std::memcpy(&map_, &map, sizeof map_);
  for (uint32_t slot = 0; slot < map_.slots; ++slot) {
    rings_[slot].tail = perf_page(map_, slot).tail.load() & ~uint64_t{7};
    rings_[slot].lost_seen = perf_page(map_, slot).lost.load();
  }
  if (shared_ != nullptr) readers(*shared_).fetch_add(1);
}

PerfReader::~PerfReader() {
  if (shared_ != nullptr) readers(*shared_).fetch_sub(1);
}

bool PerfReader::pending() const {
  for (uint32_t slot = 0; slot < map_.slots; ++slot)
    if (perf_page(map_, slot).head.load() != rings_[slot].tail) return true;
  return false;
}

size_t PerfReader::consume(const Callback& callback, const LostCallback& lost, size_t limit) {
  const uint64_t ring_size = perf_geometry(map_).ring_size;
  // The heads as they are now: what comes later waits for the next call, so that each call's events
  // are in order.
  std::vector<uint64_t> heads(map_.slots);
  for (uint32_t slot = 0; slot < map_.slots; ++slot) {
    PerfPage& page = perf_page(map_, slot);
    heads[slot] = page.head.load(std::memory_order_acquire);
    if (heads[slot] - rings_[slot].tail > ring_size || heads[slot] % 8 != 0) {
      rings_[slot].tail = heads[slot] &= ~uint64_t{7};
      page.tail.store(rings_[slot].tail);
    }
    uint64_t count = page.lost.load(std::memory_order_relaxed);
    if (count != rings_[slot].lost_seen && lost) lost(slot, count - rings_[slot].lost_seen);
    rings_[slot].lost_seen = count;
  }
  std::vector<Header> next(map_.slots);
  auto peek = [&](uint32_t slot) {
    Ring& ring = rings_[slot];
    while (ring.tail != heads[slot]) {
      uint64_t available = heads[slot] - ring.tail;
      Header& header = next[slot];
      if (available >= sizeof header) copy_out(map_, slot, ring.tail, &header, sizeof header);
      bool whole = available >= sizeof header && header.size >= sizeof header &&
                   header.size % 8 == 0 && header.size <= available;
      if (whole && header.type == kPerfRecordSample &&
          header.raw_size <= header.size - sizeof header)
        return true;
      ring.tail =
          whole ? ring.tail + header.size : heads[slot];  // another kind of record, or nonsense
      perf_page(map_, slot).tail.store(ring.tail);
    }
    return false;
  };
  std::vector<uint32_t> live;
  for (uint32_t slot = 0; slot < map_.slots; ++slot)
    if (peek(slot)) live.push_back(slot);

  size_t consumed = 0;
  while (!live.empty() && consumed < limit) {
    auto oldest = std::min_element(live.begin(), live.end(), [&](uint32_t a, uint32_t b) {
      return next[a].time < next[b].time;
    });
    uint32_t slot = *oldest;
    const Header& header = next[slot];
    sample_.resize(header.raw_size);
    copy_out(map_, slot, rings_[slot].tail + sizeof header, sample_.data(), header.raw_size);
    rings_[slot].tail += header.size;
    Event event{sample_, slot, header.time};
    perf_page(map_, slot).tail.store(rings_[slot].tail);
    if (!peek(slot)) live.erase(oldest);
    ++consumed;
    if (!callback(event)) break;
  }
  return consumed;
}

void wait_for_events(const std::function<bool()>& ready, std::chrono::milliseconds limit) {
  constexpr long kFutexWait = 0;
  constexpr std::chrono::milliseconds kStretch{100};
  hive::SlotTable& table = hive::slot_table();
  const auto end = std::chrono::steady_clock::now() + limit;
  for (;;) {
    uint32_t seen = table.wake.load();
    table.sleepers.fetch_add(1);
    bool is_ready = ready();
    auto left = std::chrono::duration_cast<std::chrono::nanoseconds>(
        end - std::chrono::steady_clock::now());
    if (!is_ready && left.count() > 0) {
      auto stretch = std::min<std::chrono::nanoseconds>(left, kStretch);
      timespec timeout{0, static_cast<long>(stretch.count())};
      raw::syscall(raw::kFutex, reinterpret_cast<long>(&table.wake), kFutexWait,
                   static_cast<long>(seen), reinterpret_cast<long>(&timeout));
    }
    table.sleepers.fetch_sub(1);
    if (is_ready || left.count() <= 0 || ready()) return;
    if (table.wake.load() != seen) return;  // somebody wants the consumer to look
  }
}

}  // namespace skep::maps
