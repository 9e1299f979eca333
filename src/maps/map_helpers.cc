// The map helpers (BPF_FUNC ids in brackets). What a program may call with which map is the
// verifier's to say; a map without the operation gives the errno that the kernel's stub gives.
#include "maps/map_helpers.h"

#include "maps/hash_table.h"
#include "maps/ring_helpers.h"
#include "maps/types.h"

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

constexpr HelperBinding kBindings[] = {
    {1, lookup_elem},
    {2, update_elem},
    {3, delete_elem},
    {25, perf_event_output},
    {27, get_stackid},
    {87, push_elem},
    {88, pop_elem},
    {89, peek_elem},
    {111, perf_event_output},  // skb_output
    {121, perf_event_output},  // xdp_output
    {130, ringbuf_output},
    {131, ringbuf_reserve},
    {132, ringbuf_submit},
    {133, ringbuf_discard},
    {134, ringbuf_query},
    {164, for_each_map_elem},
    {195, lookup_percpu_elem},
    {198, ringbuf_reserve_dynptr},
    {199, ringbuf_submit_dynptr},
    {200, ringbuf_discard_dynptr},
    {209, user_ringbuf_drain},
};

}  // namespace

std::span<const HelperBinding> map_helper_bindings() { return kBindings; }

}  // namespace skep::maps
