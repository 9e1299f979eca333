// Rings that user space fills and programs drain, and the dynptrs of both kinds of ring.
#include <gtest/gtest.h>
#include <signal.h>
#include <sys/wait.h>

#include "maps/bee.h"
#include "maps/control/events.h"
#include "maps/control/maps.h"
#include "maps/ringbuf.h"
#include "object/dynptr.h"

namespace skep::maps::test {
namespace {

constexpr uint32_t kSize = 4096;

class UserRing : public testing::Test {
 protected:
  void SetUp() override {
    hive_ = make_test_hive({.data_size = 16 << 20, .slots = 4});
    ASSERT_NE(hive_, nullptr);
    auto made =
        create_map(*hive_, {.type = MapType::BPF_MAP_TYPE_USER_RINGBUF, .max_entries = kSize});
    ASSERT_TRUE(made) << made.error().text();
    map_ = *made;
  }
  // As libbpf's user_ring_buffer__reserve and __submit do; `mark` is BUSY, DISCARD or 0.
  void produce(uint64_t value, uint32_t mark = 0, uint32_t length = 8) {
    auto& position = ring_producer(*map_).position;
    uint64_t at = position.load();
    RingRecord& record = ring_record(*map_, at);
    std::memcpy(reinterpret_cast<std::byte*>(&record) + kRingHeader, &value, 8);
    record.length.store(length | mark);
    position.store(at + ring_step(length));
  }
  struct Seen {
    std::vector<uint64_t> values;
    uint64_t stop_at = 0;
  };
  static uint64_t see(HelperContext* context, uint64_t, uint64_t dynptr, uint64_t argument,
                      uint64_t, uint64_t, uint64_t) {
    auto& seen = *reinterpret_cast<Seen*>(argument);
    const auto& sample = *reinterpret_cast<const Dynptr*>(dynptr);
    EXPECT_EQ(sample.size_and_kind >> 28, 1u) << "a local dynptr, that may be written";
    EXPECT_NE(context, nullptr);
    seen.values.push_back(load<uint64_t>(sample.at(0)));
    return seen.values.back() == seen.stop_at;
  }
  int64_t drain(Seen& seen, uint64_t flags = 0) {
    TestBee bee;
    bee.context.call_bpf = see;
    return bee.call(kDrain, map_, 0, &seen, flags);
  }
  std::unique_ptr<Hive> hive_;
  MapHeader* map_ = nullptr;
};

using Values = std::vector<uint64_t>;

TEST_F(UserRing, samples_are_drained_in_order_and_discarded_ones_passed) {
  Seen seen;
  EXPECT_EQ(drain(seen), 0);
  produce(1), produce(2, maps::kRingDiscard), produce(3);
  EXPECT_EQ(drain(seen), 2);
  EXPECT_EQ(seen.values, (Values{1, 3}));
  EXPECT_EQ(ring_consumer(*map_).position.load(), ring_producer(*map_).position.load());
  EXPECT_EQ(drain(seen, 4), kEinval) << "no such flag";
  EXPECT_EQ(drain(seen, 3), 0);
}

TEST_F(UserRing, a_busy_sample_and_a_callback_that_says_so_end_the_drain) {
  Seen seen{.values = {}, .stop_at = 1};
  produce(1), produce(2), produce(3, kRingBusy), produce(4);
  EXPECT_EQ(drain(seen), 1);
  EXPECT_EQ(drain(seen), 1);
  EXPECT_EQ(drain(seen), 0);
  EXPECT_EQ(seen.values, (Values{1, 2}));
}

TEST_F(UserRing, what_the_producer_may_not_write_is_refused) {
  Seen seen;
  ring_producer(*map_).position.store(12);
  EXPECT_EQ(drain(seen), kEinval) << "positions are multiples of 8";
  ring_producer(*map_).position.store(8);
  ring_record(*map_, 0).length.store(8);
  EXPECT_EQ(drain(seen), kEinval) << "longer than what was produced";
  ring_producer(*map_).position.store(1 << 20);
  ring_record(*map_, 0).length.store(kSize);
  EXPECT_EQ(drain(seen), kE2big) << "longer than the ring";
  EXPECT_TRUE(seen.values.empty());
}

TEST_F(UserRing, has_no_elements_and_takes_the_kernels_sizes) {
  std::byte value[8];
  EXPECT_EQ(lookup_elem(*map_, {}, {}).error().code(), 524);
  EXPECT_EQ(update_elem(*map_, {}, {}).error().code(), 524);
  EXPECT_EQ(delete_elem(*map_, {}).error().code(), 524);
  EXPECT_EQ(next_key(*map_, {}, {}).error().code(), 524);
  EXPECT_EQ(lookup_elem(*map_, {}, value).error().code(), EINVAL);
  for (uint32_t size : {0u, 100u, 4095u, 3 * 4096u}) {
    auto made =
        create_map(*hive_, {.type = MapType::BPF_MAP_TYPE_USER_RINGBUF, .max_entries = size});
    EXPECT_EQ(made ? 0 : made.error().code(), EINVAL) << size;
  }
}

TEST_F(UserRing, one_drains_at_a_time_and_a_killed_ones_sample_is_seen_again) {
  produce(7);
  pid_t child = ::fork();
  if (child == 0) {
    TestBee bee(2);
    bee.context.call_bpf = [](HelperContext*, uint64_t, uint64_t, uint64_t, uint64_t, uint64_t,
                              uint64_t) -> uint64_t {
      ::raise(SIGSTOP);
      return 0;
    };
    bee.call(kDrain, map_, 0, 0, 0);
    ::_exit(0);
  }
  int status = 0;
  ASSERT_EQ(::waitpid(child, &status, WUNTRACED), child);
  ASSERT_TRUE(WIFSTOPPED(status));
  Seen seen;
  EXPECT_EQ(drain(seen), kEbusy);
  ::kill(child, SIGKILL);
  ASSERT_EQ(::waitpid(child, &status, 0), child);
  EXPECT_EQ(drain(seen), 1);
  EXPECT_EQ(seen.values, Values{7});
}

TEST_F(UserRing, the_dynptr_of_a_ring_buffer_is_submitted_discarded_or_null) {
  auto made = create_map(*hive_, {.type = MapType::BPF_MAP_TYPE_RINGBUF, .max_entries = kSize});
  ASSERT_TRUE(made);
  MapHeader* ring = *made;
  RingReader reader(*ring);
  TestBee bee;
  Dynptr dynptr{1, 1, 1};
  EXPECT_EQ(bee.call(kReserveDynptr, ring, 8, 1, &dynptr), kEinval);
  EXPECT_EQ(dynptr.data, 0u);
  EXPECT_EQ(bee.call(kReserveDynptr, ring, Dynptr::kLargest + 1, 0, &dynptr), kE2big);
  EXPECT_EQ(bee.call(kReserveDynptr, ring, kSize, 0, &dynptr), kEinval) << "no room";
  bee.call(kSubmitDynptr, &dynptr, 0);  // of a null one: nothing
  ASSERT_EQ(bee.call(kReserveDynptr, ring, 12, 0, &dynptr), 0);
  EXPECT_EQ(dynptr.size(), 12u);
  EXPECT_EQ(dynptr.size_and_kind >> 28, 2u);
  *reinterpret_cast<uint64_t*>(dynptr.at(0)) = 5;
  bee.call(kSubmitDynptr, &dynptr, 0);
  EXPECT_EQ(dynptr.data, 0u);
  ASSERT_EQ(bee.call(kReserveDynptr, ring, 8, 0, &dynptr), 0);
  bee.call(kDiscardDynptr, &dynptr, 0);
  Values seen;
  reader.consume([&](ByteSpan sample) {
    EXPECT_EQ(sample.size(), 12u);
    seen.push_back(load<uint64_t>(sample.data()));
    return true;
  });
  EXPECT_EQ(seen, Values{5});
  EXPECT_FALSE(reader.pending());
}

}  // namespace
}  // namespace skep::maps::test
