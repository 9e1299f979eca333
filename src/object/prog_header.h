// ProgHeader: a loaded program as native code, tail calls and the agent see it. In the control
// segment: a traced process reads it and can't change it. Freestanding.
#pragma once

#include <cstdint>

namespace skep {

// What native code's entry looks like: r1 = ctx, and the run's context.
using ProgEntry = uint64_t (*)(void* ctx, void* helper_context);

struct alignas(64) ProgHeader {
  uint32_t magic;  // kProgMagic once published, 0 when free
  uint32_t id;
  uint32_t type;  // ProgType
  uint32_t expected_attach_type;
  uint64_t entry;       // address in the code segment: ProgEntry
  uint64_t tail_entry;  // where a tail call jumps to: after the prologue
  uint64_t code;        // address of the code block; fault offsets count from here
  uint64_t code_size;   // bytes of instructions in it
  uint64_t stats;       // address of ProgStats in the data segment
  uint64_t insn_count;
  // Loads that may fault: `fault_count` pairs of u32 {offset of the load, offset where to go on} from
  // `code`, sorted, inside the code block. A SIGSEGV handler finds the program by code <= rip < code + code_size.
  uint64_t fault_table;
  uint64_t fault_count;
  uint8_t tag[8];
  uint64_t flags;
  char name[16];
  // Instructions that one run may take (vm/metering.h); 0: unmetered. Native code has it built in.
  uint64_t fuel;
  // Code that took the first's place while programs ran (runtime/optimise.cc); 0: none. Bees may still be in the first,
  // so both have their fault tables. Filled before `entry` and `tail_entry` point to it.
  uint64_t second_code;
  uint64_t second_code_size;
  uint64_t second_fault_table;
  uint64_t second_fault_count;
  uint64_t object_types;  // ObjectTypes (object/value_fields.h) that it may make; 0: none
};

struct alignas(64) ProgStats {
  uint64_t run_count;
  uint64_t run_ns;
  uint64_t recursion_misses;
  uint64_t out_of_fuel;  // runs that ended for want of fuel
};

// ProgHeader::flags: run times are added to ProgStats::run_ns (BPF_ENABLE_STATS).
inline constexpr uint64_t kProgRunTimes = 1;

inline constexpr uint32_t kProgMagic = 0x676f7270;  // "prog"

}  // namespace skep
