// Which map_lookup_elem calls need no call, and what code generators have to know for them.
#pragma once

#include <bit>
#include <optional>

#include "object/hash_layout.h"
#include "object/map_header.h"
#include "object/verified_program.h"

namespace skep::jit {

struct Lookup {
  enum Kind : uint8_t { kArray, kPercpuArray, kHash };
  Kind kind{};
  const MapHeader* header = nullptr;
  bool key_is_constant = false;  // arrays
  uint32_t constant_key = 0;

  [[nodiscard]] const HashGeometry& hash() const {
    return *reinterpret_cast<const HashGeometry*>(header->extra);
  }
};

// Of the instruction at `i`: a lookup in an ARRAY or PERCPU_ARRAY, whose geometry never changes, or in a hash (HASH,
// PERCPU_HASH, LRU_HASH, LRU_PERCPU_HASH) by a key of 4 or 8 bytes, where facts name the map and its header is published.
[[nodiscard]] inline std::optional<Lookup> lookup_at(const VerifiedProgram& program, uint32_t i) {
  constexpr int32_t kMapLookup = 1;  // BPF_FUNC_map_lookup_elem
  const Insn& insn = program.insns()[i];
  if (insn.opcode != (isa::BPF_JMP | isa::BPF_CALL) || insn.src != 0 || insn.imm != kMapLookup ||
      i >= program.facts().size())
    return std::nullopt;
  const InsnFacts& facts = program.facts()[i];
  if (facts.map_index < 0 || static_cast<size_t>(facts.map_index) >= program.maps().size())
    return std::nullopt;
  const MapDescriptor& map = program.maps()[static_cast<size_t>(facts.map_index)];
  if (map.address == 0) return std::nullopt;
  Lookup found;
  found.header = reinterpret_cast<const MapHeader*>(map.address);
  const MapHeader& header = *found.header;
  if (header.magic != kMapMagic) return std::nullopt;
  switch (map.type) {
    case MapType::BPF_MAP_TYPE_PERCPU_ARRAY:
    case MapType::BPF_MAP_TYPE_ARRAY: {
      bool per_cpu = map.type == MapType::BPF_MAP_TYPE_PERCPU_ARRAY;
      found.kind = per_cpu ? Lookup::kPercpuArray : Lookup::kArray;
      if (header.values == 0 || header.max_entries > INT32_MAX || header.value_stride > INT32_MAX ||
          (per_cpu && header.slot_stride > INT32_MAX))
        return std::nullopt;
      found.key_is_constant = facts.key_is_constant;
      found.constant_key = facts.constant_key;
      return found;
    }
    case MapType::BPF_MAP_TYPE_HASH:
    case MapType::BPF_MAP_TYPE_LRU_HASH:
    case MapType::BPF_MAP_TYPE_PERCPU_HASH:
    case MapType::BPF_MAP_TYPE_LRU_PERCPU_HASH: {
      found.kind = Lookup::kHash;
      if (header.key_size != 4 && header.key_size != 8) return std::nullopt;
      const HashGeometry& hash = found.hash();
      if (hash.buckets == 0 || hash.bucket_mask > INT32_MAX || hash.element_stride > INT32_MAX ||
          hash.total > INT32_MAX || hash.value_offset > INT32_MAX ||
          header.value_stride > INT32_MAX || header.slot_stride > INT32_MAX)
        return std::nullopt;
      return found;
    }
    default: return std::nullopt;
  }
}

// Of the tail call at `i`: its program array, where facts name it and its header is published. The geometry of a map
// never changes; its elements may at any time, and any traced process can write them.
struct TailCall {
  const MapHeader* array = nullptr;
  int16_t map_index = -1;
  std::optional<uint32_t> index;  // where it is a constant
};
[[nodiscard]] inline std::optional<TailCall> tail_call_at(const VerifiedProgram& program,
                                                          uint32_t i) {
  if (i >= program.facts().size()) return std::nullopt;
  const InsnFacts& facts = program.facts()[i];
  if (facts.map_index < 0 || static_cast<size_t>(facts.map_index) >= program.maps().size())
    return std::nullopt;
  const MapDescriptor& map = program.maps()[static_cast<size_t>(facts.map_index)];
  if (map.type != MapType::BPF_MAP_TYPE_PROG_ARRAY || map.address == 0) return std::nullopt;
  TailCall found{.array = reinterpret_cast<const MapHeader*>(map.address),
                 .map_index = facts.map_index,
                 .index = {}};
  if (found.array->magic != kMapMagic || found.array->values == 0 ||
      found.array->max_entries > INT32_MAX)
    return std::nullopt;
  if (facts.tail_call_is_constant) found.index = facts.constant_key;
  return found;
}

}  // namespace skep::jit
