// Classifies 32 packets with a rule table in an array map: protocol, port range, prefix.
#include "bench.h"
struct rule {
  u32 prefix, mask;
  u16 low, high;
  u8 protocol, action, pad[2];
};
ARRAY_MAP(rules, struct rule, 16)
static u64 run(void) {
  if (WORK32[0] == 0) {
    WORK32[0] = 1;
    for (u32 i = 0; i < 16; i++) {
      u32 key = i;
      struct rule* rule = LOOKUP(rules, &key);
      if (!rule) return 1;
      rule->mask = i < 12 ? 0xf0000000u << (i & 3) : 0;
      rule->prefix = IN32[i * 4] & rule->mask;
      rule->low = i < 15 ? i * 1000 : 0;
      rule->high = i < 15 ? i * 4000 + 1000 : 0xffff;
      rule->protocol = i < 15 ? input[i] & 3 : 4;
      rule->action = i;
    }
  }
  u64 h = 0;
  for (u32 n = 0; n < 32; n++) {
    const u8* p = input + n * 64;
    u32 address = __builtin_bswap32(*(const u32*)(p + 28));
    u16 port = __builtin_bswap16(*(const u16*)(p + 36));
    u8 protocol = p[23] & 3;
    u32 action = 99;
    for (u32 i = 0; i < 16; i++) {
      u32 key = i;
      const struct rule* rule = LOOKUP(rules, &key);
      if (!rule) return 1;
      if (rule->protocol != 4 && rule->protocol != protocol) continue;
      if ((address & rule->mask) != rule->prefix) continue;
      if (port < rule->low || port > rule->high) continue;
      action = rule->action;
      break;
    }
    h = h * 17 + action;
  }
  return h;
}
