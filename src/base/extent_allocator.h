// ExtentAllocator: which parts of an address range are in use. First fit by address, coalescing;
// its books are kept apart from the memory that it gives out, which may be read-only or hostile.
// Not thread-safe.
#pragma once

#include <cstdint>
#include <map>

namespace skep {

class ExtentAllocator {
 public:
  ExtentAllocator(uint64_t begin, uint64_t size) { free_[begin] = size; }

  // 0 where no free extent is large enough. `alignment` is a power of two.
  uint64_t allocate(uint64_t size, uint64_t alignment);
  // What allocate() gave; returns its size, 0 where `address` is not the start of an allocation.
  uint64_t free(uint64_t address);
  [[nodiscard]] uint64_t size_of(uint64_t address) const;
  [[nodiscard]] uint64_t used() const { return used_; }

 private:
  std::map<uint64_t, uint64_t> free_;  // address -> size
  std::map<uint64_t, uint64_t> live_;  // address -> size
  uint64_t used_ = 0;
};

}  // namespace skep
