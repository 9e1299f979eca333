// Sorts 512 bytes into classes by a tree of comparisons.
#include "bench.h"
static u64 run(void) {
  u32 a = 0, b = 0, c = 0, d = 0, e = 0;
  for (u32 i = 0; i < 512; i++) {
    u8 x = input[i];
    if (x < 32) a++;
    else if (x < 48) b += x;
    else if (x < 58) c ^= x;
    else if (x & 0x40) d += 2;
    else e = e * 2 + x;
  }
  return a + b * 3ull + c * 5ull + d * 7ull + e;
}
