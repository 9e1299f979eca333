#include "object/elf.h"

#include <array>

namespace skep::object {

namespace {

constexpr uint16_t kRelocatable = 1, kBpf = 247;
constexpr size_t kHeaderSize = 64, kSectionSize = 64, kSymbolSize = 24, kRelSize = 16;

std::string_view machine_name(uint16_t machine) {
  switch (machine) {
    case 3: return "i386";
    case 21: return "PowerPC64";
    case 22: return "S/390";
    case 40: return "ARM";
    case 62: return "x86-64";
    case 183: return "AArch64";
    case 243: return "RISC-V";
    default: return "another machine";
  }
}

Result<ElfFile> check_ident(ByteSpan bytes) {
  Reader reader(bytes);
  const auto magic = reader.at<uint32_t>(0);
  if (!magic || load<std::array<char, 4>>(bytes.data()) != std::array{'\x7f', 'E', 'L', 'F'})
    return fail(ENOEXEC, "expected an eBPF object, found no ELF file");
  if (bytes.size() < kHeaderSize)
    return fail(EINVAL, "truncated: {} bytes do not hold an ELF header of {}", bytes.size(),
                kHeaderSize);
  if (*reader.at<uint8_t>(4) != 2)
    return fail(ENOEXEC, "expected a 64-bit ELF file, found class {}", *reader.at<uint8_t>(4));
  const uint8_t order = *reader.at<uint8_t>(5);
  if (order != 1 && order != 2) return fail(ENOEXEC, "unknown ELF byte order {}", order);
  ElfFile file;
  file.big_endian = order == 2;
  return file;
}

Result<> read_sections(ElfFile& file, const Reader& reader) {
  const uint64_t table = *reader.at<uint64_t>(40);
  const uint16_t entry = *reader.at<uint16_t>(58), count = *reader.at<uint16_t>(60),
                 names = *reader.at<uint16_t>(62);
  if (entry != kSectionSize)
    return fail(EINVAL, "expected section headers of {} bytes, found {}", kSectionSize, entry);
  if (count == 0 || !reader.slice(table, size_t{count} * kSectionSize))
    return fail(
        EINVAL,
        "truncated: {} section headers at offset {} do not lie within the {} bytes of the file",
        count, table, reader.size());
  if (names >= count)
    return fail(EINVAL, "the section of names is {}, but there are {}", names, count);
  std::vector<uint32_t> name_offsets;
  for (size_t i = 0; i < count; ++i) {
    const size_t at = table + i * kSectionSize;
    ElfSection section;
    name_offsets.push_back(*reader.at<uint32_t>(at));
    section.type = *reader.at<uint32_t>(at + 4);
    section.flags = *reader.at<uint64_t>(at + 8);
    section.size = *reader.at<uint64_t>(at + 32);
    section.link = *reader.at<uint32_t>(at + 40);
    section.info = *reader.at<uint32_t>(at + 44);
    section.align = *reader.at<uint64_t>(at + 48);
    section.entry_size = *reader.at<uint64_t>(at + 56);
    if (section.type != 0 && section.type != SHT_NOBITS) {
      const uint64_t offset = *reader.at<uint64_t>(at + 24);
      auto data = reader.slice(offset, section.size);
      if (!data)
        return fail(EINVAL,
                    "truncated: section {} ({} bytes at offset {}) does not lie within the {} "
                    "bytes of the file",
                    i, section.size, offset, reader.size());
      section.data = *data;
    }
    file.sections.push_back(section);
  }
  Reader strings(file.sections[names].data);
  for (size_t i = 0; i < count; ++i) {
    auto name = strings.c_string(name_offsets[i]);
    if (!name && i > 0)
      return fail(EINVAL, "section {} has a name at offset {}, which does not exist", i,
                  name_offsets[i]);
    if (name) file.sections[i].name = *name;
  }
  return {};
}

Result<> read_symbols(ElfFile& file) {
  const ElfSection* table = nullptr;
  for (const ElfSection& section : file.sections)
    if (section.type == SHT_SYMTAB) table = &section;
  if (table == nullptr) return fail(EINVAL, "it has no symbol table");
  if (table->link >= file.sections.size())
    return fail(EINVAL, "the symbol table's names are in section {}, which does not exist",
                table->link);
  if (table->data.size() % kSymbolSize != 0)
    return fail(EINVAL, "the symbol table's {} bytes are no multiple of {}", table->data.size(),
                kSymbolSize);
  Reader reader(table->data, file.swaps()), strings(file.sections[table->link].data);
  for (size_t at = 0; at < table->data.size(); at += kSymbolSize) {
    ElfSymbol symbol;
    const uint8_t info = *reader.at<uint8_t>(at + 4);
    symbol.bind = info >> 4;
    symbol.type = info & 0xf;
    symbol.visibility = *reader.at<uint8_t>(at + 5) & 3;
    symbol.section = *reader.at<uint16_t>(at + 6);
    symbol.value = *reader.at<uint64_t>(at + 8);
    symbol.size = *reader.at<uint64_t>(at + 16);
    const uint32_t name = *reader.at<uint32_t>(at);
    if (name != 0) {
      auto text = strings.c_string(name);
      if (!text)
        return fail(EINVAL, "symbol {} has a name at offset {}, which does not exist",
                    at / kSymbolSize, name);
      symbol.name = *text;
    }
    file.symbols.push_back(symbol);
  }
  return {};
}

}  // namespace

const ElfSection* ElfFile::find(std::string_view name) const {
  for (const ElfSection& section : sections)
    if (section.name == name) return &section;
  return nullptr;
}

Result<std::vector<ElfRel>> ElfFile::relocations(const ElfSection& section) const {
  std::vector<ElfRel> rels;
  Reader reader(section.data, swaps());
  if (section.data.size() % kRelSize != 0)
    return fail(EINVAL, "its {} bytes are no multiple of {}", section.data.size(), kRelSize);
  for (size_t at = 0; at < section.data.size(); at += kRelSize) {
    const uint64_t info = *reader.at<uint64_t>(at + 8);
    ElfRel rel{*reader.at<uint64_t>(at), static_cast<uint32_t>(info >> 32),
               static_cast<uint32_t>(info)};
    if (rel.symbol >= symbols.size())
      return fail(EINVAL, "relocation {} is of symbol {}, but there are {}", at / kRelSize,
                  rel.symbol, symbols.size());
    rels.push_back(rel);
  }
  return rels;
}

Result<ElfFile> read_elf(ByteSpan bytes) {
  SKEP_TRY(file, check_ident(bytes));
  Reader reader(bytes, file.swaps());
  const uint16_t type = *reader.at<uint16_t>(16), machine = *reader.at<uint16_t>(18);
  if (machine != kBpf)
    return fail(ENOEXEC, "expected machine EM_BPF ({}), found {} ({})", kBpf, machine,
                machine_name(machine));
  if (type != kRelocatable)
    return fail(ENOEXEC, "expected a relocatable ELF file, found type {}", type);
  SKEP_CHECK(read_sections(file, reader));
  SKEP_CHECK(read_symbols(file));
  return std::move(file);
}

}  // namespace skep::object
