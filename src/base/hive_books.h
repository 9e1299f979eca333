// The hive's private parts, shared by hive*.cc: the controller's books.
#pragma once

#include <deque>
#include <mutex>
#include <unordered_map>
#include <utility>

#include "base/extent_allocator.h"
#include "base/hive.h"

namespace skep {

// Native code's home: hive::kCode and its writable alias.
class HiveCodeMemory final : public CodeMemory {
 public:
  explicit HiveCodeMemory(std::byte* alias)
      : alias_(alias), extents_(hive::kCode, hive::kCodeSize) {}
  Result<CodeBlock> allocate(size_t size) override;
  void free(const CodeBlock& block) override;

 private:
  std::byte* alias_;
  std::mutex mutex_;
  ExtentAllocator extents_;
};

struct Hive::Books {
  Books(uint64_t data_size, std::byte* code_alias)
      : objects(hive::kObjects, hive::kControl + hive::kControlSize - hive::kObjects),
        data(hive::kData + hive::kSlotTableSize, data_size - hive::kSlotTableSize),
        code(code_alias) {}

  std::mutex mutex;
  ExtentAllocator objects;
  ExtentAllocator data;  // page-granular
  std::vector<uint32_t> free_entries;

  // Blocks below a page: slabs of 64 << class bytes.
  static constexpr size_t kSmallClasses = 6;  // 64 … 2048
  std::vector<uint64_t> small_free[kSmallClasses];
  std::unordered_map<uint64_t, uint8_t> small_class;  // live small blocks

  // Each snapshot entry is a bee that ran at that time: slot and generation.
  using Snapshot = std::vector<std::pair<uint32_t, uint32_t>>;
  std::deque<std::pair<Snapshot, std::function<void()>>> deferred;

  HiveCodeMemory code;
};

}  // namespace skep
