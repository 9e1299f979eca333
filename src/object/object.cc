// Object's own members: looking things up, setting variables, kernel configuration.
#include "object/object.h"

#include <algorithm>
#include <charconv>

namespace skep::object {

namespace {

template <class Range>
std::optional<uint32_t> index_of(const Range& range, std::string_view name) {
  for (uint32_t i = 0; i < range.size(); ++i)
    if (range[i].name == name) return i;
  return std::nullopt;
}

// Decimal, 0x, 0b, 0o; a sign; the whole text. The bits of a negative one are two's complement.
struct Number {
  uint64_t bits = 0;
  bool negative = false;
};
std::optional<Number> parse_number(std::string_view text) {
  Number number;
  if (text.starts_with('-') || text.starts_with('+')) {
    number.negative = text.front() == '-';
    text.remove_prefix(1);
  }
  int base = 10;
  if (text.size() > 2 && text[0] == '0') {
    const char c = text[1] | 0x20;
    base = c == 'x' ? 16 : c == 'b' ? 2 : c == 'o' ? 8 : 10;
    if (base != 10) text.remove_prefix(2);
  }
  auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), number.bits, base);
  if (error != std::errc() || end != text.data() + text.size() || text.empty()) return std::nullopt;
  if (number.negative) number.bits = -number.bits;
  return number;
}

// Whether it can be held by `bits` bits of that sign.
bool fits(const Number& number, uint32_t bits, bool is_signed) {
  if (bits >= 64) return !number.negative || static_cast<int64_t>(number.bits) <= 0;
  if (!number.negative) return number.bits < (uint64_t{1} << (is_signed ? bits - 1 : bits));
  return is_signed && static_cast<int64_t>(number.bits) >= -(int64_t{1} << (bits - 1));
}

std::vector<std::byte> integer_bytes(uint64_t value, uint32_t size) {
  std::vector<std::byte> bytes(size);
  for (uint32_t i = 0; i < size; ++i) {
    const uint32_t shift = std::endian::native == std::endian::little ? i : size - 1 - i;
    bytes[i] = shift < 8 ? static_cast<std::byte>(value >> (8 * shift)) : std::byte{0};
  }
  return bytes;
}

uint64_t integer_value(ByteSpan bytes, bool is_signed) {
  uint64_t value = 0;
  const size_t size = std::min<size_t>(bytes.size(), 8);
  for (size_t i = 0; i < size; ++i) {
    const size_t at = std::endian::native == std::endian::little ? size - 1 - i : i;
    value = value << 8 | std::to_integer<uint64_t>(bytes[at]);
  }
  if (is_signed && size < 8 && size > 0 && (value >> (8 * size - 1) & 1) != 0)
    value |= ~uint64_t{0} << (8 * size);
  return value;
}

Result<std::vector<std::byte>> read_value(const btf::Btf& btf, btf::TypeId id, uint32_t size,
                                          std::string_view text) {
  const btf::Type type = btf.resolve(id);
  if (type.kind() == btf::Kind::Array && btf.resolve(type.element()).size() == 1 &&
      btf.resolve(type.element()).kind() == btf::Kind::Int) {
    if (text.size() + 1 > size)
      return fail(EINVAL, "expected a text of at most {} bytes, found {}", size - 1, text.size());
    std::vector<std::byte> bytes(size);
    std::ranges::copy(bytes_of(text), bytes.begin());
    return bytes;
  }
  if (type.is_enum()) {
    for (uint32_t i = 0; i < type.vlen(); ++i)
      if (type.enumerator(i).name == text) return integer_bytes(type.enumerator(i).value, size);
    auto number = parse_number(text);
    if (!number)
      return fail(EINVAL, "expected an enumerator of {} or a number, found \"{}\"", type.name(),
                  text);
    return integer_bytes(number->bits, size);
  }
  if (type.kind() != btf::Kind::Int && type.kind() != btf::Kind::Ptr)
    return fail(EINVAL, "a value of type {} can't be set from text", btf::kind_name(type.kind()));
  if (type.kind() == btf::Kind::Int && type.is_bool()) {
    if (text == "true" || text == "yes" || text == "on" || text == "1")
      return integer_bytes(1, size);
    if (text == "false" || text == "no" || text == "off" || text == "0")
      return integer_bytes(0, size);
    return fail(EINVAL, "expected true or false, found \"{}\"", text);
  }
  if (size == 1 && text.size() == 3 && text.front() == '\'' && text.back() == '\'')
    return integer_bytes(static_cast<uint8_t>(text[1]), 1);
  auto number = parse_number(text);
  if (!number) return fail(EINVAL, "expected a number, found \"{}\"", text);
  const bool is_signed = type.is_signed();
  if (!fits(*number, size * 8, is_signed))
    return fail(EINVAL, "{} does not fit {} {}signed bits", text, size * 8, is_signed ? "" : "un");
  return integer_bytes(number->bits, size);
}

