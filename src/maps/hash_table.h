// The table under HASH, PERCPU_HASH, LRU_HASH and LRU_PERCPU_HASH: layout and primitive steps.
// hash.cc has the map operations, hash_pool.cc the elements' allocation, lru.cc eviction.
// Freestanding.
//
//   bucket, one cache line:   lock u32 | overflow u32 | 7 × entry u64
//   entry:                    hash's upper half (32) | element number + 1 (32); 0 = empty
//   element:                  next u32 | free_next u32 | hash u32 | state u16, referenced u8
//                             | key | value
//   per-CPU values:           apart, one plane a slot:
//                             values + slot * slot_stride + element * value_stride
//
// Look-ups take no lock: they compare the seven tags, then the key of the one element that matches.
// What finds no room in the line hangs on `overflow`, linked through `next`, whose end is a marker
// that names the bucket: a reader that was led astray by an element's reuse sees another bucket's
// marker and starts again.
//
// Kill-safety. Whoever changes a bucket holds its robust lock, and every change becomes visible by
// one store (to an entry, to `overflow`, to a `next`), so a bucket is whole at every instant and a
// lock taken over needs no repair. Each element's `state` says who may do something with it: it is
// free (in a pool's list), published (in a bucket; whoever holds that bucket's lock may take it
// out), or one slot's own, which then names it in its `transit` or `spare` word. Where a bee was
// killed, its slot's next owner decides from these what is left to be done (recover_transit). An
// update never writes over a live value of more than a word: it fills the slot's spare element, swaps
// it in by one store, and the old one becomes the spare.
#pragma once

#include <atomic>
#include <cstddef>
#include <cstdint>

#include "base/robust_lock.h"
#include "base/shared.h"
#include "maps/map_ops.h"
#include "object/hash_layout.h"

namespace skep::maps {

inline constexpr uint32_t kMaxChain = 4096;  // steps along an overflow chain: scribbled if more

struct alignas(64) Bucket {
  hive::RobustLock lock;
  hive::Shared<uint32_t> overflow;  // element + 1, or a marker, or 0
  hive::Shared<uint64_t> entries[kBucketEntries];
};
static_assert(sizeof(Bucket) == 64);

// Element::state: free, published, or slot + 1 of its owner.
inline constexpr uint16_t kFree = 0;
inline constexpr uint16_t kPublished = 0xffff;
constexpr uint16_t owned_by(uint32_t slot) { return static_cast<uint16_t>(slot + 1); }

struct Element {
  hive::Shared<uint32_t> next;
  hive::Shared<uint32_t> free_next;  // element + 1, or 0
  hive::Shared<uint32_t> hash;       // the lower half: which bucket
  hive::Shared<uint16_t> state;
  hive::Shared<uint8_t> referenced;  // LRU: looked up since the hand last passed
  uint8_t reserved;
  unsigned char* key() { return reinterpret_cast<unsigned char*>(this + 1); }
};
static_assert(sizeof(Element) == 16);

// The free elements of one slot. Its lock is taken by the slot's bee and by others that have run
// out.
struct alignas(64) Pool {
  hive::RobustLock lock;
  hive::Shared<uint32_t> head;   // element + 1, or 0
  hive::Shared<uint32_t> fresh;  // next never-used element of this slot's share
  hive::Shared<uint32_t> fresh_end;
  hive::Shared<uint32_t>
      transit;  // element + 1 that this slot's bee has in hand, or 0; only the owner writes
  hive::Shared<uint32_t> spare;  // element + 1: what the next update fills; only the owner writes
  hive::Shared<uint32_t> exhausted;  // how often its bees found no element
  uint32_t reserved[9];
};
static_assert(sizeof(Pool) == 64);

struct alignas(64) HashShared {
  // 0: a whole round of all pools found nothing, and nothing was given back since; 1: look;
  // 2 + slot: look, as that slot's bee does.
  hive::Shared<uint32_t> maybe_free;
  alignas(64) hive::Shared<uint32_t> hand;  // LRU
};

static_assert(sizeof(Bucket) == kBucketBytes && sizeof(Element) == kElementKey);
static_assert(offsetof(Element, referenced) == kElementReferenced);

class HashTable {
 public:
  explicit HashTable(const MapHeader& map)
      : map_(map), geometry_(*reinterpret_cast<const HashGeometry*>(map.extra)) {}

