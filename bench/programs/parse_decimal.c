// Reads decimal numbers out of 1 KiB of text.
#include "bench.h"
static u64 run(void) {
  u64 total = 0, value = 0;
  for (u32 i = 0; i < 1024; i++) {
    u32 c = input[i] & 15;
    if (c < 10) {
      value = value * 10 + c;
    } else {
      total += value;
      value = 0;
    }
  }
  return total + value;
}
