// System-call sites: patched in place once they prove hot, so that a call costs a jump instead of a signal.
//
//   form A   b8 imm32 | 48 c7 c0 imm32, then 0f 05:  the mov becomes `jmp near stub`; the `syscall` stays, and whoever
//            jumps straight to it is still right (it is caught by dispatch)
//   form B   any other 0f 05:  becomes `jmp rel8` to padding between two functions (proven by .eh_frame_hdr and by
//            its bytes), which becomes `jmp near stub`
//   else     stays on SIGSYS
//
//   near stub    within 2 GiB of the site: [the mov], jmp arena stub
//   arena stub   in the range that dispatch lets through: looks AttachTable::seen up without touching flags; nobody
//                wants the call: `syscall`, back; else agent_entry
//
// Only private mappings of files are patched, never code that the program makes itself. Threads may be running
// there: a first byte of int3 holds them off (patch_trapped sends them on) while the others change, with a
// core-serialising membarrier between the steps. Pages are writable and executable only during that.
#pragma once

#include <cstddef>
#include <cstdint>

#include "hooks/agent/thread.h"

namespace skep::agent {

// SIGTRAP by an int3: true where it was a site's and `context` goes on.
bool patch_trapped(Thread* thread, SignalContext* context);

// A system call was caught at context->rip - 2: perhaps worth patching. On the alternate stack, all blocked.
void sites_caught(Thread* thread, SignalContext* context);
// Where context->rip lies in a site's stub: puts the context back into the program, before or after its system call.
bool sites_leave(SignalContext* context);
// True where context->rip is right behind a stub's `syscall`; *nr: the number, as far as the site tells it.
bool sites_after_call(const SignalContext* context, uint64_t* nr);
// [address, address + size) is about to be unmapped or mapped over: its sites are forgotten.
void sites_unmapped(uint64_t address, uint64_t size);
// True where a patched site overlaps the range.
bool sites_overlap(uint64_t address, uint64_t size);
// Puts every byte back. Stubs stay: threads may be in them.
void sites_restore();

// Replaces `size` (at most 8) bytes of code that threads may be running, from the second on first; false where the
// page can't be changed. Between the steps a thread traps at `address`: patch_trapped must know it by then.
bool patch_code(uint64_t address, const uint8_t* bytes, size_t size);

}  // namespace skep::agent
