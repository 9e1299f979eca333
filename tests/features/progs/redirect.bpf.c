// XDP programs that send frames to queues, CPUs and interfaces.
#include "vmlinux.h"
#include <bpf/bpf_helpers.h>

struct {
  __uint(type, BPF_MAP_TYPE_XSKMAP);
  __uint(max_entries, 4);
  __type(key, __u32);
  __type(value, __u32);
} queues SEC(".maps");
struct {
  __uint(type, BPF_MAP_TYPE_CPUMAP);
  __uint(max_entries, 2);
  __uint(key_size, 4);
  __uint(value_size, 8);
} cpus SEC(".maps");
struct {
  __uint(type, BPF_MAP_TYPE_DEVMAP_HASH);
  __uint(max_entries, 4);
  __uint(key_size, 4);
  __uint(value_size, 4);
} devices SEC(".maps");

static void mark(struct xdp_md* ctx, int at, __u8 value) {
  __u8* data = (void*)(long)ctx->data;
  if (data + 2 > (__u8*)(long)ctx->data_end) return;
  data[at & 1] = value;
}

SEC("xdp")
int to_queue(struct xdp_md* ctx) {
  mark(ctx, 0, 0xaa);
  return bpf_redirect_map(&queues, 1, XDP_PASS);
}
SEC("xdp")
int to_cpu(struct xdp_md* ctx) { return bpf_redirect_map(&cpus, 0, 0); }
SEC("xdp/cpumap")
int at_cpu(struct xdp_md* ctx) {
  mark(ctx, 1, 0xbb);
  return bpf_redirect_map(&queues, 1, XDP_DROP);
}
SEC("xdp")
int to_device(struct xdp_md* ctx) { return bpf_redirect_map(&devices, 7, 0); }

char LICENSE[] SEC("license") = "GPL";
