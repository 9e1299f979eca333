// A process is single-stepped into a map operation and killed there, at instruction after
// instruction; what it leaves must be whole. A random choice of instructions each run of the test;
// all of them with SKEP_ALL_KILL_POINTS=1.
#include <signal.h>
#include <sys/ptrace.h>
#include <sys/wait.h>

#include <cstdlib>

#include "maps/busy_maps.h"
#include "support/seed.h"

namespace skep::maps::test {
namespace {

constexpr int kRefused = 99;
constexpr uint32_t kSlot = 3;  // not the one that the checks will use first

struct Step {
  const char* name;
  // Brings the map into the state that the operation starts from; by the parent.
  std::function<void(const BusyMaps&)> prepare;
  std::function<void(const BusyMaps&, TestBee&)> operate;
  std::function<void(const BusyMaps&, RingReader&)> check;
};

void put(const MapHeader& map, uint64_t key, uint64_t nonce = 1) {
  (void)update_elem(map, BusyMaps::bytes_of(key), BusyMaps::bytes_of(Checked::make(key, nonce)));
}
void fill(const MapHeader& map) {
  for (uint64_t key = 0; key < kRoom; ++key) put(map, key);
}

// A child that owns a slot and is single-stepped through an operation.
class TracedBee {
 public:
  explicit TracedBee(const std::function<void(TestBee&)>& operate, uint32_t slot = kSlot)
      : child_(::fork()) {
    if (child_ == 0) {
      TestBee bee(slot);
      if (::ptrace(PTRACE_TRACEME, 0, nullptr, nullptr) != 0) ::_exit(kRefused);
      ::raise(SIGSTOP);
      operate(bee);
      ::raise(SIGSTOP);
      ::_exit(0);
    }
    ::waitpid(child_, &status_, 0);
    ended_ = !WIFSTOPPED(status_);
  }
  ~TracedBee() { kill(); }
  TracedBee(const TracedBee&) = delete;
  TracedBee& operator=(const TracedBee&) = delete;

  // One instruction; false where the operation has ended.
  bool step() { return resume(PTRACE_SINGLESTEP); }
  void finish() {
    while (resume(PTRACE_CONT)) {
    }
  }
  void kill() {
    if (child_ < 0) return;
    ::kill(child_, SIGKILL);
    while (::waitpid(child_, &status_, 0) == child_ && !WIFSIGNALED(status_) &&
           !WIFEXITED(status_)) {
    }
    child_ = -1;
  }

