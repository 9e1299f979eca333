// A hive that one process keeps and others use.
#include "engine/user/server.h"

#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include <filesystem>
#include <thread>

#include "engine/two_engines.h"
#include "engine/user/client.h"

namespace skep::engine {
namespace {

using namespace isa::macros;
const std::vector<Insn> kReturnZero{BPF_MOV64_IMM(BPF_REG_0, 0), BPF_EXIT_INSN()};

class Served : public TwoEngines {
 protected:
  void SetUp() override {
    home_ = "/tmp/skep-served-" + std::to_string(::getpid());
    auto server = user::Server::create(TwoEngines::user(), home_);
    ASSERT_TRUE(server) << server.error().text();
    server_ = std::move(*server);
    client_ = connect();
  }
  std::unique_ptr<ClientEngine> connect() {
    auto client = ClientEngine::connect(home_);
    EXPECT_TRUE(client) << client.error().text();
    return client ? std::move(*client) : nullptr;
  }
  // In a process of its own, which ends as `act` says.
  int in_child(const std::function<int()>& act) {
    pid_t child = ::fork();
    if (child == 0) ::_exit(act());
    int status = 0;
    ::waitpid(child, &status, 0);
    return status;
  }
  bool map_lives(uint32_t id) {
    int64_t fd = client_->bpf(Cmd::BPF_MAP_GET_FD_BY_ID, &id, sizeof id);
    if (fd >= 0) ::close(static_cast<int>(fd));
    return fd >= 0;
  }
  // The keeper sees that a descriptor is gone by a thread of its own.
  bool goes(uint32_t id) {
    for (int i = 0; i < 10'000; ++i) {
      if (!map_lives(id)) return true;
      std::this_thread::yield();
    }
    return false;
  }
  static uint32_t id_of(Engine& engine, int fd) {
    MapInfo info;
    ObjInfoAttr attr{static_cast<uint32_t>(fd), sizeof info, address(&info)};
    EXPECT_EQ(engine.call(Cmd::BPF_OBJ_GET_INFO_BY_FD, attr), 0);
    return info.id;
  }

