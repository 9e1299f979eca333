// A bpf_spin_lock in values.
#include "vmlinux.h"
#include <bpf/bpf_helpers.h>

struct locked {
  struct bpf_spin_lock lock;
  __u64 a, b;
};
struct {
  __uint(type, BPF_MAP_TYPE_ARRAY);
  __uint(max_entries, 1);
  __type(key, __u32);
  __type(value, struct locked);
} array SEC(".maps");
struct {
  __uint(type, BPF_MAP_TYPE_HASH);
  __uint(max_entries, 8);
  __type(key, __u32);
  __type(value, struct locked);
} hash SEC(".maps");

SEC("tc")
int add(struct __sk_buff* skb) {
  __u32 zero = 0;
  struct locked *at = bpf_map_lookup_elem(&array, &zero), copy = {};
  if (!at) return 1;
  bpf_spin_lock(&at->lock);
  at->a++;
  at->b = at->a + 2;
  copy.a = at->a;
  copy.b = at->b;
  bpf_spin_unlock(&at->lock);
  if (bpf_map_update_elem(&array, &zero, &copy, BPF_F_LOCK) != 0) return 2;
  if (bpf_map_update_elem(&array, &zero, &copy, BPF_F_LOCK | BPF_NOEXIST) != -17) return 3;
  return 0;
}

char LICENSE[] SEC("license") = "GPL";