 private:
  bool resume(__ptrace_request how) {
    if (ended_) return false;
    ::ptrace(how, child_, nullptr, nullptr);
    ::waitpid(child_, &status_, 0);
    ended_ = !WIFSTOPPED(status_) || WSTOPSIG(status_) == SIGSTOP;
    return !ended_;
  }
  pid_t child_;
  int status_ = 0;
  bool ended_ = false;
};

// Runs the operation in a traced child and kills it after `steps` instructions; false where it had
// ended by then.
bool run_until(const std::function<void(TestBee&)>& operate, uint64_t steps) {
  TracedBee bee(operate);
  for (uint64_t i = 0; i < steps; ++i)
    if (!bee.step()) return false;
  return true;
}
bool run_until(const Step& step, const BusyMaps& maps, uint64_t steps) {
  return run_until([&](TestBee& bee) { step.operate(maps, bee); }, steps);
}

const uint64_t kOne = 1, kNew = kRoom + 1;
const Checked kOneValue = Checked::make(kOne, 7), kNewValue = Checked::make(kNew, 7);
const uint64_t kSmall = 5;
struct Prefix {
  uint32_t length;
  uint8_t bytes[4];
};
const Prefix kWide{8, {10, 0, 0, 0}}, kForked{32, {10, 1, 2, 3}}, kOther{32, {10, 1, 2, 255}};

void check_hash(const BusyMaps& maps, RingReader&) {
  BusyMaps::check_hash(*maps.hash, "hash", true, false);
}
void check_lru(const BusyMaps& maps, RingReader&) {
  BusyMaps::check_hash(*maps.lru, "lru", true, true);
}
void check_percpu(const BusyMaps& maps, RingReader&) {
  BusyMaps::check_hash(*maps.percpu_hash, "percpu_hash", false, false);
}
void check_queue(const BusyMaps& maps, RingReader&) { BusyMaps::check_queue(*maps.queue, "queue"); }
void check_stack(const BusyMaps& maps, RingReader&) { BusyMaps::check_queue(*maps.stack, "stack"); }
void check_trie(const BusyMaps& maps, RingReader&) { maps.check_trie(); }
void check_ring(const BusyMaps& maps, RingReader& reader) {
  TestBee bee;
  Checked value = Checked::make(1, 1);
  uint64_t seen = 0;
  ASSERT_EQ(bee.call(kRingOutput, maps.ring, &value, sizeof value, 0), 0);
  reader.consume([&](ByteSpan sample) {
    EXPECT_TRUE(load<Checked>(sample.data()).whole());
    ++seen;
    return true;
  });
  EXPECT_GE(seen, 1u);
  EXPECT_LE(seen, 2u);
  EXPECT_FALSE(reader.pending());
}
void check_stacks(const BusyMaps& maps, RingReader&) {
  uint64_t value[8];
  for (uint32_t id = 0; id < 16; ++id) {
    if (!lookup_elem(*maps.stacks, BusyMaps::bytes_of(id),
                     std::as_writable_bytes(std::span(value))))
      continue;
    EXPECT_EQ(value[1], value[0] * 3);
    EXPECT_EQ(value[2], value[0] * 5);
    EXPECT_TRUE(delete_elem(*maps.stacks, BusyMaps::bytes_of(id)));
  }
}
uint64_t g_frames[] = {11, 33, 55, 0};

const Step kSteps[] = {
    {"hash insert", [](const BusyMaps&) {},
     [](const BusyMaps& maps, TestBee& bee) {
       bee.call(kUpdate, maps.hash, &kNew, &kNewValue, BPF_ANY);
     },
     check_hash},
    {"hash insert of the last element, which is another slot's",
     [](const BusyMaps& maps) {
       for (uint64_t key = 0; key + 1 < kRoom; ++key) put(*maps.hash, key);
     },
     [](const BusyMaps& maps, TestBee& bee) {
       bee.call(kUpdate, maps.hash, &kNew, &kNewValue, BPF_ANY);
     },
     check_hash},
    {"hash replace", [](const BusyMaps& maps) { fill(*maps.hash); },
     [](const BusyMaps& maps, TestBee& bee) {
       bee.call(kUpdate, maps.hash, &kOne, &kOneValue, BPF_ANY);
     },
     check_hash},
    {"hash delete", [](const BusyMaps& maps) { fill(*maps.hash); },
     [](const BusyMaps& maps, TestBee& bee) { bee.call(kDelete, maps.hash, &kOne); }, check_hash},
    {"hash delete and insert", [](const BusyMaps& maps) { fill(*maps.hash); },
     [](const BusyMaps& maps, TestBee& bee) {
       bee.call(kDelete, maps.hash, &kOne);
       bee.call(kUpdate, maps.hash, &kNew, &kNewValue, BPF_ANY);
     },
     check_hash},
    {"lru insert that evicts", [](const BusyMaps& maps) { fill(*maps.lru); },
     [](const BusyMaps& maps, TestBee& bee) {
       bee.call(kUpdate, maps.lru, &kNew, &kNewValue, BPF_ANY);
     },
     check_lru},
    {"per-CPU hash insert", [](const BusyMaps&) {},
     [](const BusyMaps& maps, TestBee& bee) {
       bee.call(kUpdate, maps.percpu_hash, &kOne, &kSmall, BPF_ANY);
     },
     check_percpu},
    {"queue push into a full one",
     [](const BusyMaps& maps) {
       for (uint64_t i = 0; i < kRoom; ++i)
         (void)update_elem(*maps.queue, {}, BusyMaps::bytes_of(Checked::make(i, i)));
     },
     [](const BusyMaps& maps, TestBee& bee) { bee.call(kPush, maps.queue, &kOneValue, BPF_EXIST); },
     check_queue},
    {"stack push and pop", [](const BusyMaps&) {},
     [](const BusyMaps& maps, TestBee& bee) {
       Checked out;
       bee.call(kPush, maps.stack, &kOneValue, BPF_EXIST);
       bee.call(kPop, maps.stack, &out);
     },
     check_stack},
    {"trie insert with a fork, then delete",
     [](const BusyMaps& maps) {
       (void)update_elem(*maps.trie, BusyMaps::bytes_of(kWide), BusyMaps::bytes_of(kOneValue));
       (void)update_elem(*maps.trie, BusyMaps::bytes_of(kOther), BusyMaps::bytes_of(kOneValue));
     },
     [](const BusyMaps& maps, TestBee& bee) {
       bee.call(kUpdate, maps.trie, &kForked, &kOneValue, BPF_ANY);
       bee.call(kUpdate, maps.trie, &kWide, &kOneValue, BPF_ANY);
       bee.call(kDelete, maps.trie, &kForked);
     },
     check_trie},
    {"ring reserve and submit", [](const BusyMaps&) {},
     [](const BusyMaps& maps, TestBee& bee) {
       auto* record = bee.pointer<Checked>(kRingReserve, maps.ring, sizeof(Checked), 0);
       *record = kOneValue;
       bee.call(kRingSubmit, record, 0);
     },
     check_ring},
    {"stack id that replaces another", [](const BusyMaps&) {},
     [](const BusyMaps& maps, TestBee& bee) {
       for (uint64_t i = 1; i < 4; ++i) {
         g_frames[0] = i, g_frames[1] = i * 3, g_frames[2] = i * 5;
         bee.context.host_data = g_frames;
         bee.call(kGetStackid, 0, maps.stacks, 0x500);
       }
     },
     check_stacks},
};

bool may_trace() {
  pid_t child = ::fork();
  if (child == 0) ::_exit(::ptrace(PTRACE_TRACEME, 0, nullptr, nullptr) != 0 ? kRefused : 0);
  int status = 0;
  ::waitpid(child, &status, 0);
  return WIFEXITED(status) && WEXITSTATUS(status) == 0;
}

TEST(kill_points, whatever_instruction_a_process_dies_at_the_map_stays_whole) {
  if (!may_trace()) GTEST_SKIP() << "ptrace(2) is refused here";
  auto hive = make_test_hive({.data_size = 64 << 20, .slots = 8});
  ASSERT_NE(hive, nullptr);
  BusyMaps maps;
  ASSERT_TRUE(maps.create(*hive));
  RingReader reader(*maps.ring);
  const bool all = std::getenv("SKEP_ALL_KILL_POINTS") != nullptr;
  std::mt19937_64 random(skep::test::random_test_seed());
  for (const Step& step : kSteps) {
    SCOPED_TRACE(step.name);
    // How long it is, by the whole of it.
    uint64_t length = 0;
    for (uint64_t probe = 64; length == 0 && probe < (1 << 16); probe *= 4) {
      step.prepare(maps);
      bool killed = run_until(step, maps, probe);
      if (!killed) length = probe;
      hive::reap_dead_slots(this_thread());
      step.check(maps, reader);
    }
    ASSERT_NE(length, 0u) << "the operation does not end";
    uint64_t points = all ? length : 16;
    for (uint64_t i = 0; i < points; ++i) {
      uint64_t at = all ? i : random() % length;
      SCOPED_TRACE(fmt::format("killed after {} instructions", at));
      step.prepare(maps);
      bool inside = run_until(step, maps, at);
      // Half the time the slot is reaped first, else its next owner finds it.
      if (i % 2 == 0) hive::reap_dead_slots(this_thread());
      step.check(maps, reader);
      if (testing::Test::HasFailure()) return;
      if (all && !inside) break;
    }
  }
  hive::reap_dead_slots(this_thread());
  maps.check_all(reader);
}

// All free elements lie in one slot's pool; the traced bee and the one that is checked have none of
// their own and look for them there. Whatever the first does, or leaves undone, the second is told
// that the map is full only where it is.
class FullOrNot : public testing::Test {
 protected:
  static constexpr uint32_t kRich = 5, kPoor = 4;  // slots

