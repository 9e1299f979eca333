// The same random commands on the user engine's maps and on this machine's kernel's: results,
// errno, values and key sets must be the same. The seed is printed on failure; SKEP_SEED repeats
// it.
#include <gtest/gtest.h>

#include <algorithm>
#include <cstdlib>
#include <random>

#include "maps/backend.h"

namespace skep::maps::test {
namespace {

using enum MapType;

struct Kind {
  const char* name;
  MapType type;
  uint32_t flags;
};
constexpr Kind kKinds[] = {
    {"HASH", BPF_MAP_TYPE_HASH, 0},
    {"HASH no prealloc", BPF_MAP_TYPE_HASH, BPF_F_NO_PREALLOC},
    {"ARRAY", BPF_MAP_TYPE_ARRAY, 0},
    {"PERCPU_HASH", BPF_MAP_TYPE_PERCPU_HASH, 0},
    {"PERCPU_ARRAY", BPF_MAP_TYPE_PERCPU_ARRAY, 0},
    {"QUEUE", BPF_MAP_TYPE_QUEUE, 0},
    {"STACK", BPF_MAP_TYPE_STACK, 0},
    {"LPM_TRIE", BPF_MAP_TYPE_LPM_TRIE, BPF_F_NO_PREALLOC},
};

class Differential {
 public:
  Differential(Backend& ours, Backend& kernel, uint64_t seed)
      : ours_(ours), kernel_(kernel), random_(seed) {}

  void run(const Kind& kind, int commands) {
    attributes_ = {};
    attributes_.type = kind.type;
    attributes_.map_flags = kind.flags;
    keyless_ = kind.type == BPF_MAP_TYPE_QUEUE || kind.type == BPF_MAP_TYPE_STACK;
    bool array = kind.type == BPF_MAP_TYPE_ARRAY || kind.type == BPF_MAP_TYPE_PERCPU_ARRAY;
    attributes_.key_size = keyless_                             ? 0
                           : array                              ? 4
                           : kind.type == BPF_MAP_TYPE_LPM_TRIE ? 4 + pick(1, 20)
                                                                : pick(1, 24);
    attributes_.value_size = pick(1, 40);
    attributes_.max_entries = pick(1, 40);
    // Strange geometry now and then: refused alike.
    if (pick(0, 9) == 0) attributes_.key_size = pick(0, 6);
    if (pick(0, 9) == 0) attributes_.map_flags |= 1u << pick(0, 12);
    int made = ours_.create(attributes_);
    ASSERT_EQ(made, kernel_.create(attributes_)) << describe();
    if (made != 0) return;
    for (int i = 0; i < commands && !testing::Test::HasFatalFailure(); ++i) command(i);
  }

