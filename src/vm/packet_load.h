// What BPF_LD_ABS and BPF_LD_IND load: the interpreter and the JIT agree on it by sharing this.
//
// Offsets from 0 count from the packet's first byte. Negative ones are classic BPF's special places:
// from SKF_LL_OFF they count from the link-layer header, from SKF_NET_OFF from the network header. In a PacketView
// the link-layer header is the packet's first byte, and the network header the 15th (Ethernet).
// What does not lie wholly inside the packet is not loaded: the program (the subprogram) then exits with 0.
//
// Freestanding.
#pragma once

#include <cstdint>

#include "object/helper_context.h"

namespace skep::vm {

inline constexpr int32_t kSkfNetOff = -0x100000, kSkfLlOff = -0x200000;
inline constexpr int32_t kEthernetHeader = 14;

// Loads 1, 2 or 4 bytes in network order at `offset` into `out`; false where they are not there.
[[nodiscard]] inline bool load_packet(const PacketView* packet, int32_t offset, unsigned size,
                                      uint64_t& out) {
  if (packet == nullptr || packet->data == nullptr) return false;
  int64_t at = offset;
  if (at < 0) {
    if (at >= kSkfNetOff)
      at += -int64_t{kSkfNetOff} + kEthernetHeader;
    else if (at >= kSkfLlOff)
      at -= kSkfLlOff;
    else
      return false;
  }
  const int64_t length = packet->data_end - packet->data;
  if (at > length || length - at < static_cast<int64_t>(size)) return false;
  uint64_t value = 0;
  for (unsigned i = 0; i < size; ++i) value = value << 8 | packet->data[at + i];
  out = value;
  return true;
}

}  // namespace skep::vm
