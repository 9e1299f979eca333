// 128 atomic additions with and without the old value.
#include "bench.h"
static u64 run(void) {
  u64 h = 0;
  for (u32 i = 0; i < 128; i++) {
    __sync_fetch_and_add(&WORK64[i & 15], 1);
    h += i;
  }
  return h;
}
