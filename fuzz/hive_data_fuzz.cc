// What a hostile traced process writes into the hive's data segment, between the operations of
// others: see tests/maps/hostile.h. A new hive for each input, so that a finding repeats.
#include "../tests/maps/hostile.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  skep::maps::test::HostileHive hostile;
  std::span<const uint8_t> input(data, size < 4096 ? size : 4096);
  while (hostile.step(input)) {
  }
  return 0;
}
