#include "cli/typed_bytes.h"

#include <nlohmann/json.hpp>

#include <algorithm>
#include <charconv>

namespace skep::cli {
namespace {

using nlohmann::json;

Result<std::vector<std::byte>> from_hex(std::string_view digits, size_t size) {
  if (digits.starts_with("0x")) digits.remove_prefix(2);
  std::vector<std::byte> bytes;
  for (size_t at = 0; at < digits.size();) {
    if (digits[at] == ' ' || digits[at] == ':') {
      ++at;
      continue;
    }
    uint8_t byte = 0;
    const char* begin = digits.data() + at;
    auto [stop, error] =
        std::from_chars(begin, begin + std::min<size_t>(2, digits.size() - at), byte, 16);
    if (error != std::errc() || stop != begin + 2)
      return fail(EINVAL, "\"{}\": expected pairs of hexadecimal digits", digits);
    bytes.push_back(static_cast<std::byte>(byte));
    at += 2;
  }
  if (bytes.size() != size)
    return fail(EINVAL, "expected {} bytes, found {} in hexadecimal", size, bytes.size());
  return bytes;
}

class Encoder {
 public:
  Encoder(const btf::Btf& btf, std::vector<std::byte>& out) : btf_(btf), out_(out) {}

  Result<> encode(btf::TypeId id, uint64_t bit, uint32_t bitfield, const json& value, int depth) {
    if (depth > 32) return fail(EINVAL, "a type that is nested deeper than 32");
    const btf::Type type = btf_.resolve(id);
    switch (type.kind()) {
      case btf::Kind::Int:
      case btf::Kind::Enum:
      case btf::Kind::Enum64:
      case btf::Kind::Ptr: return number(type, bit, bitfield, value);
      case btf::Kind::Array: return array(type, bit, value, depth);
      case btf::Kind::Struct:
      case btf::Kind::Union: return members(type, bit, value, depth);
      default: return fail(EINVAL, "a type that has no text form: give hex:…");
    }
  }

 private:
  Result<> put(uint64_t bit, uint32_t bits, uint64_t value) {
    for (uint32_t i = 0; i < bits; ++i) {
      const uint64_t at = bit + i;
      if (at / 8 >= out_.size())
        return fail(EINVAL, "the type is larger than its {} bytes", out_.size());
      const auto mask = static_cast<std::byte>(1u << (at % 8));
      if ((i < 64 ? value >> i & 1 : 0) != 0) out_[at / 8] |= mask;
    }
    return {};
  }

  Result<> number(const btf::Type& type, uint64_t bit, uint32_t bitfield, const json& value) {
    const uint32_t bits = bitfield != 0                   ? bitfield
                          : type.kind() == btf::Kind::Int ? type.int_bits()
                          : type.kind() == btf::Kind::Ptr ? 64
                                                          : type.size() * 8;
    if (value.is_boolean()) return put(bit, bits, value.get<bool>() ? 1 : 0);
    json number = value;
    if (value.is_string()) {
      const auto& text = value.get_ref<const std::string&>();
      for (uint32_t i = 0; type.is_enum() && i < type.vlen(); ++i)
        if (type.enumerator(i).name == text) return put(bit, bits, type.enumerator(i).value);
      if (type.kind() == btf::Kind::Int && type.is_char() && text.size() == 1)
        return put(bit, bits, static_cast<uint8_t>(text[0]));
      uint64_t parsed = 0;
      const bool hexadecimal = text.starts_with("0x");
      const char* end = text.data() + text.size();
      auto [stop, error] =
          std::from_chars(text.data() + (hexadecimal ? 2 : 0), end, parsed, hexadecimal ? 16 : 10);
      if (error != std::errc() || stop != end) {
        return fail(EINVAL, "expected a number{}, found \"{}\"",
                    type.is_enum() ? " or an enumerator" : "", text);
      }
      number = parsed;
    }
    if (!number.is_number_integer())
      return fail(EINVAL, "expected a number, found {}", value.dump());
    const bool negative = !number.is_number_unsigned() && number.get<int64_t>() < 0;
    const uint64_t raw =
        negative ? static_cast<uint64_t>(number.get<int64_t>()) : number.get<uint64_t>();
    const bool is_signed = type.kind() != btf::Kind::Ptr && type.is_signed();
    bool fits = is_signed || !negative;
    if (fits && bits < 64) {
      fits = is_signed ? static_cast<int64_t>(raw) >= -(int64_t{1} << (bits - 1)) &&
                             (negative || raw < uint64_t{1} << (bits - 1))
                       : raw < uint64_t{1} << bits;
    } else if (fits && is_signed && !negative) {
      fits = raw <= INT64_MAX;
    }
    if (!fits)
      return fail(ERANGE, "{} does not fit {} {} bits", number.dump(),
                  is_signed ? "signed" : "unsigned", bits);
    return put(bit, std::min(bits, 64u), raw);
  }

