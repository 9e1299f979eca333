// Histograms, as bpftrace prints them.
//
//   [1K, 2K)              12 |@@@@@@@@@@                                          |
//
// slots[i] counts values from 2^i to below 2^(i+1), as log2l() of the libbpf tools sorts them; slots[0] has 0, too.
#pragma once

#include <cstdint>
#include <span>
#include <string>

namespace skep::report {

// Lines from the first slot that counted anything to the last; "(empty)" where none did.
[[nodiscard]] std::string format_log2_histogram(std::span<const uint64_t> slots);

// The same where slots[i] counts the value i: as bucket numbers.
[[nodiscard]] std::string format_linear_histogram(std::span<const uint64_t> slots);

}  // namespace skep::report
