// The program types' rows. Facts: bpf_verifier_ops and bpf_prog_ops of Linux 7.3, return_retval_range() for
// what they may return.
#include "spec/prog_types.h"

#include <algorithm>
#include <iterator>

namespace skep::spec {
namespace {

using enum ProgType;
constexpr KernelVersion v(unsigned major, unsigned minor) { return kernel_version(major, minor); }
constexpr UserStatus kWorks = UserStatus::works;
constexpr ReturnRange kZeroOrOne{true, 0, 1};

constexpr std::string_view kNoDevices =
    "the user engine has no network devices or routes to run it on";
constexpr std::string_view kNoSockets = "the user engine has no sockets of its own to run it on";
constexpr std::string_view kNoKernel =
    "it runs inside the kernel's own functions, which the user engine does not have";
constexpr std::string_view kNotYet = "the user engine does not have it yet";

// clang-format off
constexpr ProgTypeRow kRows[] = {
    {.type = BPF_PROG_TYPE_UNSPEC, .name = "BPF_PROG_TYPE_UNSPEC", .short_name = "unspec", .since = v(3, 18), .context = "void", .user_reason = "it is no program type"},
    {.type = BPF_PROG_TYPE_SOCKET_FILTER, .name = "BPF_PROG_TYPE_SOCKET_FILTER", .short_name = "socket_filter", .since = v(3, 19), .context = "struct __sk_buff",
     .may_be_privileged_only = false, .test_run = true, .user = kWorks},
    {.type = BPF_PROG_TYPE_KPROBE, .name = "BPF_PROG_TYPE_KPROBE", .short_name = "kprobe", .since = v(4, 1), .context = "struct pt_regs", .can_sleep = true, .user = kWorks},
    {.type = BPF_PROG_TYPE_SCHED_CLS, .name = "BPF_PROG_TYPE_SCHED_CLS", .short_name = "sched_cls", .since = v(4, 1), .context = "struct __sk_buff",
     .direct_packet_access = true, .can_write_packet = true, .test_run = true, .user = kWorks},
    {.type = BPF_PROG_TYPE_SCHED_ACT, .name = "BPF_PROG_TYPE_SCHED_ACT", .short_name = "sched_act", .since = v(4, 1), .context = "struct __sk_buff",
     .direct_packet_access = true, .can_write_packet = true, .test_run = true, .user = kWorks},
    {.type = BPF_PROG_TYPE_TRACEPOINT, .name = "BPF_PROG_TYPE_TRACEPOINT", .short_name = "tracepoint", .since = v(4, 7), .context = "void", .can_sleep = true, .user = kWorks},
    {.type = BPF_PROG_TYPE_XDP, .name = "BPF_PROG_TYPE_XDP", .short_name = "xdp", .since = v(4, 8), .context = "struct xdp_md",
     .direct_packet_access = true, .can_write_packet = true, .test_run = true, .user = kWorks},
    {.type = BPF_PROG_TYPE_PERF_EVENT, .name = "BPF_PROG_TYPE_PERF_EVENT", .short_name = "perf_event", .since = v(4, 9), .context = "struct bpf_perf_event_data", .user_reason = kNotYet},
    {.type = BPF_PROG_TYPE_CGROUP_SKB, .name = "BPF_PROG_TYPE_CGROUP_SKB", .short_name = "cgroup_skb", .since = v(4, 10), .context = "struct __sk_buff", .returns = kZeroOrOne,
     .attach_type_required = true, .may_be_privileged_only = false, .direct_packet_access = true, .test_run = true, .user = kWorks},
    {.type = BPF_PROG_TYPE_CGROUP_SOCK, .name = "BPF_PROG_TYPE_CGROUP_SOCK", .short_name = "cgroup_sock", .since = v(4, 10), .context = "struct bpf_sock", .returns = kZeroOrOne,
     .attach_type_required = true, .user = kWorks},
    {.type = BPF_PROG_TYPE_LWT_IN, .name = "BPF_PROG_TYPE_LWT_IN", .short_name = "lwt_in", .since = v(4, 10), .context = "struct __sk_buff", .direct_packet_access = true, .test_run = true, .user_reason = kNoDevices},
    {.type = BPF_PROG_TYPE_LWT_OUT, .name = "BPF_PROG_TYPE_LWT_OUT", .short_name = "lwt_out", .since = v(4, 10), .context = "struct __sk_buff", .direct_packet_access = true, .test_run = true, .user_reason = kNoDevices},
    {.type = BPF_PROG_TYPE_LWT_XMIT, .name = "BPF_PROG_TYPE_LWT_XMIT", .short_name = "lwt_xmit", .since = v(4, 10), .context = "struct __sk_buff",
     .direct_packet_access = true, .can_write_packet = true, .test_run = true, .user_reason = kNoDevices},
    {.type = BPF_PROG_TYPE_SOCK_OPS, .name = "BPF_PROG_TYPE_SOCK_OPS", .short_name = "sock_ops", .since = v(4, 13), .context = "struct bpf_sock_ops", .returns = kZeroOrOne, .user_reason = kNoSockets},
    {.type = BPF_PROG_TYPE_SK_SKB, .name = "BPF_PROG_TYPE_SK_SKB", .short_name = "sk_skb", .since = v(4, 14), .context = "struct __sk_buff",
     .direct_packet_access = true, .can_write_packet = true, .user_reason = kNoSockets},
    {.type = BPF_PROG_TYPE_CGROUP_DEVICE, .name = "BPF_PROG_TYPE_CGROUP_DEVICE", .short_name = "cgroup_device", .since = v(4, 15), .context = "struct bpf_cgroup_dev_ctx", .returns = kZeroOrOne, .user_reason = kNotYet},
    {.type = BPF_PROG_TYPE_SK_MSG, .name = "BPF_PROG_TYPE_SK_MSG", .short_name = "sk_msg", .since = v(4, 17), .context = "struct sk_msg_md",
     .direct_packet_access = true, .can_write_packet = true, .user_reason = kNoSockets},
    {.type = BPF_PROG_TYPE_RAW_TRACEPOINT, .name = "BPF_PROG_TYPE_RAW_TRACEPOINT", .short_name = "raw_tracepoint", .since = v(4, 17), .context = "struct bpf_raw_tracepoint_args",
     .can_sleep = true, .test_run = true, .user = kWorks},
    {.type = BPF_PROG_TYPE_CGROUP_SOCK_ADDR, .name = "BPF_PROG_TYPE_CGROUP_SOCK_ADDR", .short_name = "cgroup_sock_addr", .since = v(4, 17), .context = "struct bpf_sock_addr", .returns = kZeroOrOne,
     .attach_type_required = true, .user = kWorks},
    {.type = BPF_PROG_TYPE_LWT_SEG6LOCAL, .name = "BPF_PROG_TYPE_LWT_SEG6LOCAL", .short_name = "lwt_seg6local", .since = v(4, 18), .context = "struct __sk_buff", .direct_packet_access = true, .user_reason = kNoDevices},
    {.type = BPF_PROG_TYPE_LIRC_MODE2, .name = "BPF_PROG_TYPE_LIRC_MODE2", .short_name = "lirc_mode2", .since = v(4, 18), .context = "__u32", .user_reason = "it runs on infrared receivers, which only the kernel reads"},
    {.type = BPF_PROG_TYPE_SK_REUSEPORT, .name = "BPF_PROG_TYPE_SK_REUSEPORT", .short_name = "sk_reuseport", .since = v(4, 19), .context = "struct sk_reuseport_md",
     .attach_type_required = true, .direct_packet_access = true, .user_reason = kNoSockets},
    {.type = BPF_PROG_TYPE_FLOW_DISSECTOR, .name = "BPF_PROG_TYPE_FLOW_DISSECTOR", .short_name = "flow_dissector", .since = v(4, 20), .context = "struct __sk_buff", .direct_packet_access = true, .test_run = true, .user_reason = kNotYet},
    {.type = BPF_PROG_TYPE_CGROUP_SYSCTL, .name = "BPF_PROG_TYPE_CGROUP_SYSCTL", .short_name = "cgroup_sysctl", .since = v(5, 2), .context = "struct bpf_sysctl", .returns = kZeroOrOne, .user_reason = kNotYet},
    {.type = BPF_PROG_TYPE_RAW_TRACEPOINT_WRITABLE, .name = "BPF_PROG_TYPE_RAW_TRACEPOINT_WRITABLE", .short_name = "raw_tracepoint_writable", .since = v(5, 2), .context = "struct bpf_raw_tracepoint_args",
     .test_run = true, .user_reason = kNoKernel},
    {.type = BPF_PROG_TYPE_CGROUP_SOCKOPT, .name = "BPF_PROG_TYPE_CGROUP_SOCKOPT", .short_name = "cgroup_sockopt", .since = v(5, 3), .context = "struct bpf_sockopt", .returns = kZeroOrOne,
     .attach_type_required = true, .direct_packet_access = true, .can_write_packet = true, .user_reason = kNotYet},
    {.type = BPF_PROG_TYPE_TRACING, .name = "BPF_PROG_TYPE_TRACING", .short_name = "tracing", .since = v(5, 5), .context = "void", .returns = kZeroOrOne,
     .needs_attach_btf = true, .can_sleep = true, .test_run = true, .user_reason = kNoKernel},
    {.type = BPF_PROG_TYPE_STRUCT_OPS, .name = "BPF_PROG_TYPE_STRUCT_OPS", .short_name = "struct_ops", .since = v(5, 6), .context = "void", .needs_attach_btf = true, .can_sleep = true, .test_run = true, .user_reason = kNoKernel},
    {.type = BPF_PROG_TYPE_EXT, .name = "BPF_PROG_TYPE_EXT", .short_name = "ext", .since = v(5, 6), .context = "void", .needs_attach_btf = true, .user_reason = kNotYet},
    {.type = BPF_PROG_TYPE_LSM, .name = "BPF_PROG_TYPE_LSM", .short_name = "lsm", .since = v(5, 7), .context = "void", .needs_attach_btf = true, .can_sleep = true, .user_reason = kNoKernel},
    {.type = BPF_PROG_TYPE_SK_LOOKUP, .name = "BPF_PROG_TYPE_SK_LOOKUP", .short_name = "sk_lookup", .since = v(5, 9), .context = "struct bpf_sk_lookup", .returns = kZeroOrOne,
     .attach_type_required = true, .test_run = true, .user_reason = kNoSockets},
    {.type = BPF_PROG_TYPE_SYSCALL, .name = "BPF_PROG_TYPE_SYSCALL", .short_name = "syscall", .since = v(5, 14), .context = "void", .can_sleep = true, .test_run = true, .user = kWorks},
    {.type = BPF_PROG_TYPE_NETFILTER, .name = "BPF_PROG_TYPE_NETFILTER", .short_name = "netfilter", .since = v(6, 4), .context = "struct bpf_nf_ctx", .returns = kZeroOrOne,
     .attach_type_required = true, .test_run = true, .user_reason = kNoDevices},
};
// clang-format on

// By number, none left out: a row's place is its type.
consteval bool rows_are_numbered() {
  for (uint32_t i = 0; i < std::size(kRows); i++) {
    if (static_cast<uint32_t>(kRows[i].type) != i) return false;
  }
  return true;
}
static_assert(rows_are_numbered() && std::size(kRows) == kProgTypes);
static_assert(std::ranges::all_of(kRows, [](const ProgTypeRow& row) {
  return (row.user == UserStatus::works) == row.user_reason.empty();
}));

}  // namespace

std::span<const ProgTypeRow> prog_types() { return kRows; }
const ProgTypeRow* find_prog_type(ProgType type) {
  const auto number = static_cast<uint32_t>(type);
  return number < std::size(kRows) ? &kRows[number] : nullptr;
}
const ProgTypeRow* find_prog_type(std::string_view name) {
  if (name.starts_with("BPF_PROG_TYPE_")) {
    const auto* row = std::ranges::find(kRows, name, &ProgTypeRow::name);
    return row != std::end(kRows) ? row : nullptr;
  }
  const auto* row = std::ranges::find_if(kRows, [&](const ProgTypeRow& r) {
    return r.short_name == name || r.name.substr(14) == name;
  });
  return row != std::end(kRows) ? row : nullptr;
}

}  // namespace skep::spec