  std::string home_;
  std::unique_ptr<user::Server> server_;
  std::unique_ptr<ClientEngine> client_;
};

TEST_F(Served, a_client_works_with_maps_and_programs_as_in_its_own_process) {
  Side side(*client_);
  int map = side.map(1, 4, 4, 16);
  ASSERT_GE(map, 0) << client_->last_error()->text();
  uint32_t key = 3, value = 33, got = 0;
  MapElemAttr attr;
  attr.map_fd = static_cast<uint32_t>(map);
  attr.key = address(&key);
  attr.value = address(&value);
  EXPECT_EQ(side(Cmd::BPF_MAP_UPDATE_ELEM, attr), 0);
  attr.value = address(&got);
  EXPECT_EQ(side(Cmd::BPF_MAP_LOOKUP_ELEM, attr), 0);
  EXPECT_EQ(got, 33u);
  auto load = BPF_LD_MAP_FD(BPF_REG_1, map);
  std::vector<Insn> insns(load.begin(), load.end());
  insns.insert(insns.end(), kReturnZero.begin(), kReturnZero.end());
  EXPECT_GE(side.program(1, insns), 0);
  // Wild pointers and descriptors are the client's to get wrong.
  attr.value = 0x1000;
  EXPECT_EQ(side(Cmd::BPF_MAP_LOOKUP_ELEM, attr), -EFAULT);
  attr.map_fd = 0;
  EXPECT_EQ(side(Cmd::BPF_MAP_LOOKUP_ELEM, attr), -EINVAL);
  attr.map_fd = 9999;
  EXPECT_EQ(side(Cmd::BPF_MAP_LOOKUP_ELEM, attr), -EBADF);
}

TEST_F(Served, descriptors_are_files_of_the_process_dup_and_close_work) {
  int64_t map = -1;
  {
    MapCreateAttr create;
    create.map_type = 2;
    create.key_size = create.value_size = 4;
    create.max_entries = 1;
    map = client_->call(Cmd::BPF_MAP_CREATE, create);
  }
  ASSERT_GE(map, 0);
  uint32_t id = id_of(*client_, static_cast<int>(map));
  int copy = ::dup(static_cast<int>(map));
  ::close(static_cast<int>(map));
  EXPECT_EQ(id_of(*client_, copy), id);
  // A forked child has it too, and keeps it.
  EXPECT_EQ(in_child([&] { return id_of(*client_, copy) == id ? 0 : 1; }), 0);
  EXPECT_TRUE(map_lives(id));
  ::close(copy);
  EXPECT_TRUE(goes(id));
}

TEST_F(Served, what_a_killed_client_held_goes_and_what_it_pinned_stays) {
  auto* shared = static_cast<uint32_t*>(
      ::mmap(nullptr, 4096, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0));
  ASSERT_NE(shared, MAP_FAILED);
  int status = in_child([&] {
    auto client = connect();
    Side side(*client);
    int held = side.map(1, 4, 4, 4), pinned = side.map(1, 4, 4, 4);
    shared[0] = id_of(*client, held);
    shared[1] = id_of(*client, pinned);
    ObjPinAttr pin;
    pin.pathname = address("/sys/fs/bpf/stays");
    pin.bpf_fd = static_cast<uint32_t>(pinned);
    shared[2] = client->call(Cmd::BPF_OBJ_PIN, pin) == 0 ? 1 : 0;
    ::kill(::getpid(), SIGKILL);
    return 0;
  });
  EXPECT_TRUE(WIFSIGNALED(status));
  EXPECT_EQ(shared[2], 1u);
  EXPECT_TRUE(goes(shared[0]));
  EXPECT_TRUE(map_lives(shared[1]));
  EXPECT_FALSE(server_->idle());
  std::filesystem::remove(TwoEngines::user().pins().root() + "/stays");
  EXPECT_TRUE(goes(shared[1]));
  ::munmap(shared, 4096);
}

TEST_F(Served, several_loaders_use_one_hive_at_once) {
  std::vector<pid_t> children;
  for (int i = 0; i < 4; ++i) {
    pid_t child = ::fork();
    if (child == 0) {
      auto client = connect();
      Side side(*client);
      int bad = 0;
      for (int n = 0; n < 20; ++n) {
        int map = side.map(1, 4, 4, 4);
        bad += map < 0 || side.program(1, kReturnZero) < 0;
        uint32_t key = 1, value = static_cast<uint32_t>(::getpid()), got = 0;
        MapElemAttr attr;
        attr.map_fd = static_cast<uint32_t>(map);
        attr.key = address(&key);
        attr.value = address(&value);
        bad += side(Cmd::BPF_MAP_UPDATE_ELEM, attr) != 0;
        attr.value = address(&got);
        bad += side(Cmd::BPF_MAP_LOOKUP_ELEM, attr) != 0 || got != value;
      }
      ::_exit(bad == 0 ? 0 : 1);
    }
    children.push_back(child);
  }
  for (pid_t child : children) {
    int status = 0;
    ::waitpid(child, &status, 0);
    EXPECT_EQ(status, 0);
  }
}

TEST_F(Served, an_mmapable_array_is_the_programs_memory) {
  Side side(*client_);
  int map = side.map(2, 4, 8, 16, BPF_F_MMAPABLE);
  int64_t at = client_->map_memory(nullptr, 4096, PROT_READ | PROT_WRITE, MAP_SHARED, map, 0);
  ASSERT_GT(at, 0);
  auto* values = reinterpret_cast<uint64_t*>(at);
  values[5] = 55;
  uint32_t key = 5;
  uint64_t got = 0;
  MapElemAttr attr;
  attr.map_fd = static_cast<uint32_t>(map);
  attr.key = address(&key);
  attr.value = address(&got);
  EXPECT_EQ(side(Cmd::BPF_MAP_LOOKUP_ELEM, attr), 0);
  EXPECT_EQ(got, 55u);
  ::munmap(values, 4096);
  EXPECT_EQ(client_->map_memory(nullptr, 8192, PROT_READ, MAP_SHARED, map, 0), -EINVAL);
  EXPECT_EQ(client_->map_memory(nullptr, 4096, PROT_READ, MAP_SHARED, side.map(2, 4, 8, 16), 0),
            -EINVAL);
}

TEST_F(Served, without_descriptors_left_a_call_fails_and_leaves_nothing) {
  uint32_t before = 0, after = 0;
  auto last_map = [&] {
    GetIdAttr attr;
    uint32_t count = 0;
    while (client_->call(Cmd::BPF_MAP_GET_NEXT_ID, attr) == 0) ++count, attr.id = attr.next_id;
    return count;
  };
  before = last_map();
  int status = in_child([&] {
    auto client = connect();
    rlimit limit{};
    // The next number is beyond the limit.
    int next = ::dup(0);
    ::close(next);
    limit.rlim_cur = limit.rlim_max = static_cast<rlim_t>(next);
    if (::setrlimit(RLIMIT_NOFILE, &limit) != 0) return 2;
    MapCreateAttr create;
    create.map_type = 2;
    create.key_size = create.value_size = 4;
    create.max_entries = 1;
    return client->call(Cmd::BPF_MAP_CREATE, create) == -EMFILE ? 0 : 1;
  });
  EXPECT_EQ(status, 0);
  for (int i = 0; i < 10'000 && (after = last_map()) != before; ++i) std::this_thread::yield();
  EXPECT_EQ(after, before);
}

}  // namespace
}  // namespace skep::engine
