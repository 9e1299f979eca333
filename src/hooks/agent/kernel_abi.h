// The kernel's x86-64 structures and numbers that the agent needs, as the kernel (not libc) lays
// them out.
#pragma once

#include <cstddef>
#include <cstdint>

namespace skep::agent {

// clang-format off
enum Nr : uint32_t {
  kNrPoll = 7, kNrSelect = 23, kNrPause = 34, kNrNanosleep = 35, kNrSemop = 65, kNrMsgsnd = 69, kNrMsgrcv = 70,
  kNrIoGetevents = 208, kNrSemtimedop = 220, kNrClockNanosleep = 230, kNrEpollWait = 232, kNrRead = 0, kNrWrite = 1, kNrOpen = 2, kNrClose = 3, kNrMmap = 9, kNrMprotect = 10, kNrMunmap = 11, kNrRtSigaction = 13,
  kNrRtSigprocmask = 14, kNrRtSigreturn = 15, kNrPread64 = 17, kNrMremap = 25, kNrGetpid = 39, kNrClone = 56, kNrFork = 57,
  kNrVfork = 58, kNrExecve = 59, kNrExit = 60, kNrSetuid = 105, kNrGetuid = 102, kNrGetgid = 104, kNrSetgid = 106,
  kNrGetppid = 110, kNrSetreuid = 113, kNrSetregid = 114, kNrSetresuid = 117, kNrSetresgid = 119, kNrSetfsuid = 122,
  kNrSetfsgid = 123, kNrRtSigpending = 127, kNrRtSigtimedwait = 128, kNrRtSigqueueinfo = 129, kNrRtSigsuspend = 130,
  kNrSigaltstack = 131, kNrPrctl = 157, kNrArchPrctl = 158, kNrGettid = 186, kNrLgetxattr = 192, kNrFutex = 202,
  kNrClockGettime = 228, kNrExitGroup = 231, kNrTgkill = 234, kNrOpenat = 257, kNrNewfstatat = 262, kNrPselect6 = 270,
  kNrPpoll = 271, kNrEpollPwait = 281, kNrSignalfd = 282, kNrSignalfd4 = 289, kNrRtTgsigqueueinfo = 297,
  kNrSeccomp = 317,
  kNrExecveat = 322, kNrMembarrier = 324, kNrClone3 = 435, kNrEpollPwait2 = 441,
  kNrSocket = 41, kNrConnect = 42, kNrBind = 49, kNrGetsockname = 51, kNrSetsockopt = 54, kNrGetsockopt = 55, kNrFcntl = 72, kNrDup3 = 292,
};
enum Signal : int { kSigTrap = 5, kSigBus = 7, kSigKill = 9, kSigSegv = 11, kSigStop = 19, kSigSys = 31, kSignals = 64 };
// clang-format on

inline constexpr uint64_t signal_bit(int signal) { return uint64_t{1} << (signal - 1); }
// The signals that the agent lives on: always deliverable in truth, whatever the program asked for.
inline constexpr uint64_t kOurSignals =
    signal_bit(kSigTrap) | signal_bit(kSigBus) | signal_bit(kSigSegv) | signal_bit(kSigSys);

inline constexpr uint64_t kSaNoCldStop = 1, kSaNoCldWait = 2, kSaSigInfo = 4,
                          kSaOnStack = 0x08000000, kSaRestart = 0x10000000, kSaNoDefer = 0x40000000,
                          kSaResetHand = 0x80000000, kSaRestorer = 0x04000000;
inline constexpr uint64_t kSigDfl = 0, kSigIgn = 1;
inline constexpr int kSigBlock = 0, kSigUnblock = 1, kSigSetMask = 2;
inline constexpr int kSsOnStack = 1, kSsDisable = 2;
inline constexpr uint32_t kSsAutoDisarm = 1u << 31;

struct KernelSigaction {
  uint64_t handler;
  uint64_t flags;
  uint64_t restorer;
  uint64_t mask;
};
struct SignalStack {
  uint64_t sp = 0;
  int32_t flags = 0;
  int32_t pad = 0;
  uint64_t size = 0;
};
struct SignalInfo {
  int32_t signo, error, code, pad;
  union {
    struct {
      int32_t pid;
      uint32_t uid;
      uint64_t value;
    } sent;
    struct {
      uint64_t call_addr;
      int32_t nr;
      uint32_t arch;
    } sys;
    struct {
      uint64_t addr;
    } fault;
    uint64_t raw[14];
  };
};
static_assert(sizeof(SignalInfo) == 128);
inline constexpr int kSysUserDispatch = 2;  // si_code of SIGSYS
inline constexpr int kSiQueue = -1;

struct FpState {
  uint8_t legacy[464];
  uint32_t magic1;  // kFpXstateMagic1 where the fields below hold
  uint32_t extended_size;
  uint64_t xfeatures;
  uint32_t xstate_size;
  uint32_t pad[7];
};
static_assert(sizeof(FpState) == 512);
inline constexpr uint32_t kFpXstateMagic1 = 0x46505853;

struct SignalContext {
  uint64_t flags;
  uint64_t link;
  SignalStack stack;
  uint64_t r8, r9, r10, r11, r12, r13, r14, r15, rdi, rsi, rbp, rbx, rdx, rax, rcx, rsp, rip,
      eflags;
  uint16_t cs, gs, fs, ss;
  uint64_t err, trapno, oldmask, cr2;
  uint64_t fpstate;
  uint64_t reserved[8];
  uint64_t mask;
};
static_assert(sizeof(SignalContext) == 304);
static_assert(offsetof(SignalContext, rip) == 40 + 16 * 8);

struct SignalFrame {
  uint64_t return_address;
  SignalContext context;
  SignalInfo info;
};
static_assert(sizeof(SignalFrame) == 440);

inline constexpr uint64_t kEflagsTrap = 0x100, kEflagsDirection = 0x400, kEflagsResume = 0x10000,
                          kEflagsAc = 0x40000;

inline constexpr uint64_t kCloneVm = 0x100, kCloneSighand = 0x800, kCloneVfork = 0x4000,
                          kCloneThread = 0x10000, kCloneSettls = 0x80000,
                          kCloneClearSighand = 0x100000000;
struct CloneArgs {
  uint64_t flags, pidfd, child_tid, parent_tid, exit_signal, stack, stack_size, tls, set_tid,
      set_tid_size, cgroup;
};

inline constexpr int kProtRead = 1, kProtWrite = 2, kProtExec = 4;
inline constexpr int kMapShared = 1, kMapPrivate = 2, kMapFixed = 0x10, kMapAnonymous = 0x20,
                     kMapNoReserve = 0x4000, kMapFixedNoReplace = 0x100000;
inline constexpr int kPrSetName = 15, kPrGetName = 16, kPrSetPtracer = 0x59616d61,
                     kPrSetSyscallUserDispatch = 59;
inline constexpr int kArchSetGs = 0x1001, kArchGetGs = 0x1004;
inline constexpr int64_t kEperm = 1, kEsrch = 3, kEintr = 4, kEagain = 11, kEnomem = 12,
                         kEfault = 14, kEinval = 22, kEnosys = 38, kErestartsys = 512;
inline constexpr uint64_t kAtSysinfoEhdr = 33, kAtHwcap2 = 26;
inline constexpr uint64_t kHwcap2FsGsBase = 2;

// A result of a system call: kernel errors are -4095 to -1.
inline constexpr bool is_error(int64_t result) {
  return static_cast<uint64_t>(result) >= static_cast<uint64_t>(-4095);
}

}  // namespace skep::agent
