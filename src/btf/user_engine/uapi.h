// The UAPI's own structures and enums, as Linux 6.18 publishes them in its BTF: contexts of program types, flags,
// packet headers, the layouts of tracepoints. Part of types.h. Written by our own BTF dump from the list of
// names that programs use; layouts and names are the UAPI's and never change, only grow. One file, however long: it is
// data in the order of the UAPI's own headers, included whole at one place, and looked up by a type's name.

struct bpf_flow_keys;

struct bpf_sock;

struct __sk_buff {
  __u32 len;
  __u32 pkt_type;
  __u32 mark;
  __u32 queue_mapping;
  __u32 protocol;
  __u32 vlan_present;
  __u32 vlan_tci;
  __u32 vlan_proto;
  __u32 priority;
  __u32 ingress_ifindex;
  __u32 ifindex;
  __u32 tc_index;
  __u32 cb[5];
  __u32 hash;
  __u32 tc_classid;
  __u32 data;
  __u32 data_end;
  __u32 napi_id;
  __u32 family;
  __u32 remote_ip4;
  __u32 local_ip4;
  __u32 remote_ip6[4];
  __u32 local_ip6[4];
  __u32 remote_port;
  __u32 local_port;
  __u32 data_meta;
  union {
    struct bpf_flow_keys* flow_keys;
  };
  __u64 tstamp;
  __u32 wire_len;
  __u32 gso_segs;
  union {
    struct bpf_sock* sk;
  };
  __u32 gso_size;
  __u8 tstamp_type;
  __u64 hwtstamp;
};

struct xdp_md {
  __u32 data;
  __u32 data_end;
  __u32 data_meta;
  __u32 ingress_ifindex;
  __u32 rx_queue_index;
  __u32 egress_ifindex;
};

struct bpf_sock {
  __u32 bound_dev_if;
  __u32 family;
  __u32 type;
  __u32 protocol;
  __u32 mark;
  __u32 priority;
  __u32 src_ip4;
  __u32 src_ip6[4];
  __u32 src_port;
  __be16 dst_port;
  __u32 dst_ip4;
  __u32 dst_ip6[4];
  __u32 state;
  __s32 rx_queue_mapping;
};

struct bpf_sock_addr {
  __u32 user_family;
  __u32 user_ip4;
  __u32 user_ip6[4];
  __u32 user_port;
  __u32 family;
  __u32 type;
  __u32 protocol;
  __u32 msg_src_ip4;
  __u32 msg_src_ip6[4];
  union {
    struct bpf_sock* sk;
  };
};

struct bpf_sock_ops {
  __u32 op;
  union {
    __u32 args[4];
    __u32 reply;
    __u32 replylong[4];
  };
  __u32 family;
  __u32 remote_ip4;
  __u32 local_ip4;
  __u32 remote_ip6[4];
  __u32 local_ip6[4];
  __u32 remote_port;
  __u32 local_port;
  __u32 is_fullsock;
  __u32 snd_cwnd;
  __u32 srtt_us;
  __u32 bpf_sock_ops_cb_flags;
  __u32 state;
  __u32 rtt_min;
  __u32 snd_ssthresh;
  __u32 rcv_nxt;
  __u32 snd_nxt;
  __u32 snd_una;
  __u32 mss_cache;
  __u32 ecn_flags;
  __u32 rate_delivered;
  __u32 rate_interval_us;
  __u32 packets_out;
  __u32 retrans_out;
  __u32 total_retrans;
  __u32 segs_in;
  __u32 data_segs_in;
  __u32 segs_out;
  __u32 data_segs_out;
  __u32 lost_out;
  __u32 sacked_out;
  __u32 sk_txhash;
  __u64 bytes_received;
  __u64 bytes_acked;
  union {
    struct bpf_sock* sk;
  };
  union {
    void* skb_data;
  };
  union {
    void* skb_data_end;
  };
  __u32 skb_len;
  __u32 skb_tcp_flags;
  __u64 skb_hwtstamp;
};

struct bpf_sock_tuple {
  union {
    struct {
      __be32 saddr;
      __be32 daddr;
      __be16 sport;
      __be16 dport;
    } ipv4;
    struct {
      __be32 saddr[4];
      __be32 daddr[4];
      __be16 sport;
      __be16 dport;
    } ipv6;
  };
};

struct sk_msg_md {
  union {
    void* data;
  };
  union {
    void* data_end;
  };
  __u32 family;
  __u32 remote_ip4;
  __u32 local_ip4;
  __u32 remote_ip6[4];
  __u32 local_ip6[4];
  __u32 remote_port;
  __u32 local_port;
  __u32 size;
  union {
    struct bpf_sock* sk;
  };
};

