// skep asm: BPF assembly to an object file, or to bare instructions.
#include <CLI/CLI.hpp>

#include "base/fd.h"
#include "cli/command.h"
#include "isa/assembler.h"
#include "isa/legality.h"
#include "spec/helpers.h"

namespace skep::cli {
namespace {

int32_t helper_id(const void*, std::string_view name) {
  const spec::Helper* helper = spec::find_helper(name);
  return helper != nullptr ? static_cast<int32_t>(helper->id) : -1;
}

int run(const std::string& path, const std::string& output, bool hex) {
  auto text = read_file(path == "-" ? "/dev/stdin" : path);
  if (!text) return report_failure(text.error(), exit_for(text.error(), kBadInput));
  isa::AsmOptions options;
  options.helper_id = helper_id;
  auto assembly =
      isa::assemble({reinterpret_cast<const char*>(text->data()), text->size()}, options);
  if (!assembly) return report_failure(Error(assembly.error()).within(path), kBadInput);
  std::string bytes;
  for (const isa::AsmProgram& program : assembly->programs) {
    ByteSpan insns = bytes_of(program.insns);
    if (hex) {
      for (size_t i = 0; i < program.insns.size(); ++i) {
        for (size_t at = 0; at < 8; ++at)
          bytes += fmt::format("{:02x}", static_cast<uint8_t>(insns[8 * i + at]));
        bytes += '\n';
      }
    } else {
      bytes.append(reinterpret_cast<const char*>(insns.data()), insns.size());
    }
  }
  if (output.empty() || output == "-") {
    print(bytes);
    return kOk;
  }
  auto written = write_file(output, bytes_of(bytes));
  if (!written) return report_failure(written.error(), exit_for(written.error(), kSystem));
  return kOk;
}

}  // namespace

void add_asm(CLI::App& root, Chosen& chosen) {
  auto* app = root.add_subcommand(
      "asm", "Assemble BPF assembly to instructions (8 bytes each, little endian)");
  struct Options {
    std::string path, output;
    bool hex = false;
  };
  auto options = std::make_shared<Options>();
  app->add_option("FILE", options->path, "Assembly (.s); - is standard input")->required();
  app->add_option("-o,--output", options->output, "Write here, not to standard output");
  app->add_flag("--hex", options->hex, "One instruction a line, in hexadecimal");
  app->callback([&chosen, options] {
    chosen.run = [options] { return run(options->path, options->output, options->hex); };
  });
}

}  // namespace skep::cli
