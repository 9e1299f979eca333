// What DEVMAP, DEVMAP_HASH, CPUMAP and XSKMAP hold: places that XDP programs send frames to. An element is the
// address of a Port in the control segment, 0 where it is empty; only the controlling process writes it
// (control/ports.cc), and it delivers the frames (engine/user/ports.cc). Freestanding.
#pragma once

#include <cstdint>

#include "object/map_header.h"
#include "spec/types.h"

namespace skep::maps {

struct Port {
  // What a program that looks it up sees: struct bpf_devmap_val, bpf_cpumap_val, bpf_xdp_sock.
  uint32_t value;    // interface, queue length, queue number
  uint32_t prog_id;  // of the program that runs there; 0: none
  int32_t socket;    // where frames go: a descriptor of the controlling process; -1: none
  uint32_t reserved;
};

constexpr bool is_port_map(MapType type) {
  return type == MapType::BPF_MAP_TYPE_DEVMAP || type == MapType::BPF_MAP_TYPE_DEVMAP_HASH ||
         type == MapType::BPF_MAP_TYPE_CPUMAP || type == MapType::BPF_MAP_TYPE_XSKMAP;
}

// Flags of bpf_redirect_map() beside the verdict where there is nothing at the key.
inline constexpr uint64_t kRedirectVerdict = 3, kRedirectBroadcast = 8,
                          kRedirectExcludeIngress = 16;

}  // namespace skep::maps
