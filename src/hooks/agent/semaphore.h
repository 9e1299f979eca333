// Semaphores of USDT probes: 16-bit counters in a binary's writable data. While one is not 0 the binary makes the
// probe's arguments. An agent counts each up once in every private writable mapping of it, and down when it leaves.
#pragma once

#include <cstdint>

#include "hooks/probe_record.h"

namespace skep::agent {

// True where some probe has a semaphore: mappings of data have to be looked at.
bool semaphores_wanted(const hooks::ProbeTable* table);
// The file's bytes from `offset` on were mapped at `address`, private and writable. Under process.patch_lock or
// single-threaded, as the others.
void semaphores_mapped(const hooks::ProbeTable* table, uint64_t address, uint64_t length,
                       uint64_t offset, uint64_t device, uint64_t inode);
// [address, address + length) goes, or becomes something else.
void semaphores_unmapped(uint64_t address, uint64_t length);
void semaphores_detach();

}  // namespace skep::agent
