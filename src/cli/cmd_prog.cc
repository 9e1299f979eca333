// skep prog: the programs of a running session.
#include <CLI/CLI.hpp>
#include <nlohmann/json.hpp>

#include "cli/inspect.h"
#include "object/prog_header.h"
#include "spec/prog_types.h"

namespace skep::cli {
namespace {

std::string tag_text(const ProgHeader& program) {
  std::string text;
  for (uint8_t byte : program.tag) text += fmt::format("{:02x}", byte);
  return text;
}

int list(const std::string& which, bool json) {
  auto hive = open_session(which);
  if (!hive) return report_failure(hive.error().error, hive.error().status);
  auto rows = nlohmann::json::array();
  std::string text = fmt::format("{:>5} {:<16} {:<15} {:<16} {:>7} {:>7} {:>12} {:>12}\n", "ID",
                                 "TYPE", "NAME", "TAG", "INSNS", "JITED", "RUNS", "RUN_NS");
  (*hive)->for_each_object(hive::ObjectKind::kProg, [&](uint32_t id, void* object, uint64_t size) {
    if (size < sizeof(ProgHeader)) return true;
    auto program = load<ProgHeader>(object);
    program.name[sizeof program.name - 1] = '\0';
    ProgStats stats{};
    if (hive::in_data(program.stats, sizeof stats))
      stats = load<ProgStats>(reinterpret_cast<const void*>(program.stats));
    const spec::ProgTypeRow* type = spec::find_prog_type(static_cast<ProgType>(program.type));
    std::string type_name =
        type != nullptr ? std::string(type->short_name) : std::to_string(program.type);
    if (json) {
      rows.push_back({{"id", id},
                      {"type", type_name},
                      {"name", program.name},
                      {"tag", tag_text(program)},
                      {"insns", program.insn_count},
                      {"jited_bytes", program.code_size},
                      {"runs", stats.run_count},
                      {"run_ns", stats.run_ns},
                      {"recursion_misses", stats.recursion_misses},
                      {"fuel", program.fuel},
                      {"out_of_fuel", stats.out_of_fuel}});
    } else {
      text += fmt::format("{:>5} {:<16} {:<15} {:<16} {:>7} {:>7} {:>12} {:>12}\n", id, type_name,
                          program.name, tag_text(program), program.insn_count, program.code_size,
                          stats.run_count, stats.run_ns);
    }
    return true;
  });
  print(json ? rows.dump() + "\n" : text);
  return kOk;
}

}  // namespace

void add_prog(CLI::App& root, Chosen& chosen) {
  auto* app = root.add_subcommand("prog", "Programs of a running session");
  app->require_subcommand(1);
  auto* list_app = app->add_subcommand("list", "List them");
  struct Options {
    std::string session;
    bool json = false;
  };
  auto options = std::make_shared<Options>();
  list_app->add_option("--session", options->session, "Which session: its process id or name");
  list_app->add_flag("--json", options->json, "Print one JSON array");
  list_app->callback([&chosen, options] {
    chosen.run = [options] { return list(options->session, options->json); };
  });
}

}  // namespace skep::cli
