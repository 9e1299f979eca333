#include "maps/hostile.h"

#include <gtest/gtest.h>

#include <random>

namespace skep::maps::test {
namespace {

TEST(hostile_data, random_bytes_in_the_data_segment_crash_and_hang_nobody) {
  std::mt19937_64 random(std::random_device{}());
  for (int hive = 0; hive < 8; ++hive) {
    HostileHive hostile;
    std::vector<uint8_t> bytes(64 << 10);
    for (uint8_t& byte : bytes) byte = static_cast<uint8_t>(random());
    std::span<const uint8_t> input(bytes);
    while (hostile.step(input)) {
    }
  }
}

}  // namespace
}  // namespace skep::maps::test
