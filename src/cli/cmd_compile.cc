// skep compile: C to an object file.
#include <CLI/CLI.hpp>
#include <nlohmann/json.hpp>
#include <unistd.h>

#include "base/fd.h"
#include "btf/user_engine/user_engine.h"
#include "cc/cc.h"
#include "cli/code_options.h"
#include "cli/input.h"
#include "engine/user/user_engine.h"
#include "loader/loader.h"
#include "vm/jit/optimiser.h"

namespace skep::cli {
namespace {

struct Options {
  std::string path, output, cpu = "v3";
  InputOptions input;
  CodeOptions code;
  bool kernel_types = false, native = false, json = false;
};

// Ahead of time: every program of FILE by the optimising tier, into the user's cache of native code.
int compile_native(const Options& options) {
  const std::string directory = runtime::default_native_cache();
  if (directory.empty())
    return report_failure(
        Error(ENOENT, "there is no place for native code").with_hint("set HOME or XDG_CACHE_HOME"),
        kUnavailable);
  auto target = jit::optimiser_target();
  if (!target) return report_failure(target.error(), kUnavailable);
  auto object = open_input(options.path, options.input);
  if (!object) return report_failure(object.error().error, object.error().status);
  runtime::RuntimeOptions made;
  made.hive.name = "compile";
  made.hive.publish_session = false;
  made.jit = jit_options(options.code);
  auto engine = engine::UserEngine::create(made);
  if (!engine) return report_failure(engine.error(), exit_for(engine.error(), kSystem));
  (*engine)->runtime().set_native_cache(runtime::NativeCache(directory));
  (*engine)->runtime().set_optimise(true, true);
  auto loader = loader::Loader::load(**engine, std::move(*object), {});
  if (!loader) {
    const loader::LoadError& error = loader.error();
    return report_failure(error.error,
                          error.rejection ? kRejected : exit_for(error.error, kBadInput));
  }
  warn_of_cache_problems((*engine)->runtime());
  for (const loader::LoadedProgram& program : loader->programs()) {
    auto compiled = (*engine)->program_of(program.fd.get());
    if (!compiled) return report_failure(compiled.error(), kInternal);
    const uint32_t size = (*compiled)->native().code_size;
    const bool was_there = (*compiled)->from_cache();
    if (options.json)
      print(
          nlohmann::json{{"program", program.spec->name}, {"bytes", size}, {"was_there", was_there}}
              .dump() +
          "\n");
    else
      print(fmt::format("{}: {} bytes of native code{}\n", program.spec->name, size,
                        was_there ? ", as it was" : ""));
  }
  return kOk;
}

int run(const Options& options) {
  if (options.native) return compile_native(options);
  cc::Options flags;
  flags.cpu = options.cpu;
  flags.target = btf::user_engine_btf();
  if (options.kernel_types) {
    auto bytes = read_file("/sys/kernel/btf/vmlinux");
    if (!bytes) return report_failure(bytes.error(), exit_for(bytes.error(), kUnavailable));
    auto parsed = btf::Btf::parse(*bytes);
    if (!parsed) return report_failure(parsed.error(), kUnavailable);
    flags.target = *parsed;
  }
  for (const std::string& directory : options.input.include_dirs)
    flags.flags.push_back("-I" + directory);
  for (const std::string& define : options.input.defines) flags.flags.push_back("-D" + define);
  flags.use_cache = !options.input.no_cache;
  flags.color = ::isatty(STDERR_FILENO) != 0;
  auto compiled = cc::compile(options.path, flags);
  if (!compiled) return report_failure(compiled.error(), exit_for(compiled.error(), kUnavailable));
  std::fputs(compiled->diagnostics.c_str(), stderr);
  if (!compiled->ok)
    return report_failure(Error(EINVAL, options.path + ": clang refused it; see above"), kBadInput);
  std::string output = options.output;
  if (output.empty()) {
    std::string base = options.path.substr(options.path.rfind('/') + 1);
    output = (base.ends_with(".c") ? base.substr(0, base.size() - 2) : base) + ".o";
  }
  if (output == "-") {
    print({reinterpret_cast<const char*>(compiled->object.data()), compiled->object.size()});
    return kOk;
  }
  auto written = write_file(output, compiled->object);
  if (!written) return report_failure(written.error(), exit_for(written.error(), kSystem));
  return kOk;
}

}  // namespace

void add_compile(CLI::App& root, Chosen& chosen) {
  auto* app = root.add_subcommand("compile", "Compile C to an object file");
  auto options = std::make_shared<Options>();
  app->add_option("FILE", options->path, "C (.bpf.c); with --native an object, too")->required();
  app->add_flag("--native", options->native,
                "Compile the programs to native code ahead of time: skep run and skep exec take it "
                "from the cache");
  app->add_option("--fuel", options->code.fuel, "With --native: for runs with this --fuel")
      ->check(CLI::Range(uint64_t{1}, uint64_t{1} << 62));
  app->add_flag("--json", options->json, "With --native: print JSON, one object a line");
  app->add_option("-o,--output", options->output,
                  "The object; - is standard output; default: FILE's name with .o");
  app->add_option("--cpu", options->cpu, "BPF instruction set: v1 to v4")
      ->capture_default_str()
      ->check(CLI::IsMember({"v1", "v2", "v3", "v4"}));
  app->add_flag("--kernel-types", options->kernel_types,
                "vmlinux.h of the running kernel, not of the user engine");
  app->add_flag("--no-cache", options->input.no_cache, "Compile even what the cache has");
  app->add_option("-I", options->input.include_dirs, "Directory for #include");
  app->add_option("-D", options->input.defines, "Macro, as NAME or NAME=VALUE");
  app->callback([&chosen, options] { chosen.run = [options] { return run(*options); }; });
}

}  // namespace skep::cli
