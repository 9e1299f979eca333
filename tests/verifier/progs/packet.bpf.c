// Packet bytes are there once they were compared with the packet's end.
#include "skep_bpf.h"

struct eth {
  u8 to[6], from[6];
  u16 type;
} __attribute__((packed));
struct ip {
  u8 version_length, tos;
  u16 length, id, fragment;
  u8 ttl, protocol;
  u16 checksum;
  u32 from, to;
} __attribute__((packed));
struct udp {
  u16 from, to, length, checksum;
};

struct {
  map_uint(type, PERCPU_ARRAY);
  map_uint(max_entries, 256);
  map_type(key, u32);
  map_type(value, u64);
} counts SEC(".maps");

SEC("xdp")
int parses(struct xdp_md *ctx) {
  void *data = (void *)(long)ctx->data, *end = (void *)(long)ctx->data_end;
  struct eth *eth = data;
  if ((void *)(eth + 1) > end) return 2;
  if (eth->type != 8) return 2;
  struct ip *ip = (void *)(eth + 1);
  if ((void *)(ip + 1) > end) return 2;
  u32 header = (ip->version_length & 15) * 4;
  if (header < sizeof *ip) return 1;
  struct udp *udp = (void *)ip + header;
  if ((void *)(udp + 1) > end) return 2;
  u32 key = ip->protocol;
  u64 *count = lookup(&counts, &key);
  if (count) *count += 1;
  return udp->to == 53 ? 1 : 2;
}

SEC("xdp")
int loops_over_bytes(struct xdp_md *ctx) {
  u8 *data = (void *)(long)ctx->data, *end = (void *)(long)ctx->data_end;
  u32 sum = 0;
  for (int i = 0; i < 40; i++) {
    if (data + i + 1 > end) break;
    sum += data[i];
  }
  return sum & 1 ? 1 : 2;
}

SEC("xdp")
rejected("invalid access to packet")
int unchecked(struct xdp_md *ctx) {
  u8 *data = (void *)(long)ctx->data;
  return data[0];
}

SEC("xdp")
rejected("invalid access to packet, off=14 size=1")
int one_byte_short(struct xdp_md *ctx) {
  u8 *data = (void *)(long)ctx->data, *end = (void *)(long)ctx->data_end;
  if (data + 14 > end) return 2;
  return *(volatile u8 *)(data + 14);
}

SEC("xdp")
rejected("invalid mem access 'scalar'")
int stale_after_adjust_head(struct xdp_md *ctx) {
  u8 *data = (void *)(long)ctx->data, *end = (void *)(long)ctx->data_end;
  if (data + 14 > end) return 2;
  adjust_head(ctx, 4);
  return *(volatile u8 *)data;
}

char LICENSE[] SEC("license") = "GPL";
