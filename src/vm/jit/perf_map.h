// /tmp/perf-PID.map: the names of native code for profilers that look for it there (perf, bcc, samply …). One line
// a BPF function: "START SIZE bpf_prog_TAG_NAME", numbers in hexadecimal, named as the kernel names its own.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "vm/jit/jit.h"

namespace skep::jit {

// `tag`: 16 hexadecimal digits. Subprograms go by their own names.
[[nodiscard]] std::string perf_map_lines(const VerifiedProgram& program, const NativeCode& code,
                                         std::string_view tag);

}  // namespace skep::jit
