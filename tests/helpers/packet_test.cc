// Helpers over packets: skb_*, xdp_*, checksums.
#include <gtest/gtest.h>

#include <algorithm>
#include <numeric>

#include "fake_host.h"
#include "spec/context_layout.h"

namespace skep::helpers {
namespace {

using namespace spec;

// A packet of 60 bytes 0, 1, 2 …, with 32 bytes of room before and behind.
struct Packet : FakeHost {
  static constexpr size_t kRoom = 32, kSize = 60;
  std::vector<uint8_t> buffer = std::vector<uint8_t>(kRoom + kSize + kRoom, 0xee);
  PacketView view;
  SkBuffContext skb{};
  XdpContext xdp{};
  Packet() {
    std::iota(buffer.begin() + kRoom, buffer.begin() + kRoom + kSize, uint8_t{0});
    view.head = buffer.data();
    view.end_of_buffer = buffer.data() + buffer.size();
    view.data = view.data_meta = view.mac_header = buffer.data() + kRoom;
    view.data_end = view.data + kSize;
    view.network_header = view.data + 14;
    run.packet = &view;
    skb.len = kSize;
  }
  [[nodiscard]] std::vector<uint8_t> bytes() const { return {view.data, view.data_end}; }
};

TEST(SkbBytes, are_loaded_where_they_are_all_there) {
  Packet p;
  uint32_t value = 0;
  EXPECT_EQ(p.call(BPF_FUNC_skb_load_bytes, &p.skb, 4, &value, 4), 0);
  EXPECT_EQ(value, 0x07060504u);
  EXPECT_EQ(p.call(BPF_FUNC_skb_load_bytes, &p.skb, 56, &value, 4), 0);
  EXPECT_EQ(p.call(BPF_FUNC_skb_load_bytes, &p.skb, 57, &value, 4), -14);
  EXPECT_EQ(value, 0u);
  EXPECT_EQ(p.call(BPF_FUNC_skb_load_bytes, &p.skb, 0xffff'ffffu, &value, 4), -14);
  p.run.packet = nullptr;
  EXPECT_EQ(p.call(BPF_FUNC_skb_load_bytes, &p.skb, 0, &value, 4), -14);
}
TEST(SkbBytes, are_counted_from_a_header) {
  Packet p;
  uint8_t value = 0;
  EXPECT_EQ(p.call(BPF_FUNC_skb_load_bytes_relative, &p.skb, 2, &value, 1, 1), 0);
  EXPECT_EQ(value, 16);
  EXPECT_EQ(p.call(BPF_FUNC_skb_load_bytes_relative, &p.skb, 2, &value, 1, 0), 0);
  EXPECT_EQ(value, 2);
  EXPECT_EQ(p.call(BPF_FUNC_skb_load_bytes_relative, &p.skb, 46, &value, 1, 1), -14);
  EXPECT_EQ(p.call(BPF_FUNC_skb_load_bytes_relative, &p.skb, 0, &value, 1, 2), -14);
}
TEST(SkbBytes, are_stored_where_they_fit) {
  Packet p;
  p.skb.hash = 5;
  const uint16_t value = 0xabcd;
  EXPECT_EQ(p.call(BPF_FUNC_skb_store_bytes, &p.skb, 58, &value, 2, 0), 0);
  EXPECT_EQ(p.bytes()[59], 0xab);
  EXPECT_EQ(p.skb.hash, 5u);
  EXPECT_EQ(p.call(BPF_FUNC_skb_store_bytes, &p.skb, 0, &value, 2, 2), 0);
  EXPECT_EQ(p.skb.hash, 0u);
  EXPECT_EQ(p.call(BPF_FUNC_skb_store_bytes, &p.skb, 59, &value, 2, 0), -14);
  EXPECT_EQ(p.call(BPF_FUNC_skb_store_bytes, &p.skb, 0, &value, 2, 4), -22);
  EXPECT_EQ(p.call(BPF_FUNC_skb_pull_data, &p.skb, 60), 0);
  EXPECT_EQ(p.call(BPF_FUNC_skb_pull_data, &p.skb, 61), -12);
}
TEST(SkbSize, changes_at_the_tail) {
  Packet p;
  EXPECT_EQ(p.call(BPF_FUNC_skb_change_tail, &p.skb, 70, 0), 0);
  EXPECT_EQ(p.skb.len, 70u);
  EXPECT_EQ(p.skb.data_end - p.skb.data, 70u);
  EXPECT_EQ(p.bytes()[69], 0) << "what is added is zero";
  EXPECT_EQ(p.call(BPF_FUNC_skb_change_tail, &p.skb, 20, 0), 0);
  EXPECT_EQ(p.bytes().size(), 20u);
  EXPECT_EQ(p.call(BPF_FUNC_skb_change_tail, &p.skb, 13, 0), -22) << "the MAC header stays";
  EXPECT_EQ(p.call(BPF_FUNC_skb_change_tail, &p.skb, 20, 1), -22);
  EXPECT_EQ(p.call(BPF_FUNC_skb_change_tail, &p.skb, 1000, 0), -12);
}
TEST(SkbSize, changes_at_the_head) {
  Packet p;
  EXPECT_EQ(p.call(BPF_FUNC_skb_change_head, &p.skb, 14, 0), 0);
  EXPECT_EQ(p.skb.len, 74u);
  EXPECT_EQ(p.bytes()[0], 0);
  EXPECT_EQ(p.bytes()[15], 1);
  EXPECT_EQ(p.view.mac_header, p.view.data);
  EXPECT_EQ(p.call(BPF_FUNC_skb_change_head, &p.skb, 19, 0), -12);
  EXPECT_EQ(p.call(BPF_FUNC_skb_change_head, &p.skb, 0x8000'0000u, 0), -22);
}
TEST(SkbVlan, tags_are_kept_beside_the_packet_then_in_it) {
  Packet p;
  EXPECT_EQ(p.call(BPF_FUNC_skb_vlan_push, &p.skb, 0x0081, 100), 0);  // htons(0x8100)
  EXPECT_EQ(p.skb.vlan_present, 1u);
  EXPECT_EQ(p.skb.vlan_tci, 100u);
  EXPECT_EQ(p.bytes().size(), 60u);
  EXPECT_EQ(p.call(BPF_FUNC_skb_vlan_push, &p.skb, 0xa888, 200), 0);
  EXPECT_EQ(p.skb.vlan_tci, 200u);
  ASSERT_EQ(p.bytes().size(), 64u);
  EXPECT_EQ(p.bytes()[11], 11);
  EXPECT_EQ(p.bytes()[12], 0x81);
  EXPECT_EQ(p.bytes()[15], 100);
  EXPECT_EQ(p.bytes()[16], 12);
  EXPECT_EQ(p.call(BPF_FUNC_skb_vlan_pop, &p.skb), 0);
  EXPECT_EQ(p.skb.vlan_present, 1u) << "the inner tag came out";
  EXPECT_EQ(p.skb.vlan_tci, 100u);
  EXPECT_EQ(p.bytes().size(), 60u);
  EXPECT_EQ(p.call(BPF_FUNC_skb_vlan_pop, &p.skb), 0);
  EXPECT_EQ(p.skb.vlan_present, 0u);
  std::vector<uint8_t> untouched(60);
  std::iota(untouched.begin(), untouched.end(), uint8_t{0});
  EXPECT_EQ(p.bytes(), untouched);
}
TEST(SkbFields, type_and_hash) {
  Packet p;
  EXPECT_EQ(p.call(BPF_FUNC_skb_change_type, &p.skb, 3), 0);
  EXPECT_EQ(p.skb.pkt_type, 3u);
  EXPECT_EQ(p.call(BPF_FUNC_skb_change_type, &p.skb, 4), -22);
  const int64_t hash = p.call(BPF_FUNC_get_hash_recalc, &p.skb);
  EXPECT_NE(hash, 0);
  EXPECT_EQ(p.call(BPF_FUNC_get_hash_recalc, &p.skb), hash);
  p.call(BPF_FUNC_set_hash_invalid, &p.skb);
  EXPECT_EQ(p.skb.hash, 0u);
  EXPECT_EQ(p.call(BPF_FUNC_get_hash_recalc, &p.skb), hash);
  p.call(BPF_FUNC_set_hash, &p.skb, 9);
  EXPECT_EQ(p.call(BPF_FUNC_get_hash_recalc, &p.skb), 9);
}

TEST(Xdp, the_start_moves_within_the_buffer) {
  Packet p;
  EXPECT_EQ(p.call(BPF_FUNC_xdp_adjust_head, &p.xdp, -8), 0);
  EXPECT_EQ(p.bytes().size(), 68u);
  EXPECT_EQ(p.xdp.data_end - p.xdp.data, 68u);
  EXPECT_EQ(p.call(BPF_FUNC_xdp_adjust_head, &p.xdp, -25), -22);
  EXPECT_EQ(p.call(BPF_FUNC_xdp_adjust_head, &p.xdp, 54), 0);
  EXPECT_EQ(p.bytes().size(), 14u);
  EXPECT_EQ(p.call(BPF_FUNC_xdp_adjust_head, &p.xdp, 1), -22) << "an Ethernet header must remain";
}
TEST(Xdp, metadata_moves_with_the_start) {
  Packet p;
  EXPECT_EQ(p.call(BPF_FUNC_xdp_adjust_meta, &p.xdp, -4), 0);
  std::memcpy(p.view.data_meta, "meta", 4);
  EXPECT_EQ(p.call(BPF_FUNC_xdp_adjust_head, &p.xdp, -8), 0);
  EXPECT_EQ(p.view.data - p.view.data_meta, 4);
  EXPECT_EQ(std::memcmp(p.view.data_meta, "meta", 4), 0);
  EXPECT_EQ(p.call(BPF_FUNC_xdp_adjust_meta, &p.xdp, -2), -13);
  EXPECT_EQ(p.call(BPF_FUNC_xdp_adjust_meta, &p.xdp, -100), -22);
  EXPECT_EQ(p.call(BPF_FUNC_xdp_adjust_meta, &p.xdp, 8), -22);
  EXPECT_EQ(p.call(BPF_FUNC_xdp_adjust_meta, &p.xdp, 4), 0);
  EXPECT_EQ(p.xdp.data_meta, p.xdp.data);
  EXPECT_EQ(p.call(BPF_FUNC_xdp_adjust_head, &p.xdp, -24), 0) << "all room before is usable";
}
TEST(Xdp, the_end_moves_and_what_is_added_is_zero) {
  Packet p;
  EXPECT_EQ(p.call(BPF_FUNC_xdp_get_buff_len, &p.xdp), 60);
  EXPECT_EQ(p.call(BPF_FUNC_xdp_adjust_tail, &p.xdp, 32), 0);
  EXPECT_EQ(p.bytes()[91], 0);
  EXPECT_EQ(p.call(BPF_FUNC_xdp_adjust_tail, &p.xdp, 1), -22);
  EXPECT_EQ(p.call(BPF_FUNC_xdp_adjust_tail, &p.xdp, -78), 0);
  EXPECT_EQ(p.call(BPF_FUNC_xdp_adjust_tail, &p.xdp, -1), -22);
  EXPECT_EQ(p.call(BPF_FUNC_xdp_get_buff_len, &p.xdp), 14);
}
TEST(Xdp, bytes_are_loaded_and_stored_inside_the_packet) {
  Packet p;
  uint16_t value = 0;
  EXPECT_EQ(p.call(BPF_FUNC_xdp_load_bytes, &p.xdp, 2, &value, 2), 0);
  EXPECT_EQ(value, 0x0302);
  EXPECT_EQ(p.call(BPF_FUNC_xdp_store_bytes, &p.xdp, 58, &value, 2), 0);
  EXPECT_EQ(p.bytes()[58], 2);
  EXPECT_EQ(p.call(BPF_FUNC_xdp_load_bytes, &p.xdp, 59, &value, 2), -22);
  EXPECT_EQ(value, 0);
  EXPECT_EQ(p.call(BPF_FUNC_xdp_load_bytes, &p.xdp, 70000, &value, 2), -14);
  EXPECT_EQ(p.call(BPF_FUNC_xdp_store_bytes, &p.xdp, 59, &value, 2), -22);
}

// RFC 1071 by the book.
uint16_t checksum(const uint8_t* from, size_t size) {
  uint32_t sum = 0;
  for (size_t i = 0; i + 1 < size; i += 2) sum += static_cast<uint32_t>(from[i] | from[i + 1] << 8);
  while (sum >> 16) sum = (sum & 0xffff) + (sum >> 16);
  return static_cast<uint16_t>(~sum);
}
void set16(uint8_t* to, uint16_t value) { std::memcpy(to, &value, 2); }

TEST(Checksum, follows_the_replacement_of_a_field) {
  Packet p;
  uint8_t* header = p.view.data;  // 20 bytes, checksum at 10
  for (uint32_t round = 0; round < 2000; round++) {
    set16(header + 10, 0);
    set16(header + 10, checksum(header, 20));
    const uint16_t old16 = static_cast<uint16_t>(header[4] | header[5] << 8),
                   new16 = static_cast<uint16_t>(round * 40503);
    ASSERT_EQ(p.call(BPF_FUNC_l3_csum_replace, &p.skb, 10, old16, new16, 2), 0);
    set16(header + 4, new16);
    ASSERT_EQ(checksum(header, 20), 0) << round;
    uint32_t old32, new32 = round * 2654435761u;
    std::memcpy(&old32, header + 12, 4);
    ASSERT_EQ(p.call(BPF_FUNC_l4_csum_replace, &p.skb, 10, old32, new32, 4 | 16), 0);
    std::memcpy(header + 12, &new32, 4);
    ASSERT_EQ(checksum(header, 20), 0) << round;
  }
}
TEST(Checksum, a_difference_computed_beforehand_replaces_too) {
  Packet p;
  uint8_t* header = p.view.data;
  set16(header + 10, 0);
  set16(header + 10, checksum(header, 20));
  uint8_t replacement[8] = {9, 8, 7, 6, 5, 4, 3, 2};
  const int64_t difference = p.call(BPF_FUNC_csum_diff, header + 12, 8, replacement, 8, 0);
  ASSERT_GE(difference, 0);
  ASSERT_EQ(p.call(BPF_FUNC_l3_csum_replace, &p.skb, 10, 0, difference, 0), 0);
  std::memcpy(header + 12, replacement, 8);
  EXPECT_EQ(checksum(header, 20), 0);
}
TEST(Checksum, of_udp_may_be_absent_and_never_becomes_zero) {
  Packet p;
  uint8_t* field = p.view.data + 20;
  set16(field, 0);
  EXPECT_EQ(p.call(BPF_FUNC_l4_csum_replace, &p.skb, 20, 1, 2, 2 | 32), 0);
  EXPECT_EQ(field[0] | field[1], 0) << "no checksum stays none";
  set16(field, 0x0005);
  EXPECT_EQ(p.call(BPF_FUNC_l4_csum_replace, &p.skb, 20, 0, 5, 2 | 32), 0);
  EXPECT_EQ(field[0] & field[1], 0xff);
}
TEST(Checksum, errors) {
  Packet p;
  EXPECT_EQ(p.call(BPF_FUNC_l3_csum_replace, &p.skb, 11, 0, 1, 2), -14);
  EXPECT_EQ(p.call(BPF_FUNC_l3_csum_replace, &p.skb, 60, 0, 1, 2), -14);
  EXPECT_EQ(p.call(BPF_FUNC_l3_csum_replace, &p.skb, 10, 0, 1, 3), -22);
  EXPECT_EQ(p.call(BPF_FUNC_l3_csum_replace, &p.skb, 10, 1, 1, 0), -22);
  EXPECT_EQ(p.call(BPF_FUNC_l3_csum_replace, &p.skb, 10, 0, 1, 16), -22);
  EXPECT_EQ(p.call(BPF_FUNC_csum_diff, p.view.data, 3, p.view.data, 4, 0), -22);
  EXPECT_EQ(p.call(BPF_FUNC_csum_update, &p.skb, 1), -524);
  const uint32_t words[] = {1, 2};
  EXPECT_EQ(p.call(BPF_FUNC_csum_diff, nullptr, 0, words, 8, 10), 13);
  EXPECT_EQ(p.call(BPF_FUNC_csum_diff, words, 8, nullptr, 0, 13), 10);
}

}  // namespace
}  // namespace skep::helpers
