// Loops, locks, dynptrs; and the bindings against the table.
#include <gtest/gtest.h>

#include <algorithm>
#include <array>
#include <set>
#include <thread>

#include "base/hive.h"
#include "base/slots.h"
#include "fake_host.h"

namespace skep::helpers {
namespace {

using namespace spec;

TEST(Bindings, are_the_rows_that_say_they_work) {
  std::set<uint32_t> bound, works;
  for (const HelperBinding& row : helper_bindings()) {
    EXPECT_NE(row.fn, nullptr);
    EXPECT_TRUE(bound.insert(row.id).second) << row.id;
  }
  for (uint32_t id : bound_elsewhere())
    EXPECT_TRUE(bound.insert(id).second) << id << " is bound twice";
  for (const Helper& row : spec::helpers()) {
    if (row.user == UserStatus::works) works.insert(row.id);
  }
  for (uint32_t id : works)
    EXPECT_TRUE(bound.contains(id)) << find_helper(id)->name << " is said to work but not bound";
  for (uint32_t id : bound)
    EXPECT_TRUE(works.contains(id)) << find_helper(id)->name << " is bound but said to be refused";
}

struct Calls {
  std::vector<uint64_t> indices;
  uint64_t stop_at = ~uint64_t{0};
};
uint64_t record(HelperContext*, uint64_t entry, uint64_t index, uint64_t context, uint64_t,
                uint64_t, uint64_t) {
  EXPECT_EQ(entry, 0x77u);
  auto& calls = *reinterpret_cast<Calls*>(context);
  calls.indices.push_back(index);
  return index == calls.stop_at ? 1 : 0;
}
TEST(Loop, calls_the_callback_with_each_index) {
  FakeHost host;
  host.run.call_bpf = record;
  Calls calls;
  EXPECT_EQ(host.call(BPF_FUNC_loop, 4, 0x77, &calls, 0), 4);
  EXPECT_EQ(calls.indices, (std::vector<uint64_t>{0, 1, 2, 3}));
  EXPECT_EQ(host.call(BPF_FUNC_loop, 0, 0x77, &calls, 0), 0);
}
TEST(Loop, ends_when_the_callback_says_so) {
  FakeHost host;
  host.run.call_bpf = record;
  Calls calls;
  calls.stop_at = 2;
  EXPECT_EQ(host.call(BPF_FUNC_loop, 100, 0x77, &calls, 0), 3);
}
TEST(Loop, has_limits) {
  FakeHost host;
  host.run.call_bpf = record;
  EXPECT_EQ(host.call(BPF_FUNC_loop, (1u << 23) + 1, 0x77, nullptr, 0), -7);
  EXPECT_EQ(host.call(BPF_FUNC_loop, 1, 0x77, nullptr, 1), -22);
}

TEST(SpinLock, keeps_two_slots_apart_and_is_taken_from_the_dead) {
  auto hive = Hive::create({.publish_session = false});
  ASSERT_TRUE(hive) << hive.error().text();
  struct Value {
    uint32_t lock = 0;
    uint64_t a = 0, b = 0;
  } value;
  std::vector<std::thread> threads;
  for (int i = 0; i < 2; i++) {
    threads.emplace_back([&] {
      FakeHost host;
      const uint64_t owner =
          hive::owner_word(static_cast<uint32_t>(::getpid()), static_cast<uint32_t>(::gettid()));
      for (int round = 0; round < 20000; round++) {
        host.run.slot = hive::claim(0, owner);
        host.call(BPF_FUNC_spin_lock, &value.lock);
        value.a++;
        value.b = value.a;
        host.call(BPF_FUNC_spin_unlock, &value.lock);
        hive::release(host.run.slot);
      }
    });
  }
  for (std::thread& thread : threads) thread.join();
  EXPECT_EQ(value.a, 40000u);
  EXPECT_EQ(value.b, 40000u);
  EXPECT_EQ(value.lock, 0u);

  FakeHost host;
  host.run.slot = hive::claim(
      0, hive::owner_word(static_cast<uint32_t>(::getpid()), static_cast<uint32_t>(::gettid())));
  host.call(BPF_FUNC_spin_lock, &value.lock);
  hive::release(host.run.slot);  // the bee ends with the lock held, as one that is killed does
  host.run.slot = hive::claim(
      1, hive::owner_word(static_cast<uint32_t>(::getpid()), static_cast<uint32_t>(::gettid())));
  host.call(BPF_FUNC_spin_lock, &value.lock);
  EXPECT_EQ(value.lock, hive::bee_word(host.run.slot));
  host.call(BPF_FUNC_spin_unlock, &value.lock);
  EXPECT_EQ(value.lock, 0u);
  hive::release(host.run.slot);
}
TEST(SpinLock, is_not_unlocked_by_another) {
  auto hive = Hive::create({.publish_session = false});
  ASSERT_TRUE(hive) << hive.error().text();
  FakeHost host;
  uint32_t lock = 0x8000'0042;
  host.call(BPF_FUNC_spin_unlock, &lock);
  EXPECT_EQ(lock, 0x8000'0042u);
}

struct alignas(8) Dynptr {
  uint64_t words[2];
};
TEST(Dynptr, reads_and_writes_within_its_memory) {
  FakeHost host;
  std::array<uint8_t, 8> memory{1, 2, 3, 4, 5, 6, 7, 8};
  Dynptr pointer{};
  ASSERT_EQ(host.call(BPF_FUNC_dynptr_from_mem, memory.data(), 8, 0, &pointer), 0);
  uint16_t value = 0;
  EXPECT_EQ(host.call(BPF_FUNC_dynptr_read, &value, 2, &pointer, 6, 0), 0);
  EXPECT_EQ(value, 0x0807);
  EXPECT_EQ(host.call(BPF_FUNC_dynptr_read, &value, 2, &pointer, 7, 0), -7);
  EXPECT_EQ(host.call(BPF_FUNC_dynptr_read, &value, 2, &pointer, ~uint64_t{0}, 0), -7);
  EXPECT_EQ(host.call(BPF_FUNC_dynptr_read, &value, 2, &pointer, 0, 1), -22);
  EXPECT_EQ(host.call(BPF_FUNC_dynptr_write, &pointer, 0, &value, 2, 0), 0);
  EXPECT_EQ(memory[0], 7);
  EXPECT_EQ(host.call(BPF_FUNC_dynptr_write, &pointer, 7, &value, 2, 0), -7);
  EXPECT_EQ(host.call(BPF_FUNC_dynptr_data, &pointer, 4, 4),
            static_cast<int64_t>(FakeHost::to_register(&memory[4])));
  EXPECT_EQ(host.call(BPF_FUNC_dynptr_data, &pointer, 4, 5), 0);
}
TEST(Dynptr, is_null_where_it_could_not_be_made) {
  FakeHost host;
  std::array<uint8_t, 8> memory{};
  Dynptr pointer{{1, 1}};
  EXPECT_EQ(host.call(BPF_FUNC_dynptr_from_mem, memory.data(), 1u << 24, 0, &pointer), -7);
  uint8_t value = 0;
  EXPECT_EQ(host.call(BPF_FUNC_dynptr_read, &value, 1, &pointer, 0, 0), -22);
  EXPECT_EQ(host.call(BPF_FUNC_dynptr_write, &pointer, 0, &value, 1, 0), -22);
  EXPECT_EQ(host.call(BPF_FUNC_dynptr_data, &pointer, 0, 1), 0);
  EXPECT_EQ(host.call(BPF_FUNC_dynptr_from_mem, memory.data(), 8, 1, &pointer), -22);
}

}  // namespace
}  // namespace skep::helpers
