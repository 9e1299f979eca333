#include "report/map_table.h"

#include <fmt/format.h>
#include <nlohmann/json.hpp>

#include <algorithm>
#include <cctype>

#include "report/decode.h"
#include "report/histogram.h"
#include "report/text.h"

namespace skep::report {
namespace {

using btf::Kind;

bool is_array(MapType type) {
  return type == MapType::BPF_MAP_TYPE_ARRAY || type == MapType::BPF_MAP_TYPE_PERCPU_ARRAY;
}

bool is_integer(const btf::Btf& btf, btf::TypeId id) { return btf.resolve(id).kind() == Kind::Int; }

// The member `slots` of a value that is a histogram.
std::optional<Leaf> slots_of(const MapContents& map) {
  if (!map.btf || map.value_type == 0) return {};
  for (const Leaf& leaf : leaves(*map.btf, map.value_type)) {
    const btf::Type type = map.btf->resolve(leaf.type);
    if (leaf.name == "slots" && type.kind() == Kind::Array && is_integer(*map.btf, type.element()))
      return leaf;
  }
  return {};
}

bool speaks_of_histogram(std::string_view name) {
  std::string lower(name);
  for (char& c : lower) c = static_cast<char>(std::tolower(static_cast<unsigned char>(c)));
  return lower.find("hist") != std::string::npos || lower.find("log2") != std::string::npos;
}

bool elements_are_slots(const MapContents& map) {
  if (!is_array(map.type)) return false;
  if (map.shape == MapContents::Shape::automatic && !speaks_of_histogram(map.name)) return false;
  if (map.btf && map.value_type != 0) return is_integer(*map.btf, map.value_type);
  return !map.elements.empty() && !map.elements[0].values.empty() &&
         map.elements[0].values[0].size() == 8;
}

Value decode_key(const MapContents& map, ByteSpan bytes) {
  if (map.btf && map.key_type != 0) return decode(*map.btf, map.key_type, bytes);
  if (is_array(map.type) && bytes.size() == 4) return load<uint32_t>(bytes.data());
  return hex(bytes);
}

Value decode_value(const MapContents& map, ByteSpan bytes) {
  if (map.btf && map.value_type != 0) return decode(*map.btf, map.value_type, bytes);
  if (elements_are_slots(map) && bytes.size() == 8) return load<uint64_t>(bytes.data());
  return hex(bytes);
}

// Adds numbers, member by member; of what can't be added the first that says something stays.
void add(Value& sum, const Value& more) {
  if (sum.is_number_unsigned() && more.is_number_unsigned()) {
    sum = sum.get<uint64_t>() + more.get<uint64_t>();
  } else if (sum.is_number_integer() && more.is_number_integer()) {
    sum = static_cast<int64_t>(static_cast<uint64_t>(sum.get<int64_t>()) +
                               static_cast<uint64_t>(more.get<int64_t>()));
  } else if (sum.is_number() && more.is_number()) {
    sum = sum.get<double>() + more.get<double>();
  } else if (sum.is_array() && more.is_array()) {
    for (size_t i = 0; i < sum.size() && i < more.size(); ++i) add(sum[i], more[i]);
  } else if (sum.is_object() && more.is_object()) {
    for (auto& [name, value] : sum.items())
      if (more.contains(name)) add(value, more[name]);
  } else if (sum.is_null() || (sum.is_string() && sum.get_ref<const std::string&>().empty())) {
    sum = more;
  }
}

Value total(const std::vector<Value>& values) {
  Value sum = values.empty() ? Value(nullptr) : values[0];
  for (size_t i = 1; i < values.size(); ++i) add(sum, values[i]);
  return sum;
}

std::vector<Value> decode_values(const MapContents& map, const MapElement& element) {
  std::vector<Value> values;
  for (const auto& bytes : element.values) values.push_back(decode_value(map, bytes));
  return values;
}

bool all_zero(const MapElement& element) {
  for (const auto& value : element.values)
    if (std::ranges::any_of(value, [](std::byte byte) { return byte != std::byte{0}; }))
      return false;
  return true;
}

// Numbers in order of size, all else in order of text.
bool before(const Value& a, const Value& b) {
  if (a.is_number() && b.is_number()) return a < b;
  if (a.is_object() && b.is_object()) {
    auto right = b.begin();
    for (auto left = a.begin(); left != a.end() && right != b.end(); ++left, ++right) {
      if (before(*left, *right)) return true;
      if (before(*right, *left)) return false;
    }
    return a.size() < b.size();
  }
  return to_text(a) < to_text(b);
}

struct Row {
  Value key;
  Value value;
};

std::vector<Row> sorted_rows(const MapContents& map, size_t& hidden) {
  std::vector<Row> rows;
  hidden = 0;
  for (const MapElement& element : map.elements) {
    if (is_array(map.type) && all_zero(element)) {
      ++hidden;
      continue;
    }
    rows.push_back({decode_key(map, element.key), total(decode_values(map, element))});
  }
  std::ranges::stable_sort(rows, [](const Row& a, const Row& b) { return before(a.key, b.key); });
  return rows;
}

// An object's members as columns of their own ("a.b" for objects in it); anything else as one called `name`.
void add_cells(const Value& value, const std::string& name,
               std::vector<std::pair<std::string, const Value*>>& out) {
  if (!value.is_object() || value.empty()) {
    out.emplace_back(name, &value);
    return;
  }
  for (const auto& [member, inner] : value.items())
    add_cells(inner,
              name.empty() || name == "key" || name == "value" ? member : name + "." + member, out);
}

std::string format_rows(const std::vector<Row>& rows) {
  struct Column {
    std::string name;
    bool right = true;
    size_t width = 0;
  };
  std::vector<Column> columns;
  std::vector<std::vector<std::string>> lines;
  for (const Row& row : rows) {
    std::vector<std::pair<std::string, const Value*>> cells;
    add_cells(row.key, "key", cells);
    add_cells(row.value, "value", cells);
    std::vector<std::string> line;
    for (size_t i = 0; i < cells.size(); ++i) {
      if (i >= columns.size()) columns.push_back({escape(cells[i].first), true, 0});
      line.push_back(to_text(*cells[i].second));
      columns[i].right &= cells[i].second->is_number();
      columns[i].width =
          std::max({columns[i].width, display_width(line[i]), display_width(columns[i].name)});
    }
    lines.push_back(std::move(line));
  }
  std::vector<std::string> names;
  for (const Column& column : columns) {
    names.push_back(column.name);
    for (char& c : names.back()) c = static_cast<char>(std::toupper(static_cast<unsigned char>(c)));
  }
  lines.insert(lines.begin(), std::move(names));
  std::string out;
  for (const auto& line : lines) {
    std::string text;
    for (size_t i = 0; i < line.size(); ++i) {
      if (i > 0) text += "  ";
      text += columns[i].right ? pad_left(line[i], columns[i].width)
                               : pad_right(line[i], columns[i].width);
    }
    text.erase(text.find_last_not_of(' ') + 1);
    out += text + '\n';
  }
  return out;
}

std::vector<uint64_t> numbers(const Value& value) {
  std::vector<uint64_t> out;
  for (const Value& item : value)
    out.push_back(item.is_number_unsigned() ? item.get<uint64_t>()
                  : item.is_number_integer()
                      ? static_cast<uint64_t>(std::max<int64_t>(item.get<int64_t>(), 0))
                      : 0);
  return out;
}

std::string format_slots(const MapContents& map, const Value& slots) {
  std::string out =
      map.unit.empty() ? "" : fmt::format("{:<16}{:>10}\n", escape(map.unit), "count");
  return out + (map.shape == MapContents::Shape::linear ? format_linear_histogram(numbers(slots))
                                                        : format_log2_histogram(numbers(slots)));
}

std::string format_histograms(const MapContents& map) {
  std::string out;
  if (elements_are_slots(map)) {
    std::vector<std::pair<Value, Value>> items;
    for (const MapElement& element : map.elements)
      items.emplace_back(decode_key(map, element.key), total(decode_values(map, element)));
    std::ranges::stable_sort(items,
                             [](const auto& a, const auto& b) { return before(a.first, b.first); });
    Value slots = Value::array();
    for (auto& [key, count] : items) slots.push_back(std::move(count));
    return format_slots(map, slots);
  }
  size_t hidden = 0;
  for (const Row& row : sorted_rows(map, hidden)) {
    std::string heading = is_array(map.type) && map.elements.size() == 1 ? "" : to_text(row.key);
    for (const auto& [name, value] : row.value.items()) {
      if (name == "slots" || (value.is_string() && value.get_ref<const std::string&>().empty()))
        continue;
      heading += (heading.empty() ? "" : ", ") + escape(name) + " = " + to_text(value);
    }
    if (!heading.empty()) out += heading + ":\n";
    out += format_slots(map, row.value["slots"]);
  }
  return out.empty() ? "(empty)\n" : out;
}

}  // namespace

bool is_histogram(const MapContents& map) {
  if (map.shape == MapContents::Shape::table) return false;
  return slots_of(map).has_value() || elements_are_slots(map);
}

std::string format_map(const MapContents& map) {
  if (is_histogram(map)) return format_histograms(map);
  size_t hidden = 0;
  const std::vector<Row> rows = sorted_rows(map, hidden);
  std::string out = rows.empty() ? "" : format_rows(rows);
  if (hidden > 0)
    out += fmt::format("({} {} zero)\n", hidden, hidden == 1 ? "element is" : "elements are");
  return out.empty() ? "(empty)\n" : out;
}

std::string map_to_json(const MapContents& map, std::string_view type_name) {
  Value out = Value::object();
  out["name"] = map.name;
  out["type"] = std::string(type_name);
  Value elements = Value::array();
  for (const MapElement& element : map.elements) {
    Value item = Value::object();
    item["key"] = decode_key(map, element.key);
    std::vector<Value> values = decode_values(map, element);
    if (values.size() == 1)
      item["value"] = std::move(values[0]);
    else
      item["values"] = std::move(values);
    elements.push_back(std::move(item));
  }
  out["elements"] = std::move(elements);
  return to_line(out);
}

}  // namespace skep::report
