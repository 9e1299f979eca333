// What cgroup hooks ask of a socket, by raw system calls.
#pragma once

#include <cstddef>
#include <cstdint>

#include "hooks/agent/thread.h"

namespace skep::agent {

inline constexpr int kAfInet = 2, kAfInet6 = 10;
inline constexpr int kSockStream = 1, kSockDgram = 2;
inline constexpr int kSolSocket = 1, kIpprotoIp = 0, kIpprotoTcp = 6, kIpprotoIpv6 = 41;
inline constexpr int kSoMark = 36, kSoPriority = 12, kSoBindToIfIndex = 62;

inline constexpr size_t kInetSize = 16, kInet6Minimum = 24;

struct SocketKind {
  int domain, type, protocol;
};
// False where `fd` is no socket.
bool socket_kind(int fd, SocketKind& kind);
// getsockname; false where that fails.
bool socket_name(int fd, SocketAddress& name);
// An int option, or `otherwise`.
uint64_t socket_option(int fd, int level, int option, uint64_t otherwise);
void set_socket_option(int fd, int level, int option, uint64_t value);

// Undoes a bind that succeeded: nothing takes a socket's port away, so another one of the same kind, with
// the same options and flags, takes its place at the descriptor. What the program can notice: other
// descriptors of the same socket (dup, inherited by a child) keep the old one, with its port; epoll
// sets have forgotten it. Where there is no room for a new socket, the old one stays as it is.
void replace_socket(int fd, const SocketKind& kind);

}  // namespace skep::agent
