// KernelProfile: which kernel's verifier to be. A row a version; the newest row is the user engine's
// own. Features that came with a version are asked for by comparing `version` with the tables' since
// columns (helpers, map types); what the verifier itself learnt or lost stands here by name.
#pragma once

#include <cstdint>
#include <span>
#include <string_view>

#include "spec/types.h"

namespace skep::verifier {

struct KernelProfile {
  std::string_view name;  // "5.10", "newest"
  KernelVersion version = 0;

  uint32_t max_insns = 1'000'000;  // of a privileged program's text
  uint32_t max_insns_unprivileged = 4096;
  uint32_t max_processed = 1'000'000;     // all paths together
  uint32_t max_jumps_pending = 8192;      // branches not yet walked
  uint32_t max_states_unprivileged = 64;  // a single instruction's

  bool subprograms = true;                // 4.16: BPF_PSEUDO_CALL
  bool jmp32 = true;                      // 5.1
  bool direct_values = true;              // 5.2: BPF_PSEUDO_MAP_VALUE
  bool bounded_loops = true;              // 5.3
  bool global_functions = true;           // 5.6: verified on their own
  bool tail_calls_in_subprograms = true;  // 5.10
  bool atomics = true;                    // 5.12: everything but a plain add
  bool callbacks = true;                  // 5.13: BPF_PSEUDO_FUNC
  bool variable_stack_access = true;      // 5.13
  bool scalar_word = true;                // 5.18: logs say "scalar", older ones "inv"
  bool isa_v4 = true;                     // 6.6: movsx, ldsx, sdiv, bswap, gotol
  bool source_at_file = true;             // 6.8: "; text @ file.c:12"
  bool may_goto = true;                   // 6.9
  bool load_acquire = true;               // 6.15
  bool division_ranges = true;            // 7.0: quotients and remainders of ranges
  bool tail_call_returns = true;          // 6.18: one in a subprogram may come back to its caller
  bool null_in_register = true;           // 7.0: r1 = 0; if r0 == r1 is a null check
  bool forks_masks = true;                // 6.18: `x & (y s>> 31)` is walked as two numbers
  bool links_32_bits = true;              // 6.18: w1 = w0 + 4, r1 = r0 - 4 stay linked
  bool static_liveness = true;            // 6.18: no _r, _w suffixes in the log
};

// Oldest first; the last is "newest".
[[nodiscard]] std::span<const KernelProfile> kernel_profiles();
// By name; null where there is none.
[[nodiscard]] const KernelProfile* find_kernel_profile(std::string_view name);
[[nodiscard]] const KernelProfile& newest_profile();

}  // namespace skep::verifier
