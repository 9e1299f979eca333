// A program to be probed: each scenario calls the probed_* functions in a way that probes could break, and
// prints what it saw. Its output must not depend on being traced.
#pragma GCC optimize("O2")
#include <dlfcn.h>
#include <execinfo.h>
#include <pthread.h>
#include <setjmp.h>
#include <signal.h>
#include <sys/time.h>
#include <sys/wait.h>
#include <ucontext.h>
#include <unistd.h>

#include <atomic>
#include <cstdarg>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <stdexcept>
#include <thread>
#include <vector>

#define PROBED extern "C" __attribute__((noinline, noclone, used, visibility("default")))

PROBED int probed_add(int a, int b) {
  asm volatile("");
  return a + b;
}
PROBED long probed_many(long a, long b, long c, long d, long e, long f, long g, long h, long i) {
  asm volatile("");
  return a + 2 * b + 3 * c + 4 * d + 5 * e + 6 * f + 7 * g + 8 * h + 9 * i;
}
PROBED double probed_float(double a, float b, double c) {
  asm volatile("");
  return a * static_cast<double>(b) + c;
}
PROBED double probed_variadic(int count, ...) {
  va_list list;
  va_start(list, count);
  double sum = 0;
  for (int i = 0; i < count; ++i) sum += va_arg(list, double);
  va_end(list);
  return sum;
}
struct Big {
  long words[9];
};
PROBED Big probed_struct(int seed) {
  Big big;
  for (int i = 0; i < 9; ++i) big.words[i] = seed * i;
  return big;
}
#pragma GCC push_options
#pragma GCC optimize("O1")  // recursions stay recursions
PROBED int probed_fibonacci(int n) {
  asm volatile("");
  return n < 2 ? n : probed_fibonacci(n - 1) + probed_fibonacci(n - 2);
}
PROBED int probed_deep(int n) {
  volatile char frame[16] = {};
  return n == 0 ? frame[0] : 1 + probed_deep(n - 1);
}
#pragma GCC pop_options
PROBED int probed_throw(int value) {
  if (value % 3 != 0) throw std::runtime_error("thrown");
  return value;
}
PROBED int probed_pass(int value) {
  std::string guard(value % 7, 'x');  // has a landing pad
  return probed_throw(value) + static_cast<int>(guard.size());
}
PROBED int probed_catch(int value) {
  try {
    return probed_pass(value);
  } catch (const std::runtime_error&) {
    return -1;
  }
}
PROBED int probed_rethrow(int value) {
  try {
    return probed_pass(value);
  } catch (...) {
    throw;
  }
}
jmp_buf jump;
PROBED int probed_jump(int value) {
  if (value % 2 != 0) longjmp(jump, value);
  return value;
}
PROBED int probed_above_jump(int value) { return probed_jump(value) + 1; }
PROBED int probed_tail(int value) {
  asm volatile("");
  return probed_add(value, 1);  // a tail call at -O2
}
PROBED int probed_backtrace() {
  void* frames[64];
  int count = backtrace(frames, 64);
  asm volatile("");
  return count;
}
PROBED int probed_outer_backtrace() { return probed_backtrace() + 0 * probed_add(1, 2); }

// Flags and every register as they come: hand-made so that no compiler hides a change.
asm(R"(
.text
.globl probed_flags
.type probed_flags, @function
probed_flags:
    movq -8(%rsp), %rax       # the red zone
    nop
    nop
    ret
.size probed_flags, .-probed_flags
.globl probed_loop
.type probed_loop, @function
probed_loop:                  # jumps into its own first bytes: a breakpoint
    pushq %rbx
1:  addq %rdi, %rax
    decq %rdi
    jnz 1b
    popq %rbx
    ret
.size probed_loop, .-probed_loop
.globl probed_tiny
.type probed_tiny, @function
probed_tiny:
    ret
.size probed_tiny, .-probed_tiny
.p2align 4
.globl call_with_everything
.type call_with_everything, @function
call_with_everything:         # rdi: where to store 18 words: 15 registers, flags, red zone, rsp's change
    pushq %rbx
    pushq %rbp
    pushq %r12
    pushq %r13
    pushq %r14
    pushq %r15
    pushq %rdi
    movq %rsp, %rbp
    subq $256, %rsp
    movq $0x5ed20e, -16(%rsp) # the callee's red zone is -8 from after the call
    movq $0x11, %rbx
    movq $0x12, %rcx
    movq $0x13, %rdx
    movq $0x14, %rsi
    movq $0x15, %rdi
    movq $0x16, %r8
    movq $0x17, %r9
    movq $0x18, %r10
    movq $0x19, %r11
    movq $0x1a, %r12
    movq $0x1b, %r13
    movq $0x1c, %r14
    movq $0x1d, %r15
    movq $-1, %rax
    addq $1, %rax             # CF, ZF, PF, AF
    movq $0x1e, %rax
    call probed_flags
    pushfq
    pushq %rax
    movq 256(%rsp), %rax
    movq (%rbp), %rax
    movq %rbx, 0(%rax)
    movq %rcx, 8(%rax)
    movq %rdx, 16(%rax)
    movq %rsi, 24(%rax)
    movq %rdi, 32(%rax)
    movq %r8, 40(%rax)
    movq %r9, 48(%rax)
    movq %r10, 56(%rax)
    movq %r11, 64(%rax)
    movq %r12, 72(%rax)
    movq %r13, 80(%rax)
    movq %r14, 88(%rax)
    movq %r15, 96(%rax)
    popq %rcx
    movq %rcx, 104(%rax)
    popq %rcx
    movq %rcx, 112(%rax)
    movq %rbp, %rcx
    subq %rsp, %rcx
    movq %rcx, 120(%rax)
    movq %rbp, %rsp
    popq %rdi
    popq %r15
    popq %r14
    popq %r13
    popq %r12
    popq %rbp
    popq %rbx
    ret
.size call_with_everything, .-call_with_everything
)");
extern "C" void call_with_everything(unsigned long*);
extern "C" long probed_loop(long);
extern "C" void probed_tiny();

