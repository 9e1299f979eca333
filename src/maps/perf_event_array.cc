// BPF_MAP_TYPE_PERF_EVENT_ARRAY, the producers' side; perf_event_array.h draws it,
// control/perf_reader.cc consumes. The kernel's: kernel/trace/bpf_trace.c bpf_perf_event_output.
#include "maps/perf_event_array.h"

#include "maps/ring_helpers.h"
#include "maps/types.h"

namespace skep::maps {
namespace {

constexpr uint64_t kIndexMask = 0xffffffff, kCurrentCpu = 0xffffffff;
constexpr uint64_t kContextLengthMask = uint64_t{0xfffff} << 32;

struct Writer {
  unsigned char* data;
  uint64_t mask;
  uint64_t position;
  void put(const void* from, uint64_t size) {
    if (size == 0) return;
    const auto* in = static_cast<const unsigned char*>(from);
    uint64_t at = position & mask;
    uint64_t first = size < mask + 1 - at ? size : mask + 1 - at;
    hive::kill_point();
    __builtin_memcpy(data + at, in, first);
    __builtin_memcpy(data, in + first, size - first);
    position += size;
  }
};

int64_t output(const MapHeader& map, uint32_t slot, const void* raw, uint64_t size,
               const void* packet, uint64_t packet_size, HelperContext* context) {
  const PerfGeometry& geometry = perf_geometry(map);
  uint64_t raw_size =
      round_up(size + packet_size + 4, 8) - 4;  // with its own length a multiple of 8
  uint64_t total = kPerfSampleHeader + raw_size;
  if (total > 0xffff || total > geometry.ring_size) return kE2big;
  PerfPage& page = perf_page(map, slot);
  uint64_t head = page.head.load(std::memory_order_relaxed) & ~uint64_t{7};
  uint64_t tail = page.tail.load(std::memory_order_acquire);
  if (head - tail + total > geometry.ring_size) {
    page.lost.store(page.lost.load(std::memory_order_relaxed) + 1, std::memory_order_relaxed);
    return kEnospc;
  }
  struct {
    uint32_t type;
    uint16_t misc, size;
    uint64_t time;
    uint32_t raw_size;
  } __attribute__((packed)) header = {kPerfRecordSample, 0, static_cast<uint16_t>(total),
                                      context->host->ktime_ns(context),
                                      static_cast<uint32_t>(raw_size)};
  static_assert(sizeof header == kPerfSampleHeader);
  const uint64_t zero = 0;
  Writer writer{perf_data(map, slot), geometry.ring_size - 1, head};
  writer.put(&header, sizeof header);
  writer.put(raw, size);
  writer.put(packet, packet_size);
  writer.put(&zero, raw_size - size - packet_size);
  page.head.store(head + total);
  // The consumer stores its tail, then looks at the head; we the other way round.
  if (page.tail.load() == head) context->host->wake(context, &map);
  return 0;
}

}  // namespace

uint64_t perf_event_output(uint64_t, uint64_t map_address, uint64_t flags, uint64_t data,
                           uint64_t size, HelperContext* context) {
  const MapHeader& map = *reinterpret_cast<const MapHeader*>(map_address);
  uint64_t index = flags & kIndexMask;
  uint64_t context_length = 0;
  const void* packet = nullptr;
  if (context->packet != nullptr && context->packet->data != nullptr) {
    context_length = (flags & kContextLengthMask) >> 32;
    packet = context->packet->data;
    if (context_length > static_cast<uint64_t>(context->packet->data_end - context->packet->data))
      return static_cast<uint64_t>(kEfault);
    flags &= ~kContextLengthMask;
  }
  if ((flags & ~kIndexMask) != 0) return static_cast<uint64_t>(kEinval);
  // A slot is the CPU here. A map made for fewer CPUs than there are slots loses nothing.
  if (index == kCurrentCpu)
    index = context->slot;
  else if (index >= map.max_entries)
    return static_cast<uint64_t>(kE2big);
  if (perf_geometry(map).readers.load(std::memory_order_relaxed) == 0)
    return static_cast<uint64_t>(kEnoent);
  if (index != context->slot) return static_cast<uint64_t>(kEopnotsupp);
  return static_cast<uint64_t>(output(map, context->slot, reinterpret_cast<const void*>(data), size,
                                      packet, context_length, context));
}

// Elements are perf events of the user side; programs have no element commands here.
const MapOps kPerfEventArrayOps = {
    [](const MapHeader&, const void*, Bee) -> void* { return nullptr; },
    [](const MapHeader&, const void*, const void*, uint64_t, Bee) { return kEinval; },
    [](const MapHeader&, const void*, Bee) { return kEinval; },
    [](const MapHeader& map, const void* key, void* next, Bee bee) {
      return kArrayOps.next_key(map, key, next, bee);
    },
    nullptr,
    nullptr,
    nullptr,
    nullptr};

}  // namespace skep::maps
