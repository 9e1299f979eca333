#include "spec/requirements.h"

#include <iterator>

namespace skep::spec {
namespace {

constexpr KernelVersion v(unsigned major, unsigned minor) { return kernel_version(major, minor); }
constexpr uint8_t kNet = kCapBpf | kCapNetAdmin, kPerf = kCapBpf | kCapPerfmon;

// clang-format off
constexpr ProgTypeNeeds kProgTypeNeeds[] = {
    {ProgType::BPF_PROG_TYPE_UNSPEC, kCapBpf, ""},
    {ProgType::BPF_PROG_TYPE_SOCKET_FILTER, kCapBpf, "CONFIG_NET"},
    {ProgType::BPF_PROG_TYPE_KPROBE, kPerf, "CONFIG_BPF_EVENTS"},
    {ProgType::BPF_PROG_TYPE_SCHED_CLS, kNet, "CONFIG_NET_CLS_BPF"},
    {ProgType::BPF_PROG_TYPE_SCHED_ACT, kNet, "CONFIG_NET_ACT_BPF"},
    {ProgType::BPF_PROG_TYPE_TRACEPOINT, kPerf, "CONFIG_BPF_EVENTS CONFIG_TRACEPOINTS"},
    {ProgType::BPF_PROG_TYPE_XDP, kNet, "CONFIG_NET"},
    {ProgType::BPF_PROG_TYPE_PERF_EVENT, kPerf, "CONFIG_BPF_EVENTS CONFIG_PERF_EVENTS"},
    {ProgType::BPF_PROG_TYPE_CGROUP_SKB, kCapBpf, "CONFIG_CGROUP_BPF"},
    {ProgType::BPF_PROG_TYPE_CGROUP_SOCK, kNet, "CONFIG_CGROUP_BPF"},
    {ProgType::BPF_PROG_TYPE_LWT_IN, kNet, "CONFIG_LWTUNNEL_BPF"},
    {ProgType::BPF_PROG_TYPE_LWT_OUT, kNet, "CONFIG_LWTUNNEL_BPF"},
    {ProgType::BPF_PROG_TYPE_LWT_XMIT, kNet, "CONFIG_LWTUNNEL_BPF"},
    {ProgType::BPF_PROG_TYPE_SOCK_OPS, kNet, "CONFIG_CGROUP_BPF"},
    {ProgType::BPF_PROG_TYPE_SK_SKB, kNet, "CONFIG_NET_SOCK_MSG"},
    {ProgType::BPF_PROG_TYPE_CGROUP_DEVICE, kNet, "CONFIG_CGROUP_BPF"},
    {ProgType::BPF_PROG_TYPE_SK_MSG, kNet, "CONFIG_NET_SOCK_MSG"},
    {ProgType::BPF_PROG_TYPE_RAW_TRACEPOINT, kPerf, "CONFIG_BPF_EVENTS CONFIG_TRACEPOINTS"},
    {ProgType::BPF_PROG_TYPE_CGROUP_SOCK_ADDR, kNet, "CONFIG_CGROUP_BPF"},
    {ProgType::BPF_PROG_TYPE_LWT_SEG6LOCAL, kNet, "CONFIG_IPV6_SEG6_BPF"},
    {ProgType::BPF_PROG_TYPE_LIRC_MODE2, kCapBpf | kCapNetAdmin, "CONFIG_BPF_LIRC_MODE2"},
    {ProgType::BPF_PROG_TYPE_SK_REUSEPORT, kCapBpf, "CONFIG_INET"},
    {ProgType::BPF_PROG_TYPE_FLOW_DISSECTOR, kNet, "CONFIG_NET"},
    {ProgType::BPF_PROG_TYPE_CGROUP_SYSCTL, kNet, "CONFIG_CGROUP_BPF"},
    {ProgType::BPF_PROG_TYPE_RAW_TRACEPOINT_WRITABLE, kPerf, "CONFIG_BPF_EVENTS CONFIG_TRACEPOINTS"},
    {ProgType::BPF_PROG_TYPE_CGROUP_SOCKOPT, kNet, "CONFIG_CGROUP_BPF"},
    {ProgType::BPF_PROG_TYPE_TRACING, kPerf, "CONFIG_BPF_EVENTS CONFIG_DEBUG_INFO_BTF"},
    {ProgType::BPF_PROG_TYPE_STRUCT_OPS, kPerf, "CONFIG_BPF_JIT CONFIG_DEBUG_INFO_BTF"},
    {ProgType::BPF_PROG_TYPE_EXT, kNet | kCapPerfmon, "CONFIG_BPF_JIT CONFIG_DEBUG_INFO_BTF"},
    {ProgType::BPF_PROG_TYPE_LSM, kPerf, "CONFIG_BPF_LSM CONFIG_DEBUG_INFO_BTF"},
    {ProgType::BPF_PROG_TYPE_SK_LOOKUP, kNet, "CONFIG_NET"},
    {ProgType::BPF_PROG_TYPE_SYSCALL, kCapBpf, ""},
    {ProgType::BPF_PROG_TYPE_NETFILTER, kNet, "CONFIG_NETFILTER_BPF_LINK"},
};
constexpr MapTypeNeeds kMapTypeNeeds[] = {
    {MapType::BPF_MAP_TYPE_UNSPEC, kCapBpf, ""},
    {MapType::BPF_MAP_TYPE_HASH, kCapBpf, ""},
    {MapType::BPF_MAP_TYPE_ARRAY, kCapBpf, ""},
    {MapType::BPF_MAP_TYPE_PROG_ARRAY, kCapBpf, ""},
    {MapType::BPF_MAP_TYPE_PERF_EVENT_ARRAY, kCapBpf, "CONFIG_PERF_EVENTS"},
    {MapType::BPF_MAP_TYPE_PERCPU_HASH, kCapBpf, ""},
    {MapType::BPF_MAP_TYPE_PERCPU_ARRAY, kCapBpf, ""},
    {MapType::BPF_MAP_TYPE_STACK_TRACE, kCapBpf, "CONFIG_PERF_EVENTS"},
    {MapType::BPF_MAP_TYPE_CGROUP_ARRAY, kCapBpf, "CONFIG_CGROUPS"},
    {MapType::BPF_MAP_TYPE_LRU_HASH, kCapBpf, ""},
    {MapType::BPF_MAP_TYPE_LRU_PERCPU_HASH, kCapBpf, ""},
    {MapType::BPF_MAP_TYPE_LPM_TRIE, kCapBpf, ""},
    {MapType::BPF_MAP_TYPE_ARRAY_OF_MAPS, kCapBpf, ""},
    {MapType::BPF_MAP_TYPE_HASH_OF_MAPS, kCapBpf, ""},
    {MapType::BPF_MAP_TYPE_DEVMAP, kNet, "CONFIG_NET"},
    {MapType::BPF_MAP_TYPE_SOCKMAP, kNet, "CONFIG_NET_SOCK_MSG"},
    {MapType::BPF_MAP_TYPE_CPUMAP, kCapBpf, "CONFIG_NET"},
    {MapType::BPF_MAP_TYPE_XSKMAP, kNet, "CONFIG_XDP_SOCKETS"},
    {MapType::BPF_MAP_TYPE_SOCKHASH, kNet, "CONFIG_NET_SOCK_MSG"},
    {MapType::BPF_MAP_TYPE_CGROUP_STORAGE, kCapBpf, "CONFIG_CGROUP_BPF"},
    {MapType::BPF_MAP_TYPE_REUSEPORT_SOCKARRAY, kCapBpf, "CONFIG_INET"},
    {MapType::BPF_MAP_TYPE_PERCPU_CGROUP_STORAGE, kCapBpf, "CONFIG_CGROUP_BPF"},
    {MapType::BPF_MAP_TYPE_QUEUE, kCapBpf, ""},
    {MapType::BPF_MAP_TYPE_STACK, kCapBpf, ""},
    {MapType::BPF_MAP_TYPE_SK_STORAGE, kCapBpf, "CONFIG_NET"},
    {MapType::BPF_MAP_TYPE_DEVMAP_HASH, kNet, "CONFIG_NET"},
    {MapType::BPF_MAP_TYPE_STRUCT_OPS, kCapBpf, "CONFIG_BPF_JIT CONFIG_DEBUG_INFO_BTF"},
    {MapType::BPF_MAP_TYPE_RINGBUF, kCapBpf, ""},
    {MapType::BPF_MAP_TYPE_INODE_STORAGE, kCapBpf, "CONFIG_BPF_LSM"},
    {MapType::BPF_MAP_TYPE_TASK_STORAGE, kCapBpf, ""},
    {MapType::BPF_MAP_TYPE_BLOOM_FILTER, kCapBpf, ""},
    {MapType::BPF_MAP_TYPE_USER_RINGBUF, kCapBpf, ""},
    {MapType::BPF_MAP_TYPE_CGRP_STORAGE, kCapBpf, "CONFIG_CGROUPS"},
    {MapType::BPF_MAP_TYPE_ARENA, kCapBpf, "CONFIG_MMU"},
    {MapType::BPF_MAP_TYPE_INSN_ARRAY, kCapBpf, ""},
    {MapType::BPF_MAP_TYPE_RHASH, kCapBpf, ""},
};
constexpr MapFlagRow kMapFlags[] = {
    {BPF_F_NO_PREALLOC, "BPF_F_NO_PREALLOC", v(4, 6)},
    {BPF_F_NO_COMMON_LRU, "BPF_F_NO_COMMON_LRU", v(4, 10)},
    {BPF_F_NUMA_NODE, "BPF_F_NUMA_NODE", v(4, 14)},
    {BPF_F_RDONLY, "BPF_F_RDONLY", v(4, 15)},
    {BPF_F_WRONLY, "BPF_F_WRONLY", v(4, 15)},
    {BPF_F_STACK_BUILD_ID, "BPF_F_STACK_BUILD_ID", v(4, 17)},
    {BPF_F_ZERO_SEED, "BPF_F_ZERO_SEED", v(5, 0)},
    {BPF_F_RDONLY_PROG, "BPF_F_RDONLY_PROG", v(5, 2)},
    {BPF_F_WRONLY_PROG, "BPF_F_WRONLY_PROG", v(5, 2)},
    {BPF_F_CLONE, "BPF_F_CLONE", v(5, 4)},
    {BPF_F_MMAPABLE, "BPF_F_MMAPABLE", v(5, 5)},
    {BPF_F_PRESERVE_ELEMS, "BPF_F_PRESERVE_ELEMS", v(5, 10)},
    {BPF_F_INNER_MAP, "BPF_F_INNER_MAP", v(5, 10)},
    {BPF_F_LINK, "BPF_F_LINK", v(6, 4)},
    {BPF_F_PATH_FD, "BPF_F_PATH_FD", v(6, 7)},
    {BPF_F_VTYPE_BTF_OBJ_FD, "BPF_F_VTYPE_BTF_OBJ_FD", v(6, 9)},
    {BPF_F_TOKEN_FD, "BPF_F_TOKEN_FD", v(6, 9)},
    {BPF_F_SEGV_ON_FAULT, "BPF_F_SEGV_ON_FAULT", v(6, 9)},
    {BPF_F_NO_USER_CONV, "BPF_F_NO_USER_CONV", v(6, 9)},
    {BPF_F_RB_OVERWRITE, "BPF_F_RB_OVERWRITE", v(6, 19)},
};
constexpr HelperNeeds kHelperNeeds[] = {
    {"probe_write_user", kCapSysAdmin, ""},
    {"override_return", kCapPerfmon, "CONFIG_BPF_KPROBE_OVERRIDE"},
    {"trace_printk", kCapPerfmon, ""},
    {"trace_vprintk", kCapPerfmon, ""},
    {"probe_read", kCapPerfmon, ""},
    {"probe_read_str", kCapPerfmon, ""},
    {"probe_read_user", kCapPerfmon, ""},
    {"probe_read_user_str", kCapPerfmon, ""},
    {"probe_read_kernel", kCapPerfmon, ""},
    {"probe_read_kernel_str", kCapPerfmon, ""},
    {"snprintf_btf", kCapPerfmon, "CONFIG_DEBUG_INFO_BTF"},
    {"get_current_task", kCapPerfmon, ""},
    {"get_current_task_btf", kCapPerfmon, "CONFIG_DEBUG_INFO_BTF"},
    {"task_pt_regs", kCapPerfmon, "CONFIG_DEBUG_INFO_BTF"},
    {"get_cgroup_classid", 0, "CONFIG_CGROUP_NET_CLASSID"},
    {"skb_cgroup_classid", 0, "CONFIG_CGROUP_NET_CLASSID"},
    {"get_current_cgroup_id", 0, "CONFIG_CGROUPS"},
    {"skb_get_xfrm_state", 0, "CONFIG_XFRM"},
    {"ima_inode_hash", 0, "CONFIG_IMA"},
    {"ima_file_hash", 0, "CONFIG_IMA"},
    {"fib_lookup", 0, "CONFIG_INET"},
};
// clang-format on

consteval bool rows_are_numbered() {
  for (size_t i = 0; i < std::size(kProgTypeNeeds); ++i)
    if (static_cast<size_t>(kProgTypeNeeds[i].type) != i) return false;
  for (size_t i = 0; i < std::size(kMapTypeNeeds); ++i)
    if (static_cast<size_t>(kMapTypeNeeds[i].type) != i) return false;
  for (size_t i = 0; i < std::size(kMapFlags); ++i)
    if (kMapFlags[i].flag != 1u << i) return false;
  return std::size(kProgTypeNeeds) == kProgTypes && std::size(kMapTypeNeeds) == kMapTypes;
}
static_assert(rows_are_numbered());

}  // namespace

const ProgTypeNeeds& needs_of(ProgType type) {
  const auto i = static_cast<size_t>(type);
  return kProgTypeNeeds[i < std::size(kProgTypeNeeds) ? i : 0];
}
const MapTypeNeeds& needs_of(MapType type) {
  const auto i = static_cast<size_t>(type);
  return kMapTypeNeeds[i < std::size(kMapTypeNeeds) ? i : 0];
}
std::span<const MapFlagRow> map_flags() { return kMapFlags; }
std::span<const HelperNeeds> helper_needs() { return kHelperNeeds; }

}  // namespace skep::spec
