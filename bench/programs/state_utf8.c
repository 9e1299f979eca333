// A state machine: counts well-formed UTF-8 characters in 1 KiB.
#include "bench.h"
static u64 run(void) {
  u32 state = 0, good = 0, bad = 0;
  for (u32 i = 0; i < 1024; i++) {
    u8 c = input[i];
    if (state == 0) {
      if (c < 0x80) good++;
      else if (c >= 0xc2 && c < 0xe0) state = 1;
      else if (c >= 0xe0 && c < 0xf0) state = 2;
      else if (c >= 0xf0 && c < 0xf5) state = 3;
      else bad++;
    } else if ((c & 0xc0) == 0x80) {
      if (--state == 0) good++;
    } else {
      bad++;
      state = 0;
    }
  }
  return (u64)good << 32 | bad;
}
