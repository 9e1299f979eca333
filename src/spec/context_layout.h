// The context structs as engines make them: the UAPI struct first, then, where the UAPI holds a
// pointer in 32 bits, the 64-bit pointers that the verifier's converted loads read
// (spec/context.h). Freestanding: the agent fills them. No struct of the host's headers is used, so
// all hold on every host.
#pragma once

#include <cstddef>
#include <cstdint>

namespace skep::spec {

struct SkBuffContext {  // __sk_buff
  uint32_t len, pkt_type, mark, queue_mapping, protocol, vlan_present, vlan_tci, vlan_proto,
      priority;
  uint32_t ingress_ifindex, ifindex, tc_index, cb[5], hash, tc_classid, data32, data_end32, napi_id;
  uint32_t family, remote_ip4, local_ip4, remote_ip6[4], local_ip6[4], remote_port, local_port;
  uint32_t data_meta32;
  uint64_t flow_keys, tstamp;
  uint32_t wire_len, gso_segs;
  uint64_t sk;
  uint32_t gso_size;
  uint8_t tstamp_type, padding[3];
  uint64_t hwtstamp;
  // hidden
  uint64_t data, data_end, data_meta;
};
static_assert(offsetof(SkBuffContext, data32) == 76 &&
              offsetof(SkBuffContext, data_meta32) == 140 &&
              offsetof(SkBuffContext, flow_keys) == 144 && offsetof(SkBuffContext, sk) == 168 &&
              offsetof(SkBuffContext, hwtstamp) == 184 && offsetof(SkBuffContext, data) == 192);

struct XdpContext {  // xdp_md
  uint32_t data32, data_end32, data_meta32, ingress_ifindex, rx_queue_index, egress_ifindex;
  // hidden
  uint64_t data, data_end, data_meta;
  // What bpf_redirect_map() or bpf_redirect() said last: a map by its id, 0 for an interface.
  uint32_t redirect_map, redirect_key;
  uint64_t redirect_flags;
};
static_assert(offsetof(XdpContext, data) == 24);

struct SockContext {  // bpf_sock
  uint32_t bound_dev_if, family, type, protocol, mark, priority, src_ip4, src_ip6[4], src_port;
  uint16_t dst_port, padding;
  uint32_t dst_ip4, dst_ip6[4], state;
  int32_t rx_queue_mapping;
};
static_assert(offsetof(SockContext, src_port) == 44 && offsetof(SockContext, dst_ip4) == 52 &&
              sizeof(SockContext) == 80);

struct SockAddrContext {  // bpf_sock_addr
  uint32_t user_family, user_ip4, user_ip6[4], user_port, family, type, protocol, msg_src_ip4,
      msg_src_ip6[4];
  uint32_t padding;
  uint64_t sk;
};
static_assert(offsetof(SockAddrContext, sk) == 64 && sizeof(SockAddrContext) == 72);

struct SockOpsContext {  // bpf_sock_ops
  uint32_t op, args[4], family, remote_ip4, local_ip4, remote_ip6[4], local_ip6[4], remote_port,
      local_port;
  uint32_t is_fullsock, snd_cwnd, srtt_us, bpf_sock_ops_cb_flags, state, rtt_min, snd_ssthresh,
      rcv_nxt, snd_nxt;
  uint32_t snd_una, mss_cache, ecn_flags, rate_delivered, rate_interval_us, packets_out,
      retrans_out, total_retrans;
  uint32_t segs_in, data_segs_in, segs_out, data_segs_out, lost_out, sacked_out, sk_txhash;
  uint64_t bytes_received, bytes_acked, sk, skb_data, skb_data_end;
  uint32_t skb_len, skb_tcp_flags;
  uint64_t skb_hwtstamp;
};
static_assert(offsetof(SockOpsContext, is_fullsock) == 72 &&
              offsetof(SockOpsContext, bytes_received) == 168 &&
              offsetof(SockOpsContext, sk) == 184 && sizeof(SockOpsContext) == 224);

struct SkMsgContext {  // sk_msg_md
  uint64_t data, data_end;
  uint32_t family, remote_ip4, local_ip4, remote_ip6[4], local_ip6[4], remote_port, local_port,
      size;
  uint64_t sk;
};
static_assert(offsetof(SkMsgContext, size) == 68 && offsetof(SkMsgContext, sk) == 72);

struct SkReuseportContext {  // sk_reuseport_md
  uint64_t data, data_end;
  uint32_t len, eth_protocol, ip_protocol, bind_inany, hash, padding;
  uint64_t sk, migrating_sk;
};
static_assert(offsetof(SkReuseportContext, sk) == 40 && sizeof(SkReuseportContext) == 56);

struct SkLookupContext {  // bpf_sk_lookup
  uint64_t sk;
  uint32_t family, protocol, remote_ip4, remote_ip6[4];
  uint16_t remote_port, padding;
  uint32_t local_ip4, local_ip6[4], local_port, ingress_ifindex;
};
static_assert(offsetof(SkLookupContext, remote_port) == 36 && sizeof(SkLookupContext) == 72);

struct SysctlContext {  // bpf_sysctl
  uint32_t write, file_pos;
};
struct SockoptContext {  // bpf_sockopt
  uint64_t sk, optval, optval_end;
  int32_t level, optname, optlen, retval;
};
static_assert(sizeof(SockoptContext) == 40);
struct CgroupDevContext {  // bpf_cgroup_dev_ctx
  uint32_t access_type, major, minor;
};
struct FlowKeys {  // bpf_flow_keys
  uint16_t nhoff, thoff, addr_proto;
  uint8_t is_frag, is_first_frag, is_encap, ip_proto;
  uint16_t n_proto, sport, dport;
  uint32_t src[4], dst[4];  // IPv4: src[0] is ipv4_src and src[1] is ipv4_dst
  uint32_t flags, flow_label;
};
static_assert(offsetof(FlowKeys, src) == 16 && sizeof(FlowKeys) == 56);

struct PtRegs {  // x86-64 struct pt_regs: kprobe, uprobe
  uint64_t r15, r14, r13, r12, rbp, rbx, r11, r10, r9, r8, rax, rcx, rdx, rsi, rdi, orig_rax, rip,
      cs, flags, rsp, ss;
};
static_assert(sizeof(PtRegs) == 168);
struct PerfEventContext {  // bpf_perf_event_data
  PtRegs regs;
  uint64_t sample_period, addr;
};

// Tracepoints syscalls/sys_enter_* and sys_exit_*.
struct TraceSyscallEnter {
  uint16_t common_type;
  uint8_t common_flags, common_preempt_count;
  int32_t common_pid;
  int32_t nr, padding;
  uint64_t args[6];
};
static_assert(offsetof(TraceSyscallEnter, nr) == 8 && offsetof(TraceSyscallEnter, args) == 16);
struct TraceSyscallExit {
  uint16_t common_type;
  uint8_t common_flags, common_preempt_count;
  int32_t common_pid;
  int32_t nr, padding;
  int64_t ret;
};
static_assert(offsetof(TraceSyscallExit, ret) == 16);

}  // namespace skep::spec
