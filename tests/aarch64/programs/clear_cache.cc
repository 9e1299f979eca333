// qemu-user before 8.1 keeps what it translated of a page when the page changes through another mapping, and takes no
// notice of `ic ivau`. Memory that is used again would run what was there before. So these programs wrap __clear_cache
// (-Wl,--wrap): after the real one, a system call that makes qemu forget the pages and is nothing to Linux.
#include <sys/mman.h>

#include <cstdint>

extern "C" {
void __real___clear_cache(void* begin, void* end);

void __wrap___clear_cache(void* begin, void* end) {
  __real___clear_cache(begin, end);
  constexpr uintptr_t kPage = 4096;
  const uintptr_t first = reinterpret_cast<uintptr_t>(begin) & ~(kPage - 1);
  const uintptr_t last = (reinterpret_cast<uintptr_t>(end) + kPage - 1) & ~(kPage - 1);
  mremap(reinterpret_cast<void*>(first), last - first, last - first, 0);
}
}
