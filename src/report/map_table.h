// A map's contents: a table, log2 histograms, or JSON.
//
// A map is histogram-like where its value is a struct with an integer array `slots[]` (one histogram an element, its key and
// the value's other members as the heading), or where it is an array of integers whose name speaks of it ("hist", "log2":
// elements are the slots). Per-CPU values are added up in text; JSON has each.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "btf/btf.h"
#include "spec/types.h"

namespace skep::report {

struct MapElement {
  std::vector<std::byte> key;
  std::vector<std::vector<std::byte>> values;  // one, or one a CPU
};

// What whoever read the map hands over. Without BTF (null, or type 0) bytes are shown as hexadecimal.
struct MapContents {
  // How text shows it: `automatic` looks at the value's type and the name, as above; histograms that can't be one are
  // tables.
  enum class Shape : uint8_t { automatic, table, log2, linear };
  std::string name;
  MapType type{};
  std::shared_ptr<const btf::Btf> btf;
  btf::TypeId key_type = 0;
  btf::TypeId value_type = 0;
  std::vector<MapElement> elements;
  Shape shape = Shape::automatic;
  std::string unit = {};  // of a histogram's slots, to head them; may be empty
};

[[nodiscard]] bool is_histogram(const MapContents& map);

// Lines, each with its newline; no heading but the columns'. Elements are sorted by key; those of arrays whose value is all
// zero are left out and counted at the end.
[[nodiscard]] std::string format_map(const MapContents& map);

// {"name":…,"type":…,"elements":[{"key":…,"value":…}]}, per CPU "values":[…]; histograms as slots are. One line.
[[nodiscard]] std::string map_to_json(const MapContents& map, std::string_view type_name);

}  // namespace skep::report
