// Map operations in a program, on the user engine and on the kernel, with the same bytecode in the
// same run:
//
//   maps_bench [--quick] [--json] [--write docs/benchmarks.md] [FILTER]
//
// A case is a loop of one operation over keys from a linear congruential generator, hot (1 Ki of 64
// Ki keys) or wide (32 Ki); its time is the loop's less that of the same loop without the
// operation, divided by its rounds; the least of several samples. `chained`: each key depends on what was read
// before, so that operations do not overlap. ours/kernel below 1 is faster. Where bpf(2) is
// refused, only our times are shown.
#include <sched.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <chrono>
#include <cmath>
#include <cstdio>
#include <cstring>
#include <functional>
#include <numeric>
#include <optional>
#include <random>
#include <string>
#include <thread>
#include <vector>

#include "isa/assembler.h"
#include "maps/bee.h"
#include "maps/control/events.h"
#include "maps/control/maps.h"
#include "maps/ringbuf.h"
#include "section.h"
#include "support/unsafe_program.h"
#include "vm/engine.h"

namespace {

using namespace skep;
using namespace skep::maps;
using namespace skep::maps::test;
using enum MapType;

constexpr uint32_t kRounds = 512;

struct Case {
  std::string name;
  MapAttributes map;
  std::string text;  // the operation, with its key's number in r7; map[idx:0] is the map
  uint32_t keys;     // a power of two: how many are used …
  uint32_t filled;   // … and how many are in the map
  bool ring = false;
  bool chained = false;
};

// r8: the sum of what was read, so that nothing is optimised away. r9: the generator's state, kept
// from run to run. Of one state come kUnrolled keys, so that the generator is no bottleneck.
constexpr uint32_t kUnrolled = 4;
std::string loop(const std::string& operation, uint32_t keys, bool chained) {
  std::string body;
  for (uint32_t i = 0; i < kUnrolled; ++i) {
    std::string text = operation;
    for (const char* label : {"missing", "full"})
      for (size_t at = 0; (at = text.find(label, at)) != std::string::npos;) {
        at += std::strlen(label);
        text.insert(at, std::to_string(i));
      }
    body += fmt::format(R"(
    r7 = r9
    r7 {}= {}
    r7 >>= {}
    r7 &= {}
    *(u32 *)(r10 -4) = r7
  {})",
                        chained ? "^" : "+", chained ? "r8" : "0", 2 + 5 * i, keys - 1, text);
  }
  return fmt::format(R"(
    r1 = map[idx:1][0]+0
    r9 = *(u64 *)(r1 +0)
    r8 = 0
    r6 = {}
  again:
    w9 *= 1664525
    w9 += 1013904223
  {}
    r6 += -1
    if r6 != 0 goto again
    r1 = map[idx:1][0]+0
    *(u64 *)(r1 +0) = r9
    r0 = r8
    exit)",
                     kRounds / kUnrolled, body);
}

constexpr const char* kNothing = "  r8 += r7\n";  // as if r7 had been read
constexpr const char* kLookupText = R"(
    r2 = r10
    r2 += -4
    r1 = map[idx:0]
    call 1
    if r0 == 0 goto missing
    r0 = *(u64 *)(r0 +0)
    r8 += r0
  missing:
)";
constexpr const char* kUpdateText = R"(
    *(u64 *)(r10 -16) = r9
    r2 = r10
    r2 += -4
    r3 = r10
    r3 += -16
    r4 = 0
    r1 = map[idx:0]
    call 2
    r8 += r0
)";
constexpr const char* kDeleteInsertText = R"(
    r2 = r10
    r2 += -4
    r1 = map[idx:0]
    call 3
    r8 += r0
    *(u64 *)(r10 -16) = r9
    r2 = r10
    r2 += -4
    r3 = r10
    r3 += -16
    r4 = 0
    r1 = map[idx:0]
    call 2
    r8 += r0
)";
constexpr const char* kPrefixText = R"(
    *(u32 *)(r10 -4) = r7
    r1 = 32
    *(u32 *)(r10 -8) = r1
    r2 = r10
    r2 += -8
    r1 = map[idx:0]
    call 1
    if r0 == 0 goto missing
    r0 = *(u64 *)(r0 +0)
    r8 += r0
  missing:
)";
constexpr const char* kRingText = R"(
    r1 = map[idx:0]
    r2 = 16
    r3 = 0
    call 131
    if r0 == 0 goto full
    *(u64 *)(r0 +0) = r9
    r1 = r0
    r2 = 1
    call 132
  full:
)";
constexpr const char* kQueueText = R"(
    *(u64 *)(r10 -16) = r9
    r2 = r10
    r2 += -16
    r3 = 2
    r1 = map[idx:0]
    call 87
    r8 += r0
)";

