#include "cli/map_contents.h"

#include <algorithm>

#include "maps/control/maps.h"
#include "spec/map_types.h"

namespace skep::cli {
namespace {

bool readable(uint32_t type) {
  switch (static_cast<MapType>(type)) {
    case MapType::BPF_MAP_TYPE_HASH:
    case MapType::BPF_MAP_TYPE_ARRAY:
    case MapType::BPF_MAP_TYPE_PERCPU_HASH:
    case MapType::BPF_MAP_TYPE_PERCPU_ARRAY:
    case MapType::BPF_MAP_TYPE_LRU_HASH:
    case MapType::BPF_MAP_TYPE_LRU_PERCPU_HASH:
    case MapType::BPF_MAP_TYPE_LPM_TRIE:
    case MapType::BPF_MAP_TYPE_STACK_TRACE: return true;
    default: return false;
  }
}

}  // namespace

std::string_view map_type_name(uint32_t type) {
  const spec::MapTypeRow* row = spec::find_map_type(static_cast<MapType>(type));
  return row != nullptr ? row->short_name : "unknown";
}

std::string map_name(const MapHeader& map) {
  return {map.name,
          static_cast<size_t>(std::find(map.name, map.name + sizeof map.name, '\0') - map.name)};
}

bool holds_results(const MapHeader& map) {
  // What the loader filled and froze (.rodata), or keeps for bpf/usdt.bpf.h, is the program's, not a result.
  return !map_name(map).starts_with("__bpf_usdt_") && readable(map.type) && map.frozen == 0 &&
         static_cast<MapType>(map.type) != MapType::BPF_MAP_TYPE_STACK_TRACE;
}

Result<report::MapContents> read_map(const MapHeader& map, std::shared_ptr<const btf::Btf> btf,
                                     size_t limit) {
  if (!readable(map.type)) {
    return fail(EOPNOTSUPP, "map {}: a {} map has no elements to read", map_name(map),
                map_type_name(map.type));
  }
  report::MapContents contents;
  contents.name = map_name(map);
  contents.type = static_cast<MapType>(map.type);
  contents.key_type = btf ? map.btf_key_type_id : 0;
  contents.value_type = btf ? map.btf_value_type_id : 0;
  contents.btf = std::move(btf);
  const spec::MapTypeRow* row = spec::find_map_type(contents.type);
  size_t copies = row != nullptr && row->per_cpu ? map.slots : 1;
  size_t whole = maps::user_value_size(map);
  std::vector<std::byte> value(whole);
  std::vector<std::byte> key(map.key_size);
  ByteSpan previous;
  std::vector<std::byte> last;
  // A scribbled map may give keys that are not there, round and round: each element can be missed once.
  uint64_t misses = 0;
  while (contents.elements.size() < limit && misses <= map.max_entries) {
    auto next = maps::next_key(map, previous, key);
    if (!next) {
      if (next.error().code() == ENOENT) break;
      return fail(next);
    }
    last = key;
    previous = last;
    auto found = maps::lookup_elem(map, key, value);
    if (!found) {
      if (found.error().code() == ENOENT) {  // deleted under our eyes
        ++misses;
        continue;
      }
      return fail(found);
    }
    report::MapElement& element = contents.elements.emplace_back();
    element.key = key;
    size_t stride = whole / copies;
    for (size_t copy = 0; copy < copies; ++copy) {
      auto begin = value.begin() + static_cast<ptrdiff_t>(copy * stride);
      element.values.emplace_back(
          begin, begin + static_cast<ptrdiff_t>(std::min<size_t>(stride, map.value_size)));
    }
  }
  return contents;
}

Result<report::MapContents> read_map(engine::Engine& engine, int fd,
                                     std::shared_ptr<const btf::Btf> btf, size_t limit) {
  using engine::Cmd;
  engine::MapInfo info;
  engine::ObjInfoAttr ask{.bpf_fd = static_cast<uint32_t>(fd),
                          .info_len = sizeof info,
                          .info = reinterpret_cast<uint64_t>(&info)};
  if (int64_t result = engine.call(Cmd::BPF_OBJ_GET_INFO_BY_FD, ask); result < 0)
    return fail_errno(static_cast<int>(-result), "the map's description");
  if (!readable(info.type) || static_cast<MapType>(info.type) == MapType::BPF_MAP_TYPE_STACK_TRACE)
    return fail(EOPNOTSUPP, "a {} map has no elements to read", map_type_name(info.type));
  report::MapContents contents;
  contents.name = info.name;
  contents.type = static_cast<MapType>(info.type);
  contents.key_type = btf ? info.btf_key_type_id : 0;
  contents.value_type = btf ? info.btf_value_type_id : 0;
  contents.btf = std::move(btf);
  const spec::MapTypeRow* row = spec::find_map_type(contents.type);
  const bool per_cpu = row != nullptr && row->per_cpu;
  const size_t copies = per_cpu ? engine.possible_cpus() : 1;
  const size_t stride = per_cpu ? (size_t{info.value_size} + 7) & ~size_t{7} : info.value_size;
  std::vector<std::byte> key(info.key_size), next(info.key_size), value(stride * copies);
  bool first = true;
  while (contents.elements.size() < limit) {
    engine::MapElemAttr attr;
    attr.map_fd = static_cast<uint32_t>(fd);
    attr.key = first ? 0 : reinterpret_cast<uint64_t>(key.data());
    attr.value = reinterpret_cast<uint64_t>(next.data());
    if (engine.call(Cmd::BPF_MAP_GET_NEXT_KEY, attr) < 0) break;
    first = false;
    key = next;
    attr.key = reinterpret_cast<uint64_t>(key.data());
    attr.value = reinterpret_cast<uint64_t>(value.data());
    if (engine.call(Cmd::BPF_MAP_LOOKUP_ELEM, attr) < 0) continue;  // deleted under our eyes
    report::MapElement& element = contents.elements.emplace_back();
    element.key = key;
    for (size_t copy = 0; copy < copies; ++copy) {
      auto begin = value.begin() + static_cast<ptrdiff_t>(copy * stride);
      element.values.emplace_back(begin, begin + static_cast<ptrdiff_t>(info.value_size));
    }
  }
  return contents;
}

}  // namespace skep::cli
