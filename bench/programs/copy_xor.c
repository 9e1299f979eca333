// Copies 2 KiB, masked.
#include "bench.h"
static u64 run(void) {
  for (u32 i = 0; i < 256; i++) WORK64[i] = IN64[i] ^ 0x5555555555555555ull;
  return WORK64[17];
}
