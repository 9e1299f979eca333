#include "report/event.h"

#include <nlohmann/json.hpp>

#include <algorithm>
#include <cctype>

#include "report/decode.h"
#include "report/text.h"

namespace skep::report {
namespace {

std::string upper(std::string_view text) {
  std::string out(text);
  for (char& c : out) c = static_cast<char>(std::toupper(static_cast<unsigned char>(c)));
  return out;
}

// What most values of the type need. It is only where a table begins: rows widen it.
size_t usual_width(const btf::Btf& btf, btf::TypeId id) {
  const btf::Type type = btf.resolve(id);
  if (type.kind() == btf::Kind::Array && is_char_type(btf.resolve(type.element())))
    return std::min<size_t>(type.length(), 16);
  if (type.kind() == btf::Kind::Ptr) return 14;
  if (type.kind() != btf::Kind::Int) return 0;
  switch (type.size()) {
    case 1: return 3;
    case 2: return 5;
    case 4: return 7;
    default: return 10;
  }
}

}  // namespace

Result<EventFormat> EventFormat::make(std::shared_ptr<const btf::Btf> btf, btf::TypeId type) {
  const btf::Type resolved = btf->resolve(type);
  if (resolved.kind() != btf::Kind::Struct)
    return fail(EINVAL, "expected a struct as the type of events, found type {} of kind {}", type,
                btf::kind_name(resolved.kind()));
  EventFormat format;
  format.btf_ = std::move(btf);
  format.type_ = type;
  format.size_ = resolved.size();
  for (const Leaf& leaf : leaves(*format.btf_, type)) {
    if (leaf.name.empty()) return fail(EINVAL, "struct {} has no members to show", resolved.name());
    format.columns_.push_back(
        {.name = leaf.name,
         .type = leaf.type,
         .bit_offset = leaf.bit_offset,
         .bitfield_size = leaf.bitfield_size,
         .right = is_numeric(*format.btf_, leaf.type),
         .width = std::max(leaf.name.size(), usual_width(*format.btf_, leaf.type))});
  }
  return format;
}

std::string_view EventFormat::type_name() const {
  const std::string_view given = btf_->name(type_);
  return given.empty() ? btf_->resolve(type_).name() : given;
}

std::vector<std::string> EventFormat::cells(ByteSpan record) const {
  std::vector<std::string> out;
  out.reserve(columns_.size());
  for (const EventColumn& column : columns_)
    out.push_back(to_text(decode(
        *btf_, {column.name, column.type, column.bit_offset, column.bitfield_size}, record)));
  return out;
}

std::string EventFormat::to_json(ByteSpan record, std::string_view source) const {
  Value event = decode(*btf_, type_, record);
  if (source.empty()) return to_line(event);
  Value named = Value::object();
  named["source"] = std::string(source);
  for (auto& [name, value] : event.items()) named[name] = std::move(value);
  return to_line(named);
}

EventTable::EventTable(const EventFormat& format) : format_(format) {
  for (const EventColumn& column : format_.columns()) widths_.push_back(column.width);
}

std::string EventTable::header() const {
  std::vector<std::string> names;
  for (const EventColumn& column : format_.columns()) names.push_back(upper(escape(column.name)));
  return line(names);
}

std::string EventTable::row(ByteSpan record) {
  const std::vector<std::string> cells = format_.cells(record);
  // The last column may be as wide as it likes; long text elsewhere (a path) should not push all that follows for good.
  constexpr size_t kWidest = 40;
  for (size_t i = 0; i + 1 < cells.size(); ++i)
    widths_[i] = std::max(widths_[i], std::min(display_width(cells[i]), kWidest));
  return line(cells);
}

std::string EventTable::line(const std::vector<std::string>& cells) const {
  std::string out;
  for (size_t i = 0; i < cells.size(); ++i) {
    if (i > 0) out += ' ';
    out += format_.columns()[i].right ? pad_left(cells[i], widths_[i])
                                      : pad_right(cells[i], widths_[i]);
  }
  out.erase(out.find_last_not_of(' ') + 1);
  return out;
}

std::optional<btf::TypeId> guess_event_type(const btf::Btf& btf, std::string_view map_name,
                                            uint32_t record_size) {
  std::vector<btf::TypeId> fitting;
  for (btf::TypeId id = btf.type_begin(); id < btf.type_end(); ++id) {
    const btf::Type type = btf.type(id);
    if (type.kind() != btf::Kind::Struct || type.name().empty() || type.vlen() == 0) continue;
    // A ring buffer's record may be longer than the struct by what rounding adds.
    const bool fits =
        record_size == 0 || type.size() == record_size || (type.size() + 7) / 8 * 8 == record_size;
    if (fits) fitting.push_back(id);
  }
  const auto only = [&](auto matches) -> std::optional<btf::TypeId> {
    std::optional<btf::TypeId> found;
    for (btf::TypeId id : fitting) {
      if (!matches(btf.name(id))) continue;
      if (found) return {};
      found = id;
    }
    return found;
  };
  std::string singular(map_name);
  if (singular.ends_with('s')) singular.pop_back();
  for (const std::string& name :
       {singular, std::string(map_name), singular + "_t", std::string("event")})
    if (auto found = only([&](std::string_view type) { return type == name; })) return found;
  if (auto found = only([](std::string_view type) {
        return type.ends_with("event") || type.ends_with("event_t");
      }))
    return found;
  if (record_size == 0) return {};
  return only([](std::string_view) { return true; });
}

std::string format_printk(std::string_view text) {
  while (text.ends_with('\n') || text.ends_with('\0')) text.remove_suffix(1);
  return escape(text);
}

}  // namespace skep::report
