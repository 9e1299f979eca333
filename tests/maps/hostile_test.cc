#include "maps/hostile.h"

#include <gtest/gtest.h>

#include "support/seed.h"

namespace skep::maps::test {
namespace {

void scribble(uint64_t seed) {
  std::mt19937_64 random(seed);
  for (int hive = 0; hive < 8; ++hive) {
    HostileHive hostile;
    std::vector<uint8_t> bytes(64 << 10);
    for (uint8_t& byte : bytes) byte = static_cast<uint8_t>(random());
    std::span<const uint8_t> input(bytes);
    while (hostile.step(input)) {
    }
  }
}

TEST(hostile_data, random_bytes_in_the_data_segment_crash_and_hang_nobody) {
  scribble(skep::test::random_test_seed());
}

// Seeds that once did not end: a trie's node with the same child on both sides, walked in order.
TEST(hostile_data, seeds_that_hung_once_end) {
  for (uint64_t seed : {32, 138}) {
    SCOPED_TRACE(seed);
    scribble(seed);
  }
}

TEST(hostile_data, the_order_of_a_trie_whose_nodes_lead_in_circles_ends) {
  auto hive = make_test_hive({.data_size = 8 << 20, .slots = 4});
  ASSERT_NE(hive, nullptr);
  auto made = create_map(*hive, {.type = MapType::BPF_MAP_TYPE_LPM_TRIE,
                                 .key_size = 8,
                                 .value_size = 8,
                                 .max_entries = 64,
                                 .map_flags = BPF_F_NO_PREALLOC});
  ASSERT_TRUE(made);
  MapHeader& map = **made;
  // lpm_trie.cc: extra[0] is the shared part (root at 4), extra[1] the nodes, extra[2] their stride; a node begins
  // with its two children. Intermediate nodes only, each the parent of the next, or of all, on both sides.
  auto* root = reinterpret_cast<uint32_t*>(map.extra[0] + 4);
  auto count = static_cast<uint32_t>(map.extra[3]);
  for (bool circle : {false, true}) {
    for (uint32_t i = 0; i < count; ++i) {
      auto* node = reinterpret_cast<uint32_t*>(map.extra[1] + i * map.extra[2]);
      uint32_t next = i + 2 <= count ? i + 2 : circle ? 1 : 0;
      node[0] = node[1] = next;
      reinterpret_cast<uint16_t*>(node)[5] = 2;
    }
    *root = 1;
    std::byte next[8];
    (void)next_key(map, {}, next);
    std::byte key[8] = {};
    (void)next_key(map, key, next);
    std::vector<std::byte> cursor;
    (void)lookup_batch(map, cursor, 16);
    TestBee bee;
    bee.call(kLookup, &map, key);
    bee.call(kDelete, &map, key);
  }
}

}  // namespace
}  // namespace skep::maps::test
