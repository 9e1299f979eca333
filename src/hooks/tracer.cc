#include "hooks/tracer.h"

#include <fcntl.h>
#include <linux/futex.h>
#include <poll.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/ptrace.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <csignal>
#include <cstring>
#include <memory>

#include "base/slots.h"

namespace skep::hooks {
namespace {

void futex_wait(std::atomic<uint32_t>& word, uint32_t value, std::chrono::microseconds limit) {
  timespec timeout{.tv_sec = limit.count() / 1000000, .tv_nsec = (limit.count() % 1000000) * 1000};
  ::syscall(SYS_futex, &word, FUTEX_WAIT, value, &timeout, nullptr, 0);
}
void futex_wake(std::atomic<uint32_t>& word) {
  ::syscall(SYS_futex, &word, FUTEX_WAKE, INT32_MAX, nullptr, nullptr, 0);
}

std::vector<char*> pointers(const std::vector<std::string>& strings) {
  std::vector<char*> result;
  for (const std::string& text : strings) result.push_back(const_cast<char*>(text.c_str()));
  result.push_back(nullptr);
  return result;
}

RequestState state_of(const Request& request) {
  return static_cast<RequestState>(request.state.load(std::memory_order_acquire));
}

// A process that was killed inside a program leaves the slot that it held.
void reap_slots() {
  hive::reap_dead_slots(hive::owner_word(static_cast<uint32_t>(::getpid()),
                                         static_cast<uint32_t>(::syscall(SYS_gettid))));
}

// Signals to this process are the caller's business: such a thread takes none.
std::thread thread_without_signals(std::function<void()> work) {
  sigset_t all, old;
  ::sigfillset(&all);
  ::pthread_sigmask(SIG_SETMASK, &all, &old);
  std::thread thread(std::move(work));
  ::pthread_sigmask(SIG_SETMASK, &old, nullptr);
  return thread;
}

void answer(Request& request, RequestState state, int error = 0) {
  request.error = error;
  request.state.store(static_cast<uint32_t>(state), std::memory_order_release);
  futex_wake(request.state);
}

}  // namespace

Session::Tracer::Tracer(AgentBoard& board, AgentImage agent, InjectSpec spec)
    : board_(board), agent_(std::move(agent)), spec_(spec) {
  spec_.agent = &agent_;
}

Session::Tracer::~Tracer() {
  stop_ = true;
  wake_thread();
  uint64_t one = 1;
  [[maybe_unused]] ssize_t wrote = ::write(stop_fd_.get(), &one, sizeof one);
  if (end_watch_.joinable()) end_watch_.join();
  if (thread_.joinable()) thread_.join();
}

Result<> Session::Tracer::start() {
  event_fd_ = Fd(::eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK));
  if (!event_fd_) return fail_errno(errno, "eventfd");
  stop_fd_ = Fd(::eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK));
  if (!stop_fd_) return fail_errno(errno, "eventfd");
  poll_fd_ = Fd(::epoll_create1(EPOLL_CLOEXEC));
  epoll_event readable{.events = EPOLLIN, .data = {}};
  if (!poll_fd_ || ::epoll_ctl(poll_fd_.get(), EPOLL_CTL_ADD, event_fd_.get(), &readable) != 0)
    return fail_errno(errno, "epoll");
  thread_ = thread_without_signals([this] { run(); });
  return {};
}

void Session::Tracer::wake_thread() {
  board_.wake.fetch_add(1);
  futex_wake(board_.wake);
}

void Session::Tracer::signal_event() {
  uint64_t one = 1;
  [[maybe_unused]] ssize_t wrote =
      ::write(event_fd_.get(), &one, sizeof one);  // full: it is readable anyway
  hive::wake_consumers();                          // who waits for events waits for this one, too
}

// Both the tracer and the consumers of events sleep on words, which the end of a process doesn't move: this thread
// sleeps until it ends, and wakes them.
void Session::Tracer::watch_end(const Fd& process) {
  pollfd ends[] = {{process.get(), POLLIN, 0}, {stop_fd_.get(), POLLIN, 0}};
  while (::poll(ends, 2, -1) < 0 && errno == EINTR) {
  }
  if (ends[0].revents == 0) return;
  wake_thread();
  signal_event();
}

void Session::Tracer::clear_event() {
  uint64_t count;
  [[maybe_unused]] ssize_t got = ::read(event_fd_.get(), &count, sizeof count);
}

void Session::Tracer::report(SessionEvent event) {
  {
    std::lock_guard hold(mutex_);
    events_.push_back(std::move(event));
  }
  signal_event();
}

std::vector<SessionEvent> Session::Tracer::take_events() {
  std::lock_guard hold(mutex_);
  std::vector<SessionEvent> result(std::make_move_iterator(events_.begin()),
                                   std::make_move_iterator(events_.end()));
  events_.clear();
  return result;
}