std::vector<Case> all_cases() {
  constexpr uint32_t kHot = 1 << 10, kWide = 1 << 15, kFull = 1 << 16;
  std::vector<Case> cases;
  auto add = [&](const char* kind, MapType type, uint32_t flags, const char* operation,
                 const char* text) {
    for (bool wide : {false, true}) {
      MapAttributes map{
          .type = type, .key_size = 4, .value_size = 8, .max_entries = kFull, .map_flags = flags};
      for (bool chained : {false, true}) {
        if (chained && std::string_view(operation) != "lookup") continue;
        cases.push_back({fmt::format("{}/{}/{}{}", kind, operation, wide ? "wide" : "hot",
                                     chained ? "/chained" : ""),
                         map, text, wide ? kWide : kHot, kFull, false, chained});
      }
    }
  };
  add("array", BPF_MAP_TYPE_ARRAY, 0, "lookup", kLookupText);
  add("array", BPF_MAP_TYPE_ARRAY, 0, "update", kUpdateText);
  add("percpu_array", BPF_MAP_TYPE_PERCPU_ARRAY, 0, "lookup", kLookupText);
  add("hash", BPF_MAP_TYPE_HASH, 0, "lookup", kLookupText);
  add("hash", BPF_MAP_TYPE_HASH, 0, "update", kUpdateText);
  add("hash", BPF_MAP_TYPE_HASH, 0, "delete+insert", kDeleteInsertText);
  add("percpu_hash", BPF_MAP_TYPE_PERCPU_HASH, 0, "lookup", kLookupText);
  add("percpu_hash", BPF_MAP_TYPE_PERCPU_HASH, 0, "update", kUpdateText);
  add("lru_hash", BPF_MAP_TYPE_LRU_HASH, 0, "lookup", kLookupText);
  add("lru_hash", BPF_MAP_TYPE_LRU_HASH, 0, "update", kUpdateText);
  for (bool wide : {false, true}) {
    MapAttributes map{.type = BPF_MAP_TYPE_LPM_TRIE,
                      .key_size = 8,
                      .value_size = 8,
                      .max_entries = kFull,
                      .map_flags = BPF_F_NO_PREALLOC};
    cases.push_back({wide ? "lpm_trie/lookup/wide" : "lpm_trie/lookup/hot", map, kPrefixText,
                     wide ? kWide : kHot, kFull / 4});
  }
  // A new key nearly every time: evictions.
  MapAttributes small{
      .type = BPF_MAP_TYPE_LRU_HASH, .key_size = 4, .value_size = 8, .max_entries = 4096};
  cases.push_back({"lru_hash/evict", small, kUpdateText, 1 << 20, 4096});
  MapAttributes queue{.type = BPF_MAP_TYPE_QUEUE, .value_size = 8, .max_entries = 1024};
  cases.push_back({"queue/push", queue, kQueueText, kHot, 0});
  MapAttributes ring{.type = BPF_MAP_TYPE_RINGBUF, .max_entries = 4 << 20};
  cases.push_back({"ringbuf/reserve+submit", ring, kRingText, kHot, 0, true});
  return cases;
}

uint64_t now_ns() {
  timespec time{};
  ::clock_gettime(CLOCK_THREAD_CPUTIME_ID, &time);
  return static_cast<uint64_t>(time.tv_sec) * 1'000'000'000 + static_cast<uint64_t>(time.tv_nsec);
}

// Where a case runs. A sample is ns a run of kRounds rounds.
class Place {
 public:
  virtual ~Place() = default;
  virtual bool prepare(const Case& test, std::string& why) = 0;
  virtual double sample(bool with_operation, uint32_t repeat) = 0;
  virtual void drain() {}  // empties the ring
};