struct sk_reuseport_md {
  union {
    void* data;
  };
  union {
    void* data_end;
  };
  __u32 len;
  __u32 eth_protocol;
  __u32 ip_protocol;
  __u32 bind_inany;
  __u32 hash;
  union {
    struct bpf_sock* sk;
  };
  union {
    struct bpf_sock* migrating_sk;
  };
};

struct bpf_sk_lookup {
  union {
    union {
      struct bpf_sock* sk;
    };
    __u64 cookie;
  };
  __u32 family;
  __u32 protocol;
  __u32 remote_ip4;
  __u32 remote_ip6[4];
  __be16 remote_port;
  __u32 local_ip4;
  __u32 local_ip6[4];
  __u32 local_port;
  __u32 ingress_ifindex;
};

struct bpf_sockopt {
  union {
    struct bpf_sock* sk;
  };
  union {
    void* optval;
  };
  union {
    void* optval_end;
  };
  __s32 level;
  __s32 optname;
  __s32 optlen;
  __s32 retval;
};

struct bpf_sysctl {
  __u32 write;
  __u32 file_pos;
};

struct bpf_cgroup_dev_ctx {
  __u32 access_type;
  __u32 major;
  __u32 minor;
};

struct bpf_perf_event_data {
  bpf_user_pt_regs_t regs;
  __u64 sample_period;
  __u64 addr;
};

struct bpf_tcp_sock {
  __u32 snd_cwnd;
  __u32 srtt_us;
  __u32 rtt_min;
  __u32 snd_ssthresh;
  __u32 rcv_nxt;
  __u32 snd_nxt;
  __u32 snd_una;
  __u32 mss_cache;
  __u32 ecn_flags;
  __u32 rate_delivered;
  __u32 rate_interval_us;
  __u32 packets_out;
  __u32 retrans_out;
  __u32 total_retrans;
  __u32 segs_in;
  __u32 data_segs_in;
  __u32 segs_out;
  __u32 data_segs_out;
  __u32 lost_out;
  __u32 sacked_out;
  __u64 bytes_received;
  __u64 bytes_acked;
  __u32 dsack_dups;
  __u32 delivered;
  __u32 delivered_ce;
  __u32 icsk_retransmits;
};

struct bpf_fib_lookup {
  __u8 family;
  __u8 l4_protocol;
  __be16 sport;
  __be16 dport;
  union {
    __u16 tot_len;
    __u16 mtu_result;
  };
  __u32 ifindex;
  union {
    __u8 tos;
    __be32 flowinfo;
    __u32 rt_metric;
  };
  union {
    __be32 ipv4_src;
    __u32 ipv6_src[4];
  };
  union {
    __be32 ipv4_dst;
    __u32 ipv6_dst[4];
  };
  union {
    struct {
      __be16 h_vlan_proto;
      __be16 h_vlan_TCI;
    };
    __u32 tbid;
  };
  union {
    struct {
      __u32 mark;
    };
    struct {
      __u8 smac[6];
      __u8 dmac[6];
    };
  };
};

struct bpf_redir_neigh {
  __u32 nh_family;
  union {
    __be32 ipv4_nh;
    __u32 ipv6_nh[4];
  };
};

struct bpf_flow_keys {
  __u16 nhoff;
  __u16 thoff;
  __u16 addr_proto;
  __u8 is_frag;
  __u8 is_first_frag;
  __u8 is_encap;
  __u8 ip_proto;
  __be16 n_proto;
  __be16 sport;
  __be16 dport;
  union {
    struct {
      __be32 ipv4_src;
      __be32 ipv4_dst;
    };
    struct {
      __u32 ipv6_src[4];
      __u32 ipv6_dst[4];
    };
  };
  __u32 flags;
  __be32 flow_label;
};

struct bpf_spin_lock {
  __u32 val;
};

struct bpf_timer {
  __u64 __opaque[2];
};

struct bpf_dynptr {
  __u64 __opaque[2];
};

struct bpf_iter_num {
  __u64 __opaque[1];
};

struct bpf_stack_build_id {
  __s32 status;
  unsigned char build_id[20];
  union {
    __u64 offset;
    __u64 ip;
  };
};

struct bpf_pidns_info {
  __u32 pid;
  __u32 tgid;
};

struct bpf_perf_event_value {
  __u64 counter;
  __u64 enabled;
  __u64 running;
};

