// skep btf: dump types of an object, the kernel or the user engine, as C or as records.
#include <CLI/CLI.hpp>
#include <nlohmann/json.hpp>

#include "base/fd.h"
#include "btf/btf.h"
#include "btf/c_dump.h"
#include "btf/user_engine/user_engine.h"
#include "cli/input.h"

namespace skep::cli {
namespace {

std::expected<std::shared_ptr<const btf::Btf>, Failure> open_btf(const std::string& source) {
  if (source == "user") return btf::user_engine_btf();
  std::string path = source == "kernel" ? "/sys/kernel/btf/vmlinux" : source;
  auto bytes = read_file(path);
  if (!bytes) return failure(exit_for(bytes.error(), kNoInput), bytes.error());
  constexpr uint16_t kMagic = 0xeb9f;
  bool bare = bytes->size() >= 2 && (load<uint16_t>(bytes->data()) == kMagic ||
                                     load<uint16_t>(bytes->data()) == std::byteswap(kMagic));
  if (bare) {
    auto parsed = btf::Btf::parse(*bytes);
    if (!parsed) return failure(kBadInput, Error(parsed.error()).within(path));
    return *parsed;
  }
  auto object = open_input(path);
  if (!object) return std::unexpected(object.error());
  if (!(*object)->btf()) {
    return failure(kBadInput,
                   Error(ENOENT, path + ": it has no BTF").with_hint("compile it with -g"));
  }
  return (*object)->btf();
}

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

int dump(const std::string& source, const std::string& format,
         const std::vector<std::string>& names) {
  auto btf = open_btf(source);
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

}  // namespace

void add_btf(CLI::App& root, Chosen& chosen) {
  auto* app = root.add_subcommand("btf", "Inspect types");
  app->require_subcommand(1);
  auto* dump_app = app->add_subcommand("dump", "Print the types of SOURCE");
  struct Options {
    std::string source, format = "c";
    std::vector<std::string> names;
  };
  auto options = std::make_shared<Options>();
  dump_app
      ->add_option("SOURCE", options->source,
                   "A file (object or bare BTF), \"kernel\", or \"user\": the user engine's own")
      ->required();
  dump_app
      ->add_option("--format", options->format, "c, raw (a record a line), json (a record a line)")
      ->check(CLI::IsMember({"c", "raw", "json"}))
      ->capture_default_str();
  dump_app->add_flag_callback(
      "--json", [options] { options->format = "json"; }, "The same as --format json");
  dump_app->add_option("--type", options->names, "Only these types, in C with what they need");
  dump_app->callback([&chosen, options] {
    chosen.run = [options] { return dump(options->source, options->format, options->names); };
  });
}

}  // namespace skep::cli
