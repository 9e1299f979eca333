// Plans how to probe an instruction: which instructions a 5-byte jump displaces, how they run
// elsewhere with the same effect, and whether that is possible at all.
//
// A jump over the first instructions is sound only if no thread ever arrives at the bytes behind its
// first one: nothing may branch there. What is looked at: every instruction of the function, the
// short branches of its neighbours (mempcpy enters glibc's memmove so), every 32-bit relative branch or
// address computation in the whole segment, function symbols, unwind entries and exception landing
// pads. Where anything leads there, or an instruction can't be moved, the plan is a breakpoint: it
// changes one byte, at a boundary.
//
// What stays unseen is a computed jump through a table of data; compilers never aim one at the
// first five bytes of a function, since what computes it comes before. Displaced bytes from the
// fifth on are int3, which the agent knows how to go on from.
#pragma once

#include <span>
#include <string>
#include <vector>

#include "base/result.h"
#include "hooks/elf_symbols.h"
#include "hooks/probe_record.h"

namespace skep::hooks {

// Contiguous code, at its own addresses.
struct CodeView {
  ByteSpan bytes;
  uint64_t address = 0;
  [[nodiscard]] uint64_t end() const { return address + bytes.size(); }
};

struct PlanRequest {
  CodeView code;       // the segment
  CodeRange function;  // what is decoded for branches; contains `at`
  uint64_t at = 0;     // the instruction to probe
  // Addresses near `at` that code may be entered at from anywhere (symbols, landing pads).
  std::span<const uint64_t> entries;
  // Other functions within reach of a short branch, so that their instructions can be told apart. Bytes
  // nearby that belong to none are tried at every offset.
  std::span<const CodeRange> neighbours;
  // Padding that other probes use already.
  std::span<const CodeRange> taken;
  bool breakpoint_only = false;
};

struct Plan {
  ProbeCode code;
  std::string why_breakpoint;  // why kind is not jump; empty where it is
};

// EINVAL: `at` is no instruction boundary of the function; EBUSY: a breakpoint is there already;
// ENOTSUP: the instruction can't run anywhere else, with the reason.
[[nodiscard]] Result<Plan> plan_code(const PlanRequest& request);

// The same with all that the file can tell.
[[nodiscard]] Result<Plan> plan_probe(const ElfImage& image, const Place& place,
                                      bool breakpoint_only = false,
                                      std::span<const CodeRange> taken = {});

// Addresses of the instructions that leave `function`, an unwinder of libgcc: each `ret`, and each
// `mov rsp, rcx` of __builtin_eh_return.
struct UnwinderExit {
  uint64_t vaddr;
  ProbeRole role;
};
[[nodiscard]] std::vector<UnwinderExit> unwinder_exits(const CodeView& code,
                                                       const CodeRange& function);

}  // namespace skep::hooks
