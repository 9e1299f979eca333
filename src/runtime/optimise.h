// Optimises hot programs in the background: looks at their run counts (which traced processes add to, in shared memory)
// every so often, and has Runtime::optimise_hot() do the rest on a thread of its own.
#pragma once

#include <chrono>
#include <condition_variable>
#include <mutex>
#include <thread>

#include "runtime/runtime.h"

namespace skep::runtime {

class BackgroundOptimiser {
 public:
  // Programs with `runs` runs are hot. `runtime` outlives it.
  BackgroundOptimiser(Runtime& runtime, uint64_t runs,
                      std::chrono::milliseconds every = std::chrono::milliseconds(100));
  ~BackgroundOptimiser();  // waits for a compilation that is under way
  BackgroundOptimiser(const BackgroundOptimiser&) = delete;
  BackgroundOptimiser& operator=(const BackgroundOptimiser&) = delete;

 private:
  std::mutex mutex_;
  std::condition_variable changed_;
  bool ends_ = false;
  std::thread thread_;
};

}  // namespace skep::runtime
