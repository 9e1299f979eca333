// Insertion sort of 12 numbers on the stack.
#include "bench.h"
static u64 run(void) {
  u32 v[32];
  for (u32 i = 0; i < 12; i++) v[i] = IN32[i] >> 8;
  for (u32 i = 1; i < 12; i++) {
    u32 x = v[i], j = i;
    for (u32 k = 0; k < 12; k++) {
      if (j == 0 || j > 12 || v[j - 1] <= x) break;
      v[j] = v[j - 1];
      j--;
    }
    v[j & 31] = x;
  }
  u64 h = 0;
  for (u32 i = 0; i < 12; i++) h = h * 31 + v[i];
  return h;
}
