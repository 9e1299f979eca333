// skep skeleton: a header with an object in it, for programs that use it.
#include <CLI/CLI.hpp>

#include "base/fd.h"
#include "cli/input.h"
#include "object/skeleton.h"

namespace skep::cli {
namespace {

struct Options {
  std::string path, language = "c++", name, output = "-";
};

int run(const Options& options) {
  auto bytes = read_object_bytes(options.path);
  if (!bytes) return report_failure(bytes.error().error, bytes.error().status);
  const std::string name =
      options.name.empty() ? object::skeleton_name(options.path) : options.name;
  auto text = object::make_skeleton(
      *bytes, options.path, name,
      options.language == "c" ? object::SkeletonLanguage::c : object::SkeletonLanguage::cpp);
  if (!text) return report_failure(text.error(), kBadInput);
  if (options.output == "-") {
    print(*text);
    return kOk;
  }
  auto written = write_file(options.output, bytes_of(*text));
  if (!written) return report_failure(written.error(), exit_for(written.error(), kSystem));
  return kOk;
}

}  // namespace

void add_skeleton(CLI::App& root, Chosen& chosen) {
  auto* app = root.add_subcommand("skeleton", "Write a header that holds an object, for C++ or C");
  auto options = std::make_shared<Options>();
  app->add_option("OBJECT", options->path, "An object (.bpf.o)")->required();
  app->add_option("--lang", options->language,
                  "c++ (on skep/skep.hpp), or c (source-compatible with bpftool's)")
      ->check(CLI::IsMember({"c++", "c"}))
      ->capture_default_str();
  app->add_option("--name", options->name,
                  "The class or struct; default: bootstrap_bpf of bootstrap.bpf.o");
  app->add_option("-o,--output", options->output, "The header; - is standard output")
      ->capture_default_str();
  app->callback([&chosen, options] { chosen.run = [options] { return run(*options); }; });
}

}  // namespace skep::cli
