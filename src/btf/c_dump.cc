// The order of declarations: a depth-first walk. define(id) writes all that `id` needs whole, then
// `id`; declare(id) only makes its name known (a forward declaration, or a typedef). A struct
// behind a pointer is declared, a struct inside is defined, so a walk of C's types never comes back
// to what it is in.
//
// Layout: members are written where C would put them by itself; where BTF has them elsewhere,
// padding (unnamed bitfields) goes in between, and a struct that C would align more is packed.
#include "btf/c_dump.h"

#include <algorithm>
#include <unordered_map>

namespace skep::btf {

namespace {

constexpr unsigned kMaxNesting = 256;  // hostile BTF nests deeper than any C

constexpr std::string_view kKfuncTag = "bpf_kfunc";

std::string_view c_keyword(const Type& type) {
  switch (type.kind()) {
    case Kind::Struct: return "struct";
    case Kind::Union: return "union";
    case Kind::Enum:
    case Kind::Enum64: return "enum";
    case Kind::Fwd: return type.fwd_is_union() ? "union" : "struct";
    default: return "";
  }
}

// How DWARF's names of the basic types are spelled in C.
std::string_view basic_name(std::string_view name) {
  if (name == "__int128 unsigned") return "unsigned __int128";
  return name;
}

class Dumper {
 public:
  explicit Dumper(const Btf& btf) : btf_(btf), state_(btf.type_end(), kUnseen) {
    // vmlinux's text is half the size of its BTF.
    budget_ = 8 * (btf.bytes().size() + (btf.base() ? btf.base()->bytes().size() : 0)) + (1 << 16);
  }

  std::string out;
  std::string kfuncs;  // their prototypes: functions of the kernel that programs may call

  void define(TypeId id, unsigned depth = 0);
  std::string declaration(TypeId id, std::string inner, unsigned indent, unsigned depth);
  std::string body(const Type& type, unsigned indent, unsigned depth);
  // Anonymous enums that no other type holds: their constants would be lost.
  void find_referenced();
  [[nodiscard]] bool is_referenced(TypeId id) const { return referenced_[id]; }
  bool name_types =
      true;  // renames second ones of a name; off where only a text for people is wanted

 private:
  enum State : uint8_t { kUnseen, kOpen, kDefined };

  void declare(TypeId id, unsigned depth);
  void complete(TypeId id, unsigned depth);
  std::string name_of(const Type& type);
  std::string unique(std::string_view space, std::string_view name);
  void padding(std::string& text, uint64_t from, uint64_t to, const std::string& tabs);
  std::string record_body(const Type& type, unsigned indent, unsigned depth);
  uint32_t align_of(TypeId id, unsigned depth);
  std::string enum_body(const Type& type, unsigned indent);
  bool spend(size_t bytes) {
    if (budget_ < bytes) return false;
    budget_ -= bytes;
    return true;
  }

