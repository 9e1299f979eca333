// The section names' rows. Facts: section_defs[] of libbpf (1.7), whose order and matching rules are kept,
// so that an object means the same program here and there.
#include "spec/sections.h"

#include <algorithm>
#include <iterator>

namespace skep::spec {
namespace {

using enum ProgType;
using enum AttachType;
constexpr UserStatus kWorks = UserStatus::works;
constexpr SectionMatch kMaybe = SectionMatch::maybe_extras;

// clang-format off
constexpr Section kRows[] = {
    {.prefix = "socket", .prog_type = BPF_PROG_TYPE_SOCKET_FILTER, .user = kWorks},
    {.prefix = "sk_reuseport/migrate", .prog_type = BPF_PROG_TYPE_SK_REUSEPORT, .attach_type = BPF_SK_REUSEPORT_SELECT_OR_MIGRATE, .has_attach_type = true},
    {.prefix = "sk_reuseport", .prog_type = BPF_PROG_TYPE_SK_REUSEPORT, .attach_type = BPF_SK_REUSEPORT_SELECT, .has_attach_type = true},
    {.prefix = "kprobe", .match = kMaybe, .prog_type = BPF_PROG_TYPE_KPROBE, .attach = AttachBehaviour::kprobe},
    {.prefix = "uprobe", .match = kMaybe, .prog_type = BPF_PROG_TYPE_KPROBE, .attach = AttachBehaviour::uprobe, .user = kWorks},
    {.prefix = "uprobe.s", .match = kMaybe, .prog_type = BPF_PROG_TYPE_KPROBE, .sleepable = true, .attach = AttachBehaviour::uprobe, .user = kWorks},
    {.prefix = "kretprobe", .match = kMaybe, .prog_type = BPF_PROG_TYPE_KPROBE, .is_return = true, .attach = AttachBehaviour::kprobe},
    {.prefix = "uretprobe", .match = kMaybe, .prog_type = BPF_PROG_TYPE_KPROBE, .is_return = true, .attach = AttachBehaviour::uprobe, .user = kWorks},
    {.prefix = "uretprobe.s", .match = kMaybe, .prog_type = BPF_PROG_TYPE_KPROBE, .sleepable = true, .is_return = true, .attach = AttachBehaviour::uprobe, .user = kWorks},
    {.prefix = "kprobe.multi", .match = kMaybe, .prog_type = BPF_PROG_TYPE_KPROBE, .attach_type = BPF_TRACE_KPROBE_MULTI, .has_attach_type = true, .attach = AttachBehaviour::kprobe_multi},
    {.prefix = "kretprobe.multi", .match = kMaybe, .prog_type = BPF_PROG_TYPE_KPROBE, .attach_type = BPF_TRACE_KPROBE_MULTI, .has_attach_type = true, .is_return = true, .attach = AttachBehaviour::kprobe_multi},
    {.prefix = "kprobe.session", .match = kMaybe, .prog_type = BPF_PROG_TYPE_KPROBE, .attach_type = BPF_TRACE_KPROBE_SESSION, .has_attach_type = true, .attach = AttachBehaviour::kprobe_session},
    {.prefix = "uprobe.multi", .match = kMaybe, .prog_type = BPF_PROG_TYPE_KPROBE, .attach_type = BPF_TRACE_UPROBE_MULTI, .has_attach_type = true, .attach = AttachBehaviour::uprobe_multi, .user = kWorks},
    {.prefix = "uretprobe.multi", .match = kMaybe, .prog_type = BPF_PROG_TYPE_KPROBE, .attach_type = BPF_TRACE_UPROBE_MULTI, .has_attach_type = true, .is_return = true, .attach = AttachBehaviour::uprobe_multi, .user = kWorks},
    {.prefix = "uprobe.session", .match = kMaybe, .prog_type = BPF_PROG_TYPE_KPROBE, .attach_type = BPF_TRACE_UPROBE_SESSION, .has_attach_type = true, .attach = AttachBehaviour::uprobe_session, .user = kWorks},
    {.prefix = "uprobe.multi.s", .match = kMaybe, .prog_type = BPF_PROG_TYPE_KPROBE, .attach_type = BPF_TRACE_UPROBE_MULTI, .has_attach_type = true, .sleepable = true, .attach = AttachBehaviour::uprobe_multi, .user = kWorks},
    {.prefix = "uretprobe.multi.s", .match = kMaybe, .prog_type = BPF_PROG_TYPE_KPROBE, .attach_type = BPF_TRACE_UPROBE_MULTI, .has_attach_type = true, .sleepable = true, .is_return = true, .attach = AttachBehaviour::uprobe_multi, .user = kWorks},
    {.prefix = "uprobe.session.s", .match = kMaybe, .prog_type = BPF_PROG_TYPE_KPROBE, .attach_type = BPF_TRACE_UPROBE_SESSION, .has_attach_type = true, .sleepable = true, .attach = AttachBehaviour::uprobe_session, .user = kWorks},
    {.prefix = "ksyscall", .match = kMaybe, .prog_type = BPF_PROG_TYPE_KPROBE, .attach = AttachBehaviour::ksyscall, .user = kWorks},
    {.prefix = "kretsyscall", .match = kMaybe, .prog_type = BPF_PROG_TYPE_KPROBE, .is_return = true, .attach = AttachBehaviour::ksyscall, .user = kWorks},
    {.prefix = "usdt", .match = kMaybe, .prog_type = BPF_PROG_TYPE_KPROBE, .attach = AttachBehaviour::usdt, .user = kWorks},
    {.prefix = "usdt.s", .match = kMaybe, .prog_type = BPF_PROG_TYPE_KPROBE, .sleepable = true, .attach = AttachBehaviour::usdt, .user = kWorks},
    {.prefix = "tc/ingress", .prog_type = BPF_PROG_TYPE_SCHED_CLS, .attach_type = BPF_TCX_INGRESS, .has_attach_type = true, .user = kWorks},
    {.prefix = "tc/egress", .prog_type = BPF_PROG_TYPE_SCHED_CLS, .attach_type = BPF_TCX_EGRESS, .has_attach_type = true, .user = kWorks},
    {.prefix = "tcx/ingress", .prog_type = BPF_PROG_TYPE_SCHED_CLS, .attach_type = BPF_TCX_INGRESS, .has_attach_type = true, .user = kWorks},
    {.prefix = "tcx/egress", .prog_type = BPF_PROG_TYPE_SCHED_CLS, .attach_type = BPF_TCX_EGRESS, .has_attach_type = true, .user = kWorks},
    {.prefix = "tc", .prog_type = BPF_PROG_TYPE_SCHED_CLS, .user = kWorks},
    {.prefix = "classifier", .prog_type = BPF_PROG_TYPE_SCHED_CLS, .user = kWorks},
    {.prefix = "action", .prog_type = BPF_PROG_TYPE_SCHED_ACT, .user = kWorks},
    {.prefix = "netkit/primary", .prog_type = BPF_PROG_TYPE_SCHED_CLS, .attach_type = BPF_NETKIT_PRIMARY, .has_attach_type = true},
    {.prefix = "netkit/peer", .prog_type = BPF_PROG_TYPE_SCHED_CLS, .attach_type = BPF_NETKIT_PEER, .has_attach_type = true},
    {.prefix = "tracepoint", .match = kMaybe, .prog_type = BPF_PROG_TYPE_TRACEPOINT, .attach = AttachBehaviour::tracepoint, .user = kWorks},
    {.prefix = "tp", .match = kMaybe, .prog_type = BPF_PROG_TYPE_TRACEPOINT, .attach = AttachBehaviour::tracepoint, .user = kWorks},
    {.prefix = "tracepoint.s", .match = kMaybe, .prog_type = BPF_PROG_TYPE_TRACEPOINT, .sleepable = true, .attach = AttachBehaviour::tracepoint, .user = kWorks},
    {.prefix = "tp.s", .match = kMaybe, .prog_type = BPF_PROG_TYPE_TRACEPOINT, .sleepable = true, .attach = AttachBehaviour::tracepoint, .user = kWorks},
    {.prefix = "raw_tracepoint", .match = kMaybe, .prog_type = BPF_PROG_TYPE_RAW_TRACEPOINT, .attach = AttachBehaviour::raw_tracepoint, .user = kWorks},
    {.prefix = "raw_tp", .match = kMaybe, .prog_type = BPF_PROG_TYPE_RAW_TRACEPOINT, .attach = AttachBehaviour::raw_tracepoint, .user = kWorks},
    {.prefix = "raw_tracepoint.s", .match = kMaybe, .prog_type = BPF_PROG_TYPE_RAW_TRACEPOINT, .sleepable = true, .attach = AttachBehaviour::raw_tracepoint, .user = kWorks},
    {.prefix = "raw_tp.s", .match = kMaybe, .prog_type = BPF_PROG_TYPE_RAW_TRACEPOINT, .sleepable = true, .attach = AttachBehaviour::raw_tracepoint, .user = kWorks},
    {.prefix = "raw_tracepoint.w", .match = kMaybe, .prog_type = BPF_PROG_TYPE_RAW_TRACEPOINT_WRITABLE, .attach = AttachBehaviour::raw_tracepoint},
    {.prefix = "raw_tp.w", .match = kMaybe, .prog_type = BPF_PROG_TYPE_RAW_TRACEPOINT_WRITABLE, .attach = AttachBehaviour::raw_tracepoint},
    {.prefix = "tp_btf", .match = kMaybe, .prog_type = BPF_PROG_TYPE_TRACING, .attach_type = BPF_TRACE_RAW_TP, .has_attach_type = true, .attach_btf = true, .attach = AttachBehaviour::trace},
    {.prefix = "tp_btf.s", .match = kMaybe, .prog_type = BPF_PROG_TYPE_TRACING, .attach_type = BPF_TRACE_RAW_TP, .has_attach_type = true, .attach_btf = true, .sleepable = true, .attach = AttachBehaviour::trace},
    {.prefix = "fentry", .match = kMaybe, .prog_type = BPF_PROG_TYPE_TRACING, .attach_type = BPF_TRACE_FENTRY, .has_attach_type = true, .attach_btf = true, .attach = AttachBehaviour::trace},
    {.prefix = "fmod_ret", .match = kMaybe, .prog_type = BPF_PROG_TYPE_TRACING, .attach_type = BPF_MODIFY_RETURN, .has_attach_type = true, .attach_btf = true, .attach = AttachBehaviour::trace},
    {.prefix = "fexit", .match = kMaybe, .prog_type = BPF_PROG_TYPE_TRACING, .attach_type = BPF_TRACE_FEXIT, .has_attach_type = true, .attach_btf = true, .attach = AttachBehaviour::trace},
    {.prefix = "fentry.s", .match = kMaybe, .prog_type = BPF_PROG_TYPE_TRACING, .attach_type = BPF_TRACE_FENTRY, .has_attach_type = true, .attach_btf = true, .sleepable = true, .attach = AttachBehaviour::trace},
    {.prefix = "fmod_ret.s", .match = kMaybe, .prog_type = BPF_PROG_TYPE_TRACING, .attach_type = BPF_MODIFY_RETURN, .has_attach_type = true, .attach_btf = true, .sleepable = true, .attach = AttachBehaviour::trace},
    {.prefix = "fexit.s", .match = kMaybe, .prog_type = BPF_PROG_TYPE_TRACING, .attach_type = BPF_TRACE_FEXIT, .has_attach_type = true, .attach_btf = true, .sleepable = true, .attach = AttachBehaviour::trace},
    {.prefix = "fsession", .match = kMaybe, .prog_type = BPF_PROG_TYPE_TRACING, .attach_type = BPF_TRACE_FSESSION, .has_attach_type = true, .attach_btf = true, .attach = AttachBehaviour::trace},
    {.prefix = "fsession.s", .match = kMaybe, .prog_type = BPF_PROG_TYPE_TRACING, .attach_type = BPF_TRACE_FSESSION, .has_attach_type = true, .attach_btf = true, .sleepable = true, .attach = AttachBehaviour::trace},
    {.prefix = "fsession.multi", .match = kMaybe, .prog_type = BPF_PROG_TYPE_TRACING, .attach_type = BPF_TRACE_FSESSION_MULTI, .has_attach_type = true, .attach = AttachBehaviour::trace_multi},
    {.prefix = "fsession.multi.s", .match = kMaybe, .prog_type = BPF_PROG_TYPE_TRACING, .attach_type = BPF_TRACE_FSESSION_MULTI, .has_attach_type = true, .sleepable = true, .attach = AttachBehaviour::trace_multi},
    {.prefix = "fentry.multi", .match = kMaybe, .prog_type = BPF_PROG_TYPE_TRACING, .attach_type = BPF_TRACE_FENTRY_MULTI, .has_attach_type = true, .attach = AttachBehaviour::trace_multi},
    {.prefix = "fexit.multi", .match = kMaybe, .prog_type = BPF_PROG_TYPE_TRACING, .attach_type = BPF_TRACE_FEXIT_MULTI, .has_attach_type = true, .attach = AttachBehaviour::trace_multi},
    {.prefix = "fentry.multi.s", .match = kMaybe, .prog_type = BPF_PROG_TYPE_TRACING, .attach_type = BPF_TRACE_FENTRY_MULTI, .has_attach_type = true, .sleepable = true, .attach = AttachBehaviour::trace_multi},
    {.prefix = "fexit.multi.s", .match = kMaybe, .prog_type = BPF_PROG_TYPE_TRACING, .attach_type = BPF_TRACE_FEXIT_MULTI, .has_attach_type = true, .sleepable = true, .attach = AttachBehaviour::trace_multi},
    {.prefix = "freplace", .match = kMaybe, .prog_type = BPF_PROG_TYPE_EXT, .attach_btf = true, .attach = AttachBehaviour::trace},
    {.prefix = "lsm", .match = kMaybe, .prog_type = BPF_PROG_TYPE_LSM, .attach_type = BPF_LSM_MAC, .has_attach_type = true, .attach_btf = true, .attach = AttachBehaviour::lsm},
    {.prefix = "lsm.s", .match = kMaybe, .prog_type = BPF_PROG_TYPE_LSM, .attach_type = BPF_LSM_MAC, .has_attach_type = true, .attach_btf = true, .sleepable = true, .attach = AttachBehaviour::lsm},
    {.prefix = "lsm_cgroup", .match = kMaybe, .prog_type = BPF_PROG_TYPE_LSM, .attach_type = BPF_LSM_CGROUP, .has_attach_type = true, .attach_btf = true, .attach = AttachBehaviour::cgroup},
    {.prefix = "iter", .match = kMaybe, .prog_type = BPF_PROG_TYPE_TRACING, .attach_type = BPF_TRACE_ITER, .has_attach_type = true, .attach_btf = true, .attach = AttachBehaviour::iter},
    {.prefix = "iter.s", .match = kMaybe, .prog_type = BPF_PROG_TYPE_TRACING, .attach_type = BPF_TRACE_ITER, .has_attach_type = true, .attach_btf = true, .sleepable = true, .attach = AttachBehaviour::iter},
    {.prefix = "syscall", .prog_type = BPF_PROG_TYPE_SYSCALL, .sleepable = true},
    {.prefix = "xdp.frags/devmap", .prog_type = BPF_PROG_TYPE_XDP, .attach_type = BPF_XDP_DEVMAP, .has_attach_type = true, .xdp_frags = true},
    {.prefix = "xdp/devmap", .prog_type = BPF_PROG_TYPE_XDP, .attach_type = BPF_XDP_DEVMAP, .has_attach_type = true},
    {.prefix = "xdp.frags/cpumap", .prog_type = BPF_PROG_TYPE_XDP, .attach_type = BPF_XDP_CPUMAP, .has_attach_type = true, .xdp_frags = true},
    {.prefix = "xdp/cpumap", .prog_type = BPF_PROG_TYPE_XDP, .attach_type = BPF_XDP_CPUMAP, .has_attach_type = true},
    {.prefix = "xdp.frags", .prog_type = BPF_PROG_TYPE_XDP, .attach_type = BPF_XDP, .has_attach_type = true, .xdp_frags = true},
    {.prefix = "xdp", .prog_type = BPF_PROG_TYPE_XDP, .attach_type = BPF_XDP, .has_attach_type = true, .attach_type_optional = true, .user = kWorks},
    {.prefix = "perf_event", .prog_type = BPF_PROG_TYPE_PERF_EVENT, .attach = AttachBehaviour::perf_event},
    {.prefix = "lwt_in", .prog_type = BPF_PROG_TYPE_LWT_IN},
    {.prefix = "lwt_out", .prog_type = BPF_PROG_TYPE_LWT_OUT},
    {.prefix = "lwt_xmit", .prog_type = BPF_PROG_TYPE_LWT_XMIT},
    {.prefix = "lwt_seg6local", .prog_type = BPF_PROG_TYPE_LWT_SEG6LOCAL},
    {.prefix = "sockops", .prog_type = BPF_PROG_TYPE_SOCK_OPS, .attach_type = BPF_CGROUP_SOCK_OPS, .has_attach_type = true, .attach_type_optional = true, .attach = AttachBehaviour::cgroup},
    {.prefix = "sk_skb/stream_parser", .prog_type = BPF_PROG_TYPE_SK_SKB, .attach_type = BPF_SK_SKB_STREAM_PARSER, .has_attach_type = true, .attach_type_optional = true},
    {.prefix = "sk_skb/stream_verdict", .prog_type = BPF_PROG_TYPE_SK_SKB, .attach_type = BPF_SK_SKB_STREAM_VERDICT, .has_attach_type = true, .attach_type_optional = true},
    {.prefix = "sk_skb/verdict", .prog_type = BPF_PROG_TYPE_SK_SKB, .attach_type = BPF_SK_SKB_VERDICT, .has_attach_type = true, .attach_type_optional = true},
    {.prefix = "sk_skb", .prog_type = BPF_PROG_TYPE_SK_SKB},
    {.prefix = "sk_msg", .prog_type = BPF_PROG_TYPE_SK_MSG, .attach_type = BPF_SK_MSG_VERDICT, .has_attach_type = true, .attach_type_optional = true},
    {.prefix = "lirc_mode2", .prog_type = BPF_PROG_TYPE_LIRC_MODE2, .attach_type = BPF_LIRC_MODE2, .has_attach_type = true, .attach_type_optional = true},
    {.prefix = "flow_dissector", .prog_type = BPF_PROG_TYPE_FLOW_DISSECTOR, .attach_type = BPF_FLOW_DISSECTOR, .has_attach_type = true, .attach_type_optional = true},
    {.prefix = "cgroup_skb/ingress", .prog_type = BPF_PROG_TYPE_CGROUP_SKB, .attach_type = BPF_CGROUP_INET_INGRESS, .has_attach_type = true, .attach_type_optional = true, .attach = AttachBehaviour::cgroup, .user = kWorks},
    {.prefix = "cgroup_skb/egress", .prog_type = BPF_PROG_TYPE_CGROUP_SKB, .attach_type = BPF_CGROUP_INET_EGRESS, .has_attach_type = true, .attach_type_optional = true, .attach = AttachBehaviour::cgroup, .user = kWorks},
    {.prefix = "cgroup/skb", .prog_type = BPF_PROG_TYPE_CGROUP_SKB, .attach = AttachBehaviour::cgroup, .user = kWorks},
    {.prefix = "cgroup/sock_create", .prog_type = BPF_PROG_TYPE_CGROUP_SOCK, .attach_type = BPF_CGROUP_INET_SOCK_CREATE, .has_attach_type = true, .attach = AttachBehaviour::cgroup, .user = kWorks},
    {.prefix = "cgroup/sock_release", .prog_type = BPF_PROG_TYPE_CGROUP_SOCK, .attach_type = BPF_CGROUP_INET_SOCK_RELEASE, .has_attach_type = true, .attach = AttachBehaviour::cgroup},
    {.prefix = "cgroup/sock", .prog_type = BPF_PROG_TYPE_CGROUP_SOCK, .attach_type = BPF_CGROUP_INET_SOCK_CREATE, .has_attach_type = true, .attach_type_optional = true, .attach = AttachBehaviour::cgroup, .user = kWorks},
    {.prefix = "cgroup/post_bind4", .prog_type = BPF_PROG_TYPE_CGROUP_SOCK, .attach_type = BPF_CGROUP_INET4_POST_BIND, .has_attach_type = true, .attach = AttachBehaviour::cgroup, .user = kWorks},
    {.prefix = "cgroup/post_bind6", .prog_type = BPF_PROG_TYPE_CGROUP_SOCK, .attach_type = BPF_CGROUP_INET6_POST_BIND, .has_attach_type = true, .attach = AttachBehaviour::cgroup, .user = kWorks},
    {.prefix = "cgroup/bind4", .prog_type = BPF_PROG_TYPE_CGROUP_SOCK_ADDR, .attach_type = BPF_CGROUP_INET4_BIND, .has_attach_type = true, .attach = AttachBehaviour::cgroup, .user = kWorks},
    {.prefix = "cgroup/bind6", .prog_type = BPF_PROG_TYPE_CGROUP_SOCK_ADDR, .attach_type = BPF_CGROUP_INET6_BIND, .has_attach_type = true, .attach = AttachBehaviour::cgroup, .user = kWorks},
    {.prefix = "cgroup/connect4", .prog_type = BPF_PROG_TYPE_CGROUP_SOCK_ADDR, .attach_type = BPF_CGROUP_INET4_CONNECT, .has_attach_type = true, .attach = AttachBehaviour::cgroup, .user = kWorks},
    {.prefix = "cgroup/connect6", .prog_type = BPF_PROG_TYPE_CGROUP_SOCK_ADDR, .attach_type = BPF_CGROUP_INET6_CONNECT, .has_attach_type = true, .attach = AttachBehaviour::cgroup, .user = kWorks},
    {.prefix = "cgroup/connect_unix", .prog_type = BPF_PROG_TYPE_CGROUP_SOCK_ADDR, .attach_type = BPF_CGROUP_UNIX_CONNECT, .has_attach_type = true, .attach = AttachBehaviour::cgroup},
    {.prefix = "cgroup/sendmsg4", .prog_type = BPF_PROG_TYPE_CGROUP_SOCK_ADDR, .attach_type = BPF_CGROUP_UDP4_SENDMSG, .has_attach_type = true, .attach = AttachBehaviour::cgroup},
    {.prefix = "cgroup/sendmsg6", .prog_type = BPF_PROG_TYPE_CGROUP_SOCK_ADDR, .attach_type = BPF_CGROUP_UDP6_SENDMSG, .has_attach_type = true, .attach = AttachBehaviour::cgroup},
    {.prefix = "cgroup/sendmsg_unix", .prog_type = BPF_PROG_TYPE_CGROUP_SOCK_ADDR, .attach_type = BPF_CGROUP_UNIX_SENDMSG, .has_attach_type = true, .attach = AttachBehaviour::cgroup},
    {.prefix = "cgroup/recvmsg4", .prog_type = BPF_PROG_TYPE_CGROUP_SOCK_ADDR, .attach_type = BPF_CGROUP_UDP4_RECVMSG, .has_attach_type = true, .attach = AttachBehaviour::cgroup},
    {.prefix = "cgroup/recvmsg6", .prog_type = BPF_PROG_TYPE_CGROUP_SOCK_ADDR, .attach_type = BPF_CGROUP_UDP6_RECVMSG, .has_attach_type = true, .attach = AttachBehaviour::cgroup},
    {.prefix = "cgroup/recvmsg_unix", .prog_type = BPF_PROG_TYPE_CGROUP_SOCK_ADDR, .attach_type = BPF_CGROUP_UNIX_RECVMSG, .has_attach_type = true, .attach = AttachBehaviour::cgroup},
    {.prefix = "cgroup/getpeername4", .prog_type = BPF_PROG_TYPE_CGROUP_SOCK_ADDR, .attach_type = BPF_CGROUP_INET4_GETPEERNAME, .has_attach_type = true, .attach = AttachBehaviour::cgroup},
    {.prefix = "cgroup/getpeername6", .prog_type = BPF_PROG_TYPE_CGROUP_SOCK_ADDR, .attach_type = BPF_CGROUP_INET6_GETPEERNAME, .has_attach_type = true, .attach = AttachBehaviour::cgroup},
    {.prefix = "cgroup/getpeername_unix", .prog_type = BPF_PROG_TYPE_CGROUP_SOCK_ADDR, .attach_type = BPF_CGROUP_UNIX_GETPEERNAME, .has_attach_type = true, .attach = AttachBehaviour::cgroup},
    {.prefix = "cgroup/getsockname4", .prog_type = BPF_PROG_TYPE_CGROUP_SOCK_ADDR, .attach_type = BPF_CGROUP_INET4_GETSOCKNAME, .has_attach_type = true, .attach = AttachBehaviour::cgroup},
    {.prefix = "cgroup/getsockname6", .prog_type = BPF_PROG_TYPE_CGROUP_SOCK_ADDR, .attach_type = BPF_CGROUP_INET6_GETSOCKNAME, .has_attach_type = true, .attach = AttachBehaviour::cgroup},
    {.prefix = "cgroup/getsockname_unix", .prog_type = BPF_PROG_TYPE_CGROUP_SOCK_ADDR, .attach_type = BPF_CGROUP_UNIX_GETSOCKNAME, .has_attach_type = true, .attach = AttachBehaviour::cgroup},
    {.prefix = "cgroup/sysctl", .prog_type = BPF_PROG_TYPE_CGROUP_SYSCTL, .attach_type = BPF_CGROUP_SYSCTL, .has_attach_type = true, .attach = AttachBehaviour::cgroup},
    {.prefix = "cgroup/getsockopt", .prog_type = BPF_PROG_TYPE_CGROUP_SOCKOPT, .attach_type = BPF_CGROUP_GETSOCKOPT, .has_attach_type = true, .attach = AttachBehaviour::cgroup},
    {.prefix = "cgroup/setsockopt", .prog_type = BPF_PROG_TYPE_CGROUP_SOCKOPT, .attach_type = BPF_CGROUP_SETSOCKOPT, .has_attach_type = true, .attach = AttachBehaviour::cgroup},
    {.prefix = "cgroup/dev", .prog_type = BPF_PROG_TYPE_CGROUP_DEVICE, .attach_type = BPF_CGROUP_DEVICE, .has_attach_type = true, .attach_type_optional = true, .attach = AttachBehaviour::cgroup},
    {.prefix = "struct_ops", .match = kMaybe, .prog_type = BPF_PROG_TYPE_STRUCT_OPS, .attach = AttachBehaviour::struct_ops},
    {.prefix = "struct_ops.s", .match = kMaybe, .prog_type = BPF_PROG_TYPE_STRUCT_OPS, .sleepable = true, .attach = AttachBehaviour::struct_ops},
    {.prefix = "sk_lookup", .prog_type = BPF_PROG_TYPE_SK_LOOKUP, .attach_type = BPF_SK_LOOKUP, .has_attach_type = true},
    {.prefix = "netfilter", .prog_type = BPF_PROG_TYPE_NETFILTER, .attach_type = BPF_NETFILTER, .has_attach_type = true, .attach = AttachBehaviour::netfilter},
};
// clang-format on

// No two rows take the same name: prefixes are unique, and one that is a prefix of another at a "/" takes
// no extras or stands behind it.
consteval bool rows_do_not_hide_each_other() {
  for (size_t i = 0; i < std::size(kRows); i++) {
    for (size_t j = i + 1; j < std::size(kRows); j++) {
      const std::string_view a = kRows[i].prefix, b = kRows[j].prefix;
      if (a == b) return false;
      if (kRows[i].match == kMaybe && b.size() > a.size() && b.starts_with(a) && b[a.size()] == '/')
        return false;
    }
  }
  return true;
}
static_assert(rows_do_not_hide_each_other());

}  // namespace

std::span<const Section> sections() { return kRows; }

std::optional<SectionName> parse_section_name(std::string_view name) {
  SectionName found;
  if (name.starts_with('?')) {
    found.autoload = false;
    name.remove_prefix(1);
  }
  for (const Section& row : kRows) {
    if (!name.starts_with(row.prefix)) continue;
    const std::string_view rest = name.substr(row.prefix.size());
    if (row.match == SectionMatch::exact && !rest.empty()) continue;
    if (!rest.empty() && rest[0] != '/') continue;
    if (row.match == SectionMatch::with_extras && rest.size() < 2) continue;
    found.section = &row;
    found.target = rest.empty() ? rest : rest.substr(1);
    return found;
  }
  return std::nullopt;
}

}  // namespace skep::spec
