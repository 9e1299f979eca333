// What commands of bpf(2) do where nothing is wrong, on the user engine and on the kernel: those that other tests only
// see refuse. Keys of docs/features.md: C-cmd-*, D5.1.7, D5.4.4, D5.8.10, D5.10.9.
#include <unistd.h>

#include <functional>

#include "btf/btf.h"
#include "btf/builder.h"
#include "engine/two_engines.h"

namespace skep::engine {
namespace {

using namespace isa::macros;

constexpr uint32_t kSocketFilter = 1, kRawTracepoint = 17, kTracing = 26, kIter = 28;
const std::vector<Insn> kReturnZero{BPF_MOV64_IMM(BPF_REG_0, 0), BPF_EXIT_INSN()};

uint32_t u(int64_t fd) { return static_cast<uint32_t>(fd); }

class Commands : public TwoEngines {
 protected:
  // On the user engine, and on the kernel where there is one.
  static void on_both(const std::function<void(Side&)>& test) {
    {
      SCOPED_TRACE("user engine");
      Side side(user());
      test(side);
    }
    if (kernel() == nullptr) return;
    SCOPED_TRACE("kernel engine");
    Side side(*kernel());
    test(side);
  }
  template <class Info>
  static Info info_of(Side& side, int fd) {
    Info info;
    ObjInfoAttr attr;
    attr.bpf_fd = u(fd);
    attr.info = address(&info);
    attr.info_len = sizeof info;
    EXPECT_EQ(side(Cmd::BPF_OBJ_GET_INFO_BY_FD, attr), 0);
    return info;
  }
  // Whether the walk from 0 comes by `id`; others' objects may come and go meanwhile.
  static bool walk_meets(Side& side, Cmd next, uint32_t id) {
    for (uint32_t at = 0;;) {
      GetIdAttr attr{at, 0, 0, 0};
      if (side.inout(next, attr) != 0) return false;
      EXPECT_GT(attr.next_id, at);
      if (attr.next_id == id) return true;
      at = attr.next_id;
    }
  }
  static int types(Side& side) {
    btf::BtfBuilder builder;
    builder.add_int("int", 4, true);
    const std::vector<std::byte> bytes = builder.bytes();
    BtfLoadAttr attr;
    attr.btf = address(bytes.data());
    attr.btf_size = static_cast<uint32_t>(bytes.size());
    return side.keep(side(Cmd::BPF_BTF_LOAD, attr));
  }
  static int task_iterator(Side& side) {
    ProgLoadAttr attr;
    attr.prog_type = kTracing;
    attr.expected_attach_type = kIter;
    auto kernel_types = side.engine().vmlinux_btf();
    if (!kernel_types) return -1;
    for (btf::TypeId id = 1; id < (*kernel_types)->type_end(); ++id)
      if ((*kernel_types)->type(id).kind() == btf::Kind::Func &&
          (*kernel_types)->name(id) == "bpf_iter_task")
        attr.attach_btf_id = id;
    attr.insn_cnt = static_cast<uint32_t>(kReturnZero.size());
    attr.insns = address(kReturnZero.data());
    attr.license = address("GPL");
    const int program = side.keep(side(Cmd::BPF_PROG_LOAD, attr));
    LinkCreateAttr create;
    create.prog_fd = u(program);
    create.attach_type = kIter;
    return side.keep(side(Cmd::BPF_LINK_CREATE, create));
  }
};

TEST_F(Commands, ids_are_walked) {
  on_both([](Side& side) {
    const int map = side.map(1, 4, 4, 8);
    const int program = side.program(kSocketFilter, kReturnZero);
    const int btf = types(side);
    const int link = task_iterator(side);
    ASSERT_GE(std::min({map, program, btf, link}), 0);
    EXPECT_TRUE(walk_meets(side, Cmd::BPF_MAP_GET_NEXT_ID, info_of<MapInfo>(side, map).id));
    EXPECT_TRUE(walk_meets(side, Cmd::BPF_PROG_GET_NEXT_ID, info_of<ProgInfo>(side, program).id));
    EXPECT_TRUE(walk_meets(side, Cmd::BPF_BTF_GET_NEXT_ID, info_of<BtfInfo>(side, btf).id));
    EXPECT_TRUE(walk_meets(side, Cmd::BPF_LINK_GET_NEXT_ID, info_of<LinkInfo>(side, link).id));
  });
}

TEST_F(Commands, links_are_opened_by_id) {
  on_both([](Side& side) {
    const int link = task_iterator(side);
    ASSERT_GE(link, 0);
    const uint32_t id = info_of<LinkInfo>(side, link).id;
    const int again = side.keep(side(Cmd::BPF_LINK_GET_FD_BY_ID, GetIdAttr{id, 0, 0, 0}));
    ASSERT_GE(again, 0);
    EXPECT_EQ(info_of<LinkInfo>(side, again).id, id);
  });
}

TEST_F(Commands, the_link_of_an_iterator_says_its_target) {
  on_both([](Side& side) {
    const int link = task_iterator(side);
    ASSERT_GE(link, 0);
    char name[32] = {};
    LinkInfo info;
    info.iter.target_name = address(name);
    info.iter.target_name_len = sizeof name;
    ObjInfoAttr attr;
    attr.bpf_fd = u(link);
    attr.info = address(&info);
    attr.info_len = sizeof info;
    ASSERT_EQ(side(Cmd::BPF_OBJ_GET_INFO_BY_FD, attr), 0);
    EXPECT_EQ(info.type, 4u);  // BPF_LINK_TYPE_ITER
    EXPECT_STREQ(name, "task");
  });
}

TEST_F(Commands, types_are_loaded_and_opened_by_id) {
  on_both([](Side& side) {
    const int btf = types(side);
    ASSERT_GE(btf, 0);
    const uint32_t id = info_of<BtfInfo>(side, btf).id;
    const int again = side.keep(side(Cmd::BPF_BTF_GET_FD_BY_ID, GetIdAttr{id, 0, 0, 0}));
    ASSERT_GE(again, 0);
    EXPECT_EQ(info_of<BtfInfo>(side, again).id, id);
    EXPECT_EQ(info_of<BtfInfo>(side, again).kernel_btf, 0u);
  });
}

// A raw tracepoint on the user engine; on the kernel it would run for every process, so it returns at once.
TEST_F(Commands, a_raw_tracepoint_is_opened_and_says_what_it_traces) {
  on_both([](Side& side) {
    const int program = side.program(kRawTracepoint, kReturnZero);
    ASSERT_GE(program, 0);
    RawTracepointAttr open;
    open.name = address("sys_enter");
    open.prog_fd = u(program);
    const int64_t link = side.keep(side(Cmd::BPF_RAW_TRACEPOINT_OPEN, open));
    ASSERT_GE(link, 0);
    char name[32] = {};
    TaskFdQueryAttr query;
    query.pid = u(::getpid());
    query.fd = u(link);
    query.buf = address(name);
    query.buf_len = sizeof name;
    ASSERT_EQ(side.inout(Cmd::BPF_TASK_FD_QUERY, query), 0);
    EXPECT_STREQ(name, "sys_enter");
    EXPECT_EQ(query.fd_type, 0u);  // BPF_FD_TYPE_RAW_TRACEPOINT
    EXPECT_EQ(query.prog_id, info_of<ProgInfo>(side, program).id);
  });
}

TEST_F(Commands, runs_are_counted_while_the_descriptor_is_open) {
  on_both([](Side& side) {
    const int program = side.program(kSocketFilter, kReturnZero);
    ASSERT_GE(program, 0);
    // The kernel counts runs by hooks only, not TEST_RUN's: there it is the command that is tried.
    const int stats = static_cast<int>(side(Cmd::BPF_ENABLE_STATS, EnableStatsAttr{0}));
    ASSERT_GE(stats, 0);
    std::vector<uint8_t> packet(64);
    TestRunAttr run;
    run.prog_fd = u(program);
    run.data_in = address(packet.data());
    run.data_size_in = static_cast<uint32_t>(packet.size());
    run.repeat = 5;
    EXPECT_EQ(side.inout(Cmd::BPF_PROG_TEST_RUN, run), 0);
    const auto counted = info_of<ProgInfo>(side, program);
    side.engine().close(stats);
    EXPECT_EQ(side.inout(Cmd::BPF_PROG_TEST_RUN, run), 0);
    EXPECT_EQ(info_of<ProgInfo>(side, program).run_time_ns, counted.run_time_ns);
    if (side.engine().name() == "user") {
      EXPECT_EQ(counted.run_cnt, 5u);
      EXPECT_GT(counted.run_time_ns, 0u);
    }
  });
}

}  // namespace
}  // namespace skep::engine
