// Maps of every type with checksummed values, the random operations that keep them busy, and the
// checks that nothing in them was torn, lost or stuck. For the tests that kill processes.
#pragma once

#include <gtest/gtest.h>

#include <random>

#include "maps/bee.h"
#include "maps/control/events.h"
#include "maps/control/maps.h"
#include "maps/hash_table.h"
#include "maps/ringbuf.h"

namespace skep::maps::test {

// A value that tells its key and whether it is whole.
struct Checked {
  uint64_t key, nonce, filler[5], sum;

  static Checked make(uint64_t key, uint64_t nonce) {
    Checked value{key, nonce, {}, 0};
    for (uint64_t& word : value.filler) word = nonce * 0x9e3779b97f4a7c15 + key;
    value.sum = value.total();
    return value;
  }
  [[nodiscard]] uint64_t total() const {
    uint64_t hash = key * 31 + nonce;
    for (uint64_t word : filler) hash = hash * 1000003 + word;
    return hash;
  }
  [[nodiscard]] bool whole() const { return sum == total(); }
};

inline constexpr uint32_t kKeys = 96, kRoom = 64;  // more keys than room: full maps, evictions

struct BusyMaps {
  // A controller at work, until it is killed: its own operations on the maps, its consumer, maps that come and go.
  [[noreturn]] void control(Hive& hive, uint64_t seed) const {
    RingReader reader(*ring);
    std::mt19937_64 random(seed);
    for (;;) {
      reader.consume([&](ByteSpan) { return true; }, 100);
      const uint64_t key = random() % kKeys;
      (void)update_elem(*hash, bytes_of(key), bytes_of(Checked::make(key, random())));
      (void)delete_elem(*lru, bytes_of(key));
      if (auto extra = create_map(hive, {.type = MapType::BPF_MAP_TYPE_HASH,
                                         .key_size = 4,
                                         .value_size = 8,
                                         .max_entries = 100}))
        destroy_map(hive, *extra);
    }
  }

  MapHeader *hash = nullptr, *lru = nullptr, *percpu_hash = nullptr, *percpu_array = nullptr,
            *array = nullptr, *queue = nullptr, *stack = nullptr, *trie = nullptr, *ring = nullptr,
            *perf = nullptr, *stacks = nullptr;

  bool create(Hive& hive) {
    auto make = [&](MapType type, uint32_t key, uint32_t value, uint32_t entries,
                    uint32_t flags = 0) -> MapHeader* {
      auto map = create_map(hive, {.type = type,
                                   .key_size = key,
                                   .value_size = value,
                                   .max_entries = entries,
                                   .map_flags = flags,
                                   .perf_pages = 4});
      if (!map) std::fprintf(stderr, "%s\n", map.error().text().c_str());
      return map ? *map : nullptr;
    };
    using enum MapType;
    hash = make(BPF_MAP_TYPE_HASH, 8, sizeof(Checked), kRoom);
    lru = make(BPF_MAP_TYPE_LRU_HASH, 8, sizeof(Checked), kRoom);
    percpu_hash = make(BPF_MAP_TYPE_PERCPU_HASH, 8, 8, kRoom);
    percpu_array = make(BPF_MAP_TYPE_PERCPU_ARRAY, 4, 8, 16);
    array = make(BPF_MAP_TYPE_ARRAY, 4, 8, 16);
    queue = make(BPF_MAP_TYPE_QUEUE, 0, sizeof(Checked), kRoom);
    stack = make(BPF_MAP_TYPE_STACK, 0, sizeof(Checked), kRoom);
    trie = make(BPF_MAP_TYPE_LPM_TRIE, 8, sizeof(Checked), kRoom, BPF_F_NO_PREALLOC);
    ring = make(BPF_MAP_TYPE_RINGBUF, 0, 0, 1 << 20);
    perf = make(BPF_MAP_TYPE_PERF_EVENT_ARRAY, 4, 4, 64);
    stacks = make(BPF_MAP_TYPE_STACK_TRACE, 4, 64, 16);
    return hash && lru && percpu_hash && percpu_array && array && queue && stack && trie && ring &&
           perf && stacks;
  }

