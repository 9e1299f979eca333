// A row of the table (object/timers.h) is any process's to scribble on: it only says which callback of which
// program it means, with which element of which map. All of it is looked up in what this process keeps; a row
// that names something else is left alone.
//
// Callbacks run one after the other, each in a slot, by the interpreter: `entry` may be native code's address or an
// interpreter's, and is turned into the subprogram that it begins. A callback may arm its own timer again.
#include "runtime/timers.h"

#include <linux/futex.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#include <algorithm>
#include <cstring>
#include <optional>

#include "maps/hash_table.h"
#include "object/task_view.h"
#include "object/timers.h"
#include "runtime/fault_guard.h"
#include "runtime/host.h"
#include "runtime/runtime.h"

namespace skep::runtime {
namespace {

uint64_t now_ns(uint32_t clock) {
  timespec now{};
  ::clock_gettime(clock == CLOCK_REALTIME || clock == CLOCK_BOOTTIME ? static_cast<clockid_t>(clock)
                                                                     : CLOCK_MONOTONIC,
                  &now);
  return static_cast<uint64_t>(now.tv_sec) * 1'000'000'000 + static_cast<uint64_t>(now.tv_nsec);
}

// The element whose value has `field` in it, by its key; none where there is no such.
struct Element {
  std::vector<std::byte> key;
  uint64_t value = 0;
};
std::optional<Element> element_of(const MapHeader& map, uint64_t field) {
  if (map.fields == 0) return std::nullopt;
  const auto& fields = *reinterpret_cast<const ValueFields*>(map.fields);
  Element found;
  found.key.resize(map.key_size);
  auto has_timer_at = [&](uint64_t offset) {
    for (uint32_t i = 0; i < fields.count; ++i) {
      const ValueField& one = fields.fields[i];
      if (one.offset == offset &&
          (one.kind == FieldKind::timer || one.kind == FieldKind::workqueue))
        return true;
    }
    return false;
  };
  if (map.type == static_cast<uint32_t>(MapType::BPF_MAP_TYPE_ARRAY)) {
    if (field < map.values) return std::nullopt;
    const uint64_t index = (field - map.values) / map.value_stride;
    if (index >= map.max_entries || !has_timer_at((field - map.values) % map.value_stride))
      return std::nullopt;
    const auto key = static_cast<uint32_t>(index);
    std::memcpy(found.key.data(), &key, sizeof key);
    found.value = map.values + index * map.value_stride;
    return found;
  }
  const maps::HashTable table(map);
  const HashGeometry& geometry = table.geometry();
  if (geometry.value_offset == 0 || field < geometry.elements) return std::nullopt;
  const uint64_t index = (field - geometry.elements) / geometry.element_stride;
  const uint64_t within = (field - geometry.elements) % geometry.element_stride;
  if (index >= geometry.total || within < geometry.value_offset ||
      !has_timer_at(within - geometry.value_offset))
    return std::nullopt;
  maps::Element& element = table.element(static_cast<uint32_t>(index));
  if (element.state.load(std::memory_order_acquire) != maps::kPublished) return std::nullopt;
  std::memcpy(found.key.data(), element.key(), map.key_size);
  found.value = reinterpret_cast<uint64_t>(table.value(static_cast<uint32_t>(index), 0));
  return found;
}

}  // namespace

TimerRunner::TimerRunner(Runtime& runtime) : runtime_(runtime), thread_([this] { work(); }) {}

TimerRunner::~TimerRunner() {
  stopping_.store(true);
  timers::wake_runner();
  thread_.join();
}

void TimerRunner::work() {
  timers::Table& table = *timers::table();
  while (!stopping_.load()) {
    const uint32_t seen = table.wake.load();
    uint64_t soonest = ~uint64_t{0};
    const uint32_t used = std::min(table.used.load(), timers::kRows);
    for (uint32_t i = 0; i < used && !stopping_.load(); ++i) {
      timers::Row& row = table.rows[i];
      if (row.state.load(std::memory_order_acquire) != timers::kArmed) continue;
      const uint64_t expires = row.expires, now = now_ns(row.clock);
      if (expires > now) {
        soonest = std::min(soonest, expires - now);
        continue;
      }
      uint32_t armed = timers::kArmed;
      if (!row.state.compare_exchange_strong(armed, timers::kFiring)) continue;
      fire(i);
      uint32_t firing = timers::kFiring;  // unless it was armed again, or its value went
      row.state.compare_exchange_strong(firing, timers::kIdle);
      soonest = 0;  // look again: it may have been armed for an instant that has passed
    }
    if (soonest == 0 || stopping_.load()) continue;
    timespec wait{};
    wait.tv_sec = static_cast<time_t>(std::min<uint64_t>(soonest / 1'000'000'000, 1'000'000));
    wait.tv_nsec = static_cast<long>(soonest % 1'000'000'000);
    ::syscall(SYS_futex, &table.wake, FUTEX_WAIT, seen, soonest == ~uint64_t{0} ? nullptr : &wait,
              nullptr, 0);
  }
}

void TimerRunner::fire(uint32_t number) {
  const timers::Row& row = timers::table()->rows[number];
  const uint64_t entry = row.entry, field = row.field;
  auto program = runtime_.find_program(row.prog_id);
  auto map = runtime_.find_map(row.map_id);
  if (!program || !map || entry == 0) return;
  const auto subprogram = program->callback_at(entry);
  if (!subprogram) return;
  const VerifiedProgram& verified = program->verified();
  const bool verified_for_it =
      std::ranges::any_of(verified.subprograms()[*subprogram].async_maps, [&](uint32_t index) {
        return index < verified.maps().size() && verified.maps()[index].id == map->id();
      });
  if (!verified_for_it) return;
  auto element = element_of(map->header(), field);
  if (!element) return;
  auto interpreter = program->interpreter();
  HeldSlot slot;
  if (!interpreter || !slot) return;
  TaskInfo task;
  TaskView view;
  HelperContext context;
  context.host = &in_process_host();
  context.slot = slot.slot();
  context.program = &program->header();
  context.task = &task;
  context.host_data = &view;
  context.random_state = now_ns(CLOCK_MONOTONIC);
  context.timer = field;
  context.fuel = program->header().fuel;
  const uint64_t arguments[5] = {reinterpret_cast<uint64_t>(&map->header()),
                                 reinterpret_cast<uint64_t>(element->key.data()), element->value, 0,
                                 0};
  (void)(*interpreter)->call(verified.subprograms()[*subprogram].start, arguments, &context);
}

}  // namespace skep::runtime
