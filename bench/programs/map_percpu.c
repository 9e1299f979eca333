// 128 counters in a per-CPU array map.
#include "bench.h"
PERCPU_ARRAY_MAP(counters, u64, 16)
static u64 run(void) {
  for (u32 i = 0; i < 128; i++) {
    u32 key = input[i] & 15;
    u64* value = LOOKUP(counters, &key);
    if (value) *value += input[i];
  }
  return 0;
}
