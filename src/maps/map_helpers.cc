// The map helpers (BPF_FUNC ids in brackets). What a program may call with which map is the
// verifier's to say; a map without the operation gives the errno that the kernel's stub gives.
#include "maps/map_helpers.h"

#include "maps/hash_table.h"
#include "maps/object_maps.h"
#include "maps/port_helpers.h"
#include "maps/ring_helpers.h"
#include "maps/storage_helpers.h"
#include "maps/types.h"
#include "maps/value_copy.h"

namespace skep::maps {
namespace {

const MapHeader& map_at(uint64_t address) { return *reinterpret_cast<const MapHeader*>(address); }
const MapOps* ops_at(uint64_t address) {
  return ops_of(static_cast<MapType>(map_at(address).type));
}
const void* memory(uint64_t address) { return reinterpret_cast<const void*>(address); }
uint64_t result(int64_t value) { return static_cast<uint64_t>(value); }
uint64_t result(const void* pointer) { return reinterpret_cast<uint64_t>(pointer); }

// [1] void *bpf_map_lookup_elem(map, key)
uint64_t lookup_elem(uint64_t map, uint64_t key, uint64_t, uint64_t, uint64_t,
                     HelperContext* context) {
  const MapOps* ops = ops_at(map);
  return ops != nullptr ? result(ops->lookup(map_at(map), memory(key), bee_in(context->slot))) : 0;
}

// [2] long bpf_map_update_elem(map, key, value, flags)
uint64_t update_elem(uint64_t map, uint64_t key, uint64_t value, uint64_t flags, uint64_t,
                     HelperContext* context) {
  const MapOps* ops = ops_at(map);
  if (ops == nullptr) return result(kEopnotsupp);
  if ((flags & BPF_F_LOCK) != 0) [[unlikely]]
    return result(
        update_locked(map_at(map), memory(key), memory(value), flags, bee_in(context->slot)));
  return result(ops->update(map_at(map), memory(key), memory(value), flags, bee_in(context->slot)));
}

// [3] long bpf_map_delete_elem(map, key)
uint64_t delete_elem(uint64_t map, uint64_t key, uint64_t, uint64_t, uint64_t,
                     HelperContext* context) {
  const MapOps* ops = ops_at(map);
  return ops != nullptr ? result(ops->remove(map_at(map), memory(key), bee_in(context->slot)))
                        : result(kEopnotsupp);
}

// [87] [88] [89] queues, stacks, bloom filters
uint64_t push_elem(uint64_t map, uint64_t value, uint64_t flags, uint64_t, uint64_t,
                   HelperContext* context) {
  const MapOps* ops = ops_at(map);
  if (ops == nullptr || ops->push == nullptr) return result(kEopnotsupp);
  return result(ops->push(map_at(map), memory(value), flags, bee_in(context->slot)));
}
uint64_t pop_elem(uint64_t map, uint64_t value, uint64_t, uint64_t, uint64_t,
                  HelperContext* context) {
  const MapOps* ops = ops_at(map);
  if (ops == nullptr || ops->pop == nullptr) return result(kEopnotsupp);
  return result(ops->pop(map_at(map), reinterpret_cast<void*>(value), bee_in(context->slot)));
}
uint64_t peek_elem(uint64_t map, uint64_t value, uint64_t, uint64_t, uint64_t,
                   HelperContext* context) {
  const MapOps* ops = ops_at(map);
  if (ops == nullptr || ops->peek == nullptr) return result(kEopnotsupp);
  return result(ops->peek(map_at(map), reinterpret_cast<void*>(value), bee_in(context->slot)));
}

// [195] void *bpf_map_lookup_percpu_elem(map, key, cpu)
uint64_t lookup_percpu_elem(uint64_t map, uint64_t key, uint64_t cpu, uint64_t, uint64_t,
                            HelperContext* context) {
  const MapOps* ops = ops_at(map);
  if (ops == nullptr || ops->lookup_slot == nullptr || cpu >= map_at(map).slots) return 0;
  return result(ops->lookup_slot(map_at(map), memory(key), static_cast<uint32_t>(cpu),
                                 bee_in(context->slot)));
}

// [164] long bpf_for_each_map_elem(map, callback, callback_ctx, flags): how many were visited. The
// callback gets (map, key, value, callback_ctx) and stops the walk by returning 1.
uint64_t for_each_map_elem(uint64_t map_address, uint64_t callback, uint64_t callback_context,
                           uint64_t flags, uint64_t, HelperContext* context) {
  if (flags != 0) return result(kEinval);
  const MapHeader& map = map_at(map_address);
  uint64_t visited = 0;
  auto visit = [&](const void* key, const void* value) {
    ++visited;
    return context->call_bpf(context, callback, map_address, result(key), result(value),
                             callback_context, 0) == 0;
  };
  switch (static_cast<MapType>(map.type)) {
    case MapType::BPF_MAP_TYPE_ARRAY:
    case MapType::BPF_MAP_TYPE_PERCPU_ARRAY: {
      const MapOps* ops = ops_at(map_address);
      for (uint32_t i = 0; i < map.max_entries; ++i)
        if (!visit(&i, ops->lookup(map, &i, bee_in(context->slot)))) break;
      return visited;
    }
    case MapType::BPF_MAP_TYPE_HASH:
    case MapType::BPF_MAP_TYPE_PERCPU_HASH:
    case MapType::BPF_MAP_TYPE_LRU_HASH:
    case MapType::BPF_MAP_TYPE_LRU_PERCPU_HASH: {
      HashTable table(map);
      auto offer = [&](uint32_t index) {
        return !table.in_range(index) ||
               visit(table.element(index).key(), table.value(index, context->slot));
      };
      for (uint64_t at = 0; at <= table.geometry().bucket_mask; ++at) {
        Bucket& line = table.bucket(at);
        for (auto& entry : line.entries) {
          uint64_t word = entry.load(std::memory_order_acquire);
          if (word != 0 && !offer(static_cast<uint32_t>(word) - 1)) return visited;
        }
        uint32_t link = line.overflow.load(std::memory_order_acquire);
        for (uint32_t steps = 0;
             !HashTable::is_end(link) && steps < kMaxChain && table.in_range(link - 1); ++steps) {
          uint32_t index = link - 1;
          link = table.element(index).next.load(
              std::memory_order_acquire);  // the callback may remove it
          if (!offer(index)) return visited;
        }
      }
      return visited;
    }
    default: return result(kEinval);
  }
}

// [37] long bpf_current_task_under_cgroup(map, index). Every program runs for a task of the hive's one cgroup, so
// it is under whichever the element is.
uint64_t current_task_under_cgroup(uint64_t map_address, uint64_t index, uint64_t, uint64_t,
                                   uint64_t, HelperContext*) {
  const MapHeader& map = map_at(map_address);
  const auto at = static_cast<uint32_t>(index);
  if (at >= map.max_entries) return result(kE2big);
  const auto* element = reinterpret_cast<const uint64_t*>(map.values) + at;
  return __atomic_load_n(element, __ATOMIC_ACQUIRE) == 0 ? result(kEagain) : 1;
}
// [33] long bpf_skb_under_cgroup(skb, map, index): a packet of the user engine has no socket.
uint64_t skb_under_cgroup(uint64_t, uint64_t, uint64_t, uint64_t, uint64_t, HelperContext*) {
  return result(kEnoent);
}

constexpr HelperBinding kBindings[] = {
    {1, lookup_elem},
    {2, update_elem},
    {3, delete_elem},
    {23, redirect},
    {25, perf_event_output},
    {27, get_stackid},
    {33, skb_under_cgroup},
    {37, current_task_under_cgroup},
    {51, redirect_map},
    {81, get_local_storage},
    {87, push_elem},
    {88, pop_elem},
    {89, peek_elem},
    {107, socket_storage_get},
    {108, socket_storage_delete},
    {130, ringbuf_output},
    {131, ringbuf_reserve},
    {132, ringbuf_submit},
    {133, ringbuf_discard},
    {134, ringbuf_query},
    {145, inode_storage_get},
    {146, inode_storage_delete},
    {156, task_storage_get},
    {157, task_storage_delete},
    {164, for_each_map_elem},
    {195, lookup_percpu_elem},
    {198, ringbuf_reserve_dynptr},
    {199, ringbuf_submit_dynptr},
    {200, ringbuf_discard_dynptr},
    {209, user_ringbuf_drain},
    {210, cgroup_storage_get},
    {211, cgroup_storage_delete},
};

}  // namespace

int64_t update_locked(const MapHeader& map, const void* key, const void* value, uint64_t flags,
                      Bee bee) {
  const MapOps* ops = ops_of(static_cast<MapType>(map.type));
  if (ops == nullptr || ops->lookup_slot == nullptr || map.fields == 0) return kEinval;
  const uint64_t how = flags & ~uint64_t{BPF_F_LOCK};
  if (how > BPF_EXIST) return kEinval;
  for (int attempt = 0; attempt < 8; ++attempt) {
    void* there = ops->lookup_slot(map, key, 0, bee);
    if (there != nullptr && lock_of(map, there) == nullptr) return kEinval;
    if (there != nullptr) {
      return how == BPF_NOEXIST ? kEexist : copy_locked(map, there, there, value, bee);
    }
    if (how == BPF_EXIST) return kEnoent;
    const int64_t made = ops->update(map, key, value, BPF_NOEXIST, bee);
    if (made != kEexist || how == BPF_NOEXIST) return made;
  }
  return kEbusy;
}

std::span<const HelperBinding> map_helper_bindings() { return kBindings; }

}  // namespace skep::maps
