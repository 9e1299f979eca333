// The one bounds-checked reader through which all foreign bytes come (ELF, BTF, packets in tests).
#pragma once

#include <bit>
#include <concepts>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <type_traits>
#include <vector>

#include "base/result.h"

namespace skep {

using ByteSpan = std::span<const std::byte>;

template <class T>
[[nodiscard]] inline T load(const void* from) {
  static_assert(std::is_trivially_copyable_v<T>);
  T value;
  std::memcpy(&value, from, sizeof value);
  return value;
}
template <class T>
inline void store(void* to, const T& value) {
  static_assert(std::is_trivially_copyable_v<T>);
  std::memcpy(to, &value, sizeof value);
}

[[nodiscard]] inline ByteSpan bytes_of(std::string_view text) {
  return std::as_bytes(std::span(text.data(), text.size()));
}
template <class T>
[[nodiscard]] inline ByteSpan bytes_of(const std::vector<T>& items) {
  return std::as_bytes(std::span(items));
}

// A cursorless view: every read names its offset and is checked. `swap` is for bytes of the other
// byte order; integers are swapped as they are read.
class Reader {
 public:
  explicit Reader(ByteSpan bytes, bool swap = false) : bytes_(bytes), swap_(swap) {}

  [[nodiscard]] size_t size() const { return bytes_.size(); }
  [[nodiscard]] ByteSpan bytes() const { return bytes_; }
  [[nodiscard]] bool swaps() const { return swap_; }

  // An integer at `offset`; none where it does not lie wholly inside.
  template <std::integral T>
  [[nodiscard]] std::optional<T> at(size_t offset) const {
    if (offset > bytes_.size() || bytes_.size() - offset < sizeof(T)) return std::nullopt;
    T value = load<T>(bytes_.data() + offset);
    if constexpr (sizeof(T) > 1) {
      if (swap_) value = static_cast<T>(std::byteswap(static_cast<std::make_unsigned_t<T>>(value)));
    }
    return value;
  }
  [[nodiscard]] std::optional<ByteSpan> slice(size_t offset, size_t length) const {
    if (offset > bytes_.size() || bytes_.size() - offset < length) return std::nullopt;
    return bytes_.subspan(offset, length);
  }
  // The NUL-terminated string at `offset`; none where no NUL follows inside.
  [[nodiscard]] std::optional<std::string_view> c_string(size_t offset) const {
    if (offset >= bytes_.size()) return std::nullopt;
    const auto* begin = reinterpret_cast<const char*>(bytes_.data()) + offset;
    const void* end = std::memchr(begin, 0, bytes_.size() - offset);
    if (end == nullptr) return std::nullopt;
    return std::string_view(begin, static_cast<const char*>(end) - begin);
  }

 private:
  ByteSpan bytes_;
  bool swap_;
};

}  // namespace skep
