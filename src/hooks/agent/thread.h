// The agent's records of a traced thread and process, and how a thread moves between the program
// and the agent.
//
//   program ──syscall──▶ SIGSYS ──▶ agent_on_signal: resume at agent_entry
//      └──patched site──▶ stub ───────────────────────▶ agent_entry: saves the program's registers
//      in
//                                                        Thread::frame, goes over to Thread's own
//                                                        stack
//   agent_on_enter (C++) ──▶ `syscall` from agent text, with the program's registers and stack
//   agent_on_exit (C++)  ──▶ agent_tail: restores the frame, jumps back behind the program's
//   instruction
//
// The agent's text lies in the one range that Syscall User Dispatch lets through, so its own calls
// are real ones.
//
// Signals. Every handler that the program installs is kept in Sighand and the agent's put in its
// place, to run on the agent's own alternate stack with everything blocked. So a program's handler
// can be shown a context of the *program*, wherever the thread was:
//   - in the program: its frame is copied to the program's stack and the handler entered by
//   rt_sigreturn;
//   - in agent_tail: the frame holds the program's state; the context is rewritten from it, then as
//   above;
//   - at the `syscall` instruction (not made yet, or to be restarted): the call is called off; the
//   program
//     is put back before its own instruction, which it will execute again;
//   - anywhere else in the agent or in a BPF program: put off. The signal is queued again, the
//   interrupted code goes
//     on with everything blocked, and agent_tail takes the mask back.
// Therefore a thread has at most one frame, and a handler may longjmp as it likes.
//
// The thread finds its record through the GS base, which x86-64 Linux programs leave alone.
#pragma once

#include <atomic>
#include <cstddef>
#include <cstdint>

#include "hooks/agent/frame_offsets.h"
#include "hooks/agent/kernel_abi.h"
#include "object/helper_context.h"
#include "object/task_view.h"

namespace skep::agent {

// The program's state at its system call.
struct Frame {
  uint64_t nr;   // rax at entry
  uint64_t rax;  // the result
  uint64_t rdi, rsi, rdx, r10, r8, r9;
  uint64_t rbx, rbp, r12, r13, r14, r15;
  uint64_t rsp;
  uint64_t rip;    // after the `syscall` instruction
  uint32_t flags;  // ah: SF ZF AF PF CF, al: OF
  uint32_t reserved;
};

// Dispositions as the program sees them. Shared by threads; a vfork child has its own.
struct Sighand {
  KernelSigaction actions[kSignals + 1];
};

// A struct sockaddr_in or sockaddr_in6.
struct SocketAddress {
  uint16_t family;
  uint16_t port;  // network byte order
  union {
    uint32_t ip4;
    uint32_t flow;
  };
  uint32_t ip6[4];  // AF_INET: sin_zero in the first two
  uint32_t scope;
};
static_assert(sizeof(SocketAddress) == 28);

struct Thread {
  Thread* self;
  uint64_t stack_top;  // of the agent's stack for this thread, 16-byte aligned
  uint32_t masked;  // signals were put off: everything is blocked, saved_mask is the program's mask
  uint32_t held;    // one of kOurSignals that was put off (they can't be blocked): its number
  Thread* next_child;  // ENTER_CLONE: the child's record
  uint64_t saved_mask;
  uint64_t sigframe;    // ENTER_SIGRETURN: address of the context to return to
  uint64_t uprobe_rsp;  // uprobe_offsets.h
  uint64_t uprobe_resume;
  Frame frame;

  uint32_t pid, tid;
  SignalInfo held_info;