struct bpf_tunnel_key {
  __u32 tunnel_id;
  union {
    __u32 remote_ipv4;
    __u32 remote_ipv6[4];
  };
  __u8 tunnel_tos;
  __u8 tunnel_ttl;
  union {
    __u16 tunnel_ext;
    __be16 tunnel_flags;
  };
  __u32 tunnel_label;
  union {
    __u32 local_ipv4;
    __u32 local_ipv6[4];
  };
};

struct ethhdr {
  unsigned char h_dest[6];
  unsigned char h_source[6];
  __be16 h_proto;
};

struct iphdr {
  __u8 ihl : 4;
  __u8 version : 4;
  __u8 tos;
  __be16 tot_len;
  __be16 id;
  __be16 frag_off;
  __u8 ttl;
  __u8 protocol;
  __sum16 check;
  union {
    struct {
      __be32 saddr;
      __be32 daddr;
    };
    struct {
      __be32 saddr;
      __be32 daddr;
    } addrs;
  };
};

struct in6_addr {
  union {
    __u8 u6_addr8[16];
    __be16 u6_addr16[8];
    __be32 u6_addr32[4];
  } in6_u;
};

struct ipv6hdr {
  __u8 priority : 4;
  __u8 version : 4;
  __u8 flow_lbl[3];
  __be16 payload_len;
  __u8 nexthdr;
  __u8 hop_limit;
  union {
    struct {
      struct in6_addr saddr;
      struct in6_addr daddr;
    };
    struct {
      struct in6_addr saddr;
      struct in6_addr daddr;
    } addrs;
  };
};

struct tcphdr {
  __be16 source;
  __be16 dest;
  __be32 seq;
  __be32 ack_seq;
  __u16 ae : 1;
  __u16 res1 : 3;
  __u16 doff : 4;
  __u16 fin : 1;
  __u16 syn : 1;
  __u16 rst : 1;
  __u16 psh : 1;
  __u16 ack : 1;
  __u16 urg : 1;
  __u16 ece : 1;
  __u16 cwr : 1;
  __be16 window;
  __sum16 check;
  __be16 urg_ptr;
};

struct udphdr {
  __be16 source;
  __be16 dest;
  __be16 len;
  __sum16 check;
};

struct icmphdr {
  __u8 type;
  __u8 code;
  __sum16 checksum;
  union {
    struct {
      __be16 id;
      __be16 sequence;
    } echo;
    __be32 gateway;
    struct {
      __be16 __unused;
      __be16 mtu;
    } frag;
    __u8 reserved[4];
  } un;
};

struct icmpv6_echo {
  __be16 identifier;
  __be16 sequence;
};

struct icmpv6_nd_advt {
  __u32 reserved : 5;
  __u32 override : 1;
  __u32 solicited : 1;
  __u32 router : 1;
  __u32 reserved2 : 24;
};

struct icmpv6_nd_ra {
  __u8 hop_limit;
  __u8 reserved : 3;
  __u8 router_pref : 2;
  __u8 home_agent : 1;
  __u8 other : 1;
  __u8 managed : 1;
  __be16 rt_lifetime;
};

struct icmp6hdr {
  __u8 icmp6_type;
  __u8 icmp6_code;
  __sum16 icmp6_cksum;
  union {
    __be32 un_data32[1];
    __be16 un_data16[2];
    __u8 un_data8[4];
    struct icmpv6_echo u_echo;
    struct icmpv6_nd_advt u_nd_advt;
    struct icmpv6_nd_ra u_nd_ra;
  } icmp6_dataun;
};

struct vlan_hdr {
  __be16 h_vlan_TCI;
  __be16 h_vlan_encapsulated_proto;
};

struct in_addr {
  __be32 s_addr;
};

struct sockaddr {
  sa_family_t sa_family;
  union {
    char sa_data_min[14];
    struct {
      struct {
      } __empty_sa_data;
      char sa_data[0];
    };
  };
};

struct sockaddr_in {
  __kernel_sa_family_t sin_family;
  __be16 sin_port;
  struct in_addr sin_addr;
  unsigned char __pad[8];
};

struct sockaddr_in6 {
  short unsigned int sin6_family;
  __be16 sin6_port;
  __be32 sin6_flowinfo;
  struct in6_addr sin6_addr;
  __u32 sin6_scope_id;
};

struct sockaddr_un {
  __kernel_sa_family_t sun_family;
  char sun_path[108];
};

struct arphdr {
  __be16 ar_hrd;
  __be16 ar_pro;
  unsigned char ar_hln;
  unsigned char ar_pln;
  __be16 ar_op;
};

