// The Internet checksum of 1,500 bytes.
#include "bench.h"
static u64 run(void) {
  u64 sum = 0;
  for (u32 i = 0; i < 750; i++) sum += IN16[i];
  sum = (sum & 0xffff) + (sum >> 16);
  sum = (sum & 0xffff) + (sum >> 16);
  return ~sum & 0xffff;
}
