// skep: the command.
#include <CLI/CLI.hpp>
#include <signal.h>

#include <algorithm>
#include <exception>

#include "cli/command.h"
#include "spec/lookup.h"

namespace {

using namespace skep::cli;

struct Named {
  std::string_view name;  // the application's own
};

int usage_error(const CLI::App& app, const CLI::ParseError& error) {
  // --help and --version come as errors of status 0, whose text belongs on standard output.
  if (error.get_exit_code() == 0)
    return finish_output(app.exit(error, std::cout, std::cerr) == 0 ? kOk : kUsage);
  const CLI::App* at = &app;
  while (!at->get_subcommands().empty()) at = at->get_subcommands().front();
  std::string path = at->get_name();
  for (const CLI::App* up = at->get_parent(); up != nullptr; up = up->get_parent()) {
    path = up->get_name() + " " + path;
  }
  return report_failure(skep::Error(EINVAL, error.what()).with_hint(fmt::format("{} --help", path)),
                        kUsage);
}

int run(int argc, char** argv) {
  Chosen chosen;
  // All behind the first "--" is COMMAND, untouched.
  std::vector<std::string> arguments;
  for (int i = 1; i < argc; ++i) {
    if (!chosen.has_command && std::string_view(argv[i]) == "--") {
      chosen.has_command = true;
    } else {
      (chosen.has_command ? chosen.command : arguments).emplace_back(argv[i]);
    }
  }

  CLI::App root("Write, verify, run and observe eBPF programs: without root, or in the kernel.",
                "skep");
  root.require_subcommand(1);
  root.set_version_flag("--version", "skep " SKEP_VERSION);
  root.set_help_flag("-h,--help", "Print this help");
  root.footer(
      "Exit status: COMMAND's under run; else 0, or a class of its own (64 usage, 65 bad input, 66 "
      "no\n"
      "input, 67 rejected by the verifier, 69 not available here, 70 a bug, 71 out of a resource, "
      "126\n"
      "COMMAND can't be traced, 127 no such COMMAND).");
  // clang-format off
  for (auto* add : {add_run,
                    add_trace,
                    add_exec,
                    add_compile,
                    add_link,
                    add_skeleton,
                    add_package,
                    add_verify,
                    add_explain,
                    add_requires,
                    add_disasm,
                    add_asm,
                    add_prog,
                    add_map,
                    add_btf,
                    add_hive,
                    add_shim,
                    add_feature,
                    add_version,
                    add_completion,
                    add_man}) {
    // clang-format on
    add(root, chosen);
  }
  std::vector<Named> names;
  for (const CLI::App* sub : root.get_subcommands([](const CLI::App*) { return true; }))
    names.push_back({sub->get_name()});
  bool unknown = !arguments.empty() && !arguments.front().starts_with('-') &&
                 std::none_of(names.begin(), names.end(),
                              [&](Named row) { return row.name == arguments.front(); });
  if (unknown) {
    std::string_view close =
        skep::spec::closest_name<Named>(arguments.front(), names, &Named::name);
    return report_failure(
        skep::Error(EINVAL, fmt::format("there is no command \"{}\"", arguments.front()))
            .with_hint(close.empty() ? "skep --help lists them"
                                     : fmt::format("did you mean \"{}\"?", close)),
        kUsage);
  }
  try {
    std::vector<std::string> reversed(arguments.rbegin(), arguments.rend());
    root.parse(std::move(reversed));
  } catch (const CLI::ParseError& error) {
    return usage_error(root, error);
  }
  if (!chosen.run) return kOk;
  return finish_output(chosen.run());
}

}  // namespace

int main(int argc, char** argv) {
  try {
    return run(argc, argv);
  } catch (const std::bad_alloc&) {
    return report_failure(skep::Error(ENOMEM, "out of memory"), kSystem);
  } catch (const std::exception& error) {
    return report_failure(skep::Error(EIO, error.what()), kInternal);
  }
}
