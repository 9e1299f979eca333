#include "vm/jit/perf_map.h"

#include <fmt/format.h>

#include <algorithm>

namespace skep::jit {

std::vector<NamedCode> named_code(const VerifiedProgram& program, const NativeCode& code,
                                  std::string_view tag) {
  std::vector<NamedCode> made;
  const auto& starts = code.subprograms;
  for (size_t f = 0; f < std::max<size_t>(starts.size(), 1); f++) {
    const uint32_t start = starts.empty() ? 0 : starts[f];
    const uint32_t end = f + 1 < starts.size() ? starts[f + 1] : code.code_size;
    const std::string& own = program.subprograms()[f].name;
    const std::string& name = f == 0 || own.empty() ? program.program().name : own;
    made.push_back(
        {start, end, fmt::format("bpf_prog_{}_{}", tag, name.empty() ? "F" : name.c_str())});
  }
  return made;
}

std::string perf_map_lines(const VerifiedProgram& program, const NativeCode& code,
                           std::string_view tag) {
  std::string lines;
  for (const NamedCode& function : named_code(program, code, tag))
    lines += fmt::format("{:x} {:x} {}\n", code.block.address + function.start,
                         function.end - function.start, function.name);
  return lines;
}

}  // namespace skep::jit
