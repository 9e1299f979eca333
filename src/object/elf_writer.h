// Writes a relocatable ELF64 file of EM_BPF: the counterpart of elf.h.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "base/bytes.h"
#include "object/elf.h"

namespace skep::object {

struct OutputRel {
  uint64_t offset = 0;
  uint32_t symbol = 0;  // index into OutputElf::symbols
  uint32_t type = 0;
};
struct OutputSection {
  std::string name;
  uint32_t type = SHT_PROGBITS;
  uint64_t flags = 0, align = 1, entry_size = 0;
  uint64_t size = 0;            // of NOBITS, whose data is empty
  std::vector<std::byte> data;  // in the file's byte order
  std::vector<OutputRel> rels;
};
struct OutputSymbol {
  std::string name;
  uint64_t value = 0, size = 0;
  uint32_t section = kUndefined;  // index into OutputElf::sections
  uint8_t bind = STB_LOCAL, type = STT_NOTYPE, visibility = STV_DEFAULT;
  static constexpr uint32_t kUndefined = UINT32_MAX;
};
struct OutputElf {
  bool big_endian = false;
  std::vector<OutputSection> sections;
  std::vector<OutputSymbol> symbols;  // in any order: local ones are written first, as ELF wants it
};

[[nodiscard]] std::vector<std::byte> write_elf(const OutputElf& elf);

}  // namespace skep::object
