// BPF_MAP_*: creation, elements, batches.
#include <algorithm>
#include <bit>

#include "engine/user/memory.h"
#include "engine/user/user_engine.h"

namespace skep::engine {

using namespace user;

namespace {

// A name as bpf(2) takes it: at most 15 bytes, of letters, digits, '_' and '.'.
Result<std::string> object_name(const char (&field)[16]) {
  size_t length = 0;
  while (length < sizeof field && field[length] != '\0') ++length;
  if (length == sizeof field)
    return fail(EINVAL, "a name of at most 15 bytes was expected, it has no NUL");
  for (size_t i = 0; i < length; ++i) {
    char c = field[i];
    bool good = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
                c == '_' || c == '.';
    if (!good)
      return fail(EINVAL, "names have letters, digits, '_' and '.'; byte {} is {:#x}", i, c);
  }
  return std::string(field, length);
}

bool holds_objects(uint32_t type) {
  switch (static_cast<MapType>(type)) {
    case MapType::BPF_MAP_TYPE_PROG_ARRAY:
    case MapType::BPF_MAP_TYPE_ARRAY_OF_MAPS:
    case MapType::BPF_MAP_TYPE_HASH_OF_MAPS: return true;
    default: return false;
  }
}

}  // namespace

Result<int64_t> UserEngine::map_create(void* raw, uint32_t size) {
  SKEP_TRY(attr, read_attr<MapCreateAttr>(raw, size));
  if (attr.map_ifindex != 0)
    return fail(EINVAL, "maps offloaded to a network device need a kernel");
  if (attr.map_token_fd != 0 && (attr.map_flags & BPF_F_TOKEN_FD) != 0) {
    return fail(EINVAL, "the user engine has no tokens");
  }
  runtime::MapCreation creation;
  auto name = object_name(attr.map_name);
  if (!name) return fail(name, "map");
  creation.attributes.name = *name;
  creation.attributes.type = static_cast<MapType>(attr.map_type);
  creation.attributes.key_size = attr.key_size;
  creation.attributes.value_size = attr.value_size;
  creation.attributes.max_entries = attr.max_entries;
  creation.attributes.map_flags = attr.map_flags;
  creation.attributes.map_extra = attr.map_extra;
  if (attr.btf_key_type_id != 0 || attr.btf_value_type_id != 0) {
    auto btf = descriptors_.get<runtime::BtfObject>(attr.btf_fd);
    if (!btf) return fail(btf, "map {}: btf_fd", *name);
    for (auto [id, bytes, what] : {std::tuple{attr.btf_key_type_id, attr.key_size, "key"},
                                   std::tuple{attr.btf_value_type_id, attr.value_size, "value"}}) {
      if (id == 0) continue;
      auto type_size = (*btf)->btf()->size_of(id);
      if (!type_size || *type_size != bytes) {
        return fail(EINVAL, "map {}: {} is of {} bytes, its BTF type [{}] of {}", *name, what,
                    bytes, id, type_size.value_or(0));
      }
    }
    creation.btf = *btf;
    creation.btf_key_type_id = attr.btf_key_type_id;
    creation.btf_value_type_id = attr.btf_value_type_id;
  }
  if (creation.attributes.type == MapType::BPF_MAP_TYPE_ARRAY_OF_MAPS ||
      creation.attributes.type == MapType::BPF_MAP_TYPE_HASH_OF_MAPS) {
    auto inner = descriptors_.get<runtime::MapObject>(attr.inner_map_fd);
    if (!inner) return fail(inner, "map {}: inner_map_fd", *name);
    creation.inner = *inner;
    creation.attributes.inner = &(*inner)->header();
  }
  auto map = runtime_->create_map(std::move(creation));
  if (!map) return fail(map, "map {}", *name);
  SKEP_TRY(fd, descriptors_.open(*map));
  return fd;
}

Result<int64_t> UserEngine::map_store_object(runtime::MapObject& map, ByteSpan key, ByteSpan value,
                                             uint64_t flags) {
  auto type = static_cast<MapType>(map.header().type);
  if (value.size() != 4) return fail(EINVAL, "a descriptor of 4 bytes was expected");
  auto fd = load<int32_t>(value.data());
  if (type == MapType::BPF_MAP_TYPE_PROG_ARRAY) {
    SKEP_TRY(program, descriptors_.get<runtime::ProgObject>(fd));
    SKEP_CHECK(maps::set_program(runtime_->hive(), &map.header(), load<uint32_t>(key.data()),
                                 &program->header()));
    map.hold(key, program);
    return 0;
  }
  SKEP_TRY(inner, descriptors_.get<runtime::MapObject>(fd));
  SKEP_CHECK(maps::set_inner_map(runtime_->hive(), &map.header(), key, &inner->header(), flags));
  map.hold(key, inner);
  return 0;
}

Result<int64_t> UserEngine::map_element(Cmd cmd, void* raw, uint32_t size) {
  SKEP_TRY(attr, read_attr<MapElemAttr>(raw, size));
  SKEP_TRY(map, descriptors_.get<runtime::MapObject>(attr.map_fd));
  const MapHeader& header = map->header();
  // A null key is right only for GET_NEXT_KEY and for keyless maps.
  std::vector<std::byte> key;
  if (attr.key != 0 || (header.key_size != 0 && cmd != Cmd::BPF_MAP_GET_NEXT_KEY)) {
    if (header.key_size == 0) return fail(EINVAL, "map {} has no keys", header.name);
    SKEP_TRY(bytes, copy_in(attr.key, header.key_size));
    key = std::move(bytes);
  }
  std::vector<std::byte> value(holds_objects(header.type) ? 4 : maps::user_value_size(header));
  switch (cmd) {
    case Cmd::BPF_MAP_LOOKUP_ELEM:
      if (holds_objects(header.type)) {
        SKEP_TRY(id, maps::object_id_at(header, key));
        store(value.data(), id);
      } else {
        SKEP_CHECK(maps::lookup_elem(header, key, value, attr.flags));
      }
      SKEP_CHECK(copy_out(attr.value, value));
      return 0;
    case Cmd::BPF_MAP_LOOKUP_AND_DELETE_ELEM:
      SKEP_CHECK(maps::lookup_and_delete_elem(header, key, value, attr.flags));
      SKEP_CHECK(copy_out(attr.value, value));
      return 0;
    case Cmd::BPF_MAP_UPDATE_ELEM:
      SKEP_CHECK(copy_in(value.data(), attr.value, value.size()));
      if (holds_objects(header.type)) return map_store_object(*map, key, value, attr.flags);
      SKEP_CHECK(maps::update_elem(header, key, value, attr.flags));
      return 0;
    case Cmd::BPF_MAP_DELETE_ELEM:
      if (static_cast<MapType>(header.type) == MapType::BPF_MAP_TYPE_PROG_ARRAY) {
        SKEP_CHECK(maps::set_program(runtime_->hive(), &map->header(), load<uint32_t>(key.data()),
                                     nullptr));
      } else if (holds_objects(header.type)) {
        SKEP_CHECK(maps::set_inner_map(runtime_->hive(), &map->header(), key, nullptr));
      } else {
        SKEP_CHECK(maps::delete_elem(header, key));
      }
      map->hold(key, nullptr);
      return 0;
    case Cmd::BPF_MAP_GET_NEXT_KEY: {
      std::vector<std::byte> next(header.key_size);
      SKEP_CHECK(maps::next_key(header, key, next));
      SKEP_CHECK(copy_out(attr.value, next));
      return 0;
    }
    default: std::unreachable();
  }
}

Result<int64_t> UserEngine::map_batch(Cmd cmd, void* raw, uint32_t size) {
  SKEP_TRY(attr, read_attr<MapBatchAttr>(raw, size));
  SKEP_TRY(map, descriptors_.get<runtime::MapObject>(attr.map_fd));
  const MapHeader& header = map->header();
  if (attr.flags != 0) return fail(EINVAL, "flags {:#x}: none are known", attr.flags);
  if (holds_objects(header.type))
    return fail(EOPNOTSUPP, "map {}: no batches on maps of objects", header.name);
  if (attr.count == 0) return 0;
  size_t value_size = maps::user_value_size(header);
  auto give_count = [&](uint32_t count) {
    attr.count = count;
    return write_attr(raw, size, attr);
  };
  if (cmd == Cmd::BPF_MAP_UPDATE_BATCH || cmd == Cmd::BPF_MAP_DELETE_BATCH) {
    SKEP_TRY(keys, copy_in(attr.keys, size_t{attr.count} * header.key_size));
    uint32_t done = 0;
    Result<> result;
    if (cmd == Cmd::BPF_MAP_UPDATE_BATCH) {
      SKEP_TRY(values, copy_in(attr.values, size_t{attr.count} * value_size));
      result = maps::update_batch(header, keys, values, attr.count, done, attr.elem_flags);
    } else {
      result = maps::delete_batch(header, keys, attr.count, done);
    }
    SKEP_CHECK(give_count(done));
    if (!result) return fail(result);
    return 0;
  }
  // The cursor that the caller carries is 4 bytes at least, a key at most: as the kernel's.
  std::vector<std::byte> cursor;
  if (attr.in_batch != 0) {
    SKEP_TRY(bytes, copy_in(attr.in_batch, std::max<size_t>(4, header.key_size)));
    cursor = std::move(bytes);
  }
  SKEP_TRY(batch, maps::lookup_batch(header, cursor, attr.count,
                                     cmd == Cmd::BPF_MAP_LOOKUP_AND_DELETE_BATCH, attr.elem_flags));
  SKEP_CHECK(copy_out(attr.keys, batch.keys));
  SKEP_CHECK(copy_out(attr.values, batch.values));
  SKEP_CHECK(copy_out(attr.out_batch, cursor));
  SKEP_CHECK(give_count(batch.count));
  if (batch.done) return fail(ENOENT, "map {}: that was the last batch", header.name);
  return 0;
}

Result<int64_t> UserEngine::map_freeze(void* raw, uint32_t size) {
  SKEP_TRY(attr, read_attr<MapElemAttr>(raw, size));
  SKEP_TRY(map, descriptors_.get<runtime::MapObject>(attr.map_fd));
  SKEP_CHECK(maps::freeze_map(&map->header()));
  return 0;
}

}  // namespace skep::engine
