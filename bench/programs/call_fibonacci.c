// Calls a small function 256 times, which calls another.
#include "bench.h"
static NOINLINE u64 step(u64 a, u64 b) {
  u64 c = a * 3 + b;
  __asm__ volatile("" : "+r"(c));
  return c;
}
static NOINLINE u64 twice(u64 a, u64 b) { return step(a, b) ^ step(b, a); }
static u64 run(void) {
  u64 a = 1, b = 2;
  for (u32 i = 0; i < 128; i++) {
    u64 c = twice(a, b);
    a = b;
    b = c;
  }
  return b;
}
