#include "package/annotations.h"

#include <algorithm>
#include <cctype>

#include "package/json_fields.h"

namespace skep::package {
namespace {

constexpr struct {
  SampleKind kind;
  std::string_view name;
} kKinds[] = {{SampleKind::automatic, "auto"},
              {SampleKind::log2_hist, "log2_hist"},
              {SampleKind::linear_hist, "linear_hist"},
              {SampleKind::table, "default_kv"}};

// The JSON object that begins at `text`, behind blanks: to the brace that closes it.
std::string_view object_at(std::string_view text) {
  const size_t begin = text.find_first_not_of(" \t");
  if (begin == std::string_view::npos || text[begin] != '{') return {};
  int depth = 0;
  bool in_text = false;
  for (size_t at = begin; at < text.size(); ++at) {
    const char c = text[at];
    if (in_text) {
      if (c == '\\') ++at;
      if (c == '"') in_text = false;
    } else if (c == '"') {
      in_text = true;
    } else if (c == '{') {
      ++depth;
    } else if (c == '}' && --depth == 0) {
      return text.substr(0, at + 1);
    }
  }
  return text;  // never closed: the parser says so
}

bool is_option_name(std::string_view name) {
  return !name.empty() && name.front() != '-' && std::ranges::all_of(name, [](unsigned char c) {
    return std::isalnum(c) != 0 || c == '-' || c == '_';
  });
}

Result<> read_argument(const Fields& fields, Annotations& into) {
  SKEP_CHECK(fields.only({"default", "short", "long", "help"}));
  CommandArgument argument;
  SKEP_TRY(long_name, fields.text("long", ""));
  if (!long_name.empty() && !is_option_name(long_name))
    return fail(EINVAL, "@cmdarg: \"long\": \"{}\" can't be an option's name", long_name);
  argument.long_name = long_name;
  SKEP_TRY(short_name, fields.text("short", ""));
  if (!short_name.empty() &&
      (short_name.size() != 1 || std::isalnum(static_cast<unsigned char>(short_name[0])) == 0))
    return fail(EINVAL, "@cmdarg: \"short\": \"{}\": expected one letter or digit", short_name);
  if (!short_name.empty()) argument.short_name = short_name[0];
  SKEP_TRY(value, fields.value_text("default"));
  argument.default_text = value;
  SKEP_TRY(help, fields.text("help", into.help));
  into.help = help;
  into.argument = std::move(argument);
  return {};
}

Result<> read_sample(const Fields& fields, Annotations& into) {
  SKEP_CHECK(fields.only({"interval", "type", "unit", "clear_map"}));
  Sample sample;
  SKEP_TRY(interval, fields.number("interval", sample.interval_ms, 10, 86'400'000));
  sample.interval_ms = static_cast<uint32_t>(interval);
  SKEP_TRY(name, fields.text("type", "auto"));
  const auto* row = std::ranges::find(kKinds, name, [](const auto& each) { return each.name; });
  if (row == std::end(kKinds))
    return std::unexpected(Error(EINVAL, fmt::format("@sample: there is no type \"{}\"", name))
                               .with_hint("there are: log2_hist linear_hist default_kv auto"));
  sample.kind = row->kind;
  SKEP_TRY(unit, fields.text("unit", ""));
  sample.unit = unit;
  SKEP_TRY(clear, fields.truth("clear_map", false));
  sample.clear = clear;
  into.sample = std::move(sample);
  return {};
}

Result<> read_export(const Fields& fields, Annotations& into) {
  SKEP_CHECK(fields.only({"type"}));
  SKEP_TRY(type, fields.text("type", ""));
  std::string_view name = type;
  if (name.starts_with("struct ")) name.remove_prefix(7);
  if (name.empty()) return fail(EINVAL, "@export: it names no \"type\"");
  into.exported = std::string(name);
  return {};
}

constexpr struct {
  std::string_view name;
  Result<> (*read)(const Fields&, Annotations&);
} kAnnotations[] = {{"@cmdarg", read_argument}, {"@sample", read_sample}, {"@export", read_export}};

std::string trimmed(std::string_view text) {
  std::string out;
  for (char c : text) {
    const bool blank = std::isspace(static_cast<unsigned char>(c)) != 0;
    if (!blank)
      out += c;
    else if (!out.empty() && out.back() != ' ')
      out += ' ';
  }
  if (out.ends_with(' ')) out.pop_back();
  if (out.size() >= 2 && out.front() == '"' && out.back() == '"')
    out = out.substr(1, out.size() - 2);
  return out;
}

}  // namespace

std::string_view sample_kind_name(SampleKind kind) {
  return std::ranges::find(kKinds, kind, [](const auto& each) { return each.kind; })->name;
}

Result<Annotations> parse_annotations(std::string_view comment) {
  Annotations result;
  std::string plain;
  struct Found {
    decltype(&kAnnotations[0]) row;
    nlohmann::json value;
  };
  std::vector<Found> found;
  while (!comment.empty()) {
    const size_t at = std::min(comment.find('@'), comment.size());
    plain += comment.substr(0, at);
    comment.remove_prefix(at);
    if (comment.empty()) break;
    if (comment.starts_with("@description")) {
      comment.remove_prefix(std::string_view("@description").size());
      continue;
    }
    const auto* row = std::ranges::find_if(
        kAnnotations, [&](const auto& each) { return comment.starts_with(each.name); });
    if (row == std::end(kAnnotations)) {
      plain += '@';
      comment.remove_prefix(1);
      continue;
    }
    comment.remove_prefix(row->name.size());
    const std::string_view text = object_at(comment);
    comment.remove_prefix(text.size());
    if (text.empty()) {
      found.push_back({row, nlohmann::json::object()});
      continue;
    }
    auto value = parse_json(text);
    if (!value) return fail(value, "{}", row->name);
    found.push_back({row, std::move(*value)});
  }
  result.help = trimmed(plain);
  for (const Found& each : found) {
    SKEP_TRY(fields, Fields::of(each.value, std::string(each.row->name)));
    SKEP_CHECK(each.row->read(fields, result));
  }
  return result;
}

std::string to_comment(const Annotations& annotations) {
  std::string text;
  if (annotations.argument) {
    nlohmann::json value = nlohmann::json::object();
    const CommandArgument& argument = *annotations.argument;
    if (!argument.long_name.empty()) value["long"] = argument.long_name;
    if (argument.short_name != 0) value["short"] = std::string(1, argument.short_name);
    if (argument.default_text) value["default"] = *argument.default_text;
    if (!annotations.help.empty()) value["help"] = annotations.help;
    text += "@cmdarg " + json_text(value, -1);
  }
  if (annotations.sample) {
    const Sample& sample = *annotations.sample;
    text += "@sample " + json_text({{"interval", sample.interval_ms},
                                    {"type", sample_kind_name(sample.kind)},
                                    {"unit", sample.unit},
                                    {"clear_map", sample.clear}},
                                   -1);
  }
  if (annotations.exported) text += "@export " + json_text({{"type", *annotations.exported}}, -1);
  if (annotations.argument) return text;
  // Help that speaks of an annotation is none.
  std::string help = annotations.help;
  for (const auto& row : kAnnotations)
    for (size_t at = 0; (at = help.find(row.name, at)) != help.npos;) help.insert(++at, " ");
  return text + help;
}

}  // namespace skep::package
