// /tmp/perf-PID.map: the names of native code for profilers that look for it there (perf, bcc, samply …). One line
// a BPF function: "START SIZE bpf_prog_TAG_NAME", numbers in hexadecimal, named as the kernel names its own.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "vm/jit/jit.h"

namespace skep::jit {

struct NamedCode {
  uint32_t start = 0, end = 0;  // offsets in the code
  std::string name;             // bpf_prog_TAG_NAME
};
// One a BPF function; one for all of it where native code is not one part a function (the optimising tier's).
[[nodiscard]] std::vector<NamedCode> named_code(const VerifiedProgram& program,
                                                const NativeCode& code, std::string_view tag);

// `tag`: 16 hexadecimal digits. Subprograms go by their own names.
[[nodiscard]] std::string perf_map_lines(const VerifiedProgram& program, const NativeCode& code,
                                         std::string_view tag);

}  // namespace skep::jit
