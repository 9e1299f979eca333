// What Linux added from 5.0 to 5.10 and the kernel engine has: each as a small program or call on the running kernel; where
// the user engine can't, it says why. Keys of docs/features.md: D<version>.<n>, named beside each test.
#include "isa/assembler.h"
#include "loader/table_rows.h"
#include "spec/helpers.h"

namespace skep::engine {
namespace {

class KernelRows : public Rows {
 protected:
  void SetUp() override {
    if (kernel() == nullptr) GTEST_SKIP() << "the kernel engine is refused here";
  }
  static std::vector<Insn> assemble(const std::string& text) {
    isa::AsmOptions options;
    options.helper_id = [](const void*, std::string_view name) -> int32_t {
      const spec::Helper* row = spec::find_helper(name);
      return row != nullptr ? static_cast<int32_t>(row->id) : -1;
    };
    auto insns = isa::assemble_insns(text, options);
    EXPECT_TRUE(insns) << insns.error().text();
    return insns ? *insns : std::vector<Insn>{};
  }
  // One run over an IPv4 packet that may be marked (ECT(1)): what the program returned, and the packet after it.
  struct Run {
    uint32_t result = 0;
    std::vector<uint8_t> packet;
  };
  static Run run(Side& side, int program) {
    std::vector<uint8_t> in(64), out(256);
    in[12] = 8;  // ETH_P_IP
    const uint8_t ip[] = {0x45, 1, 0, 50, 0, 0, 0, 0, 64, 17, 0, 0, 127, 0, 0, 1, 127, 0, 0, 1};
    std::copy(std::begin(ip), std::end(ip), in.begin() + 14);
    TestRunAttr attr;
    attr.prog_fd = u(program);
    attr.data_in = address(in.data());
    attr.data_size_in = static_cast<uint32_t>(in.size());
    attr.data_out = address(out.data());
    attr.data_size_out = static_cast<uint32_t>(out.size());
    EXPECT_EQ(side.inout(Cmd::BPF_PROG_TEST_RUN, attr), 0);
    out.resize(attr.data_size_out);
    return {attr.retval, out};
  }
  // The kernel takes the program and runs it; the user engine refuses it for its helper, with the row's reason.
  static Run with_helper(std::string_view helper, const std::string& text,
                         ProgType type = ProgType::BPF_PROG_TYPE_SCHED_CLS,
                         AttachType attach = {}) {
    const std::vector<Insn> insns = assemble(text);
    Side side(*kernel());
    const int program =
        side.program(static_cast<uint32_t>(type), insns, static_cast<uint32_t>(attach));
    EXPECT_GE(program, 0) << std::strerror(-program);
    Run outcome;
    if (program >= 0) outcome = run(side, program);
    const spec::Helper* row = spec::find_helper(helper);
    if (row->user == UserStatus::works) return outcome;
    Side ours(user());
    EXPECT_LT(ours.program(static_cast<uint32_t>(type), insns, static_cast<uint32_t>(attach)), 0);
    expect_reason(row->user_reason);
    return outcome;
  }
  // What an iterator's program wrote: one letter for each element that is there.
  static std::string iterate(Side& side, const std::string& target, const std::vector<Insn>& insns,
                             int map = -1) {
    ProgLoadAttr attr;
    attr.prog_type = static_cast<uint32_t>(ProgType::BPF_PROG_TYPE_TRACING);
    attr.expected_attach_type = static_cast<uint32_t>(AttachType::BPF_TRACE_ITER);
    attr.attach_btf_id = find_type(side.engine(), "bpf_iter_" + target, btf::Kind::Func);
    attr.insn_cnt = static_cast<uint32_t>(insns.size());
    attr.insns = address(insns.data());
    attr.license = address("GPL");
    const int program = side.keep(side(Cmd::BPF_PROG_LOAD, attr));
    EXPECT_GE(program, 0) << target << ": " << std::strerror(-program);
    uint32_t info[4] = {u(map)};
    LinkCreateAttr create;
    create.prog_fd = u(program);
    create.attach_type = attr.expected_attach_type;
    if (map >= 0) {
      create.iter.iter_info = address(info);
      create.iter.iter_info_len = sizeof info;
    }
    const int link = side.keep(side(Cmd::BPF_LINK_CREATE, create));
    EXPECT_GE(link, 0) << target << ": " << std::strerror(-link);
    const int fd = side.keep(side(Cmd::BPF_ITER_CREATE, IterCreateAttr{u(link), 0}));
    EXPECT_GE(fd, 0) << target << ": " << std::strerror(-fd);
    std::string text;
    char buffer[4096];
    for (ssize_t got; (got = ::read(fd, buffer, sizeof buffer)) > 0;)
      text.append(buffer, static_cast<size_t>(got));
    return text;
  }
  // `field`: where in the context the element is.
  static std::vector<Insn> letter_for(int field) {
    return assemble(fmt::format(R"(
      r7 = *(u64 *)(r1 +{})
      if r7 == 0 goto out
      r6 = *(u64 *)(r1 +0)
      r1 = *(u64 *)(r6 +0)
      r2 = 120
      *(u64 *)(r10 -8) = r2
      r2 = r10
      r2 += -8
      r3 = 1
      call bpf_seq_write
    out:
      r0 = 0
      exit)",
                                field));
  }
  static int put(Side& side, int map, uint32_t key, int socket) {
    MapElemAttr attr;
    attr.map_fd = u(map);
    attr.key = address(&key);
    attr.value = address(&socket);
    return static_cast<int>(side(Cmd::BPF_MAP_UPDATE_ELEM, attr));
  }
};

// D5.0.2
TEST_F(KernelRows, a_program_looks_a_socket_up) {
  Fd socket = udp_socket();
  sockaddr_in at{};
  socklen_t size = sizeof at;
  ASSERT_EQ(::getsockname(socket.get(), reinterpret_cast<sockaddr*>(&at), &size), 0);
  // The tuple: source 127.0.0.1:1, destination 127.0.0.1 and the socket's port, in network order.
  const Run found = with_helper("sk_lookup_udp", fmt::format(R"(
      r6 = r1
      r2 = 0x0100007f
      *(u32 *)(r10 -16) = r2
      *(u32 *)(r10 -12) = r2
      r2 = {}
      *(u32 *)(r10 -8) = r2
      r2 = r10
      r2 += -16
      r3 = 12
      r4 = -1
      r5 = 0
      call bpf_sk_lookup_udp
      r7 = 0
      if r0 == 0 goto out
      r1 = r0
      call bpf_sk_release
      r7 = 1
    out:
      r0 = r7
      exit)",
                                                             uint32_t{at.sin_port} << 16 | 0x100));
  EXPECT_EQ(found.result, 1u);
}
// D5.2.11
TEST_F(KernelRows, a_packet_is_marked_as_congested) {
  const Run marked =
      with_helper("skb_ecn_set_ce", R"(
      call bpf_skb_ecn_set_ce
      r0 = 1
      exit)",
                  ProgType::BPF_PROG_TYPE_CGROUP_SKB, AttachType::BPF_CGROUP_INET_EGRESS);
  ASSERT_GT(marked.packet.size(), 15u);
  EXPECT_EQ(marked.packet[15] & 3, 3);
}
// D5.2.8
TEST_F(KernelRows, room_is_made_for_an_inner_ethernet_header) {
  // BPF_ADJ_ROOM_MAC; ENCAP_L3_IPV4, and an inner MAC of 14 bytes.
  const Run grown = with_helper("skb_adjust_room", R"(
      r2 = 34
      r3 = 1
      r4 = 14
      r4 <<= 56
      r4 |= 2
      call bpf_skb_adjust_room
      r0 = r0
      if r0 == 0 goto out
      r0 = 7
    out:
      exit)");
  EXPECT_EQ(grown.result, 0u);
  EXPECT_EQ(grown.packet.size(), 64u + 34);
}
// D5.1.3
TEST_F(KernelRows, fields_of_the_full_socket_are_read) {
  const Run read = with_helper("sk_fullsock", R"(
      r1 = *(u64 *)(r1 +168)
      if r1 == 0 goto none
      call bpf_sk_fullsock
      if r0 == 0 goto none
      r0 = *(u32 *)(r0 +4)
      exit
    none:
      r0 = 99
      exit)");
  EXPECT_NE(read.result, 99u);
}
// D5.3.6
TEST_F(KernelRows, a_cgroup_program_asks_for_the_packets_cgroup) {
  (void)with_helper("skb_cgroup_id", R"(
      call bpf_skb_cgroup_id
      r0 = 1
      exit)",
                    ProgType::BPF_PROG_TYPE_CGROUP_SKB, AttachType::BPF_CGROUP_INET_EGRESS);
}
// D5.3.3
TEST_F(KernelRows, an_egress_program_may_ask_for_less) {
  // 0 and 1 as ever, 2 and 3 the same with a notice of congestion; ingress programs only 0 and 1.
  for (AttachType attach :
       {AttachType::BPF_CGROUP_INET_EGRESS, AttachType::BPF_CGROUP_INET_INGRESS}) {
    same([&](Side& side) {
      std::vector<int64_t> taken;
      for (int value : {0, 1, 2, 3, 4})
        taken.push_back(side.program(static_cast<uint32_t>(ProgType::BPF_PROG_TYPE_CGROUP_SKB),
                                     returning(value), static_cast<uint32_t>(attach)) >= 0);
      return taken;
    });
  }
}

