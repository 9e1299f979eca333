// open_object: from ELF sections to an Object.
//
//   .maps                    BTF-defined maps            .rel.maps: what `values` holds
//   .data* .rodata* .bss*    globals: an ARRAY each        license, version
//   executable ones          functions by their symbols: subprograms in .text, programs elsewhere
//   .kconfig .ksyms          externs, known from BTF only    .BTF, .BTF.ext
//
// Sections of other names are no concern of ours, unless an instruction refers to them.
#include <algorithm>
#include <map>
#include <unordered_map>

#include "btf/ext.h"
#include "object/elf.h"
#include "object/map_definition.h"
#include "object/object.h"

namespace skep::object {

namespace {

using namespace isa;

constexpr uint64_t kMaxGlobals = 64 << 20;  // bytes, of all sections
constexpr uint32_t R_BPF_64_64 = 1, R_BPF_64_32 = 10;
constexpr std::string_view kHelp = "help:";

bool is_data_section(std::string_view name, std::string_view of) {
  return name == of || (name.starts_with(of) && name[of.size()] == '.');
}

Insn decode(const std::byte* at, bool swap) {
  const auto* byte = reinterpret_cast<const uint8_t*>(at);
  Insn insn;
  auto off = load<uint16_t>(at + 2);
  auto imm = load<uint32_t>(at + 4);
  if (swap) {
    off = std::byteswap(off);
    imm = std::byteswap(imm);
  }
  // Bitfields: the destination is the low nibble of little-endian objects, the high one of others.
  const bool big = swap != (std::endian::native == std::endian::big);
  insn.opcode = byte[0];
  insn.dst = big ? byte[1] >> 4 : byte[1] & 0xf;
  insn.src = big ? byte[1] & 0xf : byte[1] >> 4;
  insn.off = static_cast<int16_t>(off);
  insn.imm = static_cast<int32_t>(imm);
  return insn;
}

}  // namespace

class ElfOpener {
 public:
  ElfOpener(ByteSpan bytes, std::string_view name) : bytes_(bytes) { object_.name_ = name; }

  Result<Object> open() {
    if (auto done = run(); !done) return fail(done, "{}", object_.name_);
    return std::move(object_);
  }

 private:
  struct ValuesField {
    uint32_t map = 0;
    uint64_t begin = 0, end = 0;  // of the variable, in .maps
    int64_t offset = -1;
  };

  Result<> run() {
    SKEP_TRY(elf, read_elf(bytes_));
    elf_ = std::move(elf);
    object_.big_endian_ = elf_.big_endian;
    map_of_section_.assign(elf_.sections.size(), kNone);
    code_of_section_.assign(elf_.sections.size(), kNone);
    SKEP_CHECK(read_meta());
    SKEP_CHECK(read_btf());
    SKEP_CHECK(read_code());
    SKEP_CHECK(read_maps());
    SKEP_CHECK(read_globals());
    SKEP_CHECK(read_struct_ops());
    SKEP_CHECK(read_arena());
    SKEP_CHECK(read_externs());
    SKEP_CHECK(read_relocations());
    SKEP_CHECK(read_ext());
    read_comments();
    return {};
  }

  // --- license, version, what is refused ---

  Result<> read_meta() {
    if (const ElfSection* section = elf_.find("license")) {
      const auto* text = reinterpret_cast<const char*>(section->data.data());
      object_.license_.assign(text, ::strnlen(text, section->data.size()));
    }
    if (const ElfSection* section = elf_.find("version")) {
      auto version = Reader(section->data, elf_.swaps()).at<uint32_t>(0);
      if (!version)
        return fail(EINVAL, "section version: expected 4 bytes, found {}", section->data.size());
      object_.kern_version_ = *version;
    }
    if (elf_.find("maps") != nullptr)
      return std::unexpected(
          Error(ENOTSUP,
                "section maps: legacy map definitions (struct bpf_map_def) are not supported")
              .with_hint("define maps in SEC(\".maps\") with __uint() and __type()"));
    return {};
  }

