#include "object/skeleton.h"

#include <algorithm>

#include "btf/c_dump.h"
#include "object/static_linker.h"

namespace skep::object {

namespace {

using btf::Kind;

bool is_identifier(std::string_view text) {
  return !text.empty() && (std::isdigit(static_cast<unsigned char>(text.front())) == 0) &&
         std::ranges::all_of(text, [](char c) {
           return std::isalnum(static_cast<unsigned char>(c)) != 0 || c == '_';
         });
}

// ".data.custom" → "data_custom"; of maps their own name.
std::string identifier_of(std::string_view name) {
  std::string text(name.substr(name.starts_with('.') ? 1 : 0));
  for (char& c : text)
    if (std::isalnum(static_cast<unsigned char>(c)) == 0) c = '_';
  return text;
}

std::string capitalised(std::string text) {
  if (!text.empty()) text[0] = static_cast<char>(std::toupper(static_cast<unsigned char>(text[0])));
  return text;
}

// Words that C++ keeps for itself and C does not.
constexpr std::string_view kCppWords[] = {"alignas",
                                          "alignof",
                                          "and",
                                          "and_eq",
                                          "asm",
                                          "bitand",
                                          "bitor",
                                          "bool",
                                          "catch",
                                          "char16_t",
                                          "char32_t",
                                          "char8_t",
                                          "class",
                                          "co_await",
                                          "co_return",
                                          "co_yield",
                                          "compl",
                                          "concept",
                                          "consteval",
                                          "constexpr",
                                          "constinit",
                                          "const_cast",
                                          "decltype",
                                          "delete",
                                          "dynamic_cast",
                                          "explicit",
                                          "export",
                                          "false",
                                          "friend",
                                          "mutable",
                                          "namespace",
                                          "new",
                                          "noexcept",
                                          "not",
                                          "not_eq",
                                          "nullptr",
                                          "operator",
                                          "or",
                                          "or_eq",
                                          "private",
                                          "protected",
                                          "public",
                                          "reinterpret_cast",
                                          "requires",
                                          "static_assert",
                                          "static_cast",
                                          "template",
                                          "this",
                                          "thread_local",
                                          "throw",
                                          "true",
                                          "try",
                                          "typeid",
                                          "typename",
                                          "using",
                                          "virtual",
                                          "wchar_t",
                                          "xor",
                                          "xor_eq"};

// C declarations whose names are no words of C++: "class" → "class_". `bool` and its values mean the same in both.
std::string cpp_names(std::string_view text) {
  auto in_word = [](char c) {
    return std::isalnum(static_cast<unsigned char>(c)) != 0 || c == '_';
  };
  std::string named;
  for (size_t at = 0; at < text.size();) {
    size_t end = at;
    while (end < text.size() && in_word(text[end])) ++end;
    const std::string_view word = text.substr(at, end - at);
    named += word;
    if (word != "bool" && word != "true" && word != "false" &&
        std::ranges::find(kCppWords, word) != std::end(kCppWords))
      named += '_';
    if (end < text.size()) named += text[end++];
    at = end;
  }
  return named;
}

class Skeleton {
 public:
  Skeleton(const Object& object, ByteSpan elf, std::string_view file, std::string_view name)
      : object_(object), elf_(elf), file_(file.substr(file.rfind('/') + 1)), name_(name) {}

  Result<std::string> c();
  Result<std::string> cpp();

 private:
  template <class... Args>
  void line(fmt::format_string<Args...> format, Args&&... args) {
    fmt::format_to(std::back_inserter(out_), format, std::forward<Args>(args)...);
    out_.push_back('\n');
  }

  // Declares a variable without its const and volatile: those are the program's.
  std::string declare(btf::TypeId id, std::string name, bool is_c) const {
    const btf::Btf& btf = *object_.btf();
    btf::Type type = btf.strip_modifiers(id);
    while (type.kind() == Kind::Array) {
      name += fmt::format("[{}]", type.length());
      type = btf.strip_modifiers(type.element());
    }
    std::string text = btf::type_text(btf, type.id(), name);
    static constexpr std::string_view kKernels[] = {"u8", "u16", "u32", "u64",
                                                    "s8", "s16", "s32", "s64"};
    if (is_c && type.kind() == Kind::Typedef &&
        std::ranges::find(kKernels, type.name()) != std::end(kKernels))
      return "__" + text;
    if (text.starts_with("_Bool ")) return "bool" + text.substr(5);
    return text;
  }

