// Least and greatest of 256 numbers, signed and not.
#include "bench.h"
static u64 run(void) {
  u64 low = IN64[0], high = low;
  s64 slow = (s64)low, shigh = slow;
  for (u32 i = 0; i < 256; i++) {
    u64 x = IN64[i];
    s64 s = (s64)x;
    low = x < low ? x : low;
    high = x > high ? x : high;
    slow = s < slow ? s : slow;
    shigh = s > shigh ? s : shigh;
  }
  return low ^ high ^ (u64)slow ^ (u64)shigh;
}