  void SetUp() override {
    if (!may_trace()) GTEST_SKIP() << "ptrace(2) is refused here";
    hive_ = make_test_hive({.data_size = 64 << 20, .slots = 8});
    ASSERT_NE(hive_, nullptr);
  }
  void make(uint32_t entries) {
    auto map = create_map(*hive_, {.type = MapType::BPF_MAP_TYPE_HASH,
                                   .key_size = 8,
                                   .value_size = 8,
                                   .max_entries = entries});
    ASSERT_TRUE(map) << map.error().text();
    map_ = *map;
  }
  // By the slot's bee. Not one of the look-ups that each slot makes now and then though the map is
  // known to be full: those would hide what is wrong.
  int64_t insert(uint32_t slot, uint64_t key) {
    HashTable(*map_).pool(slot).exhausted.store(1);
    TestBee bee(slot);
    EXPECT_EQ(bee.slot(), slot);
    return bee.call(kUpdate, map_, &key, &key, BPF_NOEXIST);
  }
  void fill_by_rich() {
    for (uint64_t key = 0; key < map_->max_entries; ++key) ASSERT_EQ(insert(kRich, key), 0) << key;
  }
  void empty_by_rich() {
    TestBee bee(kRich);
    ASSERT_EQ(bee.slot(), kRich);
    uint64_t key;
    while (next_key(*map_, {}, std::as_writable_bytes(std::span(&key, 1))))
      ASSERT_EQ(bee.call(kDelete, map_, &key), 0);
  }
  // Finishes all that the slot's killed bee has left, its pool's lock too: else the next one would
  // spend its instructions on that.
  void succeed_the_dead() {
    hive::reap_dead_slots(this_thread());
    TestBee bee(kSlot);
    ASSERT_EQ(bee.slot(), kSlot);
    uint64_t key;
    ASSERT_TRUE(next_key(*map_, {}, std::as_writable_bytes(std::span(&key, 1))));
    ASSERT_EQ(bee.call(kDelete, map_, &key), 0);
  }
  [[nodiscard]] bool has(uint64_t key) const {
    uint64_t value;
    return lookup_elem(*map_, BusyMaps::bytes_of(key), std::as_writable_bytes(std::span(&value, 1)))
        .has_value();
  }