  // The variables of a section that others may see, as a struct's members.
  Result<> members(uint32_t map, std::string_view tabs, bool is_c) {
    uint64_t at = 0;
    unsigned pads = 0;
    std::vector<const VariableSpec*> variables;
    for (const VariableSpec& variable : object_.variables())
      if (variable.map == map && !variable.is_static && variable.type != 0)
        variables.push_back(&variable);
    std::ranges::stable_sort(variables, {}, &VariableSpec::offset);
    for (const VariableSpec* variable : variables) {
      const uint64_t align = object_.btf()->align_of(variable->type).value_or(1);
      const uint64_t natural = (at + align - 1) / align * align;
      if (natural > variable->offset)
        return fail(EINVAL, "variable '{}' at offset {} of {} is not aligned to {}", variable->name,
                    variable->offset, variable->section, align);
      if (natural < variable->offset)
        line("{}char __pad{}[{}];", tabs, pads++, variable->offset - at);
      line("{}{};", tabs, declare(variable->type, variable->name, is_c));
      at = variable->offset + variable->size;
    }
    return {};
  }
  [[nodiscard]] bool has_members(uint32_t map) const {
    return std::ranges::any_of(object_.variables(), [&](const VariableSpec& variable) {
      return variable.map == map && !variable.is_static && variable.type != 0;
    });
  }
  // Sections that only programs see (static variables) are none of the user's.
  [[nodiscard]] bool has_memory(uint32_t map) const {
    return object_.maps()[map].is_globals && object_.maps()[map].name != ".kconfig" &&
           has_members(map);
  }

  void c_functions();
  Result<> c_struct();
  void c_tables();
  void bytes_as_literal();
  void cpp_types();
  std::string cpp_map_type(const MapSpec& map) const;