  // --- BTF ---

  // The compiler leaves sizes of DATASECs and offsets in them 0, for want of a linker: fills them
  // in from sections and symbols, and makes hidden functions static (the verifier then checks them
  // with their caller).
  Result<> read_btf() {
    const ElfSection* section = elf_.find(".BTF");
    if (section == nullptr || section->data.empty()) return {};
    SKEP_TRY(btf, btf::Btf::parse(section->data));
    std::vector<std::byte> bytes(btf->bytes().begin(), btf->bytes().end());
    const std::byte* old = btf->bytes().data();
    auto place = [&](const btf::Type& type) { return bytes.data() + (type.record().data() - old); };
    for (btf::TypeId id = 1; id < btf->type_end(); ++id) {
      const btf::Type type = btf->type(id);
      if (type.kind() == btf::Kind::Datasec && type.size() == 0)
        SKEP_CHECK(fill_datasec(*btf, type, place(type)));
      if (type.kind() == btf::Kind::Func && type.linkage() == btf::Linkage::Global &&
          is_hidden(type.name()))
        store<uint32_t>(place(type) + 4, load<uint32_t>(place(type) + 4) & ~0xffffu);
    }
    SKEP_TRY(filled, btf::Btf::parse(bytes));
    SKEP_CHECK(filled->validate());
    object_.btf_ = std::move(filled);
    return {};
  }

  bool is_hidden(std::string_view function) const {
    const ElfSymbol* symbol = find_symbol(function);
    return symbol != nullptr && symbol->bind != STB_LOCAL &&
           (symbol->visibility == STV_HIDDEN || symbol->visibility == STV_INTERNAL);
  }

  const ElfSymbol* find_symbol(std::string_view name) const {
    if (symbols_by_name_.empty())
      for (const ElfSymbol& symbol : elf_.symbols)
        if (!symbol.name.empty() && symbol.type != STT_SECTION)
          symbols_by_name_.try_emplace(symbol.name, &symbol);
    auto found = symbols_by_name_.find(name);
    return found != symbols_by_name_.end() ? found->second : nullptr;
  }

  Result<> fill_datasec(const btf::Btf& btf, const btf::Type& type, std::byte* record) {
    if (type.name() == ".ksyms") return {};
    std::vector<btf::SecVar> variables;
    uint64_t end = 0;
    const bool externs = type.name() == ".kconfig";
    const ElfSection* section = elf_.find(type.name());
    for (uint32_t i = 0; i < type.vlen(); ++i) {
      btf::SecVar variable = type.sec_var(i);
      const btf::Type of = btf.type(variable.type);
      if (externs) {
        // There is no such section: we lay it out.
        const auto size = btf.size_of(of.referenced());
        const auto align = btf.align_of(of.referenced());
        if (!size || !align || *size > kMaxGlobals)
          return fail(EINVAL, "extern '{}' __kconfig: a type without size", of.name());
        variable.offset = static_cast<uint32_t>((end + *align - 1) / *align * *align);
        variable.size = *size;
      } else if (const ElfSymbol* symbol = find_symbol(of.name())) {
        variable.offset = static_cast<uint32_t>(symbol->value);
      }
      end = std::max<uint64_t>(end, uint64_t{variable.offset} + variable.size);
      if (end > kMaxGlobals)
        return fail(EINVAL, "section {}: variable '{}' ends at {}, behind the limit", type.name(),
                    of.name(), end);
      variables.push_back(variable);
    }
    std::ranges::stable_sort(variables, {}, &btf::SecVar::offset);
    uint64_t size = externs ? (end + 7) / 8 * 8 : section != nullptr ? section->size : end;
    if (size > UINT32_MAX) return fail(EINVAL, "section {}: {} bytes", type.name(), size);
    store(record + 8, static_cast<uint32_t>(size));
    for (size_t i = 0; i < variables.size(); ++i) {
      store(record + 12 + 12 * i, variables[i].type);
      store(record + 16 + 12 * i, variables[i].offset);
      store(record + 20 + 12 * i, variables[i].size);
    }
    return {};
  }

