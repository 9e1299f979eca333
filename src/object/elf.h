// The few parts of ELF64 that an eBPF object has. A reader of our own instead of libelf: it is 150
// lines, reads through base/bytes.h only, and every field of a hostile file is checked where it is
// read (docs/decisions: libelf asserts on some of them).
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "base/bytes.h"
#include "base/result.h"

namespace skep::object {

// <elf.h> is full of macros; these are the constants that an opener needs, under its names.
inline constexpr uint32_t SHT_PROGBITS = 1, SHT_SYMTAB = 2, SHT_STRTAB = 3, SHT_RELA = 4,
                          SHT_NOBITS = 8, SHT_REL = 9;
inline constexpr uint64_t SHF_ALLOC = 2, SHF_EXECINSTR = 4;
inline constexpr uint8_t STB_LOCAL = 0, STB_GLOBAL = 1, STB_WEAK = 2;
inline constexpr uint8_t STT_NOTYPE = 0, STT_OBJECT = 1, STT_FUNC = 2, STT_SECTION = 3;
inline constexpr uint8_t STV_DEFAULT = 0, STV_INTERNAL = 1, STV_HIDDEN = 2;
inline constexpr uint32_t SHN_UNDEF = 0, SHN_LORESERVE = 0xff00;
inline constexpr uint32_t R_BPF_64_64 = 1, R_BPF_64_ABS64 = 2, R_BPF_64_ABS32 = 3,
                          R_BPF_64_NODYLD32 = 4, R_BPF_64_32 = 10;

struct ElfSection {
  std::string_view name;
  uint32_t type = 0;
  uint64_t flags = 0;
  uint64_t size = 0;  // of NOBITS too, whose data is empty
  uint32_t link = 0, info = 0;
  uint64_t align = 0, entry_size = 0;
  ByteSpan data;
};
struct ElfSymbol {
  std::string_view name;
  uint64_t value = 0, size = 0;
  uint32_t section = 0;  // a section's index, SHN_UNDEF or a reserved number
  uint8_t bind = 0, type = 0, visibility = 0;
};
struct ElfRel {
  uint64_t offset = 0;
  uint32_t symbol = 0;  // exists
  uint32_t type = 0;
};

struct ElfFile {
  bool big_endian = false;
  std::vector<ElfSection> sections;
  std::vector<ElfSymbol> symbols;  // [0] is the empty one

  [[nodiscard]] bool swaps() const {
    return big_endian != (std::endian::native == std::endian::big);
  }
  [[nodiscard]] const ElfSection* find(std::string_view name) const;
  [[nodiscard]] Result<std::vector<ElfRel>> relocations(const ElfSection& section) const;
};

// Views into `bytes`. ENOEXEC for what is no ELF64 relocatable of EM_BPF, EINVAL for a damaged one.
[[nodiscard]] Result<ElfFile> read_elf(ByteSpan bytes);

}  // namespace skep::object
