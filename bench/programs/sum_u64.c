// The sum of 512 numbers.
#include "bench.h"
static u64 run(void) {
  u64 sum = 0;
  for (u32 i = 0; i < 512; i++) sum += IN64[i];
  return sum;
}
