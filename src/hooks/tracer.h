// The session's ptrace thread: starts COMMAND with the agent in it, and follows execve when an
// agent asks.
//
// Only this thread ever traces. It sleeps on the board's futex word (agents wake it) with a
// time-out, and only while an execve is under way it looks at waitpid in short turns. What the
// board says is hostile input: a request is honoured only for a process that the kernel lets this
// user trace, and nothing else is taken from it.
#pragma once

#include <atomic>
#include <condition_variable>
#include <deque>
#include <functional>
#include <mutex>
#include <optional>
#include <string>
#include <thread>
#include <vector>

#include "base/fd.h"
#include "base/result.h"
#include "hooks/attach_table.h"
#include "hooks/inject.h"
#include "hooks/session.h"

namespace skep::hooks {

class Session::Tracer {
 public:
  Tracer(AgentBoard& board, AgentImage agent, InjectSpec spec);
  ~Tracer();

  [[nodiscard]] Result<> start();  // makes the eventfd and the thread
  [[nodiscard]] Result<pid_t> launch(const std::string& path, std::vector<std::string> argv,
                                     std::vector<std::string> env);
  [[nodiscard]] int event_fd() const { return poll_fd_.get(); }
  void watch_command();  // from any thread
  void clear_event();
  std::vector<SessionEvent> take_events();
  [[nodiscard]] std::optional<int> status() const;
  [[nodiscard]] pid_t pid() const { return pid_.load(); }

 private:
  struct Following {
    Request* request;
    pid_t tid;  // that asked; its process's id after a successful execve
    pid_t pid;
    bool interrupted = false;
  };
  void run();
  void handle_requests();
  void seize(Request& request);
  void watch_followed();
  bool on_stop(Following& following, pid_t tid, int status);
  void finish(Following& following, RequestState state);
  Result<pid_t> start_command(const std::string& path, const std::vector<std::string>& argv,
                              const std::vector<std::string>& env);
  void report(SessionEvent event);
  void signal_event();
  void watch_end(const Fd& process);
  void wake_thread();

  AgentBoard& board_;
  AgentImage agent_;
  InjectSpec spec_;
  Fd event_fd_;  // an eventfd
  Fd stop_fd_;   // an eventfd: end_watch_ is to end
  Fd pidfd_;     // the command's
  Fd poll_fd_;   // an epoll of both
  std::thread thread_;
  std::thread end_watch_;  // sleeps until the command ends
  std::atomic<bool> stop_{false};
  std::atomic<pid_t> pid_{0};
  std::vector<Following> following_;

  mutable std::mutex mutex_;
  std::condition_variable done_;
  std::function<void()> job_;  // what the thread is asked to do; under mutex_
  bool job_done_ = false;
  std::deque<SessionEvent> events_;
  std::optional<int> status_;
};

}  // namespace skep::hooks
