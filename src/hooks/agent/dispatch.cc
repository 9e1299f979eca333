// A caught system call: who wants to see it, and what the agent itself must do about it.
#include "base/hive_control.h"
#include "base/raw_syscall.h"
#include "base/slots.h"
#include "hooks/agent/exec.h"
#include "hooks/agent/filter.h"
#include "hooks/agent/leave.h"
#include "hooks/agent/patch.h"
#include "hooks/agent/thread.h"
#include "hooks/agent/uprobe.h"
#include "hooks/agent_calls.h"
#include "hooks/attach_table.h"
#include "object/prog_header.h"

namespace skep::agent {

using hooks::AttachNode;
using hooks::AttachTable;

namespace {

const AttachTable* table() {
  return reinterpret_cast<const AttachTable*>(hive::root(hive::Root::kSyscallHooks));
}

// Layouts of trace_event_raw_sys_enter and _exit.
struct EnterContext {
  uint64_t common;
  int64_t nr;
  uint64_t args[6];
};
struct ExitContext {
  uint64_t common;
  int64_t nr;
  int64_t ret;
};
// struct pt_regs.
struct Registers {
  uint64_t r15, r14, r13, r12, rbp, rbx, r11, r10, r9, r8, rax, rcx, rdx, rsi, rdi, orig_rax, rip,
      cs, eflags, rsp, ss;
};

void fill_registers(Registers* regs, const Thread* thread, int64_t rax) {
  const Frame& f = thread->frame;
  *regs = {f.r15,
           f.r14,
           f.r13,
           f.r12,
           f.rbp,
           f.rbx,
           0x202,
           f.r10,
           f.r9,
           f.r8,
           static_cast<uint64_t>(rax),
           f.rip,
           f.rdx,
           f.rsi,
           f.rdi,
           thread->real_nr,
           f.rip,
           0x33,
           0x202,
           f.rsp,
           0x2b};
}

uint64_t call_native(HelperContext* context, uint64_t entry, uint64_t r1, uint64_t r2, uint64_t r3,
                     uint64_t r4, uint64_t r5) {
  return reinterpret_cast<HelperFn>(entry)(r1, r2, r3, r4, r5, context);
}

// What a bee of this thread knows of itself: made once, and between runs only what runs change is reset.
HelperContext& context_of(Thread* thread, uint32_t slot) {
  HelperContext& context = thread->context;
  if (context.host == nullptr) {
    context.host = &host_ops;
    context.host_data = thread;
    context.call_bpf = call_native;
  }
  context.slot = slot;
  context.tail_calls = 0;
  context.retval = 0;
  context.flags = 0;
  context.fuel = 0;
  context.func_ip = 0;
  context.regs = nullptr;
  context.packet = nullptr;
  context.task = nullptr;
  return context;
}

// The ctx of one node, made when it is asked for.
struct Contexts {
  Contexts(Thread* t, bool on_exit, int64_t value) : thread(t), exit(on_exit), result(value) {}

  Thread* thread;
  bool exit;
  int64_t result;
  bool have_trace = false, have_raw = false, have_function = false;
  union Trace {
    Trace() {}
    EnterContext enter;
    ExitContext left;
  } trace;
  uint64_t raw[2];
  Registers regs, function;

