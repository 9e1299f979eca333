// Instructions to text, in the kernel's syntax (the verifier log's, bpftool's): what assembler.h
// reads.
//
//   r0 = *(u32 *)(r1 +8)        if w1 s> 0x7 goto pc+3       r1 = 0x1122334455667788 ll
//   lock *(u64 *)(r1 +0) += r2  call bpf_map_lookup_elem#1   r1 = map[idx:2][0]+8
//
// Where the kernel prints an address (ld_imm64's pseudo kinds), this prints what the address is of.
#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <string_view>

#include "isa/insn.h"

namespace skep::isa {

struct DisassemblyOptions {
  // Name of a helper ("bpf_map_lookup_elem"), empty where it is unknown; may be null. The table is
  // spec's; whoever has it passes it.
  std::string_view (*helper_name)(const void* data, int32_t id) = nullptr;
  // Name of map number `index`, for BPF_PSEUDO_MAP_IDX; may be null.
  std::string_view (*map_name)(const void* data, int32_t index) = nullptr;
  const void* data = nullptr;
  bool opcodes = false;  // "(b7) r0 = 1", as the verifier's log has it
};

// The instruction at `index`. A ld_imm64 is read with its second slot. What is not legal
// (isa/legality.h) reads "invalid …": never fails, never reads outside.
[[nodiscard]] std::string disassemble(std::span<const Insn> insns, size_t index,
                                      const DisassemblyOptions& options = {});
// A whole program: "   3: r0 = 1" lines.
[[nodiscard]] std::string disassemble_all(std::span<const Insn> insns,
                                          const DisassemblyOptions& options = {});

}  // namespace skep::isa
