// The storage maps from the user's side, and what creation and attaching make of them. See ../local_storage.cc.
#include <cstring>

#include "maps/control/maps.h"
#include "maps/local_storage.h"
#include "maps/storage_helpers.h"

namespace skep::maps {
namespace {

ByteSpan bytes_of_key(const StorageKey& key) {
  return {reinterpret_cast<const std::byte*>(&key), sizeof key};
}

}  // namespace

Result<> lookup_storage(const MapHeader& map, const StorageKey& owner, std::span<std::byte> value,
                        uint64_t flags) {
  return lookup_elem(storage_table(map), bytes_of_key(owner), value, flags);
}

Result<> update_storage(const MapHeader& map, const StorageKey& owner, ByteSpan value,
                        uint64_t flags) {
  if (map.frozen != 0) return fail(EPERM, "the map is frozen");
  auto done = update_elem(storage_table(map), bytes_of_key(owner), value, flags);
  if (done || done.error().code() != E2BIG) return done;
  {
    HeldSlot slot;
    if (!slot) return fail(EBUSY, "all slots of the hive are in use by running programs");
    if (map.type == static_cast<uint32_t>(MapType::BPF_MAP_TYPE_TASK_STORAGE))
      (void)reap_dead_tasks(map, bee_in(slot.slot()));
  }
  done = update_elem(storage_table(map), bytes_of_key(owner), value, flags);
  if (done || done.error().code() != E2BIG) return done;
  return fail(ENOMEM, "the map has no room for one more owner");
}

Result<> delete_storage(const MapHeader& map, const StorageKey& owner) {
  if (map.frozen != 0) return fail(EPERM, "the map is frozen");
  return delete_elem(storage_table(map), bytes_of_key(owner));
}

Result<> make_hook_storage(const MapHeader& map, uint32_t attach_type) {
  HeldSlot slot;
  if (!slot) return fail(EBUSY, "all slots of the hive are in use by running programs");
  const StorageKey key{kHiveCgroup, map.key_size > 8 ? attach_type : 0};
  if (storage_get(map, key, true, nullptr, bee_in(slot.slot())) == nullptr)
    return fail(ENOMEM, "map {}: no room for one more hook", map.name);
  return {};
}

Result<> publish_task_storages(Hive& hive, std::span<const MapHeader* const> all) {
  void* before = reinterpret_cast<void*>(hive::root(hive::Root::kTaskStorages));
  TaskStorages* made = nullptr;
  if (!all.empty()) {
    SKEP_TRY(memory, hive.allocate_object(sizeof(TaskStorages) + all.size() * sizeof(uint64_t)));
    made = static_cast<TaskStorages*>(memory);
    made->count = static_cast<uint32_t>(all.size());
    for (size_t i = 0; i < all.size(); ++i) made->maps[i] = reinterpret_cast<uint64_t>(all[i]);
  }
  hive.set_root(hive::Root::kTaskStorages, made);
  if (before != nullptr) hive.defer([&hive, before] { hive.free_object(before); });
  return {};
}

}  // namespace skep::maps
