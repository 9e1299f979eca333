// execve: the new image is empty of us, so the controller is asked to trace the thread over it and put the agent in
// again. What it can't trace (or must not: a traced set-user-id program would lose its rights) goes on by itself,
// and the session is told. Nothing here waits without end, and a dead controller never holds a program up.
#include "hooks/agent/exec.h"

#include "base/hive_control.h"
#include "base/raw_syscall.h"

namespace skep::agent {

using hooks::Request;
using hooks::RequestState;
using hooks::UntracedReason;

namespace {

constexpr int kAtFdcwd = -100, kAtEmptyPath = 0x1000, kAtSymlinkNofollow = 0x100;
constexpr uint64_t kPathMax = 4096;

struct Stat {
  uint64_t dev, ino, nlink;
  uint32_t mode, uid, gid, pad;
  uint64_t rest[13];
};
static_assert(sizeof(Stat) == 144);

struct TimeSpec {
  int64_t seconds, nanoseconds;
};

enum class Verdict : uint32_t { kFollow, kUntraced, kWillFail };

struct Judgement {
  Verdict verdict;
  UntracedReason reason;
};

int64_t effective(long nr) { return raw::syscall(nr); }
constexpr long kNrGeteuid = 107, kNrGetegid = 108, kNrFgetxattr = 193;

// Looks at the file that execve(dirfd, path, flags) will start, and at its interpreter if it is a script.
Judgement judge(int dirfd, const char* path, int flags, int depth) {
  int fd = -1;
  Stat status;
  int64_t found =
      raw::syscall(kNrNewfstatat, dirfd, reinterpret_cast<long>(path),
                   reinterpret_cast<long>(&status), flags & (kAtEmptyPath | kAtSymlinkNofollow));
  if (is_error(found) || (status.mode & 0170000) != 0100000 || (status.mode & 0111) == 0)
    return {Verdict::kWillFail, {}};
  if (((status.mode & 04000) != 0 && status.uid != static_cast<uint32_t>(effective(kNrGeteuid))) ||
      ((status.mode & 02010) == 02010 &&
       status.gid != static_cast<uint32_t>(effective(kNrGetegid))))
    return {Verdict::kUntraced, UntracedReason::kSetuid};
  bool empty = path[0] == 0 && (flags & kAtEmptyPath) != 0;
  if (empty) {
    // The file that `dirfd` is: read it through /proc, since it may have been opened with O_PATH.
    char self[32] = "/proc/self/fd/";
    unsigned at = 14;
    char digits[12];
    unsigned count = 0;
    for (unsigned value = static_cast<unsigned>(dirfd); count == 0 || value != 0; value /= 10)
      digits[count++] = static_cast<char>('0' + value % 10);
    while (count != 0) self[at++] = digits[--count];
    self[at] = 0;
    fd = static_cast<int>(
        raw::syscall(kNrOpenat, kAtFdcwd, reinterpret_cast<long>(self), 02000000, 0));
  } else {
    fd =
        static_cast<int>(raw::syscall(kNrOpenat, dirfd, reinterpret_cast<long>(path), 02000000, 0));
  }
  if (fd < 0) return {Verdict::kUntraced, UntracedReason::kUnreadable};
  char start[256];
  int64_t got = raw::syscall(kNrPread64, fd, reinterpret_cast<long>(start), sizeof start - 1, 0);
  bool capable =
      effective(kNrGeteuid) != 0 &&
      raw::syscall(kNrFgetxattr, fd, reinterpret_cast<long>("security.capability"), 0, 0) > 0;
  raw::syscall(kNrClose, fd);
  if (capable) return {Verdict::kUntraced, UntracedReason::kSetuid};
  if (got < 20) return {Verdict::kWillFail, {}};
  start[got] = 0;
  if (start[0] == '#' && start[1] == '!') {
    if (depth >= 5) return {Verdict::kWillFail, {}};
    char* name = start + 2;
    while (*name == ' ' || *name == '\t') ++name;
    char* end = name;
    while (*end != 0 && *end != ' ' && *end != '\t' && *end != '\n') ++end;
    *end = 0;
    return judge(kAtFdcwd, name, 0, depth + 1);
  }
  bool elf = start[0] == 0x7f && start[1] == 'E' && start[2] == 'L' && start[3] == 'F';
  if (!elf) return {Verdict::kFollow, {}};  // binfmt_misc may know it
  bool x86_64 = start[4] == 2 && start[18] == 62 && start[19] == 0;
  return x86_64 ? Judgement{Verdict::kFollow, {}}
                : Judgement{Verdict::kUntraced, UntracedReason::kOtherAbi};
}

bool controller_lives() {
  const auto* table =
      reinterpret_cast<const hooks::AttachTable*>(hive::root(hive::Root::kSyscallHooks));
  if (table == nullptr || table->detach.load() != 0) return false;
  return !raw::thread_is_dead(table->controller_pid, table->controller_pid);
}

// Waits while the request is in `state`; false where the controller died or said nothing for long.
bool wait_while(Request* request, RequestState state) {
  constexpr long kFutexWait = 0;
  TimeSpec turn{.seconds = 0, .nanoseconds = 20'000'000};
  for (unsigned turns = 0; turns < 500; ++turns) {
    if (request->state.load(std::memory_order_acquire) != static_cast<uint32_t>(state)) return true;
    raw::syscall(kNrFutex, reinterpret_cast<long>(&request->state), kFutexWait,
                 static_cast<long>(state), reinterpret_cast<long>(&turn));
    if (turns % 8 == 7 && !controller_lives()) break;
  }
  return request->state.load(std::memory_order_acquire) != static_cast<uint32_t>(state);
}

Request* claim_request(Thread* thread) {
  hooks::AgentBoard* b = board();
  if (b == nullptr) return nullptr;
  for (unsigned round = 0; round < 64; ++round) {
    for (uint32_t i = 0; i < hooks::kRequests; ++i) {
      Request& request = b->requests[(thread->tid + i) % hooks::kRequests];
      uint32_t free = static_cast<uint32_t>(RequestState::kFree);
      if (!request.state.compare_exchange_strong(free,
                                                 static_cast<uint32_t>(RequestState::kFilling)))
        continue;
      request.owner.store(thread->tid);
      request.pid = thread->pid;
      request.tid = thread->tid;
      request.error = 0;
      return &request;
    }
    raw::syscall(raw::kSchedYield);
  }
  return nullptr;
}

int64_t make(const Frame& f) {
  return raw::syscall(static_cast<long>(f.nr), static_cast<long>(f.rdi), static_cast<long>(f.rsi),
                      static_cast<long>(f.rdx), static_cast<long>(f.r10), static_cast<long>(f.r8));
}

void set_state(Request* request, RequestState state) {
  request->state.store(static_cast<uint32_t>(state), std::memory_order_release);
}

}  // namespace

int64_t on_exec(Thread* thread) {
  const Frame& f = thread->frame;
  bool at = thread->real_nr == kNrExecveat;
  char path[kPathMax];
  int64_t length =
      agent_safe_string(path, reinterpret_cast<const void*>(at ? f.rsi : f.rdi), sizeof path);
  if (length < 0 || length > static_cast<int64_t>(sizeof path)) return make(f);
  Judgement judgement =
      judge(at ? static_cast<int>(f.rdi) : kAtFdcwd, path, at ? static_cast<int>(f.r8) : 0, 0);
  if (judgement.verdict == Verdict::kWillFail || process.detached) return make(f);
  auto untraced = static_cast<uint32_t>(hooks::NoticeKind::kExecUntraced);
  if (judgement.verdict == Verdict::kUntraced) {
    notice(untraced, thread, static_cast<uint64_t>(judgement.reason));
    return make(f);
  }
  if (!controller_lives()) return make(f);
  Request* request = claim_request(thread);
  if (request == nullptr) {
    notice(untraced, thread, static_cast<uint64_t>(UntracedReason::kRefused));
    return make(f);
  }
  // Yama's ptrace_scope 1 lets only ancestors trace, and a daemon's are gone.
  raw::syscall(kNrPrctl, kPrSetPtracer, process.controller_pid);
  set_state(request, RequestState::kAsked);
  wake_controller();
  if (!wait_while(request, RequestState::kAsked)) {
    // The controller may seize us yet: kStuck tells it not to.
    uint32_t asked = static_cast<uint32_t>(RequestState::kAsked);
    if (request->state.compare_exchange_strong(asked, static_cast<uint32_t>(RequestState::kFree))) {
      notice(untraced, thread, static_cast<uint64_t>(UntracedReason::kNoController));
      return make(f);
    }
  }
  if (request->state.load(std::memory_order_acquire) !=
      static_cast<uint32_t>(RequestState::kSeized)) {
    set_state(request, RequestState::kFree);
    notice(untraced, thread, static_cast<uint64_t>(UntracedReason::kRefused));
    return make(f);
  }
  // What ran so far in this process's slots is freed by the next image's agent.
  int64_t result = make(f);
  set_state(request, RequestState::kFailed);
  wake_controller();
  wait_while(request, RequestState::kFailed);
  set_state(request, RequestState::kFree);
  return result;
}

}  // namespace skep::agent
