// SipHash-2-4 over 512 bytes.
#include "bench.h"
#define ROUND                                                                                         \
  a += b, b = rotl64(b, 13), b ^= a, a = rotl64(a, 32), c += d, d = rotl64(d, 16), d ^= c, a += d,    \
      d = rotl64(d, 21), d ^= a, c += b, b = rotl64(b, 17), b ^= c, c = rotl64(c, 32)
static u64 run(void) {
  u64 a = 0x736f6d6570736575ull, b = 0x646f72616e646f6dull, c = 0x6c7967656e657261ull, d = 0x7465646279746573ull;
  for (u32 i = 0; i < 64; i++) {
    u64 m = IN64[i];
    d ^= m;
    ROUND;
    ROUND;
    a ^= m;
  }
  c ^= 0xff;
  ROUND;
  ROUND;
  ROUND;
  ROUND;
  return a ^ b ^ c ^ d;
}
