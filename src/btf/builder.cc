#include "btf/builder.h"

#include <algorithm>

#include "btf/record.h"

namespace skep::btf {

BtfBuilder::BtfBuilder(std::shared_ptr<const Btf> base) : base_(std::move(base)) {
  if (base_)
    next_id_ = base_->type_end();
  else
    strings_.push_back('\0');
}

uint32_t BtfBuilder::add_string(std::string_view text) {
  if (text.empty()) return 0;
  const uint32_t start = base_ ? base_->string_end() : 0;
  auto [at, fresh] = string_offsets_.try_emplace(std::string(text),
                                                 start + static_cast<uint32_t>(strings_.size()));
  if (fresh) {
    strings_ += text;
    strings_.push_back('\0');
  }
  return at->second;
}

TypeId BtfBuilder::header(std::string_view name, Kind kind, uint32_t vlen, bool kind_flag,
                          uint32_t size_or_type) {
  word(add_string(name));
  word(uint32_t{kind_flag} << 31 | static_cast<uint32_t>(kind) << 24 | vlen);
  word(size_or_type);
  return next_id_++;
}

TypeId BtfBuilder::add_int(std::string_view name, uint32_t size, bool is_signed, bool is_char,
                           bool is_bool) {
  TypeId id = header(name, Kind::Int, 0, false, size);
  word((uint32_t{is_signed} | uint32_t{is_char} << 1 | uint32_t{is_bool} << 2) << 24 | size * 8);
  return id;
}
TypeId BtfBuilder::add_float(std::string_view name, uint32_t size) {
  return header(name, Kind::Float, 0, false, size);
}
TypeId BtfBuilder::add_pointer(TypeId to) { return header({}, Kind::Ptr, 0, false, to); }
TypeId BtfBuilder::add_array(TypeId element, uint32_t length, TypeId index) {
  TypeId id = header({}, Kind::Array, 0, false, 0);
  word(element);
  word(index);
  word(length);
  return id;
}
TypeId BtfBuilder::add_composite(Kind kind, std::string_view name, uint32_t size,
                                 const std::vector<Member>& members) {
  const bool bitfields =
      std::ranges::any_of(members, [](const Member& m) { return m.bitfield_size != 0; });
  TypeId id = header(name, kind, static_cast<uint32_t>(members.size()), bitfields, size);
  for (const Member& member : members) {
    word(add_string(member.name));
    word(member.type);
    word(member.bitfield_size << 24 | member.bit_offset);
  }
  return id;
}
TypeId BtfBuilder::add_enum(Kind kind, std::string_view name, uint32_t size, bool is_signed,
                            const std::vector<Enumerator>& values) {
  TypeId id = header(name, kind, static_cast<uint32_t>(values.size()), is_signed, size);
  for (const Enumerator& value : values) {
    word(add_string(value.name));
    word(static_cast<uint32_t>(value.value));
    if (kind == Kind::Enum64) word(static_cast<uint32_t>(value.value >> 32));
  }
  return id;
}
TypeId BtfBuilder::add_forward(std::string_view name, bool is_union) {
  return header(name, Kind::Fwd, 0, is_union, 0);
}
TypeId BtfBuilder::add_typedef(std::string_view name, TypeId of) {
  return header(name, Kind::Typedef, 0, false, of);
}
TypeId BtfBuilder::add_modifier(Kind kind, TypeId of) { return header({}, kind, 0, false, of); }
TypeId BtfBuilder::add_type_tag(std::string_view tag, TypeId of) {
  return header(tag, Kind::TypeTag, 0, false, of);
}
TypeId BtfBuilder::add_decl_tag(std::string_view tag, TypeId of, int32_t component) {
  TypeId id = header(tag, Kind::DeclTag, 0, false, of);
  word(static_cast<uint32_t>(component));
  return id;
}
TypeId BtfBuilder::add_function(std::string_view name, TypeId prototype, Linkage linkage) {
  return header(name, Kind::Func, static_cast<uint32_t>(linkage), false, prototype);
}
TypeId BtfBuilder::add_prototype(TypeId result, const std::vector<Parameter>& parameters) {
  TypeId id = header({}, Kind::FuncProto, static_cast<uint32_t>(parameters.size()), false, result);
  for (const Parameter& parameter : parameters) {
    word(add_string(parameter.name));
    word(parameter.type);
  }
  return id;
}
TypeId BtfBuilder::add_variable(std::string_view name, TypeId type, Linkage linkage) {
  TypeId id = header(name, Kind::Var, 0, false, type);
  word(static_cast<uint32_t>(linkage));
  return id;
}
TypeId BtfBuilder::add_datasec(std::string_view name, uint32_t size,
                               const std::vector<SecVar>& variables) {
  TypeId id = header(name, Kind::Datasec, static_cast<uint32_t>(variables.size()), false, size);
  for (const SecVar& variable : variables) {
    word(variable.type);
    word(variable.offset);
    word(variable.size);
  }
  return id;
}

TypeId BtfBuilder::add_copy(const Type& type, const std::function<TypeId(TypeId)>& map_id) {
  const RecordWords record(type);
  if (record.size() == 0) return 0;
  for (size_t i = 0; i < record.size(); ++i) {
    switch (record.what(i)) {
      case Word::raw: word(record[i]); break;
      case Word::name: word(add_string(type.btf().string(record[i]))); break;
      case Word::id: word(map_id(record[i])); break;
    }
  }
  return next_id_++;
}

std::vector<std::byte> BtfBuilder::bytes() const {
  const uint32_t types_size = static_cast<uint32_t>(words_.size() * 4);
  std::vector<std::byte> bytes(24 + types_size + strings_.size());
  const uint32_t header[] = {0x0001eb9f, 24,         0,
                             types_size, types_size, static_cast<uint32_t>(strings_.size())};
  std::memcpy(bytes.data(), header, sizeof header);
  if (types_size != 0) std::memcpy(bytes.data() + 24, words_.data(), types_size);
  if (!strings_.empty())
    std::memcpy(bytes.data() + 24 + types_size, strings_.data(), strings_.size());
  return bytes;
}

Result<std::shared_ptr<const Btf>> BtfBuilder::finish() const { return Btf::parse(bytes(), base_); }

}  // namespace skep::btf
