// Dynptrs: object/dynptr.h draws them. Those of ring buffers are made in maps/ringbuf.cc. Freestanding.
#include "object/dynptr.h"

#include <cstring>

#include "helpers/bodies.h"

namespace skep::helpers {

// (void *data, u64 size, u64 flags, struct bpf_dynptr *ptr)
SKEP_HELPER(dynptr_from_mem) {
  auto* made = pointer<Dynptr>(r4);
  *made = {};
  if (r2 > Dynptr::kLargest) return result(kE2big);
  if (r3 != 0) return result(kEinval);
  *made = {r1, 0, static_cast<uint32_t>(r2) | Dynptr::kLocal};
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