// The value of "CONFIG_X=…" as the extern's type wants it.
Result<std::vector<std::byte>> read_config(const btf::Btf& btf, btf::TypeId id, uint32_t size,
                                           std::string_view text) {
  const btf::Type type = btf.resolve(id);
  if (text.size() >= 2 && text.front() == '"' && text.back() == '"') {
    if (type.kind() != btf::Kind::Array)
      return fail(EINVAL, "expected a number or a tristate, found {}", text);
    text = text.substr(1, text.size() - 2);
    std::vector<std::byte> bytes(size);  // cut to fit, as libbpf does
    std::ranges::copy(bytes_of(text.substr(0, size == 0 ? 0 : size - 1)), bytes.begin());
    return bytes;
  }
  if (text == "y" || text == "n" || text == "m") {
    if (type.is_enum())
      return integer_bytes(text == "n" ? 0 : text == "y" ? 1 : 2, size);  // libbpf_tristate
    if (type.is_bool()) {
      if (text == "m") return fail(EINVAL, "expected y or n for a bool, found m");
      return integer_bytes(text == "y", size);
    }
    if (type.is_char() || size == 1) return integer_bytes(static_cast<uint8_t>(text[0]), size);
    return fail(EINVAL, "expected a number, found {}", text);
  }
  if (type.kind() == btf::Kind::Array)
    return fail(EINVAL, "expected a text in quotes, found {}", text);
  return read_value(btf, id, size, text);
}

}  // namespace

std::optional<uint32_t> Object::find_map(std::string_view name) const {
  return index_of(maps_, name);
}
std::optional<uint32_t> Object::find_program(std::string_view name) const {
  return index_of(programs_, name);
}
const VariableSpec* Object::find_variable(std::string_view name) const {
  auto found = index_of(variables_, name);
  return found ? &variables_[*found] : nullptr;
}

Result<> Object::set_variable(std::string_view name, std::string_view text) {
  const VariableSpec* variable = find_variable(name);
  if (variable == nullptr) return fail(ENOENT, "{}: there is no global variable '{}'", name_, name);
  if (variable->type == 0)
    return fail(EINVAL, "{}: variable '{}' has no type: compile with -g", name_, name);
  auto bytes = read_value(*btf_, variable->type, variable->size, text);
  if (!bytes) return fail(bytes, "{}: variable '{}'", name_, name);
  return set_variable(name, ByteSpan(*bytes));
}

Result<> Object::set_variable(std::string_view name, ByteSpan bytes) {
  const VariableSpec* variable = find_variable(name);
  if (variable == nullptr) return fail(ENOENT, "{}: there is no global variable '{}'", name_, name);
  if (bytes.size() != variable->size)
    return fail(EINVAL, "{}: variable '{}': expected {} bytes, found {}", name_, name,
                variable->size, bytes.size());
  std::ranges::copy(bytes, maps_[variable->map].content.begin() + variable->offset);
  return {};
}