std::vector<std::byte> value_for(const MapAttributes& map, uint64_t number, uint32_t cpus) {
  bool percpu = map.type == BPF_MAP_TYPE_PERCPU_ARRAY || map.type == BPF_MAP_TYPE_PERCPU_HASH;
  std::vector<std::byte> value(map.value_size * (percpu ? cpus : 1));
  std::memcpy(value.data(), &number, sizeof number);
  return value;
}
std::vector<std::byte> key_for(const MapAttributes& map, uint32_t number) {
  std::vector<std::byte> key(map.key_size);
  if (map.type == BPF_MAP_TYPE_LPM_TRIE) {
    uint32_t length = 32;
    std::memcpy(key.data(), &length, 4);
    number *= 2;  // half of what is asked for is there
    std::memcpy(key.data() + 4, &number, 4);
  } else if (!key.empty()) {
    std::memcpy(key.data(), &number, 4);
  }
  return key;
}

// The order in which a map is filled: the keys that are asked for must not be the first in their buckets.
std::vector<uint32_t> shuffled(uint32_t count) {
  std::vector<uint32_t> all(count);
  std::iota(all.begin(), all.end(), 0);
  std::shuffle(all.begin(), all.end(), std::mt19937_64(1));
  return all;
}

class UserPlace final : public Place {
 public:
  UserPlace()
      : hive_(make_test_hive({.data_size = uint64_t{1} << 30})), engine_(vm::make_jit_engine()) {
    for (const HelperBinding& row : map_helper_bindings())
      helpers_[row.id] = reinterpret_cast<uint64_t>(row.fn);
  }
  bool prepare(const Case& test, std::string& why) override {
    if (!hive_ || !engine_) return why = "no hive or no JIT here", false;
    if (map_ != nullptr) destroy_map(*hive_, map_);
    auto map = create_map(*hive_, test.map);
    if (!seed_)
      seed_ = *create_map(
          *hive_, {.type = BPF_MAP_TYPE_ARRAY, .key_size = 4, .value_size = 8, .max_entries = 1});
    if (!map) return why = map.error().text(), false;
    map_ = *map;
    for (uint32_t i : shuffled(test.filled)) {
      auto added =
          update_elem(*map_, key_for(test.map, i), value_for(test.map, i, hive_->slot_count()));
      if (!added) return why = added.error().text(), false;
    }
    for (bool operation : {false, true}) {
      auto insns =
          isa::assemble_insns(loop(operation ? test.text : kNothing, test.keys, test.chained));
      if (!insns) return why = insns.error().text(), false;
      std::vector<MapDescriptor> maps{descriptor(*map_), descriptor(*seed_)};
      // Every call here takes map 0, which the verifier would have told the JIT.
      auto known_map = [&](std::vector<InsnFacts>& facts) {
        for (size_t i = 0; i < facts.size(); ++i)
          if ((*insns)[i].opcode == (isa::BPF_JMP | isa::BPF_CALL)) facts[i].map_index = 0;
      };
      programs_[operation].emplace(VerifiedProgramMaker::unverified(*insns, maps, known_map));
      auto runnable = (*engine_)->prepare(*programs_[operation], helpers_);
      if (!runnable) return why = runnable.error().text(), false;
      runnables_[operation] = std::move(*runnable);
    }
    return true;
  }
  double sample(bool with_operation, uint32_t repeat) override {
    TestBee bee;
    uint64_t start = now_ns();
    for (uint32_t i = 0; i < repeat; ++i)
      (void)runnables_[with_operation]->run(nullptr, &bee.context);
    return static_cast<double>(now_ns() - start) / repeat;
  }
  void drain() override {
    ring_consumer(*map_).position.store(ring_producer(*map_).position.load());
  }

 private:
  static MapDescriptor descriptor(const MapHeader& map) {
    MapDescriptor made;
    made.type = static_cast<MapType>(map.type);
    made.key_size = map.key_size;
    made.value_size = map.value_size;
    made.max_entries = map.max_entries;
    made.address = reinterpret_cast<uint64_t>(&map);
    made.value_address = map.values;
    return made;
  }
  std::unique_ptr<Hive> hive_;
  Result<std::unique_ptr<vm::Engine>> engine_;
  std::array<uint64_t, 1024> helpers_{};
  MapHeader *map_ = nullptr, *seed_ = nullptr;
  std::optional<VerifiedProgram> programs_[2];
  std::unique_ptr<vm::Runnable> runnables_[2];
};

