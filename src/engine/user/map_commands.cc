// BPF_MAP_*: creation, elements, batches. The order of checks is the kernel's, since a call that is wrong twice
// gets the errno of the first.
#include <algorithm>
#include <bit>
#include <climits>

#include "engine/user/owners.h"
#include "engine/user/ports.h"
#include "engine/user/user_engine.h"
#include "maps/local_storage.h"

namespace skep::engine {

using namespace user;

namespace {

constexpr int kENOTSUPP = 524;     // the kernel's own, of operations that a map type lacks
constexpr uint64_t kLockFlag = 4;  // BPF_F_LOCK
constexpr uint32_t kTokenFd = 1u << 16;

bool holds_objects(const MapHeader& map) {
  switch (static_cast<MapType>(map.type)) {
    case MapType::BPF_MAP_TYPE_PROG_ARRAY:
    case MapType::BPF_MAP_TYPE_CGROUP_ARRAY:
    case MapType::BPF_MAP_TYPE_ARRAY_OF_MAPS:
    case MapType::BPF_MAP_TYPE_HASH_OF_MAPS: return true;
    default: return false;
  }
}

bool has_owners(const MapHeader& map) {
  return maps::is_local_storage(static_cast<MapType>(map.type));
}

bool has_ports(const MapHeader& map) { return maps::is_port_map(static_cast<MapType>(map.type)); }

bool is_queue(const MapHeader& map) {
  auto type = static_cast<MapType>(map.type);
  return type == MapType::BPF_MAP_TYPE_QUEUE || type == MapType::BPF_MAP_TYPE_STACK;
}

bool is_hash(const MapHeader& map) {
  switch (static_cast<MapType>(map.type)) {
    case MapType::BPF_MAP_TYPE_HASH:
    case MapType::BPF_MAP_TYPE_PERCPU_HASH:
    case MapType::BPF_MAP_TYPE_LRU_HASH:
    case MapType::BPF_MAP_TYPE_LRU_PERCPU_HASH: return true;
    default: return false;
  }
}

// Whether the value's type has a field of struct bpf_spin_lock.
bool has_spin_lock(const runtime::MapObject& map) {
  const auto& creation = map.creation();
  if (!creation.btf || creation.btf_value_type_id == 0) return false;
  const btf::Btf& btf = *creation.btf->btf();
  btf::Type type = btf.resolve(creation.btf_value_type_id);
  if (!type.is_composite()) return false;
  for (uint32_t i = 0; i < type.vlen(); ++i) {
    btf::Type member = btf.resolve(type.member(i).type);
    if (member.is_composite() && member.name() == "bpf_spin_lock") return true;
  }
  return false;
}

// Which batches a map type has in the kernel.
bool has_batch(const MapHeader& map, Cmd cmd) {
  switch (static_cast<MapType>(map.type)) {
    case MapType::BPF_MAP_TYPE_HASH:
    case MapType::BPF_MAP_TYPE_PERCPU_HASH:
    case MapType::BPF_MAP_TYPE_LRU_HASH:
    case MapType::BPF_MAP_TYPE_LRU_PERCPU_HASH:
    case MapType::BPF_MAP_TYPE_HASH_OF_MAPS: return true;
    case MapType::BPF_MAP_TYPE_LPM_TRIE: return cmd != Cmd::BPF_MAP_LOOKUP_AND_DELETE_BATCH;
    case MapType::BPF_MAP_TYPE_ARRAY:
    case MapType::BPF_MAP_TYPE_PERCPU_ARRAY:
    case MapType::BPF_MAP_TYPE_ARRAY_OF_MAPS:
      return cmd == Cmd::BPF_MAP_LOOKUP_BATCH || cmd == Cmd::BPF_MAP_UPDATE_BATCH;
    default: return false;
  }
}

// Maps of maps: by key, since their elements must be told as ids.
Result<maps::Batch> lookup_objects(const MapHeader& map, std::vector<std::byte>& cursor,
                                   uint32_t limit) {
  maps::Batch batch;
  std::vector<std::byte> key = cursor, next(map.key_size);
  while (batch.count < limit) {
    if (!maps::next_key(map, key, next)) {
      batch.done = true;
      break;
    }
    key = next;
    auto id = maps::object_id_at(map, key);
    if (!id) continue;  // it went meanwhile
    batch.keys.insert(batch.keys.end(), key.begin(), key.end());
    batch.values.resize(batch.values.size() + sizeof *id);
    store(batch.values.data() + batch.values.size() - sizeof *id, *id);
    ++batch.count;
  }
  cursor = key;
  return batch;
}

// The key as bpf(2) takes it: none where the map has none.
Result<std::vector<std::byte>> copy_key(const Call& call, uint64_t address, const MapHeader& map) {
  if (map.key_size != 0) return call.caller().copy_in(address, map.key_size);
  if (address != 0) return fail(EINVAL, "map {} has no keys", map.name);
  return std::vector<std::byte>{};
}

size_t value_bytes(const MapHeader& map) {
  return holds_objects(map) ? 4 : maps::user_value_size(map);
}

std::unexpected<Error> no_access(const MapHeader& map, std::string_view what) {
  return fail(EPERM, "map {}: the descriptor, or the map being frozen, forbids {}", map.name, what);
}

struct OpenMap {
  std::shared_ptr<runtime::MapObject> object;
  bool can_read, can_write;
  [[nodiscard]] MapHeader& header() const { return object->header(); }
};
Result<OpenMap> open_map(const Call& call, int64_t fd) {
  SKEP_TRY(handle, call.caller().find(fd));
  auto* map = std::get_if<std::shared_ptr<runtime::MapObject>>(&handle.object);
  if (map == nullptr) return fail(EINVAL, "descriptor {} is not of a map", fd);
  bool frozen = std::atomic_ref((*map)->header().frozen).load() != 0;
  return OpenMap{*map, handle.can_read, handle.can_write && !frozen};
}

Result<> check_btf(const MapCreateAttr& attr, const btf::Btf& btf, const std::string& name) {
  for (auto [id, bytes, what] : {std::tuple{attr.btf_key_type_id, attr.key_size, "key"},
                                 std::tuple{attr.btf_value_type_id, attr.value_size, "value"}}) {
    if (id == 0) continue;
    auto type_size = btf.size_of(id);
    if (!type_size || *type_size != bytes) {
      return fail(EINVAL, "map {}: {} is of {} bytes, its BTF type [{}] of {}", name, what, bytes,
                  id, type_size.value_or(0));
    }
  }
  auto type = static_cast<MapType>(attr.map_type);
  bool array = type == MapType::BPF_MAP_TYPE_ARRAY || type == MapType::BPF_MAP_TYPE_PERCPU_ARRAY;
  if (maps::is_local_storage(type)) {
    auto key = btf.resolve(attr.btf_key_type_id);
    if (key.kind() != btf::Kind::Int || key.size() != 4)
      return fail(EINVAL, "map {}: a local storage's key is an int", name);
  }
  if (attr.btf_key_type_id == 0) {
    // Only sections of global data have values and no keys.
    bool section = type == MapType::BPF_MAP_TYPE_ARRAY && attr.max_entries == 1 &&
                   btf.type(attr.btf_value_type_id).kind() == btf::Kind::Datasec;
    bool keyless = attr.key_size == 0;
    if (!section && !keyless) return fail(EINVAL, "map {}: a value type needs a key type", name);
  } else if (array && btf.resolve(attr.btf_key_type_id).kind() != btf::Kind::Int) {
    return fail(EINVAL, "map {}: an array's key is an int", name);
  }
  return {};
}

}  // namespace

namespace user {

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

}  // namespace user

Result<int64_t> UserEngine::map_create(Call& call) {
  SKEP_TRY(attr, call.read<MapCreateAttr>(SKEP_ATTR_END(MapCreateAttr, excl_prog_hash_size)));
  const uint32_t token = attr.map_flags & kTokenFd;
  attr.map_flags &= ~kTokenFd;
  auto type = static_cast<MapType>(attr.map_type);
  if (attr.btf_vmlinux_value_type_id != 0) {
    if (type != MapType::BPF_MAP_TYPE_STRUCT_OPS || attr.btf_key_type_id != 0 ||
        attr.btf_value_type_id != 0)
      return fail(EINVAL, "btf_vmlinux_value_type_id is of struct_ops maps");
  } else if (attr.btf_key_type_id != 0 && attr.btf_value_type_id == 0) {
    return fail(EINVAL, "a key type needs a value type");
  }
  if (attr.map_extra != 0 && type != MapType::BPF_MAP_TYPE_BLOOM_FILTER &&
      type != MapType::BPF_MAP_TYPE_ARENA)
    return fail(EINVAL, "map_extra is of bloom filters and arenas");
  constexpr uint32_t kBoth = BPF_F_RDONLY | BPF_F_WRONLY;
  if ((attr.map_flags & kBoth) == kBoth)
    return fail(EINVAL, "BPF_F_RDONLY and BPF_F_WRONLY exclude each other");
  if ((attr.map_flags & BPF_F_NUMA_NODE) != 0 && attr.numa_node != 0)
    return fail(EINVAL, "numa_node {}: the hive is one node, 0", attr.numa_node);
  if (attr.map_ifindex != 0)
    return fail(EINVAL, "maps offloaded to a network device need a kernel");
  if (token != 0) return fail(EINVAL, "the user engine has no tokens");
  if (attr.excl_prog_hash != 0 || attr.excl_prog_hash_size != 0)
    return fail(EINVAL, "exclusive maps belong to signed programs, which need a kernel");
  runtime::MapCreation creation;
  auto name = object_name(attr.map_name);
  if (!name) return fail(name, "map");
  // RDONLY and WRONLY are the descriptor's, not the map's.
  const uint32_t access = attr.map_flags & kBoth;
  if (access != 0 && type == MapType::BPF_MAP_TYPE_CPUMAP)
    return fail(EINVAL, "map_flags {:#x}: a CPU map has no read-only or write-only descriptors",
                access);
  creation.attributes.name = *name;
  creation.attributes.type = type;
  creation.attributes.key_size = attr.key_size;
  creation.attributes.value_size = attr.value_size;
  creation.attributes.max_entries = attr.max_entries;
  creation.attributes.map_flags = attr.map_flags & ~access;
  creation.attributes.map_extra = attr.map_extra;
  if (attr.btf_key_type_id != 0 || attr.btf_value_type_id != 0) {
    auto btf = call.get<runtime::BtfObject>(static_cast<int32_t>(attr.btf_fd));
    if (!btf) return fail(btf, "map {}: btf_fd", *name);
    SKEP_CHECK(check_btf(attr, *(*btf)->btf(), *name));
    creation.btf = *btf;
    creation.btf_key_type_id = attr.btf_key_type_id;
    creation.btf_value_type_id = attr.btf_value_type_id;
    creation.attributes.has_btf = attr.btf_key_type_id != 0 && attr.btf_value_type_id != 0;
  }
  if (type == MapType::BPF_MAP_TYPE_ARRAY_OF_MAPS || type == MapType::BPF_MAP_TYPE_HASH_OF_MAPS) {
    auto inner = call.get<runtime::MapObject>(static_cast<int32_t>(attr.inner_map_fd));
    if (!inner) return fail(inner, "map {}: inner_map_fd", *name);
    creation.inner = *inner;
    creation.attributes.inner = &(*inner)->header();
  }
  auto map = runtime_->create_map(std::move(creation));
  if (!map) return fail(map, "map {}", *name);
  return call.open(Handle(*map, (access & BPF_F_WRONLY) == 0, (access & BPF_F_RDONLY) == 0));
}

Result<int64_t> UserEngine::map_store_object(Call& call, runtime::MapObject& map, ByteSpan key,
                                             ByteSpan value, uint64_t flags) {
  auto type = static_cast<MapType>(map.header().type);
  auto fd = load<int32_t>(value.data());
  if (type == MapType::BPF_MAP_TYPE_PROG_ARRAY) {
    if (flags != 0) return fail(EINVAL, "flags {:#x}: a prog array takes BPF_ANY", flags);
    auto index = load<uint32_t>(key.data());
    if (index >= map.header().max_entries)
      return fail(E2BIG, "index {}: map {} has {}", index, map.header().name,
                  map.header().max_entries);
    SKEP_TRY(program, call.get<runtime::ProgObject>(fd));
    SKEP_CHECK(map.admit(program->type(), program->verified().program().expected_attach_type));
    SKEP_CHECK(maps::set_program(runtime_->hive(), &map.header(), index, &program->header()));
    map.hold(key, program);
    return 0;
  }
  if (type == MapType::BPF_MAP_TYPE_CGROUP_ARRAY) {
    if (flags != 0) return fail(EINVAL, "flags {:#x}: a cgroup array takes BPF_ANY", flags);
    auto index = load<uint32_t>(key.data());
    if (index >= map.header().max_entries)
      return fail(E2BIG, "index {}: map {} has {}", index, map.header().name,
                  map.header().max_entries);
    SKEP_CHECK(cgroup_of(call, fd));
    SKEP_CHECK(maps::set_cgroup(runtime_->hive(), &map.header(), index, true));
    return 0;
  }
  SKEP_TRY(inner, call.get<runtime::MapObject>(fd));
  SKEP_CHECK(maps::set_inner_map(runtime_->hive(), &map.header(), key, &inner->header(), flags));
  map.hold(key, inner);
  return 0;
}

Result<int64_t> UserEngine::map_lookup(Call& call, bool remove) {
  SKEP_TRY(attr, call.read<MapElemAttr>(SKEP_ATTR_END(MapElemAttr, flags)));
  if ((attr.flags & ~kLockFlag) != 0)
    return fail(EINVAL, "flags {:#x}: only BPF_F_LOCK is known", attr.flags);
  SKEP_TRY(map, open_map(call, static_cast<int32_t>(attr.map_fd)));
  const MapHeader& header = map.header();
  if (!map.can_read || (remove && !map.can_write)) return no_access(header, "reading");
  if (remove && attr.flags != 0 && is_queue(header))
    return fail(EINVAL, "flags {:#x}: queues and stacks take none", attr.flags);
  if ((attr.flags & kLockFlag) != 0 && !has_spin_lock(*map.object))
    return fail(EINVAL, "BPF_F_LOCK: map {}'s values have no bpf_spin_lock", header.name);
  SKEP_TRY(key, copy_key(call, attr.key, header));
  std::vector<std::byte> value(value_bytes(header));
  if (has_ports(header)) {
    if (remove) return fail(kENOTSUPP, "map {}: its type can't look up and delete", header.name);
    SKEP_CHECK(lookup_port(header, load<uint32_t>(key.data()), value));
  } else if (has_owners(header)) {
    if (remove) return fail(kENOTSUPP, "map {}: its type can't look up and delete", header.name);
    SKEP_TRY(owner, find_owner(call.caller(), header, load<int32_t>(key.data())));
    SKEP_CHECK(maps::lookup_storage(header, owner, value, attr.flags));
  } else if (remove) {
    if (!is_queue(header) && !is_hash(header))
      return fail(kENOTSUPP, "map {}: its type can't look up and delete", header.name);
    SKEP_CHECK(maps::lookup_and_delete_elem(header, key, value, attr.flags));
  } else if (holds_objects(header)) {
    if (static_cast<MapType>(header.type) == MapType::BPF_MAP_TYPE_CGROUP_ARRAY)
      return fail(kENOTSUPP, "map {}: cgroups can't be read back", header.name);
    if (static_cast<MapType>(header.type) == MapType::BPF_MAP_TYPE_PROG_ARRAY &&
        load<uint32_t>(key.data()) >= header.max_entries)
      return fail(ENOENT, "index {}: map {} has {}", load<uint32_t>(key.data()), header.name,
                  header.max_entries);
    SKEP_TRY(id, maps::object_id_at(header, key));
    store(value.data(), id);
  } else {
    if (static_cast<MapType>(header.type) == MapType::BPF_MAP_TYPE_BLOOM_FILTER)
      SKEP_CHECK(call.caller().copy_in(value.data(), attr.value, value.size()));
    SKEP_CHECK(maps::lookup_elem(header, key, value, attr.flags));
    // A bloom filter only says that it may hold the value.
    if (static_cast<MapType>(header.type) == MapType::BPF_MAP_TYPE_BLOOM_FILTER) return 0;
  }
  SKEP_CHECK(call.caller().copy_out(attr.value, value));
  return 0;
}

Result<int64_t> UserEngine::map_update(Call& call) {
  SKEP_TRY(attr, call.read<MapElemAttr>(SKEP_ATTR_END(MapElemAttr, flags)));
  SKEP_TRY(map, open_map(call, static_cast<int32_t>(attr.map_fd)));
  const MapHeader& header = map.header();
  if (!map.can_write) return no_access(header, "writing");
  if ((attr.flags & kLockFlag) != 0 && !has_spin_lock(*map.object))
    return fail(EINVAL, "BPF_F_LOCK: map {}'s values have no bpf_spin_lock", header.name);
  SKEP_TRY(key, copy_key(call, attr.key, header));
  std::vector<std::byte> value(value_bytes(header));
  SKEP_CHECK(call.caller().copy_in(value.data(), attr.value, value.size()));
  if (holds_objects(header)) return map_store_object(call, *map.object, key, value, attr.flags);
  if (has_ports(header)) {
    SKEP_CHECK(update_port(call.caller(), *runtime_, *map.object, load<uint32_t>(key.data()), value,
                           attr.flags));
    return 0;
  }
  if (has_owners(header)) {
    SKEP_TRY(owner, find_owner(call.caller(), header, load<int32_t>(key.data())));
    SKEP_CHECK(maps::update_storage(header, owner, value, attr.flags));
    return 0;
  }
  SKEP_CHECK(maps::update_elem(header, key, value, attr.flags));
  return 0;
}

Result<int64_t> UserEngine::map_delete(Call& call) {
  SKEP_TRY(attr, call.read<MapElemAttr>(SKEP_ATTR_END(MapElemAttr, key)));
  SKEP_TRY(map, open_map(call, static_cast<int32_t>(attr.map_fd)));
  MapHeader& header = map.header();
  if (!map.can_write) return no_access(header, "writing");
  SKEP_TRY(key, copy_key(call, attr.key, header));
  if (static_cast<MapType>(header.type) == MapType::BPF_MAP_TYPE_PROG_ARRAY) {
    auto index = load<uint32_t>(key.data());
    if (index >= header.max_entries)
      return fail(E2BIG, "index {}: map {} has {}", index, header.name, header.max_entries);
    SKEP_CHECK(maps::set_program(runtime_->hive(), &header, index, nullptr));
  } else if (static_cast<MapType>(header.type) == MapType::BPF_MAP_TYPE_CGROUP_ARRAY) {
    auto index = load<uint32_t>(key.data());
    if (index >= header.max_entries)
      return fail(E2BIG, "index {}: map {} has {}", index, header.name, header.max_entries);
    SKEP_CHECK(maps::set_cgroup(runtime_->hive(), &header, index, false));
    return 0;
  } else if (has_ports(header)) {
    SKEP_CHECK(delete_port(*runtime_, *map.object, load<uint32_t>(key.data())));
    return 0;
  } else if (has_owners(header)) {
    SKEP_TRY(owner, find_owner(call.caller(), header, load<int32_t>(key.data())));
    SKEP_CHECK(maps::delete_storage(header, owner));
    return 0;
  } else if (holds_objects(header)) {
    SKEP_CHECK(maps::set_inner_map(runtime_->hive(), &header, key, nullptr));
  } else {
    SKEP_CHECK(maps::delete_elem(header, key));
  }
  map.object->hold(key, nullptr);
  return 0;
}

Result<int64_t> UserEngine::map_next_key(Call& call) {
  SKEP_TRY(attr, call.read<MapElemAttr>(SKEP_ATTR_END(MapElemAttr, value)));
  SKEP_TRY(map, open_map(call, static_cast<int32_t>(attr.map_fd)));
  const MapHeader& header = map.header();
  if (!map.can_read) return no_access(header, "reading");
  std::vector<std::byte> key;
  if (attr.key != 0) {
    SKEP_TRY(bytes, copy_key(call, attr.key, header));
    key = std::move(bytes);
  }
  std::vector<std::byte> next(header.key_size);
  SKEP_CHECK(maps::next_key(header, key, next));
  SKEP_CHECK(call.caller().copy_out(attr.value, next));
  return 0;
}

Result<int64_t> UserEngine::map_batch(Cmd cmd, Call& call) {
  SKEP_TRY(attr, call.read<MapBatchAttr>(SKEP_ATTR_END(MapBatchAttr, flags)));
  SKEP_TRY(map, open_map(call, static_cast<int32_t>(attr.map_fd)));
  const MapHeader& header = map.header();
  const bool reads =
      cmd == Cmd::BPF_MAP_LOOKUP_BATCH || cmd == Cmd::BPF_MAP_LOOKUP_AND_DELETE_BATCH;
  const bool writes = cmd != Cmd::BPF_MAP_LOOKUP_BATCH;
  if ((reads && !map.can_read) || (writes && !map.can_write))
    return no_access(header, "this batch");
  if (!has_batch(header, cmd))
    return fail(kENOTSUPP, "map {}: its type has no such batches", header.name);
  if ((attr.elem_flags & ~kLockFlag) != 0)
    return fail(EINVAL, "elem_flags {:#x}: only BPF_F_LOCK is known", attr.elem_flags);
  if ((attr.elem_flags & kLockFlag) != 0 && !has_spin_lock(*map.object))
    return fail(EINVAL, "BPF_F_LOCK: map {}'s values have no bpf_spin_lock", header.name);
  if (reads && is_hash(header) && attr.flags != 0)
    return fail(EINVAL, "flags {:#x}: none are known", attr.flags);
  if (attr.count == 0) return 0;
  const uint32_t count = attr.count;
  size_t value_size = value_bytes(header);
  auto give_count = [&](uint32_t done) {
    attr.count = done;
    return call.give(attr, attr.count);
  };
  const Caller& caller = call.caller();
  if (!reads) {
    // An element at a time, as the kernel: what came before a bad address was done.
    uint32_t done = 0;
    Result<> result;
    for (; done < count && result; ++done) {
      auto key = caller.copy_in(attr.keys + uint64_t{done} * header.key_size, header.key_size);
      if (!key) {
        result = fail(key);
        break;
      }
      if (cmd == Cmd::BPF_MAP_DELETE_BATCH) {
        result = maps::delete_elem(header, *key);
      } else {
        auto value = caller.copy_in(attr.values + done * value_size, value_size);
        if (!value) {
          result = fail(value);
        } else if (holds_objects(header)) {
          auto stored = map_store_object(call, *map.object, *key, *value, attr.elem_flags);
          if (!stored) result = fail(stored);
        } else {
          result = maps::update_elem(header, *key, *value, attr.elem_flags);
        }
      }
      if (!result) break;
    }
    SKEP_CHECK(give_count(done));
    if (!result) return fail(result);
    return 0;
  }
  SKEP_CHECK(give_count(0));
  // The cursor that the caller carries is 4 bytes at least, a key at most: as the kernel's.
  std::vector<std::byte> cursor;
  if (attr.in_batch != 0) {
    SKEP_TRY(bytes, caller.copy_in(attr.in_batch, std::max<size_t>(4, header.key_size)));
    cursor = std::move(bytes);
  }
  const bool remove = cmd == Cmd::BPF_MAP_LOOKUP_AND_DELETE_BATCH;
  if (remove && holds_objects(header))
    return fail(kENOTSUPP, "map {}: maps are not taken out in batches", header.name);
  SKEP_TRY(batch, holds_objects(header)
                      ? lookup_objects(header, cursor, count)
                      : maps::lookup_batch(header, cursor, count, remove, attr.elem_flags));
  SKEP_CHECK(caller.copy_out(attr.keys, batch.keys));
  SKEP_CHECK(caller.copy_out(attr.values, batch.values));
  SKEP_CHECK(caller.copy_out(attr.out_batch, cursor));
  SKEP_CHECK(give_count(batch.count));
  if (batch.done) return fail(ENOENT, "map {}: that was the last batch", header.name);
  return 0;
}

Result<int64_t> UserEngine::map_freeze(Call& call) {
  SKEP_TRY(attr, call.read<MapElemAttr>(SKEP_ATTR_END(MapElemAttr, map_fd)));
  SKEP_TRY(map, open_map(call, static_cast<int32_t>(attr.map_fd)));
  if (static_cast<MapType>(map.header().type) == MapType::BPF_MAP_TYPE_STRUCT_OPS ||
      has_spin_lock(*map.object))
    return fail(kENOTSUPP, "map {} can't be frozen", map.header().name);
  if (std::atomic_ref(map.header().frozen).load() != 0) {
    // A frozen map's descriptor can't write any more, and that is looked at first.
    return no_access(map.header(), "freezing");
  }
  if (!map.can_write) return no_access(map.header(), "freezing");
  SKEP_CHECK(maps::freeze_map(&map.header()));
  return 0;
}

}  // namespace skep::engine
