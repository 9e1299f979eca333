// How members say it, as <bpf/bpf_helpers.h> writes them:
//   __uint(max_entries, 64)    int (*max_entries)[64]                  a number: the array's length
//   __ulong(map_extra, 1ul<<40) enum { _unique = … } *map_extra           a number: the one
//   enumerator
//   __type(key, u32)           u32 *key                                 a type
//   __array(values, T)         T *values[]                              inner maps or programs
#include "object/map_definition.h"

namespace skep::object {

namespace {

Result<uint64_t> number(const btf::Btf& btf, const btf::Member& member) {
  btf::Type type = btf.strip_modifiers(member.type);
  if (type.kind() == btf::Kind::Ptr) {
    type = btf.resolve(type.referenced());
    if (type.kind() == btf::Kind::Array) return type.length();
  }
  if (type.is_enum() && type.vlen() == 1) return type.enumerator(0).value;
  return fail(EINVAL, "attribute '{}': expected __uint({}, …), found a {}", member.name,
              member.name, btf::kind_name(type.kind()));
}

Result<btf::TypeId> pointed_to(const btf::Btf& btf, const btf::Member& member) {
  const btf::Type type = btf.strip_modifiers(member.type);
  if (type.kind() != btf::Kind::Ptr)
    return fail(EINVAL, "attribute '{}': expected __type({}, …), found a {}", member.name,
                member.name, btf::kind_name(type.kind()));
  return type.referenced();
}

bool takes_maps(MapType type) {
  return type == MapType::BPF_MAP_TYPE_ARRAY_OF_MAPS || type == MapType::BPF_MAP_TYPE_HASH_OF_MAPS;
}

// T *values[]: what T is.
Result<> read_values(const btf::Btf& btf, const btf::Member& member, MapDefinition& map) {
  const btf::Type array = btf.strip_modifiers(member.type);
  const btf::Type pointer = btf.strip_modifiers(array.element());
  if (array.kind() != btf::Kind::Array || pointer.kind() != btf::Kind::Ptr)
    return fail(EINVAL, "attribute 'values': expected __array(values, …), found a {}",
                btf::kind_name(array.kind()));
  map.values_offset = member.bit_offset / 8;
  const btf::Type of = btf.resolve(pointer.referenced());
  if (map.spec.type == MapType::BPF_MAP_TYPE_PROG_ARRAY) {
    if (of.kind() != btf::Kind::FuncProto)
      return fail(EINVAL, "attribute 'values': expected a function, found a {}",
                  btf::kind_name(of.kind()));
    return {};
  }
  if (!takes_maps(map.spec.type))
    return fail(EINVAL, "attribute 'values' belongs to maps of maps and program arrays only");
  auto inner = read_map_definition(btf, fmt::format("{}.inner", map.spec.name), of.id(), true);
  if (!inner) return fail(inner, "attribute 'values'");
  map.spec.inner = std::make_shared<MapSpec>(std::move(inner->spec));
  return {};
}

Result<> read_size(const btf::Btf& btf, const btf::Member& member, const char* what, uint32_t& size,
                   btf::TypeId& type) {
  SKEP_TRY(pointed, pointed_to(btf, member));
  const auto bytes = btf.size_of(pointed);
  if (!bytes) return fail(EINVAL, "attribute '{}': a type without size", what);
  if (size != 0 && size != *bytes)
    return fail(EINVAL, "attribute '{}': {} bytes, but {}_size says {}", what, *bytes, what, size);
  size = *bytes;
  type = pointed;
  return {};
}

Result<> read_member(const btf::Btf& btf, const btf::Member& member, bool is_inner,
                     MapDefinition& map) {
  MapSpec& spec = map.spec;
  auto set = [&](uint32_t& to) -> Result<> {
    SKEP_TRY(value, number(btf, member));
    to = static_cast<uint32_t>(value);
    return {};
  };
  const std::string_view name = member.name;
  if (name == "type") {
    uint32_t type = 0;
    SKEP_CHECK(set(type));
    spec.type = static_cast<MapType>(type);
    return {};
  }
  if (name == "max_entries") return set(spec.max_entries);
  if (name == "map_flags") return set(spec.map_flags);
  if (name == "numa_node") {
    spec.map_flags |= BPF_F_NUMA_NODE;
    return set(spec.numa_node);
  }
  if (name == "map_extra") {
    SKEP_TRY(value, number(btf, member));
    spec.map_extra = value;
    return {};
  }
  if (name == "key_size" || name == "value_size") {
    uint32_t& size = name == "key_size" ? spec.key_size : spec.value_size;
    const uint32_t before = size;
    SKEP_CHECK(set(size));
    if (before != 0 && before != size)
      return fail(EINVAL, "attribute '{}': {}, but its type has {} bytes", name, size, before);
    return {};
  }
  if (name == "key") return read_size(btf, member, "key", spec.key_size, spec.key_type);
  if (name == "value") return read_size(btf, member, "value", spec.value_size, spec.value_type);
  if (name == "pinning") {
    if (is_inner) return fail(EINVAL, "attribute 'pinning': an inner map can't be pinned");
    uint32_t pinning = 0;
    SKEP_CHECK(set(pinning));
    if (pinning > 1)
      return fail(
          EINVAL,
          "attribute 'pinning': expected LIBBPF_PIN_NONE (0) or LIBBPF_PIN_BY_NAME (1), found {}",
          pinning);
    spec.pinning = static_cast<Pinning>(pinning);
    return {};
  }
  if (name == "values") {
    if (is_inner) return fail(EINVAL, "attribute 'values': an inner map can't hold maps itself");
    return read_values(btf, member, map);
  }
  return fail(ENOTSUP, "unknown attribute '{}'", name);
}

}  // namespace

Result<MapDefinition> read_map_definition(const btf::Btf& btf, std::string_view name,
                                          btf::TypeId id, bool is_inner) {
  MapDefinition map;
  map.spec.name = name;
  map.spec.definition = id;
  const btf::Type type = btf.resolve(id);
  if (type.kind() != btf::Kind::Struct)
    return fail(EINVAL, "map '{}': expected a struct of attributes, found a {}", name,
                btf::kind_name(type.kind()));
  // `type` first: what `values` may be depends on it, wherever it stands.
  for (uint32_t pass = 0; pass < 2; ++pass) {
    for (uint32_t i = 0; i < type.vlen(); ++i) {
      const btf::Member member = type.member(i);
      if ((member.name == "type") != (pass == 0)) continue;
      if (auto done = read_member(btf, member, is_inner, map); !done)
        return fail(done, "map '{}'", name);
    }
  }
  MapSpec& spec = map.spec;
  if (spec.type == MapType::BPF_MAP_TYPE_UNSPEC)
    return fail(EINVAL, "map '{}': it has no type", name);
  if (takes_maps(spec.type) || spec.type == MapType::BPF_MAP_TYPE_PROG_ARRAY) {
    if (spec.value_size == 0) spec.value_size = 4;
    if (spec.value_size != 4)
      return fail(EINVAL, "map '{}': its values are of 4 bytes, not {}", name, spec.value_size);
    if (takes_maps(spec.type)) spec.value_type = 0;
    if (spec.key_size == 0 && spec.type != MapType::BPF_MAP_TYPE_HASH_OF_MAPS) spec.key_size = 4;
  }
  return map;
}

}  // namespace skep::object
