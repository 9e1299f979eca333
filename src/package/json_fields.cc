#include "package/json_fields.h"

#include <algorithm>

namespace skep::package {

using nlohmann::json;

Result<Fields> Fields::of(const json& object, std::string where) {
  if (!object.is_object())
    return fail(EINVAL, "{}: expected an object, found {}", where, object.type_name());
  return Fields(object, std::move(where));
}

const json* Fields::find(std::string_view name) const {
  auto found = object_->find(name);
  return found == object_->end() || found->is_null() ? nullptr : &*found;
}

std::unexpected<Error> Fields::wrong(std::string_view name, const json& found,
                                     std::string_view expected) const {
  return fail(
      EINVAL, "{}: \"{}\": expected {}, found {}", where_, name, expected,
      found.is_primitive() && !found.is_string() ? found.dump() : std::string(found.type_name()));
}

Result<std::string> Fields::text(std::string_view name, std::string otherwise) const {
  const json* found = find(name);
  if (found == nullptr) return otherwise;
  if (!found->is_string()) return wrong(name, *found, "text");
  return found->get<std::string>();
}

Result<bool> Fields::truth(std::string_view name, bool otherwise) const {
  const json* found = find(name);
  if (found == nullptr) return otherwise;
  if (!found->is_boolean()) return wrong(name, *found, "true or false");
  return found->get<bool>();
}

Result<uint64_t> Fields::number(std::string_view name, uint64_t otherwise, uint64_t least,
                                uint64_t most) const {
  const json* found = find(name);
  if (found == nullptr) return otherwise;
  if (!found->is_number_unsigned() || found->get<uint64_t>() < least ||
      found->get<uint64_t>() > most)
    return wrong(name, *found, fmt::format("a number from {} to {}", least, most));
  return found->get<uint64_t>();
}

Result<json> Fields::array(std::string_view name, size_t limit) const {
  const json* found = find(name);
  if (found == nullptr) return json::array();
  if (!found->is_array()) return wrong(name, *found, "an array");
  if (found->size() > limit)
    return fail(EINVAL, "{}: \"{}\" has {} items, {} at most were expected", where_, name,
                found->size(), limit);
  return *found;
}

Result<Fields> Fields::object(std::string_view name) const {
  const json* found = find(name);
  if (found == nullptr) return fail(ENOENT, "{}: there is no \"{}\"", where_, name);
  return of(*found, fmt::format("{}: \"{}\"", where_, name));
}

Result<std::optional<std::string>> Fields::value_text(std::string_view name) const {
  const json* found = find(name);
  if (found == nullptr) return std::optional<std::string>();
  if (found->is_string()) return std::optional(found->get<std::string>());
  if (!found->is_boolean() && !found->is_number())
    return wrong(name, *found, "text, a number, true or false");
  return std::optional(found->dump());
}

Result<> Fields::only(std::initializer_list<std::string_view> names) const {
  for (const auto& [name, value] : object_->items()) {
    if (std::ranges::find(names, name) == names.end()) {
      std::string known;
      for (std::string_view each : names) known += fmt::format(" {}", each);
      return std::unexpected(Error(EINVAL, fmt::format("{}: \"{}\" is not known", where_, name))
                                 .with_hint("there are:" + known));
    }
  }
  return {};
}

Result<json> parse_json(std::string_view text) {
  constexpr int kDeepest = 16;
  bool too_deep = false;
  json parsed = json::parse(
      text,
      [&](int depth, json::parse_event_t, json&) {
        too_deep |= depth > kDeepest;
        return !too_deep;  // what is deeper is not kept
      },
      false);
  if (too_deep) return fail(EINVAL, "JSON that is nested deeper than {}", kDeepest);
  if (parsed.is_discarded()) return fail(EINVAL, "not JSON, or not whole");
  return parsed;
}

std::string json_text(const json& value, int indent) {
  return value.dump(indent, ' ', false, json::error_handler_t::replace);
}

}  // namespace skep::package
