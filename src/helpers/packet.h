// A packet under a program: PacketView (object/helper_context.h) and the context struct that mirrors it.
// Bounds are checked here and nowhere else. Freestanding.
#pragma once

#include <cstdint>
#include <cstring>

#include "helpers/bodies.h"
#include "spec/context_layout.h"

namespace skep::helpers {

inline constexpr uint64_t kEthernetHeader = 14;
inline constexpr uint64_t kFarthest = 0xffff;  // the kernel's limit of offsets into a packet

// The bytes of the packet from `offset` on, `length` of them; null where they are not all there.
[[nodiscard]] inline uint8_t* packet_bytes(const PacketView& packet, uint64_t offset,
                                           uint64_t length) {
  const auto size = static_cast<uint64_t>(packet.data_end - packet.data);
  if (offset > size || size - offset < length) return nullptr;
  return packet.data + offset;
}

// The context's pointers and length, after the packet has changed.
inline void refresh(spec::SkBuffContext& ctx, const PacketView& packet) {
  ctx.data = reinterpret_cast<uint64_t>(packet.data);
  ctx.data_end = reinterpret_cast<uint64_t>(packet.data_end);
  ctx.data_meta = reinterpret_cast<uint64_t>(packet.data_meta);
  ctx.len = static_cast<uint32_t>(packet.data_end - packet.data);
}
inline void refresh(spec::XdpContext& ctx, const PacketView& packet) {
  ctx.data = reinterpret_cast<uint64_t>(packet.data);
  ctx.data_end = reinterpret_cast<uint64_t>(packet.data_end);
  ctx.data_meta = reinterpret_cast<uint64_t>(packet.data_meta);
}

}  // namespace skep::helpers
