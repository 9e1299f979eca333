// The fast JIT tier: one VerifiedProgram to native code of this machine, in microseconds.
//
//   VerifiedProgram ──analysis.h──▶ leaders, liveness, selects, stack slots that can be registers
//                   ──x86_64/, aarch64/──▶ one forward pass that emits bytes ──▶ CodeBlock
//
// ABI of the result: uint64_t entry(void* ctx /* r1 */, HelperContext*), as the machine's C has it (System V: it keeps
// rbx, rbp and r12 to r15; AAPCS64: x18 to x29); it needs 16-byte stack alignment at the call, uses no vector register,
// and leaves nothing behind on the stack. Helpers are called as HelperFn through `helper_table`, BPF functions called
// back through HelperContext::call_bpf, which the program's own prologue sets where it has callbacks.
//
// compile() touches nothing but its arguments and `memory`; it is thread-safe. Native code holds no pointer
// of this process, if helper_table is the process page: it runs unchanged wherever the hive is mapped.
#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <string_view>
#include <vector>

#include "base/code_memory.h"
#include "base/hive_layout.h"
#include "object/verified_program.h"

namespace skep::jit {

// What of the CPU's extensions may be used. Code compiled with none set runs on any x86-64, and any ARMv8.
struct CpuFeatures {
  bool bmi2 = false;   // x86-64
  bool movbe = false;  // x86-64
  bool lse = false;    // AArch64: atomic instructions, ARMv8.1
};
[[nodiscard]] const CpuFeatures& host_cpu();
// What compile() makes code for: "x86-64", "AArch64"; empty where there is no JIT.
[[nodiscard]] std::string_view machine();

struct JitOptions {
  // Address of 1024 helper addresses by BPF_FUNC id, and of 1024 kfunc addresses. On x86-64, where it is not within
  // 2 GiB of the code, the addresses themselves are taken from there now and kept beside the code; AArch64's code
  // always looks there when it calls.
  uint64_t helper_table = hive::kProcessPage + offsetof(hive::ProcessPage, helpers);
  uint64_t kfunc_table = hive::kProcessPage + offsetof(hive::ProcessPage, kfuncs);
  // Where a ProgHeader may lie: a tail call takes nothing else from a program array, whose elements any
  // traced process could have overwritten. Headers are at multiples of 64 bytes from there.
  uint64_t prog_headers = hive::kControl;
  uint64_t prog_headers_size = hive::kControlSize;
  // Given: no immediate of the program appears in the code (constant blinding), masks come from this.
  std::optional<uint64_t> blinding_seed;
  // Not 0: a run (the code's entry, not a tail call) starts with this much HelperContext::fuel, and every block is
  // charged (vm/metering.h). Where it runs out, the u64 at `out_of_fuel` is counted up; 0: nothing is.
  uint64_t fuel = 0;
  uint64_t out_of_fuel = 0;
  // Spectre v1: no load or store of a block runs before the branches that led there are known to be right, and an
  // inlined lookup's index is masked.
  bool speculation_barriers = false;
  // ARRAY and PERCPU_ARRAY lookups without a call, where facts name the map and its header is published.
  bool inline_maps = true;
  CpuFeatures cpu = host_cpu();
};

// A load that may fault: where it does, go on at `fixup`. Offsets from the block's start, sorted by insn.
struct FaultEntry {
  uint32_t insn = 0;
  uint32_t fixup = 0;
};

// Optimised code: from `offset` on, instructions belong to BPF instruction `insn` (kNoInsn: to none).
struct CodeLine {
  uint32_t offset = 0;
  uint32_t insn = 0;
};
inline constexpr uint32_t kNoInsn = ~0u;

// Code in memory that `memory` (of compile) gave; whoever runs it frees `block` there.
struct NativeCode {
  CodeBlock block;
  uint64_t entry = 0;  // ProgEntry
  uint64_t tail_entry =
      0;  // where a tail call from another program jumps to; same registers as entry
  uint32_t code_size = 0;  // bytes of instructions, from the block's start
  // The block's own copy of `faults`, for a signal handler in another process: address of the first.
  uint64_t fault_table = 0;
  std::vector<FaultEntry> faults;
  // Native offset of each BPF instruction, and the end of the last: insns + 1 entries, ascending within a
  // subprogram. Instructions that were folded into others have the offset of what follows.
  std::vector<uint32_t> lines;
  // The optimising tier has this instead of `lines`: instructions in any order, ascending by offset.
  std::vector<CodeLine> line_table;
  std::vector<uint32_t> subprograms;  // native offset of each subprogram's first byte

  [[nodiscard]] ByteSpan code() const { return {block.writable, code_size}; }
};

[[nodiscard]] Result<NativeCode> compile(const VerifiedProgram& program, const JitOptions& options,
                                         CodeMemory& memory);

// The same for AArch64, whatever machine this is: to look at; to run it, be one.
[[nodiscard]] Result<NativeCode> compile_aarch64(const VerifiedProgram& program,
                                                 const JitOptions& options, CodeMemory& memory);

// The BPF instruction that native offset `offset` belongs to; none where it belongs to none.
[[nodiscard]] std::optional<uint32_t> insn_at(const NativeCode& code, uint32_t offset);

}  // namespace skep::jit
