// skep package: one file that runs anywhere, made of C, an object or assembly; or what such a file holds.
#include <CLI/CLI.hpp>
#include <nlohmann/json.hpp>

#include "base/fd.h"
#include "cli/input.h"
#include "cli/run_options.h"

namespace skep::cli {
namespace {

struct Options {
  std::string path, output, name, description, extract;
  InputOptions input;
  bool show = false, json = false;
};

std::string joined(const std::vector<std::string>& names) {
  std::string text;
  for (const std::string& name : names) text += (text.empty() ? "" : ", ") + name;
  return text.empty() ? "none" : text;
}

void print_text(const package::Package& package) {
  print(fmt::format("name:        {}\n", package.name));
  if (!package.description.empty()) print(fmt::format("description: {}\n", package.description));
  print(fmt::format("license:     {}\n", package.license.empty() ? "none" : package.license));
  print(fmt::format("object:      {} bytes of {}\n", package.object.size(),
                    package.format == package::Format::elf ? "ELF" : "assembly"));
  print(fmt::format("programs:    {}\n", joined(package.sections)));
  print(fmt::format("needs:       program types {}; map types {}\n", joined(package.program_types),
                    joined(package.map_types)));
  for (const package::OptionRow& row : package.options) {
    std::string names = "--" + package::option_name(row.variable, row.argument);
    if (row.argument.short_name != 0)
      names = fmt::format("-{}, {}", row.argument.short_name, names);
    print(fmt::format("option:      {} {} = {}{}{}\n", names, row.type, row.default_text,
                      row.help.empty() ? "" : "  ", row.help));
  }
  for (const package::SampleRow& row : package.samples)
    print(fmt::format("sample:      {} every {} ms as {}{}\n", row.map, row.sample.interval_ms,
                      sample_kind_name(row.sample.kind), row.sample.clear ? ", then cleared" : ""));
  for (const package::ExportRow& row : package.exports)
    print(fmt::format("export:      {}{}\n", row.map, row.type.empty() ? "" : " of " + row.type));
}

int write_or_print(const std::string& output, ByteSpan bytes) {
  if (output == "-") {
    print({reinterpret_cast<const char*>(bytes.data()), bytes.size()});
    return kOk;
  }
  auto written = write_file(output, bytes);
  if (!written) return report_failure(written.error(), exit_for(written.error(), kSystem));
  return kOk;
}

int look_into(const Options& options) {
  auto opened = open_file(options.path, options.input);
  if (!opened) return report_failure(opened.error().error, opened.error().status);
  if (!opened->package)
    return report_failure(Error(EINVAL, options.path + ": it is not a package")
                              .with_hint("make one of it: skep package " + options.path),
                          kUsage);
  const package::Package& package = *opened->package;
  if (!options.extract.empty()) return write_or_print(options.extract, package.object);
  if (!options.json) {
    print_text(package);
    return kOk;
  }
  auto row = nlohmann::json::parse(package::write(package));
  row["object"].erase("data");
  print(row.dump() + "\n");
  return kOk;
}

int run(const Options& options, const std::vector<std::string>& defaults) {
  if (options.show || !options.extract.empty()) {
    if (!defaults.empty())
      return report_failure(Error(EINVAL, "unexpected argument " + defaults.front()), kUsage);
    return look_into(options);
  }
  auto opened = open_file(options.path, options.input);
  if (!opened) return report_failure(opened.error().error, opened.error().status);
  if (auto set = set_variables(*opened->object, defaults); !set)
    return report_failure(set.error().error, set.error().status);
  auto package = package::make(*opened->object, opened->bytes, opened->format);
  if (!package) return report_failure(Error(package.error()).within(options.path), kBadInput);
  for (package::OptionRow& row : package->options) {
    // What was given here, or @cmdarg's default, which the object has been set to.
    row.default_text = opened->object->variable_text(*opened->object->find_variable(row.variable));
  }
  if (opened->package) package->name = opened->package->name;
  if (!options.name.empty()) package->name = options.name;
  package->section = options.input.section;
  package->description = !options.description.empty() ? options.description : opened->description;
  const std::string text = package::write(*package);
  const std::string output = options.output.empty() ? package->name + ".skep.json" : options.output;
  const int status = write_or_print(output, bytes_of(text));
  if (status != kOk || output == "-") return status;
  if (options.json)
    print(nlohmann::json{{"package", output}, {"bytes", text.size()}, {"name", package->name}}
              .dump() +
          "\n");
  else
    print(fmt::format("{}: {} bytes\n", output, text.size()));
  return kOk;
}

}  // namespace

void add_package(CLI::App& root, Chosen& chosen) {
  auto* app = root.add_subcommand(
      "package", "Make one file of FILE that runs on any machine: skep run NAME.skep.json");
  auto options = std::make_shared<Options>();
  app->add_option("FILE", options->path,
                  "C (.bpf.c), an object (.bpf.o) or assembly (.bpf.s); with --show a package")
      ->required();
  app->add_option("-o,--output", options->output,
                  "The package; - is standard output; default: NAME.skep.json");
  app->add_option("--name", options->name, "Its name; default: FILE's");
  app->add_option("--description", options->description,
                  "What it does; default: FILE's /// @description");
  app->add_option("--section", options->input.section,
                  "The section of assembled programs that name none");
  app->add_flag("--show", options->show, "Print what the package FILE holds");
  app->add_option("--extract", options->extract,
                  "Write the object in the package FILE here; - is standard output");
  app->add_flag("--json", options->json, "Print JSON");
  app->add_flag("--no-cache", options->input.no_cache, "Compile even what the cache has");
  app->add_option("-I", options->input.include_dirs, "Directory for #include");
  app->add_option("-D", options->input.defines, "Macro, as NAME or NAME=VALUE");
  app->footer("FILE's own options (skep run FILE --help) may be given: they become its defaults.");
  app->allow_extras();
  app->callback([&chosen, options, app] {
    chosen.run = [options, app] { return run(*options, app->remaining()); };
  });
}

}  // namespace skep::cli
