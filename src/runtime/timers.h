// Runs the callbacks of the hive's timers and workqueues, in the controlling process.
#pragma once

#include <atomic>
#include <thread>

namespace skep::runtime {

class Runtime;

// One thread, which sleeps until the first timer is due. The runtime must outlive it.
class TimerRunner {
 public:
  explicit TimerRunner(Runtime& runtime);
  ~TimerRunner();  // after the callback that runs
  TimerRunner(const TimerRunner&) = delete;
  TimerRunner& operator=(const TimerRunner&) = delete;

 private:
  void work();
  void fire(uint32_t row);

  Runtime& runtime_;
  std::atomic<bool> stopping_{false};
  std::thread thread_;
};

}  // namespace skep::runtime
