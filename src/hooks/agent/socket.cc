#include "hooks/agent/socket.h"

#include "base/raw_syscall.h"

namespace skep::agent {
namespace {

constexpr int kSoType = 3, kSoDomain = 39, kSoProtocol = 38;

int64_t get_option(int fd, int level, int option, void* value, uint32_t* size) {
  return raw::syscall(kNrGetsockopt, fd, level, option, reinterpret_cast<long>(value),
                      reinterpret_cast<long>(size));
}
int64_t put_option(int fd, int level, int option, const void* value, uint32_t size) {
  return raw::syscall(kNrSetsockopt, fd, level, option, reinterpret_cast<long>(value), size);
}

struct Option {
  int level, option;
  uint8_t size;
  bool halved;  // the kernel doubles what it is given
};
// What a program may have set before bind(2). Those that need a privilege fail quietly, as they did.
constexpr Option kOptions[] = {
    {kSolSocket, 2, 4, false},     // SO_REUSEADDR
    {kSolSocket, 15, 4, false},    // SO_REUSEPORT
    {kSolSocket, 5, 4, false},     // SO_DONTROUTE
    {kSolSocket, 6, 4, false},     // SO_BROADCAST
    {kSolSocket, 7, 4, true},      // SO_SNDBUF
    {kSolSocket, 8, 4, true},      // SO_RCVBUF
    {kSolSocket, 9, 4, false},     // SO_KEEPALIVE
    {kSolSocket, 10, 4, false},    // SO_OOBINLINE
    {kSolSocket, 12, 4, false},    // SO_PRIORITY
    {kSolSocket, 13, 8, false},    // SO_LINGER
    {kSolSocket, 18, 4, false},    // SO_RCVLOWAT
    {kSolSocket, 20, 16, false},   // SO_RCVTIMEO
    {kSolSocket, 21, 16, false},   // SO_SNDTIMEO
    {kSolSocket, 29, 4, false},    // SO_TIMESTAMP
    {kSolSocket, 36, 4, false},    // SO_MARK
    {kSolSocket, 46, 4, false},    // SO_BUSY_POLL
    {kSolSocket, 60, 4, false},    // SO_ZEROCOPY
    {kSolSocket, 62, 4, false},    // SO_BINDTOIFINDEX
    {kIpprotoIp, 1, 4, false},     // IP_TOS
    {kIpprotoIp, 2, 4, false},     // IP_TTL
    {kIpprotoIp, 8, 4, false},     // IP_PKTINFO
    {kIpprotoIp, 11, 4, false},    // IP_RECVERR
    {kIpprotoIp, 15, 4, false},    // IP_FREEBIND
    {kIpprotoIp, 19, 4, false},    // IP_TRANSPARENT
    {kIpprotoIp, 24, 4, false},    // IP_BIND_ADDRESS_NO_PORT
    {kIpprotoIpv6, 26, 4, false},  // IPV6_V6ONLY
    {kIpprotoIpv6, 49, 4, false},  // IPV6_RECVPKTINFO
    {kIpprotoIpv6, 67, 4, false},  // IPV6_TCLASS
    {kIpprotoTcp, 1, 4, false},    // TCP_NODELAY
    {kIpprotoTcp, 2, 4, false},    // TCP_MAXSEG
    {kIpprotoTcp, 4, 4, false},    // TCP_KEEPIDLE
    {kIpprotoTcp, 5, 4, false},    // TCP_KEEPINTVL
    {kIpprotoTcp, 6, 4, false},    // TCP_KEEPCNT
    {kIpprotoTcp, 9, 4, false},    // TCP_DEFER_ACCEPT
    {kIpprotoTcp, 18, 4, false},   // TCP_USER_TIMEOUT
    {kIpprotoTcp, 23, 4, false},   // TCP_FASTOPEN
};

void copy_options(int from, int to, const SocketKind& kind) {
  for (const Option& option : kOptions) {
    if (option.level == kIpprotoTcp && kind.type != kSockStream) continue;
    if (option.level == kIpprotoIpv6 && kind.domain != kAfInet6) continue;
    alignas(8) uint8_t old[16] = {}, fresh[16] = {};
    uint32_t old_size = option.size, fresh_size = option.size;
    if (is_error(get_option(from, option.level, option.option, old, &old_size))) continue;
    if (is_error(get_option(to, option.level, option.option, fresh, &fresh_size))) continue;
    bool same = old_size == fresh_size;
    for (uint32_t i = 0; same && i < old_size; ++i) same = old[i] == fresh[i];
    if (same) continue;
    if (option.halved) *reinterpret_cast<int32_t*>(old) /= 2;
    put_option(to, option.level, option.option, old, old_size);
  }
}

}  // namespace

uint64_t socket_option(int fd, int level, int option, uint64_t otherwise) {
  uint32_t value = 0, size = sizeof value;
  return is_error(get_option(fd, level, option, &value, &size)) ? otherwise : value;
}
void set_socket_option(int fd, int level, int option, uint64_t value) {
  auto narrow = static_cast<uint32_t>(value);
  put_option(fd, level, option, &narrow, sizeof narrow);
}

bool socket_kind(int fd, SocketKind& kind) {
  constexpr uint64_t kNone = ~uint64_t{0};
  uint64_t domain = socket_option(fd, kSolSocket, kSoDomain, kNone);
  if (domain == kNone) return false;
  kind.domain = static_cast<int>(domain);
  kind.type = static_cast<int>(socket_option(fd, kSolSocket, kSoType, 0));
  kind.protocol = static_cast<int>(socket_option(fd, kSolSocket, kSoProtocol, 0));
  return true;
}

bool socket_name(int fd, SocketAddress& name) {
  uint32_t size = sizeof name;
  return !is_error(raw::syscall(kNrGetsockname, fd, reinterpret_cast<long>(&name),
                                reinterpret_cast<long>(&size)));
}

void replace_socket(int fd, const SocketKind& kind) {
  constexpr int kCloseOnExec = 02000000, kGetFd = 1, kGetFl = 3, kSetFl = 4;
  int64_t fresh = raw::syscall(kNrSocket, kind.domain, kind.type | kCloseOnExec, kind.protocol);
  if (is_error(fresh)) return;
  int replacement = static_cast<int>(fresh);
  copy_options(fd, replacement, kind);
  int64_t status = raw::syscall(kNrFcntl, fd, kGetFl);
  if (!is_error(status)) raw::syscall(kNrFcntl, replacement, kSetFl, status);
  int64_t descriptor = raw::syscall(kNrFcntl, fd, kGetFd);
  bool close_on_exec = !is_error(descriptor) && (descriptor & 1) != 0;
  raw::syscall(kNrDup3, replacement, fd, close_on_exec ? kCloseOnExec : 0);
  raw::syscall(kNrClose, replacement);
}

}  // namespace skep::agent
