// skep compile: C to an object file.
#include <CLI/CLI.hpp>
#include <unistd.h>

#include "base/fd.h"
#include "btf/user_engine/user_engine.h"
#include "cc/cc.h"
#include "cli/input.h"

namespace skep::cli {
namespace {

struct Options {
  std::string path, output, cpu = "v3";
  InputOptions input;
  bool kernel_types = false;
};

int run(const Options& options) {
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
  app->add_option("FILE", options->path, "C (.bpf.c)")->required();
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
