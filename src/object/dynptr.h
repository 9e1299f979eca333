// struct bpf_dynptr as it lies on a program's stack, where only helpers write it (the kernel's struct
// bpf_dynptr_kern):
//
//   u64 data (0: null) | u32 offset | u32 size (24 bits) | type (bits 28-30) | read-only (bit 31)
//
// For helpers/ and maps/. Freestanding.
#pragma once

#include <cstdint>

namespace skep {

struct Dynptr {
  static constexpr uint32_t kLargest = 0xff'ffff, kLocal = 1u << 28, kRingbuf = 2u << 28,
                            kSkb = 3u << 28, kXdp = 4u << 28;

  uint64_t data;
  uint32_t offset;
  uint32_t size_and_kind;
  [[nodiscard]] uint32_t size() const { return size_and_kind & kLargest; }
  [[nodiscard]] bool read_only() const { return (size_and_kind >> 31) != 0; }
  [[nodiscard]] uint32_t kind() const { return size_and_kind & 7u << 28; }
  // `data` is the run's PacketView, and offsets count from where the packet begins now.
  [[nodiscard]] bool of_packet() const { return kind() == kSkb || kind() == kXdp; }
  // `length` bytes at `at` lie inside.
  [[nodiscard]] bool holds(uint64_t at, uint64_t length) const {
    return length <= size() && at <= size() - length;
  }
  [[nodiscard]] uint8_t* at(uint64_t where) const {
    return reinterpret_cast<uint8_t*>(data) + offset + where;
  }
};
static_assert(sizeof(Dynptr) == 16);

}  // namespace skep
