// Engines against each other, on random programs that the verifier accepts: interpreter, JIT (for this CPU, for any
// x86-64, hardened, metered) and the running kernel's JIT by BPF_PROG_TEST_RUN. Same program, packet and map
// contents; result, value of map 0, every element of maps 1 (hash) and 2 (array) must be equal.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "base/fd.h"
#include "base/result.h"
#include "runtime/runtime.h"

namespace skep::differential {

struct Counts {
  uint64_t programs = 0;  // accepted, and run on at least two engines
  uint64_t rejected = 0;  // by our verifier
  uint64_t kernel = 0;    // run in the kernel, too
  uint64_t kernel_refused = 0;
  uint64_t out_of_fuel = 0;
};

class Differential {
 public:
  // `kernel`: use it where it lets us; kernel_error() says why not.
  [[nodiscard]] static Result<std::unique_ptr<Differential>> make(bool kernel);
  ~Differential();

  // Empty: all agree (or it was rejected). Else what differs, with the program.
  [[nodiscard]] std::string judge(uint64_t seed, bool in_kernel);

  [[nodiscard]] const Counts& counts() const { return counts_; }
  [[nodiscard]] const std::string& kernel_error() const { return kernel_error_; }
  [[nodiscard]] bool has_kernel() const { return kernel_maps_.size() == 3; }

 private:
  struct State {  // what a run leaves
    uint32_t result = 0;
    std::vector<std::byte> memory;
    bool operator==(const State&) const = default;
  };
  Differential() = default;
  Result<> open_kernel();
  void reset_maps(uint64_t seed);
  std::vector<std::byte> read_maps();
  Result<State> run_here(const runtime::ProgObject& program, uint64_t seed, runtime::Via via);
  Result<State> run_in_kernel(const std::vector<Insn>& insns, uint64_t seed);

  std::unique_ptr<runtime::Runtime> runtime_;
  std::vector<std::shared_ptr<runtime::MapObject>> maps_;
  std::vector<Fd> kernel_maps_;
  std::string kernel_error_;
  verifier::KernelProfile profile_;
  Counts counts_;
};

}  // namespace skep::differential
