// BPF_MAP_TYPE_STACK_TRACE and bpf_get_stackid. The kernel's: kernel/bpf/stackmap.c (ids, flags,
// errno).
//
// A bucket's lock is held while its other buffer is filled; `current` then names it by one store. A
// lock taken over from the dead needs no repair: the other buffer is scratch.
#include "maps/stack_trace.h"

#include "maps/hash_table.h"
#include "maps/ring_helpers.h"
#include "maps/types.h"

namespace skep::maps {
namespace {

constexpr uint64_t kSkipMask = 0xff, kUserStack = 1 << 8, kFastCompare = 1 << 9, kReuse = 1 << 10;
constexpr uint32_t kMaxFrames = 127;

uint32_t frame_size(const MapHeader& map) {
  return (map.map_flags & BPF_F_STACK_BUILD_ID) != 0 ? kBuildIdFrame : 8;
}

void write_frames(const MapHeader& map, unsigned char* to, const uint64_t* frames, uint32_t count) {
  if (frame_size(map) == 8) {
    hive::kill_point();
    __builtin_memcpy(to, frames, uint64_t{count} * 8);
    return;
  }
  // struct bpf_stack_build_id { s32 status; u8 build_id[20]; u64 offset_or_ip }: the address
  // itself, as the kernel gives where it can't read the file's note.
  constexpr uint32_t kStatusIp = 2;
  for (uint32_t i = 0; i < count; ++i, to += kBuildIdFrame) {
    hive::kill_point();
    __builtin_memset(to, 0, kBuildIdFrame);
    __builtin_memcpy(to, &kStatusIp, 4);
    __builtin_memcpy(to + 24, &frames[i], 8);
  }
}

int64_t store_stack(const MapHeader& map, const uint64_t* frames, uint32_t count, uint64_t flags,
                    Bee bee) {
  uint64_t hash64 = HashTable::hash_bytes(frames, count * 8, 0x5ca1ab1e);
  auto hash = static_cast<uint32_t>(hash64 ^ hash64 >> 32);
  auto id = static_cast<uint32_t>(hash & map.index_mask);
  StackBucket& bucket = stack_bucket(map, id);
  auto compare = [&](uint32_t current) {
    if (current == 0 || bucket.hash.load(std::memory_order_relaxed) != hash) return false;
    if ((flags & kFastCompare) != 0) return true;
    if (stack_frames(current) != count) return false;
    unsigned char* there = stack_buffer(map, id, (current & 0xff) - 1);
    if (frame_size(map) == 8) return HashTable::equal_bytes(there, frames, count * 8);
    for (uint32_t i = 0; i < count; ++i)
      if (HashTable::load8(there + i * kBuildIdFrame + 24) != frames[i]) return false;
    return true;
  };
  uint32_t current = bucket.current.load(std::memory_order_acquire);
  if (compare(current)) return id;
  if (current != 0 && (flags & kReuse) == 0) return kEexist;
  if (bucket.lock.lock(bee.word) == hive::Locked::kBusy) return kEbusy;
  current = bucket.current.load(std::memory_order_relaxed);
  int64_t result = id;
  if (!compare(current)) {
    if (current != 0 && (flags & kReuse) == 0) {
      result = kEexist;
    } else {
      uint32_t other = current == 0 ? 0 : (current & 0xff) == 1 ? 1 : 0;
      write_frames(map, stack_buffer(map, id, other), frames, count);
      bucket.hash.store(hash, std::memory_order_relaxed);
      bucket.current.store(((current >> 16) + 1) << 16 | count << 8 | (other + 1),
                           std::memory_order_release);
    }
  }
  bucket.lock.unlock();
  return result;
}

int64_t remove(const MapHeader& map, const void* key, Bee bee) {
  uint32_t id;
  __builtin_memcpy(&id, key, sizeof id);
  if (id > map.index_mask) return kE2big;
  StackBucket& bucket = stack_bucket(map, id);
  if (bucket.lock.lock(bee.word) == hive::Locked::kBusy) return kEbusy;
  uint32_t before = bucket.current.exchange(0);
  bucket.lock.unlock();
  return before == 0 ? kEnoent : 0;
}

int64_t next_key(const MapHeader& map, const void* key, void* next, Bee) {
  uint64_t id = 0;
  if (key != nullptr) {
    uint32_t after;
    __builtin_memcpy(&after, key, sizeof after);
    if (after <= map.index_mask &&
        stack_bucket(map, after).current.load(std::memory_order_acquire) != 0)
      id = uint64_t{after} + 1;
  }
  for (; id <= map.index_mask; ++id) {
    if (stack_bucket(map, id).current.load(std::memory_order_acquire) == 0) continue;
    auto found = static_cast<uint32_t>(id);
    __builtin_memcpy(next, &found, sizeof found);
    return 0;
  }
  return kEnoent;
}

}  // namespace

int64_t copy_stack(const MapHeader& map, uint32_t id, void* value) {
  if (id > map.index_mask) return kEnoent;
  for (uint32_t attempt = 0; attempt < 64; ++attempt) {
    uint32_t current = stack_bucket(map, id).current.load(std::memory_order_acquire);
    if (current == 0) return kEnoent;
    uint64_t bytes = uint64_t{stack_frames(current)} * frame_size(map);
    if (bytes > map.value_size) bytes = map.value_size;
    __builtin_memcpy(value, stack_buffer(map, id, (current & 0xff) - 1), bytes);
    __builtin_memset(static_cast<unsigned char*>(value) + bytes, 0, map.value_size - bytes);
    // Two replacements while we copied would have written into our buffer.
    std::atomic_thread_fence(std::memory_order_acquire);
    if (stack_bucket(map, id).current.load(std::memory_order_relaxed) == current) return 0;
  }
  return kEbusy;
}

uint64_t get_stackid(uint64_t, uint64_t map_address, uint64_t flags, uint64_t, uint64_t,
                     HelperContext* context) {
  const MapHeader& map = *reinterpret_cast<const MapHeader*>(map_address);
  if ((flags & ~(kSkipMask | kUserStack | kFastCompare | kReuse)) != 0)
    return static_cast<uint64_t>(kEinval);
  if ((flags & kUserStack) == 0)
    return static_cast<uint64_t>(kEfault);  // there is no kernel stack here
  auto skip = static_cast<uint32_t>(flags & kSkipMask);
  uint32_t limit = map.value_size / frame_size(map);
  if (limit > kMaxFrames) limit = kMaxFrames;
  uint64_t frames[kMaxFrames];
  uint32_t wanted = limit + skip < kMaxFrames ? limit + skip : kMaxFrames;
  uint32_t count = context->host->user_stack(context, frames, wanted);
  if (count > wanted) count = wanted;
  if (count <= skip) return static_cast<uint64_t>(kEfault);
  count -= skip;
  if (count > limit) count = limit;
  return static_cast<uint64_t>(
      store_stack(map, frames + skip, count, flags, bee_in(context->slot)));
}

const MapOps kStackTraceOps = {
    [](const MapHeader&, const void*, Bee) -> void* { return nullptr; },
    [](const MapHeader&, const void*, const void*, uint64_t, Bee) { return kEinval; },
    remove,
    next_key,
    nullptr,
    nullptr,
    nullptr,
    nullptr};

}  // namespace skep::maps
