// Probes inside a traced process: finds the mappings of probed files, patches their sites, and runs the
// attached programs when a site is hit. What to patch and how comes decided in the control segment
// (probe_record.h); see uprobe_entry.S for the way through.
//
// Sites are patched when their file is mapped: at the first instruction of a new image, and in the mmap
// system call, before any thread can have reached them. So no thread ever stands in what is replaced.
#pragma once

#include <cstdint>

#include "hooks/agent/thread.h"

namespace skep::agent {

// At the first instruction of an image: the executable, the dynamic linker.
void uprobes_start();
// A mapping was made by mmap(2), with its arguments.
void uprobes_mapped(uint64_t address, uint64_t length, uint64_t protection, uint64_t flags, int fd,
                    uint64_t offset);
// [address, address + length) is about to be unmapped or mapped over, and then: whether it was. In between,
// probes there go on working, since the call may fail.
void uprobes_unmapping(const Thread* thread, uint64_t address, uint64_t length);
void uprobes_unmapped(const Thread* thread, bool done);
// [address, address + length) is about to be moved: its text becomes what it was, for good.
void uprobes_moving(uint64_t address, uint64_t length);
// Restores every patched byte, and every replaced return address, with process.detached set and all threads in the
// agent. Trampolines stay mapped: threads may be in what they displaced.
void uprobes_detach();

// SIGTRAP by int3, context->rip behind it: true where a site's, and `context` goes on.
bool uprobe_trapped(SignalContext* context);
// Where context->rip is on its way into or out of a probe: puts the context back into the program,
// before the probe or behind it.
bool uprobe_leave(const Thread* thread, SignalContext* context);
// Where a thread that is still on the program's stack stands in a trampoline's head: puts it back before
// its first instruction, since what the second relies on would not outlive a signal handler.
void uprobe_rewind(SignalContext* context);
// What a stack slot holds for the program: `value`, or the return address that a uretprobe replaced in it.
uint64_t uprobe_real_return(const Thread* thread, uint64_t slot, uint64_t value);
// True where [address, address + size) overlaps bytes that a probe has replaced.
bool uprobe_overlaps(uint64_t address, uint64_t size);

}  // namespace skep::agent
