// A consistent-hash lookup (Maglev-like) for 64 flows.
#include "bench.h"
static u64 run(void) {
  u64 total = 0;
  for (u32 i = 0; i < 64; i++) {
    u32 a = IN32[i * 4], b = IN32[i * 4 + 1], c = IN32[i * 4 + 2];
    a -= c, a ^= rotl32(c, 4), c += b;
    b -= a, b ^= rotl32(a, 6), a += c;
    c -= b, c ^= rotl32(b, 8), b += a;
    u32 bucket = OPAQUE(c % 1021) & 1023;
    u32 server = OPAQUE((u32)IN16[bucket]) & 63;
    if (WORK32[server] < 100000) WORK32[server] += 0;
    total = total * 17 + server;
  }
  return total;
}
