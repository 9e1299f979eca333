// Least and greatest of 512 numbers, signed and not.
#include "bench.h"
static u64 run(void) {
  u64 low = ~0ull, high = 0;
  s64 slow = 0x7fffffffffffffffll, shigh = -slow;
  for (u32 i = 0; i < 512; i++) {
    u64 x = IN64[i];
    s64 s = (s64)x;
    low = x < low ? x : low;
    high = x > high ? x : high;
    slow = s < slow ? s : slow;
    shigh = s > shigh ? s : shigh;
  }
  return low ^ high ^ (u64)slow ^ (u64)shigh;
}
