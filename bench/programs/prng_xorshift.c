// 256 numbers of xoshiro256**.
#include "bench.h"
static u64 run(void) {
  u64 a = IN64[0], b = IN64[1], c = IN64[2], d = IN64[3] | 1, sum = 0;
  for (u32 i = 0; i < 256; i++) {
    sum += rotl64(b * 5, 7) * 9;
    u64 t = b << 17;
    c ^= a, d ^= b, b ^= c, a ^= d, c ^= t, d = rotl64(d, 45);
  }
  return sum;
}
