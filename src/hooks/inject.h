// Putting the agent into a process that stands at the first instruction of a new image (its exec
// stop): nothing of the image has run yet, so no system call is missed, those of the dynamic linker
// included.
//
// A bootstrap of some 100 bytes is written over the entry point, carries out a list of system calls
// (open the hive's segments and the agent through /proc/<controller>/fd, map them, close them),
// calls the agent's start, and traps. Then the bytes and the registers are put back. One stop for
// all of it; the process keeps no descriptor.
#pragma once

#include <sys/types.h>

#include <cstdint>
#include <string>
#include <vector>

#include "base/fd.h"
#include "base/result.h"

namespace skep::hooks {

// The agent's executable, kept open for the processes to come.
struct AgentImage {
  struct Segment {
    uint64_t address = 0, memory_size = 0;
    uint64_t file_offset = 0, file_size = 0;
    int protection = 0;
  };
  Fd file;
  uint64_t entry = 0;
  std::vector<Segment> segments;
};
// ENOENT, or ENOEXEC where the file is not an agent of this build.
[[nodiscard]] Result<AgentImage> open_agent(const std::string& path);
// Beside this executable: bin/skep-agent, or ../lib/skep/skep-agent of an installation.
[[nodiscard]] std::string default_agent_path();

struct InjectSpec {
  const AgentImage* agent = nullptr;
  int control_fd = -1, code_fd = -1, data_fd = -1;  // of this process
  uint64_t data_size = 0;                           // bytes
};

// `tid` is in a ptrace stop of the caller's at its exec; afterwards it stands there still, with the
// agent in it. ECHILD where it died meanwhile. Where this fails, the process is as it was and can
// go on untraced.
[[nodiscard]] Result<> inject(pid_t tid, const InjectSpec& spec);

}  // namespace skep::hooks
