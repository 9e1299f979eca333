// Hashes from the program's side: concurrency, slots, eviction, iteration; maps of objects;
// batches; lifetime.
#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <map>
#include <random>
#include <set>
#include <thread>

#include "maps/busy_maps.h"

namespace skep::maps::test {
namespace {

template <class T>
ByteSpan bytes_of(const T& value) {
  return std::as_bytes(std::span(&value, 1));
}

class Hashes : public testing::Test {
 protected:
  void SetUp() override {
    hive_ = make_test_hive({.data_size = 256 << 20, .slots = 8});
    ASSERT_NE(hive_, nullptr);
  }
  MapHeader& make(MapType type, uint32_t key, uint32_t value, uint32_t entries,
                  uint32_t flags = 0) {
    auto map = create_map(*hive_, {.type = type,
                                   .key_size = key,
                                   .value_size = value,
                                   .max_entries = entries,
                                   .map_flags = flags});
    if (!map) ADD_FAILURE() << map.error().text();
    return **map;
  }
  std::unique_ptr<Hive> hive_;
};

TEST_F(Hashes, hold_as_many_keys_as_promised_whatever_their_size) {
  for (uint32_t key_size : {1, 2, 3, 4, 7, 8, 9, 12, 16, 17, 24, 33, 64, 255}) {
    uint32_t entries = key_size == 1 ? 200 : 5000;
    MapHeader& map = make(MapType::BPF_MAP_TYPE_HASH, key_size, 4, entries);
    TestBee bee;
    std::vector<unsigned char> key(key_size);
    auto set = [&](uint32_t i) {
      for (uint32_t b = 0; b < std::min<uint32_t>(4, key_size); ++b)
        key[key_size - 1 - b] = static_cast<unsigned char>(i >> 8 * b);
    };
    for (uint32_t i = 0; i < entries; ++i) {
      set(i);
      ASSERT_EQ(bee.call(kUpdate, &map, key.data(), &i, BPF_NOEXIST), 0) << key_size << " " << i;
    }
    uint32_t more = entries;
    set(more);
    EXPECT_EQ(bee.call(kUpdate, &map, key.data(), &more, BPF_ANY), -E2BIG);
    for (uint32_t i = 0; i < entries; ++i) {
      set(i);
      auto* value = bee.pointer<uint32_t>(kLookup, &map, key.data());
      ASSERT_NE(value, nullptr);
      ASSERT_EQ(*value, i);
    }
    std::set<std::vector<std::byte>> keys;
    std::vector<std::byte> at, next(key_size);
    while (next_key(map, at, next))
      ASSERT_TRUE(keys.insert(at = next).second) << "a key came twice";
    EXPECT_EQ(keys.size(), entries);
    destroy_map(*hive_, &map);
  }
}

TEST_F(Hashes, a_program_may_write_through_the_value_that_it_looked_up) {
  MapHeader& map = make(MapType::BPF_MAP_TYPE_HASH, 4, 8, 10);
  TestBee bee;
  uint32_t key = 7;
  uint64_t value = 1;
  bee.call(kUpdate, &map, &key, &value, BPF_ANY);
  ++*bee.pointer<uint64_t>(kLookup, &map, &key);
  ASSERT_TRUE(lookup_elem(map, bytes_of(key), std::as_writable_bytes(std::span(&value, 1))));
  EXPECT_EQ(value, 2u);
}

TEST_F(Hashes, per_cpu_values_belong_to_their_slots) {
  for (MapType type : {MapType::BPF_MAP_TYPE_PERCPU_HASH, MapType::BPF_MAP_TYPE_PERCPU_ARRAY,
                       MapType::BPF_MAP_TYPE_LRU_PERCPU_HASH}) {
    MapHeader& map = make(type, 4, 8, 10);
    uint32_t key = 3;
    for (uint64_t slot = 0; slot < 8; ++slot) {
      TestBee bee(static_cast<uint32_t>(slot));
      uint64_t value = slot * 100;
      EXPECT_EQ(bee.call(kUpdate, &map, &key, &value, BPF_ANY), 0);
    }
    uint64_t values[8];
    ASSERT_EQ(user_value_size(map), sizeof values);
    ASSERT_TRUE(lookup_elem(map, bytes_of(key), std::as_writable_bytes(std::span(values))));
    for (uint64_t slot = 0; slot < 8; ++slot) EXPECT_EQ(values[slot], slot * 100);
    TestBee bee(1);
    EXPECT_EQ(*bee.pointer<uint64_t>(kLookup, &map, &key), 100u);
    EXPECT_EQ(*bee.pointer<uint64_t>(kLookupPercpu, &map, &key, 5), 500u);
    EXPECT_EQ(bee.pointer(kLookupPercpu, &map, &key, 8), nullptr);
    destroy_map(*hive_, &map);
  }
}

TEST_F(Hashes, a_new_per_cpu_entry_is_zero_in_all_other_slots) {
  MapHeader& map = make(MapType::BPF_MAP_TYPE_PERCPU_HASH, 4, 8, 1);
  uint64_t values[8] = {1, 2, 3, 4, 5, 6, 7, 8};
  uint32_t key = 1;
  ASSERT_TRUE(update_elem(map, bytes_of(key), std::as_bytes(std::span(values))));
  ASSERT_TRUE(delete_elem(map, bytes_of(key)));
  TestBee bee(2);
  uint64_t one = 9;
  ASSERT_EQ(bee.call(kUpdate, &map, &key, &one, BPF_ANY), 0);
  bee.leave();
  ASSERT_TRUE(lookup_elem(map, bytes_of(key), std::as_writable_bytes(std::span(values))));
  EXPECT_EQ(std::vector<uint64_t>(values, values + 8),
            (std::vector<uint64_t>{0, 0, 9, 0, 0, 0, 0, 0}));
}

TEST_F(Hashes, threads_that_insert_replace_and_delete_the_same_keys_lose_nothing) {
  MapHeader& map = make(MapType::BPF_MAP_TYPE_HASH, 8, sizeof(Checked), kRoom);
  std::vector<std::thread> threads;
  std::atomic<bool> failed = false;
  for (uint32_t id = 0; id < 5; ++id) {
    threads.emplace_back([&, id] {
      std::mt19937_64 random(id);
      for (int i = 0; i < 30000 && !failed; ++i) {
        TestBee bee(id);
        if (bee.slot() == hive::kNoSlot) continue;
        uint64_t key = random() % kKeys;
        Checked value = Checked::make(key, random());
        int64_t result = 0;
        switch (random() % 4) {
          case 0: result = bee.call(kUpdate, &map, &key, &value, BPF_ANY); break;
          case 1: result = bee.call(kUpdate, &map, &key, &value, BPF_NOEXIST); break;
          case 2: result = bee.call(kDelete, &map, &key); break;
          case 3: {
            bee.leave();
            auto read =
                lookup_elem(map, bytes_of(key), std::as_writable_bytes(std::span(&value, 1)));
            if (read && (!value.whole() || value.key != key)) failed = true;
            break;
          }
        }
        if (result != 0 && result != -E2BIG && result != -EEXIST && result != -ENOENT)
          failed = true;
      }
    });
  }
  for (auto& thread : threads) thread.join();
  EXPECT_FALSE(failed);
  BusyMaps::check_hash(map, "hash", true, false);
}

TEST_F(Hashes, a_key_that_is_always_there_is_found_by_every_lookup) {
  // Keys that stay, among others that come and go and share their buckets and overflow chains.
  MapHeader& map = make(MapType::BPF_MAP_TYPE_HASH, 8, 8, 64, BPF_F_ZERO_SEED);
  std::atomic<bool> stop = false;
  {
    TestBee bee;
    for (uint64_t key = 0; key < 24; ++key) bee.call(kUpdate, &map, &key, &key, BPF_ANY);
  }
  std::thread churn([&] {
    std::mt19937_64 random(1);
    TestBee bee(1);
    while (!stop) {
      uint64_t key = 100 + random() % 60;
      if (random() % 2 == 0)
        bee.call(kUpdate, &map, &key, &key, BPF_ANY);
      else
        bee.call(kDelete, &map, &key);
    }
  });
  uint64_t missed = 0;
  {
    TestBee bee(2);
    for (uint64_t i = 0; i < 2'000'000; ++i) {
      uint64_t key = i % 24;
      missed += bee.pointer(kLookup, &map, &key) == nullptr;
    }
  }
  stop = true;
  churn.join();
  EXPECT_EQ(missed, 0u);
}

// ---- LRU ----

TEST_F(Hashes, an_lru_map_takes_every_new_key_and_keeps_what_is_used) {
  MapHeader& map = make(MapType::BPF_MAP_TYPE_LRU_HASH, 8, 8, 1000);
  TestBee bee;
  for (uint64_t key = 0; key < 100; ++key)
    ASSERT_EQ(bee.call(kUpdate, &map, &key, &key, BPF_ANY), 0);
  for (uint64_t key = 1000; key < 20000; ++key) {
    ASSERT_EQ(bee.call(kUpdate, &map, &key, &key, BPF_ANY), 0);
    uint64_t hot = key % 100;
    bee.pointer(kLookup, &map, &hot);
  }
  uint64_t kept = 0;
  for (uint64_t key = 0; key < 100; ++key) kept += bee.pointer(kLookup, &map, &key) != nullptr;
  EXPECT_GE(kept, 99u);
}

TEST_F(Hashes, an_lru_map_of_one_entry_works) {
  MapHeader& map = make(MapType::BPF_MAP_TYPE_LRU_HASH, 8, 8, 1);
  TestBee bee;
  for (uint64_t key = 0; key < 100; ++key) {
    ASSERT_EQ(bee.call(kUpdate, &map, &key, &key, BPF_ANY), 0);
    EXPECT_NE(bee.pointer(kLookup, &map, &key), nullptr);
  }
}

TEST_F(Hashes, an_lru_map_comes_near_true_lru_on_a_skewed_trace) {
  constexpr uint64_t kEntries = 1024, kUniverse = 16384, kAccesses = 300000;
  MapHeader& map = make(MapType::BPF_MAP_TYPE_LRU_HASH, 8, 8, kEntries);
  std::vector<double> cumulative(kUniverse);
  double sum = 0;
  for (uint64_t i = 0; i < kUniverse; ++i)
    cumulative[i] = sum += 1 / std::pow(static_cast<double>(i + 1), 0.9);
  std::mt19937_64 random(3);
  std::uniform_real_distribution<double> uniform(0, sum);
  std::map<uint64_t, uint64_t> stamp;  // true LRU
  std::set<std::pair<uint64_t, uint64_t>> by_age;
  uint64_t ours = 0, truth = 0;
  TestBee bee;
  for (uint64_t i = 0; i < kAccesses; ++i) {
    uint64_t key = static_cast<uint64_t>(
        std::lower_bound(cumulative.begin(), cumulative.end(), uniform(random)) -
        cumulative.begin());
    if (bee.pointer(kLookup, &map, &key) != nullptr)
      ++ours;
    else
      ASSERT_EQ(bee.call(kUpdate, &map, &key, &key, BPF_ANY), 0);
    if (auto found = stamp.find(key); found != stamp.end()) {
      ++truth;
      by_age.erase({found->second, key});
    } else if (stamp.size() == kEntries) {
      stamp.erase(by_age.begin()->second);
      by_age.erase(by_age.begin());
    }
    stamp[key] = i;
    by_age.emplace(i, key);
  }
  EXPECT_GE(static_cast<double>(ours), 0.98 * static_cast<double>(truth))
      << ours << " hits, true LRU " << truth;
}

// ---- for_each ----

TEST_F(Hashes, for_each_visits_every_entry_and_stops_when_told) {
  MapHeader& map = make(MapType::BPF_MAP_TYPE_HASH, 8, 8, 100);
  MapHeader& array = make(MapType::BPF_MAP_TYPE_ARRAY, 4, 8, 5);
  TestBee bee;
  for (uint64_t key = 0; key < 100; ++key) bee.call(kUpdate, &map, &key, &key, BPF_ANY);
  struct Seen {
    std::set<uint64_t> keys;
    uint64_t stop_after;
  } seen{{}, 1000};
  bee.context.call_bpf = [](HelperContext*, uint64_t entry, uint64_t, uint64_t key, uint64_t value,
                            uint64_t ctx, uint64_t) -> uint64_t {
    auto* all = reinterpret_cast<Seen*>(ctx);
    uint64_t number = entry == 1 ? load<uint64_t>(reinterpret_cast<void*>(key))
                                 : load<uint32_t>(reinterpret_cast<void*>(key));
    EXPECT_EQ(load<uint64_t>(reinterpret_cast<void*>(value)), entry == 1 ? number : 0);
    all->keys.insert(number);
    return all->keys.size() >= all->stop_after;
  };
  EXPECT_EQ(bee.call(kForEach, &map, 1, &seen, 0), 100);
  EXPECT_EQ(seen.keys.size(), 100u);
  seen = {{}, 7};
  EXPECT_EQ(bee.call(kForEach, &map, 1, &seen, 0), 7);
  seen = {{}, 1000};
  EXPECT_EQ(bee.call(kForEach, &array, 2, &seen, 0), 5);
  EXPECT_EQ(bee.call(kForEach, &map, 1, &seen, 1), -EINVAL);
}

// ---- maps of objects ----

TEST_F(Hashes, a_prog_array_holds_addresses_in_the_control_segment) {
  MapHeader& map = make(MapType::BPF_MAP_TYPE_PROG_ARRAY, 4, 4, 4);
  EXPECT_TRUE(hive::in_control(map.values, 4 * 8))
      << "a traced process must not choose where a tail call goes";
  auto* program = static_cast<ProgHeader*>(*hive_->allocate_object(sizeof(ProgHeader)));
  program->magic = kProgMagic;
  program->id = 77;
  EXPECT_TRUE(set_program(*hive_, &map, 2, program));
  EXPECT_EQ(reinterpret_cast<uint64_t*>(map.values)[2], reinterpret_cast<uint64_t>(program));
  EXPECT_EQ(*object_id_at(map, bytes_of(uint32_t{2})), 77u);
  EXPECT_EQ(object_id_at(map, bytes_of(uint32_t{1})).error().code(), ENOENT);
  EXPECT_TRUE(set_program(*hive_, &map, 2, nullptr));
  EXPECT_EQ(set_program(*hive_, &map, 2, nullptr).error().code(), ENOENT);
  EXPECT_EQ(set_program(*hive_, &map, 4, program).error().code(), E2BIG);
}

TEST_F(Hashes, maps_of_maps_give_programs_the_inner_map) {
  MapHeader& inner = make(MapType::BPF_MAP_TYPE_HASH, 4, 4, 4);
  auto outer = create_map(*hive_, {.type = MapType::BPF_MAP_TYPE_HASH_OF_MAPS,
                                   .key_size = 8,
                                   .value_size = 4,
                                   .max_entries = 3,
                                   .inner = &inner});
  ASSERT_TRUE(outer);
  uint64_t key = 5;
  EXPECT_EQ(TestBee().pointer(kLookup, *outer, &key), nullptr);
  for (uint64_t round = 0; round < 20;
       ++round) {  // removed keys come again, others take their place
    for (uint64_t k = 0; k < 3; ++k) {
      key = round * 2 + k;
      ASSERT_TRUE(set_inner_map(*hive_, *outer, bytes_of(key), &inner, BPF_NOEXIST)) << round;
      EXPECT_EQ(TestBee().pointer(kLookup, *outer, &key), &inner);
    }
    uint64_t fourth = 1000;
    EXPECT_EQ(set_inner_map(*hive_, *outer, bytes_of(fourth), &inner).error().code(), E2BIG);
    EXPECT_EQ(set_inner_map(*hive_, *outer, bytes_of(key), &inner, BPF_NOEXIST).error().code(),
              EEXIST);
    EXPECT_EQ(BusyMaps::keys_of(**outer).size(), 3u);
    for (uint64_t k = 0; k < 3; ++k) {
      key = round * 2 + k;
      ASSERT_TRUE(set_inner_map(*hive_, *outer, bytes_of(key), nullptr));
      EXPECT_EQ(TestBee().pointer(kLookup, *outer, &key), nullptr);
    }
    EXPECT_TRUE(BusyMaps::keys_of(**outer).empty());
  }
  EXPECT_EQ(set_inner_map(*hive_, *outer, bytes_of(key), nullptr).error().code(), ENOENT);
}

// ---- batches, lifetime ----

TEST_F(Hashes, batches_walk_the_whole_map) {
  MapHeader& map = make(MapType::BPF_MAP_TYPE_HASH, 8, 8, 1000);
  std::vector<uint64_t> keys(1000), values(1000);
  for (uint64_t i = 0; i < 1000; ++i) keys[i] = i, values[i] = i * i;
  uint32_t done = 0;
  ASSERT_TRUE(update_batch(map, std::as_bytes(std::span(keys)), std::as_bytes(std::span(values)),
                           1000, done));
  EXPECT_EQ(done, 1000u);
  for (bool remove : {false, true}) {
    std::vector<std::byte> cursor;
    std::set<uint64_t> seen;
    for (;;) {
      auto batch = lookup_batch(map, cursor, 64, remove);
      ASSERT_TRUE(batch);
      for (uint32_t i = 0; i < batch->count; ++i) {
        uint64_t key = load<uint64_t>(&batch->keys[i * 8]);
        EXPECT_EQ(load<uint64_t>(&batch->values[i * 8]), key * key);
        EXPECT_TRUE(seen.insert(key).second);
      }
      if (batch->done) break;
    }
    EXPECT_EQ(seen.size(), 1000u);
  }
  EXPECT_TRUE(BusyMaps::keys_of(map).empty());
  ASSERT_TRUE(update_batch(map, std::as_bytes(std::span(keys)), std::as_bytes(std::span(values)),
                           1000, done));
  EXPECT_TRUE(delete_batch(map, std::as_bytes(std::span(keys)), 1000, done));
  EXPECT_EQ(delete_batch(map, std::as_bytes(std::span(keys)), 1000, done).error().code(), ENOENT);
  EXPECT_EQ(done, 0u);
}

TEST_F(Hashes, a_destroyed_maps_memory_waits_for_the_bees_that_run) {
  uint64_t before = hive_->data_used();
  MapHeader* map = &make(MapType::BPF_MAP_TYPE_HASH, 8, 8, 1000);
  uint32_t id = map->id;
  TestBee bee(3);
  destroy_map(*hive_, map);
  EXPECT_EQ(hive_->find_object(hive::ObjectKind::kMap, id), nullptr);
  EXPECT_GT(hive_->data_used(), before);
  uint64_t key = 1;
  EXPECT_EQ(bee.call(kUpdate, map, &key, &key, BPF_ANY), 0)
      << "a running program may use it to its end";
  bee.leave();
  hive_->run_deferred();
  EXPECT_EQ(hive_->data_used(), before);
  EXPECT_GT(make(MapType::BPF_MAP_TYPE_ARRAY, 4, 8, 1).id, id);
}

TEST_F(Hashes, maps_that_do_not_fit_are_refused_and_leave_nothing) {
  uint64_t before = hive_->data_used();
  for (MapType type : {MapType::BPF_MAP_TYPE_ARRAY, MapType::BPF_MAP_TYPE_HASH,
                       MapType::BPF_MAP_TYPE_PERCPU_ARRAY, MapType::BPF_MAP_TYPE_LRU_HASH}) {
    auto map = create_map(
        *hive_, {.type = type, .key_size = 4, .value_size = 4096, .max_entries = 1 << 20});
    ASSERT_FALSE(map);
    EXPECT_EQ(map.error().code(), ENOMEM) << map.error().text();
  }
  EXPECT_EQ(create_map(*hive_, {.type = MapType::BPF_MAP_TYPE_HASH,
                                .key_size = 4,
                                .value_size = 4,
                                .max_entries = 1,
                                .name = "bad name"})
                .error()
                .code(),
            EINVAL);
  EXPECT_EQ(hive_->data_used(), before);
}

TEST_F(Hashes, a_checked_header_is_refused_once_it_is_damaged) {
  for (MapType type : {MapType::BPF_MAP_TYPE_ARRAY, MapType::BPF_MAP_TYPE_HASH,
                       MapType::BPF_MAP_TYPE_PERCPU_HASH, MapType::BPF_MAP_TYPE_PERCPU_ARRAY}) {
    MapHeader& map = make(type, 4, 8, 100);
    EXPECT_TRUE(checked_header(&map));
    for (uint64_t* word : {&map.data, &map.data_size}) {
      uint64_t good = *word;
      *word = 0x123456789abc;
      EXPECT_FALSE(checked_header(&map));
      *word = good;
    }
    map.max_entries = 0xffffffff;
    EXPECT_FALSE(type == MapType::BPF_MAP_TYPE_ARRAY && checked_header(&map));
    map.max_entries = 100;
    map.magic = 0;
    EXPECT_FALSE(checked_header(&map));
  }
}

}  // namespace
}  // namespace skep::maps::test
