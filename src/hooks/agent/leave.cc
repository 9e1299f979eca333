#include "hooks/agent/leave.h"

#include "base/hive_control.h"
#include "base/raw_syscall.h"
#include "hooks/agent/exec.h"
#include "hooks/agent/patch.h"
#include "hooks/agent/uprobe.h"
#include "hooks/attach_table.h"

namespace skep::agent {
namespace {

std::atomic<uint32_t> committed;  // all have arrived: no way back
std::atomic<uint32_t> ready;      // of those, how many have turned dispatch off
std::atomic<uint32_t> finished;   // text and dispositions are the program's again
uint32_t expected;                // threads at the moment of commitment

void pause_shortly() {
  struct {
    int64_t seconds, nanoseconds;
  } turn{0, 100'000};
  raw::syscall(raw::kNanosleep, reinterpret_cast<long>(&turn), 0);
}

void kick(const Thread* from, const Thread* to) {
  SignalInfo info{};
  info.signo = kSigSys;
  info.code = kSiQueue;
  info.sent.pid = static_cast<int32_t>(from->pid);
  info.sent.value = hooks::kKick;
  raw::syscall(kNrRtTgsigqueueinfo, from->pid, to->tid, kSigSys, reinterpret_cast<long>(&info));
}

// Under the threads' lock: true where everyone is here.
bool all_arrived(const Thread* me, bool kick_others) {
  uint32_t live = 0;
  bool all = true;
  for (Thread* other = process.threads; other != nullptr; other = other->next) {
    if (other->state != kThreadLive) continue;
    ++live;
    if (other->arrived) continue;
    if (raw::syscall(kNrTgkill, other->pid, other->tid, 0) ==
        -kEsrch) {  // killed by its own exit path
      other->state = kThreadFree;
      --live;
      continue;
    }
    all = false;
    if (kick_others) kick(me, other);
  }
  expected = live;
  return all;
}

bool rendezvous(Thread* thread) {
  {
    SpinLock hold(process.threads_lock);
    thread->arrived = true;
  }
  constexpr unsigned kTurns = 1000, kKickEvery = 100;
  for (unsigned turn = 0; turn < kTurns && committed.load() == 0; ++turn) {
    {
      SpinLock hold(process.threads_lock);
      if (committed.load() == 0 && all_arrived(thread, turn % kKickEvery == 0)) committed.store(1);
    }
    if (committed.load() == 0) pause_shortly();
  }
  SpinLock hold(process.threads_lock);
  if (committed.load() != 0) return true;
  thread->arrived = false;
  return false;
}

// A kick that is on its way would kill the program by SIGSYS's default action: nobody sends one any more, and what
// was sent is thrown away with the disposition that ignores it.
void restore_dispositions(Thread* thread) {
  hooks::AgentBoard* b = board();
  if (b != nullptr && process.board_index < hooks::kBoardProcesses) {
    hooks::BoardProcess& entry = b->processes[process.board_index];
    entry.state.store(1);
    for (unsigned turn = 0; entry.kicking.load() != 0 && turn < 1000; ++turn) pause_shortly();
  }
  restore_handlers();
  notice(static_cast<uint32_t>(hooks::NoticeKind::kDetached), thread, 0);
}

void finish(Thread* thread) {
  disable_dispatch();
  if (ready.fetch_add(1) + 1 == expected) {
    process.detached = true;
    sites_restore();
    uprobes_detach();
    restore_dispositions(thread);
    finished.store(1);
  }
  while (finished.load() == 0) pause_shortly();
}

}  // namespace

bool leaving() {
  const auto* table =
      reinterpret_cast<const hooks::AttachTable*>(hive::root(hive::Root::kSyscallHooks));
  return table != nullptr && table->detach.load(std::memory_order_relaxed) != 0;
}

bool leave_kicked(Thread* thread, const SignalInfo* info) {
  (void)thread;
  return info->code == kSiQueue && info->sent.value == hooks::kKick;
}

bool leave_at_call(Thread* thread) {
  if (thread->vfork_child || process.detached) return false;
  if (thread->masked == 0) {
    uint64_t all = ~kOurSignals;
    raw::syscall(kNrRtSigprocmask, kSigSetMask, reinterpret_cast<long>(&all),
                 reinterpret_cast<long>(&thread->saved_mask), 8);
    thread->unblocked = 0;
    thread->masked = 1;
  }
  if (!rendezvous(thread)) return false;
  finish(thread);
  raw::syscall(kNrSigaltstack, reinterpret_cast<long>(&thread->altstack), 0);
  thread->saved_mask |= thread->blocked;  // the truth again
  return true;
}

void leave_at(Thread* thread, SignalContext* context) {
  if (thread->vfork_child || process.detached || !rendezvous(thread)) return;
  finish(thread);
  context->mask |= thread->blocked;
  context->stack = thread->altstack;
}

}  // namespace skep::agent
