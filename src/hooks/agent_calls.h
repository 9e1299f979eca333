// The system calls that the agent itself must see, whoever is attached: those that begin and end threads and
// images, those that touch its signals, and those that change what it has cached. Freestanding.
#pragma once

#include <cstdint>

namespace skep::hooks {

inline constexpr uint16_t kAgentCalls[] = {
    9,    // mmap: probed files
    11,   // munmap
    13,   // rt_sigaction
    14,   // rt_sigprocmask
    15,   // rt_sigreturn
    25,   // mremap
    56,   // clone
    57,   // fork
    58,   // vfork
    59,   // execve
    60,   // exit
    105,  // setuid
    106,  // setgid
    113,  // setreuid
    114,  // setregid
    117,  // setresuid
    119,  // setresgid
    122,  // setfsuid
    123,  // setfsgid
    127,  // rt_sigpending
    130,  // rt_sigsuspend
    131,  // sigaltstack
    157,  // prctl
    158,  // arch_prctl
    231,  // exit_group
    270,  // pselect6
    271,  // ppoll
    281,  // epoll_pwait
    317,  // seccomp
    322,  // execveat
    435,  // clone3
    441,  // epoll_pwait2
};

constexpr bool is_agent_call(uint32_t nr) {
  for (uint16_t call : kAgentCalls) {
    if (call == nr) return true;
  }
  return false;
}

}  // namespace skep::hooks
