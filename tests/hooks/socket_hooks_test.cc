// cgroup hooks in a traced process: what programs see of sockets, and what becomes of those they refuse.
#include <arpa/inet.h>
#include <fcntl.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/fd.h"
#include "hooks_fixture.h"
#include "spec/context_layout.h"
#include "spec/types.h"
#include "test_paths.h"

namespace skep::hooks {
namespace {

using ::testing::HasSubstr;
using ::testing::Not;

// Loopback ports that nobody else here is likely to use.
constexpr int kRefused = 47311, kAllowed = 47312;

class SocketHooks : public ::testing::Test {
 protected:
  void SetUp() override {
    auto made = Hive::create(
        {.name = "sockets", .data_size = uint64_t{16} << 20, .publish_session = false});
    if (!made) GTEST_SKIP() << made.error().text();
    hive = std::move(*made);
    auto started = Session::create(*hive, {});
    if (!started) GTEST_SKIP() << started.error().text();
    session = std::move(*started);
  }
  void attach(AttachType hook, const std::vector<uint8_t>& code) {
    auto program = tests::native_program(*hive, code, nullptr);
    ASSERT_TRUE(program) << program.error().text();
    auto handle = session->attach_cgroup(static_cast<uint32_t>(hook), program->header);
    ASSERT_TRUE(handle) << handle.error().text();
  }
  // Copies the context to `log` and returns `verdict`.
  template <class Context>
  const Context* record(AttachType hook, uint8_t verdict) {
    auto data = hive->allocate_data(4096);
    EXPECT_TRUE(data);
    std::vector<uint8_t> code = {0x48, 0x89, 0xfe, 0x48, 0xbf};  // mov rsi, rdi; mov rdi, imm64
    tests::append64(code, reinterpret_cast<uint64_t>(*data));
    code.insert(code.end(),
                {0xb9, uint8_t{sizeof(Context)}, 0, 0, 0, 0xfc, 0xf3, 0xa4});  // rep movsb
    code.insert(code.end(), {0xb8, verdict, 0, 0, 0, 0xc3});
    attach(hook, code);
    return static_cast<const Context*>(*data);
  }
  // What the traced program printed.
  std::string run(std::vector<std::string> arguments, bool trace = true) {
    std::string out = fmt::format("{}skep-sockets-{}", ::testing::TempDir(), ::getpid());
    std::string command = SKEP_BINARY_DIR "/hooks_targets/target_sockets";
    for (const auto& argument : arguments) command += " " + argument;
    command += " >" + out;
    if (trace) {
      auto pid = session->launch({.argv = {"/bin/sh", "-c", command}, .env = std::nullopt});
      EXPECT_TRUE(pid) << pid.error().text();
      if (!pid) return {};
      while (!session->exit_status()) {
        session->wait(std::chrono::milliseconds(1000));
        session->step();
      }
    } else {
      EXPECT_GE(std::system(command.c_str()), 0);
    }
    auto bytes = read_file(out);
    ::unlink(out.c_str());
    if (!bytes) return {};
    return {reinterpret_cast<const char*>(bytes->data()), bytes->size()};
  }
  std::unique_ptr<Hive> hive;
  std::unique_ptr<Session> session;
};

// return *(u32 *)(ctx + 44) != port   (bpf_sock.src_port, host byte order)
std::vector<uint8_t> all_but_port(int port) {
  return {
      0x31, 0xc0, 0x81, 0x7f, 44,  static_cast<uint8_t>(port), static_cast<uint8_t>(port >> 8), 0,
      0,    0x0f, 0x95, 0xc0, 0xc3};
}
const std::vector<uint8_t> kYes = {0xb8, 1, 0, 0, 0, 0xc3}, kNo = {0x31, 0xc0, 0xc3};

TEST_F(SocketHooks, a_program_that_allows_changes_nothing) {
  std::string plain = run({"4", "stream", std::to_string(kAllowed)}, false);
  ASSERT_THAT(plain, HasSubstr("bind ok"));
  for (AttachType hook :
       {AttachType::BPF_CGROUP_INET_SOCK_CREATE, AttachType::BPF_CGROUP_INET4_BIND,
        AttachType::BPF_CGROUP_INET4_POST_BIND, AttachType::BPF_CGROUP_INET4_CONNECT})
    attach(hook, kYes);
  EXPECT_EQ(run({"4", "stream", std::to_string(kAllowed)}), plain);
}

TEST_F(SocketHooks, a_refused_bind_releases_the_port_and_leaves_a_socket_that_works) {
  attach(AttachType::BPF_CGROUP_INET4_POST_BIND, all_but_port(kRefused));
  std::string out = run({"4", "stream", std::to_string(kRefused)});
  EXPECT_EQ(out,
            "socket ok\nbind EPERM\nargument kept\nport 0\noptions 1 131072 1 1\nbind any ok\n"
            "port given\nnext descriptor 4\nconnect ok\nunix ok\n");
}

TEST_F(SocketHooks, datagram_sockets_and_ipv6_alike) {
  attach(AttachType::BPF_CGROUP_INET6_POST_BIND, all_but_port(kRefused));
  std::string out = run({"6", "dgram", std::to_string(kRefused)});
  if (out.find("EADDRNOTAVAIL") != std::string::npos) GTEST_SKIP() << "no IPv6 here";
  EXPECT_THAT(out, HasSubstr("bind EPERM\n"));
  EXPECT_THAT(out, HasSubstr("port 0\n"));
}

TEST_F(SocketHooks, programs_of_one_hook_must_all_agree) {
  attach(AttachType::BPF_CGROUP_INET4_POST_BIND, kYes);
  attach(AttachType::BPF_CGROUP_INET4_POST_BIND, all_but_port(kRefused));
  attach(AttachType::BPF_CGROUP_INET4_POST_BIND, kYes);
  EXPECT_THAT(run({"4", "stream", std::to_string(kRefused)}), HasSubstr("bind EPERM\n"));
}

TEST_F(SocketHooks, a_hook_of_the_other_family_is_not_asked) {
  attach(AttachType::BPF_CGROUP_INET6_POST_BIND, kNo);
  EXPECT_THAT(run({"4", "stream", std::to_string(kAllowed)}), HasSubstr("bind ok\n"));
}

TEST_F(SocketHooks, post_bind_sees_where_the_socket_was_bound) {
  const auto* seen = record<spec::SockContext>(AttachType::BPF_CGROUP_INET4_POST_BIND, 1);
  run({"4", "stream", std::to_string(kAllowed)});
  EXPECT_EQ(seen->family, static_cast<uint32_t>(AF_INET));
  EXPECT_EQ(seen->type, static_cast<uint32_t>(SOCK_STREAM));
  EXPECT_EQ(seen->protocol, static_cast<uint32_t>(IPPROTO_TCP));
  EXPECT_EQ(seen->src_ip4, htonl(INADDR_LOOPBACK));
  EXPECT_EQ(seen->src_port, static_cast<uint32_t>(kAllowed));
}

TEST_F(SocketHooks, bind_and_connect_see_the_address_before_the_call) {
  const auto* bind = record<spec::SockAddrContext>(AttachType::BPF_CGROUP_INET4_BIND, 1);
  const auto* connect = record<spec::SockAddrContext>(AttachType::BPF_CGROUP_INET4_CONNECT, 0);
  std::string out = run({"4", "dgram", std::to_string(kAllowed)});
  EXPECT_EQ(bind->user_family, static_cast<uint32_t>(AF_INET));
  EXPECT_EQ(bind->user_ip4, htonl(INADDR_LOOPBACK));
  EXPECT_EQ(bind->user_port, htons(kAllowed));
  EXPECT_EQ(bind->type, static_cast<uint32_t>(SOCK_DGRAM));
  EXPECT_EQ(connect->user_port, htons(kAllowed));
  EXPECT_THAT(out, HasSubstr("connect EPERM\n"));
}

TEST_F(SocketHooks, a_bind_program_may_choose_another_port) {
  // *(u16 *)(ctx + 24) = htons(kAllowed); return 1   (bpf_sock_addr.user_port)
  uint16_t port = htons(kAllowed);
  attach(AttachType::BPF_CGROUP_INET4_BIND,
         {0x66, 0xc7, 0x47, 24, static_cast<uint8_t>(port), static_cast<uint8_t>(port >> 8), 0xb8,
          1, 0, 0, 0, 0xc3});
  std::string out = run({"4", "stream", std::to_string(kRefused)});
  EXPECT_THAT(out, HasSubstr("bind ok\n"));
  EXPECT_THAT(out, HasSubstr("argument kept\n")) << "the program's own memory is not written";
  EXPECT_THAT(out, HasSubstr(fmt::format("port {}\n", kAllowed)));
}

TEST_F(SocketHooks, a_refused_socket_leaves_no_descriptor) {
  attach(AttachType::BPF_CGROUP_INET_SOCK_CREATE, kNo);
  EXPECT_EQ(run({"4", "stream", "0"}), "socket EPERM\n");
}

}  // namespace
}  // namespace skep::hooks
