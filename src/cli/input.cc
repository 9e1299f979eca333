#include "cli/input.h"

#include <unistd.h>

#include "base/fd.h"
#include "btf/user_engine/user_engine.h"
#include "cc/cc.h"
#include "isa/assembler.h"
#include "isa/disassembler.h"
#include "object/assembled.h"
#include "spec/helpers.h"

namespace skep::cli {
namespace {

int32_t helper_id(const void*, std::string_view name) {
  const spec::Helper* helper = spec::find_helper(name);
  return helper != nullptr ? static_cast<int32_t>(helper->id) : -1;
}

std::expected<std::unique_ptr<object::Object>, Failure> keep(Result<object::Object> object) {
  if (!object) return failure(kBadInput, object.error());
  return std::make_unique<object::Object>(std::move(*object));
}

std::expected<std::unique_ptr<object::Object>, Failure> compile(const std::string& path,
                                                                const InputOptions& options) {
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
  if (!object) return failure(kBadInput, object.error());
  for (const auto& [variable, comment] : compiled->comments) object->set_comment(variable, comment);
  return std::make_unique<object::Object>(std::move(*object));
}

}  // namespace

std::expected<std::unique_ptr<object::Object>, Failure> open_input(const std::string& path,
                                                                   const InputOptions& options) {
  auto bytes = read_file(path);
  if (!bytes) return failure(exit_for(bytes.error(), kNoInput), bytes.error());
  constexpr std::string_view kElf = "\177ELF";
  std::string_view text(reinterpret_cast<const char*>(bytes->data()), bytes->size());
  if (text.starts_with(kElf)) return keep(object::open_object(*bytes, path));
  if (path.ends_with(".c")) return compile(path, options);
  if (path.ends_with(".s") || path.ends_with(".S")) {
    isa::AsmOptions assembler;
    assembler.helper_id = helper_id;
    auto assembly = isa::assemble(text, assembler);
    if (!assembly) return failure(kBadInput, Error(assembly.error()).within(path));
    return keep(object::object_from_assembly(*assembly, path, options.section));
  }
  return failure(
      kBadInput,
      Error(EINVAL, path + ": neither an ELF object, nor C (.c), nor BPF assembly (.s)"));
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
