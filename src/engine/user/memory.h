// The caller's memory, as a kernel would treat it: addresses in attributes are checked by being used through
// process_vm_readv/writev(2), so a wild pointer is EFAULT and never a crash.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "base/bytes.h"
#include "base/result.h"

namespace skep::engine::user {

[[nodiscard]] Result<> copy_in(void* to, uint64_t address, size_t size);
[[nodiscard]] Result<std::vector<std::byte>> copy_in(uint64_t address, size_t size);
// At most `limit` bytes with the NUL; EFAULT, or EINVAL where no NUL is there.
[[nodiscard]] Result<std::string> copy_string_in(uint64_t address, size_t limit);
[[nodiscard]] Result<> copy_out(uint64_t address, ByteSpan bytes);

// Reads an attribute of `size` bytes into Attr, which is zero where the caller's is shorter. E2BIG where it is
// longer and not zero there.
template <class Attr>
[[nodiscard]] Result<Attr> read_attr(const void* attr, uint32_t size) {
  Attr out{};
  auto bytes = copy_in(reinterpret_cast<uint64_t>(attr), size);
  if (!bytes) return fail(bytes);
  std::memcpy(&out, bytes->data(), std::min<size_t>(size, sizeof out));
  for (size_t at = sizeof out; at < bytes->size(); ++at) {
    if ((*bytes)[at] != std::byte{0})
      return fail(E2BIG, "attributes of {} bytes are known, byte {} is set", sizeof out, at);
  }
  return out;
}
// Gives back what a command writes into its attribute.
template <class Attr>
[[nodiscard]] Result<> write_attr(void* attr, uint32_t size, const Attr& value) {
  return copy_out(
      reinterpret_cast<uint64_t>(attr),
      ByteSpan(reinterpret_cast<const std::byte*>(&value), std::min<size_t>(size, sizeof value)));
}

}  // namespace skep::engine::user