  const Object& object_;
  ByteSpan elf_;
  std::string file_, name_, out_;
};

Result<> Skeleton::c_struct() {
  line("struct {} {{", name_);
  line("\tstruct bpf_object_skeleton *skeleton;\n\tstruct bpf_object *obj;");
  if (!object_.maps().empty()) {
    line("\tstruct {{");
    for (const MapSpec& map : object_.maps())
      line("\t\tstruct bpf_map *{};", identifier_of(map.name));
    line("\t}} maps;");
  }
  if (!object_.programs().empty()) {
    for (const auto& [what, list] : {std::pair("bpf_program", "progs"), {"bpf_link", "links"}}) {
      line("\tstruct {{");
      for (const ProgramSpec& program : object_.programs())
        line("\t\tstruct {} *{};", what, program.name);
      line("\t}} {};", list);
    }
  }
  for (uint32_t i = 0; i < object_.maps().size(); ++i) {
    if (!has_memory(i)) continue;
    const std::string section = identifier_of(object_.maps()[i].name);
    line("\tstruct {}__{} {{", name_, section);
    SKEP_CHECK(members(i, "\t\t", true));
    line("\t}} *{};", section);
  }
  line("}};\n");
  return {};
}

void Skeleton::c_functions() {
  const std::string& n = name_;
  line("static inline const void *{}__elf_bytes(size_t *size);\n", n);
  line("static inline void {}__destroy(struct {} *obj)\n{{", n, n);
  line("\tif (!obj) return;\n\tbpf_object__destroy_skeleton(obj->skeleton);\n\tfree(obj);\n}}\n");
  line("static inline int {}__create_skeleton(struct {} *obj)\n{{", n, n);
  c_tables();
  line("static inline struct {} *{}__open_opts(const struct bpf_object_open_opts *opts)\n{{", n, n);
  line("\tstruct {} *obj = (struct {} *)calloc(1, sizeof(*obj));\n\tint err;\n", n, n);
  line("\tif (!obj) {{\n\t\terrno = ENOMEM;\n\t\treturn NULL;\n\t}}");
  line("\terr = {}__create_skeleton(obj);", n);
  line("\tif (!err) err = bpf_object__open_skeleton(obj->skeleton, opts);");
  line("\tif (!err) return obj;\n\t{}__destroy(obj);\n\terrno = -err;\n\treturn NULL;\n}}\n", n);
  line("static inline struct {} *{}__open(void)\n{{\n\treturn {}__open_opts(NULL);\n}}\n", n, n, n);
  line("static inline int {}__load(struct {} *obj)\n{{", n, n);
  line("\treturn bpf_object__load_skeleton(obj->skeleton);\n}}\n");
  line("static inline struct {} *{}__open_and_load(void)\n{{", n, n);
  line("\tstruct {} *obj = {}__open();\n\tint err;\n", n, n);
  line("\tif (!obj) return NULL;\n\terr = {}__load(obj);\n\tif (!err) return obj;", n);
  line("\t{}__destroy(obj);\n\terrno = -err;\n\treturn NULL;\n}}\n", n);
  line("static inline int {}__attach(struct {} *obj)\n{{", n, n);
  line("\treturn bpf_object__attach_skeleton(obj->skeleton);\n}}\n");
  line("static inline void {}__detach(struct {} *obj)\n{{", n, n);
  line("\tbpf_object__detach_skeleton(obj->skeleton);\n}}\n");
}

void Skeleton::c_tables() {
  line("\tstruct bpf_object_skeleton *s = (struct bpf_object_skeleton *)calloc(1, sizeof(*s));\n");
  line("\tif (!s) return -ENOMEM;");
  line("\ts->sz = sizeof(*s);\n\ts->name = \"{}\";\n\ts->obj = &obj->obj;", name_);
  line("\tobj->skeleton = s;");
  const auto maps = object_.maps();
  if (!maps.empty()) {
    line("\ts->map_cnt = {};\n\ts->map_skel_sz = sizeof(*s->maps);", maps.size());
    line("\ts->maps = (struct bpf_map_skeleton *)calloc(s->map_cnt, s->map_skel_sz);");
    line("\tif (!s->maps) return -ENOMEM;");
    for (uint32_t i = 0; i < maps.size(); ++i) {
      line("\ts->maps[{}].name = \"{}\";", i, maps[i].name);
      line("\ts->maps[{}].map = &obj->maps.{};", i, identifier_of(maps[i].name));
      if (has_memory(i))
        line("\ts->maps[{}].mmaped = (void **)&obj->{};", i, identifier_of(maps[i].name));
    }
  }
  const auto programs = object_.programs();
  if (!programs.empty()) {
    line("\ts->prog_cnt = {};\n\ts->prog_skel_sz = sizeof(*s->progs);", programs.size());
    line("\ts->progs = (struct bpf_prog_skeleton *)calloc(s->prog_cnt, s->prog_skel_sz);");
    line("\tif (!s->progs) return -ENOMEM;");
    for (uint32_t i = 0; i < programs.size(); ++i) {
      line("\ts->progs[{}].name = \"{}\";", i, programs[i].name);
      line("\ts->progs[{}].prog = &obj->progs.{};", i, programs[i].name);
      line("\ts->progs[{}].link = &obj->links.{};", i, programs[i].name);
    }
  }
  line("\ts->data = {}__elf_bytes(&s->data_sz);\n\treturn 0;\n}}\n", name_);
}

// "\177ELF…": octal escapes of three digits, which nothing behind them can lengthen.
void Skeleton::bytes_as_literal() {
  constexpr size_t kLine = 32;
  for (size_t at = 0; at < elf_.size(); at += kLine) {
    out_ += "\t\t\"";
    for (size_t i = at; i < std::min(at + kLine, elf_.size()); ++i)
      fmt::format_to(std::back_inserter(out_), "\\{:03o}", std::to_integer<unsigned>(elf_[i]));
    out_ += "\"\n";
  }
}

Result<std::string> Skeleton::c() {
  std::string guard = name_;
  for (char& c : guard) c = static_cast<char>(std::toupper(static_cast<unsigned char>(c)));
  line("/* Made by skep from {}: do not edit, make it anew. */", file_);
  line("#ifndef {}_SKEL_H\n#define {}_SKEL_H\n", guard, guard);
  line("#include <errno.h>\n#include <stdbool.h>\n#include <stdlib.h>\n#include <bpf/libbpf.h>\n");
  SKEP_CHECK(c_struct());
  c_functions();
  line("static inline const void *{}__elf_bytes(size_t *size)\n{{", name_);
  line("\tstatic const char bytes[] __attribute__((__aligned__(8))) =");
  bytes_as_literal();
  line("\t\t;\n\n\t*size = sizeof(bytes) - 1;\n\treturn bytes;\n}}\n\n#endif");
  return std::move(out_);
}

// --- C++ ---

// RawMap where a type of its own would say no more.
std::string Skeleton::cpp_map_type(const MapSpec& map) const {
  switch (map.type) {
    case MapType::BPF_MAP_TYPE_HASH:
    case MapType::BPF_MAP_TYPE_ARRAY:
    case MapType::BPF_MAP_TYPE_LRU_HASH:
    case MapType::BPF_MAP_TYPE_LPM_TRIE: break;
    default: return "skep::RawMap";
  }
  if (map.is_globals || map.key_type == 0 || map.value_type == 0) return "skep::RawMap";
  auto text = [&](btf::TypeId id) {
    std::string close;
    btf::Type type = object_.btf()->strip_modifiers(id);
    std::string open;
    while (type.kind() == Kind::Array) {
      open += "std::array<";
      close = fmt::format(", {}>", type.length()) + close;
      type = object_.btf()->strip_modifiers(type.element());
    }
    std::string name = btf::type_text(*object_.btf(), type.id());
    // An anonymous struct has no name to be called by.
    if (name.find('{') != std::string::npos) {
      name =
          fmt::format("std::array<std::byte, {}>", object_.btf()->size_of(type.id()).value_or(0));
    }
    return open + (name == "_Bool" ? "bool" : name) + close;
  };
  return fmt::format("skep::Map<{}, {}>", cpp_names(text(map.key_type)),
                     cpp_names(text(map.value_type)));
}

// The types that globals and maps' elements are made of.
void Skeleton::cpp_types() {
  if (!object_.btf()) return;
  std::vector<btf::TypeId> roots;
  for (const VariableSpec& variable : object_.variables())
    if (!variable.is_static && variable.type != 0 && has_memory(variable.map))
      roots.push_back(variable.type);
  for (const MapSpec& map : object_.maps()) {
    if (map.is_globals) continue;
    for (btf::TypeId id : {map.key_type, map.value_type})
      if (id != 0) roots.push_back(id);
  }
  std::vector<btf::TypeId> named;
  for (btf::TypeId id : roots) {
    btf::Type type = object_.btf()->strip_modifiers(id);
    while (type.kind() == Kind::Array) type = object_.btf()->strip_modifiers(type.element());
    const bool anonymous = type.name().empty() && (type.is_composite() || type.is_enum());
    if (!anonymous) named.push_back(type.id());
  }
  std::string text = btf::dump_c(*object_.btf(), named, {.as_vmlinux_h = false});
  for (size_t at = 0; (at = text.find("_Bool", at)) != std::string::npos; at += 4) {
    const bool whole = at == 0 || (std::isalnum(static_cast<unsigned char>(text[at - 1])) == 0 &&
                                   text[at - 1] != '_');
    if (whole) text.replace(at, 5, "bool");
  }
  for (std::string_view own : {"typedef bool bool;\n\n"})
    if (size_t at = text.find(own); at != std::string::npos) text.erase(at, own.size());
  out_ += cpp_names(text);
}

Result<std::string> Skeleton::cpp() {
  line("// Made by skep from {}: do not edit, make it anew.", file_);
  line("#pragma once\n\n#include <array>\n#include <skep/skep.hpp>\n");
  line("namespace {}_types {{\n", name_);
  cpp_types();
  for (uint32_t i = 0; i < object_.maps().size(); ++i) {
    if (!has_memory(i)) continue;
    line("struct {} {{  // {}", capitalised(identifier_of(object_.maps()[i].name)),
         object_.maps()[i].name);
    const size_t from = out_.size();
    SKEP_CHECK(members(i, "  ", false));
    out_.replace(from, std::string::npos, cpp_names(out_.substr(from)));
    line("}};");
  }
  line("struct Maps {{");
  for (const MapSpec& map : object_.maps())
    line("  {} {};", cpp_map_type(map), cpp_names(identifier_of(map.name)));
  line("}};\nstruct Programs {{");
  for (const ProgramSpec& program : object_.programs())
    line("  skep::Program {};  // SEC(\"{}\")", cpp_names(program.name), program.section);
  line("}};\n\n}}  // namespace {}_types\n", name_);

  line("class {} {{\n public:", name_);
  line("  [[nodiscard]] static skep::Expected<{}> open() {{", name_);
  line("    auto opened = skep::Object::open(elf(), \"{}\");", file_);
  line("    if (!opened) return std::unexpected(opened.error());");
  line("    {} skeleton;\n    skeleton.object = std::move(*opened);\n    skeleton.bind();", name_);
  line("    return skeleton;\n  }}");
  line("  skep::Expected<void> load(const skep::Engine& engine) {{");
  line("    auto done = object.load(engine);\n    bind();\n    return done;\n  }}");
  line("  skep::Expected<void> attach() {{ return object.attach(); }}");
  line("  void detach() {{ object.detach(); }}\n");
  line("  skep::Object object;\n  {}_types::Maps maps;\n  {}_types::Programs programs;", name_,
       name_);
  for (uint32_t i = 0; i < object_.maps().size(); ++i) {
    if (!has_memory(i)) continue;
    const std::string section = identifier_of(object_.maps()[i].name);
    line("  {}_types::{}* {} = nullptr;{}", name_, capitalised(section), section,
         object_.maps()[i].freeze ? "  // to be set before load, constant then" : "");
  }
  line("\n private:\n  void bind() {{");
  for (uint32_t i = 0; i < object_.maps().size(); ++i) {
    const MapSpec& map = object_.maps()[i];
    line("    maps.{} = {}(*object.map(\"{}\"));", cpp_names(identifier_of(map.name)),
         cpp_map_type(map).starts_with("skep::Map")
             ? "decltype(maps." + cpp_names(identifier_of(map.name)) + ")"
             : "skep::RawMap",
         map.name);
    if (has_memory(i))
      line("    {0} = skep::globals<{1}_types::{2}>(object, \"{3}\");", identifier_of(map.name),
           name_, capitalised(identifier_of(map.name)), map.name);
  }
  for (const ProgramSpec& program : object_.programs())
    line("    programs.{} = *object.program(\"{}\");", cpp_names(program.name), program.name);
  line("  }}\n  static std::span<const std::byte> elf() {{");
  line("    alignas(8) static constexpr char kBytes[] =");
  bytes_as_literal();
  line("        ;\n    return std::as_bytes(std::span(kBytes, sizeof kBytes - 1));\n  }}\n}};");
  return std::move(out_);
}

}  // namespace

std::string skeleton_name(std::string_view path) {
  path = path.substr(path.rfind('/') + 1);
  if (path.ends_with(".o")) path.remove_suffix(2);
  std::string name = identifier_of(path);
  if (name.empty() || std::isdigit(static_cast<unsigned char>(name.front())) != 0)
    name.insert(0, "_");
  return name;
}

Result<std::string> make_skeleton(ByteSpan elf, std::string_view file, std::string_view name,
                                  SkeletonLanguage language) {
  if (!is_identifier(name))
    return fail(EINVAL, "\"{}\" is no identifier that a skeleton could be named by", name);
  SKEP_TRY(object, open_object(elf, file));
  const LinkInput alone[] = {{std::string(file), elf}};
  SKEP_TRY(bytes, link_objects(alone));  // leaves debug information out
  Skeleton skeleton(object, bytes, file, name);
  auto text = language == SkeletonLanguage::c ? skeleton.c() : skeleton.cpp();
  if (!text) return fail(text, "{}", file);
  return text;
}

}  // namespace skep::object