// bpf(2) as far as it is needed here.
struct MapAttr {
  uint32_t type, key_size, value_size, max_entries, flags;
  unsigned char rest[60];
};
struct ElementAttr {
  uint32_t fd, pad;
  uint64_t key, value, flags;
};
struct LoadAttr {
  uint32_t type, count;
  uint64_t insns, license;
  uint32_t log_level, log_size;
  uint64_t log;
  unsigned char rest[24];
};
struct RunAttr {
  uint32_t fd, retval, size_in, size_out;
  uint64_t data_in, data_out;
  uint32_t repeat, duration;
  unsigned char rest[16];
};
template <class T>
int bpf(int command, T& attr) {
  return static_cast<int>(::syscall(SYS_bpf, command, &attr, sizeof attr));
}

class KernelPlace final : public Place {
 public:
  ~KernelPlace() override {
    if (consumer_ != nullptr) ::munmap(consumer_, 4096);
    if (producer_ != nullptr) ::munmap(producer_, 4096);
  }
  bool prepare(const Case& test, std::string& why) override {
    MapAttr seed{BPF_MAP_TYPE_ARRAY_NUMBER, 4, 8, 1, 0, {}};
    MapAttr map{static_cast<uint32_t>(test.map.type),
                test.map.key_size,
                test.map.value_size,
                test.map.max_entries,
                test.map.map_flags,
                {}};
    map_ = Fd(bpf(0, map));
    seed_ = Fd(bpf(0, seed));
    if (!map_ || !seed_) return why = "BPF_MAP_CREATE: " + errno_text(errno), false;
    long cpus = ::sysconf(_SC_NPROCESSORS_CONF);
    for (uint32_t i : shuffled(test.filled)) {
      auto key = key_for(test.map, i);
      auto value = value_for(test.map, i, static_cast<uint32_t>(cpus));
      ElementAttr element{static_cast<uint32_t>(map_.get()), 0,
                          reinterpret_cast<uint64_t>(key.data()),
                          reinterpret_cast<uint64_t>(value.data()), 0};
      if (bpf(2, element) != 0) return why = "BPF_MAP_UPDATE_ELEM: " + errno_text(errno), false;
    }
    for (bool operation : {false, true}) {
      auto insns =
          isa::assemble_insns(loop(operation ? test.text : kNothing, test.keys, test.chained));
      if (!insns) return why = insns.error().text(), false;
      for (size_t i = 0; i < insns->size(); ++i) {
        Insn& insn = (*insns)[i];
        if (!isa::is_ld_imm64(insn)) continue;
        int fd = insn.imm == 0 ? map_.get() : seed_.get();
        insn.src = insn.src == isa::BPF_PSEUDO_MAP_IDX_VALUE ? isa::BPF_PSEUDO_MAP_VALUE
                                                             : isa::BPF_PSEUDO_MAP_FD;
        insn.imm = fd;
        ++i;
      }
      std::string log(1 << 16, '\0');
      LoadAttr load{1,
                    static_cast<uint32_t>(insns->size()),
                    reinterpret_cast<uint64_t>(insns->data()),
                    reinterpret_cast<uint64_t>("GPL"),
                    0,
                    0,
                    0,
                    {}};
      programs_[operation] = Fd(bpf(5, load));
      if (!programs_[operation]) {
        load.log_level = 1, load.log_size = static_cast<uint32_t>(log.size()),
        load.log = reinterpret_cast<uint64_t>(log.data());
        (void)bpf(5, load);
        return why = "BPF_PROG_LOAD: " + errno_text(errno) + "\n" + log.c_str(), false;
      }
    }
    if (test.ring) {
      consumer_ = static_cast<uint64_t*>(
          ::mmap(nullptr, 4096, PROT_READ | PROT_WRITE, MAP_SHARED, map_.get(), 0));
      producer_ =
          static_cast<uint64_t*>(::mmap(nullptr, 4096, PROT_READ, MAP_SHARED, map_.get(), 4096));
    }
    return true;
  }
  double sample(bool with_operation, uint32_t repeat) override {
    unsigned char packet[64] = {};
    RunAttr run{static_cast<uint32_t>(programs_[with_operation].get()),
                0,
                sizeof packet,
                0,
                reinterpret_cast<uint64_t>(packet),
                0,
                repeat,
                0,
                {}};
    if (bpf(10, run) != 0) return std::nan("");
    return run.duration;
  }
  void drain() override { std::atomic_ref(*consumer_).store(std::atomic_ref(*producer_).load()); }

