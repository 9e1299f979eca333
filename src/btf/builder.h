// BtfBuilder: writes BTF. Types are numbered as they are added, from 1, or from the end of a base.
// An id may be used before it is added (for cycles); finish() refuses one that never was.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "btf/btf.h"

namespace skep::btf {

class BtfBuilder {
 public:
  explicit BtfBuilder(std::shared_ptr<const Btf> base = {});

  [[nodiscard]] TypeId next_id() const { return next_id_; }
  uint32_t add_string(std::string_view text);

  TypeId add_int(std::string_view name, uint32_t size, bool is_signed, bool is_char = false,
                 bool is_bool = false);
  TypeId add_float(std::string_view name, uint32_t size);
  TypeId add_pointer(TypeId to);
  TypeId add_array(TypeId element, uint32_t length, TypeId index);
  // Struct or Union; bitfields may be among the members.
  TypeId add_composite(Kind kind, std::string_view name, uint32_t size,
                       const std::vector<Member>& members);
  // Enum (values of 32 bits) or Enum64.
  TypeId add_enum(Kind kind, std::string_view name, uint32_t size, bool is_signed,
                  const std::vector<Enumerator>& values);
  TypeId add_forward(std::string_view name, bool is_union);
  TypeId add_typedef(std::string_view name, TypeId of);
  TypeId add_modifier(Kind kind, TypeId of);  // Const, Volatile, Restrict
  TypeId add_type_tag(std::string_view tag, TypeId of);
  TypeId add_decl_tag(std::string_view tag, TypeId of, int32_t component);
  TypeId add_function(std::string_view name, TypeId prototype, Linkage linkage);
  TypeId add_prototype(TypeId result, const std::vector<Parameter>& parameters);
  TypeId add_variable(std::string_view name, TypeId type, Linkage linkage);
  TypeId add_datasec(std::string_view name, uint32_t size, const std::vector<SecVar>& variables);
  // One record of another BTF as it is, each id in it through `map_id`.
  TypeId add_copy(const Type& type, const std::function<TypeId(TypeId)>& map_id);

  [[nodiscard]] std::vector<std::byte> bytes() const;
  [[nodiscard]] Result<std::shared_ptr<const Btf>> finish() const;

 private:
  void word(uint32_t value) { words_.push_back(value); }
  TypeId header(std::string_view name, Kind kind, uint32_t vlen, bool kind_flag,
                uint32_t size_or_type);

  std::shared_ptr<const Btf> base_;
  TypeId next_id_ = 1;
  std::vector<uint32_t> words_;
  std::string strings_;
  std::unordered_map<std::string, uint32_t> string_offsets_;
};

}  // namespace skep::btf
