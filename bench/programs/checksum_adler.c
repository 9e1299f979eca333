// Adler-32 over 1 KiB.
#include "bench.h"
static u64 run(void) {
  u32 a = 1, b = 0;
  for (u32 i = 0; i < 1024; i++) {
    a += input[i];
    b += a;
    if ((i & 255) == 255) a %= 65521, b %= 65521;
  }
  return b << 16 | a;
}
