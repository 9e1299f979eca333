// Where the one-pass tiers' code goes, whatever the machine: | code | traps | fault table |, in one block.
#pragma once

#include <algorithm>
#include <cstring>
#include <utility>
#include <vector>

#include "vm/jit/jit.h"

namespace skep::jit {

// The offset of the fault table behind `size` bytes of code and at least `guard` of traps.
inline size_t fault_table_at(uint32_t size, size_t guard) {
  return (size + guard + 7) & ~size_t{7};
}

// `trap` fills the gap: the byte that traps on the machine that the code is for, which need not be this one.
// Copies code and fault table into a block that has room for both. What is left to fill in: entry, tail_entry, lines and
// subprograms.
inline NativeCode place_code(CodeBlock block, ByteSpan code, size_t guard, int trap,
                             std::vector<FaultEntry> faults) {
  const auto size = static_cast<uint32_t>(code.size());
  const size_t fault_at = fault_table_at(size, guard);
  std::ranges::sort(faults, {}, &FaultEntry::insn);
  std::memcpy(block.writable, code.data(), size);
  std::memset(block.writable + size, trap, fault_at - size);
  if (!faults.empty())
    std::memcpy(block.writable + fault_at, faults.data(), faults.size() * sizeof(FaultEntry));
  NativeCode placed;
  placed.block = block;
  placed.code_size = size;
  placed.fault_table = block.address + fault_at;
  placed.faults = std::move(faults);
  return placed;
}

}  // namespace skep::jit
