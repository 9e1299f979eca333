// Signals in all their uses; prints what it saw. The same traced and untraced.
#define _GNU_SOURCE
#include <errno.h>
#include <poll.h>
#include <pthread.h>
#include <setjmp.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/mman.h>
#include <sys/select.h>
#include <sys/syscall.h>
#include <sys/time.h>
#include <sys/wait.h>
#include <time.h>
#include <ucontext.h>
#include <unistd.h>

static volatile sig_atomic_t hits, last_signal, last_code, nested, order[8];
static sigjmp_buf jump;
static uintptr_t last_rip, last_sp;

static void on_signal(int signal, siginfo_t* info, void* raw) {
  ucontext_t* context = raw;
  ++hits;
  last_signal = signal;
  last_code = info->si_code;
  last_rip = (uintptr_t)context->uc_mcontext.gregs[REG_RIP];
  last_sp = (uintptr_t)&info;
}
static void install(int signal, void (*handler)(int, siginfo_t*, void*), int flags) {
  struct sigaction action;
  memset(&action, 0, sizeof action);
  action.sa_sigaction = handler;
  action.sa_flags = SA_SIGINFO | flags;
  sigaction(signal, &action, NULL);
}
// Comes again and again, so that no wait can be missed by a slow machine.
static void arm(long microseconds) {
  struct itimerval timer = {.it_value = {0, microseconds}, .it_interval = {0, microseconds}};
  setitimer(ITIMER_REAL, &timer, NULL);
}
static void disarm(void) {
  struct itimerval timer = {.it_value = {0, 0}};
  setitimer(ITIMER_REAL, &timer, NULL);
}
static void check(const char* what, int good) { printf("%-40s %s\n", what, good ? "ok" : "WRONG"); }

static void jumper(int signal, siginfo_t* info, void* raw) {
  (void)info, (void)raw;
  siglongjmp(jump, signal);
}
static void skipper(int signal, siginfo_t* info, void* raw) {
  (void)info;
  hits = signal;
  ((ucontext_t*)raw)->uc_mcontext.gregs[REG_RIP] += 2;  // over `ud2`-like two-byte instructions
}
static void nester(int signal, siginfo_t* info, void* raw) {
  (void)info, (void)raw;
  if (nested++ < 3) raise(signal);
}
static void masker(int signal, siginfo_t* info, void* raw) {
  (void)signal, (void)info;
  sigset_t now;
  sigprocmask(SIG_BLOCK, NULL, &now);
  hits =
      sigismember(&now, SIGUSR1) + 2 * sigismember(&now, SIGUSR2) + 4 * sigismember(&now, SIGSEGV);
  sigaddset(&((ucontext_t*)raw)->uc_sigmask, SIGWINCH);
}

static __attribute__((noinline)) int recurse(volatile char* before) {
  volatile char here[4096];
  here[0] = before[0];
  return recurse(here) + here[1];
}
static char alternate[65536];

