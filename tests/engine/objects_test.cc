// What bpf(2)'s objects do over their lives: ids, references, pins, cgroup hooks, links, iterators.
#include <fcntl.h>
#include <sys/stat.h>
#include <sys/utsname.h>
#include <unistd.h>

#include <climits>

#include "base/sha256.h"
#include "btf/user_engine/published.h"
#include "engine/two_engines.h"

namespace skep::engine {
namespace {

using namespace isa::macros;
using Answers = std::vector<int64_t>;

constexpr uint32_t kHash = 1, kArray = 2, kProgArray = 3, kArrayOfMaps = 12;
constexpr uint32_t kCgroupSock = 9, kPostBind4 = 12, kTracing = 26, kIter = 28;
const std::vector<Insn> kReturnZero{BPF_MOV64_IMM(BPF_REG_0, 0), BPF_EXIT_INSN()};
const std::vector<Insn> kReturnOne{BPF_MOV64_IMM(BPF_REG_0, 1), BPF_EXIT_INSN()};

std::vector<Insn> with_map(int fd, std::vector<Insn> rest) {
  auto load = BPF_LD_MAP_FD(BPF_REG_1, fd);
  rest.insert(rest.begin(), load.begin(), load.end());
  return rest;
}

template <class Info>
Info info_of(Side& side, int fd) {
  Info info;
  ObjInfoAttr attr;
  attr.bpf_fd = static_cast<uint32_t>(fd);
  attr.info = address(&info);
  attr.info_len = sizeof info;
  EXPECT_EQ(side(Cmd::BPF_OBJ_GET_INFO_BY_FD, attr), 0);
  return info;
}
bool lives(Side& side, Cmd by_id, uint32_t id) {
  int64_t fd = side(by_id, GetIdAttr{id, 0, 0, 0});
  if (fd >= 0) side.engine().close(static_cast<int>(fd));
  return fd >= 0;
}
int64_t set(Side& side, int map, uint32_t key, uint32_t value, uint64_t flags = 0) {
  MapElemAttr attr;
  attr.map_fd = static_cast<uint32_t>(map);
  attr.key = address(&key);
  attr.value = address(&value);
  attr.flags = flags;
  return side(Cmd::BPF_MAP_UPDATE_ELEM, attr);
}
int64_t get(Side& side, int map, uint32_t key) {
  uint32_t value = 0;
  MapElemAttr attr;
  attr.map_fd = static_cast<uint32_t>(map);
  attr.key = address(&key);
  attr.value = address(&value);
  int64_t answer = side(Cmd::BPF_MAP_LOOKUP_ELEM, attr);
  return answer < 0 ? answer : value;
}

class Objects : public TwoEngines {};

TEST_F(Objects, a_program_says_of_itself_what_the_kernel_says) {
  same([](Side& side) {
    int map = side.map(kArray, 4, 4, 1);
    int program = side.program(1, with_map(map, kReturnZero), 0, "a_name");
    auto info = info_of<ProgInfo>(side, program);
    Answers answers{info.type,
                    info.nr_map_ids,
                    info.gpl_compatible,
                    info.created_by_uid,
                    info.xlated_prog_len,
                    info.nr_func_info,
                    info.btf_id,
                    info.verified_insns,
                    info.func_info_rec_size,
                    info.line_info_rec_size,
                    info.nr_jited_ksyms,
                    info.nr_prog_tags,
                    static_cast<int64_t>(info.run_cnt),
                    info.attach_btf_id};
    answers.insert(answers.end(), std::begin(info.name), std::end(info.name));
    EXPECT_GT(info.jited_prog_len, 0u);
    EXPECT_GT(info.load_time, 0u);
    std::vector<Insn> xlated(info.xlated_prog_len / sizeof(Insn));
    uint32_t map_id = 0;
    ProgInfo wanted;
    wanted.xlated_prog_len = info.xlated_prog_len;
    wanted.xlated_prog_insns = address(xlated.data());
    wanted.nr_map_ids = 1;
    wanted.map_ids = address(&map_id);
    ObjInfoAttr attr{static_cast<uint32_t>(program), sizeof wanted, address(&wanted)};
    answers.push_back(side(Cmd::BPF_OBJ_GET_INFO_BY_FD, attr));
    EXPECT_EQ(map_id, info_of<MapInfo>(side, map).id);
    return answers;
  });
}

TEST_F(Objects, a_tag_is_the_start_of_sha256_over_the_instructions_without_descriptors) {
  Side side(user());
  int map = side.map(kArray, 4, 4, 1), other = side.map(kArray, 4, 4, 1);
  auto insns = with_map(map, kReturnZero);
  auto info = info_of<ProgInfo>(side, side.program(1, insns));
  auto same_but_for_the_map =
      info_of<ProgInfo>(side, side.program(1, with_map(other, kReturnZero)));
  insns[0].imm = 0;
  auto digest = sha256(bytes_of(insns));
  EXPECT_EQ(std::memcmp(info.tag, digest.data(), sizeof info.tag), 0);
  EXPECT_EQ(std::memcmp(info.tag, same_but_for_the_map.tag, sizeof info.tag), 0);
  // Linux up to 6.17 hashes with SHA-1.
  utsname system{};
  unsigned major = 0, minor = 0;
  ::uname(&system);
  std::sscanf(system.release, "%u.%u", &major, &minor);
  if (kernel() == nullptr || kernel_version(major, minor) < kernel_version(6, 18)) {
    std::printf("[  NOTE    ] no kernel with tags of SHA-256 to compare with\n");
    return;
  }
  Side theirs(*kernel());
  int their_map = theirs.map(kArray, 4, 4, 1);
  auto their_info = info_of<ProgInfo>(theirs, theirs.program(1, with_map(their_map, kReturnZero)));
  EXPECT_EQ(std::memcmp(info.tag, their_info.tag, sizeof info.tag), 0);
}

TEST_F(Objects, an_object_lives_as_long_as_something_refers_to_it) {
  same([](Side& side) {
    Answers answers;
    // A map that a program uses.
    int map = static_cast<int>(side.map(kArray, 4, 4, 1));
    Engine& engine = side.engine();
    MapCreateAttr create;
    create.map_type = kArray;
    create.key_size = create.value_size = 4;
    create.max_entries = 1;
    int used = static_cast<int>(engine.call(Cmd::BPF_MAP_CREATE, create));
    uint32_t used_id = info_of<MapInfo>(side, used).id;
    int program = side.program(1, with_map(used, kReturnZero));
    engine.close(used);
    answers.push_back(lives(side, Cmd::BPF_MAP_GET_FD_BY_ID, used_id));
    // A map that is an element.
    int inner = static_cast<int>(engine.call(Cmd::BPF_MAP_CREATE, create));
    uint32_t inner_id = info_of<MapInfo>(side, inner).id;
    MapCreateAttr outer_attr = create;
    outer_attr.map_type = kArrayOfMaps;
    outer_attr.inner_map_fd = static_cast<uint32_t>(map);
    int outer = side.keep(engine.call(Cmd::BPF_MAP_CREATE, outer_attr));
    answers.push_back(set(side, outer, 0, static_cast<uint32_t>(inner)));
    engine.close(inner);
    answers.push_back(lives(side, Cmd::BPF_MAP_GET_FD_BY_ID, inner_id));
    answers.push_back(get(side, outer, 0) == inner_id);
    // A map that is bound to a program.
    int bound = static_cast<int>(engine.call(Cmd::BPF_MAP_CREATE, create));
    uint32_t bound_id = info_of<MapInfo>(side, bound).id;
    answers.push_back(
        side(Cmd::BPF_PROG_BIND_MAP,
             ProgBindMapAttr{static_cast<uint32_t>(program), static_cast<uint32_t>(bound), 0}));
    engine.close(bound);
    answers.push_back(lives(side, Cmd::BPF_MAP_GET_FD_BY_ID, bound_id));
    return answers;
  });
}

// Maps of maps free inner maps late on the kernel; the user engine at once.
TEST_F(Objects, what_nothing_refers_to_is_gone_at_once) {
  Side side(user());
  Engine& engine = side.engine();
  int map = side.map(kHash, 4, 4, 1);
  auto id = info_of<MapInfo>(side, map).id;
  int again = static_cast<int>(side(Cmd::BPF_MAP_GET_FD_BY_ID, GetIdAttr{id, 0, 0, 0}));
  ASSERT_GE(again, 0);
  engine.close(again);
  EXPECT_TRUE(lives(side, Cmd::BPF_MAP_GET_FD_BY_ID, id));
  ProgLoadAttr load;
  load.prog_type = 1;
  load.insn_cnt = 2;
  load.insns = address(kReturnZero.data());
  load.license = address("GPL");
  int program = static_cast<int>(engine.call(Cmd::BPF_PROG_LOAD, load));
  auto program_id = info_of<ProgInfo>(side, program).id;
  engine.close(program);
  EXPECT_FALSE(lives(side, Cmd::BPF_PROG_GET_FD_BY_ID, program_id));
}

// A program array holds programs that hold the array: neither would ever go.
TEST_F(Objects, a_prog_array_without_descriptors_is_emptied) {
  Side side(user());
  Engine& engine = side.engine();
  MapCreateAttr create;
  create.map_type = kProgArray;
  create.key_size = create.value_size = 4;
  create.max_entries = 2;
  int array = static_cast<int>(engine.call(Cmd::BPF_MAP_CREATE, create));
  auto array_id = info_of<MapInfo>(side, array).id;
  auto insns = with_map(array, kReturnZero);
  ProgLoadAttr load;
  load.prog_type = 1;
  load.insn_cnt = static_cast<uint32_t>(insns.size());
  load.insns = address(insns.data());
  load.license = address("GPL");
  int program = static_cast<int>(engine.call(Cmd::BPF_PROG_LOAD, load));
  ASSERT_GE(program, 0);
  auto program_id = info_of<ProgInfo>(side, program).id;
  EXPECT_EQ(set(side, array, 0, static_cast<uint32_t>(program)), 0);
  engine.close(program);
  EXPECT_TRUE(lives(side, Cmd::BPF_PROG_GET_FD_BY_ID, program_id));
  engine.close(array);
  EXPECT_FALSE(lives(side, Cmd::BPF_PROG_GET_FD_BY_ID, program_id));
  EXPECT_FALSE(lives(side, Cmd::BPF_MAP_GET_FD_BY_ID, array_id));
}

TEST_F(Objects, a_prog_array_takes_programs_of_one_type) {
  same([](Side& side) {
    int array = side.map(kProgArray, 4, 4, 2);
    int filter = side.program(1, kReturnZero), tc = side.program(3, kReturnZero);
    return Answers{set(side, array, 0, static_cast<uint32_t>(filter)),
                   set(side, array, 1, static_cast<uint32_t>(tc)),
                   set(side, array, 5, static_cast<uint32_t>(filter)),
                   set(side, array, 1, static_cast<uint32_t>(array)),
                   set(side, array, 1, static_cast<uint32_t>(filter), 1),
                   get(side, array, 1),
                   std::min(0, side.program(6, with_map(array, kReturnZero)))};
  });
}

// ---- pins ----

std::string scratch() {
  char name[] = "/tmp/skep-engine-pins-XXXXXX";
  char real[PATH_MAX];
  return ::realpath(::mkdtemp(name), real);
}

TEST_F(Objects, a_pin_keeps_its_object_until_the_file_is_removed) {
  Side side(user());
  Engine& engine = side.engine();
  MapCreateAttr create;
  create.map_type = kArray;
  create.key_size = create.value_size = 4;
  create.max_entries = 1;
  int map = static_cast<int>(engine.call(Cmd::BPF_MAP_CREATE, create));
  auto id = info_of<MapInfo>(side, map).id;
  EXPECT_EQ(set(side, map, 0, 42), 0);
  auto made = user().pins().make_root();
  ASSERT_TRUE(made) << made.error().text();
  std::string path = user().pins().root() + "/counter";
  ObjPinAttr pin;
  pin.pathname = address(path.c_str());
  pin.bpf_fd = static_cast<uint32_t>(map);
  ASSERT_EQ(engine.call(Cmd::BPF_OBJ_PIN, pin), 0) << user().last_error()->text();
  EXPECT_EQ(engine.call(Cmd::BPF_OBJ_PIN, pin), -EEXIST);
  engine.close(map);
  EXPECT_TRUE(lives(side, Cmd::BPF_MAP_GET_FD_BY_ID, id));
  struct stat status{};
  ASSERT_EQ(::stat(path.c_str(), &status), 0);
  EXPECT_EQ(status.st_mode & 0777, 0600u);

  pin.bpf_fd = 0;
  pin.file_flags = BPF_F_RDONLY;
  int read_only = side.keep(engine.call(Cmd::BPF_OBJ_GET, pin));
  ASSERT_GE(read_only, 0);
  EXPECT_EQ(get(side, read_only, 0), 42);
  EXPECT_EQ(set(side, read_only, 0, 1), -EPERM);
  engine.close(read_only);
  EXPECT_EQ(::unlink(path.c_str()), 0);
  pin.file_flags = 0;
  EXPECT_EQ(engine.call(Cmd::BPF_OBJ_GET, pin), -ENOENT);
}

TEST_F(Objects, pins_are_named_and_placed_as_in_the_bpf_file_system) {
  Side side(user());
  Engine& engine = side.engine();
  int program = side.program(1, kReturnZero);
  auto try_pin = [&](const std::string& path) {
    ObjPinAttr pin;
    pin.pathname = address(path.c_str());
    pin.bpf_fd = static_cast<uint32_t>(program);
    return engine.call(Cmd::BPF_OBJ_PIN, pin);
  };
  ASSERT_TRUE(user().pins().make_root());
  const std::string root = user().pins().root();
  std::string outside = scratch();
  EXPECT_EQ(try_pin(outside + "/pin"), -EPERM);
  ::rmdir(outside.c_str());
  EXPECT_EQ(try_pin(root + "/with.dot"), -EPERM);
  EXPECT_EQ(try_pin(root + "/no/such/directory"), -ENOENT);
  EXPECT_EQ(try_pin(root + "/../escaped"), -EPERM);
  // The file system's own place means the same.
  EXPECT_EQ(try_pin("/sys/fs/bpf/program"), 0);
  EXPECT_EQ(::access((root + "/program").c_str(), F_OK), 0);
  ::unlink((root + "/program").c_str());
  // A file that only looks like a pin is none.
  int fd = ::open((root + "/fake").c_str(), O_CREAT | O_WRONLY, 0600);
  EXPECT_EQ(::write(fd, "prog 1\n", 7), 7);
  ::close(fd);
  ObjPinAttr pin;
  std::string fake = root + "/fake";
  pin.pathname = address(fake.c_str());
  EXPECT_EQ(engine.call(Cmd::BPF_OBJ_GET, pin), -EACCES);
  ::unlink(fake.c_str());
}

// ---- cgroup hooks ----

// A cgroup of the test's own on the kernel; the traced processes on the user engine.
class Cgroup {
 public:
  explicit Cgroup(Side& side) {
    auto* user = dynamic_cast<UserEngine*>(&side.engine());
    if (user == nullptr) {
      path_ = "/sys/fs/cgroup/unified/skep-test-" + std::to_string(::getpid());
      if (::mkdir(path_.c_str(), 0755) != 0) return;
    }
    auto fd = side.engine().open_cgroup(path_);
    if (fd) fd_ = *fd;
    engine_ = &side.engine();
  }
  ~Cgroup() {
    if (fd_ >= 0) engine_->close(fd_);
    if (!path_.empty()) ::rmdir(path_.c_str());
  }
  [[nodiscard]] int fd() const { return fd_; }

