// What the controller hands to an agent when it is injected, and what the agent's image promises.
// Freestanding.
#pragma once

#include <cstdint>

namespace skep::hooks {

inline constexpr uint64_t kAgentMagic = 0x3174'6e65'6761'6b73;  // "skagent1"

// Lies in the tracee's stack while agent_start runs.
struct AgentInit {
  uint64_t magic;
  uint64_t
      initial_rsp;  // the process's stack pointer at its first instruction: argc, argv, envp, auxv
  uint64_t entry;   // where the process will start
  uint64_t signal_mask;  // the process's own
  uint32_t controller_pid;
  uint32_t flags;
  int64_t result;  // agent: 0 or -errno
};

}  // namespace skep::hooks
