// skep verify: would this object be accepted, by which kernel's rules, and if not, why.
#include <CLI/CLI.hpp>
#include <nlohmann/json.hpp>

#include "btf/user_engine/user_engine.h"
#include "cli/btf_source.h"
#include "cli/input.h"
#include "cli/rejection.h"
#include "loader/loader.h"
#include "object/attach_target.h"
#include "spec/sections.h"
#include "verifier/profile.h"
#include "verifier/verifier.h"

namespace skep::cli {
namespace {

struct Options {
  std::string path, profile = "newest", program, btf;
  InputOptions input;
  bool json = false, log = false;
  unsigned log_level = 1;
};

// `kernel`: a kernel's BTF, for CO-RE, attach targets and kfuncs; null: the user engine's.
Result<Program> prepare(const object::Object& object, uint32_t index,
                        const loader::ProgramKind& kind,
                        const std::shared_ptr<const btf::Btf>& kernel) {
  auto types = kernel ? kernel : btf::user_engine_btf();
  object::Target target;
  target.btfs = std::span(&types, 1);
  SKEP_TRY(program, object.program(index, target));
  const auto section = spec::parse_section_name(object.programs()[index].section);
  if (kernel && section) {
    SKEP_CHECK(object::set_attach_target(program, *section, target.btfs));
    return program;
  }
  program.type = kind.type;
  program.expected_attach_type = kind.expected_attach_type;
  if (kind.sleepable) program.flags |= 1u << 4;
  return program;
}

int run(const Options& options) {
  const verifier::KernelProfile* profile = verifier::find_kernel_profile(options.profile);
  if (profile == nullptr) {
    std::string known;
    for (const auto& row : verifier::kernel_profiles()) known += fmt::format(" {}", row.name);
    return report_failure(Error(EINVAL, fmt::format("no kernel profile \"{}\"", options.profile))
                              .with_hint("known:" + known),
                          kUsage);
  }
  auto object = open_input(options.path, options.input);
  if (!object) return report_failure(object.error().error, object.error().status);
  std::shared_ptr<const btf::Btf> kernel;
  if (!options.btf.empty()) {
    auto opened = open_btf(options.btf);
    if (!opened) return report_failure(opened.error().error, opened.error().status);
    kernel = *opened;
  }
  Output style = output_style(options.json);
  auto results = nlohmann::json::array();
  bool rejected = false, found = false;
  for (uint32_t i = 0; i < (*object)->programs().size(); ++i) {
    const object::ProgramSpec& spec = (*object)->programs()[i];
    if (!options.program.empty() && spec.name != options.program) continue;
    found = true;
    std::string where = fmt::format("{}: program {}", (*object)->name(), spec.name);
    auto kind = loader::classify_section(spec.section);
    if (!kind) return report_failure(Error(kind.error()).within(where), kBadInput);
    auto program = prepare(**object, i, *kind, kernel);
    if (!program) return report_failure(Error(program.error()).within(where), kBadInput);
    verifier::Options verify;
    verify.profile = profile;
    verify.kernel_btf = kernel;
    if (options.log) verify.log_level = options.log_level;
    verifier::Report report = verifier::verify(*program, verify);
    rejected |= !report.accepted();
    if (options.json) {
      nlohmann::json row{{"program", spec.name},
                         {"section", spec.section},
                         {"accepted", report.accepted()},
                         {"insns", program->insns.size()},
                         {"insns_processed", report.stats.insns_processed},
                         {"states", report.stats.states},
                         {"peak_states", report.stats.peak_states},
                         {"time_ns", report.stats.time_ns}};
      if (!report.accepted())
        row["rejection"] = rejection_json(*program, *report.rejection, report.log, verify);
      if (options.log) row["log"] = report.log;
      results.push_back(std::move(row));
      continue;
    }
    if (options.log) print(report.log);
    if (report.accepted()) {
      print(fmt::format("{}: accepted ({} insns, {} processed, {} states, {} us)\n", where,
                        program->insns.size(), report.stats.insns_processed, report.stats.states,
                        report.stats.time_ns / 1000));
    } else {
      print(rejection_text(where, *program, *report.rejection, report.log, style.color, verify));
    }
  }
  if (!options.program.empty() && !found) {
    return report_failure(
        Error(ENOENT, fmt::format("{}: no program \"{}\"", (*object)->name(), options.program)),
        kUsage);
  }
  if (options.json)
    print(nlohmann::json{{"profile", profile->name}, {"programs", results}}.dump() + "\n");
  return rejected ? kRejected : kOk;
}

}  // namespace

void add_verify(CLI::App& root, Chosen& chosen) {
  auto* app = root.add_subcommand("verify",
                                  "Say whether the verifier accepts FILE's programs, and why not");
  auto options = std::make_shared<Options>();
  app->add_option("FILE", options->path, "C (.bpf.c), an object (.bpf.o) or assembly (.bpf.s)")
      ->required();
  app->add_option("--kernel", options->profile, "Whose rules: 5.10, 6.1, …, newest")
      ->capture_default_str();
  app->add_option("--btf", options->btf,
                  "Types of a kernel, for programs that use its objects: kernel or a file");
  app->add_option("--program", options->program, "Only this program");
  app->add_flag("--log", options->log, "Print the log, in the kernel's format");
  app->add_option("--log-level", options->log_level,
                  "1: the failing path, 2: all paths, 4: statistics")
      ->capture_default_str();
  app->add_flag("--json", options->json, "Print one JSON object");
  app->add_option("-I", options->input.include_dirs, "Directory for #include");
  app->add_option("-D", options->input.defines, "Macro, as NAME or NAME=VALUE");
  app->callback([&chosen, options] { chosen.run = [options] { return run(*options); }; });
}

}  // namespace skep::cli