 private:
  uint32_t pick(uint32_t low, uint32_t high) {
    return low + static_cast<uint32_t>(random_() % (high - low + 1));
  }
  bool per_cpu() const {
    return attributes_.type == BPF_MAP_TYPE_PERCPU_HASH ||
           attributes_.type == BPF_MAP_TYPE_PERCPU_ARRAY;
  }
  size_t one_value() const {
    return per_cpu() ? (attributes_.value_size + 7) / 8 * 8 : attributes_.value_size;
  }
  // The same value for every CPU, of which the two may have different numbers.
  Bytes spread(const Bytes& value, const Backend& backend) const {
    Bytes all;
    for (uint32_t cpu = 0; cpu < (per_cpu() ? backend.cpus() : 1); ++cpu)
      all.insert(all.end(), value.begin(), value.end());
    return all;
  }
  Bytes room(const Backend& backend) const {
    return Bytes(one_value() * (per_cpu() ? backend.cpus() : 1));
  }
  Bytes random_key() {
    Bytes key(attributes_.key_size);
    uint32_t number = pick(0, 60);
    if (attributes_.type == BPF_MAP_TYPE_LPM_TRIE) {
      uint32_t bits = (attributes_.key_size - 4) * 8;
      uint32_t length = pick(0, bits + (pick(0, 20) == 0));
      std::memcpy(key.data(), &length, 4);
      for (size_t i = 4; i < key.size(); ++i)
        key[i] = static_cast<std::byte>(pick(0, 1) * 0xc0 | (pick(0, 9) == 0));
    } else {
      for (size_t i = 0; i < std::min<size_t>(4, key.size()); ++i)
        key[i] = static_cast<std::byte>(number >> 8 * i);
    }
    return key;
  }
  Bytes random_value() {
    Bytes value(one_value());
    for (size_t i = 0; i < attributes_.value_size; ++i)
      value[i] = static_cast<std::byte>(random_());
    return value;
  }
  std::string describe() const {
    return fmt::format("type {} key {} value {} max {} flags {:#x}",
                       static_cast<uint32_t>(attributes_.type), attributes_.key_size,
                       attributes_.value_size, attributes_.max_entries, attributes_.map_flags);
  }
  std::vector<Bytes> keys_of(Backend& backend, int& end) const {
    std::vector<Bytes> keys;
    Bytes at, next(attributes_.key_size);
    while ((end = backend.next(keys.empty() ? nullptr : &at, next)) == 0 && keys.size() < 1000)
      keys.push_back(at = next);
    bool ordered =
        attributes_.type == BPF_MAP_TYPE_LPM_TRIE || attributes_.type == BPF_MAP_TYPE_ARRAY;
    if (!ordered) std::sort(keys.begin(), keys.end());
    return keys;
  }
  void command(int number) {
    Bytes key = random_key(), value = random_value();
    Bytes ours = room(ours_), kernel = room(kernel_);
    uint32_t what = pick(0, 9);
    auto same_value = [&](int result) {
      if (result != 0) return;
      ASSERT_TRUE(
          std::equal(ours.begin(), ours.begin() + static_cast<long>(one_value()), kernel.begin()))
          << describe() << " command " << number;
    };
    switch (what) {
      case 0:
      case 1:
      case 2:
      case 3: {
        uint64_t flags = pick(0, 12) == 0 ? pick(3, 9) : pick(0, 2);
        ASSERT_EQ(ours_.update(key, spread(value, ours_), flags),
                  kernel_.update(key, spread(value, kernel_), flags))
            << describe() << " update flags " << flags << " command " << number;
        break;
      }
      case 4:
      case 5: {
        int result = ours_.lookup(key, ours);
        ASSERT_EQ(result, kernel_.lookup(key, kernel))
            << describe() << " lookup, command " << number;
        same_value(result);
        break;
      }
      case 6:
      case 7:
        ASSERT_EQ(ours_.remove(key), kernel_.remove(key))
            << describe() << " delete, command " << number;
        break;
      case 8: {
        int result = ours_.take(key, ours);
        ASSERT_EQ(result, kernel_.take(key, kernel)) << describe() << " take, command " << number;
        same_value(result);
        break;
      }
      case 9: {
        if (keyless_) break;
        int our_end = 0, kernel_end = 0;
        auto our_keys = keys_of(ours_, our_end);
        ASSERT_EQ(our_keys, keys_of(kernel_, kernel_end))
            << describe() << " keys, command " << number;
        ASSERT_EQ(our_end, kernel_end) << describe();
        break;
      }
    }
  }

  Backend& ours_;
  Backend& kernel_;
  std::mt19937_64 random_;
  MapAttributes attributes_;
  bool keyless_ = false;
};

TEST(differential, random_commands_give_the_same_on_the_user_engine_and_the_kernel) {
  std::string reason;
  auto kernel = make_kernel_backend(reason);
  if (!kernel) GTEST_SKIP() << reason;
  auto ours = make_user_backend();
  ASSERT_NE(ours, nullptr);
  const char* given = std::getenv("SKEP_SEED");
  uint64_t seed = given != nullptr ? std::strtoull(given, nullptr, 0) : std::random_device{}();
  const char* more = std::getenv("SKEP_SEQUENCES");
  int sequences = more != nullptr ? std::atoi(more) : 25;
  for (int round = 0; round < sequences; ++round) {
    for (const Kind& kind : kKinds) {
      SCOPED_TRACE(fmt::format("{}, SKEP_SEED={}", kind.name, seed));
      Differential(*ours, *kernel, seed).run(kind, 250);
      if (testing::Test::HasFailure()) return;
      if (given == nullptr) ++seed;
    }
  }
}

}  // namespace
}  // namespace skep::maps::test
