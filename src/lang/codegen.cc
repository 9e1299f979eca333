#include "lang/codegen.h"

#include <algorithm>
#include <cstring>

#include "btf/builder.h"
#include "lang/analysis.h"
#include "lang/parser.h"
#include "lang/program_writer.h"
#include "object/built.h"

namespace skep::lang {
namespace {

constexpr uint32_t kMaxEntries = 4096;

// The BTF of the maps, so that whoever reads them can print them.
class MapTypes {
 public:
  MapTypes() {
    number_ = builder_.add_int("long long", 8, true);
    unsigned_ = builder_.add_int("unsigned long long", 8, false);
    char_ = builder_.add_int("char", 1, true, true);
    string_ = builder_.add_array(char_, kStringSize, unsigned_);
  }
  btf::TypeId of(Type type) const { return type == Type::string ? string_ : number_; }
  btf::TypeId key(const MapInfo& map) {
    if (map.keys.empty()) return number_;
    std::vector<std::string> names = map.key_names;
    for (size_t i = 0; i < names.size(); ++i) {
      std::string& name = names[i];
      std::replace(name.begin(), name.end(), '.', '_');
      if (name.empty() || std::count(names.begin(), names.end(), name) > 1)
        name = names.size() == 1 ? "key" : fmt::format("key{}", i + 1);
    }
    std::vector<btf::Member> members;
    uint32_t offset = 0;
    for (size_t i = 0; i < map.keys.size(); ++i) {
      members.push_back({names[i], of(map.keys[i]), offset * 8, 0});
      offset += size_of(map.keys[i]);
    }
    return builder_.add_composite(btf::Kind::Struct, "key_" + map.name, offset, members);
  }
  btf::TypeId value(Type type) {
    switch (type) {
      case Type::count: return unsigned_;
      case Type::min:
      case Type::max:
      case Type::avg:
        return builder_.add_composite(btf::Kind::Struct, "of_values", 16,
                                      {{"value", number_, 0, 0}, {"values", unsigned_, 64, 0}});
      case Type::hist: {
        btf::TypeId slots = builder_.add_array(unsigned_, 64, unsigned_);
        return builder_.add_composite(btf::Kind::Struct, "hist", 512, {{"slots", slots, 0, 0}});
      }
      default: return of(type);
    }
  }
  // Of what merge() gives.
  btf::TypeId shown(Type type, btf::TypeId stored) const {
    return type == Type::min || type == Type::max || type == Type::avg ? number_ : stored;
  }
  Result<std::shared_ptr<const btf::Btf>> finish() const { return builder_.finish(); }

 private:
  btf::BtfBuilder builder_;
  btf::TypeId number_ = 0, unsigned_ = 0, char_ = 0, string_ = 0;
};

std::string identifier(std::string_view text) {
  std::string name;
  for (char c : text) name += std::isalnum(static_cast<unsigned char>(c)) != 0 ? c : '_';
  return name;
}

}  // namespace

Result<Compiled> generate(const Script& script) {
  object::ObjectParts parts;
  parts.name = script.file;
  parts.license = "GPL";
  MapTypes types;
  std::vector<ShownMap> shown;
  for (const MapInfo& info : script.maps) {
    object::MapSpec& map = parts.maps.emplace_back();
    map.name = info.name.empty() ? "_" : info.name;
    map.type =
        is_aggregation(info.type) ? MapType::BPF_MAP_TYPE_PERCPU_HASH : MapType::BPF_MAP_TYPE_HASH;
    map.key_size = key_size(info);
    map.value_size = size_of(info.type);
    map.max_entries = kMaxEntries;
    map.key_type = types.key(info);
    map.value_type = types.value(info.type);
    shown.push_back({map.name, "@" + info.name, info.type, types.shown(info.type, map.value_type),
                     !info.keys.empty()});
  }
  ReadOnlyData constants;
  for (size_t i = 0; i < script.probes.size(); ++i) {
    for (const AttachPoint& point : script.probes[i].points) {
      SKEP_TRY(insns, ProgramWriter(script, i, point, constants).write());
      parts.programs.push_back(
          {fmt::format("{}_{}", identifier(point.function), parts.programs.size()), point.section,
           std::move(insns)});
    }
  }
  object::MapSpec& rodata = parts.maps.emplace_back();
  rodata.name = ".rodata";
  rodata.type = MapType::BPF_MAP_TYPE_ARRAY;
  rodata.key_size = 4;
  rodata.value_size = static_cast<uint32_t>(constants.bytes().size());
  rodata.max_entries = 1;
  rodata.map_flags = 1u << 7;  // BPF_F_RDONLY_PROG
  rodata.is_globals = true;
  rodata.freeze = true;
  rodata.content = constants.bytes();
  SKEP_TRY(btf, types.finish());
  parts.btf = std::move(btf);
  return Compiled{object::object_from_parts(std::move(parts)), std::move(shown)};
}

Result<Compiled> compile(std::string_view source, std::string_view file) {
  SKEP_TRY(script, parse(source, file));
  SKEP_CHECK(analyse(script));
  return generate(script);
}

std::vector<std::byte> merge(Type type, std::span<const std::vector<std::byte>> parts) {
  std::vector<uint64_t> words(type == Type::hist ? 64 : type == Type::string ? kStringSize / 8 : 1);
  uint64_t values = 0;
  auto word = [](const std::vector<std::byte>& bytes, size_t index) {
    uint64_t value = 0;
    if ((index + 1) * 8 <= bytes.size()) std::memcpy(&value, bytes.data() + index * 8, 8);
    return value;
  };
  for (const auto& part : parts) {
    switch (type) {
      case Type::min:
      case Type::max: {
        if (word(part, 1) == 0) break;
        auto mine = static_cast<int64_t>(word(part, 0)), best = static_cast<int64_t>(words[0]);
        if (values++ == 0 || (type == Type::min ? mine < best : mine > best))
          words[0] = word(part, 0);
        break;
      }
      case Type::avg: values += word(part, 1); [[fallthrough]];
      default:
        for (size_t i = 0; i < words.size(); ++i) words[i] += word(part, i);
    }
  }
  if (type == Type::avg && values != 0)
    words[0] = static_cast<uint64_t>(static_cast<int64_t>(words[0]) / static_cast<int64_t>(values));
  std::vector<std::byte> bytes(words.size() * 8);
  std::memcpy(bytes.data(), words.data(), bytes.size());
  return bytes;
}

}  // namespace skep::lang
