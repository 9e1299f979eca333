// Dynptrs to local memory. A dynptr lies on the program's stack, where only helpers write it:
//
//   struct bpf_dynptr { u64 data; u32 offset; u32 size | type << 28 | read_only << 31; }
//
// with data 0 where it is null. Freestanding.
#include <cstring>

#include "helpers/bodies.h"

namespace skep::helpers {

namespace {

struct Dynptr {
  uint64_t data;
  uint32_t offset;
  uint32_t size_and_kind;
  [[nodiscard]] uint32_t size() const { return size_and_kind & 0xff'ffff; }
  [[nodiscard]] bool read_only() const { return (size_and_kind >> 31) != 0; }
  // `length` bytes at `at` lie inside.
  [[nodiscard]] bool holds(uint64_t at, uint64_t length) const {
    return length <= size() && at <= size() - length;
  }
  [[nodiscard]] uint8_t* at(uint64_t where) const {
    return pointer<uint8_t>(data) + offset + where;
  }
};
static_assert(sizeof(Dynptr) == 16);
constexpr uint32_t kLargest = 0xff'ffff, kLocal = 1u << 28;

}  // namespace

// (void *data, u64 size, u64 flags, struct bpf_dynptr *ptr)
SKEP_HELPER(dynptr_from_mem) {
  auto* made = pointer<Dynptr>(r4);
  *made = {};
  if (r2 > kLargest) return result(kE2big);
  if (r3 != 0) return result(kEinval);
  *made = {r1, 0, static_cast<uint32_t>(r2) | kLocal};
  return 0;
}
// (void *dst, u64 len, const struct bpf_dynptr *src, u64 offset, u64 flags)
SKEP_HELPER(dynptr_read) {
  const auto* from = pointer<const Dynptr>(r3);
  if (from->data == 0 || r5 != 0) return result(kEinval);
  if (!from->holds(r4, r2)) return result(kE2big);
  std::memmove(pointer<void>(r1), from->at(r4), r2);
  return 0;
}
// (const struct bpf_dynptr *dst, u64 offset, void *src, u64 len, u64 flags)
SKEP_HELPER(dynptr_write) {
  const auto* to = pointer<const Dynptr>(r1);
  if (to->data == 0 || to->read_only() || r5 != 0) return result(kEinval);
  if (!to->holds(r2, r4)) return result(kE2big);
  std::memmove(to->at(r2), pointer<const void>(r3), r4);
  return 0;
}
// (const struct bpf_dynptr *ptr, u64 offset, u64 len): a pointer to the slice, or NULL
SKEP_HELPER(dynptr_data) {
  const auto* of = pointer<const Dynptr>(r1);
  if (of->data == 0 || of->read_only() || !of->holds(r2, r3)) return 0;
  return reinterpret_cast<uint64_t>(of->at(r2));
}

}  // namespace skep::helpers
