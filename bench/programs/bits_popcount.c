// Population counts and trailing bits of 256 numbers, by arithmetic.
#include "bench.h"
static u64 run(void) {
  u64 total = 0;
  for (u32 i = 0; i < 256; i++) {
    u64 x = IN64[i];
    u64 v = x - (x >> 1 & 0x5555555555555555ull);
    v = (v & 0x3333333333333333ull) + (v >> 2 & 0x3333333333333333ull);
    v = (v + (v >> 4)) & 0x0f0f0f0f0f0f0f0full;
    total += v * 0x0101010101010101ull >> 56;
    total ^= (x & -x) >> 3;
  }
  return total;
}
