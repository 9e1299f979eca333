// In the fault-injection build, a process is killed before every single store to shared memory that an operation
// makes (base/shared.h), for every map type and every command on maps; what it leaves must be whole, and others must
// go on: BusyMaps' checks, which also take every element, lock and record once more. After each death the slot is
// reaped, or, every other time, left for its next owner to find.
//
//   maps_faults_test            all of them
#include <sys/mman.h>
#include <sys/wait.h>

#include <algorithm>
#include <set>

#include "base/shared.h"
#include "maps/busy_maps.h"
#include "maps/object_maps.h"

#ifndef SKEP_FAULTS
#error "for the fault-injection build only"
#endif

namespace skep::maps::test {
namespace {

constexpr uint32_t kSlot = 3;

// Seen by all of a test's processes. Files are string literals, at one address in parent and child.
struct Seen {
  struct Site {
    const char* file;
    uint32_t line;
  };
  uint64_t passed;
  uint32_t sites;
  Site site[1024];
};
Seen* seen() {
  static auto* made = static_cast<Seen*>(
      ::mmap(nullptr, sizeof(Seen), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0));
  return made;
}
void see(const char* file, uint32_t line) {
  Seen& all = *seen();
  for (uint32_t i = 0; i < all.sites; ++i)
    if (all.site[i].file == file && all.site[i].line == line) return;
  if (all.sites < std::size(all.site)) all.site[all.sites++] = {file, line};
}

// Runs `operate` in a child that dies at kill point `at`; how many it passed, or -1 where it died there.
int64_t run_until(const std::function<void()>& operate, uint64_t at) {
  Seen& told = *seen();  // mapped before the child is there
  const pid_t child = ::fork();
  if (child == 0) {
    hive::FaultPlan plan{.die_at = at, .passed = 0, .see = at == ~uint64_t{0} ? see : nullptr};
    hive::fault_plan = &plan;
    operate();
    hive::fault_plan = nullptr;
    told.passed = plan.passed;
    ::_exit(0);
  }
  int status = 0;
  EXPECT_EQ(::waitpid(child, &status, 0), child);
  if (WIFSIGNALED(status)) {
    EXPECT_EQ(WTERMSIG(status), SIGKILL);
    return -1;
  }
  EXPECT_EQ(status, 0);
  return static_cast<int64_t>(told.passed);
}

struct Maps : BusyMaps {
  MapHeader *words = nullptr, *lru_words = nullptr, *percpu_lru = nullptr, *bloom = nullptr;

  bool create_all(Hive& hive) {
    using enum MapType;
    auto make = [&](MapType type, uint32_t key) -> MapHeader* {
      auto map =
          create_map(hive, {.type = type, .key_size = key, .value_size = 8, .max_entries = kRoom});
      return map ? *map : nullptr;
    };
    words = make(BPF_MAP_TYPE_HASH, 8);
    lru_words = make(BPF_MAP_TYPE_LRU_HASH, 8);
    percpu_lru = make(BPF_MAP_TYPE_LRU_PERCPU_HASH, 8);
    bloom = make(BPF_MAP_TYPE_BLOOM_FILTER, 0);
    return create(hive) && words && lru_words && percpu_lru && bloom;
  }
};

struct Operation {
  std::string name;
  std::function<void()> prepare, operate, check;
};

template <class T>
ByteSpan bytes(const T& value) {
  return BusyMaps::bytes_of(value);
}

class KillAtEveryStore : public testing::Test {
 protected:
  void SetUp() override {
    hive_ = make_test_hive({.data_size = 64 << 20, .slots = 8});
    ASSERT_NE(hive_, nullptr);
    ASSERT_TRUE(maps_.create_all(*hive_));
    reader_.emplace(*maps_.ring);
  }
  // As a program does it.
  void program(std::string name, std::function<void()> prepare,
               std::function<void(TestBee&)> operate, std::function<void()> check) {
    operations_.push_back({std::move(name), std::move(prepare),
                           [operate = std::move(operate)] {
                             TestBee bee(kSlot);
                             operate(bee);
                           },
                           std::move(check)});
  }
  // As bpf(2) does it.
  void command(std::string name, std::function<void()> prepare, std::function<void()> operate,
               std::function<void()> check) {
    operations_.push_back(
        {std::move(name), std::move(prepare), std::move(operate), std::move(check)});
  }

