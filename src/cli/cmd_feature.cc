// skep feature: what each engine has, from the tables of spec/.
#include <CLI/CLI.hpp>
#include <nlohmann/json.hpp>

#include "cli/command.h"
#include "engine/kernel/kernel_engine.h"
#include "spec/attach_types.h"
#include "spec/commands.h"
#include "spec/features.h"
#include "spec/helpers.h"
#include "spec/map_types.h"
#include "spec/prog_types.h"
#include "spec/sections.h"

namespace skep::cli {
namespace {

struct Feature {
  std::string kind, name;
  KernelVersion since = 0;
  bool user = false;
  std::string reason;
};

std::string version_text(KernelVersion since) {
  return since == 0 ? "" : fmt::format("{}.{}", since >> 8, since & 0xff);
}

template <class Rows>
void collect(std::vector<Feature>& features, std::string_view kind, const Rows& rows) {
  for (const auto& row : rows) {
    features.push_back({std::string(kind), std::string(row.name), row.since,
                        row.user == spec::UserStatus::works, std::string(row.user_reason)});
  }
}

std::vector<Feature> all_features() {
  std::vector<Feature> features;
  collect(features, "program_type", spec::prog_types());
  collect(features, "map_type", spec::map_types());
  collect(features, "attach_type", spec::attach_types());
  for (const spec::Helper& helper : spec::helpers()) {
    // A helper's variants follow one another: it works where one of them does.
    std::string name = "bpf_" + std::string(helper.name);
    bool works = helper.user == spec::UserStatus::works;
    if (!features.empty() && features.back().kind == "helper" && features.back().name == name) {
      features.back().user |= works;
      if (works) features.back().reason.clear();
      continue;
    }
    features.push_back({"helper", name, helper.since, works, std::string(helper.user_reason)});
  }
  for (const spec::FeatureRow& row : spec::features())
    features.push_back({"verifier", std::string(row.name), row.since, true, {}});
  return features;
}

int run(bool json, const std::string& kind, const std::string& pattern) {
  std::vector<Feature> features = all_features();
  std::erase_if(features, [&](const Feature& feature) {
    return (!kind.empty() && feature.kind != kind) ||
           (!pattern.empty() && feature.name.find(pattern) == std::string::npos);
  });
  auto kernel = engine::make_kernel_engine();
  if (json) {
    auto rows = nlohmann::json::array();
    for (const Feature& feature : features) {
      nlohmann::json row{
          {"kind", feature.kind}, {"name", feature.name}, {"user_engine", feature.user}};
      if (feature.since != 0) row["since"] = version_text(feature.since);
      if (!feature.user && !feature.reason.empty()) row["reason"] = feature.reason;
      rows.push_back(std::move(row));
    }
    nlohmann::json all{{"features", rows}, {"kernel_engine", kernel.has_value()}};
    if (!kernel) all["kernel_engine_reason"] = kernel.error().text();
    print(all.dump() + "\n");
    return kOk;
  }
  std::string text =
      fmt::format("kernel engine: {}\n\n", kernel ? "usable" : kernel.error().text());
  text += fmt::format("{:<13} {:<42} {:<7} {:<12} {}\n", "KIND", "NAME", "LINUX", "USER ENGINE",
                      "WHY NOT");
  for (const Feature& feature : features) {
    std::string line = fmt::format("{:<13} {:<42} {:<7} {:<12} {}", feature.kind, feature.name,
                                   version_text(feature.since), feature.user ? "works" : "refused",
                                   feature.user ? "" : feature.reason);
    line.erase(line.find_last_not_of(' ') + 1);
    text += line + "\n";
  }
  print(text);
  return kOk;
}

}  // namespace

void add_feature(CLI::App& root, Chosen& chosen) {
  auto* app = root.add_subcommand("feature",
                                  "List what the engines have: program, map and attach types, "
                                  "helpers, what the verifier learnt");
  struct Options {
    bool json = false;
    std::string kind, pattern;
  };
  auto options = std::make_shared<Options>();
  app->add_flag("--json", options->json, "Print one JSON object");
  app->add_option("--kind", options->kind, "Only one kind")
      ->check(CLI::IsMember({"program_type", "map_type", "attach_type", "helper", "verifier"}));
  app->add_option("PATTERN", options->pattern, "Only names that contain this");
  app->callback([&chosen, options] {
    chosen.run = [options] { return run(options->json, options->kind, options->pattern); };
  });
}

}  // namespace skep::cli
