// ElfOpener: the steps of open_object, in three files: open.cc (the whole, BTF), open_data.cc (maps, globals, externs),
// open_code.cc (functions, relocations, BTF.ext). Private to this room.
#pragma once

#include <map>
#include <unordered_map>

#include "btf/ext.h"
#include "object/elf.h"
#include "object/object.h"

namespace skep::object {

inline constexpr uint64_t kMaxGlobals = 64 << 20;  // bytes, of all sections

class ElfOpener {
 public:
  ElfOpener(ByteSpan bytes, std::string_view name) : bytes_(bytes) { object_.name_ = name; }
  Result<Object> open();

 private:
  struct ValuesField {
    uint32_t map = 0;
    uint64_t begin = 0, end = 0;  // of the variable, in .maps
    int64_t offset = -1;
  };
  Result<> run();
  // open.cc
  Result<> read_meta();
  Result<> read_btf();
  bool is_hidden(std::string_view function) const;
  const ElfSymbol* find_symbol(std::string_view name) const;
  void read_comments();
  Result<> fill_datasec(const btf::Btf& btf, const btf::Type& type, std::byte* record);
  // open_code.cc
  Result<> read_code();
  Result<> read_functions();
  // open_data.cc
  Result<> read_maps();
  Result<> read_globals();
  Result<> read_struct_ops();
  Result<> read_arena();
  static MapSpec globals_map(std::string_view name, uint32_t size);
  Result<> read_variables(MapSpec& map, bool is_constant);
  Result<> read_externs();
  bool is_weak(std::string_view name) const;
  Result<> read_kconfig(const btf::Type& type);
  // open_code.cc
  Result<> read_relocations();
  Result<> relocate_map(const ElfRel& rel);
  Result<> relocate_struct_ops(const ElfRel& rel, uint32_t section);
  std::optional<uint32_t> map_at(const ElfSymbol& symbol, uint64_t addend) const;
  Result<> relocate_insn(const ElfRel& rel, uint32_t code_index);
  Result<Object::Reloc> classify(const ElfRel& rel, const Object::Code& code, uint32_t at);
  Result<Object::Reloc> external(const ElfSymbol& symbol, const Insn& insn, uint32_t at,
                                 bool is_call);
  std::optional<uint32_t> function_at(uint32_t code, int64_t insn) const;
  Result<> finish_calls();
  Result<> read_ext();
  Result<> read_ext(const btf::ExtSection& part, Object::Code& code);

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

}  // namespace skep::object
