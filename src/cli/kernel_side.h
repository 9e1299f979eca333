// What programs without a user side say of their maps (package/annotations.h): @sample, @export.
#pragma once

#include <chrono>
#include <optional>
#include <vector>

#include "cli/command.h"
#include "loader/loader.h"
#include "package/annotations.h"
#include "report/map_table.h"

namespace skep::cli {

// The type of a ring's records: what @export says, or the map's value type, or 0.
[[nodiscard]] btf::TypeId record_type(const object::Object& object, const object::MapSpec& map);
// Shows a map as its @sample says.
void shape_as_sampled(const object::MapSpec& map, report::MapContents& contents);

// Prints the maps that have @sample, each when its interval is over. The loader outlives this.
class Sampler {
 public:
  using Clock = std::chrono::steady_clock;
  Sampler(const loader::Loader& loader, bool json);

  // Until the next is due, at least 0 and at most `limit`.
  [[nodiscard]] std::chrono::milliseconds wait(std::chrono::milliseconds limit) const;
  [[nodiscard]] bool empty() const { return rows_.empty(); }
  void print_due();

 private:
  struct Row {
    const loader::LoadedMap* map;
    package::Sample sample;
    Clock::time_point due;
  };
  void print_sample(const Row& row);
  void clear(const Row& row, const report::MapContents& contents);

  const loader::Loader& loader_;
  bool json_;
  std::vector<Row> rows_;
};

}  // namespace skep::cli
