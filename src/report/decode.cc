#include "report/decode.h"

#include <fmt/format.h>
#include <nlohmann/json.hpp>

#include <algorithm>

#include "report/text.h"

namespace skep::report {
namespace {

using btf::Kind;

constexpr unsigned kMaxDepth = 16;      // of structs and arrays in each other
constexpr size_t kMaxValues = 100'000;  // in one tree: arrays of empty structs take no bytes
constexpr uint32_t kMaxMembers =
    4096;  // shown of one struct: finding a name in an object is linear
constexpr size_t kMaxLeaves = 256;
constexpr size_t kMaxLeafSteps =
    20'000;  // members looked at: structs of empty structs have no leaves

// `size` bits from bit `at`, little-endian; none where they are not all there. At most 64.
std::optional<uint64_t> bits_at(ByteSpan bytes, uint64_t at, uint32_t size) {
  if (size == 0 || size > 64 || at + size > uint64_t{bytes.size()} * 8) return {};
  uint64_t value = 0;
  for (uint32_t got = 0; got < size;) {
    const uint64_t bit = at + got;
    const unsigned shift = bit % 8;
    const uint64_t chunk = std::to_integer<uint64_t>(bytes[bit / 8]) >> shift;
    value |= chunk << got;
    got += 8 - shift;
  }
  return size == 64 ? value : value & ((uint64_t{1} << size) - 1);
}

class Decoder {
 public:
  explicit Decoder(const btf::Btf& btf) : btf_(btf) {}

  Value run(btf::TypeId id, ByteSpan bytes, uint64_t bit, uint32_t bitfield, unsigned depth) {
    if (depth > kMaxDepth || ++made_ > kMaxValues) return nullptr;
    const btf::Type type = btf_.resolve(id);
    switch (type.kind()) {
      case Kind::Int: return integer(type, bytes, bit, bitfield);
      case Kind::Enum:
      case Kind::Enum64: return enumerator(type, bytes, bit, bitfield);
      case Kind::Ptr: {
        const auto value = bits_at(bytes, bit, 64);
        return value ? Value(fmt::format("{:#x}", *value)) : Value(nullptr);
      }
      case Kind::Float: return floating(type, bytes, bit);
      case Kind::Array: return array(type, bytes, bit, depth);
      case Kind::Struct:
      case Kind::Union: {
        Value object = Value::object();
        members(type, bytes, bit, depth, object);
        return object;
      }
      case Kind::Datasec: {
        Value object = Value::object();
        for (uint32_t i = 0; i < type.vlen() && i < kMaxMembers && made_ < kMaxValues; ++i) {
          const btf::SecVar variable = type.sec_var(i);
          object[std::string(btf_.name(variable.type))] =
              run(variable.type, bytes, uint64_t{variable.offset} * 8, 0, depth + 1);
        }
        return object;
      }
      case Kind::Var: return run(type.referenced(), bytes, bit, 0, depth + 1);
      case Kind::Void:
      case Kind::Fwd:
      case Kind::Func:
      case Kind::FuncProto:
      case Kind::DeclTag:
      case Kind::Typedef:
      case Kind::Volatile:
      case Kind::Const:
      case Kind::Restrict:
      case Kind::TypeTag: return nullptr;
    }
    return nullptr;
  }

 private:
  Value integer(const btf::Type& type, ByteSpan bytes, uint64_t bit, uint32_t bitfield) {
    const uint32_t bits = bitfield != 0 ? bitfield : type.int_bits();
    if (bitfield == 0) bit += type.int_offset();
    if (bits > 64) return wide(bytes, bit, bits);
    const auto value = bits_at(bytes, bit, bits);
    if (!value) return nullptr;
    if (type.is_bool()) return *value != 0;
    return type.is_signed() ? Value(extend(*value, bits)) : Value(*value);
  }
  static int64_t extend(uint64_t value, uint32_t bits) {
    const unsigned shift = 64 - bits;
    return static_cast<int64_t>(value << shift) >> shift;
  }
  static Value wide(ByteSpan bytes, uint64_t bit, uint32_t bits) {
    const auto low = bits_at(bytes, bit, 64),
               high = bits_at(bytes, bit + 64, bits - 64 > 64 ? 64 : bits - 64);
    if (!low || !high) return nullptr;
    return *high == 0 ? fmt::format("{:#x}", *low) : fmt::format("{:#x}{:016x}", *high, *low);
  }

  static Value enumerator(const btf::Type& type, ByteSpan bytes, uint64_t bit, uint32_t bitfield) {
    const uint32_t bits = bitfield != 0 ? bitfield : std::min(type.size(), 8u) * 8;
    const auto raw = bits_at(bytes, bit, bits);
    if (!raw) return nullptr;
    const uint64_t value = type.is_signed() ? static_cast<uint64_t>(extend(*raw, bits)) : *raw;
    for (uint32_t i = 0; i < type.vlen(); ++i)
      if (type.enumerator(i).value == value) return std::string(type.enumerator(i).name);
    return type.is_signed() ? Value(static_cast<int64_t>(value)) : Value(value);
  }

  static Value floating(const btf::Type& type, ByteSpan bytes, uint64_t bit) {
    const auto raw = bits_at(bytes, bit, type.size() == 4 ? 32 : 64);
    if (!raw || (type.size() != 4 && type.size() != 8)) return nullptr;
    return type.size() == 4 ? static_cast<double>(std::bit_cast<float>(static_cast<uint32_t>(*raw)))
                            : std::bit_cast<double>(*raw);
  }

