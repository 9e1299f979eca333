// The hive's heap: objects that programs make (bpf_obj_new) and own through references, kptrs, lists and trees.
// Freestanding, header only: maps/ frees what a value held, helpers/ has the kfuncs.
//
//   class c: objects of 64 << c bytes, side by side     (12 classes, equal bytes each, in the data segment)
//   object:  state u32 | references u32 | type u64 | link u64 | reserved u64 | payload
//
// Kill-safety: an object is taken and given back by one store of `state`, which is free, stored (a list, a tree or a
// kptr has it), or names the bee that holds it; a dead bee's objects are found by that word and freed when a class
// is full. What is read from here any traced process may have written: every pointer is checked to be of an
// object before it is followed, every walk is bounded.
#pragma once

#include <atomic>

#include "base/robust_lock.h"
#include "base/slots.h"
#include "object/timers.h"
#include "object/value_fields.h"

namespace skep::heap {

inline constexpr uint32_t kClasses = 12;
inline constexpr uint32_t kHeader = 32;
inline constexpr uint32_t kSmallest = 64;
inline constexpr uint32_t kFree = 0, kStored = 1;  // else a BeeWord
inline constexpr uint32_t kMaxSteps = 1 << 20;     // along a list or down a tree

// At hive::Root::kHeap, in the control segment.
struct Layout {
  uint64_t base;         // in the data segment
  uint64_t class_bytes;  // a multiple of the largest object
  uint64_t hints;        // u32[kMaxSlots][kClasses]: where a slot looks first; data segment
};

struct Object {
  std::atomic<uint32_t> state;
  std::atomic<uint32_t> references;
  uint64_t type;  // ObjectType
  uint64_t link;  // while it waits to be freed
  uint64_t reserved;
  [[nodiscard]] unsigned char* payload() { return reinterpret_cast<unsigned char*>(this + 1); }
};
static_assert(sizeof(Object) == kHeader);

inline const Layout* layout() {
  return reinterpret_cast<const Layout*>(hive::root(hive::Root::kHeap));
}

// The object that `address` points into, or null. It may be a free one.
inline Object* object_at(uint64_t address) {
  const Layout* heap = layout();
  if (heap == nullptr || address < heap->base) return nullptr;
  const uint64_t offset = address - heap->base;
  const uint64_t index = offset / heap->class_bytes;
  if (index >= kClasses) return nullptr;
  const uint64_t stride = uint64_t{kSmallest} << index;
  const uint64_t within = offset % heap->class_bytes;
  if (within % stride < kHeader) return nullptr;
  return reinterpret_cast<Object*>(address - within % stride);
}
// `size` bytes at `address` lie in one object.
inline Object* object_with(uint64_t address, uint64_t size) {
  Object* object = object_at(address);
  if (object == nullptr || size > hive::kDataMaxSize) return nullptr;
  return size == 0 || object_at(address + size - 1) == object ? object : nullptr;
}
inline const ObjectType* type_of(const Object& object) {
  if (!hive::in_control(object.type, sizeof(ObjectType)) || object.type % 8 != 0) return nullptr;
  const auto* type = reinterpret_cast<const ObjectType*>(object.type);
  return type->magic == kObjectTypeMagic ? type : nullptr;
}

// Lists. A head is {next, prev}, both 0 or to itself while it is empty; a node {next, prev, owner}. `next` is what
// holds: an insertion or removal is done by one store of it; `prev` is checked where it is used.
struct ListNode {
  uint64_t next, prev;
};
struct OwnedListNode : ListNode {
  uint64_t owner;  // the head's address; 0: in no list
};
// Trees: a treap, whose priorities are hashes of addresses.
struct TreeRoot {
  uint64_t root;
  uint64_t busy;  // not 0: whoever changed it was killed on the way
};
struct TreeNode {
  uint64_t parent, left, right, owner;
};

inline void release(Object* object, Object** waiting);

// Takes what a value's or object's fields hold, and puts it on `waiting`. `all`: bytes may be read from there.
inline void empty_field(const ValueField& field, unsigned char* at, Object** waiting);

inline void empty_fields(const ValueFields& fields, unsigned char* value, Object** waiting) {
  for (uint32_t i = 0; i < fields.count && i < ValueFields::kMost; ++i)
    empty_field(fields.fields[i], value + fields.fields[i].offset, waiting);
}

// Frees objects that nobody refers to any more, and what they hold, without recursion.
inline void free_all(Object* waiting) {
  for (uint32_t steps = 0; waiting != nullptr && steps < kMaxSteps; ++steps) {
    Object* object = waiting;
    const uint64_t next = object->link;
    waiting = next == 0 ? nullptr : object_at(next);
    if (const ObjectType* type = type_of(*object);
        type != nullptr && type->fields.count != 0 &&
        object_with(reinterpret_cast<uint64_t>(object->payload()), type->size) == object) {
      Object* more = nullptr;
      empty_fields(type->fields, object->payload(), &more);
      while (more != nullptr) {
        Object* one = more;
        more = one->link == 0 ? nullptr : object_at(one->link);
        one->link = waiting == nullptr ? 0 : reinterpret_cast<uint64_t>(waiting->payload());
        waiting = one;
      }
    }
    object->type = 0;
    object->link = 0;
    object->state.store(kFree, std::memory_order_release);
  }
}

// One reference less; the last one's object goes on `waiting`.
inline void release(Object* object, Object** waiting) {
  if (object == nullptr || object->state.load(std::memory_order_relaxed) == kFree) return;
  const uint32_t before = object->references.fetch_sub(1, std::memory_order_acq_rel);
  if (before > 1 && before < 0x80000000u) return;
  object->link = *waiting == nullptr ? 0 : reinterpret_cast<uint64_t>((*waiting)->payload());
  *waiting = object;
}
inline void drop(Object* object) {
  Object* waiting = nullptr;
  release(object, &waiting);
  free_all(waiting);
}

inline void empty_field(const ValueField& field, unsigned char* at, Object** waiting) {
  switch (field.kind) {
    case FieldKind::kptr: {
      const uint64_t held =
          reinterpret_cast<std::atomic<uint64_t>*>(at)->exchange(0, std::memory_order_acq_rel);
      if (held != 0) release(object_at(held), waiting);
      return;
    }
    case FieldKind::list_head: {
      auto* head = reinterpret_cast<ListNode*>(at);
      const auto self = reinterpret_cast<uint64_t>(at);
      uint64_t next = head->next;
      head->next = head->prev = 0;
      for (uint32_t steps = 0; next != 0 && next != self && steps < kMaxSteps; ++steps) {
        Object* object = object_with(next, sizeof(OwnedListNode));
        if (object == nullptr) return;
        auto* node = reinterpret_cast<OwnedListNode*>(next);
        if (node->owner != self) return;
        next = node->next;
        *node = {};
        release(object, waiting);
      }
      return;
    }
    case FieldKind::rb_root: {
      auto* tree = reinterpret_cast<TreeRoot*>(at);
      const auto self = reinterpret_cast<uint64_t>(at);
      uint64_t current = tree->root;
      *tree = {};
      // Down to a leaf, which goes; then its parent is looked at again.
      for (uint32_t steps = 0; current != 0 && steps < 4 * kMaxSteps; ++steps) {
        Object* object = object_with(current, sizeof(TreeNode));
        if (object == nullptr) return;
        auto* node = reinterpret_cast<TreeNode*>(current);
        if (node->owner != self) return;
        if (node->left != 0) {
          const uint64_t child = node->left;
          node->left = 0;
          current = child;
          continue;
        }
        if (node->right != 0) {
          const uint64_t child = node->right;
          node->right = 0;
          current = child;
          continue;
        }
        current = node->parent;
        *node = {};
        release(object, waiting);
      }
      return;
    }
    case FieldKind::timer:
    case FieldKind::workqueue: timers::release(reinterpret_cast<uint64_t>(at)); return;
    case FieldKind::untrusted:
      reinterpret_cast<std::atomic<uint64_t>*>(at)->store(0, std::memory_order_relaxed);
      return;
    default: return;
  }
}

// Frees what a value holds (its element goes, or is written over).
inline void empty_value(const ValueFields& fields, void* value) {
  Object* waiting = nullptr;
  empty_fields(fields, static_cast<unsigned char*>(value), &waiting);
  free_all(waiting);
}

// ---- making ----

inline uint32_t class_of(uint64_t bytes) {
  uint32_t index = 0;
  while (index < kClasses && (uint64_t{kSmallest} << index) < bytes + kHeader) ++index;
  return index;
}

// Objects of bees that will never run again are freed; how many.
inline uint32_t sweep_class(uint32_t index, hive::BeeWord me) {
  const Layout* heap = layout();
  const uint64_t stride = uint64_t{kSmallest} << index;
  uint32_t freed = 0;
  for (uint64_t at = 0; at + stride <= heap->class_bytes; at += stride) {
    auto* object = reinterpret_cast<Object*>(heap->base + index * heap->class_bytes + at);
    uint32_t state = object->state.load(std::memory_order_relaxed);
    if ((state & 0x80000000u) == 0 || !hive::bee_is_gone(state)) continue;
    if (!object->state.compare_exchange_strong(state, me)) continue;
    object->link = 0;
    free_all(object);
    ++freed;
  }
  return freed;
}

// A zeroed object with one reference, held by bee `me`; null where there is no room.
inline Object* make(const ObjectType& type, uint32_t slot) {
  const Layout* heap = layout();
  if (heap == nullptr) return nullptr;
  const uint64_t one = type.slots == 0 ? type.size : (uint64_t{type.size} + 7) / 8 * 8;
  const uint64_t bytes = type.slots == 0 ? one : one * type.slots;
  const uint32_t index = class_of(bytes);
  if (index >= kClasses) return nullptr;
  const hive::BeeWord me = hive::bee_word(slot);
  const uint64_t stride = uint64_t{kSmallest} << index;
  const auto count = static_cast<uint32_t>(heap->class_bytes / stride);
  auto* hint = reinterpret_cast<std::atomic<uint32_t>*>(heap->hints) + slot * kClasses + index;
  for (int pass = 0; pass < 2; ++pass) {
    const uint32_t start = hint->load(std::memory_order_relaxed);
    for (uint32_t i = 0; i < count; ++i) {
      const uint32_t at = static_cast<uint32_t>((uint64_t{start} + i) % count);
      auto* object =
          reinterpret_cast<Object*>(heap->base + index * heap->class_bytes + at * stride);
      uint32_t free = kFree;
      if (object->state.load(std::memory_order_relaxed) != kFree ||
          !object->state.compare_exchange_strong(free, me, std::memory_order_acquire))
        continue;
      hint->store(at + 1, std::memory_order_relaxed);
      object->references.store(1, std::memory_order_relaxed);
      object->link = 0;
      __builtin_memset(object->payload(), 0, bytes);
      object->type = reinterpret_cast<uint64_t>(&type);
      return object;
    }
    if (pass == 0 && sweep_class(index, me) == 0) return nullptr;
  }
  return nullptr;
}

// Who has it now: a container, or this bee.
inline void stored(Object* object) { object->state.store(kStored, std::memory_order_release); }
inline void held(Object* object, uint32_t slot) {
  object->state.store(hive::bee_word(slot), std::memory_order_release);
}

}  // namespace skep::heap