std::string Object::variable_text(const VariableSpec& variable) const {
  if (variable.type == 0 || variable.map >= maps_.size()) return {};
  const auto content = Reader(maps_[variable.map].content).slice(variable.offset, variable.size);
  if (!content || content->empty()) return {};
  const btf::Type type = btf_->resolve(variable.type);
  if (type.kind() == btf::Kind::Array) {
    const btf::Type element = btf_->resolve(type.element());
    if (element.kind() != btf::Kind::Int || element.size() != 1) return {};
    const auto* text = reinterpret_cast<const char*>(content->data());
    return {text, ::strnlen(text, content->size())};
  }
  if (type.is_enum()) {
    const uint64_t value = integer_value(*content, type.is_signed());
    for (uint32_t i = 0; i < type.vlen(); ++i)
      if (type.enumerator(i).value == value) return std::string(type.enumerator(i).name);
    return std::to_string(value);
  }
  if (type.kind() != btf::Kind::Int) return {};
  if (type.is_bool()) return integer_value(*content, false) != 0 ? "true" : "false";
  const uint64_t value = integer_value(*content, type.is_signed());
  return type.is_signed() ? std::to_string(static_cast<int64_t>(value)) : std::to_string(value);
}

Result<> Object::resize_map(uint32_t map, uint32_t max_entries) {
  if (map >= maps_.size()) return fail(ENOENT, "{}: there is no map {}", name_, map);
  if (maps_[map].is_globals)
    return fail(EINVAL, "{}: map {} holds globals and has one entry", name_, maps_[map].name);
  maps_[map].max_entries = max_entries;
  return {};
}

std::span<std::byte> Object::initial_value(uint32_t map) {
  if (map >= maps_.size() || !maps_[map].is_globals) return {};
  return maps_[map].content;
}

void Object::set_comment(std::string_view variable_or_map, std::string comment) {
  if (auto variable = index_of(variables_, variable_or_map)) {
    variables_[*variable].comment = std::move(comment);
  } else if (auto map = index_of(maps_, variable_or_map)) {
    maps_[*map].comment = std::move(comment);
  }
}

bool Object::needs_target() const {
  return !ksyms_.empty() ||
         std::ranges::any_of(code_, [](const Code& code) { return !code.cores.empty(); });
}

std::vector<btf::CoreRelocation> Object::core_relocations() const {
  std::vector<btf::CoreRelocation> all;
  for (const Code& code : code_)
    for (const Core& core : code.cores)
      all.push_back(
          {core.type, btf_->string(core.accessor_off), static_cast<btf::CoreKind>(core.kind)});
  return all;
}

Result<> Object::resolve_kconfig(const KconfigValues& values) {
  for (const Kconfig& wanted : kconfig_) {
    std::vector<std::byte> bytes(wanted.size);
    if (wanted.name == "LINUX_KERNEL_VERSION") {
      bytes = integer_bytes(values.kernel_version, wanted.size);
    } else if (wanted.name == "LINUX_HAS_BPF_COOKIE") {
      bytes = integer_bytes(values.has_bpf_cookie, wanted.size);
    } else if (wanted.name == "LINUX_HAS_SYSCALL_WRAPPER") {
      bytes = integer_bytes(values.has_syscall_wrapper, wanted.size);
    } else {
      auto text = values.config ? values.config(wanted.name) : std::nullopt;
      if (!text && !wanted.weak)
        return fail(ENOENT, "{}: extern '{}' __kconfig: the kernel's configuration does not set it",
                    name_, wanted.name);
      if (text) {
        auto read = read_config(*btf_, wanted.type, wanted.size, *text);
        if (!read) return fail(read, "{}: extern '{}' __kconfig", name_, wanted.name);
        bytes = std::move(*read);
      }
    }
    std::ranges::copy(bytes, maps_[wanted.map].content.begin() + wanted.offset);
  }
  return {};
}

MapDescriptor describe_map(const MapSpec& map, const std::shared_ptr<const btf::Btf>& btf) {
  MapDescriptor descriptor;
  descriptor.name = map.name;
  descriptor.type = map.type;
  descriptor.key_size = map.key_size;
  descriptor.value_size = map.value_size;
  descriptor.max_entries = map.max_entries;
  descriptor.map_flags = map.map_flags;
  descriptor.map_extra = map.map_extra;
  descriptor.frozen = map.freeze;
  descriptor.btf = btf;
  descriptor.btf_key_type_id = map.key_type;
  descriptor.btf_value_type_id = map.value_type;
  if (map.freeze) descriptor.constant_value = map.content;
  if (map.inner) descriptor.inner = std::make_shared<MapDescriptor>(describe_map(*map.inner, btf));
  return descriptor;
}

}  // namespace skep::object
