// Helpers of XDP programs over a linear packet in a buffer with room at both ends. Freestanding.
#include "helpers/packet.h"

namespace skep::helpers {

namespace {

using spec::XdpContext;

// The largest metadata: a multiple of 4 that fits a byte.
constexpr uint64_t kMostMeta = 252;

}  // namespace

// (struct xdp_md *xdp_md, int delta): the start moves, the metadata before it moves along
SKEP_HELPER(xdp_adjust_head) {
  if (run->packet == nullptr) return result(kEnotsupp);
  PacketView& packet = *run->packet;
  const int64_t delta = static_cast<int32_t>(r2);
  uint8_t* meta = packet.data_meta != nullptr && packet.data_meta <= packet.data ? packet.data_meta
                                                                                 : packet.data;
  const int64_t meta_size = packet.data - meta;
  const int64_t before = meta - packet.head;
  const int64_t size = packet.data_end - packet.data;
  if (delta < -before || delta > size - int64_t{kEthernetHeader}) return result(kEinval);
  if (meta_size > 0) std::memmove(meta + delta, meta, static_cast<uint64_t>(meta_size));
  packet.data += delta;
  packet.data_meta = meta + delta;
  refresh(*pointer<XdpContext>(r1), packet);
  return 0;
}
// (struct xdp_md *xdp_md, int delta): the end moves; what is added is 0
SKEP_HELPER(xdp_adjust_tail) {
  if (run->packet == nullptr) return result(kEnotsupp);
  PacketView& packet = *run->packet;
  const int64_t delta = static_cast<int32_t>(r2);
  const int64_t size = packet.data_end - packet.data, room = packet.end_of_buffer - packet.data_end;
  if (delta > room || size + delta < int64_t{kEthernetHeader}) return result(kEinval);
  if (delta > 0) std::memset(packet.data_end, 0, static_cast<uint64_t>(delta));
  packet.data_end += delta;
  refresh(*pointer<XdpContext>(r1), packet);
  return 0;
}
// (struct xdp_md *xdp_md, int delta): room for metadata before the packet
SKEP_HELPER(xdp_adjust_meta) {
  if (run->packet == nullptr) return result(kEnotsupp);
  PacketView& packet = *run->packet;
  const int64_t delta = static_cast<int32_t>(r2);
  if (packet.data_meta == nullptr || packet.data_meta > packet.data) return result(kEnotsupp);
  const int64_t before = packet.data_meta - packet.head, meta_size = packet.data - packet.data_meta;
  if (delta < -before || delta > meta_size) return result(kEinval);
  const auto size = static_cast<uint64_t>(meta_size - delta);
  if (size % 4 != 0 || size > kMostMeta) return result(kEacces);
  packet.data_meta += delta;
  refresh(*pointer<XdpContext>(r1), packet);
  return 0;
}
SKEP_HELPER(xdp_get_buff_len) {
  if (run->packet == nullptr) return 0;
  return static_cast<uint64_t>(run->packet->data_end - run->packet->data);
}

namespace {

// The slice, or the kernel's error for one that is not there.
int64_t slice_of(HelperContext* run, uint64_t offset, uint64_t length, uint8_t*& slice) {
  if (run->packet == nullptr) return kEnotsupp;
  if (offset > kFarthest || length > kFarthest) return kEfault;
  slice = packet_bytes(*run->packet, offset, length);
  return slice != nullptr ? 0 : kEinval;
}

}  // namespace

// (struct xdp_md *xdp_md, u32 offset, void *buf, u32 len)
SKEP_HELPER(xdp_load_bytes) {
  uint8_t* slice = nullptr;
  const uint64_t length = static_cast<uint32_t>(r4);
  const int64_t error = slice_of(run, static_cast<uint32_t>(r2), length, slice);
  if (error != 0) {
    std::memset(pointer<void>(r3), 0, length);
  } else {
    std::memcpy(pointer<void>(r3), slice, length);
  }
  return result(error);
}
SKEP_HELPER(xdp_store_bytes) {
  uint8_t* slice = nullptr;
  const uint64_t length = static_cast<uint32_t>(r4);
  const int64_t error = slice_of(run, static_cast<uint32_t>(r2), length, slice);
  if (error == 0) std::memcpy(slice, pointer<const void>(r3), length);
  return result(error);
}

}  // namespace skep::helpers
