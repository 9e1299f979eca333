// Internet checksums (RFC 1071, updates by RFC 1624): 16-bit one's complement sums, in memory order, so
// that the host's byte order does not matter. Freestanding.
#include "helpers/packet.h"

namespace skep::helpers {

namespace {

constexpr uint64_t kFieldMask = 0xf, kPseudoHeader = 1 << 4, kMangledZero = 1 << 5,
                   kEnforce = 1 << 6, kIpv6 = 1 << 7;

uint32_t add(uint32_t a, uint32_t b) {
  const uint32_t sum = a + b;
  return sum + (sum < b ? 1 : 0);
}
// The sum of `size` bytes, a multiple of four.
uint32_t sum_of(const uint8_t* from, uint64_t size, uint32_t sum) {
  for (uint64_t i = 0; i < size; i += 4) {
    uint32_t word;
    std::memcpy(&word, from + i, sizeof word);
    sum = add(sum, word);
  }
  return sum;
}
uint16_t folded(uint32_t sum) {
  sum = (sum & 0xffff) + (sum >> 16);
  return static_cast<uint16_t>((sum & 0xffff) + (sum >> 16));
}

// check' = ~(~check + difference)
void replace_by(uint8_t* field, uint32_t difference) {
  uint16_t check;
  std::memcpy(&check, field, sizeof check);
  check = static_cast<uint16_t>(~folded(add(difference, static_cast<uint16_t>(~check))));
  std::memcpy(field, &check, sizeof check);
}
uint16_t load16(const uint8_t* field) {
  uint16_t value;
  std::memcpy(&value, field, sizeof value);
  return value;
}

// What replacing `from` by `to`, a field of 2 or 4 bytes, adds; 0 bytes: `to` is such a difference.
bool difference_of(uint64_t bytes, uint64_t from, uint64_t to, uint32_t& difference) {
  switch (bytes) {
    case 0: difference = static_cast<uint32_t>(to); return from == 0;
    case 2: difference = add(static_cast<uint16_t>(to), static_cast<uint16_t>(~from)); return true;
    case 4: difference = add(static_cast<uint32_t>(to), ~static_cast<uint32_t>(from)); return true;
    default: return false;
  }
}

}  // namespace

// (__be32 *from, u32 from_size, __be32 *to, u32 to_size, __wsum seed)
SKEP_HELPER(csum_diff) {
  const uint64_t from_size = static_cast<uint32_t>(r2), to_size = static_cast<uint32_t>(r4);
  if (((from_size | to_size) & 3) != 0) return result(kEinval);
  auto sum = static_cast<uint32_t>(r5);
  if (to_size != 0) sum = sum_of(pointer<const uint8_t>(r3), to_size, sum);
  if (from_size != 0) sum = ~sum_of(pointer<const uint8_t>(r1), from_size, ~sum);
  return folded(sum);
}
// (struct __sk_buff *skb, __wsum csum): of packets whose sum the card took; ours have none
SKEP_HELPER(csum_update) { return result(kEnotsupp); }

// (struct __sk_buff *skb, u32 offset, u64 from, u64 to, u64 size)
SKEP_HELPER(l3_csum_replace) {
  const uint64_t offset = static_cast<uint32_t>(r2);
  if ((r5 & ~kFieldMask) != 0) return result(kEinval);
  if (run->packet == nullptr || offset > kFarthest || offset % 2 != 0) return result(kEfault);
  uint8_t* field = packet_bytes(*run->packet, offset, 2);
  if (field == nullptr) return result(kEfault);
  uint32_t difference = 0;
  if (!difference_of(r5 & kFieldMask, r3, r4, difference)) return result(kEinval);
  replace_by(field, difference);
  return 0;
}
// (struct __sk_buff *skb, u32 offset, u64 from, u64 to, u64 flags): UDP's 0 means "no checksum" and stays;
// a checksum that becomes 0 is sent as 0xffff.
SKEP_HELPER(l4_csum_replace) {
  const uint64_t offset = static_cast<uint32_t>(r2);
  if ((r5 & ~(kFieldMask | kPseudoHeader | kMangledZero | kEnforce | kIpv6)) != 0)
    return result(kEinval);
  if (run->packet == nullptr || offset > kFarthest || offset % 2 != 0) return result(kEfault);
  uint8_t* field = packet_bytes(*run->packet, offset, 2);
  if (field == nullptr) return result(kEfault);
  const bool zero_is_none = (r5 & kMangledZero) != 0;
  if (zero_is_none && (r5 & kEnforce) == 0 && load16(field) == 0) return 0;
  uint32_t difference = 0;
  if (!difference_of(r5 & kFieldMask, r3, r4, difference)) return result(kEinval);
  replace_by(field, difference);
  if (zero_is_none && load16(field) == 0) field[0] = field[1] = 0xff;
  return 0;
}

}  // namespace skep::helpers
