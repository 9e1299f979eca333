// Finding rows by name, with the nearest name for the error message of a miss.
#pragma once

#include <span>
#include <string_view>

namespace skep::spec {

// Edits (insert, delete, replace, swap of neighbours) from one to the other, at most `limit`; limit
// + 1 where there are more. Names up to 63 characters; longer ones are cut.
[[nodiscard]] unsigned edit_distance(std::string_view a, std::string_view b, unsigned limit);

// The row whose name is nearest, if near enough to be meant (a third of the name's length); else
// empty.
template <class Row>
[[nodiscard]] std::string_view closest_name(std::string_view wanted, std::span<const Row> rows,
                                            std::string_view Row::* name) {
  std::string_view best;
  unsigned best_distance = static_cast<unsigned>(wanted.size()) / 3 + 1;
  for (const Row& row : rows) {
    const unsigned distance = edit_distance(wanted, row.*name, best_distance);
    if (distance < best_distance) best = row.*name, best_distance = distance;
  }
  return best;
}

}  // namespace skep::spec
