// Where the hive lies: the same address in every process (docs/decisions/0003). Constants only, so
// that the freestanding agent, the JIT and the library agree without including each other.
//
//   kBase + 0            process page     64 KiB  private to each process: helper addresses
//   (read-only once filled) kBase + 16 MiB       agent image      16 MiB  the agent of a traced
//   process (text shared, data private) kBase + 32 MiB       bee stacks       32 MiB  private to
//   each traced process: a stack for each slot kBase + 64 MiB       control segment  64 MiB  object
//   tables, map and program headers; traced: read-only kBase + 128 MiB      code segment    512 MiB
//   native code; mapped execute-read; writable alias elsewhere, controller only kBase + 4 GiB data
//   segment    <= 16 GiB, sparse: slots, map memory, rings; read-write everywhere
//
// Code lies within 2 GiB of the process page, so a helper call is `call [rip + disp32]`.
#pragma once

#include <cstddef>
#include <cstdint>

namespace skep::hive {

#if defined(__SANITIZE_THREAD__)
inline constexpr uint64_t kBase =
    0x20'0000'0000;  // TSan leaves only the low 512 GiB to applications
#else
inline constexpr uint64_t kBase = 0x2a00'0000'0000;
#endif

inline constexpr uint64_t kMiB = 1u << 20;

inline constexpr uint64_t kProcessPage = kBase;
inline constexpr uint64_t kProcessPageSize = 64 * 1024;
inline constexpr uint64_t kAgentImage = kBase + 16 * kMiB;
inline constexpr uint64_t kAgentImageSize = 16 * kMiB;
inline constexpr uint64_t kBeeStacks = kBase + 32 * kMiB;
inline constexpr uint64_t kBeeStackSize = 64 * 1024;
inline constexpr uint64_t kControl = kBase + 64 * kMiB;
inline constexpr uint64_t kControlSize = 64 * kMiB;
inline constexpr uint64_t kCode = kBase + 128 * kMiB;
inline constexpr uint64_t kCodeSize = 512 * kMiB;
inline constexpr uint64_t kData = kBase + (uint64_t{4} << 30);
inline constexpr uint64_t kDataMaxSize = uint64_t{16} << 30;

// Slots: one for each program running at a time in the whole hive; "CPU" to per-CPU maps.
inline constexpr uint32_t kMaxSlots = 256;
static_assert(kMaxSlots * kBeeStackSize <= 32 * kMiB);

// Lies at kProcessPage in every process that runs programs. Filled, then made read-only.
struct ProcessPage {
  uint64_t helpers[1024];  // by BPF_FUNC id: the address of a HelperFn in this process
  uint64_t kfuncs[1024];   // by our kfunc number
};
static_assert(sizeof(ProcessPage) <= kProcessPageSize);

}  // namespace skep::hive