int main(void) {
  setvbuf(stdout, NULL, _IOLBF, 0);
  install(SIGALRM, on_signal, 0);
  char c;
  int ends[2];
  if (pipe(ends) != 0) return 1;

  arm(20000);
  ssize_t got = read(ends[0], &c, 1);
  check("read is interrupted with EINTR",
        got == -1 && errno == EINTR && hits >= 1 && last_signal == SIGALRM);
  disarm();
  check("the handler saw a context in a library",
        last_rip > 0x2b0000000000 || last_rip < 0x2a0000000000);

  install(SIGALRM, on_signal, SA_RESTART);
  hits = 0;
  pid_t child = fork();
  if (child == 0) {
    usleep(80000);
    ssize_t wrote = write(ends[1], "x", 1);
    _exit(wrote == 1 ? 0 : 1);
  }
  arm(20000);
  got = read(ends[0], &c, 1);
  check("read is restarted with SA_RESTART", got == 1 && c == 'x' && hits >= 1);
  disarm();
  int status;
  while (waitpid(child, &status, 0) < 0 && errno == EINTR) {
  }
  check("child ended well", status == 0);

  struct timespec nap = {30, 0}, left = {0, 0};
  install(SIGALRM, on_signal, SA_RESTART);
  arm(10000);
  int slept = nanosleep(&nap, &left);
  check("nanosleep gives EINTR and what is left",
        slept == -1 && errno == EINTR && left.tv_sec > 0);
  disarm();

  install(SIGSEGV, jumper, 0);
  int faults = 0;
  for (int i = 0; i < 100; ++i) {
    int from = sigsetjmp(jump, 1);
    if (from == 0)
      *(volatile int*)(uintptr_t)(8 + 8 * i) = 1;
    else if (from == SIGSEGV)
      ++faults;
  }
  check("a hundred faults recovered by siglongjmp", faults == 100);

  stack_t stack = {.ss_sp = alternate, .ss_size = sizeof alternate}, seen;
  sigaltstack(&stack, NULL);
  sigaltstack(NULL, &seen);
  check("sigaltstack is seen as it was set",
        seen.ss_sp == alternate && seen.ss_size == sizeof alternate && seen.ss_flags == 0);
  install(SIGSEGV, jumper, SA_ONSTACK);
  faults = 0;
  for (int i = 0; i < 3; ++i) {
    if (sigsetjmp(jump, 1) == 0) {
      char start = 1;
      recurse(&start);
    } else {
      ++faults;
    }
  }
  check("stack overflow recovered on the alternate stack", faults == 3);
  install(SIGUSR1, on_signal, SA_ONSTACK);
  raise(SIGUSR1);
  check("SA_ONSTACK runs on the alternate stack",
        last_sp > (uintptr_t)alternate && last_sp < (uintptr_t)alternate + sizeof alternate);
  install(SIGUSR1, on_signal, 0);
  raise(SIGUSR1);
  check("without it on the own stack",
        !(last_sp > (uintptr_t)alternate && last_sp < (uintptr_t)alternate + sizeof alternate));

  install(SIGUSR1, nester, SA_NODEFER);
  raise(SIGUSR1);
  check("SA_NODEFER nests", nested == 4);

  install(SIGUSR1, on_signal, SA_RESETHAND);
  hits = 0;
  raise(SIGUSR1);
  struct sigaction now;
  sigaction(SIGUSR1, NULL, &now);
  check("SA_RESETHAND resets", hits == 1 && now.sa_handler == SIG_DFL);

  sigset_t set, old;
  sigfillset(&set);
  sigprocmask(SIG_SETMASK, &set, &old);
  sigprocmask(SIG_BLOCK, NULL, &set);
  check("block-all reads back", sigismember(&set, SIGSEGV) && sigismember(&set, SIGSYS) &&
                                    sigismember(&set, SIGTRAP) && !sigismember(&set, SIGKILL));
  for (int i = 0; i < 20; ++i) getppid();
  syscall(SYS_getuid);
  raise(SIGSEGV);  // blocked: waits
  sigpending(&set);
  check("a blocked SIGSEGV is pending", sigismember(&set, SIGSEGV));
  install(SIGSEGV, on_signal, 0);
  hits = 0;
  sigprocmask(SIG_SETMASK, &old, NULL);
  check("and delivered when unblocked",
        hits == 1 && last_signal == SIGSEGV && last_code == SI_TKILL);

  install(SIGSYS, on_signal, 0);
  hits = 0;
  kill(getpid(), SIGSYS);
  check("a sent SIGSYS reaches its handler", hits == 1 && last_signal == SIGSYS);
  install(SIGTRAP, on_signal, 0);
  hits = 0;
  __asm__ volatile("int3");
  check("int3 reaches its handler", hits == 1 && last_signal == SIGTRAP);
  install(SIGILL, skipper, 0);
  hits = 0;
  __asm__ volatile("ud2");
  check("a handler may change the context", hits == SIGILL);

  struct sigaction with_mask;
  memset(&with_mask, 0, sizeof with_mask);
  with_mask.sa_sigaction = masker;
  with_mask.sa_flags = SA_SIGINFO;
  sigaddset(&with_mask.sa_mask, SIGUSR2);
  sigaddset(&with_mask.sa_mask, SIGSEGV);
  sigaction(SIGUSR1, &with_mask, NULL);
  raise(SIGUSR1);
  sigprocmask(SIG_BLOCK, NULL, &set);
  check("sa_mask holds in the handler", hits == 7);
  check("uc_sigmask changes the mask afterwards",
        sigismember(&set, SIGWINCH) && !sigismember(&set, SIGUSR2) && !sigismember(&set, SIGSEGV));
  sigprocmask(SIG_SETMASK, &old, NULL);
  sigaction(SIGUSR1, NULL, &now);
  check("sigaction reads back", now.sa_sigaction == masker && sigismember(&now.sa_mask, SIGUSR2) &&
                                    (now.sa_flags & SA_SIGINFO));

  install(SIGALRM, on_signal, 0);
  sigemptyset(&set);
  sigaddset(&set, SIGALRM);
  sigprocmask(SIG_BLOCK, &set, NULL);
  sigset_t waiting;
  sigfillset(&waiting);
  sigdelset(&waiting, SIGALRM);
  hits = 0;
  arm(5000);
  sigsuspend(&waiting);
  check("sigsuspend with all else blocked", hits >= 1);
  disarm();
  hits = 0;
  arm(5000);
  struct timespec limit = {5, 0};
  got = ppoll(NULL, 0, &limit, &waiting);
  check("ppoll with a mask", got == -1 && errno == EINTR && hits >= 1);
  disarm();
  hits = 0;
  arm(5000);
  got = pselect(0, NULL, NULL, NULL, &limit, &waiting);
  check("pselect with a mask", got == -1 && errno == EINTR && hits >= 1);
  disarm();
  hits = 0;
  int poller = epoll_create1(0);
  struct epoll_event event;
  arm(5000);
  got = epoll_pwait(poller, &event, 1, 5000, &waiting);
  check("epoll_pwait with a mask", got == -1 && errno == EINTR && hits >= 1);
  disarm();
  hits = 0;
  arm(5000);
  siginfo_t info;
  check("sigwaitinfo", sigwaitinfo(&set, &info) == SIGALRM && hits == 0);
  disarm();
  sigprocmask(SIG_SETMASK, &old, NULL);

  // A storm of signals over a storm of system calls: none is lost, no call fails but by EINTR.
  install(SIGALRM, on_signal, SA_RESTART);
  struct itimerval storm = {.it_interval = {0, 200}, .it_value = {0, 200}};
  hits = 0;
  setitimer(ITIMER_REAL, &storm, NULL);
  int wrong = 0;
  pid_t me = getpid();
  while (hits < 300) {
    if (syscall(SYS_getpid) != me) ++wrong;
    if (write(ends[1], "y", 1) != 1) ++wrong;
    if (read(ends[0], &c, 1) != 1 || c != 'y') ++wrong;
  }
  memset(&storm, 0, sizeof storm);
  setitimer(ITIMER_REAL, &storm, NULL);
  check("a storm of signals", wrong == 0);

  // What the program has blocked is what it finds blocked, whenever a signal comes.
  sigset_t user, mask;
  sigemptyset(&user);
  sigaddset(&user, SIGUSR1);
  install(SIGALRM, on_signal, 0);
  struct itimerval quick = {.it_interval = {0, 100}, .it_value = {0, 100}};
  hits = 0;
  int bad = 0;
  setitimer(ITIMER_REAL, &quick, NULL);
  while (hits < 500) {
    sigprocmask(SIG_BLOCK, &user, NULL);
    sigprocmask(SIG_BLOCK, NULL, &mask);
    bad += sigismember(&mask, SIGALRM) || !sigismember(&mask, SIGUSR1);
    sigprocmask(SIG_UNBLOCK, &user, &mask);
    bad += sigismember(&mask, SIGALRM) || !sigismember(&mask, SIGUSR1);
    sigprocmask(SIG_BLOCK, NULL, &mask);
    bad += sigismember(&mask, SIGALRM) || sigismember(&mask, SIGUSR1);
    if (sigismember(&mask, SIGALRM)) break;  // it would never end
  }
  memset(&quick, 0, sizeof quick);
  setitimer(ITIMER_REAL, &quick, NULL);
  check("a mask is the same in a storm", bad == 0);

  // The same with handlers that jump out.
  install(SIGALRM, jumper, 0);
  struct itimerval again = {.it_interval = {0, 500}, .it_value = {0, 500}};
  volatile int jumps = 0;
  setitimer(ITIMER_REAL, &again, NULL);
  while (jumps < 200) {
    if (sigsetjmp(jump, 1) != 0) ++jumps;
    for (int i = 0; i < 10; ++i) syscall(SYS_getppid);
  }
  memset(&again, 0, sizeof again);
  signal(SIGALRM, SIG_IGN);
  setitimer(ITIMER_REAL, &again, NULL);
  check("a storm of jumps out of handlers", jumps >= 200);

  union sigval value = {.sival_int = 42};
  install(SIGRTMIN + 1, on_signal, 0);
  hits = 0;
  for (int i = 0; i < 5; ++i) sigqueue(getpid(), SIGRTMIN + 1, value);
  check("queued signals all come", hits == 5 && last_code == SI_QUEUE);
  signal(SIGUSR2, SIG_IGN);
  raise(SIGUSR2);
  check("an ignored signal is ignored", 1);
  return 0;
}
