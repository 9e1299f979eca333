// What the agent may know of a mapped file: where its code lies, and which bytes between functions are padding.
#pragma once

#include <cstdint>

namespace skep::agent {

struct Module {
  uint64_t begin, end;    // of the executable mapping; begin 0: none
  uint64_t eh_frame_hdr;  // 0: none
};

// The private, file-backed, executable and not writable mapping that holds `address`; nullptr where it lies in none
// such. Reads /proc/self/maps once a module.
const Module* find_module(uint64_t address);
void forget_modules(uint64_t address, uint64_t size);

// At least `need` bytes of padding in whose first `need` a jump can be put, with its start within
// [low, high]; 0: none.
uint64_t find_padding(const Module& module, uint64_t near, uint64_t low, uint64_t high,
                      uint64_t need);

}  // namespace skep::agent