  static constexpr int kOperations = 18;
  // One operation as a program would do it. Aborts the process where it sees a torn value.
  void operate(TestBee& bee, int which, std::mt19937_64& random) const {
    uint64_t key = random() % kKeys;
    Checked value = Checked::make(key, random());
    uint64_t small = value.nonce;
    auto index = static_cast<uint32_t>(key % 16);
    struct {
      uint32_t prefix;
      uint8_t bytes[4];
    } prefix{static_cast<uint32_t>(random() % 33),
             {10, static_cast<uint8_t>(key % 3), static_cast<uint8_t>(key), 0}};
    Checked out;
    switch (which) {
      case 0: bee.call(kUpdate, hash, &key, &value, BPF_ANY); break;
      case 1: bee.call(kUpdate, hash, &key, &value, BPF_NOEXIST); break;
      case 2: bee.call(kDelete, hash, &key); break;
      case 3: bee.call(kLookup, hash, &key); break;
      case 4: bee.call(kUpdate, lru, &key, &value, BPF_ANY); break;
      case 5: bee.call(kDelete, lru, &key); break;
      case 6: bee.call(kUpdate, percpu_hash, &key, &small, BPF_ANY); break;
      case 7: bee.call(kDelete, percpu_hash, &key); break;
      case 8:
        if (auto* count = bee.pointer<uint64_t>(kLookup, percpu_array, &index)) ++*count;
        bee.call(kUpdate, array, &index, &small, BPF_ANY);
        break;
      case 9: bee.call(kPush, queue, &value, BPF_EXIST); break;
      case 10:
        if (bee.call(kPop, queue, &out) == 0 && !out.whole()) std::abort();
        break;
      case 11: bee.call(kPush, stack, &value, BPF_EXIST); break;
      case 12:
        if (bee.call(kPop, stack, &out) == 0 && !out.whole()) std::abort();
        break;
      case 13: bee.call(kUpdate, trie, &prefix, &value, BPF_ANY); break;
      case 14: bee.call(kDelete, trie, &prefix); break;
      case 15: {
        auto* record = bee.pointer<Checked>(kRingReserve, ring, sizeof(Checked) + key % 3 * 100, 0);
        if (record == nullptr) break;
        *record = value;
        bee.call(random() % 8 == 0 ? kRingDiscard : kRingSubmit, record, 0);
        break;
      }
      case 16: bee.call(kPerfOutput, 0, perf, 0xffffffffu, &value, sizeof value); break;
      case 17: {
        uint64_t frames[] = {key + 1, key * 7 + 1, 0};
        bee.context.host_data = frames;
        bee.call(kGetStackid, 0, stacks, 0x500);
        break;
      }
    }
  }

  // ---- checks, in the controlling process, nothing else running ----

  static std::vector<uint64_t> keys_of(const MapHeader& map) {
    std::vector<uint64_t> keys;
    std::vector<std::byte> at, next(8);
    while (next_key(map, at, next)) {
      keys.push_back(load<uint64_t>(next.data()));
      at = next;
      if (keys.size() > 10 * kKeys) break;  // a loop
    }
    return keys;
  }

  // Locks, values and room of a hash with Checked (or, per-CPU, plain) values.
  static void check_hash(const MapHeader& map, const char* name, bool checked, bool lru) {
    SCOPED_TRACE(name);
    HashTable table(map);
    {
      HeldSlot slot;
      Bee bee = bee_in(slot.slot());
      for (uint64_t i = 0; i <= table.geometry().bucket_mask; ++i) {
        auto locked = table.bucket(i).lock.lock(bee.word);
        EXPECT_NE(locked, hive::Locked::kBusy) << "bucket " << i << " stays locked";
        if (locked != hive::Locked::kBusy) table.bucket(i).lock.unlock();
      }
    }
    auto keys = keys_of(map);
    EXPECT_LE(keys.size(), kRoom);
    std::vector<std::byte> value(user_value_size(map));
    for (uint64_t key : keys) {
      EXPECT_LT(key, kKeys);
      ASSERT_TRUE(lookup_elem(map, bytes_of(key), value)) << "a key that is listed is not found";
      if (!checked) continue;
      auto found = load<Checked>(value.data());
      EXPECT_TRUE(found.whole()) << "key " << key;
      EXPECT_EQ(found.key, key);
    }
    for (uint64_t key : keys) EXPECT_TRUE(delete_elem(map, bytes_of(key)));
    EXPECT_TRUE(keys_of(map).empty());
    // Exactly as many fit as were promised: no element was lost, none is in use twice.
    for (uint64_t key = 0; key < kRoom; ++key) {
      if (checked) {
        Checked made = Checked::make(key, 1);
        std::memcpy(value.data(), &made, sizeof made);
      }
      auto added = update_elem(map, bytes_of(key), value, BPF_NOEXIST);
      ASSERT_TRUE(added) << "only " << key << " of " << kRoom << " fit: " << added.error().text();
    }
    EXPECT_EQ(keys_of(map).size(), kRoom);
    if (!lru) {
      EXPECT_EQ(update_elem(map, bytes_of(uint64_t{kKeys}), value).error().code(), E2BIG);
    }
    for (uint64_t key = 0; key < kRoom; ++key) {
      ASSERT_TRUE(lookup_elem(map, bytes_of(key), value));
      // Every slot's spare is its own: replace all from each.
      if (checked) {
        EXPECT_EQ(load<Checked>(value.data()).key, key);
        Checked made = Checked::make(key, 2);
        EXPECT_TRUE(update_elem(map, bytes_of(key), bytes_of(made), BPF_EXIST));
      }
    }
    for (uint64_t key : keys_of(map)) EXPECT_TRUE(delete_elem(map, bytes_of(key)));
  }

