// skep explain: a kernel's verifier log, as people read it.
#include <CLI/CLI.hpp>
#include <nlohmann/json.hpp>

#include <cstdio>

#include "btf/user_engine/user_engine.h"
#include "cli/command.h"
#include "cli/input.h"
#include "loader/loader.h"
#include "report/diagnosis.h"

namespace skep::cli {
namespace {

struct Options {
  std::string log = "-", object, program;
  bool json = false;
};

std::expected<std::string, Failure> read_log(const std::string& path) {
  const bool input = path == "-";
  std::FILE* file = input ? stdin : std::fopen(path.c_str(), "rb");
  if (file == nullptr) {
    Error error(errno, fmt::format("{}: {}", path, errno_text(errno)));
    return failure(exit_for(error, kNoInput), std::move(error));
  }
  // What is read is the end: more is dropped as it comes.
  std::string text;
  char buffer[1 << 16];
  for (size_t got; (got = std::fread(buffer, 1, sizeof buffer, file)) > 0;) {
    text.append(buffer, got);
    if (text.size() > 3 * report::kMaxLogBytes) text.erase(0, text.size() - report::kMaxLogBytes);
  }
  const bool broken = std::ferror(file) != 0;
  const int code = errno;
  if (!input) std::fclose(file);
  if (broken) return failure(kNoInput, Error(code, fmt::format("{}: {}", path, errno_text(code))));
  return text;
}

// The program that the log is of: by name, or the only one.
std::expected<std::optional<Program>, Failure> find_program(const object::Object& object,
                                                            const std::string& name) {
  const auto& specs = object.programs();
  for (uint32_t i = 0; i < specs.size(); ++i) {
    // The kernel's and libbpf's names are cut at 15 characters.
    const bool same =
        specs[i].name == name || (name.size() == 15 && specs[i].name.starts_with(name));
    if (!same && !(name.empty() && specs.size() == 1)) continue;
    auto program = object.program(i, {});
    if (!program) return failure(kBadInput, Error(program.error()).within(object.name()));
    if (const auto kind = loader::classify_section(specs[i].section); kind)
      program->type = kind->type;
    return std::optional<Program>(std::move(*program));
  }
  return std::optional<Program>();
}

int run(const Options& options) {
  auto text = read_log(options.log);
  if (!text) return report_failure(text.error().error, text.error().status);
  std::unique_ptr<object::Object> object;
  if (!options.object.empty()) {
    auto opened = open_input(options.object);
    if (!opened) return report_failure(opened.error().error, opened.error().status);
    object = std::move(*opened);
  }
  const Output style = output_style(options.json);
  const report::ParsedLog log = report::parse_verifier_log(*text);
  auto results = nlohmann::json::array();
  size_t shown = 0;
  for (const report::LogSegment& segment : log.segments) {
    if (!segment.failed()) continue;
    const std::string name =
        options.program.empty() ? std::string(segment.program) : options.program;
    std::optional<Program> program;
    if (object) {
      auto found = find_program(*object, name);
      if (!found) return report_failure(found.error().error, found.error().status);
      program = std::move(*found);
    }
    const report::Diagnosis diagnosis =
        report::diagnose(log, segment, program ? &*program : nullptr);
    // Words of a loader around a log that was accepted are no rejection.
    if (diagnosis.rule == verifier::Rule::none &&
        (segment.steps.empty() || segment.processed != 0) && log.segments.size() > 1)
      continue;
    ++shown;
    if (options.json) {
      results.push_back(report::diagnosis_json(diagnosis));
      continue;
    }
    if (!diagnosis.program.empty()) print(fmt::format("program {}: ", diagnosis.program));
    print(report::diagnosis_text(diagnosis, style.color));
  }
  if (options.json) print(nlohmann::json{{"rejections", results}}.dump() + "\n");
  if (shown == 0) {
    return report_failure(
        Error(ENOENT, fmt::format("{}: no rejection found in this log",
                                  options.log == "-" ? "standard input" : options.log))
            .with_hint("give the verifier's log as the loader prints it: bpftool -d prog load …, "
                       "libbpf at log level 1"),
        kBadInput);
  }
  return kOk;
}

}  // namespace

void add_explain(CLI::App& root, Chosen& chosen) {
  auto* app = root.add_subcommand("explain",
                                  "Say in plain words why a kernel's verifier log is a rejection");
  auto options = std::make_shared<Options>();
  app->add_option("LOGFILE", options->log,
                  "The verifier's log, with whatever a loader prints around it; -: standard input")
      ->capture_default_str();
  app->add_option("--object", options->object, "The object that was loaded, for its source lines");
  app->add_option("--program", options->program, "Which of the object's programs the log is of");
  app->add_flag("--json", options->json, "Print one JSON object");
  app->callback([&chosen, options] { chosen.run = [options] { return run(*options); }; });
}

}  // namespace skep::cli
