// A memfd mapped twice: read-write here, read-execute there. Blocks are multiples of 64 bytes, kept by a
// first-fit list of free ranges, neighbours merged; freed code is overwritten with kTrapByte.
#include "base/code_memory.h"

#include <sys/mman.h>
#include <unistd.h>

#include <cstring>
#include <map>
#include <mutex>

#include "base/fd.h"

namespace skep {

namespace {

constexpr size_t kAlign = 64;
constexpr size_t kGuard = 64 * 1024;  // unmapped, on either side: whole pages of any machine

class PrivateCodeMemory final : public CodeMemory {
 public:
  PrivateCodeMemory(std::byte* writable, std::byte* executable, size_t size)
      : writable_(writable), executable_(executable), size_(size) {
    free_.emplace(0, size);
  }
  PrivateCodeMemory(const PrivateCodeMemory&) = delete;
  PrivateCodeMemory& operator=(const PrivateCodeMemory&) = delete;
  ~PrivateCodeMemory() override {
    munmap(writable_, size_);
    munmap(executable_ - kGuard, size_ + 2 * kGuard);
  }

  Result<CodeBlock> allocate(size_t size) override {
    if (size == 0 || size > size_)
      return fail(ENOMEM, "expected 1 to {} bytes of code, found {}", size_, size);
    size = (size + kAlign - 1) & ~(kAlign - 1);
    std::lock_guard lock(mutex_);
    for (auto range = free_.begin(); range != free_.end(); ++range) {
      if (range->second < size) continue;
      size_t at = range->first, rest = range->second - size;
      free_.erase(range);
      if (rest > 0) free_.emplace(at + size, rest);
      return CodeBlock{.writable = writable_ + at,
                       .address = reinterpret_cast<uint64_t>(executable_ + at),
                       .size = size};
    }
    return fail(ENOMEM, "no room for {} bytes of code in {}", size, size_);
  }

  void free(const CodeBlock& block) override {
    if (block.size == 0) return;
    auto at = static_cast<size_t>(block.writable - writable_);
    std::memset(block.writable, kTrapByte, block.size);
    std::lock_guard lock(mutex_);
    auto [range, inserted] = free_.emplace(at, block.size);
    if (!inserted) return;
    auto next = std::next(range);
    if (next != free_.end() && range->first + range->second == next->first) {
      range->second += next->second;
      free_.erase(next);
    }
    if (range != free_.begin()) {
      auto before = std::prev(range);
      if (before->first + before->second == range->first) {
        before->second += range->second;
        free_.erase(range);
      }
    }
  }

 private:
  std::byte* writable_;
  std::byte* executable_;
  size_t size_;
  std::mutex mutex_;
  std::map<size_t, size_t> free_;  // offset → size
};

}  // namespace

Result<std::unique_ptr<CodeMemory>> make_private_code_memory(size_t size) {
  auto page = static_cast<size_t>(sysconf(_SC_PAGESIZE));
  size = (size + page - 1) & ~(page - 1);
  if (size == 0) return fail(EINVAL, "expected room for code, found none");
  Fd memory(memfd_create("skep-code", MFD_CLOEXEC));
  if (!memory) return fail_errno(errno, "memfd_create");
  if (ftruncate(memory.get(), static_cast<off_t>(size)) != 0)
    return fail_errno(errno, "code memory of {} bytes", size);
  void* writable = mmap(nullptr, size, PROT_READ | PROT_WRITE, MAP_SHARED, memory.get(), 0);
  if (writable == MAP_FAILED) return fail_errno(errno, "mapping code memory writable");
  void* around = mmap(nullptr, size + 2 * kGuard, PROT_NONE,
                      MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
  void* executable = around == MAP_FAILED
                         ? MAP_FAILED
                         : mmap(static_cast<std::byte*>(around) + kGuard, size,
                                PROT_READ | PROT_EXEC, MAP_SHARED | MAP_FIXED, memory.get(), 0);
  if (executable == MAP_FAILED) {
    int code = errno;
    munmap(writable, size);
    if (around != MAP_FAILED) munmap(around, size + 2 * kGuard);
    return fail_errno(code, "mapping code memory executable");
  }
  return std::make_unique<PrivateCodeMemory>(static_cast<std::byte*>(writable),
                                             static_cast<std::byte*>(executable), size);
}

}  // namespace skep