  void kill_everywhere() {
    uint64_t kills = 0;
    for (const Operation& operation : operations_) {
      SCOPED_TRACE(operation.name);
      operation.prepare();
      const int64_t points = run_until(operation.operate, ~uint64_t{0});
      operation.check();
      ASSERT_GT(points, 0) << "no store to shared memory";
      for (int64_t at = 0; at < points; ++at) {
        SCOPED_TRACE(fmt::format("killed at kill point {} of {}", at, points));
        operation.prepare();
        if (run_until(operation.operate, static_cast<uint64_t>(at)) < 0) ++kills;
        if (at % 2 == 0) hive::reap_dead_slots(this_thread());
        operation.check();
        if (HasFailure()) return;
      }
    }
    hive::reap_dead_slots(this_thread());
    maps_.check_all(*reader_);
    std::printf("%zu operations, %lu kills at %u different stores\n", operations_.size(), kills,
                seen()->sites);
  }

  void hash_operations(MapHeader* map, const std::string& name, bool checked, bool lru) {
    const uint64_t one = 1, fresh = kRoom + 1;
    auto value = [map, checked](uint64_t key) {
      std::vector<std::byte> made(user_value_size(*map));
      Checked whole = Checked::make(key, 7);
      if (checked) std::memcpy(made.data(), &whole, sizeof whole);
      return made;
    };
    auto check = [=] { BusyMaps::check_hash(*map, name.c_str(), checked, lru); };
    auto empty = [] {};
    auto fill = [=](uint64_t count) {
      return [=] {
        for (uint64_t key = 0; key < count; ++key) (void)update_elem(*map, bytes(key), value(key));
      };
    };
    auto update = [=](uint64_t key, uint64_t flags) {
      return [=](TestBee& bee) { bee.call(kUpdate, map, &key, value(key).data(), flags); };
    };
    program(name + ": insert", empty, update(fresh, BPF_NOEXIST), check);
    program(name + ": insert of the last element, which is another slot's", fill(kRoom - 1),
            update(fresh, BPF_ANY), check);
    program(name + ": insert into a full one", fill(kRoom), update(fresh, BPF_ANY), check);
    program(name + ": replace", fill(kRoom), update(one, BPF_EXIST), check);
    program(
        name + ": delete, insert, replace, look up", fill(kRoom),
        [=](TestBee& bee) {
          bee.call(kDelete, map, &one);
          update(fresh, BPF_ANY)(bee);
          update(fresh, BPF_ANY)(bee);
          bee.call(kLookup, map, &fresh);
        },
        check);
    command(
        name + ": MAP_UPDATE_ELEM", fill(kRoom - 1),
        [=] {
          (void)update_elem(*map, bytes(fresh), value(fresh));
          (void)update_elem(*map, bytes(one), value(one));
        },
        check);
    command(
        name + ": MAP_LOOKUP_AND_DELETE_ELEM", fill(kRoom),
        [=] {
          auto out = value(one);
          (void)lookup_and_delete_elem(*map, bytes(one), out);
          (void)delete_elem(*map, bytes(fresh - 2));
        },
        check);
    command(
        name + ": MAP_LOOKUP_AND_DELETE_BATCH", fill(6),
        [=] {
          std::vector<std::byte> cursor;
          (void)lookup_batch(*map, cursor, kRoom, true);
        },
        check);
    command(
        name + ": MAP_UPDATE_BATCH, MAP_DELETE_BATCH", fill(2),
        [=] {
          const uint64_t keys[] = {one, fresh, 3};
          std::vector<std::byte> values;
          for (uint64_t key : keys) std::ranges::copy(value(key), std::back_inserter(values));
          uint32_t done = 0;
          (void)update_batch(*map, bytes(keys), values, 3, done);
          (void)delete_batch(*map, bytes(keys), 3, done);
        },
        check);
  }