  Value array(const btf::Type& type, ByteSpan bytes, uint64_t bit, unsigned depth) {
    const uint64_t start = bit / 8;
    const uint64_t there = start < bytes.size() ? bytes.size() - start : 0;
    const uint64_t size = btf_.size_of(type.element()).value_or(0);
    if (size == 0) return Value::array();
    // [0] at the end of a struct is as long as the record.
    const uint64_t count = type.length() == 0 ? there / size : type.length();
    const btf::Type element = btf_.resolve(type.element());
    if (is_char_type(element)) {
      if (there == 0 && count != 0) return nullptr;
      const auto* text = reinterpret_cast<const char*>(bytes.data()) + start;
      const std::string_view all(text, static_cast<size_t>(std::min(count, there)));
      return std::string(all.substr(0, all.find('\0')));
    }
    Value items = Value::array();
    for (uint64_t i = 0; i < count && i < there / size && made_ < kMaxValues; ++i)
      items.push_back(run(type.element(), bytes, (start + i * size) * 8, 0, depth + 1));
    return items;
  }

  void members(const btf::Type& type, ByteSpan bytes, uint64_t bit, unsigned depth, Value& into) {
    if (depth > kMaxDepth) return;
    for (uint32_t i = 0; i < type.vlen() && i < kMaxMembers && ++made_ < kMaxValues; ++i) {
      const btf::Member member = type.member(i);
      const uint64_t at = bit + member.bit_offset;
      const btf::Type inner = btf_.resolve(member.type);
      if (member.name.empty()) {
        if (inner.is_composite()) members(inner, bytes, at, depth + 1, into);
        continue;
      }
      if (is_padding(member.name)) continue;
      into[std::string(member.name)] = run(member.type, bytes, at, member.bitfield_size, depth + 1);
    }
  }

  const btf::Btf& btf_;
  size_t made_ = 0;
};

void add_leaves(const btf::Btf& btf, const btf::Type& type, const std::string& prefix, uint32_t bit,
                unsigned depth, size_t& steps, std::vector<Leaf>& out) {
  for (uint32_t i = 0; i < type.vlen() && out.size() < kMaxLeaves && ++steps < kMaxLeafSteps; ++i) {
    const btf::Member member = type.member(i);
    const btf::Type inner = btf.resolve(member.type);
    const bool flatten =
        inner.kind() == Kind::Struct || (inner.kind() == Kind::Union && member.name.empty());
    if (flatten && depth < kMaxDepth) {
      add_leaves(btf, inner, member.name.empty() ? prefix : prefix + std::string(member.name) + ".",
                 bit + member.bit_offset, depth + 1, steps, out);
    } else if (!member.name.empty() && !is_padding(member.name)) {
      out.push_back({prefix + std::string(member.name), member.type, bit + member.bit_offset,
                     member.bitfield_size});
    }
  }
}

}  // namespace

bool is_padding(std::string_view name) {
  while (name.starts_with('_')) name.remove_prefix(1);
  if (name.starts_with("padding"))
    name.remove_prefix(7);
  else if (name.starts_with("pad"))
    name.remove_prefix(3);
  else
    return false;
  return name.find_first_not_of("_0123456789") == std::string_view::npos;
}

bool is_char_type(const btf::Type& type) {
  // clang marks no char as one: it is the int of that name.
  return type.kind() == Kind::Int && type.size() == 1 && (type.is_char() || type.name() == "char");
}

Value decode(const btf::Btf& btf, btf::TypeId type, ByteSpan bytes) {
  return Decoder(btf).run(type, bytes, 0, 0, 0);
}

Value decode(const btf::Btf& btf, const Leaf& leaf, ByteSpan bytes) {
  return Decoder(btf).run(leaf.type, bytes, leaf.bit_offset, leaf.bitfield_size, 0);
}

std::vector<Leaf> leaves(const btf::Btf& btf, btf::TypeId type) {
  std::vector<Leaf> out;
  size_t steps = 0;
  const btf::Type resolved = btf.resolve(type);
  if (resolved.kind() == Kind::Struct) add_leaves(btf, resolved, "", 0, 0, steps, out);
  if (out.empty()) out.push_back({"", type, 0, 0});
  return out;
}

bool is_numeric(const btf::Btf& btf, btf::TypeId type) {
  const Kind kind = btf.resolve(type).kind();
  return kind == Kind::Int || kind == Kind::Float;
}

std::string hex(ByteSpan bytes) {
  std::string out;
  for (std::byte byte : bytes)
    out += fmt::format("{}{:02x}", out.empty() ? "" : " ", std::to_integer<unsigned>(byte));
  return out;
}

std::string to_text(const Value& value, bool nested) {
  switch (value.type()) {
    case Value::value_t::null: return "?";
    case Value::value_t::boolean: return value.get<bool>() ? "true" : "false";
    case Value::value_t::number_integer: return fmt::format("{}", value.get<int64_t>());
    case Value::value_t::number_unsigned: return fmt::format("{}", value.get<uint64_t>());
    case Value::value_t::number_float: return fmt::format("{}", value.get<double>());
    case Value::value_t::string: {
      const std::string text = escape(value.get_ref<const std::string&>());
      return nested && !text.starts_with("0x") ? '"' + text + '"' : text;
    }
    case Value::value_t::array: {
      std::string out;
      for (const Value& item : value) out += (out.empty() ? "" : ", ") + to_text(item, true);
      return '[' + out + ']';
    }
    case Value::value_t::object: {
      std::string out;
      for (const auto& [name, item] : value.items())
        out += (out.empty() ? "" : ", ") + escape(name) + '=' + to_text(item, true);
      return '{' + out + '}';
    }
    case Value::value_t::binary:
    case Value::value_t::discarded: break;
  }
  return "?";
}

std::string to_line(const Value& value) {
  return value.dump(-1, ' ', true, Value::error_handler_t::replace);
}

}  // namespace skep::report
