// System calls without libc, for code that runs inside a traced process (the agent) as well as
// here: no errno, no cancellation point, no thread-local state. Freestanding.
#pragma once

#include <cstddef>
#include <cstdint>

namespace skep::raw {

// The kernel's own numbers for what the freestanding code needs; the result is >= 0 or -errno.
#if defined(__x86_64__)
enum Number : long {
  kSchedYield = 24,
  kNanosleep = 35,
  kGetpid = 39,
  kFutex = 202,
  kGettid = 186,
  kTgkill = 234,
  kProcessVmReadv = 310,
  kGetcpu = 309,
  kClockGettime = 228,
};
inline long syscall(long number, long a = 0, long b = 0, long c = 0, long d = 0, long e = 0,
                    long f = 0) {
  long result;
  register long r10 asm("r10") = d;
  register long r8 asm("r8") = e;
  register long r9 asm("r9") = f;
  asm volatile("syscall"
               : "=a"(result)
               : "a"(number), "D"(a), "S"(b), "d"(c), "r"(r10), "r"(r8), "r"(r9)
               : "rcx", "r11", "memory");
  return result;
}
inline void pause_cpu() { asm volatile("pause"); }
#elif defined(__aarch64__)
enum Number : long {
  kSchedYield = 124,
  kNanosleep = 101,
  kGetpid = 172,
  kFutex = 98,
  kGettid = 178,
  kTgkill = 131,
  kProcessVmReadv = 270,
  kGetcpu = 168,
  kClockGettime = 113,
};
inline long syscall(long number, long a = 0, long b = 0, long c = 0, long d = 0, long e = 0,
                    long f = 0) {
  register long x8 asm("x8") = number;
  register long x0 asm("x0") = a;
  register long x1 asm("x1") = b;
  register long x2 asm("x2") = c;
  register long x3 asm("x3") = d;
  register long x4 asm("x4") = e;
  register long x5 asm("x5") = f;
  asm volatile("svc 0"
               : "+r"(x0)
               : "r"(x8), "r"(x1), "r"(x2), "r"(x3), "r"(x4), "r"(x5)
               : "memory");
  return x0;
}
inline void pause_cpu() { asm volatile("yield"); }
#endif

inline constexpr long kEsrch = -3;

// True only where thread `tid` of process `pid` will never run another user instruction: it does
// not exist, or it is a zombie that nobody has reaped yet (which tgkill still finds; reading its
// memory fails with ESRCH because it has none any more). When in doubt (a seccomp filter in the
// way): false.
inline bool thread_is_dead(uint32_t pid, uint32_t tid) {
  if (pid == 0 || tid == 0 || pid > 0x7fffffff || tid > 0x7fffffff) return true;
  if (syscall(kTgkill, static_cast<long>(pid), static_cast<long>(tid), 0) == kEsrch) return true;
  struct Vector {
    void* base;
    size_t size;
  };
  char byte;
  Vector local{&byte, 1};
  Vector remote{reinterpret_cast<void*>(uintptr_t{4096}), 1};  // any address: only ESRCH matters
  return syscall(kProcessVmReadv, static_cast<long>(tid), reinterpret_cast<long>(&local), 1,
                 reinterpret_cast<long>(&remote), 1, 0) == kEsrch;
}

}  // namespace skep::raw