enum bpf_map_type {
  BPF_MAP_TYPE_UNSPEC = 0,
  BPF_MAP_TYPE_HASH = 1,
  BPF_MAP_TYPE_ARRAY = 2,
  BPF_MAP_TYPE_PROG_ARRAY = 3,
  BPF_MAP_TYPE_PERF_EVENT_ARRAY = 4,
  BPF_MAP_TYPE_PERCPU_HASH = 5,
  BPF_MAP_TYPE_PERCPU_ARRAY = 6,
  BPF_MAP_TYPE_STACK_TRACE = 7,
  BPF_MAP_TYPE_CGROUP_ARRAY = 8,
  BPF_MAP_TYPE_LRU_HASH = 9,
  BPF_MAP_TYPE_LRU_PERCPU_HASH = 10,
  BPF_MAP_TYPE_LPM_TRIE = 11,
  BPF_MAP_TYPE_ARRAY_OF_MAPS = 12,
  BPF_MAP_TYPE_HASH_OF_MAPS = 13,
  BPF_MAP_TYPE_DEVMAP = 14,
  BPF_MAP_TYPE_SOCKMAP = 15,
  BPF_MAP_TYPE_CPUMAP = 16,
  BPF_MAP_TYPE_XSKMAP = 17,
  BPF_MAP_TYPE_SOCKHASH = 18,
  BPF_MAP_TYPE_CGROUP_STORAGE_DEPRECATED = 19,
  BPF_MAP_TYPE_CGROUP_STORAGE = 19,
  BPF_MAP_TYPE_REUSEPORT_SOCKARRAY = 20,
  BPF_MAP_TYPE_PERCPU_CGROUP_STORAGE_DEPRECATED = 21,
  BPF_MAP_TYPE_PERCPU_CGROUP_STORAGE = 21,
  BPF_MAP_TYPE_QUEUE = 22,
  BPF_MAP_TYPE_STACK = 23,
  BPF_MAP_TYPE_SK_STORAGE = 24,
  BPF_MAP_TYPE_DEVMAP_HASH = 25,
  BPF_MAP_TYPE_STRUCT_OPS = 26,
  BPF_MAP_TYPE_RINGBUF = 27,
  BPF_MAP_TYPE_INODE_STORAGE = 28,
  BPF_MAP_TYPE_TASK_STORAGE = 29,
  BPF_MAP_TYPE_BLOOM_FILTER = 30,
  BPF_MAP_TYPE_USER_RINGBUF = 31,
  BPF_MAP_TYPE_CGRP_STORAGE = 32,
  BPF_MAP_TYPE_ARENA = 33,
  __MAX_BPF_MAP_TYPE = 34,
};

enum bpf_prog_type {
  BPF_PROG_TYPE_UNSPEC = 0,
  BPF_PROG_TYPE_SOCKET_FILTER = 1,
  BPF_PROG_TYPE_KPROBE = 2,
  BPF_PROG_TYPE_SCHED_CLS = 3,
  BPF_PROG_TYPE_SCHED_ACT = 4,
  BPF_PROG_TYPE_TRACEPOINT = 5,
  BPF_PROG_TYPE_XDP = 6,
  BPF_PROG_TYPE_PERF_EVENT = 7,
  BPF_PROG_TYPE_CGROUP_SKB = 8,
  BPF_PROG_TYPE_CGROUP_SOCK = 9,
  BPF_PROG_TYPE_LWT_IN = 10,
  BPF_PROG_TYPE_LWT_OUT = 11,
  BPF_PROG_TYPE_LWT_XMIT = 12,
  BPF_PROG_TYPE_SOCK_OPS = 13,
  BPF_PROG_TYPE_SK_SKB = 14,
  BPF_PROG_TYPE_CGROUP_DEVICE = 15,
  BPF_PROG_TYPE_SK_MSG = 16,
  BPF_PROG_TYPE_RAW_TRACEPOINT = 17,
  BPF_PROG_TYPE_CGROUP_SOCK_ADDR = 18,
  BPF_PROG_TYPE_LWT_SEG6LOCAL = 19,
  BPF_PROG_TYPE_LIRC_MODE2 = 20,
  BPF_PROG_TYPE_SK_REUSEPORT = 21,
  BPF_PROG_TYPE_FLOW_DISSECTOR = 22,
  BPF_PROG_TYPE_CGROUP_SYSCTL = 23,
  BPF_PROG_TYPE_RAW_TRACEPOINT_WRITABLE = 24,
  BPF_PROG_TYPE_CGROUP_SOCKOPT = 25,
  BPF_PROG_TYPE_TRACING = 26,
  BPF_PROG_TYPE_STRUCT_OPS = 27,
  BPF_PROG_TYPE_EXT = 28,
  BPF_PROG_TYPE_LSM = 29,
  BPF_PROG_TYPE_SK_LOOKUP = 30,
  BPF_PROG_TYPE_SYSCALL = 31,
  BPF_PROG_TYPE_NETFILTER = 32,
  __MAX_BPF_PROG_TYPE = 33,
};

