// The interpreter: what every instruction means. The reference that the JITs are tried against, and the
// engine of `--via interp`, of unit tests and of the soundness oracle.
//
//   VerifiedProgram ──make()──▶ Interpreter (decoded once) ──run(ctx, hc)──▶ r0
//
// Semantics are RFC 9669's and the kernel's: division by 0 gives 0, remainder by 0 leaves the dividend,
// INT_MIN / -1 is INT_MIN, shifts take the amount modulo the width, 32-bit results clear the upper half,
// a load that faults (BPF_PROBE_MEM) gives 0, a packet load outside the packet makes the function return 0,
// may_goto stops jumping back after 8,388,608 passes of a function's. addr_space_cast is a move: an arena has the same
// address in programs and in processes.
//
// Two loops are made of one source: a plain one, and an instrumented one that counts fuel, calls the trace
// hook before each instruction and checks each memory access.
//
// An Interpreter is immutable and may run on many threads at once, each with its own HelperContext.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <vector>

#include "base/result.h"
#include "isa/insn.h"
#include "object/helper_context.h"
#include "object/verified_program.h"

namespace skep::vm {

class Interpreter;
struct Op;  // a decoded instruction

// What the trace hook sees, before the instruction at `insn` runs.
struct TraceEvent {
  const VerifiedProgram* program = nullptr;
  uint32_t insn = 0;
  uint32_t frame = 0;  // 0: the program's own; counts callbacks' frames, too
  std::span<uint64_t, isa::kRegisters> registers;  // r0 to r10; the hook may change them
  uint64_t stack = 0;  // lowest byte of this frame's 512; r10 is its end
};

struct MemoryRegion {
  uint64_t begin = 0;
  uint64_t end = 0;  // one past the last byte
  bool writable = false;
};

struct InterpreterOptions {
  // Addresses of HelperFn by BPF_FUNC id, and of kfuncs by our number (a process page's, or a test's own);
  // 0 where there is none. The memory outlives the Interpreter.
  std::span<const uint64_t> helpers{};
  std::span<const uint64_t> kfuncs{};
  // The program at `index` of a prog array (its MapHeader's address), null where there is none. Called with
  // the index already known to be the program's own (it may be out of range). Null: every tail call fails.
  const Interpreter* (*tail_call)(void* data, HelperContext* context, uint64_t map,
                                  uint32_t index) = nullptr;
  void* tail_call_data = nullptr;
  // This process's SIGSEGV handler asks safe_copy.h's fix_fault(): loads that may fault are then plain ones.
  // Otherwise they go through HostOps::read_memory.
  bool faults_are_handled = false;
  // Instrumentation.
  void (*trace)(void* data, const TraceEvent& event) = nullptr;
  void* trace_data = nullptr;
  // Each access outside the running frames' stacks, these regions and what `is_allowed` knows (map values) is an error.
  bool check_memory = false;
  std::span<const MemoryRegion> regions{};
  bool (*is_allowed)(void* data, uint64_t address, uint32_t size, bool write) = nullptr;
  void* is_allowed_data = nullptr;
};

class Interpreter {
 public:
  // `program` must outlive it. ENOSYS where a reachable instruction calls a helper that is not bound, EINVAL where one is
  // not of a VerifiedProgram.
  [[nodiscard]] static Result<Interpreter> make(const VerifiedProgram& program,
                                                const InterpreterOptions& options);
  ~Interpreter();
  Interpreter(Interpreter&&) noexcept;
  Interpreter& operator=(Interpreter&&) noexcept;

  // r0 at exit. `context->call_bpf` and `engine_data` are this run's while it lasts; `context->fuel`, where it is
  // not 0, meters the run (metering.h). Fails only in an instrumented run (EFAULT: a forbidden access; ETIME: no
  // fuel left) or where frames nest deeper than the verifier allows (ELOOP).
  [[nodiscard]] Result<uint64_t> run(void* ctx, HelperContext* context) const;

  // A callback by itself: its first instruction, r1 to r5.
  [[nodiscard]] Result<uint64_t> call(uint32_t insn, const uint64_t (&arguments)[5],
                                      HelperContext* context) const;
  // What ld_imm64 of a function put into a register, as an instruction; none where it is no address of this.
  [[nodiscard]] std::optional<uint32_t> insn_of(uint64_t entry) const;

  [[nodiscard]] const VerifiedProgram& program() const { return *program_; }

 private:
  friend struct Machine;
  Interpreter() = default;
  Result<uint64_t> enter(uint32_t insn, const uint64_t (&arguments)[5],
                         HelperContext* context) const;

  const VerifiedProgram* program_ = nullptr;
  InterpreterOptions options_;
  std::unique_ptr<Op[]> ops_;    // one an insn, and a trap at the end
  std::vector<uint32_t> costs_;  // of the block that begins at an insn; else 0
};

}  // namespace skep::vm