  // --- Code ---

  Result<> read_code() {
    for (uint32_t i = 0; i < elf_.sections.size(); ++i) {
      const ElfSection& section = elf_.sections[i];
      if (section.type != SHT_PROGBITS || (section.flags & SHF_EXECINSTR) == 0 ||
          section.data.empty())
        continue;
      if (section.data.size() % 8 != 0)
        return fail(EINVAL, "section {}: {} bytes are no whole number of instructions",
                    section.name, section.data.size());
      code_of_section_[i] = static_cast<uint32_t>(object_.code_.size());
      Object::Code& code = object_.code_.emplace_back();
      code.name = section.name;
      code.insns.reserve(section.data.size() / 8);
      for (size_t at = 0; at < section.data.size(); at += 8)
        code.insns.push_back(decode(section.data.data() + at, elf_.swaps()));
    }
    return read_functions();
  }

  Result<> read_functions() {
    std::vector<const ElfSymbol*> symbols;
    for (const ElfSymbol& symbol : elf_.symbols)
      if (symbol.type == STT_FUNC && symbol.section < code_of_section_.size() &&
          code_of_section_[symbol.section] != kNone)
        symbols.push_back(&symbol);
    std::ranges::stable_sort(symbols, {},
                             [](const ElfSymbol* s) { return std::pair(s->section, s->value); });
    for (const ElfSymbol* symbol : symbols) {
      const uint32_t code = code_of_section_[symbol->section];
      const size_t size = object_.code_[code].insns.size() * 8;
      if (symbol->value % 8 != 0 || symbol->size % 8 != 0 || symbol->size == 0 ||
          symbol->value > size || size - symbol->value < symbol->size)
        return fail(
            EINVAL,
            "section {}: function {} ({} bytes at offset {}) does not lie within the {} bytes",
            object_.code_[code].name, symbol->name, symbol->size, symbol->value, size);
      Object::Function function{
          std::string(symbol->name), code, static_cast<uint32_t>(symbol->value / 8),
          static_cast<uint32_t>((symbol->value + symbol->size) / 8), symbol->bind != STB_LOCAL};
      if (auto last = functions_at_.find({code, function.start}); last != functions_at_.end())
        continue;  // an alias
      if (!object_.functions_.empty() && object_.functions_.back().code == code &&
          object_.functions_.back().end > function.start)
        return fail(EINVAL, "section {}: functions {} and {} overlap", object_.code_[code].name,
                    object_.functions_.back().name, function.name);
      const auto index = static_cast<uint32_t>(object_.functions_.size());
      functions_at_[{code, function.start}] = index;
      if (object_.code_[code].name != ".text" && function.is_global) {
        object_.programs_.push_back(
            {function.name, object_.code_[code].name, function.end - function.start});
        object_.program_functions_.push_back(index);
      }
      object_.functions_.push_back(std::move(function));
    }
    return {};
  }

  // --- Maps ---

