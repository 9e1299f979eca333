// skep map: the maps of a running session.
#include <CLI/CLI.hpp>
#include <nlohmann/json.hpp>

#include <charconv>

#include "cli/inspect.h"
#include "cli/map_contents.h"
#include "cli/typed_bytes.h"
#include "maps/control/maps.h"
#include "spec/map_types.h"

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

struct Options {
  std::string session, map, key, value;
  bool json = false, exists = false, absent = false;
};

// A map of a session, by id or name, with what it takes to read its elements.
struct FoundMap {
  std::unique_ptr<Hive> hive;
  MapHeader header;
  std::shared_ptr<const btf::Btf> btf;
  std::vector<std::byte> key;
};

std::expected<FoundMap, Failure> find_map(const Options& options) {
  auto hive = open_session(options.session);
  if (!hive) return std::unexpected(hive.error());
  const MapHeader* found = nullptr;
  (*hive)->for_each_object(hive::ObjectKind::kMap, [&](uint32_t id, void* object, uint64_t size) {
    if (size < sizeof(MapHeader)) return true;
    auto map = load<MapHeader>(object);
    if (options.map == std::to_string(id) || options.map == map_name(map))
      found = static_cast<const MapHeader*>(object);
    return found == nullptr;
  });
  if (found == nullptr) {
    return failure(kFailed, Error(ENOENT, fmt::format("the session has no map \"{}\"", options.map))
                                .with_hint("skep map list"));
  }
  auto header = maps::checked_header(found);
  if (!header) return failure(kUnavailable, header.error());
  FoundMap map{std::move(*hive), *header, nullptr, {}};
  map.btf = btf_of(*map.hive, map.header);
  return map;
}

// The same, with KEY read.
std::expected<FoundMap, Failure> find_element(const Options& options) {
  auto map = find_map(options);
  if (!map) return map;
  auto key = typed_bytes(map->btf.get(), map->btf ? map->header.btf_key_type_id : 0,
                         map->header.key_size, options.key);
  if (!key) return failure(kUsage, Error(key.error()).within("KEY"));
  map->key = std::move(*key);
  return map;
}

// "No such element" is an answer, not a failure of ours.
int report_element(const Error& error, const FoundMap& map) {
  const Exit status = error.code() == ENOENT || error.code() == EEXIST ? kFailed
                      : error.code() == E2BIG                          ? kSystem
                                                                       : kUnavailable;
  return report_failure(Error(error).within("map " + map_name(map.header)), status);
}

int dump(const Options& options) {
  auto map = find_map(options);
  if (!map) return report_failure(map.error().error, map.error().status);
  auto contents = read_map(map->header, map->btf);
  if (!contents) return report_failure(contents.error(), exit_for(contents.error(), kUnavailable));
  print(options.json ? report::map_to_json(*contents, map_type_name(map->header.type)) + "\n"
                     : report::format_map(*contents));
  return kOk;
}

int lookup(const Options& options) {
  auto map = find_element(options);
  if (!map) return report_failure(map.error().error, map.error().status);
  const size_t whole = maps::user_value_size(map->header);
  std::vector<std::byte> value(whole);
  auto found = maps::lookup_elem(map->header, map->key, value);
  if (!found) return report_element(found.error(), *map);
  report::MapContents contents;
  contents.name = map_name(map->header);
  contents.type = static_cast<MapType>(map->header.type);
  contents.btf = map->btf;
  contents.key_type = map->btf ? map->header.btf_key_type_id : 0;
  contents.value_type = map->btf ? map->header.btf_value_type_id : 0;
  report::MapElement& element = contents.elements.emplace_back();
  element.key = map->key;
  const spec::MapTypeRow* row = spec::find_map_type(contents.type);
  const size_t copies = row != nullptr && row->per_cpu ? map->header.slots : 1;
  for (size_t copy = 0; copy < copies; ++copy) {
    auto begin = value.begin() + static_cast<ptrdiff_t>(copy * (whole / copies));
    element.values.emplace_back(begin, begin + map->header.value_size);
  }
  // Tables of arrays leave zeros out; this one was asked for.
  if (!options.json && map->btf) contents.type = MapType::BPF_MAP_TYPE_HASH;
  print(options.json ? report::map_to_json(contents, map_type_name(map->header.type)) + "\n"
                     : report::format_map(contents));
  return kOk;
}

