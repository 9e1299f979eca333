#include "cli/script.h"

#include <algorithm>
#include <cstring>

#include "base/fd.h"
#include "cli/map_contents.h"
#include "lang/analysis.h"
#include "report/event.h"
#include "report/histogram.h"

namespace skep::cli {

bool is_script(const std::string& path) { return path.ends_with(".bt"); }

std::expected<lang::Compiled, Failure> compile_script(const std::string& text,
                                                      const std::string& name) {
  auto compiled = lang::compile(text, name);
  if (!compiled) return failure(kBadInput, compiled.error());
  return std::move(*compiled);
}

std::expected<lang::Compiled, Failure> compile_script_file(const std::string& path) {
  auto bytes = read_file(path);
  if (!bytes) return failure(exit_for(bytes.error(), kNoInput), bytes.error());
  return compile_script({reinterpret_cast<const char*>(bytes->data()), bytes->size()}, path);
}

const lang::ShownMap* shown_map(std::span<const lang::ShownMap> maps, const std::string& name) {
  auto found =
      std::ranges::find_if(maps, [&](const lang::ShownMap& shown) { return shown.map == name; });
  return found == maps.end() ? nullptr : &*found;
}

std::string script_map_text(const lang::ShownMap& shown, report::MapContents contents, bool json) {
  for (report::MapElement& element : contents.elements)
    element.values = {lang::merge(shown.type, element.values)};
  contents.name = shown.title;
  contents.type = MapType::BPF_MAP_TYPE_HASH;
  contents.value_type = shown.shown_type;
  if (contents.elements.empty()) return {};
  if (json) return report::map_to_json(contents, "hash") + "\n";
  if (shown.has_key) return fmt::format("\n{}:\n{}", shown.title, report::format_map(contents));
  const std::vector<std::byte>& value = contents.elements.front().values.front();
  if (shown.type == lang::Type::string) {
    const auto* text = reinterpret_cast<const char*>(value.data());
    return fmt::format("\n{}: {}\n", shown.title,
                       report::format_printk({text, ::strnlen(text, value.size())}));
  }
  std::vector<uint64_t> words(value.size() / 8);
  std::memcpy(words.data(), value.data(), words.size() * 8);
  if (shown.type == lang::Type::hist)
    return fmt::format("\n{}:\n{}", shown.title, report::format_log2_histogram(words));
  if (shown.type == lang::Type::count) return fmt::format("\n{}: {}\n", shown.title, words[0]);
  return fmt::format("\n{}: {}\n", shown.title, static_cast<int64_t>(words[0]));
}

std::string language_help() {
  std::string text =
      "SCRIPT: PROBE [, PROBE] [/CONDITION/] { STATEMENTS } ...\n"
      "Probes: uprobe:BINARY:FUNCTION, uretprobe:BINARY:FUNCTION, tracepoint:CATEGORY:NAME,\n"
      "rawtracepoint:NAME. Builtins:\n";
  for (const lang::Builtin& row : lang::builtins())
    text += fmt::format("  {:<10} {}\n", row.name, row.help);
  text += "Functions:\n";
  for (const lang::Function& row : lang::functions())
    text += fmt::format("  {:<10} {}\n", row.name, row.help);
  return text + "docs/language.md says the rest.";
}

}  // namespace skep::cli
