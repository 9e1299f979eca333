// 64 binary searches in 256 sorted numbers.
#include "bench.h"
static u64 run(void) {
  u32 seed = 12345, found = 0;
  for (u32 i = 0; i < 64; i++) {
    seed = seed * 1103515245 + 12345;
    u32 key = seed >> 16 & 1023, low = 0;
    for (u32 step = 128; step != 0; step >>= 1) {
      u32 at = (low + step) & 255;
      if (at * 4 + 1 <= key + (IN32[at] & 1)) low = at;
    }
    found += low;
  }
  return found;
}
