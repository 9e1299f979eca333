// What the user engine publishes as its "vmlinux" BTF: the types that programs may name, with the layout that the data
// really has where a program reads it. CO-RE relocates an object to these as to one more kernel version
// (docs/decisions/0006); a field that is not here fails as one that an older kernel lacks.
//
// Compiled at build time by clang -target bpf (user_engine.cmake); the BTF of the result is what
// btf::user_engine_btf() returns, without the variables that only keep types alive.
//
// Also C++: published.h, for the side that fills such a structure.
#ifndef SKEP_USER_ENGINE_TYPES_H
#define SKEP_USER_ENGINE_TYPES_H

#ifdef SKEP_PUBLISH
#define SKEP_ANONYMOUS(n) skep_publish_enum_##n
#else
#define SKEP_ANONYMOUS(n)
#endif

typedef unsigned char __u8;
typedef signed char __s8;
typedef unsigned short __u16;
typedef short __s16;
typedef unsigned int __u32;
typedef int __s32;
typedef unsigned long long __u64;
typedef long long __s64;
typedef __u8 u8;
typedef __s8 s8;
typedef __u16 u16;
typedef __s16 s16;
typedef __u32 u32;
typedef __s32 s32;
typedef __u64 u64;
typedef __s64 s64;
typedef __u16 __le16;
typedef __u16 __be16;
typedef __u32 __le32;
typedef __u32 __be32;
typedef __u64 __le64;
typedef __u64 __be64;
typedef __u16 __sum16;
typedef __u32 __wsum;
#ifndef __cplusplus
typedef _Bool bool;
enum { false = 0, true = 1 } SKEP_ANONYMOUS(bool);
#endif
typedef __u8 uint8_t;
typedef __s8 int8_t;
typedef __u16 uint16_t;
typedef __s16 int16_t;
typedef __u32 uint32_t;
typedef __s32 int32_t;
typedef __u64 uint64_t;
typedef __s64 int64_t;
typedef unsigned long uintptr_t;
typedef unsigned long __kernel_ulong_t;
typedef long __kernel_long_t;
typedef __kernel_ulong_t __kernel_size_t;
typedef __kernel_long_t __kernel_ssize_t;
typedef __kernel_size_t size_t;
typedef __kernel_ssize_t ssize_t;
typedef int __kernel_pid_t;
typedef __kernel_pid_t pid_t;
typedef unsigned int __kernel_uid32_t;
typedef unsigned int __kernel_gid32_t;
typedef __kernel_uid32_t uid_t;
typedef __kernel_gid32_t gid_t;
typedef long long __kernel_loff_t;
typedef __kernel_loff_t loff_t;
typedef __s64 __kernel_time64_t;
typedef __kernel_time64_t time64_t;
typedef __u32 __kernel_dev_t;
typedef __kernel_dev_t dev_t;
typedef unsigned short __kernel_sa_family_t;
typedef __kernel_sa_family_t sa_family_t;
typedef unsigned short umode_t;
typedef unsigned long ulong;
typedef unsigned int uint;
typedef unsigned short ushort;
typedef unsigned int fmode_t;

typedef struct {
  int counter;
} atomic_t;
typedef struct {
  s64 counter;
} atomic64_t;
typedef struct {
  uid_t val;
} kuid_t;
typedef struct {
  gid_t val;
} kgid_t;

struct list_head {
  struct list_head *next, *prev;
};

// The registers of a traced thread on x86-64, as the kernel saves them.
struct pt_regs {
  unsigned long r15;
  unsigned long r14;
  unsigned long r13;
  unsigned long r12;
  unsigned long bp;
  unsigned long bx;
  unsigned long r11;
  unsigned long r10;
  unsigned long r9;
  unsigned long r8;
  unsigned long ax;
  unsigned long cx;
  unsigned long dx;
  unsigned long si;
  unsigned long di;
  unsigned long orig_ax;
  unsigned long ip;
  unsigned long cs;
  unsigned long flags;
  unsigned long sp;
  unsigned long ss;
};
typedef struct pt_regs bpf_user_pt_regs_t;

// What begins the record of every tracepoint.
struct trace_entry {
  unsigned short type;
  unsigned char flags;
  unsigned char preempt_count;
  int pid;
};
struct bpf_raw_tracepoint_args {
  __u64 args[1];
};
// The records of single system calls' tracepoints: as trace_event_raw_sys_enter and _exit, by the kernel's other name.
struct syscall_trace_enter {
  struct trace_entry ent;
  int nr;
  unsigned long args[6];
};
struct syscall_trace_exit {
  struct trace_entry ent;
  int nr;
  long ret;
};

