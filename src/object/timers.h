// bpf_timer and bpf_wq: a table of the hive's, one row a timer; the value has the row's number + 1 in its first
// word. Any bee arms a row; the controlling process sleeps until the first is due and runs its callback
// (runtime/timers.cc). docs/decisions/0019 says why there. Freestanding, header only.
//
// A row's life: free → idle (init) → armed (start) → firing (the controller) → idle. Kill-safe: each step is one
// store of `state`; a row whose value does not name it is nobody's and taken again.
#pragma once

#include <atomic>

#include "base/hive_control.h"
#include "base/raw_syscall.h"

namespace skep::timers {

inline constexpr uint32_t kFree = 0, kIdle = 1, kArmed = 2, kFiring = 3;
inline constexpr uint32_t kRows = 4096;

struct Row {
  std::atomic<uint32_t> state;
  uint32_t map_id;
  uint32_t prog_id;
  uint32_t clock;    // CLOCK_MONOTONIC, CLOCK_REALTIME, CLOCK_BOOTTIME: what `expires` counts
  uint64_t entry;    // the callback, as the program had it in a register; 0: none
  uint64_t field;    // address of the bpf_timer or bpf_wq
  uint64_t offset;   // of the field in its value
  uint64_t expires;  // ns
  uint64_t unused[2];
};
static_assert(sizeof(Row) == 64);

// In the data segment; at hive::Root::kTimers its Layout in the control segment.
struct Table {
  std::atomic<uint32_t> wake;  // futex: something was armed
  std::atomic<uint32_t> used;  // rows ever used: where a scan may stop
  std::atomic<uint32_t> hint;
  uint32_t reserved[13];
  Row rows[kRows];
};
struct Layout {
  uint64_t table;
};

inline Table* table() {
  const uint64_t at = hive::root(hive::Root::kTimers);
  return at == 0 ? nullptr : reinterpret_cast<Table*>(reinterpret_cast<const Layout*>(at)->table);
}
// The row that a field names; null: none, or one that is another's.
inline Row* row_of(uint64_t field) {
  Table* all = table();
  const uint64_t number =
      reinterpret_cast<std::atomic<uint64_t>*>(field)->load(std::memory_order_acquire);
  if (all == nullptr || number == 0 || number > kRows) return nullptr;
  Row* row = &all->rows[number - 1];
  return row->field == field && row->state.load(std::memory_order_acquire) != kFree ? row : nullptr;
}
inline bool is_nobodys(const Row& row, uint64_t number) {
  if (row.state.load(std::memory_order_relaxed) == kFiring) return false;
  return !hive::in_data(row.field, 8) || row.field % 8 != 0 ||
         reinterpret_cast<std::atomic<uint64_t>*>(row.field)->load(std::memory_order_relaxed) !=
             number;
}
inline Row* take_row() {
  Table* all = table();
  if (all == nullptr) return nullptr;
  for (uint32_t pass = 0; pass < 2; ++pass) {
    const uint32_t start = all->hint.load(std::memory_order_relaxed);
    for (uint32_t i = 0; i < kRows; ++i) {
      const uint32_t at = (start + i) % kRows;
      Row& row = all->rows[at];
      uint32_t state = row.state.load(std::memory_order_relaxed);
      if (state != kFree && (pass == 0 || !is_nobodys(row, at + 1))) continue;
      if (!row.state.compare_exchange_strong(state, kIdle)) continue;
      all->hint.store(at + 1, std::memory_order_relaxed);
      uint32_t used = all->used.load(std::memory_order_relaxed);
      while (used <= at && !all->used.compare_exchange_weak(used, at + 1)) {
      }
      return &row;
    }
  }
  return nullptr;
}
inline void wake_runner() {
  Table* all = table();
  constexpr long kWakeAll = 0x7fffffff, kFutexWake = 1;
  all->wake.fetch_add(1);
  raw::syscall(raw::kFutex, reinterpret_cast<long>(&all->wake), kFutexWake, kWakeAll);
}
// The value goes: so does its timer.
inline void release(uint64_t field) {
  if (Row* row = row_of(field)) {
    row->entry = 0;
    row->field = 0;
    row->state.store(kFree, std::memory_order_release);
  }
  reinterpret_cast<std::atomic<uint64_t>*>(field)->store(0, std::memory_order_release);
}

}  // namespace skep::timers
