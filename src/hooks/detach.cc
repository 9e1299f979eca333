// Session::detach_all: agents are told through the attach table, and by a kick where they sleep.
#include <fcntl.h>
#include <poll.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <csignal>
#include <cstring>
#include <thread>

#include "base/fd.h"
#include "base/hive_layout.h"
#include "hooks/session.h"

namespace skep::hooks {
namespace {

bool has_agent(pid_t pid) {
  auto maps = read_file(fmt::format("/proc/{}/maps", pid), 64u << 20);
  if (!maps) return false;
  std::string_view text(reinterpret_cast<const char*>(maps->data()), maps->size());
  std::string prefix = fmt::format("{:x}-", hive::kAgentImage);
  return text.starts_with(prefix) || text.find("\n" + prefix) != std::string_view::npos;
}

// The pid comes from memory that traced processes write: only a process that has an agent is signalled, and
// the pidfd makes sure that it is still the same one.
void kick(BoardProcess& entry, pid_t pid) {
  Fd process(static_cast<int>(::syscall(SYS_pidfd_open, pid, 0)));
  if (!process || !has_agent(pid)) return;
  siginfo_t info{};
  info.si_signo = SIGSYS;
  info.si_code = SI_QUEUE;
  info.si_pid = ::getpid();
  info.si_uid = ::getuid();
  info.si_value.sival_ptr = reinterpret_cast<void*>(kKick);
  entry.kicking.store(1);
  if (entry.state.load() == 0) ::syscall(SYS_pidfd_send_signal, process.get(), SIGSYS, &info, 0);
  entry.kicking.store(0);
}

}  // namespace

Result<std::vector<pid_t>> Session::detach_all(std::chrono::milliseconds limit) {
  table_->detach.store(1);
  // Patched sites go to the agent, whatever the number.
  for (uint32_t nr = 0; nr < kSyscallLimit; ++nr) table_->seen[nr].store(kSeenAgent);
  auto deadline = std::chrono::steady_clock::now() + limit;
  std::vector<pid_t> left;
  for (unsigned round = 0;; ++round) {
    left = processes();
    if (left.empty() || std::chrono::steady_clock::now() >= deadline) break;
    if (round % 20 == 0) {
      for (BoardProcess& entry : board_->processes) {
        auto pid = static_cast<pid_t>(entry.pid.load());
        if (pid > 1 && pid != ::getpid() && entry.state.load() == 0) kick(entry, pid);
      }
    }
    std::this_thread::sleep_for(std::chrono::milliseconds(2));
  }
  return left;
}

}  // namespace skep::hooks
