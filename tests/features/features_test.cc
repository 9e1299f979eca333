// What programs reach through calls on the user engine, from C: storage, objects, lists and trees, timers, kfuncs.
// Sources in progs/; each program runs on native code and on the interpreter.
#include <gtest/gtest.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <chrono>
#include <cstring>
#include <memory>
#include <optional>
#include <random>

#include "cc/cc.h"
#include "engine/user/user_engine.h"
#include "loader/loader.h"
#include "object/heap.h"
#include "object/object.h"

namespace skep {
namespace {

using engine::Cmd;
using engine::MapElemAttr;

constexpr uint64_t kLock = 4;  // BPF_F_LOCK

class Features {
 public:
  explicit Features(const std::string& source) { load(source); }
  [[nodiscard]] explicit operator bool() const { return loader_.has_value(); }
  [[nodiscard]] engine::UserEngine& engine() { return *engine_; }
  // What the program returned, on each engine.
  int32_t run(const std::string& name, runtime::Via via, uint32_t mark = 0) {
    for (const loader::LoadedProgram& program : loader_->programs()) {
      if (program.spec->name != name) continue;
      auto object = engine_->program_of(program.fd.get());
      if (!object) break;
      runtime::RunInput input;
      input.via = via;
      std::byte packet[64], ctx[192] = {};
      for (unsigned i = 0; i < sizeof packet; ++i) packet[i] = std::byte(i + 1);
      std::memcpy(ctx + 8, &mark, sizeof mark);  // __sk_buff.mark
      if ((*object)->type() == ProgType::BPF_PROG_TYPE_SCHED_CLS) {
        input.data = packet;
        input.ctx = ctx;
      }
      auto output = engine_->runtime().run(**object, input);
      if (!output) {
        ADD_FAILURE() << output.error().text();
        return -9999;
      }
      return static_cast<int32_t>(output->retval);
    }
    ADD_FAILURE() << "no program " << name;
    return -9999;
  }
  int program(const std::string& name) {
    for (const loader::LoadedProgram& program : loader_->programs())
      if (program.spec->name == name) return program.fd.get();
    ADD_FAILURE() << "no program " << name;
    return -1;
  }
  int map(const std::string& name) {
    for (const loader::LoadedMap& map : loader_->maps())
      if (map.spec->name == name) return map.fd.get();
    ADD_FAILURE() << "no map " << name;
    return -1;
  }
  int64_t element(Cmd cmd, const std::string& name, const void* key, void* value,
                  uint64_t flags = 0) {
    MapElemAttr attr;
    attr.map_fd = static_cast<uint32_t>(map(name));
    attr.key = reinterpret_cast<uint64_t>(key);
    attr.value = reinterpret_cast<uint64_t>(value);
    attr.flags = flags;
    return engine_->call(cmd, attr);
  }

