// 256 lookups in an array map, summed.
#include "bench.h"
ARRAY_MAP(table, u64, 256)
static u64 run(void) {
  u64 sum = 0;
  for (u32 i = 0; i < 256; i++) {
    u32 key = input[i];
    u64* value = LOOKUP(table, &key);
    if (!value) return 1;
    sum += *value ^ i;
  }
  return sum;
}