  struct Hashed {
    uint32_t bucket;
    uint32_t tag;
    uint32_t low;
  };
  [[nodiscard]] Hashed hash(const void* key) const {
    uint64_t h = hash_bytes(key, map_.key_size, geometry_.seed);
    auto low = static_cast<uint32_t>(h);
    return {static_cast<uint32_t>(low & geometry_.bucket_mask), static_cast<uint32_t>(h >> 32),
            low};
  }
  [[nodiscard]] Bucket& bucket(uint64_t index) const {
    return reinterpret_cast<Bucket*>(geometry_.buckets)[index & geometry_.bucket_mask];
  }
  [[nodiscard]] Element& element(uint32_t index) const {
    return *reinterpret_cast<Element*>(geometry_.elements +
                                       uint64_t{index} * geometry_.element_stride);
  }
  // Of a number that was read from shared memory.
  [[nodiscard]] bool in_range(uint32_t index) const { return index < geometry_.total; }
  [[nodiscard]] bool key_is(uint32_t index, const void* key) const {
    return equal_bytes(element(index).key(), key, map_.key_size);
  }
  [[nodiscard]] void* value(uint32_t index, uint32_t slot) const {
    if (geometry_.value_offset != 0)
      return reinterpret_cast<unsigned char*>(&element(index)) + geometry_.value_offset;
    return reinterpret_cast<void*>(map_.values + uint64_t{slot} * map_.slot_stride +
                                   uint64_t{index} * map_.value_stride);
  }
  [[nodiscard]] bool per_cpu() const { return geometry_.value_offset == 0; }
  [[nodiscard]] Pool& pool(uint32_t slot) const {
    return reinterpret_cast<Pool*>(geometry_.pools)[slot];
  }
  [[nodiscard]] HashShared& shared() const {
    return *reinterpret_cast<HashShared*>(geometry_.shared);
  }
  [[nodiscard]] const HashGeometry& geometry() const { return geometry_; }
  [[nodiscard]] const MapHeader& map() const { return map_; }

  static constexpr uint32_t kNone = ~0u;
  static uint32_t marker(uint32_t bucket) { return 0x80000000u | (bucket & 0x7fffffffu); }
  static bool is_end(uint32_t link) { return link == 0 || (link & 0x80000000u) != 0; }

  // Which entries have the tag, a bit each. No branch depends on where it is: a processor that has guessed
  // wrong stands still until the line has come from memory, and all that follows with it.
  static uint32_t matches(const Bucket& line, uint32_t tag) {
    uint32_t those = 0;
    for (uint32_t i = 0; i < kBucketEntries; ++i) {
      uint64_t word = line.entries[i].load(std::memory_order_relaxed);
      those |= static_cast<uint32_t>(static_cast<uint32_t>(word >> 32) == tag) << i;
    }
    return those;
  }
  // The element of the key, or kNone. Without a lock.
  [[nodiscard]] uint32_t find(const void* key, const Hashed& hashed) const {
    Bucket& line = bucket(hashed.bucket);
    for (uint32_t those = matches(line, hashed.tag); those != 0; those &= those - 1) {
      uint64_t word = line.entries[__builtin_ctz(those)].load(std::memory_order_acquire);
      uint32_t index = static_cast<uint32_t>(word) - 1;  // of an empty entry: out of range
      if (in_range(index) && key_is(index, key)) return index;
    }
    if (line.overflow.load(std::memory_order_relaxed) == 0) return kNone;
    return find_in_overflow(key, hashed);
  }

  // Where an element hangs in its bucket, for whoever holds the bucket's lock.
  struct Place {
    hive::Shared<uint64_t>* entry = nullptr;  // in the line …
    hive::Shared<uint32_t>* link = nullptr;   // … or the word that leads to it on the chain
    uint32_t index = kNone;
  };
  [[nodiscard]] Place place_of_key(const void* key, const Hashed& hashed) const;
  [[nodiscard]] Place place_of_element(uint32_t bucket, uint32_t index) const;
  // Each commits by one store, then says who owns the elements now. For the holder of the bucket's
  // lock.
  void put(const Place& place, uint32_t tag, uint32_t index,
           Bee bee) const;                         // what was there goes into transit
  void unlink(const Place& place, Bee bee) const;  // into transit
  [[nodiscard]] bool insert(const Hashed& hashed,
                            uint32_t index) const;  // false: the chain is too long

