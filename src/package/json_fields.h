// Members of a JSON object, taken with their types checked: "options[2]: \"help\" is a number, text was expected".
#pragma once

#include <nlohmann/json.hpp>

#include <cstdint>
#include <string>
#include <string_view>

#include "base/result.h"

namespace skep::package {

class Fields {
 public:
  // `where` is what messages name; `object` outlives this.
  [[nodiscard]] static Result<Fields> of(const nlohmann::json& object, std::string where);

  [[nodiscard]] bool has(std::string_view name) const { return find(name) != nullptr; }
  // Of members that are not there, or are null: the second argument.
  [[nodiscard]] Result<std::string> text(std::string_view name, std::string otherwise) const;
  [[nodiscard]] Result<bool> truth(std::string_view name, bool otherwise) const;
  [[nodiscard]] Result<uint64_t> number(std::string_view name, uint64_t otherwise, uint64_t least,
                                        uint64_t most) const;
  // An empty array where it is not there; EINVAL over `limit` items.
  [[nodiscard]] Result<nlohmann::json> array(std::string_view name, size_t limit) const;
  [[nodiscard]] Result<Fields> object(std::string_view name) const;  // ENOENT where it is not there
  // A value as an option's text: text as it is, numbers and true/false as JSON writes them.
  [[nodiscard]] Result<std::optional<std::string>> value_text(std::string_view name) const;
  // EINVAL where there is a member beside these.
  [[nodiscard]] Result<> only(std::initializer_list<std::string_view> names) const;

 private:
  Fields(const nlohmann::json& object, std::string where)
      : object_(&object), where_(std::move(where)) {}
  [[nodiscard]] const nlohmann::json* find(std::string_view name) const;
  [[nodiscard]] std::unexpected<Error> wrong(std::string_view name, const nlohmann::json& found,
                                             std::string_view expected) const;

  const nlohmann::json* object_;
  std::string where_;
};

// Parses text that came from anywhere: no exception, no nesting deeper than 16.
[[nodiscard]] Result<nlohmann::json> parse_json(std::string_view text);
// For writing: bytes that are no UTF-8 are replaced.
[[nodiscard]] std::string json_text(const nlohmann::json& value, int indent);

}  // namespace skep::package
