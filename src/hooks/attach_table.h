// AttachTable: which programs run at which hook, as every traced process reads it. One control
// object (root kSyscallHooks): the controller writes it, the agents only read, so what it says is
// trusted.
//
// A hook point's programs are a list of nodes in attach order. A node is filled in and then
// published by one store; it is unlinked by one store, and its memory is used again only after a
// grace period (Hive::synchronize), because a bee may stand on it. An index of 0 ends a list.
//
// Freestanding: the agent compiles this.
#pragma once

#include <atomic>
#include <cstddef>
#include <cstdint>

namespace skep::hooks {

inline constexpr uint32_t kSyscallLimit = 512;  // numbers from here on are run, never hooked
inline constexpr uint32_t kAttachNodes = 8192;
inline constexpr uint32_t kCgroupHooks = 64;  // by BPF_CGROUP_* attach type

// What a program's ctx is at a system-call hook.
enum class ContextKind : uint32_t {
  kTracepoint =
      0,  // {u64 common; s64 nr; u64 args[6]} on enter, {u64 common; s64 nr; s64 ret} on exit
  kRawTracepoint = 1,  // {u64 pt_regs*; u64 nr} on enter, {u64 pt_regs*; s64 ret} on exit
  kSyscallFunction =
      2,  // pt_regs of the kernel's __x64_sys_*: di points to the caller's; ax is the result on exit
};

struct AttachNode {
  uint64_t program;  // address of its ProgHeader
  uint64_t cookie;   // bpf_get_attach_cookie
  uint32_t context;  // ContextKind
  uint32_t link;     // the link's id; 0 where there is none
  std::atomic<uint32_t> next;
  uint32_t flags;
};
static_assert(sizeof(AttachNode) == 32);

// What must be looked at when a system call is made; AttachTable::seen[nr].
inline constexpr uint8_t kSeenEnter = 1, kSeenExit = 2, kSeenFilter = 4,
                         kSeenAgent = 8;  // kSeenAgent: the agent itself (agent_calls.h)

struct alignas(64) AttachTable {
  uint32_t version;
  uint32_t controller_pid;
  uint64_t controller_start;         // /proc/<pid>/stat field 22
  uint64_t board;                    // address of the AgentBoard in the data segment
  std::atomic<uint32_t> detach;      // not 0: agents restore what they changed, and leave
  uint32_t flags;                    // kPatchSites …
  std::atomic<uint32_t> node_count;  // nodes ever used
  uint32_t reserved;
  // Lists: index of the first node.
  std::atomic<uint32_t> enter[kSyscallLimit];
  std::atomic<uint32_t> exit[kSyscallLimit];
  std::atomic<uint32_t> raw_enter;  // raw_syscalls:sys_enter, raw_tracepoint/sys_enter: all numbers
  std::atomic<uint32_t> raw_exit;
  std::atomic<uint32_t> cgroup[kCgroupHooks];
  AttachNode nodes[kAttachNodes];
  // By the low 16 bits of the number, so that a patched site can look without a compare (which
  // would change the flags): what it holds beyond kSyscallLimit is always 0.
  std::atomic<uint8_t> seen[65536];
};

inline constexpr uint32_t kAttachTableVersion = 1;
inline constexpr uint32_t kPatchSites =
    1;  // AttachTable::flags: patch hot system-call sites in place

// ---- the board: what agents and the controller say to each other; in the data segment ----

// A request that an agent waits for (execve: "seize me, so that the new image is traced too").
enum class RequestState : uint32_t {
  kFree = 0,
  kFilling = 1,   // an agent claimed it
  kAsked = 2,     // agent: please PTRACE_SEIZE thread `tid`
  kSeized = 3,    // controller: done; go on with execve
  kRefused = 4,   // controller: can't (error); go on untraced
  kFailed = 5,    // agent: execve came back; detach, please
  kReleased = 6,  // controller: detached (or the request is over); the agent frees it
  kStuck = 7,     // agent: gave up waiting
};

struct alignas(64) Request {
  std::atomic<uint32_t> state;  // RequestState; both sides futex on it
  std::atomic<uint32_t> owner;  // tid; a dead owner's request is freed by the controller
  uint32_t pid;
  uint32_t tid;
  int32_t error;
  uint32_t reserved[11];
};
static_assert(sizeof(Request) == 64);

// What agents report: a ring of fixed records, lossy when the controller does not keep up.
enum class NoticeKind : uint32_t {
  kNone = 0,
  kProcessStarted = 1,  // fork, vfork: pid, parent in `detail`
  kProcessExited = 2,   // exit_group; detail: status
  kExecUntraced = 3,    // not followed: detail says why (UntracedReason)
  kThreadStarted = 4,
  kDetached = 5,    // the agent has left `pid`
  kAgentError = 6,  // detail: errno-like
};
enum class UntracedReason : uint32_t {
  kSetuid = 1,        // set-user-id, set-group-id or file capabilities
  kRefused = 2,       // the controller could not seize (ptrace refused)
  kNoController = 3,  // it is gone
  kUnreadable = 4,    // the file can't be read, so the new image can't be traced
  kInjectFailed = 5,  // the new image could not be given the agent; reported by the controller
  kOtherAbi = 6,      // not a 64-bit x86 program
};

struct Notice {
  std::atomic<uint32_t> sequence;  // its position + 1, once written
  uint32_t kind;
  uint32_t pid, tid;
  uint64_t detail;
  uint64_t detail2;
};
static_assert(sizeof(Notice) == 32);

// A process that an agent lives in: the agent's own registration, so hostile to the controller:
// pids are checked before they are signalled.
struct alignas(64) BoardProcess {
  std::atomic<uint32_t> pid;      // 0: free
  std::atomic<uint32_t> state;    // 0 running, 1 detached
  std::atomic<uint32_t> kicking;  // controller: a kick is being sent
  uint32_t reserved[13];
};

// si_value of the SIGSYS that asks a thread to leave (AttachTable::detach).
inline constexpr uint64_t kKick = 0x6b69'636b'7065'6b73;

inline constexpr uint32_t kRequests = 256;
inline constexpr uint32_t kNotices = 1024;
inline constexpr uint32_t kBoardProcesses = 4096;

struct alignas(64) AgentBoard {
  std::atomic<uint32_t>
      wake;  // futex of the controller's tracer thread: a request or a notice came
  std::atomic<uint32_t> notice_head;
  uint32_t reserved[14];
  Request requests[kRequests];
  Notice notices[kNotices];
  BoardProcess processes[kBoardProcesses];
};

}  // namespace skep::hooks
