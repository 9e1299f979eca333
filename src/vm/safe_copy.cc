#include "vm/safe_copy.h"

#include "vm/fault_table.h"

// One `rep movsb`: when it faults, rcx says how many bytes are left, and nothing else has to be undone.
#if defined(__x86_64__) || defined(__aarch64__)
extern "C" {
size_t skep_safe_copy(void* to, const void* from, size_t size);
extern const char skep_safe_copy_load[], skep_safe_copy_end[];
}
#if defined(__x86_64__)
asm(R"(
  .pushsection .text.skep_safe_copy, "ax", @progbits
  .globl skep_safe_copy, skep_safe_copy_load, skep_safe_copy_end
  .hidden skep_safe_copy, skep_safe_copy_load, skep_safe_copy_end
  .type skep_safe_copy, @function
skep_safe_copy:
  mov %rdx, %rcx
skep_safe_copy_load:
  rep movsb
skep_safe_copy_end:
  mov %rcx, %rax
  ret
  .size skep_safe_copy, . - skep_safe_copy
  .popsection
)");
#else
// A byte at a time; when a load faults, x3 says how many bytes are left.
asm(R"(
  .pushsection .text.skep_safe_copy, "ax", @progbits
  .globl skep_safe_copy, skep_safe_copy_load, skep_safe_copy_end
  .hidden skep_safe_copy, skep_safe_copy_load, skep_safe_copy_end
  .type skep_safe_copy, @function
skep_safe_copy:
  mov x3, x2
1:
  cbz x3, skep_safe_copy_end
skep_safe_copy_load:
  ldrb w4, [x1], #1
  strb w4, [x0], #1
  sub x3, x3, #1
  b 1b
skep_safe_copy_end:
  mov x0, x3
  ret
  .size skep_safe_copy, . - skep_safe_copy
  .popsection
)");
#endif

namespace skep::vm {

size_t safe_copy(void* to, const void* from, size_t size) { return skep_safe_copy(to, from, size); }

uint64_t fix_fault(uint64_t rip) {
  const auto code = reinterpret_cast<uint64_t>(&skep_safe_copy);
  const auto load = static_cast<uint32_t>(reinterpret_cast<uint64_t>(skep_safe_copy_load) - code);
  const auto end = static_cast<uint32_t>(reinterpret_cast<uint64_t>(skep_safe_copy_end) - code);
  const FaultPair table[] = {{load, end}};
  return find_fixup(table, 1, code, end + 1, rip);
}

}  // namespace skep::vm
#else
#error "safe_copy: write the copy loop and its fault table for this architecture"
#endif
