#include "report/histogram.h"

#include <fmt/format.h>

#include <algorithm>

namespace skep::report {
namespace {

constexpr size_t kBar = 52;

// 2^exponent: 512, 1K, 64M.
std::string power(size_t exponent) {
  static constexpr const char* kUnits[] = {"", "K", "M", "G", "T", "P", "E", "Z"};
  return fmt::format("{}{}", uint64_t{1} << (exponent % 10),
                     kUnits[std::min<size_t>(exponent / 10, 7)]);
}

template <class Label>
std::string format_slots(std::span<const uint64_t> slots, Label label) {
  size_t first = 0, last = slots.size();
  while (first < last && slots[first] == 0) ++first;
  while (last > first && slots[last - 1] == 0) --last;
  if (first == last) return "(empty)\n";
  const uint64_t most = *std::ranges::max_element(slots);
  std::string out;
  for (size_t i = first; i < last; ++i) {
    // In long double: counts times 52 may not fit 64 bits.
    const auto bar = static_cast<size_t>(static_cast<long double>(slots[i]) * kBar /
                                         static_cast<long double>(most));
    out += fmt::format("{:<16}{:>10} |{:<52}|\n", label(i), slots[i],
                       std::string(std::min(bar, kBar), '@'));
  }
  return out;
}

}  // namespace

std::string format_log2_histogram(std::span<const uint64_t> slots) {
  return format_slots(slots, [](size_t i) {
    return fmt::format("[{}, {})", i == 0 ? "0" : power(i), power(i + 1));
  });
}

std::string format_linear_histogram(std::span<const uint64_t> slots) {
  return format_slots(slots, [](size_t i) { return fmt::format("[{}]", i); });
}

}  // namespace skep::report