enum bpf_attach_type {
  BPF_CGROUP_INET_INGRESS = 0,
  BPF_CGROUP_INET_EGRESS = 1,
  BPF_CGROUP_INET_SOCK_CREATE = 2,
  BPF_CGROUP_SOCK_OPS = 3,
  BPF_SK_SKB_STREAM_PARSER = 4,
  BPF_SK_SKB_STREAM_VERDICT = 5,
  BPF_CGROUP_DEVICE = 6,
  BPF_SK_MSG_VERDICT = 7,
  BPF_CGROUP_INET4_BIND = 8,
  BPF_CGROUP_INET6_BIND = 9,
  BPF_CGROUP_INET4_CONNECT = 10,
  BPF_CGROUP_INET6_CONNECT = 11,
  BPF_CGROUP_INET4_POST_BIND = 12,
  BPF_CGROUP_INET6_POST_BIND = 13,
  BPF_CGROUP_UDP4_SENDMSG = 14,
  BPF_CGROUP_UDP6_SENDMSG = 15,
  BPF_LIRC_MODE2 = 16,
  BPF_FLOW_DISSECTOR = 17,
  BPF_CGROUP_SYSCTL = 18,
  BPF_CGROUP_UDP4_RECVMSG = 19,
  BPF_CGROUP_UDP6_RECVMSG = 20,
  BPF_CGROUP_GETSOCKOPT = 21,
  BPF_CGROUP_SETSOCKOPT = 22,
  BPF_TRACE_RAW_TP = 23,
  BPF_TRACE_FENTRY = 24,
  BPF_TRACE_FEXIT = 25,
  BPF_MODIFY_RETURN = 26,
  BPF_LSM_MAC = 27,
  BPF_TRACE_ITER = 28,
  BPF_CGROUP_INET4_GETPEERNAME = 29,
  BPF_CGROUP_INET6_GETPEERNAME = 30,
  BPF_CGROUP_INET4_GETSOCKNAME = 31,
  BPF_CGROUP_INET6_GETSOCKNAME = 32,
  BPF_XDP_DEVMAP = 33,
  BPF_CGROUP_INET_SOCK_RELEASE = 34,
  BPF_XDP_CPUMAP = 35,
  BPF_SK_LOOKUP = 36,
  BPF_XDP = 37,
  BPF_SK_SKB_VERDICT = 38,
  BPF_SK_REUSEPORT_SELECT = 39,
  BPF_SK_REUSEPORT_SELECT_OR_MIGRATE = 40,
  BPF_PERF_EVENT = 41,
  BPF_TRACE_KPROBE_MULTI = 42,
  BPF_LSM_CGROUP = 43,
  BPF_STRUCT_OPS = 44,
  BPF_NETFILTER = 45,
  BPF_TCX_INGRESS = 46,
  BPF_TCX_EGRESS = 47,
  BPF_TRACE_UPROBE_MULTI = 48,
  BPF_CGROUP_UNIX_CONNECT = 49,
  BPF_CGROUP_UNIX_SENDMSG = 50,
  BPF_CGROUP_UNIX_RECVMSG = 51,
  BPF_CGROUP_UNIX_GETPEERNAME = 52,
  BPF_CGROUP_UNIX_GETSOCKNAME = 53,
  BPF_NETKIT_PRIMARY = 54,
  BPF_NETKIT_PEER = 55,
  BPF_TRACE_KPROBE_SESSION = 56,
  BPF_TRACE_UPROBE_SESSION = 57,
  __MAX_BPF_ATTACH_TYPE = 58,
};

enum xdp_action {
  XDP_ABORTED = 0,
  XDP_DROP = 1,
  XDP_PASS = 2,
  XDP_TX = 3,
  XDP_REDIRECT = 4,
};

enum sk_action {
  SK_DROP = 0,
  SK_PASS = 1,
};

enum bpf_ret_code {
  BPF_OK = 0,
  BPF_DROP = 2,
  BPF_REDIRECT = 7,
  BPF_LWT_REROUTE = 128,
  BPF_FLOW_DISSECTOR_CONTINUE = 129,
};

