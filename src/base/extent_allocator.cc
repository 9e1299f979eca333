#include "base/extent_allocator.h"

namespace skep {

uint64_t ExtentAllocator::allocate(uint64_t size, uint64_t alignment) {
  if (size == 0) return 0;
  for (auto extent = free_.begin(); extent != free_.end(); ++extent) {
    uint64_t begin = extent->first;
    uint64_t length = extent->second;
    uint64_t aligned = (begin + alignment - 1) & ~(alignment - 1);
    uint64_t skipped = aligned - begin;
    if (skipped > length || length - skipped < size) continue;
    free_.erase(extent);
    if (skipped != 0) free_[begin] = skipped;
    if (uint64_t rest = length - skipped - size; rest != 0) free_[aligned + size] = rest;
    live_[aligned] = size;
    used_ += size;
    return aligned;
  }
  return 0;
}

uint64_t ExtentAllocator::free(uint64_t address) {
  auto live = live_.find(address);
  if (live == live_.end()) return 0;
  uint64_t size = live->second;
  live_.erase(live);
  used_ -= size;

  auto next = free_.lower_bound(address);
  uint64_t begin = address;
  uint64_t length = size;
  if (next != free_.begin()) {
    auto previous = std::prev(next);
    if (previous->first + previous->second == address) {
      begin = previous->first;
      length += previous->second;
      free_.erase(previous);
    }
  }
  if (next != free_.end() && next->first == address + size) {
    length += next->second;
    free_.erase(next);
  }
  free_[begin] = length;
  return size;
}

uint64_t ExtentAllocator::size_of(uint64_t address) const {
  auto live = live_.find(address);
  return live == live_.end() ? 0 : live->second;
}

}  // namespace skep
