// A traced process that scribbles: bytes from `input` go anywhere into the data segment that it may
// write, between operations of the controlling side and of other programs. Nothing may crash or
// take for ever. For hostile_test.cc and fuzz/hive_data_fuzz.cc.
#pragma once

#include <cstdint>
#include <memory>
#include <span>
#include <vector>

#include "../../src/maps/control/events.h"
#include "../../src/maps/control/maps.h"
#include "bee.h"
#include "object/dynptr.h"

namespace skep::maps::test {

class HostileHive {
 public:
  HostileHive() : hive_(make_test_hive({.data_size = 8 << 20, .slots = 4})) {
    if (!hive_) std::abort();
    using enum MapType;
    add(BPF_MAP_TYPE_HASH, 8, 16, 20);
    add(BPF_MAP_TYPE_HASH, 5, 16, 200, BPF_F_NO_PREALLOC);
    add(BPF_MAP_TYPE_LRU_HASH, 8, 16, 20);
    add(BPF_MAP_TYPE_PERCPU_HASH, 8, 16, 20);
    add(BPF_MAP_TYPE_LRU_PERCPU_HASH, 8, 16, 20);
    add(BPF_MAP_TYPE_ARRAY, 4, 16, 20);
    add(BPF_MAP_TYPE_PERCPU_ARRAY, 4, 16, 20);
    add(BPF_MAP_TYPE_QUEUE, 0, 16, 20);
    add(BPF_MAP_TYPE_STACK, 0, 16, 20);
    add(BPF_MAP_TYPE_BLOOM_FILTER, 0, 16, 20);
    add(BPF_MAP_TYPE_LPM_TRIE, 8, 16, 20, BPF_F_NO_PREALLOC);
    add(BPF_MAP_TYPE_STACK_TRACE, 4, 64, 8);
    ring_ = add(BPF_MAP_TYPE_RINGBUF, 0, 0, 4096);
    add(BPF_MAP_TYPE_USER_RINGBUF, 0, 0, 4096);
    perf_ = add(BPF_MAP_TYPE_PERF_EVENT_ARRAY, 4, 4, 4);
  }

  // Each step takes its choices from the input; false at its end.
  bool step(std::span<const uint8_t>& input) {
    auto take = [&](size_t bytes) {
      uint64_t value = 0;
      for (size_t i = 0; i < bytes && !input.empty(); ++i, input = input.subspan(1))
        value = value << 8 | input[0];
      return value;
    };
    if (input.empty()) return false;
    uint64_t what = take(1);
    MapHeader& map = *maps_[take(1) % maps_.size()];
    switch (what % 8) {
      case 0:
      case 1: {  // anywhere in a map's memory; mostly near its start, where the words are that lead elsewhere
        uint64_t span = what & 8 ? map.data_size : std::min<uint64_t>(map.data_size, 16384);
        auto* at = reinterpret_cast<uint64_t*>(map.data + take(3) % span / 8 * 8);
        static constexpr uint64_t kNasty[] = {0,          ~0ull, 0x80000001, 1, 0x8000000080000000,
                                              0xffffffff, 21,    1ull << 32};
        uint64_t word = what & 16 ? kNasty[take(1) % 8] : take(8);
        if (reinterpret_cast<uint64_t>(at) + 8 <= map.data + map.data_size) *at = word;
        break;
      }
      case 2: operate_user(map, take(2)); break;
      case 3:
      case 4: operate_program(map, take(2)); break;
      case 5: {
        RingReader reader(*ring_);
        reader.consume([](ByteSpan) { return true; }, 100);
        break;
      }
      case 6: {
        PerfReader reader(*hive_, *perf_);
        reader.consume([](const PerfReader::Event&) { return true; }, {}, 100);
        break;
      }
      case 7: {  // the slot table: now and then, and put right again, or nobody gets a slot
        hive::Slot& slot = hive::slot_table().slots[take(1) % 4];
        uint64_t before = slot.owner.load();
        slot.owner = take(8);
        slot.generation = static_cast<uint32_t>(take(4));
        hive::reap_dead_slots(this_thread());
        operate_user(map, take(2));
        slot.owner = before;
        break;
      }
    }
    return true;
  }