enum {
  BPF_ANY = 0,
  BPF_NOEXIST = 1,
  BPF_EXIST = 2,
  BPF_F_LOCK = 4,
} SKEP_ANONYMOUS(1);

enum {
  BPF_F_INDEX_MASK = 4294967295ULL,
  BPF_F_CURRENT_CPU = 4294967295ULL,
  BPF_F_CTXLEN_MASK = 4503595332403200ULL,
} SKEP_ANONYMOUS(2);

enum {
  BPF_F_NO_PREALLOC = 1,
  BPF_F_NO_COMMON_LRU = 2,
  BPF_F_NUMA_NODE = 4,
  BPF_F_RDONLY = 8,
  BPF_F_WRONLY = 16,
  BPF_F_STACK_BUILD_ID = 32,
  BPF_F_ZERO_SEED = 64,
  BPF_F_RDONLY_PROG = 128,
  BPF_F_WRONLY_PROG = 256,
  BPF_F_CLONE = 512,
  BPF_F_MMAPABLE = 1024,
  BPF_F_PRESERVE_ELEMS = 2048,
  BPF_F_INNER_MAP = 4096,
  BPF_F_LINK = 8192,
  BPF_F_PATH_FD = 16384,
  BPF_F_VTYPE_BTF_OBJ_FD = 32768,
  BPF_F_TOKEN_FD = 65536,
  BPF_F_SEGV_ON_FAULT = 131072,
  BPF_F_NO_USER_CONV = 262144,
} SKEP_ANONYMOUS(3);

enum {
  BPF_RB_NO_WAKEUP = 1,
  BPF_RB_FORCE_WAKEUP = 2,
} SKEP_ANONYMOUS(4);

enum {
  BPF_RB_AVAIL_DATA = 0,
  BPF_RB_RING_SIZE = 1,
  BPF_RB_CONS_POS = 2,
  BPF_RB_PROD_POS = 3,
} SKEP_ANONYMOUS(5);

enum {
  BPF_F_SKIP_FIELD_MASK = 255,
  BPF_F_USER_STACK = 256,
  BPF_F_FAST_STACK_CMP = 512,
  BPF_F_REUSE_STACKID = 1024,
  BPF_F_USER_BUILD_ID = 2048,
} SKEP_ANONYMOUS(6);

enum {
  BPF_F_RECOMPUTE_CSUM = 1,
  BPF_F_INVALIDATE_HASH = 2,
} SKEP_ANONYMOUS(7);

enum {
  BPF_F_PSEUDO_HDR = 16,
  BPF_F_MARK_MANGLED_0 = 32,
  BPF_F_MARK_ENFORCE = 64,
  BPF_F_IPV6 = 128,
} SKEP_ANONYMOUS(8);

enum {
  BPF_F_INGRESS = 1,
  BPF_F_BROADCAST = 8,
  BPF_F_EXCLUDE_INGRESS = 16,
} SKEP_ANONYMOUS(9);

enum {
  BPF_F_ZERO_CSUM_TX = 2,
  BPF_F_DONT_FRAGMENT = 4,
  BPF_F_SEQ_NUMBER = 8,
  BPF_F_NO_TUNNEL_KEY = 16,
} SKEP_ANONYMOUS(10);

enum {
  BPF_SOCK_OPS_VOID = 0,
  BPF_SOCK_OPS_TIMEOUT_INIT = 1,
  BPF_SOCK_OPS_RWND_INIT = 2,
  BPF_SOCK_OPS_TCP_CONNECT_CB = 3,
  BPF_SOCK_OPS_ACTIVE_ESTABLISHED_CB = 4,
  BPF_SOCK_OPS_PASSIVE_ESTABLISHED_CB = 5,
  BPF_SOCK_OPS_NEEDS_ECN = 6,
  BPF_SOCK_OPS_BASE_RTT = 7,
  BPF_SOCK_OPS_RTO_CB = 8,
  BPF_SOCK_OPS_RETRANS_CB = 9,
  BPF_SOCK_OPS_STATE_CB = 10,
  BPF_SOCK_OPS_TCP_LISTEN_CB = 11,
  BPF_SOCK_OPS_RTT_CB = 12,
  BPF_SOCK_OPS_PARSE_HDR_OPT_CB = 13,
  BPF_SOCK_OPS_HDR_OPT_LEN_CB = 14,
  BPF_SOCK_OPS_WRITE_HDR_OPT_CB = 15,
  BPF_SOCK_OPS_TSTAMP_SCHED_CB = 16,
  BPF_SOCK_OPS_TSTAMP_SND_SW_CB = 17,
  BPF_SOCK_OPS_TSTAMP_SND_HW_CB = 18,
  BPF_SOCK_OPS_TSTAMP_ACK_CB = 19,
  BPF_SOCK_OPS_TSTAMP_SENDMSG_CB = 20,
} SKEP_ANONYMOUS(11);

