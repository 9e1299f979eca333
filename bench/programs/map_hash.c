// 128 lookups in a hash map of 64 keys, half of them in vain.
#include "bench.h"
HASH_MAP(table, u64, 64)
static u64 run(void) {
  u64 found = 0;
  if (WORK32[0] == 0) {
    WORK32[0] = 1;
    for (u32 i = 0; i < 64; i++) {
      u32 key = i;
      u64 value = i;
      UPDATE(table, &key, &value);
    }
  }
  for (u32 i = 0; i < 128; i++) {
    u32 key = input[i] & 127;
    u64* value = LOOKUP(table, &key);
    if (value) found += *value;
  }
  return found;
}