 private:
  static void refuse(const std::string& why) { ADD_FAILURE() << why; }
  void load(const std::string& source) {
    runtime::RuntimeOptions options;
    options.hive.publish_session = false;
    auto made = engine::UserEngine::create(options);
    if (!made) return refuse(made.error().text());
    engine_ = std::move(*made);
    cc::Options compiler;
    auto types = engine_->vmlinux_btf();
    if (!types) return refuse(types.error().text());
    compiler.target = *types;
    compiler.use_cache = false;
    const std::string path = std::string(SKEP_FEATURES_DIR) + "/" + source;
    auto compiled = cc::compile(path, compiler);
    if (!compiled) return refuse(compiled.error().text());
    if (!compiled->ok) return refuse(compiled->diagnostics);
    auto object = object::open_object(compiled->object, source);
    if (!object) return refuse(object.error().text());
    auto loaded =
        loader::Loader::load(*engine_, std::make_unique<object::Object>(std::move(*object)), {});
    if (!loaded) {
      std::string text = loaded.error().error.text();
      if (const auto& why = loaded.error().rejection) {
        text += "\n" + why->engine_log;
        if (why->report.rejection) text += "\n" + why->report.rejection->message;
      }
      return refuse(text);
    }
    loader_.emplace(std::move(*loaded));
  }
  std::unique_ptr<engine::UserEngine> engine_;
  std::optional<loader::Loader> loader_;
};

constexpr runtime::Via kBoth[] = {runtime::Via::jit, runtime::Via::interpreter};

struct Counter {
  uint64_t runs = 0;
  uint32_t tgid = 0, pad = 0;
};

TEST(Storage, of_a_task_is_the_same_for_programs_and_for_its_pidfd) {
  Features features("storage.bpf.c");
  ASSERT_TRUE(features);
  const int pidfd = static_cast<int>(::syscall(SYS_pidfd_open, ::getpid(), 0));
  ASSERT_GE(pidfd, 0);
  Counter counter;
  EXPECT_EQ(features.element(Cmd::BPF_MAP_LOOKUP_ELEM, "tasks", &pidfd, &counter), -ENOENT);
  int32_t expected = 100;
  for (runtime::Via via : kBoth) {
    EXPECT_EQ(features.run("count_task", via), ++expected);
    EXPECT_EQ(features.run("count_task", via), ++expected);
  }
  EXPECT_EQ(features.element(Cmd::BPF_MAP_LOOKUP_ELEM, "tasks", &pidfd, &counter), 0);
  EXPECT_EQ(counter.runs, 104u);
  EXPECT_EQ(counter.tgid, static_cast<uint32_t>(::getpid()));
  counter.runs = 7;
  EXPECT_EQ(features.element(Cmd::BPF_MAP_UPDATE_ELEM, "tasks", &pidfd, &counter, 1), -EEXIST);
  EXPECT_EQ(features.element(Cmd::BPF_MAP_UPDATE_ELEM, "tasks", &pidfd, &counter), 0);
  EXPECT_EQ(features.run("count_task", runtime::Via::jit), 8);
  EXPECT_EQ(features.run("forget_task", runtime::Via::jit), 0);
  EXPECT_EQ(features.run("forget_task", runtime::Via::interpreter), -ENOENT);
  EXPECT_EQ(features.element(Cmd::BPF_MAP_UPDATE_ELEM, "tasks", &pidfd, &counter, 2), -ENOENT);
  EXPECT_EQ(features.element(Cmd::BPF_MAP_GET_NEXT_KEY, "tasks", nullptr, &counter), -524);
  const int no_pidfd = 0;
  EXPECT_EQ(features.element(Cmd::BPF_MAP_LOOKUP_ELEM, "tasks", &no_pidfd, &counter), -EBADF);
  ::close(pidfd);
}

TEST(Storage, of_the_cgroup_and_the_cgroup_array_take_the_traced_processes_descriptor) {
  Features features("storage.bpf.c");
  ASSERT_TRUE(features);
  auto cgroup = features.engine().open_cgroup("");
  ASSERT_TRUE(cgroup) << cgroup.error().text();
  EXPECT_EQ(features.run("count_cgroup", runtime::Via::jit), 1);
  EXPECT_EQ(features.run("count_cgroup", runtime::Via::interpreter), 2);
  Counter counter;
  EXPECT_EQ(features.element(Cmd::BPF_MAP_LOOKUP_ELEM, "cgroups", &*cgroup, &counter), 0);
  EXPECT_EQ(counter.runs, 2u);
  EXPECT_EQ(features.element(Cmd::BPF_MAP_DELETE_ELEM, "cgroups", &*cgroup, nullptr), 0);
  EXPECT_EQ(features.element(Cmd::BPF_MAP_LOOKUP_ELEM, "cgroups", &*cgroup, &counter), -ENOENT);

  EXPECT_EQ(features.run("which_cgroup", runtime::Via::jit), -EAGAIN);
  uint32_t index = 1;
  EXPECT_EQ(features.element(Cmd::BPF_MAP_UPDATE_ELEM, "under", &index, &*cgroup), 0);
  for (runtime::Via via : kBoth) EXPECT_EQ(features.run("which_cgroup", via), 1);
  EXPECT_EQ(features.element(Cmd::BPF_MAP_DELETE_ELEM, "under", &index, nullptr), 0);
  EXPECT_EQ(features.element(Cmd::BPF_MAP_DELETE_ELEM, "under", &index, nullptr), -ENOENT);
  EXPECT_EQ(features.run("which_cgroup", runtime::Via::jit), -EAGAIN);
  features.engine().close(*cgroup);
}

TEST(Objects, of_lists_trees_and_kptrs_come_back_in_order) {
  Features features("objects.bpf.c");
  ASSERT_TRUE(features);
  for (runtime::Via via : kBoth) {
    for (int round = 0; round < 50; ++round) {
      EXPECT_EQ(features.run("list", via), 3214);
      EXPECT_EQ(features.run("tree", via), 100);
    }
    EXPECT_EQ(features.run("shared", via), 42);
  }
  EXPECT_EQ(features.run("keep", runtime::Via::jit), 0);
  for (runtime::Via via : kBoth) EXPECT_EQ(features.run("keep", via), 64);  // what was kept before
}

TEST(Objects, that_the_user_writes_over_are_freed_and_not_shown) {
  Features features("objects.bpf.c");
  ASSERT_TRUE(features);
  uint32_t key = 0;
  uint64_t value[2] = {1, 1};
  for (int round = 0; round < 1000; ++round) {
    EXPECT_EQ(features.run("keep", runtime::Via::jit), 0);  // the last one went with the update
    EXPECT_EQ(features.element(Cmd::BPF_MAP_LOOKUP_ELEM, "slots", &key, value), 0);
    EXPECT_EQ(value[0], 0u);
    value[0] = 0x4141'4141;
    EXPECT_EQ(features.element(Cmd::BPF_MAP_UPDATE_ELEM, "slots", &key, value), 0);
  }
}

// A traced process writes anything anywhere into the heap between two runs: they end, and touch nothing else.
TEST(Objects, that_others_scribble_over_hurt_nobody) {
  Features features("objects.bpf.c");
  ASSERT_TRUE(features);
  for (const char* name : {"list", "tree", "shared", "keep"}) features.run(name, runtime::Via::jit);
  const heap::Layout* layout = heap::layout();
  ASSERT_NE(layout, nullptr);
  std::mt19937_64 random(7);
  for (int round = 0; round < 300; ++round) {
    for (int i = 0; i < 64; ++i) {
      // The objects that the programs use lie at the start of their class.
      const uint64_t at = layout->base + random() % 3 * layout->class_bytes + random() % 2048 * 8;
      const uint64_t near = layout->base + random() % 3 * layout->class_bytes + random() % 256 * 64;
      const uint64_t words[] = {random(), near + heap::kHeader, near,          0,
                                1,        ~uint64_t{0},         hive::kControl};
      *reinterpret_cast<uint64_t*>(at) = words[random() % std::size(words)];
    }
    for (const char* name : {"list", "tree", "shared", "keep"})
      features.run(name, kBoth[round % 2]);
  }
}

struct alignas(8) Row {
  uint64_t timer[2], work[2];
  uint64_t fired = 0, worked = 0;
  uint32_t key = 0, pad = 0;
};
// Waits until the row says so; the test's own limit ends it otherwise.
template <class Done>
bool wait_for(Features& features, uint32_t key, Row& row, Done done) {
  const auto end = std::chrono::steady_clock::now() + std::chrono::seconds(20);
  while (std::chrono::steady_clock::now() < end) {
    if (features.element(Cmd::BPF_MAP_LOOKUP_ELEM, "rows", &key, &row) == 0 && done(row))
      return true;
    ::usleep(200);
  }
  return false;
}

TEST(Timers, fire_and_arm_themselves_again) {
  Features features("async.bpf.c");
  ASSERT_TRUE(features);
  uint32_t mark = 5;
  for (runtime::Via via : kBoth) {
    ++mark;
    EXPECT_EQ(features.run("arm", via, mark), 0);
    Row row;
    EXPECT_TRUE(
        wait_for(features, mark, row, [](const Row& r) { return r.fired == 3 && r.worked == 1; }))
        << row.fired << " " << row.worked;
    EXPECT_EQ(row.key, mark);
    EXPECT_EQ(row.timer[0], 0u);  // not the user's to see
  }
}

TEST(Timers, are_cancelled_by_the_program_and_go_with_their_element) {
  Features features("async.bpf.c");
  ASSERT_TRUE(features);
  for (runtime::Via via : kBoth) EXPECT_EQ(features.run("cancel", via, 3), 10);
  uint32_t key = 3;
  EXPECT_EQ(features.element(Cmd::BPF_MAP_DELETE_ELEM, "rows", &key, nullptr), 0);
  EXPECT_EQ(features.run("arm", runtime::Via::jit, 3), 0);  // a new one can be initialised
  Row row;
  EXPECT_TRUE(wait_for(features, 3, row, [](const Row& r) { return r.fired == 3; }));
}

TEST(Kfuncs, do_what_the_kernels_do) {
  Features features("kfuncs.bpf.c");
  ASSERT_TRUE(features);
  for (runtime::Via via : kBoth) {
    for (const char* name : {"numbers", "strings", "packet", "masks", "tasks"})
      EXPECT_EQ(features.run(name, via), 0) << name << ": line of progs/kfuncs.bpf.c";
  }
}

TEST(Syscall, programs_change_their_context_in_a_test_run) {
  Features features("kfuncs.bpf.c");
  ASSERT_TRUE(features);
  struct {
    uint64_t in = 20, out = 0;
  } ctx;
  engine::TestRunAttr attr;
  attr.prog_fd = static_cast<uint32_t>(features.program("system"));
  attr.ctx_in = reinterpret_cast<uint64_t>(&ctx);
  attr.ctx_size_in = sizeof ctx;
  EXPECT_EQ(features.engine().call(Cmd::BPF_PROG_TEST_RUN, attr), 0);
  EXPECT_EQ(attr.retval, 3u);
  EXPECT_EQ(ctx.out, 21u);
  attr.ctx_size_in = 8;  // less than it reaches
  EXPECT_EQ(features.engine().call(Cmd::BPF_PROG_TEST_RUN, attr), -EINVAL);
  attr.prog_fd = static_cast<uint32_t>(features.program("system_helper"));
  EXPECT_EQ(features.engine().call(Cmd::BPF_PROG_TEST_RUN, attr), -EINVAL);
}

// Live frames go where the program sends them.
TEST(Ports, take_the_frames_that_xdp_programs_redirect) {
  Features features("redirect.bpf.c");
  ASSERT_TRUE(features);
  int ends[2];
  ASSERT_EQ(::socketpair(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0, ends), 0);
  uint32_t key = 1, value = 0;
  EXPECT_EQ(features.element(Cmd::BPF_MAP_UPDATE_ELEM, "queues", &key, &ends[0], 2), -ENOENT);
  EXPECT_EQ(features.element(Cmd::BPF_MAP_UPDATE_ELEM, "queues", &key, &ends[0]), 0);
  EXPECT_EQ(features.element(Cmd::BPF_MAP_UPDATE_ELEM, "queues", &key, &ends[0], 1), -EEXIST);
  EXPECT_EQ(features.element(Cmd::BPF_MAP_LOOKUP_ELEM, "queues", &key, &value), -EOPNOTSUPP);
  std::byte packet[64] = {};
  struct {
    uint32_t data = 0, data_end = sizeof packet, data_meta = 0, ingress = 0, queue = 1, egress = 0;
  } ctx;
  engine::TestRunAttr attr;
  attr.prog_fd = static_cast<uint32_t>(features.program("to_queue"));
  attr.data_in = reinterpret_cast<uint64_t>(packet);
  attr.data_size_in = sizeof packet;
  attr.ctx_in = reinterpret_cast<uint64_t>(&ctx);
  attr.ctx_size_in = sizeof ctx;
  attr.repeat = 3;
  attr.flags = 2;  // BPF_F_TEST_XDP_LIVE_FRAMES
  EXPECT_EQ(features.engine().call(Cmd::BPF_PROG_TEST_RUN, attr), 0);
  std::byte got[128];
  for (int i = 0; i < 3; ++i) {
    ASSERT_EQ(::recv(ends[1], got, sizeof got, MSG_DONTWAIT), 64);
    EXPECT_EQ(got[0], std::byte{0xaa});  // as the program left it
  }
  EXPECT_LT(::recv(ends[1], got, sizeof got, MSG_DONTWAIT), 0);
  // Through a CPU's program, which redirects to the queue.
  key = 0;
  struct {
    uint32_t length = 8;
    int32_t program;
  } cpu;
  cpu.program = features.program("to_queue");
  EXPECT_EQ(features.element(Cmd::BPF_MAP_UPDATE_ELEM, "cpus", &key, &cpu), -EINVAL);
  cpu.program = features.program("at_cpu");
  EXPECT_EQ(features.element(Cmd::BPF_MAP_UPDATE_ELEM, "cpus", &key, &cpu), 0);
  attr.prog_fd = static_cast<uint32_t>(features.program("to_cpu"));
  attr.repeat = 1;
  EXPECT_EQ(features.engine().call(Cmd::BPF_PROG_TEST_RUN, attr), 0);
  EXPECT_EQ(::recv(ends[1], got, sizeof got, MSG_DONTWAIT), 64);
  EXPECT_EQ(got[1], std::byte{0xbb});
  // Nothing at the key: the verdict is in the flags.
  key = 1;
  EXPECT_EQ(features.element(Cmd::BPF_MAP_DELETE_ELEM, "queues", &key, nullptr), 0);
  attr = {};
  attr.prog_fd = static_cast<uint32_t>(features.program("to_queue"));
  attr.data_in = reinterpret_cast<uint64_t>(packet);
  attr.data_size_in = sizeof packet;
  EXPECT_EQ(features.engine().call(Cmd::BPF_PROG_TEST_RUN, attr), 0);
  EXPECT_EQ(attr.retval, 2u);  // XDP_PASS
  // An interface.
  key = 7;
  value = 0x7fff'fff0;
  EXPECT_EQ(features.element(Cmd::BPF_MAP_UPDATE_ELEM, "devices", &key, &value), -EINVAL);
  EXPECT_EQ(features.element(Cmd::BPF_MAP_LOOKUP_ELEM, "devices", &key, &value), -ENOENT);
  ::close(ends[0]);
  ::close(ends[1]);
}

TEST(SpinLock, of_a_value_is_taken_by_the_users_side_with_BPF_F_LOCK) {
  Features features("locked.bpf.c");
  ASSERT_TRUE(features);
  struct {
    uint32_t lock = 77;
    uint32_t pad = 0;
    uint64_t a = 1, b = 2;
  } value, read;
  for (const char* map : {"array", "hash"}) {
    uint32_t key = 0;
    EXPECT_EQ(features.element(Cmd::BPF_MAP_UPDATE_ELEM, map, &key, &value, kLock), 0) << map;
    value.a = 5;
    EXPECT_EQ(features.element(Cmd::BPF_MAP_UPDATE_ELEM, map, &key, &value, kLock), 0);
    EXPECT_EQ(features.element(Cmd::BPF_MAP_LOOKUP_ELEM, map, &key, &read, kLock), 0);
    EXPECT_EQ(read.lock, 0u);
    EXPECT_EQ(read.a, 5u);
    EXPECT_EQ(features.element(Cmd::BPF_MAP_UPDATE_ELEM, map, &key, &value, kLock | 1), -EEXIST);
  }
  uint32_t other = 1;
  EXPECT_EQ(features.element(Cmd::BPF_MAP_UPDATE_ELEM, "hash", &other, &value, kLock | 2), -ENOENT);
  EXPECT_EQ(features.element(Cmd::BPF_MAP_LOOKUP_ELEM, "hash", &other, &read, kLock), -ENOENT);
  for (runtime::Via via : kBoth) EXPECT_EQ(features.run("add", via), 0);
  uint32_t key = 0;
  EXPECT_EQ(features.element(Cmd::BPF_MAP_LOOKUP_ELEM, "array", &key, &read, kLock), 0);
  EXPECT_EQ(read.a, 7u);
  EXPECT_EQ(read.b, 9u);
}

}  // namespace
}  // namespace skep
