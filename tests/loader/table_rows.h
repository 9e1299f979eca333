// What tests of the tables' rows share: both engines, and cgroups and sockets of the test's own.
#pragma once

#include <fcntl.h>
#include <linux/if_xdp.h>
#include <netinet/in.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <cstring>

#include "btf/btf.h"
#include "btf/builder.h"
#include "engine/two_engines.h"
#include "loader/kernel_fixture.h"
#include "spec/attach_types.h"
#include "spec/map_types.h"
#include "spec/prog_types.h"

// How GoogleTest names a row in what it prints.
namespace skep::spec {
inline void PrintTo(const MapTypeRow& row, std::ostream* out) { *out << row.name; }
inline void PrintTo(const ProgTypeRow& row, std::ostream* out) { *out << row.name; }
inline void PrintTo(const AttachTypeRow& row, std::ostream* out) { *out << row.name; }
}  // namespace skep::spec

namespace skep::engine {

using namespace isa::macros;
using spec::UserStatus;

inline uint32_t u(int64_t fd) { return static_cast<uint32_t>(fd); }

inline std::vector<Insn> returning(int value) {
  return {BPF_MOV64_IMM(BPF_REG_0, value), BPF_EXIT_INSN()};
}

inline btf::TypeId find_type(Engine& engine, std::string_view name, btf::Kind kind) {
  auto types = engine.vmlinux_btf();
  if (!types) return 0;
  return (*types)->find(name, kind).value_or(0);
}

class Rows : public TwoEngines {
 protected:
  // The row is newer than the running kernel, or there is none for us.
  static bool kernel_lacks(KernelVersion since, std::string& why) {
    if (kernel() == nullptr) {
      why = "the kernel engine is refused here";
    } else if (kernel()->kernel_version() >> 8 < since) {
      why = fmt::format("the running kernel is older than {}.{}", since >> 8, since & 255);
    } else {
      return false;
    }
    return true;
  }
  static void expect_reason(std::string_view reason) {
    auto error = user().last_error();
    ASSERT_TRUE(error);
    EXPECT_NE(error->text().find(reason), std::string::npos) << error->text();
  }
};

// A cgroup of the test's own.
class OwnCgroup {
 public:
  OwnCgroup() {
    for (const char* root : {"/sys/fs/cgroup/unified", "/sys/fs/cgroup"}) {
      if (::access((std::string(root) + "/cgroup.procs").c_str(), F_OK) != 0) continue;
      path_ = fmt::format("{}/skep-rows-{}", root, ::getpid());
      if (::mkdir(path_.c_str(), 0755) == 0)
        fd_ = Fd(::open(path_.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
      break;
    }
  }
  ~OwnCgroup() {
    fd_ = {};
    if (!path_.empty()) ::rmdir(path_.c_str());
  }
  OwnCgroup(const OwnCgroup&) = delete;
  OwnCgroup& operator=(const OwnCgroup&) = delete;
  [[nodiscard]] int fd() const { return fd_.get(); }

 private:
  std::string path_;
  Fd fd_;
};

inline Fd udp_socket(bool reuse_port = false) {
  Fd socket(::socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0));
  int on = 1;
  if (reuse_port) ::setsockopt(socket.get(), SOL_SOCKET, SO_REUSEPORT, &on, sizeof on);
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  EXPECT_EQ(::bind(socket.get(), reinterpret_cast<sockaddr*>(&address), sizeof address), 0);
  return socket;
}

}  // namespace skep::engine
