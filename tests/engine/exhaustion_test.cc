// What there is not enough of: each allocation of the hive fails once (ENOMEM), each descriptor once (EMFILE), the map
// memory ends (ENOSPC or ENOMEM). The command that meets it says so, all others go on, and nothing is lost: what was
// made before it failed is given back.
#include <dirent.h>
#include <sys/resource.h>

#include "base/allocation_faults.h"
#include "engine/two_engines.h"

namespace skep::engine {
namespace {

using namespace skep::isa::macros;

struct Kind {
  uint32_t type, key, value, entries, flags;
};
constexpr Kind kKinds[] = {
    {1, 8, 16, 20, 0},    // HASH
    {1, 8, 16, 20, 1},    // HASH, BPF_F_NO_PREALLOC
    {2, 4, 16, 20, 0},    // ARRAY
    {3, 4, 4, 4, 0},      // PROG_ARRAY
    {4, 4, 4, 4, 0},      // PERF_EVENT_ARRAY
    {5, 8, 16, 20, 0},    // PERCPU_HASH
    {6, 4, 16, 20, 0},    // PERCPU_ARRAY
    {7, 4, 64, 8, 0},     // STACK_TRACE
    {9, 8, 16, 20, 0},    // LRU_HASH
    {10, 8, 16, 20, 0},   // LRU_PERCPU_HASH
    {11, 8, 16, 20, 1},   // LPM_TRIE
    {22, 0, 16, 20, 0},   // QUEUE
    {23, 0, 16, 20, 0},   // STACK
    {27, 0, 0, 4096, 0},  // RINGBUF
    {30, 0, 16, 20, 0},   // BLOOM_FILTER
    {31, 0, 0, 4096, 0},  // USER_RINGBUF
};

int open_descriptors() {
  DIR* directory = ::opendir("/proc/self/fd");
  int count = 0;
  while (directory != nullptr && ::readdir(directory) != nullptr) ++count;
  if (directory != nullptr) ::closedir(directory);
  return count;
}

class Exhaustion : public TwoEngines {
 protected:
  // Maps of every type, elements, programs that use them, run; with what each command said. All is closed again.
  static std::vector<int64_t> sequence() {
    std::vector<int64_t> answers;
    Side side(user());
    auto answer = [&](int64_t result) {
      answers.push_back(std::min<int64_t>(result, 0));
      return static_cast<int>(result);
    };
    int hash = -1, array = -1;
    for (const Kind& kind : kKinds) {
      const int fd = answer(side.map(kind.type, kind.key, kind.value, kind.entries, kind.flags));
      if (kind.type == 1) hash = fd;
      if (kind.type == 2) array = fd;
    }
    uint8_t key[8] = {1}, value[16] = {2};
    for (int fd : {hash, array}) {
      if (fd < 0) continue;
      MapElemAttr attr;
      attr.map_fd = static_cast<uint32_t>(fd);
      attr.key = address(key);
      attr.value = address(value);
      answer(side(Cmd::BPF_MAP_UPDATE_ELEM, attr));
      answer(side(Cmd::BPF_MAP_LOOKUP_ELEM, attr));
    }
    std::vector<Insn> insns;
    auto emit = [&](auto... more) { (insns.push_back(more), ...); };
    if (hash >= 0) {
      emit(BPF_ST_MEM(BPF_DW, BPF_REG_10, -8, 1));
      Insn2 pair = BPF_LD_MAP_FD(BPF_REG_1, hash);
      insns.insert(insns.end(), pair.begin(), pair.end());
      emit(BPF_MOV64_REG(BPF_REG_2, BPF_REG_10), BPF_ALU64_IMM(BPF_ADD, BPF_REG_2, -8),
           BPF_RAW_INSN(BPF_JMP | BPF_CALL, 0, 0, 0, 3));
    }
    emit(BPF_MOV64_IMM(BPF_REG_0, 0), BPF_EXIT_INSN());
    const int program = answer(side.program(1, insns));
    if (program >= 0) {
      uint8_t packet[32] = {};
      TestRunAttr test;
      test.prog_fd = static_cast<uint32_t>(program);
      test.data_in = address(packet);
      test.data_size_in = sizeof packet;
      answer(side.inout(Cmd::BPF_PROG_TEST_RUN, test));
    }
    return answers;
  }
  struct Used {
    uint64_t data;
    int descriptors;
    size_t objects;
    bool operator==(const Used&) const = default;
  };
  static Used used() {
    Hive& hive = user().runtime().hive();
    EXPECT_TRUE(hive.synchronize(std::chrono::seconds(5)));
    hive.run_deferred();
    Used now{hive.data_used(), open_descriptors(), 0};
    for (auto kind : {hive::ObjectKind::kMap, hive::ObjectKind::kProg})
      hive.for_each_object(kind, [&](uint32_t, void*, uint64_t) { return ++now.objects, true; });
    return now;
  }
  static void expect_same(const Used& before, const Used& after) {
    EXPECT_EQ(before.data, after.data) << "map memory leaked";
    EXPECT_EQ(before.descriptors, after.descriptors) << "descriptors leaked";
    EXPECT_EQ(before.objects, after.objects) << "objects leaked";
  }
};

TEST_F(Exhaustion, each_allocation_that_fails_is_ENOMEM_and_loses_nothing) {
  auto good = sequence();
  for (int64_t answer : good) ASSERT_EQ(answer, 0);
  (void)sequence();  // pages that small allocations share stay with the hive
  const Used before = used();
  uint64_t asked = 0;
  hive::refuse_allocations([&] { return ++asked, false; });
  (void)sequence();
  const uint64_t allocations = asked;
  EXPECT_GT(allocations, std::size(kKinds));
  for (uint64_t failing = 0; failing < allocations; ++failing) {
    SCOPED_TRACE(fmt::format("allocation {} of {}", failing, allocations));
    asked = 0;
    hive::refuse_allocations([&] { return asked++ == failing; });
    auto answers = sequence();
    hive::refuse_allocations({});
    EXPECT_LE(std::ranges::count_if(answers, [](int64_t answer) { return answer != 0; }), 1);
    for (int64_t answer : answers) EXPECT_TRUE(answer == 0 || answer == -ENOMEM) << answer;
    expect_same(before, used());
    if (HasFailure()) return;
  }
  hive::refuse_allocations({});
  EXPECT_EQ(sequence(), good);
}

TEST_F(Exhaustion, each_descriptor_that_fails_is_EMFILE_and_loses_nothing) {
  auto good = sequence();
  const Used before = used();
  rlimit limit{};
  ASSERT_EQ(::getrlimit(RLIMIT_NOFILE, &limit), 0);
  // Descriptors are given from the lowest free number on.
  const int first = ::dup(0);
  ASSERT_GE(first, 0);
  ::close(first);
  for (rlim_t more = 0; more <= std::size(kKinds); ++more) {
    SCOPED_TRACE(fmt::format("{} descriptors", more));
    rlimit low = limit;
    low.rlim_cur = static_cast<rlim_t>(first) + more;
    ASSERT_EQ(::setrlimit(RLIMIT_NOFILE, &low), 0);
    auto answers = sequence();
    ASSERT_EQ(::setrlimit(RLIMIT_NOFILE, &limit), 0);
    EXPECT_GE(std::ranges::count(answers, -EMFILE), 1);
    for (int64_t answer : answers) EXPECT_TRUE(answer == 0 || answer == -EMFILE) << answer;
    expect_same(before, used());
  }
  EXPECT_EQ(sequence(), good);
}

TEST_F(Exhaustion, a_full_hive_says_so_and_takes_more_once_some_was_given_back) {
  const Used before = used();
  {
    Side side(user());
    int64_t result = 0;
    uint32_t made = 0;
    while (result >= 0 && made < 100000) {
      result = side.map(2, 4, 1 << 20, 1 << 6);
      ++made;
    }
    EXPECT_TRUE(result == -ENOMEM || result == -ENOSPC) << result;
    EXPECT_GT(made, 1u);
    EXPECT_GE(side.map(1, 4, 8, 4), 0) << "a small one still fits";
  }
  expect_same(before, used());
  EXPECT_EQ(sequence(), sequence());
}

}  // namespace
}  // namespace skep::engine
