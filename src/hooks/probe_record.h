// What the controlling side tells the agent of one probed instruction: a plain record in the
// control segment, which a traced process maps read-only. The agent has no decoder: all that was
// decided by decoding (how far, how to relocate, jump or breakpoint) is in the record, made by
// probe_plan.h.
//
//   text, before      P: [insn 0][insn 1][insn 2] next ...
//   text, patched     P: jmp rel32 to the trampoline, int3 up to P+displaced (kind jump)
//                     P: jmp rel8 to the cave: five bytes of padding between two functions, which become
//                        the jmp rel32 (kind short_jump: where something enters at P+2 to P+4)
//                     P: int3, the rest as it was (kind breakpoint)
//   trampoline        head: save, run the programs, restore    (agent/trampoline.h)
//                     code: `code` with its fixups applied; ends in a jump to P+displaced
//
// Freestanding: the agent compiles this.
#pragma once

#include <cstdint>

namespace skep::hooks {

enum class ProbeKind : uint32_t { none, jump, short_jump, breakpoint };

// One value in `code` that depends on where text and trampoline lie in a process.
struct ProbeFixup {
  enum Kind : uint8_t {
    relative32,  // i32 at code[offset] = (P + delta) - (trampoline's code + end)
    address64,   // u64 at code[offset] = P + delta
  };
  Kind kind;
  uint8_t offset;
  uint8_t end;  // relative32: the end of the instruction that holds it
  uint8_t reserved[5];
  int64_t delta;
};

inline constexpr uint32_t kMaxDisplaced = 4 + 15;  // the last displaced insn may begin in byte 4
inline constexpr uint32_t kMaxProbeCode = 112;
inline constexpr uint32_t kMaxProbeFixups = 10;
inline constexpr uint32_t kMaxAttachments = 16;

// How one instruction is displaced.
struct ProbeCode {
  ProbeKind kind = ProbeKind::none;
  uint8_t displaced = 0;  // bytes of whole instructions; a jump overwrites all of them
  uint8_t code_size = 0;
  uint8_t fixup_count = 0;
  uint8_t boundary_count = 0;
  uint8_t original[24] = {};  // the text that must be found: `displaced` bytes, at least 5
                              // where kind is jump
  uint8_t original_size = 0;
  uint8_t cave_original[5] = {};
  int16_t cave = 0;  // short_jump: from P
  uint8_t code[kMaxProbeCode] = {};
  ProbeFixup fixups[kMaxProbeFixups] = {};
  // Each displaced instruction: its offset from P, and its relocated form's offset in `code`. A
  // thread that gets to an overwritten one (int3) goes on there.
  struct Boundary {
    uint8_t original;
    uint8_t relocated;
  } boundaries[8] = {};
};

// A program on a site.
struct ProbeAttachment {
  uint64_t program;  // address of its ProgHeader; 0: free. Stored last, cleared first
  uint64_t cookie;   // bpf_get_attach_cookie
  uint32_t when;     // kOnEntry | kOnReturn
  uint32_t link;     // id of the link, for the controlling side
};
inline constexpr uint32_t kOnEntry = 1, kOnReturn = 2;
// Session: the program runs on entry and, unless it returned 1 there, on return; cookie memory of 8
// bytes is shared by the two runs.
inline constexpr uint32_t kSession = 4;

// What a site is for. Unwinders read return addresses; while one works, the return addresses that
// uretprobes replaced must be the real ones (agent/return_stack.h).
enum class ProbeRole : uint32_t {
  programs,            // runs the attached programs
  unwinder_enter,      // puts real return addresses back
  unwinder_leave,      // replaces them again: stack slots from the address in rsp upwards
  unwinder_leave_rcx,  // the same, with the slot's address in rcx (libgcc's last instructions)
};

struct alignas(64) ProbeSite {
  uint32_t state;  // kSiteReady once published (stored last), 0 when free
  ProbeRole role;
  // The file: st_dev and st_ino as fstat gives them.
  uint64_t device;
  uint64_t inode;
  uint64_t file_offset;       // of P
  uint64_t vaddr;             // of P, in the file's own addresses
  uint32_t attachment_limit;  // attachments[0..limit) have been used
  uint32_t when;              // of all attachments: kOnEntry | kOnReturn
  ProbeAttachment attachments[kMaxAttachments];
  ProbeCode code;
};
inline constexpr uint32_t kSiteReady = 0x65746973;  // "site"

// How a site fares, summed over processes; in the data segment, so hostile to the controller and only
// ever shown.
struct ProbeStatus {
  uint32_t installed;       // places patched
  uint32_t removed;         // places restored or unmapped
  uint32_t mismatched;      // the text was not what the plan expects
  uint32_t unreachable;     // no memory within 2 GiB, or it could not be patched
  uint64_t missed_returns;  // the thread's return stack was full
};

inline constexpr uint32_t kMaxProbeSites = 512;

// A 16-bit counter in a file's writable data that is not 0 while a USDT probe is traced ("reference counter" in the
// kernel's words).
struct ProbeSemaphore {
  uint64_t device, inode, file_offset;
};
inline constexpr uint32_t kMaxProbeSemaphores = 512;

struct ProbeTable {
  uint32_t count;            // sites[0..count) have been used; stored with release order
  uint32_t semaphore_count;  // semaphores[0..semaphore_count), likewise
  uint64_t status;           // address of ProbeStatus[kMaxProbeSites] in the data segment
  uint64_t unused[6];
  ProbeSite sites[kMaxProbeSites];
  ProbeSemaphore semaphores[kMaxProbeSemaphores];
};

}  // namespace skep::hooks
