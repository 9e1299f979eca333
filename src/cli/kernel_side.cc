#include "cli/kernel_side.h"

#include <algorithm>

#include "cli/map_contents.h"
#include "spec/map_types.h"

namespace skep::cli {

using Shape = report::MapContents::Shape;

btf::TypeId record_type(const object::Object& object, const object::MapSpec& map) {
  auto said = package::parse_annotations(map.comment);
  if (!said) {
    warn(Error(said.error()).within("map " + map.name).text());
    return map.value_type;
  }
  if (!said->exported || !object.btf()) return map.value_type;
  for (btf::Kind kind : {btf::Kind::Struct, btf::Kind::Typedef, btf::Kind::Union})
    if (auto found = object.btf()->find(*said->exported, kind)) return *found;
  warn(fmt::format("map {}: @export: the object's BTF has no type \"{}\"", map.name,
                   *said->exported));
  return map.value_type;
}

void shape_as_sampled(const object::MapSpec& map, report::MapContents& contents) {
  auto said = package::parse_annotations(map.comment);
  if (!said || !said->sample) return;
  contents.unit = said->sample->unit;
  switch (said->sample->kind) {
    case package::SampleKind::automatic: break;
    case package::SampleKind::log2_hist: contents.shape = Shape::log2; break;
    case package::SampleKind::linear_hist: contents.shape = Shape::linear; break;
    case package::SampleKind::table: contents.shape = Shape::table; break;
  }
}

Sampler::Sampler(const loader::Loader& loader, bool json) : loader_(loader), json_(json) {
  for (const loader::LoadedMap& map : loader.maps()) {
    auto said = package::parse_annotations(map.spec->comment);
    if (!said) {
      warn(Error(said.error()).within("map " + map.spec->name).text());
      continue;
    }
    if (!said->sample) continue;
    rows_.push_back(
        {&map, *said->sample, Clock::now() + std::chrono::milliseconds(said->sample->interval_ms)});
  }
}

std::chrono::milliseconds Sampler::wait(std::chrono::milliseconds limit) const {
  for (const Row& row : rows_) {
    const auto left = std::chrono::ceil<std::chrono::milliseconds>(row.due - Clock::now());
    limit = std::min(limit, std::max(left, std::chrono::milliseconds(0)));
  }
  return limit;
}

void Sampler::print_due() {
  for (Row& row : rows_) {
    const auto now = Clock::now();
    if (row.due > now) continue;
    print_sample(row);
    // What was missed while we were stopped is not made up for.
    row.due = std::max(row.due, now) + std::chrono::milliseconds(row.sample.interval_ms);
  }
}

void Sampler::print_sample(const Row& row) {
  auto contents = read_map(loader_.engine(), row.map->fd.get(), loader_.object().btf());
  if (!contents) {
    warn(Error(contents.error()).within("@sample of map " + row.map->spec->name).text());
    return;
  }
  contents->name = row.map->spec->name;
  contents->key_type = row.map->spec->key_type;
  contents->value_type = row.map->spec->value_type;
  shape_as_sampled(*row.map->spec, *contents);
  const std::string_view type = map_type_name(static_cast<uint32_t>(row.map->spec->type));
  print(json_ ? report::map_to_json(*contents, type) + "\n"
              : fmt::format("\n{} ({}):\n{}", contents->name, type, report::format_map(*contents)));
  if (row.sample.clear) clear(row, *contents);
}

void Sampler::clear(const Row& row, const report::MapContents& contents) {
  using engine::Cmd;
  const object::MapSpec& spec = *row.map->spec;
  const bool is_array =
      spec.type == MapType::BPF_MAP_TYPE_ARRAY || spec.type == MapType::BPF_MAP_TYPE_PERCPU_ARRAY;
  const std::vector<std::byte> zero(((size_t{spec.value_size} + 7) & ~size_t{7}) *
                                    loader_.engine().possible_cpus());
  for (const report::MapElement& element : contents.elements) {
    engine::MapElemAttr attr;
    attr.map_fd = static_cast<uint32_t>(row.map->fd.get());
    attr.key = reinterpret_cast<uint64_t>(element.key.data());
    attr.value = is_array ? reinterpret_cast<uint64_t>(zero.data()) : 0;
    // One that a program deleted meanwhile is gone already.
    (void)loader_.engine().call(is_array ? Cmd::BPF_MAP_UPDATE_ELEM : Cmd::BPF_MAP_DELETE_ELEM,
                                attr);
  }
}

}  // namespace skep::cli
