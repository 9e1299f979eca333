// CodeMemory: where native code goes. Every block has two mappings: one that is executable and
// never writable, and one that is writable and never executable (W^X, always).
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>

#include "base/result.h"

namespace skep {

// An instruction that traps, or every byte of one: int3; udf.
#if defined(__x86_64__)
inline constexpr int kTrapByte = 0xcc;
#else
inline constexpr int kTrapByte = 0;
#endif

struct CodeBlock {
  std::byte* writable = nullptr;  // the alias to write through
  uint64_t address = 0;           // where it executes; the same in every process of a hive
  size_t size = 0;                // bytes, at least what was asked for
};

class CodeMemory {
 public:
  virtual ~CodeMemory() = default;
  // 64-byte aligned; ENOMEM where there is no room. Thread-safe.
  virtual Result<CodeBlock> allocate(size_t size) = 0;
  virtual void free(const CodeBlock& block) = 0;
};

// Memory of this process only: a memfd mapped twice. For tests and for programs outside a hive.
[[nodiscard]] Result<std::unique_ptr<CodeMemory>> make_private_code_memory(size_t size);

}  // namespace skep
