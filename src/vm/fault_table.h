// The exception table of code that may fault: where each load that may fault lies, and where to go on.
//
//   code ──▶ +--------------------------+      table ──▶ { insn, fixup } { insn, fixup } …
//            |  … mov eax, [rdi+8] …    |◀── insn          u32 offsets from `code`, sorted by insn
//            |  … xor eax, eax  …       |◀── fixup
//            +--------------------------+
//
// Pure functions over spans: no registry and no state, so a signal handler may call them anywhere (the agent's, in
// a traced process; a test's). Who owns the code keeps the table: ProgHeader::fault_table for native
// code, safe_copy.h for the interpreter's loads.
//
// Async-signal-safe and freestanding.
#pragma once

#include <cstddef>
#include <cstdint>

namespace skep::vm {

struct FaultPair {
  uint32_t insn;
  uint32_t fixup;
};
static_assert(sizeof(FaultPair) == 8);

// Where to go on after a fault at address `rip`; 0 where the table does not know it. `table` may lie in
// memory that others write: whatever it holds, the result is 0 or lies in [code, code + code_size).
[[nodiscard]] inline uint64_t find_fixup(const FaultPair* table, size_t count, uint64_t code,
                                         uint64_t code_size, uint64_t rip) {
  if (rip < code || rip - code >= code_size) return 0;
  const uint64_t offset = rip - code;
  size_t low = 0, high = count;
  while (low < high) {
    const size_t middle = low + (high - low) / 2;
    if (table[middle].insn < offset)
      low = middle + 1;
    else
      high = middle;
  }
  if (low >= count || table[low].insn != offset) return 0;
  const uint32_t fixup = table[low].fixup;
  return fixup < code_size ? code + fixup : 0;
}

}  // namespace skep::vm
