// VerifiedProgram: the only thing that a JIT or the interpreter takes. Only the verifier constructs
// one (docs/architecture.md, "the pipeline is types"); there is no flag that skips it.
//
// The type lives here, one line below both, because verifier/ makes it and vm/ takes it and neither
// may include the other.
//
// Its instructions are the verifier's output, not its input:
//  - contexts: a load of a context field whose UAPI form is a 32-bit handle of a 64-bit pointer
//    (__sk_buff.data, xdp_md.data_end, bpf_sock pointers …) has become a 64-bit load of the
//    engine's own context layout (spec/context.h). Other fields stay where the UAPI has them.
//  - a load through a pointer that may fault (PTR_TO_BTF_ID and the like) has mode
//  BPF_PROBE_MEM(SX):
//    where it faults, the destination becomes 0 and the program goes on;
//  - an instruction that no path reaches has facts.dead set, and is never executed;
//  - ld_imm64 of a map, a map value or a function keeps its pseudo kind and index: the code
//  generator
//    takes addresses from maps()[i].
#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <utility>
#include <vector>

#include "object/program.h"

namespace skep {

// What the verifier proved of one instruction, over all paths that reach it.
struct InsnFacts {
  bool dead = false;         // no path gets here
  bool zext_elided = false;  // a 32-bit result whose upper half is never read
  bool memory_may_fault = false;
  // A call of a map helper: index into maps() where every path passes the same map; else -1.
  int16_t map_index = -1;
  // map_lookup_elem on an ARRAY whose key was a known constant on every path.
  bool key_is_constant = false;
  uint32_t constant_key = 0;
  // BPF_CALL of bpf_tail_call with a known map and a known index.
  bool tail_call_is_constant = false;
  // A division whose divisor is never 0, a shift whose amount is below the width.
  bool divisor_is_nonzero = false;
  // The two sides of a conditional jump that a path was seen to take.
  bool jump_taken_seen = true, jump_not_taken_seen = true;
};

struct Subprogram {
  uint32_t start = 0;        // first instruction
  uint32_t end = 0;          // one past the last
  uint32_t stack_depth = 0;  // bytes used below its r10, rounded up to 8; at most 512
  bool is_callback = false;  // its address is taken (BPF_PSEUDO_FUNC)
  bool has_tail_call = false;
  bool has_ld_abs = false;
  // A timer's or workqueue's callback: indexes into maps() of those whose elements it was verified for.
  std::vector<uint32_t> async_maps;
  std::string name;
};

// How far the program reaches into what its hook gives it, bytes from the start, over all paths: whoever runs it
// must have as much.
struct AccessBounds {
  uint32_t context = 0;
  uint32_t tracepoint_buffer = 0;               // writable raw tracepoints
  uint32_t rdonly_buffer = 0, rdwr_buffer = 0;  // iterators over map elements: the key, the value
};

class VerifiedProgram {
 public:
  [[nodiscard]] const Program& program() const { return program_; }
  [[nodiscard]] std::span<const Insn> insns() const { return program_.insns; }
  [[nodiscard]] std::span<const InsnFacts> facts() const { return facts_; }  // one an insn
  [[nodiscard]] std::span<const Subprogram> subprograms() const {
    return subprograms_;
  }  // [0]: main
  [[nodiscard]] std::span<const MapDescriptor> maps() const { return program_.maps; }
  // Instructions that the verifier walked, all paths together.
  [[nodiscard]] uint64_t insns_processed() const { return insns_processed_; }
  [[nodiscard]] const AccessBounds& accesses() const { return accesses_; }
  // Types of the program's BTF that it makes objects of (bpf_obj_new), and whether of each slot (bpf_percpu_obj_new).
  struct MadeType {
    uint32_t type_id = 0;
    bool percpu = false;
    friend bool operator==(const MadeType&, const MadeType&) = default;
  };
  [[nodiscard]] std::span<const MadeType> made_types() const { return made_types_; }

 private:
  friend class VerifiedProgramMaker;  // verifier/ (and tests/verifier's unsafe maker for raw
                                      // vectors)
  VerifiedProgram() = default;

  Program program_;
  std::vector<InsnFacts> facts_;
  std::vector<Subprogram> subprograms_;
  uint64_t insns_processed_ = 0;
  AccessBounds accesses_;
  std::vector<MadeType> made_types_;
};

}  // namespace skep
