// The attach types' rows. Facts: enum bpf_attach_type, bpf_prog_load_check_attach() and
// return_retval_range() of Linux 7.3.
#include "spec/attach_types.h"

#include <algorithm>
#include <iterator>

namespace skep::spec {
namespace {

using enum AttachType;
constexpr KernelVersion v(unsigned major, unsigned minor) { return kernel_version(major, minor); }
constexpr UserStatus kWorks = UserStatus::works;
constexpr std::string_view kNotYet = "the user engine has no such hook";
constexpr std::string_view kTestRun =
    "the user engine has no interfaces: run the program on given packets (BPF_PROG_TEST_RUN)";

// clang-format off
constexpr AttachTypeRow kRows[] = {
    {.type = BPF_CGROUP_INET_INGRESS, .name = "BPF_CGROUP_INET_INGRESS", .short_name = "cgroup_inet_ingress", .since = v(4, 10), .prog_types = set_of(ProgType::BPF_PROG_TYPE_CGROUP_SKB), .user_reason = kTestRun},
    {.type = BPF_CGROUP_INET_EGRESS, .name = "BPF_CGROUP_INET_EGRESS", .short_name = "cgroup_inet_egress", .since = v(4, 10), .prog_types = set_of(ProgType::BPF_PROG_TYPE_CGROUP_SKB), .overrides_return = true, .returns = {true, 0, 3}, .user_reason = kTestRun},
    {.type = BPF_CGROUP_INET_SOCK_CREATE, .name = "BPF_CGROUP_INET_SOCK_CREATE", .short_name = "cgroup_inet_sock_create", .since = v(4, 10), .prog_types = set_of(ProgType::BPF_PROG_TYPE_CGROUP_SOCK), .user = kWorks},
    {.type = BPF_CGROUP_SOCK_OPS, .name = "BPF_CGROUP_SOCK_OPS", .short_name = "cgroup_sock_ops", .since = v(4, 13), .prog_types = set_of(ProgType::BPF_PROG_TYPE_SOCK_OPS), .user_reason = kNotYet},
    {.type = BPF_SK_SKB_STREAM_PARSER, .name = "BPF_SK_SKB_STREAM_PARSER", .short_name = "sk_skb_stream_parser", .since = v(4, 14), .prog_types = set_of(ProgType::BPF_PROG_TYPE_SK_SKB), .user_reason = kNotYet},
    {.type = BPF_SK_SKB_STREAM_VERDICT, .name = "BPF_SK_SKB_STREAM_VERDICT", .short_name = "sk_skb_stream_verdict", .since = v(4, 14), .prog_types = set_of(ProgType::BPF_PROG_TYPE_SK_SKB), .user_reason = kNotYet},
    {.type = BPF_CGROUP_DEVICE, .name = "BPF_CGROUP_DEVICE", .short_name = "cgroup_device", .since = v(4, 15), .prog_types = set_of(ProgType::BPF_PROG_TYPE_CGROUP_DEVICE), .user_reason = kNotYet},
    {.type = BPF_SK_MSG_VERDICT, .name = "BPF_SK_MSG_VERDICT", .short_name = "sk_msg_verdict", .since = v(4, 17), .prog_types = set_of(ProgType::BPF_PROG_TYPE_SK_MSG), .user_reason = kNotYet},
    {.type = BPF_CGROUP_INET4_BIND, .name = "BPF_CGROUP_INET4_BIND", .short_name = "cgroup_inet4_bind", .since = v(4, 17), .prog_types = set_of(ProgType::BPF_PROG_TYPE_CGROUP_SOCK_ADDR), .overrides_return = true, .returns = {true, 0, 3}, .user = kWorks},
    {.type = BPF_CGROUP_INET6_BIND, .name = "BPF_CGROUP_INET6_BIND", .short_name = "cgroup_inet6_bind", .since = v(4, 17), .prog_types = set_of(ProgType::BPF_PROG_TYPE_CGROUP_SOCK_ADDR), .overrides_return = true, .returns = {true, 0, 3}, .user = kWorks},
    {.type = BPF_CGROUP_INET4_CONNECT, .name = "BPF_CGROUP_INET4_CONNECT", .short_name = "cgroup_inet4_connect", .since = v(4, 17), .prog_types = set_of(ProgType::BPF_PROG_TYPE_CGROUP_SOCK_ADDR), .user = kWorks},
    {.type = BPF_CGROUP_INET6_CONNECT, .name = "BPF_CGROUP_INET6_CONNECT", .short_name = "cgroup_inet6_connect", .since = v(4, 17), .prog_types = set_of(ProgType::BPF_PROG_TYPE_CGROUP_SOCK_ADDR), .user = kWorks},
    {.type = BPF_CGROUP_INET4_POST_BIND, .name = "BPF_CGROUP_INET4_POST_BIND", .short_name = "cgroup_inet4_post_bind", .since = v(4, 17), .prog_types = set_of(ProgType::BPF_PROG_TYPE_CGROUP_SOCK), .user = kWorks},
    {.type = BPF_CGROUP_INET6_POST_BIND, .name = "BPF_CGROUP_INET6_POST_BIND", .short_name = "cgroup_inet6_post_bind", .since = v(4, 17), .prog_types = set_of(ProgType::BPF_PROG_TYPE_CGROUP_SOCK), .user = kWorks},
    {.type = BPF_CGROUP_UDP4_SENDMSG, .name = "BPF_CGROUP_UDP4_SENDMSG", .short_name = "cgroup_udp4_sendmsg", .since = v(4, 18), .prog_types = set_of(ProgType::BPF_PROG_TYPE_CGROUP_SOCK_ADDR), .user_reason = kNotYet},
    {.type = BPF_CGROUP_UDP6_SENDMSG, .name = "BPF_CGROUP_UDP6_SENDMSG", .short_name = "cgroup_udp6_sendmsg", .since = v(4, 18), .prog_types = set_of(ProgType::BPF_PROG_TYPE_CGROUP_SOCK_ADDR), .user_reason = kNotYet},
    {.type = BPF_LIRC_MODE2, .name = "BPF_LIRC_MODE2", .short_name = "lirc_mode2", .since = v(4, 18), .prog_types = set_of(ProgType::BPF_PROG_TYPE_LIRC_MODE2), .user_reason = kNotYet},
    {.type = BPF_FLOW_DISSECTOR, .name = "BPF_FLOW_DISSECTOR", .short_name = "flow_dissector", .since = v(4, 20), .prog_types = set_of(ProgType::BPF_PROG_TYPE_FLOW_DISSECTOR), .user_reason = kNotYet},
    {.type = BPF_CGROUP_SYSCTL, .name = "BPF_CGROUP_SYSCTL", .short_name = "cgroup_sysctl", .since = v(5, 2), .prog_types = set_of(ProgType::BPF_PROG_TYPE_CGROUP_SYSCTL), .user_reason = kNotYet},
    {.type = BPF_CGROUP_UDP4_RECVMSG, .name = "BPF_CGROUP_UDP4_RECVMSG", .short_name = "cgroup_udp4_recvmsg", .since = v(5, 2), .prog_types = set_of(ProgType::BPF_PROG_TYPE_CGROUP_SOCK_ADDR), .overrides_return = true, .returns = {true, 1, 1}, .user_reason = kNotYet},
    {.type = BPF_CGROUP_UDP6_RECVMSG, .name = "BPF_CGROUP_UDP6_RECVMSG", .short_name = "cgroup_udp6_recvmsg", .since = v(5, 2), .prog_types = set_of(ProgType::BPF_PROG_TYPE_CGROUP_SOCK_ADDR), .overrides_return = true, .returns = {true, 1, 1}, .user_reason = kNotYet},
    {.type = BPF_CGROUP_GETSOCKOPT, .name = "BPF_CGROUP_GETSOCKOPT", .short_name = "cgroup_getsockopt", .since = v(5, 3), .prog_types = set_of(ProgType::BPF_PROG_TYPE_CGROUP_SOCKOPT), .user_reason = kNotYet},
    {.type = BPF_CGROUP_SETSOCKOPT, .name = "BPF_CGROUP_SETSOCKOPT", .short_name = "cgroup_setsockopt", .since = v(5, 3), .prog_types = set_of(ProgType::BPF_PROG_TYPE_CGROUP_SOCKOPT), .user_reason = kNotYet},
    {.type = BPF_TRACE_RAW_TP, .name = "BPF_TRACE_RAW_TP", .short_name = "trace_raw_tp", .since = v(5, 5), .prog_types = set_of(ProgType::BPF_PROG_TYPE_TRACING), .overrides_return = true, .user_reason = kNotYet},
    {.type = BPF_TRACE_FENTRY, .name = "BPF_TRACE_FENTRY", .short_name = "trace_fentry", .since = v(5, 5), .prog_types = set_of(ProgType::BPF_PROG_TYPE_TRACING), .overrides_return = true, .returns = {true, 0, 0}, .user_reason = kNotYet},
    {.type = BPF_TRACE_FEXIT, .name = "BPF_TRACE_FEXIT", .short_name = "trace_fexit", .since = v(5, 5), .prog_types = set_of(ProgType::BPF_PROG_TYPE_TRACING), .overrides_return = true, .returns = {true, 0, 0}, .user_reason = kNotYet},
    {.type = BPF_MODIFY_RETURN, .name = "BPF_MODIFY_RETURN", .short_name = "modify_return", .since = v(5, 7), .prog_types = set_of(ProgType::BPF_PROG_TYPE_TRACING), .overrides_return = true, .user_reason = kNotYet},
    {.type = BPF_LSM_MAC, .name = "BPF_LSM_MAC", .short_name = "lsm_mac", .since = v(5, 7), .prog_types = set_of(ProgType::BPF_PROG_TYPE_LSM), .user_reason = kNotYet},
    {.type = BPF_TRACE_ITER, .name = "BPF_TRACE_ITER", .short_name = "trace_iter", .since = v(5, 8), .prog_types = set_of(ProgType::BPF_PROG_TYPE_TRACING), .user = kWorks},
    {.type = BPF_CGROUP_INET4_GETPEERNAME, .name = "BPF_CGROUP_INET4_GETPEERNAME", .short_name = "cgroup_inet4_getpeername", .since = v(5, 8), .prog_types = set_of(ProgType::BPF_PROG_TYPE_CGROUP_SOCK_ADDR), .overrides_return = true, .returns = {true, 1, 1}, .user_reason = kNotYet},
    {.type = BPF_CGROUP_INET6_GETPEERNAME, .name = "BPF_CGROUP_INET6_GETPEERNAME", .short_name = "cgroup_inet6_getpeername", .since = v(5, 8), .prog_types = set_of(ProgType::BPF_PROG_TYPE_CGROUP_SOCK_ADDR), .overrides_return = true, .returns = {true, 1, 1}, .user_reason = kNotYet},
    {.type = BPF_CGROUP_INET4_GETSOCKNAME, .name = "BPF_CGROUP_INET4_GETSOCKNAME", .short_name = "cgroup_inet4_getsockname", .since = v(5, 8), .prog_types = set_of(ProgType::BPF_PROG_TYPE_CGROUP_SOCK_ADDR), .overrides_return = true, .returns = {true, 1, 1}, .user_reason = kNotYet},
    {.type = BPF_CGROUP_INET6_GETSOCKNAME, .name = "BPF_CGROUP_INET6_GETSOCKNAME", .short_name = "cgroup_inet6_getsockname", .since = v(5, 8), .prog_types = set_of(ProgType::BPF_PROG_TYPE_CGROUP_SOCK_ADDR), .overrides_return = true, .returns = {true, 1, 1}, .user_reason = kNotYet},
    {.type = BPF_XDP_DEVMAP, .name = "BPF_XDP_DEVMAP", .short_name = "xdp_devmap", .since = v(5, 8), .prog_types = set_of(ProgType::BPF_PROG_TYPE_XDP), .user_reason = kNotYet},
    {.type = BPF_CGROUP_INET_SOCK_RELEASE, .name = "BPF_CGROUP_INET_SOCK_RELEASE", .short_name = "cgroup_inet_sock_release", .since = v(5, 9), .prog_types = set_of(ProgType::BPF_PROG_TYPE_CGROUP_SOCK), .user_reason = kNotYet},
    {.type = BPF_XDP_CPUMAP, .name = "BPF_XDP_CPUMAP", .short_name = "xdp_cpumap", .since = v(5, 9), .prog_types = set_of(ProgType::BPF_PROG_TYPE_XDP), .user_reason = kNotYet},
    {.type = BPF_SK_LOOKUP, .name = "BPF_SK_LOOKUP", .short_name = "sk_lookup", .since = v(5, 9), .prog_types = set_of(ProgType::BPF_PROG_TYPE_SK_LOOKUP), .user_reason = kNotYet},
    {.type = BPF_XDP, .name = "BPF_XDP", .short_name = "xdp", .since = v(5, 9), .prog_types = set_of(ProgType::BPF_PROG_TYPE_XDP), .user_reason = kTestRun},
    {.type = BPF_SK_SKB_VERDICT, .name = "BPF_SK_SKB_VERDICT", .short_name = "sk_skb_verdict", .since = v(5, 13), .prog_types = set_of(ProgType::BPF_PROG_TYPE_SK_SKB), .user_reason = kNotYet},
    {.type = BPF_SK_REUSEPORT_SELECT, .name = "BPF_SK_REUSEPORT_SELECT", .short_name = "sk_reuseport_select", .since = v(5, 14), .prog_types = set_of(ProgType::BPF_PROG_TYPE_SK_REUSEPORT), .user_reason = kNotYet},
    {.type = BPF_SK_REUSEPORT_SELECT_OR_MIGRATE, .name = "BPF_SK_REUSEPORT_SELECT_OR_MIGRATE", .short_name = "sk_reuseport_select_or_migrate", .since = v(5, 14), .prog_types = set_of(ProgType::BPF_PROG_TYPE_SK_REUSEPORT), .user_reason = kNotYet},
    {.type = BPF_PERF_EVENT, .name = "BPF_PERF_EVENT", .short_name = "perf_event", .since = v(5, 15), .prog_types = set_of(ProgType::BPF_PROG_TYPE_KPROBE, ProgType::BPF_PROG_TYPE_TRACEPOINT, ProgType::BPF_PROG_TYPE_PERF_EVENT), .user = kWorks},
    {.type = BPF_TRACE_KPROBE_MULTI, .name = "BPF_TRACE_KPROBE_MULTI", .short_name = "trace_kprobe_multi", .since = v(5, 18), .prog_types = set_of(ProgType::BPF_PROG_TYPE_KPROBE), .user_reason = kNotYet},
    {.type = BPF_LSM_CGROUP, .name = "BPF_LSM_CGROUP", .short_name = "lsm_cgroup", .since = v(6, 0), .prog_types = set_of(ProgType::BPF_PROG_TYPE_LSM), .overrides_return = true, .returns = {true, 0, 1}, .user_reason = kNotYet},
    {.type = BPF_STRUCT_OPS, .name = "BPF_STRUCT_OPS", .short_name = "struct_ops", .since = v(5, 6), .prog_types = set_of(ProgType::BPF_PROG_TYPE_STRUCT_OPS), .user_reason = kNotYet},
    {.type = BPF_NETFILTER, .name = "BPF_NETFILTER", .short_name = "netfilter", .since = v(6, 4), .prog_types = set_of(ProgType::BPF_PROG_TYPE_NETFILTER), .user_reason = kNotYet},
    {.type = BPF_TCX_INGRESS, .name = "BPF_TCX_INGRESS", .short_name = "tcx_ingress", .since = v(6, 6), .prog_types = set_of(ProgType::BPF_PROG_TYPE_SCHED_CLS), .user_reason = kTestRun},
    {.type = BPF_TCX_EGRESS, .name = "BPF_TCX_EGRESS", .short_name = "tcx_egress", .since = v(6, 6), .prog_types = set_of(ProgType::BPF_PROG_TYPE_SCHED_CLS), .user_reason = kTestRun},
    {.type = BPF_TRACE_UPROBE_MULTI, .name = "BPF_TRACE_UPROBE_MULTI", .short_name = "trace_uprobe_multi", .since = v(6, 6), .prog_types = set_of(ProgType::BPF_PROG_TYPE_KPROBE), .user = UserStatus::works},
    {.type = BPF_CGROUP_UNIX_CONNECT, .name = "BPF_CGROUP_UNIX_CONNECT", .short_name = "cgroup_unix_connect", .since = v(6, 7), .prog_types = set_of(ProgType::BPF_PROG_TYPE_CGROUP_SOCK_ADDR), .user_reason = kNotYet},
    {.type = BPF_CGROUP_UNIX_SENDMSG, .name = "BPF_CGROUP_UNIX_SENDMSG", .short_name = "cgroup_unix_sendmsg", .since = v(6, 7), .prog_types = set_of(ProgType::BPF_PROG_TYPE_CGROUP_SOCK_ADDR), .user_reason = kNotYet},
    {.type = BPF_CGROUP_UNIX_RECVMSG, .name = "BPF_CGROUP_UNIX_RECVMSG", .short_name = "cgroup_unix_recvmsg", .since = v(6, 7), .prog_types = set_of(ProgType::BPF_PROG_TYPE_CGROUP_SOCK_ADDR), .overrides_return = true, .returns = {true, 1, 1}, .user_reason = kNotYet},
    {.type = BPF_CGROUP_UNIX_GETPEERNAME, .name = "BPF_CGROUP_UNIX_GETPEERNAME", .short_name = "cgroup_unix_getpeername", .since = v(6, 7), .prog_types = set_of(ProgType::BPF_PROG_TYPE_CGROUP_SOCK_ADDR), .overrides_return = true, .returns = {true, 1, 1}, .user_reason = kNotYet},
    {.type = BPF_CGROUP_UNIX_GETSOCKNAME, .name = "BPF_CGROUP_UNIX_GETSOCKNAME", .short_name = "cgroup_unix_getsockname", .since = v(6, 7), .prog_types = set_of(ProgType::BPF_PROG_TYPE_CGROUP_SOCK_ADDR), .overrides_return = true, .returns = {true, 1, 1}, .user_reason = kNotYet},
    {.type = BPF_NETKIT_PRIMARY, .name = "BPF_NETKIT_PRIMARY", .short_name = "netkit_primary", .since = v(6, 7), .prog_types = set_of(ProgType::BPF_PROG_TYPE_SCHED_CLS), .user_reason = kNotYet},
    {.type = BPF_NETKIT_PEER, .name = "BPF_NETKIT_PEER", .short_name = "netkit_peer", .since = v(6, 7), .prog_types = set_of(ProgType::BPF_PROG_TYPE_SCHED_CLS), .user_reason = kNotYet},
    {.type = BPF_TRACE_KPROBE_SESSION, .name = "BPF_TRACE_KPROBE_SESSION", .short_name = "trace_kprobe_session", .since = v(6, 10), .prog_types = set_of(ProgType::BPF_PROG_TYPE_KPROBE), .overrides_return = true, .returns = {true, 0, 1}, .user_reason = kNotYet},
    {.type = BPF_TRACE_UPROBE_SESSION, .name = "BPF_TRACE_UPROBE_SESSION", .short_name = "trace_uprobe_session", .since = v(6, 13), .prog_types = set_of(ProgType::BPF_PROG_TYPE_KPROBE), .overrides_return = true, .returns = {true, 0, 1}, .user = UserStatus::works},
    {.type = BPF_TRACE_FSESSION, .name = "BPF_TRACE_FSESSION", .short_name = "trace_fsession", .since = v(7, 0), .prog_types = set_of(ProgType::BPF_PROG_TYPE_TRACING), .overrides_return = true, .returns = {true, 0, 0}, .user_reason = kNotYet},
    {.type = BPF_TRACE_FENTRY_MULTI, .name = "BPF_TRACE_FENTRY_MULTI", .short_name = "trace_fentry_multi", .since = v(7, 2), .prog_types = set_of(ProgType::BPF_PROG_TYPE_TRACING), .overrides_return = true, .returns = {true, 0, 0}, .user_reason = kNotYet},
    {.type = BPF_TRACE_FEXIT_MULTI, .name = "BPF_TRACE_FEXIT_MULTI", .short_name = "trace_fexit_multi", .since = v(7, 2), .prog_types = set_of(ProgType::BPF_PROG_TYPE_TRACING), .overrides_return = true, .returns = {true, 0, 0}, .user_reason = kNotYet},
    {.type = BPF_TRACE_FSESSION_MULTI, .name = "BPF_TRACE_FSESSION_MULTI", .short_name = "trace_fsession_multi", .since = v(7, 2), .prog_types = set_of(ProgType::BPF_PROG_TYPE_TRACING), .overrides_return = true, .returns = {true, 0, 0}, .user_reason = kNotYet},
};
// clang-format on

// By number, none left out: a row's place is its type.
consteval bool rows_are_numbered() {
  for (uint32_t i = 0; i < std::size(kRows); i++) {
    if (static_cast<uint32_t>(kRows[i].type) != i) return false;
  }
  return true;
}
static_assert(rows_are_numbered() && std::size(kRows) == kAttachTypes);
static_assert(std::ranges::all_of(kRows, [](const AttachTypeRow& row) {
  return (row.user == UserStatus::works) == row.user_reason.empty() && row.prog_types != 0;
}));

}  // namespace

std::span<const AttachTypeRow> attach_types() { return kRows; }
const AttachTypeRow* find_attach_type(AttachType type) {
  const auto number = static_cast<uint32_t>(type);
  return number < std::size(kRows) ? &kRows[number] : nullptr;
}
const AttachTypeRow* find_attach_type(std::string_view name) {
  const auto* row = std::ranges::find_if(kRows, [&](const AttachTypeRow& r) {
    return r.name == name || r.short_name == name || r.name.substr(4) == name;
  });
  return row != std::end(kRows) ? row : nullptr;
}

AttachType fixed_attach_type(ProgType type, AttachType expected) {
  if (static_cast<uint32_t>(expected) != 0) return expected;
  if (type == ProgType::BPF_PROG_TYPE_CGROUP_SOCK) return BPF_CGROUP_INET_SOCK_CREATE;
  if (type == ProgType::BPF_PROG_TYPE_SK_REUSEPORT) return BPF_SK_REUSEPORT_SELECT;
  return expected;
}

ReturnRange return_range(ProgType type, AttachType expected) {
  const AttachTypeRow* attach = find_attach_type(expected);
  if (attach != nullptr && attach->overrides_return && in_set(attach->prog_types, type))
    return attach->returns;
  const ProgTypeRow* row = find_prog_type(type);
  return row != nullptr ? row->returns : ReturnRange{};
}

bool attach_type_allowed(ProgType type, AttachType expected) {
  const ProgTypeRow* row = find_prog_type(type);
  const AttachTypeRow* attach = find_attach_type(expected);
  if (row == nullptr || attach == nullptr) return false;
  if (row->attach_type_required) return in_set(attach->prog_types, type);
  // The kernel looks at it with few types, and wants none with these.
  if (type == ProgType::BPF_PROG_TYPE_SYSCALL || type == ProgType::BPF_PROG_TYPE_EXT) {
    return static_cast<uint32_t>(expected) == 0;
  }
  return true;
}

}  // namespace skep::spec
