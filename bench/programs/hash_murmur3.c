// The 32-bit Murmur3 over 2 KiB.
#include "bench.h"
static u64 run(void) {
  u32 h = 0x9747b28c;
  for (u32 i = 0; i < 512; i++) {
    u32 k = IN32[i] * 0xcc9e2d51;
    h ^= rotl32(k, 15) * 0x1b873593;
    h = rotl32(h, 13) * 5 + 0xe6546b64;
  }
  h ^= 2048;
  h = (h ^ h >> 16) * 0x85ebca6b;
  h = (h ^ h >> 13) * 0xc2b2ae35;
  return h ^ h >> 16;
}
