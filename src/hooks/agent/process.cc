// The agent's life in a process: its start, new threads and processes, and their end.
#include "base/hive_layout.h"
#include "base/raw_syscall.h"
#include "base/slots.h"
#include "hooks/agent/exec.h"
#include "hooks/agent/thread.h"
#include "hooks/agent/uprobe.h"
#include "hooks/agent_abi.h"
#include "hooks/attach_table.h"
#include "maps/local_storage.h"
#include "maps/map_helpers.h"
#if __has_include("helpers/bindings.h")
#include "helpers/bindings.h"
#include "helpers/kfuncs.h"
#endif

namespace skep::agent {

Process process;

SpinLock::SpinLock(std::atomic<uint32_t>& word) : word_(word) {
  uint32_t free = 0;
  while (!word_.compare_exchange_weak(free, 1, std::memory_order_acquire)) {
    free = 0;
    raw::pause_cpu();
  }
}

namespace {

void unlock(std::atomic<uint32_t>& word) { word.store(0, std::memory_order_release); }
void lock(std::atomic<uint32_t>& word) {
  uint32_t free = 0;
  while (!word.compare_exchange_weak(free, 1, std::memory_order_acquire)) {
    free = 0;
    raw::pause_cpu();
  }
}

Thread* map_record() {
  constexpr uint64_t kAreaSize = hive::kMaxSlots * hive::kBeeStackSize;
  long address = -kEnomem;
  if (process.next_record + kRecordSize <= kAreaSize) {
    address = raw::syscall(kNrMmap, static_cast<long>(hive::kBeeStacks + process.next_record),
                           kRecordSize, kProtRead | kProtWrite,
                           kMapPrivate | kMapAnonymous | kMapNoReserve | kMapFixedNoReplace, -1, 0);
    process.next_record += kRecordSize;
  }
  if (is_error(address)) {
    address = raw::syscall(kNrMmap, 0, kRecordSize, kProtRead | kProtWrite,
                           kMapPrivate | kMapAnonymous | kMapNoReserve, -1, 0);
  }
  if (is_error(address)) return nullptr;
  auto* thread = reinterpret_cast<Thread*>(address);
  thread->self = thread;
  thread->altstack_sp = static_cast<uint64_t>(address) + kRecordSize - kAltstackSize;
  thread->altstack_size = kAltstackSize;
  thread->stack_top = thread->altstack_sp;
  thread->next = process.threads;
  process.threads = thread;
  return thread;
}

void read_ids(Thread* thread) {
  thread->pid = static_cast<uint32_t>(raw::syscall(kNrGetpid));
  thread->tid = static_cast<uint32_t>(raw::syscall(kNrGettid));
  thread->owner = hive::owner_word(thread->pid, thread->tid);
  thread->slot_hint = thread->tid;
  thread->task_valid = false;
}

void set_alternate_stack(const Thread* thread) {
  SignalStack stack{.sp = thread->altstack_sp, .flags = 0, .pad = 0, .size = thread->altstack_size};
  raw::syscall(kNrSigaltstack, reinterpret_cast<long>(&stack), 0);
}

void register_process(Thread* thread) {
  process.board_index = ~0u;
  hooks::AgentBoard* b = board();
  if (b == nullptr) return;
  for (uint32_t i = 0; i < hooks::kBoardProcesses; ++i) {
    hooks::BoardProcess& entry = b->processes[(thread->pid + i) % hooks::kBoardProcesses];
    uint32_t free = 0;
    if (entry.pid.load(std::memory_order_relaxed) != thread->pid &&
        !entry.pid.compare_exchange_strong(free, thread->pid))
      continue;
    entry.state.store(0, std::memory_order_relaxed);
    entry.kicking.store(0, std::memory_order_relaxed);
    process.board_index = (thread->pid + i) % hooks::kBoardProcesses;
    return;
  }
}

}  // namespace

hooks::AgentBoard* board() {
  const auto* table =
      reinterpret_cast<const hooks::AttachTable*>(hive::root(hive::Root::kSyscallHooks));
  return table == nullptr ? nullptr : reinterpret_cast<hooks::AgentBoard*>(table->board);
}

bool in_agent_text(uint64_t rip) {
  return rip >= hive::kAgentImage && rip < hive::kAgentImage + hive::kAgentImageSize;
}

void notice(uint32_t kind, Thread* thread, uint64_t detail, uint64_t detail2) {
  hooks::AgentBoard* b = board();
  if (b == nullptr) return;
  uint32_t position = b->notice_head.fetch_add(1);
  hooks::Notice& record = b->notices[position % hooks::kNotices];
  record.sequence.store(0, std::memory_order_relaxed);
  record.kind = kind;
  record.pid = thread->pid;
  record.tid = thread->tid;
  record.detail = detail;
  record.detail2 = detail2;
  record.sequence.store(position + 1, std::memory_order_release);
  wake_controller();
}

void wake_controller() {
  hooks::AgentBoard* b = board();
  if (b == nullptr) return;
  b->wake.fetch_add(1);
  constexpr long kFutexWake = 1;
  raw::syscall(kNrFutex, reinterpret_cast<long>(&b->wake), kFutexWake, 1);
}

void set_gs_base(Thread* thread) {
  if (process.fsgsbase) {
    asm volatile("wrgsbase %0" : : "r"(thread));
  } else {
    raw::syscall(kNrArchPrctl, kArchSetGs, reinterpret_cast<long>(thread));
  }
}

int64_t enable_dispatch() {
  return raw::syscall(kNrPrctl, kPrSetSyscallUserDispatch, 1, static_cast<long>(hive::kAgentImage),
                      static_cast<long>(hive::kAgentImageSize), 0);
}
int64_t disable_dispatch() { return raw::syscall(kNrPrctl, kPrSetSyscallUserDispatch, 0, 0, 0, 0); }

Thread* allocate_thread() {
  SpinLock hold(process.threads_lock);
  Thread* found = nullptr;
  for (Thread* thread = process.threads; thread != nullptr && found == nullptr;
       thread = thread->next) {
    if (thread->state == kThreadFree ||
        (thread->state == kThreadDying &&
         raw::syscall(kNrTgkill, thread->pid, thread->tid, 0) == -kEsrch))
      found = thread;
  }
  if (found == nullptr) found = map_record();
  if (found != nullptr) found->state = kThreadLive;
  return found;
}

void free_thread(Thread* thread) {
  SpinLock hold(process.threads_lock);
  thread->state = kThreadFree;
}

// The values that programs keep for the task go with it, and those of an earlier one of its number with that.
void forget_task(Thread* thread) {
  if (hive::root(hive::Root::kTaskStorages) == 0) return;
  const uint32_t slot = hive::claim(0, thread->owner);
  if (slot == hive::kNoSlot) return;
  maps::forget_task(thread->tid, maps::bee_in(slot));
  hive::release(slot);
}

void thread_exits(Thread* thread) {
  forget_task(thread);
  SpinLock hold(process.threads_lock);
  thread->state = kThreadDying;  // its stack is in use until the kernel has the thread
}

void process_exits(Thread* thread) {
  forget_task(thread);
  hooks::AgentBoard* b = board();
  if (b == nullptr || thread->vfork_child || process.board_index >= hooks::kBoardProcesses) return;
  uint32_t pid = thread->pid;
  b->processes[process.board_index].pid.compare_exchange_strong(pid, 0);
}

void adopt_thread(Thread* thread) {
  set_gs_base(thread);
  read_ids(thread);
  set_alternate_stack(thread);
}

int on_clone(Thread* thread) {
  Frame& frame = thread->frame;
  uint64_t flags = 0;
  uint64_t stack = 0;
  switch (thread->real_nr) {
    case kNrFork: break;
    case kNrVfork: flags = kCloneVm | kCloneVfork; break;
    case kNrClone:
      flags = frame.rdi;
      stack = frame.rsi;
      break;
    default: {
      CloneArgs args{};
      uint64_t size = frame.rsi < sizeof args ? frame.rsi : sizeof args;
      if (size < 64 || !copy_in(&args, frame.rdi, size))
        return ENTER_PLAIN;  // the kernel refuses it too
      flags = args.flags;
      stack = args.stack == 0 ? 0 : args.stack + args.stack_size;
    }
  }
  Thread* child = thread;
  if ((flags & kCloneVm) != 0) {
    child = allocate_thread();
    if (child == nullptr) {
      frame.rax = static_cast<uint64_t>(-kEagain);
      return ENTER_DONE;
    }
    child->frame = frame;
    if (stack != 0) child->frame.rsp = stack;
    child->frame.rax = 0;
    child->observed = thread->observed;
    child->real_nr = thread->real_nr;
    child->restarted_args = false;
    child->blocked = thread->blocked;
    child->pending = 0;
    child->held = 0;
    child->unblocked = 0;
    child->arrived = false;
    child->clone_flags = flags;
    child->vfork_child = (flags & kCloneThread) == 0;
    child->parent = thread;
    child->altstack =
        (flags & kCloneVfork) != 0 ? thread->altstack : SignalStack{.flags = kSsDisable};
    if ((flags & kCloneSighand) != 0) {
      child->sighand = thread->sighand;
    } else {
      child->own_sighand = *thread->sighand;
      child->sighand = &child->own_sighand;
    }
  } else {
    thread->vfork_child = false;
  }
  thread->clone_flags = flags;
  thread->next_child = child;
  // No signal may find the child without its record; agent_tail takes the mask back, in both.
  if (thread->masked == 0) {
    uint64_t all = ~kOurSignals;
    raw::syscall(kNrRtSigprocmask, kSigSetMask, reinterpret_cast<long>(&all),
                 reinterpret_cast<long>(&thread->saved_mask), 8);
    thread->masked = 1;
  }
  if ((flags & kCloneVm) != 0) {
    child->masked = 1;
    child->saved_mask = thread->saved_mask;
  } else {
    lock(process.patch_lock);
    lock(process.threads_lock);
  }
  return ENTER_CLONE;
}

extern "C" void agent_on_cloned(Thread* thread) {
  auto result = static_cast<int64_t>(thread->frame.rax);
  if ((thread->clone_flags & kCloneVm) == 0) {
    unlock(process.threads_lock);
    unlock(process.patch_lock);
  } else if (is_error(result) || (thread->clone_flags & kCloneVfork) != 0) {
    // Never was, or has left this memory for good.
    if ((thread->clone_flags & kCloneThread) == 0 || is_error(result))
      free_thread(thread->next_child);
  }
  if (thread->observed != 0) run_exit(thread, result);
}

extern "C" void agent_on_child(Thread* thread) {
  set_gs_base(thread);
  bool forked = (thread->clone_flags & kCloneVm) == 0;
  adopt_thread(thread);
  if (forked) {
    if (thread->real_nr == kNrClone && thread->frame.rsi != 0)
      thread->frame.rsp = thread->frame.rsi;
    if (thread->real_nr == kNrClone3) {
      CloneArgs args{};
      if (copy_in(&args, thread->frame.rdi, 64) && args.stack != 0)
        thread->frame.rsp = args.stack + args.stack_size;
    }
    thread->frame.rax = 0;
    thread->pending = 0;
    process.pid = thread->pid;
    for (Thread* other = process.threads; other != nullptr; other = other->next) {
      if (other != thread) other->state = kThreadFree;
    }
    if (thread->sighand != &process.sighand) {
      process.sighand = *thread->sighand;
      thread->sighand = &process.sighand;
    }
    unlock(process.threads_lock);
    unlock(process.patch_lock);
    register_process(thread);
  }
  if ((thread->clone_flags & kCloneClearSighand) != 0) {
    for (KernelSigaction& action : thread->sighand->actions) {
      if (action.handler != kSigIgn) action = {};
    }
    install_handlers_for(thread);
  }
  forget_task(thread);
  if (!process.detached) enable_dispatch();
  if (thread->observed != 0) run_exit(thread, 0);
}

namespace {

// Native code calls helpers through this page; read-only from here on.
void fill_process_page() {
  auto* page = reinterpret_cast<hive::ProcessPage*>(hive::kProcessPage);
  for (const HelperBinding& row : maps::map_helper_bindings())
    page->helpers[row.id] = address_of(reinterpret_cast<const void*>(row.fn));
#if __has_include("helpers/bindings.h")
  for (const HelperBinding& row : helpers::helper_bindings())
    page->helpers[row.id] = address_of(reinterpret_cast<const void*>(row.fn));
  uint32_t number = 0;
  for (HelperFn body : helpers::kfunc_bodies())
    page->kfuncs[number++] = address_of(reinterpret_cast<const void*>(body));
#endif
  raw::syscall(kNrMprotect, static_cast<long>(hive::kProcessPage), hive::kProcessPageSize,
               kProtRead);
}

}  // namespace

extern "C" int64_t agent_init(hooks::AgentInit* init) {
  if (init->magic != hooks::kAgentMagic) return init->result = -kEinval;
  uint64_t hwcap2 = 0;
  process.controller_pid = init->controller_pid;
  find_vdso(init->initial_rsp, &hwcap2);
  process.fsgsbase = (hwcap2 & kHwcap2FsGsBase) != 0;
  Thread* thread = allocate_thread();
  if (thread == nullptr) return init->result = -kEnomem;
  adopt_thread(thread);
  process.pid = thread->pid;
  process.start_time = host_ops.boot_ns(nullptr);
  thread->sighand = &process.sighand;
  thread->blocked = init->signal_mask & kOurSignals;
  thread->altstack = {.flags = kSsDisable};
  // The threads that ran before execve are gone though the pid lives on.
  hive::release_all_of(thread->pid, thread->owner);
  fill_process_page();
  install_handlers();
  register_process(thread);
  uprobes_start();
  return init->result = enable_dispatch();
}

}  // namespace skep::agent