  // ---- elements (hash_pool.cc) ----
  // Takes a free element into `transit` of bee.slot; kNone where there is none.
  [[nodiscard]] uint32_t take(Bee bee) const;
  // Gives back what `transit` names.
  [[nodiscard]] int64_t give_back(Bee bee) const;
  // What an earlier owner of bee.slot left unfinished. Call first in every operation that changes
  // the map.
  [[nodiscard]] int64_t settle(Bee bee) const {
    return pool(bee.slot).transit.load(std::memory_order_relaxed) == 0 ? 0 : recover_transit(bee);
  }
  // The slot's spare, to be filled.
  [[nodiscard]] uint32_t spare(Bee bee) const {
    uint32_t word = pool(bee.slot).spare.load(std::memory_order_relaxed);
    uint32_t index = word - 1;
    return in_range(index) ? index : map_.max_entries + bee.slot;
  }
  // LRU (lru.cc): unlinks some old element into `transit` of bee.slot.
  [[nodiscard]] uint32_t evict(Bee bee) const;

 private:
  [[nodiscard]] uint32_t find_in_overflow(const void* key, const Hashed& hashed) const;
  [[nodiscard]] uint32_t take_from(Pool& from, Bee bee) const;
  [[nodiscard]] bool lock_pool(Pool& pool, Bee bee) const;
  void announce_free() const;
  [[nodiscard]] int64_t recover_transit(Bee bee) const;
  void recover_dead(Bee bee) const;
  // -1 busy, 0 no, 1 yes: whether an element of this bee's own hangs in the bucket of its hash; if
  // so, the state says so afterwards.
  [[nodiscard]] int was_published(uint32_t index, Bee bee) const;

 public:
  static uint64_t fold(uint64_t a, uint64_t b) {
    auto wide = static_cast<unsigned __int128>(a) * b;
    return static_cast<uint64_t>(wide) ^ static_cast<uint64_t>(wide >> 64);
  }
  // A multiply-and-fold hash of the wyhash family; `seed` is random for each map.
  static uint64_t hash_bytes(const void* key, uint32_t size, uint64_t seed) {
    constexpr uint64_t kA = kHashFactor, kB = 0xe7037ed1a0b428db;
    const auto* bytes = static_cast<const unsigned char*>(key);
    if (size == 8) return fold(load8(bytes) ^ seed, kA ^ seed << 1);
    if (size == 4) return fold(load4(bytes) ^ seed, kA ^ seed << 1);
    uint64_t h = seed ^ (size * kB);
    uint32_t left = size;
    for (; left >= 16; left -= 16, bytes += 16) h = fold(load8(bytes) ^ h, load8(bytes + 8) ^ kB);
    uint64_t a = 0, b = 0;
    if (left >= 8) a = load8(bytes), bytes += 8, left -= 8;
    if (left >= 4) b = load4(bytes), bytes += 4, left -= 4;
    while (left-- > 0) b = b << 8 | *bytes++;
    return fold(fold(a ^ h, kA ^ h << 1) ^ b, kB ^ h);
  }
  static uint64_t load8(const void* from) {
    uint64_t value;
    __builtin_memcpy(&value, from, 8);
    return value;
  }
  static uint64_t load4(const void* from) {
    uint32_t value;
    __builtin_memcpy(&value, from, 4);
    return value;
  }
  static bool equal_bytes(const void* left, const void* right, uint32_t size) {
    const auto* a = static_cast<const unsigned char*>(left);
    const auto* b = static_cast<const unsigned char*>(right);
    if (size == 8) return load8(a) == load8(b);
    if (size == 4) return load4(a) == load4(b);
    for (; size >= 8; size -= 8, a += 8, b += 8)
      if (load8(a) != load8(b)) return false;
    for (; size > 0; --size)
      if (*a++ != *b++) return false;
    return true;
  }

 private:
  const MapHeader& map_;
  const HashGeometry& geometry_;
};

// A bucket's lock for a scope.
class BucketLock {
 public:
  BucketLock(Bucket& bucket, Bee bee)
      : bucket_(bucket), held_(bucket.lock.lock(bee.word) != hive::Locked::kBusy) {}
  ~BucketLock() { release(); }
  BucketLock(const BucketLock&) = delete;
  BucketLock& operator=(const BucketLock&) = delete;
  [[nodiscard]] explicit operator bool() const { return held_; }
  void release() {
    if (held_) bucket_.lock.unlock();
    held_ = false;
  }

 private:
  Bucket& bucket_;
  bool held_;
};

}  // namespace skep::maps
