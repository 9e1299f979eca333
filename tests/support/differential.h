// Engines against each other, on random programs that the verifier accepts: interpreter, fast tier (for this CPU, for
// any x86-64, hardened, metered), optimising tier, and the running kernel's JIT by BPF_PROG_TEST_RUN. Same program,
// packet and map contents; result, value of map 0, every element of maps 1 (hash) and 2 (array) must be equal. Map 3
// holds programs to tail call.
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
  uint64_t optimised = 0;                  // run on the optimising tier, too
  uint64_t callbacks = 0, tail_calls = 0;  // programs that have some
};

class Differential {
 public:
  // `kernel`: use it where it lets us; kernel_error() says why not.
  [[nodiscard]] static Result<std::unique_ptr<Differential>> make(bool kernel);
  ~Differential();

  // Empty: all agree (or it was rejected). Else what differs, with the program.
  [[nodiscard]] std::string judge(uint64_t seed, bool in_kernel, bool optimised = false);

  [[nodiscard]] const Counts& counts() const { return counts_; }
  [[nodiscard]] const std::string& kernel_error() const { return kernel_error_; }
  [[nodiscard]] const std::string& optimising_error() const { return optimising_error_; }
  [[nodiscard]] bool has_kernel() const { return !kernel_maps_.empty(); }

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
  Result<> add_tail_call_targets();
  Result<Fd> load_in_kernel(std::vector<Insn> insns, const std::vector<FuncInfo>& functions);
  Result<State> run_in_kernel(const Program& program, uint64_t seed);
  static std::string difference(std::string_view engine, const State& found, const State& expected);
  std::string judge_native(const runtime::ProgObject& program, const State& expected, uint64_t seed,
                           std::string_view engine);

  std::unique_ptr<runtime::Runtime> runtime_;
  std::vector<std::shared_ptr<runtime::MapObject>> maps_;
  std::vector<std::shared_ptr<runtime::ProgObject>> targets_;
  std::shared_ptr<runtime::BtfObject> btf_;  // of functions f0, f1, …
  std::vector<Fd> kernel_maps_, kernel_targets_;
  Fd kernel_btf_;
  std::string kernel_error_, optimising_error_;
  verifier::KernelProfile profile_;
  Counts counts_;
};

}  // namespace skep::differential
