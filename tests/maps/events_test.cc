// Ring buffers, perf event arrays and stack traces from the program's and the consumer's side.
#include "maps/control/events.h"

#include <gtest/gtest.h>
#include <signal.h>
#include <sys/wait.h>

#include <thread>

#include "maps/bee.h"
#include "maps/control/maps.h"
#include "maps/perf_event_array.h"
#include "maps/ringbuf.h"

namespace skep::maps::test {
namespace {

class Events : public testing::Test {
 protected:
  void SetUp() override {
    hive_ = make_test_hive({.data_size = 64 << 20, .slots = 8});
    ASSERT_NE(hive_, nullptr);
  }
  MapHeader& make(MapType type, uint32_t key, uint32_t value, uint32_t entries,
                  uint32_t flags = 0) {
    auto map = create_map(*hive_, {.type = type,
                                   .key_size = key,
                                   .value_size = value,
                                   .max_entries = entries,
                                   .map_flags = flags,
                                   .perf_pages = 1});
    if (!map) ADD_FAILURE() << map.error().text();
    return **map;
  }
  MapHeader& make_ring(uint32_t size) { return make(MapType::BPF_MAP_TYPE_RINGBUF, 0, 0, size); }
  static std::vector<uint64_t> drain(RingReader& reader) {
    std::vector<uint64_t> seen;
    reader.consume([&](ByteSpan sample) {
      seen.push_back(sample.size() >= 8 ? load<uint64_t>(sample.data()) : ~0ull);
      return true;
    });
    return seen;
  }
  std::unique_ptr<Hive> hive_;
};

TEST_F(Events, samples_come_in_the_order_of_their_reservation) {
  MapHeader& ring = make_ring(4096);
  RingReader reader(ring);
  TestBee first, second;
  auto* a = first.pointer<uint64_t>(kRingReserve, &ring, 8, 0);
  auto* b = second.pointer<uint64_t>(kRingReserve, &ring, 16, 0);
  ASSERT_TRUE(a && b);
  *a = 1, *b = 2;
  second.call(kRingSubmit, b, 0);
  EXPECT_TRUE(drain(reader).empty()) << "the first is busy still";
  EXPECT_TRUE(reader.pending());
  first.call(kRingSubmit, a, 0);
  EXPECT_EQ(drain(reader), (std::vector<uint64_t>{1, 2}));
  EXPECT_FALSE(reader.pending());
}

TEST_F(Events, a_discarded_sample_is_not_seen) {
  MapHeader& ring = make_ring(4096);
  RingReader reader(ring);
  TestBee bee;
  bee.call(kRingDiscard, bee.pointer(kRingReserve, &ring, 8, 0), 0);
  uint64_t value = 5;
  EXPECT_EQ(bee.call(kRingOutput, &ring, &value, 8, 0), 0);
  EXPECT_EQ(drain(reader), std::vector<uint64_t>{5});
}

TEST_F(Events, the_ring_holds_what_the_kernels_would_and_never_wraps_a_sample) {
  MapHeader& ring = make_ring(4096);
  RingReader reader(ring);
  TestBee bee;
  std::vector<std::byte> large(4088);
  EXPECT_EQ(bee.call(kRingReserve, &ring, 4089, 0), 0)
      << "with its header it is larger than the ring";
  EXPECT_EQ(bee.call(kRingReserve, &ring, 8, 1), 0) << "flags must be 0";
  EXPECT_EQ(bee.call(kRingOutput, &ring, large.data(), 8, 4), -EINVAL);
  // At every offset in the ring, a sample as large as the ring.
  for (uint64_t i = 0; i < 600; ++i) {
    store(large.data(), i);
    large.back() = static_cast<std::byte>(i);
    ASSERT_EQ(bee.call(kRingOutput, &ring, large.data(), large.size(), 0), 0);
    EXPECT_EQ(bee.call(kRingOutput, &ring, large.data(), 0, 0), -EAGAIN);
    size_t seen = reader.consume([&](ByteSpan sample) {
      EXPECT_EQ(sample.size(), large.size());
      EXPECT_EQ(load<uint64_t>(sample.data()), i);
      EXPECT_EQ(sample.back(), static_cast<std::byte>(i));
      return true;
    });
    EXPECT_EQ(seen, 1u);
    uint64_t small = i;
    ASSERT_EQ(bee.call(kRingOutput, &ring, &small, 8, 0), 0);
    EXPECT_EQ(drain(reader), std::vector<uint64_t>{i});
  }
  // 4096 / 16 samples of 8 bytes fill it.
  uint64_t count = 0;
  while (bee.call(kRingOutput, &ring, &count, 8, 0) == 0) ++count;
  EXPECT_EQ(count, 256u);
  EXPECT_EQ(bee.call(kRingQuery, &ring, 0), 4096);
  EXPECT_EQ(bee.call(kRingQuery, &ring, 1), 4096);
  EXPECT_EQ(bee.call(kRingQuery, &ring, 3) - bee.call(kRingQuery, &ring, 2), 4096);
}

TEST_F(Events, records_look_as_the_kernels_do) {
  MapHeader& ring = make_ring(8192);
  TestBee bee;
  char text[] = "thirteen chars";
  auto* sample = bee.pointer<char>(kRingReserve, &ring, 13, 0);
  auto* header = reinterpret_cast<uint32_t*>(sample - 8);
  EXPECT_EQ(header[0], 13u | 1u << 31);
  std::memcpy(sample, text, 13);
  bee.call(kRingSubmit, sample, 0);
  EXPECT_EQ(header[0], 13u);
  EXPECT_EQ(header[1], 2u) << "pages from the consumer's page";
  EXPECT_EQ(*reinterpret_cast<uint64_t*>(ring.data + 4096), 24u) << "producer position";
  EXPECT_EQ(ring.values, ring.data + 8192);
}

TEST_F(Events, a_record_whose_producer_was_killed_is_skipped) {
  MapHeader& ring = make_ring(4096);
  RingReader reader(ring);
  pid_t child = ::fork();
  if (child == 0) {
    TestBee bee(2);
    (void)bee.call(kRingReserve, &ring, 100, 0);
    ::raise(SIGKILL);
  }
  ::waitpid(child, nullptr, 0);
  TestBee bee;
  uint64_t value = 9;
  EXPECT_EQ(bee.call(kRingOutput, &ring, &value, 8, 0), 0);
  EXPECT_EQ(drain(reader), std::vector<uint64_t>{9});
  EXPECT_EQ(reader.dead_records(), 1u);
}

TEST_F(Events, a_sample_is_submitted_to_its_own_ring_though_another_was_used_since) {
  MapHeader& one = make_ring(4096);
  MapHeader& two = make_ring(4096);
  RingReader reader_one(one), reader_two(two);
  TestBee bee;
  auto* a = bee.pointer<uint64_t>(kRingReserve, &one, 8, 0);
  auto* b = bee.pointer<uint64_t>(kRingReserve, &two, 8, 0);
  *a = 1, *b = 2;
  bee.call(kRingSubmit, a, 0);
  bee.call(kRingSubmit, b, 0);
  EXPECT_EQ(drain(reader_one), std::vector<uint64_t>{1});
  EXPECT_EQ(drain(reader_two), std::vector<uint64_t>{2});
}

TEST_F(Events, many_producers_lose_nothing_that_was_taken) {
  MapHeader& ring = make_ring(1 << 16);
  RingReader reader(ring);
  constexpr uint64_t kProducers = 6, kEach = 20000;
  std::vector<std::thread> producers;
  std::atomic<uint64_t> running{kProducers};
  for (uint64_t id = 0; id < kProducers; ++id) {
    producers.emplace_back([&, id] {
      for (uint64_t i = 0; i < kEach;) {
        TestBee bee(static_cast<uint32_t>(id));
        if (bee.slot() == hive::kNoSlot) continue;
        uint64_t value = id << 32 | i;
        if (bee.call(kRingOutput, &ring, &value, 8, 0) == 0)
          ++i;
        else
          std::this_thread::yield();
      }
      running.fetch_sub(1);
      hive::wake_consumers();
    });
  }
  uint64_t next[kProducers] = {};
  uint64_t total = 0;
  while (total < kProducers * kEach) {
    size_t got = reader.consume([&](ByteSpan sample) {
      uint64_t value = load<uint64_t>(sample.data());
      EXPECT_EQ(value & 0xffffffff, next[value >> 32]++)
          << "each producer's samples in order, none missing";
      return true;
    });
    total += got;
    if (got == 0) wait_for_events([&] { return reader.pending(); }, std::chrono::seconds(1));
  }
  for (auto& producer : producers) producer.join();
  EXPECT_EQ(reader.resyncs(), 0u);
  EXPECT_EQ(reader.dead_records(), 0u);
}

TEST_F(Events, a_sleeping_consumer_is_woken_from_another_process) {
  MapHeader& ring = make_ring(4096);
  RingReader reader(ring);
  pid_t child = ::fork();
  if (child == 0) {
    // Once the consumer sleeps.
    while (hive::slot_table().sleepers.load() == 0) ::sched_yield();
    TestBee bee;
    uint64_t value = 3;
    bee.call(kRingOutput, &ring, &value, 8, 0);
    ::_exit(0);
  }
  std::vector<uint64_t> seen;
  while (seen.empty()) {
    wait_for_events([&] { return reader.pending(); }, std::chrono::seconds(10));
    seen = drain(reader);
  }
  EXPECT_EQ(seen, std::vector<uint64_t>{3});
  ::waitpid(child, nullptr, 0);
  EXPECT_EQ(hive::slot_table().sleepers.load(), 0u);
}

// ---- perf ----

TEST_F(Events, perf_output_has_the_kernels_errors) {
  MapHeader& map = make(MapType::BPF_MAP_TYPE_PERF_EVENT_ARRAY, 4, 4, 4);
  TestBee bee(1);
  uint64_t value = 1;
  EXPECT_EQ(bee.call(kPerfOutput, 0, &map, 0xffffffffu, &value, 8), -ENOENT) << "nobody reads";
  PerfReader reader(*hive_, map);
  EXPECT_EQ(bee.call(kPerfOutput, 0, &map, 0xffffffffu, &value, 8), 0);
  EXPECT_EQ(bee.call(kPerfOutput, 0, &map, 1, &value, 8), 0) << "its own CPU by number";
  EXPECT_EQ(bee.call(kPerfOutput, 0, &map, 0, &value, 8), -EOPNOTSUPP) << "another CPU's";
  EXPECT_EQ(bee.call(kPerfOutput, 0, &map, 4, &value, 8), -E2BIG);
  EXPECT_EQ(bee.call(kPerfOutput, 0, &map, 1ull << 40, &value, 8), -EINVAL);
}

TEST_F(Events, perf_events_of_all_slots_come_in_the_order_of_time) {
  MapHeader& map = make(MapType::BPF_MAP_TYPE_PERF_EVENT_ARRAY, 4, 4, 8);
  PerfReader reader(*hive_, map);
  std::vector<std::pair<uint64_t, uint32_t>> expected, seen;
  for (uint64_t i = 0; i < 300; ++i) {  // odd sizes, around the end of a page many times
    TestBee bee(static_cast<uint32_t>(i * 7 % 8));
    std::vector<unsigned char> raw(8 + i % 90, static_cast<unsigned char>(i));
    store(raw.data(), i);
    ASSERT_EQ(bee.call(kPerfOutput, 0, &map, 0xffffffffu, raw.data(), raw.size()), 0);
    expected.emplace_back(i, bee.slot());
    if (i % 20 != 19) continue;
    uint64_t last = 0;
    reader.consume([&](const PerfReader::Event& event) {
      EXPECT_GE(event.time, last);
      last = event.time;
      uint64_t number = load<uint64_t>(event.sample.data());
      EXPECT_EQ(event.sample.size(), (8 + number % 90 + 4 + 7) / 8 * 8 - 4)
          << "padded as the kernel pads";
      EXPECT_EQ(event.sample[8 + number % 90 - 1],
                number % 90 == 0 ? std::byte{0} : static_cast<std::byte>(number));
      seen.emplace_back(number, event.cpu);
      return true;
    });
  }
  EXPECT_EQ(seen, expected);
}

TEST_F(Events, perf_events_without_room_are_counted) {
  MapHeader& map = make(MapType::BPF_MAP_TYPE_PERF_EVENT_ARRAY, 4, 4, 8);
  PerfReader reader(*hive_, map);
  TestBee bee(2);
  uint64_t value[8] = {};
  uint64_t stored = 0, refused = 0;
  for (int i = 0; i < 100; ++i)
    (bee.call(kPerfOutput, 0, &map, 0xffffffffu, value, sizeof value) == 0 ? stored : refused)++;
  EXPECT_EQ(stored, 4096u / 88);
  uint64_t lost = 0, got = 0;
  reader.consume([&](const PerfReader::Event&) { return ++got, true; },
                 [&](uint32_t cpu, uint64_t count) {
                   EXPECT_EQ(cpu, 2u);
                   lost += count;
                 });
  EXPECT_EQ(got, stored);
  EXPECT_EQ(lost, refused);
}

// ---- stacks ----

TEST_F(Events, equal_stacks_have_one_id) {
  MapHeader& map = make(MapType::BPF_MAP_TYPE_STACK_TRACE, 4, 32, 16);
  TestBee bee;
  uint64_t deep[] = {1, 2, 3, 4, 5, 6, 0}, other[] = {9, 8, 0};
  bee.context.host_data = deep;
  int64_t id = bee.call(kGetStackid, 0, &map, 0x100);
  ASSERT_GE(id, 0);
  EXPECT_EQ(bee.call(kGetStackid, 0, &map, 0x100), id);
  EXPECT_EQ(bee.call(kGetStackid, 0, &map, 0x300), id);
  uint64_t frames[4];
  auto key = static_cast<uint32_t>(id);
  auto read = [&] {
    return lookup_elem(map, std::as_bytes(std::span(&key, 1)),
                       std::as_writable_bytes(std::span(frames)));
  };
  ASSERT_TRUE(read());
  EXPECT_EQ(std::vector<uint64_t>(frames, frames + 4), (std::vector<uint64_t>{1, 2, 3, 4}))
      << "cut at the map's depth";
  bee.context.host_data = other;
  id = bee.call(kGetStackid, 0, &map, 0x500);
  ASSERT_GE(id, 0);
  key = static_cast<uint32_t>(id);
  ASSERT_TRUE(read());
  EXPECT_EQ(std::vector<uint64_t>(frames, frames + 4), (std::vector<uint64_t>{9, 8, 0, 0}));
  EXPECT_EQ(bee.call(kGetStackid, 0, &map, 0x102), -EFAULT) << "all frames skipped";
  EXPECT_EQ(bee.call(kGetStackid, 0, &map, 0x1000), -EINVAL);
  EXPECT_EQ(bee.call(kGetStackid, 0, &map, 0), -EFAULT) << "no kernel stack";
  // Another stack for the same bucket: refused, or in its place if that is asked for.
  std::vector<uint64_t> colliding;
  for (uint64_t i = 100; i < 400 && colliding.empty(); ++i) {
    uint64_t one[] = {i, 0};
    bee.context.host_data = one;
    if (bee.call(kGetStackid, 0, &map, 0x100) == -EEXIST) colliding = {i, 0};
  }
  ASSERT_FALSE(colliding.empty());
  bee.context.host_data = colliding.data();
  key = static_cast<uint32_t>(bee.call(kGetStackid, 0, &map, 0x500));
  ASSERT_TRUE(read());
  EXPECT_EQ(frames[0], colliding[0]);
}

TEST_F(Events, a_stack_map_with_build_ids_gives_addresses) {
  MapHeader& map = make(MapType::BPF_MAP_TYPE_STACK_TRACE, 4, 64, 4, BPF_F_STACK_BUILD_ID);
  TestBee bee;
  uint64_t stack[] = {0x1111, 0x2222, 0x3333, 0};
  bee.context.host_data = stack;
  auto key = static_cast<uint32_t>(bee.call(kGetStackid, 0, &map, 0x100));
  struct {
    uint32_t status;
    uint8_t build_id[20];
    uint64_t ip;
  } frames[2];
  static_assert(sizeof frames == 64);
  ASSERT_TRUE(lookup_elem(map, std::as_bytes(std::span(&key, 1)),
                          std::as_writable_bytes(std::span(frames))));
  EXPECT_EQ(frames[0].status, 2u);
  EXPECT_EQ(frames[1].ip, 0x2222u);
}

}  // namespace
}  // namespace skep::maps::test
