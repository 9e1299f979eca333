// A probed site's trampoline, written from the plan (probe_record.h) into memory within 2 GiB of the site:
//
//   head   mov gs:[U_RSP], rsp          nothing is written to the program's stack, no flag changes
//          mov rsp, gs:[T_STACK_TOP]    the agent's stack for this thread
//          push index                   of the site in this process
//          call [rip + entry]           agent_uprobe (uprobe_entry.S): saves, runs the programs, restores
//          mov rsp, gs:[U_RSP]
//   code   the displaced instructions, relocated; a jump back behind them
//   entry  u64 address of agent_uprobe
//
// A jump over the site and the breakpoint handler both lead to the head. Freestanding.
#pragma once

#include <cstddef>
#include <cstdint>

#include "hooks/probe_record.h"

namespace skep::agent {

inline constexpr uint32_t kTrampolineHead = 38;    // bytes of the head
inline constexpr uint32_t kTrampolineReturn = 29;  // where agent_uprobe returns to
inline constexpr uint32_t kTrampolineSize = 192;
static_assert(kTrampolineHead + hooks::kMaxProbeCode + 8 <= kTrampolineSize);

// Writes the trampoline that will execute at `address` for a site whose first instruction is at `site`.
// False where a fixup does not reach (the trampoline is too far away).
bool write_trampoline(uint8_t (&out)[kTrampolineSize], uint64_t address, uint64_t site,
                      const hooks::ProbeCode& code, uint32_t index, uint64_t entry);

// What goes where at a site.
struct SitePatch {
  uint8_t bytes[hooks::kMaxDisplaced];  // at the site
  uint32_t size;
  uint64_t cave;  // short_jump: where `cave_bytes` go; else 0
  uint8_t cave_bytes[5];
};
// False where the trampoline is out of reach.
bool make_patch(SitePatch& out, uint64_t site, uint64_t trampoline, const hooks::ProbeCode& code);

}  // namespace skep::agent