  // ---- what entry.S does not know ----
  uint32_t state;  // ThreadState
  uint64_t owner;  // hive::owner_word(pid, tid)
  uint32_t slot_hint;
  uint32_t observed;    // enter programs of the call in the frame ran: its exit is due
  uint32_t real_nr;     // frame.nr, bounded
  bool restarted_args;  // an argument in the frame was replaced for the call: saved_argument is the
                        // program's
  uint8_t saved_index;  // which: 0..5
  bool filtered;        // a filter looked at the call in the frame: filter_exit is due
  bool arrived;         // leave.cc: waits for the others
  bool vfork_child;     // shares memory with its suspended parent
  uint64_t saved_argument;
  uint64_t blocked;  // of kOurSignals: what the program believes to be blocked
  uint64_t pending;  // of kOurSignals: sent while `blocked`
  SignalInfo pending_info[4];
  uint64_t
      unblocked;  // put off, and blocked in the mask to come back (sigsuspend): let through all the same
  SignalStack altstack;  // the program's
  uint64_t altstack_sp;  // the agent's own, for the kernel
  uint64_t altstack_size;
  Sighand* sighand;
  Sighand own_sighand;  // where `sighand` points for a process that shares memory, not dispositions
  Thread* parent;       // vfork: whose record is waiting
  Thread* next;         // in Process::threads
  TaskInfo task;        // cached
  bool task_valid;
  uint64_t clone_flags;             // of the call being made
  SocketAddress rewritten_address;  // filter.cc: what a call gets in place of the program's
  void* return_stack;  // uprobe.cc: return addresses that uretprobes replaced; outlives the thread
  uint64_t temporary_mask;  // stands in for a mask of the program's
  uint64_t temporary_pselect[2];
  // rt_sigreturn's copy of the context; the kernel wants it where a signal frame would be.
  alignas(16) SignalContext sigreturn_context;
  HelperContext context;  // of the bee that this thread is; dispatch.cc
  TaskView task_view;     // what bpf_get_current_task() points to; filled when a program asks
};

enum ThreadState : uint32_t { kThreadFree = 0, kThreadLive = 1, kThreadDying = 2 };

static_assert(offsetof(Thread, self) == T_SELF && offsetof(Thread, stack_top) == T_STACK_TOP &&
              offsetof(Thread, masked) == T_MASKED && offsetof(Thread, held) == T_HELD &&
              offsetof(Thread, pid) == T_PID && offsetof(Thread, tid) == T_TID &&
              offsetof(Thread, held_info) == T_HELD_INFO &&
              offsetof(Thread, next_child) == T_NEXT_CHILD &&
              offsetof(Thread, saved_mask) == T_SAVED_MASK &&
              offsetof(Thread, sigframe) == T_SIGFRAME);
#define SKEP_FRAME(field, offset) \
  static_assert(offsetof(Thread, frame) + offsetof(Frame, field) == (offset))
SKEP_FRAME(nr, F_NR);
SKEP_FRAME(rax, F_RAX);
SKEP_FRAME(rdi, F_RDI);
SKEP_FRAME(rsi, F_RSI);
SKEP_FRAME(rdx, F_RDX);
SKEP_FRAME(r10, F_R10);
SKEP_FRAME(r8, F_R8);
SKEP_FRAME(r9, F_R9);
SKEP_FRAME(rbx, F_RBX);
SKEP_FRAME(rbp, F_RBP);
SKEP_FRAME(r12, F_R12);
SKEP_FRAME(r13, F_R13);
SKEP_FRAME(r14, F_R14);
SKEP_FRAME(r15, F_R15);
SKEP_FRAME(rsp, F_RSP);
SKEP_FRAME(rip, F_RIP);
SKEP_FRAME(flags, F_FLAGS);
#undef SKEP_FRAME

// One process's worth; private memory, so fork copies it. vfork children share their parent's.
struct Process {
  uint32_t pid;
  uint32_t controller_pid;
  bool fsgsbase;
  bool detached;
  bool confined;         // the program has a seccomp filter: no system calls that it may not make
  uint32_t board_index;  // in AgentBoard::processes; ~0: none
  std::atomic<uint32_t> threads_lock;
  std::atomic<uint32_t>
      patch_lock;   // owner's tid; also held over fork, so that a child never inherits half a patch
  Thread* threads;  // every record ever made, free ones too
  uint64_t next_record;    // where the next one goes in the bee-stack area
  uint64_t clock_gettime;  // the vDSO's; 0: none
  uint64_t start_time;     // ns since boot
  Sighand sighand;
};
extern Process process;

// A record with its stacks: [Thread | agent stack | alternate stack].
inline constexpr uint64_t kRecordSize = 128 * 1024;
inline constexpr uint64_t kAltstackSize = 48 * 1024;

inline Thread* this_thread() {
  Thread* thread;
  asm volatile("movq %%gs:0, %0" : "=r"(thread));
  return thread;
}

// A spin lock among threads of this process; never held across anything that waits.
class SpinLock {
 public:
  explicit SpinLock(std::atomic<uint32_t>& word);
  ~SpinLock() { word_.store(0, std::memory_order_release); }
  SpinLock(const SpinLock&) = delete;
  SpinLock& operator=(const SpinLock&) = delete;

 private:
  std::atomic<uint32_t>& word_;
};

// ---- process.cc ----
Thread* allocate_thread();  // nullptr: no memory
void free_thread(Thread* thread);
void adopt_thread(Thread* thread);  // makes it the calling thread's: GS base, ids, alternate stack
int64_t enable_dispatch();          // Syscall User Dispatch for the calling thread
int64_t disable_dispatch();
bool in_agent_text(uint64_t rip);
int on_clone(Thread* thread);
int64_t on_exec(Thread* thread);
void set_gs_base(Thread* thread);

// ---- signals.cc ----
void install_handlers();                    // the agent's own signals
void install_handlers_for(Thread* thread);  // after the kernel reset them (CLONE_CLEAR_SIGHAND)
void restore_handlers();
int64_t on_sigaction(Thread* thread);
int64_t on_sigprocmask(Thread* thread);
int64_t on_sigaltstack(Thread* thread);
int64_t on_sigpending(Thread* thread);
int on_sigreturn(Thread* thread);
void deliver_pending(Thread* thread);  // of kOurSignals, unblocked now
extern "C" void agent_on_signal(int signal, SignalInfo* info, SignalContext* context);

// ---- memory.cc ----
bool copy_in(void* to, uint64_t from, size_t size);  // false: a fault
bool copy_out(uint64_t to, const void* from, size_t size);
extern const HostOps host_ops;
void find_vdso(uint64_t initial_rsp, uint64_t* hwcap2);

// ---- dispatch.cc ----
void run_exit(Thread* thread, int64_t result);

extern "C" {
// entry.S
extern char agent_entry[], agent_restore[], agent_restore_arguments[], agent_choose[],
    agent_plain_end[], agent_plain_restore[], agent_plain_call[], agent_plain_after[], agent_call[],
    agent_after[], agent_abort[], agent_tail[], agent_tail_end[], agent_sigreturn[],
    agent_sigreturn_end[], agent_restorer[], agent_copy_begin[], agent_copy_end[],
    agent_copy_fault[], agent_copy_tail_begin[], agent_copy_tail_end[], agent_copy_tail_fault[],
    agent_string_begin[], agent_string_end[], agent_string_fault[], agent_clone_call[];
size_t agent_safe_copy(void* to, const void* from, size_t size);
int64_t agent_safe_string(void* to, const void* from, size_t size);
}

inline uint64_t address_of(const void* pointer) { return reinterpret_cast<uint64_t>(pointer); }

}  // namespace skep::agent