#include "uapi.h"

// A task: what bpf_get_current_task() points to.
struct cred {
  kuid_t uid;
  kgid_t gid;
  kuid_t suid;
  kgid_t sgid;
  kuid_t euid;
  kgid_t egid;
  kuid_t fsuid;
  kgid_t fsgid;
};

// The cgroup of all traced processes.
struct kernfs_node {
  struct kernfs_node* parent;
  const char* name;
  u64 id;
};
struct cgroup;
struct cgroup_subsys_state {
  struct cgroup* cgroup;
};
struct cgroup {
  struct cgroup_subsys_state self;
  int level;
  struct kernfs_node* kn;
  struct cgroup* ancestors[1];
};
struct css_set {
  struct cgroup* dfl_cgrp;
};

struct task_struct {
  int exit_code;
  pid_t pid;
  pid_t tgid;
  struct task_struct* real_parent;
  struct task_struct* parent;
  struct task_struct* group_leader;
  u64 start_time;
  u64 start_boottime;
  const struct cred* real_cred;
  const struct cred* cred;
  char comm[16];
  struct css_set* cgroups;
};

// Files: a name and what it is in.
struct qstr {
  union {
    struct {
      u32 hash;
      u32 len;
    };
    u64 hash_len;
  };
  const unsigned char* name;
};
struct super_block {
  dev_t s_dev;
  unsigned long s_magic;
};
struct inode {
  umode_t i_mode;
  kuid_t i_uid;
  kgid_t i_gid;
  struct super_block* i_sb;
  unsigned long i_ino;
  loff_t i_size;
};
struct dentry {
  struct dentry* d_parent;
  struct qstr d_name;
  struct inode* d_inode;
};
struct vfsmount {
  struct dentry* mnt_root;
  struct super_block* mnt_sb;
};
struct path {
  struct vfsmount* mnt;
  struct dentry* dentry;
};
struct file {
  fmode_t f_mode;
  unsigned int f_flags;
  loff_t f_pos;
  struct inode* f_inode;
  struct path f_path;
};

// Objects of the BPF subsystem, as iterators hand them out.
struct bpf_map {
  enum bpf_map_type map_type;
  u32 key_size;
  u32 value_size;
  u32 max_entries;
  u64 map_extra;
  u32 map_flags;
  u32 id;
  char name[16];
};
struct bpf_prog_aux {
  u32 id;
  u32 used_map_cnt;
  u64 load_time;
  u32 verified_insns;
  u32 attach_btf_id;
  char name[16];
};
struct bpf_prog {
  enum bpf_prog_type type;
  enum bpf_attach_type expected_attach_type;
  u32 len;
  u32 jited_len;
  u8 tag[8];
  struct bpf_prog_aux* aux;
};
struct bpf_link {
  u32 id;
  u32 type;
  struct bpf_prog* prog;
};
// What values and objects have that only calls may touch.
struct bpf_list_head {
  __u64 __opaque[2];
} __attribute__((aligned(8)));
struct bpf_list_node {
  __u64 __opaque[3];
} __attribute__((aligned(8)));
struct bpf_rb_root {
  __u64 __opaque[2];
} __attribute__((aligned(8)));
struct bpf_rb_node {
  __u64 __opaque[4];
} __attribute__((aligned(8)));
struct bpf_refcount {
  __u32 __opaque[1];
} __attribute__((aligned(4)));
struct bpf_wq {
  __u64 __opaque[2];
} __attribute__((aligned(8)));
struct bpf_res_spin_lock {
  __u32 val;
};
struct bpf_iter_bits {
  __u64 __opaque[2];
} __attribute__((aligned(8)));
// A bit a CPU; the user engine's CPUs are the hive's slots, 256 at most.
typedef struct cpumask {
  u64 bits[4];
} cpumask_t;
typedef struct {
  int counter;
} refcount_t;
struct bpf_cpumask {
  cpumask_t cpumask;
  refcount_t usage;
};

// What bpf_seq_printf() writes to.
struct seq_file {
  char* buf;
  size_t size;
  size_t count;
};
struct bpf_iter_meta {
  struct seq_file* seq;
  u64 session_id;
  u64 seq_num;
};

#ifdef SKEP_PUBLISH
// What iterator programs are attached to: a function an iterator, whose arguments are the program's.
#define SKEP_ITERATOR(name, ...) \
  int bpf_iter_##name(struct bpf_iter_meta* meta, __VA_ARGS__) { return meta == 0; }
