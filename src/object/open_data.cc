// What lies in memory: maps, sections of globals, struct_ops variables, an arena's content, externs.
#include <fmt/format.h>

#include <algorithm>
#include <map>

#include "object/elf_opener.h"
#include "object/map_definition.h"

namespace skep::object {

namespace {

constexpr std::string_view kHelp = "help:";
constexpr std::string_view kCommentTags[] = {kHelp, "cmdarg:", "sample:", "export:"};

bool is_data_section(std::string_view name, std::string_view of) {
  return name == of || (name.starts_with(of) && name[of.size()] == '.');
}

}  // namespace

Result<> ElfOpener::read_maps() {
  const ElfSection* section = elf_.find(".maps");
  if (section == nullptr) return {};
  if (!object_.btf_)
    return fail(EINVAL, "section .maps: it needs BTF, and there is none (compile with -g)");
  const auto datasec = object_.btf_->find(".maps", btf::Kind::Datasec);
  if (!datasec) return fail(EINVAL, "section .maps: BTF has no DATASEC of that name");
  const btf::Type type = object_.btf_->type(*datasec);
  for (uint32_t i = 0; i < type.vlen(); ++i) {
    const btf::SecVar variable = type.sec_var(i);
    const btf::Type of = object_.btf_->type(variable.type);
    if (of.linkage() == btf::Linkage::Extern)
      return fail(ENOTSUP, "section .maps: extern map '{}' must be linked first", of.name());
    auto map = read_map_definition(*object_.btf_, of.name(), of.referenced());
    if (!map) return fail(map, "section .maps");
    values_.push_back({static_cast<uint32_t>(object_.maps_.size()), variable.offset,
                       uint64_t{variable.offset} + variable.size, map->values_offset});
    object_.maps_.push_back(std::move(map->spec));
  }
  return {};
}

Result<> ElfOpener::read_globals() {
  uint64_t total = 0;
  for (uint32_t i = 0; i < elf_.sections.size(); ++i) {
    const ElfSection& section = elf_.sections[i];
    const bool bss = is_data_section(section.name, ".bss") && section.type == SHT_NOBITS;
    const bool rodata = is_data_section(section.name, ".rodata") && section.type == SHT_PROGBITS;
    const bool data = is_data_section(section.name, ".data") && section.type == SHT_PROGBITS;
    if ((!bss && !rodata && !data) || section.size == 0) continue;
    total += section.size;
    if (section.size > kMaxGlobals || total > kMaxGlobals)
      return fail(EFBIG, "section {}: {} bytes of globals exceed the limit of {}", section.name,
                  section.size, kMaxGlobals);
    map_of_section_[i] = static_cast<uint32_t>(object_.maps_.size());
    MapSpec map = globals_map(section.name, static_cast<uint32_t>(section.size));
    if (!bss) std::ranges::copy(section.data, map.content.begin());
    if (rodata) {
      map.map_flags |= BPF_F_RDONLY_PROG;
      map.freeze = true;
    }
    SKEP_CHECK(read_variables(map, rodata));
    object_.maps_.push_back(std::move(map));
  }
  return {};
}

// SEC(".struct_ops"), SEC(".struct_ops.link"): each variable is a map of one element, the kernel's struct with
// programs for its function pointers.
Result<> ElfOpener::read_struct_ops() {
  for (uint32_t i = 0; i < elf_.sections.size(); ++i) {
    const ElfSection& section = elf_.sections[i];
    std::string_view name = section.name;
    if (name.starts_with('?')) name.remove_prefix(1);
    if (name != ".struct_ops" && name != ".struct_ops.link") continue;
    const auto datasec =
        object_.btf_ ? object_.btf_->find(section.name, btf::Kind::Datasec) : std::nullopt;
    if (!datasec) return fail(EINVAL, "section {}: it needs BTF, and there is none", section.name);
    const btf::Type type = object_.btf_->type(*datasec);
    for (uint32_t v = 0; v < type.vlen(); ++v) {
      const btf::SecVar variable = type.sec_var(v);
      const btf::Type of = object_.btf_->type(variable.type);
      const btf::Type definition = object_.btf_->resolve(of.referenced());
      auto content = Reader(section.data).slice(variable.offset, variable.size);
      if (!content || definition.kind() != btf::Kind::Struct)
        return fail(EINVAL, "section {}: variable '{}' is no struct of this section", section.name,
                    of.name());
      MapSpec map;
      map.name = of.name();
      map.type = MapType::BPF_MAP_TYPE_STRUCT_OPS;
      map.key_size = 4;
      map.value_size = variable.size;
      map.max_entries = 1;
      map.definition = definition.id();
      map.struct_ops_type = btf::essential_name(definition.name());
      map.struct_ops_link = name == ".struct_ops.link";
      map.content.assign(content->begin(), content->end());
      struct_ops_.push_back({static_cast<uint32_t>(object_.maps_.size()), variable.offset,
                             uint64_t{variable.offset} + variable.size, static_cast<int64_t>(i)});
      object_.maps_.push_back(std::move(map));
    }
  }
  return {};
}

// Globals in address space 1 lie in the arena: what it starts with.
Result<> ElfOpener::read_arena() {
  for (uint32_t i = 0; i < elf_.sections.size(); ++i) {
    const ElfSection& section = elf_.sections[i];
    if (section.name != ".addr_space.1") continue;
    if (section.size > kMaxGlobals)
      return fail(EFBIG, "section {}: {} bytes", section.name, section.size);
    auto arena = std::ranges::find(object_.maps_, MapType::BPF_MAP_TYPE_ARENA, &MapSpec::type);
    if (arena == object_.maps_.end())
      return fail(EINVAL, "section {}: globals of an arena, but there is no map of type ARENA",
                  section.name);
    arena->content.resize(section.size);
    std::ranges::copy(section.data, arena->content.begin());
    map_of_section_[i] = static_cast<uint32_t>(arena - object_.maps_.begin());
  }
  return {};
}

MapSpec ElfOpener::globals_map(std::string_view name, uint32_t size) {
  MapSpec map;
  map.name = name;
  map.type = MapType::BPF_MAP_TYPE_ARRAY;
  map.key_size = 4;
  map.value_size = size;
  map.max_entries = 1;
  map.is_globals = true;
  map.content.resize(size);
  return map;
}

Result<> ElfOpener::read_variables(MapSpec& map, bool is_constant) {
  if (!object_.btf_) return {};
  const auto datasec = object_.btf_->find(map.name, btf::Kind::Datasec);
  if (!datasec) return {};
  map.value_type = map.definition = *datasec;
  const btf::Type type = object_.btf_->type(*datasec);
  for (uint32_t i = 0; i < type.vlen(); ++i) {
    const btf::SecVar variable = type.sec_var(i);
    const btf::Type of = object_.btf_->type(variable.type);
    if (uint64_t{variable.offset} + variable.size > map.value_size)
      return fail(EINVAL, "section {}: variable '{}' ends at {}, behind the end of {} bytes",
                  map.name, of.name(), uint64_t{variable.offset} + variable.size, map.value_size);
    if (of.linkage() != btf::Linkage::Static) map.map_flags |= BPF_F_MMAPABLE;
    VariableSpec spec;
    spec.name = of.name();
    spec.section = map.name;
    spec.map = static_cast<uint32_t>(object_.maps_.size());
    spec.offset = variable.offset;
    spec.size = variable.size;
    spec.type = of.referenced();
    spec.is_constant = is_constant;
    spec.is_static = of.linkage() == btf::Linkage::Static;
    object_.variables_.push_back(std::move(spec));
  }
  return {};
}

// __attribute__((btf_decl_tag("help:text"))) on a variable or a map, and annotations likewise: "cmdarg:{…}".
void ElfOpener::read_comments() {
  if (!object_.btf_) return;
  std::map<std::string, std::string, std::less<>> comments;
  for (btf::TypeId id = 1; id < object_.btf_->type_end(); ++id) {
    const btf::Type tag = object_.btf_->type(id);
    if (tag.kind() != btf::Kind::DeclTag) continue;
    const std::string_view word = tag.name().substr(0, tag.name().find(':') + 1);
    if (word.empty() || std::ranges::find(kCommentTags, word) == std::end(kCommentTags)) continue;
    const btf::Type variable = object_.btf_->type(tag.referenced());
    if (variable.kind() != btf::Kind::Var) continue;
    std::string_view text = tag.name().substr(word.size());
    text.remove_prefix(std::min(text.find_first_not_of(' '), text.size()));
    std::string& comment = comments[std::string(variable.name())];
    if (!comment.empty()) comment += ' ';
    if (word != kHelp) comment += fmt::format("@{} ", word.substr(0, word.size() - 1));
    comment += text;
  }
  for (auto& [name, comment] : comments) object_.set_comment(name, std::move(comment));
}

Result<> ElfOpener::read_externs() {
  if (!object_.btf_) return {};
  if (auto datasec = object_.btf_->find(".kconfig", btf::Kind::Datasec))
    SKEP_CHECK(read_kconfig(object_.btf_->type(*datasec)));
  if (auto datasec = object_.btf_->find(".ksyms", btf::Kind::Datasec)) {
    const btf::Type type = object_.btf_->type(*datasec);
    for (uint32_t i = 0; i < type.vlen(); ++i) {
      const btf::Type of = object_.btf_->type(type.sec_var(i).type);
      externs_[of.name()] = {Object::RelocKind::Ksym, static_cast<uint32_t>(object_.ksyms_.size())};
      object_.ksyms_.push_back({std::string(of.name()), of.referenced(), is_weak(of.name()),
                                of.kind() == btf::Kind::Func});
    }
  }
  return {};
}

bool ElfOpener::is_weak(std::string_view name) const {
  const ElfSymbol* symbol = find_symbol(name);
  return symbol != nullptr && symbol->bind == STB_WEAK;
}

Result<> ElfOpener::read_kconfig(const btf::Type& type) {
  MapSpec map = globals_map(".kconfig", type.size());
  map.map_flags |= BPF_F_RDONLY_PROG;
  map.freeze = true;
  map.value_type = map.definition = type.id();
  for (uint32_t i = 0; i < type.vlen(); ++i) {
    const btf::SecVar variable = type.sec_var(i);
    const btf::Type of = object_.btf_->type(variable.type);
    if (uint64_t{variable.offset} + variable.size > map.value_size)
      return fail(EINVAL, "extern '{}' __kconfig lies behind the end of .kconfig", of.name());
    externs_[of.name()] = {Object::RelocKind::Kconfig,
                           static_cast<uint32_t>(object_.kconfig_.size())};
    object_.kconfig_.push_back({std::string(of.name()), static_cast<uint32_t>(object_.maps_.size()),
                                variable.offset, variable.size, of.referenced(),
                                is_weak(of.name())});
  }
  if (!object_.kconfig_.empty()) object_.maps_.push_back(std::move(map));
  return {};
}

}  // namespace skep::object
