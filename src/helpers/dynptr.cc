// Dynptrs: object/dynptr.h draws them. Those of ring buffers are made in maps/ringbuf.cc. Freestanding.
#include "object/dynptr.h"

#include <cstring>

#include "helpers/kfuncs.h"

namespace skep::helpers {
namespace {

// `length` bytes at `at`, or null. A packet's may have moved, or become shorter, since the dynptr was made.
uint8_t* bytes_of(const Dynptr& dynptr, uint64_t at, uint64_t length) {
  if (!dynptr.holds(at, length)) return nullptr;
  if (!dynptr.of_packet()) return dynptr.at(at);
  const auto& packet = *pointer<const PacketView>(dynptr.data);
  const auto size = static_cast<uint64_t>(packet.data_end - packet.data);
  const uint64_t from = dynptr.offset + at;
  return length <= size && from <= size - length ? packet.data + from : nullptr;
}

uint64_t from_packet(uint64_t flags, uint64_t to, uint32_t kind, HelperContext* run) {
  auto* made = pointer<Dynptr>(to);
  *made = {};
  if (flags != 0) return result(kEinval);
  if (run->packet == nullptr) return result(kEinval);
  const auto size = static_cast<uint64_t>(run->packet->data_end - run->packet->data);
  if (size > Dynptr::kLargest) return result(kE2big);
  *made = {reinterpret_cast<uint64_t>(run->packet), 0, static_cast<uint32_t>(size) | kind};
  return 0;
}

uint64_t slice(const Dynptr& dynptr, uint64_t at, uint64_t length) {
  if (dynptr.data == 0) return 0;
  return reinterpret_cast<uint64_t>(bytes_of(dynptr, at, length));
}

// (dynptr, offset, size, pointer): memory that may fault, into the dynptr's
int64_t probe_read(uint64_t dynptr, uint64_t at, uint64_t size, uint64_t from, bool text,
                   HelperContext* run) {
  const auto& to = *pointer<const Dynptr>(dynptr);
  if (to.data == 0 || to.read_only()) return kEinval;
  uint8_t* bytes = bytes_of(to, at, size);
  if (bytes == nullptr) return kE2big;
  return text ? run->host->read_string(run, bytes, from, size)
              : run->host->read_memory(run, bytes, from, size);
}

}  // namespace

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
  const auto& from = *pointer<const Dynptr>(r3);
  if (from.data == 0 || r5 != 0) return result(kEinval);
  const uint8_t* bytes = bytes_of(from, r4, r2);
  if (bytes == nullptr) return result(kE2big);
  std::memmove(pointer<void>(r1), bytes, r2);
  return 0;
}
// (const struct bpf_dynptr *dst, u64 offset, void *src, u64 len, u64 flags)
SKEP_HELPER(dynptr_write) {
  const auto& to = *pointer<const Dynptr>(r1);
  // A packet's flags are those of bpf_skb_store_bytes(), which keeps no checksum here.
  if (to.data == 0 || to.read_only() || (r5 != 0 && to.kind() != Dynptr::kSkb))
    return result(kEinval);
  uint8_t* bytes = bytes_of(to, r2, r4);
  if (bytes == nullptr) return result(kE2big);
  std::memmove(bytes, pointer<const void>(r3), r4);
  return 0;
}
// (const struct bpf_dynptr *ptr, u64 offset, u64 len): a pointer to the slice, or NULL
SKEP_HELPER(dynptr_data) {
  const auto& of = *pointer<const Dynptr>(r1);
  if (of.data == 0 || of.read_only() || of.of_packet() || !of.holds(r2, r3)) return 0;
  return reinterpret_cast<uint64_t>(of.at(r2));
}

SKEP_HELPER(bpf_dynptr_from_skb) { return from_packet(r2, r3, Dynptr::kSkb, run); }
SKEP_HELPER(bpf_dynptr_from_xdp) { return from_packet(r2, r3, Dynptr::kXdp, run); }

// (struct bpf_dynptr *p, u64 start, u64 end)
SKEP_HELPER(bpf_dynptr_adjust) {
  auto& of = *pointer<Dynptr>(r1);
  if (of.data == 0 || r2 > r3) return result(kEinval);
  if (r2 > of.size() || r3 > of.size()) return result(kErange);
  of.offset += static_cast<uint32_t>(r2);
  of.size_and_kind = (of.size_and_kind & ~Dynptr::kLargest) | static_cast<uint32_t>(r3 - r2);
  return 0;
}
SKEP_HELPER(bpf_dynptr_is_null) { return pointer<const Dynptr>(r1)->data == 0; }
SKEP_HELPER(bpf_dynptr_is_rdonly) {
  const auto& of = *pointer<const Dynptr>(r1);
  return of.data != 0 && of.read_only();
}
SKEP_HELPER(bpf_dynptr_size) {
  const auto& of = *pointer<const Dynptr>(r1);
  return of.data == 0 ? result(kEinval) : of.size();
}
SKEP_HELPER(bpf_dynptr_clone) {
  *pointer<Dynptr>(r2) = *pointer<const Dynptr>(r1);
  return pointer<const Dynptr>(r1)->data == 0 ? result(kEinval) : 0;
}
// (p, offset, buffer or NULL, size): all memory of the user engine is in one piece, so that no buffer is needed
SKEP_HELPER(bpf_dynptr_slice) { return slice(*pointer<const Dynptr>(r1), r2, r4); }
SKEP_HELPER(bpf_dynptr_slice_rdwr) {
  const auto& of = *pointer<const Dynptr>(r1);
  return of.read_only() ? 0 : slice(of, r2, r4);
}
// (dst, dst_off, src, src_off, size)
SKEP_HELPER(bpf_dynptr_copy) {
  const auto &to = *pointer<const Dynptr>(r1), &from = *pointer<const Dynptr>(r3);
  if (to.data == 0 || from.data == 0 || to.read_only()) return result(kEinval);
  uint8_t* out = bytes_of(to, r2, r5);
  const uint8_t* in = bytes_of(from, r4, r5);
  if (out == nullptr || in == nullptr) return result(kE2big);
  std::memmove(out, in, r5);
  return 0;
}
// (p, offset, size, value)
SKEP_HELPER(bpf_dynptr_memset) {
  const auto& to = *pointer<const Dynptr>(r1);
  if (to.data == 0 || to.read_only()) return result(kEinval);
  uint8_t* bytes = bytes_of(to, r2, r3);
  if (bytes == nullptr) return result(kE2big);
  std::memset(bytes, static_cast<int>(r4 & 0xff), r3);
  return 0;
}
SKEP_HELPER(bpf_probe_read_user_dynptr) { return result(probe_read(r1, r2, r3, r4, false, run)); }
SKEP_HELPER(bpf_probe_read_kernel_dynptr) { return result(probe_read(r1, r2, r3, r4, false, run)); }
SKEP_HELPER(bpf_probe_read_user_str_dynptr) {
  return result(probe_read(r1, r2, r3, r4, true, run));
}
SKEP_HELPER(bpf_probe_read_kernel_str_dynptr) {
  return result(probe_read(r1, r2, r3, r4, true, run));
}

}  // namespace skep::helpers
