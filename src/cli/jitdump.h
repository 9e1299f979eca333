// --jitdump: jit-PID.dump in $JITDUMPDIR or /tmp, PID being ours, with the native code of each process that runs our
// programs. `perf record -k mono skep run --jitdump …`, then `perf inject --jit`.
#pragma once

#include <sys/types.h>

#include <memory>
#include <set>
#include <string>
#include <vector>

#include "base/fd.h"
#include "base/result.h"
#include "runtime/runtime.h"
#include "vm/jit/jitdump.h"

namespace skep::cli {

// Holds the programs: to be destroyed before their engine.
class JitDumpFile {
 public:
  JitDumpFile() = default;
  ~JitDumpFile();
  JitDumpFile(const JitDumpFile&) = delete;
  JitDumpFile& operator=(const JitDumpFile&) = delete;
  void add(std::shared_ptr<runtime::ProgObject> program) {
    programs_.push_back(std::move(program));
  }
  // Once a process. The file is made by the first call and stays.
  Result<> write_for(pid_t pid);
  [[nodiscard]] const std::string& path() const { return path_; }

 private:
  Result<> create();

  std::vector<std::shared_ptr<runtime::ProgObject>> programs_;
  std::unique_ptr<jit::JitDump> dump_;
  std::string path_;
  Fd file_;
  void* marker_ = nullptr;  // an executable page of it, by which perf finds it
  std::set<pid_t> written_;
};

}  // namespace skep::cli
