// Btf: a parsed BTF blob, immutable and shared.
//
//   header (24 bytes or more): magic 0xeb9f, version, flags, hdr_len, type_off, type_len, str_off, str_len
//   types: records one after another, numbered from 1 (0 is void)
//          | name_off u32 | info u32 | size or type u32 | what its kind and vlen say |
//          info: bits 0-23 vlen, 24-30 kind, 31 kind_flag
//   strings: NUL-terminated; offset 0 is ""
//
// Split BTF (of a module, of a program against vmlinux) goes on where its base ends: its first type
// is base->type_end(), its first string lies at base->string_end().
//
// Parsing is one pass that proves every record lies inside the blob, every type id exists and every
// name lies in the strings; it keeps one u32 a type (where its record starts) and nothing else. The
// index by name is made at the first lookup by name. What parsing does not prove (cycles of typedefs
// or of structs by value, array sizes that overflow) is bounded wherever it is walked; validate()
// proves it.
//
// All members are const and safe to call from several threads. Bytes of the other byte order are
// swapped as they come in. Every function is total: an id or offset that does not exist yields void,
// "" or nothing.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/bytes.h"
#include "base/result.h"

namespace skep::btf {

using TypeId = uint32_t;  // 0 is void

// BTF_KIND_*, with the kernel's numbers.
enum class Kind : uint8_t {
  Void,
  Int,
  Ptr,
  Array,
  Struct,
  Union,
  Enum,
  Fwd,
  Typedef,
  Volatile,
  Const,
  Restrict,
  Func,
  FuncProto,
  Var,
  Datasec,
  Float,
  DeclTag,
  TypeTag,
  Enum64,
};
inline constexpr unsigned kKinds = 20;
[[nodiscard]] std::string_view kind_name(Kind kind);  // "STRUCT", "TYPE_TAG"

struct Member {
  std::string_view name;  // "" for an anonymous struct or union
  TypeId type = 0;
  uint32_t bit_offset = 0;
  uint32_t bitfield_size = 0;  // bits; 0: not a bitfield
};
struct Parameter {
  std::string_view name;
  TypeId type = 0;  // 0 in the last one: "..."
};
struct Enumerator {
  std::string_view name;
  uint64_t value = 0;  // sign-extended where the enum is signed
};
struct SecVar {
  TypeId type = 0;  // of kind Var (or Func, for externs)
  uint32_t offset = 0;
  uint32_t size = 0;
};

enum class Linkage : uint8_t { Static, Global, Extern };

class Btf;

// A view of one type; valid as long as its Btf. Which members mean something depends on kind().
class Type {
 public:
  [[nodiscard]] TypeId id() const { return id_; }
  [[nodiscard]] Kind kind() const { return kind_; }
  [[nodiscard]] std::string_view name() const;
  [[nodiscard]] uint32_t name_offset() const { return name_off_; }
  [[nodiscard]] uint32_t vlen() const { return vlen_; }
  [[nodiscard]] bool kind_flag() const { return kind_flag_; }

  // Int, Struct, Union, Enum, Enum64, Float, Datasec: bytes.
  [[nodiscard]] uint32_t size() const { return size_or_type_; }
  // Ptr, Typedef, modifiers, Func (its prototype), FuncProto (its result), Var, DeclTag.
  [[nodiscard]] TypeId referenced() const { return size_or_type_; }

  // Int.
  [[nodiscard]] bool is_signed() const;  // also Enum, Enum64
  [[nodiscard]] bool is_char() const;
  [[nodiscard]] bool is_bool() const;
  [[nodiscard]] uint32_t int_bits() const;    // width of the value
  [[nodiscard]] uint32_t int_offset() const;  // bits; not 0 only in old compilers' bitfields
  // Array.
  [[nodiscard]] TypeId element() const;
  [[nodiscard]] TypeId index_type() const;
  [[nodiscard]] uint32_t length() const;
  // i < vlen(), else an empty one.
  [[nodiscard]] Member member(uint32_t i) const;          // Struct, Union
  [[nodiscard]] Parameter parameter(uint32_t i) const;    // FuncProto
  [[nodiscard]] Enumerator enumerator(uint32_t i) const;  // Enum, Enum64
  [[nodiscard]] SecVar sec_var(uint32_t i) const;         // Datasec
  [[nodiscard]] Linkage linkage() const;                  // Func, Var
  [[nodiscard]] int32_t component() const;  // DeclTag: member or parameter; -1: the type itself
  [[nodiscard]] bool fwd_is_union() const { return kind_flag_; }

