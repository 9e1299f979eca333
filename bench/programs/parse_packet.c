// Ethernet, IPv4 and TCP headers of 32 packets, into a flow hash.
#include "bench.h"
static u64 run(void) {
  u64 h = 0;
  for (u32 n = 0; n < 32; n++) {
    const u8* p = input + n * 64;
    u16 type = (u16)(p[12] << 8 | p[13]);
    if ((type & 1) == 0) {
      u32 header = (p[14] & 15) * 4;
      if (header < 20) header = 20;
      u32 src = *(const u32*)(p + 28), dst = *(const u32*)(p + 32);
      if (header > 28) header = 28;
      u32 ports = *(const u32*)(p + 14 + (header & 28));
      h = h * 33 + (src ^ rotl32(dst, 7) ^ __builtin_bswap32(ports));
    } else {
      h += __builtin_bswap16(type);
    }
  }
  return h;
}
