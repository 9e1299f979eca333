// Helpers of __sk_buff programs (socket filters, tc, cgroup_skb) over a linear packet. Freestanding.
#include "helpers/packet.h"

namespace skep::helpers {

namespace {

using spec::SkBuffContext;

constexpr uint64_t kLongest = 65535 + kEthernetHeader;

int64_t load_from(const uint8_t* from, void* to, uint64_t length) {
  if (from == nullptr) {
    std::memset(to, 0, length);
    return kEfault;
  }
  std::memcpy(to, from, length);
  return 0;
}

// `room` zero bytes before the packet, which begins `room` earlier then; the headers stay where they are.
bool push_head(PacketView& packet, uint64_t room) {
  if (static_cast<uint64_t>(packet.data - packet.head) < room) return false;
  packet.data -= room;
  if (packet.data_meta > packet.data)
    packet.data_meta = packet.data;  // metadata lay there: it is gone
  std::memset(packet.data, 0, room);
  return true;
}

}  // namespace

// (const void *skb, u32 offset, void *to, u32 len)
SKEP_HELPER(skb_load_bytes) {
  const uint64_t offset = static_cast<uint32_t>(r2), length = static_cast<uint32_t>(r4);
  const bool near = run->packet != nullptr && offset <= 0x7fff'ffff;
  return result(load_from(near ? packet_bytes(*run->packet, offset, length) : nullptr,
                          pointer<void>(r3), length));
}
// (const void *skb, u32 offset, void *to, u32 len, u32 start_header): 0 counts from the MAC header, 1 from
// the network header
SKEP_HELPER(skb_load_bytes_relative) {
  const uint64_t offset = static_cast<uint32_t>(r2), length = static_cast<uint32_t>(r4);
  const uint8_t* from = nullptr;
  if (run->packet != nullptr && offset <= kFarthest && static_cast<uint32_t>(r5) <= 1) {
    const PacketView& packet = *run->packet;
    const uint8_t* start =
        static_cast<uint32_t>(r5) == 0 ? packet.mac_header : packet.network_header;
    if (start != nullptr && start >= packet.head && start <= packet.data_end) {
      const auto rest = static_cast<uint64_t>(packet.data_end - start);
      if (offset <= rest && rest - offset >= length) from = start + offset;
    }
  }
  return result(load_from(from, pointer<void>(r3), length));
}
// (struct __sk_buff *skb, u32 offset, const void *from, u32 len, u64 flags)
SKEP_HELPER(skb_store_bytes) {
  constexpr uint64_t kRecomputeChecksum = 1, kInvalidateHash = 2;
  const uint64_t offset = static_cast<uint32_t>(r2), length = static_cast<uint32_t>(r4);
  if ((r5 & ~(kRecomputeChecksum | kInvalidateHash)) != 0) return result(kEinval);
  if (run->packet == nullptr || offset > 0x7fff'ffff) return result(kEfault);
  uint8_t* to = packet_bytes(*run->packet, offset, length);
  if (to == nullptr) return result(kEfault);
  std::memcpy(to, pointer<const void>(r3), length);
  if ((r5 & kInvalidateHash) != 0) pointer<SkBuffContext>(r1)->hash = 0;
  return 0;
}
// (struct __sk_buff *skb, u32 len): all of it is linear and writable already
SKEP_HELPER(skb_pull_data) {
  if (run->packet == nullptr) return result(kEnotsupp);
  return packet_bytes(*run->packet, 0, static_cast<uint32_t>(r2)) != nullptr ? 0 : result(kEnomem);
}
// (struct __sk_buff *skb, u32 len, u64 flags): cut, or grown with zeros
SKEP_HELPER(skb_change_tail) {
  const uint64_t length = static_cast<uint32_t>(r2);
  if (run->packet == nullptr) return result(kEnotsupp);
  PacketView& packet = *run->packet;
  const uint64_t headers =
      packet.network_header > packet.data && packet.network_header <= packet.data_end
          ? static_cast<uint64_t>(packet.network_header - packet.data)
          : 0;
  if (r3 != 0 || length > kLongest || length < headers) return result(kEinval);
  if (static_cast<uint64_t>(packet.end_of_buffer - packet.data) < length) return result(kEnomem);
  uint8_t* end = packet.data + length;
  if (end > packet.data_end)
    std::memset(packet.data_end, 0, static_cast<uint64_t>(end - packet.data_end));
  packet.data_end = end;
  refresh(*pointer<SkBuffContext>(r1), packet);
  return 0;
}
// (struct __sk_buff *skb, u32 len, u64 flags): zeros before the packet, where a new MAC header begins
SKEP_HELPER(skb_change_head) {
  const uint64_t room = static_cast<uint32_t>(r2);
  if (run->packet == nullptr) return result(kEnotsupp);
  PacketView& packet = *run->packet;
  const auto length = static_cast<uint64_t>(packet.data_end - packet.data);
  if (r3 != 0 || room > 0x7fff'ffff || length + room > kLongest) return result(kEinval);
  if (!push_head(packet, room)) return result(kEnomem);
  packet.mac_header = packet.data;
  refresh(*pointer<SkBuffContext>(r1), packet);
  return 0;
}
// (struct __sk_buff *skb, u32 type): PACKET_HOST to PACKET_OTHERHOST, from one of them
SKEP_HELPER(skb_change_type) {
  constexpr uint32_t kOtherHost = 3;
  auto* ctx = pointer<SkBuffContext>(r1);
  if (ctx->pkt_type > kOtherHost || static_cast<uint32_t>(r2) > kOtherHost) return result(kEinval);
  ctx->pkt_type = static_cast<uint32_t>(r2);
  return 0;
}

namespace {

constexpr uint16_t kVlan = 0x8100, kServiceVlan = 0x88a8;
constexpr uint64_t kVlanTag = 4, kAddresses = 12;

constexpr uint16_t swapped(uint16_t value) {
  return static_cast<uint16_t>(value << 8 | value >> 8);
}
uint16_t load_be16(const uint8_t* from) { return static_cast<uint16_t>(from[0] << 8 | from[1]); }
void store_be16(uint8_t* to, uint16_t value) {
  to[0] = static_cast<uint8_t>(value >> 8);
  to[1] = static_cast<uint8_t>(value);
}
bool is_vlan(uint16_t protocol) { return protocol == kVlan || protocol == kServiceVlan; }

// Puts the tag that the context holds into the packet, behind the two addresses.
int64_t insert_tag(PacketView& packet, const SkBuffContext& ctx) {
  if (packet_bytes(packet, 0, kEthernetHeader) == nullptr) return kEinval;
  if (!push_head(packet, kVlanTag)) return kEnomem;
  std::memmove(packet.data, packet.data + kVlanTag, kAddresses);
  store_be16(packet.data + kAddresses, swapped(static_cast<uint16_t>(ctx.vlan_proto)));
  store_be16(packet.data + kAddresses + 2, static_cast<uint16_t>(ctx.vlan_tci));
  packet.mac_header = packet.data;
  return 0;
}
// The opposite: the packet's outermost tag moves to the context.
void extract_tag(PacketView& packet, SkBuffContext& ctx) {
  ctx.vlan_present = 1;
  ctx.vlan_proto = swapped(load_be16(packet.data + kAddresses));
  ctx.vlan_tci = load_be16(packet.data + kAddresses + 2);
  std::memmove(packet.data + kVlanTag, packet.data, kAddresses);
  packet.data += kVlanTag;
  packet.mac_header = packet.data;
}
bool starts_with_tag(const PacketView& packet) {
  const uint8_t* header = packet_bytes(packet, 0, kEthernetHeader + kVlanTag);
  return header != nullptr && is_vlan(load_be16(header + kAddresses));
}

}  // namespace

// (struct __sk_buff *skb, __be16 vlan_proto, u16 vlan_tci): the outermost tag is kept beside the packet, as
// network cards do; one that was there goes into it.
SKEP_HELPER(skb_vlan_push) {
  auto* ctx = pointer<SkBuffContext>(r1);
  uint16_t protocol = swapped(static_cast<uint16_t>(r2));
  if (run->packet == nullptr) return result(kEnotsupp);
  if (!is_vlan(protocol)) protocol = kVlan;
  if (ctx->vlan_present != 0) {
    if (const int64_t error = insert_tag(*run->packet, *ctx); error != 0) return result(error);
  }
  ctx->vlan_present = 1;
  ctx->vlan_proto = swapped(protocol);
  ctx->vlan_tci = static_cast<uint16_t>(r3);
  refresh(*ctx, *run->packet);
  return 0;
}
SKEP_HELPER(skb_vlan_pop) {
  auto* ctx = pointer<SkBuffContext>(r1);
  if (run->packet == nullptr) return result(kEnotsupp);
  PacketView& packet = *run->packet;
  if (ctx->vlan_present == 0) {
    if (!starts_with_tag(packet)) return 0;
    extract_tag(packet, *ctx);
  }
  ctx->vlan_present = ctx->vlan_proto = ctx->vlan_tci = 0;
  if (starts_with_tag(packet)) extract_tag(packet, *ctx);  // the next one becomes the outermost
  refresh(*ctx, packet);
  return 0;
}

// (struct __sk_buff *skb): of the bytes that make a flow: addresses and ports lie in the first 64. FNV-1a.
SKEP_HELPER(get_hash_recalc) {
  auto* ctx = pointer<SkBuffContext>(r1);
  if (ctx->hash != 0 || run->packet == nullptr) return ctx->hash;
  uint32_t hash = 2166136261u;
  const PacketView& packet = *run->packet;
  for (const uint8_t* at = packet.data; at < packet.data_end && at < packet.data + 64; at++)
    hash = (hash ^ *at) * 16777619u;
  ctx->hash = hash != 0 ? hash : 1;
  return ctx->hash;
}
SKEP_HELPER(set_hash_invalid) {
  pointer<SkBuffContext>(r1)->hash = 0;
  return 0;
}
SKEP_HELPER(set_hash) {
  pointer<SkBuffContext>(r1)->hash = static_cast<uint32_t>(r2);
  return 0;
}

}  // namespace skep::helpers
