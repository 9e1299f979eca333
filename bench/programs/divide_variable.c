// Greatest common divisors of 32 pairs, by remainders.
#include "bench.h"
static u64 run(void) {
  u64 total = 0;
  for (u32 i = 0; i < 32; i++) {
    u32 a = IN32[i * 2] >> 8 | 1, b = IN32[i * 2 + 1] >> 8 | 1;
    for (u32 k = 0; k < 16; k++) {
      if (b == 0) break;
      u32 r = a % b;
      a = b;
      b = r;
    }
    total += a;
  }
  return total;
}
