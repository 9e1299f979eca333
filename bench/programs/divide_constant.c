// Digits of 64 numbers: division and remainder by ten, and by seven.
#include "bench.h"
static u64 run(void) {
  u64 total = 0;
  for (u32 i = 0; i < 64; i++) {
    u64 x = IN64[i] >> 24;
    for (u32 k = 0; k < 8; k++) {
      total += x % 10;
      x /= 10;
    }
    total += IN32[i] / 7 + IN32[i] % 1000;
  }
  return total;
}
