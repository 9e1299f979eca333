// RobustLock: a 32-bit lock word in the data segment that names its owner, so that a lock whose
// owner was killed is seen to be so, taken over by the next who wants it, and reported as such:
// that one then repairs what the lock protects. Freestanding: the agent compiles this.
//
//   0                                    free
//   1 | generation (23) | slot (8)       held by that bee (slots.h)
//
// Every wait is bounded: an owner that is alive but does not run (stopped by a debugger, starved)
// costs the contender some milliseconds and then kBusy, which maps turn into -EBUSY, as the
// kernel's do.
#pragma once

#include <atomic>
#include <cstdint>

#include "base/shared.h"
#include "base/slots.h"

namespace skep::hive {

enum class Locked : uint32_t {
  kBusy = 0,       // not ours
  kClean = 1,      // ours
  kRecovered = 2,  // ours, from an owner that died holding it: repair first
};

class RobustLock {
 public:
  [[nodiscard]] Locked lock(BeeWord me) {
    uint32_t expected = 0;
    if (word_.compare_exchange_strong(expected, me, std::memory_order_acquire))
      return Locked::kClean;
    return lock_slowly(me);
  }
  // One attempt; takes over from the dead too.
  [[nodiscard]] Locked try_lock(BeeWord me) {
    uint32_t expected = 0;
    if (word_.compare_exchange_strong(expected, me, std::memory_order_acquire))
      return Locked::kClean;
    if (expected != me && bee_is_gone(expected) &&
        word_.compare_exchange_strong(expected, me, std::memory_order_acquire))
      return Locked::kRecovered;
    return Locked::kBusy;
  }
  void unlock() { word_.store(0, std::memory_order_release); }
  [[nodiscard]] uint32_t word() const { return word_.load(std::memory_order_relaxed); }

 private:
  [[gnu::noinline]] Locked lock_slowly(BeeWord me) {
    for (uint32_t round = 0; round < kRounds; ++round) {
      // Ever less often: each look takes the line away from the owner, who then waits for it at every step. One that
      // takes the lock again and again gets much done meanwhile, and what is done at one processor is done faster
      // than in turns.
      for (uint32_t wait = 4; wait <= kLongestWait; wait *= 2) {
        for (uint32_t spin = 0; spin < wait; ++spin) raw::pause_cpu();
        uint32_t expected = 0;
        if (word_.load(std::memory_order_relaxed) == 0 &&
            word_.compare_exchange_strong(expected, me, std::memory_order_acquire))
          return Locked::kClean;
      }
      uint32_t held = word_.load(std::memory_order_relaxed);
      // Our own word: a program that waits for itself, or a scribbler's forgery; more waiting is no
      // help.
      if (held == me) return Locked::kBusy;
      // The owner's slot moving on costs no system call to see; a dead owner's does, so look less
      // often.
      if (held != 0 &&
          (round % kLivenessEvery == kLivenessEvery - 1 || !generation_matches(held)) &&
          bee_is_gone(held) && word_.compare_exchange_strong(held, me, std::memory_order_acquire))
        return Locked::kRecovered;
      raw::syscall(raw::kSchedYield);
    }
    return Locked::kBusy;
  }
  static bool generation_matches(BeeWord word) {
    uint32_t index = word & 0xff;
    return (word & 0x80000000u) != 0 && index < slot_count() && bee_word(index) == word;
  }

  static constexpr uint32_t kLongestWait = 64, kRounds = 4096, kLivenessEvery = 16;
  Shared<uint32_t> word_;
};
static_assert(sizeof(RobustLock) == 4);

}  // namespace skep::hive
