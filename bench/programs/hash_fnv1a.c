// FNV-1a over 1 KiB, byte by byte.
#include "bench.h"
static u64 run(void) {
  u64 h = 0xcbf29ce484222325ull;
  for (u32 i = 0; i < 1024; i++) h = (h ^ input[i]) * 0x100000001b3ull;
  return h;
}
