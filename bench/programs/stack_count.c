// Counting stacks: 32 stacks of 8 frames each are hashed, and their counts kept in a hash map.
#include "bench.h"
HASH_MAP(counts, u64, 64)
static u64 run(void) {
  u64 h = 0;
  for (u32 i = 0; i < 32; i++) {
    const u64* frames = &IN64[(input[i] & 15) * 8];
    u32 id = 0;
    for (u32 f = 0; f < 8; f++) {
      u64 x = frames[f] ^ frames[f] >> 32;
      id = rotl32(id, 5) * 0x85ebca6bu + (u32)x;
    }
    u64* count = LOOKUP(counts, &id);
    if (count) {
      __sync_fetch_and_add(count, 1);
    } else {
      u64 one = 1;
      UPDATE(counts, &id, &one);
    }
    h = h * 31 + id;
  }
  return h;
}
