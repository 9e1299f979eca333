// skep link: several objects into one.
#include <CLI/CLI.hpp>

#include "base/fd.h"
#include "cli/input.h"
#include "object/object.h"
#include "object/static_linker.h"

namespace skep::cli {
namespace {

struct Options {
  std::vector<std::string> inputs;
  std::string output;
};

int run(const Options& options) {
  std::vector<std::vector<std::byte>> files;
  std::vector<object::LinkInput> inputs;
  files.reserve(options.inputs.size());
  for (const std::string& path : options.inputs) {
    auto bytes = read_object_bytes(path);
    if (!bytes) return report_failure(bytes.error().error, bytes.error().status);
    files.push_back(std::move(*bytes));
    inputs.push_back({path, files.back()});
  }
  auto linked = object::link_objects(inputs);
  if (!linked) return report_failure(linked.error(), kBadInput);
  if (options.output == "-") {
    print({reinterpret_cast<const char*>(linked->data()), linked->size()});
    return kOk;
  }
  auto written = write_file(options.output, *linked);
  if (!written) return report_failure(written.error(), exit_for(written.error(), kSystem));
  return kOk;
}

}  // namespace

void add_link(CLI::App& root, Chosen& chosen) {
  auto* app = root.add_subcommand("link", "Link objects into one");
  auto options = std::make_shared<Options>();
  app->add_option("OBJECT", options->inputs, "Objects (.bpf.o) that share functions, maps, globals")
      ->required();
  app->add_option("-o,--output", options->output, "The linked object; - is standard output")
      ->required();
  app->callback([&chosen, options] { chosen.run = [options] { return run(*options); }; });
}

}  // namespace skep::cli
