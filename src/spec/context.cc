// The contexts' rows and the check against them. Facts: the is_valid_access() of each program type in
// net/core/filter.c, kernel/bpf/cgroup.c and kernel/trace/bpf_trace.c of Linux 7.3.
//
// A row's offsets are the UAPI's. Arrays whose elements are accessed one by one have a row for each.
#include "spec/context.h"

#include <cstddef>
#include <iterator>

#include "spec/context_layout.h"

namespace skep::spec {
namespace {

constexpr ProgTypeSet kAll = ~ProgTypeSet{0};
constexpr ProgTypeSet kFilter = set_of(ProgType::BPF_PROG_TYPE_SOCKET_FILTER);
constexpr ProgTypeSet kTc =
    set_of(ProgType::BPF_PROG_TYPE_SCHED_CLS, ProgType::BPF_PROG_TYPE_SCHED_ACT);
constexpr ProgTypeSet kCgroupSkb = set_of(ProgType::BPF_PROG_TYPE_CGROUP_SKB);
constexpr ProgTypeSet kLwt =
    set_of(ProgType::BPF_PROG_TYPE_LWT_IN, ProgType::BPF_PROG_TYPE_LWT_OUT,
           ProgType::BPF_PROG_TYPE_LWT_XMIT, ProgType::BPF_PROG_TYPE_LWT_SEG6LOCAL);
constexpr ProgTypeSet kSkSkb = set_of(ProgType::BPF_PROG_TYPE_SK_SKB);
constexpr ProgTypeSet kFlowDissector = set_of(ProgType::BPF_PROG_TYPE_FLOW_DISSECTOR);

constexpr AttachTypeSet kSockCreate =
    set_of(AttachType::BPF_CGROUP_INET_SOCK_CREATE, AttachType::BPF_CGROUP_INET_SOCK_RELEASE);
constexpr AttachTypeSet kPostBind4 = set_of(AttachType::BPF_CGROUP_INET4_POST_BIND);
constexpr AttachTypeSet kPostBind6 = set_of(AttachType::BPF_CGROUP_INET6_POST_BIND);
constexpr AttachTypeSet kAddr4 =
    set_of(AttachType::BPF_CGROUP_INET4_BIND, AttachType::BPF_CGROUP_INET4_CONNECT,
           AttachType::BPF_CGROUP_INET4_GETPEERNAME, AttachType::BPF_CGROUP_INET4_GETSOCKNAME,
           AttachType::BPF_CGROUP_UDP4_SENDMSG, AttachType::BPF_CGROUP_UDP4_RECVMSG);
constexpr AttachTypeSet kAddr6 =
    set_of(AttachType::BPF_CGROUP_INET6_BIND, AttachType::BPF_CGROUP_INET6_CONNECT,
           AttachType::BPF_CGROUP_INET6_GETPEERNAME, AttachType::BPF_CGROUP_INET6_GETSOCKNAME,
           AttachType::BPF_CGROUP_UDP6_SENDMSG, AttachType::BPF_CGROUP_UDP6_RECVMSG);

// clang-format off
constexpr ContextField kSkBuff[] = {
    {.name = "len", .offset = 0, .size = 4, .min_read = 1, .readers = kFilter | kTc | kCgroupSkb | kLwt | kSkSkb},
    {.name = "pkt_type", .offset = 4, .size = 4, .min_read = 1, .readers = kFilter | kTc | kCgroupSkb | kLwt | kSkSkb},
    {.name = "mark", .offset = 8, .size = 4, .min_read = 1, .readers = kFilter | kTc | kCgroupSkb | kLwt, .writers = kTc | kCgroupSkb | kLwt},
    {.name = "queue_mapping", .offset = 12, .size = 4, .min_read = 1, .readers = kFilter | kTc | kCgroupSkb | kLwt | kSkSkb, .writers = kTc},
    {.name = "protocol", .offset = 16, .size = 4, .min_read = 1, .readers = kFilter | kTc | kCgroupSkb | kLwt | kSkSkb},
    {.name = "vlan_present", .offset = 20, .size = 4, .min_read = 1, .readers = kFilter | kTc | kCgroupSkb | kLwt | kSkSkb},
    {.name = "vlan_tci", .offset = 24, .size = 4, .min_read = 1, .readers = kFilter | kTc | kCgroupSkb | kLwt | kSkSkb},
    {.name = "vlan_proto", .offset = 28, .size = 4, .min_read = 1, .readers = kFilter | kTc | kCgroupSkb | kLwt | kSkSkb},
    {.name = "priority", .offset = 32, .size = 4, .min_read = 1, .readers = kFilter | kTc | kCgroupSkb | kLwt | kSkSkb, .writers = kTc | kCgroupSkb | kLwt | kSkSkb},
    {.name = "ingress_ifindex", .offset = 36, .size = 4, .min_read = 1, .readers = kFilter | kTc | kCgroupSkb | kLwt | kSkSkb},
    {.name = "ifindex", .offset = 40, .size = 4, .min_read = 1, .readers = kFilter | kTc | kCgroupSkb | kLwt | kSkSkb},
    {.name = "tc_index", .offset = 44, .size = 4, .min_read = 1, .readers = kFilter | kTc | kCgroupSkb | kLwt | kSkSkb, .writers = kTc | kSkSkb},
    {.name = "cb", .offset = 48, .size = 20, .min_read = 1, .any_within = true, .readers = kFilter | kTc | kCgroupSkb | kLwt | kSkSkb, .writers = kFilter | kTc | kCgroupSkb | kLwt},
    {.name = "hash", .offset = 68, .size = 4, .min_read = 1, .readers = kFilter | kTc | kCgroupSkb | kLwt | kSkSkb},
    {.name = "tc_classid", .offset = 72, .size = 4, .min_read = 1, .readers = kTc, .writers = kTc},
    {.name = "data", .offset = 76, .size = 4, .min_read = 4, .pointer = PointerKind::packet, .hidden = offsetof(SkBuffContext, data), .readers = kTc | kCgroupSkb | kLwt | kSkSkb | kFlowDissector},
    {.name = "data_end", .offset = 80, .size = 4, .min_read = 4, .pointer = PointerKind::packet_end, .hidden = offsetof(SkBuffContext, data_end), .readers = kTc | kCgroupSkb | kLwt | kSkSkb | kFlowDissector},
    {.name = "napi_id", .offset = 84, .size = 4, .min_read = 1, .readers = kFilter | kTc | kCgroupSkb | kLwt | kSkSkb},
    {.name = "family", .offset = 88, .size = 4, .min_read = 1, .readers = kCgroupSkb | kSkSkb},
    {.name = "remote_ip4", .offset = 92, .size = 4, .min_read = 4, .readers = kCgroupSkb | kSkSkb},
    {.name = "local_ip4", .offset = 96, .size = 4, .min_read = 4, .readers = kCgroupSkb | kSkSkb},
    {.name = "remote_ip6[0]", .offset = 100, .size = 4, .min_read = 4, .readers = kCgroupSkb | kSkSkb},
    {.name = "remote_ip6[1]", .offset = 104, .size = 4, .min_read = 4, .readers = kCgroupSkb | kSkSkb},
    {.name = "remote_ip6[2]", .offset = 108, .size = 4, .min_read = 4, .readers = kCgroupSkb | kSkSkb},
    {.name = "remote_ip6[3]", .offset = 112, .size = 4, .min_read = 4, .readers = kCgroupSkb | kSkSkb},
    {.name = "local_ip6[0]", .offset = 116, .size = 4, .min_read = 4, .readers = kCgroupSkb | kSkSkb},
    {.name = "local_ip6[1]", .offset = 120, .size = 4, .min_read = 4, .readers = kCgroupSkb | kSkSkb},
    {.name = "local_ip6[2]", .offset = 124, .size = 4, .min_read = 4, .readers = kCgroupSkb | kSkSkb},
    {.name = "local_ip6[3]", .offset = 128, .size = 4, .min_read = 4, .readers = kCgroupSkb | kSkSkb},
    {.name = "remote_port", .offset = 132, .size = 4, .min_read = 1, .readers = kCgroupSkb | kSkSkb},
    {.name = "local_port", .offset = 136, .size = 4, .min_read = 1, .readers = kCgroupSkb | kSkSkb},
    {.name = "data_meta", .offset = 140, .size = 4, .min_read = 4, .pointer = PointerKind::packet_meta, .hidden = offsetof(SkBuffContext, data_meta), .readers = kTc},
    {.name = "flow_keys", .offset = 144, .size = 8, .min_read = 8, .pointer = PointerKind::flow_keys, .readers = kFlowDissector},
    {.name = "tstamp", .offset = 152, .size = 8, .min_read = 8, .readers = kTc | kCgroupSkb, .writers = kTc | kCgroupSkb},
    {.name = "wire_len", .offset = 160, .size = 4, .min_read = 1, .readers = kTc},
    {.name = "gso_segs", .offset = 164, .size = 4, .min_read = 1, .readers = kFilter | kTc | kCgroupSkb | kLwt | kSkSkb},
    {.name = "sk", .offset = 168, .size = 8, .min_read = 8, .pointer = PointerKind::sock_common_or_null, .readers = kFilter | kTc | kCgroupSkb | kLwt | kSkSkb},
    {.name = "gso_size", .offset = 176, .size = 4, .min_read = 1, .readers = kFilter | kTc | kCgroupSkb | kLwt | kSkSkb},
    {.name = "tstamp_type", .offset = 180, .size = 1, .min_read = 1, .readers = kTc},
    {.name = "hwtstamp", .offset = 184, .size = 8, .min_read = 8, .readers = kTc | kCgroupSkb},
};
constexpr ContextField kXdpMd[] = {
    {.name = "data", .offset = 0, .size = 4, .min_read = 4, .pointer = PointerKind::packet, .hidden = offsetof(XdpContext, data), .readers = kAll},
    {.name = "data_end", .offset = 4, .size = 4, .min_read = 4, .pointer = PointerKind::packet_end, .hidden = offsetof(XdpContext, data_end), .readers = kAll},
    {.name = "data_meta", .offset = 8, .size = 4, .min_read = 4, .pointer = PointerKind::packet_meta, .hidden = offsetof(XdpContext, data_meta), .readers = kAll},
    {.name = "ingress_ifindex", .offset = 12, .size = 4, .min_read = 4, .readers = kAll},
    {.name = "rx_queue_index", .offset = 16, .size = 4, .min_read = 4, .readers = kAll},
    {.name = "egress_ifindex", .offset = 20, .size = 4, .min_read = 4, .readers = kAll, .attach_types = set_of(AttachType::BPF_XDP_DEVMAP)},
};
constexpr ContextField kSock[] = {
    {.name = "bound_dev_if", .offset = 0, .size = 4, .min_read = 4, .readers = kAll, .writers = kAll, .attach_types = kSockCreate},
    {.name = "family", .offset = 4, .size = 4, .min_read = 1, .narrow_at_start = true, .readers = kAll},
    {.name = "type", .offset = 8, .size = 4, .min_read = 1, .narrow_at_start = true, .readers = kAll},
    {.name = "protocol", .offset = 12, .size = 4, .min_read = 1, .narrow_at_start = true, .readers = kAll},
    {.name = "mark", .offset = 16, .size = 4, .min_read = 4, .readers = kAll, .writers = kAll, .attach_types = kSockCreate},
    {.name = "priority", .offset = 20, .size = 4, .min_read = 4, .readers = kAll, .writers = kAll, .attach_types = kSockCreate},
    {.name = "src_ip4", .offset = 24, .size = 4, .min_read = 1, .readers = kAll, .attach_types = kPostBind4},
    {.name = "src_ip6[0]", .offset = 28, .size = 4, .min_read = 1, .readers = kAll, .attach_types = kPostBind6},
    {.name = "src_ip6[1]", .offset = 32, .size = 4, .min_read = 1, .readers = kAll, .attach_types = kPostBind6},
    {.name = "src_ip6[2]", .offset = 36, .size = 4, .min_read = 1, .readers = kAll, .attach_types = kPostBind6},
    {.name = "src_ip6[3]", .offset = 40, .size = 4, .min_read = 1, .readers = kAll, .attach_types = kPostBind6},
    {.name = "src_port", .offset = 44, .size = 4, .min_read = 1, .narrow_at_start = true, .readers = kAll, .attach_types = kPostBind4 | kPostBind6},
    {.name = "dst_port", .offset = 48, .size = 2, .min_read = 1, .wide_read = 4, .readers = kAll},
    {.name = "dst_ip4", .offset = 52, .size = 4, .min_read = 1, .readers = kAll},
    {.name = "dst_ip6[0]", .offset = 56, .size = 4, .min_read = 1, .readers = kAll},
    {.name = "dst_ip6[1]", .offset = 60, .size = 4, .min_read = 1, .readers = kAll},
    {.name = "dst_ip6[2]", .offset = 64, .size = 4, .min_read = 1, .readers = kAll},
    {.name = "dst_ip6[3]", .offset = 68, .size = 4, .min_read = 1, .readers = kAll},
    {.name = "state", .offset = 72, .size = 4, .min_read = 1, .narrow_at_start = true, .readers = kAll},
    {.name = "rx_queue_mapping", .offset = 76, .size = 4, .min_read = 1, .narrow_at_start = true, .readers = kAll},
};
constexpr ContextField kPointedSock[] = {
    {.name = "bound_dev_if", .offset = 0, .size = 4, .min_read = 4, .readers = kAll},
    {.name = "family", .offset = 4, .size = 4, .min_read = 1, .narrow_at_start = true, .readers = kAll},
    {.name = "type", .offset = 8, .size = 4, .min_read = 1, .narrow_at_start = true, .readers = kAll},
    {.name = "protocol", .offset = 12, .size = 4, .min_read = 1, .narrow_at_start = true, .readers = kAll},
    {.name = "mark", .offset = 16, .size = 4, .min_read = 4, .readers = kAll},
    {.name = "priority", .offset = 20, .size = 4, .min_read = 4, .readers = kAll},
    {.name = "src_ip4", .offset = 24, .size = 4, .min_read = 1, .readers = kAll},
    {.name = "src_ip6[0]", .offset = 28, .size = 4, .min_read = 1, .readers = kAll},
    {.name = "src_ip6[1]", .offset = 32, .size = 4, .min_read = 1, .readers = kAll},
    {.name = "src_ip6[2]", .offset = 36, .size = 4, .min_read = 1, .readers = kAll},
    {.name = "src_ip6[3]", .offset = 40, .size = 4, .min_read = 1, .readers = kAll},
    {.name = "src_port", .offset = 44, .size = 4, .min_read = 1, .narrow_at_start = true, .readers = kAll},
    {.name = "dst_port", .offset = 48, .size = 2, .min_read = 1, .wide_read = 4, .readers = kAll},
    {.name = "dst_ip4", .offset = 52, .size = 4, .min_read = 1, .readers = kAll},
    {.name = "dst_ip6[0]", .offset = 56, .size = 4, .min_read = 1, .readers = kAll},
    {.name = "dst_ip6[1]", .offset = 60, .size = 4, .min_read = 1, .readers = kAll},
    {.name = "dst_ip6[2]", .offset = 64, .size = 4, .min_read = 1, .readers = kAll},
    {.name = "dst_ip6[3]", .offset = 68, .size = 4, .min_read = 1, .readers = kAll},
    {.name = "state", .offset = 72, .size = 4, .min_read = 1, .narrow_at_start = true, .readers = kAll},
    {.name = "rx_queue_mapping", .offset = 76, .size = 4, .min_read = 1, .narrow_at_start = true, .readers = kAll},
};
constexpr ContextField kPointedSockCommon[] = {
    {.name = "bound_dev_if", .offset = 0, .size = 4, .min_read = 4, .readers = kAll},
    {.name = "family", .offset = 4, .size = 4, .min_read = 1, .narrow_at_start = true, .readers = kAll},
    {.name = "src_ip4", .offset = 24, .size = 4, .min_read = 1, .readers = kAll},
    {.name = "src_ip6[0]", .offset = 28, .size = 4, .min_read = 1, .readers = kAll},
    {.name = "src_ip6[1]", .offset = 32, .size = 4, .min_read = 1, .readers = kAll},
    {.name = "src_ip6[2]", .offset = 36, .size = 4, .min_read = 1, .readers = kAll},
    {.name = "src_ip6[3]", .offset = 40, .size = 4, .min_read = 1, .readers = kAll},
    {.name = "src_port", .offset = 44, .size = 4, .min_read = 1, .narrow_at_start = true, .readers = kAll},
    {.name = "dst_port", .offset = 48, .size = 2, .min_read = 1, .wide_read = 4, .readers = kAll},
    {.name = "dst_ip4", .offset = 52, .size = 4, .min_read = 1, .readers = kAll},
    {.name = "dst_ip6[0]", .offset = 56, .size = 4, .min_read = 1, .readers = kAll},
    {.name = "dst_ip6[1]", .offset = 60, .size = 4, .min_read = 1, .readers = kAll},
    {.name = "dst_ip6[2]", .offset = 64, .size = 4, .min_read = 1, .readers = kAll},
    {.name = "dst_ip6[3]", .offset = 68, .size = 4, .min_read = 1, .readers = kAll},
    {.name = "state", .offset = 72, .size = 4, .min_read = 1, .narrow_at_start = true, .readers = kAll},
    {.name = "rx_queue_mapping", .offset = 76, .size = 4, .min_read = 1, .narrow_at_start = true, .readers = kAll},
};
constexpr ContextField kSockAddr[] = {
    {.name = "user_family", .offset = 0, .size = 4, .min_read = 4, .readers = kAll},
    {.name = "user_ip4", .offset = 4, .size = 4, .min_read = 1, .readers = kAll, .writers = kAll, .attach_types = kAddr4},
    {.name = "user_ip6[0]", .offset = 8, .size = 4, .min_read = 1, .wide_pair = true, .readers = kAll, .writers = kAll, .attach_types = kAddr6},
    {.name = "user_ip6[1]", .offset = 12, .size = 4, .min_read = 1, .wide_pair = true, .readers = kAll, .writers = kAll, .attach_types = kAddr6},
    {.name = "user_ip6[2]", .offset = 16, .size = 4, .min_read = 1, .wide_pair = true, .readers = kAll, .writers = kAll, .attach_types = kAddr6},
    {.name = "user_ip6[3]", .offset = 20, .size = 4, .min_read = 1, .readers = kAll, .writers = kAll, .attach_types = kAddr6},
    {.name = "user_port", .offset = 24, .size = 4, .min_read = 1, .readers = kAll, .writers = kAll},
    {.name = "family", .offset = 28, .size = 4, .min_read = 4, .readers = kAll},
    {.name = "type", .offset = 32, .size = 4, .min_read = 4, .readers = kAll},
    {.name = "protocol", .offset = 36, .size = 4, .min_read = 4, .readers = kAll},
    {.name = "msg_src_ip4", .offset = 40, .size = 4, .min_read = 1, .readers = kAll, .writers = kAll, .attach_types = set_of(AttachType::BPF_CGROUP_UDP4_SENDMSG)},
    {.name = "msg_src_ip6[0]", .offset = 44, .size = 4, .min_read = 1, .wide_pair = true, .readers = kAll, .writers = kAll, .attach_types = set_of(AttachType::BPF_CGROUP_UDP6_SENDMSG)},
    {.name = "msg_src_ip6[1]", .offset = 48, .size = 4, .min_read = 1, .wide_pair = true, .readers = kAll, .writers = kAll, .attach_types = set_of(AttachType::BPF_CGROUP_UDP6_SENDMSG)},
    {.name = "msg_src_ip6[2]", .offset = 52, .size = 4, .min_read = 1, .wide_pair = true, .readers = kAll, .writers = kAll, .attach_types = set_of(AttachType::BPF_CGROUP_UDP6_SENDMSG)},
    {.name = "msg_src_ip6[3]", .offset = 56, .size = 4, .min_read = 1, .readers = kAll, .writers = kAll, .attach_types = set_of(AttachType::BPF_CGROUP_UDP6_SENDMSG)},
    {.name = "sk", .offset = 64, .size = 8, .min_read = 8, .pointer = PointerKind::socket, .readers = kAll},
};
constexpr ContextField kSockOps[] = {
    {.name = "op", .offset = 0, .size = 4, .min_read = 4, .readers = kAll},
    {.name = "reply", .offset = 4, .size = 4, .min_read = 4, .readers = kAll, .writers = kAll},
    {.name = "args[1]", .offset = 8, .size = 4, .min_read = 4, .readers = kAll},
    {.name = "args[2]", .offset = 12, .size = 4, .min_read = 4, .readers = kAll},
    {.name = "args[3]", .offset = 16, .size = 4, .min_read = 4, .readers = kAll},
    {.name = "family", .offset = 20, .size = 4, .min_read = 4, .readers = kAll},
    {.name = "remote_ip4", .offset = 24, .size = 4, .min_read = 4, .readers = kAll},
    {.name = "local_ip4", .offset = 28, .size = 4, .min_read = 4, .readers = kAll},
    {.name = "remote_ip6[0]", .offset = 32, .size = 4, .min_read = 4, .readers = kAll},
    {.name = "remote_ip6[1]", .offset = 36, .size = 4, .min_read = 4, .readers = kAll},
    {.name = "remote_ip6[2]", .offset = 40, .size = 4, .min_read = 4, .readers = kAll},
    {.name = "remote_ip6[3]", .offset = 44, .size = 4, .min_read = 4, .readers = kAll},
    {.name = "local_ip6[0]", .offset = 48, .size = 4, .min_read = 4, .readers = kAll},
    {.name = "local_ip6[1]", .offset = 52, .size = 4, .min_read = 4, .readers = kAll},
    {.name = "local_ip6[2]", .offset = 56, .size = 4, .min_read = 4, .readers = kAll},
    {.name = "local_ip6[3]", .offset = 60, .size = 4, .min_read = 4, .readers = kAll},
    {.name = "remote_port", .offset = 64, .size = 4, .min_read = 4, .readers = kAll},
    {.name = "local_port", .offset = 68, .size = 4, .min_read = 4, .readers = kAll},
    {.name = "is_fullsock", .offset = 72, .size = 4, .min_read = 4, .readers = kAll},
    {.name = "snd_cwnd", .offset = 76, .size = 4, .min_read = 4, .readers = kAll},
    {.name = "srtt_us", .offset = 80, .size = 4, .min_read = 4, .readers = kAll},
    {.name = "bpf_sock_ops_cb_flags", .offset = 84, .size = 4, .min_read = 4, .readers = kAll},
    {.name = "state", .offset = 88, .size = 4, .min_read = 4, .readers = kAll},
    {.name = "rtt_min", .offset = 92, .size = 4, .min_read = 4, .readers = kAll},
    {.name = "snd_ssthresh", .offset = 96, .size = 4, .min_read = 4, .readers = kAll},
    {.name = "rcv_nxt", .offset = 100, .size = 4, .min_read = 4, .readers = kAll},
    {.name = "snd_nxt", .offset = 104, .size = 4, .min_read = 4, .readers = kAll},
    {.name = "snd_una", .offset = 108, .size = 4, .min_read = 4, .readers = kAll},
    {.name = "mss_cache", .offset = 112, .size = 4, .min_read = 4, .readers = kAll},
    {.name = "ecn_flags", .offset = 116, .size = 4, .min_read = 4, .readers = kAll},
    {.name = "rate_delivered", .offset = 120, .size = 4, .min_read = 4, .readers = kAll},
    {.name = "rate_interval_us", .offset = 124, .size = 4, .min_read = 4, .readers = kAll},
    {.name = "packets_out", .offset = 128, .size = 4, .min_read = 4, .readers = kAll},
    {.name = "retrans_out", .offset = 132, .size = 4, .min_read = 4, .readers = kAll},
    {.name = "total_retrans", .offset = 136, .size = 4, .min_read = 4, .readers = kAll},
    {.name = "segs_in", .offset = 140, .size = 4, .min_read = 4, .readers = kAll},
    {.name = "data_segs_in", .offset = 144, .size = 4, .min_read = 4, .readers = kAll},
    {.name = "segs_out", .offset = 148, .size = 4, .min_read = 4, .readers = kAll},
    {.name = "data_segs_out", .offset = 152, .size = 4, .min_read = 4, .readers = kAll},
    {.name = "lost_out", .offset = 156, .size = 4, .min_read = 4, .readers = kAll},
    {.name = "sacked_out", .offset = 160, .size = 4, .min_read = 4, .readers = kAll},
    {.name = "sk_txhash", .offset = 164, .size = 4, .min_read = 4, .readers = kAll, .writers = kAll},
    {.name = "bytes_received", .offset = 168, .size = 8, .min_read = 8, .readers = kAll},
    {.name = "bytes_acked", .offset = 176, .size = 8, .min_read = 8, .readers = kAll},
    {.name = "sk", .offset = 184, .size = 8, .min_read = 8, .pointer = PointerKind::socket_or_null, .readers = kAll},
    {.name = "skb_data", .offset = 192, .size = 8, .min_read = 8, .pointer = PointerKind::packet, .readers = kAll},
    {.name = "skb_data_end", .offset = 200, .size = 8, .min_read = 8, .pointer = PointerKind::packet_end, .readers = kAll},
    {.name = "skb_len", .offset = 208, .size = 4, .min_read = 4, .readers = kAll},
    {.name = "skb_tcp_flags", .offset = 212, .size = 4, .min_read = 1, .narrow_at_start = true, .readers = kAll},
    {.name = "skb_hwtstamp", .offset = 216, .size = 8, .min_read = 8, .readers = kAll},
};
constexpr ContextField kSkMsg[] = {
    {.name = "data", .offset = 0, .size = 8, .min_read = 8, .pointer = PointerKind::packet, .readers = kAll},
    {.name = "data_end", .offset = 8, .size = 8, .min_read = 8, .pointer = PointerKind::packet_end, .readers = kAll},
    {.name = "family", .offset = 16, .size = 4, .min_read = 4, .readers = kAll},
    {.name = "remote_ip4", .offset = 20, .size = 4, .min_read = 4, .readers = kAll},
    {.name = "local_ip4", .offset = 24, .size = 4, .min_read = 4, .readers = kAll},
    {.name = "remote_ip6[0]", .offset = 28, .size = 4, .min_read = 4, .readers = kAll},
    {.name = "remote_ip6[1]", .offset = 32, .size = 4, .min_read = 4, .readers = kAll},
    {.name = "remote_ip6[2]", .offset = 36, .size = 4, .min_read = 4, .readers = kAll},
    {.name = "remote_ip6[3]", .offset = 40, .size = 4, .min_read = 4, .readers = kAll},
    {.name = "local_ip6[0]", .offset = 44, .size = 4, .min_read = 4, .readers = kAll},
    {.name = "local_ip6[1]", .offset = 48, .size = 4, .min_read = 4, .readers = kAll},
    {.name = "local_ip6[2]", .offset = 52, .size = 4, .min_read = 4, .readers = kAll},
    {.name = "local_ip6[3]", .offset = 56, .size = 4, .min_read = 4, .readers = kAll},
    {.name = "remote_port", .offset = 60, .size = 4, .min_read = 4, .readers = kAll},
    {.name = "local_port", .offset = 64, .size = 4, .min_read = 4, .readers = kAll},
    {.name = "size", .offset = 68, .size = 4, .min_read = 4, .readers = kAll},
    {.name = "sk", .offset = 72, .size = 8, .min_read = 8, .pointer = PointerKind::socket, .readers = kAll},
};
constexpr ContextField kSkReuseport[] = {
    {.name = "data", .offset = 0, .size = 8, .min_read = 8, .pointer = PointerKind::packet, .readers = kAll},
    {.name = "data_end", .offset = 8, .size = 8, .min_read = 8, .pointer = PointerKind::packet_end, .readers = kAll},
    {.name = "len", .offset = 16, .size = 4, .min_read = 1, .readers = kAll},
    {.name = "eth_protocol", .offset = 20, .size = 4, .min_read = 2, .readers = kAll},
    {.name = "ip_protocol", .offset = 24, .size = 4, .min_read = 1, .readers = kAll},
    {.name = "bind_inany", .offset = 28, .size = 4, .min_read = 1, .readers = kAll},
    {.name = "hash", .offset = 32, .size = 4, .min_read = 4, .readers = kAll},
    {.name = "sk", .offset = 40, .size = 8, .min_read = 8, .pointer = PointerKind::socket, .readers = kAll},
    {.name = "migrating_sk", .offset = 48, .size = 8, .min_read = 8, .pointer = PointerKind::sock_common_or_null, .readers = kAll},
};
constexpr ContextField kSkLookup[] = {
    {.name = "sk", .offset = 0, .size = 8, .min_read = 8, .pointer = PointerKind::socket_or_null, .readers = kAll},
    {.name = "family", .offset = 8, .size = 4, .min_read = 1, .readers = kAll},
    {.name = "protocol", .offset = 12, .size = 4, .min_read = 1, .readers = kAll},
    {.name = "remote_ip4", .offset = 16, .size = 4, .min_read = 1, .readers = kAll},
    {.name = "remote_ip6[0]", .offset = 20, .size = 4, .min_read = 1, .readers = kAll},
    {.name = "remote_ip6[1]", .offset = 24, .size = 4, .min_read = 1, .readers = kAll},
    {.name = "remote_ip6[2]", .offset = 28, .size = 4, .min_read = 1, .readers = kAll},
    {.name = "remote_ip6[3]", .offset = 32, .size = 4, .min_read = 1, .readers = kAll},
    {.name = "remote_port", .offset = 36, .size = 2, .min_read = 1, .wide_read = 4, .readers = kAll},
    {.name = "(padding)", .offset = 38, .size = 2, .min_read = 1, .readers = kAll},
    {.name = "local_ip4", .offset = 40, .size = 4, .min_read = 1, .readers = kAll},
    {.name = "local_ip6[0]", .offset = 44, .size = 4, .min_read = 1, .readers = kAll},
    {.name = "local_ip6[1]", .offset = 48, .size = 4, .min_read = 1, .readers = kAll},
    {.name = "local_ip6[2]", .offset = 52, .size = 4, .min_read = 1, .readers = kAll},
    {.name = "local_ip6[3]", .offset = 56, .size = 4, .min_read = 1, .readers = kAll},
    {.name = "local_port", .offset = 60, .size = 4, .min_read = 1, .readers = kAll},
    {.name = "ingress_ifindex", .offset = 64, .size = 4, .min_read = 1, .readers = kAll},
};
constexpr ContextField kSysctl[] = {
    {.name = "write", .offset = 0, .size = 4, .min_read = 1, .readers = kAll},
    {.name = "file_pos", .offset = 4, .size = 4, .min_read = 1, .readers = kAll, .writers = kAll},
};
constexpr ContextField kSockopt[] = {
    {.name = "sk", .offset = 0, .size = 8, .min_read = 8, .pointer = PointerKind::socket, .readers = kAll},
    {.name = "optval", .offset = 8, .size = 8, .min_read = 8, .pointer = PointerKind::packet, .readers = kAll},
    {.name = "optval_end", .offset = 16, .size = 8, .min_read = 8, .pointer = PointerKind::packet_end, .readers = kAll},
    {.name = "level", .offset = 24, .size = 4, .min_read = 4, .readers = kAll, .writers = kAll, .write_attach_types = set_of(AttachType::BPF_CGROUP_SETSOCKOPT)},
    {.name = "optname", .offset = 28, .size = 4, .min_read = 4, .readers = kAll, .writers = kAll, .write_attach_types = set_of(AttachType::BPF_CGROUP_SETSOCKOPT)},
    {.name = "optlen", .offset = 32, .size = 4, .min_read = 4, .readers = kAll, .writers = kAll},
    {.name = "retval", .offset = 36, .size = 4, .min_read = 4, .readers = kAll, .writers = kAll, .attach_types = set_of(AttachType::BPF_CGROUP_GETSOCKOPT)},
};
constexpr ContextField kCgroupDev[] = {
    {.name = "access_type", .offset = 0, .size = 4, .min_read = 1, .readers = kAll},
    {.name = "major", .offset = 4, .size = 4, .min_read = 4, .readers = kAll},
    {.name = "minor", .offset = 8, .size = 4, .min_read = 4, .readers = kAll},
};
constexpr ContextField kLirc[] = {
    {.name = "sample", .offset = 0, .size = 4, .min_read = 4, .readers = kAll},
};
constexpr ContextField kPerfEvent[] = {
    {.name = "regs.r15", .offset = 0, .size = 8, .min_read = 8, .readers = kAll},
    {.name = "regs.r14", .offset = 8, .size = 8, .min_read = 8, .readers = kAll},
    {.name = "regs.r13", .offset = 16, .size = 8, .min_read = 8, .readers = kAll},
    {.name = "regs.r12", .offset = 24, .size = 8, .min_read = 8, .readers = kAll},
    {.name = "regs.rbp", .offset = 32, .size = 8, .min_read = 8, .readers = kAll},
    {.name = "regs.rbx", .offset = 40, .size = 8, .min_read = 8, .readers = kAll},
    {.name = "regs.r11", .offset = 48, .size = 8, .min_read = 8, .readers = kAll},
    {.name = "regs.r10", .offset = 56, .size = 8, .min_read = 8, .readers = kAll},
    {.name = "regs.r9", .offset = 64, .size = 8, .min_read = 8, .readers = kAll},
    {.name = "regs.r8", .offset = 72, .size = 8, .min_read = 8, .readers = kAll},
    {.name = "regs.rax", .offset = 80, .size = 8, .min_read = 8, .readers = kAll},
    {.name = "regs.rcx", .offset = 88, .size = 8, .min_read = 8, .readers = kAll},
    {.name = "regs.rdx", .offset = 96, .size = 8, .min_read = 8, .readers = kAll},
    {.name = "regs.rsi", .offset = 104, .size = 8, .min_read = 8, .readers = kAll},
    {.name = "regs.rdi", .offset = 112, .size = 8, .min_read = 8, .readers = kAll},
    {.name = "regs.orig_rax", .offset = 120, .size = 8, .min_read = 8, .readers = kAll},
    {.name = "regs.rip", .offset = 128, .size = 8, .min_read = 8, .readers = kAll},
    {.name = "regs.cs", .offset = 136, .size = 8, .min_read = 8, .readers = kAll},
    {.name = "regs.flags", .offset = 144, .size = 8, .min_read = 8, .readers = kAll},
    {.name = "regs.rsp", .offset = 152, .size = 8, .min_read = 8, .readers = kAll},
    {.name = "regs.ss", .offset = 160, .size = 8, .min_read = 8, .readers = kAll},
    {.name = "sample_period", .offset = 168, .size = 8, .min_read = 1, .readers = kAll},
    {.name = "addr", .offset = 176, .size = 8, .min_read = 1, .readers = kAll},
};
constexpr ContextField kNetfilter[] = {
    {.name = "state", .offset = 0, .size = 8, .min_read = 8, .pointer = PointerKind::btf_id, .readers = kAll, .btf_type = "nf_hook_state"},
    {.name = "skb", .offset = 8, .size = 8, .min_read = 8, .pointer = PointerKind::btf_id, .readers = kAll, .btf_type = "sk_buff"},
};
constexpr ContextField kTcpSock[] = {
    {.name = "snd_cwnd", .offset = 0, .size = 4, .min_read = 4, .readers = kAll},
    {.name = "srtt_us", .offset = 4, .size = 4, .min_read = 4, .readers = kAll},
    {.name = "rtt_min", .offset = 8, .size = 4, .min_read = 4, .readers = kAll},
    {.name = "snd_ssthresh", .offset = 12, .size = 4, .min_read = 4, .readers = kAll},
    {.name = "rcv_nxt", .offset = 16, .size = 4, .min_read = 4, .readers = kAll},
    {.name = "snd_nxt", .offset = 20, .size = 4, .min_read = 4, .readers = kAll},
    {.name = "snd_una", .offset = 24, .size = 4, .min_read = 4, .readers = kAll},
    {.name = "mss_cache", .offset = 28, .size = 4, .min_read = 4, .readers = kAll},
    {.name = "ecn_flags", .offset = 32, .size = 4, .min_read = 4, .readers = kAll},
    {.name = "rate_delivered", .offset = 36, .size = 4, .min_read = 4, .readers = kAll},
    {.name = "rate_interval_us", .offset = 40, .size = 4, .min_read = 4, .readers = kAll},
    {.name = "packets_out", .offset = 44, .size = 4, .min_read = 4, .readers = kAll},
    {.name = "retrans_out", .offset = 48, .size = 4, .min_read = 4, .readers = kAll},
    {.name = "total_retrans", .offset = 52, .size = 4, .min_read = 4, .readers = kAll},
    {.name = "segs_in", .offset = 56, .size = 4, .min_read = 4, .readers = kAll},
    {.name = "data_segs_in", .offset = 60, .size = 4, .min_read = 4, .readers = kAll},
    {.name = "segs_out", .offset = 64, .size = 4, .min_read = 4, .readers = kAll},
    {.name = "data_segs_out", .offset = 68, .size = 4, .min_read = 4, .readers = kAll},
    {.name = "lost_out", .offset = 72, .size = 4, .min_read = 4, .readers = kAll},
    {.name = "sacked_out", .offset = 76, .size = 4, .min_read = 4, .readers = kAll},
    {.name = "bytes_received", .offset = 80, .size = 8, .min_read = 8, .readers = kAll},
    {.name = "bytes_acked", .offset = 88, .size = 8, .min_read = 8, .readers = kAll},
    {.name = "dsack_dups", .offset = 96, .size = 4, .min_read = 4, .readers = kAll},
    {.name = "delivered", .offset = 100, .size = 4, .min_read = 4, .readers = kAll},
    {.name = "delivered_ce", .offset = 104, .size = 4, .min_read = 4, .readers = kAll},
    {.name = "icsk_retransmits", .offset = 108, .size = 4, .min_read = 4, .readers = kAll},
};
constexpr ContextField kXdpSock[] = {
    {.name = "queue_id", .offset = 0, .size = 4, .min_read = 4, .readers = kAll},
};
constexpr ContextField kFlowKeys[] = {
    {.name = "nhoff", .offset = 0, .size = 2, .min_read = 1, .readers = kAll},
    {.name = "thoff", .offset = 2, .size = 2, .min_read = 1, .readers = kAll},
    {.name = "addr_proto", .offset = 4, .size = 2, .min_read = 1, .readers = kAll},
    {.name = "is_frag", .offset = 6, .size = 1, .min_read = 1, .readers = kAll},
    {.name = "is_first_frag", .offset = 7, .size = 1, .min_read = 1, .readers = kAll},
    {.name = "is_encap", .offset = 8, .size = 1, .min_read = 1, .readers = kAll},
    {.name = "ip_proto", .offset = 9, .size = 1, .min_read = 1, .readers = kAll},
    {.name = "n_proto", .offset = 10, .size = 2, .min_read = 1, .readers = kAll},
    {.name = "sport", .offset = 12, .size = 2, .min_read = 1, .readers = kAll},
    {.name = "dport", .offset = 14, .size = 2, .min_read = 1, .readers = kAll},
    {.name = "ipv6_src", .offset = 16, .size = 16, .min_read = 1, .readers = kAll},
    {.name = "ipv6_dst", .offset = 32, .size = 16, .min_read = 1, .readers = kAll},
    {.name = "flags", .offset = 48, .size = 4, .min_read = 1, .readers = kAll},
    {.name = "flow_label", .offset = 52, .size = 4, .min_read = 1, .readers = kAll},
};

constexpr ContextRow kContexts[] = {
    {.type = ProgType::BPF_PROG_TYPE_UNSPEC, .name = "void", .rule = ContextRule::none, .size = 0, .engine_size = 0},
    {.type = ProgType::BPF_PROG_TYPE_SOCKET_FILTER, .name = "struct __sk_buff", .rule = ContextRule::fields, .size = 192, .engine_size = sizeof(SkBuffContext), .fields = kSkBuff},
    {.type = ProgType::BPF_PROG_TYPE_KPROBE, .name = "struct pt_regs", .rule = ContextRule::bytes, .size = sizeof(PtRegs), .engine_size = sizeof(PtRegs)},
    {.type = ProgType::BPF_PROG_TYPE_SCHED_CLS, .name = "struct __sk_buff", .rule = ContextRule::fields, .size = 192, .engine_size = sizeof(SkBuffContext), .fields = kSkBuff},
    {.type = ProgType::BPF_PROG_TYPE_SCHED_ACT, .name = "struct __sk_buff", .rule = ContextRule::fields, .size = 192, .engine_size = sizeof(SkBuffContext), .fields = kSkBuff},
    {.type = ProgType::BPF_PROG_TYPE_TRACEPOINT, .name = "void", .rule = ContextRule::bytes, .min_offset = 8, .size = 8192, .engine_size = 8192},
    {.type = ProgType::BPF_PROG_TYPE_XDP, .name = "struct xdp_md", .rule = ContextRule::fields, .size = 24, .engine_size = sizeof(XdpContext), .fields = kXdpMd},
    {.type = ProgType::BPF_PROG_TYPE_PERF_EVENT, .name = "struct bpf_perf_event_data", .rule = ContextRule::fields, .size = sizeof(PerfEventContext), .engine_size = sizeof(PerfEventContext), .fields = kPerfEvent},
    {.type = ProgType::BPF_PROG_TYPE_CGROUP_SKB, .name = "struct __sk_buff", .rule = ContextRule::fields, .size = 192, .engine_size = sizeof(SkBuffContext), .fields = kSkBuff},
    {.type = ProgType::BPF_PROG_TYPE_CGROUP_SOCK, .name = "struct bpf_sock", .rule = ContextRule::fields, .size = sizeof(SockContext), .engine_size = sizeof(SockContext), .fields = kSock},
    {.type = ProgType::BPF_PROG_TYPE_LWT_IN, .name = "struct __sk_buff", .rule = ContextRule::fields, .size = 192, .engine_size = sizeof(SkBuffContext), .fields = kSkBuff},
    {.type = ProgType::BPF_PROG_TYPE_LWT_OUT, .name = "struct __sk_buff", .rule = ContextRule::fields, .size = 192, .engine_size = sizeof(SkBuffContext), .fields = kSkBuff},
    {.type = ProgType::BPF_PROG_TYPE_LWT_XMIT, .name = "struct __sk_buff", .rule = ContextRule::fields, .size = 192, .engine_size = sizeof(SkBuffContext), .fields = kSkBuff},
    {.type = ProgType::BPF_PROG_TYPE_SOCK_OPS, .name = "struct bpf_sock_ops", .rule = ContextRule::fields, .size = sizeof(SockOpsContext), .engine_size = sizeof(SockOpsContext), .fields = kSockOps},
    {.type = ProgType::BPF_PROG_TYPE_SK_SKB, .name = "struct __sk_buff", .rule = ContextRule::fields, .size = 192, .engine_size = sizeof(SkBuffContext), .fields = kSkBuff},
    {.type = ProgType::BPF_PROG_TYPE_CGROUP_DEVICE, .name = "struct bpf_cgroup_dev_ctx", .rule = ContextRule::fields, .size = sizeof(CgroupDevContext), .engine_size = sizeof(CgroupDevContext), .fields = kCgroupDev},
    {.type = ProgType::BPF_PROG_TYPE_SK_MSG, .name = "struct sk_msg_md", .rule = ContextRule::fields, .size = sizeof(SkMsgContext), .engine_size = sizeof(SkMsgContext), .fields = kSkMsg},
    {.type = ProgType::BPF_PROG_TYPE_RAW_TRACEPOINT, .name = "struct bpf_raw_tracepoint_args", .rule = ContextRule::arguments, .size = 96, .engine_size = 96},
    {.type = ProgType::BPF_PROG_TYPE_CGROUP_SOCK_ADDR, .name = "struct bpf_sock_addr", .rule = ContextRule::fields, .size = sizeof(SockAddrContext), .engine_size = sizeof(SockAddrContext), .fields = kSockAddr},
    {.type = ProgType::BPF_PROG_TYPE_LWT_SEG6LOCAL, .name = "struct __sk_buff", .rule = ContextRule::fields, .size = 192, .engine_size = sizeof(SkBuffContext), .fields = kSkBuff},
    {.type = ProgType::BPF_PROG_TYPE_LIRC_MODE2, .name = "__u32", .rule = ContextRule::fields, .size = 4, .engine_size = 4, .fields = kLirc},
    {.type = ProgType::BPF_PROG_TYPE_SK_REUSEPORT, .name = "struct sk_reuseport_md", .rule = ContextRule::fields, .size = sizeof(SkReuseportContext), .engine_size = sizeof(SkReuseportContext), .fields = kSkReuseport},
    {.type = ProgType::BPF_PROG_TYPE_FLOW_DISSECTOR, .name = "struct __sk_buff", .rule = ContextRule::fields, .size = 192, .engine_size = sizeof(SkBuffContext), .fields = kSkBuff},
    {.type = ProgType::BPF_PROG_TYPE_CGROUP_SYSCTL, .name = "struct bpf_sysctl", .rule = ContextRule::fields, .size = sizeof(SysctlContext), .engine_size = sizeof(SysctlContext), .fields = kSysctl},
    {.type = ProgType::BPF_PROG_TYPE_RAW_TRACEPOINT_WRITABLE, .name = "struct bpf_raw_tracepoint_args", .rule = ContextRule::arguments, .size = 96, .engine_size = 96},
    {.type = ProgType::BPF_PROG_TYPE_CGROUP_SOCKOPT, .name = "struct bpf_sockopt", .rule = ContextRule::fields, .size = sizeof(SockoptContext), .engine_size = sizeof(SockoptContext), .fields = kSockopt},
    {.type = ProgType::BPF_PROG_TYPE_TRACING, .name = "void", .rule = ContextRule::arguments, .size = 96, .engine_size = 96},
    {.type = ProgType::BPF_PROG_TYPE_STRUCT_OPS, .name = "void", .rule = ContextRule::arguments, .size = 96, .engine_size = 96},
    {.type = ProgType::BPF_PROG_TYPE_EXT, .name = "void", .rule = ContextRule::none, .size = 0, .engine_size = 0},
    {.type = ProgType::BPF_PROG_TYPE_LSM, .name = "void", .rule = ContextRule::arguments, .size = 96, .engine_size = 96},
    {.type = ProgType::BPF_PROG_TYPE_SK_LOOKUP, .name = "struct bpf_sk_lookup", .rule = ContextRule::fields, .size = sizeof(SkLookupContext), .engine_size = sizeof(SkLookupContext), .fields = kSkLookup},
    {.type = ProgType::BPF_PROG_TYPE_SYSCALL, .name = "void", .rule = ContextRule::unaligned, .size = 65535, .engine_size = 65535, .writable = true},
    {.type = ProgType::BPF_PROG_TYPE_NETFILTER, .name = "struct bpf_nf_ctx", .rule = ContextRule::fields, .size = 16, .engine_size = 16, .fields = kNetfilter},
};
constexpr PointedRow kPointed[] = {
    {.which = PointedStruct::bpf_sock, .name = "struct bpf_sock", .size = sizeof(SockContext), .fields = kPointedSock},
    {.which = PointedStruct::bpf_sock_common, .name = "struct bpf_sock", .size = sizeof(SockContext), .fields = kPointedSockCommon},
    {.which = PointedStruct::bpf_tcp_sock, .name = "struct bpf_tcp_sock", .size = 112, .fields = kTcpSock},
    {.which = PointedStruct::bpf_xdp_sock, .name = "struct bpf_xdp_sock", .size = 4, .fields = kXdpSock},
    {.which = PointedStruct::bpf_flow_keys, .name = "struct bpf_flow_keys", .size = sizeof(FlowKeys), .writable = true, .any_aligned = true, .fields = kFlowKeys},
};
// clang-format on

consteval bool contexts_are_numbered() {
  for (uint32_t i = 0; i < std::size(kContexts); i++) {
    if (static_cast<uint32_t>(kContexts[i].type) != i) return false;
  }
  return true;
}
static_assert(contexts_are_numbered() && std::size(kContexts) == kProgTypes);
// Fields lie one behind the other, inside, and aligned to what may be read of them.
consteval bool fields_are_in_order() {
  const auto in_order = [](std::span<const ContextField> fields, uint32_t size) {
    uint32_t end = 0;
    for (const ContextField& field : fields) {
      if (field.offset < end || field.offset + field.size > size || field.min_read > field.size)
        return false;
      end = field.offset + field.size;
    }
    return true;
  };
  for (const ContextRow& row : kContexts) {
    if (!in_order(row.fields, row.size) || row.engine_size < row.size) return false;
  }
  for (const PointedRow& row : kPointed) {
    if (!in_order(row.fields, row.size)) return false;
  }
  return true;
}
static_assert(fields_are_in_order());
static_assert(offsetof(SkBuffContext, data) == 192 && offsetof(XdpContext, data) == 24);

const ContextField* field_at(std::span<const ContextField> fields, int64_t offset) {
  for (const ContextField& field : fields) {
    if (offset >= field.offset && offset < field.offset + field.size) return &field;
  }
  return nullptr;
}

// Size and place of an access within one field, both being allowed in principle.
ContextDenial check_shape(const ContextField& field, int64_t offset, unsigned size, bool write,
                          bool sign_extended) {
  const bool at_start = offset == field.offset;
  if (field.any_within)
    return offset + size <= field.offset + field.size ? ContextDenial::none : ContextDenial::size;
  if (field.wide_pair && at_start && size == 8 && offset % 8 == 0) return ContextDenial::none;
  if (!write && field.wide_read == size && at_start) return ContextDenial::none;
  if (offset + size > field.offset + field.size) return ContextDenial::size;
  if (write || field.pointer != PointerKind::none) {
    if (size != field.size || !at_start) return ContextDenial::size;
  } else if (size < field.min_read || (field.narrow_at_start && !at_start)) {
    return ContextDenial::size;
  }
  if (field.hidden != 0 && sign_extended) return ContextDenial::sign_extended;
  return ContextDenial::none;
}

}  // namespace

std::span<const ContextRow> contexts() { return kContexts; }
const ContextRow* find_context(ProgType type) {
  const auto number = static_cast<uint32_t>(type);
  return number < std::size(kContexts) ? &kContexts[number] : nullptr;
}
const PointedRow& pointed_struct(PointedStruct which) {
  return kPointed[static_cast<uint8_t>(which)];
}

ContextAccess check_context_access(ProgType type, AttachType expected, int64_t offset,
                                   unsigned size, bool write, bool sign_extended) {
  const ContextRow* row = find_context(type);
  if (row == nullptr || row->rule == ContextRule::none) return {ContextDenial::outside};
  if (offset < row->min_offset || offset >= row->size) return {ContextDenial::outside};
  if (row->rule == ContextRule::unaligned) return {};
  if (offset % size != 0) return {ContextDenial::misaligned};
  if (row->rule != ContextRule::fields) {
    if (offset + size > row->size) return {ContextDenial::outside};
    return {write && !row->writable ? ContextDenial::read_only : ContextDenial::none};
  }
  const ContextField* field = field_at(row->fields, offset);
  if (field == nullptr || !in_set(field->readers, type)) return {ContextDenial::no_field, field};
  if (field->attach_types != 0 && !in_set(field->attach_types, expected))
    return {ContextDenial::attach_type, field};
  if (write && !in_set(field->writers, type)) return {ContextDenial::read_only, field};
  if (write && field->write_attach_types != 0 && !in_set(field->write_attach_types, expected)) {
    return {ContextDenial::attach_type, field};
  }
  return {check_shape(*field, offset, size, write, sign_extended), field};
}

ContextAccess check_pointed_access(PointedStruct which, int64_t offset, unsigned size, bool write) {
  const PointedRow& row = pointed_struct(which);
  if (offset < 0 || offset + size > row.size) return {ContextDenial::outside};
  if (row.any_aligned)
    return {write && !row.writable ? ContextDenial::read_only : ContextDenial::none};
  if (offset % size != 0) return {ContextDenial::misaligned};
  const ContextField* field = field_at(row.fields, offset);
  if (field == nullptr) return {ContextDenial::no_field};
  if (write) return {ContextDenial::read_only, field};
  return {check_shape(*field, offset, size, false, false), field};
}

std::string_view denial_text(ContextDenial denial) {
  switch (denial) {
    case ContextDenial::none: return "allowed";
    case ContextDenial::outside: return "outside the context";
    case ContextDenial::misaligned: return "not aligned to its size";
    case ContextDenial::no_field: return "no field that this program type may access";
    case ContextDenial::read_only: return "the field is read-only";
    case ContextDenial::size: return "too narrow, too wide or across the field's end";
    case ContextDenial::attach_type: return "the field is not there with this expected attach type";
    case ContextDenial::sign_extended: return "a pointer can't be loaded with sign extension";
  }
  return "?";
}

}  // namespace skep::spec
