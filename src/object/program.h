// Program: what a verifier takes. Made by the loader from an Object, or by engine/user from the
// attributes of BPF_PROG_LOAD; passive data, no file, no fd, no host.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "base/bytes.h"
#include "isa/insn.h"
#include "spec/types.h"

namespace skep {

namespace btf {
class Btf;
}

// What the verifier and the JITs may know of a map. The map itself is runtime's.
struct MapDescriptor {
  uint32_t id = 0;
  std::string name;
  MapType type{};
  uint32_t key_size = 0;    // bytes
  uint32_t value_size = 0;  // bytes, as the user gave it (per-CPU maps: of one CPU's value)
  uint32_t max_entries = 0;
  uint32_t map_flags = 0;  // BPF_F_* of BPF_MAP_CREATE
  uint64_t map_extra = 0;
  bool frozen = false;
  // Types of key and value; 0 where none were given.
  std::shared_ptr<const btf::Btf> btf;
  uint32_t btf_key_type_id = 0;
  uint32_t btf_value_type_id = 0;
  // Where a frozen, program-read-only map's first value can be read as a constant; empty otherwise.
  ByteSpan constant_value;
  // Address of the MapHeader, which programs hold as CONST_PTR_TO_MAP; and of element 0 of an
  // ARRAY (BPF_PSEUDO_MAP_VALUE). 0 where the program is only verified, not run.
  uint64_t address = 0;
  uint64_t value_address = 0;
  // Array of maps and hash of maps: what an inner map must look like.
  std::shared_ptr<const MapDescriptor> inner;
};

// BTF.ext records, already relocated: offsets count instructions from the program's start.
struct FuncInfo {
  uint32_t insn_off = 0;
  uint32_t type_id = 0;
};
struct LineInfo {
  uint32_t insn_off = 0;
  uint32_t file_name_off = 0;  // into the BTF's strings
  uint32_t line_off = 0;       // into the BTF's strings: the source line's text
  uint32_t line_col = 0;       // line << 10 | column
  [[nodiscard]] uint32_t line() const { return line_col >> 10; }
  [[nodiscard]] uint32_t column() const { return line_col & 0x3ff; }
};

// An instruction that could not be relocated and was poisoned: an error only if a path reaches it.
struct CoreFailure {
  uint32_t insn_off = 0;
  std::string text;  // "byte_off of struct task_struct.foo: the target has no such field"
};

struct Program {
  std::string name;
  ProgType type{};
  AttachType expected_attach_type{};
  uint32_t flags = 0;  // BPF_F_STRICT_ALIGNMENT, BPF_F_SLEEPABLE, … of BPF_PROG_LOAD
  uint32_t kern_version = 0;
  std::string license;

  // Relocated: calls to subprograms are BPF_PSEUDO_CALL with imm relative, subprograms follow the
  // main one, and ld_imm64 of a map is BPF_PSEUDO_MAP_IDX or _MAP_IDX_VALUE with imm an index into
  // `maps` (the second slot's imm: the offset into the value). File descriptors have been resolved.
  std::vector<Insn> insns;
  std::vector<MapDescriptor> maps;

  std::shared_ptr<const btf::Btf> btf;  // the program's own; none where the object has none
  std::vector<FuncInfo> func_info;
  std::vector<LineInfo> line_info;
  std::vector<CoreFailure>
      core_failures;  // ascending; each insn is a call of object::kPoisonedCore

  // tp_btf, fentry, LSM, struct_ops, iterators: the target's BTF and type.
  std::shared_ptr<const btf::Btf> attach_btf;
  uint32_t attach_btf_id = 0;
};

}  // namespace skep
