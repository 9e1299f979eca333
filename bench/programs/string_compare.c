// Compares two strings at 32 offsets.
#include "bench.h"
static u64 run(void) {
  u64 total = 0;
  for (u32 o = 0; o < 32; o++) {
    u32 n = 0;
    for (u32 i = 0; i < 64; i++) {
      if ((input[i] & 3) != (input[i + o] & 3)) break;
      n++;
    }
    total = total * 3 + n;
  }
  return total;
}
