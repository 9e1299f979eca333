#include "object/assembled.h"

#include <charconv>

#include "object/built.h"
#include "spec/helpers.h"
#include "spec/lookup.h"
#include "spec/map_types.h"

namespace skep::object {
namespace {

Result<MapType> map_type(const isa::AsmMap& map) {
  if (const spec::MapTypeRow* row = spec::find_map_type(std::string_view(map.type)))
    return row->type;
  uint32_t number = 0;
  const char* end = map.type.data() + map.type.size();
  auto [stop, error] = std::from_chars(map.type.data(), end, number);
  if (error == std::errc() && stop == end &&
      spec::find_map_type(static_cast<MapType>(number)) != nullptr) {
    return static_cast<MapType>(number);
  }
  Error unknown(EINVAL, fmt::format("line {}: map {}: no map type is named \"{}\"", map.line,
                                    map.name, map.type));
  std::string_view close =
      spec::closest_name(map.type, spec::map_types(), &spec::MapTypeRow::short_name);
  if (close.empty()) return std::unexpected(std::move(unknown));
  return std::unexpected(std::move(unknown).with_hint(fmt::format("did you mean {}?", close)));
}

}  // namespace

class ObjectBuilder {
 public:
  // A flat program: its calls and map indexes are relocated already, so the whole of it is one function that
  // nothing needs to be linked to.
  static void add_program(Object& object, std::string name, std::string section,
                          std::vector<Insn> insns) {
    auto count = static_cast<uint32_t>(insns.size());
    object.code_.push_back({section, std::move(insns), {}, {}, {}, {}});
    object.functions_.push_back(
        {name, static_cast<uint32_t>(object.code_.size() - 1), 0, count, true});
    object.program_functions_.push_back(static_cast<uint32_t>(object.functions_.size() - 1));
    object.programs_.push_back({std::move(name), std::move(section), count});
  }
  static Object build(ObjectParts parts) {
    Object object;
    object.name_ = std::move(parts.name);
    object.license_ = std::move(parts.license);
    object.btf_ = std::move(parts.btf);
    object.maps_ = std::move(parts.maps);
    for (BuiltProgram& program : parts.programs) {
      add_program(object, std::move(program.name), std::move(program.section),
                  std::move(program.insns));
    }
    return object;
  }
  static Result<Object> build(const isa::Assembly& assembly, std::string_view name,
                              std::string_view section) {
    Object object;
    object.name_ = name;
    object.license_ = assembly.license;
    for (const isa::AsmMap& map : assembly.maps) {
      auto type = map_type(map);
      if (!type) return fail(type, "{}", name);
      MapSpec& spec = object.maps_.emplace_back();
      spec.name = map.name;
      spec.type = *type;
      spec.key_size = map.key_size;
      spec.value_size = map.value_size;
      spec.max_entries = map.max_entries;
      spec.map_flags = map.flags;
    }
    for (const isa::AsmProgram& program : assembly.programs) {
      std::string_view where =
          program.section.empty() ? section : std::string_view(program.section);
      if (where.empty()) {
        return std::unexpected(
            Error(EINVAL, fmt::format("{}: line {}: program {} is in no section", name,
                                      program.line, program.name))
                .with_hint("say what it is with .section \"xdp\", or --type xdp"));
      }
      if (!program.maps_by_id.empty()) {
        return fail(EINVAL, "{}: program {}: a map by id ({}) can't be in an object", name,
                    program.name, program.maps_by_id.front().id);
      }
      add_program(object, program.name, std::string(where), program.insns);
    }
    return object;
  }
};

Result<Object> object_from_assembly(const isa::Assembly& assembly, std::string_view name,
                                    std::string_view section) {
  return ObjectBuilder::build(assembly, name, section);
}

Object object_from_parts(ObjectParts parts) { return ObjectBuilder::build(std::move(parts)); }

Result<Object> open_assembly(std::string_view text, std::string_view name,
                             std::string_view section) {
  isa::AsmOptions options;
  options.helper_id = [](const void*, std::string_view helper_name) {
    const spec::Helper* helper = spec::find_helper(helper_name);
    return helper != nullptr ? static_cast<int32_t>(helper->id) : -1;
  };
  auto assembly = isa::assemble(text, options);
  if (!assembly) return fail(assembly, "{}", name);
  return object_from_assembly(*assembly, name, section);
}

}  // namespace skep::object