  Result<> read_maps() {
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

  Result<> read_globals() {
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
  Result<> read_struct_ops() {
    for (uint32_t i = 0; i < elf_.sections.size(); ++i) {
      const ElfSection& section = elf_.sections[i];
      std::string_view name = section.name;
      if (name.starts_with('?')) name.remove_prefix(1);
      if (name != ".struct_ops" && name != ".struct_ops.link") continue;
      const auto datasec =
          object_.btf_ ? object_.btf_->find(section.name, btf::Kind::Datasec) : std::nullopt;
      if (!datasec)
        return fail(EINVAL, "section {}: it needs BTF, and there is none", section.name);
      const btf::Type type = object_.btf_->type(*datasec);
      for (uint32_t v = 0; v < type.vlen(); ++v) {
        const btf::SecVar variable = type.sec_var(v);
        const btf::Type of = object_.btf_->type(variable.type);
        const btf::Type definition = object_.btf_->resolve(of.referenced());
        auto content = Reader(section.data).slice(variable.offset, variable.size);
        if (!content || definition.kind() != btf::Kind::Struct)
          return fail(EINVAL, "section {}: variable '{}' is no struct of this section",
                      section.name, of.name());
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
  Result<> read_arena() {
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

  static MapSpec globals_map(std::string_view name, uint32_t size) {
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

  Result<> read_variables(MapSpec& map, bool is_constant) {
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

  // __attribute__((btf_decl_tag("help:text"))) on a variable.
  void read_comments() {
    if (!object_.btf_) return;
    for (btf::TypeId id = 1; id < object_.btf_->type_end(); ++id) {
      const btf::Type tag = object_.btf_->type(id);
      if (tag.kind() != btf::Kind::DeclTag || !tag.name().starts_with(kHelp)) continue;
      const btf::Type variable = object_.btf_->type(tag.referenced());
      if (variable.kind() != btf::Kind::Var) continue;
      std::string_view text = tag.name().substr(kHelp.size());
      text.remove_prefix(std::min(text.find_first_not_of(' '), text.size()));
      object_.set_comment(variable.name(), std::string(text));
    }
  }

  // --- Externs ---

  Result<> read_externs() {
    if (!object_.btf_) return {};
    if (auto datasec = object_.btf_->find(".kconfig", btf::Kind::Datasec))
      SKEP_CHECK(read_kconfig(object_.btf_->type(*datasec)));
    if (auto datasec = object_.btf_->find(".ksyms", btf::Kind::Datasec)) {
      const btf::Type type = object_.btf_->type(*datasec);
      for (uint32_t i = 0; i < type.vlen(); ++i) {
        const btf::Type of = object_.btf_->type(type.sec_var(i).type);
        externs_[of.name()] = {Object::RelocKind::Ksym,
                               static_cast<uint32_t>(object_.ksyms_.size())};
        object_.ksyms_.push_back({std::string(of.name()), of.referenced(), is_weak(of.name()),
                                  of.kind() == btf::Kind::Func});
      }
    }
    return {};
  }

  bool is_weak(std::string_view name) const {
    const ElfSymbol* symbol = find_symbol(name);
    return symbol != nullptr && symbol->bind == STB_WEAK;
  }

  Result<> read_kconfig(const btf::Type& type) {
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
      object_.kconfig_.push_back({std::string(of.name()),
                                  static_cast<uint32_t>(object_.maps_.size()), variable.offset,
                                  variable.size, of.referenced(), is_weak(of.name())});
    }
    if (!object_.kconfig_.empty()) object_.maps_.push_back(std::move(map));
    return {};
  }

  // --- Relocations ---

  Result<> read_relocations() {
    for (const ElfSection& section : elf_.sections) {
      if (section.type != SHT_REL && section.type != SHT_RELA) continue;
      if (section.info >= elf_.sections.size())
        return fail(EINVAL, "section {}: it relocates section {}, which does not exist",
                    section.name, section.info);
      const ElfSection& target = elf_.sections[section.info];
      const uint32_t code = code_of_section_[section.info];
      const bool maps = target.name == ".maps";
      const bool struct_ops = std::ranges::any_of(struct_ops_, [&](const ValuesField& field) {
        return field.offset == static_cast<int64_t>(section.info);
      });
      if (code == kNone && !maps && !struct_ops) continue;  // debug information, BTF
      if (section.type == SHT_RELA)
        return fail(EINVAL, "section {}: expected relocations without addends (SHT_REL)",
                    section.name);
      auto rels = elf_.relocations(section);
      if (!rels) return fail(rels, "section {}", section.name);
      for (const ElfRel& rel : *rels) {
        auto done = maps         ? relocate_map(rel)
                    : struct_ops ? relocate_struct_ops(rel, section.info)
                                 : relocate_insn(rel, code);
        if (!done) return fail(done, "section {}", target.name);
      }
    }
    return finish_calls();
  }

  Result<> relocate_map(const ElfRel& rel) {
    const ElfSymbol& symbol = elf_.symbols[rel.symbol];
    for (const ValuesField& field : values_) {
      if (rel.offset < field.begin || rel.offset >= field.end) continue;
      MapSpec& map = object_.maps_[field.map];
      if (field.offset < 0 || rel.offset < field.begin + static_cast<uint64_t>(field.offset))
        return fail(EINVAL, "map '{}': a relocation at offset {}, outside of its values", map.name,
                    rel.offset);
      const uint64_t index = (rel.offset - field.begin - static_cast<uint64_t>(field.offset)) / 8;
      MapSpec::Element element{static_cast<uint32_t>(index), !map.inner, 0};
      if (map.inner) {
        auto inner = map_at(symbol, 0);
        if (!inner)
          return fail(EINVAL, "map '{}': element {}: expected a map, found symbol '{}'", map.name,
                      index, symbol.name);
        element.index = *inner;
      } else {
        auto program = object_.find_program(symbol.name);
        if (!program)
          return fail(EINVAL, "map '{}': element {}: expected a program, found symbol '{}'",
                      map.name, index, symbol.name);
        element.index = *program;
      }
      map.elements.push_back(element);
      // Room for them, where the definition left it open.
      map.max_entries = std::max(map.max_entries, element.key + 1);
      return {};
    }
    return fail(EINVAL, "a relocation at offset {}, where there is no map", rel.offset);
  }

  Result<> relocate_struct_ops(const ElfRel& rel, uint32_t section) {
    const ElfSymbol& symbol = elf_.symbols[rel.symbol];
    for (const ValuesField& field : struct_ops_) {
      if (field.offset != static_cast<int64_t>(section) || rel.offset < field.begin ||
          rel.offset >= field.end)
        continue;
      MapSpec& map = object_.maps_[field.map];
      auto program = object_.find_program(symbol.name);
      if (!program)
        return fail(EINVAL, "variable '{}': byte {}: expected a program, found symbol '{}'",
                    map.name, rel.offset - field.begin, symbol.name);
      map.elements.push_back({static_cast<uint32_t>(rel.offset - field.begin), true, *program});
      return {};
    }
    return fail(EINVAL, "a relocation at offset {}, where there is no variable", rel.offset);
  }

  // The map whose variable `symbol` + `addend` is.
  std::optional<uint32_t> map_at(const ElfSymbol& symbol, uint64_t addend) const {
    if (symbol.section >= elf_.sections.size() || elf_.sections[symbol.section].name != ".maps")
      return std::nullopt;
    for (const ValuesField& field : values_)
      if (field.begin == symbol.value + addend) return field.map;
    return std::nullopt;
  }

  Result<> relocate_insn(const ElfRel& rel, uint32_t code_index) {
    Object::Code& code = object_.code_[code_index];
    if (rel.offset % 8 != 0 || rel.offset / 8 >= code.insns.size())
      return fail(EINVAL, "a relocation at offset {}, where there is no instruction", rel.offset);
    const auto at = static_cast<uint32_t>(rel.offset / 8);
    auto reloc = classify(rel, code, at);
    if (!reloc) return fail(reloc, "insn {}", at);
    code.relocs.push_back(*reloc);
    return {};
  }

  Result<Object::Reloc> classify(const ElfRel& rel, const Object::Code& code, uint32_t at) {
    const ElfSymbol& symbol = elf_.symbols[rel.symbol];
    const Insn& insn = code.insns[at];
    if (rel.type != R_BPF_64_64 && rel.type != R_BPF_64_32)
      return fail(EINVAL, "unknown relocation type {} of symbol '{}'", rel.type, symbol.name);
    const bool is_call = insn.opcode == (BPF_JMP | BPF_CALL);
    if (!is_call && (!is_ld_imm64(insn) || at + 1 >= code.insns.size()))
      return fail(EINVAL,
                  "symbol '{}' is relocated in opcode 0x{:02x}, expected a call or a 64-bit load",
                  symbol.name, insn.opcode);
    if (symbol.section == SHN_UNDEF) return external(symbol, insn, at, is_call);
    if (symbol.section >= elf_.sections.size())
      return fail(EINVAL, "symbol '{}' is in no section", symbol.name);
    const std::string_view section = elf_.sections[symbol.section].name;
    if (const uint32_t target = code_of_section_[symbol.section]; target != kNone) {
      const int64_t where = is_call ? static_cast<int64_t>(symbol.value / 8) + insn.imm + 1
                                    : (static_cast<int64_t>(symbol.value) + insn.imm) / 8;
      auto function = function_at(target, where);
      if (!function)
        return fail(EINVAL, "symbol '{}': section {} has no function at insn {}", symbol.name,
                    section, where);
      return Object::Reloc{at, is_call ? Object::RelocKind::Call : Object::RelocKind::Function,
                           *function, 0};
    }
    if (is_call)
      return fail(EINVAL, "a call of symbol '{}' in section {}, which is no code", symbol.name,
                  section);
    const uint64_t addend = static_cast<uint32_t>(insn.imm);
    if (section == ".maps") {
      auto map = map_at(symbol, symbol.type == STT_SECTION ? addend : 0);
      if (!map) return fail(EINVAL, "symbol '{}' is no map", symbol.name);
      return Object::Reloc{at, Object::RelocKind::Map, *map, 0};
    }
    if (const uint32_t map = map_of_section_[symbol.section]; map != kNone)
      return Object::Reloc{at, Object::RelocKind::MapValue, map,
                           static_cast<uint32_t>(symbol.value + addend)};
    return fail(ENOTSUP, "symbol '{}' is in section {}, which programs can't refer to", symbol.name,
                section);
  }

  Result<Object::Reloc> external(const ElfSymbol& symbol, const Insn& insn, uint32_t at,
                                 bool is_call) {
    auto found = externs_.find(symbol.name);
    if (found == externs_.end())
      return fail(ENOENT, "'{}' is not defined here, nor declared __ksym or __kconfig",
                  symbol.name);
    auto [kind, index] = found->second;
    if (is_call && (kind != Object::RelocKind::Ksym || !object_.ksyms_[index].is_function))
      return fail(EINVAL, "a call of '{}', which is no function", symbol.name);
    return Object::Reloc{at, kind, index,
                         kind == Object::RelocKind::Kconfig ? static_cast<uint32_t>(insn.imm) : 0};
  }

  std::optional<uint32_t> function_at(uint32_t code, int64_t insn) const {
    if (insn < 0 || insn > UINT32_MAX) return std::nullopt;
    auto found = functions_at_.find({code, static_cast<uint32_t>(insn)});
    if (found == functions_at_.end()) return std::nullopt;
    return found->second;
  }

  // Calls within a section need no relocation in the file, but do when functions move. And a
  // relocation must lie whole inside one function.
  Result<> finish_calls() {
    for (uint32_t c = 0; c < object_.code_.size(); ++c) {
      Object::Code& code = object_.code_[c];
      std::ranges::stable_sort(code.relocs, {}, &Object::Reloc::insn);
      for (size_t i = 1; i < code.relocs.size(); ++i)
        if (code.relocs[i].insn == code.relocs[i - 1].insn)
          return fail(EINVAL, "section {}: insn {}: two relocations", code.name,
                      code.relocs[i].insn);
      const std::vector<Object::Reloc> given = code.relocs;
      auto next = given.begin();
      for (uint32_t at = 0; at < code.insns.size(); ++at) {
        const Insn& insn = code.insns[at];
        while (next != given.end() && next->insn < at) ++next;
        const bool relocated = next != given.end() && next->insn == at;
        if (insn.opcode == (BPF_JMP | BPF_CALL) && insn.src == BPF_PSEUDO_CALL && !relocated) {
          auto function = function_at(c, int64_t{at} + insn.imm + 1);
          if (!function)
            return fail(EINVAL, "section {}: insn {}: a call to insn {}, where no function begins",
                        code.name, at, int64_t{at} + insn.imm + 1);
          code.relocs.push_back({at, Object::RelocKind::Call, *function, 0});
        }
        if (is_ld_imm64(insn)) ++at;
      }
      std::ranges::stable_sort(code.relocs, {}, &Object::Reloc::insn);
    }
    for (const Object::Function& function : object_.functions_) {
      const auto& code = object_.code_[function.code];
      if (is_ld_imm64(code.insns[function.end - 1]) &&
          std::ranges::binary_search(code.relocs, function.end - 1, {}, &Object::Reloc::insn))
        return fail(EINVAL, "section {}: function {} ends within a 64-bit load", code.name,
                    function.name);
    }
    return {};
  }

  // --- BTF.ext ---

  Result<> read_ext() {
    const ElfSection* section = elf_.find(".BTF.ext");
    if (section == nullptr || section->data.empty() || !object_.btf_) return {};
    SKEP_TRY(parts, btf::parse_btf_ext(section->data, *object_.btf_));
    for (const btf::ExtSection& part : parts) {
      auto code = std::ranges::find(object_.code_, part.name, &Object::Code::name);
      if (code == object_.code_.end()) continue;
      if (auto done = read_ext(part, *code); !done)
        return fail(done, ".BTF.ext: section {}", part.name);
    }
    return {};
  }

  Result<> read_ext(const btf::ExtSection& part, Object::Code& code) {
    const btf::Btf& btf = *object_.btf_;
    auto insn_of = [&](uint32_t offset) -> Result<uint32_t> {
      if (offset % 8 != 0 || offset / 8 >= code.insns.size())
        return fail(EINVAL, "a record at offset {}, where there is no instruction", offset);
      return offset / 8;
    };
    for (const btf::ExtFunc& function : part.functions) {
      SKEP_TRY(insn, insn_of(function.offset));
      if (btf.type(function.type).kind() != btf::Kind::Func)
        return fail(EINVAL, "func_info: type {} is no FUNC", function.type);
      code.functions.push_back({insn, function.type});
    }
    for (const btf::ExtLine& line : part.lines) {
      SKEP_TRY(insn, insn_of(line.offset));
      code.lines.push_back({insn, line.file_name_off, line.line_off, line.line_col});
    }
    for (const btf::ExtCore& core : part.relocations) {
      SKEP_TRY(insn, insn_of(core.offset));
      if (core.type >= btf.type_end())
        return fail(EINVAL, "core_relo: type {} does not exist", core.type);
      code.cores.push_back({insn, core.type, core.accessor_off, core.kind});
    }
    std::ranges::stable_sort(code.functions, {}, &FuncInfo::insn_off);
    std::ranges::stable_sort(code.lines, {}, &LineInfo::insn_off);
    std::ranges::stable_sort(code.cores, {}, &Object::Core::insn);
    return {};
  }

  static constexpr uint32_t kNone = UINT32_MAX;

  ByteSpan bytes_;
  ElfFile elf_;
  Object object_;
  std::vector<uint32_t> map_of_section_, code_of_section_;          // by ELF section
  std::map<std::pair<uint32_t, uint32_t>, uint32_t> functions_at_;  // (code, insn) → function
  std::vector<ValuesField> values_, struct_ops_;  // of struct_ops: `offset` is the section
  std::unordered_map<std::string_view, std::pair<Object::RelocKind, uint32_t>> externs_;
  mutable std::unordered_map<std::string_view, const ElfSymbol*> symbols_by_name_;
};

Result<Object> open_object(ByteSpan elf, std::string_view name) {
  return ElfOpener(elf, name).open();
}

}  // namespace skep::object