 private:
  static constexpr uint32_t BPF_MAP_TYPE_ARRAY_NUMBER = 2;
  Fd map_, seed_, programs_[2];
  uint64_t *consumer_ = nullptr, *producer_ = nullptr;
};

double measure(Place& place, const Case& test, int samples, uint32_t repeat) {
  double best[2] = {1e18, 1e18};
  for (bool operation : {false, true}) (void)place.sample(operation, repeat / 4 + 1);
  for (int i = 0; test.ring && i < 8; ++i) {  // all of the ring's pages once
    place.drain();
    (void)place.sample(true, 100);
  }
  for (int i = 0; i < samples; ++i) {
    for (bool operation : {false, true}) {
      if (test.ring) place.drain();
      best[operation] = std::min(best[operation], place.sample(operation, repeat));
    }
  }
  return std::max(0.05, (best[1] - best[0]) / kRounds);
}

// From outside of programs: the map operations that the C++ API (include/skep) and the user engine's bpf(2) stand on,
// against bpf(2) of the kernel. Of a hash of 1 Ki elements; a batch is of 64, its figure by element.
void user_side(int samples, const std::function<bool(const std::string&)>& wanted,
               const std::function<void(const std::string&, double, double)>& report) {
  auto hive = make_test_hive();
  constexpr uint32_t kKeys = 1024, kCalls = 4096, kBatch = 64;
  auto made = create_map(
      *hive, {.type = BPF_MAP_TYPE_HASH, .key_size = 4, .value_size = 8, .max_entries = kKeys});
  MapHeader& map = **made;
  MapAttr attr{1, 4, 8, kKeys, 0, {}};
  Fd kernel(bpf(0, attr));
  uint32_t key = 0;
  uint64_t value = 1;
  auto as_bytes = [](auto& object) { return std::as_writable_bytes(std::span(&object, 1)); };
  auto element = [&](int command) {
    ElementAttr what{static_cast<uint32_t>(kernel.get()), 0, reinterpret_cast<uint64_t>(&key),
                     reinterpret_cast<uint64_t>(&value), 0};
    if (command == 3) what.value = 0;
    return bpf(command, what);
  };
  for (key = 0; key < kKeys; ++key) {
    (void)update_elem(map, as_bytes(key), as_bytes(value));
    if (kernel) (void)element(2);
  }
  std::vector<uint32_t> keys(kBatch);
  std::vector<uint64_t> values(kBatch);
  std::iota(keys.begin(), keys.end(), 0);
  struct BatchAttr {
    uint64_t in, out, keys, values;
    uint32_t count, fd;
    uint64_t flags, more;
  };
  auto batch = [&](int command) {
    uint32_t cursor[2] = {};
    BatchAttr what{0,
                   reinterpret_cast<uint64_t>(cursor),
                   reinterpret_cast<uint64_t>(keys.data()),
                   reinterpret_cast<uint64_t>(values.data()),
                   kBatch,
                   static_cast<uint32_t>(kernel.get()),
                   0,
                   0};
    return bpf(command, what);
  };
  struct Way {
    const char* name;
    uint32_t each;  // elements a call
    std::function<void()> ours, theirs;
  };
  uint32_t done = 0;
  const Way ways[] = {
      {"hash/user_api/lookup", 1, [&] { (void)read_elem(map, &key, &value); },
       [&] { (void)element(1); }},
      {"hash/bpf/lookup", 1, [&] { (void)lookup_elem(map, as_bytes(key), as_bytes(value)); },
       [&] { (void)element(1); }},
      {"hash/bpf/update", 1, [&] { (void)update_elem(map, as_bytes(key), as_bytes(value)); },
       [&] { (void)element(2); }},
      {"hash/bpf/delete+insert", 1,
       [&] {
         (void)delete_elem(map, as_bytes(key));
         (void)update_elem(map, as_bytes(key), as_bytes(value));
       },
       [&] { (void)element(3), (void)element(2); }},
      {"hash/bpf/lookup_batch", kBatch,
       [&] {
         std::vector<std::byte> cursor;
         (void)lookup_batch(map, cursor, kBatch);
       },
       [&] { (void)batch(24); }},
      {"hash/bpf/update_batch", kBatch,
       [&] {
         (void)update_batch(map, std::as_bytes(std::span(keys)), std::as_bytes(std::span(values)),
                            kBatch, done);
       },
       [&] { (void)batch(26); }},
  };
  for (const Way& way : ways) {
    if (!wanted(way.name)) continue;
    double best[2] = {1e18, 1e18};
    for (int i = 0; i < samples; ++i)
      for (int side : {0, 1}) {
        if (side == 1 && !kernel) continue;
        const auto& call = side == 0 ? way.ours : way.theirs;
        const uint32_t calls = kCalls / way.each;
        const uint64_t start = now_ns();
        for (uint32_t n = 0; n < calls; ++n) {
          key = n & (kKeys - 1);
          call();
        }
        best[side] = std::min(best[side], static_cast<double>(now_ns() - start) /
                                              (static_cast<double>(calls) * way.each));
      }
    report(way.name, best[0], kernel ? best[1] : std::nan(""));
  }
}

