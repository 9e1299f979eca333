// Every row of the tables of map types, program types and attach types, on both engines: what the table says works on
// the user engine works there, what it refuses is refused with the row's own reason, and the kernel takes it. Here and in
// guests (tools/dev-guest). Keys of docs/features.md: C-map-*, C-prog-*, C-attach-*.
#include "loader/table_rows.h"

namespace skep::engine {
namespace {

// ---- map types ----

class MapRow : public Rows, public testing::WithParamInterface<spec::MapTypeRow> {
 protected:
  // The smallest map of the type.
  static int make(Side& side) {
    const spec::MapTypeRow& row = GetParam();
    using enum MapType;
    MapCreateAttr attr;
    attr.map_type = u(static_cast<int64_t>(row.type));
    attr.key_size = std::clamp(4u, row.key.min, std::max(row.key.min, row.key.max));
    attr.value_size = row.type == BPF_MAP_TYPE_XSKMAP
                          ? 4
                          : std::clamp(row.value.multiple > 4 ? row.value.multiple : 4u,
                                       row.value.min, std::max(row.value.min, row.value.max));
    attr.max_entries = row.max_entries_zero ? 0 : row.max_entries_power_of_two ? 4096 : 1;
    attr.map_flags = static_cast<uint32_t>(row.required_flags);
    if (row.map_in_map) attr.inner_map_fd = u(side.map(2, 4, 4, 1));
    if (row.type == BPF_MAP_TYPE_LPM_TRIE) attr.key_size = 8;
    const bool storage =
        row.type == BPF_MAP_TYPE_SK_STORAGE || row.type == BPF_MAP_TYPE_INODE_STORAGE ||
        row.type == BPF_MAP_TYPE_TASK_STORAGE || row.type == BPF_MAP_TYPE_CGRP_STORAGE;
    if (storage || row.type == BPF_MAP_TYPE_STRUCT_OPS) {
      btf::BtfBuilder builder;
      const btf::TypeId integer = builder.add_int("int", 4, true);
      if (storage) attr.btf_key_type_id = attr.btf_value_type_id = integer;
      const std::vector<std::byte> bytes = builder.bytes();
      BtfLoadAttr load;
      load.btf = address(bytes.data());
      load.btf_size = static_cast<uint32_t>(bytes.size());
      attr.btf_fd = u(side.keep(side(Cmd::BPF_BTF_LOAD, load)));
    }
    if (row.type == BPF_MAP_TYPE_STRUCT_OPS) {
      attr.btf_vmlinux_value_type_id =
          find_type(side.engine(), "bpf_struct_ops_tcp_congestion_ops", btf::Kind::Struct);
      if (attr.btf_vmlinux_value_type_id != 0) {
        auto types = side.engine().vmlinux_btf();
        attr.value_size = (*types)->type(attr.btf_vmlinux_value_type_id).size();
      }
    }
    return side.keep(side(Cmd::BPF_MAP_CREATE, attr));
  }