SKEP_ITERATOR(task, struct task_struct* task)
SKEP_ITERATOR(task_file, struct task_struct* task, u32 fd, struct file* file)
SKEP_ITERATOR(bpf_map, struct bpf_map* map)
SKEP_ITERATOR(bpf_map_elem, struct bpf_map* map, void* key, void* value)
SKEP_ITERATOR(bpf_prog, struct bpf_prog* prog)
SKEP_ITERATOR(bpf_link, struct bpf_link* link)
struct bpf_iter__task {
  struct bpf_iter_meta* meta;
  struct task_struct* task;
};
struct bpf_iter__task_file {
  struct bpf_iter_meta* meta;
  struct task_struct* task;
  u32 fd __attribute__((aligned(8)));
  struct file* file;
};
struct bpf_iter__bpf_map {
  struct bpf_iter_meta* meta;
  struct bpf_map* map;
};
struct bpf_iter__bpf_map_elem {
  struct bpf_iter_meta* meta;
  struct bpf_map* map;
  void* key;
  void* value;
};
struct bpf_iter__bpf_prog {
  struct bpf_iter_meta* meta;
  struct bpf_prog* prog;
};
struct bpf_iter__bpf_link {
  struct bpf_iter_meta* meta;
  struct bpf_link* link;
};
#include "kfuncs.h"

