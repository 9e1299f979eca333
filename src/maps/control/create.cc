// Map creation: the kernel's checks of attributes (kernel/bpf/syscall.c map_create and each type's
// map_alloc_check), then the layout of the map's memory, which the type's own file in src/maps
// draws.
#include <sys/random.h>

#include <algorithm>
#include <bit>
#include <cstring>

#include "maps/control/maps.h"
#include "maps/hash_table.h"
#include "maps/local_storage.h"
#include "maps/map_ops.h"
#include "maps/object_maps.h"
#include "maps/perf_event_array.h"
#include "maps/ringbuf.h"
#include "maps/stack_trace.h"
#include "maps/value_copy.h"
#include "spec/map_types.h"

namespace skep::maps {
namespace {

using enum MapType;

constexpr uint64_t kPage = 4096;
constexpr uint64_t kMaxValue = uint64_t{4} << 20;  // KMALLOC_MAX_SIZE
constexpr uint64_t kMaxPercpuValue = 32 << 10;     // PCPU_MIN_UNIT_SIZE
constexpr uint32_t kMaxStackFrames = 127;          // kernel.perf_event_max_stack
constexpr uint32_t kAccess = BPF_F_RDONLY | BPF_F_WRONLY | BPF_F_RDONLY_PROG | BPF_F_WRONLY_PROG;
constexpr uint64_t kMaxElements = uint64_t{1} << 30;  // element numbers leave room for markers

Result<> check_flags(const MapAttributes& map, uint32_t allowed) {
  if (uint32_t other = map.map_flags & ~allowed; other != 0)
    return fail(EINVAL, "map_flags {:#x} are not allowed for this map type", other);
  if ((map.map_flags & BPF_F_RDONLY_PROG) != 0 && (map.map_flags & BPF_F_WRONLY_PROG) != 0)
    return fail(EINVAL, "BPF_F_RDONLY_PROG and BPF_F_WRONLY_PROG exclude each other");
  return {};
}
Result<> check_key(const MapAttributes& map, uint32_t size) {
  if (map.key_size != size)
    return fail(EINVAL, "expected key_size {}, found {}", size, map.key_size);
  return {};
}
Result<> check_value(const MapAttributes& map, uint32_t size) {
  if (map.value_size != size)
    return fail(EINVAL, "expected value_size {}, found {}", size, map.value_size);
  return {};
}
Result<> check_has_entries(const MapAttributes& map) {
  if (map.max_entries == 0) return fail(EINVAL, "max_entries must not be 0");
  return {};
}
Result<> check_has_value(const MapAttributes& map) {
  if (map.value_size == 0) return fail(EINVAL, "value_size must not be 0");
  return {};
}
Result<> check_percpu_value(const MapAttributes& map) {
  if (round_up(map.value_size, 8) > kMaxPercpuValue)
    return fail(E2BIG, "value_size {} of a per-CPU map is over {}", map.value_size,
                kMaxPercpuValue);
  return {};
}

// What a creation works on: its memory goes back unless it is kept.
class Maker {
 public:
  Maker(Hive& in, const MapAttributes& wanted, MapHeader& header)
      : hive(in), attributes(wanted), map(header) {}
  ~Maker() {
    if (kept_) return;
    if (map.data != 0 && hive::in_data(map.data, map.data_size))
      hive.free_data(reinterpret_cast<void*>(map.data));
    else if (map.data != 0)
      hive.free_object(reinterpret_cast<void*>(map.data));
    if (map.fields != 0 && owns_fields) hive.free_object(reinterpret_cast<void*>(map.fields));
    hive.free_object(&map);
  }
  Maker(const Maker&) = delete;
  Maker& operator=(const Maker&) = delete;
  void keep() { kept_ = true; }

  // Parts of the map's one extent, laid out before it is allocated.
  uint64_t part(uint64_t size, uint64_t alignment = 64) {
    uint64_t at = round_up(size_, alignment);
    size_ = at + size;
    return at;
  }
  Result<> allocate(bool reserve) {
    if (size_ > hive.data_size())
      return fail(ENOMEM, "the map needs {} MiB, the whole hive has {}", size_ >> 20,
                  hive.data_size() >> 20);
    // A page at least: its own, page-aligned.
    SKEP_TRY(memory, hive.allocate_data(std::max(size_, kPage), reserve));
    map.data = reinterpret_cast<uint64_t>(memory);
    map.data_size = size_;
    return {};
  }
  Result<> allocate_in_control(uint64_t size) {
    SKEP_TRY(memory, hive.allocate_object(size));
    map.data = map.values = reinterpret_cast<uint64_t>(memory);
    map.data_size = size;
    return {};
  }
  [[nodiscard]] bool has_flag(uint32_t flag) const { return (attributes.map_flags & flag) != 0; }

  Hive& hive;
  const MapAttributes& attributes;
  MapHeader& map;
  bool owns_fields = true;

