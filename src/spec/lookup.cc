// Edit distance with transpositions (optimal string alignment), three rows of the matrix.
#include "spec/lookup.h"

#include <algorithm>
#include <array>
#include <utility>

namespace skep::spec {

unsigned edit_distance(std::string_view a, std::string_view b, unsigned limit) {
  constexpr size_t kLongest = 63;
  a = a.substr(0, kLongest), b = b.substr(0, kLongest);
  const size_t difference = a.size() > b.size() ? a.size() - b.size() : b.size() - a.size();
  if (difference > limit) return limit + 1;
  using Row = std::array<unsigned, kLongest + 1>;
  Row before{}, last{}, row{};
  for (size_t j = 0; j <= b.size(); j++) last[j] = static_cast<unsigned>(j);
  for (size_t i = 1; i <= a.size(); i++) {
    row[0] = static_cast<unsigned>(i);
    unsigned best = row[0];
    for (size_t j = 1; j <= b.size(); j++) {
      const unsigned replaced = last[j - 1] + (a[i - 1] == b[j - 1] ? 0 : 1);
      row[j] = std::min({replaced, last[j] + 1, row[j - 1] + 1});
      if (i > 1 && j > 1 && a[i - 1] == b[j - 2] && a[i - 2] == b[j - 1])
        row[j] = std::min(row[j], before[j - 2] + 1);
      best = std::min(best, row[j]);
    }
    if (best > limit + 1) return limit + 1;
    before = std::exchange(last, row);
  }
  return std::min(last[b.size()], limit + 1);
}

}  // namespace skep::spec
