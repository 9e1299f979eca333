// TASK_STORAGE, CGRP_STORAGE, INODE_STORAGE, SK_STORAGE; CGROUP_STORAGE and PERCPU_CGROUP_STORAGE.
//
// The kernel hangs a value to its owner. Here owners are told by what names them everywhere (StorageKey), and
// the values lie in a hash map of the hive behind the storage map (hash_table.h), so that they are reached
// without a lock from any process and survive whoever is killed. They go with their owner: a traced thread
// that ends takes its own away, a thread that begins those of an earlier one of its number; what killed
// threads leave goes when the table is full or the user's side looks.
//
// The bodies of the storage helpers are here, too. Freestanding.
#include "maps/local_storage.h"

#include "base/raw_syscall.h"
#include "btf/user_engine/published.h"
#include "maps/storage_helpers.h"
#include "maps/types.h"
#include "object/prog_header.h"

namespace skep::maps {
namespace {

constexpr uint64_t kGetCreate = 1;  // BPF_LOCAL_STORAGE_GET_F_CREATE
constexpr uint32_t kMaxStorages = 4096;

void* refuse_lookup(const MapHeader&, const void*, Bee) { return nullptr; }
int64_t refuse_update(const MapHeader&, const void*, const void*, uint64_t, Bee) {
  return kEopnotsupp;
}
int64_t refuse_remove(const MapHeader&, const void*, Bee) { return kEopnotsupp; }
int64_t refuse_next(const MapHeader&, const void*, void*, Bee) { return kEnotsupp; }

// ---- CGROUP_STORAGE: the user's side, by the map's own key ----

StorageKey hook_key(const MapHeader& map, const void* key) {
  StorageKey made{};
  __builtin_memcpy(&made.id, key, 8);
  if (map.key_size > 8) {
    uint32_t attach_type;
    __builtin_memcpy(&attach_type, static_cast<const unsigned char*>(key) + 8, 4);
    made.more = attach_type;
  }
  return made;
}
void* hook_lookup(const MapHeader& map, const void* key, Bee bee) {
  const StorageKey own = hook_key(map, key);
  return kHashOps.lookup(storage_table(map), &own, bee);
}
void* hook_lookup_slot(const MapHeader& map, const void* key, uint32_t slot, Bee bee) {
  const StorageKey own = hook_key(map, key);
  return kHashOps.lookup_slot(storage_table(map), &own, slot, bee);
}
int64_t hook_update(const MapHeader& map, const void* key, const void* value, uint64_t flags,
                    Bee bee) {
  if ((flags & ~uint64_t{BPF_F_LOCK | BPF_EXIST}) != 0) return kEinval;
  const StorageKey own = hook_key(map, key);
  return kHashOps.update(storage_table(map), &own, value, (flags & BPF_F_LOCK) | BPF_EXIST, bee);
}
int64_t hook_remove(const MapHeader&, const void*, Bee) { return kEinval; }
int64_t hook_next(const MapHeader& map, const void* key, void* next, Bee bee) {
  StorageKey own{}, following{};
  const MapHeader& table = storage_table(map);
  if (key != nullptr) {
    own = hook_key(map, key);
    if (kHashOps.lookup(table, &own, bee) == nullptr) return kEnoent;
  }
  const int64_t result = kHashOps.next_key(table, key != nullptr ? &own : nullptr, &following, bee);
  if (result != 0) return result;
  __builtin_memset(next, 0, map.key_size);
  __builtin_memcpy(next, &following.id, 8);
  const auto attach_type = static_cast<uint32_t>(following.more);
  if (map.key_size > 8)
    __builtin_memcpy(static_cast<unsigned char*>(next) + 8, &attach_type, sizeof attach_type);
  return 0;
}

bool task_is_dead(uint64_t tid) {
  constexpr long kTkill = 200;
  return tid == 0 || tid > 0x7fffffff ||
         raw::syscall(kTkill, static_cast<long>(tid), 0) == raw::kEsrch;
}

}  // namespace

void* storage_get(const MapHeader& map, const StorageKey& key, bool create, const void* initial,
                  Bee bee) {
  const MapHeader& table = storage_table(map);
  void* value = kHashOps.lookup(table, &key, bee);
  if (value != nullptr || !create) return value;
  if (initial == nullptr) initial = reinterpret_cast<const void*>(storage_geometry(map).zeros);
  for (int attempt = 0; attempt < 2; ++attempt) {
    const int64_t made = kHashOps.update(table, &key, initial, BPF_NOEXIST, bee);
    if (made == 0 || made == kEexist) return kHashOps.lookup(table, &key, bee);
    const bool full = made == kE2big;
    if (!full || static_cast<MapType>(map.type) != MapType::BPF_MAP_TYPE_TASK_STORAGE ||
        reap_dead_tasks(map, bee) == 0)
      break;
  }
  return nullptr;
}

int64_t storage_delete(const MapHeader& map, const StorageKey& key, Bee bee) {
  return kHashOps.remove(storage_table(map), &key, bee);
}

uint32_t reap_dead_tasks(const MapHeader& map, Bee bee) {
  const MapHeader& table = storage_table(map);
  StorageKey key{}, next{};
  uint32_t reaped = 0;
  bool started = false;
  for (uint32_t steps = 0; steps < table.max_entries; ++steps) {
    if (kHashOps.next_key(table, started ? &key : nullptr, &next, bee) != 0) break;
    // The element after it is looked for before it goes.
    if (started && task_is_dead(key.id) && kHashOps.remove(table, &key, bee) == 0) ++reaped;
    key = next;
    started = true;
  }
  if (started && task_is_dead(key.id) && kHashOps.remove(table, &key, bee) == 0) ++reaped;
  return reaped;
}

void forget_task(uint32_t tid, Bee bee) {
  const uint64_t at = hive::root(hive::Root::kTaskStorages);
  if (at == 0) return;
  const auto& storages = *reinterpret_cast<const TaskStorages*>(at);
  const StorageKey key{tid, 0};
  for (uint32_t i = 0; i < storages.count && i < kMaxStorages; ++i) {
    const auto& map = *reinterpret_cast<const MapHeader*>(storages.maps[i]);
    if (kHashOps.lookup(storage_table(map), &key, bee) != nullptr)
      (void)storage_delete(map, key, bee);
  }
}

const MapOps kLocalStorageOps = {refuse_lookup, refuse_update, refuse_remove, refuse_next,
                                 nullptr,       nullptr,       nullptr,       nullptr};
const MapOps kCgroupStorageOps = {hook_lookup, hook_update, hook_remove, hook_next,
                                  nullptr,     nullptr,     nullptr,     hook_lookup_slot};

// ---- helpers ----

namespace {

const MapHeader& map_at(uint64_t address) { return *reinterpret_cast<const MapHeader*>(address); }
uint64_t result(const void* pointer) { return reinterpret_cast<uint64_t>(pointer); }
uint64_t result(int64_t value) { return static_cast<uint64_t>(value); }

// (map, owner, value or NULL, flags): the owner's key was found.
uint64_t get(uint64_t map, const StorageKey& key, uint64_t value, uint64_t flags,
             HelperContext* context) {
  return result(storage_get(map_at(map), key, flags == kGetCreate,
                            reinterpret_cast<const void*>(value), bee_in(context->slot)));
}
uint64_t drop(uint64_t map, const StorageKey& key, HelperContext* context) {
  return result(storage_delete(map_at(map), key, bee_in(context->slot)));
}

// The owner's struct may be anywhere (PTR_TO_BTF_ID), so that it is read as such memory is.
template <class T>
bool read(HelperContext* context, uint64_t address, T& to) {
  return address != 0 && context->host->read_memory(context, &to, address, sizeof to) == 0;
}
bool task_key(HelperContext* context, uint64_t task, StorageKey& key) {
  int pid = 0;
  if (task != 0 && task == reinterpret_cast<uint64_t>(context->current_task)) {
    key = {static_cast<uint32_t>(reinterpret_cast<const published::task_struct*>(task)->pid), 0};
    return true;
  }
  if (task == 0 || !read(context, task + offsetof(published::task_struct, pid), pid)) return false;
  key = {static_cast<uint32_t>(pid), 0};
  return pid > 0;
}
bool cgroup_key(HelperContext* context, uint64_t cgroup, StorageKey& key) {
  uint64_t node = 0;
  key = {};
  return cgroup != 0 && read(context, cgroup + offsetof(published::cgroup, kn), node) &&
         read(context, node + offsetof(published::kernfs_node, id), key.id) && key.id != 0;
}
bool inode_key(HelperContext* context, uint64_t inode, StorageKey& key) {
  published::inode view{};
  published::super_block block{};
  if (inode == 0 || !read(context, inode, view)) return false;
  if (view.i_sb != nullptr && !read(context, reinterpret_cast<uint64_t>(view.i_sb), block))
    return false;
  key = {view.i_ino, block.s_dev};
  return key.id != 0;
}
// A program has one socket: the one that it runs for.
bool socket_key(HelperContext* context, uint64_t socket, StorageKey& key) {
  key = {context->socket_cookie, 0};
  return socket != 0 && key.id != 0;
}

}  // namespace

#define SKEP_STORAGE(owner)                                                                \
  uint64_t owner##_storage_get(uint64_t map, uint64_t of, uint64_t value, uint64_t flags,  \
                               uint64_t, HelperContext* context) {                         \
    StorageKey key{};                                                                      \
    if (flags > kGetCreate || !owner##_key(context, of, key)) return 0;                    \
    return get(map, key, value, flags, context);                                           \
  }                                                                                        \
  uint64_t owner##_storage_delete(uint64_t map, uint64_t of, uint64_t, uint64_t, uint64_t, \
                                  HelperContext* context) {                                \
    StorageKey key{};                                                                      \
    if (!owner##_key(context, of, key)) return result(of == 0 ? kEinval : kEnoent);        \
    return drop(map, key, context);                                                        \
  }
SKEP_STORAGE(task)
SKEP_STORAGE(cgroup)
SKEP_STORAGE(inode)
SKEP_STORAGE(socket)
#undef SKEP_STORAGE

// void *bpf_get_local_storage(map, flags): the value of the hook that the program runs on; never null. It was made
// when the program was attached; a run without that (TEST_RUN) makes its own.
uint64_t get_local_storage(uint64_t map_address, uint64_t, uint64_t, uint64_t, uint64_t,
                           HelperContext* context) {
  const MapHeader& map = map_at(map_address);
  const auto* program = static_cast<const ProgHeader*>(context->program);
  StorageKey key{kHiveCgroup, 0};
  if (map.key_size > 8 && program != nullptr) key.more = program->expected_attach_type;
  void* value = storage_get(map, key, true, nullptr, bee_in(context->slot));
  // The table can only be full if others have scribbled over it: then the memory of its first element will do.
  if (value == nullptr) {
    const HashTable table(storage_table(map));
    value = table.value(0, context->slot);
  }
  return result(value);
}

}  // namespace skep::maps
