// The helpers' rows, by id. A helper that the kernel gives several prototypes has a row for each, with
// disjoint program types. One file, however long: one row an id in one sorted array, which static_asserts hold as a
// whole; cut in two, neither half could be checked alone. First made from the kernel's own prototype tables (Linux 7.3), kept by hand since.
//
// Reading a row: `arguments` name what the verifier asks of r1 to r5, with flags and, for memory of fixed
// size, its bytes. To add a helper: SKEP_HELPER_IDS in helpers.h, a row here, a body in helpers/ or maps/.
#include "spec/helpers.h"

#include <algorithm>

namespace skep::spec {
namespace {

using A = ArgKind;
using R = ReturnKind;
using M = MapType;
constexpr KernelVersion v(unsigned major, unsigned minor) { return kernel_version(major, minor); }
constexpr UserStatus kWorks = UserStatus::works;
template <class... T>
constexpr MapTypeSet maps(T... types) {
  return set_of(types...);
}

// clang-format off
constexpr std::string_view kNotYet = "the user engine does not have it yet";
constexpr std::string_view kNoForwarding = "packets of the user engine are buffers in one process: there is no device, route or tunnel to send them to";
constexpr std::string_view kNoSockets = "the user engine runs beside the kernel's sockets, not inside them: it has none to look up, hold or change";
constexpr std::string_view kNoCgroups = "the user engine has no cgroup hierarchy: cgroup ids, classes and storage are the kernel's";
constexpr std::string_view kNoPmu = "hardware counters and branch records are the kernel's";
constexpr std::string_view kKernelOnly = "it works on the kernel's own objects and text, which the user engine does not have";

constexpr ProgTypeSet kSocketFilter = set_of(ProgType::BPF_PROG_TYPE_SOCKET_FILTER);
constexpr ProgTypeSet kKprobe = set_of(ProgType::BPF_PROG_TYPE_KPROBE);
constexpr ProgTypeSet kSchedCls = set_of(ProgType::BPF_PROG_TYPE_SCHED_CLS);
constexpr ProgTypeSet kSchedAct = set_of(ProgType::BPF_PROG_TYPE_SCHED_ACT);
constexpr ProgTypeSet kTracepoint = set_of(ProgType::BPF_PROG_TYPE_TRACEPOINT);
constexpr ProgTypeSet kXdp = set_of(ProgType::BPF_PROG_TYPE_XDP);
constexpr ProgTypeSet kPerfEvent = set_of(ProgType::BPF_PROG_TYPE_PERF_EVENT);
constexpr ProgTypeSet kCgroupSkb = set_of(ProgType::BPF_PROG_TYPE_CGROUP_SKB);
constexpr ProgTypeSet kCgroupSock = set_of(ProgType::BPF_PROG_TYPE_CGROUP_SOCK);
constexpr ProgTypeSet kLwtIn = set_of(ProgType::BPF_PROG_TYPE_LWT_IN);
constexpr ProgTypeSet kLwtOut = set_of(ProgType::BPF_PROG_TYPE_LWT_OUT);
constexpr ProgTypeSet kLwtXmit = set_of(ProgType::BPF_PROG_TYPE_LWT_XMIT);
constexpr ProgTypeSet kSockOps = set_of(ProgType::BPF_PROG_TYPE_SOCK_OPS);
constexpr ProgTypeSet kSkSkb = set_of(ProgType::BPF_PROG_TYPE_SK_SKB);
constexpr ProgTypeSet kCgroupDevice = set_of(ProgType::BPF_PROG_TYPE_CGROUP_DEVICE);
constexpr ProgTypeSet kSkMsg = set_of(ProgType::BPF_PROG_TYPE_SK_MSG);
constexpr ProgTypeSet kRawTracepoint = set_of(ProgType::BPF_PROG_TYPE_RAW_TRACEPOINT);
constexpr ProgTypeSet kCgroupSockAddr = set_of(ProgType::BPF_PROG_TYPE_CGROUP_SOCK_ADDR);
constexpr ProgTypeSet kLwtSeg6local = set_of(ProgType::BPF_PROG_TYPE_LWT_SEG6LOCAL);
constexpr ProgTypeSet kLircMode2 = set_of(ProgType::BPF_PROG_TYPE_LIRC_MODE2);
constexpr ProgTypeSet kSkReuseport = set_of(ProgType::BPF_PROG_TYPE_SK_REUSEPORT);
constexpr ProgTypeSet kFlowDissector = set_of(ProgType::BPF_PROG_TYPE_FLOW_DISSECTOR);
constexpr ProgTypeSet kCgroupSysctl = set_of(ProgType::BPF_PROG_TYPE_CGROUP_SYSCTL);
constexpr ProgTypeSet kRawTracepointWritable = set_of(ProgType::BPF_PROG_TYPE_RAW_TRACEPOINT_WRITABLE);
constexpr ProgTypeSet kCgroupSockopt = set_of(ProgType::BPF_PROG_TYPE_CGROUP_SOCKOPT);
constexpr ProgTypeSet kTracing = set_of(ProgType::BPF_PROG_TYPE_TRACING);
constexpr ProgTypeSet kStructOps = set_of(ProgType::BPF_PROG_TYPE_STRUCT_OPS);
constexpr ProgTypeSet kLsm = set_of(ProgType::BPF_PROG_TYPE_LSM);
constexpr ProgTypeSet kSkLookup = set_of(ProgType::BPF_PROG_TYPE_SK_LOOKUP);
constexpr ProgTypeSet kSyscall = set_of(ProgType::BPF_PROG_TYPE_SYSCALL);
constexpr ProgTypeSet kNetfilter = set_of(ProgType::BPF_PROG_TYPE_NETFILTER);
constexpr ProgTypeSet kBase = kSocketFilter | kKprobe | kSchedCls | kSchedAct | kTracepoint | kXdp | kPerfEvent | kCgroupSkb |
    kCgroupSock | kLwtIn | kLwtOut | kLwtXmit | kSockOps | kSkSkb | kCgroupDevice | kSkMsg | kRawTracepoint | kCgroupSockAddr |
    kLwtSeg6local | kSkReuseport | kFlowDissector | kCgroupSysctl | kRawTracepointWritable | kCgroupSockopt | kTracing | kStructOps |
    kLsm | kSkLookup | kSyscall | kNetfilter;
constexpr ProgTypeSet kSocketBase = kSocketFilter | kSchedCls | kSchedAct | kXdp | kCgroupSkb | kLwtIn | kLwtOut | kLwtXmit |
    kSockOps | kSkSkb | kSkMsg | kCgroupSockAddr | kLwtSeg6local | kFlowDissector | kSkLookup;
constexpr ProgTypeSet kTracingBase = kKprobe | kTracepoint | kPerfEvent | kRawTracepoint | kRawTracepointWritable | kTracing |
    kLsm | kSyscall;
constexpr ProgTypeSet kTrampoline = kTracing | kLsm | kSyscall;
constexpr ProgTypeSet kLwt = kLwtIn | kLwtOut | kLwtXmit | kLwtSeg6local;
constexpr ProgTypeSet kTc = kSchedCls | kSchedAct;
constexpr ProgTypeSet kAnyProg = kBase | kLircMode2;
constexpr MapTypeSet kElementMaps =
    maps(M::BPF_MAP_TYPE_HASH, M::BPF_MAP_TYPE_ARRAY, M::BPF_MAP_TYPE_PERCPU_HASH, M::BPF_MAP_TYPE_PERCPU_ARRAY, M::BPF_MAP_TYPE_LRU_HASH, M::BPF_MAP_TYPE_LRU_PERCPU_HASH, M::BPF_MAP_TYPE_LPM_TRIE, M::BPF_MAP_TYPE_RHASH);
constexpr AttachTypeSet kRetvalHooks = set_of(AttachType::BPF_CGROUP_INET4_BIND, AttachType::BPF_CGROUP_INET6_BIND,
    AttachType::BPF_CGROUP_INET4_CONNECT, AttachType::BPF_CGROUP_INET6_CONNECT, AttachType::BPF_CGROUP_UNIX_CONNECT,
    AttachType::BPF_CGROUP_UDP4_SENDMSG, AttachType::BPF_CGROUP_UDP6_SENDMSG, AttachType::BPF_CGROUP_UNIX_SENDMSG);
constexpr AttachTypeSet kSockAddrHooks = set_of(AttachType::BPF_CGROUP_INET4_BIND, AttachType::BPF_CGROUP_INET6_BIND,
    AttachType::BPF_CGROUP_INET4_CONNECT, AttachType::BPF_CGROUP_INET6_CONNECT, AttachType::BPF_CGROUP_UNIX_CONNECT,
    AttachType::BPF_CGROUP_UDP4_RECVMSG, AttachType::BPF_CGROUP_UDP6_RECVMSG, AttachType::BPF_CGROUP_UNIX_RECVMSG,
    AttachType::BPF_CGROUP_UDP4_SENDMSG, AttachType::BPF_CGROUP_UDP6_SENDMSG, AttachType::BPF_CGROUP_UNIX_SENDMSG,
    AttachType::BPF_CGROUP_INET4_GETPEERNAME, AttachType::BPF_CGROUP_INET6_GETPEERNAME, AttachType::BPF_CGROUP_INET4_GETSOCKNAME,
    AttachType::BPF_CGROUP_INET6_GETSOCKNAME);
constexpr AttachTypeSet kTrampolines = set_of(AttachType::BPF_TRACE_FENTRY, AttachType::BPF_TRACE_FEXIT,
    AttachType::BPF_MODIFY_RETURN, AttachType::BPF_TRACE_FSESSION, AttachType::BPF_TRACE_FENTRY_MULTI,
    AttachType::BPF_TRACE_FEXIT_MULTI, AttachType::BPF_TRACE_FSESSION_MULTI);
constexpr AttachTypeSet kTrampolinesAndRawTp = set_of(AttachType::BPF_TRACE_FENTRY, AttachType::BPF_TRACE_FEXIT,
    AttachType::BPF_MODIFY_RETURN, AttachType::BPF_TRACE_FSESSION, AttachType::BPF_TRACE_FENTRY_MULTI,
    AttachType::BPF_TRACE_FEXIT_MULTI, AttachType::BPF_TRACE_FSESSION_MULTI, AttachType::BPF_TRACE_RAW_TP);

constexpr Helper kHelpers[] = {
    {.id = BPF_FUNC_map_lookup_elem, .name = "map_lookup_elem", .since = v(3, 19), .prototype = "void *bpf_map_lookup_elem(void *map, const void *key)",
     .returns = R::map_value, .return_flags = kMaybeNull, .arguments = {{{A::const_map_ptr}, {A::map_key}}}, .prog_types = kAnyProg,
     .map_types = kElementMaps | maps(M::BPF_MAP_TYPE_ARRAY_OF_MAPS, M::BPF_MAP_TYPE_HASH_OF_MAPS, M::BPF_MAP_TYPE_DEVMAP,
     M::BPF_MAP_TYPE_DEVMAP_HASH, M::BPF_MAP_TYPE_XSKMAP, M::BPF_MAP_TYPE_SOCKMAP, M::BPF_MAP_TYPE_SOCKHASH), .packet_access = true,
     .user = kWorks},
    {.id = BPF_FUNC_map_update_elem, .name = "map_update_elem", .since = v(3, 19), .prototype = "long bpf_map_update_elem(void *map, const void *key, const void *value, __u64 flags)",
     .arguments = {{{A::const_map_ptr}, {A::map_key}, {A::map_value}, {A::anything}}}, .prog_types = kAnyProg, .map_types =
     kElementMaps | maps(M::BPF_MAP_TYPE_SOCKMAP, M::BPF_MAP_TYPE_SOCKHASH), .packet_access = true, .user = kWorks},
    {.id = BPF_FUNC_map_delete_elem, .name = "map_delete_elem", .since = v(3, 19), .prototype = "long bpf_map_delete_elem(void *map, const void *key)",
     .arguments = {{{A::const_map_ptr}, {A::map_key}}}, .prog_types = kAnyProg, .map_types = kElementMaps |
     maps(M::BPF_MAP_TYPE_SOCKMAP, M::BPF_MAP_TYPE_SOCKHASH), .packet_access = true, .user = kWorks},
    {.id = BPF_FUNC_probe_read, .name = "probe_read", .since = v(4, 1), .prototype = "long bpf_probe_read(void *dst, __u32 size, const void *unsafe_ptr)",
     .arguments = {{{A::mem, kUninit | kWrite}, {A::mem_size_or_zero}, {A::anything}}}, .prog_types = kTracingBase, .gpl_only = true,
     .user = kWorks},
    {.id = BPF_FUNC_ktime_get_ns, .name = "ktime_get_ns", .since = v(4, 1), .prototype = "__u64 bpf_ktime_get_ns(void)",
     .prog_types = kAnyProg, .user = kWorks},
    {.id = BPF_FUNC_trace_printk, .name = "trace_printk", .since = v(4, 1), .prototype = "long bpf_trace_printk(const char *fmt, __u32 fmt_size, ...)",
     .arguments = {{{A::mem, kReadOnly}, {A::mem_size}}}, .prog_types = kAnyProg, .gpl_only = true, .user = kWorks},
    {.id = BPF_FUNC_get_prandom_u32, .name = "get_prandom_u32", .since = v(4, 1), .prototype = "__u32 bpf_get_prandom_u32(void)",
     .prog_types = kAnyProg, .user = kWorks},
    {.id = BPF_FUNC_get_smp_processor_id, .name = "get_smp_processor_id", .since = v(4, 1), .prototype = "__u32 bpf_get_smp_processor_id(void)",
     .prog_types = kBase, .user = kWorks},
    {.id = BPF_FUNC_skb_store_bytes, .name = "skb_store_bytes", .since = v(4, 1), .prototype = "long bpf_skb_store_bytes(struct __sk_buff *skb, __u32 offset, const void *from, __u32 len, __u64 flags)",
     .arguments = {{{A::ctx}, {A::anything}, {A::mem, kReadOnly}, {A::mem_size}, {A::anything}}}, .prog_types = kTc | kLwtXmit |
     kSkSkb, .changes_packet = true, .user = kWorks},
    {.id = BPF_FUNC_l3_csum_replace, .name = "l3_csum_replace", .since = v(4, 1), .prototype = "long bpf_l3_csum_replace(struct __sk_buff *skb, __u32 offset, __u64 from, __u64 to, __u64 size)",
     .arguments = {{{A::ctx}, {A::anything}, {A::anything}, {A::anything}, {A::anything}}}, .prog_types = kTc | kLwtXmit,
     .changes_packet = true, .user = kWorks},
    {.id = BPF_FUNC_l4_csum_replace, .name = "l4_csum_replace", .since = v(4, 1), .prototype = "long bpf_l4_csum_replace(struct __sk_buff *skb, __u32 offset, __u64 from, __u64 to, __u64 flags)",
     .arguments = {{{A::ctx}, {A::anything}, {A::anything}, {A::anything}, {A::anything}}}, .prog_types = kTc | kLwtXmit,
     .changes_packet = true, .user = kWorks},
    {.id = BPF_FUNC_tail_call, .name = "tail_call", .since = v(4, 2), .prototype = "long bpf_tail_call(void *ctx, void *prog_array_map, __u32 index)",
     .returns = R::nothing, .arguments = {{{A::ctx}, {A::const_map_ptr}, {A::anything}}}, .prog_types = kAnyProg, .map_types =
     maps(M::BPF_MAP_TYPE_PROG_ARRAY), .changes_packet = true, .user = kWorks},
    {.id = BPF_FUNC_clone_redirect, .name = "clone_redirect", .since = v(4, 2), .prototype = "long bpf_clone_redirect(struct __sk_buff *skb, __u32 ifindex, __u64 flags)",
     .arguments = {{{A::ctx}, {A::anything}, {A::anything}}}, .prog_types = kTc | kLwtXmit, .changes_packet = true, .user_reason =
     kNoForwarding},
    {.id = BPF_FUNC_get_current_pid_tgid, .name = "get_current_pid_tgid", .since = v(4, 2), .prototype = "__u64 bpf_get_current_pid_tgid(void)",
     .prog_types = kBase, .user = kWorks},
    {.id = BPF_FUNC_get_current_uid_gid, .name = "get_current_uid_gid", .since = v(4, 2), .prototype = "__u64 bpf_get_current_uid_gid(void)",
     .prog_types = kBase, .user = kWorks},
    {.id = BPF_FUNC_get_current_comm, .name = "get_current_comm", .since = v(4, 2), .prototype = "long bpf_get_current_comm(void *buf, __u32 size_of_buf)",
     .arguments = {{{A::mem, kUninit | kWrite}, {A::mem_size}}}, .prog_types = kBase, .user = kWorks},
    {.id = BPF_FUNC_get_cgroup_classid, .name = "get_cgroup_classid", .since = v(4, 3), .prototype = "__u32 bpf_get_cgroup_classid(struct __sk_buff *skb)",
     .prog_types = kTracingBase | kSocketFilter | kXdp | kCgroupSkb | kCgroupSock | kSockOps | kSkSkb | kCgroupDevice | kSkMsg |
     kCgroupSockAddr | kSkReuseport | kFlowDissector | kCgroupSysctl | kCgroupSockopt | kStructOps | kSkLookup | kNetfilter,
     .user_reason = kNoCgroups},
    {.id = BPF_FUNC_get_cgroup_classid, .name = "get_cgroup_classid", .since = v(4, 3), .prototype = "__u32 bpf_get_cgroup_classid(struct __sk_buff *skb)",
     .arguments = {{{A::ctx}}}, .prog_types = kLwt | kTc, .user_reason = kNoCgroups},
    {.id = BPF_FUNC_skb_vlan_push, .name = "skb_vlan_push", .since = v(4, 3), .prototype = "long bpf_skb_vlan_push(struct __sk_buff *skb, __be16 vlan_proto, __u16 vlan_tci)",
     .arguments = {{{A::ctx}, {A::anything}, {A::anything}}}, .prog_types = kTc, .changes_packet = true, .user = kWorks},
    {.id = BPF_FUNC_skb_vlan_pop, .name = "skb_vlan_pop", .since = v(4, 3), .prototype = "long bpf_skb_vlan_pop(struct __sk_buff *skb)",
     .arguments = {{{A::ctx}}}, .prog_types = kTc, .changes_packet = true, .user = kWorks},
    {.id = BPF_FUNC_skb_get_tunnel_key, .name = "skb_get_tunnel_key", .since = v(4, 3), .prototype = "long bpf_skb_get_tunnel_key(struct __sk_buff *skb, struct bpf_tunnel_key *key, __u32 size, __u64 flags)",
     .arguments = {{{A::ctx}, {A::mem, kUninit | kWrite}, {A::mem_size}, {A::anything}}}, .prog_types = kTc | kLwtXmit, .user_reason =
     kNoForwarding},
    {.id = BPF_FUNC_skb_set_tunnel_key, .name = "skb_set_tunnel_key", .since = v(4, 3), .prototype = "long bpf_skb_set_tunnel_key(struct __sk_buff *skb, struct bpf_tunnel_key *key, __u32 size, __u64 flags)",
     .arguments = {{{A::ctx}, {A::mem, kReadOnly}, {A::mem_size}, {A::anything}}}, .prog_types = kTc | kLwtXmit, .user_reason =
     kNoForwarding},
    {.id = BPF_FUNC_perf_event_read, .name = "perf_event_read", .since = v(4, 3), .prototype = "__u64 bpf_perf_event_read(void *map, __u64 flags)",
     .arguments = {{{A::const_map_ptr}, {A::anything}}}, .prog_types = kBase, .map_types = maps(M::BPF_MAP_TYPE_PERF_EVENT_ARRAY),
     .gpl_only = true, .user_reason = kNoPmu},
    {.id = BPF_FUNC_redirect, .name = "redirect", .since = v(4, 4), .prototype = "long bpf_redirect(__u32 ifindex, __u64 flags)",
     .arguments = {{{A::anything}, {A::anything}}}, .prog_types = kTc | kXdp | kLwtXmit, .user = kWorks},
    {.id = BPF_FUNC_get_route_realm, .name = "get_route_realm", .since = v(4, 4), .prototype = "__u32 bpf_get_route_realm(struct __sk_buff *skb)",
     .arguments = {{{A::ctx}}}, .prog_types = kLwt | kTc, .user_reason = kNoForwarding},
    {.id = BPF_FUNC_perf_event_output, .name = "perf_event_output", .since = v(4, 4), .prototype = "long bpf_perf_event_output(void *ctx, void *map, __u64 flags, void *data, __u64 size)",
     .arguments = {{{A::ctx}, {A::const_map_ptr}, {A::anything}, {A::mem, kReadOnly}, {A::mem_size_or_zero}}}, .prog_types =
     kTracingBase | kLwt | kTc | kSocketFilter | kXdp | kCgroupSkb | kCgroupSock | kSockOps | kSkSkb | kCgroupDevice | kSkMsg |
     kCgroupSockAddr | kCgroupSysctl | kCgroupSockopt | kSkLookup, .map_types = maps(M::BPF_MAP_TYPE_PERF_EVENT_ARRAY), .gpl_only =
     true, .user = kWorks},
    {.id = BPF_FUNC_skb_load_bytes, .name = "skb_load_bytes", .since = v(4, 5), .prototype = "long bpf_skb_load_bytes(const void *skb, __u32 offset, void *to, __u32 len)",
     .arguments = {{{A::ctx}, {A::anything}, {A::mem, kUninit | kWrite}, {A::mem_size}}}, .prog_types = kLwt | kTc | kSocketFilter |
     kCgroupSkb | kSkSkb | kSkReuseport | kFlowDissector, .user = kWorks},
    {.id = BPF_FUNC_get_stackid, .name = "get_stackid", .since = v(4, 6), .prototype = "long bpf_get_stackid(void *ctx, void *map, __u64 flags)",
     .arguments = {{{A::ctx}, {A::const_map_ptr}, {A::anything}}}, .prog_types = kTrampoline | kKprobe | kTracepoint | kRawTracepoint
     | kRawTracepointWritable, .map_types = maps(M::BPF_MAP_TYPE_STACK_TRACE), .gpl_only = true, .user = kWorks},
    {.id = BPF_FUNC_get_stackid, .name = "get_stackid", .since = v(4, 6), .prototype = "long bpf_get_stackid(void *ctx, void *map, __u64 flags)",
     .arguments = {{{A::ctx}, {A::const_map_ptr}, {A::anything}}}, .prog_types = kPerfEvent, .map_types =
     maps(M::BPF_MAP_TYPE_STACK_TRACE), .user = kWorks},
    {.id = BPF_FUNC_csum_diff, .name = "csum_diff", .since = v(4, 6), .prototype = "__s64 bpf_csum_diff(__be32 *from, __u32 from_size, __be32 *to, __u32 to_size, __wsum seed)",
     .arguments = {{{A::mem, kMaybeNull | kReadOnly}, {A::mem_size_or_zero}, {A::mem, kMaybeNull | kReadOnly}, {A::mem_size_or_zero},
     {A::anything}}}, .prog_types = kLwt | kTc | kXdp, .packet_access = true, .user = kWorks},
    {.id = BPF_FUNC_skb_get_tunnel_opt, .name = "skb_get_tunnel_opt", .since = v(4, 6), .prototype = "long bpf_skb_get_tunnel_opt(struct __sk_buff *skb, void *opt, __u32 size)",
     .arguments = {{{A::ctx}, {A::mem, kUninit | kWrite}, {A::mem_size}}}, .prog_types = kTc | kLwtXmit, .user_reason =
     kNoForwarding},
    {.id = BPF_FUNC_skb_set_tunnel_opt, .name = "skb_set_tunnel_opt", .since = v(4, 6), .prototype = "long bpf_skb_set_tunnel_opt(struct __sk_buff *skb, void *opt, __u32 size)",
     .arguments = {{{A::ctx}, {A::mem, kReadOnly}, {A::mem_size}}}, .prog_types = kTc | kLwtXmit, .user_reason = kNoForwarding},
    {.id = BPF_FUNC_skb_change_proto, .name = "skb_change_proto", .since = v(4, 8), .prototype = "long bpf_skb_change_proto(struct __sk_buff *skb, __be16 proto, __u64 flags)",
     .arguments = {{{A::ctx}, {A::anything}, {A::anything}}}, .prog_types = kTc, .changes_packet = true, .user_reason = kNotYet},
    {.id = BPF_FUNC_skb_change_type, .name = "skb_change_type", .since = v(4, 8), .prototype = "long bpf_skb_change_type(struct __sk_buff *skb, __u32 type)",
     .arguments = {{{A::ctx}, {A::anything}}}, .prog_types = kTc, .user = kWorks},
    {.id = BPF_FUNC_skb_under_cgroup, .name = "skb_under_cgroup", .since = v(4, 8), .prototype = "long bpf_skb_under_cgroup(struct __sk_buff *skb, void *map, __u32 index)",
     .arguments = {{{A::ctx}, {A::const_map_ptr}, {A::anything}}}, .prog_types = kLwt | kTc, .map_types =
     maps(M::BPF_MAP_TYPE_CGROUP_ARRAY), .user = kWorks},
    {.id = BPF_FUNC_get_hash_recalc, .name = "get_hash_recalc", .since = v(4, 8), .prototype = "__u32 bpf_get_hash_recalc(struct __sk_buff *skb)",
     .arguments = {{{A::ctx}}}, .prog_types = kLwt | kTc, .user = kWorks},
    {.id = BPF_FUNC_get_current_task, .name = "get_current_task", .since = v(4, 8), .prototype = "__u64 bpf_get_current_task(void)",
     .prog_types = kBase, .gpl_only = true, .user = kWorks},
    {.id = BPF_FUNC_probe_write_user, .name = "probe_write_user", .since = v(4, 8), .prototype = "long bpf_probe_write_user(void *dst, const void *src, __u32 len)",
     .arguments = {{{A::anything}, {A::mem, kReadOnly}, {A::mem_size}}}, .prog_types = kTracingBase, .gpl_only = true, .user =
     kWorks},
    {.id = BPF_FUNC_current_task_under_cgroup, .name = "current_task_under_cgroup", .since = v(4, 9), .prototype = "long bpf_current_task_under_cgroup(void *map, __u32 index)",
     .arguments = {{{A::const_map_ptr}, {A::anything}}}, .prog_types = kBase, .map_types = maps(M::BPF_MAP_TYPE_CGROUP_ARRAY),
     .user = kWorks},
    {.id = BPF_FUNC_skb_change_tail, .name = "skb_change_tail", .since = v(4, 9), .prototype = "long bpf_skb_change_tail(struct __sk_buff *skb, __u32 len, __u64 flags)",
     .arguments = {{{A::ctx}, {A::anything}, {A::anything}}}, .prog_types = kTc | kLwtXmit | kSkSkb, .changes_packet = true, .user =
     kWorks},
    {.id = BPF_FUNC_skb_pull_data, .name = "skb_pull_data", .since = v(4, 9), .prototype = "long bpf_skb_pull_data(struct __sk_buff *skb, __u32 len)",
     .arguments = {{{A::ctx}, {A::anything}}}, .prog_types = kTc | kLwtIn | kLwtOut | kLwtXmit | kSkSkb, .changes_packet = true, .user
     = kWorks},
    {.id = BPF_FUNC_csum_update, .name = "csum_update", .since = v(4, 9), .prototype = "__s64 bpf_csum_update(struct __sk_buff *skb, __wsum csum)",
     .arguments = {{{A::ctx}, {A::anything}}}, .prog_types = kTc | kLwtXmit, .user = kWorks},
    {.id = BPF_FUNC_set_hash_invalid, .name = "set_hash_invalid", .since = v(4, 9), .prototype = "void bpf_set_hash_invalid(struct __sk_buff *skb)",
     .arguments = {{{A::ctx}}}, .prog_types = kTc | kLwtXmit, .user = kWorks},
    {.id = BPF_FUNC_get_numa_node_id, .name = "get_numa_node_id", .since = v(4, 10), .prototype = "long bpf_get_numa_node_id(void)",
     .prog_types = kBase, .user = kWorks},
    {.id = BPF_FUNC_skb_change_head, .name = "skb_change_head", .since = v(4, 10), .prototype = "long bpf_skb_change_head(struct __sk_buff *skb, __u32 len, __u64 flags)",
     .arguments = {{{A::ctx}, {A::anything}, {A::anything}}}, .prog_types = kTc | kLwtXmit | kSkSkb, .changes_packet = true, .user =
     kWorks},
    {.id = BPF_FUNC_xdp_adjust_head, .name = "xdp_adjust_head", .since = v(4, 10), .prototype = "long bpf_xdp_adjust_head(struct xdp_md *xdp_md, int delta)",
     .arguments = {{{A::ctx}, {A::anything}}}, .prog_types = kXdp, .changes_packet = true, .user = kWorks},
    {.id = BPF_FUNC_probe_read_str, .name = "probe_read_str", .since = v(4, 11), .prototype = "long bpf_probe_read_str(void *dst, __u32 size, const void *unsafe_ptr)",
     .arguments = {{{A::mem, kUninit | kWrite}, {A::mem_size_or_zero}, {A::anything}}}, .prog_types = kTracingBase, .gpl_only = true,
     .user = kWorks},
    {.id = BPF_FUNC_get_socket_cookie, .name = "get_socket_cookie", .since = v(4, 12), .prototype = "__u64 bpf_get_socket_cookie(struct __sk_buff *skb)",
     .arguments = {{{A::ctx}}}, .prog_types = kTc | kSocketFilter | kCgroupSkb | kCgroupSock | kSockOps | kSkSkb | kCgroupSockAddr,
     .user = kWorks},
    {.id = BPF_FUNC_get_socket_cookie, .name = "get_socket_cookie", .since = v(4, 12), .prototype = "__u64 bpf_get_socket_cookie(struct __sk_buff *skb)",
     .arguments = {{{A::btf_id_sock_common, kMaybeNull}}}, .prog_types = kTrampoline | kSkReuseport, .user = kWorks},
    {.id = BPF_FUNC_get_socket_uid, .name = "get_socket_uid", .since = v(4, 12), .prototype = "__u32 bpf_get_socket_uid(struct __sk_buff *skb)",
     .arguments = {{{A::ctx}}}, .prog_types = kTc | kSocketFilter | kCgroupSkb | kSkSkb, .user = kWorks},
    {.id = BPF_FUNC_set_hash, .name = "set_hash", .since = v(4, 13), .prototype = "long bpf_set_hash(struct __sk_buff *skb, __u32 hash)",
     .arguments = {{{A::ctx}, {A::anything}}}, .prog_types = kTc, .user = kWorks},
    {.id = BPF_FUNC_setsockopt, .name = "setsockopt", .since = v(7, 0), .prototype = "long bpf_setsockopt(void *bpf_socket, int level, int optname, void *optval, int optlen)",
     .arguments = {{{A::ctx}, {A::anything}, {A::anything}, {A::mem, kReadOnly}, {A::mem_size}}}, .prog_types = kCgroupSock,
     .attach_types = set_of(AttachType::BPF_CGROUP_INET_SOCK_CREATE), .user_reason = kNoSockets},
    {.id = BPF_FUNC_setsockopt, .name = "setsockopt", .since = v(4, 13), .prototype = "long bpf_setsockopt(void *bpf_socket, int level, int optname, void *optval, int optlen)",
     .arguments = {{{A::ctx}, {A::anything}, {A::anything}, {A::mem, kReadOnly}, {A::mem_size}}}, .prog_types = kSockOps, .user_reason
     = kNoSockets},
    {.id = BPF_FUNC_setsockopt, .name = "setsockopt", .since = v(4, 13), .prototype = "long bpf_setsockopt(void *bpf_socket, int level, int optname, void *optval, int optlen)",
     .arguments = {{{A::ctx}, {A::anything}, {A::anything}, {A::mem, kReadOnly}, {A::mem_size}}}, .prog_types = kCgroupSockAddr,
     .attach_types = kSockAddrHooks, .user_reason = kNoSockets},
    {.id = BPF_FUNC_setsockopt, .name = "setsockopt", .since = v(4, 13), .prototype = "long bpf_setsockopt(void *bpf_socket, int level, int optname, void *optval, int optlen)",
     .arguments = {{{A::btf_id_sock_common}, {A::anything}, {A::anything}, {A::mem, kReadOnly}, {A::mem_size}}}, .prog_types =
     kCgroupSockopt, .attach_types = set_of(AttachType::BPF_CGROUP_SETSOCKOPT), .user_reason = kNoSockets},
    {.id = BPF_FUNC_setsockopt, .name = "setsockopt", .since = v(4, 13), .prototype = "long bpf_setsockopt(void *bpf_socket, int level, int optname, void *optval, int optlen)",
     .arguments = {{{A::btf_id_sock_common}, {A::anything}, {A::anything}, {A::mem, kReadOnly}, {A::mem_size}}}, .prog_types =
     kStructOps, .user_reason = kNoSockets},
    {.id = BPF_FUNC_setsockopt, .name = "setsockopt", .since = v(4, 13), .prototype = "long bpf_setsockopt(void *bpf_socket, int level, int optname, void *optval, int optlen)",
     .arguments = {{{A::btf_id_sock_common}, {A::anything}, {A::anything}, {A::mem, kReadOnly}, {A::mem_size}}}, .prog_types = kLsm,
     .attach_types = set_of(AttachType::BPF_LSM_CGROUP), .user_reason = kNoSockets},
    {.id = BPF_FUNC_setsockopt, .name = "setsockopt", .since = v(5, 16), .prototype = "long bpf_setsockopt(void *bpf_socket, int level, int optname, void *optval, int optlen)",
     .arguments = {{{A::btf_id_sock_common}, {A::anything}, {A::anything}, {A::mem, kReadOnly}, {A::mem_size}}}, .prog_types = kTracing,
     .attach_types = set_of(AttachType::BPF_TRACE_ITER), .user_reason = kNoSockets},
    {.id = BPF_FUNC_skb_adjust_room, .name = "skb_adjust_room", .since = v(4, 13), .prototype = "long bpf_skb_adjust_room(struct __sk_buff *skb, __s32 len_diff, __u32 mode, __u64 flags)",
     .arguments = {{{A::ctx}, {A::anything}, {A::anything}, {A::anything}}}, .prog_types = kTc | kSkSkb, .changes_packet = true,
     .user_reason = kNotYet},
    {.id = BPF_FUNC_redirect_map, .name = "redirect_map", .since = v(4, 14), .prototype = "long bpf_redirect_map(void *map, __u64 key, __u64 flags)",
     .arguments = {{{A::const_map_ptr}, {A::anything}, {A::anything}}}, .prog_types = kXdp, .map_types = maps(M::BPF_MAP_TYPE_DEVMAP,
     M::BPF_MAP_TYPE_DEVMAP_HASH, M::BPF_MAP_TYPE_CPUMAP, M::BPF_MAP_TYPE_XSKMAP), .user = kWorks},
    {.id = BPF_FUNC_sk_redirect_map, .name = "sk_redirect_map", .since = v(4, 14), .prototype = "long bpf_sk_redirect_map(struct __sk_buff *skb, void *map, __u32 key, __u64 flags)",
     .arguments = {{{A::ctx}, {A::const_map_ptr}, {A::anything}, {A::anything}}}, .prog_types = kSkSkb, .map_types =
     maps(M::BPF_MAP_TYPE_SOCKMAP), .user_reason = kNoForwarding},
    {.id = BPF_FUNC_sock_map_update, .name = "sock_map_update", .since = v(4, 14), .prototype = "long bpf_sock_map_update(struct bpf_sock_ops *skops, void *map, void *key, __u64 flags)",
     .arguments = {{{A::ctx}, {A::const_map_ptr}, {A::map_key}, {A::anything}}}, .prog_types = kSockOps, .map_types =
     maps(M::BPF_MAP_TYPE_SOCKMAP), .packet_access = true, .user_reason = kNoSockets},
    {.id = BPF_FUNC_xdp_adjust_meta, .name = "xdp_adjust_meta", .since = v(4, 15), .prototype = "long bpf_xdp_adjust_meta(struct xdp_md *xdp_md, int delta)",
     .arguments = {{{A::ctx}, {A::anything}}}, .prog_types = kXdp, .changes_packet = true, .user = kWorks},
    {.id = BPF_FUNC_perf_event_read_value, .name = "perf_event_read_value", .since = v(4, 15), .prototype = "long bpf_perf_event_read_value(void *map, __u64 flags, struct bpf_perf_event_value *buf, __u32 buf_size)",
     .arguments = {{{A::const_map_ptr}, {A::anything}, {A::mem, kUninit | kWrite}, {A::mem_size}}}, .prog_types = kBase, .map_types =
     maps(M::BPF_MAP_TYPE_PERF_EVENT_ARRAY), .gpl_only = true, .user_reason = kNoPmu},
    {.id = BPF_FUNC_perf_prog_read_value, .name = "perf_prog_read_value", .since = v(4, 15), .prototype = "long bpf_perf_prog_read_value(struct bpf_perf_event_data *ctx, struct bpf_perf_event_value *buf, __u32 buf_size)",
     .arguments = {{{A::ctx}, {A::mem, kUninit | kWrite}, {A::mem_size}}}, .prog_types = kPerfEvent, .gpl_only = true, .user_reason =
     kNoPmu},
    {.id = BPF_FUNC_getsockopt, .name = "getsockopt", .since = v(7, 0), .prototype = "long bpf_getsockopt(void *bpf_socket, int level, int optname, void *optval, int optlen)",
     .arguments = {{{A::ctx}, {A::anything}, {A::anything}, {A::mem, kUninit | kWrite}, {A::mem_size}}}, .prog_types = kCgroupSock,
     .attach_types = set_of(AttachType::BPF_CGROUP_INET_SOCK_CREATE), .user_reason = kNoSockets},
    {.id = BPF_FUNC_getsockopt, .name = "getsockopt", .since = v(4, 15), .prototype = "long bpf_getsockopt(void *bpf_socket, int level, int optname, void *optval, int optlen)",
     .arguments = {{{A::ctx}, {A::anything}, {A::anything}, {A::mem, kUninit | kWrite}, {A::mem_size}}}, .prog_types = kSockOps,
     .user_reason = kNoSockets},
    {.id = BPF_FUNC_getsockopt, .name = "getsockopt", .since = v(4, 15), .prototype = "long bpf_getsockopt(void *bpf_socket, int level, int optname, void *optval, int optlen)",
     .arguments = {{{A::ctx}, {A::anything}, {A::anything}, {A::mem, kUninit | kWrite}, {A::mem_size}}}, .prog_types =
     kCgroupSockAddr, .attach_types = kSockAddrHooks, .user_reason = kNoSockets},
    {.id = BPF_FUNC_getsockopt, .name = "getsockopt", .since = v(4, 15), .prototype = "long bpf_getsockopt(void *bpf_socket, int level, int optname, void *optval, int optlen)",
     .arguments = {{{A::btf_id_sock_common}, {A::anything}, {A::anything}, {A::mem, kUninit | kWrite}, {A::mem_size}}}, .prog_types =
     kCgroupSockopt, .attach_types = set_of(AttachType::BPF_CGROUP_SETSOCKOPT), .user_reason = kNoSockets},
    {.id = BPF_FUNC_getsockopt, .name = "getsockopt", .since = v(4, 15), .prototype = "long bpf_getsockopt(void *bpf_socket, int level, int optname, void *optval, int optlen)",
     .arguments = {{{A::btf_id_sock_common}, {A::anything}, {A::anything}, {A::mem, kUninit | kWrite}, {A::mem_size}}}, .prog_types =
     kStructOps, .user_reason = kNoSockets},
    {.id = BPF_FUNC_getsockopt, .name = "getsockopt", .since = v(4, 15), .prototype = "long bpf_getsockopt(void *bpf_socket, int level, int optname, void *optval, int optlen)",
     .arguments = {{{A::btf_id_sock_common}, {A::anything}, {A::anything}, {A::mem, kUninit | kWrite}, {A::mem_size}}}, .prog_types =
     kLsm, .attach_types = set_of(AttachType::BPF_LSM_CGROUP), .user_reason = kNoSockets},
    {.id = BPF_FUNC_getsockopt, .name = "getsockopt", .since = v(5, 16), .prototype = "long bpf_getsockopt(void *bpf_socket, int level, int optname, void *optval, int optlen)",
     .arguments = {{{A::btf_id_sock_common}, {A::anything}, {A::anything}, {A::mem, kUninit | kWrite}, {A::mem_size}}}, .prog_types = kTracing,
     .attach_types = set_of(AttachType::BPF_TRACE_ITER), .user_reason = kNoSockets},
    {.id = BPF_FUNC_override_return, .name = "override_return", .since = v(4, 16), .prototype = "long bpf_override_return(struct pt_regs *regs, __u64 rc)",
     .arguments = {{{A::ctx}, {A::anything}}}, .prog_types = kKprobe, .gpl_only = true, .user_reason = kKernelOnly},
    {.id = BPF_FUNC_sock_ops_cb_flags_set, .name = "sock_ops_cb_flags_set", .since = v(4, 16), .prototype = "long bpf_sock_ops_cb_flags_set(struct bpf_sock_ops *bpf_sock, int argval)",
     .arguments = {{{A::ctx}, {A::anything}}}, .prog_types = kSockOps, .user_reason = kNoSockets},
    {.id = BPF_FUNC_msg_redirect_map, .name = "msg_redirect_map", .since = v(4, 17), .prototype = "long bpf_msg_redirect_map(struct sk_msg_md *msg, void *map, __u32 key, __u64 flags)",
     .arguments = {{{A::ctx}, {A::const_map_ptr}, {A::anything}, {A::anything}}}, .prog_types = kSkMsg, .map_types =
     maps(M::BPF_MAP_TYPE_SOCKMAP), .user_reason = kNoForwarding},
    {.id = BPF_FUNC_msg_apply_bytes, .name = "msg_apply_bytes", .since = v(4, 17), .prototype = "long bpf_msg_apply_bytes(struct sk_msg_md *msg, __u32 bytes)",
     .arguments = {{{A::ctx}, {A::anything}}}, .prog_types = kSkMsg, .user_reason = kNoSockets},
    {.id = BPF_FUNC_msg_cork_bytes, .name = "msg_cork_bytes", .since = v(4, 17), .prototype = "long bpf_msg_cork_bytes(struct sk_msg_md *msg, __u32 bytes)",
     .arguments = {{{A::ctx}, {A::anything}}}, .prog_types = kSkMsg, .user_reason = kNoSockets},
    {.id = BPF_FUNC_msg_pull_data, .name = "msg_pull_data", .since = v(4, 17), .prototype = "long bpf_msg_pull_data(struct sk_msg_md *msg, __u32 start, __u32 end, __u64 flags)",
     .arguments = {{{A::ctx}, {A::anything}, {A::anything}, {A::anything}}}, .prog_types = kSkMsg, .changes_packet = true,
     .user_reason = kNoSockets},
    {.id = BPF_FUNC_bind, .name = "bind", .since = v(4, 17), .prototype = "long bpf_bind(struct bpf_sock_addr *ctx, struct sockaddr *addr, int addr_len)",
     .arguments = {{{A::ctx}, {A::mem, kReadOnly}, {A::mem_size}}}, .prog_types = kCgroupSockAddr, .attach_types =
     set_of(AttachType::BPF_CGROUP_INET4_CONNECT, AttachType::BPF_CGROUP_INET6_CONNECT), .user_reason = kNoSockets},
    {.id = BPF_FUNC_xdp_adjust_tail, .name = "xdp_adjust_tail", .since = v(4, 18), .prototype = "long bpf_xdp_adjust_tail(struct xdp_md *xdp_md, int delta)",
     .arguments = {{{A::ctx}, {A::anything}}}, .prog_types = kXdp, .changes_packet = true, .user = kWorks},
    {.id = BPF_FUNC_skb_get_xfrm_state, .name = "skb_get_xfrm_state", .since = v(4, 18), .prototype = "long bpf_skb_get_xfrm_state(struct __sk_buff *skb, __u32 index, struct bpf_xfrm_state *xfrm_state, __u32 size, __u64 flags)",
     .arguments = {{{A::ctx}, {A::anything}, {A::mem, kUninit | kWrite}, {A::mem_size}, {A::anything}}}, .prog_types = kTc,
     .user_reason = kNoForwarding},
    {.id = BPF_FUNC_get_stack, .name = "get_stack", .since = v(4, 18), .prototype = "long bpf_get_stack(void *ctx, void *buf, __u32 size, __u64 flags)",
     .arguments = {{{A::ctx}, {A::mem, kUninit | kWrite}, {A::mem_size_or_zero}, {A::anything}}}, .prog_types = kTracingBase,
     .gpl_only = true, .user = kWorks},
    {.id = BPF_FUNC_skb_load_bytes_relative, .name = "skb_load_bytes_relative", .since = v(4, 18), .prototype = "long bpf_skb_load_bytes_relative(const void *skb, __u32 offset, void *to, __u32 len, __u32 start_header)",
     .arguments = {{{A::ctx}, {A::anything}, {A::mem, kUninit | kWrite}, {A::mem_size}, {A::anything}}}, .prog_types = kTc |
     kSocketFilter | kCgroupSkb | kSkReuseport, .user = kWorks},
    {.id = BPF_FUNC_fib_lookup, .name = "fib_lookup", .since = v(4, 18), .prototype = "long bpf_fib_lookup(void *ctx, struct bpf_fib_lookup *params, int plen, __u32 flags)",
     .arguments = {{{A::ctx}, {A::mem, kWrite}, {A::mem_size}, {A::anything}}}, .prog_types = kTc | kXdp, .gpl_only = true,
     .user_reason = kNoForwarding},
    {.id = BPF_FUNC_sock_hash_update, .name = "sock_hash_update", .since = v(4, 18), .prototype = "long bpf_sock_hash_update(struct bpf_sock_ops *skops, void *map, void *key, __u64 flags)",
     .arguments = {{{A::ctx}, {A::const_map_ptr}, {A::map_key}, {A::anything}}}, .prog_types = kSockOps, .map_types =
     maps(M::BPF_MAP_TYPE_SOCKHASH), .packet_access = true, .user_reason = kNoSockets},
    {.id = BPF_FUNC_msg_redirect_hash, .name = "msg_redirect_hash", .since = v(4, 18), .prototype = "long bpf_msg_redirect_hash(struct sk_msg_md *msg, void *map, void *key, __u64 flags)",
     .arguments = {{{A::ctx}, {A::const_map_ptr}, {A::map_key}, {A::anything}}}, .prog_types = kSkMsg, .map_types =
     maps(M::BPF_MAP_TYPE_SOCKHASH), .user_reason = kNoForwarding},
    {.id = BPF_FUNC_sk_redirect_hash, .name = "sk_redirect_hash", .since = v(4, 18), .prototype = "long bpf_sk_redirect_hash(struct __sk_buff *skb, void *map, void *key, __u64 flags)",
     .arguments = {{{A::ctx}, {A::const_map_ptr}, {A::map_key}, {A::anything}}}, .prog_types = kSkSkb, .map_types =
     maps(M::BPF_MAP_TYPE_SOCKHASH), .user_reason = kNoForwarding},
    {.id = BPF_FUNC_lwt_push_encap, .name = "lwt_push_encap", .since = v(4, 18), .prototype = "long bpf_lwt_push_encap(struct __sk_buff *skb, __u32 type, void *hdr, __u32 len)",
     .arguments = {{{A::ctx}, {A::anything}, {A::mem, kReadOnly}, {A::mem_size}}}, .prog_types = kLwtIn | kLwtXmit, .changes_packet =
     true, .user_reason = kNoForwarding},
    {.id = BPF_FUNC_lwt_seg6_store_bytes, .name = "lwt_seg6_store_bytes", .since = v(4, 18), .prototype = "long bpf_lwt_seg6_store_bytes(struct __sk_buff *skb, __u32 offset, const void *from, __u32 len)",
     .arguments = {{{A::ctx}, {A::anything}, {A::mem, kReadOnly}, {A::mem_size}}}, .prog_types = kLwtSeg6local, .changes_packet =
     true, .user_reason = kNoForwarding},
    {.id = BPF_FUNC_lwt_seg6_adjust_srh, .name = "lwt_seg6_adjust_srh", .since = v(4, 18), .prototype = "long bpf_lwt_seg6_adjust_srh(struct __sk_buff *skb, __u32 offset, __s32 delta)",
     .arguments = {{{A::ctx}, {A::anything}, {A::anything}}}, .prog_types = kLwtSeg6local, .changes_packet = true, .user_reason =
     kNoForwarding},
    {.id = BPF_FUNC_lwt_seg6_action, .name = "lwt_seg6_action", .since = v(4, 18), .prototype = "long bpf_lwt_seg6_action(struct __sk_buff *skb, __u32 action, void *param, __u32 param_len)",
     .arguments = {{{A::ctx}, {A::anything}, {A::mem, kReadOnly}, {A::mem_size}}}, .prog_types = kLwtSeg6local, .changes_packet =
     true, .user_reason = kNoForwarding},
    {.id = BPF_FUNC_rc_repeat, .name = "rc_repeat", .since = v(4, 18), .prototype = "long bpf_rc_repeat(void *ctx)",
     .arguments = {{{A::ctx}}}, .prog_types = kLircMode2, .gpl_only = true, .user_reason = kKernelOnly},
    {.id = BPF_FUNC_rc_keydown, .name = "rc_keydown", .since = v(4, 18), .prototype = "long bpf_rc_keydown(void *ctx, __u32 protocol, __u64 scancode, __u32 toggle)",
     .arguments = {{{A::ctx}, {A::anything}, {A::anything}, {A::anything}}}, .prog_types = kLircMode2, .gpl_only = true, .user_reason
     = kKernelOnly},
    {.id = BPF_FUNC_skb_cgroup_id, .name = "skb_cgroup_id", .since = v(4, 18), .prototype = "__u64 bpf_skb_cgroup_id(struct __sk_buff *skb)",
     .arguments = {{{A::ctx}}}, .prog_types = kTc | kCgroupSkb, .user_reason = kNoCgroups},
    {.id = BPF_FUNC_get_current_cgroup_id, .name = "get_current_cgroup_id", .since = v(4, 18), .prototype = "__u64 bpf_get_current_cgroup_id(void)",
     .prog_types = kBase, .user = kWorks},
    {.id = BPF_FUNC_get_local_storage, .name = "get_local_storage", .since = v(4, 19), .prototype = "void *bpf_get_local_storage(void *map, __u64 flags)",
     .returns = R::map_value, .arguments = {{{A::const_map_ptr}, {A::anything}}}, .prog_types = kCgroupSkb | kCgroupSock | kSockOps |
     kCgroupDevice | kCgroupSockAddr | kCgroupSysctl | kCgroupSockopt, .map_types = maps(M::BPF_MAP_TYPE_CGROUP_STORAGE,
     M::BPF_MAP_TYPE_PERCPU_CGROUP_STORAGE), .user = kWorks},
    {.id = BPF_FUNC_get_local_storage, .name = "get_local_storage", .since = v(4, 19), .prototype = "void *bpf_get_local_storage(void *map, __u64 flags)",
     .returns = R::map_value, .arguments = {{{A::const_map_ptr}, {A::anything}}}, .prog_types = kLsm, .attach_types =
     set_of(AttachType::BPF_LSM_CGROUP), .map_types = maps(M::BPF_MAP_TYPE_CGROUP_STORAGE, M::BPF_MAP_TYPE_PERCPU_CGROUP_STORAGE),
     .user = kWorks},
    {.id = BPF_FUNC_sk_select_reuseport, .name = "sk_select_reuseport", .since = v(4, 19), .prototype = "long bpf_sk_select_reuseport(struct sk_reuseport_md *reuse, void *map, void *key, __u64 flags)",
     .arguments = {{{A::ctx}, {A::const_map_ptr}, {A::map_key}, {A::anything}}}, .prog_types = kSkReuseport, .map_types =
     maps(M::BPF_MAP_TYPE_REUSEPORT_SOCKARRAY, M::BPF_MAP_TYPE_SOCKMAP, M::BPF_MAP_TYPE_SOCKHASH), .user_reason = kNoSockets},
    {.id = BPF_FUNC_skb_ancestor_cgroup_id, .name = "skb_ancestor_cgroup_id", .since = v(4, 19), .prototype = "__u64 bpf_skb_ancestor_cgroup_id(struct __sk_buff *skb, int ancestor_level)",
     .arguments = {{{A::ctx}, {A::anything}}}, .prog_types = kTc | kCgroupSkb, .user_reason = kNoCgroups},
    {.id = BPF_FUNC_sk_lookup_tcp, .name = "sk_lookup_tcp", .since = v(4, 20), .prototype = "struct bpf_sock *bpf_sk_lookup_tcp(void *ctx, struct bpf_sock_tuple *tuple, __u32 tuple_size, __u64 netns, __u64 flags)",
     .returns = R::socket, .return_flags = kMaybeNull, .arguments = {{{A::ctx}, {A::mem, kReadOnly}, {A::mem_size_or_zero},
     {A::anything}, {A::anything}}}, .prog_types = kTc | kXdp | kCgroupSkb | kSkSkb, .packet_access = true, .acquires = true,
     .user_reason = kNoSockets},
    {.id = BPF_FUNC_sk_lookup_tcp, .name = "sk_lookup_tcp", .since = v(4, 20), .prototype = "struct bpf_sock *bpf_sk_lookup_tcp(void *ctx, struct bpf_sock_tuple *tuple, __u32 tuple_size, __u64 netns, __u64 flags)",
     .returns = R::socket, .return_flags = kMaybeNull, .arguments = {{{A::ctx}, {A::mem, kReadOnly}, {A::mem_size_or_zero},
     {A::anything}, {A::anything}}}, .prog_types = kCgroupSockAddr, .acquires = true, .user_reason = kNoSockets},
    {.id = BPF_FUNC_sk_lookup_udp, .name = "sk_lookup_udp", .since = v(4, 20), .prototype = "struct bpf_sock *bpf_sk_lookup_udp(void *ctx, struct bpf_sock_tuple *tuple, __u32 tuple_size, __u64 netns, __u64 flags)",
     .returns = R::socket, .return_flags = kMaybeNull, .arguments = {{{A::ctx}, {A::mem, kReadOnly}, {A::mem_size_or_zero},
     {A::anything}, {A::anything}}}, .prog_types = kTc | kXdp | kCgroupSkb | kSkSkb, .packet_access = true, .acquires = true,
     .user_reason = kNoSockets},
    {.id = BPF_FUNC_sk_lookup_udp, .name = "sk_lookup_udp", .since = v(4, 20), .prototype = "struct bpf_sock *bpf_sk_lookup_udp(void *ctx, struct bpf_sock_tuple *tuple, __u32 tuple_size, __u64 netns, __u64 flags)",
     .returns = R::socket, .return_flags = kMaybeNull, .arguments = {{{A::ctx}, {A::mem, kReadOnly}, {A::mem_size_or_zero},
     {A::anything}, {A::anything}}}, .prog_types = kCgroupSockAddr, .acquires = true, .user_reason = kNoSockets},
    {.id = BPF_FUNC_sk_release, .name = "sk_release", .since = v(4, 20), .prototype = "long bpf_sk_release(void *sock)",
     .arguments = {{{A::btf_id_sock_common, kRelease}}}, .prog_types = kTc | kXdp | kCgroupSkb | kSkSkb | kCgroupSockAddr | kSkLookup,
     .user_reason = kNoSockets},
    {.id = BPF_FUNC_map_push_elem, .name = "map_push_elem", .since = v(4, 20), .prototype = "long bpf_map_push_elem(void *map, const void *value, __u64 flags)",
     .arguments = {{{A::const_map_ptr}, {A::map_value}, {A::anything}}}, .prog_types = kAnyProg, .map_types =
     maps(M::BPF_MAP_TYPE_QUEUE, M::BPF_MAP_TYPE_STACK, M::BPF_MAP_TYPE_BLOOM_FILTER), .packet_access = true, .user = kWorks},
    {.id = BPF_FUNC_map_pop_elem, .name = "map_pop_elem", .since = v(4, 20), .prototype = "long bpf_map_pop_elem(void *map, void *value)",
     .arguments = {{{A::const_map_ptr}, {A::map_value, kUninit | kWrite}}}, .prog_types = kAnyProg, .map_types =
     maps(M::BPF_MAP_TYPE_QUEUE, M::BPF_MAP_TYPE_STACK), .user = kWorks},
    {.id = BPF_FUNC_map_peek_elem, .name = "map_peek_elem", .since = v(4, 20), .prototype = "long bpf_map_peek_elem(void *map, void *value)",
     .arguments = {{{A::const_map_ptr}, {A::map_value, kUninit | kWrite}}}, .prog_types = kAnyProg, .map_types =
     maps(M::BPF_MAP_TYPE_QUEUE, M::BPF_MAP_TYPE_STACK, M::BPF_MAP_TYPE_BLOOM_FILTER), .user = kWorks},
    {.id = BPF_FUNC_msg_push_data, .name = "msg_push_data", .since = v(4, 20), .prototype = "long bpf_msg_push_data(struct sk_msg_md *msg, __u32 start, __u32 len, __u64 flags)",
     .arguments = {{{A::ctx}, {A::anything}, {A::anything}, {A::anything}}}, .prog_types = kSkMsg, .changes_packet = true,
     .user_reason = kNoSockets},
    {.id = BPF_FUNC_msg_pop_data, .name = "msg_pop_data", .since = v(5, 0), .prototype = "long bpf_msg_pop_data(struct sk_msg_md *msg, __u32 start, __u32 len, __u64 flags)",
     .arguments = {{{A::ctx}, {A::anything}, {A::anything}, {A::anything}}}, .prog_types = kSkMsg, .changes_packet = true,
     .user_reason = kNoSockets},
    {.id = BPF_FUNC_rc_pointer_rel, .name = "rc_pointer_rel", .since = v(5, 0), .prototype = "long bpf_rc_pointer_rel(void *ctx, __s32 rel_x, __s32 rel_y)",
     .arguments = {{{A::ctx}, {A::anything}, {A::anything}}}, .prog_types = kLircMode2, .gpl_only = true, .user_reason = kKernelOnly},
    {.id = BPF_FUNC_spin_lock, .name = "spin_lock", .since = v(5, 1), .prototype = "long bpf_spin_lock(struct bpf_spin_lock *lock)",
     .returns = R::nothing, .arguments = {{{A::spin_lock}}}, .prog_types = kBase, .user = kWorks},
    {.id = BPF_FUNC_spin_unlock, .name = "spin_unlock", .since = v(5, 1), .prototype = "long bpf_spin_unlock(struct bpf_spin_lock *lock)",
     .returns = R::nothing, .arguments = {{{A::spin_lock}}}, .prog_types = kBase, .user = kWorks},
    {.id = BPF_FUNC_sk_fullsock, .name = "sk_fullsock", .since = v(5, 1), .prototype = "struct bpf_sock *bpf_sk_fullsock(struct bpf_sock *sk)",
     .returns = R::socket, .return_flags = kMaybeNull, .arguments = {{{A::sock_common}}}, .prog_types = kTc | kCgroupSkb, .user_reason
     = kNoSockets},
    {.id = BPF_FUNC_tcp_sock, .name = "tcp_sock", .since = v(5, 1), .prototype = "struct bpf_tcp_sock *bpf_tcp_sock(struct bpf_sock *sk)",
     .returns = R::tcp_sock, .return_flags = kMaybeNull, .arguments = {{{A::sock_common}}}, .prog_types = kTc | kCgroupSkb | kSockOps
     | kCgroupSockopt, .user_reason = kNoSockets},
    {.id = BPF_FUNC_skb_ecn_set_ce, .name = "skb_ecn_set_ce", .since = v(5, 1), .prototype = "long bpf_skb_ecn_set_ce(struct __sk_buff *skb)",
     .arguments = {{{A::ctx}}}, .prog_types = kTc | kCgroupSkb, .user_reason = kNotYet},
    {.id = BPF_FUNC_get_listener_sock, .name = "get_listener_sock", .since = v(5, 1), .prototype = "struct bpf_sock *bpf_get_listener_sock(struct bpf_sock *sk)",
     .returns = R::socket, .return_flags = kMaybeNull, .arguments = {{{A::sock_common}}}, .prog_types = kTc | kCgroupSkb, .user_reason
     = kNoSockets},
    {.id = BPF_FUNC_skc_lookup_tcp, .name = "skc_lookup_tcp", .since = v(5, 2), .prototype = "struct bpf_sock *bpf_skc_lookup_tcp(void *ctx, struct bpf_sock_tuple *tuple, __u32 tuple_size, __u64 netns, __u64 flags)",
     .returns = R::sock_common, .return_flags = kMaybeNull, .arguments = {{{A::ctx}, {A::mem, kReadOnly}, {A::mem_size_or_zero},
     {A::anything}, {A::anything}}}, .prog_types = kTc | kXdp | kCgroupSkb | kSkSkb, .packet_access = true, .acquires = true,
     .user_reason = kNoSockets},
    {.id = BPF_FUNC_skc_lookup_tcp, .name = "skc_lookup_tcp", .since = v(5, 2), .prototype = "struct bpf_sock *bpf_skc_lookup_tcp(void *ctx, struct bpf_sock_tuple *tuple, __u32 tuple_size, __u64 netns, __u64 flags)",
     .returns = R::sock_common, .return_flags = kMaybeNull, .arguments = {{{A::ctx}, {A::mem, kReadOnly}, {A::mem_size_or_zero},
     {A::anything}, {A::anything}}}, .prog_types = kCgroupSockAddr, .acquires = true, .user_reason = kNoSockets},
    {.id = BPF_FUNC_tcp_check_syncookie, .name = "tcp_check_syncookie", .since = v(5, 2), .prototype = "long bpf_tcp_check_syncookie(void *sk, void *iph, __u32 iph_len, struct tcphdr *th, __u32 th_len)",
     .arguments = {{{A::btf_id_sock_common}, {A::mem, kReadOnly}, {A::mem_size}, {A::mem, kReadOnly}, {A::mem_size}}}, .prog_types =
     kTc | kXdp, .gpl_only = true, .packet_access = true, .user_reason = kNoSockets},
    {.id = BPF_FUNC_sysctl_get_name, .name = "sysctl_get_name", .since = v(5, 2), .prototype = "long bpf_sysctl_get_name(struct bpf_sysctl *ctx, char *buf, size_t buf_len, __u64 flags)",
     .arguments = {{{A::ctx}, {A::mem, kWrite}, {A::mem_size}, {A::anything}}}, .prog_types = kCgroupSysctl, .user_reason =
     kNoCgroups},
    {.id = BPF_FUNC_sysctl_get_current_value, .name = "sysctl_get_current_value", .since = v(5, 2), .prototype = "long bpf_sysctl_get_current_value(struct bpf_sysctl *ctx, char *buf, size_t buf_len)",
     .arguments = {{{A::ctx}, {A::mem, kUninit | kWrite}, {A::mem_size}}}, .prog_types = kCgroupSysctl, .user_reason = kNoCgroups},
    {.id = BPF_FUNC_sysctl_get_new_value, .name = "sysctl_get_new_value", .since = v(5, 2), .prototype = "long bpf_sysctl_get_new_value(struct bpf_sysctl *ctx, char *buf, size_t buf_len)",
     .arguments = {{{A::ctx}, {A::mem, kUninit | kWrite}, {A::mem_size}}}, .prog_types = kCgroupSysctl, .user_reason = kNoCgroups},
    {.id = BPF_FUNC_sysctl_set_new_value, .name = "sysctl_set_new_value", .since = v(5, 2), .prototype = "long bpf_sysctl_set_new_value(struct bpf_sysctl *ctx, const char *buf, size_t buf_len)",
     .arguments = {{{A::ctx}, {A::mem, kReadOnly}, {A::mem_size}}}, .prog_types = kCgroupSysctl, .user_reason = kNoCgroups},
    {.id = BPF_FUNC_strtol, .name = "strtol", .since = v(5, 2), .prototype = "long bpf_strtol(const char *buf, size_t buf_len, __u64 flags, long *res)",
     .arguments = {{{A::mem, kReadOnly}, {A::mem_size}, {A::anything}, {A::mem, kUninit | kWrite | kFixedSize | kAligned, 8}}},
     .prog_types = kBase, .user = kWorks},
    {.id = BPF_FUNC_strtoul, .name = "strtoul", .since = v(5, 2), .prototype = "long bpf_strtoul(const char *buf, size_t buf_len, __u64 flags, unsigned long *res)",
     .arguments = {{{A::mem, kReadOnly}, {A::mem_size}, {A::anything}, {A::mem, kUninit | kWrite | kFixedSize | kAligned, 8}}},
     .prog_types = kBase, .user = kWorks},
    {.id = BPF_FUNC_sk_storage_get, .name = "sk_storage_get", .since = v(5, 2), .prototype = "void *bpf_sk_storage_get(void *map, void *sk, void *value, __u64 flags)",
     .returns = R::map_value, .return_flags = kMaybeNull, .arguments = {{{A::const_map_ptr}, {A::btf_id_sock_common}, {A::map_value,
     kMaybeNull}, {A::anything}}}, .prog_types = kTc | kCgroupSkb | kSockOps | kSkMsg | kCgroupSockAddr | kCgroupSockopt | kStructOps
     | kLsm, .map_types = maps(M::BPF_MAP_TYPE_SK_STORAGE), .user = kWorks},
    {.id = BPF_FUNC_sk_storage_get, .name = "sk_storage_get", .since = v(5, 2), .prototype = "void *bpf_sk_storage_get(void *map, void *sk, void *value, __u64 flags)",
     .returns = R::map_value, .return_flags = kMaybeNull, .arguments = {{{A::const_map_ptr}, {A::btf_id, kMaybeNull, 0,
     "sock_common"}, {A::map_value, kMaybeNull}, {A::anything}}}, .prog_types = kTracing | kSyscall, .map_types =
     maps(M::BPF_MAP_TYPE_SK_STORAGE), .user = kWorks},
    {.id = BPF_FUNC_sk_storage_get, .name = "sk_storage_get", .since = v(5, 2), .prototype = "void *bpf_sk_storage_get(void *map, void *sk, void *value, __u64 flags)",
     .returns = R::map_value, .return_flags = kMaybeNull, .arguments = {{{A::const_map_ptr}, {A::ctx}, {A::map_value, kMaybeNull},
     {A::anything}}}, .prog_types = kCgroupSock, .map_types = maps(M::BPF_MAP_TYPE_SK_STORAGE), .user = kWorks},
    {.id = BPF_FUNC_sk_storage_delete, .name = "sk_storage_delete", .since = v(5, 2), .prototype = "long bpf_sk_storage_delete(void *map, void *sk)",
     .arguments = {{{A::const_map_ptr}, {A::btf_id_sock_common}}}, .prog_types = kTc | kCgroupSkb | kSockOps | kSkMsg |
     kCgroupSockAddr | kCgroupSockopt | kStructOps | kLsm, .map_types = maps(M::BPF_MAP_TYPE_SK_STORAGE), .user = kWorks},
    {.id = BPF_FUNC_sk_storage_delete, .name = "sk_storage_delete", .since = v(5, 2), .prototype = "long bpf_sk_storage_delete(void *map, void *sk)",
     .arguments = {{{A::const_map_ptr}, {A::btf_id, kMaybeNull, 0, "sock_common"}}}, .prog_types = kTracing | kSyscall, .map_types =
     maps(M::BPF_MAP_TYPE_SK_STORAGE), .user = kWorks},
    {.id = BPF_FUNC_send_signal, .name = "send_signal", .since = v(5, 3), .prototype = "long bpf_send_signal(__u32 sig)",
     .arguments = {{{A::anything}}}, .prog_types = kBase, .user = kWorks},
    {.id = BPF_FUNC_tcp_gen_syncookie, .name = "tcp_gen_syncookie", .since = v(5, 4), .prototype = "__s64 bpf_tcp_gen_syncookie(void *sk, void *iph, __u32 iph_len, struct tcphdr *th, __u32 th_len)",
     .arguments = {{{A::btf_id_sock_common}, {A::mem, kReadOnly}, {A::mem_size}, {A::mem, kReadOnly}, {A::mem_size}}}, .prog_types =
     kTc | kXdp, .gpl_only = true, .packet_access = true, .user_reason = kNoSockets},
    {.id = BPF_FUNC_skb_output, .name = "skb_output", .since = v(5, 5), .prototype = "long bpf_skb_output(void *ctx, void *map, __u64 flags, void *data, __u64 size)",
     .arguments = {{{A::btf_id, 0, 0, "sk_buff"}, {A::const_map_ptr}, {A::anything}, {A::mem, kReadOnly}, {A::mem_size_or_zero}}},
     .prog_types = kTrampoline, .map_types = maps(M::BPF_MAP_TYPE_PERF_EVENT_ARRAY), .gpl_only = true, .user_reason = kKernelOnly},
    {.id = BPF_FUNC_probe_read_user, .name = "probe_read_user", .since = v(5, 5), .prototype = "long bpf_probe_read_user(void *dst, __u32 size, const void *unsafe_ptr)",
     .arguments = {{{A::mem, kUninit | kWrite}, {A::mem_size_or_zero}, {A::anything}}}, .prog_types = kBase, .gpl_only = true, .user =
     kWorks},
    {.id = BPF_FUNC_probe_read_kernel, .name = "probe_read_kernel", .since = v(5, 5), .prototype = "long bpf_probe_read_kernel(void *dst, __u32 size, const void *unsafe_ptr)",
     .arguments = {{{A::mem, kUninit | kWrite}, {A::mem_size_or_zero}, {A::anything}}}, .prog_types = kBase, .gpl_only = true, .user =
     kWorks},
    {.id = BPF_FUNC_probe_read_user_str, .name = "probe_read_user_str", .since = v(5, 5), .prototype = "long bpf_probe_read_user_str(void *dst, __u32 size, const void *unsafe_ptr)",
     .arguments = {{{A::mem, kUninit | kWrite}, {A::mem_size_or_zero}, {A::anything}}}, .prog_types = kBase, .gpl_only = true, .user =
     kWorks},
    {.id = BPF_FUNC_probe_read_kernel_str, .name = "probe_read_kernel_str", .since = v(5, 5), .prototype = "long bpf_probe_read_kernel_str(void *dst, __u32 size, const void *unsafe_ptr)",
     .arguments = {{{A::mem, kUninit | kWrite}, {A::mem_size_or_zero}, {A::anything}}}, .prog_types = kBase, .gpl_only = true, .user =
     kWorks},
    {.id = BPF_FUNC_tcp_send_ack, .name = "tcp_send_ack", .since = v(5, 6), .prototype = "long bpf_tcp_send_ack(void *tp, __u32 rcv_nxt)",
     .arguments = {{{A::btf_id, 0, 0, "tcp_sock"}, {A::anything}}}, .prog_types = kStructOps, .user_reason = kNoSockets},
    {.id = BPF_FUNC_send_signal_thread, .name = "send_signal_thread", .since = v(5, 6), .prototype = "long bpf_send_signal_thread(__u32 sig)",
     .arguments = {{{A::anything}}}, .prog_types = kBase, .user = kWorks},
    {.id = BPF_FUNC_jiffies64, .name = "jiffies64", .since = v(5, 6), .prototype = "__u64 bpf_jiffies64(void)",
     .prog_types = kBase, .user = kWorks},
    {.id = BPF_FUNC_read_branch_records, .name = "read_branch_records", .since = v(5, 7), .prototype = "long bpf_read_branch_records(struct bpf_perf_event_data *ctx, void *buf, __u32 size, __u64 flags)",
     .arguments = {{{A::ctx}, {A::mem, kMaybeNull | kWrite}, {A::mem_size_or_zero}, {A::anything}}}, .prog_types = kPerfEvent,
     .gpl_only = true, .user_reason = kNoPmu},
    {.id = BPF_FUNC_get_ns_current_pid_tgid, .name = "get_ns_current_pid_tgid", .since = v(5, 7), .prototype = "long bpf_get_ns_current_pid_tgid(__u64 dev, __u64 ino, struct bpf_pidns_info *nsdata, __u32 size)",
     .arguments = {{{A::anything}, {A::anything}, {A::mem, kUninit | kWrite}, {A::mem_size}}}, .prog_types = kBase, .user = kWorks},
    {.id = BPF_FUNC_xdp_output, .name = "xdp_output", .since = v(5, 7), .prototype = "long bpf_xdp_output(void *ctx, void *map, __u64 flags, void *data, __u64 size)",
     .arguments = {{{A::btf_id, 0, 0, "xdp_buff"}, {A::const_map_ptr}, {A::anything}, {A::mem, kReadOnly}, {A::mem_size_or_zero}}},
     .prog_types = kTrampoline, .map_types = maps(M::BPF_MAP_TYPE_PERF_EVENT_ARRAY), .gpl_only = true, .user_reason = kKernelOnly},
    {.id = BPF_FUNC_get_netns_cookie, .name = "get_netns_cookie", .since = v(5, 7), .prototype = "__u64 bpf_get_netns_cookie(void *ctx)",
     .arguments = {{{A::ctx, kMaybeNull}}}, .prog_types = kTc | kSocketFilter | kCgroupSkb | kCgroupSock | kSockOps | kSkMsg |
     kCgroupSockAddr | kCgroupSockopt, .user_reason = kNoSockets},
    {.id = BPF_FUNC_get_current_ancestor_cgroup_id, .name = "get_current_ancestor_cgroup_id", .since = v(5, 7), .prototype = "__u64 bpf_get_current_ancestor_cgroup_id(int ancestor_level)",
     .arguments = {{{A::anything}}}, .prog_types = kBase, .user = kWorks},
    {.id = BPF_FUNC_sk_assign, .name = "sk_assign", .since = v(5, 7), .prototype = "long bpf_sk_assign(struct __sk_buff *skb, void *sk, __u64 flags)",
     .arguments = {{{A::ctx}, {A::btf_id_sock_common}, {A::anything}}}, .prog_types = kTc, .user_reason = kNoSockets},
    {.id = BPF_FUNC_sk_assign, .name = "sk_assign", .since = v(5, 7), .prototype = "long bpf_sk_assign(struct __sk_buff *skb, void *sk, __u64 flags)",
     .arguments = {{{A::ctx}, {A::socket, kMaybeNull}, {A::anything}}}, .prog_types = kSkLookup, .user_reason = kNoSockets},
    {.id = BPF_FUNC_ktime_get_boot_ns, .name = "ktime_get_boot_ns", .since = v(5, 8), .prototype = "__u64 bpf_ktime_get_boot_ns(void)",
     .prog_types = kAnyProg, .user = kWorks},
    {.id = BPF_FUNC_seq_printf, .name = "seq_printf", .since = v(5, 8), .prototype = "long bpf_seq_printf(struct seq_file *m, const char *fmt, __u32 fmt_size, const void *data, __u32 data_len)",
     .arguments = {{{A::btf_id, 0, 0, "seq_file"}, {A::mem, kReadOnly}, {A::mem_size}, {A::mem, kMaybeNull | kReadOnly},
     {A::mem_size_or_zero}}}, .prog_types = kTracing, .attach_types = set_of(AttachType::BPF_TRACE_ITER), .gpl_only = true,
     .user = kWorks},
    {.id = BPF_FUNC_seq_write, .name = "seq_write", .since = v(5, 8), .prototype = "long bpf_seq_write(struct seq_file *m, const void *data, __u32 len)",
     .arguments = {{{A::btf_id, 0, 0, "seq_file"}, {A::mem, kReadOnly}, {A::mem_size_or_zero}}}, .prog_types = kTracing, .attach_types
     = set_of(AttachType::BPF_TRACE_ITER), .gpl_only = true, .user = kWorks},
    {.id = BPF_FUNC_sk_cgroup_id, .name = "sk_cgroup_id", .since = v(5, 8), .prototype = "__u64 bpf_sk_cgroup_id(void *sk)",
     .arguments = {{{A::btf_id_sock_common}}}, .prog_types = kCgroupSkb, .user_reason = kNoCgroups},
    {.id = BPF_FUNC_sk_ancestor_cgroup_id, .name = "sk_ancestor_cgroup_id", .since = v(5, 8), .prototype = "__u64 bpf_sk_ancestor_cgroup_id(void *sk, int ancestor_level)",
     .arguments = {{{A::btf_id_sock_common}, {A::anything}}}, .prog_types = kCgroupSkb, .user_reason = kNoCgroups},
    {.id = BPF_FUNC_ringbuf_output, .name = "ringbuf_output", .since = v(5, 8), .prototype = "long bpf_ringbuf_output(void *ringbuf, void *data, __u64 size, __u64 flags)",
     .arguments = {{{A::const_map_ptr}, {A::mem, kReadOnly}, {A::mem_size_or_zero}, {A::anything}}}, .prog_types = kBase, .map_types =
     maps(M::BPF_MAP_TYPE_RINGBUF), .user = kWorks},
    {.id = BPF_FUNC_ringbuf_reserve, .name = "ringbuf_reserve", .since = v(5, 8), .prototype = "void *bpf_ringbuf_reserve(void *ringbuf, __u64 size, __u64 flags)",
     .returns = R::mem, .return_flags = kMaybeNull | kRingbufMem, .arguments = {{{A::const_map_ptr}, {A::alloc_size_or_zero},
     {A::anything}}}, .prog_types = kBase, .map_types = maps(M::BPF_MAP_TYPE_RINGBUF), .acquires = true, .user = kWorks},
    {.id = BPF_FUNC_ringbuf_submit, .name = "ringbuf_submit", .since = v(5, 8), .prototype = "void bpf_ringbuf_submit(void *data, __u64 flags)",
     .returns = R::nothing, .arguments = {{{A::ringbuf_mem, kRelease}, {A::anything}}}, .prog_types = kBase, .user = kWorks},
    {.id = BPF_FUNC_ringbuf_discard, .name = "ringbuf_discard", .since = v(5, 8), .prototype = "void bpf_ringbuf_discard(void *data, __u64 flags)",
     .returns = R::nothing, .arguments = {{{A::ringbuf_mem, kRelease}, {A::anything}}}, .prog_types = kBase, .user = kWorks},
    {.id = BPF_FUNC_ringbuf_query, .name = "ringbuf_query", .since = v(5, 8), .prototype = "__u64 bpf_ringbuf_query(void *ringbuf, __u64 flags)",
     .arguments = {{{A::const_map_ptr}, {A::anything}}}, .prog_types = kBase, .map_types = maps(M::BPF_MAP_TYPE_RINGBUF), .user =
     kWorks},
    {.id = BPF_FUNC_csum_level, .name = "csum_level", .since = v(5, 8), .prototype = "long bpf_csum_level(struct __sk_buff *skb, __u64 level)",
     .arguments = {{{A::ctx}, {A::anything}}}, .prog_types = kTc | kLwtXmit, .user_reason = kNotYet},
    {.id = BPF_FUNC_skc_to_tcp6_sock, .name = "skc_to_tcp6_sock", .since = v(5, 9), .prototype = "struct tcp6_sock *bpf_skc_to_tcp6_sock(void *sk)",
     .returns = R::btf_id, .return_flags = kMaybeNull, .return_btf_type = "tcp6_sock", .arguments = {{{A::btf_id_sock_common}}},
     .prog_types = kSocketBase | kTrampoline, .user_reason = kNoSockets},
    {.id = BPF_FUNC_skc_to_tcp_sock, .name = "skc_to_tcp_sock", .since = v(5, 9), .prototype = "struct tcp_sock *bpf_skc_to_tcp_sock(void *sk)",
     .returns = R::btf_id, .return_flags = kMaybeNull, .return_btf_type = "tcp_sock", .arguments = {{{A::btf_id_sock_common}}},
     .prog_types = kSocketBase | kTrampoline, .user_reason = kNoSockets},
    {.id = BPF_FUNC_skc_to_tcp_timewait_sock, .name = "skc_to_tcp_timewait_sock", .since = v(5, 9), .prototype = "struct tcp_timewait_sock *bpf_skc_to_tcp_timewait_sock(void *sk)",
     .returns = R::btf_id, .return_flags = kMaybeNull, .return_btf_type = "tcp_timewait_sock", .arguments =
     {{{A::btf_id_sock_common}}}, .prog_types = kSocketBase | kTrampoline, .user_reason = kNoSockets},
    {.id = BPF_FUNC_skc_to_tcp_request_sock, .name = "skc_to_tcp_request_sock", .since = v(5, 9), .prototype = "struct tcp_request_sock *bpf_skc_to_tcp_request_sock(void *sk)",
     .returns = R::btf_id, .return_flags = kMaybeNull, .return_btf_type = "tcp_request_sock", .arguments =
     {{{A::btf_id_sock_common}}}, .prog_types = kSocketBase | kTrampoline, .user_reason = kNoSockets},
    {.id = BPF_FUNC_skc_to_udp6_sock, .name = "skc_to_udp6_sock", .since = v(5, 9), .prototype = "struct udp6_sock *bpf_skc_to_udp6_sock(void *sk)",
     .returns = R::btf_id, .return_flags = kMaybeNull, .return_btf_type = "udp6_sock", .arguments = {{{A::btf_id_sock_common}}},
     .prog_types = kSocketBase | kTrampoline, .user_reason = kNoSockets},
    {.id = BPF_FUNC_get_task_stack, .name = "get_task_stack", .since = v(5, 9), .prototype = "long bpf_get_task_stack(struct task_struct *task, void *buf, __u32 size, __u64 flags)",
     .arguments = {{{A::btf_id, 0, 0, "task_struct"}, {A::mem, kUninit | kWrite}, {A::mem_size_or_zero}, {A::anything}}}, .prog_types
     = kBase, .user = kWorks},
    {.id = BPF_FUNC_load_hdr_opt, .name = "load_hdr_opt", .since = v(5, 10), .prototype = "long bpf_load_hdr_opt(struct bpf_sock_ops *skops, void *searchby_res, __u32 len, __u64 flags)",
     .arguments = {{{A::ctx}, {A::mem, kWrite}, {A::mem_size}, {A::anything}}}, .prog_types = kSockOps, .user_reason = kNoSockets},
    {.id = BPF_FUNC_store_hdr_opt, .name = "store_hdr_opt", .since = v(5, 10), .prototype = "long bpf_store_hdr_opt(struct bpf_sock_ops *skops, const void *from, __u32 len, __u64 flags)",
     .arguments = {{{A::ctx}, {A::mem, kReadOnly}, {A::mem_size}, {A::anything}}}, .prog_types = kSockOps, .changes_packet = true,
     .user_reason = kNoSockets},
    {.id = BPF_FUNC_reserve_hdr_opt, .name = "reserve_hdr_opt", .since = v(5, 10), .prototype = "long bpf_reserve_hdr_opt(struct bpf_sock_ops *skops, __u32 len, __u64 flags)",
     .arguments = {{{A::ctx}, {A::anything}, {A::anything}}}, .prog_types = kSockOps, .user_reason = kNoSockets},
    {.id = BPF_FUNC_inode_storage_get, .name = "inode_storage_get", .since = v(5, 10), .prototype = "void *bpf_inode_storage_get(void *map, void *inode, void *value, __u64 flags)",
     .returns = R::map_value, .return_flags = kMaybeNull, .arguments = {{{A::const_map_ptr}, {A::btf_id, kMaybeNull, 0, "inode"},
     {A::map_value, kMaybeNull}, {A::anything}}}, .prog_types = kLsm, .map_types = maps(M::BPF_MAP_TYPE_INODE_STORAGE), .user = kWorks},
    {.id = BPF_FUNC_inode_storage_delete, .name = "inode_storage_delete", .since = v(5, 10), .prototype = "int bpf_inode_storage_delete(void *map, void *inode)",
     .arguments = {{{A::const_map_ptr}, {A::btf_id, kMaybeNull, 0, "inode"}}}, .prog_types = kLsm, .map_types =
     maps(M::BPF_MAP_TYPE_INODE_STORAGE), .user = kWorks},
    {.id = BPF_FUNC_d_path, .name = "d_path", .since = v(5, 10), .prototype = "long bpf_d_path(const struct path *path, char *buf, __u32 sz)",
     .arguments = {{{A::btf_id, 0, 0, "path"}, {A::mem, kWrite}, {A::mem_size_or_zero}}}, .prog_types = kTrampoline, .user_reason =
     kKernelOnly},
    {.id = BPF_FUNC_copy_from_user, .name = "copy_from_user", .since = v(5, 10), .prototype = "long bpf_copy_from_user(void *dst, __u32 size, const void *user_ptr)",
     .arguments = {{{A::mem, kUninit | kWrite}, {A::mem_size_or_zero}, {A::anything}}}, .prog_types = kBase, .might_sleep = true,
     .user = kWorks},
    {.id = BPF_FUNC_snprintf_btf, .name = "snprintf_btf", .since = v(5, 10), .prototype = "long bpf_snprintf_btf(char *str, __u32 str_size, struct btf_ptr *ptr, __u32 btf_ptr_size, __u64 flags)",
     .arguments = {{{A::mem, kWrite}, {A::mem_size}, {A::mem, kReadOnly}, {A::mem_size}, {A::anything}}}, .prog_types = kBase,
     .user_reason = kNotYet},
    {.id = BPF_FUNC_seq_printf_btf, .name = "seq_printf_btf", .since = v(5, 10), .prototype = "long bpf_seq_printf_btf(struct seq_file *m, struct btf_ptr *ptr, __u32 ptr_size, __u64 flags)",
     .arguments = {{{A::btf_id, 0, 0, "seq_file"}, {A::mem, kReadOnly}, {A::mem_size_or_zero}, {A::anything}}}, .prog_types =
     kTracing, .attach_types = set_of(AttachType::BPF_TRACE_ITER), .gpl_only = true, .user_reason = kNotYet},
    {.id = BPF_FUNC_skb_cgroup_classid, .name = "skb_cgroup_classid", .since = v(5, 10), .prototype = "__u64 bpf_skb_cgroup_classid(struct __sk_buff *skb)",
     .arguments = {{{A::ctx}}}, .prog_types = kTc, .user_reason = kNoCgroups},
    {.id = BPF_FUNC_redirect_neigh, .name = "redirect_neigh", .since = v(5, 10), .prototype = "long bpf_redirect_neigh(__u32 ifindex, struct bpf_redir_neigh *params, int plen, __u64 flags)",
     .arguments = {{{A::anything}, {A::mem, kMaybeNull | kReadOnly}, {A::mem_size_or_zero}, {A::anything}}}, .prog_types = kTc,
     .user_reason = kNoForwarding},
    {.id = BPF_FUNC_per_cpu_ptr, .name = "per_cpu_ptr", .since = v(5, 10), .prototype = "void *bpf_per_cpu_ptr(const void *percpu_ptr, __u32 cpu)",
     .returns = R::mem_or_btf_id, .return_flags = kMaybeNull | kReadOnly, .arguments = {{{A::percpu_btf_id}, {A::anything}}},
     .prog_types = kBase, .user = kWorks},
    {.id = BPF_FUNC_this_cpu_ptr, .name = "this_cpu_ptr", .since = v(5, 10), .prototype = "void *bpf_this_cpu_ptr(const void *percpu_ptr)",
     .returns = R::mem_or_btf_id, .return_flags = kReadOnly, .arguments = {{{A::percpu_btf_id}}}, .prog_types = kBase, .user = kWorks},
    {.id = BPF_FUNC_redirect_peer, .name = "redirect_peer", .since = v(5, 10), .prototype = "long bpf_redirect_peer(__u32 ifindex, __u64 flags)",
     .arguments = {{{A::anything}, {A::anything}}}, .prog_types = kTc, .user_reason = kNoForwarding},
    {.id = BPF_FUNC_task_storage_get, .name = "task_storage_get", .since = v(5, 11), .prototype = "void *bpf_task_storage_get(void *map, struct task_struct *task, void *value, __u64 flags)",
     .returns = R::map_value, .return_flags = kMaybeNull, .arguments = {{{A::const_map_ptr}, {A::btf_id, kMaybeNull, 0,
     "task_struct"}, {A::map_value, kMaybeNull}, {A::anything}}}, .prog_types = kBase, .map_types =
     maps(M::BPF_MAP_TYPE_TASK_STORAGE), .user = kWorks},
    {.id = BPF_FUNC_task_storage_delete, .name = "task_storage_delete", .since = v(5, 11), .prototype = "long bpf_task_storage_delete(void *map, struct task_struct *task)",
     .arguments = {{{A::const_map_ptr}, {A::btf_id, kMaybeNull, 0, "task_struct"}}}, .prog_types = kBase, .map_types =
     maps(M::BPF_MAP_TYPE_TASK_STORAGE), .user = kWorks},
    {.id = BPF_FUNC_get_current_task_btf, .name = "get_current_task_btf", .since = v(5, 11), .prototype = "struct task_struct *bpf_get_current_task_btf(void)",
     .returns = R::btf_id, .return_flags = kTrusted, .return_btf_type = "task_struct", .prog_types = kBase, .gpl_only = true, .user =
     kWorks},
    {.id = BPF_FUNC_bprm_opts_set, .name = "bprm_opts_set", .since = v(5, 11), .prototype = "long bpf_bprm_opts_set(struct linux_binprm *bprm, __u64 flags)",
     .arguments = {{{A::btf_id, 0, 0, "linux_binprm"}, {A::anything}}}, .prog_types = kLsm, .user_reason = kKernelOnly},
    {.id = BPF_FUNC_ktime_get_coarse_ns, .name = "ktime_get_coarse_ns", .since = v(5, 11), .prototype = "__u64 bpf_ktime_get_coarse_ns(void)",
     .prog_types = kSocketBase | kCgroupSock | kSkReuseport | kCgroupSysctl | kStructOps, .user = kWorks},
    {.id = BPF_FUNC_ima_inode_hash, .name = "ima_inode_hash", .since = v(5, 11), .prototype = "long bpf_ima_inode_hash(struct inode *inode, void *dst, __u32 size)",
     .arguments = {{{A::btf_id, 0, 0, "inode"}, {A::mem, kUninit | kWrite}, {A::mem_size}}}, .prog_types = kLsm, .might_sleep = true,
     .user_reason = kKernelOnly},
    {.id = BPF_FUNC_sock_from_file, .name = "sock_from_file", .since = v(5, 11), .prototype = "struct socket *bpf_sock_from_file(struct file *file)",
     .returns = R::btf_id, .return_flags = kMaybeNull, .return_btf_type = "socket", .arguments = {{{A::btf_id, 0, 0, "file"}}},
     .prog_types = kTrampoline, .user_reason = kNoSockets},
    {.id = BPF_FUNC_check_mtu, .name = "check_mtu", .since = v(5, 12), .prototype = "long bpf_check_mtu(void *ctx, __u32 ifindex, __u32 *mtu_len, __s32 len_diff, __u64 flags)",
     .arguments = {{{A::ctx}, {A::anything}, {A::mem, kWrite | kFixedSize | kAligned, 4}, {A::anything}, {A::anything}}}, .prog_types
     = kTc | kXdp, .gpl_only = true, .user_reason = kNoForwarding},
    {.id = BPF_FUNC_for_each_map_elem, .name = "for_each_map_elem", .since = v(5, 13), .prototype = "long bpf_for_each_map_elem(void *map, void *callback_fn, void *callback_ctx, __u64 flags)",
     .arguments = {{{A::const_map_ptr}, {A::func}, {A::stack, kMaybeNull}, {A::anything}}}, .prog_types = kBase, .map_types =
     kElementMaps, .user = kWorks},
    {.id = BPF_FUNC_snprintf, .name = "snprintf", .since = v(5, 13), .prototype = "long bpf_snprintf(char *str, __u32 str_size, const char *fmt, __u64 *data, __u32 data_len)",
     .arguments = {{{A::mem, kMaybeNull | kWrite}, {A::mem_size_or_zero}, {A::const_str}, {A::mem, kMaybeNull | kReadOnly},
     {A::mem_size_or_zero}}}, .prog_types = kBase, .gpl_only = true, .user = kWorks},
    {.id = BPF_FUNC_sys_bpf, .name = "sys_bpf", .since = v(5, 14), .prototype = "long bpf_sys_bpf(__u32 cmd, void *attr, __u32 attr_size)",
     .arguments = {{{A::anything}, {A::mem, kReadOnly}, {A::mem_size}}}, .prog_types = kSyscall, .might_sleep = true, .user_reason =
     kKernelOnly},
    {.id = BPF_FUNC_btf_find_by_name_kind, .name = "btf_find_by_name_kind", .since = v(5, 14), .prototype = "long bpf_btf_find_by_name_kind(char *name, int name_sz, __u32 kind, int flags)",
     .arguments = {{{A::mem, kReadOnly}, {A::mem_size}, {A::anything}, {A::anything}}}, .prog_types = kSyscall, .might_sleep = true,
     .user_reason = kKernelOnly},
    {.id = BPF_FUNC_sys_close, .name = "sys_close", .since = v(5, 14), .prototype = "long bpf_sys_close(__u32 fd)",
     .arguments = {{{A::anything}}}, .prog_types = kSyscall, .might_sleep = true, .user_reason = kKernelOnly},
    {.id = BPF_FUNC_timer_init, .name = "timer_init", .since = v(5, 15), .prototype = "long bpf_timer_init(struct bpf_timer *timer, void *map, __u64 flags)",
     .arguments = {{{A::timer}, {A::const_map_ptr}, {A::anything}}}, .prog_types = kBase, .gpl_only = true, .user = kWorks},
    {.id = BPF_FUNC_timer_set_callback, .name = "timer_set_callback", .since = v(5, 15), .prototype = "long bpf_timer_set_callback(struct bpf_timer *timer, void *callback_fn)",
     .arguments = {{{A::timer}, {A::func}}}, .prog_types = kBase, .gpl_only = true, .user = kWorks},
    {.id = BPF_FUNC_timer_start, .name = "timer_start", .since = v(5, 15), .prototype = "long bpf_timer_start(struct bpf_timer *timer, __u64 nsecs, __u64 flags)",
     .arguments = {{{A::timer}, {A::anything}, {A::anything}}}, .prog_types = kBase, .gpl_only = true, .user = kWorks},
    {.id = BPF_FUNC_timer_cancel, .name = "timer_cancel", .since = v(5, 15), .prototype = "long bpf_timer_cancel(struct bpf_timer *timer)",
     .arguments = {{{A::timer}}}, .prog_types = kBase, .gpl_only = true, .user = kWorks},
    {.id = BPF_FUNC_get_func_ip, .name = "get_func_ip", .since = v(5, 15), .prototype = "__u64 bpf_get_func_ip(void *ctx)",
     .arguments = {{{A::ctx}}}, .prog_types = kTracingBase, .gpl_only = true, .user = kWorks},
    {.id = BPF_FUNC_get_attach_cookie, .name = "get_attach_cookie", .since = v(5, 15), .prototype = "__u64 bpf_get_attach_cookie(void *ctx)",
     .arguments = {{{A::ctx}}}, .prog_types = kKprobe | kTracepoint | kPerfEvent | kRawTracepoint | kRawTracepointWritable, .user =
     kWorks},
    {.id = BPF_FUNC_get_attach_cookie, .name = "get_attach_cookie", .since = v(5, 15), .prototype = "__u64 bpf_get_attach_cookie(void *ctx)",
     .arguments = {{{A::ctx}}}, .prog_types = kTracing, .attach_types = kTrampolinesAndRawTp, .user = kWorks},
    {.id = BPF_FUNC_get_attach_cookie, .name = "get_attach_cookie", .since = v(5, 15), .prototype = "__u64 bpf_get_attach_cookie(void *ctx)",
     .arguments = {{{A::ctx}}}, .prog_types = kLsm, .attach_types = set_of(AttachType::BPF_LSM_MAC), .user = kWorks},
    {.id = BPF_FUNC_task_pt_regs, .name = "task_pt_regs", .since = v(5, 15), .prototype = "long bpf_task_pt_regs(struct task_struct *task)",
     .returns = R::btf_id, .return_btf_type = "pt_regs", .arguments = {{{A::btf_id, 0, 0, "task_struct"}}}, .prog_types = kBase,
     .gpl_only = true, .user = kWorks},
    {.id = BPF_FUNC_get_branch_snapshot, .name = "get_branch_snapshot", .since = v(5, 16), .prototype = "long bpf_get_branch_snapshot(void *entries, __u32 size, __u64 flags)",
     .arguments = {{{A::mem, kUninit | kWrite}, {A::mem_size_or_zero}}}, .prog_types = kBase, .gpl_only = true, .user_reason =
     kNoPmu},
    {.id = BPF_FUNC_trace_vprintk, .name = "trace_vprintk", .since = v(5, 16), .prototype = "long bpf_trace_vprintk(const char *fmt, __u32 fmt_size, const void *data, __u32 data_len)",
     .arguments = {{{A::mem, kReadOnly}, {A::mem_size}, {A::mem, kMaybeNull | kReadOnly}, {A::mem_size_or_zero}}}, .prog_types =
     kBase, .gpl_only = true, .user = kWorks},
    {.id = BPF_FUNC_skc_to_unix_sock, .name = "skc_to_unix_sock", .since = v(5, 16), .prototype = "struct unix_sock *bpf_skc_to_unix_sock(void *sk)",
     .returns = R::btf_id, .return_flags = kMaybeNull, .return_btf_type = "unix_sock", .arguments = {{{A::btf_id_sock_common}}},
     .prog_types = kSocketBase | kTrampoline, .user_reason = kNoSockets},
    {.id = BPF_FUNC_kallsyms_lookup_name, .name = "kallsyms_lookup_name", .since = v(5, 16), .prototype = "long bpf_kallsyms_lookup_name(const char *name, int name_sz, int flags, __u64 *res)",
     .arguments = {{{A::mem, kReadOnly}, {A::mem_size_or_zero}, {A::anything}, {A::mem, kUninit | kWrite | kFixedSize | kAligned,
     8}}}, .prog_types = kSyscall, .user_reason = kKernelOnly},
    {.id = BPF_FUNC_find_vma, .name = "find_vma", .since = v(5, 17), .prototype = "long bpf_find_vma(struct task_struct *task, __u64 addr, void *callback_fn, void *callback_ctx, __u64 flags)",
     .arguments = {{{A::btf_id, 0, 0, "task_struct"}, {A::anything}, {A::func}, {A::stack, kMaybeNull}, {A::anything}}}, .prog_types =
     kBase, .user_reason = kKernelOnly},
    {.id = BPF_FUNC_loop, .name = "loop", .since = v(5, 17), .prototype = "long bpf_loop(__u32 nr_loops, void *callback_fn, void *callback_ctx, __u64 flags)",
     .arguments = {{{A::scalar}, {A::func}, {A::stack, kMaybeNull}, {A::anything}}}, .prog_types = kBase, .user = kWorks},
    {.id = BPF_FUNC_strncmp, .name = "strncmp", .since = v(5, 17), .prototype = "long bpf_strncmp(const char *s1, __u32 s1_sz, const char *s2)",
     .arguments = {{{A::mem, kReadOnly}, {A::mem_size}, {A::const_str}}}, .prog_types = kBase, .user = kWorks},
    {.id = BPF_FUNC_get_func_arg, .name = "get_func_arg", .since = v(5, 17), .prototype = "long bpf_get_func_arg(void *ctx, __u32 n, __u64 *value)",
     .arguments = {{{A::ctx}, {A::anything}, {A::mem, kUninit | kWrite | kFixedSize | kAligned, 8}}}, .prog_types = kTracing,
     .attach_types = kTrampolinesAndRawTp, .user_reason = kKernelOnly},
    {.id = BPF_FUNC_get_func_arg, .name = "get_func_arg", .since = v(5, 17), .prototype = "long bpf_get_func_arg(void *ctx, __u32 n, __u64 *value)",
     .arguments = {{{A::ctx}, {A::anything}, {A::mem, kUninit | kWrite | kFixedSize | kAligned, 8}}}, .prog_types = kLsm,
     .attach_types = set_of(AttachType::BPF_LSM_MAC), .user_reason = kKernelOnly},
    {.id = BPF_FUNC_get_func_ret, .name = "get_func_ret", .since = v(5, 17), .prototype = "long bpf_get_func_ret(void *ctx, __u64 *value)",
     .arguments = {{{A::ctx}, {A::mem, kUninit | kWrite | kFixedSize | kAligned, 8}}}, .prog_types = kTracing, .attach_types =
     kTrampolines, .user_reason = kKernelOnly},
    {.id = BPF_FUNC_get_func_ret, .name = "get_func_ret", .since = v(5, 17), .prototype = "long bpf_get_func_ret(void *ctx, __u64 *value)",
     .arguments = {{{A::ctx}, {A::mem, kUninit | kWrite | kFixedSize | kAligned, 8}}}, .prog_types = kLsm, .attach_types =
     set_of(AttachType::BPF_LSM_MAC), .user_reason = kKernelOnly},
    {.id = BPF_FUNC_get_func_arg_cnt, .name = "get_func_arg_cnt", .since = v(5, 17), .prototype = "long bpf_get_func_arg_cnt(void *ctx)",
     .arguments = {{{A::ctx}}}, .prog_types = kTracing, .attach_types = kTrampolinesAndRawTp, .user_reason = kKernelOnly},
    {.id = BPF_FUNC_get_func_arg_cnt, .name = "get_func_arg_cnt", .since = v(5, 17), .prototype = "long bpf_get_func_arg_cnt(void *ctx)",
     .arguments = {{{A::ctx}}}, .prog_types = kLsm, .attach_types = set_of(AttachType::BPF_LSM_MAC), .user_reason = kKernelOnly},
    {.id = BPF_FUNC_get_retval, .name = "get_retval", .since = v(5, 18), .prototype = "int bpf_get_retval(void)",
     .prog_types = kCgroupSock | kCgroupSockopt, .user = kWorks},
    {.id = BPF_FUNC_get_retval, .name = "get_retval", .since = v(5, 18), .prototype = "int bpf_get_retval(void)",
     .prog_types = kCgroupDevice, .attach_types = set_of(AttachType::BPF_CGROUP_DEVICE), .user = kWorks},
    {.id = BPF_FUNC_get_retval, .name = "get_retval", .since = v(5, 18), .prototype = "int bpf_get_retval(void)",
     .prog_types = kCgroupSockAddr, .attach_types = kRetvalHooks, .user = kWorks},
    {.id = BPF_FUNC_get_retval, .name = "get_retval", .since = v(5, 18), .prototype = "int bpf_get_retval(void)",
     .prog_types = kCgroupSysctl, .attach_types = set_of(AttachType::BPF_CGROUP_SYSCTL), .user = kWorks},
    {.id = BPF_FUNC_get_retval, .name = "get_retval", .since = v(5, 18), .prototype = "int bpf_get_retval(void)",
     .prog_types = kLsm, .attach_types = set_of(AttachType::BPF_LSM_CGROUP), .user = kWorks},
    {.id = BPF_FUNC_set_retval, .name = "set_retval", .since = v(5, 18), .prototype = "int bpf_set_retval(int retval)",
     .arguments = {{{A::anything}}}, .prog_types = kCgroupSock | kCgroupSockopt, .user = kWorks},
    {.id = BPF_FUNC_set_retval, .name = "set_retval", .since = v(5, 18), .prototype = "int bpf_set_retval(int retval)",
     .arguments = {{{A::anything}}}, .prog_types = kCgroupDevice, .attach_types = set_of(AttachType::BPF_CGROUP_DEVICE), .user =
     kWorks},
    {.id = BPF_FUNC_set_retval, .name = "set_retval", .since = v(5, 18), .prototype = "int bpf_set_retval(int retval)",
     .arguments = {{{A::anything}}}, .prog_types = kCgroupSockAddr, .attach_types = kRetvalHooks, .user = kWorks},
    {.id = BPF_FUNC_set_retval, .name = "set_retval", .since = v(5, 18), .prototype = "int bpf_set_retval(int retval)",
     .arguments = {{{A::anything}}}, .prog_types = kCgroupSysctl, .attach_types = set_of(AttachType::BPF_CGROUP_SYSCTL), .user =
     kWorks},
    {.id = BPF_FUNC_set_retval, .name = "set_retval", .since = v(5, 18), .prototype = "int bpf_set_retval(int retval)",
     .arguments = {{{A::anything}}}, .prog_types = kLsm, .attach_types = set_of(AttachType::BPF_LSM_CGROUP), .user = kWorks},
    {.id = BPF_FUNC_xdp_get_buff_len, .name = "xdp_get_buff_len", .since = v(5, 18), .prototype = "__u64 bpf_xdp_get_buff_len(struct xdp_md *xdp_md)",
     .arguments = {{{A::btf_id, 0, 0, "xdp_buff"}}}, .prog_types = kTrampoline, .user = kWorks},
    {.id = BPF_FUNC_xdp_get_buff_len, .name = "xdp_get_buff_len", .since = v(5, 18), .prototype = "__u64 bpf_xdp_get_buff_len(struct xdp_md *xdp_md)",
     .arguments = {{{A::ctx}}}, .prog_types = kXdp, .user = kWorks},
    {.id = BPF_FUNC_xdp_load_bytes, .name = "xdp_load_bytes", .since = v(5, 18), .prototype = "long bpf_xdp_load_bytes(struct xdp_md *xdp_md, __u32 offset, void *buf, __u32 len)",
     .arguments = {{{A::ctx}, {A::anything}, {A::mem, kUninit | kWrite}, {A::mem_size}}}, .prog_types = kXdp, .user = kWorks},
    {.id = BPF_FUNC_xdp_store_bytes, .name = "xdp_store_bytes", .since = v(5, 18), .prototype = "long bpf_xdp_store_bytes(struct xdp_md *xdp_md, __u32 offset, void *buf, __u32 len)",
     .arguments = {{{A::ctx}, {A::anything}, {A::mem, kReadOnly}, {A::mem_size}}}, .prog_types = kXdp, .user = kWorks},
    {.id = BPF_FUNC_copy_from_user_task, .name = "copy_from_user_task", .since = v(5, 18), .prototype = "long bpf_copy_from_user_task(void *dst, __u32 size, const void *user_ptr, struct task_struct *tsk, __u64 flags)",
     .arguments = {{{A::mem, kUninit | kWrite}, {A::mem_size_or_zero}, {A::anything}, {A::btf_id, 0, 0, "task_struct"},
     {A::anything}}}, .prog_types = kBase, .gpl_only = true, .might_sleep = true, .user = kWorks},
    {.id = BPF_FUNC_skb_set_tstamp, .name = "skb_set_tstamp", .since = v(5, 18), .prototype = "long bpf_skb_set_tstamp(struct __sk_buff *skb, __u64 tstamp, __u32 tstamp_type)",
     .arguments = {{{A::ctx}, {A::anything}, {A::anything}}}, .prog_types = kTc, .user_reason = kNotYet},
    {.id = BPF_FUNC_ima_file_hash, .name = "ima_file_hash", .since = v(5, 18), .prototype = "long bpf_ima_file_hash(struct file *file, void *dst, __u32 size)",
     .arguments = {{{A::btf_id, 0, 0, "file"}, {A::mem, kUninit | kWrite}, {A::mem_size}}}, .prog_types = kLsm, .might_sleep = true,
     .user_reason = kKernelOnly},
    {.id = BPF_FUNC_kptr_xchg, .name = "kptr_xchg", .since = v(5, 19), .prototype = "void *bpf_kptr_xchg(void *dst, void *ptr)",
     .returns = R::btf_id, .return_flags = kMaybeNull, .arguments = {{{A::kptr_xchg_dest}, {A::btf_id, kMaybeNull | kRelease}}},
     .prog_types = kBase, .acquires = true, .user = kWorks},
    {.id = BPF_FUNC_map_lookup_percpu_elem, .name = "map_lookup_percpu_elem", .since = v(5, 19), .prototype = "void *bpf_map_lookup_percpu_elem(void *map, const void *key, __u32 cpu)",
     .returns = R::map_value, .return_flags = kMaybeNull, .arguments = {{{A::const_map_ptr}, {A::map_key}, {A::anything}}},
     .prog_types = kBase, .map_types = maps(M::BPF_MAP_TYPE_PERCPU_ARRAY, M::BPF_MAP_TYPE_PERCPU_HASH,
     M::BPF_MAP_TYPE_LRU_PERCPU_HASH), .packet_access = true, .user = kWorks},
    {.id = BPF_FUNC_skc_to_mptcp_sock, .name = "skc_to_mptcp_sock", .since = v(5, 19), .prototype = "struct mptcp_sock *bpf_skc_to_mptcp_sock(void *sk)",
     .returns = R::btf_id, .return_flags = kMaybeNull, .return_btf_type = "mptcp_sock", .arguments = {{{A::sock_common}}}, .prog_types
     = kSocketBase | kTrampoline, .user_reason = kNoSockets},
    {.id = BPF_FUNC_dynptr_from_mem, .name = "dynptr_from_mem", .since = v(5, 19), .prototype = "long bpf_dynptr_from_mem(void *data, __u64 size, __u64 flags, struct bpf_dynptr *ptr)",
     .arguments = {{{A::mem, kUninit | kWrite}, {A::mem_size_or_zero}, {A::anything}, {A::dynptr, kUninit | kWrite | kDynptrLocal}}},
     .prog_types = kBase, .user = kWorks},
    {.id = BPF_FUNC_ringbuf_reserve_dynptr, .name = "ringbuf_reserve_dynptr", .since = v(5, 19), .prototype = "long bpf_ringbuf_reserve_dynptr(void *ringbuf, __u32 size, __u64 flags, struct bpf_dynptr *ptr)",
     .arguments = {{{A::const_map_ptr}, {A::anything}, {A::anything}, {A::dynptr, kUninit | kWrite | kDynptrRingbuf}}}, .prog_types =
     kBase, .map_types = maps(M::BPF_MAP_TYPE_RINGBUF), .user = kWorks},
    {.id = BPF_FUNC_ringbuf_submit_dynptr, .name = "ringbuf_submit_dynptr", .since = v(5, 19), .prototype = "void bpf_ringbuf_submit_dynptr(struct bpf_dynptr *ptr, __u64 flags)",
     .returns = R::nothing, .arguments = {{{A::dynptr, kRelease | kDynptrRingbuf}, {A::anything}}}, .prog_types = kBase, .user = kWorks},
    {.id = BPF_FUNC_ringbuf_discard_dynptr, .name = "ringbuf_discard_dynptr", .since = v(5, 19), .prototype = "void bpf_ringbuf_discard_dynptr(struct bpf_dynptr *ptr, __u64 flags)",
     .returns = R::nothing, .arguments = {{{A::dynptr, kRelease | kDynptrRingbuf}, {A::anything}}}, .prog_types = kBase, .user = kWorks},
    {.id = BPF_FUNC_dynptr_read, .name = "dynptr_read", .since = v(5, 19), .prototype = "long bpf_dynptr_read(void *dst, __u64 len, const struct bpf_dynptr *src, __u64 offset, __u64 flags)",
     .arguments = {{{A::mem, kUninit | kWrite}, {A::mem_size_or_zero}, {A::dynptr}, {A::anything}, {A::anything}}}, .prog_types =
     kBase, .user = kWorks},
    {.id = BPF_FUNC_dynptr_write, .name = "dynptr_write", .since = v(5, 19), .prototype = "long bpf_dynptr_write(const struct bpf_dynptr *dst, __u64 offset, void *src, __u64 len, __u64 flags)",
     .arguments = {{{A::dynptr}, {A::anything}, {A::mem, kReadOnly}, {A::mem_size_or_zero}, {A::anything}}}, .prog_types = kBase,
     .user = kWorks},
    {.id = BPF_FUNC_dynptr_data, .name = "dynptr_data", .since = v(5, 19), .prototype = "void *bpf_dynptr_data(const struct bpf_dynptr *ptr, __u64 offset, __u64 len)",
     .returns = R::mem, .return_flags = kMaybeNull, .arguments = {{{A::dynptr}, {A::anything}, {A::alloc_size_or_zero}}}, .prog_types
     = kBase, .user = kWorks},
    {.id = BPF_FUNC_tcp_raw_gen_syncookie_ipv4, .name = "tcp_raw_gen_syncookie_ipv4", .since = v(6, 0), .prototype = "__s64 bpf_tcp_raw_gen_syncookie_ipv4(struct iphdr *iph, struct tcphdr *th, __u32 th_len)",
     .arguments = {{{A::mem, kReadOnly | kFixedSize, 20}, {A::mem, kReadOnly}, {A::mem_size_or_zero}}}, .prog_types = kTc | kXdp,
     .gpl_only = true, .packet_access = true, .user_reason = kNoSockets},
    {.id = BPF_FUNC_tcp_raw_gen_syncookie_ipv6, .name = "tcp_raw_gen_syncookie_ipv6", .since = v(6, 0), .prototype = "__s64 bpf_tcp_raw_gen_syncookie_ipv6(struct ipv6hdr *iph, struct tcphdr *th, __u32 th_len)",
     .arguments = {{{A::mem, kReadOnly | kFixedSize, 40}, {A::mem, kReadOnly}, {A::mem_size_or_zero}}}, .prog_types = kTc | kXdp,
     .gpl_only = true, .packet_access = true, .user_reason = kNoSockets},
    {.id = BPF_FUNC_tcp_raw_check_syncookie_ipv4, .name = "tcp_raw_check_syncookie_ipv4", .since = v(6, 0), .prototype = "long bpf_tcp_raw_check_syncookie_ipv4(struct iphdr *iph, struct tcphdr *th)",
     .arguments = {{{A::mem, kReadOnly | kFixedSize, 20}, {A::mem, kReadOnly | kFixedSize, 20}}}, .prog_types = kTc | kXdp, .gpl_only
     = true, .packet_access = true, .user_reason = kNoSockets},
    {.id = BPF_FUNC_tcp_raw_check_syncookie_ipv6, .name = "tcp_raw_check_syncookie_ipv6", .since = v(6, 0), .prototype = "long bpf_tcp_raw_check_syncookie_ipv6(struct ipv6hdr *iph, struct tcphdr *th)",
     .arguments = {{{A::mem, kReadOnly | kFixedSize, 40}, {A::mem, kReadOnly | kFixedSize, 20}}}, .prog_types = kTc | kXdp, .gpl_only
     = true, .packet_access = true, .user_reason = kNoSockets},
    {.id = BPF_FUNC_ktime_get_tai_ns, .name = "ktime_get_tai_ns", .since = v(6, 1), .prototype = "__u64 bpf_ktime_get_tai_ns(void)",
     .prog_types = kBase, .user = kWorks},
    {.id = BPF_FUNC_user_ringbuf_drain, .name = "user_ringbuf_drain", .since = v(6, 1), .prototype = "long bpf_user_ringbuf_drain(void *map, void *callback_fn, void *ctx, __u64 flags)",
     .arguments = {{{A::const_map_ptr}, {A::func}, {A::stack, kMaybeNull}, {A::anything}}}, .prog_types = kBase, .map_types =
     maps(M::BPF_MAP_TYPE_USER_RINGBUF), .user = kWorks},
    {.id = BPF_FUNC_cgrp_storage_get, .name = "cgrp_storage_get", .since = v(6, 2), .prototype = "void *bpf_cgrp_storage_get(void *map, struct cgroup *cgroup, void *value, __u64 flags)",
     .returns = R::map_value, .return_flags = kMaybeNull, .arguments = {{{A::const_map_ptr}, {A::btf_id, kMaybeNull, 0, "cgroup"},
     {A::map_value, kMaybeNull}, {A::anything}}}, .prog_types = kBase, .map_types = maps(M::BPF_MAP_TYPE_CGRP_STORAGE), .user = kWorks},
    {.id = BPF_FUNC_cgrp_storage_delete, .name = "cgrp_storage_delete", .since = v(6, 2), .prototype = "long bpf_cgrp_storage_delete(void *map, struct cgroup *cgroup)",
     .arguments = {{{A::const_map_ptr}, {A::btf_id, kMaybeNull, 0, "cgroup"}}}, .prog_types = kBase, .map_types =
     maps(M::BPF_MAP_TYPE_CGRP_STORAGE), .user = kWorks},
};
// clang-format on

// By id; the variants of one id may be called by different program types.
consteval bool rows_are_in_order() {
  for (size_t i = 1; i < std::size(kHelpers); i++) {
    if (kHelpers[i].id < kHelpers[i - 1].id) return false;
  }
  for (size_t i = 0; i < std::size(kHelpers); i++) {
    for (size_t j = i + 1; j < std::size(kHelpers) && kHelpers[j].id == kHelpers[i].id; j++) {
      if ((kHelpers[i].prog_types & kHelpers[j].prog_types) != 0 ||
          kHelpers[i].name != kHelpers[j].name)
        return false;
    }
  }
  return true;
}
static_assert(rows_are_in_order());
consteval bool every_id_has_a_row() {
  uint32_t id = 0;
  for (const Helper& row : kHelpers) {
    if (row.id > id + 1) return false;
    id = row.id;
  }
  return id == kHelperIds - 1;
}
static_assert(every_id_has_a_row());
static_assert(std::ranges::all_of(kHelpers, [](const Helper& row) {
  return (row.user == UserStatus::works) == row.user_reason.empty();
}));

}  // namespace

std::span<const Helper> helpers() { return kHelpers; }

const Helper* find_helper(uint32_t id) {
  const auto* row = std::ranges::lower_bound(kHelpers, id, {}, &Helper::id);
  return row != std::end(kHelpers) && row->id == id ? row : nullptr;
}
const Helper* find_helper(uint32_t id, ProgType type) {
  for (const Helper* row = find_helper(id);
       row != nullptr && row != std::end(kHelpers) && row->id == id; row++) {
    if (in_set(row->prog_types, type)) return row;
  }
  return nullptr;
}
const Helper* find_helper(std::string_view name) {
  if (name.starts_with("BPF_FUNC_")) name.remove_prefix(9);
  if (name.starts_with("bpf_")) name.remove_prefix(4);
  const auto* row = std::ranges::find(kHelpers, name, &Helper::name);
  return row != std::end(kHelpers) ? row : nullptr;
}

}  // namespace skep::spec
