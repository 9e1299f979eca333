// skep requires: which kernel an object needs, and why.
#include <CLI/CLI.hpp>
#include <nlohmann/json.hpp>

#include <charconv>

#include "cli/btf_source.h"
#include "cli/command.h"
#include "cli/input.h"
#include "report/requirements.h"

namespace skep::cli {
namespace {

struct Options {
  std::string path, kernel, btf;
  InputOptions input;
  bool json = false;
};

// "6.1", "6.1.90-amd64".
std::optional<KernelVersion> parse_version(std::string_view text) {
  unsigned major = 0, minor = 0;
  const auto [dot, error] = std::from_chars(text.data(), text.data() + text.size(), major);
  if (error != std::errc() || dot == text.data() + text.size() || *dot != '.') return std::nullopt;
  const auto [end, minor_error] = std::from_chars(dot + 1, text.data() + text.size(), minor);
  if (minor_error != std::errc() || major > 255 || minor > 255) return std::nullopt;
  if (end != text.data() + text.size() && *end != '.' && *end != '-') return std::nullopt;
  return kernel_version(major, minor);
}

int run(const Options& options) {
  KernelVersion kernel = 0;
  if (!options.kernel.empty()) {
    const auto parsed = parse_version(options.kernel);
    if (!parsed)
      return report_failure(
          Error(EINVAL, fmt::format("--kernel {}: expected a version such as 6.1", options.kernel)),
          kUsage);
    kernel = *parsed;
  }
  auto object = open_input(options.path, options.input);
  if (!object) return report_failure(object.error().error, object.error().status);
  // CO-RE and attach targets are looked up where there are types of a kernel; the rest needs none.
  std::shared_ptr<const btf::Btf> btf;
  auto opened = open_btf(options.btf.empty() ? "kernel" : options.btf);
  if (!opened && !options.btf.empty())
    return report_failure(opened.error().error, opened.error().status);
  if (!opened) opened = open_btf("user");
  if (opened) btf = *opened;
  const auto btfs = btf ? std::span(&btf, 1) : std::span<const std::shared_ptr<const btf::Btf>>();
  const report::Requirements needs = report::requirements_of(**object, btfs);
  print(options.json ? report::requirements_json(needs, kernel).dump() + "\n"
                     : report::requirements_text(needs, kernel));
  return kernel != 0 && (needs.oldest == 0 || kernel < needs.oldest) ? kFailed : kOk;
}

}  // namespace

void add_requires(CLI::App& root, Chosen& chosen) {
  auto* app = root.add_subcommand(
      "requires", "Say which kernel OBJECT needs, and why: versions, capabilities, configuration");
  auto options = std::make_shared<Options>();
  app->add_option("OBJECT", options->path, "C (.bpf.c), an object (.bpf.o) or assembly (.bpf.s)")
      ->required();
  app->add_option("--kernel", options->kernel,
                  "Say too what this version lacks; status 1 where it does not load OBJECT");
  app->add_option("--btf", options->btf,
                  "Types that CO-RE and attach targets are looked up in: kernel, user or a file");
  app->add_flag("--json", options->json, "Print one JSON object");
  app->add_option("-I", options->input.include_dirs, "Directory for #include");
  app->add_option("-D", options->input.defines, "Macro, as NAME or NAME=VALUE");
  app->callback([&chosen, options] { chosen.run = [options] { return run(*options); }; });
}

}  // namespace skep::cli
