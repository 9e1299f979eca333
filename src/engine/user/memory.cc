#include "engine/user/memory.h"

#include <sys/uio.h>
#include <unistd.h>

#include <algorithm>

namespace skep::engine::user {

Result<> copy_in(void* to, uint64_t address, size_t size) {
  if (size == 0) return {};
  iovec local{to, size};
  iovec remote{reinterpret_cast<void*>(address), size};
  if (::process_vm_readv(::getpid(), &local, 1, &remote, 1, 0) == static_cast<ssize_t>(size))
    return {};
  return fail(EFAULT, "{} bytes at {:#x} can't be read", size, address);
}

Result<std::vector<std::byte>> copy_in(uint64_t address, size_t size) {
  constexpr size_t kLimit = size_t{1} << 30;
  if (size > kLimit)
    return fail(E2BIG, "{} bytes at {:#x}: the limit is {}", size, address, kLimit);
  std::vector<std::byte> bytes(size);
  SKEP_CHECK(copy_in(bytes.data(), address, size));
  return bytes;
}

Result<std::string> copy_string_in(uint64_t address, size_t limit) {
  std::string text;
  constexpr uint64_t kPage = 4096;
  while (text.size() < limit) {
    uint64_t at = address + text.size();
    size_t part = std::min<size_t>(limit - text.size(), kPage - at % kPage);
    SKEP_TRY(bytes, copy_in(at, part));
    const auto* begin = reinterpret_cast<const char*>(bytes.data());
    const void* end = std::memchr(begin, 0, part);
    if (end != nullptr) return text.append(begin, static_cast<const char*>(end));
    text.append(begin, part);
  }
  return fail(EINVAL, "no NUL in the string of at most {} bytes at {:#x}", limit, address);
}

Result<> copy_out(uint64_t address, ByteSpan bytes) {
  if (bytes.empty()) return {};
  iovec local{const_cast<std::byte*>(bytes.data()), bytes.size()};
  iovec remote{reinterpret_cast<void*>(address), bytes.size()};
  if (::process_vm_writev(::getpid(), &local, 1, &remote, 1, 0) ==
      static_cast<ssize_t>(bytes.size()))
    return {};
  return fail(EFAULT, "{} bytes at {:#x} can't be written", bytes.size(), address);
}

}  // namespace skep::engine::user