 private:
  std::string path_;
  Engine* engine_ = nullptr;
  int fd_ = -1;
};

struct Hook {
  Side& side;
  int cgroup;
  uint64_t first_revision = revision_now();  // the user engine's one cgroup outlives a test
  uint64_t revision_now() {
    ProgQueryAttr attr;
    attr.target_fd = static_cast<uint32_t>(cgroup);
    attr.attach_type = kPostBind4;
    EXPECT_EQ(side.inout(Cmd::BPF_PROG_QUERY, attr), 0);
    return attr.revision;
  }
  int64_t attach(int program, uint32_t flags, int replace = 0, int relative = 0,
                 uint64_t revision = 0) {
    ProgAttachAttr attr;
    attr.target_fd = static_cast<uint32_t>(cgroup);
    attr.attach_bpf_fd = static_cast<uint32_t>(program);
    attr.attach_type = kPostBind4;
    attr.attach_flags = flags;
    attr.replace_bpf_fd = static_cast<uint32_t>(replace);
    attr.relative_fd = static_cast<uint32_t>(relative);
    attr.expected_revision = revision == 0 ? 0 : revision + first_revision - 1;
    return side(Cmd::BPF_PROG_ATTACH, attr);
  }
  int64_t detach(int program) {
    ProgAttachAttr attr;
    attr.target_fd = static_cast<uint32_t>(cgroup);
    attr.attach_bpf_fd = static_cast<uint32_t>(program);
    attr.attach_type = kPostBind4;
    return side(Cmd::BPF_PROG_DETACH, attr);
  }
  // Places of the attached programs in `known`, then flags and revision.
  Answers query(const std::vector<int>& known, uint32_t query_flags = 0, uint32_t room = 16) {
    std::vector<uint32_t> ids(16), of;
    for (int fd : known) of.push_back(info_of<ProgInfo>(side, fd).id);
    ProgQueryAttr attr;
    attr.target_fd = static_cast<uint32_t>(cgroup);
    attr.attach_type = kPostBind4;
    attr.query_flags = query_flags;
    attr.prog_ids = address(ids.data());
    attr.prog_cnt = room;
    Answers answers{side.inout(Cmd::BPF_PROG_QUERY, attr), attr.prog_cnt, attr.attach_flags,
                    static_cast<int64_t>(attr.revision - first_revision)};
    for (uint32_t i = 0; i < std::min(room, attr.prog_cnt); ++i)
      answers.push_back(std::find(of.begin(), of.end(), ids[i]) - of.begin());
    return answers;
  }
};
void add(Answers& to, const Answers& more) { to.insert(to.end(), more.begin(), more.end()); }

TEST_F(Objects, programs_on_a_cgroup_hook_stand_beside_each_other_as_in_the_kernel) {
  constexpr uint32_t kOverride = 1, kMulti = 2, kReplace = 4, kBefore = 8, kAfter = 16,
                     kPreorder = 64;
  same([](Side& side) {
    Answers answers;
    Cgroup cgroup(side);
    EXPECT_GE(cgroup.fd(), 0) << "a cgroup of the test's own";
    Hook hook{side, cgroup.fd()};
    std::vector<int> p;
    for (int i = 0; i < 6; ++i) p.push_back(side.program(kCgroupSock, kReturnOne, kPostBind4));
    add(answers, hook.query(p));
    answers.push_back(hook.detach(p[0]));
    // One program, no other beside it.
    answers.push_back(hook.attach(p[0], 0));
    answers.push_back(hook.attach(p[1], kMulti));
    answers.push_back(hook.attach(p[1], kOverride));
    answers.push_back(hook.attach(p[1], 0));
    add(answers, hook.query(p));
    answers.push_back(hook.detach(0));
    answers.push_back(hook.attach(p[0], kOverride));
    answers.push_back(hook.attach(p[1], kOverride));
    add(answers, hook.query(p));
    answers.push_back(hook.detach(p[5]));
    // Several.
    answers.push_back(hook.attach(p[0], kOverride | kMulti));
    answers.push_back(hook.attach(p[0], kMulti));
    answers.push_back(hook.attach(p[0], kMulti));
    answers.push_back(hook.attach(p[1], kMulti));
    answers.push_back(hook.attach(p[2], kMulti | kBefore));
    answers.push_back(hook.attach(p[3], kMulti | kBefore, 0, p[1]));
    answers.push_back(hook.attach(p[4], kMulti | kAfter, 0, p[2]));
    add(answers, hook.query(p));
    add(answers, hook.query(p, 1));
    add(answers, hook.query(p, 0, 2));
    add(answers, hook.query(p, 0, 0));
    answers.push_back(hook.attach(p[5], kMulti | kReplace, p[1]));
    answers.push_back(hook.attach(p[1], kMulti | kReplace, p[1]));
    answers.push_back(hook.attach(p[1], kReplace, p[5]));
    answers.push_back(hook.attach(p[1], kMulti, 0, 0, 1));
    add(answers, hook.query(p));
    answers.push_back(hook.detach(0));
    answers.push_back(hook.detach(p[4]));
    answers.push_back(hook.detach(p[4]));
    answers.push_back(hook.attach(p[4], kMulti | kPreorder));
    add(answers, hook.query(p));
    add(answers, hook.query(p, 1));
    for (int program : p) answers.push_back(hook.detach(program));
    add(answers, hook.query(p));
    return answers;
  });
}

TEST_F(Objects, cgroup_links_are_updated_and_detached_as_in_the_kernel) {
  same([](Side& side) {
    Answers answers;
    Cgroup cgroup(side);
    Hook hook{side, cgroup.fd()};
    std::vector<int> p;
    for (int i = 0; i < 3; ++i) p.push_back(side.program(kCgroupSock, kReturnOne, kPostBind4));
    LinkCreateAttr create;
    create.prog_fd = static_cast<uint32_t>(p[0]);
    create.target_fd = static_cast<uint32_t>(cgroup.fd());
    create.attach_type = kPostBind4;
    int link = static_cast<int>(side(Cmd::BPF_LINK_CREATE, create));
    EXPECT_GE(link, 0);
    auto u = [](int fd) { return static_cast<uint32_t>(fd); };
    add(answers, hook.query(p));
    answers.push_back(side(Cmd::BPF_LINK_UPDATE, LinkUpdateAttr{u(link), u(p[1]), 4, u(p[2])}));
    answers.push_back(side(Cmd::BPF_LINK_UPDATE, LinkUpdateAttr{u(link), u(p[1]), 0, u(p[0])}));
    answers.push_back(side(Cmd::BPF_LINK_UPDATE, LinkUpdateAttr{u(link), u(p[1]), 4, u(p[0])}));
    add(answers, hook.query(p));
    auto info = info_of<LinkInfo>(side, link);
    answers.push_back(info.type);
    answers.push_back(info.cgroup.attach_type);
    EXPECT_EQ(info.prog_id, info_of<ProgInfo>(side, p[1]).id);
    create.flags = 1;
    answers.push_back(side(Cmd::BPF_LINK_CREATE, create));
    create.flags = 0;
    create.target_fd = u(p[0]);
    answers.push_back(side(Cmd::BPF_LINK_CREATE, create));
    answers.push_back(side(Cmd::BPF_LINK_DETACH, LinkDetachAttr{u(link)}));
    add(answers, hook.query(p));
    answers.push_back(side(Cmd::BPF_LINK_UPDATE, LinkUpdateAttr{u(link), u(p[2]), 0, 0}));
    answers.push_back(side(Cmd::BPF_LINK_DETACH, LinkDetachAttr{u(link)}));
    side.engine().close(link);
    return answers;
  });
}

// ---- iterators, and the task that programs see; the user engine's own BTF ----

uint32_t function_id(Side& side, const std::string& name) {
  auto btf = side.engine().vmlinux_btf();
  if (!btf) return 0;
  for (btf::TypeId id = 1; id < (*btf)->type_end(); ++id) {
    if ((*btf)->type(id).kind() == btf::Kind::Func && (*btf)->name(id) == name) return id;
  }
  return 0;
}

int iterator_program(Side& side, const std::string& target, const std::vector<Insn>& insns) {
  ProgLoadAttr attr;
  attr.prog_type = kTracing;
  attr.expected_attach_type = kIter;
  attr.attach_btf_id = function_id(side, "bpf_iter_" + target);
  attr.insn_cnt = static_cast<uint32_t>(insns.size());
  attr.insns = address(insns.data());
  attr.license = address("GPL");
  std::vector<char> log(1 << 16);
  attr.log_buf = address(log.data());
  attr.log_size = static_cast<uint32_t>(log.size());
  attr.log_level = 1;
  int fd = side.keep(side(Cmd::BPF_PROG_LOAD, attr));
  EXPECT_GE(fd, 0) << log.data();
  return fd;
}

std::string read_all(int fd) {
  std::string text(1 << 16, '\0');
  ssize_t got = ::read(fd, text.data(), text.size());
  text.resize(got > 0 ? static_cast<size_t>(got) : 0);
  return text;
}

std::string iterate(Side& side, int program, int map = 0) {
  LinkCreateAttr create;
  create.prog_fd = static_cast<uint32_t>(program);
  create.attach_type = kIter;
  uint32_t info[4] = {static_cast<uint32_t>(map), 0, 0, 0};
  if (map != 0) {
    create.iter.iter_info = address(info);
    create.iter.iter_info_len = sizeof info;
  }
  int link = side.keep(side(Cmd::BPF_LINK_CREATE, create));
  EXPECT_GE(link, 0);
  int fd =
      static_cast<int>(side(Cmd::BPF_ITER_CREATE, IterCreateAttr{static_cast<uint32_t>(link), 0}));
  EXPECT_GE(fd, 0) << fd;
  std::string text = read_all(fd);
  ::close(fd);
  return text;
}

// Writes `size` bytes of the argument at ctx + `argument`, `offset` bytes into what it points to; nothing at the end.
std::vector<Insn> write_field(int argument, int offset, int size) {
  return {BPF_MOV64_REG(BPF_REG_6, BPF_REG_1),
          BPF_LDX_MEM(BPF_DW, BPF_REG_7, BPF_REG_6, argument),
          BPF_JMP_IMM(BPF_JEQ, BPF_REG_7, 0, 8),
          size == 4 ? BPF_LDX_MEM(BPF_W, BPF_REG_3, BPF_REG_7, offset)
                    : BPF_LDX_MEM(BPF_DW, BPF_REG_3, BPF_REG_7, offset),
          BPF_STX_MEM(BPF_DW, BPF_REG_10, BPF_REG_3, -8),
          BPF_LDX_MEM(BPF_DW, BPF_REG_1, BPF_REG_6, 0),
          BPF_LDX_MEM(BPF_DW, BPF_REG_1, BPF_REG_1, 0),  // meta->seq
          BPF_MOV64_REG(BPF_REG_2, BPF_REG_10),
          BPF_ALU64_IMM(BPF_ADD, BPF_REG_2, -8),
          BPF_MOV64_IMM(BPF_REG_3, size),
          BPF_RAW_INSN(BPF_JMP | BPF_CALL, 0, 0, 0, 127),  // seq_write
          BPF_MOV64_IMM(BPF_REG_0, 0),
          BPF_EXIT_INSN()};
}

bool has_number(const std::string& numbers, uint32_t wanted) {
  for (size_t at = 0; at + 4 <= numbers.size(); at += 4) {
    if (load<uint32_t>(numbers.data() + at) == wanted) return true;
  }
  return false;
}

TEST_F(Objects, iterators_walk_tasks_maps_programs_and_links) {
  Side side(user());
  int map = side.map(kHash, 4, 4, 8);
  auto offset = [&](const char* type, const char* field) {
    auto btf = *side.engine().vmlinux_btf();
    for (btf::TypeId id = 1; id < btf->type_end(); ++id) {
      if (btf->type(id).kind() != btf::Kind::Struct || btf->name(id) != type) continue;
      for (uint32_t i = 0; i < btf->type(id).vlen(); ++i) {
        auto member = btf->type(id).member(i);
        if (member.name == field) return static_cast<int>(member.bit_offset / 8);
      }
    }
    ADD_FAILURE() << type << "." << field;
    return 0;
  };
  int tasks = iterator_program(side, "task", write_field(8, offset("task_struct", "pid"), 4));
  EXPECT_TRUE(has_number(iterate(side, tasks), static_cast<uint32_t>(::getpid())));
  int maps = iterator_program(side, "bpf_map", write_field(8, offset("bpf_map", "id"), 4));
  EXPECT_TRUE(has_number(iterate(side, maps), info_of<MapInfo>(side, map).id));
  int links = iterator_program(side, "bpf_link", write_field(8, offset("bpf_link", "id"), 4));
  EXPECT_EQ(iterate(side, links).size() % 4, 0u);
  EXPECT_GE(iterate(side, links).size(), 4u);  // the iterator's own link
  int programs = iterator_program(side, "bpf_prog", write_field(8, offset("bpf_prog", "len"), 4));
  EXPECT_TRUE(has_number(iterate(side, programs), 13));
  int files = iterator_program(side, "task_file", write_field(24, offset("file", "f_inode"), 8));
  EXPECT_GE(iterate(side, files).size(), 8u * 3);
}

TEST_F(Objects, an_iterator_over_a_map_reads_and_changes_its_elements) {
  Side side(user());
  int map = side.map(kHash, 4, 4, 8);
  for (uint32_t key = 1; key <= 5; ++key) EXPECT_EQ(set(side, map, key, 100 + key), 0);
  auto insns = write_field(16, 0, 4);  // the key
  std::string keys = iterate(side, iterator_program(side, "bpf_map_elem", insns), map);
  EXPECT_EQ(keys.size(), 20u);
  for (uint32_t key = 1; key <= 5; ++key) EXPECT_TRUE(has_number(keys, key));
  const std::vector<Insn> change{BPF_LDX_MEM(BPF_DW, BPF_REG_2, BPF_REG_1, 24),
                                 BPF_JMP_IMM(BPF_JEQ, BPF_REG_2, 0, 3),
                                 BPF_LDX_MEM(BPF_W, BPF_REG_3, BPF_REG_2, 0),
                                 BPF_ALU64_IMM(BPF_ADD, BPF_REG_3, 1000),
                                 BPF_STX_MEM(BPF_W, BPF_REG_2, BPF_REG_3, 0),
                                 BPF_MOV64_IMM(BPF_REG_0, 0),
                                 BPF_EXIT_INSN()};
  iterate(side, iterator_program(side, "bpf_map_elem", change), map);
  EXPECT_EQ(get(side, map, 3), 1103);
  // One that reaches beyond the map's keys is refused when it is attached.
  int far = iterator_program(side, "bpf_map_elem", write_field(16, 0, 8));
  LinkCreateAttr create;
  create.prog_fd = static_cast<uint32_t>(far);
  create.attach_type = kIter;
  uint32_t info[4] = {static_cast<uint32_t>(map), 0, 0, 0};
  create.iter.iter_info = address(info);
  create.iter.iter_info_len = sizeof info;
  EXPECT_EQ(side(Cmd::BPF_LINK_CREATE, create), -EACCES);
}

TEST_F(Objects, a_program_sees_the_task_that_it_runs_for) {
  Side side(user());
  auto field = [&](int helper, int offset) {
    const std::vector<Insn> insns{BPF_RAW_INSN(BPF_JMP | BPF_CALL, 0, 0, 0, helper),
                                  BPF_LDX_MEM(BPF_W, BPF_REG_0, BPF_REG_0, offset),
                                  BPF_EXIT_INSN()};
    int program = side.program(5, insns);  // tracepoint
    EXPECT_GE(program, 0) << user().last_error()->text();
    std::vector<std::byte> ctx(64);
    TestRunAttr attr;
    attr.prog_fd = static_cast<uint32_t>(program);
    attr.ctx_in = address(ctx.data());
    attr.ctx_size_in = 64;
    EXPECT_EQ(side.inout(Cmd::BPF_PROG_TEST_RUN, attr), 0);
    return attr.retval;
  };
  constexpr int kCurrentTaskBtf = 158;
  using Task = published::task_struct;
  EXPECT_EQ(field(kCurrentTaskBtf, offsetof(Task, pid)), static_cast<uint32_t>(::gettid()));
  EXPECT_EQ(field(kCurrentTaskBtf, offsetof(Task, tgid)), static_cast<uint32_t>(::getpid()));
}

}  // namespace
}  // namespace skep::engine
