// skep map: the maps of a running session.
#include <CLI/CLI.hpp>
#include <nlohmann/json.hpp>

#include <charconv>

#include "cli/inspect.h"
#include "cli/map_contents.h"
#include "maps/control/maps.h"

namespace skep::cli {
namespace {

int list(const std::string& which, bool json) {
  auto hive = open_session(which);
  if (!hive) return report_failure(hive.error().error, hive.error().status);
  auto rows = nlohmann::json::array();
  std::string text = fmt::format("{:>5} {:<18} {:<15} {:>6} {:>8} {:>12} {:>12}\n", "ID", "TYPE",
                                 "NAME", "KEY", "VALUE", "MAX_ENTRIES", "BYTES");
  (*hive)->for_each_object(hive::ObjectKind::kMap, [&](uint32_t id, void* object, uint64_t size) {
    if (size < sizeof(MapHeader)) return true;
    auto map = load<MapHeader>(object);
    if (json) {
      rows.push_back({{"id", id},
                      {"type", map_type_name(map.type)},
                      {"name", map_name(map)},
                      {"key_size", map.key_size},
                      {"value_size", map.value_size},
                      {"max_entries", map.max_entries},
                      {"flags", map.map_flags},
                      {"bytes", map.data_size},
                      {"frozen", map.frozen != 0}});
    } else {
      text += fmt::format("{:>5} {:<18} {:<15} {:>6} {:>8} {:>12} {:>12}\n", id,
                          map_type_name(map.type), map_name(map), map.key_size, map.value_size,
                          map.max_entries, map.data_size);
    }
    return true;
  });
  print(json ? rows.dump() + "\n" : text);
  return kOk;
}

int dump(const std::string& which, const std::string& wanted, bool json) {
  auto hive = open_session(which);
  if (!hive) return report_failure(hive.error().error, hive.error().status);
  const MapHeader* found = nullptr;
  (*hive)->for_each_object(hive::ObjectKind::kMap, [&](uint32_t id, void* object, uint64_t size) {
    if (size < sizeof(MapHeader)) return true;
    auto map = load<MapHeader>(object);
    if (wanted == std::to_string(id) || wanted == map_name(map))
      found = static_cast<const MapHeader*>(object);
    return found == nullptr;
  });
  if (found == nullptr) {
    return report_failure(Error(ENOENT, fmt::format("the session has no map \"{}\"", wanted))
                              .with_hint("skep map list"),
                          kFailed);
  }
  auto header = maps::checked_header(found);
  if (!header) return report_failure(header.error(), kUnavailable);
  auto contents = read_map(*header, btf_of(**hive, *header));
  if (!contents) return report_failure(contents.error(), exit_for(contents.error(), kUnavailable));
  print(json ? report::map_to_json(*contents, map_type_name(header->type)) + "\n"
             : report::format_map(*contents));
  return kOk;
}

}  // namespace

void add_map(CLI::App& root, Chosen& chosen) {
  auto* app = root.add_subcommand("map", "Maps of a running session");
  app->require_subcommand(1);
  struct Options {
    std::string session, map;
    bool json = false;
  };
  auto options = std::make_shared<Options>();
  auto* list_app = app->add_subcommand("list", "List them");
  auto* dump_app = app->add_subcommand("dump", "Print a map's elements, decoded by its BTF");
  dump_app->add_option("MAP", options->map, "Its id or name")->required();
  for (CLI::App* sub : {list_app, dump_app}) {
    sub->add_option("--session", options->session, "Which session: its process id or name");
    sub->add_flag("--json", options->json, "Print JSON");
  }
  list_app->callback([&chosen, options] {
    chosen.run = [options] { return list(options->session, options->json); };
  });
  dump_app->callback([&chosen, options] {
    chosen.run = [options] { return dump(options->session, options->map, options->json); };
  });
}

}  // namespace skep::cli