  void* of(const AttachNode& node) {
    const Frame& f = thread->frame;
    const bool is_function =
        node.context == static_cast<uint32_t>(hooks::ContextKind::kSyscallFunction);
    if (is_function || node.context == static_cast<uint32_t>(hooks::ContextKind::kRawTracepoint)) {
      if (!have_raw) fill_registers(&regs, thread, exit ? result : -kEnosys);
      have_raw = true;
      if (is_function) {
        if (!have_function) {
          function = {};
          function.rdi = address_of(&regs);
          function.orig_rax = ~uint64_t{0};
          function.rax = exit ? static_cast<uint64_t>(result) : thread->real_nr;
        }
        have_function = true;
        return &function;
      }
      raw[0] = address_of(&regs);
      raw[1] = exit ? static_cast<uint64_t>(result) : thread->real_nr;
      return raw;
    }
    if (!have_trace) {
      if (exit)
        trace.left = {.common = 0, .nr = thread->real_nr, .ret = result};
      else
        trace.enter = {
            .common = 0, .nr = thread->real_nr, .args = {f.rdi, f.rsi, f.rdx, f.r10, f.r8, f.r9}};
      have_trace = true;
    }
    return &trace;
  }
};

void run_timed(const ProgHeader* program, HelperContext& context) {
  auto* stats = reinterpret_cast<ProgStats*>(program->stats);
  uint64_t before = host_ops.ktime_ns(&context);
  reinterpret_cast<ProgEntry>(program->entry)(context.ctx, &context);
  if (!hive::in_data(program->stats, sizeof *stats)) return;
  __atomic_fetch_add(&stats->run_count, 1, __ATOMIC_RELAXED);
  __atomic_fetch_add(&stats->run_ns, host_ops.ktime_ns(&context) - before, __ATOMIC_RELAXED);
}

inline void run_list(const AttachTable* t, uint32_t index, HelperContext& context,
                     Contexts& contexts) {
  for (uint32_t steps = 0; index != 0 && index < hooks::kAttachNodes && steps < hooks::kAttachNodes;
       ++steps) {
    const AttachNode& node = t->nodes[index];
    const auto* program = reinterpret_cast<const ProgHeader*>(node.program);
    if (program != nullptr && program->magic == kProgMagic) {
      context.program = program;
      context.ctx = contexts.of(node);
      context.attach_cookie = node.cookie;
      context.tail_calls = 0;
      if ((program->flags & kProgRunTimes) != 0)
        run_timed(program, context);
      else
        reinterpret_cast<ProgEntry>(program->entry)(context.ctx, &context);
    }
    index = node.next.load(std::memory_order_acquire);
  }
}

// Runs both lists as one bee. The heads are read only once the slot is held: what was unlinked before a grace
// period is not reached after it.
void run_programs(Thread* thread, const AttachTable* t, bool exit, int64_t result) {
  uint32_t slot = hive::claim(thread->slot_hint, thread->owner);
  if (slot == hive::kNoSlot) return;
  thread->slot_hint = slot;
  HelperContext& context = context_of(thread, slot);
  Contexts contexts(thread, exit, result);
  uint32_t nr = thread->real_nr;
  const auto& all = exit ? t->raw_exit : t->raw_enter;
  const auto& one = exit ? t->exit[nr] : t->enter[nr];
  if (uint32_t index = all.load(std::memory_order_acquire); index != 0)
    run_list(t, index, context, contexts);
  if (uint32_t index = one.load(std::memory_order_acquire); index != 0)
    run_list(t, index, context, contexts);
  hive::release(slot);
}

// The call is made with another value for one argument; the frame keeps the program's until it is
// over.
int replace_argument(Thread* thread, unsigned index, uint64_t value) {
  Frame& f = thread->frame;
  uint64_t* const slots[6] = {&f.rdi, &f.rsi, &f.rdx, &f.r10, &f.r8, &f.r9};
  thread->saved_argument = *slots[index];
  thread->saved_index = static_cast<uint8_t>(index);
  thread->restarted_args = true;
  *slots[index] = value;
  return ENTER_OBSERVED;
}
void put_argument_back(Thread* thread) {
  if (!thread->restarted_args) return;
  Frame& f = thread->frame;
  uint64_t* const slots[6] = {&f.rdi, &f.rsi, &f.rdx, &f.r10, &f.r8, &f.r9};
  *slots[thread->saved_index] = thread->saved_argument;
  thread->restarted_args = false;
}

// A call that waits with a signal mask of its own: the mask must not block the agent's signals.
int waits_with_mask(Thread* thread, unsigned index) {
  const Frame& f = thread->frame;
  const uint64_t arguments[6] = {f.rdi, f.rsi, f.rdx, f.r10, f.r8, f.r9};
  uint64_t mask;
  if (arguments[index] == 0 || !copy_in(&mask, arguments[index], sizeof mask) ||
      (mask & kOurSignals) == 0)
    return ENTER_PLAIN;
  thread->temporary_mask = mask & ~kOurSignals;
  return replace_argument(thread, index, address_of(&thread->temporary_mask));
}
int pselect_with_mask(Thread* thread) {
  uint64_t pair[2];
  uint64_t mask;
  if (thread->frame.r9 == 0 || !copy_in(pair, thread->frame.r9, sizeof pair) || pair[0] == 0 ||
      !copy_in(&mask, pair[0], sizeof mask) || (mask & kOurSignals) == 0)
    return ENTER_PLAIN;
  thread->temporary_mask = mask & ~kOurSignals;
  thread->temporary_pselect[0] = address_of(&thread->temporary_mask);
  thread->temporary_pselect[1] = pair[1];
  return replace_argument(thread, 5, address_of(thread->temporary_pselect));
}

int done(Thread* thread, int64_t result) {
  thread->frame.rax = static_cast<uint64_t>(result);
  return ENTER_DONE;
}

int64_t plain(const Frame& f) {
  return raw::syscall(static_cast<long>(f.nr), static_cast<long>(f.rdi), static_cast<long>(f.rsi),
                      static_cast<long>(f.rdx), static_cast<long>(f.r10), static_cast<long>(f.r8),
                      static_cast<long>(f.r9));
}

int64_t on_prctl(Thread* thread) {
  const Frame& f = thread->frame;
  if (f.rdi == kPrSetSyscallUserDispatch) return -kEinval;  // taken; as on a kernel without it
  constexpr uint64_t kPrSetSeccomp = 22;
  if (f.rdi == kPrSetSeccomp) process.confined = true;
  int64_t result = plain(f);
  if (f.rdi == kPrSetName) thread->task_valid = false;
  return result;
}

int64_t on_arch_prctl(Thread* thread) {
  const Frame& f = thread->frame;
  // A hardware shadow stack would not let a function return to a uretprobe: as on a CPU without.
  constexpr uint64_t kArchShstkEnable = 0x5001;
  constexpr int64_t kEopnotsupp = 95;
  if (f.rdi == kArchShstkEnable) return -kEopnotsupp;
  if (f.rdi == kArchSetGs) return -kEperm;  // the agent's thread record hangs there
  if (f.rdi == kArchGetGs) {
    uint64_t none = 0;
    return copy_out(f.rsi, &none, sizeof none) ? 0 : -kEfault;
  }
  return plain(f);
}

// Calls that change the address space: probes come with a mapping and go with it.
int64_t on_mmap(Thread* thread) {
  const Frame& f = thread->frame;
  constexpr uint64_t kMapFixedMask = kMapFixed;
  bool replaces = (f.r10 & kMapFixedMask) != 0;
  if (replaces) {
    uprobes_unmapping(thread, f.rdi, f.rsi);
    sites_unmapped(f.rdi, f.rsi);
  }
  int64_t result = plain(f);
  if (replaces) uprobes_unmapped(thread, !is_error(result));
  if (!is_error(result))
    uprobes_mapped(static_cast<uint64_t>(result), f.rsi, f.rdx, f.r10, static_cast<int>(f.r8),
                   f.r9);
  return result;
}
int64_t on_munmap(Thread* thread) {
  const Frame& f = thread->frame;
  uprobes_unmapping(thread, f.rdi, f.rsi);
  sites_unmapped(f.rdi, f.rsi);
  int64_t result = plain(f);
  uprobes_unmapped(thread, !is_error(result));
  return result;
}
int on_mremap(const Thread* thread) {
  uprobes_moving(thread->frame.rdi, thread->frame.rsi);
  sites_unmapped(thread->frame.rdi, thread->frame.rsi);
  return ENTER_PLAIN;
}

}  // namespace

// What the agent itself has to do with a call. Every number here is also in hooks/agent_calls.h.
int act(Thread* thread) {
  switch (thread->real_nr) {
    case kNrRtSigaction: return done(thread, on_sigaction(thread));
    case kNrRtSigprocmask: return done(thread, on_sigprocmask(thread));
    case kNrRtSigreturn: return on_sigreturn(thread);
    case kNrRtSigpending: return done(thread, on_sigpending(thread));
    case kNrSigaltstack: return done(thread, on_sigaltstack(thread));
    case kNrRtSigsuspend: return waits_with_mask(thread, 0);
    case kNrPpoll: return waits_with_mask(thread, 3);
    case kNrEpollPwait:
    case kNrEpollPwait2: return waits_with_mask(thread, 4);
    case kNrPselect6: return pselect_with_mask(thread);
    case kNrClone:
    case kNrFork:
    case kNrVfork:
    case kNrClone3: return on_clone(thread);
    case kNrExecve:
    case kNrExecveat: return done(thread, on_exec(thread));
    case kNrExit: thread_exits(thread); return ENTER_PLAIN;
    case kNrExitGroup: process_exits(thread); return ENTER_PLAIN;
    case kNrMmap: return done(thread, on_mmap(thread));
    case kNrMremap: return on_mremap(thread);
    case kNrMunmap: return done(thread, on_munmap(thread));
    case kNrPrctl: return done(thread, on_prctl(thread));
    case kNrSeccomp: process.confined = true; return ENTER_PLAIN;
    case kNrArchPrctl: return done(thread, on_arch_prctl(thread));
    case kNrSetuid:
    case kNrSetgid:
    case kNrSetreuid:
    case kNrSetregid:
    case kNrSetresuid:
    case kNrSetresgid:
    case kNrSetfsuid:
    case kNrSetfsgid: thread->task_valid = false; return ENTER_PLAIN;
    default: return ENTER_PLAIN;
  }
}

void run_exit(Thread* thread, int64_t result) {
  const AttachTable* t = table();
  if (t == nullptr || thread->real_nr >= hooks::kSyscallLimit) return;
  run_programs(thread, t, true, result);
}

extern "C" int agent_on_enter(Thread* thread) {
  uint32_t nr = static_cast<uint32_t>(thread->frame.nr);
  thread->real_nr = nr;
  thread->observed = 0;
  thread->filtered = false;
  const AttachTable* t = table();
  uint8_t seen = 0;
  if (t != nullptr && nr < hooks::kSyscallLimit) seen = t->seen[nr].load(std::memory_order_acquire);
  if ((seen & hooks::kSeenEnter) != 0) run_programs(thread, t, false, 0);
  bool exit_due = (seen & hooks::kSeenExit) != 0;
  thread->observed = exit_due;
  int what = ENTER_PLAIN;
  if (t != nullptr && t->detach.load(std::memory_order_relaxed) != 0) [[unlikely]] {
    // The call itself is the program's to make then. sigreturn has to run as it was begun.
    if (nr != kNrRtSigreturn && leave_at_call(thread)) return ENTER_ABORT;
  }
  if ((seen & hooks::kSeenFilter) != 0) {
    int64_t refusal = filter_enter(thread);
    thread->filtered = true;
    what = refusal != 0 ? done(thread, refusal) : ENTER_OBSERVED;
  } else if ((seen & hooks::kSeenAgent) != 0) {
    what = act(thread);
  }
  if (!exit_due) return what;
  if (what == ENTER_PLAIN) return ENTER_OBSERVED;
  if (what == ENTER_DONE) run_exit(thread, static_cast<int64_t>(thread->frame.rax));
  return what;
}

extern "C" void agent_on_exit(Thread* thread) {
  put_argument_back(thread);
  if (thread->filtered)
    thread->frame.rax =
        static_cast<uint64_t>(filter_exit(thread, static_cast<int64_t>(thread->frame.rax)));
  if (thread->observed != 0) run_exit(thread, static_cast<int64_t>(thread->frame.rax));
}

// The call was not made, or must be made again.
extern "C" void agent_on_abort(Thread* thread) {
  put_argument_back(thread);
  if (thread->observed != 0) run_exit(thread, -kErestartsys);
  thread->frame.rax = thread->frame.nr;
  thread->frame.rip -= 2;
}

}  // namespace skep::agent
