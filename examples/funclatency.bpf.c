// funclatency: how long a function takes, from its call to its return, as a log2 histogram.
//
//   skep run examples/funclatency.bpf.c --function libc.so.6:malloc -- python3 -c 'list(range(100000))'
//   skep run examples/funclatency.bpf.c --function bash:execute_command --microseconds -- bash -c 'ls; ls'
//
// The sections name no function: --function BINARY:FUNCTION gives both programs their place. BINARY is a
// path, a program in PATH or a library as the dynamic linker would find it; FUNCTION is a symbol, or 0x and
// a file offset.
#include "vmlinux.h"
#include <bpf/bpf_helpers.h>
#include <bpf/bpf_tracing.h>

char LICENSE[] SEC("license") = "GPL";

/// Only this process; 0: all that are traced.
const volatile __u32 only_pid = 0;
/// Count in microseconds rather than nanoseconds.
const volatile bool microseconds = false;

#define SLOTS 64

// One call under way: a thread may be in several (the function calls itself), each in a frame of its own.
// A call that is left by longjmp or an exception stays here until its frame is used again.
struct call {
  __u64 thread;
  __u64 frame;  // the stack pointer once it has returned
};

struct {
  __uint(type, BPF_MAP_TYPE_HASH);
  __uint(max_entries, 8192);
  __type(key, struct call);
  __type(value, __u64);
} started SEC(".maps");

struct histogram {
  __u64 slots[SLOTS];
};

struct {
  __uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
  __uint(max_entries, 1);
  __type(key, __u32);
  __type(value, struct histogram);
} latency SEC(".maps");

static __always_inline __u32 log2_slot(__u64 value) {
  __u32 slot = 0;
  for (int shift = 32; shift > 0; shift >>= 1)
    if (value >> shift) {
      value >>= shift;
      slot += shift;
    }
  return slot;
}

SEC("uprobe")
int BPF_UPROBE(function_called) {
  struct call call = {.thread = bpf_get_current_pid_tgid()};
  if (only_pid && call.thread >> 32 != only_pid)
    return 0;
  call.frame = PT_REGS_SP(ctx) + sizeof(long);  // the return address is on the stack (x86)
  __u64 now = bpf_ktime_get_ns();
  bpf_map_update_elem(&started, &call, &now, BPF_ANY);
  return 0;
}

SEC("uretprobe")
int BPF_URETPROBE(function_returned) {
  __u64 now = bpf_ktime_get_ns();
  struct call call = {.thread = bpf_get_current_pid_tgid(), .frame = PT_REGS_SP(ctx)};
  __u64 *at = bpf_map_lookup_elem(&started, &call);
  if (!at)
    return 0;
  __u64 took = now - *at;
  bpf_map_delete_elem(&started, &call);
  if (microseconds)
    took /= 1000;
  __u32 zero = 0, slot = log2_slot(took);
  struct histogram *histogram = bpf_map_lookup_elem(&latency, &zero);
  if (histogram && slot < SLOTS)
    histogram->slots[slot]++;
  return 0;
}
