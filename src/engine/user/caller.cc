#include "engine/user/caller.h"

#include <sys/uio.h>
#include <unistd.h>

namespace skep::engine::user {

Result<> Caller::copy_in(void* to, uint64_t address, size_t size) const {
  if (size == 0) return {};
  iovec local{to, size};
  iovec remote{reinterpret_cast<void*>(address), size};
  if (::process_vm_readv(pid_, &local, 1, &remote, 1, 0) == static_cast<ssize_t>(size)) return {};
  return fail(EFAULT, "{} bytes at {:#x} can't be read", size, address);
}

Result<std::vector<std::byte>> Caller::copy_in(uint64_t address, size_t size) const {
  constexpr size_t kLimit = size_t{1} << 30;
  if (size > kLimit)
    return fail(E2BIG, "{} bytes at {:#x}: the limit is {}", size, address, kLimit);
  std::vector<std::byte> bytes(size);
  SKEP_CHECK(copy_in(bytes.data(), address, size));
  return bytes;
}

Result<std::string> Caller::copy_string_in(uint64_t address, size_t limit, int too_long) const {
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
  return fail(too_long, "no NUL in the string of at most {} bytes at {:#x}", limit, address);
}

Result<> Caller::copy_out(uint64_t address, ByteSpan bytes) const {
  if (bytes.empty()) return {};
  iovec local{const_cast<std::byte*>(bytes.data()), bytes.size()};
  iovec remote{reinterpret_cast<void*>(address), bytes.size()};
  if (::process_vm_writev(pid_, &local, 1, &remote, 1, 0) == static_cast<ssize_t>(bytes.size()))
    return {};
  return fail(EFAULT, "{} bytes at {:#x} can't be written", bytes.size(), address);
}

Result<> Call::take() {
  if (size_ > 4096) return fail(E2BIG, "attributes of {} bytes, the limit is a page", size_);
  SKEP_TRY(bytes, caller_.copy_in(reinterpret_cast<uint64_t>(attr_), size_));
  for (size_t at = kAttrSize; at < bytes.size(); ++at) {
    if (bytes[at] != std::byte{0})
      return fail(E2BIG, "attributes of {} bytes are known, byte {} is set", kAttrSize, at);
  }
  std::memcpy(bytes_, bytes.data(), std::min<size_t>(bytes.size(), kAttrSize));
  return {};
}

}  // namespace skep::engine::user