  [[nodiscard]] bool is_composite() const { return kind_ == Kind::Struct || kind_ == Kind::Union; }
  [[nodiscard]] bool is_enum() const { return kind_ == Kind::Enum || kind_ == Kind::Enum64; }
  // const, volatile, restrict, type_tag.
  [[nodiscard]] bool is_modifier() const {
    return kind_ == Kind::Const || kind_ == Kind::Volatile || kind_ == Kind::Restrict ||
           kind_ == Kind::TypeTag;
  }
  // The record's bytes, in this machine's byte order.
  [[nodiscard]] ByteSpan record() const;
  [[nodiscard]] const Btf& btf() const { return *btf_; }

 private:
  friend class Btf;
  [[nodiscard]] uint32_t word(size_t i) const { return load<uint32_t>(data_ + 4 * i); }

  const Btf* btf_ = nullptr;
  const std::byte* data_ = nullptr;  // what follows the common 12 bytes
  TypeId id_ = 0;
  uint32_t name_off_ = 0;
  uint32_t vlen_ = 0;
  uint32_t size_or_type_ = 0;
  Kind kind_ = Kind::Void;
  bool kind_flag_ = false;
};

class Btf {
 public:
  // Copies `bytes`. EINVAL, with the offset and what was found, where they are not BTF.
  [[nodiscard]] static Result<std::shared_ptr<const Btf>> parse(
      ByteSpan bytes, std::shared_ptr<const Btf> base = {});
  // Reads in place (copies only to swap byte order): `bytes` stay unchanged as long as `keep` lives.
  [[nodiscard]] static Result<std::shared_ptr<const Btf>> parse_in_place(
      ByteSpan bytes, std::shared_ptr<const void> keep, std::shared_ptr<const Btf> base = {});

  // Proves all that walking can rely on: no cycle but through a pointer or prototype, at most 32
  // references in a row, sizes that fit, members inside their struct, names that are C identifiers,
  // FUNC on FUNC_PROTO, DATASEC of VARs in order. Objects of strangers are checked with it; a
  // kernel's own BTF need not be.
  [[nodiscard]] Result<> validate() const;

  [[nodiscard]] TypeId type_begin() const {
    return start_id_;
  }  // first of its own; 1 without a base
  [[nodiscard]] TypeId type_end() const { return start_id_ + static_cast<TypeId>(offsets_.size()); }
  [[nodiscard]] const std::shared_ptr<const Btf>& base() const { return base_; }
  [[nodiscard]] uint32_t string_end() const {
    return string_start_ + static_cast<uint32_t>(strings_.size());
  }
  // Of this machine's byte order, as BPF_BTF_LOAD takes it. Without the base's.
  [[nodiscard]] ByteSpan bytes() const { return bytes_; }
  [[nodiscard]] bool was_swapped() const { return swapped_; }

  [[nodiscard]] Type type(TypeId id) const;  // void where there is none
  [[nodiscard]] std::string_view string(uint32_t offset) const;
  [[nodiscard]] bool has_string(uint32_t offset) const { return offset < string_end(); }
  [[nodiscard]] std::string_view name(TypeId id) const { return type(id).name(); }

  // The first type of that name and kind, the base's before its own.
  [[nodiscard]] std::optional<TypeId> find(std::string_view name, Kind kind) const;
  // All types of that name, any kind, ascending; the base's first.
  [[nodiscard]] std::vector<TypeId> find_all(std::string_view name) const;
  // All whose name is `essential`, or that and ___ with more behind (a flavour); ascending.
  [[nodiscard]] std::vector<TypeId> find_essential(std::string_view essential) const;

  // Past typedefs, const, volatile, restrict, type tags; void where they go in a circle.
  [[nodiscard]] Type resolve(TypeId id) const;
  // Past const, volatile, restrict, type tags only.
  [[nodiscard]] Type strip_modifiers(TypeId id) const;
  // Bytes; none for void, functions, forward declarations, and what does not fit 32 bits.
  [[nodiscard]] std::optional<uint32_t> size_of(TypeId id) const;
  [[nodiscard]] std::optional<uint32_t> align_of(TypeId id) const;

  class Secret {  // make_shared's key to the constructor
    friend class Btf;
    Secret() = default;
  };
  explicit Btf(Secret);
  ~Btf();

 private:
  friend class Type;
  struct NameIndex;
  Result<> read(ByteSpan bytes);
  Result<> read_types();
  const NameIndex& name_index() const;

  std::shared_ptr<const Btf> base_;
  std::shared_ptr<const void> keep_;
  std::vector<std::byte> own_;
  ByteSpan bytes_, types_, strings_;
  TypeId start_id_ = 1;
  uint32_t string_start_ = 0;
  bool swapped_ = false;
  std::vector<uint32_t> offsets_;     // of the record of type start_id_ + i, into types_
  std::unique_ptr<NameIndex> index_;  // filled once, under its own flag
};

// "foo" of "foo___bar"; the name itself where it has no flavour.
[[nodiscard]] std::string_view essential_name(std::string_view name);

}  // namespace skep::btf
