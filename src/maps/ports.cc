// DEVMAP, DEVMAP_HASH, CPUMAP, XSKMAP from the program's side, and the redirecting helpers. The verdict stays in
// the run's context until whoever runs the program delivers the frame: net/core/filter.c bpf_xdp_redirect_map.
#include "maps/ports.h"

#include "maps/object_maps.h"
#include "maps/port_helpers.h"
#include "maps/types.h"
#include "object/prog_header.h"
#include "spec/context_layout.h"

namespace skep::maps {
namespace {

constexpr uint64_t kXdpAborted = 0, kXdpRedirect = 4;
constexpr uint64_t kTcShot = 2, kTcRedirect = 7, kIngress = 1;

void* array_lookup(const MapHeader& map, const void* key, Bee) {
  uint32_t index;
  __builtin_memcpy(&index, key, sizeof index);
  if (index >= map.max_entries) return nullptr;
  const auto* at = reinterpret_cast<const uint64_t*>(map.values) + index;
  return reinterpret_cast<void*>(__atomic_load_n(at, __ATOMIC_ACQUIRE));
}
void* hash_lookup(const MapHeader& map, const void* key, Bee) {
  ObjectHashEntry* entry = find_object_entry(map, key);
  return entry == nullptr ? nullptr
                          : reinterpret_cast<void*>(entry->object.load(std::memory_order_acquire));
}
int64_t refuse_update(const MapHeader&, const void*, const void*, uint64_t, Bee) { return kEperm; }
int64_t refuse_remove(const MapHeader&, const void*, Bee) { return kEperm; }
int64_t next_index(const MapHeader& map, const void* key, void* next, Bee bee) {
  return kArrayOps.next_key(map, key, next, bee);
}
int64_t hash_next(const MapHeader& map, const void* key, void* next, Bee bee) {
  return kMapHashOps.next_key(map, key, next, bee);
}

spec::XdpContext* context_of(HelperContext* run) {
  const auto* program = static_cast<const ProgHeader*>(run->program);
  const bool xdp =
      program != nullptr && program->type == static_cast<uint32_t>(ProgType::BPF_PROG_TYPE_XDP);
  return xdp ? static_cast<spec::XdpContext*>(run->ctx) : nullptr;
}

}  // namespace

const MapOps kPortArrayOps = {array_lookup, refuse_update, refuse_remove, next_index,
                              nullptr,      nullptr,       nullptr,       nullptr};
const MapOps kPortHashOps = {hash_lookup, refuse_update, refuse_remove, hash_next,
                             nullptr,     nullptr,       nullptr,       nullptr};

// (map, u64 key, u64 flags)
uint64_t redirect_map(uint64_t map_address, uint64_t key, uint64_t flags, uint64_t, uint64_t,
                      HelperContext* run) {
  const auto& map = *reinterpret_cast<const MapHeader*>(map_address);
  const auto type = static_cast<MapType>(map.type);
  const bool devices =
      type == MapType::BPF_MAP_TYPE_DEVMAP || type == MapType::BPF_MAP_TYPE_DEVMAP_HASH;
  const uint64_t known =
      kRedirectVerdict | (devices ? kRedirectBroadcast | kRedirectExcludeIngress : 0);
  if ((flags & ~known) != 0) return kXdpAborted;
  spec::XdpContext* ctx = context_of(run);
  const auto index = static_cast<uint32_t>(key);
  const MapOps* ops = ops_of(type);
  const bool broadcast = (flags & kRedirectBroadcast) != 0;
  if (ctx == nullptr || ops == nullptr ||
      (!broadcast && ops->lookup(map, &index, bee_in(run->slot)) == nullptr)) {
    if (ctx != nullptr) ctx->redirect_map = 0;
    return flags & kRedirectVerdict;
  }
  ctx->redirect_map = map.id;
  ctx->redirect_key = index;
  ctx->redirect_flags = flags;
  return kXdpRedirect;
}

// (u32 ifindex, u64 flags)
uint64_t redirect(uint64_t interface, uint64_t flags, uint64_t, uint64_t, uint64_t,
                  HelperContext* run) {
  spec::XdpContext* ctx = context_of(run);
  if (ctx == nullptr) return (flags & ~kIngress) != 0 ? kTcShot : kTcRedirect;
  if (flags != 0) return kXdpAborted;
  ctx->redirect_map = 0;
  ctx->redirect_key = static_cast<uint32_t>(interface);
  ctx->redirect_flags = 0;
  return kXdpRedirect;
}

}  // namespace skep::maps
