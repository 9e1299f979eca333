// A bee for tests: owns a slot and calls map helpers by their BPF_FUNC ids, as a program would.
#pragma once

#include <time.h>
#include <unistd.h>

#include <cstring>

#include "base/hive.h"
#include "maps/map_helpers.h"
#include "maps/map_ops.h"
#include "object/helper_context.h"

namespace skep::maps::test {

inline HostOps make_host_ops() {
  HostOps ops{};
  ops.ktime_ns = [](HelperContext*) {
    timespec now{};
    ::clock_gettime(CLOCK_MONOTONIC, &now);
    return static_cast<uint64_t>(now.tv_sec) * 1'000'000'000 + static_cast<uint64_t>(now.tv_nsec);
  };
  ops.wake = [](HelperContext*, const void*) { hive::wake_consumers(); };
  // Three frames that the test may set through host_data.
  ops.user_stack = [](HelperContext* context, uint64_t* frames, uint32_t limit) -> uint32_t {
    auto* given = static_cast<const uint64_t*>(context->host_data);
    uint32_t count = 0;
    while (given != nullptr && count < limit && given[count] != 0)
      frames[count] = given[count], ++count;
    return count;
  };
  return ops;
}
inline const HostOps kHostOps = make_host_ops();

inline uint64_t this_thread() {
  return hive::owner_word(static_cast<uint32_t>(::getpid()), static_cast<uint32_t>(::gettid()));
}

enum Helper : uint32_t {
  kLookup = 1,
  kUpdate = 2,
  kDelete = 3,
  kPerfOutput = 25,
  kGetStackid = 27,
  kPush = 87,
  kPop = 88,
  kPeek = 89,
  kRingOutput = 130,
  kRingReserve = 131,
  kRingSubmit = 132,
  kRingDiscard = 133,
  kRingQuery = 134,
  kForEach = 164,
  kLookupPercpu = 195,
  kReserveDynptr = 198,
  kSubmitDynptr = 199,
  kDiscardDynptr = 200,
  kDrain = 209,
};

class TestBee {
 public:
  explicit TestBee(uint32_t preferred = 0) {
    for (const HelperBinding& binding : map_helper_bindings()) helpers_[binding.id] = binding.fn;
    context.host = &kHostOps;
    enter(preferred);
  }
  ~TestBee() { leave(); }
  TestBee(const TestBee&) = delete;
  TestBee& operator=(const TestBee&) = delete;

  void enter(uint32_t preferred) {
    slot_ = hive::claim(preferred, this_thread());
    context.slot = slot_;
  }
  void leave() {
    if (slot_ != hive::kNoSlot) hive::release(slot_);
    slot_ = hive::kNoSlot;
  }
  [[nodiscard]] uint32_t slot() const { return slot_; }

  template <class... Args>
  int64_t call(Helper id, Args... args) {
    uint64_t r[5] = {word(args)...};
    return static_cast<int64_t>(helpers_[id](r[0], r[1], r[2], r[3], r[4], &context));
  }
  template <class T = void, class... Args>
  T* pointer(Helper id, Args... args) {
    return reinterpret_cast<T*>(call(id, args...));
  }

  HelperContext context;

 private:
  template <class T>
  static uint64_t word(T value) {
    if constexpr (std::is_pointer_v<T>)
      return reinterpret_cast<uint64_t>(value);
    else
      return static_cast<uint64_t>(value);
  }
  HelperFn helpers_[256] = {};
  uint32_t slot_ = hive::kNoSlot;
};

inline std::unique_ptr<Hive> make_test_hive(HiveOptions options = {}) {
  options.publish_session = false;
  auto hive = Hive::create(options);
  if (!hive) std::fprintf(stderr, "%s\n", hive.error().text().c_str());
  return hive ? std::move(*hive) : nullptr;
}

}  // namespace skep::maps::test
