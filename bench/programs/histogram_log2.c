// A log2 histogram of 256 numbers in an array map.
#include "bench.h"
ARRAY_MAP(slots, u64, 64)
static u64 run(void) {
  for (u32 i = 0; i < 256; i++) {
    u32 v = IN32[i], log = 0, s;
    s = (v > 0xffff) << 4, v >>= s, log |= s;
    s = (v > 0xff) << 3, v >>= s, log |= s;
    s = (v > 0xf) << 2, v >>= s, log |= s;
    s = (v > 3) << 1, v >>= s, log |= s;
    log |= v >> 1;
    u64* slot = LOOKUP(slots, &log);
    if (slot) *slot += 1;
  }
  u32 key = 31;
  u64* last = LOOKUP(slots, &key);
  return last ? *last & 0 : 1;
}
