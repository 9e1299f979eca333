// opensnoop: every file that a program opens, with the result and how long it took.
//
//   skep run examples/opensnoop.bpf.c -- ls -l /usr
//   skep run examples/opensnoop.bpf.c --failed --json -- git status
//
// What an open was asked for is kept from its enter to its exit, by thread: the name can only be read
// once the kernel has (a page may not be there before), the result only comes at the end.
#include "vmlinux.h"
#include <bpf/bpf_helpers.h>

char LICENSE[] SEC("license") = "GPL";

/// Only opens that fail.
const volatile bool failed = false;
/// Only opens that take at least so many nanoseconds.
const volatile __u64 min_ns = 0;

struct event {
  __u32 pid;
  char comm[16];
  int ret;
  __u64 latency_ns;
  char filename[255];
};
// Puts the type into the object's BTF, by which its records are decoded.
struct event *unused_event __attribute__((unused));

struct started {
  const char *filename;
  __u64 at;
};

struct {
  __uint(type, BPF_MAP_TYPE_HASH);
  __uint(max_entries, 10240);
  __type(key, __u64);
  __type(value, struct started);
} open_calls SEC(".maps");

struct {
  __uint(type, BPF_MAP_TYPE_RINGBUF);
  __uint(max_entries, 1 << 20);
} events SEC(".maps");

SEC("tracepoint/syscalls/sys_enter_openat")
int openat_enter(struct trace_event_raw_sys_enter *ctx) {
  __u64 thread = bpf_get_current_pid_tgid();
  struct started call = {
      .filename = (const char *)ctx->args[1],
      .at = bpf_ktime_get_ns(),
  };
  bpf_map_update_elem(&open_calls, &thread, &call, BPF_ANY);
  return 0;
}

SEC("tracepoint/syscalls/sys_exit_openat")
int openat_exit(struct trace_event_raw_sys_exit *ctx) {
  __u64 thread = bpf_get_current_pid_tgid();
  struct started *call = bpf_map_lookup_elem(&open_calls, &thread);
  if (!call)
    return 0;
  __u64 latency = bpf_ktime_get_ns() - call->at;
  const char *filename = call->filename;
  bpf_map_delete_elem(&open_calls, &thread);
  if ((failed && ctx->ret >= 0) || latency < min_ns)
    return 0;

  struct event *event = bpf_ringbuf_reserve(&events, sizeof(*event), 0);
  if (!event)
    return 0;
  event->pid = thread >> 32;
  bpf_get_current_comm(event->comm, sizeof(event->comm));
  event->ret = ctx->ret;
  event->latency_ns = latency;
  if (bpf_probe_read_user_str(event->filename, sizeof(event->filename), filename) < 0)
    event->filename[0] = 0;
  bpf_ringbuf_submit(event, 0);
  return 0;
}