  std::unique_ptr<Hive> hive_;
  Maps maps_;
  std::optional<RingReader> reader_;
  std::vector<Operation> operations_;
};

TEST_F(KillAtEveryStore, hash_tables_stay_whole) {
  hash_operations(maps_.hash, "hash", true, false);
  hash_operations(maps_.words, "hash of words", false, false);
  hash_operations(maps_.percpu_hash, "percpu_hash", false, false);
  kill_everywhere();
}

TEST_F(KillAtEveryStore, lru_tables_stay_whole) {
  hash_operations(maps_.lru, "lru_hash", true, true);
  hash_operations(maps_.lru_words, "lru_hash of words", false, true);
  hash_operations(maps_.percpu_lru, "lru_percpu_hash", false, true);
  kill_everywhere();
}

TEST_F(KillAtEveryStore, queues_stacks_filters_and_arrays_stay_whole) {
  static const Checked kValue = Checked::make(1, 7);
  for (MapHeader* map : {maps_.queue, maps_.stack}) {
    auto check = [=] { BusyMaps::check_queue(*map, "queue or stack"); };
    auto fill = [=] {
      for (uint64_t i = 0; i < kRoom; ++i) (void)update_elem(*map, {}, bytes(Checked::make(i, i)));
    };
    program(
        "push and pop", [] {},
        [=](TestBee& bee) {
          Checked out;
          bee.call(kPush, map, &kValue, BPF_ANY);
          bee.call(kPeek, map, &out);
          bee.call(kPop, map, &out);
        },
        check);
    program(
        "push into a full one", fill,
        [=](TestBee& bee) { bee.call(kPush, map, &kValue, BPF_EXIST); }, check);
    command(
        "MAP_UPDATE_ELEM, MAP_LOOKUP_AND_DELETE_ELEM", [] {},
        [=] {
          Checked out;
          (void)update_elem(*map, {}, bytes(kValue));
          (void)lookup_and_delete_elem(*map, {}, std::as_writable_bytes(std::span(&out, 1)));
        },
        check);
  }
  static const uint64_t kWord = 0x0807060504030201;
  program(
      "bloom filter: push", [] {},
      [this](TestBee& bee) { bee.call(kPush, maps_.bloom, &kWord, BPF_ANY); },
      [this] {  // goes on; what was pushed before is there
        EXPECT_TRUE(update_elem(*maps_.bloom, {}, bytes(uint64_t{5})));
        uint64_t five = 5;
        EXPECT_TRUE(lookup_elem(*maps_.bloom, {}, std::as_writable_bytes(std::span(&five, 1))));
      });
  static const uint32_t kIndex = 5;
  auto word_of = [this](MapHeader* map) {
    TestBee bee(kSlot);
    auto* value = bee.pointer<uint64_t>(kLookup, map, &kIndex);
    return value == nullptr ? ~uint64_t{0} : *value;
  };
  for (MapHeader* map : {maps_.array, maps_.percpu_array})
    program(
        "array: update", [] {},
        [=](TestBee& bee) { bee.call(kUpdate, map, &kIndex, &kWord, BPF_ANY); },
        [=] {
          const uint64_t found = word_of(map);
          EXPECT_TRUE(found == 0 || found == kWord) << found;
        });
  kill_everywhere();
}

TEST_F(KillAtEveryStore, tries_stay_whole) {
  struct Prefix {
    uint32_t length;
    uint8_t bytes[4];
  };
  static const Prefix kWide{8, {10, 0, 0, 0}}, kForked{32, {10, 1, 2, 3}},
      kOther{32, {10, 1, 2, 255}};
  static const Checked kValue = Checked::make(1, 7);
  auto check = [this] {
    // Whole keys by way of the table and their prefixes by way of the root must find the same, once an update has
    // gone through.
    Checked out, again;
    auto writable = [](Checked& value) { return std::as_writable_bytes(std::span(&value, 1)); };
    EXPECT_TRUE(update_elem(*maps_.trie, bytes(kOther), bytes(kValue)));
    EXPECT_TRUE(lookup_elem(*maps_.trie, bytes(kOther), writable(out)));
    EXPECT_TRUE(out.whole());
    const bool by_prefix = lookup_elem(*maps_.trie, bytes(kWide), writable(out)).has_value();
    const Prefix host{32, {10, 200, 1, 1}};
    EXPECT_EQ(lookup_elem(*maps_.trie, bytes(host), writable(again)).has_value(), by_prefix);
    maps_.check_trie();
  };
  auto prepare = [this] {
    (void)update_elem(*maps_.trie, bytes(kWide), bytes(kValue));
    (void)update_elem(*maps_.trie, bytes(kOther), bytes(kValue));
  };
  auto update = [this](const Prefix& prefix) {
    return
        [this, &prefix](TestBee& bee) { bee.call(kUpdate, maps_.trie, &prefix, &kValue, BPF_ANY); };
  };
  auto remove = [this](const Prefix& prefix) {
    return [this, &prefix](TestBee& bee) { bee.call(kDelete, maps_.trie, &prefix); };
  };
  program("trie: insert with a fork", prepare, update(kForked), check);
  program("trie: first insert", [] {}, update(kForked), check);
  program("trie: replace", prepare, update(kOther), check);
  program("trie: delete", prepare, remove(kOther), check);
  program(
      "trie: insert above",
      [this] { (void)update_elem(*maps_.trie, bytes(kOther), bytes(kValue)); }, update(kWide),
      check);
  program("trie: delete above", prepare, remove(kWide), check);
  program(
      "trie: delete that undoes a fork",
      [=, this] {
        prepare();
        (void)update_elem(*maps_.trie, bytes(kForked), bytes(kValue));
      },
      remove(kForked), check);
  kill_everywhere();
}

TEST_F(KillAtEveryStore, rings_and_stack_ids_stay_whole) {
  static const Checked kValue = Checked::make(1, 1);
  auto check_ring = [this] {
    TestBee bee;
    uint64_t seen_here = 0;
    ASSERT_EQ(bee.call(kRingOutput, maps_.ring, &kValue, sizeof kValue, 0), 0);
    reader_->consume([&](ByteSpan sample) {
      EXPECT_TRUE(load<Checked>(sample.data()).whole());
      ++seen_here;
      return true;
    });
    EXPECT_GE(seen_here, 1u);
    EXPECT_LE(seen_here, 3u);
    EXPECT_FALSE(reader_->pending());
  };
  program(
      "ring: reserve and submit", [] {},
      [this](TestBee& bee) {
        auto* record = bee.pointer<Checked>(kRingReserve, maps_.ring, sizeof(Checked), 0);
        *record = kValue;
        bee.call(kRingSubmit, record, 0);
      },
      check_ring);
  program(
      "ring: reserve and discard", [] {},
      [this](TestBee& bee) {
        auto* record = bee.pointer<Checked>(kRingReserve, maps_.ring, sizeof(Checked), 0);
        bee.call(kRingDiscard, record, 0);
      },
      check_ring);
  program(
      "ring: output", [] {},
      [this](TestBee& bee) { bee.call(kRingOutput, maps_.ring, &kValue, sizeof kValue, 0); },
      check_ring);
  PerfReader perf(*hive_, *maps_.perf);
  program(
      "perf: output", [] {},
      [this](TestBee& bee) {
        bee.call(kPerfOutput, 0, maps_.perf, 0xffffffffu, &kValue, sizeof kValue);
      },
      [&] {
        TestBee bee(kSlot);
        EXPECT_EQ(bee.call(kPerfOutput, 0, maps_.perf, 0xffffffffu, &kValue, sizeof kValue), 0);
        size_t seen_here = 0;
        perf.consume([&](const PerfReader::Event& event) {
          EXPECT_TRUE(load<Checked>(event.sample.data()).whole());
          return ++seen_here < 100;
        });
        EXPECT_GE(seen_here, 1u);
        EXPECT_LE(seen_here, 2u);
      });
  static uint64_t frames[] = {11, 33, 55, 0};
  program(
      "stack ids, each replacing another", [] {},
      [this](TestBee& bee) {
        for (uint64_t i = 1; i < 4; ++i) {
          frames[0] = i, frames[1] = i * 3, frames[2] = i * 5;
          bee.context.host_data = frames;
          bee.call(kGetStackid, 0, maps_.stacks, 0x500);
        }
      },
      [this] {
        uint64_t value[8];
        for (uint32_t id = 0; id < 16; ++id) {
          if (!lookup_elem(*maps_.stacks, bytes(id), std::as_writable_bytes(std::span(value))))
            continue;
          EXPECT_EQ(value[1], value[0] * 3);
          EXPECT_EQ(value[2], value[0] * 5);
          EXPECT_TRUE(delete_elem(*maps_.stacks, bytes(id)));
        }
      });
  kill_everywhere();
}

// ---- the controlling side ----

// What a traced process sees of the hive's objects: each that the directory names is whole, no id is there twice.
void check_directory() {
  std::set<uint32_t> ids;
  const uint32_t used = hive::control_header().objects_used.load();
  for (uint32_t i = 0; i < used; ++i) {
    hive::ObjectEntry& entry = hive::directory()[i];
    if (entry.kind.load() != static_cast<uint32_t>(hive::ObjectKind::kMap)) continue;
    const auto* map = reinterpret_cast<const MapHeader*>(entry.address);
    EXPECT_EQ(map->magic, kMapMagic) << "entry " << i;
    EXPECT_TRUE(checked_header(map)) << "entry " << i;
    EXPECT_TRUE(ids.insert(map->id).second) << "id " << map->id << " twice";
  }
}

TEST(KillTheController, whoever_goes_on_sees_whole_maps_only) {
  using enum MapType;
  struct Kind {
    MapType type;
    uint32_t key, value, entries, flags;
  };
  const Kind kinds[] = {{BPF_MAP_TYPE_HASH, 8, 16, 20, 0},
                        {BPF_MAP_TYPE_LRU_PERCPU_HASH, 8, 16, 20, 0},
                        {BPF_MAP_TYPE_ARRAY, 4, 16, 20, 0},
                        {BPF_MAP_TYPE_PERCPU_ARRAY, 4, 16, 20, 0},
                        {BPF_MAP_TYPE_QUEUE, 0, 16, 20, 0},
                        {BPF_MAP_TYPE_BLOOM_FILTER, 0, 16, 20, 0},
                        {BPF_MAP_TYPE_LPM_TRIE, 8, 16, 20, BPF_F_NO_PREALLOC},
                        {BPF_MAP_TYPE_STACK_TRACE, 4, 64, 8, 0},
                        {BPF_MAP_TYPE_RINGBUF, 0, 0, 4096, 0},
                        {BPF_MAP_TYPE_USER_RINGBUF, 0, 0, 4096, 0},
                        {BPF_MAP_TYPE_PERF_EVENT_ARRAY, 4, 4, 4, 0},
                        {BPF_MAP_TYPE_PROG_ARRAY, 4, 4, 4, 0}};
  for (const Kind& kind : kinds) {
    SCOPED_TRACE(static_cast<uint32_t>(kind.type));
    int64_t points = -1;
    for (uint64_t at = ~uint64_t{0}; points < 0 || at < static_cast<uint64_t>(points); ++at) {
      SCOPED_TRACE(fmt::format("killed at kill point {}", at));
      auto hive = make_test_hive({.data_size = 8 << 20, .slots = 4});
      ASSERT_NE(hive, nullptr);
      auto busy = create_map(
          *hive, {.type = BPF_MAP_TYPE_HASH, .key_size = 8, .value_size = 8, .max_entries = 8});
      ASSERT_TRUE(busy);
      const uint32_t before = (*busy)->id;
      const int64_t passed = run_until(
          [&] {
            auto made = create_map(*hive, {.type = kind.type,
                                           .key_size = kind.key,
                                           .value_size = kind.value,
                                           .max_entries = kind.entries,
                                           .map_flags = kind.flags,
                                           .perf_pages = 1});
            if (!made) ::_exit(9);
            (void)freeze_map(*made);
            destroy_map(*hive, *made);
          },
          at);
      if (points < 0) {
        points = passed;
        ASSERT_GT(points, 0);
      }
      check_directory();
      EXPECT_GE(hive::control_header().next_id[static_cast<size_t>(hive::ObjectKind::kMap)].load(),
                before);
      TestBee bee(1);
      const uint64_t key = 3;
      EXPECT_EQ(bee.call(kUpdate, *busy, &key, &key, BPF_ANY), 0);
      EXPECT_NE(bee.call(kLookup, *busy, &key), 0);
      if (HasFailure()) return;
    }
  }
}

}  // namespace
}  // namespace skep::maps::test
