// The verdict of the kernel that runs here: maps and BTF are created, the program is loaded and let go again.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "base/fd.h"
#include "base/result.h"
#include "case.h"

namespace skep::corpus {

struct KernelVerdict {
  bool accepted = false;
  int error = 0;        // errno
  std::string log;      // at the level asked for
  std::string problem;  // why it could not be asked: a map that can't be created, …
  uint64_t time_ns = 0;
};

// Maps and BTF of one object (or of one raw case), kept for all its programs.
class KernelLoader {
 public:
  explicit KernelLoader(const Case& first);
  ~KernelLoader();
  KernelLoader(const KernelLoader&) = delete;
  KernelLoader& operator=(const KernelLoader&) = delete;
  [[nodiscard]] KernelVerdict load(const Program& program, uint32_t log_level);

 private:
  Fd btf_;
  std::vector<Fd> maps_;
  std::vector<std::string> map_problems_;
  std::vector<std::pair<void*, size_t>> mappings_;  // of arenas
};

// ENOSYS, EPERM: bpf(2) is not to be had.
[[nodiscard]] Result<> kernel_available();

}  // namespace skep::corpus