  // One element, of what the type holds.
  static int64_t put(Side& side, int map) {
    const spec::MapTypeRow& row = GetParam();
    using enum MapType;
    std::vector<std::byte> key(std::max(row.key.min, 8u)), value(65536);
    MapElemAttr attr;
    attr.map_fd = u(map);
    attr.key = row.key.max == 0 ? 0 : address(key.data());
    attr.value = address(value.data());
    auto hold = [&](std::vector<std::byte>& in, int64_t number) {
      const auto word = static_cast<uint32_t>(number);
      std::memcpy(in.data(), &word, sizeof word);
    };
    OwnCgroup cgroup;
    Fd held;
    // The user engine has one cgroup: the processes that it traces.
    EngineFd traced;
    int cgroup_fd = cgroup.fd();
    if (&side.engine() == &user()) {
      traced = EngineFd(&user(), user().open_cgroup("").value_or(-1));
      cgroup_fd = traced.get();
    }
    switch (row.type) {
      case BPF_MAP_TYPE_PROG_ARRAY: hold(value, side.program(1, returning(0))); break;
      case BPF_MAP_TYPE_ARRAY_OF_MAPS:
      case BPF_MAP_TYPE_HASH_OF_MAPS: hold(value, side.map(2, 4, 4, 1)); break;
      case BPF_MAP_TYPE_CGROUP_ARRAY: hold(value, cgroup_fd); break;
      case BPF_MAP_TYPE_CGRP_STORAGE: hold(key, cgroup_fd); break;
      case BPF_MAP_TYPE_DEVMAP:
      case BPF_MAP_TYPE_DEVMAP_HASH: hold(value, 1); break;  // the loopback
      case BPF_MAP_TYPE_CPUMAP: hold(value, 64); break;      // a queue of 64
      case BPF_MAP_TYPE_SOCKMAP:
      case BPF_MAP_TYPE_SOCKHASH: hold(value, (held = udp_socket()).get()); break;
      case BPF_MAP_TYPE_REUSEPORT_SOCKARRAY: hold(value, (held = udp_socket(true)).get()); break;
      case BPF_MAP_TYPE_SK_STORAGE: hold(key, (held = udp_socket()).get()); break;
      case BPF_MAP_TYPE_INODE_STORAGE:
        hold(key, (held = Fd(::open("/proc/self/exe", O_RDONLY | O_CLOEXEC))).get());
        break;
      case BPF_MAP_TYPE_TASK_STORAGE:
        hold(key, (held = Fd(static_cast<int>(::syscall(SYS_pidfd_open, ::getpid(), 0)))).get());
        break;
      case BPF_MAP_TYPE_XSKMAP:
        // The user engine's queues are datagram sockets of AF_UNIX.
        held = Fd(&side.engine() == &user() ? ::socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0)
                                            : ::socket(AF_XDP, SOCK_RAW | SOCK_CLOEXEC, 0));
        hold(value, held.get());
        break;
      case BPF_MAP_TYPE_LPM_TRIE: hold(key, 8); break;
      // What only programs, mmap(2), perf events or the kernel put there.
      case BPF_MAP_TYPE_PERF_EVENT_ARRAY:
      case BPF_MAP_TYPE_STACK_TRACE:
      case BPF_MAP_TYPE_CGROUP_STORAGE:
      case BPF_MAP_TYPE_PERCPU_CGROUP_STORAGE:
      case BPF_MAP_TYPE_STRUCT_OPS:
      case BPF_MAP_TYPE_RINGBUF:
      case BPF_MAP_TYPE_USER_RINGBUF:
      case BPF_MAP_TYPE_INSN_ARRAY:
      case BPF_MAP_TYPE_ARENA: return 0;
      default: break;
    }
    return side(Cmd::BPF_MAP_UPDATE_ELEM, attr);
  }
};

TEST_P(MapRow, works_on_the_user_engine_or_is_refused_with_the_reason) {
  Side side(user());
  const int map = make(side);
  if (GetParam().user == UserStatus::works) {
    ASSERT_GE(map, 0) << user().last_error()->text();
    EXPECT_EQ(put(side, map), 0) << user().last_error()->text();
  } else {
    EXPECT_LT(map, 0);
    expect_reason(GetParam().user_reason);
  }
}

TEST_P(MapRow, is_made_and_filled_on_the_kernel_engine) {
  std::string why;
  if (kernel_lacks(GetParam().since, why)) GTEST_SKIP() << why;
  Side side(*kernel());
  const int map = make(side);
  ASSERT_GE(map, 0) << std::strerror(-map);
  const int64_t answer = put(side, map);
  EXPECT_EQ(answer, 0) << std::strerror(static_cast<int>(-answer));
}

std::string name_of(std::string_view name, std::string_view prefix) {
  return std::string(name.substr(name.starts_with(prefix) ? prefix.size() : 0));
}
INSTANTIATE_TEST_SUITE_P(All, MapRow, testing::ValuesIn(spec::map_types().subspan(1)),
                         [](const auto& row) { return name_of(row.param.name, "BPF_MAP_TYPE_"); });

// ---- program types ----

// A program that the type takes, with the first attach type that goes with it or the one that is wanted.
int load(Side& side, ProgType type, std::optional<AttachType> attach = {}) {
  if (!attach) {
    for (const spec::AttachTypeRow& row : spec::attach_types())
      if (!attach && (row.prog_types & set_of(type)) != 0) attach = row.type;
    if (type == ProgType::BPF_PROG_TYPE_TRACING) attach = AttachType::BPF_TRACE_RAW_TP;
    if (spec::find_prog_type(type)->attach_type_required == false &&
        type != ProgType::BPF_PROG_TYPE_TRACING && type != ProgType::BPF_PROG_TYPE_LSM)
      attach = static_cast<AttachType>(0);
  }
  ProgLoadAttr attr;
  attr.prog_type = static_cast<uint32_t>(type);
  attr.expected_attach_type = static_cast<uint32_t>(*attach);
  if (type == ProgType::BPF_PROG_TYPE_TRACING) {
    const bool iterator = *attach == AttachType::BPF_TRACE_ITER;
    const bool tracepoint = *attach == AttachType::BPF_TRACE_RAW_TP;
    attr.attach_btf_id = iterator ? find_type(side.engine(), "bpf_iter_task", btf::Kind::Func)
                         : tracepoint
                             ? find_type(side.engine(), "btf_trace_sys_enter", btf::Kind::Typedef)
                         : *attach == AttachType::BPF_MODIFY_RETURN
                             ? find_type(side.engine(), "bpf_modify_return_test", btf::Kind::Func)
                             : find_type(side.engine(), "bpf_fentry_test1", btf::Kind::Func);
  } else if (type == ProgType::BPF_PROG_TYPE_LSM) {
    attr.attach_btf_id = find_type(
        side.engine(),
        *attach == AttachType::BPF_LSM_CGROUP ? "bpf_lsm_socket_bind" : "bpf_lsm_file_open",
        btf::Kind::Func);
  } else if (type == ProgType::BPF_PROG_TYPE_STRUCT_OPS) {
    const btf::TypeId ops = find_type(side.engine(), "tcp_congestion_ops", btf::Kind::Struct);
    attr.attach_btf_id = ops;
    if (ops != 0) {
      auto types = side.engine().vmlinux_btf();
      const btf::Type type_of_ops = (*types)->type(ops);
      for (uint32_t i = 0; i < type_of_ops.vlen(); ++i)
        if (type_of_ops.member(i).name == "undo_cwnd") attr.expected_attach_type = i;
    }
  } else if (type == ProgType::BPF_PROG_TYPE_SYSCALL) {
    attr.prog_flags = 1u << 4;  // BPF_F_SLEEPABLE
  }
  const spec::ReturnRange range = spec::return_range(type, *attach);
  const std::vector<Insn> insns = returning(range.limited ? range.max : 0);
  attr.insn_cnt = static_cast<uint32_t>(insns.size());
  attr.insns = address(insns.data());
  attr.license = address("GPL");
  return side.keep(side(Cmd::BPF_PROG_LOAD, attr));
}

class ProgRow : public Rows, public testing::WithParamInterface<spec::ProgTypeRow> {};

TEST_P(ProgRow, is_loaded_on_the_kernel_engine) {
  const ProgType type = GetParam().type;
  std::string why;
  if (kernel_lacks(GetParam().since, why)) GTEST_SKIP() << why;
  Side side(*kernel());
  if (type == ProgType::BPF_PROG_TYPE_EXT) GTEST_SKIP() << "it needs a program to replace";
  const int program = load(side, type);
  if (program == -EPERM || (program == -EINVAL && type == ProgType::BPF_PROG_TYPE_LIRC_MODE2))
    GTEST_SKIP() << "this kernel refuses the type: " << std::strerror(-program);
  ASSERT_GE(program, 0) << std::strerror(-program);
  if (!GetParam().test_run) return;
  std::vector<std::byte> packet(64), context(GetParam().context == "void" ? 0 : 64);
  TestRunAttr run;
  run.prog_fd = u(program);
  if (GetParam().context == "struct __sk_buff" || type == ProgType::BPF_PROG_TYPE_XDP) {
    packet[12] = std::byte{8};  // IPv4
    packet[14] = std::byte{0x45};
    run.data_in = address(packet.data());
    run.data_size_in = static_cast<uint32_t>(packet.size());
    EXPECT_EQ(side.inout(Cmd::BPF_PROG_TEST_RUN, run), 0);
  }
}

// ---- attach types ----

constexpr uint32_t kNfprotoIpv4 = 2;

class AttachRow : public Rows, public testing::WithParamInterface<spec::AttachTypeRow> {
 protected:
  static ProgType type_for(const spec::AttachTypeRow& row) {
    for (const spec::ProgTypeRow& type : spec::prog_types())
      if ((row.prog_types & set_of(type.type)) != 0) return type.type;
    return ProgType::BPF_PROG_TYPE_UNSPEC;
  }
  static bool of_cgroups(AttachType type) {
    return GetParam().name.starts_with("BPF_CGROUP_") || type == AttachType::BPF_LSM_CGROUP;
  }
  static int64_t link(Side& side, int program, int target) {
    LinkCreateAttr attr;
    attr.prog_fd = u(program);
    attr.target_fd = u(target);
    attr.attach_type = static_cast<uint32_t>(GetParam().type);
    if (GetParam().type == AttachType::BPF_NETFILTER) attr.netfilter = {kNfprotoIpv4, 1, 7, 0};
    return side.keep(side(Cmd::BPF_LINK_CREATE, attr));
  }
  // Hung to the hook the old way, found there, taken away.
  static void attach_and_query(Side& side, int program, int target) {
    ProgAttachAttr attr;
    attr.target_fd = u(target);
    attr.attach_bpf_fd = u(program);
    attr.attach_type = static_cast<uint32_t>(GetParam().type);
    int64_t answer = side(Cmd::BPF_PROG_ATTACH, attr);
    ASSERT_EQ(answer, 0) << std::strerror(static_cast<int>(-answer));
    uint32_t ids[8] = {};
    ProgQueryAttr query;
    query.target_fd = u(target);
    query.attach_type = attr.attach_type;
    query.prog_ids = address(ids);
    query.prog_cnt = 8;
    EXPECT_EQ(side.inout(Cmd::BPF_PROG_QUERY, query), 0);
    EXPECT_EQ(query.prog_cnt, 1u);
    EXPECT_EQ(side(Cmd::BPF_PROG_DETACH, attr), 0);
    query.prog_cnt = 8;
    EXPECT_EQ(side.inout(Cmd::BPF_PROG_QUERY, query), 0);
    EXPECT_EQ(query.prog_cnt, 0u);
  }
  // Where the kernel has the hook; -1: other tests have it (loader/attach_test.cc).
  void on_the_kernel(Side& side, int program);
};

void AttachRow::on_the_kernel(Side& side, int program) {
  using enum AttachType;
  const AttachType type = GetParam().type;
  auto made = [&](int64_t fd) { EXPECT_GE(fd, 0) << std::strerror(static_cast<int>(-fd)); };
  if (of_cgroups(type)) {
    OwnCgroup cgroup;
    if (cgroup.fd() < 0) GTEST_SKIP() << "no cgroup of one's own here";
    if (type != BPF_LSM_CGROUP) attach_and_query(side, program, cgroup.fd());
    const int64_t fd = link(side, program, cgroup.fd());
    made(fd);
    return;
  }
  loader::OwnNetns netns;
  if (!netns.ok()) GTEST_SKIP() << "no network namespace of one's own here";
  Fd here(::open("/proc/self/ns/net", O_RDONLY | O_CLOEXEC));
  switch (type) {
    case BPF_SK_SKB_STREAM_PARSER:
    case BPF_SK_SKB_STREAM_VERDICT:
    case BPF_SK_SKB_VERDICT:
    case BPF_SK_MSG_VERDICT:
      attach_and_query(side, program,
                       side.map(static_cast<uint32_t>(MapType::BPF_MAP_TYPE_SOCKMAP), 4, 4, 1));
      break;
    case BPF_FLOW_DISSECTOR:
    case BPF_SK_LOOKUP: made(link(side, program, here.get())); break;
    case BPF_XDP:
    case BPF_TCX_INGRESS:
    case BPF_TCX_EGRESS: made(link(side, program, 1)); break;  // the namespace's own loopback
    case BPF_NETFILTER: made(link(side, program, 0)); break;
    case BPF_SK_REUSEPORT_SELECT:
    case BPF_SK_REUSEPORT_SELECT_OR_MIGRATE: {
      constexpr int kAttachReuseportEbpf = 52, kDetachReuseportBpf = 68;
      Fd socket = udp_socket(true);
      EXPECT_EQ(
          ::setsockopt(socket.get(), SOL_SOCKET, kAttachReuseportEbpf, &program, sizeof program),
          0);
      int zero = 0;
      EXPECT_EQ(::setsockopt(socket.get(), SOL_SOCKET, kDetachReuseportBpf, &zero, sizeof zero), 0);
      break;
    }
    case BPF_XDP_DEVMAP:
    case BPF_XDP_CPUMAP: {
      // The program is part of a map's element.
      const MapType holder =
          type == BPF_XDP_DEVMAP ? MapType::BPF_MAP_TYPE_DEVMAP : MapType::BPF_MAP_TYPE_CPUMAP;
      const int map = side.map(static_cast<uint32_t>(holder), 4, 8, 1);
      uint32_t key = 0, value[2] = {type == BPF_XDP_DEVMAP ? 1u : 64u, u(program)};
      MapElemAttr attr;
      attr.map_fd = u(map);
      attr.key = address(&key);
      attr.value = address(value);
      const int64_t answer = side(Cmd::BPF_MAP_UPDATE_ELEM, attr);
      EXPECT_EQ(answer, 0) << std::strerror(static_cast<int>(-answer));
      break;
    }
    case BPF_TRACE_RAW_TP:
    case BPF_TRACE_FENTRY:
    case BPF_TRACE_FEXIT:
    case BPF_MODIFY_RETURN:
    case BPF_LSM_MAC:
    case BPF_TRACE_ITER: made(link(side, program, 0)); break;
    default: GTEST_SKIP() << "its place is made by loader/attach_test.cc, or by none yet";
  }
}

TEST_P(AttachRow, is_attached_on_the_kernel_engine) {
  std::string why;
  if (kernel_lacks(GetParam().since, why)) GTEST_SKIP() << why;
  Side side(*kernel());
  const int program = load(side, type_for(GetParam()), GetParam().type);
  if (program == -EPERM || program == -EOPNOTSUPP)
    GTEST_SKIP() << "this kernel refuses the program: " << std::strerror(-program);
  if (GetParam().type == AttachType::BPF_LIRC_MODE2 || program == -ENOTSUP)
    GTEST_SKIP() << "no infrared receiver";
  ASSERT_GE(program, 0) << std::strerror(-program);
  on_the_kernel(side, program);
}

TEST_P(AttachRow, works_on_the_user_engine_or_is_refused_with_the_reason) {
  Side side(user());
  const ProgType type = type_for(GetParam());
  const bool works = GetParam().user == UserStatus::works;
  const int program = load(side, type, GetParam().type);
  if (program < 0) {
    // Of the kernel's own functions the user engine has no BTF: there is nothing to load the program for.
    EXPECT_FALSE(works) << user().last_error()->text();
    EXPECT_TRUE(spec::find_prog_type(type)->needs_attach_btf) << user().last_error()->text();
    return;
  }
  if (works && of_cgroups(GetParam().type)) {
    auto cgroup = user().open_cgroup("");
    ASSERT_TRUE(cgroup);
    attach_and_query(side, program, *cgroup);
    user().close(*cgroup);
  } else if (!works) {
    auto cgroup = user().open_cgroup("");
    ASSERT_TRUE(cgroup);
    EXPECT_LT(link(side, program, *cgroup), 0);
    expect_reason(GetParam().user_reason);
    user().close(*cgroup);
  }
}

INSTANTIATE_TEST_SUITE_P(All, ProgRow, testing::ValuesIn(spec::prog_types().subspan(1)),
                         [](const auto& row) { return name_of(row.param.name, "BPF_PROG_TYPE_"); });
INSTANTIATE_TEST_SUITE_P(All, AttachRow, testing::ValuesIn(spec::attach_types()),
                         [](const auto& row) { return name_of(row.param.name, "BPF_"); });

}  // namespace
}  // namespace skep::engine
