// Reading and writing the traced process's memory. What the host can't read is -EFAULT, and the destination
// is zeroed, so that a program never sees what was there before. Freestanding.
#include <cstring>

#include "helpers/bodies.h"

namespace skep::helpers {

namespace {

int64_t read_into(void* to, uint64_t size, uint64_t from, HelperContext* run) {
  if (size == 0) return 0;
  if (run->host->read_memory(run, to, from, size) == 0) return 0;
  std::memset(to, 0, size);
  return kEfault;
}

}  // namespace

// (void *dst, u32 size, const void *unsafe_ptr). probe_read, probe_read_user and probe_read_kernel are one:
// the process has one address space, and what a kernel would keep apart (its own memory) is in it.
SKEP_HELPER(probe_read) {
  return result(read_into(pointer<void>(r1), static_cast<uint32_t>(r2), r3, run));
}

// The same with a NUL-terminated string: its length with the NUL.
SKEP_HELPER(probe_read_str) {
  auto* to = pointer<char>(r1);
  const uint64_t size = static_cast<uint32_t>(r2);
  if (size == 0) return 0;
  const int64_t length = run->host->read_string(run, to, r3, size);
  if (length >= 0) return result(length);
  std::memset(to, 0, size);
  return result(kEfault);
}

// (void *dst, const void *src, u32 len)
SKEP_HELPER(probe_write_user) {
  return result(
      run->host->write_memory(run, r1, pointer<const void>(r2), static_cast<uint32_t>(r3)) == 0
          ? 0
          : kEfault);
}

// (void *dst, u32 size, const void *user_ptr): sleepable programs; nothing is paged out of our reach.
SKEP_HELPER(copy_from_user) {
  return result(read_into(pointer<void>(r1), static_cast<uint32_t>(r2), r3, run));
}

// (void *dst, u32 size, const void *user_ptr, struct task_struct *tsk, u64 flags): of the traced thread's
// own process only.
SKEP_HELPER(copy_from_user_task) {
  const uint64_t size = static_cast<uint32_t>(r2);
  if (r5 != 0) return result(kEinval);
  if (size == 0) return 0;
  if (r4 == 0 || r4 != get_current_task(0, 0, 0, 0, 0, run)) {
    std::memset(pointer<void>(r1), 0, size);
    return result(kEfault);
  }
  return result(read_into(pointer<void>(r1), size, r3, run));
}

}  // namespace skep::helpers