  static void check_queue(const MapHeader& map, const char* name) {
    SCOPED_TRACE(name);
    Checked value;
    uint32_t count = 0;
    for (;; ++count) {
      auto popped = lookup_and_delete_elem(map, {}, std::as_writable_bytes(std::span(&value, 1)));
      if (!popped) {
        EXPECT_EQ(popped.error().code(), ENOENT);
        break;
      }
      EXPECT_TRUE(value.whole());
    }
    EXPECT_LE(count, kRoom);
    for (uint32_t i = 0; i < kRoom; ++i)
      EXPECT_TRUE(update_elem(map, {}, bytes_of(Checked::make(i, i))));
    EXPECT_EQ(update_elem(map, {}, bytes_of(value)).error().code(), E2BIG);
    for (uint32_t i = 0; i < kRoom; ++i)
      EXPECT_TRUE(lookup_and_delete_elem(map, {}, std::as_writable_bytes(std::span(&value, 1))));
  }

  void check_trie() const {
    auto keys = keys_of(*trie);
    EXPECT_LE(keys.size(), kRoom);
    Checked value;
    for (uint64_t key : keys) {
      ASSERT_TRUE(lookup_elem(*trie, bytes_of(key), std::as_writable_bytes(std::span(&value, 1))));
      EXPECT_TRUE(value.whole());
    }
    for (uint64_t key : keys) EXPECT_TRUE(delete_elem(*trie, bytes_of(key)));
    for (uint64_t i = 0; i < kRoom; ++i) {
      uint64_t key = 32 | (i * 2654435761u & 0xffffffff) << 32;
      EXPECT_TRUE(update_elem(*trie, bytes_of(key), bytes_of(Checked::make(i, i)), BPF_NOEXIST))
          << i;
    }
    for (uint64_t key : keys_of(*trie)) EXPECT_TRUE(delete_elem(*trie, bytes_of(key)));
  }

  template <class T>
  static ByteSpan bytes_of(const T& value) {
    return std::as_bytes(std::span(&value, 1));
  }

  // `reader`: has consumed the ring from its start.
  void check_all(RingReader& reader) const {
    check_hash(*hash, "hash", true, false);
    check_hash(*lru, "lru", true, true);
    check_hash(*percpu_hash, "percpu_hash", false, false);
    check_queue(*queue, "queue");
    check_queue(*stack, "stack");
    check_trie();
    {
      TestBee bee;
      Checked value = Checked::make(1, 1);
      uint64_t seen = 0;
      auto take = [&](ByteSpan sample) {
        EXPECT_TRUE(load<Checked>(sample.data()).whole());
        ++seen;
        return true;
      };
      reader.consume(take);
      EXPECT_FALSE(reader.pending()) << "the consumer is stuck at a record";
      seen = 0;
      for (int i = 0; i < 1000; ++i) {
        ASSERT_EQ(bee.call(kRingOutput, ring, &value, sizeof value, 0), 0);
        reader.consume(take);
      }
      EXPECT_EQ(seen, 1000u);
      EXPECT_EQ(reader.resyncs(), 0u);
      // Every stack id can be stored again.
      for (uint32_t id = 0; id < 16; ++id) (void)delete_elem(*stacks, bytes_of(id));
      uint64_t frames[] = {1, 2, 0};
      bee.context.host_data = frames;
      int64_t id = bee.call(kGetStackid, 0, stacks, 0x100);
      EXPECT_GE(id, 0);
    }
  }
};

}  // namespace skep::maps::test