 private:
  MapHeader* add(MapType type, uint32_t key, uint32_t value, uint32_t entries, uint32_t flags = 0) {
    auto map = create_map(*hive_, {.type = type,
                                   .key_size = key,
                                   .value_size = value,
                                   .max_entries = entries,
                                   .map_flags = flags,
                                   .perf_pages = 1});
    if (!map) std::abort();
    maps_.push_back(*map);
    return *map;
  }
  void operate_user(MapHeader& map, uint64_t choice) {
    std::vector<std::byte> key(map.key_size), value(user_value_size(map)), next(map.key_size);
    if (!key.empty()) key[0] = static_cast<std::byte>(choice >> 4 & 31);
    switch (choice % 6) {
      case 0: (void)lookup_elem(map, key, value); break;
      case 1: (void)update_elem(map, key, value, choice >> 12 & 3); break;
      case 2: (void)delete_elem(map, key); break;
      case 3: (void)lookup_and_delete_elem(map, key, value); break;
      case 4: {
        std::vector<std::byte> at;
        for (int i = 0; i < 64 && next_key(map, at, next); ++i) at = next;
        break;
      }
      case 5: {
        std::vector<std::byte> cursor;
        (void)lookup_batch(map, cursor, 16);
        break;
      }
    }
  }
  void operate_program(MapHeader& map, uint64_t choice) {
    TestBee bee(static_cast<uint32_t>(choice & 3));
    if (bee.slot() == hive::kNoSlot) return;
    uint8_t key[16] = {static_cast<uint8_t>(choice >> 4 & 31)};
    uint8_t value[64] = {};
    uint64_t frames[] = {choice, 2, 3, 0};
    bee.context.host_data = frames;
    auto type = static_cast<MapType>(map.type);
    if (type == MapType::BPF_MAP_TYPE_RINGBUF) {
      if (void* record = bee.pointer(kRingReserve, &map, choice >> 4, 0))
        bee.call(kRingSubmit, record, 0);
      return;
    }
    if (type == MapType::BPF_MAP_TYPE_USER_RINGBUF) {
      bee.context.call_bpf = [](HelperContext*, uint64_t, uint64_t dynptr, uint64_t, uint64_t,
                                uint64_t, uint64_t) {
        const auto& sample = *reinterpret_cast<const Dynptr*>(dynptr);
        uint64_t sum = 0;
        for (uint32_t i = 0; i < sample.size(); ++i) sum += *sample.at(i);
        return sum == 1 ? uint64_t{1} : 0;
      };
      bee.call(kDrain, &map, 0, 0, choice >> 12 & 3);
      return;
    }
    if (type == MapType::BPF_MAP_TYPE_PERF_EVENT_ARRAY) {
      bee.call(kPerfOutput, 0, &map, 0xffffffffu, value, choice & 63);
      return;
    }
    if (type == MapType::BPF_MAP_TYPE_STACK_TRACE) {
      bee.call(kGetStackid, 0, &map, 0x500);
      return;
    }
    switch (choice % 7) {
      case 0:
        if (auto* found = bee.pointer<uint8_t>(kLookup, &map, key))
          ++found[0];  // what a program does with it
        break;
      case 1: bee.call(kUpdate, &map, key, value, choice >> 12 & 3); break;
      case 2: bee.call(kDelete, &map, key); break;
      case 3: bee.call(kPush, &map, value, choice >> 12 & 3); break;
      case 4: bee.call(kPop, &map, value); break;
      case 5: bee.call(kPeek, &map, value); break;
      case 6: {
        bee.context.call_bpf = [](HelperContext*, uint64_t, uint64_t, uint64_t, uint64_t at,
                                  uint64_t, uint64_t) {
          return static_cast<uint64_t>(*reinterpret_cast<uint8_t*>(at) == 255);
        };
        bee.call(kForEach, &map, 0, 0, 0);
        break;
      }
    }
  }

  std::unique_ptr<Hive> hive_;
  std::vector<MapHeader*> maps_;
  MapHeader *ring_ = nullptr, *perf_ = nullptr;
};

}  // namespace skep::maps::test
