// Maps from the controlling and the user's side: creation with the kernel's checks of geometry, and
// the element commands of bpf(2) with its semantics and errno. Library only. Thread-safe.
//
// Value layout as in bpf(2): per-CPU maps take and give round_up(value_size, 8) bytes for each slot
// of the hive ("CPU"), in slot order; user_value_size() says how many bytes in all.
#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <vector>

#include "base/bytes.h"
#include "base/hive.h"
#include "base/result.h"
#include "object/map_header.h"
#include "object/prog_header.h"
#include "object/value_fields.h"
#include "spec/types.h"

namespace skep::maps {

struct MapAttributes {
  MapType type{};
  uint32_t key_size = 0;
  uint32_t value_size = 0;
  uint32_t max_entries = 0;
  uint32_t map_flags = 0;
  uint64_t map_extra = 0;  // BLOOM_FILTER: number of hashes
  std::string name{};
  const MapHeader* inner = nullptr;     // maps of maps: what the inner ones must look like
  const ValueFields* fields = nullptr;  // of the value, copied; null: none
  bool has_btf = false;                 // key and value have BTF types: local storages need them
  uint32_t perf_pages = 64;  // PERF_EVENT_ARRAY: pages of each slot's ring; a power of two
};

// Published with a fresh id when it returns. EINVAL, E2BIG, ENOMEM, ENOSPC as the kernel.
[[nodiscard]] Result<MapHeader*> create_map(Hive& hive, const MapAttributes& attributes);
// Unpublishes at once, frees after the grace period (Hive::defer). No program may be started on it
// any more.
void destroy_map(Hive& hive, MapHeader* map);
// BPF_MAP_FREEZE: the user side may no longer write. EBUSY where it is frozen already.
[[nodiscard]] Result<> freeze_map(MapHeader* map);

// A copy of a header in a hive that another process controls, every address in it checked to lie in
// its segment.
[[nodiscard]] Result<MapHeader> checked_header(const MapHeader* map);

[[nodiscard]] size_t user_value_size(const MapHeader& map);

// The element commands. Buffers must have exactly key_size and user_value_size() bytes; EINVAL
// otherwise. EPERM where the map's flags (WRONLY, RDONLY) or its being frozen forbid the access;
// ENOENT, EEXIST, E2BIG, EBUSY, ENOTSUPP as the kernel. `flags`: BPF_ANY, BPF_NOEXIST, BPF_EXIST,
// BPF_F_LOCK.
[[nodiscard]] Result<> lookup_elem(const MapHeader& map, ByteSpan key, std::span<std::byte> value,
                                   uint64_t flags = 0);
[[nodiscard]] Result<> update_elem(const MapHeader& map, ByteSpan key, ByteSpan value,
                                   uint64_t flags = 0);
[[nodiscard]] Result<> delete_elem(const MapHeader& map, ByteSpan key);
// `key` empty: the first key.
[[nodiscard]] Result<> next_key(const MapHeader& map, ByteSpan key, std::span<std::byte> next);
[[nodiscard]] Result<> lookup_and_delete_elem(const MapHeader& map, ByteSpan key,
                                              std::span<std::byte> value, uint64_t flags = 0);

// lookup_elem() for who calls often: a result of 0 or -errno, no error text, nothing checked but what memory safety
// needs: `key` has key_size bytes and `value` room for user_value_size(). Takes no lock and no slot for arrays and for
// hash tables whose values are one machine word.
[[nodiscard]] int64_t read_elem(const MapHeader& map, const void* key, void* value);

// BPF_MAP_{LOOKUP,LOOKUP_AND_DELETE}_BATCH. `cursor`: empty at first, then what the last call left
// there, 4 bytes or key_size, whichever is more; `done` after the last batch (the kernel's ENOENT).
// This is also the way to dump a map that a hostile process may write to: unlike a walk by
// next_key() it always ends.
struct Batch {
  std::vector<std::byte> keys, values;
  uint32_t count = 0;
  bool done = false;
};
[[nodiscard]] Result<Batch> lookup_batch(const MapHeader& map, std::vector<std::byte>& cursor,
                                         uint32_t limit, bool remove = false, uint64_t flags = 0);
// BPF_MAP_{UPDATE,DELETE}_BATCH: how many were done; an error stops it and says at which element
// (`done`).
[[nodiscard]] Result<> update_batch(const MapHeader& map, ByteSpan keys, ByteSpan values,
                                    uint32_t count, uint32_t& done, uint64_t flags = 0);
[[nodiscard]] Result<> delete_batch(const MapHeader& map, ByteSpan keys, uint32_t count,
                                    uint32_t& done);

// TASK_STORAGE, CGRP_STORAGE, INODE_STORAGE, SK_STORAGE: the element commands, by owner (in bpf(2) a descriptor of
// it, which the engine resolves).
struct StorageKey;
[[nodiscard]] Result<> lookup_storage(const MapHeader& map, const StorageKey& owner,
                                      std::span<std::byte> value, uint64_t flags = 0);
[[nodiscard]] Result<> update_storage(const MapHeader& map, const StorageKey& owner, ByteSpan value,
                                      uint64_t flags = 0);
[[nodiscard]] Result<> delete_storage(const MapHeader& map, const StorageKey& owner);
// CGROUP_STORAGE: a program that uses the map was attached to this hook of the traced processes.
[[nodiscard]] Result<> make_hook_storage(const MapHeader& map, uint32_t attach_type);
// Tells programs in traced processes which task storages there are. `all`: those of the hive.
[[nodiscard]] Result<> publish_task_storages(Hive& hive, std::span<const MapHeader* const> all);

// DEVMAP, DEVMAP_HASH, CPUMAP, XSKMAP (ports.h). A port that is made is freed with free_port(), after it was taken
// out of its map. set_port: null takes out; ENOENT, EEXIST, E2BIG as the kernel's for DEVMAP_HASH, E2BIG for others.
struct Port;
[[nodiscard]] Result<Port*> make_port(Hive& hive, const Port& port);
void free_port(Hive& hive, Port* port);
[[nodiscard]] Result<> set_port(Hive& hive, MapHeader* map, uint32_t key, const Port* port,
                                uint64_t flags);
[[nodiscard]] const Port* port_at(const MapHeader& map, uint32_t key);

// CGROUP_ARRAY: element `index` becomes the traced processes' cgroup, or none.
[[nodiscard]] Result<> set_cgroup(Hive& hive, MapHeader* map, uint32_t index, bool there);

// PROG_ARRAY, ARRAY_OF_MAPS, HASH_OF_MAPS: elements are objects of the hive (fds in bpf(2), which
// the engine resolves). Null removes. ENOENT where there was none to remove.
[[nodiscard]] Result<> set_program(Hive& hive, MapHeader* map, uint32_t index,
                                   const ProgHeader* program);
[[nodiscard]] Result<> set_inner_map(Hive& hive, MapHeader* map, ByteSpan key,
                                     const MapHeader* inner, uint64_t flags = 0);
// HASH_OF_MAPS and DEVMAP_HASH: an object by its address, 0 takes it out.
[[nodiscard]] Result<> set_object(Hive& hive, MapHeader* map, ByteSpan key, uint64_t address,
                                  uint64_t flags);
// The object's id, as the kernel's look-up gives; ENOENT where the element is empty.
[[nodiscard]] Result<uint32_t> object_id_at(const MapHeader& map, ByteSpan key);

}  // namespace skep::maps
