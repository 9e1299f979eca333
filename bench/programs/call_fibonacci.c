// Calls a small function 256 times, which calls another.
#include "bench.h"
static NOINLINE u64 step(u64 a, u64 b) {
  return OPAQUE(a * 3 + b);
}
static NOINLINE u64 twice(u64 a, u64 b) { return step(a, b) ^ step(b, a); }
static u64 run(void) {
  u64 a = IN64[0], b = IN64[1];
  for (u32 i = 0; i < 128; i++) {
    u64 c = twice(a, b);
    a = b;
    b = c;
  }
  return b;
}