// Wall time an operation of `workers` at once on one map, as threads or as processes, the loop that they run included.
double together(Place& place, uint32_t workers, bool processes, uint32_t repeat) {
  struct Gate {
    std::atomic<uint32_t> ready, go;
  };
  auto* gate = static_cast<Gate*>(
      ::mmap(nullptr, sizeof(Gate), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0));
  auto work = [&] {
    (void)place.sample(true, 1);
    gate->ready.fetch_add(1);
    while (gate->go.load() == 0) ::sched_yield();
    (void)place.sample(true, repeat);
  };
  std::vector<std::thread> threads;
  std::vector<pid_t> children;
  for (uint32_t i = 0; i < workers; ++i) {
    if (!processes) {
      threads.emplace_back(work);
      continue;
    }
    const pid_t child = ::fork();
    if (child == 0) {
      work();
      ::_exit(0);
    }
    children.push_back(child);
  }
  while (gate->ready.load() < workers) ::sched_yield();
  auto start = std::chrono::steady_clock::now();
  gate->go = 1;
  for (auto& thread : threads) thread.join();
  for (pid_t child : children) ::waitpid(child, nullptr, 0);
  const double ns =
      std::chrono::duration<double, std::nano>(std::chrono::steady_clock::now() - start).count();
  ::munmap(gate, sizeof(Gate));
  return ns / (static_cast<double>(workers) * repeat * kRounds);
}

// Producers on one ring, ns of wall time an event, with a consumer that keeps up.
std::string ring_producers(uint32_t producers, uint32_t events) {
  auto hive = make_test_hive({.slots = 32});
  auto map = create_map(*hive, {.type = BPF_MAP_TYPE_RINGBUF, .max_entries = 16 << 20});
  RingReader reader(**map);
  std::atomic<uint32_t> running{producers};
  std::atomic<uint64_t> lost{0};
  std::vector<std::thread> threads;
  auto start = std::chrono::steady_clock::now();
  for (uint32_t id = 0; id < producers; ++id) {
    threads.emplace_back([&, id] {
      uint64_t value[2] = {id, 0}, mine = 0;
      TestBee bee(id);
      for (uint32_t i = 0; i < events / producers; ++i)
        mine += bee.call(kRingOutput, *map, value, sizeof value, 0) != 0;
      lost += mine;
      running.fetch_sub(1);
    });
  }
  uint64_t seen = 0;
  while (running.load() != 0 || reader.pending())
    seen += reader.consume([](ByteSpan) { return true; });
  double ns =
      std::chrono::duration<double, std::nano>(std::chrono::steady_clock::now() - start).count();
  for (auto& thread : threads) thread.join();
  std::printf("%-32s %8.1f ns an event, %.1f M events/s consumed, %lu of %u lost\n",
              fmt::format("ringbuf/{} producers", producers).c_str(), ns / events,
              static_cast<double>(seen) * 1e3 / ns, lost.load(), events);
  return fmt::format("| {} | {:.0f} | {:.1f} | {:.0f} % |\n", producers, ns / events,
                     static_cast<double>(seen) * 1e3 / ns,
                     100.0 * static_cast<double>(lost.load()) / events);
}

}  // namespace

