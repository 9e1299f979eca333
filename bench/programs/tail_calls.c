// Thirty tail calls: a chain of three small programs, ten times round.
#define OWN_PROG
#include "bench.h"
PROGRAM(first);
PROGRAM(second);
PROGRAM(third);
PROGRAMS(steps, 3, (void*)&first, (void*)&second, (void*)&third);
PROGRAM(first) {
  WORK64[1] += WORK64[2] ^ 5;
  TAIL_CALL(steps, 1);
  return -1;
}
PROGRAM(second) {
  WORK64[2] = WORK64[2] * 3 + 1;
  TAIL_CALL(steps, 2);
  return -1;
}
PROGRAM(third) {
  if (++WORK32[0] == 10) return (int)WORK64[1];
  TAIL_CALL(steps, 0);
  return -1;
}
PROGRAM(prog) {
  WORK32[0] = 0;
  WORK64[1] = 1;
  WORK64[2] = 7;
  TAIL_CALL(steps, 0);
  return -1;
}