// BTF has only what something uses.
#define SKEP_TYPE(kind, name) kind name skep_publish_##name;
#define SKEP_TYPEDEF(name) name skep_publish_##name;
// clang-format off
SKEP_TYPEDEF(s8) SKEP_TYPEDEF(u8) SKEP_TYPEDEF(s16) SKEP_TYPEDEF(u16) SKEP_TYPEDEF(s32)
SKEP_TYPEDEF(u32) SKEP_TYPEDEF(s64) SKEP_TYPEDEF(u64) SKEP_TYPEDEF(__le16) SKEP_TYPEDEF(__le32)
SKEP_TYPEDEF(__le64) SKEP_TYPEDEF(__be16) SKEP_TYPEDEF(__be32) SKEP_TYPEDEF(__be64)
SKEP_TYPEDEF(__sum16) SKEP_TYPEDEF(__wsum) SKEP_TYPEDEF(bool) SKEP_TYPEDEF(uint8_t)
SKEP_TYPEDEF(int8_t) SKEP_TYPEDEF(uint16_t) SKEP_TYPEDEF(int16_t) SKEP_TYPEDEF(uint32_t)
SKEP_TYPEDEF(int32_t) SKEP_TYPEDEF(uint64_t) SKEP_TYPEDEF(int64_t) SKEP_TYPEDEF(uintptr_t)
SKEP_TYPEDEF(size_t) SKEP_TYPEDEF(ssize_t) SKEP_TYPEDEF(pid_t) SKEP_TYPEDEF(uid_t)
SKEP_TYPEDEF(gid_t) SKEP_TYPEDEF(loff_t) SKEP_TYPEDEF(time64_t) SKEP_TYPEDEF(dev_t)
SKEP_TYPEDEF(umode_t) SKEP_TYPEDEF(sa_family_t) SKEP_TYPEDEF(ulong) SKEP_TYPEDEF(uint)
SKEP_TYPEDEF(ushort) SKEP_TYPEDEF(fmode_t) SKEP_TYPEDEF(atomic_t) SKEP_TYPEDEF(atomic64_t)
SKEP_TYPEDEF(kuid_t) SKEP_TYPEDEF(kgid_t) SKEP_TYPEDEF(bpf_user_pt_regs_t)
SKEP_TYPE(struct, bpf_list_head) SKEP_TYPE(struct, bpf_list_node) SKEP_TYPE(struct, bpf_rb_root)
SKEP_TYPE(struct, bpf_rb_node) SKEP_TYPE(struct, bpf_refcount) SKEP_TYPE(struct, bpf_wq)
SKEP_TYPE(struct, bpf_res_spin_lock) SKEP_TYPE(struct, bpf_iter_bits) SKEP_TYPE(struct, bpf_cpumask)
SKEP_TYPE(struct, list_head) SKEP_TYPE(struct, cgroup) SKEP_TYPE(struct, css_set)
SKEP_TYPE(struct, kernfs_node) SKEP_TYPE(struct, pt_regs) SKEP_TYPE(struct, trace_entry)
SKEP_TYPE(struct, bpf_raw_tracepoint_args) SKEP_TYPE(struct, syscall_trace_enter)
SKEP_TYPE(struct, syscall_trace_exit) SKEP_TYPE(struct, cred) SKEP_TYPE(struct, task_struct)
SKEP_TYPE(struct, qstr) SKEP_TYPE(struct, super_block) SKEP_TYPE(struct, inode)
SKEP_TYPE(struct, dentry) SKEP_TYPE(struct, vfsmount) SKEP_TYPE(struct, path)
SKEP_TYPE(struct, file) SKEP_TYPE(struct, trace_event_raw_sys_enter)
SKEP_TYPE(struct, trace_event_raw_sys_exit) SKEP_TYPE(struct, trace_event_raw_sched_process_exec)
SKEP_TYPE(struct, trace_event_raw_sched_process_exit)
SKEP_TYPE(struct, trace_event_raw_sched_process_fork)
SKEP_TYPE(struct, trace_event_raw_sched_process_template)
SKEP_TYPE(struct, trace_event_raw_sched_switch)
SKEP_TYPE(struct, trace_event_raw_sched_wakeup_template)
SKEP_TYPE(struct, trace_event_raw_signal_generate) SKEP_TYPE(struct, __sk_buff)
SKEP_TYPE(struct, xdp_md) SKEP_TYPE(struct, bpf_sock) SKEP_TYPE(struct, bpf_sock_addr)
SKEP_TYPE(struct, bpf_sock_ops) SKEP_TYPE(struct, bpf_sock_tuple) SKEP_TYPE(struct, sk_msg_md)
SKEP_TYPE(struct, sk_reuseport_md) SKEP_TYPE(struct, bpf_sk_lookup) SKEP_TYPE(struct, bpf_sockopt)
SKEP_TYPE(struct, bpf_sysctl) SKEP_TYPE(struct, bpf_cgroup_dev_ctx)
SKEP_TYPE(struct, bpf_perf_event_data) SKEP_TYPE(struct, bpf_tcp_sock)
SKEP_TYPE(struct, bpf_fib_lookup) SKEP_TYPE(struct, bpf_redir_neigh)
SKEP_TYPE(struct, bpf_flow_keys) SKEP_TYPE(struct, bpf_spin_lock) SKEP_TYPE(struct, bpf_timer)
SKEP_TYPE(struct, bpf_dynptr) SKEP_TYPE(struct, bpf_iter_num) SKEP_TYPE(struct, bpf_stack_build_id)
SKEP_TYPE(struct, bpf_pidns_info) SKEP_TYPE(struct, bpf_perf_event_value)
SKEP_TYPE(struct, bpf_tunnel_key) SKEP_TYPE(struct, ethhdr) SKEP_TYPE(struct, iphdr)
SKEP_TYPE(struct, in6_addr) SKEP_TYPE(struct, ipv6hdr) SKEP_TYPE(struct, tcphdr)
SKEP_TYPE(struct, udphdr) SKEP_TYPE(struct, icmphdr) SKEP_TYPE(struct, icmpv6_echo)
SKEP_TYPE(struct, icmpv6_nd_advt) SKEP_TYPE(struct, icmpv6_nd_ra) SKEP_TYPE(struct, icmp6hdr)
SKEP_TYPE(struct, vlan_hdr) SKEP_TYPE(struct, in_addr) SKEP_TYPE(struct, sockaddr)
SKEP_TYPE(struct, sockaddr_in) SKEP_TYPE(struct, sockaddr_in6) SKEP_TYPE(struct, sockaddr_un)
SKEP_TYPE(struct, arphdr) SKEP_TYPE(enum, bpf_map_type) SKEP_TYPE(enum, bpf_prog_type)
SKEP_TYPE(enum, bpf_attach_type) SKEP_TYPE(enum, xdp_action) SKEP_TYPE(enum, sk_action)
SKEP_TYPE(enum, bpf_ret_code) SKEP_TYPE(enum, bpf_adj_room_mode)
SKEP_TYPE(enum, bpf_check_mtu_flags) SKEP_TYPE(enum, bpf_check_mtu_ret)
SKEP_TYPE(enum, bpf_cgroup_iter_order) SKEP_TYPE(struct, bpf_map) SKEP_TYPE(struct, bpf_prog)
SKEP_TYPE(struct, bpf_link) SKEP_TYPE(struct, seq_file) SKEP_TYPE(struct, bpf_iter_meta)
SKEP_TYPE(struct, bpf_iter__task) SKEP_TYPE(struct, bpf_iter__task_file)
SKEP_TYPE(struct, bpf_iter__bpf_map) SKEP_TYPE(struct, bpf_iter__bpf_map_elem)
SKEP_TYPE(struct, bpf_iter__bpf_prog) SKEP_TYPE(struct, bpf_iter__bpf_link)
// clang-format on
#endif

#endif