std::optional<int> Session::Tracer::status() const {
  std::lock_guard hold(mutex_);
  return status_;
}

Result<pid_t> Session::Tracer::launch(const std::string& path, std::vector<std::string> argv,
                                      std::vector<std::string> env) {
  Result<pid_t> result = 0;
  std::unique_lock hold(mutex_);
  job_done_ = false;
  job_ = [&] { result = start_command(path, argv, env); };
  hold.unlock();
  wake_thread();
  hold.lock();
  done_.wait(hold, [&] { return job_done_; });
  if (!result) return result;
  pid_ = *result;  // `hold` is held: watch_command waits
  pidfd_ = Fd(static_cast<int>(::syscall(SYS_pidfd_open, *result, 0)));
  epoll_event readable{.events = EPOLLIN, .data = {}};
  if (pidfd_) {
    ::epoll_ctl(poll_fd_.get(), EPOLL_CTL_ADD, pidfd_.get(), &readable);
    Fd process(::fcntl(pidfd_.get(), F_DUPFD_CLOEXEC, 0));
    if (process && !end_watch_.joinable())
      end_watch_ = thread_without_signals(
          [this, process = std::make_shared<Fd>(std::move(process))] { watch_end(*process); });
  }
  return result;
}

// In the child, after fork of a process with threads: nothing but system calls.
Result<pid_t> Session::Tracer::start_command(const std::string& path,
                                             const std::vector<std::string>& argv,
                                             const std::vector<std::string>& env) {
  int ends[2];
  if (::pipe2(ends, O_CLOEXEC) != 0) return fail_errno(errno, "pipe");
  Fd reader(ends[0]), writer(ends[1]);
  auto arguments = pointers(argv);
  auto environment = pointers(env);
  sigset_t none;
  ::sigemptyset(&none);
  pid_t pid = ::fork();
  if (pid < 0) return fail_errno(errno, "fork");
  if (pid == 0) {
    ::sigprocmask(SIG_SETMASK, &none, nullptr);
    int code = 0;
    if (::ptrace(PTRACE_TRACEME, 0, nullptr, nullptr) != 0) code = -errno;
    if (code == 0) {
      ::execve(path.c_str(), arguments.data(), environment.data());
      code = errno;
    }
    [[maybe_unused]] ssize_t wrote = ::write(ends[1], &code, sizeof code);
    ::_exit(127);
  }
  writer.reset();
  auto give_up = [&](Result<> why) -> Result<pid_t> {
    ::kill(pid, SIGKILL);
    ::waitpid(pid, nullptr, __WALL);
    return fail(why);
  };
  int status = 0;
  while (::waitpid(pid, &status, __WALL) < 0) {
    if (errno != EINTR) return fail_errno(errno, "waitpid");
  }
  if (!WIFSTOPPED(status)) {
    int code = 0;
    if (::read(reader.get(), &code, sizeof code) == sizeof code && code != 0)
      return code < 0 ? fail_errno(-code, "{}: ptrace is refused here", path)
                      : fail_errno(code, "{}", path);
    return fail(ECHILD, "{}: ended before it began", path);
  }
  auto injected = inject(pid, spec_);
  if (!injected) return give_up(fail(injected, "{}", path));
  if (::ptrace(PTRACE_DETACH, pid, nullptr, nullptr) != 0)
    return give_up(fail_errno(errno, "PTRACE_DETACH"));
  return pid;
}

void Session::Tracer::run() {
  // Processes that the command started are nobody's here to wait for: their slots are looked at now and then.
  constexpr std::chrono::milliseconds kReapEvery{100};
  auto next_reap = std::chrono::steady_clock::now();
  while (!stop_) {
    uint32_t wake = board_.wake.load();
    if (auto now = std::chrono::steady_clock::now(); now >= next_reap) {
      reap_slots();
      next_reap = now + kReapEvery;
    }
    {
      std::unique_lock hold(mutex_);
      if (job_) {
        auto job = std::move(job_);
        job_ = nullptr;
        hold.unlock();
        job();
        hold.lock();
        job_done_ = true;
        done_.notify_all();
      }
    }
    handle_requests();
    watch_followed();
    watch_command();
    if (stop_) break;
    using namespace std::chrono_literals;
    futex_wait(board_.wake, wake, following_.empty() ? 20ms : 100us);
  }
}

// Only looks first: waitpid would also take a ptrace stop of the command's, which is watch_followed's to see.
void Session::Tracer::watch_command() {
  pid_t pid = pid_.load();
  std::unique_lock hold(mutex_);
  if (pid == 0 || status_) return;
  siginfo_t info{};
  if (::waitid(P_PID, static_cast<id_t>(pid), &info, WEXITED | WNOHANG | WNOWAIT) != 0 ||
      info.si_pid != pid)
    return;
  if (info.si_code != CLD_EXITED && info.si_code != CLD_KILLED && info.si_code != CLD_DUMPED)
    return;
  int status = 0;
  if (::waitpid(pid, &status, WNOHANG) != pid) return;
  reap_slots();
  status_ = status;
  pidfd_.reset();  // leaves the epoll too
  hold.unlock();
  signal_event();
}

