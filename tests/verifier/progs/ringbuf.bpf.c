// Records of a ring buffer are references: each path gives back what it took.
#include "skep_bpf.h"

struct {
  map_uint(type, RINGBUF);
  map_uint(max_entries, 4096);
} ring SEC(".maps");

struct event {
  u64 time;
  u32 pid;
  char text[16];
};

SEC("tracepoint/syscalls/sys_enter_openat")
int submits(void *ctx) {
  struct event *e = reserve(&ring, sizeof *e, 0);
  if (!e) return 0;
  e->time = now();
  e->pid = pid_tgid() >> 32;
  comm(e->text, sizeof e->text);
  submit(e, 0);
  return 0;
}

SEC("tracepoint/syscalls/sys_enter_openat")
int several(void *ctx) {
  for (int i = 0; i < 8; i++) {
    struct event *e = reserve(&ring, sizeof *e, 0);
    if (!e) continue;
    e->pid = i;
    if (random_u32() & 1)
      submit(e, 0);
    else
      discard(e, 0);
  }
  return 0;
}

SEC("tracepoint/syscalls/sys_enter_openat")
rejected("Unreleased reference")
int leaks_on_one_path(void *ctx) {
  struct event *e = reserve(&ring, sizeof *e, 0);
  if (!e) return 0;
  e->time = now();
  if (e->time & 1) return 0;
  submit(e, 0);
  return 0;
}

SEC("tracepoint/syscalls/sys_enter_openat")
rejected("invalid mem access 'ringbuf_mem_or_null'")
int unchecked(void *ctx) {
  struct event *e = reserve(&ring, sizeof *e, 0);
  e->time = 1;
  submit(e, 0);
  return 0;
}

SEC("tracepoint/syscalls/sys_enter_openat")
rejected("invalid mem access 'scalar'")
int used_after_submit(void *ctx) {
  struct event *e = reserve(&ring, sizeof *e, 0);
  if (!e) return 0;
  submit(e, 0);
  e->time = 1;
  return 0;
}

SEC("tracepoint/syscalls/sys_enter_openat")
rejected("invalid access to memory, mem_size=32 off=32 size=1")
int beyond_the_record(void *ctx) {
  volatile char *e = reserve(&ring, sizeof(struct event), 0);
  if (!e) return 0;
  e[sizeof(struct event)] = 1;
  submit((void *)e, 0);
  return 0;
}

SEC("tracepoint/syscalls/sys_enter_openat")
rejected("R2 is not a known constant")
int size_not_constant(void *ctx) {
  void *e = reserve(&ring, random_u32() & 63, 0);
  if (e) submit(e, 0);
  return 0;
}

char LICENSE[] SEC("license") = "GPL";
