// Signals of a traced thread: see thread.h for the plan. Everything here runs on the agent's
// alternate stack with all signals blocked but those that the agent lives on.
#include "base/hive_control.h"
#include "base/hive_layout.h"
#include "base/raw_syscall.h"
#include "hooks/agent/leave.h"
#include "hooks/agent/patch.h"
#include "hooks/agent/thread.h"
#include "hooks/agent/uprobe.h"
#include "object/prog_header.h"
#include "vm/fault_table.h"

namespace skep::agent {
namespace {

constexpr uint64_t kEverything = ~kOurSignals;

uint64_t pointer(const void* p) { return address_of(p); }

bool between(uint64_t rip, const char* begin, const char* end) {
  return rip >= address_of(begin) && rip < address_of(end);
}

bool on_stack(const SignalStack& stack, uint64_t sp) {
  if ((static_cast<uint32_t>(stack.flags) & kSsAutoDisarm) != 0) return false;
  return stack.size != 0 && sp > stack.sp && sp - stack.sp <= stack.size;
}

int64_t kernel_sigaction(int signal, const KernelSigaction* action, KernelSigaction* old) {
  return raw::syscall(kNrRtSigaction, signal, static_cast<long>(pointer(action)),
                      static_cast<long>(pointer(old)), 8);
}

// What the kernel is given in place of the program's handler. SA_RESETHAND is ours to carry out: a
// signal that is put off must find its handler again.
KernelSigaction our_action(const KernelSigaction& theirs) {
  return {.handler = reinterpret_cast<uint64_t>(&agent_on_signal),
          .flags = kSaSigInfo | kSaOnStack | kSaRestorer |
                   (theirs.flags & (kSaRestart | kSaNoCldStop | kSaNoCldWait)),
          .restorer = address_of(agent_restorer),
          .mask = kEverything};
}

bool is_handler(uint64_t handler) { return handler != kSigDfl && handler != kSigIgn; }

void queue_to_self(Thread* thread, int signal, SignalInfo* info) {
  raw::syscall(kNrRtTgsigqueueinfo, thread->pid, thread->tid, signal,
               static_cast<long>(pointer(info)));
}

void set_default(int signal) {
  KernelSigaction action{};
  kernel_sigaction(signal, &action, nullptr);
}

// Dies of `signal` as the program would have: same status, same core.
void die(Thread* thread, int signal, SignalInfo* info, bool again) {
  set_default(signal);
  if (!again) queue_to_self(thread, signal, info);
}

// The program's state as the frame has it.
void context_from_frame(SignalContext* context, const Frame& frame) {
  context->rdi = frame.rdi;
  context->rsi = frame.rsi;
  context->rdx = frame.rdx;
  context->r10 = frame.r10;
  context->r8 = frame.r8;
  context->r9 = frame.r9;
  context->rbx = frame.rbx;
  context->rbp = frame.rbp;
  context->r12 = frame.r12;
  context->r13 = frame.r13;
  context->r14 = frame.r14;
  context->r15 = frame.r15;
  context->rax = frame.rax;
  context->rsp = frame.rsp;
  context->rip = frame.rip;
  context->rcx = frame.rip;
  constexpr uint64_t kArithmetic = 0x8d5;
  context->eflags = (context->eflags & ~kArithmetic) | ((frame.flags >> 8) & 0xd5) |
                    (uint64_t{frame.flags & 1} << 11);
  context->r11 = context->eflags;
}

// The thread was in agent_tail: as take_mask_back does, where it had not come to that yet.
void take_mask_back(Thread* thread, SignalContext* context) {
  if (thread->masked == 0) return;
  thread->masked = 0;
  context->mask = thread->saved_mask;
  if (thread->held == 0) return;
  auto signal = static_cast<int>(thread->held);
  thread->held = 0;
  queue_to_self(thread, signal, &thread->held_info);
}

uint64_t fp_size(uint64_t fpstate) {
  if (fpstate == 0) return 0;
  const auto* state = reinterpret_cast<const FpState*>(fpstate);
  if (state->magic1 != kFpXstateMagic1 || state->extended_size < sizeof(FpState) ||
      state->extended_size > 64 * 1024)
    return sizeof(FpState);
  return state->extended_size;
}

// The signal's frame goes where the kernel would have put it, and `context` (the kernel's own) is
// rewritten so that leaving the agent's handler enters the program's.
void enter_handler(Thread* thread, int signal, SignalInfo* info, SignalContext* context) {
  Sighand& sighand = *thread->sighand;
  KernelSigaction action = sighand.actions[signal];
  if ((action.flags & kSaResetHand) != 0) {
    sighand.actions[signal].handler = kSigDfl;
    if ((signal_bit(signal) & kOurSignals) == 0) set_default(signal);
  }
  uint64_t sp = context->rsp;
  SignalStack saved_stack = thread->altstack;
  bool alternate = (action.flags & kSaOnStack) != 0 && thread->altstack.size != 0 &&
                   !on_stack(thread->altstack, sp);
  if (alternate) {
    sp = thread->altstack.sp + thread->altstack.size;
  } else {
    sp -= 128;  // the red zone
  }
  uint64_t fp = 0;
  uint64_t size = fp_size(context->fpstate);
  if (size != 0) {
    fp = (sp - size) & ~uint64_t{63};
    sp = fp;
  }
  sp = ((sp - sizeof(SignalFrame)) & ~uint64_t{15}) - 8;

  uint64_t real_mask = context->mask | (thread->unblocked & signal_bit(signal));
  thread->unblocked &= ~signal_bit(signal);
  SignalFrame frame;
  frame.return_address = (action.flags & kSaRestorer) != 0 ? action.restorer : 0;
  frame.context = *context;
  frame.context.stack = saved_stack;
  frame.context.fpstate = fp;
  frame.context.mask = real_mask | thread->blocked;
  frame.info = *info;
  bool fits = !alternate || sp >= thread->altstack.sp;
  if (!fits ||
      (size != 0 && !copy_out(fp, reinterpret_cast<const void*>(context->fpstate), size)) ||
      !copy_out(sp, &frame, sizeof frame)) {
    // No stack to stand on: the kernel's answer is SIGSEGV, by default action.
    SignalInfo fault{};
    fault.signo = kSigSegv;
    fault.code = 0x80;
    set_default(kSigSegv);
    queue_to_self(thread, kSigSegv, &fault);
    return;
  }
  if ((static_cast<uint32_t>(saved_stack.flags) & kSsAutoDisarm) != 0)
    thread->altstack = {.flags = kSsDisable};
  uint64_t during = action.mask;
  if ((action.flags & kSaNoDefer) == 0) during |= signal_bit(signal);
  thread->blocked |= during & kOurSignals;
  context->mask = (real_mask | during) & ~kOurSignals;
  context->rdi = static_cast<uint64_t>(signal);
  context->rsi = sp + offsetof(SignalFrame, info);
  context->rdx = sp + offsetof(SignalFrame, context);
  context->rax = 0;
  context->rsp = sp;
  context->rip = action.handler;
  context->eflags &= ~(kEflagsTrap | kEflagsDirection | kEflagsResume | kEflagsAc);
  context->fpstate = 0;  // a handler starts with the initial vector state
}

bool is_synchronous(const SignalInfo* info) { return info->code > 0; }

void keep_pending(Thread* thread, int signal, const SignalInfo* info) {
  unsigned index = signal == kSigTrap ? 0 : signal == kSigBus ? 1 : signal == kSigSegv ? 2 : 3;
  thread->pending |= signal_bit(signal);
  thread->pending_info[index] = *info;
}

// The program is at `context`: what does it want done with the signal?
void deliver(Thread* thread, int signal, SignalInfo* info, SignalContext* context) {
  bool ours = (signal_bit(signal) & kOurSignals) != 0;
  uint64_t handler = thread->sighand->actions[signal].handler;
  bool synchronous = ours && is_synchronous(info);
  if (ours && (thread->blocked & signal_bit(signal)) != 0) {
    if (!synchronous) {  // kept back until the program unblocks it
      keep_pending(thread, signal, info);
      return;
    }
    handler = kSigDfl;  // a fault that is blocked kills
  }
  if (is_handler(handler)) {
    enter_handler(thread, signal, info, context);
    return;
  }
  if (!ours) {  // the disposition changed while it was on its way
    if (handler == kSigDfl) die(thread, signal, info, false);
    return;
  }
  if (!synchronous && handler == kSigIgn) return;
  // SIGSEGV and SIGBUS come again when the instruction is tried again.
  die(thread, signal, info, synchronous && (signal == kSigSegv || signal == kSigBus));
}

// The thread is in the agent, or in a BPF program: not now. Queued again, with all blocked until
// agent_tail.
void put_off(Thread* thread, int signal, SignalInfo* info, SignalContext* context, bool remember) {
  if (remember && thread->masked == 0) {
    // Delivered under a mask that was only sigsuspend's or ppoll's: it must get through the old one too.
    thread->unblocked = context->mask & signal_bit(signal);
    thread->saved_mask = context->mask & ~signal_bit(signal);
    thread->masked = 1;
  }
  context->mask = kEverything;
  if ((signal_bit(signal) & kOurSignals) == 0) {
    queue_to_self(thread, signal, info);
  } else if (thread->held == 0) {
    thread->held_info = *info;  // can't be blocked: queued again by take_mask_back
    thread->held = static_cast<uint32_t>(signal);
  } else {
    keep_pending(thread, signal,
                 info);  // two at once: this one waits for the next change of the mask
  }
}

bool in_agent(const Thread* thread, const SignalContext* context) {
  if (context->rip >= hive::kBase && context->rip < hive::kData) return true;
  uint64_t record = address_of(thread);
  return context->rsp > record &&
         context->rsp <= record + kRecordSize;  // in the vDSO, on our behalf
}

void on_signal_in_agent(Thread* thread, int signal, SignalInfo* info, SignalContext* context) {
  uint64_t rip = context->rip;
  bool call_comes = static_cast<uint32_t>(context->rax) <= ENTER_OBSERVED;
  if (between(rip, agent_restore_arguments, agent_call + 1) ||
      between(rip, agent_plain_restore, agent_plain_call + 1) ||
      (call_comes && (between(rip, agent_restore, agent_restore_arguments) ||
                      between(rip, agent_choose, agent_plain_restore)))) {
    put_off(thread, signal, info, context, true);
    context->rip = address_of(agent_abort);
  } else if (between(rip, agent_plain_after, agent_plain_end)) {
    context->rip = thread->frame.rip;
    context->rcx = thread->frame.rip;
    deliver(thread, signal, info, context);
  } else if (between(rip, agent_tail, agent_tail_end)) {
    context_from_frame(context, thread->frame);
    take_mask_back(thread, context);
    deliver(thread, signal, info, context);
  } else if (between(rip, agent_sigreturn, agent_sigreturn_end)) {
    put_off(thread, signal, info, context, false);
  } else if (uprobe_leave(thread, context)) {
    take_mask_back(thread, context);
    deliver(thread, signal, info, context);
  } else if (sites_leave(context)) {  // in a patched site's stub, before or after its call
    deliver(thread, signal, info, context);
  } else {
    put_off(thread, signal, info, context, true);
  }
}

// A load of a BPF program that may fault, and did.
bool fix_up_program(SignalContext* context) {
  uint32_t used = hive::control_header().objects_used.load(std::memory_order_acquire);
  if (used > hive::kMaxObjects) used = hive::kMaxObjects;
  for (uint32_t i = 0; i < used; ++i) {
    const hive::ObjectEntry& entry = hive::directory()[i];
    if (entry.kind.load(std::memory_order_acquire) !=
        static_cast<uint32_t>(hive::ObjectKind::kProg))
      continue;
    const auto& program = *reinterpret_cast<const ProgHeader*>(entry.address);
    uint64_t fixup =
        vm::find_fixup(reinterpret_cast<const vm::FaultPair*>(program.fault_table),
                       program.fault_count, program.code, program.code_size, context->rip);
    if (fixup == 0)
      fixup = vm::find_fixup(reinterpret_cast<const vm::FaultPair*>(program.second_fault_table),
                             program.second_fault_count, program.second_code,
                             program.second_code_size, context->rip);
    if (fixup == 0) continue;
    context->rip = fixup;
    return true;
  }
  return false;
}

// A fault of the agent's own careful copies.
bool fix_up(SignalContext* context) {
  uint64_t rip = context->rip;
  if (between(rip, agent_copy_begin, agent_copy_end)) {
    context->rip = address_of(agent_copy_fault);
  } else if (between(rip, agent_copy_tail_begin, agent_copy_tail_end)) {
    context->rip = address_of(agent_copy_tail_fault);
  } else if (between(rip, agent_string_begin, agent_string_end)) {
    context->rip = address_of(agent_string_fault);
  } else if (rip >= hive::kCode && rip < hive::kCode + hive::kCodeSize) {
    return fix_up_program(context);
  } else {
    return false;
  }
  return true;
}

// Calls that end with EINTR whatever SA_RESTART says (signal(7)).
bool never_restarted(uint64_t nr) {
  switch (nr) {
    case kNrPoll:
    case kNrSelect:
    case kNrPselect6:
    case kNrPpoll:
    case kNrEpollWait:
    case kNrEpollPwait:
    case kNrEpollPwait2:
    case kNrPause:
    case kNrRtSigsuspend:
    case kNrRtSigtimedwait:
    case kNrNanosleep:
    case kNrClockNanosleep:
    case kNrMsgsnd:
    case kNrMsgrcv:
    case kNrSemop:
    case kNrSemtimedop:
    case kNrIoGetevents: return true;
    default: return false;
  }
}

// A call came back with EINTR because of our kick. Would it have come back without? Only where a signal with a
// handler waits too, one that does not ask for a restart or a call that knows none.
bool made_again(const Thread* thread, uint64_t nr, uint64_t mask) {
  uint64_t set = 0;
  raw::syscall(kNrRtSigpending, static_cast<long>(pointer(&set)), 8);
  set &= ~mask;
  for (int signal = 1; signal <= kSignals; ++signal) {
    if ((set & signal_bit(signal)) == 0) continue;
    const KernelSigaction& action = thread->sighand->actions[signal];
    if (is_handler(action.handler) && ((action.flags & kSaRestart) == 0 || never_restarted(nr)))
      return false;
  }
  return true;
}

// The controller wants the agent to leave. The program must not notice the signal: a call that only the kick has
// interrupted is made again.
void on_kick(Thread* thread, SignalContext* context) {
  if (!leaving()) return;
  uint64_t rip = context->rip;
  uint64_t nr = thread->frame.nr;
  bool interrupted = static_cast<int64_t>(context->rax) == -kEintr;
  bool behind_call = false;
  if (in_agent(thread, context)) {
    if (between(rip, agent_restore_arguments, agent_call + 1) ||
        between(rip, agent_plain_restore, agent_plain_call + 1) ||
        (rip == address_of(agent_after) && interrupted && made_again(thread, nr, context->mask))) {
      // Back to the program's instruction; the next look at it leaves.
      if (thread->masked == 0) {
        thread->saved_mask = context->mask;
        thread->unblocked = 0;
        thread->masked = 1;
      }
      context->mask = kEverything;
      context->rip = address_of(agent_abort);
      return;
    }
    if (between(rip, agent_plain_after, agent_plain_end)) {
      behind_call = true;
      context->rip = thread->frame.rip;
    } else if (between(rip, agent_tail, agent_tail_end)) {
      context_from_frame(context, thread->frame);
      take_mask_back(thread, context);
    } else if (sites_after_call(context, &nr)) {
      behind_call = true;
      sites_leave(context);
    } else if (uprobe_leave(thread, context)) {
      take_mask_back(thread, context);
    } else if (!sites_leave(context)) {
      return;  // it will be at a call of its own soon, or is kicked again
    }
  } else {
    sites_leave(context);
  }
  leave_at(thread, context);
  if (behind_call && interrupted && made_again(thread, nr, context->mask)) {
    context->rip -= 2;
    context->rax = nr;
  }
}

bool is_ours(int signal) {
  return signal >= 1 && signal <= kSignals && (signal_bit(signal) & kOurSignals) != 0;
}

}  // namespace

extern "C" void agent_on_signal(int signal, SignalInfo* info, SignalContext* context) {
  Thread* thread = this_thread();
  if (signal == kSigSys && info->code == kSysUserDispatch) {
    if (in_agent(thread, context)) {  // the vDSO fell back to a system call, for the agent
      context->rax = static_cast<uint64_t>(
          raw::syscall(static_cast<long>(context->rax), static_cast<long>(context->rdi),
                       static_cast<long>(context->rsi), static_cast<long>(context->rdx),
                       static_cast<long>(context->r10), static_cast<long>(context->r8),
                       static_cast<long>(context->r9)));
      return;
    }
    sites_caught(thread, context);
    context->rcx = context->rip;
    context->rip = address_of(agent_entry);
    return;
  }
  if (signal == kSigSys && leave_kicked(thread, info)) {
    on_kick(thread, context);
    return;
  }
  if ((signal == kSigSegv || signal == kSigBus) && is_synchronous(info) && fix_up(context)) return;
  if (signal == kSigTrap && is_synchronous(info) &&
      (uprobe_trapped(context) || patch_trapped(thread, context)))
    return;
  uprobe_rewind(context);
  if (in_agent(thread, context)) {
    if (is_ours(signal) &&
        is_synchronous(info)) {  // a fault of the agent, or of what it runs: no way on
      die(thread, signal, info, signal != kSigTrap);
      return;
    }
    on_signal_in_agent(thread, signal, info, context);
    return;
  }
  sites_leave(context);  // a stub near the module is not the program either
  deliver(thread, signal, info, context);
}

void install_handlers() {
  for (int signal : {kSigTrap, kSigBus, kSigSegv, kSigSys}) {
    KernelSigaction old{};
    KernelSigaction action = our_action({});
    kernel_sigaction(signal, &action, &old);
    process.sighand.actions[signal] = old;
  }
}

void install_handlers_for(Thread* thread) {
  for (int signal : {kSigTrap, kSigBus, kSigSegv, kSigSys}) {
    KernelSigaction action = our_action({});
    kernel_sigaction(signal, &action, nullptr);
    if (thread->sighand->actions[signal].handler != kSigIgn) thread->sighand->actions[signal] = {};
  }
}

// The program's own, for good. SIGSYS is ignored in between: that throws away kicks that are on their way.
void restore_handlers() {
  for (int signal = 1; signal <= kSignals; ++signal) {
    if (signal == kSigKill || signal == kSigStop) continue;
    KernelSigaction now{};
    if (is_error(kernel_sigaction(signal, nullptr, &now)) ||
        now.handler != reinterpret_cast<uint64_t>(&agent_on_signal))
      continue;
    if (signal == kSigSys) {
      KernelSigaction ignore{};
      ignore.handler = kSigIgn;
      kernel_sigaction(signal, &ignore, nullptr);
    }
    kernel_sigaction(signal, &process.sighand.actions[signal], nullptr);
  }
}

int64_t on_sigaction(Thread* thread) {
  const Frame& frame = thread->frame;
  int signal = static_cast<int>(frame.rdi);
  if (frame.r10 != 8 || signal < 1 || signal > kSignals || signal == kSigKill ||
      signal == kSigStop) {
    return raw::syscall(kNrRtSigaction, signal, static_cast<long>(frame.rsi),
                        static_cast<long>(frame.rdx), static_cast<long>(frame.r10));
  }
  KernelSigaction wanted{};
  if (frame.rsi != 0 && !copy_in(&wanted, frame.rsi, sizeof wanted)) return -kEfault;
  Sighand& sighand = *thread->sighand;
  KernelSigaction old{};
  if ((signal_bit(signal) & kOurSignals) != 0) {
    old = sighand.actions[signal];
    if (frame.rsi != 0) sighand.actions[signal] = wanted;
  } else {
    KernelSigaction shadow = sighand.actions[signal];
    KernelSigaction truth = wanted;
    if (frame.rsi != 0 && is_handler(wanted.handler)) {
      truth = our_action(wanted);
      sighand.actions[signal] = wanted;
    }
    int64_t result = kernel_sigaction(signal, frame.rsi != 0 ? &truth : nullptr, &old);
    if (is_error(result)) return result;
    if (frame.rsi != 0 && !is_handler(wanted.handler)) sighand.actions[signal] = wanted;
    if (old.handler == reinterpret_cast<uint64_t>(&agent_on_signal)) old = shadow;
  }
  if (frame.rdx != 0 && !copy_out(frame.rdx, &old, sizeof old)) return -kEfault;
  return 0;
}

void deliver_pending(Thread* thread) {
  uint64_t due = thread->pending & ~thread->blocked;
  if (due == 0) return;
  thread->pending &= ~due;
  unsigned index = 0;
  for (int signal : {kSigTrap, kSigBus, kSigSegv, kSigSys}) {
    if ((due & signal_bit(signal)) != 0)
      queue_to_self(thread, signal, &thread->pending_info[index]);
    ++index;
  }
}

// Until agent_tail takes saved_mask back nothing comes but kOurSignals, which change neither of the two fields then.
void put_off_all(Thread* thread) {
  if (__atomic_load_n(&thread->masked, __ATOMIC_RELAXED) != 0) return;
  uint64_t all = kEverything, mask = 0;
  raw::syscall(kNrRtSigprocmask, kSigSetMask, static_cast<long>(pointer(&all)),
               static_cast<long>(pointer(&mask)), 8);
  if (__atomic_load_n(&thread->masked, __ATOMIC_RELAXED) != 0) return;  // a signal was faster
  thread->saved_mask = mask;
  thread->unblocked = 0;
  __atomic_store_n(&thread->masked, 1, __ATOMIC_RELEASE);
}

int64_t on_sigprocmask(Thread* thread) {
  const Frame& frame = thread->frame;
  if (frame.r10 != 8) return -kEinval;
  uint64_t set = 0;
  if (frame.rsi != 0 && !copy_in(&set, frame.rsi, sizeof set)) return -kEfault;
  uint64_t truth = set & ~kOurSignals;
  uint64_t old = 0;
  int how = static_cast<int>(frame.rdi);
  if (frame.rsi == 0) {
    int64_t result = raw::syscall(kNrRtSigprocmask, how, 0, static_cast<long>(pointer(&old)), 8);
    if (is_error(result)) return result;
    // A signal that came before the call was put off, and what the kernel has is not the program's.
    if (__atomic_load_n(&thread->masked, __ATOMIC_RELAXED) != 0) old = thread->saved_mask;
  } else {
    // What is changed is the mask that agent_tail takes back: a signal that is put off between a look at `masked` and
    // a change of the kernel's would have the change undone.
    put_off_all(thread);
    uint64_t* saved = &thread->saved_mask;
    old = *saved;
    constexpr uint64_t kNever = uint64_t{1} << (kSigKill - 1) | uint64_t{1} << (kSigStop - 1);
    if (how == kSigBlock)
      *saved |= truth & ~kNever;
    else if (how == kSigUnblock)
      *saved &= ~truth;
    else if (how == kSigSetMask)
      *saved = truth & ~kNever;
    else
      return -kEinval;
  }
  old |= thread->blocked;
  if (frame.rsi != 0) {
    uint64_t ours = set & kOurSignals;
    if (how == kSigBlock) thread->blocked |= ours;
    if (how == kSigUnblock) thread->blocked &= ~ours;
    if (how == kSigSetMask) thread->blocked = ours;
    if (thread->pending != 0) deliver_pending(thread);
  }
  if (frame.rdx != 0 && !copy_out(frame.rdx, &old, sizeof old)) return -kEfault;
  return 0;
}

int64_t on_sigpending(Thread* thread) {
  const Frame& frame = thread->frame;
  uint64_t set = 0;
  if (frame.rsi > 8) return -kEinval;
  int64_t result = raw::syscall(kNrRtSigpending, static_cast<long>(pointer(&set)), 8);
  if (is_error(result)) return result;
  // What was put off looks pending too, and is: it has been sent and not been delivered.
  set |= thread->pending;
  return copy_out(frame.rdi, &set, frame.rsi) ? 0 : -kEfault;
}

int64_t on_sigaltstack(Thread* thread) {
  const Frame& frame = thread->frame;
  SignalStack wanted{};
  if (frame.rdi != 0 && !copy_in(&wanted, frame.rdi, sizeof wanted)) return -kEfault;
  bool standing = on_stack(thread->altstack, frame.rsp);
  SignalStack old = thread->altstack;
  old.flags = old.size == 0
                  ? kSsDisable
                  : (standing ? kSsOnStack : 0) |
                        static_cast<int32_t>(static_cast<uint32_t>(old.flags) & kSsAutoDisarm);
  old.pad = 0;
  if (frame.rdi != 0) {
    if (standing) return -kEperm;
    uint32_t mode = static_cast<uint32_t>(wanted.flags) & ~kSsAutoDisarm;
    if (mode != 0 && mode != kSsOnStack && mode != kSsDisable) return -kEinval;
    if (mode == kSsDisable) {
      wanted.sp = 0;
      wanted.size = 0;
    } else if (wanted.size < 2048) {
      return -kEnomem;
    }
    thread->altstack = wanted;
  }
  if (frame.rsi != 0 && !copy_out(frame.rsi, &old, sizeof old)) return -kEfault;
  return 0;
}

// The program's frame stays as it is (it may look at it); what the kernel is shown is a copy with
// the agent's truth.
int on_sigreturn(Thread* thread) {
  SignalContext& context = thread->sigreturn_context;
  if (!copy_in(&context, thread->frame.rsp, sizeof context))
    return ENTER_PLAIN;  // the kernel has the answer to that
  if (!on_stack(thread->altstack, context.rsp)) {
    SignalStack stack = context.stack;
    uint32_t mode = static_cast<uint32_t>(stack.flags) & ~kSsAutoDisarm;
    if (mode == kSsDisable)
      thread->altstack = {.flags = kSsDisable};
    else if ((mode == 0 || mode == kSsOnStack) && stack.size >= 2048)
      thread->altstack = stack;
  }
  thread->blocked = context.mask & kOurSignals;
  context.mask &= ~kOurSignals;
  context.stack = {.sp = thread->altstack_sp, .flags = 0, .pad = 0, .size = thread->altstack_size};
  if ((thread->pending & ~thread->blocked) != 0) {
    // Blocked until the program is back where it was.
    uint64_t all = ~uint64_t{0};
    raw::syscall(kNrRtSigprocmask, kSigSetMask, static_cast<long>(pointer(&all)), 0, 8);
    deliver_pending(thread);
  }
  thread->sigframe = address_of(&context);
  return ENTER_SIGRETURN;
}

}  // namespace skep::agent