int main(int argc, char** argv) {
  bool quick = false, json = false;
  std::string filter, write;
  for (int i = 1; i < argc; ++i) {
    std::string argument = argv[i];
    if (argument == "--quick")
      quick = true;
    else if (argument == "--json")
      json = true;
    else if (argument == "--write" && i + 1 < argc)
      write = argv[++i];
    else
      filter = argument;
  }
  const int samples = quick ? 5 : 15;
  const uint32_t repeat = quick ? 100 : 400;
  auto wanted = [&](const std::string& name) { return name.find(filter) != std::string::npos; };
  std::string ratios,
      table = "| operation | ours, ns | kernel, ns | ours/kernel |\n|---|---|---|---|\n";
  auto report = [&](const std::string& name, double ours, double kernel) {
    if (std::isnan(kernel)) {
      std::printf("%-32s %8.1f ns\n", name.c_str(), ours);
      table += fmt::format("| {} | {:.1f} | – | – |\n", name, ours);
      return;
    }
    std::printf("%-32s %8.1f ns   kernel %8.1f ns   ours/kernel %.2f\n", name.c_str(), ours, kernel,
                ours / kernel);
    table += fmt::format("| {} | {:.1f} | {:.1f} | {:.2f} |\n", name, ours, kernel, ours / kernel);
    ratios += fmt::format("{}\"{}\":{:.3f}", ratios.empty() ? "" : ",", name, ours / kernel);
  };
  {
    UserPlace user;
    for (const Case& test : all_cases()) {
      if (!wanted(test.name)) continue;
      KernelPlace kernel;
      std::string why;
      if (!user.prepare(test, why)) {
        std::fprintf(stderr, "%s: %s\n", test.name.c_str(), why.c_str());
        return 1;
      }
      bool has_kernel = kernel.prepare(test, why);
      if (!has_kernel) std::fprintf(stderr, "%s: kernel: %s\n", test.name.c_str(), why.c_str());
      double ours = measure(user, test, samples, repeat);
      double theirs = has_kernel ? measure(kernel, test, samples, repeat) : std::nan("");
      report(test.name, ours, theirs);
    }
  }
  user_side(samples, wanted, report);
  {
    UserPlace user;
    for (const Case& test : all_cases()) {
      if (test.name != "hash/lookup/hot" && test.name != "hash/update/hot" &&
          test.name != "percpu_hash/update/hot" && test.name != "lru_hash/update/hot")
        continue;
      KernelPlace kernel;
      std::string why;
      bool has_kernel = false, prepared = false;
      for (bool processes : {false, true})
        for (uint32_t workers : {1u, 2u, 4u, 16u}) {
          if (processes && workers > 4) continue;
          const std::string name =
              fmt::format("{}/{} {}", test.name, workers, processes ? "processes" : "threads");
          if (!wanted(name)) continue;
          if (!prepared) {
            if (!user.prepare(test, why)) return 1;
            has_kernel = kernel.prepare(test, why);
            prepared = true;
          }
          double best[2] = {1e18, 1e18};
          for (int i = 0; i < (quick ? 2 : 5); ++i) {
            best[0] =
                std::min(best[0], together(user, workers, processes, repeat * 2 / workers + 1));
            if (has_kernel)
              best[1] =
                  std::min(best[1], together(kernel, workers, processes, repeat * 2 / workers + 1));
          }
          report(name, best[0], has_kernel ? best[1] : std::nan(""));
        }
    }
  }
  if (wanted("ringbuf/producers")) {
    table +=
        "\n| ring buffer: producers | ns an event | M events/s consumed | lost "
        "|\n|---|---|---|---|\n";
    for (uint32_t producers : {1u, 2u, 4u, 16u})
      table += ring_producers(producers, quick ? 1 << 20 : 1 << 23);
  }
  if (!write.empty())
    skep::bench::write_section(write, "maps", "Maps",
                               "The same bytecode on both engines, filled in the same random "
                               "order. hot: 1 Ki of 64 Ki keys; wide: 32 Ki. "
                               "What an operation adds to a loop; chained: each key depends on the "
                               "value read before, so that operations do "
                               "not overlap. threads, processes: wall time an operation of all "
                               "together, loop included, on this machine's "
                               "two processors.\n\n" +
                                   table);
  if (json) std::printf("{\"over_kernel\":{%s}}\n", ratios.c_str());
  return 0;
}