  Result<> array(const btf::Type& type, uint64_t bit, const json& value, int depth) {
    const btf::Type element = btf_.resolve(type.element());
    const uint64_t stride = btf_.size_of(type.element()).value_or(0);
    if (value.is_string() && element.kind() == btf::Kind::Int && element.size() == 1) {
      const auto& text = value.get_ref<const std::string&>();
      if (text.size() > type.length())
        return fail(ERANGE, "\"{}\" is longer than {} bytes", text, type.length());
      for (size_t i = 0; i < text.size(); ++i)
        if (auto set = put(bit + 8 * i, 8, static_cast<uint8_t>(text[i])); !set) return set;
      return {};
    }
    if (!value.is_array()) return fail(EINVAL, "expected an array, found {}", value.dump());
    if (value.size() > type.length())
      return fail(ERANGE, "{} items, {} at most were expected", value.size(), type.length());
    for (size_t i = 0; i < value.size(); ++i) {
      auto set = encode(type.element(), bit + 8 * stride * i, 0, value[i], depth + 1);
      if (!set) return fail(set, "[{}]", i);
    }
    return {};
  }

  // Also finds members of anonymous structs and unions, as C does.
  Result<bool> member(const btf::Type& type, uint64_t bit, const std::string& name,
                      const json& value, int depth) {
    for (uint32_t i = 0; depth < 32 && i < type.vlen(); ++i) {
      const btf::Member field = type.member(i);
      if (field.name == name) {
        auto set =
            encode(field.type, bit + field.bit_offset, field.bitfield_size, value, depth + 1);
        if (!set) return fail(set, "{}", name);
        return true;
      }
      const btf::Type inner = btf_.resolve(field.type);
      if (!field.name.empty() || !inner.is_composite()) continue;
      auto found = member(inner, bit + field.bit_offset, name, value, depth + 1);
      if (!found || *found) return found;
    }
    return false;
  }

  Result<> members(const btf::Type& type, uint64_t bit, const json& value, int depth) {
    if (!value.is_object()) {
      return fail(EINVAL, "expected {{\"member\": value, …}} of {} {}, found {}",
                  type.kind() == btf::Kind::Struct ? "struct" : "union", type.name(), value.dump());
    }
    for (const auto& [name, inner] : value.items()) {
      auto found = member(type, bit, name, inner, depth);
      if (!found) return fail(found);
      if (!*found) return fail(EINVAL, "struct {} has no member \"{}\"", type.name(), name);
    }
    return {};
  }

  const btf::Btf& btf_;
  std::vector<std::byte>& out_;
};

}  // namespace

Result<std::vector<std::byte>> typed_bytes(const btf::Btf* btf, btf::TypeId type, size_t size,
                                           std::string_view text) {
  if (text.starts_with("hex:")) return from_hex(text.substr(4), size);
  if (btf == nullptr || type == 0) return from_hex(text, size);
  json value = json::parse(text, nullptr, false);
  if (value.is_discarded()) value = std::string(text);  // a word: an enumerator, text, 0x1f
  const btf::Type resolved = btf->resolve(type);
  // 123 for a char array is text, too.
  if (resolved.kind() == btf::Kind::Array && value.is_primitive() && !value.is_string())
    value = std::string(text);
  std::vector<std::byte> bytes(size);
  Encoder encoder(*btf, bytes);
  auto done = encoder.encode(type, 0, 0, value, 0);
  if (!done) return fail(done);
  return bytes;
}

}  // namespace skep::cli
