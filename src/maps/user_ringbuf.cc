// BPF_MAP_TYPE_USER_RINGBUF: user space produces, programs drain. The memory is a ring buffer's (ringbuf.h), the
// roles the other way round. The kernel's: kernel/bpf/ringbuf.c bpf_user_ringbuf_drain.
//
// One bee at a time drains, under a robust lock that it holds while the callbacks run. The consumer's position
// moves over a sample after its callback: where the bee is killed in it, the next one sees the sample again.
// The lock needs no repair.
#include "maps/ring_helpers.h"
#include "maps/ringbuf.h"
#include "maps/types.h"
#include "object/dynptr.h"

namespace skep::maps {
namespace {

constexpr uint64_t kNoWakeup = 1, kForceWakeup = 2;  // BPF_RB_*
constexpr uint32_t kMostSamples = 128 * 1024;        // in one drain: BPF_MAX_USER_RINGBUF_SAMPLES
constexpr int64_t kEagain = -11, kEnodata = -61;

struct Sample {
  uint64_t address, step;
  uint32_t size;
};

// The next sample. -ENODATA: there is none, or it is being written; -EAGAIN: it was discarded and is passed.
// Every word is the producer's, who may write anything: the length is read once.
int64_t peek(const MapHeader& map, Sample& sample) {
  uint64_t produced = ring_producer(map).position.load(std::memory_order_acquire);
  if (produced % 8 != 0) return kEinval;
  auto& position = ring_consumer(map).position;
  uint64_t consumed = position.load(std::memory_order_relaxed) & ~uint64_t{7};
  if (consumed >= produced) return kEnodata;
  RingRecord& record = ring_record(map, consumed);
  uint32_t word = record.length.load(std::memory_order_acquire);
  uint32_t length = word & kRingLength;
  uint64_t step = ring_step(length);
  if (step > produced - consumed) return kEinval;
  if (step > map.max_entries) return kE2big;
  if (length > Dynptr::kLargest) return kE2big;
  if ((word & kRingDiscard) != 0) {
    position.store(consumed + step, std::memory_order_release);
    return kEagain;
  }
  if ((word & kRingBusy) != 0) return kEnodata;
  sample = {reinterpret_cast<uint64_t>(&record) + kRingHeader, step, length};
  return 0;
}

int64_t drain(const MapHeader& map, uint64_t callback, uint64_t argument, uint64_t flags,
              HelperContext* context) {
  int64_t samples = 0;
  int64_t failed = 0;
  bool go_on = true;
  for (uint32_t i = 0; i < kMostSamples && go_on; ++i) {
    Sample sample;
    int64_t found = peek(map, sample);
    if (found == kEnodata) break;
    if (found == kEagain) continue;
    if (found != 0) {
      failed = found;
      break;
    }
    ++samples;
    Dynptr dynptr{sample.address, 0, sample.size | Dynptr::kLocal};
    go_on = context->call_bpf(context, callback, reinterpret_cast<uint64_t>(&dynptr), argument, 0,
                              0, 0) == 0;
    auto& position = ring_consumer(map).position;
    position.store(position.load(std::memory_order_relaxed) + sample.step,
                   std::memory_order_release);
  }
  // Producers wait for room.
  if ((flags & kForceWakeup) != 0 || (samples > 0 && (flags & kNoWakeup) == 0))
    context->host->wake(context, &map);
  return failed != 0 ? failed : samples;
}

}  // namespace

// (void *map, void *callback_fn, void *ctx, u64 flags): how many samples the callback saw. The callback gets
// (struct bpf_dynptr *, ctx) and ends the drain by returning 1.
uint64_t user_ringbuf_drain(uint64_t address, uint64_t callback, uint64_t argument, uint64_t flags,
                            uint64_t, HelperContext* context) {
  if ((flags & ~(kNoWakeup | kForceWakeup)) != 0) return static_cast<uint64_t>(kEinval);
  const MapHeader& map = *reinterpret_cast<const MapHeader*>(address);
  hive::RobustLock& lock = ring_producer(map).lock;
  if (lock.try_lock(bee_in(context->slot).word) == hive::Locked::kBusy)
    return static_cast<uint64_t>(kEbusy);
  int64_t result = drain(map, callback, argument, flags, context);
  lock.unlock();
  return static_cast<uint64_t>(result);
}

}  // namespace skep::maps
