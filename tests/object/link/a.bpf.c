// Links with b.bpf.c: each needs the other's functions, maps and globals. a.bpf.o and b.bpf.o are what
// `skep compile` makes of them, without DWARF (llvm-objcopy-19 --strip-debug).
#include "vmlinux.h"
#include <bpf/bpf_core_read.h>
#include <bpf/bpf_helpers.h>

char LICENSE[] SEC("license") = "GPL";

struct shared {
  long total;
  struct only_in_b *link;
};

struct {
  __uint(type, BPF_MAP_TYPE_ARRAY);
  __uint(max_entries, 4);
  __type(key, u32);
  __type(value, struct shared);
} table SEC(".maps");

extern struct {
  __uint(type, BPF_MAP_TYPE_HASH);
  __uint(max_entries, 16);
  __type(key, u32);
  __type(value, u64);
} counts SEC(".maps");

extern int b_value;
extern int helper(int x);
extern int LINUX_KERNEL_VERSION __kconfig;

int a_value = 11;
static int local_count = 1;
const volatile int limit = 5;

static __noinline int twice(int x) { return x + x + local_count; }
__weak int choose(int x) { return x + 1000; }
int only_a(int x) { return twice(x) + a_value; }

SEC("raw_tp/sys_enter")
int on_enter(void *ctx) {
  u32 key = limit & 3;
  struct shared *shared = bpf_map_lookup_elem(&table, &key);
  u64 *count = bpf_map_lookup_elem(&counts, &key);
  struct task_struct *task = (void *)bpf_get_current_task();
  if (!shared || !count || LINUX_KERNEL_VERSION < 1) return 0;
  local_count += BPF_CORE_READ(task, pid);
  shared->total += helper(b_value) + choose(1) + twice(3);
  return *count;
}
