// StaticLinker: the steps of link_objects, in two files: static_linker.cc (sections, symbols, relocations) and
// link_btf.cc (types, BTF.ext). Private to this room.
#pragma once

#include <map>
#include <memory>
#include <unordered_map>

#include "btf/builder.h"
#include "btf/dedup.h"
#include "btf/ext.h"
#include "object/elf.h"
#include "object/elf_writer.h"
#include "object/static_linker.h"

namespace skep::object {

class StaticLinker {
 public:
  Result<std::vector<std::byte>> link(std::span<const LinkInput> inputs);

 private:
  static constexpr uint32_t kNone = UINT32_MAX;

  struct Input {
    std::string name;
    ElfFile elf;
    std::shared_ptr<const btf::Btf> btf;  // none without -g
    std::vector<uint32_t> section;  // by section: index of the output's, kNone where it is dropped
    std::vector<uint64_t> offset;   // … and where in it this one begins
    std::vector<uint32_t> symbol;   // by symbol: index of the output's, kNone
    std::unordered_map<std::string_view, btf::TypeId>
        globals;                   // FUNC and VAR of global or extern linkage
    std::vector<btf::TypeId> ids;  // by type: the merged BTF's
  };
  // A global symbol: who defines it, or (an extern) who said first that it wants it.
  struct Global {
    uint32_t symbol = 0;  // index into output_.symbols
    uint32_t owner = 0;   // input
  };

  // static_linker.cc
  Result<> read(const LinkInput& input);
  Result<> merge_section(Input& input, uint32_t index);
  Result<> merge_symbols(uint32_t index);
  Result<> merge_global(uint32_t index, const ElfSymbol& symbol, uint32_t& merged);
  Result<> merge_relocations(Input& input);
  Result<> shift(const Input& input, const ElfSymbol& symbol, const ElfRel& rel,
                 OutputSection& section, uint64_t at) const;
  [[nodiscard]] bool swaps() const {
    return output_.big_endian != (std::endian::native == std::endian::big);
  }
  // link_btf.cc
  Result<> check_types(const Input& a, const Input& b, std::string_view symbol) const;
  Result<> merge_btf();
  void add_types(btf::BtfBuilder& merged);
  void add_datasecs(btf::BtfBuilder& merged);
  Result<std::vector<btf::ExtSection>> merge_ext(btf::Deduped& deduped) const;
  void add_section(std::string name, std::vector<std::byte> bytes);
  [[nodiscard]] bool owns(uint32_t input, std::string_view symbol) const;

  std::vector<Input> inputs_;
  OutputElf output_;
  std::unordered_map<std::string, uint32_t> section_by_name_;
  std::vector<uint32_t> section_symbol_;  // by output section
  std::map<std::string, Global, std::less<>> globals_;
};

}  // namespace skep::object
