#include "hooks/elf_image.h"

#include <elf.h>

#include <algorithm>

#include "base/fd.h"

namespace skep::hooks {
namespace {

template <class T>
std::optional<T> struct_at(ByteSpan bytes, uint64_t offset) {
  if (offset > bytes.size() || bytes.size() - offset < sizeof(T)) return std::nullopt;
  return load<T>(bytes.data() + offset);
}

ByteSpan slice(ByteSpan bytes, uint64_t offset, uint64_t size) {
  return Reader(bytes).slice(offset, size).value_or(ByteSpan());
}

std::optional<ByteSpan> find_build_id(ByteSpan notes) {
  for (uint64_t at = 0;;) {
    auto header = struct_at<Elf64_Nhdr>(notes, at);
    if (!header) return std::nullopt;
    uint64_t name = at + sizeof *header;
    uint64_t description = name + ((uint64_t{header->n_namesz} + 3) & ~uint64_t{3});
    auto value = Reader(notes).slice(description, header->n_descsz);
    if (!value) return std::nullopt;
    if (header->n_type == NT_GNU_BUILD_ID && header->n_namesz == 4 &&
        Reader(notes).c_string(name) == "GNU")
      return value;
    at = description + ((uint64_t{header->n_descsz} + 3) & ~uint64_t{3});
  }
}

}  // namespace

Result<ElfImage> ElfImage::open(const std::string& path) {
  auto bytes = read_file(path);
  if (!bytes) return fail(bytes);
  auto image = parse(std::move(*bytes));
  if (!image) return fail(image, "{}", path);
  return image;
}

Result<ElfImage> ElfImage::parse(std::vector<std::byte> bytes) {
  ElfImage image;
  image.bytes_ = std::move(bytes);
  ByteSpan file = image.bytes_;
  auto header = struct_at<Elf64_Ehdr>(file, 0);
  if (!header || std::memcmp(header->e_ident, ELFMAG, SELFMAG) != 0)
    return fail(ENOEXEC, "expected an ELF executable or shared library, found no ELF header");
  if (header->e_ident[EI_CLASS] != ELFCLASS64 || header->e_ident[EI_DATA] != ELFDATA2LSB ||
      header->e_machine != EM_X86_64)
    return fail(ENOEXEC, "expected machine x86-64 (62, 64-bit), found machine {}{}",
                header->e_machine, header->e_ident[EI_CLASS] == ELFCLASS64 ? "" : ", 32-bit");
  if (header->e_type != ET_EXEC && header->e_type != ET_DYN)
    return fail(ENOEXEC, "expected an executable or shared library, found ELF type {}",
                header->e_type);
  image.position_independent_ = header->e_type == ET_DYN;

  for (unsigned i = 0; i < header->e_phnum; ++i) {
    auto program = struct_at<Elf64_Phdr>(file, header->e_phoff + uint64_t{i} * sizeof(Elf64_Phdr));
    if (!program || header->e_phoff > file.size())
      return fail(ENOEXEC, "program header {} of {} lies outside the file", i, header->e_phnum);
    switch (program->p_type) {
      case PT_LOAD: {
        if (program->p_offset > file.size()) break;
        uint64_t size = std::min<uint64_t>(program->p_filesz, file.size() - program->p_offset);
        if (program->p_vaddr > (uint64_t{1} << 47)) break;
        image.segments_.push_back(
            {program->p_vaddr, program->p_offset, size, (program->p_flags & PF_X) != 0});
        break;
      }
      case PT_INTERP:
        image.interpreter_ = Reader(slice(file, program->p_offset, program->p_filesz))
                                 .c_string(0)
                                 .value_or(std::string_view());
        break;
      case PT_DYNAMIC:
        image.dynamic_offset_ = program->p_offset;
        image.dynamic_size_ = program->p_filesz;
        break;
      case PT_NOTE:
        if (auto id = find_build_id(slice(file, program->p_offset, program->p_filesz)))
          image.build_id_ = *id;
        break;
      case PT_GNU_EH_FRAME:
        image.unwind_header_ = program->p_vaddr;
        image.unwind_header_size_ = program->p_filesz;
        break;
      default: break;
    }
  }
  if (std::ranges::none_of(image.segments_, &Segment::executable))
    return fail(ENOEXEC, "expected executable segments, found none");

  for (unsigned i = 0; i < header->e_shnum && header->e_shoff <= file.size(); ++i) {
    auto section = struct_at<Elf64_Shdr>(file, header->e_shoff + uint64_t{i} * sizeof(Elf64_Shdr));
    if (!section) break;
    image.sections_.push_back({section->sh_type, section->sh_link, section->sh_info,
                               section->sh_offset, section->sh_size});
  }
  image.read_symbols(SHT_SYMTAB);
  image.read_symbols(SHT_DYNSYM);
  if (std::ranges::none_of(image.sections_, [](auto& s) { return s.type == SHT_DYNSYM; }))
    image.read_symbols_of_dynamic_segment();
  image.sort_symbols();
  return image;
}

void ElfImage::read_symbols(uint32_t section_type) {
  ByteSpan file = bytes_;
  for (const Section& section : sections_) {
    if (section.type != section_type || section.link >= sections_.size()) continue;
    const Section& strings = sections_[section.link];
    ByteSpan names = slice(file, strings.offset, strings.size);
    ByteSpan versions;
    std::vector<std::string_view> version_names;
    bool has_versions = false;
    if (section_type == SHT_DYNSYM) {
      for (const Section& other : sections_) {
        if (other.type == SHT_GNU_versym) {
          versions = slice(file, other.offset, other.size);
          has_versions = true;
        } else if (other.type == SHT_GNU_verdef) {
          version_names = read_version_names(slice(file, other.offset, other.size), names);
        }
      }
    }
    add_symbol_table(slice(file, section.offset, section.size), names, versions, has_versions,
                     version_names);
  }
}

// Files stripped of their section table still carry what ld.so needs. The symbol table's length is
// nowhere said; linkers put the strings right behind it, and the checks bound whatever comes of it.
void ElfImage::read_symbols_of_dynamic_segment() {
  ByteSpan dynamic = slice(bytes_, dynamic_offset_, dynamic_size_);
  uint64_t symbols = 0, strings = 0, strings_size = 0, versions = 0;
  for (uint64_t at = 0; auto entry = struct_at<Elf64_Dyn>(dynamic, at); at += sizeof(Elf64_Dyn)) {
    if (entry->d_tag == DT_NULL) break;
    if (entry->d_tag == DT_SYMTAB) symbols = entry->d_un.d_ptr;
    if (entry->d_tag == DT_STRTAB) strings = entry->d_un.d_ptr;
    if (entry->d_tag == DT_STRSZ) strings_size = entry->d_un.d_val;
    if (entry->d_tag == DT_VERSYM) versions = entry->d_un.d_ptr;
  }
  if (symbols == 0 || strings <= symbols) return;
  auto table = at(symbols, strings - symbols), names = at(strings, strings_size);
  if (!table || !names) return;
  auto version_bytes = at(versions, table->size() / sizeof(Elf64_Sym) * 2);
  add_symbol_table(*table, *names, version_bytes.value_or(ByteSpan()), version_bytes.has_value(),
                   {});
}

std::vector<std::string_view> ElfImage::read_version_names(ByteSpan definitions,
                                                           ByteSpan names) const {
  std::vector<std::string_view> result;
  uint64_t at = 0;
  // Every definition takes at least its own bytes, so this ends on any input.
  for (size_t left = definitions.size() / sizeof(Elf64_Verdef); left > 0; --left) {
    auto definition = struct_at<Elf64_Verdef>(definitions, at);
    if (!definition) break;
    auto name = struct_at<Elf64_Verdaux>(definitions, at + definition->vd_aux);
    size_t index = definition->vd_ndx & 0x7fff;
    if (name && index < 4096) {
      if (result.size() <= index) result.resize(index + 1);
      result[index] = Reader(names).c_string(name->vda_name).value_or(std::string_view());
    }
    if (definition->vd_next == 0) break;
    at += definition->vd_next;
  }
  return result;
}

void ElfImage::add_symbol_table(ByteSpan table, ByteSpan names, ByteSpan versions,
                                bool has_versions,
                                const std::vector<std::string_view>& version_names) {
  for (size_t i = 0; (i + 1) * sizeof(Elf64_Sym) <= table.size(); ++i) {
    auto raw = load<Elf64_Sym>(table.data() + i * sizeof(Elf64_Sym));
    if (raw.st_shndx == SHN_UNDEF || raw.st_shndx == SHN_ABS) continue;
    Symbol symbol;
    switch (ELF64_ST_TYPE(raw.st_info)) {
      case STT_FUNC: symbol.kind = SymbolKind::function; break;
      case STT_GNU_IFUNC: symbol.kind = SymbolKind::ifunc; break;
      case STT_NOTYPE: symbol.kind = SymbolKind::untyped; break;
      default: continue;
    }
    if (code_segment(raw.st_value) == nullptr) continue;
    auto name = Reader(names).c_string(raw.st_name);
    if (!name || name->empty()) continue;
    symbol.name = *name;
    symbol.vaddr = raw.st_value;
    symbol.size = raw.st_size;
    symbol.binding = ELF64_ST_BIND(raw.st_info);
    if (size_t sign = name->find('@'); sign != std::string_view::npos && sign != 0) {
      symbol.name = name->substr(0, sign);
      symbol.default_version = name->substr(sign).starts_with("@@");
      symbol.version = name->substr(name->find_last_of('@') + 1);
    } else if (has_versions) {
      if (auto version = struct_at<uint16_t>(versions, i * 2)) {
        symbol.default_version = (*version & 0x8000) == 0;
        size_t index = *version & 0x7fff;
        if (index >= 2 && index < version_names.size()) symbol.version = version_names[index];
      }
    }
    symbols_.push_back(symbol);
  }
}

void ElfImage::sort_symbols() { std::ranges::stable_sort(symbols_, {}, &Symbol::vaddr); }

void ElfImage::add_symbols(ElfImage debug) {
  // A debug file keeps the segments' addresses but not their bytes: its symbols are judged by ours.
  ByteSpan file = debug.bytes_;
  for (const Section& section : debug.sections_) {
    if (section.type != SHT_SYMTAB || section.link >= debug.sections_.size()) continue;
    const Section& strings = debug.sections_[section.link];
    add_symbol_table(slice(file, section.offset, section.size),
                     slice(file, strings.offset, strings.size), {}, false, {});
  }
  debug_bytes_.push_back(std::move(debug.bytes_));
  sort_symbols();
}

std::optional<uint64_t> ElfImage::file_offset(uint64_t vaddr) const {
  for (const Segment& segment : segments_)
    if (vaddr >= segment.vaddr && vaddr - segment.vaddr < segment.file_size)
      return segment.file_offset + (vaddr - segment.vaddr);
  return std::nullopt;
}

std::optional<uint64_t> ElfImage::vaddr_of(uint64_t offset) const {
  // Two segments may share a page of the file: the executable one is meant.
  for (bool executable : {true, false})
    for (const Segment& segment : segments_)
      if (segment.executable == executable && offset >= segment.file_offset &&
          offset - segment.file_offset < segment.file_size)
        return segment.vaddr + (offset - segment.file_offset);
  return std::nullopt;
}

std::optional<ByteSpan> ElfImage::at(uint64_t vaddr, size_t size) const {
  for (const Segment& segment : segments_) {
    if (vaddr < segment.vaddr || vaddr - segment.vaddr > segment.file_size) continue;
    if (segment.file_size - (vaddr - segment.vaddr) < size) continue;
    return Reader(bytes_).slice(segment.file_offset + (vaddr - segment.vaddr), size);
  }
  return std::nullopt;
}

const Segment* ElfImage::code_segment(uint64_t vaddr) const {
  for (const Segment& segment : segments_)
    if (segment.executable && vaddr >= segment.vaddr && vaddr - segment.vaddr < segment.file_size)
      return &segment;
  return nullptr;
}

ByteSpan ElfImage::bytes_of_segment(const Segment& segment) const {
  return slice(bytes_, segment.file_offset, segment.file_size);
}

ElfImage::Bounds ElfImage::function_bounds(uint64_t vaddr) const {
  Bounds bounds;
  const Segment* segment = code_segment(vaddr);
  if (segment == nullptr) return bounds;
  uint64_t segment_end = segment->vaddr + segment->file_size;
  auto above = std::ranges::upper_bound(symbols_, vaddr, {}, &Symbol::vaddr);
  // The innermost symbol that covers the address. Aliases and enclosing symbols lie close before
  // it.
  constexpr int kLookBack = 64;
  int looked = 0;
  for (auto symbol = above; symbol != symbols_.begin() && looked < kLookBack; ++looked) {
    --symbol;
    if (symbol->size == 0 || vaddr - symbol->vaddr >= symbol->size) continue;
    bounds.range = {symbol->vaddr,
                    symbol->vaddr + std::min(symbol->size, segment_end - symbol->vaddr)};
    bounds.exact = true;
    return bounds;
  }
  if (auto entry = unwind_entry(vaddr)) {
    bounds.range = {entry->range.begin, std::min(entry->range.end, segment_end)};
    bounds.exact = true;
    return bounds;
  }
  bounds.range = {vaddr,
                  above == symbols_.end() ? segment_end : std::min(above->vaddr, segment_end)};
  return bounds;
}

}  // namespace skep::hooks
