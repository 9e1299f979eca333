// bpf_timer_*() and bpf_wq_*(): rows of the hive's table (object/timers.h). Freestanding.
#include "object/timers.h"

#include "helpers/kfuncs.h"
#include "object/map_header.h"
#include "object/prog_header.h"

namespace skep::helpers {
namespace {

using timers::Row;
constexpr int64_t kEbusy = -16, kEdeadlk = -35;
constexpr uint32_t kRealtime = 0, kMonotonic = 1, kBoottime = 7, kMaxClocks = 16;
constexpr uint64_t kAbsolute = 1, kPinned = 2;

int64_t init(uint64_t field, uint64_t map, uint32_t clock) {
  auto& word = *pointer<std::atomic<uint64_t>>(field);
  if (word.load(std::memory_order_acquire) != 0) return kEbusy;
  Row* row = timers::take_row();
  if (row == nullptr) return kEnomem;
  row->map_id = pointer<const MapHeader>(map)->id;
  row->prog_id = 0;
  row->clock = clock;
  row->entry = 0;
  row->field = field;
  row->expires = 0;
  const auto number = static_cast<uint64_t>(row - timers::table()->rows) + 1;
  uint64_t none = 0;
  if (word.compare_exchange_strong(none, number)) return 0;
  row->field = 0;
  row->state.store(timers::kFree, std::memory_order_release);
  return kEbusy;
}

int64_t set_callback(uint64_t field, uint64_t entry, HelperContext* run) {
  Row* row = timers::row_of(field);
  if (row == nullptr) return kEinval;
  const auto* program = static_cast<const ProgHeader*>(run->program);
  row->prog_id = program != nullptr ? program->id : 0;
  row->entry = entry;
  return 0;
}

int64_t start(uint64_t field, uint32_t clock, uint64_t expires) {
  Row* row = timers::row_of(field);
  if (row == nullptr || row->entry == 0) return kEinval;
  row->clock = clock;
  row->expires = expires;
  row->state.store(timers::kArmed, std::memory_order_release);
  timers::wake_runner();
  return 0;
}

}  // namespace

// (struct bpf_timer *timer, map, u64 clock)
SKEP_HELPER(timer_init) {
  if (r3 >= kMaxClocks || (r3 != kRealtime && r3 != kMonotonic && r3 != kBoottime))
    return result(kEinval);
  return result(init(r1, r2, static_cast<uint32_t>(r3)));
}
SKEP_HELPER(timer_set_callback) { return result(set_callback(r1, r2, run)); }
// (struct bpf_timer *timer, u64 nsecs, u64 flags)
SKEP_HELPER(timer_start) {
  if ((r3 & ~(kAbsolute | kPinned)) != 0) return result(kEinval);
  const Row* row = timers::row_of(r1);
  if (row == nullptr) return result(kEinval);
  if ((r3 & kAbsolute) != 0) return result(start(r1, row->clock, r2));
  const uint64_t now = run->host->ktime_ns(run);
  const uint64_t longest = ~uint64_t{0} - now;
  return result(start(r1, kMonotonic, now + (r2 < longest ? r2 : longest)));
}
// 1 where it was armed. A callback that runs ends by itself; its own can't be waited for.
SKEP_HELPER(timer_cancel) {
  Row* row = timers::row_of(r1);
  if (row == nullptr) return result(kEinval);
  if (run->timer == r1) return result(kEdeadlk);
  uint32_t armed = timers::kArmed;
  const bool was_armed = row->state.compare_exchange_strong(armed, timers::kIdle);
  row->entry = 0;
  return was_armed ? 1 : 0;
}

// (struct bpf_wq *wq, map, unsigned flags)
SKEP_HELPER(bpf_wq_init) {
  if (static_cast<uint32_t>(r3) != 0) return result(kEinval);
  return result(init(r1, r2, kMonotonic));
}
SKEP_HELPER(bpf_wq_set_callback_impl) {
  if (static_cast<uint32_t>(r3) != 0) return result(kEinval);
  return result(set_callback(r1, r2, run));
}
SKEP_HELPER(bpf_wq_set_callback) { return bpf_wq_set_callback_impl(r1, r2, r3, 0, 0, run); }
SKEP_HELPER(bpf_wq_start) {
  if (static_cast<uint32_t>(r2) != 0) return result(kEinval);
  return result(start(r1, kMonotonic, 0));
}

}  // namespace skep::helpers