enum {
  BPF_SOCK_OPS_RTO_CB_FLAG = 1,
  BPF_SOCK_OPS_RETRANS_CB_FLAG = 2,
  BPF_SOCK_OPS_STATE_CB_FLAG = 4,
  BPF_SOCK_OPS_RTT_CB_FLAG = 8,
  BPF_SOCK_OPS_PARSE_ALL_HDR_OPT_CB_FLAG = 16,
  BPF_SOCK_OPS_PARSE_UNKNOWN_HDR_OPT_CB_FLAG = 32,
  BPF_SOCK_OPS_WRITE_HDR_OPT_CB_FLAG = 64,
  BPF_SOCK_OPS_ALL_CB_FLAGS = 127,
} SKEP_ANONYMOUS(12);

enum {
  BPF_TCP_ESTABLISHED = 1,
  BPF_TCP_SYN_SENT = 2,
  BPF_TCP_SYN_RECV = 3,
  BPF_TCP_FIN_WAIT1 = 4,
  BPF_TCP_FIN_WAIT2 = 5,
  BPF_TCP_TIME_WAIT = 6,
  BPF_TCP_CLOSE = 7,
  BPF_TCP_CLOSE_WAIT = 8,
  BPF_TCP_LAST_ACK = 9,
  BPF_TCP_LISTEN = 10,
  BPF_TCP_CLOSING = 11,
  BPF_TCP_NEW_SYN_RECV = 12,
  BPF_TCP_BOUND_INACTIVE = 13,
  BPF_TCP_MAX_STATES = 14,
} SKEP_ANONYMOUS(13);

enum bpf_adj_room_mode {
  BPF_ADJ_ROOM_NET = 0,
  BPF_ADJ_ROOM_MAC = 1,
};

enum {
  BPF_LOCAL_STORAGE_GET_F_CREATE = 1,
  BPF_SK_STORAGE_GET_F_CREATE = 1,
} SKEP_ANONYMOUS(14);

enum {
  BPF_CSUM_LEVEL_QUERY = 0,
  BPF_CSUM_LEVEL_INC = 1,
  BPF_CSUM_LEVEL_DEC = 2,
  BPF_CSUM_LEVEL_RESET = 3,
} SKEP_ANONYMOUS(15);

enum {
  BPF_FIB_LOOKUP_DIRECT = 1,
  BPF_FIB_LOOKUP_OUTPUT = 2,
  BPF_FIB_LOOKUP_SKIP_NEIGH = 4,
  BPF_FIB_LOOKUP_TBID = 8,
  BPF_FIB_LOOKUP_SRC = 16,
  BPF_FIB_LOOKUP_MARK = 32,
} SKEP_ANONYMOUS(16);

enum {
  BPF_FIB_LKUP_RET_SUCCESS = 0,
  BPF_FIB_LKUP_RET_BLACKHOLE = 1,
  BPF_FIB_LKUP_RET_UNREACHABLE = 2,
  BPF_FIB_LKUP_RET_PROHIBIT = 3,
  BPF_FIB_LKUP_RET_NOT_FWDED = 4,
  BPF_FIB_LKUP_RET_FWD_DISABLED = 5,
  BPF_FIB_LKUP_RET_UNSUPP_LWT = 6,
  BPF_FIB_LKUP_RET_NO_NEIGH = 7,
  BPF_FIB_LKUP_RET_FRAG_NEEDED = 8,
  BPF_FIB_LKUP_RET_NO_SRC_ADDR = 9,
} SKEP_ANONYMOUS(17);

enum {
  BPF_SK_LOOKUP_F_REPLACE = 1,
  BPF_SK_LOOKUP_F_NO_REUSEPORT = 2,
} SKEP_ANONYMOUS(18);

enum {
  BPF_F_TUNINFO_IPV6 = 1,
} SKEP_ANONYMOUS(19);

