// Lookups that native code makes without a call, against the helper (which the interpreter calls), on real maps.
#include <gtest/gtest.h>

#include "isa/assembler.h"
#include "runtime/runtime.h"
#include "vm/jit/optimiser.h"

namespace skep::runtime {
namespace {

// Parameter: by the optimising tier, which inlines more.
class InlinedLookup : public testing::TestWithParam<bool> {
 protected:
  void SetUp() override {
    RuntimeOptions options;
    options.hive.name = "lookup";
    options.hive.publish_session = false;
    auto made = Runtime::create(options);
    ASSERT_TRUE(made) << made.error().text();
    runtime_ = std::move(*made);
    if (!GetParam()) return;
    auto target = jit::optimiser_target();
    if (!target) GTEST_SKIP() << target.error().text();
    runtime_->set_optimise(true);
  }
  std::shared_ptr<MapObject> map(MapType type, uint32_t key_size, uint32_t entries,
                                 uint32_t value_size = 8) {
    MapCreation creation;
    creation.attributes.type = type;
    creation.attributes.key_size = key_size;
    creation.attributes.value_size = value_size;
    creation.attributes.max_entries = entries;
    auto made = runtime_->create_map(std::move(creation));
    EXPECT_TRUE(made) << made.error().text();
    return *made;
  }
  // A program of type syscall: looks up the key at ctx + 0, stores the value (or -1) at ctx + 8.
  std::shared_ptr<ProgObject> program(std::shared_ptr<MapObject> map) {
    const bool wide = map->header().key_size == 8;
    auto insns = isa::assemble_insns(
        fmt::format("r6 = r1\n r0 = *(u64 *)(r6 +0)\n *({} *)(r10 -8) = r0\n r2 = r10\n r2 += -8\n"
                    "r1 = map[idx:0]\n call 1\n if r0 == 0 goto none\n r1 = *(u64 *)(r0 +0)\n"
                    "*(u64 *)(r6 +8) = r1\n r0 = 1\n exit\n"
                    "none: *(u64 *)(r6 +8) = -1\n r0 = 0\n exit",
                    wide ? "u64" : "u32"));
    EXPECT_TRUE(insns) << insns.error().text();
    ProgLoad load;
    load.program.insns = *insns;
    load.program.type = ProgType::BPF_PROG_TYPE_SYSCALL;
    load.program.flags = 1u << 4;  // BPF_F_SLEEPABLE
    load.program.license = "GPL";
    load.maps = {std::move(map)};
    auto loaded = runtime_->load_program(std::move(load));
    EXPECT_TRUE(loaded && loaded->program)
        << (loaded ? loaded->report.rejection->message : loaded.error().text());
    return loaded ? loaded->program : nullptr;
  }
  uint64_t value_of(const ProgObject& of, uint64_t key, Via via) {
    std::array<uint64_t, 2> ctx{key, 0};
    RunInput input;
    input.ctx = std::as_bytes(std::span(ctx));
    input.via = via;
    auto output = runtime_->run(of, input);
    EXPECT_TRUE(output) << output.error().text();
    return output ? load<uint64_t>(output->ctx.data() + 8) : 0xdead;
  }
  static ByteSpan bytes(const uint64_t& number, size_t size) {
    return std::as_bytes(std::span(&number, 1)).first(size);
  }

  std::unique_ptr<Runtime> runtime_;
};

TEST_P(InlinedLookup, of_a_hash_finds_what_the_helper_finds) {
  using enum MapType;
  for (MapType type : {BPF_MAP_TYPE_HASH, BPF_MAP_TYPE_PERCPU_HASH, BPF_MAP_TYPE_LRU_HASH,
                       BPF_MAP_TYPE_LRU_PERCPU_HASH})
    for (uint32_t key_size : {4u, 8u})
      for (uint32_t entries : {1u, 16u, 1000u}) {
        SCOPED_TRACE(fmt::format("type {}, keys of {} bytes, {} entries",
                                 static_cast<uint32_t>(type), key_size, entries));
        auto hash = map(type, key_size, entries);
        auto prog = program(hash);
        ASSERT_TRUE(prog);
        auto key = [&](uint64_t i) {
          uint64_t spread = i * 0x9e3779b97f4a7c15;
          return key_size == 4 ? spread & 0xffffffff : spread;
        };
        for (uint64_t i = 0; i < entries; i++) {
          uint64_t k = key(i);
          // Per-CPU maps: the same in every slot.
          std::vector<uint64_t> value(maps::user_value_size(hash->header()) / 8, i * 3 + 1);
          ASSERT_TRUE(maps::update_elem(hash->header(), bytes(k, key_size),
                                        std::as_bytes(std::span(value))));
        }
        for (uint64_t i = 0; i < entries; i += 3)
          ASSERT_TRUE(maps::delete_elem(hash->header(), bytes(key(i), key_size)));
        for (uint64_t i = 0; i < entries + 50; i++) {
          uint64_t expected = i < entries && i % 3 != 0 ? i * 3 + 1 : ~uint64_t{0};
          ASSERT_EQ(value_of(*prog, key(i), Via::jit), expected) << i;
          ASSERT_EQ(value_of(*prog, key(i), Via::interpreter), expected) << i;
        }
      }
}

TEST_P(InlinedLookup, of_an_lru_map_keeps_what_it_looks_at) {
  auto hash = map(MapType::BPF_MAP_TYPE_LRU_HASH, 8, 64);
  auto prog = program(hash);
  ASSERT_TRUE(prog);
  const uint64_t kept = 7;
  auto put = [&](uint64_t key) {
    ASSERT_TRUE(maps::update_elem(hash->header(), bytes(key, 8), bytes(key, 8)));
  };
  for (uint64_t key = 0; key < 64; ++key) put(key);
  for (uint64_t key = 1000; key < 2000; ++key) {
    ASSERT_EQ(value_of(*prog, kept, Via::jit), kept) << "evicted before " << key;
    put(key);
  }
}

TEST_P(InlinedLookup, of_arrays_is_bounded) {
  for (MapType type : {MapType::BPF_MAP_TYPE_ARRAY, MapType::BPF_MAP_TYPE_PERCPU_ARRAY})
    for (uint32_t value_size : {8u, 24u, 40u, 64u}) {
      auto array = map(type, 4, 5, value_size);
      auto prog = program(array);
      ASSERT_TRUE(prog);
      for (uint32_t i = 0; i < 5; i++) {
        std::vector<std::byte> value(maps::user_value_size(array->header()));
        size_t step = type == MapType::BPF_MAP_TYPE_ARRAY ? value.size() : value_size;
        for (size_t at = 0; at < value.size(); at += step)
          value[at] = static_cast<std::byte>(i + 1);
        ASSERT_TRUE(maps::update_elem(array->header(), bytes(uint64_t{i}, 4), value));
      }
      for (uint64_t key : {0ull, 1ull, 4ull, 5ull, 6ull, 0x7fffffffull, 0xffffffffull}) {
        uint64_t expected = key < 5 ? key + 1 : ~uint64_t{0};
        EXPECT_EQ(value_of(*prog, key, Via::jit), expected) << value_size << " " << key;
        EXPECT_EQ(value_of(*prog, key, Via::interpreter), expected);
      }
    }
}

INSTANTIATE_TEST_SUITE_P(Tiers, InlinedLookup, testing::Bool(),
                         [](const auto& tier) { return tier.param ? "optimising" : "fast"; });

}  // namespace
}  // namespace skep::runtime
