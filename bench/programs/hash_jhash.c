// Bob Jenkins' lookup3 over 1,536 bytes.
#include "bench.h"
static u64 run(void) {
  u32 a = 0xdeadbeef + 1536, b = a, c = a;
  for (u32 i = 0; i < 384; i += 3) {
    a += IN32[i], b += IN32[i + 1], c += IN32[i + 2];
    a -= c, a ^= rotl32(c, 4), c += b;
    b -= a, b ^= rotl32(a, 6), a += c;
    c -= b, c ^= rotl32(b, 8), b += a;
    a -= c, a ^= rotl32(c, 16), c += b;
    b -= a, b ^= rotl32(a, 19), a += c;
    c -= b, c ^= rotl32(b, 4), b += a;
  }
  return ((u64)b << 32) + c;
}
