// Programs that may refuse a system call: cgroup hooks on sockets. Called for the numbers whose
// AttachTable::seen has kSeenFilter, with the call in thread->frame, after its enter programs and
// before its exit programs.
//
//   socket    CGROUP_INET_SOCK_CREATE      after the call; refused: the new descriptor is closed
//   bind      CGROUP_INET4/6_BIND          before it; may rewrite the address
//             CGROUP_INET4/6_POST_BIND     after it has succeeded; refused: see replace_socket()
//   connect   CGROUP_INET4/6_CONNECT       before it, on an unconnected socket; may rewrite the address
//
// All programs of a hook run, and one that returns 0 refuses: -EPERM, or what it gave to
// bpf_set_retval. Only AF_INET and AF_INET6 stream and datagram sockets, as in the kernel.
#pragma once

#include "hooks/agent/thread.h"

namespace skep::agent {

// 0: the call is made; -errno: it is not, and that is its result.
int64_t filter_enter(Thread* thread);
// After the call: its result, or another one (having undone what the call did).
int64_t filter_exit(Thread* thread, int64_t result);

}  // namespace skep::agent
