// Calls five functions of four arguments each, 64 times.
#include "bench.h"
#define STEP(name, op, k)                               \
  static NOINLINE u64 name(u64 a, u64 b, u64 c, u64 d) { \
    return OPAQUE((a op b) + (c ^ d) * k);              \
  }
STEP(one, +, 3)
STEP(two, -, 5)
STEP(three, ^, 7)
STEP(four, |, 9)
STEP(five, &, 11)
static u64 run(void) {
  u64 a = IN64[0], b = IN64[1], c = IN64[2], d = IN64[3];
  for (u32 i = 0; i < 64; i++) {
    a = one(a, b, c, d);
    b = two(b, c, d, a);
    c = three(c, d, a, b);
    d = four(d, a, b, c);
    a ^= five(a, b, c, d);
  }
  return a ^ b ^ c ^ d;
}
