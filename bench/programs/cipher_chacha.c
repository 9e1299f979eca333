// Two blocks of ChaCha20.
#include "bench.h"
#define QUARTER(a, b, c, d)                                                                    \
  a += b, d = rotl32(d ^ a, 16), c += d, b = rotl32(b ^ c, 12), a += b, d = rotl32(d ^ a, 8), \
      c += d, b = rotl32(b ^ c, 7)
static u64 run(void) {
  u64 h = 0;
  for (u32 block = 0; block < 2; block++) {
    u32 a0 = 0x61707865, a1 = 0x3320646e, a2 = 0x79622d32, a3 = 0x6b206574, b0 = IN32[0], b1 = IN32[1], b2 = IN32[2],
        b3 = IN32[3], c0 = IN32[4], c1 = IN32[5], c2 = IN32[6], c3 = IN32[7], d0 = block, d1 = IN32[8], d2 = IN32[9],
        d3 = IN32[10];
    for (u32 i = 0; i < 10; i++) {
      QUARTER(a0, b0, c0, d0), QUARTER(a1, b1, c1, d1), QUARTER(a2, b2, c2, d2), QUARTER(a3, b3, c3, d3);
      QUARTER(a0, b1, c2, d3), QUARTER(a1, b2, c3, d0), QUARTER(a2, b3, c0, d1), QUARTER(a3, b0, c1, d2);
    }
    h ^= (u64)(a0 ^ b1 ^ c2 ^ d3) << 32 | (a1 + b2 + c3 + d0);
    h += a2 ^ a3 ^ b0 ^ b3 ^ c0 ^ c1 ^ d1 ^ d2;
  }
  return h;
}
