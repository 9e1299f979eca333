// An 8 by 8 matrix product.
#include "bench.h"
static u64 run(void) {
  u64 trace = 0;
  for (u32 i = 0; i < 8; i++)
    for (u32 j = 0; j < 8; j++) {
      u64 sum = 0;
      for (u32 k = 0; k < 8; k++) sum += IN64[i * 8 + k] * IN64[64 + k * 8 + j];
      WORK64[i * 8 + j] = sum;
      trace += sum;
    }
  return trace;
}