void Session::Tracer::handle_requests() {
  for (Request& request : board_.requests) {
    if (state_of(request) == RequestState::kAsked) seize(request);
  }
  if (board_.notice_head.load() != 0) signal_event();
}

void Session::Tracer::seize(Request& request) {
  auto tid = static_cast<pid_t>(request.tid);
  auto pid = static_cast<pid_t>(request.pid);
  if (tid <= 0 || pid <= 0 || tid == ::getpid()) {
    answer(request, RequestState::kRefused, EINVAL);
    return;
  }
  if (::ptrace(PTRACE_SEIZE, tid, nullptr, PTRACE_O_TRACEEXEC) != 0) {
    int code = errno;
    answer(request, code == ESRCH ? RequestState::kFree : RequestState::kRefused, code);
    return;
  }
  following_.push_back({.request = &request, .tid = tid, .pid = pid});
  answer(request, RequestState::kSeized);
}

void Session::Tracer::finish(Following& following, RequestState state) {
  if (following.request == nullptr) return;
  // After a successful execve nobody is left to free the request; after a failed one its agent waits.
  auto seized = static_cast<uint32_t>(RequestState::kSeized);
  if (!following.request->state.compare_exchange_strong(seized,
                                                        static_cast<uint32_t>(RequestState::kFree)))
    answer(*following.request, state);
  following.request = nullptr;
}

// True where the tracee is not ours any more.
bool Session::Tracer::on_stop(Following& following, pid_t tid, int status) {
  if (WIFEXITED(status) || WIFSIGNALED(status)) {
    if (tid == following.pid && tid == pid_.load()) {
      reap_slots();
      std::lock_guard hold(mutex_);
      status_ = status;
      pidfd_.reset();
    }
    signal_event();
    return true;
  }
  int event = status >> 16;
  int signal = WSTOPSIG(status);
  if (event == PTRACE_EVENT_EXEC) {
    // The thread has its process's id now. The request's owner is no more: free it for others.
    auto injected = inject(tid, spec_);
    if (!injected) {
      auto reason = injected.error().code() == ENOEXEC ? UntracedReason::kOtherAbi
                                                       : UntracedReason::kInjectFailed;
      report({.kind = NoticeKind::kExecUntraced,
              .pid = tid,
              .tid = tid,
              .detail = static_cast<uint64_t>(reason),
              .detail2 = static_cast<uint64_t>(injected.error().code()),
              .text = injected.error().text()});
    }
    ::ptrace(PTRACE_DETACH, tid, nullptr, nullptr);
    return true;
  }
  if (event == PTRACE_EVENT_STOP) {
    if (following.interrupted) {
      ::ptrace(PTRACE_DETACH, tid, nullptr, nullptr);
      return true;
    }
    bool group_stop =
        signal == SIGSTOP || signal == SIGTSTP || signal == SIGTTIN || signal == SIGTTOU;
    ::ptrace(group_stop ? PTRACE_LISTEN : PTRACE_CONT, tid, nullptr, nullptr);
    return false;
  }
  if (following.interrupted) {  // a signal came first: hand it on while leaving
    ::ptrace(PTRACE_DETACH, tid, nullptr, static_cast<long>(event == 0 ? signal : 0));
    return true;
  }
  ::ptrace(PTRACE_CONT, tid, nullptr, static_cast<long>(event == 0 ? signal : 0));
  return false;
}

void Session::Tracer::watch_followed() {
  for (size_t i = 0; i < following_.size();) {
    Following& following = following_[i];
    Request* request = following.request;
    if (request != nullptr && !following.interrupted &&
        state_of(*request) == RequestState::kFailed) {
      if (::ptrace(PTRACE_INTERRUPT, following.tid, nullptr, nullptr) == 0)
        following.interrupted = true;
    }
    int status = 0;
    bool over = false;
    pid_t got = ::waitpid(following.tid, &status, __WALL | WNOHANG);
    if (got == following.tid) {
      over = on_stop(following, got, status);
    } else if (following.pid != following.tid) {
      // execve by another thread than the first: it goes on under the process's id.
      got = ::waitpid(following.pid, &status, __WALL | WNOHANG);
      if (got == following.pid) {
        over = on_stop(following, got, status);
      } else if (got < 0 && ::waitpid(following.tid, &status, __WALL | WNOHANG) < 0) {
        over = true;
      }
    } else if (got < 0) {
      over = true;
    }
    if (over) {
      finish(following, RequestState::kReleased);
      following_.erase(following_.begin() + static_cast<ptrdiff_t>(i));
    } else {
      ++i;
    }
  }
}

}  // namespace skep::hooks
