// Processes are killed at random instructions, a thousand times, while maps and rings are busy:
// traced processes under a controller that lives, and controllers under traced processes that live.
// Afterwards every lock can be had, every entry is whole, all room is there, the ring's consumer
// has gone on and no slot is lost.
#include <signal.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/wait.h>

#include <thread>

#include "maps/busy_maps.h"

namespace skep::maps::test {
namespace {

constexpr int kWorkers = 4;
#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
constexpr int kWorkerKills = 90, kControllerKills = 10;
#else
constexpr int kWorkerKills = 900, kControllerKills = 100;
#endif

// What a traced process may do to the hive: read control and code, write data.
void become_traced() {
  (void)!::nice(10);  // so that whoever kills them gets to run
  ::mprotect(reinterpret_cast<void*>(hive::kControl), hive::kControlSize, PROT_READ);
}

[[noreturn]] void work(const BusyMaps& maps, uint64_t seed, std::atomic<uint64_t>* progress,
                       const std::atomic<bool>* stop) {
  become_traced();
  std::mt19937_64 random(seed);
  while (stop == nullptr || !stop->load()) {
    TestBee bee(static_cast<uint32_t>(random() % 8));  // a new slot for each run, as programs have
    if (bee.slot() == hive::kNoSlot) continue;
    for (int i = 0; i < 4; ++i)
      maps.operate(bee, static_cast<int>(random() % BusyMaps::kOperations), random);
    if (progress != nullptr) progress->fetch_add(1);
  }
  ::_exit(0);
}

pid_t start(const std::function<void()>& body) {
  pid_t pid = ::fork();
  if (pid == 0) {
    body();
    ::_exit(0);
  }
  return pid;
}

void expect_killed(pid_t pid) {
  int status = 0;
  ASSERT_EQ(::waitpid(pid, &status, 0), pid);
  EXPECT_TRUE(WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL)
      << "the process ended by itself, status " << std::hex << status
      << " (a torn value aborts it)";
}

// The moment of the kill is random; nothing is waited for.
void let_run(std::chrono::microseconds duration) {
  timespec time{0, duration.count() * 1000};
  ::nanosleep(&time, nullptr);
}

TEST(kill_storm, killed_traced_processes_leave_all_locks_free_and_all_entries_whole) {
  auto hive = make_test_hive({.slots = 16});
  ASSERT_NE(hive, nullptr);
  BusyMaps maps;
  ASSERT_TRUE(maps.create(*hive));
  RingReader reader(*maps.ring);
  PerfReader perf(*hive, *maps.perf);
  std::mt19937_64 random(20260101);
  uint64_t samples = 0, events = 0;
  auto consume = [&] {
    reader.consume([&](ByteSpan sample) {
      EXPECT_TRUE(load<Checked>(sample.data()).whole());
      ++samples;
      return true;
    });
    perf.consume([&](const PerfReader::Event& event) {
      EXPECT_TRUE(load<Checked>(event.sample.data()).whole());
      ++events;
      return true;
    });
  };

  std::vector<pid_t> workers;
  uint64_t seed = 1;
  auto add = [&] { workers.push_back(start([&] { work(maps, ++seed, nullptr, nullptr); })); };
  for (int i = 0; i < kWorkers; ++i) ++seed, add();
  for (int kill = 0; kill < kWorkerKills; ++kill) {
    let_run(std::chrono::microseconds(random() % 3000));
    consume();
    size_t victim = random() % workers.size();
    ASSERT_EQ(::kill(workers[victim], SIGKILL), 0);
    expect_killed(workers[victim]);
    workers.erase(workers.begin() + static_cast<long>(victim));
    ++seed, add();
  }
  for (pid_t worker : workers) ::kill(worker, SIGKILL);
  for (pid_t worker : workers) expect_killed(worker);
  consume();

  hive::reap_dead_slots(this_thread());
  for (uint32_t slot = 0; slot < hive->slot_count(); ++slot)
    EXPECT_EQ(hive::slot_table().slots[slot].owner.load(), 0u) << "slot " << slot << " is lost";
  EXPECT_GT(samples, 1000u);
  EXPECT_GT(events, 1000u);
  std::printf(
      "%d kills; %lu samples, %lu skipped with their producers; %lu perf events; %u slots taken "
      "over\n",
      kWorkerKills + kWorkers, samples, reader.dead_records(), events,
      hive::slot_table().deaths.load());
  maps.check_all(reader);
}

// The controller and its hive live in a child; what its death leaves is judged by the workers that
// outlive it.
TEST(kill_storm, traced_processes_go_on_when_their_controller_is_killed) {
  struct Shared {
    std::atomic<int> ready;
    std::atomic<bool> stop;
    std::atomic<uint64_t> progress;
    std::atomic<pid_t> workers[2];
  };
  auto* shared = static_cast<Shared*>(
      ::mmap(nullptr, sizeof(Shared), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0));
  ASSERT_NE(shared, MAP_FAILED);
  ::prctl(PR_SET_CHILD_SUBREAPER, 1);  // the orphans are ours to wait for
  std::mt19937_64 random(42);
  for (int kill = 0; kill < kControllerKills; ++kill) {
    new (shared) Shared{};
    pid_t controller = start([&] {
      auto hive = make_test_hive({.data_size = 64 << 20, .slots = 8});
      BusyMaps maps;
      if (!hive || !maps.create(*hive)) ::_exit(1);
      for (int i = 0; i < 2; ++i) {
        shared->workers[i] = start([&] {
          std::mt19937_64 mine(static_cast<uint64_t>(kill * 2 + i));
          become_traced();
          while (!shared->stop.load()) {
            TestBee bee(static_cast<uint32_t>(i));
            if (bee.slot() == hive::kNoSlot) continue;
            maps.operate(bee, static_cast<int>(mine() % BusyMaps::kOperations), mine);
            shared->progress.fetch_add(1);
          }
          if (i != 0) ::_exit(0);
          // The other one has ended too once its slot is free (or dead).
          while (::kill(shared->workers[1], 0) == 0) ::sched_yield();
          hive::reap_dead_slots(this_thread());
          for (uint32_t slot = 0; slot < hive::slot_count(); ++slot)
            if (hive::slot_table().slots[slot].owner.load() != 0) ::_exit(10);
          // Hash entries are whole, and as many fit as should: by what a traced process can do.
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
          if (fit != kRoom) ::_exit(12);
          bee.leave();
          RingReader reader(*maps.ring);
          bool whole = true;
          reader.consume(
              [&](ByteSpan sample) { return whole = load<Checked>(sample.data()).whole(); });
          if (!whole || reader.pending()) ::_exit(13);
          ::_exit(0);
        });
      }
      shared->ready = 1;
      maps.control(*hive, static_cast<uint64_t>(kill) + 1000);
    });
    while (shared->ready.load() == 0)
      ASSERT_EQ(::waitpid(controller, nullptr, WNOHANG), 0) << "the controller failed";
    let_run(std::chrono::microseconds(random() % 3000));
    ASSERT_EQ(::kill(controller, SIGKILL), 0);
    expect_killed(controller);
    // They go on.
    uint64_t before = shared->progress.load();
    while (shared->progress.load() < before + 50) ::sched_yield();
    shared->stop = true;
    for (int i : {1, 0}) {
      int status = 0;
      ASSERT_EQ(::waitpid(shared->workers[i], &status, 0), shared->workers[i]);
      EXPECT_EQ(status, 0) << "worker " << i << " of round " << kill << ": " << WEXITSTATUS(status);
    }
  }
  ::munmap(shared, sizeof(Shared));
}

}  // namespace
}  // namespace skep::maps::test
