// BPF_MAP_TYPE_QUEUE and BPF_MAP_TYPE_STACK: a ring of max_entries + 1 values under one robust
// lock. A push writes its value beyond the end, then moves the end by one store, so a value is
// there whole or not at all. The kernel's: kernel/bpf/queue_stack_maps.c.
#include <atomic>

#include "base/robust_lock.h"
#include "base/shared.h"
#include "maps/types.h"

namespace skep::maps {
namespace {

// At MapHeader::extra[0].
struct alignas(64) Ends {
  hive::RobustLock lock;
  hive::Shared<uint32_t> head;  // where the next push goes
  hive::Shared<uint32_t> tail;  // the oldest
};

struct Held {
  Ends& ends;
  uint32_t size, head, tail;
  bool held;

  Held(const MapHeader& map, Bee bee)
      : ends(*reinterpret_cast<Ends*>(map.extra[0])),
        size(map.max_entries + 1),
        held(ends.lock.lock(bee.word) != hive::Locked::kBusy) {
    head = ends.head.load(std::memory_order_relaxed) % size;  // any process may have written these
    tail = ends.tail.load(std::memory_order_relaxed) % size;
  }
  ~Held() {
    if (held) ends.lock.unlock();
  }
  Held(const Held&) = delete;
  Held& operator=(const Held&) = delete;
  [[nodiscard]] uint32_t after(uint32_t at) const { return at + 1 == size ? 0 : at + 1; }
  [[nodiscard]] uint32_t before(uint32_t at) const { return at == 0 ? size - 1 : at - 1; }
  [[nodiscard]] bool empty() const { return head == tail; }
  [[nodiscard]] bool full() const { return after(head) == tail; }
};

void* value_at(const MapHeader& map, uint32_t index) {
  return reinterpret_cast<void*>(map.values + uint64_t{index} * map.value_stride);
}

int64_t push(const MapHeader& map, const void* value, uint64_t flags, Bee bee) {
  if (flags > BPF_EXIST || flags == BPF_NOEXIST) return kEinval;
  Held held(map, bee);
  if (!held.held) return kEbusy;
  if (held.full()) {
    if (flags != BPF_EXIST) return kE2big;
    held.ends.tail.store(held.after(held.tail),
                         std::memory_order_release);  // the oldest makes room
  }
  copy_words(value_at(map, held.head), value, map.value_size);
  held.ends.head.store(held.after(held.head), std::memory_order_release);
  return 0;
}

// -ENOENT also clears the buffer, as the kernel does.
int64_t get(const MapHeader& map, void* value, Bee bee, bool newest, bool remove) {
  Held held(map, bee);
  if (!held.held) return kEbusy;
  if (held.empty()) {
    __builtin_memset(value, 0, map.value_size);
    return kEnoent;
  }
  uint32_t at = newest ? held.before(held.head) : held.tail;
  __builtin_memcpy(value, value_at(map, at), map.value_size);
  if (remove && newest) held.ends.head.store(at, std::memory_order_release);
  if (remove && !newest) held.ends.tail.store(held.after(at), std::memory_order_release);
  return 0;
}

int64_t queue_pop(const MapHeader& map, void* value, Bee bee) {
  return get(map, value, bee, false, true);
}
int64_t queue_peek(const MapHeader& map, void* value, Bee bee) {
  return get(map, value, bee, false, false);
}
int64_t stack_pop(const MapHeader& map, void* value, Bee bee) {
  return get(map, value, bee, true, true);
}
int64_t stack_peek(const MapHeader& map, void* value, Bee bee) {
  return get(map, value, bee, true, false);
}

void* no_lookup(const MapHeader&, const void*, Bee) { return nullptr; }
int64_t no_update(const MapHeader&, const void*, const void*, uint64_t, Bee) { return kEinval; }
int64_t no_remove(const MapHeader&, const void*, Bee) { return kEinval; }
int64_t no_next(const MapHeader&, const void*, void*, Bee) { return kEinval; }

}  // namespace

const MapOps kQueueOps = {no_lookup, no_update, no_remove,  no_next,
                          push,      queue_pop, queue_peek, nullptr};
const MapOps kStackOps = {no_lookup, no_update, no_remove,  no_next,
                          push,      stack_pop, stack_peek, nullptr};

}  // namespace skep::maps