namespace {

void values() {
  std::printf("%d\n", probed_add(2, 3));
  std::printf("%ld\n", probed_many(1, 2, 3, 4, 5, 6, 7, 8, 9));
  std::printf("%.17g\n", probed_float(1.5, 2.25f, 0.125));
  std::printf("%.17g\n", probed_variadic(10, 1.0, 2.0, 3.0, 4.0, 5.0, 6.0, 7.0, 8.0, 9.0, 10.5));
  Big big = probed_struct(7);
  for (long word : big.words) std::printf("%ld ", word);
  std::printf("\n%d\n", probed_fibonacci(15));
  std::printf("%d\n", probed_deep(2000));
  std::printf("%d\n", probed_tail(41));
  long rax;
  asm volatile("xorl %%eax, %%eax; call probed_loop"
               : "=a"(rax)
               : "D"(10L)
               : "rcx", "rdx", "rsi", "r8", "r9", "r10", "r11", "memory", "cc");
  std::printf("%ld\n", rax);
  for (int i = 0; i < 10; ++i) probed_tiny();
  unsigned long seen[16];
  call_with_everything(seen);
  for (unsigned long word : seen) std::printf("%lx ", word);
  std::printf("\n");
}

void exceptions() {
  int sum = 0, caught = 0;
  for (int i = 0; i < 300; ++i) {
    sum += probed_catch(i);
    try {
      sum += probed_rethrow(i);
    } catch (const std::exception& error) {
      caught += static_cast<int>(std::strlen(error.what()));
    }
  }
  std::printf("%d %d\n", sum, caught);
}

void jumps() {
  volatile int sum = 0;
  volatile int i = 0;
  for (; i < 1000;) {
    int got = setjmp(jump);
    if (got == 0)
      sum = sum + probed_above_jump(i);
    else
      sum = sum + 1000 * got;
    i = i + 1;
  }
  std::printf("%d\n", static_cast<int>(sum));
}

void backtraces() {
  for (int i = 0; i < 3; ++i) {
    int depth = probed_outer_backtrace();
    std::printf("%d\n", depth);
  }
  std::printf("%d\n", probed_add(1, 1));
}

ucontext_t main_context, coroutines[2];
char stacks[2][64 * 1024];
PROBED int probed_switch(int which) {
  swapcontext(&coroutines[which], &main_context);
  return which;
}
void coroutine(int which) {
  for (int i = 0; i < 100; ++i) {
    if (probed_switch(which) != which) std::abort();
    if (probed_add(i, which) != i + which) std::abort();
  }
}
void contexts() {
  for (int i = 0; i < 2; ++i) {
    getcontext(&coroutines[i]);
    coroutines[i].uc_stack.ss_sp = stacks[i];
    coroutines[i].uc_stack.ss_size = sizeof stacks[i];
    coroutines[i].uc_link = &main_context;
    makecontext(&coroutines[i], reinterpret_cast<void (*)()>(coroutine), 1, i);
  }
  for (int i = 0; i < 100; ++i)
    for (int which = 0; which < 2; ++which) swapcontext(&main_context, &coroutines[which]);
  std::printf("switched\n");
}

void threads() {
  std::atomic<long> sum{0};
  std::vector<std::thread> all;
  for (int t = 0; t < 8; ++t)
    all.emplace_back([&] {
      long mine = 0;
      for (int i = 0; i < 20000; ++i) mine += probed_add(i, 1) + probed_fibonacci(3);
      for (int i = 0; i < 50; ++i) mine += probed_catch(i);
      sum += mine;
    });
  for (auto& thread : all) thread.join();
  std::printf("%ld\n", sum.load());
}

void forks() {
  for (int i = 0; i < 20; ++i) {
    pid_t child = fork();
    if (child == 0) _exit(probed_add(i, probed_fibonacci(5)) & 0x7f);
    int status = 0;
    waitpid(child, &status, 0);
    std::printf("%d ", WEXITSTATUS(status));
  }
  std::printf("\n");
}

std::atomic<long> handled{0};
void on_alarm(int) { handled += probed_add(1, 0) + probed_fibonacci(4) - 3; }
void signals() {
  struct sigaction action = {};
  action.sa_handler = on_alarm;
  sigaction(SIGALRM, &action, nullptr);
  itimerval timer = {{0, 200}, {0, 200}};
  setitimer(ITIMER_REAL, &timer, nullptr);
  long sum = 0;
  for (int i = 0; i < 3000 || handled < 500; ++i) {
    if (probed_fibonacci(12) != 144 || probed_many(1, 1, 1, 1, 1, 1, 1, 1, 1) != 45) std::abort();
    if (i < 3000) sum += probed_catch(i);
  }
  timer = {};
  setitimer(ITIMER_REAL, &timer, nullptr);
  std::printf("%ld\n", sum);
}

sigjmp_buf from_handler;
void jump_out(int) { siglongjmp(from_handler, 1); }
void signal_jumps() {
  struct sigaction action = {};
  action.sa_handler = jump_out;
  action.sa_flags = SA_NODEFER;
  sigaction(SIGALRM, &action, nullptr);
  volatile int jumped = 0;
  volatile int round = 0;
  for (; round < 300;) {
    round = round + 1;
    if (sigsetjmp(from_handler, 1) == 0) {
      itimerval timer = {{0, 0}, {0, 100}};
      setitimer(ITIMER_REAL, &timer, nullptr);
      for (;;)
        if (probed_fibonacci(10) != 55) std::abort();
    }
    jumped = jumped + 1;
  }
  std::printf("%d %d\n", static_cast<int>(jumped), probed_fibonacci(10));
}

void* cancelled(void*) {
  for (;;) {
    probed_add(1, 2);
    pthread_testcancel();
  }
}
void* cancelled_in_probe(void*) {
  pthread_cleanup_push(
      reinterpret_cast<void (*)(void*)>(+[](void* n) { ++*static_cast<std::atomic<long>*>(n); }),
      &handled);
  for (;;) probed_deep(100), usleep(10);
  pthread_cleanup_pop(0);
}
void cancels() {
  for (int i = 0; i < 20; ++i) {
    pthread_t thread;
    pthread_create(&thread, nullptr, i % 2 != 0 ? cancelled : cancelled_in_probe, nullptr);
    usleep(1000);
    pthread_cancel(thread);
    void* result;
    pthread_join(thread, &result);
    if (result != PTHREAD_CANCELED) std::abort();
  }
  std::printf("cancelled\n");
}

void loads() {
  std::atomic<bool> stop{false};
  std::thread busy([&] {
    while (!stop) probed_add(1, 2);
  });
  unsigned long sum = 0;
  for (int i = 0; i < 200; ++i) {
    void* library = dlopen("libz.so.1", RTLD_NOW | RTLD_LOCAL);
    if (library == nullptr) std::abort();
    using Adler = unsigned long(unsigned long, const unsigned char*, unsigned);
    auto* adler = reinterpret_cast<Adler*>(dlsym(library, "adler32"));
    sum += adler(1, reinterpret_cast<const unsigned char*>(&i), sizeof i);
    if (dlclose(library) != 0) std::abort();
  }
  stop = true;
  busy.join();
  std::printf("%lu\n", sum);
}

// Runs long enough to be detached from in the middle: calls that are under way return afterwards.
PROBED int probed_slow(int depth) {
  if (depth == 0) {
    usleep(2000);
    return 0;
  }
  return 1 + probed_slow(depth - 1);
}
void lasting() {
  std::vector<std::thread> all;
  std::atomic<long> sum{0};
  for (int t = 0; t < 4; ++t)
    all.emplace_back([&, t] {
      timespec start, now;
      clock_gettime(CLOCK_MONOTONIC, &start);
      do {
        if (t % 2 != 0 && probed_slow(20) != 20) std::abort();
        for (int i = 0; i < 200; ++i)
          if (probed_fibonacci(8) != 21) std::abort();
        if (probed_catch(1) != -1) std::abort();
        clock_gettime(CLOCK_MONOTONIC, &now);
      } while ((now.tv_sec - start.tv_sec) * 1000 + (now.tv_nsec - start.tv_nsec) / 1000000 < 600);
      sum += 1;
    });
  for (auto& thread : all) thread.join();
  std::printf("%ld\n", sum.load());
}

}  // namespace

int main(int argc, char** argv) {
  struct {
    const char* name;
    void (*run)();
  } scenarios[] = {
      {"values", values},         {"exceptions", exceptions}, {"jumps", jumps},
      {"backtraces", backtraces}, {"contexts", contexts},     {"threads", threads},
      {"forks", forks},           {"signals", signals},       {"signal_jumps", signal_jumps},
      {"cancels", cancels},       {"loads", loads},           {"lasting", lasting}};
  std::setvbuf(stdout, nullptr, _IOLBF, 0);
  for (auto& scenario : scenarios)
    if (argc == 2 && std::strcmp(argv[1], scenario.name) == 0) return scenario.run(), 0;
  return 2;
}
