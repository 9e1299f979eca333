// Attaching to network interfaces over rtnetlink, where links can't: XDP before 5.9, TC before 6.6 (clsact and a bpf
// filter in direct-action mode).
#pragma once

#include <cstdint>
#include <string>

#include "base/result.h"

namespace skep::engine::kernel {

// ENODEV with the interfaces that there are.
[[nodiscard]] Result<uint32_t> interface_index(const std::string& name);

// prog_fd -1 detaches. Never replaces another's program: EBUSY.
[[nodiscard]] Result<> set_xdp(uint32_t interface, int prog_fd);

struct TcFilter {
  uint32_t interface = 0;
  uint32_t parent = 0;    // ingress or egress of clsact
  uint32_t priority = 0;  // as the kernel chose it
  uint32_t handle = 0;
};
// Makes the clsact queueing discipline where there is none (it stays: others may use it), and a filter.
[[nodiscard]] Result<TcFilter> add_tc_filter(uint32_t interface, bool egress, int prog_fd,
                                             const std::string& name);
Result<> remove_tc_filter(const TcFilter& filter);

}  // namespace skep::engine::kernel