 private:
  uint64_t size_ = 0;
  bool kept_ = false;
};

void fill_header(Maker& maker) {
  MapHeader& map = maker.map;
  const MapAttributes& attributes = maker.attributes;
  map.type = static_cast<uint32_t>(attributes.type);
  map.map_flags = attributes.map_flags;
  map.key_size = attributes.key_size;
  map.value_size = attributes.value_size;
  map.max_entries = attributes.max_entries;
  map.slots = maker.hive.slot_count();
  map.index_mask = std::bit_ceil(uint64_t{attributes.max_entries}) - 1;
  std::memcpy(map.name, attributes.name.data(), attributes.name.size());
}

uint64_t random_seed(const Maker& maker) {
  uint64_t seed = 0;
  if (!maker.has_flag(BPF_F_ZERO_SEED) && ::getrandom(&seed, sizeof seed, 0) != sizeof seed)
    seed = 0x9e3779b97f4a7c15;
  return seed;
}

Result<> make_array(Maker& maker) {
  const MapAttributes& map = maker.attributes;
  bool percpu = map.type == BPF_MAP_TYPE_PERCPU_ARRAY;
  SKEP_CHECK(check_has_entries(map));
  SKEP_CHECK(check_key(map, 4));
  SKEP_CHECK(check_has_value(map));
  SKEP_CHECK(check_flags(
      map, percpu ? kAccess : kAccess | BPF_F_NUMA_NODE | BPF_F_MMAPABLE | BPF_F_INNER_MAP));
  if (map.value_size > INT32_MAX) return fail(E2BIG, "value_size {} is too large", map.value_size);
  if (percpu) SKEP_CHECK(check_percpu_value(map));
  maker.map.value_stride = static_cast<uint32_t>(round_up(map.value_size, 8));
  uint64_t bytes = uint64_t{map.max_entries} * maker.map.value_stride;
  if (percpu) maker.map.slot_stride = round_up(bytes, 64);
  uint64_t values =
      maker.part(percpu ? maker.map.slot_stride * maker.hive.slot_count() : bytes, kPage);
  SKEP_CHECK(maker.allocate(!percpu));
  maker.map.values = maker.map.data + values;
  return {};
}

Result<> make_hash(Maker& maker) {
  const MapAttributes& map = maker.attributes;
  bool lru = map.type == BPF_MAP_TYPE_LRU_HASH || map.type == BPF_MAP_TYPE_LRU_PERCPU_HASH;
  bool percpu = map.type == BPF_MAP_TYPE_PERCPU_HASH || map.type == BPF_MAP_TYPE_LRU_PERCPU_HASH;
  SKEP_CHECK(check_flags(
      map, kAccess | BPF_F_NO_PREALLOC | BPF_F_NO_COMMON_LRU | BPF_F_NUMA_NODE | BPF_F_ZERO_SEED));
  if (!lru && maker.has_flag(BPF_F_NO_COMMON_LRU))
    return fail(EINVAL, "BPF_F_NO_COMMON_LRU is for LRU maps");
  if (lru && maker.has_flag(BPF_F_NO_PREALLOC))
    return fail(524, "an LRU map can't have BPF_F_NO_PREALLOC");
  if (maker.has_flag(BPF_F_NUMA_NODE) && (percpu || maker.has_flag(BPF_F_NO_COMMON_LRU)))
    return fail(EINVAL, "BPF_F_NUMA_NODE is not for per-CPU maps");
  SKEP_CHECK(check_has_entries(map));
  SKEP_CHECK(check_has_value(map));
  if (map.key_size == 0) return fail(EINVAL, "key_size must not be 0");
  if (uint64_t{map.key_size} + map.value_size >= kMaxValue - 64)
    return fail(E2BIG, "key and value of {} bytes are too large",
                uint64_t{map.key_size} + map.value_size);
  if (percpu) SKEP_CHECK(check_percpu_value(map));
  if (map.max_entries > kMaxElements)
    return fail(E2BIG, "max_entries {} is too large", map.max_entries);

  const uint32_t slots = maker.hive.slot_count();
  auto& geometry = *new (maker.map.extra) HashGeometry{};
  geometry.total = uint64_t{map.max_entries} + slots;
  // Four to a line of seven at most, on average.
  uint64_t buckets = std::bit_ceil((uint64_t{map.max_entries} + 3) / 4);
  geometry.bucket_mask = buckets - 1;
  maker.map.value_stride = static_cast<uint32_t>(round_up(map.value_size, 8));
  uint64_t key_end = sizeof(Element) + round_up(map.key_size, 8);
  geometry.element_stride = percpu ? key_end : key_end + maker.map.value_stride;
  geometry.value_offset = percpu ? 0 : key_end;
  if (percpu) maker.map.slot_stride = round_up(geometry.total * maker.map.value_stride, 64);

  uint64_t shared_at = maker.part(sizeof(HashShared));
  uint64_t pools_at = maker.part(sizeof(Pool) * slots);
  uint64_t buckets_at = maker.part(sizeof(Bucket) * buckets);
  uint64_t elements_at = maker.part(geometry.total * geometry.element_stride);
  uint64_t values_at = percpu ? maker.part(maker.map.slot_stride * slots, kPage) : 0;
  SKEP_CHECK(maker.allocate(!percpu && !maker.has_flag(BPF_F_NO_PREALLOC)));
  geometry.shared = maker.map.data + shared_at;
  geometry.pools = maker.map.data + pools_at;
  geometry.buckets = maker.map.data + buckets_at;
  geometry.elements = maker.map.data + elements_at;
  geometry.seed = random_seed(maker);
  geometry.lru = lru ? 1 : 0;
  if (percpu) maker.map.values = maker.map.data + values_at;

  HashTable table(maker.map);
  table.shared().maybe_free.store(1);
  uint64_t next = 0;
  for (uint32_t slot = 0; slot < slots; ++slot) {  // equal shares of what was never used
    Pool& pool = table.pool(slot);
    uint64_t end = uint64_t{map.max_entries} * (slot + 1) / slots;
    pool.fresh.store(static_cast<uint32_t>(next));
    pool.fresh_end.store(static_cast<uint32_t>(end));
    next = end;
    uint32_t spare = map.max_entries + slot;
    pool.spare.store(spare + 1);
    table.element(spare).state.store(owned_by(slot));
  }
  return {};
}

constexpr uint64_t kMaxStorageValue = 65536 - 128;  // BPF_LOCAL_STORAGE_MAX_VALUE_SIZE, about

// The hash behind a storage map, by StorageKey. Its memory is only used as far as there are values.
Result<> make_storage_table(Maker& maker, bool per_cpu) {
  constexpr uint64_t kMostBytes = uint64_t{128} << 20;
  constexpr uint64_t kMost = 65536, kLeast = 256;
  MapAttributes table;
  table.type = per_cpu ? BPF_MAP_TYPE_PERCPU_HASH : BPF_MAP_TYPE_HASH;
  table.key_size = sizeof(StorageKey);
  table.value_size = maker.attributes.value_size;
  table.map_flags = BPF_F_NO_PREALLOC;
  const uint64_t one =
      (round_up(table.value_size, 8)) * (per_cpu ? maker.hive.slot_count() : 1) + 64;
  table.max_entries = static_cast<uint32_t>(
      std::clamp(std::min(kMostBytes, maker.hive.data_size() / 16) / one, kLeast, kMost));
  SKEP_CHECK(maker.allocate_in_control(table.value_size));  // zeros
  SKEP_TRY(memory, maker.hive.allocate_object(sizeof(MapHeader)));
  auto& header = *static_cast<MapHeader*>(memory);
  Maker inner(maker.hive, table, header);
  fill_header(inner);
  header.fields = maker.map.fields;
  inner.owns_fields = false;
  SKEP_CHECK(make_hash(inner));
  std::atomic_ref(header.magic).store(kMapMagic, std::memory_order_release);
  inner.keep();
  maker.map.extra[0] = reinterpret_cast<uint64_t>(&header);  // StorageGeometry
  maker.map.extra[1] = maker.map.data;
  maker.map.value_stride = header.value_stride;
  return {};
}

Result<> make_local_storage(Maker& maker) {
  const MapAttributes& map = maker.attributes;
  SKEP_CHECK(check_flags(map, BPF_F_NO_PREALLOC | BPF_F_CLONE));
  if (!maker.has_flag(BPF_F_NO_PREALLOC))
    return fail(EINVAL, "a local storage needs BPF_F_NO_PREALLOC");
  if (map.max_entries != 0) return fail(EINVAL, "a local storage has max_entries 0");
  SKEP_CHECK(check_key(map, 4));
  SKEP_CHECK(check_has_value(map));
  if (!map.has_btf) return fail(EINVAL, "a local storage needs BTF of its key and value");
  if (map.value_size > kMaxStorageValue)
    return fail(E2BIG, "value_size {} is over {}", map.value_size, kMaxStorageValue);
  return make_storage_table(maker, false);
}

Result<> make_cgroup_storage(Maker& maker) {
  const MapAttributes& map = maker.attributes;
  const bool per_cpu = map.type == BPF_MAP_TYPE_PERCPU_CGROUP_STORAGE;
  if (map.key_size != 8 && map.key_size != 16)
    return fail(EINVAL, "a cgroup storage's key_size is 8 or 16, found {}", map.key_size);
  SKEP_CHECK(check_has_value(map));
  if (map.value_size > (per_cpu ? kMaxPercpuValue : kMaxStorageValue))
    return fail(E2BIG, "value_size {} is too large", map.value_size);
  SKEP_CHECK(check_flags(map, BPF_F_NUMA_NODE | kAccess));
  if (map.max_entries != 0) return fail(EINVAL, "a cgroup storage has max_entries 0");
  return make_storage_table(maker, per_cpu);
}

Result<> make_object_array(Maker& maker) {
  const MapAttributes& map = maker.attributes;
  SKEP_CHECK(check_has_entries(map));
  SKEP_CHECK(check_key(map, 4));
  SKEP_CHECK(check_value(map, 4));
  // Programs can't write the elements of a prog array in any case.
  uint32_t allowed = map.type == BPF_MAP_TYPE_PROG_ARRAY
                         ? BPF_F_RDONLY | BPF_F_WRONLY | BPF_F_NUMA_NODE
                         : kAccess | BPF_F_NUMA_NODE;
  SKEP_CHECK(check_flags(map, allowed));
  if (map.type == BPF_MAP_TYPE_ARRAY_OF_MAPS && map.inner == nullptr)
    return fail(EBADF, "an array of maps needs an inner map to take its shape from");
  maker.map.value_stride = 8;
  return maker.allocate_in_control(uint64_t{map.max_entries} * 8);
}

Result<> lay_out_object_hash(Maker& maker) {
  const uint64_t stride = sizeof(ObjectHashEntry) + round_up(maker.attributes.key_size, 8);
  const uint64_t entries = std::bit_ceil(uint64_t{maker.attributes.max_entries} * 2);
  if (entries * stride > hive::kControlSize)
    return fail(E2BIG, "max_entries {} is too large", maker.attributes.max_entries);
  SKEP_CHECK(maker.allocate_in_control(entries * stride));
  maker.map.value_stride = static_cast<uint32_t>(stride);
  maker.map.index_mask = entries - 1;
  maker.map.extra[0] = random_seed(maker);
  return {};
}

// Ports of XDP programs: kernel/bpf/devmap.c, cpumap.c, net/xdp/xskmap.c.
Result<> make_port_map(Maker& maker) {
  const MapAttributes& map = maker.attributes;
  SKEP_CHECK(check_has_entries(map));
  SKEP_CHECK(check_key(map, 4));
  const bool with_program = map.type != BPF_MAP_TYPE_XSKMAP;
  if (map.value_size != 4 && !(with_program && map.value_size == 8))
    return fail(EINVAL, "expected value_size 4{}, found {}", with_program ? " or 8" : "",
                map.value_size);
  SKEP_CHECK(check_flags(map, map.type == BPF_MAP_TYPE_CPUMAP
                                  ? BPF_F_NUMA_NODE
                                  : BPF_F_NUMA_NODE | BPF_F_RDONLY | BPF_F_WRONLY));
  constexpr uint32_t kMostCpus = 8192;  // NR_CPUS
  if (map.type == BPF_MAP_TYPE_CPUMAP && map.max_entries > kMostCpus)
    return fail(E2BIG, "max_entries {}: CPUs are at most {}", map.max_entries, kMostCpus);
  if (map.type == BPF_MAP_TYPE_DEVMAP_HASH) return lay_out_object_hash(maker);
  maker.map.value_stride = 8;
  return maker.allocate_in_control(uint64_t{map.max_entries} * 8);
}

Result<> make_object_hash(Maker& maker) {
  const MapAttributes& map = maker.attributes;
  SKEP_CHECK(check_flags(map, kAccess | BPF_F_NO_PREALLOC | BPF_F_NUMA_NODE | BPF_F_ZERO_SEED));
  SKEP_CHECK(check_has_entries(map));
  SKEP_CHECK(check_value(map, 4));
  if (map.key_size == 0) return fail(EINVAL, "key_size must not be 0");
  if (map.inner == nullptr)
    return fail(EBADF, "a hash of maps needs an inner map to take its shape from");
  return lay_out_object_hash(maker);
}

Result<> make_ringbuf(Maker& maker) {
  const MapAttributes& map = maker.attributes;
  SKEP_CHECK(check_flags(map, BPF_F_NUMA_NODE));
  if (map.key_size != 0 || map.value_size != 0)
    return fail(EINVAL, "a ring buffer has key_size 0 and value_size 0, found {} and {}",
                map.key_size, map.value_size);
  if (!std::has_single_bit(map.max_entries) || map.max_entries % kRingPage != 0)
    return fail(EINVAL,
                "a ring buffer's max_entries must be a power of two and a multiple of {}, found {}",
                kRingPage, map.max_entries);
  uint64_t data = maker.part(2 * kRingPage + 2 * uint64_t{map.max_entries}, kPage);
  SKEP_CHECK(maker.allocate(true));
  maker.map.values = maker.map.data + data + 2 * kRingPage;
  maker.map.index_mask = map.max_entries - 1;
  return {};
}

Result<> make_perf_event_array(Maker& maker) {
  const MapAttributes& map = maker.attributes;
  SKEP_CHECK(check_has_entries(map));
  SKEP_CHECK(check_key(map, 4));
  SKEP_CHECK(check_value(map, 4));
  SKEP_CHECK(check_flags(map, kAccess | BPF_F_NUMA_NODE | BPF_F_PRESERVE_ELEMS));
  if (!std::has_single_bit(map.perf_pages))
    return fail(EINVAL, "pages of a perf ring must be a power of two, found {}", map.perf_pages);
  auto& geometry = *new (maker.map.extra) PerfGeometry{};
  geometry.ring_size = map.perf_pages * kPerfPage;
  maker.map.slot_stride = geometry.ring_size + kPerfPage;
  uint64_t rings = maker.part(maker.map.slot_stride * maker.hive.slot_count(), kPage);
  SKEP_CHECK(maker.allocate(false));
  maker.map.values = maker.map.data + rings;
  return {};
}

Result<> make_stack_trace(Maker& maker) {
  const MapAttributes& map = maker.attributes;
  SKEP_CHECK(
      check_flags(map, BPF_F_NUMA_NODE | BPF_F_RDONLY | BPF_F_WRONLY | BPF_F_STACK_BUILD_ID));
  SKEP_CHECK(check_has_entries(map));
  SKEP_CHECK(check_key(map, 4));
  uint32_t frame = maker.has_flag(BPF_F_STACK_BUILD_ID) ? kBuildIdFrame : 8;
  if (map.value_size < 8 || map.value_size % frame != 0 || map.value_size / frame > kMaxStackFrames)
    return fail(EINVAL, "a stack's value_size must be a multiple of {}, at most {}, found {}",
                frame, frame * kMaxStackFrames, map.value_size);
  if (map.max_entries > kMaxElements)
    return fail(E2BIG, "max_entries {} is too large", map.max_entries);
  uint64_t buckets = std::bit_ceil(uint64_t{map.max_entries});
  maker.map.value_stride = map.value_size;
  uint64_t buckets_at = maker.part(buckets * sizeof(StackBucket));
  uint64_t values_at = maker.part(buckets * 2 * map.value_size, kPage);
  SKEP_CHECK(maker.allocate(false));
  maker.map.extra[0] = maker.map.data + buckets_at;
  maker.map.values = maker.map.data + values_at;
  maker.map.index_mask = buckets - 1;
  return {};
}

Result<> make_queue(Maker& maker) {
  const MapAttributes& map = maker.attributes;
  SKEP_CHECK(check_flags(map, kAccess | BPF_F_NUMA_NODE));
  SKEP_CHECK(check_has_entries(map));
  SKEP_CHECK(check_key(map, 0));
  SKEP_CHECK(check_has_value(map));
  if (map.value_size > kMaxValue) return fail(E2BIG, "value_size {} is too large", map.value_size);
  maker.map.value_stride = static_cast<uint32_t>(round_up(map.value_size, 8));
  uint64_t ends_at = maker.part(64);
  uint64_t values_at = maker.part((uint64_t{map.max_entries} + 1) * maker.map.value_stride);
  SKEP_CHECK(maker.allocate(true));
  maker.map.extra[0] = maker.map.data + ends_at;
  maker.map.values = maker.map.data + values_at;
  return {};
}

Result<> make_bloom_filter(Maker& maker) {
  const MapAttributes& map = maker.attributes;
  SKEP_CHECK(check_flags(map, kAccess | BPF_F_NUMA_NODE | BPF_F_ZERO_SEED));
  SKEP_CHECK(check_has_entries(map));
  SKEP_CHECK(check_key(map, 0));
  SKEP_CHECK(check_has_value(map));
  if ((map.map_extra & ~uint64_t{0xf}) != 0)
    return fail(EINVAL, "map_extra {:#x}: at most 15 hashes", map.map_extra);
  uint64_t hashes = map.map_extra != 0 ? map.map_extra : 5;
  // n * k / ln 2 bits, up to a power of two.
  uint64_t bits = std::bit_ceil(std::max<uint64_t>(64, uint64_t{map.max_entries} * hashes / 5 * 7));
  uint64_t values_at = maker.part(bits / 8);
  SKEP_CHECK(maker.allocate(true));
  maker.map.values = maker.map.data + values_at;
  maker.map.index_mask = bits - 1;
  maker.map.extra[0] = random_seed(maker);
  maker.map.extra[1] = hashes;
  return {};
}

constexpr int kMaxLpmRootBits = 16;  // and 8 at least: every key has that many

Result<> make_lpm_trie(Maker& maker) {
  const MapAttributes& map = maker.attributes;
  SKEP_CHECK(check_has_entries(map));
  SKEP_CHECK(check_has_value(map));
  if (!maker.has_flag(BPF_F_NO_PREALLOC))
    return fail(EINVAL, "an LPM trie needs BPF_F_NO_PREALLOC");
  SKEP_CHECK(check_flags(map, kAccess | BPF_F_NO_PREALLOC | BPF_F_NUMA_NODE));
  if (map.key_size < 4 + 1 || map.key_size > 4 + 256)
    return fail(EINVAL, "an LPM trie's key_size must be 5 to 260, found {}", map.key_size);
  if (map.value_size > kMaxValue) return fail(EINVAL, "value_size {} is too large", map.value_size);
  if (map.max_entries > kMaxElements / 2)
    return fail(ENOMEM, "max_entries {} is too large", map.max_entries);
  constexpr uint64_t kNodeHeader = 16;
  uint64_t value_offset = kNodeHeader + round_up(map.key_size - 4, 8);
  uint64_t stride = value_offset + round_up(map.value_size, 8);
  uint64_t nodes = 2 * uint64_t{map.max_entries} + 2;
  maker.map.value_stride = static_cast<uint32_t>(round_up(map.value_size, 8));
  uint64_t shared_at = maker.part(64);
  uint64_t nodes_at = maker.part(nodes * stride);
  // About as many words as entries: with fewer, look-ups walk further; more cost memory that few look-ups share.
  const auto root_bits =
      std::clamp<uint64_t>(std::bit_width(uint64_t{map.max_entries} - 1), 8,
                           std::min<uint64_t>(kMaxLpmRootBits, (map.key_size - 4) * 8));
  uint64_t table_at = maker.part(8 << root_bits);
  SKEP_CHECK(maker.allocate(false));
  uint64_t* geometry = maker.map.extra;  // lpm_trie.cc: Geometry
  geometry[0] = maker.map.data + shared_at;
  geometry[1] = maker.map.data + nodes_at;
  geometry[2] = stride;
  geometry[3] = nodes;
  geometry[4] = value_offset;
  geometry[5] = maker.map.data + table_at;
  geometry[6] = root_bits;
  return {};
}

Result<> make(Maker& maker) {
  switch (maker.attributes.type) {
    case BPF_MAP_TYPE_ARRAY:
    case BPF_MAP_TYPE_PERCPU_ARRAY: return make_array(maker);
    case BPF_MAP_TYPE_HASH:
    case BPF_MAP_TYPE_PERCPU_HASH:
    case BPF_MAP_TYPE_LRU_HASH:
    case BPF_MAP_TYPE_LRU_PERCPU_HASH: return make_hash(maker);
    case BPF_MAP_TYPE_PROG_ARRAY:
    case BPF_MAP_TYPE_CGROUP_ARRAY:
    case BPF_MAP_TYPE_ARRAY_OF_MAPS: return make_object_array(maker);
    case BPF_MAP_TYPE_HASH_OF_MAPS: return make_object_hash(maker);
    case BPF_MAP_TYPE_RINGBUF:
    case BPF_MAP_TYPE_USER_RINGBUF: return make_ringbuf(maker);
    case BPF_MAP_TYPE_PERF_EVENT_ARRAY: return make_perf_event_array(maker);
    case BPF_MAP_TYPE_STACK_TRACE: return make_stack_trace(maker);
    case BPF_MAP_TYPE_QUEUE:
    case BPF_MAP_TYPE_STACK: return make_queue(maker);
    case BPF_MAP_TYPE_BLOOM_FILTER: return make_bloom_filter(maker);
    case BPF_MAP_TYPE_LPM_TRIE: return make_lpm_trie(maker);
    case BPF_MAP_TYPE_DEVMAP:
    case BPF_MAP_TYPE_DEVMAP_HASH:
    case BPF_MAP_TYPE_CPUMAP:
    case BPF_MAP_TYPE_XSKMAP: return make_port_map(maker);
    case BPF_MAP_TYPE_TASK_STORAGE:
    case BPF_MAP_TYPE_CGRP_STORAGE:
    case BPF_MAP_TYPE_INODE_STORAGE:
    case BPF_MAP_TYPE_SK_STORAGE: return make_local_storage(maker);
    case BPF_MAP_TYPE_CGROUP_STORAGE:
    case BPF_MAP_TYPE_PERCPU_CGROUP_STORAGE: return make_cgroup_storage(maker);
    default: break;
  }
  const spec::MapTypeRow* row = spec::find_map_type(maker.attributes.type);
  if (row == nullptr)
    return fail(EINVAL, "unknown map type {}", static_cast<uint32_t>(maker.attributes.type));
  return fail(EINVAL, "map type {}: {}", row->name, row->user_reason);
}

Result<> check_name(const std::string& name) {
  if (name.size() >= sizeof(MapHeader::name))
    return fail(EINVAL, "a map's name has at most {} characters: '{}'", sizeof(MapHeader::name) - 1,
                name);
  for (char c : name)
    if (!std::isalnum(static_cast<unsigned char>(c)) && c != '_' && c != '.')
      return fail(EINVAL, "a map's name consists of letters, digits, '_' and '.': '{}'", name);
  return {};
}

}  // namespace

Result<MapHeader*> create_map(Hive& hive, const MapAttributes& attributes) {
  SKEP_CHECK(check_name(attributes.name));
  if (attributes.map_extra != 0 && attributes.type != BPF_MAP_TYPE_BLOOM_FILTER)
    return fail(EINVAL, "map_extra is for bloom filters");
  hive.run_deferred();  // memory that waits to be freed
  SKEP_TRY(object, hive.allocate_object(sizeof(MapHeader)));
  MapHeader& map = *static_cast<MapHeader*>(object);
  Maker maker(hive, attributes, map);
  fill_header(maker);
  if (attributes.fields != nullptr && attributes.fields->count != 0) {
    SKEP_TRY(fields, hive.allocate_object(sizeof(ValueFields)));
    std::memcpy(fields, attributes.fields, sizeof(ValueFields));
    map.fields = reinterpret_cast<uint64_t>(fields);
  }
  if (auto made = make(maker); !made) return fail(made, "map '{}'", attributes.name);
  map.id = hive.take_id(hive::ObjectKind::kMap);
  hive::kill_point();
  std::atomic_ref(map.magic).store(kMapMagic, std::memory_order_release);
  if (auto published = hive.publish_object(hive::ObjectKind::kMap, map.id, &map); !published)
    return fail(published, "map '{}'", attributes.name);
  maker.keep();
  return &map;
}

namespace {

// What the values hold goes with the map. Nobody else uses it any more, but others may have scribbled over it.
void empty_map(const MapHeader& map) {
  if (map.fields == 0) return;
  const MapOps* ops = ops_of(static_cast<MapType>(map.type));
  HeldSlot slot;
  if (!slot || ops == nullptr || ops->lookup_slot == nullptr) return;
  const Bee bee = bee_in(slot.slot());
  std::vector<std::byte> key(map.key_size), next(map.key_size);
  const bool per_cpu = map.slot_stride != 0;
  bool first = true;
  for (uint64_t steps = 0; steps <= map.max_entries; ++steps) {
    if (ops->next_key(map, first ? nullptr : key.data(), next.data(), bee) != 0) break;
    first = false;
    key = next;
    for (uint32_t s = 0; s < (per_cpu ? map.slots : 1); ++s)
      if (void* value = ops->lookup_slot(map, key.data(), s, bee))
        heap::empty_value(*fields_of(map), value);
  }
}

void free_memory(Hive& hive, MapHeader* map) {
  const auto type = static_cast<MapType>(map->type);
  if (is_local_storage(type) || is_cgroup_storage(type)) {
    if (map->extra[0] != 0) {
      auto* table = reinterpret_cast<MapHeader*>(map->extra[0]);
      empty_map(*table);
      table->fields = 0;  // the map's own
      free_memory(hive, table);
    }
  } else {
    empty_map(*map);
  }
  if (map->fields != 0) hive.free_object(reinterpret_cast<void*>(map->fields));
  if (hive::in_data(map->data, map->data_size))
    hive.free_data(reinterpret_cast<void*>(map->data));
  else if (map->data != 0)
    hive.free_object(reinterpret_cast<void*>(map->data));
  hive.free_object(map);
}

}  // namespace

void destroy_map(Hive& hive, MapHeader* map) {
  if (map == nullptr) return;
  hive.unpublish_object(hive::ObjectKind::kMap, map->id);
  hive.defer([&hive, map] {
    hive::kill_point();
    std::atomic_ref(map->magic).store(0, std::memory_order_release);
    free_memory(hive, map);
  });
}

Result<> freeze_map(MapHeader* map) {
  uint32_t before = 0;
  hive::kill_point();
  if (!std::atomic_ref(map->frozen).compare_exchange_strong(before, 1))
    return fail(EBUSY, "map is frozen already");
  return {};
}

// Only the controller writes headers; but "controller" may be any process of this user that
// published a session file.
Result<MapHeader> checked_header(const MapHeader* shared) {
  if (!hive::in_control(reinterpret_cast<uint64_t>(shared), sizeof *shared))
    return fail(EFAULT, "not an object of the hive");
  MapHeader map;
  std::memcpy(&map, shared, sizeof map);
  auto good = [](uint64_t begin, uint64_t count, uint64_t size) {
    uint64_t bytes;
    if (__builtin_mul_overflow(count, size, &bytes)) return false;
    return hive::in_data(begin, bytes) || hive::in_control(begin, bytes);
  };
  bool whole = map.magic == kMapMagic && map.slots <= hive::kMaxSlots &&
               map.slots == hive::slot_count() && good(map.data, 1, map.data_size) &&
               map.value_size <= kMaxValue * 1024 && map.key_size <= kMaxValue &&
               ops_of(static_cast<MapType>(map.type)) != nullptr;
  const uint64_t entries = map.max_entries;
  switch (static_cast<MapType>(map.type)) {
    case BPF_MAP_TYPE_ARRAY:
      whole = whole && map.value_stride >= map.value_size &&
              good(map.values, entries, map.value_stride);
      break;
    case BPF_MAP_TYPE_PERCPU_ARRAY:
      whole = whole && map.value_stride >= map.value_size &&
              map.slot_stride / map.value_stride >= entries &&
              good(map.values, map.slots, map.slot_stride);
      break;
    case BPF_MAP_TYPE_HASH:
    case BPF_MAP_TYPE_PERCPU_HASH:
    case BPF_MAP_TYPE_LRU_HASH:
    case BPF_MAP_TYPE_LRU_PERCPU_HASH: {
      const auto& geometry = *reinterpret_cast<const HashGeometry*>(map.extra);
      whole = whole && good(geometry.buckets, geometry.bucket_mask + 1, sizeof(Bucket)) &&
              std::has_single_bit(geometry.bucket_mask + 1) && geometry.total <= 2 * kMaxElements &&
              good(geometry.elements, geometry.total, geometry.element_stride) &&
              good(geometry.pools, map.slots, sizeof(Pool)) &&
              good(geometry.shared, 1, sizeof(HashShared)) &&
              geometry.element_stride >= sizeof(Element) + map.key_size +
                                             (geometry.value_offset != 0 ? map.value_size : 0) &&
              geometry.value_offset <= geometry.element_stride &&
              (geometry.value_offset != 0 ||
               (map.value_stride >= map.value_size && map.value_stride != 0 &&
                map.slot_stride / map.value_stride >= geometry.total &&
                good(map.values, map.slots, map.slot_stride)));
      break;
    }
    case BPF_MAP_TYPE_RINGBUF:
    case BPF_MAP_TYPE_USER_RINGBUF:
      whole = whole && std::has_single_bit(map.max_entries) && map.index_mask == entries - 1 &&
              good(map.data, 1, 2 * kRingPage) && good(map.values, 2, entries);
      break;
    case BPF_MAP_TYPE_PERF_EVENT_ARRAY: {
      uint64_t ring = perf_geometry(map).ring_size;
      whole = whole && std::has_single_bit(ring) && map.slot_stride >= ring + kPerfPage &&
              good(map.values, map.slots, map.slot_stride);
      break;
    }
    case BPF_MAP_TYPE_STACK_TRACE:
      whole = whole && map.index_mask < 2 * kMaxElements &&
              good(map.extra[0], map.index_mask + 1, sizeof(StackBucket)) &&
              map.value_stride >= map.value_size &&
              good(map.values, 2 * (map.index_mask + 1), map.value_stride);
      break;
    case BPF_MAP_TYPE_QUEUE:
    case BPF_MAP_TYPE_STACK:
      whole = whole && good(map.extra[0], 1, 64) && good(map.values, entries + 1, map.value_stride);
      break;
    case BPF_MAP_TYPE_LPM_TRIE:
      whole = whole && map.key_size > 4 && map.key_size <= 260 && good(map.extra[0], 1, 64) &&
              good(map.extra[1], map.extra[3], map.extra[2]) &&
              map.extra[4] + map.value_size <= map.extra[2] &&
              map.extra[4] >= 16 + map.key_size - 4 && map.extra[6] >= 1 &&
              map.extra[6] <= kMaxLpmRootBits && map.extra[6] <= (map.key_size - 4) * 8 &&
              good(map.extra[5], uint64_t{1} << map.extra[6], 8);
      break;
    case BPF_MAP_TYPE_BLOOM_FILTER:
      whole = whole && map.extra[1] <= 15 && good(map.values, 1, map.index_mask / 8 + 1);
      break;
    case BPF_MAP_TYPE_DEVMAP_HASH:
    case BPF_MAP_TYPE_HASH_OF_MAPS:
      whole = whole && map.value_stride >= sizeof(ObjectHashEntry) + map.key_size &&
              good(map.values, map.index_mask + 1, map.value_stride);
      break;
    case BPF_MAP_TYPE_TASK_STORAGE:
    case BPF_MAP_TYPE_CGRP_STORAGE:
    case BPF_MAP_TYPE_INODE_STORAGE:
    case BPF_MAP_TYPE_SK_STORAGE:
    case BPF_MAP_TYPE_CGROUP_STORAGE:
    case BPF_MAP_TYPE_PERCPU_CGROUP_STORAGE:
      whole = whole &&
              checked_header(reinterpret_cast<const MapHeader*>(map.extra[0])).has_value() &&
              storage_table(map).key_size == sizeof(StorageKey) &&
              storage_table(map).value_size == map.value_size;
      break;
    default: whole = whole && good(map.values, entries, 8); break;
  }
  if (!whole) return fail(EINVAL, "map {}: its header makes no sense", map.id);
  return map;
}

}  // namespace skep::maps
