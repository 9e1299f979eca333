// open_object: from ELF sections to an Object.
//
//   .maps                    BTF-defined maps            .rel.maps: what `values` holds
//   .data* .rodata* .bss*    globals: an ARRAY each        license, version
//   executable ones          functions by their symbols: subprograms in .text, programs elsewhere
//   .kconfig .ksyms          externs, known from BTF only    .BTF, .BTF.ext
//   .struct_ops[.link]       structs of function pointers     .addr_space.1: an arena's globals
//
// Sections of other names are no concern of ours, unless an instruction refers to them.
#include <algorithm>

#include "object/elf_opener.h"

namespace skep::object {

Result<Object> ElfOpener::open() {
  if (auto done = run(); !done) return fail(done, "{}", object_.name_);
  return std::move(object_);
}

Result<> ElfOpener::run() {
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

Result<> ElfOpener::read_meta() {
  if (const ElfSection* section = elf_.find("license");
      section != nullptr && !section->data.empty()) {
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

// The compiler leaves sizes of DATASECs and offsets in them 0, for want of a linker: fills them
// in from sections and symbols, and makes hidden functions static (the verifier then checks them
// with their caller).
Result<> ElfOpener::read_btf() {
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

bool ElfOpener::is_hidden(std::string_view function) const {
  const ElfSymbol* symbol = find_symbol(function);
  return symbol != nullptr && symbol->bind != STB_LOCAL &&
         (symbol->visibility == STV_HIDDEN || symbol->visibility == STV_INTERNAL);
}

const ElfSymbol* ElfOpener::find_symbol(std::string_view name) const {
  if (symbols_by_name_.empty())
    for (const ElfSymbol& symbol : elf_.symbols)
      if (!symbol.name.empty() && symbol.type != STT_SECTION)
        symbols_by_name_.try_emplace(symbol.name, &symbol);
  auto found = symbols_by_name_.find(name);
  return found != symbols_by_name_.end() ? found->second : nullptr;
}

Result<> ElfOpener::fill_datasec(const btf::Btf& btf, const btf::Type& type, std::byte* record) {
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
      if (symbol->section == SHN_UNDEF)
        return std::unexpected(
            Error(EINVAL, fmt::format("section {}: '{}' is defined in another object", type.name(),
                                      of.name()))
                .with_hint("link the objects first: skep link A B -o C"));
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

Result<Object> open_object(ByteSpan elf, std::string_view name) {
  return ElfOpener(elf, name).open();
}

}  // namespace skep::object
