// --perf-map: writes /tmp/perf-PID.map for the processes that run our native code.
#pragma once

#include <sys/types.h>

#include <set>
#include <string>

#include "base/result.h"
#include "runtime/runtime.h"

namespace skep::cli {

class PerfMaps {
 public:
  void add(const runtime::ProgObject& program);
  // Once a process; the file stays, as profilers read it after the process's end. EEXIST where something is there
  // that isn't ours to write over.
  Result<> write_for(pid_t pid);

 private:
  std::string text_;
  std::set<pid_t> written_;
};

}  // namespace skep::cli
