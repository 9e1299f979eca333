// What the API tests use: counter.bpf.o is what `skep compile` makes of it (llvm-objcopy --strip-debug), counter.skel.h
// and counter.skel.hpp what `skep skeleton` makes of that.
#include "vmlinux.h"
#include <bpf/bpf_helpers.h>

char LICENSE[] SEC("license") = "GPL";

struct event {
  u32 length;
  u64 total;
};

struct {
  __uint(type, BPF_MAP_TYPE_HASH);
  __uint(max_entries, 64);
  __type(key, u32);
  __type(value, struct event);
} by_length SEC(".maps");

struct {
  __uint(type, BPF_MAP_TYPE_RINGBUF);
  __uint(max_entries, 4096);
} events SEC(".maps");

const volatile int step = 1;
const volatile bool loud = true;
int first = 7;
u64 total;
u8 marks[3];
static u32 hidden = 3;
u32 behind_hidden;
int elsewhere SEC(".data.custom") = 9;

SEC("socket")
int count(struct __sk_buff *skb) {
  u32 length = skb->len;
  struct event event = {.length = length};
  __sync_fetch_and_add(&total, step);
  hidden += 1;
  behind_hidden = hidden;
  marks[1] = first;
  event.total = total;
  bpf_map_update_elem(&by_length, &length, &event, 0);
  if (loud) bpf_ringbuf_output(&events, &event, sizeof event, 0);
  return elsewhere;
}

SEC("?socket")
int optional(struct __sk_buff *skb) { return 0; }