// D5.7.1
TEST_F(KernelRows, a_socket_map_holds_listening_and_established_sockets) {
  loader::OwnNetns netns;
  if (!netns.ok()) GTEST_SKIP() << "no network namespace of one's own here";
  Side side(*kernel());
  Fd listening(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0));
  sockaddr_in at{};
  at.sin_family = AF_INET;
  at.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  socklen_t size = sizeof at;
  ASSERT_EQ(::bind(listening.get(), reinterpret_cast<sockaddr*>(&at), size), 0);
  ASSERT_EQ(::listen(listening.get(), 1), 0);
  ASSERT_EQ(::getsockname(listening.get(), reinterpret_cast<sockaddr*>(&at), &size), 0);
  Fd client(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0));
  ASSERT_EQ(::connect(client.get(), reinterpret_cast<sockaddr*>(&at), size), 0);
  const int map = side.map(static_cast<uint32_t>(MapType::BPF_MAP_TYPE_SOCKMAP), 4, 4, 4);
  EXPECT_EQ(put(side, map, 0, listening.get()), 0);
  EXPECT_EQ(put(side, map, 1, client.get()), 0);
}
// D5.9.10
TEST_F(KernelRows, iterators_see_tcp_and_udp_sockets) {
  loader::OwnNetns netns;
  if (!netns.ok()) GTEST_SKIP() << "no network namespace of one's own here";
  Fd udp = udp_socket(), another = udp_socket();
  Fd tcp(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0));
  ASSERT_EQ(::listen(tcp.get(), 1), 0);
  Side side(*kernel());
  EXPECT_EQ(iterate(side, "udp", letter_for(8)), "xx");
  EXPECT_EQ(iterate(side, "tcp", letter_for(8)), "x");
  for (const char* target : {"bpf_iter_tcp", "bpf_iter_udp"})
    EXPECT_EQ(find_type(user(), target, btf::Kind::Func), 0u) << "the user engine has no sockets";
}
// D5.10.1
TEST_F(KernelRows, an_iterator_sees_the_sockets_of_a_map) {
  loader::OwnNetns netns;
  if (!netns.ok()) GTEST_SKIP() << "no network namespace of one's own here";
  Side side(*kernel());
  const int map = side.map(static_cast<uint32_t>(MapType::BPF_MAP_TYPE_SOCKMAP), 4, 4, 4);
  Fd one = udp_socket(), two = udp_socket();
  ASSERT_EQ(put(side, map, 0, one.get()), 0);
  ASSERT_EQ(put(side, map, 2, two.get()), 0);
  EXPECT_EQ(iterate(side, "sockmap", letter_for(24), map), "xx");  // {meta, map, key, sk}
  EXPECT_EQ(find_type(user(), "bpf_iter_sockmap", btf::Kind::Func), 0u);
}

}  // namespace
}  // namespace skep::engine
