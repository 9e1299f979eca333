#include "vm/jit/perf_map.h"

#include <fmt/format.h>

namespace skep::jit {

std::string perf_map_lines(const VerifiedProgram& program, const NativeCode& code,
                           std::string_view tag) {
  std::string lines;
  const auto& starts = code.subprograms;
  for (size_t f = 0; f < starts.size(); f++) {
    const uint32_t end = f + 1 < starts.size() ? starts[f + 1] : code.code_size;
    const std::string& own = program.subprograms()[f].name;
    const std::string& name = f == 0 || own.empty() ? program.program().name : own;
    lines += fmt::format("{:x} {:x} bpf_prog_{}_{}\n", code.block.address + starts[f],
                         end - starts[f], tag, name.empty() ? "F" : name);
  }
  return lines;
}

}  // namespace skep::jit
