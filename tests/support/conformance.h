// Cases of tests/corpus/insn/README.md's format, and running one on an engine. For tests/vm and
// ./dev corpus conformance.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "isa/insn.h"
#include "vm/engine.h"

namespace skep::conformance {

enum class Dialect { kernel, ubpf };

struct Case {
  std::string name;
  uint32_t line = 0;  // of the file
  std::string asm_text{};
  std::string raw_text{};
  std::vector<uint8_t> memory{};
  std::optional<std::vector<uint8_t>> memory_after{};
  std::optional<std::vector<uint8_t>> packet{};
  std::optional<uint64_t> result{};
  std::optional<std::string> error{};
};

// A file's cases. EINVAL where a line is not of the format.
[[nodiscard]] Result<std::vector<Case>> parse(std::string_view text, std::string_view file_name);

struct Outcome {
  enum class Kind {
    right,    // it ran, and gave what the case says
    refused,  // it was refused, as the case says
    wrong,    // neither: `why`
    skipped,  // the engine can't be asked this (EOPNOTSUPP)
  };
  Kind kind = Kind::right;
  std::string why{};
};

// Assembles, checks and runs the case.
[[nodiscard]] Outcome run(const Case& test, Dialect dialect, vm::Engine& engine);

}  // namespace skep::conformance
