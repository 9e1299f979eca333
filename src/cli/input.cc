#include "cli/input.h"

#include <unistd.h>

#include "base/fd.h"
#include "btf/user_engine/user_engine.h"
#include "cc/cc.h"
#include "isa/disassembler.h"
#include "object/assembled.h"
#include "spec/helpers.h"

namespace skep::cli {
namespace {

std::expected<Opened, Failure> keep(Result<object::Object> object, Opened opened) {
  if (!object) return failure(exit_for(object.error(), kBadInput), object.error());
  opened.object = std::make_unique<object::Object>(std::move(*object));
  if (auto set = package::apply_defaults(*opened.object); !set)
    return failure(kBadInput, Error(set.error()).within(opened.object->name()));
  return opened;
}

std::expected<Opened, Failure> compile(const std::string& path, const InputOptions& options) {
  cc::Options flags;
  flags.target = btf::user_engine_btf();
  for (const std::string& directory : options.include_dirs) flags.flags.push_back("-I" + directory);
  for (const std::string& define : options.defines) flags.flags.push_back("-D" + define);
  flags.use_cache = !options.no_cache;
  flags.color = ::isatty(STDERR_FILENO) != 0;
  auto compiled = cc::compile(path, flags);
  if (!compiled) return failure(exit_for(compiled.error(), kUnavailable), compiled.error());
  std::fputs(compiled->diagnostics.c_str(), stderr);
  if (!compiled->ok)
    return failure(kBadInput, Error(EINVAL, path + ": clang refused it; see above"));
  auto object = object::open_object(compiled->object, path);
  Opened opened;
  for (const auto& [name, comment] : compiled->comments) {
    if (name.empty()) {
      auto said = package::parse_annotations(comment);
      opened.description = said ? said->help : comment;
    } else if (object) {
      object->set_comment(name, comment);
    }
  }
  opened.bytes = std::move(compiled->object);
  return keep(std::move(object), std::move(opened));
}

std::expected<package::Package, Failure> read_package(std::string_view text,
                                                      const std::string& path) {
  auto package = package::read(text);
  if (!package) return failure(kBadInput, Error(package.error()).within(path));
  return std::move(*package);
}

std::string_view text_of(const std::vector<std::byte>& bytes) {
  return {reinterpret_cast<const char*>(bytes.data()), bytes.size()};
}

bool is_package(const std::string& path, const std::vector<std::byte>& bytes) {
  return package::looks_like_package(text_of(bytes)) || path.ends_with(".json");
}

bool is_elf(const std::vector<std::byte>& bytes) { return text_of(bytes).starts_with("\177ELF"); }

}  // namespace

std::expected<Opened, Failure> open_file(const std::string& path, const InputOptions& options) {
  auto bytes = read_file(path);
  if (!bytes) return failure(exit_for(bytes.error(), kNoInput), bytes.error());
  Opened opened;
  if (is_elf(*bytes)) {
    opened.bytes = std::move(*bytes);
    auto object = object::open_object(opened.bytes, path);
    return keep(std::move(object), std::move(opened));
  }
  if (path.ends_with(".c")) return compile(path, options);
  if (path.ends_with(".s") || path.ends_with(".S")) {
    opened.format = package::Format::assembly;
    opened.bytes = std::move(*bytes);
    auto object = object::open_assembly(text_of(opened.bytes), path, options.section);
    return keep(std::move(object), std::move(opened));
  }
  if (is_package(path, *bytes)) {
    auto package = read_package(text_of(*bytes), path);
    if (!package) return std::unexpected(package.error());
    if (!options.section.empty()) package->section = options.section;
    opened.package = std::move(*package);
    opened.bytes = opened.package->object;
    opened.format = opened.package->format;
    opened.description = opened.package->description;
    auto object = package::open(*opened.package, path);
    return keep(std::move(object), std::move(opened));
  }
  return failure(kBadInput,
                 Error(EINVAL, path + ": neither an ELF object, nor C (.c), nor BPF assembly (.s), "
                                      "nor a package (.skep.json)"));
}

std::expected<std::vector<std::byte>, Failure> read_object_bytes(const std::string& path) {
  auto bytes = read_file(path);
  if (!bytes) return failure(exit_for(bytes.error(), kNoInput), bytes.error());
  if (is_elf(*bytes) || !is_package(path, *bytes)) return std::move(*bytes);
  auto package = read_package(text_of(*bytes), path);
  if (!package) return std::unexpected(package.error());
  if (package->format != package::Format::elf)
    return failure(kBadInput, Error(EINVAL, path + ": it holds assembly, not an object"));
  return std::move(package->object);
}

std::expected<std::unique_ptr<object::Object>, Failure> open_input(const std::string& path,
                                                                   const InputOptions& options) {
  auto opened = open_file(path, options);
  if (!opened) return std::unexpected(opened.error());
  return std::move(opened->object);
}

std::string disassembly_of(const Program& program, bool opcodes) {
  isa::DisassemblyOptions options;
  options.data = &program;
  options.opcodes = opcodes;
  options.helper_name = [](const void*, int32_t id) -> std::string_view {
    const spec::Helper* helper = spec::find_helper(static_cast<uint32_t>(id));
    if (helper == nullptr) return {};
    // The prototype has the name as programs call it: "void *bpf_map_lookup_elem(…".
    std::string_view prototype = helper->prototype;
    size_t end = prototype.find('(');
    size_t begin = prototype.find_last_of("* ", end) + 1;
    return prototype.substr(begin, end - begin);
  };
  options.map_name = [](const void* data, int32_t index) -> std::string_view {
    const auto& maps = static_cast<const Program*>(data)->maps;
    return static_cast<size_t>(index) < maps.size()
               ? std::string_view(maps[static_cast<size_t>(index)].name)
               : std::string_view{};
  };
  return isa::disassemble_all(program.insns, options);
}

}  // namespace skep::cli
