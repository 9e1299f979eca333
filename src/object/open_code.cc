// Instructions, the functions in them, what their relocations mean, and BTF.ext's records about them.
#include <algorithm>

#include "object/elf_opener.h"

namespace skep::object {

namespace {

using namespace isa;

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

Result<> ElfOpener::read_code() {
  for (uint32_t i = 0; i < elf_.sections.size(); ++i) {
    const ElfSection& section = elf_.sections[i];
    if (section.type != SHT_PROGBITS || (section.flags & SHF_EXECINSTR) == 0 ||
        section.data.empty())
      continue;
    if (section.data.size() % 8 != 0)
      return fail(EINVAL, "section {}: {} bytes are no whole number of instructions", section.name,
                  section.data.size());
    code_of_section_[i] = static_cast<uint32_t>(object_.code_.size());
    Object::Code& code = object_.code_.emplace_back();
    code.name = section.name;
    code.insns.reserve(section.data.size() / 8);
    for (size_t at = 0; at < section.data.size(); at += 8)
      code.insns.push_back(decode(section.data.data() + at, elf_.swaps()));
  }
  return read_functions();
}

Result<> ElfOpener::read_functions() {
  std::vector<const ElfSymbol*> symbols;
  for (const ElfSymbol& symbol : elf_.symbols)
    if (symbol.type == STT_FUNC && symbol.section < code_of_section_.size() &&
        code_of_section_[symbol.section] != kNone)
      symbols.push_back(&symbol);
  std::ranges::stable_sort(symbols, {},
                           [](const ElfSymbol* s) { return std::pair(s->section, s->value); });
  for (size_t i = 0; i < symbols.size(); ++i) {
    const ElfSymbol* symbol = symbols[i];
    const uint32_t code = code_of_section_[symbol->section];
    const size_t size = object_.code_[code].insns.size() * 8;
    uint64_t length = symbol->size;
    if (length == 0 && symbol->value < size) {
      // Assembly without .size: up to the next function, or all that is left.
      const bool last = i + 1 == symbols.size() || symbols[i + 1]->section != symbol->section ||
                        symbols[i + 1]->value > size;
      length = (last ? size : symbols[i + 1]->value) - symbol->value;
    }
    if (symbol->value % 8 != 0 || length % 8 != 0 || length == 0 || symbol->value > size ||
        size - symbol->value < length)
      return fail(
          EINVAL,
          "section {}: function {} ({} bytes at offset {}) does not lie within the {} bytes",
          object_.code_[code].name, symbol->name, length, symbol->value, size);
    Object::Function function{
        std::string(symbol->name), code, static_cast<uint32_t>(symbol->value / 8),
        static_cast<uint32_t>((symbol->value + length) / 8), symbol->bind != STB_LOCAL};
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

Result<> ElfOpener::read_relocations() {
  for (const ElfSection& section : elf_.sections) {
    if (section.type != SHT_REL && section.type != SHT_RELA) continue;
    if (section.info >= elf_.sections.size())
      return fail(EINVAL, "section {}: it relocates section {}, which does not exist", section.name,
                  section.info);
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

Result<> ElfOpener::relocate_map(const ElfRel& rel) {
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
        return fail(EINVAL, "map '{}': element {}: expected a program, found symbol '{}'", map.name,
                    index, symbol.name);
      element.index = *program;
    }
    map.elements.push_back(element);
    // Room for them, where the definition left it open.
    map.max_entries = std::max(map.max_entries, element.key + 1);
    return {};
  }
  return fail(EINVAL, "a relocation at offset {}, where there is no map", rel.offset);
}

Result<> ElfOpener::relocate_struct_ops(const ElfRel& rel, uint32_t section) {
  const ElfSymbol& symbol = elf_.symbols[rel.symbol];
  for (const ValuesField& field : struct_ops_) {
    if (field.offset != static_cast<int64_t>(section) || rel.offset < field.begin ||
        rel.offset >= field.end)
      continue;
    MapSpec& map = object_.maps_[field.map];
    auto program = object_.find_program(symbol.name);
    if (!program)
      return fail(EINVAL, "variable '{}': byte {}: expected a program, found symbol '{}'", map.name,
                  rel.offset - field.begin, symbol.name);
    map.elements.push_back({static_cast<uint32_t>(rel.offset - field.begin), true, *program});
    return {};
  }
  return fail(EINVAL, "a relocation at offset {}, where there is no variable", rel.offset);
}

// The map whose variable `symbol` + `addend` is.
std::optional<uint32_t> ElfOpener::map_at(const ElfSymbol& symbol, uint64_t addend) const {
  if (symbol.section >= elf_.sections.size() || elf_.sections[symbol.section].name != ".maps")
    return std::nullopt;
  for (const ValuesField& field : values_)
    if (field.begin == symbol.value + addend) return field.map;
  return std::nullopt;
}

Result<> ElfOpener::relocate_insn(const ElfRel& rel, uint32_t code_index) {
  Object::Code& code = object_.code_[code_index];
  if (rel.offset % 8 != 0 || rel.offset / 8 >= code.insns.size())
    return fail(EINVAL, "a relocation at offset {}, where there is no instruction", rel.offset);
  const auto at = static_cast<uint32_t>(rel.offset / 8);
  auto reloc = classify(rel, code, at);
  if (!reloc) return fail(reloc, "insn {}", at);
  code.relocs.push_back(*reloc);
  return {};
}

Result<Object::Reloc> ElfOpener::classify(const ElfRel& rel, const Object::Code& code,
                                          uint32_t at) {
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

Result<Object::Reloc> ElfOpener::external(const ElfSymbol& symbol, const Insn& insn, uint32_t at,
                                          bool is_call) {
  auto found = externs_.find(symbol.name);
  if (found == externs_.end())
    return fail(ENOENT, "'{}' is not defined here, nor declared __ksym or __kconfig", symbol.name);
  auto [kind, index] = found->second;
  if (is_call && (kind != Object::RelocKind::Ksym || !object_.ksyms_[index].is_function))
    return fail(EINVAL, "a call of '{}', which is no function", symbol.name);
  return Object::Reloc{at, kind, index,
                       kind == Object::RelocKind::Kconfig ? static_cast<uint32_t>(insn.imm) : 0};
}

std::optional<uint32_t> ElfOpener::function_at(uint32_t code, int64_t insn) const {
  if (insn < 0 || insn > UINT32_MAX) return std::nullopt;
  auto found = functions_at_.find({code, static_cast<uint32_t>(insn)});
  if (found == functions_at_.end()) return std::nullopt;
  return found->second;
}

// Calls within a section need no relocation in the file, but do when functions move. And a
// relocation must lie whole inside one function.
Result<> ElfOpener::finish_calls() {
  for (uint32_t c = 0; c < object_.code_.size(); ++c) {
    Object::Code& code = object_.code_[c];
    std::ranges::stable_sort(code.relocs, {}, &Object::Reloc::insn);
    for (size_t i = 1; i < code.relocs.size(); ++i)
      if (code.relocs[i].insn == code.relocs[i - 1].insn)
        return fail(EINVAL, "section {}: insn {}: two relocations", code.name, code.relocs[i].insn);
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

Result<> ElfOpener::read_ext() {
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

Result<> ElfOpener::read_ext(const btf::ExtSection& part, Object::Code& code) {
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

}  // namespace skep::object
