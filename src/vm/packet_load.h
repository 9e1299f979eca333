// What BPF_LD_ABS and BPF_LD_IND load. The JIT emits the same.
//
// Offsets from 0 count from the packet's first byte; from SKF_NET_OFF (-0x100000) they count from the network
// header, from SKF_LL_OFF (-0x200000) from the link-layer header, where the PacketView has one. What does not lie
// wholly before data_end is not loaded: the program (the subprogram) then exits with 0.
//
// Freestanding.
#pragma once

#include <cstdint>

#include "object/helper_context.h"

namespace skep::vm {

inline constexpr int32_t kSkfNetOff = -0x100000, kSkfLlOff = -0x200000;

// Loads 1, 2 or 4 bytes in network order at `offset` into `out`; false where they are not there.
[[nodiscard]] inline bool load_packet(const PacketView* packet, int32_t offset, unsigned size,
                                      uint64_t& out) {
  if (packet == nullptr) return false;
  const uint8_t* from = packet->data;
  int64_t at = offset;
  if (at < 0) {
    const bool network = at >= kSkfNetOff;
    from = network ? packet->network_header : packet->mac_header;
    at -= network ? kSkfNetOff : kSkfLlOff;
  }
  if (from == nullptr || at < 0 || packet->data_end - from - at < static_cast<int64_t>(size))
    return false;
  uint64_t value = 0;
  for (unsigned i = 0; i < size; ++i) value = value << 8 | from[at + i];
  out = value;
  return true;
}

}  // namespace skep::vm
