// BPF_MAP_TYPE_RINGBUF, the producers' side; ringbuf.h draws it, control/ring_reader.cc consumes.
// The kernel's: kernel/bpf/ringbuf.c (semantics, flags, when to wake).
//
// Reserving, under the robust lock: the record's header is written (busy, by this bee) before the
// producer position moves over it by one store. Killed before that: the next one overwrites it.
// Killed after: the record is busy and its producer gone, which the consumer sees. The lock
// protects nothing else and needs no repair.
#include "maps/ringbuf.h"

#include "base/shared.h"
#include "maps/ring_helpers.h"
#include "maps/types.h"
#include "object/dynptr.h"

namespace skep::maps {
namespace {

constexpr uint64_t kNoWakeup = 1, kForceWakeup = 2;  // BPF_RB_*

MapHeader* map_at(uint64_t address) { return reinterpret_cast<MapHeader*>(address); }

// The address of the sample, or 0.
uint64_t reserve(const MapHeader& map, uint64_t size, Bee bee) {
  if (size > kRingLength || ring_step(size) > map.max_entries) return 0;
  uint64_t step = ring_step(size);
  RingProducerPage& producer = ring_producer(map);
  if (producer.lock.lock(bee.word) == hive::Locked::kBusy) return 0;
  uint64_t position = producer.position.load(std::memory_order_relaxed) & ~uint64_t{7};
  if (position + step - producer.consumed.load(std::memory_order_relaxed) > map.max_entries) {
    uint64_t consumed = ring_consumer(map).position.load(std::memory_order_acquire);
    if (position + step - consumed > map.max_entries) {
      producer.lock.unlock();
      return 0;
    }
    producer.consumed.store(consumed, std::memory_order_relaxed);
  }
  RingRecord& record = ring_record(map, position);
  record.length.store(static_cast<uint32_t>(size) | kRingBusy, std::memory_order_relaxed);
  record.page_or_bee.store(bee.word, std::memory_order_relaxed);
  producer.position.store(position + step, std::memory_order_release);
  producer.lock.unlock();
  return reinterpret_cast<uint64_t>(&record) + kRingHeader;
}

void commit(const MapHeader& map, uint64_t sample, uint64_t flags, bool discard,
            HelperContext* context) {
  auto* record = reinterpret_cast<RingRecord*>(sample - kRingHeader);
  uint64_t offset = sample - kRingHeader - map.values;
  uint32_t length = record->length.load(std::memory_order_relaxed) & kRingLength;
  if (discard) length |= kRingDiscard;
  // Both words by one store: a consumer that saw the page where a bee was, and the record busy still, would take the
  // producer for dead and skip the record.
  auto& header = *reinterpret_cast<hive::Shared<uint64_t>*>(record);
  const uint64_t done = length | (offset + 2 * kRingPage) / kRingPage << 32;
  if ((flags & kNoWakeup) != 0) {
    header.store(done, std::memory_order_release);
    return;
  }
  // Against the consumer: it stores its position, then looks at the record; we the other way round.
  // So one sees the other.
  header.exchange(done);
  uint64_t consumed = ring_consumer(map).position.load() & map.index_mask;
  if ((flags & kForceWakeup) != 0 || consumed == offset) context->host->wake(context, &map);
}

// The ring whose memory holds the sample: the run's last one, or any that the control segment
// names.
const MapHeader* ring_of(uint64_t sample, HelperContext* context) {
  auto holds = [&](const MapHeader* map) {
    return map->magic == kMapMagic &&
           map->type == static_cast<uint32_t>(MapType::BPF_MAP_TYPE_RINGBUF) &&
           sample >= map->values + kRingHeader &&
           sample < map->values + map->max_entries + kRingHeader;
  };
  if (context->ring != nullptr && holds(static_cast<const MapHeader*>(context->ring)))
    return static_cast<const MapHeader*>(context->ring);
  uint32_t used = hive::control_header().objects_used.load(std::memory_order_acquire);
  for (uint32_t i = 0; i < used && i < hive::kMaxObjects; ++i) {
    hive::ObjectEntry& entry = hive::directory()[i];
    if (entry.kind.load(std::memory_order_acquire) != static_cast<uint32_t>(hive::ObjectKind::kMap))
      continue;
    const MapHeader* map = map_at(entry.address);
    if (holds(map)) return map;
  }
  return nullptr;
}

void finish(uint64_t sample, uint64_t flags, bool discard, HelperContext* context) {
  if (const MapHeader* map = ring_of(sample, context))
    commit(*map, sample, flags, discard, context);
}

}  // namespace

uint64_t ringbuf_reserve(uint64_t map, uint64_t size, uint64_t flags, uint64_t, uint64_t,
                         HelperContext* context) {
  if (flags != 0) return 0;
  context->ring = map_at(map);
  return reserve(*map_at(map), size, bee_in(context->slot));
}

uint64_t ringbuf_submit(uint64_t sample, uint64_t flags, uint64_t, uint64_t, uint64_t,
                        HelperContext* context) {
  finish(sample, flags, false, context);
  return 0;
}

uint64_t ringbuf_discard(uint64_t sample, uint64_t flags, uint64_t, uint64_t, uint64_t,
                         HelperContext* context) {
  finish(sample, flags, true, context);
  return 0;
}

uint64_t ringbuf_output(uint64_t map, uint64_t data, uint64_t size, uint64_t flags, uint64_t,
                        HelperContext* context) {
  if ((flags & ~(kNoWakeup | kForceWakeup)) != 0) return static_cast<uint64_t>(kEinval);
  uint64_t sample = reserve(*map_at(map), size, bee_in(context->slot));
  if (sample == 0) return static_cast<uint64_t>(int64_t{-11});  // EAGAIN
  hive::kill_point();
  __builtin_memcpy(reinterpret_cast<void*>(sample), reinterpret_cast<const void*>(data), size);
  commit(*map_at(map), sample, flags, false, context);
  return 0;
}

// (void *ringbuf, u32 size, u64 flags, struct bpf_dynptr *ptr): the dynptr is null where it fails, and is to be
// submitted or discarded all the same.
uint64_t ringbuf_reserve_dynptr(uint64_t map, uint64_t size, uint64_t flags, uint64_t to, uint64_t,
                                HelperContext* context) {
  auto* made = reinterpret_cast<Dynptr*>(to);
  *made = {};
  size = static_cast<uint32_t>(size);
  if (flags != 0) return static_cast<uint64_t>(kEinval);
  if (size > Dynptr::kLargest) return static_cast<uint64_t>(kE2big);
  uint64_t sample = ringbuf_reserve(map, size, 0, 0, 0, context);
  if (sample == 0) return static_cast<uint64_t>(kEinval);
  *made = {sample, 0, static_cast<uint32_t>(size) | Dynptr::kRingbuf};
  return 0;
}

namespace {
void finish_dynptr(uint64_t address, uint64_t flags, bool discard, HelperContext* context) {
  auto* given = reinterpret_cast<Dynptr*>(address);
  if (given->data == 0) return;
  finish(given->data, flags, discard, context);
  *given = {};
}
}  // namespace

uint64_t ringbuf_submit_dynptr(uint64_t dynptr, uint64_t flags, uint64_t, uint64_t, uint64_t,
                               HelperContext* context) {
  finish_dynptr(dynptr, flags, false, context);
  return 0;
}

uint64_t ringbuf_discard_dynptr(uint64_t dynptr, uint64_t flags, uint64_t, uint64_t, uint64_t,
                                HelperContext* context) {
  finish_dynptr(dynptr, flags, true, context);
  return 0;
}

uint64_t ringbuf_query(uint64_t map, uint64_t what, uint64_t, uint64_t, uint64_t, HelperContext*) {
  const MapHeader& ring = *map_at(map);
  uint64_t produced = ring_producer(ring).position.load(std::memory_order_acquire);
  uint64_t consumed = ring_consumer(ring).position.load(std::memory_order_acquire);
  switch (what) {  // BPF_RB_AVAIL_DATA, RING_SIZE, CONS_POS, PROD_POS
    case 0: return produced - consumed;
    case 1: return ring.max_entries;
    case 2: return consumed;
    case 3: return produced;
  }
  return 0;
}

// No elements: every element command is refused as the kernel does.
const MapOps kRingbufOps = {
    [](const MapHeader&, const void*, Bee) -> void* { return nullptr; },
    [](const MapHeader&, const void*, const void*, uint64_t, Bee) { return kEnotsupp; },
    [](const MapHeader&, const void*, Bee) { return kEnotsupp; },
    [](const MapHeader&, const void*, void*, Bee) { return kEnotsupp; },
    nullptr,
    nullptr,
    nullptr,
    nullptr};

}  // namespace skep::maps
