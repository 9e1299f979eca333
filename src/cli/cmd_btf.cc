// skep btf: types of an object, the kernel or the user engine: dumped as C or as records, compared, made less.
#include <CLI/CLI.hpp>
#include <nlohmann/json.hpp>

#include <algorithm>

#include "base/fd.h"
#include "btf/c_dump.h"
#include "btf/dedup.h"
#include "btf/diff.h"
#include "btf/minimal.h"
#include "cli/btf_source.h"
#include "cli/input.h"

namespace skep::cli {
namespace {

nlohmann::json record(const btf::Type& type) {
  nlohmann::json row{
      {"id", type.id()}, {"kind", btf::kind_name(type.kind())}, {"name", type.name()}};
  switch (type.kind()) {
    case btf::Kind::Int:
      row["size"] = type.size();
      row["bits"] = type.int_bits();
      row["signed"] = type.is_signed();
      break;
    case btf::Kind::Array:
      row["type"] = type.element();
      row["length"] = type.length();
      break;
    case btf::Kind::Struct:
    case btf::Kind::Union: {
      row["size"] = type.size();
      auto members = nlohmann::json::array();
      for (uint32_t i = 0; i < type.vlen(); ++i) {
        btf::Member member = type.member(i);
        nlohmann::json one{
            {"name", member.name}, {"type", member.type}, {"bit_offset", member.bit_offset}};
        if (member.bitfield_size != 0) one["bitfield_size"] = member.bitfield_size;
        members.push_back(std::move(one));
      }
      row["members"] = std::move(members);
      break;
    }
    case btf::Kind::Enum:
    case btf::Kind::Enum64: {
      row["size"] = type.size();
      auto values = nlohmann::json::array();
      for (uint32_t i = 0; i < type.vlen(); ++i) {
        btf::Enumerator value = type.enumerator(i);
        values.push_back({{"name", value.name}, {"value", value.value}});
      }
      row["values"] = std::move(values);
      break;
    }
    case btf::Kind::FuncProto: {
      row["returns"] = type.referenced();
      auto parameters = nlohmann::json::array();
      for (uint32_t i = 0; i < type.vlen(); ++i) {
        btf::Parameter parameter = type.parameter(i);
        parameters.push_back({{"name", parameter.name}, {"type", parameter.type}});
      }
      row["parameters"] = std::move(parameters);
      break;
    }
    case btf::Kind::Datasec: {
      row["size"] = type.size();
      auto variables = nlohmann::json::array();
      for (uint32_t i = 0; i < type.vlen(); ++i) {
        btf::SecVar variable = type.sec_var(i);
        variables.push_back(
            {{"type", variable.type}, {"offset", variable.offset}, {"size", variable.size}});
      }
      row["variables"] = std::move(variables);
      break;
    }
    case btf::Kind::Float: row["size"] = type.size(); break;
    case btf::Kind::Void:
    case btf::Kind::Fwd: break;
    default: row["type"] = type.referenced();
  }
  return row;
}

struct Options {
  std::vector<std::string> sources;
  std::string format = "c", base, output;
  std::vector<std::string> names;
  bool json = false;
};

std::expected<std::shared_ptr<const btf::Btf>, Failure> open_base(const Options& options) {
  if (options.base.empty()) return nullptr;
  return open_btf(options.base);
}

int write_output(const std::string& path, ByteSpan bytes) {
  if (path == "-") {
    print({reinterpret_cast<const char*>(bytes.data()), bytes.size()});
    return kOk;
  }
  auto written = write_file(path, bytes);
  if (!written) return report_failure(written.error(), exit_for(written.error(), kSystem));
  return kOk;
}

int dump(const Options& options) {
  const std::string& source = options.sources.front();
  const std::string& format = options.format;
  const std::vector<std::string>& names = options.names;
  auto base = open_base(options);
  if (!base) return report_failure(base.error().error, base.error().status);
  auto btf = open_btf(source, *base);
  if (!btf) return report_failure(btf.error().error, btf.error().status);
  std::vector<btf::TypeId> roots;
  for (const std::string& name : names) {
    auto found = (*btf)->find_all(name);
    if (found.empty()) {
      return report_failure(Error(ENOENT, fmt::format("{}: no type is named \"{}\"", source, name)),
                            kFailed);
    }
    roots.insert(roots.end(), found.begin(), found.end());
  }
  if (format == "c") {
    print(names.empty() ? btf::dump_c(**btf) : btf::dump_c(**btf, roots, {.as_vmlinux_h = false}));
    return kOk;
  }
  if (names.empty()) {
    for (btf::TypeId id = (*btf)->type_begin(); id < (*btf)->type_end(); ++id) roots.push_back(id);
  }
  for (btf::TypeId id : roots) {
    nlohmann::json row = record((*btf)->type(id));
    if (format == "json") {
      print(row.dump() + "\n");
      continue;
    }
    std::string line = fmt::format("[{}] {} '{}'", id, row["kind"].get<std::string>(),
                                   row["name"].get<std::string>());
    for (const auto& [key, value] : row.items()) {
      if (key != "id" && key != "kind" && key != "name" && !value.is_array())
        line += fmt::format(" {}={}", key, value.dump());
    }
    print(line + "\n");
    for (const char* list : {"members", "values", "parameters", "variables"}) {
      if (!row.contains(list)) continue;
      for (const auto& item : row[list]) {
        std::string text = "\t";
        for (const auto& [key, value] : item.items()) {
          if (text.size() > 1) text += ' ';
          text +=
              fmt::format("{}={}", key,
                          value.is_string() ? "'" + value.get<std::string>() + "'" : value.dump());
        }
        print(text + "\n");
      }
    }
  }
  return kOk;
}

std::string_view word_for(btf::Difference::What what) {
  switch (what) {
    case btf::Difference::What::Added: return "added";
    case btf::Difference::What::Removed: return "removed";
    case btf::Difference::What::Changed: return "changed";
  }
  return "";
}

int diff(const Options& options) {
  auto before = open_btf(options.sources[0]);
  if (!before) return report_failure(before.error().error, before.error().status);
  auto after = open_btf(options.sources[1]);
  if (!after) return report_failure(after.error().error, after.error().status);
  bool found = false;
  for (const btf::Difference& one : btf::diff(**before, **after)) {
    if (!options.names.empty() && std::ranges::find(options.names, one.name) == options.names.end())
      continue;
    found = true;
    if (options.json) {
      print(nlohmann::json{{"what", word_for(one.what)},
                           {"kind", btf::kind_name(one.kind)},
                           {"name", one.name},
                           {"details", one.details}}
                .dump() +
            "\n");
      continue;
    }
    print(fmt::format("{} {} {}\n", word_for(one.what), btf::kind_name(one.kind), one.name));
    for (const std::string& detail : one.details) print("    " + detail + "\n");
  }
  return found ? kFailed : kOk;
}

int dedup(const Options& options) {
  std::vector<std::shared_ptr<const btf::Btf>> inputs;
  for (const std::string& source : options.sources) {
    auto btf = open_btf(source);
    if (!btf) return report_failure(btf.error().error, btf.error().status);
    inputs.push_back(std::move(*btf));
  }
  auto whole = btf::concatenate(inputs).builder.finish();
  if (!whole) return report_failure(whole.error(), kBadInput);
  auto base = open_base(options);
  if (!base) return report_failure(base.error().error, base.error().status);
  if (*base) {
    auto bytes = btf::split(*whole, *base);
    if (!bytes) return report_failure(bytes.error(), kBadInput);
    return write_output(options.output, *bytes);
  }
  auto result = btf::dedup(*whole);
  if (!result) return report_failure(result.error(), kBadInput);
  return write_output(options.output, result->builder.bytes());
}

// The least that the objects' CO-RE relocations need of a kernel's BTF.
int minimal(const Options& options) {
  auto target = open_btf(options.sources.front());
  if (!target) return report_failure(target.error().error, target.error().status);
  btf::MinimalBtf minimal(**target);
  const std::span<const std::shared_ptr<const btf::Btf>> targets(&*target, 1);
  for (size_t i = 1; i < options.sources.size(); ++i) {
    auto object = open_input(options.sources[i]);
    if (!object) return report_failure(object.error().error, object.error().status);
    if (!(*object)->btf()) continue;
    btf::CoreResolver resolver(*(*object)->btf(), targets);
    for (const btf::CoreRelocation& relocation : (*object)->core_relocations()) {
      auto added = minimal.add(resolver, relocation);
      if (!added) return report_failure(Error(added.error()).within(options.sources[i]), kBadInput);
    }
  }
  return write_output(options.output, minimal.bytes());
}

}  // namespace

void add_btf(CLI::App& root, Chosen& chosen) {
  auto* app = root.add_subcommand("btf", "Inspect types");
  app->require_subcommand(1);
  auto options = std::make_shared<Options>();
  auto command = [&](const char* name, const char* text, int (*run)(const Options&)) {
    auto* sub = app->add_subcommand(name, text);
    sub->callback(
        [&chosen, options, run] { chosen.run = [options, run] { return run(*options); }; });
    return sub;
  };
  auto add_output = [&](CLI::App* sub) {
    sub->add_option("-o,--output", options->output, "The BTF to write; - is standard output")
        ->required();
  };
  constexpr const char* kSource =
      "A file (object or bare BTF), \"kernel\", \"kernel:MODULE\", or \"user\": the user engine's "
      "own";

  auto* dump_app = command("dump", "Print the types of SOURCE", dump);
  dump_app->add_option("SOURCE", options->sources, kSource)->required()->expected(1);
  dump_app
      ->add_option("--format", options->format, "c, raw (a record a line), json (a record a line)")
      ->check(CLI::IsMember({"c", "raw", "json"}))
      ->capture_default_str();
  dump_app->add_flag_callback(
      "--json", [options] { options->format = "json"; }, "The same as --format json");
  dump_app->add_option("--type", options->names, "Only these types, in C with what they need");
  dump_app->add_option("--base", options->base, "What SOURCE's split BTF is on");

  auto* diff_app = command("diff", "Say how types differ; exit status 1 where they do", diff);
  diff_app->add_option("SOURCES", options->sources, kSource)->required()->expected(2);
  diff_app->add_option("--type", options->names, "Only types of these names");
  diff_app->add_flag("--json", options->json, "Print JSON, one difference a line");

  auto* dedup_app = command("dedup", "Merge types of several sources, each type once", dedup);
  dedup_app->add_option("SOURCE", options->sources, kSource)->required();
  dedup_app->add_option("--base", options->base, "Write split BTF: only what this one lacks");
  add_output(dedup_app);

  auto* min_app =
      command("min", "Write the BTF that objects need of a kernel's, and no more", minimal);
  min_app->add_option("SOURCES", options->sources, "The kernel's BTF, then objects")
      ->required()
      ->expected(2, 10'000);
  add_output(min_app);
}

}  // namespace skep::cli
