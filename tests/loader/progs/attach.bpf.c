// A program for each kind of attachment. Each counts in its own element of `counts`; those that other processes could
// reach look at the process first. Where a name stands behind "?", the test loads it by name.
// attach.bpf.o: build/bin/skep compile tests/loader/progs/attach.bpf.c -o tests/loader/progs/attach.bpf.o
#include "vmlinux.h"

#include <bpf/bpf_helpers.h>
#include <bpf/bpf_tracing.h>
#include <bpf/usdt.bpf.h>

const volatile int target_pid = 0;

struct {
  __uint(type, BPF_MAP_TYPE_ARRAY);
  __uint(max_entries, 64);
  __type(key, unsigned int);
  __type(value, unsigned long long);
} counts SEC(".maps");
struct {
  __uint(type, BPF_MAP_TYPE_SOCKMAP);
  __uint(max_entries, 4);
  __type(key, unsigned int);
  __type(value, unsigned long long);
} sockets SEC(".maps");

static __attribute__((always_inline)) void count(unsigned int which, unsigned long long by) {
  unsigned long long* value = bpf_map_lookup_elem(&counts, &which);
  if (value) __sync_fetch_and_add(value, by);
}
static __attribute__((always_inline)) int is_target(void) {
  return bpf_get_current_pid_tgid() >> 32 == (unsigned int)target_pid;
}

// The element is the program's number in this list: its name says it.
#define HOOK(NUMBER, NAME, SECTION, RETURN) \
  SEC("?" SECTION) int NAME(void* ctx) {    \
    if (is_target()) count(NUMBER, 1);      \
    return RETURN;                          \
  }
#define NETWORK_HOOK(NUMBER, NAME, SECTION, RETURN) \
  SEC("?" SECTION) int NAME(void* ctx) {            \
    count(NUMBER, 1);                               \
    return RETURN;                                  \
  }

HOOK(0, on_tracepoint, "tracepoint/syscalls/sys_enter_getppid", 0)
HOOK(1, on_raw_tracepoint, "raw_tp/sys_enter", 0)
HOOK(2, on_tp_btf, "tp_btf/sys_enter", 0)
HOOK(3, on_uprobe, "uprobe", 0)
HOOK(4, on_uretprobe, "uretprobe", 0)
HOOK(5, on_uprobe_multi, "uprobe.multi", 0)
HOOK(6, on_perf_event, "perf_event", 0)
NETWORK_HOOK(7, on_cgroup_skb, "cgroup_skb/egress", 1)
NETWORK_HOOK(8, on_connect, "cgroup/connect4", 1)
NETWORK_HOOK(9, on_xdp, "xdp", 2)
NETWORK_HOOK(10, on_tcx, "tcx/ingress", -1)
NETWORK_HOOK(11, on_tc, "tc", 0)
NETWORK_HOOK(12, on_lookup, "sk_lookup", 1)
NETWORK_HOOK(13, on_netfilter, "netfilter", 1)
NETWORK_HOOK(14, on_message, "sk_msg", 1)
NETWORK_HOOK(15, on_dissect, "flow_dissector", 0)
HOOK(16, on_kprobe, "kprobe/__x64_sys_getppid", 0)
HOOK(17, on_kretprobe, "kretprobe/__x64_sys_getppid", 0)
HOOK(18, on_kprobe_multi, "kprobe.multi/__x64_sys_alar*", 0)
HOOK(19, on_ksyscall, "ksyscall/getppid", 0)
HOOK(20, on_fentry, "fentry/__x64_sys_alarm", 0)
HOOK(21, on_fexit, "fexit/__x64_sys_alarm", 0)
HOOK(22, on_lsm, "lsm/file_open", 0)
HOOK(23, on_uprobe_session, "uprobe.session", 0)
HOOK(24, on_kprobe_offset, "kprobe/__x64_sys_getppid+0x0", 0)

SEC("?usdt") int BPF_USDT(on_usdt, int first, int second) {
  if (is_target()) count(32, first * 1000 + second);
  return 0;
}

SEC("?iter/task") int on_iterator(struct bpf_iter__task* ctx) {
  struct task_struct* task = ctx->task;
  if (task && task->tgid == target_pid) count(33, 1);
  return 0;
}

char LICENSE[] SEC("license") = "GPL";
