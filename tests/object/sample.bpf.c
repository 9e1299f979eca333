// One object with a bit of everything that the opener reads. sample.bpf.o is what `skep compile sample.bpf.c` makes of it, without its
// DWARF (llvm-objcopy --strip-debug); sample-big.bpf.o the same with -target bpfeb. tests/cc compiles it anew.
#include "vmlinux.h"
#include <bpf/bpf_core_read.h>
#include <bpf/bpf_helpers.h>
#include <bpf/bpf_tracing.h>

char LICENSE[] SEC("license") = "GPL";
__u32 _version SEC("version") = 0x060c00;

enum mode { FAST = 1, SLOW = 7 };
const volatile int pid_filter __help("only this process") = -3;
const volatile bool verbose = true;
const volatile char prefix[16] = "abc";
const volatile enum mode mode = SLOW;
const volatile __u8 small_number = 200;
int counter = 5;
static int hidden_count;
__u64 zeros[4];
int custom SEC(".data.custom") = 9;

extern int LINUX_KERNEL_VERSION __kconfig;
extern bool CONFIG_FOO __kconfig __weak;
extern void nonesuch_kfunc(void) __ksym __weak;
extern const void nonesuch_symbol __ksym __weak;

struct inner {
  __uint(type, BPF_MAP_TYPE_ARRAY);
  __uint(max_entries, 3);
  __type(key, u32);
  __type(value, u64);
} first SEC(".maps"), second SEC(".maps");
struct {
  __uint(type, BPF_MAP_TYPE_ARRAY_OF_MAPS);
  __uint(max_entries, 4);
  __type(key, u32);
  __array(values, struct inner);
} outer SEC(".maps") = {.values = {[1] = &first, [3] = &second}};

struct event {
  u32 pid;
  char comm[16];
};
struct {
  __uint(type, BPF_MAP_TYPE_HASH);
  __uint(max_entries, 10240);
  __type(key, u32);
  __type(value, struct event);
  __uint(pinning, LIBBPF_PIN_BY_NAME);
  __uint(map_flags, BPF_F_NO_PREALLOC);
} events SEC(".maps");
struct {
  __uint(type, BPF_MAP_TYPE_RINGBUF);
  __uint(max_entries, 65536);
} ring SEC(".maps");

int tail(void *ctx);
struct {
  __uint(type, BPF_MAP_TYPE_PROG_ARRAY);
  __uint(max_entries, 2);
  __uint(key_size, 4);
  __array(values, int(void *));
} jumps SEC(".maps") = {.values = {[1] = (void *)&tail}};

static __noinline int helper(int x) { return x * counter + hidden_count++; }
__noinline int deep(int x) { return helper(x) + zeros[x & 3]; }
static int each(u32 i, void *c) {
  counter += helper(i);
  return 0;
}

struct task_struct___missing {
  int pid_that_never_was;
} __attribute__((preserve_access_index));

SEC("tp/syscalls/sys_enter_openat") int handle(struct trace_event_raw_sys_enter *ctx) {
  struct task_struct *task = (void *)bpf_get_current_task();
  struct event event = {.pid = BPF_CORE_READ(task, real_parent, tgid)};
  bpf_get_current_comm(event.comm, sizeof event.comm);
  u32 key = deep(ctx->args[1]) + custom;
  bpf_map_update_elem(&events, &key, &event, BPF_ANY);
  if (bpf_core_field_exists(((struct task_struct___missing *)task)->pid_that_never_was))
    key += BPF_CORE_READ((struct task_struct___missing *)task, pid_that_never_was);
  bpf_loop(5, each, 0, 0);
  if (LINUX_KERNEL_VERSION > 5 && CONFIG_FOO) key++;
  if (&nonesuch_symbol) key++;
  if (nonesuch_kfunc) nonesuch_kfunc();
  bpf_tail_call(ctx, &jumps, 1);
  bpf_map_lookup_elem(&outer, &key);
  if (verbose && pid_filter == key && mode == FAST && prefix[0] && small_number) return 1;
  return key;
}

SEC("?uprobe") int BPF_UPROBE(tail_body, int a, char *b) {
  bpf_ringbuf_output(&ring, &counter, 4, 0);
  return helper(a) + (b != 0);
}
SEC("uprobe") int tail(void *ctx) { return helper(3); }
