// XTEA, 32 rounds, over 16 blocks.
#include "bench.h"
static u64 run(void) {
  u32 h = 0;
  for (u32 n = 0; n < 16; n++) {
    u32 x = IN32[n * 2 + 8], y = IN32[n * 2 + 9], sum = 0;
    for (u32 i = 0; i < 32; i++) {
      x += (y << 4 ^ y >> 5) + y ^ sum + IN32[sum & 3];
      sum += 0x9e3779b9;
      y += (x << 4 ^ x >> 5) + x ^ sum + IN32[sum >> 11 & 3];
    }
    h ^= x + y;
  }
  return h;
}
