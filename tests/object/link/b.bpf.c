// See a.bpf.c.
#include "vmlinux.h"
#include <bpf/bpf_core_read.h>
#include <bpf/bpf_helpers.h>

char LICENSE[] SEC("license") = "GPL";

struct only_in_b {
  int x;
};
struct shared {
  long total;
  struct only_in_b *link;
};

extern struct {
  __uint(type, BPF_MAP_TYPE_ARRAY);
  __uint(max_entries, 4);
  __type(key, u32);
  __type(value, struct shared);
} table SEC(".maps");

struct {
  __uint(type, BPF_MAP_TYPE_HASH);
  __uint(max_entries, 16);
  __type(key, u32);
  __type(value, u64);
} counts SEC(".maps");

extern int a_value;
extern int only_a(int x);
extern int LINUX_KERNEL_VERSION __kconfig;
extern bool CONFIG_BPF __kconfig __weak;

struct only_in_b instance = {5};
int b_value = 22;
static int local_count = 2;
static __noinline int twice(int x) { return x * 2 + local_count; }
int choose(int x) { return x + 2000; }
int helper(int x) { return only_a(x) + twice(x); }

SEC("raw_tp/sys_exit")
int on_exit(void *ctx) {
  u32 key = 1;
  struct shared *shared = bpf_map_lookup_elem(&table, &key);
  struct task_struct *task = (void *)bpf_get_current_task();
  local_count += BPF_CORE_READ(task, tgid) + CONFIG_BPF + LINUX_KERNEL_VERSION;
  if (shared) shared->total += choose(a_value);
  return 0;
}

SEC("raw_tp/sys_enter")
int on_enter_too(void *ctx) { return helper(local_count); }