  std::unique_ptr<Hive> hive_;
  MapHeader* map_ = nullptr;
};

TEST_F(FullOrNot, elements_are_found_wherever_another_that_looked_for_them_was_killed) {
  make(16);
  uint64_t key = 100;
  HashTable table(*map_);
  auto insert_it = [&](TestBee& bee) { bee.call(kUpdate, map_, &key, &key, BPF_ANY); };
  // From the first lock on, until it has an element in hand.
  uint64_t at = 0;
  for (TracedBee bee(insert_it); table.pool(kSlot).lock.word() == 0; ++at) ASSERT_TRUE(bee.step());
  ASSERT_NO_FATAL_FAILURE(fill_by_rich());
  ASSERT_NO_FATAL_FAILURE(empty_by_rich());
  ASSERT_EQ(insert(kPoor, 101), 0);
  ASSERT_NO_FATAL_FAILURE(succeed_the_dead());
  for (bool looks = true; looks; ++at) {
    SCOPED_TRACE(fmt::format("killed after {} instructions", at));
    ASSERT_NO_FATAL_FAILURE(fill_by_rich());
    ASSERT_NO_FATAL_FAILURE(empty_by_rich());
    ASSERT_TRUE(run_until(insert_it, at));
    looks = table.pool(kSlot).transit.load() == 0 || table.pool(kRich).lock.word() != 0;
    if (at % 2 == 0) hive::reap_dead_slots(this_thread());
    ASSERT_EQ(insert(kPoor, 101), 0);
    ASSERT_NO_FATAL_FAILURE(succeed_the_dead());
    ASSERT_NO_FATAL_FAILURE(empty_by_rich());
  }
}

TEST_F(FullOrNot, elements_are_found_while_another_looks_for_them) {
  make(4096);
  ASSERT_NO_FATAL_FAILURE(fill_by_rich());
  ASSERT_NO_FATAL_FAILURE(empty_by_rich());
  HashTable table(*map_);
  uint64_t mine = 100000, key = 0;
  TracedBee other([&](TestBee& bee) { bee.call(kUpdate, map_, &mine, &mine, BPF_ANY); });
  while (other.step()) {
    if (table.pool(kRich).lock.word() != 0 ||
        table.bucket(table.hash(&key).bucket).lock.word() != 0)
      continue;
    ASSERT_EQ(insert(kPoor, key), 0) << key;
    ++key;
  }
  EXPECT_GT(key, 50u);
  EXPECT_TRUE(has(mine));
}

TEST_F(FullOrNot, elements_behind_a_lock_whose_holder_stood_still_are_not_forgotten) {
  make(16);
  ASSERT_NO_FATAL_FAILURE(fill_by_rich());
  ASSERT_NO_FATAL_FAILURE(empty_by_rich());
  HashTable table(*map_);
  uint64_t mine = 100;
  TracedBee other([&](TestBee& bee) { bee.call(kUpdate, map_, &mine, &mine, BPF_ANY); }, kRich);
  while (table.pool(kRich).lock.word() == 0) ASSERT_TRUE(other.step());
  EXPECT_LT(insert(kPoor, 101), 0);
  other.finish();
  EXPECT_EQ(insert(kPoor, 101), 0);
  EXPECT_TRUE(has(mine));
}

TEST_F(FullOrNot, an_element_that_was_given_back_is_found_wherever_the_giver_was_killed) {
  make(16);
  HashTable table(*map_);
  uint64_t victim = 1;
  bool inside = true;
  uint64_t gone = 0;
  for (uint64_t at = 0; inside; ++at) {
    SCOPED_TRACE(fmt::format("killed after {} instructions", at));
    ASSERT_NO_FATAL_FAILURE(fill_by_rich());
    for (int i = 0; i < 64; ++i)
      ASSERT_EQ(insert(kRich, 100), -E2BIG);  // known to be full from here
    inside = run_until([&](TestBee& bee) { bee.call(kDelete, map_, &victim); }, at);
    if (at % 2 == 0) hive::reap_dead_slots(this_thread());
    if (has(victim)) {
      EXPECT_EQ(insert(kPoor, 101), -E2BIG);
    } else if (table.pool(kSlot).transit.load() == 0) {
      ++gone;
      EXPECT_EQ(insert(kPoor, 101), 0);
    } else if (at % 2 == 0) {  // in a dead bee's hand, whose successor says so
      uint64_t none = 102;
      {
        TestBee successor(kSlot);
        EXPECT_EQ(successor.call(kDelete, map_, &none), -ENOENT);
      }
      EXPECT_EQ(insert(kPoor, 101), 0);
    } else {  // nobody has succeeded it: found by the look that is taken now and then
      TestBee bee(kPoor);
      uint64_t key = 101;
      int64_t result = -E2BIG;
      for (int i = 0; i < 64 && result != 0; ++i)
        result = bee.call(kUpdate, map_, &key, &key, BPF_NOEXIST);
      EXPECT_EQ(result, 0);
    }
    if (HasFailure()) return;
    ASSERT_NO_FATAL_FAILURE(succeed_the_dead());
    ASSERT_NO_FATAL_FAILURE(empty_by_rich());
  }
  EXPECT_GT(gone, 0u);
}

}  // namespace
}  // namespace skep::maps::test