enum {
  IPPROTO_IP = 0,
  IPPROTO_ICMP = 1,
  IPPROTO_IGMP = 2,
  IPPROTO_IPIP = 4,
  IPPROTO_TCP = 6,
  IPPROTO_EGP = 8,
  IPPROTO_PUP = 12,
  IPPROTO_UDP = 17,
  IPPROTO_IDP = 22,
  IPPROTO_TP = 29,
  IPPROTO_DCCP = 33,
  IPPROTO_IPV6 = 41,
  IPPROTO_RSVP = 46,
  IPPROTO_GRE = 47,
  IPPROTO_ESP = 50,
  IPPROTO_AH = 51,
  IPPROTO_MTP = 92,
  IPPROTO_BEETPH = 94,
  IPPROTO_ENCAP = 98,
  IPPROTO_PIM = 103,
  IPPROTO_COMP = 108,
  IPPROTO_L2TP = 115,
  IPPROTO_SCTP = 132,
  IPPROTO_UDPLITE = 136,
  IPPROTO_MPLS = 137,
  IPPROTO_ETHERNET = 143,
  IPPROTO_AGGFRAG = 144,
  IPPROTO_RAW = 255,
  IPPROTO_SMC = 256,
  IPPROTO_MPTCP = 262,
  IPPROTO_MAX = 263,
} SKEP_ANONYMOUS(20);

enum {
  BPF_F_TIMER_ABS = 1,
  BPF_F_TIMER_CPU_PIN = 2,
} SKEP_ANONYMOUS(21);

enum {
  BPF_F_CURRENT_NETNS = -1,
} SKEP_ANONYMOUS(22);

enum {
  BPF_F_GET_BRANCH_RECORDS_SIZE = 1,
} SKEP_ANONYMOUS(23);

enum {
  BPF_F_BPRM_SECUREEXEC = 1,
} SKEP_ANONYMOUS(24);

enum {
  BPF_FLOW_DISSECTOR_F_PARSE_1ST_FRAG = 1,
  BPF_FLOW_DISSECTOR_F_STOP_AT_FLOW_LABEL = 2,
  BPF_FLOW_DISSECTOR_F_STOP_AT_ENCAP = 4,
} SKEP_ANONYMOUS(25);

enum bpf_check_mtu_flags {
  BPF_MTU_CHK_SEGS = 1,
};

enum bpf_check_mtu_ret {
  BPF_MTU_CHK_RET_SUCCESS = 0,
  BPF_MTU_CHK_RET_FRAG_NEEDED = 1,
  BPF_MTU_CHK_RET_SEGS_TOOBIG = 2,
};

enum bpf_cgroup_iter_order {
  BPF_CGROUP_ITER_ORDER_UNSPEC = 0,
  BPF_CGROUP_ITER_SELF_ONLY = 1,
  BPF_CGROUP_ITER_DESCENDANTS_PRE = 2,
  BPF_CGROUP_ITER_DESCENDANTS_POST = 3,
  BPF_CGROUP_ITER_ANCESTORS_UP = 4,
};

struct trace_event_raw_sys_enter {
  struct trace_entry ent;
  long int id;
  long unsigned int args[6];
  char __data[0];
};

struct trace_event_raw_sys_exit {
  struct trace_entry ent;
  long int id;
  long int ret;
  char __data[0];
};

struct trace_event_raw_sched_process_exec {
  struct trace_entry ent;
  u32 __data_loc_filename;
  pid_t pid;
  pid_t old_pid;
  char __data[0];
};

struct trace_event_raw_sched_process_exit {
  struct trace_entry ent;
  char comm[16];
  pid_t pid;
  int prio;
  bool group_dead;
  char __data[0];
};

struct trace_event_raw_sched_process_fork {
  struct trace_entry ent;
  u32 __data_loc_parent_comm;
  pid_t parent_pid;
  u32 __data_loc_child_comm;
  pid_t child_pid;
  char __data[0];
};

struct trace_event_raw_sched_process_template {
  struct trace_entry ent;
  u32 __data_loc_comm;
  pid_t pid;
  int prio;
  char __data[0];
};

struct trace_event_raw_sched_switch {
  struct trace_entry ent;
  char prev_comm[16];
  pid_t prev_pid;
  int prev_prio;
  long int prev_state;
  char next_comm[16];
  pid_t next_pid;
  int next_prio;
  char __data[0];
};

struct trace_event_raw_sched_wakeup_template {
  struct trace_entry ent;
  char comm[16];
  pid_t pid;
  int prio;
  int target_cpu;
  char __data[0];
};

struct trace_event_raw_signal_generate {
  struct trace_entry ent;
  int sig;
  int errno;
  int code;
  char comm[16];
  pid_t pid;
  int group;
  int result;
  char __data[0];
};
