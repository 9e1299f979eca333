// ./dev soak: kills and scribbling for as long as asked for.
//
//   maps_soak [--minutes N] [--seed S]
//
// Turns, each on a hive of its own:
//   traced       processes that run operations on every map type are killed at random instructions, and replaced,
//                under a controller that consumes; then all invariants are checked (BusyMaps::check_all)
//   controlling  a controller that creates, updates, consumes and destroys is killed; traced processes go on, and check
//                for themselves that nothing they can reach is torn, stuck or lost
//   hostile      a process writes random words over all of the data segment that it may write, while the controlling
//                side and another process go on working: neither may crash, hang or get out of the hive
#include <signal.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/wait.h>

#include <chrono>
#include <cstdio>
#include <string_view>

#include "maps/busy_maps.h"
#include "maps/hostile.h"

namespace skep::maps::test {
namespace {

double g_minutes = 1;
uint64_t g_seed = 1;
struct {
  uint64_t traced_kills, controller_kills, samples, events, scribbles, hostile_operations, turns;
} g_counts;

using Clock = std::chrono::steady_clock;

// What the processes of a turn tell each other.
struct Shared {
  std::atomic<uint64_t> progress, ready;
  std::atomic<bool> stop;
};
Shared* make_shared_page() {
  return static_cast<Shared*>(
      ::mmap(nullptr, 4096, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0));
}

// What a traced process may do to the hive: read control and code, write data.
void become_traced() {
  ::mprotect(reinterpret_cast<void*>(hive::kControl), hive::kControlSize, PROT_READ);
}
void work(const BusyMaps& maps, uint64_t seed, Shared& shared) {
  become_traced();
  std::mt19937_64 random(seed);
  while (!shared.stop.load()) {
    TestBee bee(static_cast<uint32_t>(random() % 8));
    if (bee.slot() == hive::kNoSlot) continue;
    for (int i = 0; i < 4; ++i)
      maps.operate(bee, static_cast<int>(random() % BusyMaps::kOperations), random);
    shared.progress.fetch_add(1);
  }
}
pid_t start(const std::function<void()>& body) {
  const pid_t pid = ::fork();
  if (pid == 0) {
    body();
    ::_exit(0);
  }
  return pid;
}
void kill_it(pid_t pid) {
  ASSERT_EQ(::kill(pid, SIGKILL), 0);
  int status = 0;
  ASSERT_EQ(::waitpid(pid, &status, 0), pid);
  ASSERT_TRUE(WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL)
      << "ended by itself, status " << status << " (a torn value aborts a process)";
}
// The moment of a kill is random; nothing is waited for.
void let_run(uint64_t microseconds) {
  timespec time{0, static_cast<long>(microseconds * 1000)};
  ::nanosleep(&time, nullptr);
}

void traced_turn(std::mt19937_64& random) {
  constexpr int kWorkers = 4, kKills = 400;
  auto hive = make_test_hive({.data_size = 256 << 20, .slots = 16});
  ASSERT_NE(hive, nullptr);
  BusyMaps maps;
  ASSERT_TRUE(maps.create(*hive));
  Shared* shared = make_shared_page();
  RingReader reader(*maps.ring);
  PerfReader perf(*hive, *maps.perf);
  auto consume = [&] {
    reader.consume([&](ByteSpan sample) {
      EXPECT_TRUE(load<Checked>(sample.data()).whole());
      ++g_counts.samples;
      return true;
    });
    perf.consume([&](const PerfReader::Event& event) {
      EXPECT_TRUE(load<Checked>(event.sample.data()).whole());
      ++g_counts.events;
      return true;
    });
  };
  std::vector<pid_t> workers;
  auto add = [&] { workers.push_back(start([&, seed = random()] { work(maps, seed, *shared); })); };
  for (int i = 0; i < kWorkers; ++i) add();
  for (int kill = 0; kill < kKills; ++kill) {
    let_run(random() % 800);
    if (kill % 8 == 0) consume();
    std::swap(workers[random() % workers.size()], workers.back());
    ASSERT_NO_FATAL_FAILURE(kill_it(workers.back()));
    workers.pop_back();
    ++g_counts.traced_kills;
    add();
  }
  for (pid_t worker : workers) {
    ASSERT_NO_FATAL_FAILURE(kill_it(worker));
    ++g_counts.traced_kills;
  }
  consume();
  hive::reap_dead_slots(this_thread());
  for (uint32_t slot = 0; slot < hive->slot_count(); ++slot)
    EXPECT_EQ(hive::slot_table().slots[slot].owner.load(), 0u) << "slot " << slot << " is lost";
  maps.check_all(reader);
  ::munmap(shared, 4096);
}

void controlling_turn(std::mt19937_64& random) {
  Shared* shared = make_shared_page();
  pid_t worker = -1;
  auto* worker_pid = new (static_cast<void*>(shared + 1)) std::atomic<pid_t>(-1);
  const pid_t controller = start([&, seed = random()] {
    auto hive = make_test_hive({.data_size = 64 << 20, .slots = 8});
    BusyMaps maps;
    if (!hive || !maps.create(*hive)) ::_exit(9);
    // Its traced process is not its child, so that it outlives it and is ours to wait for.
    const pid_t middle = ::fork();
    if (middle == 0) {
      const pid_t traced = ::fork();
      if (traced != 0) {
        worker_pid->store(traced);
        ::_exit(0);
      }
      work(maps, seed, *shared);
      TestBee bee;
      uint64_t fit = 0;
      for (uint64_t key = 0; key < kKeys; ++key) {
        if (auto* value = bee.pointer<Checked>(kLookup, maps.hash, &key))
          if (!value->whole() || value->key != key) ::_exit(11);
        bee.call(kDelete, maps.hash, &key);
      }
      for (uint64_t key = 0; key < kKeys; ++key) {
        Checked value = Checked::make(key, 3);
        fit += bee.call(kUpdate, maps.hash, &key, &value, BPF_NOEXIST) == 0;
      }
      ::_exit(fit == kRoom ? 0 : 12);
    }
    ::waitpid(middle, nullptr, 0);
    shared->ready = 1;
    maps.control(*hive, seed + 1);
  });
  while (shared->ready.load() == 0)
    ASSERT_EQ(::waitpid(controller, nullptr, WNOHANG), 0) << "the controller failed";
  worker = worker_pid->load();
  let_run(random() % 2000);
  ASSERT_NO_FATAL_FAILURE(kill_it(controller));
  ++g_counts.controller_kills;
  const uint64_t before = shared->progress.load();
  while (shared->progress.load() < before + 20) ::sched_yield();
  shared->stop = true;
  int status = 0;
  ASSERT_EQ(::waitpid(worker, &status, 0), worker);
  EXPECT_EQ(status, 0) << "a traced process saw " << WEXITSTATUS(status);
  ::munmap(shared, 4096);
}

void hostile_turn(std::mt19937_64& random) {
  {  // scribbling between operations, as a fuzzer's input says
    HostileHive hostile;
    std::vector<uint8_t> bytes(32 << 10);
    for (uint8_t& byte : bytes) byte = static_cast<uint8_t>(random());
    std::span<const uint8_t> input(bytes);
    while (hostile.step(input)) ++g_counts.hostile_operations;
  }
  // … and during them.
  auto hive = make_test_hive({.data_size = 64 << 20, .slots = 8});
  ASSERT_NE(hive, nullptr);
  BusyMaps maps;
  ASSERT_TRUE(maps.create(*hive));
  Shared* shared = make_shared_page();
  auto all = std::to_array<MapHeader*>({maps.hash, maps.lru, maps.percpu_hash, maps.percpu_array,
                                        maps.array, maps.queue, maps.stack, maps.trie, maps.ring,
                                        maps.perf, maps.stacks});
  const pid_t writer = start([&, seed = random()] {
    become_traced();
    std::mt19937_64 mine(seed);
    while (!shared->stop.load()) {
      const MapHeader& map = *all[mine() % all.size()];
      const uint64_t span =
          mine() % 2 != 0 ? map.data_size : std::min<uint64_t>(map.data_size, 8192);
      auto* at = reinterpret_cast<uint64_t*>(map.data) + mine() % (span / 8);
      *at = mine() % 4 == 0 ? mine() : mine() % 70;
      shared->progress.fetch_add(1);
    }
  });
  auto controls = [&](uint64_t seed, uint64_t operations) {
    std::mt19937_64 mine(seed);
    RingReader reader(*maps.ring);
    for (uint64_t i = 0; i < operations; ++i) {
      MapHeader& map = *all[mine() % all.size()];
      std::vector<std::byte> key(map.key_size), value(user_value_size(map)), cursor;
      if (!key.empty()) key[0] = static_cast<std::byte>(mine() % 96);
      switch (mine() % 5) {
        case 0: (void)lookup_elem(map, key, value); break;
        case 1: (void)update_elem(map, key, value); break;
        case 2: (void)delete_elem(map, key); break;
        case 3: (void)lookup_batch(map, cursor, 16); break;
        case 4: reader.consume([](ByteSpan) { return true; }, 100); break;
      }
    }
  };
  const pid_t other = start([&, seed = random()] {
    become_traced();
    controls(seed, 2000);
  });
  controls(random(), 2000);
  int status = 0;
  ASSERT_EQ(::waitpid(other, &status, 0), other);
  EXPECT_EQ(status, 0) << "another process was brought down";
  g_counts.hostile_operations += 4000;
  ASSERT_NO_FATAL_FAILURE(kill_it(writer));
  g_counts.scribbles += shared->progress.load();
  ::munmap(shared, 4096);
}

TEST(soak, nothing_is_torn_lost_or_stuck) {
  std::mt19937_64 random(g_seed);
  const auto end = Clock::now() + std::chrono::duration<double, std::ratio<60>>(g_minutes);
  do {
    SCOPED_TRACE(fmt::format("seed {}, turn {}", g_seed, g_counts.turns));
    ASSERT_NO_FATAL_FAILURE(traced_turn(random));
    for (int i = 0; i < 20 && !HasFailure(); ++i) ASSERT_NO_FATAL_FAILURE(controlling_turn(random));
    ASSERT_NO_FATAL_FAILURE(hostile_turn(random));
    ++g_counts.turns;
  } while (!HasFailure() && Clock::now() < end);
}

}  // namespace

int run(int argc, char** argv) {
  for (int i = 1; i + 1 < argc; ++i) {
    const std::string_view name = argv[i];
    if (name == "--minutes") g_minutes = std::strtod(argv[i + 1], nullptr);
    if (name == "--seed") g_seed = std::strtoull(argv[i + 1], nullptr, 10);
  }
  ::prctl(PR_SET_CHILD_SUBREAPER, 1);  // orphans are ours to wait for
  testing::InitGoogleTest(&argc, argv);
  const int result = RUN_ALL_TESTS();
  std::printf(
      "soak: seed %lu, %lu turns: %lu traced and %lu controlling processes killed; %lu ring "
      "samples and %lu perf "
      "events whole; %lu words scribbled under %lu operations: %s\n",
      g_seed, g_counts.turns, g_counts.traced_kills, g_counts.controller_kills, g_counts.samples,
      g_counts.events, g_counts.scribbles, g_counts.hostile_operations,
      result == 0 ? "all invariants hold" : "FAILED");
  return result;
}

}  // namespace skep::maps::test

int main(int argc, char** argv) { return skep::maps::test::run(argc, argv); }
