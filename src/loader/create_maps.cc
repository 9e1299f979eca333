// Loader: maps. Created as libbpf creates them, so that an object finds the same kernel objects on either. Where
// an old kernel refuses an attribute that nothing depends on (BTF of keys and values, a name), the map is created
// again without: probing costs nothing where the kernel is new.
#include <fcntl.h>
#include <sys/mman.h>
#include <unistd.h>

#include <bit>
#include <cstring>

#include "loader/internal.h"
#include "spec/map_types.h"

namespace skep::loader {

using engine::Cmd;
using engine::MapCreateAttr;

namespace {

constexpr uint32_t kDefaultRing = 256 * 1024;  // bytes, where an object leaves it open
constexpr uint32_t kLink = 1u << 13;           // BPF_F_LINK

// Types whose values mean something to the kernel: it wants no BTF of theirs.
bool takes_btf(MapType type) {
  using enum MapType;
  switch (type) {
    case BPF_MAP_TYPE_PERF_EVENT_ARRAY:
    case BPF_MAP_TYPE_CGROUP_ARRAY:
    case BPF_MAP_TYPE_STACK_TRACE:
    case BPF_MAP_TYPE_ARRAY_OF_MAPS:
    case BPF_MAP_TYPE_HASH_OF_MAPS:
    case BPF_MAP_TYPE_DEVMAP:
    case BPF_MAP_TYPE_DEVMAP_HASH:
    case BPF_MAP_TYPE_CPUMAP:
    case BPF_MAP_TYPE_XSKMAP:
    case BPF_MAP_TYPE_SOCKMAP:
    case BPF_MAP_TYPE_SOCKHASH:
    case BPF_MAP_TYPE_PROG_ARRAY:
    case BPF_MAP_TYPE_QUEUE:
    case BPF_MAP_TYPE_STACK:
    case BPF_MAP_TYPE_RINGBUF:
    case BPF_MAP_TYPE_USER_RINGBUF: return false;
    default: return true;
  }
}

// Rings are a power of two of pages.
uint32_t ring_size(uint32_t wanted) {
  const auto page = static_cast<uint32_t>(::sysconf(_SC_PAGESIZE));
  if (wanted == 0) return 0;
  if (wanted > 1u << 31) return wanted;
  return std::max(page, std::bit_ceil(wanted));
}

MapCreateAttr attributes(const object::MapSpec& spec, engine::Engine& engine) {
  MapCreateAttr attr;
  attr.map_type = static_cast<uint32_t>(spec.type);
  attr.key_size = spec.key_size;
  attr.value_size = spec.value_size;
  attr.max_entries = spec.max_entries;
  attr.map_flags = spec.map_flags;
  attr.map_extra = spec.map_extra;
  attr.numa_node = spec.numa_node;
  if (spec.type == MapType::BPF_MAP_TYPE_PERF_EVENT_ARRAY) {
    // Their key and value are an index and a descriptor, whatever the object leaves open.
    if (attr.max_entries == 0) attr.max_entries = engine.possible_cpus();
    if (attr.key_size == 0) attr.key_size = 4;
    if (attr.value_size == 0) attr.value_size = 4;
  }
  if (spec.type == MapType::BPF_MAP_TYPE_RINGBUF ||
      spec.type == MapType::BPF_MAP_TYPE_USER_RINGBUF) {
    attr.max_entries = ring_size(attr.max_entries == 0 ? kDefaultRing : attr.max_entries);
  }
  set_name(attr.map_name, spec.name);
  return attr;
}

}  // namespace

int64_t Loader::create_map(MapCreateAttr attr) {
  int64_t fd = engine_->call(Cmd::BPF_MAP_CREATE, attr);
  if (fd >= 0 || !is_kernel(*engine_) || fd == -EPERM || fd == -ENOMEM) return fd;
  const int64_t first = fd;
  if (attr.btf_fd != 0 && attr.btf_vmlinux_value_type_id == 0) {
    attr.btf_fd = attr.btf_key_type_id = attr.btf_value_type_id = 0;
    fd = engine_->call(Cmd::BPF_MAP_CREATE, attr);
    if (fd >= 0) return fd;
  }
  if (attr.map_name[0] != 0 && (fd == -EINVAL || fd == -E2BIG)) {  // before 4.15
    std::memset(attr.map_name, 0, sizeof attr.map_name);
    fd = engine_->call(Cmd::BPF_MAP_CREATE, attr);
  }
  return fd >= 0 ? fd : first;
}

Result<> Loader::load_btf() {
  if (!object_->btf() || object_->btf()->bytes().empty()) return {};
  engine::BtfLoadAttr attr;
  attr.btf = address_of(object_->btf()->bytes().data());
  attr.btf_size = static_cast<uint32_t>(object_->btf()->bytes().size());
  int64_t fd = engine_->call(Cmd::BPF_BTF_LOAD, attr);
  // A kernel that is older than the object's BTF: maps and programs go without it. Those that can't (struct_ops, spin
  // locks in values) are refused when their turn comes.
  if (fd < 0 && is_kernel(*engine_) && fd != -EPERM) return {};
  if (fd < 0) return std::unexpected(engine_error(*engine_, fd, "BPF_BTF_LOAD"));
  btf_fd_ = engine::EngineFd(engine_, static_cast<int>(fd));
  return {};
}

Result<> Loader::set_globals(const LoadedMap& map) {
  const object::MapSpec& spec = *map.spec;
  uint32_t key = 0;
  engine::MapElemAttr update;
  update.map_fd = static_cast<uint32_t>(map.fd.get());
  update.key = address_of(&key);
  update.value = address_of(spec.content.data());
  int64_t result = engine_->call(Cmd::BPF_MAP_UPDATE_ELEM, update);
  if (result < 0)
    return std::unexpected(engine_error(*engine_, result, fmt::format("map {}", spec.name)));
  if (!spec.freeze) return {};
  engine::MapElemAttr freeze;
  freeze.map_fd = static_cast<uint32_t>(map.fd.get());
  result = engine_->call(Cmd::BPF_MAP_FREEZE, freeze);
  // Before 5.2 nothing can be frozen: the programs' constants are variables then.
  if (result < 0 && !(is_kernel(*engine_) && result == -EINVAL))
    return std::unexpected(engine_error(*engine_, result, fmt::format("map {}", spec.name)));
  return {};
}

// Globals in the arena: mapped where the object or the kernel wants them, and written.
Result<> Loader::fill_arena(LoadedMap& map) {
  const object::MapSpec& spec = *map.spec;
  const auto page = static_cast<size_t>(::sysconf(_SC_PAGESIZE));
  const size_t size = size_t{map.max_entries} * page;
  void* wanted = reinterpret_cast<void*>(spec.map_extra);
  void* address =
      ::mmap(wanted, size, PROT_READ | PROT_WRITE,
             MAP_SHARED | (spec.map_extra != 0 ? MAP_FIXED_NOREPLACE : 0), map.fd.get(), 0);
  if (address == MAP_FAILED) return fail_errno(errno, "map {}: mmap of the arena", spec.name);
  map.mapping = std::shared_ptr<void>(address, [size](void* at) { ::munmap(at, size); });
  if (!spec.content.empty() && spec.content.size() <= size)
    std::memcpy(address, spec.content.data(), spec.content.size());
  return {};
}

// A map pinned by its name is shared by all who name it so: found, or made and pinned.
Result<bool> Loader::find_pinned(const object::MapSpec& spec, LoadedMap& map) {
  const std::string path = options_.pin_root + "/" + spec.name;
  engine::ObjPinAttr attr;
  attr.pathname = address_of(path.c_str());
  int64_t fd = engine_->call(Cmd::BPF_OBJ_GET, attr);
  if (fd == -ENOENT) return false;
  if (fd < 0)
    return std::unexpected(engine_error(*engine_, fd, fmt::format("map {}: {}", spec.name, path)));
  map.fd = engine::EngineFd(engine_, static_cast<int>(fd));
  engine::MapInfo info;
  engine::ObjInfoAttr ask{
      .bpf_fd = static_cast<uint32_t>(fd), .info_len = sizeof info, .info = address_of(&info)};
  if (engine_->call(Cmd::BPF_OBJ_GET_INFO_BY_FD, ask) != 0) return true;
  const MapCreateAttr wanted = attributes(spec, *engine_);
  if (info.type != wanted.map_type || info.key_size != wanted.key_size ||
      info.value_size != wanted.value_size || info.max_entries != wanted.max_entries) {
    return std::unexpected(
        Error(EINVAL,
              fmt::format("map {}: {} is pinned already, with type {}, key {}, value {} and {} "
                          "entries; the object wants {}, {}, {} and {}",
                          spec.name, path, info.type, info.key_size, info.value_size,
                          info.max_entries, wanted.map_type, wanted.key_size, wanted.value_size,
                          wanted.max_entries))
            .with_hint("remove the pin, or use the object that made it"));
  }
  map.max_entries = info.max_entries;
  map.id = info.id;
  return true;
}

Result<> Loader::pin(const LoadedMap& map) {
  const std::string path = options_.pin_root + "/" + map.spec->name;
  engine::ObjPinAttr attr;
  attr.pathname = address_of(path.c_str());
  attr.bpf_fd = static_cast<uint32_t>(map.fd.get());
  int64_t result = engine_->call(Cmd::BPF_OBJ_PIN, attr);
  if (result >= 0) return {};
  Error error =
      engine_error(*engine_, result, fmt::format("map {}: pinning it at {}", map.spec->name, path));
  if (!is_kernel(*engine_) || result == -EPERM) return std::unexpected(std::move(error));
  return std::unexpected(std::move(error).with_hint(
      "is a BPF file system mounted there? mount -t bpf bpf /sys/fs/bpf"));
}

Result<> Loader::create_inner(const object::MapSpec& spec, MapCreateAttr& attr,
                              engine::EngineFd& inner) {
  if (!spec.inner) return {};
  MapCreateAttr shape = attributes(*spec.inner, *engine_);
  if (shape.max_entries == 0) shape.max_entries = 1;
  std::memset(shape.map_name, 0, sizeof shape.map_name);
  if (btf_fd_ && spec.inner->value_type != 0 && takes_btf(spec.inner->type) &&
      is_kernel(*engine_)) {
    shape.btf_fd = static_cast<uint32_t>(btf_fd_.get());
    shape.btf_key_type_id = spec.inner->key_type;
    shape.btf_value_type_id = spec.inner->value_type;
  }
  int64_t fd = create_map(shape);
  if (fd < 0)
    return std::unexpected(engine_error(*engine_, fd, fmt::format("map {}: inner map", spec.name)));
  inner = engine::EngineFd(engine_, static_cast<int>(fd));
  attr.inner_map_fd = static_cast<uint32_t>(inner.get());
  return {};
}

Result<> Loader::create_maps() {
  SKEP_CHECK(load_btf());
  maps_.reserve(object_->maps().size());
  for (const object::MapSpec& spec : object_->maps()) {
    LoadedMap& map = maps_.emplace_back();
    map.spec = &spec;
    const bool pinned = spec.pinning == object::Pinning::ByName && is_kernel(*engine_);
    if (pinned) {
      SKEP_TRY(found, find_pinned(spec, map));
      if (found) continue;
    }
    MapCreateAttr attr = attributes(spec, *engine_);
    if (btf_fd_ && spec.value_type != 0 && (takes_btf(spec.type) || !is_kernel(*engine_))) {
      attr.btf_fd = static_cast<uint32_t>(btf_fd_.get());
      attr.btf_key_type_id = spec.key_type;
      attr.btf_value_type_id = spec.value_type;
    }
    if (spec.type == MapType::BPF_MAP_TYPE_STRUCT_OPS) {
      SKEP_CHECK(plan_struct_ops(maps_.size() - 1, attr));
      if (spec.struct_ops_link) attr.map_flags |= kLink;
      attr.btf_fd = static_cast<uint32_t>(btf_fd_.get());
    }
    engine::EngineFd inner;
    SKEP_CHECK(create_inner(spec, attr, inner));
    int64_t fd = create_map(attr);
    if (fd < 0)
      return std::unexpected(engine_error(*engine_, fd, fmt::format("map {}", spec.name)));
    map.max_entries = attr.max_entries;
    map.fd = engine::EngineFd(engine_, static_cast<int>(fd));
    engine::MapInfo info;
    engine::ObjInfoAttr ask{
        .bpf_fd = static_cast<uint32_t>(fd), .info_len = sizeof info, .info = address_of(&info)};
    if (engine_->call(Cmd::BPF_OBJ_GET_INFO_BY_FD, ask) == 0) map.id = info.id;
    if (spec.is_globals) SKEP_CHECK(set_globals(map));
    if (spec.type == MapType::BPF_MAP_TYPE_ARENA && is_kernel(*engine_))
      SKEP_CHECK(fill_arena(map));
    if (pinned) SKEP_CHECK(pin(map));
  }
  return {};
}

Result<> Loader::fill_map(size_t index) {
  const LoadedMap& map = maps_[index];
  if (map.spec->type == MapType::BPF_MAP_TYPE_STRUCT_OPS) return {};
  for (const object::MapSpec::Element& element : map.spec->elements) {
    int fd = element.is_program ? programs_[element.index].fd.get() : maps_[element.index].fd.get();
    if (fd < 0) {
      return fail(EINVAL, "map {}: element {} is program {}, which is not loaded", map.spec->name,
                  element.key, object_->programs()[element.index].name);
    }
    engine::MapElemAttr update;
    update.map_fd = static_cast<uint32_t>(map.fd.get());
    update.key = address_of(&element.key);
    update.value = address_of(&fd);
    int64_t result = engine_->call(Cmd::BPF_MAP_UPDATE_ELEM, update);
    if (result < 0) {
      return std::unexpected(engine_error(
          *engine_, result, fmt::format("map {}: element {}", map.spec->name, element.key)));
    }
  }
  return {};
}

}  // namespace skep::loader
