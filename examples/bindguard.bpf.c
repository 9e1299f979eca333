// bindguard: says no when a program binds a socket.
//
//   skep run examples/bindguard.bpf.c -- python3 -m http.server              bind fails with EPERM
//   skep run examples/bindguard.bpf.c --from 1 --to 1023 -- python3 -m http.server     8000 is fine
//
// The programs run once the kernel has bound the socket, so they see the port that it really has, chosen
// by the kernel or not. One that returns 0 undoes it.
#include "vmlinux.h"
#include <bpf/bpf_helpers.h>

char LICENSE[] SEC("license") = "GPL";

/// First port that is refused.
const volatile __u32 from = 1;
/// Last port that is refused.
const volatile __u32 to = 65535;

struct refusal {
  __u32 family;
  __u32 port;
};

struct {
  __uint(type, BPF_MAP_TYPE_HASH);
  __uint(max_entries, 1024);
  __type(key, struct refusal);
  __type(value, __u64);
} refused SEC(".maps");

static __always_inline int verdict(struct bpf_sock *socket) {
  __u32 port = socket->src_port;  // in host byte order
  if (port < from || port > to)
    return 1;
  struct refusal what = {.family = socket->family, .port = port};
  __u64 once = 1, *times = bpf_map_lookup_elem(&refused, &what);
  if (times)
    __sync_fetch_and_add(times, 1);
  else
    bpf_map_update_elem(&refused, &what, &once, BPF_ANY);
  return 0;
}

SEC("cgroup/post_bind4")
int guard_ipv4(struct bpf_sock *socket) {
  return verdict(socket);
}

SEC("cgroup/post_bind6")
int guard_ipv6(struct bpf_sock *socket) {
  return verdict(socket);
}
