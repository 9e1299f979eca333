// A program loaded into the running kernel and run there by BPF_PROG_TEST_RUN, for comparison. Raw bpf(2).
#pragma once

#include <cstdint>
#include <vector>

#include "base/fd.h"
#include "object/program.h"

namespace skep::bench {

struct KernelRun {
  uint32_t result = 0;
  double ns = 0;  // of one run, as the kernel measured it
};

class KernelProgram {
 public:
  // `contents`: of each map of the program its first element, or nothing. Loaded as SCHED_CLS.
  [[nodiscard]] static Result<KernelProgram> load(
      const Program& program, const std::vector<std::vector<std::byte>>& contents);
  [[nodiscard]] Result<KernelRun> run(uint32_t repeat);

 private:
  std::vector<Fd> maps_;
  Fd program_;
};

}  // namespace skep::bench
