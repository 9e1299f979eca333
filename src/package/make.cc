#include <algorithm>
#include <set>

#include "btf/c_dump.h"
#include "loader/loader.h"
#include "package/package.h"
#include "spec/map_types.h"
#include "spec/prog_types.h"

namespace skep::package {
namespace {

std::vector<std::string> sorted(const std::set<std::string>& names) {
  return {names.begin(), names.end()};
}

bool is_ring(MapType type) {
  return type == MapType::BPF_MAP_TYPE_RINGBUF || type == MapType::BPF_MAP_TYPE_PERF_EVENT_ARRAY;
}

void add_needs(const object::Object& object, Package& package) {
  std::set<std::string> programs, maps, sections;
  for (const object::ProgramSpec& program : object.programs()) {
    sections.insert(program.section);
    auto kind = loader::classify_section(program.section);
    if (!kind) continue;  // the loader says so when it is run
    if (const auto* row = spec::find_prog_type(kind->type)) programs.emplace(row->short_name);
  }
  for (const object::MapSpec& map : object.maps())
    if (const auto* row = spec::find_map_type(map.type)) maps.emplace(row->short_name);
  package.program_types = sorted(programs);
  package.map_types = sorted(maps);
  package.sections = sorted(sections);
}

}  // namespace

std::string option_name(std::string_view variable, const CommandArgument& argument) {
  std::string name(argument.long_name.empty() ? variable : std::string_view(argument.long_name));
  std::ranges::replace(name, '_', '-');
  return name;
}

std::string default_name(std::string_view path) {
  path = path.substr(path.rfind('/') + 1);
  for (std::string_view end : {".c", ".o", ".s", ".S", ".json", ".skep", ".bpf"})
    if (path.ends_with(end) && path.size() > end.size()) path.remove_suffix(end.size());
  return std::string(path);
}

Result<> apply_defaults(object::Object& object) {
  for (const object::VariableSpec& variable : object.variables()) {
    auto said = parse_annotations(variable.comment);
    if (!said) return fail(said, "variable {}", variable.name);
    if (!said->argument || !said->argument->default_text) continue;
    auto set = object.set_variable(variable.name, std::string_view(*said->argument->default_text));
    if (!set) return fail(set, "variable {}: @cmdarg: \"default\"", variable.name);
  }
  for (const object::MapSpec& map : object.maps())
    if (auto said = parse_annotations(map.comment); !said) return fail(said, "map {}", map.name);
  return {};
}

Result<Package> make(const object::Object& object, ByteSpan bytes, Format format) {
  Package package;
  package.name = default_name(object.name());
  package.license = object.license();
  package.format = format;
  if (bytes.size() > kLargestObject)
    return fail(EFBIG, "an object of {} bytes: a package holds {} at most", bytes.size(),
                kLargestObject);
  package.object.assign(bytes.begin(), bytes.end());
  add_needs(object, package);
  for (const object::VariableSpec& variable : object.variables()) {
    auto said = parse_annotations(variable.comment);
    if (!said) return fail(said, "variable {}", variable.name);
    const std::string text = object.variable_text(variable);
    const bool is_option = variable.is_constant && !variable.is_static && !text.empty();
    if (!said->argument && !is_option) continue;
    OptionRow row;
    row.variable = variable.name;
    row.declared = said->argument.has_value();
    row.help = said->help;
    if (said->argument) row.argument = *said->argument;
    row.default_text = row.argument.default_text.value_or(text);
    if (object.btf() && variable.type != 0)
      row.type = btf::type_text(*object.btf(), object.btf()->strip_modifiers(variable.type).id());
    package.options.push_back(std::move(row));
  }
  for (const object::MapSpec& map : object.maps()) {
    auto said = parse_annotations(map.comment);
    if (!said) return fail(said, "map {}", map.name);
    if (said->sample) package.samples.push_back({map.name, *said->sample});
    if (is_ring(map.type)) package.exports.push_back({map.name, said->exported.value_or("")});
  }
  return package;
}

}  // namespace skep::package