  const Btf& btf_;
  std::vector<State> state_;
  std::vector<bool> declared_ = std::vector<bool>(btf_.type_end(), false);
  std::vector<bool> referenced_;
  std::unordered_map<TypeId, uint32_t> aligns_;
  std::unordered_map<TypeId, std::string> names_;
  std::unordered_map<std::string, unsigned> uses_;
  size_t budget_;
};

std::string Dumper::unique(std::string_view space, std::string_view name) {
  const unsigned use = ++uses_[fmt::format("{} {}", space, name)];
  return use == 1 ? std::string(name) : fmt::format("{}___{}", name, use);
}

// Tags have a name space of their own. A forward declaration is one with the struct of its name.
std::string Dumper::name_of(const Type& type) {
  if (!name_types || type.name().empty()) return std::string(type.name());
  if (type.kind() == Kind::Int || type.kind() == Kind::Float)
    return std::string(basic_name(type.name()));
  auto [at, fresh] = names_.try_emplace(type.id());
  if (!fresh) return at->second;
  std::string name;
  if (type.kind() == Kind::Fwd) {
    auto whole = btf_.find(type.name(), type.fwd_is_union() ? Kind::Union : Kind::Struct);
    name = whole ? name_of(btf_.type(*whole)) : unique("tag", type.name());
  } else {
    name = unique(type.kind() == Kind::Typedef ? "" : "tag", type.name());
  }
  return names_[type.id()] = name;
}

void Dumper::find_referenced() {
  referenced_.assign(btf_.type_end(), false);
  for (TypeId id = 1; id < btf_.type_end(); ++id) {
    const Type type = btf_.type(id);
    switch (type.kind()) {
      case Kind::Ptr:
      case Kind::Typedef:
      case Kind::Volatile:
      case Kind::Const:
      case Kind::Restrict:
      case Kind::TypeTag:
      case Kind::Var: referenced_[type.referenced()] = true; break;
      case Kind::Array: referenced_[type.element()] = true; break;
      case Kind::Struct:
      case Kind::Union:
        for (uint32_t i = 0; i < type.vlen(); ++i) referenced_[type.member(i).type] = true;
        break;
      case Kind::FuncProto:
        referenced_[type.referenced()] = true;
        for (uint32_t i = 0; i < type.vlen(); ++i) referenced_[type.parameter(i).type] = true;
        break;
      default: break;
    }
  }
}

void Dumper::declare(TypeId id, unsigned depth) {
  const Type type = btf_.type(id);
  if (type.kind() == Kind::Void || depth > kMaxNesting || declared_[id] || state_[id] == kDefined)
    return;
  switch (type.kind()) {
    case Kind::Struct:
    case Kind::Union:
    case Kind::Fwd:
      if (type.name().empty()) return define(id, depth);
      declared_[id] = true;
      out += fmt::format("{} {};\n\n", c_keyword(type), name_of(type));
      return;
    case Kind::Ptr:
    case Kind::Volatile:
    case Kind::Const:
    case Kind::Restrict:
    case Kind::TypeTag: return declare(type.referenced(), depth + 1);
    case Kind::FuncProto:
      declare(type.referenced(), depth + 1);
      for (uint32_t i = 0; i < type.vlen(); ++i) declare(type.parameter(i).type, depth + 1);
      return;
    case Kind::Array:
      return complete(type.element(), depth + 1);  // C wants it whole even behind a pointer
    case Kind::Typedef:
    case Kind::Enum:
    case Kind::Enum64: return define(id, depth);
    default: return;
  }
}

// Where an object of that type lies inside another: a typedef is not enough, what it names must be
// known.
void Dumper::complete(TypeId id, unsigned depth) {
  for (; depth <= kMaxNesting; ++depth) {
    const Type type = btf_.type(id);
    define(id, depth);
    if (type.kind() == Kind::Typedef || type.is_modifier())
      id = type.referenced();
    else if (type.kind() == Kind::Array)
      id = type.element();
    else
      return;
  }
}

void Dumper::define(TypeId id, unsigned depth) {
  const Type type = btf_.type(id);
  if (type.kind() == Kind::Void || depth > kMaxNesting || state_[id] != kUnseen) return;
  state_[id] = kOpen;
  switch (type.kind()) {
    case Kind::Struct:
    case Kind::Union:
      for (uint32_t i = 0; i < type.vlen(); ++i) {
        complete(type.member(i).type, depth + 1);
      }
      if (!type.name().empty()) out += body(type, 0, 0) + ";\n\n";
      break;
    case Kind::Enum:
    case Kind::Enum64:
      if (type.vlen() == 0 && !type.name().empty()) {
        out += fmt::format("enum {};\n\n", name_of(type));
      } else if (!type.name().empty() || (!referenced_.empty() && !referenced_[id])) {
        out += body(type, 0, 0) + ";\n\n";
      }
      break;
    case Kind::Typedef: {
      const Type of = btf_.type(type.referenced());
      if (type.name() == "__builtin_va_list") {  // the compiler's own, of another size for BPF
        complete(type.referenced(), depth + 1);
        break;
      }
      // An anonymous struct is written out in the typedef; an array needs its elements whole.
      if (of.kind() == Kind::Array || (of.is_composite() && of.name().empty()))
        complete(of.id(), depth + 1);
      else
        declare(of.id(), depth + 1);
      out += "typedef " + declaration(of.id(), name_of(type), 0, 0) + ";\n\n";
      break;
    }
    case Kind::Fwd:
      if (!declared_[id]) out += fmt::format("{} {};\n\n", c_keyword(type), name_of(type));
      break;
    case Kind::Ptr: declare(type.referenced(), depth + 1); break;
    case Kind::Array: complete(type.element(), depth + 1); break;
    case Kind::Volatile:
    case Kind::Const:
    case Kind::Restrict:
    case Kind::TypeTag: define(type.referenced(), depth + 1); break;
    case Kind::FuncProto:
      declare(type.referenced(), depth + 1);
      for (uint32_t i = 0; i < type.vlen(); ++i) declare(type.parameter(i).type, depth + 1);
      break;
    case Kind::Func:
      declare(type.referenced(), depth + 1);
      kfuncs += fmt::format("extern {} __weak __ksym;\n", declaration(id, {}, 0, 0));
      break;
    default: break;
  }
  state_[id] = kDefined;
}

// "T inner", C's way: what is nearest to the name binds first.
std::string Dumper::declaration(TypeId id, std::string inner, unsigned indent, unsigned depth) {
  const Type type = btf_.type(id);
  if (depth > kMaxNesting || !spend(inner.size() + 8)) return "/* too deep */ " + inner;
  auto with_name = [&](std::string base) {
    if (!inner.empty()) base += inner.front() == '[' ? "" : " ";
    return base + inner;
  };
  switch (type.kind()) {
    case Kind::Void: return with_name("void");
    case Kind::Int:
    case Kind::Float: return with_name(name_of(type));
    case Kind::Typedef:
      if (type.name() == "__builtin_va_list")
        return declaration(type.referenced(), std::move(inner), indent, depth + 1);
      return with_name(name_of(type));
    case Kind::Struct:
    case Kind::Union:
    case Kind::Enum:
    case Kind::Enum64:
      if (type.name().empty()) return with_name(body(type, indent, depth + 1));
      return with_name(fmt::format("{} {}", c_keyword(type), name_of(type)));
    case Kind::Fwd: return with_name(fmt::format("{} {}", c_keyword(type), name_of(type)));
    case Kind::Ptr: {
      const Type to = btf_.strip_modifiers(type.referenced());
      std::string next = "*" + inner;
      if (to.kind() == Kind::Array || to.kind() == Kind::FuncProto) next = "(" + next + ")";
      return declaration(type.referenced(), std::move(next), indent, depth + 1);
    }
    case Kind::Volatile:
    case Kind::Const:
    case Kind::Restrict: {
      const std::string_view word = type.kind() == Kind::Const      ? "const"
                                    : type.kind() == Kind::Volatile ? "volatile"
                                                                    : "restrict";
      if (btf_.strip_modifiers(type.referenced()).kind() == Kind::Ptr)
        return declaration(
            type.referenced(),
            inner.empty() ? fmt::format(" {}", word) : fmt::format(" {} {}", word, inner), indent,
            depth + 1);
      std::string text = declaration(type.referenced(), std::move(inner), indent, depth + 1);
      // const of an array of const: once is enough.
      if (text.starts_with(fmt::format("{} ", word))) return text;
      return fmt::format("{} {}", word, text);
    }
    case Kind::TypeTag: return declaration(type.referenced(), std::move(inner), indent, depth + 1);
    case Kind::Array:
      return declaration(type.element(), fmt::format("{}[{}]", inner, type.length()), indent,
                         depth + 1);
    case Kind::FuncProto: {
      std::string parameters;
      for (uint32_t i = 0; i < type.vlen(); ++i) {
        const Parameter parameter = type.parameter(i);
        if (i > 0) parameters += ", ";
        const bool dots = parameter.type == 0 && i + 1 == type.vlen();
        parameters +=
            dots ? "..."
                 : declaration(parameter.type, std::string(parameter.name), indent, depth + 1);
        if (!spend(parameters.size())) break;
      }
      if (parameters.empty()) parameters = "void";
      return declaration(type.referenced(), fmt::format("{}({})", inner, parameters), indent,
                         depth + 1);
    }
    case Kind::Func: {
      return declaration(type.referenced(), std::string(type.name()), indent, depth + 1);
    }
    case Kind::Var:
      return declaration(type.referenced(), std::string(type.name()), indent, depth + 1);
    case Kind::Datasec:
    case Kind::DeclTag: return with_name(std::string(type.name()));
  }
  return inner;
}

std::string Dumper::body(const Type& type, unsigned indent, unsigned depth) {
  if (depth > kMaxNesting || !spend(32)) return "/* too deep */";
  return type.is_enum() ? enum_body(type, indent) : record_body(type, indent, depth);
}

std::string Dumper::enum_body(const Type& type, unsigned indent) {
  const std::string tabs(indent + 1, '\t');
  std::string text = type.name().empty() ? "enum {\n" : fmt::format("enum {} {{\n", name_of(type));
  for (uint32_t i = 0; i < type.vlen(); ++i) {
    const Enumerator value = type.enumerator(i);
    const std::string name = name_types ? unique("", value.name) : std::string(value.name);
    if (!spend(name.size())) break;
    const bool wide = type.kind() == Kind::Enum64;
    if (type.is_signed())
      text += fmt::format("{}{} = {}{},\n", tabs, name, static_cast<int64_t>(value.value),
                          wide ? "LL" : "");
    else
      text += fmt::format("{}{} = {}{},\n", tabs, name, value.value, wide ? "ULL" : "");
  }
  text += std::string(indent, '\t') + "}";
  if (type.size() == 1) text += " __attribute__((mode(byte)))";
  if (type.size() == 2) text += " __attribute__((mode(HI)))";
  if (type.size() == 8 && type.kind() == Kind::Enum) text += " __attribute__((mode(DI)))";
  return text;
}

// Unnamed bitfields for the bits [from, to). A chunk of n bits lies at a multiple of n, so it stays
// there.
void Dumper::padding(std::string& text, uint64_t from, uint64_t to, const std::string& tabs) {
  while (from < to) {
    uint64_t chunk = 64;
    while (chunk > 8 && (from % chunk != 0 || from + chunk > to)) chunk /= 2;
    if (from % chunk != 0 || from + chunk > to) chunk = std::min(8 - from % 8, to - from);
    const char* unit = chunk == 64 ? "long" : chunk == 32 ? "int" : chunk == 16 ? "short" : "char";
    // Long gaps: one array of bytes is no shorter in memory, but in the text.
    text += fmt::format("{}{}: {};\n", tabs, unit, chunk);
    from += chunk;
    if (!spend(16)) return;
  }
}

// Btf::align_of, remembered for each struct: a hostile nest of them would be walked again and again.
uint32_t Dumper::align_of(TypeId id, unsigned depth) {
  Type type = btf_.resolve(id);
  for (unsigned i = 0; type.kind() == Kind::Array && i < kMaxNesting; ++i)
    type = btf_.resolve(type.element());
  if (!type.is_composite()) return btf_.align_of(type.id()).value_or(1);
  auto [at, fresh] = aligns_.try_emplace(type.id(), 1);
  if (!fresh || depth > kMaxNesting) return at->second;
  uint32_t align = 1;
  for (uint32_t i = 0; i < type.vlen(); ++i) {
    const Member member = type.member(i);
    const uint32_t of_member = align_of(member.type, depth + 1);
    if (member.bitfield_size == 0 && member.bit_offset % (8 * of_member) != 0) return 1;  // packed
    align = std::max(align, of_member);
  }
  return aligns_[type.id()] = type.size() % align == 0 ? align : 1;
}

std::string Dumper::record_body(const Type& type, unsigned indent, unsigned depth) {
  const std::string tabs(indent + 1, '\t');
  std::string text{c_keyword(type)};
  if (!type.name().empty()) text += " " + name_of(type);
  text += " {\n";
  uint32_t natural = 1;
  bool packed = false;
  for (uint32_t i = 0; i < type.vlen(); ++i) {
    const Member member = type.member(i);
    const uint32_t align = align_of(member.type, 0);
    if (member.bitfield_size == 0 && member.bit_offset % (align * 8) != 0) packed = true;
    natural = std::max(natural, align);
  }
  if (type.size() % natural != 0) packed = true;
  uint64_t at = 0;  // bits
  for (uint32_t i = 0; i < type.vlen(); ++i) {
    const Member member = type.member(i);
    const Type of = btf_.resolve(member.type);
    const uint64_t size = uint64_t{btf_.size_of(member.type).value_or(0)} * 8;
    const uint64_t align = packed ? 1 : align_of(member.type, 0);
    uint32_t bits = member.bitfield_size;
    uint64_t offset = member.bit_offset;
    if (bits == 0 && of.kind() == Kind::Int &&
        (of.int_bits() < of.size() * 8 || of.int_offset() != 0)) {
      bits = of.int_bits();  // an old compiler's bitfield
      offset += of.int_offset();
    }
    if (type.kind() == Kind::Struct) {
      uint64_t next = at;
      if (bits == 0) {
        next = (at + align * 8 - 1) / (align * 8) * (align * 8);
      } else if (!packed && size != 0 && at / size != (at + bits - 1) / size) {
        next = (at + size - 1) / size * size;
      }
      if (offset > next) padding(text, at, offset, tabs);
    }
    std::string line = declaration(member.type, std::string(member.name), indent + 1, depth + 1);
    if (bits != 0) line += fmt::format(": {}", bits);
    if (!spend(line.size())) break;
    text += tabs + line + ";\n";
    at = offset + (bits != 0 ? bits : size);
  }
  const uint64_t whole = uint64_t{type.size()} * 8;
  if (type.kind() == Kind::Struct) {
    const uint64_t align = packed ? 8 : natural * 8;
    if ((at + align - 1) / align * align < whole) padding(text, at, whole, tabs);
  }
  text += std::string(indent, '\t') + "}";
  if (packed) text += " __attribute__((packed))";
  return text;
}

constexpr std::string_view kHead =
    "#ifndef __VMLINUX_H__\n#define __VMLINUX_H__\n\n"
    "#ifndef BPF_NO_PRESERVE_ACCESS_INDEX\n"
    "#pragma clang attribute push (__attribute__((preserve_access_index)), apply_to = "
    "record)\n#endif\n\n";
constexpr std::string_view kTail =
    "#ifndef BPF_NO_PRESERVE_ACCESS_INDEX\n#pragma clang attribute pop\n#endif\n\n";
constexpr std::string_view kKfuncs =
    "#ifndef BPF_NO_KFUNC_PROTOTYPES\n#ifndef __ksym\n#define __ksym "
    "__attribute__((section(\".ksyms\")))\n#endif\n#ifndef __weak\n#define __weak "
    "__attribute__((weak))\n#endif\n\n";
constexpr std::string_view kEnd = "#endif /* __VMLINUX_H__ */\n";

std::string framed(Dumper& dumper, const DumpOptions& options) {
  if (!options.as_vmlinux_h) return std::move(dumper.out);
  std::string kfuncs;
  if (!dumper.kfuncs.empty()) kfuncs = fmt::format("{}{}#endif\n\n", kKfuncs, dumper.kfuncs);
  return fmt::format("{}{}{}{}{}", kHead, dumper.out, kTail, kfuncs, kEnd);
}

}  // namespace

std::string dump_c(const Btf& btf, const DumpOptions& options) {
  Dumper dumper(btf);
  dumper.find_referenced();
  for (TypeId id = 1; id < btf.type_end(); ++id) {
    const Type type = btf.type(id);
    const bool named_record = type.is_composite() && !type.name().empty();
    const bool shown_enum = type.is_enum() && (!type.name().empty() || !dumper.is_referenced(id));
    if (named_record || shown_enum || type.kind() == Kind::Typedef || type.kind() == Kind::Fwd)
      dumper.define(id);
  }
  if (options.as_vmlinux_h) {
    for (TypeId id = 1; id < btf.type_end(); ++id) {
      const Type tag = btf.type(id);
      if (tag.kind() == Kind::DeclTag && tag.name() == kKfuncTag) dumper.define(tag.referenced());
    }
  }
  return framed(dumper, options);
}

std::string dump_c(const Btf& btf, std::span<const TypeId> roots, const DumpOptions& options) {
  Dumper dumper(btf);
  for (TypeId id : roots) {
    // Asked for its constants: what holds it may not be dumped at all.
    const Type type = btf.type(id);
    if (type.is_enum() && type.name().empty())
      dumper.out += dumper.body(type, 0, 0) + ";\n\n";
    else
      dumper.define(id);
  }
  return framed(dumper, options);
}

std::string type_text(const Btf& btf, TypeId id, std::string_view name) {
  const Type type = btf.type(id);
  Dumper dumper(btf);
  dumper.name_types = false;
  // Not the whole body of an anonymous one.
  if ((type.is_composite() || type.is_enum()) && type.name().empty())
    return fmt::format("{} {{...}}{}{}", c_keyword(type), name.empty() ? "" : " ", name);
  return dumper.declaration(id, std::string(name), 0, 0);
}

std::string definition_text(const Btf& btf, TypeId id) {
  const Type type = btf.type(id);
  Dumper dumper(btf);
  dumper.name_types = false;
  if (type.is_composite() || type.is_enum()) return dumper.body(type, 0, 0);
  if (type.kind() == Kind::Typedef)
    return "typedef " + dumper.declaration(type.referenced(), std::string(type.name()), 0, 0);
  return dumper.declaration(id, {}, 0, 0);
}

}  // namespace skep::btf
