// CRC-32, bit by bit, over 128 bytes.
#include "bench.h"
static u64 run(void) {
  u32 crc = ~0u;
  for (u32 i = 0; i < 128; i++) {
    crc ^= input[i];
    for (u32 k = 0; k < 8; k++) crc = crc >> 1 ^ (0xedb88320 & -(crc & 1));
  }
  return ~crc;
}
