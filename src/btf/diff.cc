#include "btf/diff.h"

#include <algorithm>
#include <map>

#include "btf/c_dump.h"

namespace skep::btf {

namespace {

using Names = std::map<std::pair<Kind, std::string_view>, TypeId>;

// ENUM64 is an enum that got larger values, not another kind of thing.
Kind compared_kind(Kind kind) { return kind == Kind::Enum64 ? Kind::Enum : kind; }

Names named_types(const Btf& btf) {
  Names names;
  for (TypeId id = 1; id < btf.type_end(); ++id) {
    const Type type = btf.type(id);
    const bool compared = type.is_composite() || type.is_enum() || type.kind() == Kind::Typedef ||
                          type.kind() == Kind::Func;
    if (compared && !type.name().empty())
      names.try_emplace({compared_kind(type.kind()), type.name()}, id);
  }
  return names;
}

struct Field {
  std::string text;    // declaration
  uint64_t place = 0;  // bit offset, or an enumerator's value
};

// By name; anonymous ones by what they are.
std::map<std::string, Field> fields(const Btf& btf, const Type& type) {
  std::map<std::string, Field> all;
  for (uint32_t i = 0; i < type.vlen(); ++i) {
    if (type.is_enum()) {
      all.try_emplace(std::string(type.enumerator(i).name),
                      Field{std::string(type.enumerator(i).name), type.enumerator(i).value});
      continue;
    }
    const Member member = type.member(i);
    std::string text = member.name.empty() ? definition_text(btf, member.type)
                                           : type_text(btf, member.type, member.name);
    if (member.bitfield_size != 0) text += fmt::format(": {}", member.bitfield_size);
    std::string name = member.name.empty() ? text : std::string(member.name);
    all.try_emplace(std::move(name), Field{std::move(text), member.bit_offset});
  }
  return all;
}

std::string place_text(const Type& type, uint64_t place) {
  if (type.is_enum())
    return type.is_signed() ? std::to_string(static_cast<int64_t>(place)) : std::to_string(place);
  return place % 8 == 0 ? fmt::format("at {}", place / 8)
                        : fmt::format("at {} bit {}", place / 8, place % 8);
}

std::vector<std::string> compare(const Btf& before, const Type& old, const Btf& after,
                                 const Type& now) {
  std::vector<std::string> details;
  if (old.kind() == Kind::Typedef || old.kind() == Kind::Func) {
    const std::string a = type_text(before, old.referenced(), old.name()),
                      b = type_text(after, now.referenced(), now.name());
    if (a != b) details = {fmt::format("- {};", a), fmt::format("+ {};", b)};
    return details;
  }
  if (old.size() != now.size())
    details.push_back(fmt::format("size {} → {}", old.size(), now.size()));
  const auto were = fields(before, old), are = fields(after, now);
  const char* end = old.is_enum() ? "" : ";";
  for (const auto& [name, field] : were) {
    auto found = are.find(name);
    if (found == are.end()) {
      details.push_back(
          fmt::format("- {}{} /* {} */", field.text, end, place_text(old, field.place)));
    } else if (found->second.text != field.text) {
      details.push_back(
          fmt::format("- {}{} /* {} */", field.text, end, place_text(old, field.place)));
      details.push_back(fmt::format("+ {}{} /* {} */", found->second.text, end,
                                    place_text(now, found->second.place)));
    } else if (found->second.place != field.place) {
      details.push_back(fmt::format(
          "  {}: {} → {}", old.is_enum() || !field.text.starts_with(name) ? name : field.text,
          place_text(old, field.place), place_text(now, found->second.place)));
    }
  }
  for (const auto& [name, field] : are)
    if (!were.contains(name))
      details.push_back(
          fmt::format("+ {}{} /* {} */", field.text, end, place_text(now, field.place)));
  return details;
}

}  // namespace

std::vector<Difference> diff(const Btf& before, const Btf& after) {
  std::vector<Difference> differences;
  const Names were = named_types(before), are = named_types(after);
  for (const auto& [key, id] : were) {
    auto found = are.find(key);
    if (found == are.end()) {
      differences.push_back({Difference::What::Removed, key.first, std::string(key.second), {}});
      continue;
    }
    auto details = compare(before, before.type(id), after, after.type(found->second));
    if (!details.empty())
      differences.push_back(
          {Difference::What::Changed, key.first, std::string(key.second), std::move(details)});
  }
  for (const auto& [key, id] : are)
    if (!were.contains(key))
      differences.push_back({Difference::What::Added, key.first, std::string(key.second), {}});
  std::ranges::sort(differences, {}, [](const Difference& d) {
    return std::pair(d.kind, std::string_view(d.name));
  });
  return differences;
}

}  // namespace skep::btf
