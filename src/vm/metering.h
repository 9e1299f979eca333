// Metering: what a run costs, the same on every engine (docs/user-engine.md, "Metered execution").
//
// The unit is one instruction of the VerifiedProgram (ld_imm64, which fills two places, is one). A run pays for
// a basic block when it enters it, whole; it ends there, before the block's first instruction, where
// HelperContext::fuel is less than the block's cost. Blocks are those of the instructions as the verifier leaves
// them, without dead ones, before a code generator changes anything: so interpreter and native code end at the
// same place with the same memory. A block begins
//   - at a subprogram's first instruction (its caller's block goes on after the call),
//   - at a jump's target,
//   - after a jump, may_goto included, and after exit.
//
// A run that can't pay sets fuel to 0 and kRanOutOfFuel in HelperContext::flags, and ends: every BPF function on
// the stack returns at once (a callback with 1, so that bpf_loop and its like stop), the program with 0. What it
// did stays done.
#pragma once

#include <cstdint>
#include <vector>

#include "object/verified_program.h"

namespace skep::vm {

// For each instruction that begins a block the block's cost, else 0.
[[nodiscard]] std::vector<uint32_t> block_costs(const VerifiedProgram& program);

}  // namespace skep::vm
