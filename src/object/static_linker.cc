#include "object/static_linker.h"

#include <algorithm>

#include "object/linker_state.h"

namespace skep::object {

namespace {

constexpr uint64_t kMaxSection = 256 << 20;  // bytes
constexpr uint8_t kPseudoCall = 1, kOpcodeCall = 0x85;

// Sections that are loaded. Debug information, BTF, symbols and strings are made anew or left out.
bool is_kept(const ElfSection& section) {
  if (section.type != SHT_PROGBITS && section.type != SHT_NOBITS) return false;
  return (section.flags & SHF_ALLOC) != 0 && section.name != ".eh_frame" &&
         !section.name.starts_with(".BTF") && !section.name.starts_with(".debug");
}

}  // namespace

Result<std::vector<std::byte>> StaticLinker::link(std::span<const LinkInput> inputs) {
  if (inputs.empty()) return fail(EINVAL, "nothing to link");
  inputs_.reserve(inputs.size());
  for (const LinkInput& input : inputs)
    if (auto done = read(input); !done) return fail(done, "{}", input.name);
  for (Input& input : inputs_)
    for (uint32_t i = 0; i < input.elf.sections.size(); ++i)
      if (auto done = merge_section(input, i); !done)
        return fail(done, "{}: section {}", input.name, input.elf.sections[i].name);
  for (uint32_t i = 0; i < output_.sections.size(); ++i) {
    section_symbol_.push_back(static_cast<uint32_t>(output_.symbols.size()));
    OutputSymbol symbol;
    symbol.section = i;
    symbol.type = STT_SECTION;
    output_.symbols.push_back(std::move(symbol));
  }
  for (uint32_t i = 0; i < inputs_.size(); ++i)
    if (auto done = merge_symbols(i); !done) return fail(done, "{}", inputs_[i].name);
  for (Input& input : inputs_)
    if (auto done = merge_relocations(input); !done) return fail(done, "{}", input.name);
  SKEP_CHECK(merge_btf());
  if (output_.sections.size() + 16 >= SHN_LORESERVE / 2)
    return fail(E2BIG, "{} sections are too many", output_.sections.size());
  return write_elf(output_);
}

Result<> StaticLinker::read(const LinkInput& given) {
  Input& input = inputs_.emplace_back();
  input.name = given.name;
  SKEP_TRY(elf, read_elf(given.bytes));
  input.elf = std::move(elf);
  if (inputs_.size() == 1)
    output_.big_endian = input.elf.big_endian;
  else if (input.elf.big_endian != output_.big_endian)
    return fail(EINVAL, "it is {}-endian, but {} is not", input.elf.big_endian ? "big" : "little",
                inputs_.front().name);
  input.section.assign(input.elf.sections.size(), kNone);
  input.offset.assign(input.elf.sections.size(), 0);
  input.symbol.assign(input.elf.symbols.size(), kNone);
  const ElfSection* section = input.elf.find(".BTF");
  if (section == nullptr || section->data.empty()) return {};
  SKEP_TRY(btf, btf::Btf::parse(section->data));
  SKEP_CHECK(btf->validate());
  input.btf = std::move(btf);
  for (btf::TypeId id = 1; id < input.btf->type_end(); ++id) {
    const btf::Type type = input.btf->type(id);
    if ((type.kind() == btf::Kind::Func || type.kind() == btf::Kind::Var) &&
        type.linkage() != btf::Linkage::Static)
      input.globals.try_emplace(type.name(), id);
  }
  return {};
}

Result<> StaticLinker::merge_section(Input& input, uint32_t index) {
  const ElfSection& section = input.elf.sections[index];
  if (!is_kept(section)) return {};
  if (section.size > kMaxSection) return fail(EFBIG, "{} bytes", section.size);
  const std::string name(section.name);
  auto [at, fresh] =
      section_by_name_.try_emplace(name, static_cast<uint32_t>(output_.sections.size()));
  input.section[index] = at->second;
  if (fresh) {
    OutputSection& made = output_.sections.emplace_back();
    made.name = name;
    made.type = section.type;
    made.flags = section.flags;
    made.align = section.align;
    made.entry_size = section.entry_size;
    made.size = section.size;
    made.data.assign(section.data.begin(), section.data.end());
    return {};
  }
  OutputSection& merged = output_.sections[at->second];
  if (merged.type != section.type ||
      (merged.flags & SHF_EXECINSTR) != (section.flags & SHF_EXECINSTR))
    return fail(EINVAL, "it is of another type in another file");
  if (name == "license" || name == "version") {
    if (!std::ranges::equal(merged.data, section.data))
      return fail(EINVAL, "it says something else than in another file: all must agree");
    return {};
  }
  const uint64_t align = std::clamp<uint64_t>(section.align, 1, 4096);
  const uint64_t start = (merged.size + align - 1) / align * align;
  if (start + section.size > kMaxSection)
    return fail(EFBIG, "more than {} bytes in all", kMaxSection);
  input.offset[index] = start;
  merged.align = std::max(merged.align, section.align);
  merged.size = start + section.size;
  if (section.type == SHT_NOBITS) return {};
  merged.data.resize(start);
  merged.data.insert(merged.data.end(), section.data.begin(), section.data.end());
  return {};
}

Result<> StaticLinker::merge_symbols(uint32_t index) {
  Input& input = inputs_[index];
  for (uint32_t i = 1; i < input.elf.symbols.size(); ++i) {
    const ElfSymbol& symbol = input.elf.symbols[i];
    const bool is_defined = symbol.section != SHN_UNDEF;
    if (is_defined &&
        (symbol.section >= input.section.size() || input.section[symbol.section] == kNone))
      continue;  // the file's name; of debug information
    if (symbol.type == STT_SECTION) {
      input.symbol[i] = section_symbol_[input.section[symbol.section]];
    } else if (symbol.bind == STB_LOCAL) {
      if (!is_defined) continue;
      input.symbol[i] = static_cast<uint32_t>(output_.symbols.size());
      output_.symbols.push_back(
          {std::string(symbol.name), symbol.value + input.offset[symbol.section], symbol.size,
           input.section[symbol.section], STB_LOCAL, symbol.type, symbol.visibility});
    } else {
      if (symbol.name.empty()) return fail(EINVAL, "symbol {} is global and has no name", i);
      if (auto done = merge_global(index, symbol, input.symbol[i]); !done)
        return fail(done, "symbol '{}'", symbol.name);
    }
  }
  return {};
}

Result<> StaticLinker::merge_global(uint32_t index, const ElfSymbol& symbol, uint32_t& merged) {
  Input& input = inputs_[index];
  const bool is_defined = symbol.section != SHN_UNDEF, is_weak = symbol.bind == STB_WEAK;
  auto define = [&](OutputSymbol& to) {
    to.name = symbol.name;
    to.bind = symbol.bind;
    to.type = symbol.type;
    if (!is_defined) return;
    to.value = symbol.value + input.offset[symbol.section];
    to.size = symbol.size;
    to.section = input.section[symbol.section];
  };
  auto [at, fresh] = globals_.try_emplace(
      std::string(symbol.name), Global{static_cast<uint32_t>(output_.symbols.size()), index});
  Global& global = at->second;
  merged = global.symbol;
  if (fresh) {
    define(output_.symbols.emplace_back());
    output_.symbols.back().visibility = symbol.visibility;
    return {};
  }
  OutputSymbol& known = output_.symbols[global.symbol];
  const bool was_defined = known.section != OutputSymbol::kUndefined;
  const bool was_weak = known.bind == STB_WEAK;
  const Input& owner = inputs_[global.owner];
  // There is one license, however many say it.
  if (is_defined && was_defined) {
    const std::string& section = output_.sections[known.section].name;
    if ((section == "license" || section == "version") &&
        known.section == input.section[symbol.section])
      return {};
  }
  if (is_defined && was_defined && !is_weak && !was_weak)
    return std::unexpected(Error(EEXIST, fmt::format("it is defined in {} already", owner.name))
                               .with_hint("make one of them static, or __weak"));
  if (is_defined && was_defined &&
      output_.sections[known.section].name !=
          output_.sections[input.section[symbol.section]].name &&
      (known.type == STT_FUNC) != (symbol.type == STT_FUNC))
    return fail(EINVAL, "it is a function in one file and data in {}", owner.name);
  if (auto same = check_types(owner, input, symbol.name); !same) return same;
  if (symbol.visibility != STV_DEFAULT) known.visibility = symbol.visibility;
  const bool takes_over = is_defined && (!was_defined || (was_weak && !is_weak));
  if (takes_over) {
    define(known);
    global.owner = index;
  } else if (!is_defined && !was_defined && !is_weak) {
    known.bind = STB_GLOBAL;  // one that can't do without it is enough
  }
  return {};
}

Result<> StaticLinker::merge_relocations(Input& input) {
  for (const ElfSection& section : input.elf.sections) {
    if (section.type != SHT_REL && section.type != SHT_RELA) continue;
    if (section.info >= input.section.size() || input.section[section.info] == kNone) continue;
    if (section.type == SHT_RELA)
      return fail(EINVAL, "section {}: expected relocations without addends (SHT_REL)",
                  section.name);
    auto rels = input.elf.relocations(section);
    if (!rels) return fail(rels, "section {}", section.name);
    OutputSection& merged = output_.sections[input.section[section.info]];
    const uint64_t start = input.offset[section.info];
    for (const ElfRel& rel : *rels) {
      const ElfSymbol& symbol = input.elf.symbols[rel.symbol];
      const uint32_t to = input.symbol[rel.symbol];
      auto refuse = [&](std::string_view why) {
        return fail(EINVAL, "section {}: the relocation at offset {} of symbol '{}' {}",
                    section.name, rel.offset, symbol.name, why);
      };
      const bool is_code = (merged.flags & SHF_EXECINSTR) != 0;
      const size_t width = is_code || rel.type != R_BPF_64_ABS32 ? 8 : 4;
      const uint64_t size = input.elf.sections[section.info].data.size();
      if (rel.offset > size || size - rel.offset < width) return refuse("lies outside of it");
      if (to == kNone) return refuse("leads to a section that is left out");
      merged.rels.push_back({start + rel.offset, to, rel.type});
      if (symbol.type == STT_SECTION)
        if (auto done = shift(input, symbol, rel, merged, start + rel.offset); !done)
          return fail(done, "section {}: the relocation at offset {}", section.name, rel.offset);
    }
  }
  return {};
}

// Relative to a section: what it refers to moved with that section's content.
Result<> StaticLinker::shift(const Input& input, const ElfSymbol& symbol, const ElfRel& rel,
                             OutputSection& section, uint64_t at) const {
  const uint64_t by = input.offset[symbol.section];
  if (by == 0) return {};
  std::byte* place = section.data.data() + at;
  auto add = [&]<class T>(std::byte* to, T amount) {
    T value = load<T>(to);
    if (swaps()) value = std::byteswap(value);
    value += amount;
    store(to, swaps() ? std::byteswap(value) : value);
  };
  if ((section.flags & SHF_EXECINSTR) != 0) {
    const auto opcode = std::to_integer<uint8_t>(place[0]);
    const auto registers = std::to_integer<uint8_t>(place[1]);
    const uint8_t source = output_.big_endian ? registers & 0xf : registers >> 4;
    const bool is_call = opcode == kOpcodeCall && source == kPseudoCall;
    // A call's immediate counts instructions, a load's bytes.
    add(place + 4, static_cast<uint32_t>(is_call ? by / 8 : by));
    return {};
  }
  switch (rel.type) {
    case R_BPF_64_ABS64: add(place, by); return {};
    case R_BPF_64_ABS32: add(place, static_cast<uint32_t>(by)); return {};
    default: return fail(EINVAL, "type {} relative to a section", rel.type);
  }
}

Result<std::vector<std::byte>> link_objects(std::span<const LinkInput> inputs) {
  return StaticLinker().link(inputs);
}

}  // namespace skep::object
