// A sorting network of 8 numbers (19 exchanges), 64 times.
#include "bench.h"
#define SWAP(i, j)                       \
  {                                      \
    u64 x = v##i, y = v##j;              \
    v##i = x < y ? x : y;                \
    v##j = x < y ? y : x;                \
  }
static u64 run(void) {
  u64 h = 0;
  for (u32 i = 0; i < 64; i++) {
    const u64* in = IN64 + i * 8;
    u64 v0 = in[0], v1 = in[1], v2 = in[2], v3 = in[3], v4 = in[4], v5 = in[5], v6 = in[6], v7 = in[7];
    SWAP(0, 2) SWAP(1, 3) SWAP(4, 6) SWAP(5, 7) SWAP(0, 4) SWAP(1, 5) SWAP(2, 6) SWAP(3, 7) SWAP(0, 1)
    SWAP(2, 3) SWAP(4, 5) SWAP(6, 7) SWAP(2, 4) SWAP(3, 5) SWAP(1, 4) SWAP(3, 6) SWAP(1, 2) SWAP(3, 4) SWAP(5, 6)
    h = h * 7 + v0 + v3 * 3 + v7 * 5;
  }
  return h;
}