int update(const Options& options) {
  auto map = find_element(options);
  if (!map) return report_failure(map.error().error, map.error().status);
  auto value = typed_bytes(map->btf.get(), map->btf ? map->header.btf_value_type_id : 0,
                           map->header.value_size, options.value);
  if (!value) return report_failure(Error(value.error()).within("VALUE"), kUsage);
  // Every copy of a per-CPU value gets it.
  const size_t whole = maps::user_value_size(map->header);
  std::vector<std::byte> copies(whole);
  const size_t stride = whole == map->header.value_size ? whole : (value->size() + 7) & ~size_t{7};
  for (size_t at = 0; stride > 0 && at + value->size() <= whole; at += stride)
    std::ranges::copy(*value, copies.begin() + static_cast<ptrdiff_t>(at));
  constexpr uint64_t kNoExist = 1, kExist = 2;  // BPF_NOEXIST, BPF_EXIST
  auto done = maps::update_elem(map->header, map->key, copies,
                                options.absent   ? kNoExist
                                : options.exists ? kExist
                                                 : 0);
  return done ? int{kOk} : report_element(done.error(), *map);
}

int remove(const Options& options) {
  auto map = find_element(options);
  if (!map) return report_failure(map.error().error, map.error().status);
  auto done = maps::delete_elem(map->header, map->key);
  return done ? int{kOk} : report_element(done.error(), *map);
}

}  // namespace

void add_map(CLI::App& root, Chosen& chosen) {
  auto* app = root.add_subcommand("map", "Maps of a running session");
  app->require_subcommand(1);
  auto options = std::make_shared<Options>();
  constexpr const char* kText =
      "By the map's BTF: 5, 0x1f, true, RED, \"text\", [1,2], {\"pid\":3}; or bytes: hex:0a0b0c0d";
  auto* list_app = app->add_subcommand("list", "List them");
  auto* dump_app = app->add_subcommand("dump", "Print a map's elements, decoded by its BTF");
  auto* lookup_app = app->add_subcommand("lookup", "Print the element of a key");
  auto* update_app = app->add_subcommand("update", "Set the value of a key");
  auto* delete_app = app->add_subcommand("delete", "Delete the element of a key");
  for (CLI::App* sub : {dump_app, lookup_app, update_app, delete_app})
    sub->add_option("MAP", options->map, "Its id or name")->required();
  for (CLI::App* sub : {lookup_app, update_app, delete_app})
    sub->add_option("KEY", options->key, kText)->required();
  update_app->add_option("VALUE", options->value, kText)->required();
  auto* exists = update_app->add_flag("--exist", options->exists, "Only where the key is there");
  update_app->add_flag("--noexist", options->absent, "Only where it is not")->excludes(exists);
  for (CLI::App* sub : {list_app, dump_app, lookup_app, update_app, delete_app})
    sub->add_option("--session", options->session, "Which session: its process id or name");
  for (CLI::App* sub : {list_app, dump_app, lookup_app})
    sub->add_flag("--json", options->json, "Print JSON");
  list_app->callback([&chosen, options] {
    chosen.run = [options] { return list(options->session, options->json); };
  });
  auto command = [&](CLI::App* sub, int (*run)(const Options&)) {
    sub->callback(
        [&chosen, options, run] { chosen.run = [options, run] { return run(*options); }; });
  };
  command(dump_app, dump);
  command(lookup_app, lookup);
  command(update_app, update);
  command(delete_app, remove);
}

}  // namespace skep::cli
