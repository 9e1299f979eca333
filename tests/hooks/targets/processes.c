// Processes of every kind of birth, and what becomes of them.
#define _GNU_SOURCE
#include <errno.h>
#include <linux/sched.h>
#include <sched.h>
#include <signal.h>
#include <spawn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

extern char** environ;
static volatile sig_atomic_t children;
static void on_child(int signal) {
  (void)signal;
  ++children;
}
static int status_of(pid_t pid) {
  int status = -1;
  while (waitpid(pid, &status, 0) < 0 && errno == EINTR) {
  }
  return status;
}
static char stack[65536];
static int on_own_stack(void* argument) {
  if (getppid() <= 0) return 1;
  return *(int*)argument;
}

int main(int argc, char** argv) {
  if (argc > 1) {
    printf("child %s, parent known: %d\n", argv[1], getppid() > 0);
    return atoi(argv[1]);
  }
  setvbuf(stdout, NULL, _IOLBF, 0);
  signal(SIGCHLD, on_child);
  pid_t pid = fork();
  if (pid == 0) _exit(getpid() == (pid_t)syscall(SYS_gettid) ? 11 : 12);
  printf("fork: %x\n", status_of(pid));

  int shared = 1;
  volatile int in_child = 0;
  pid = vfork();
  if (pid == 0) {
    in_child = 5;
    _exit(13 + shared);
  }
  printf("vfork: %x, memory shared: %d\n", status_of(pid), in_child);
  pid = vfork();
  if (pid == 0) {
    execl("/proc/self/exe", argv[0], "21", (char*)NULL);
    _exit(1);
  }
  printf("vfork and exec: %x\n", status_of(pid));
  pid = vfork();
  if (pid == 0) {
    execl("/nonexistent", "x", (char*)NULL);
    _exit(errno == ENOENT ? 22 : 1);
  }
  printf("vfork and failing exec: %x\n", status_of(pid));

  char* arguments[] = {argv[0], "23", NULL};
  posix_spawnattr_t attributes;
  posix_spawnattr_init(&attributes);
  sigset_t set;
  sigfillset(&set);
  posix_spawnattr_setsigdefault(&attributes, &set);
  sigemptyset(&set);
  posix_spawnattr_setsigmask(&attributes, &set);
  posix_spawnattr_setflags(&attributes, POSIX_SPAWN_SETSIGDEF | POSIX_SPAWN_SETSIGMASK);
  int code = posix_spawn(&pid, "/proc/self/exe", NULL, &attributes, arguments, environ);
  printf("posix_spawn: %d %x\n", code, status_of(pid));
  code = posix_spawn(&pid, "/nonexistent", NULL, NULL, arguments, environ);
  printf("posix_spawn of nothing: %d\n", code == ENOENT);
  struct sigaction now;
  sigaction(SIGCHLD, NULL, &now);
  printf("our handler is still ours: %d\n", now.sa_handler == on_child);

  fflush(stdout);
  printf("system: %x\n", system("echo in a shell; exit 7"));
  FILE* pipe = popen("echo piped | tr a-z A-Z", "r");
  char line[64] = "";
  if (fgets(line, sizeof line, pipe) == NULL) return 1;
  printf("popen: %s", line);
  pclose(pipe);

  int argument = 31;
  pid = clone(on_own_stack, stack + sizeof stack, SIGCHLD, &argument);
  printf("clone with a stack: %x\n", status_of(pid));
  pid = clone(on_own_stack, stack + sizeof stack, CLONE_VM | CLONE_VFORK | SIGCHLD, &argument);
  printf("clone sharing memory: %x\n", status_of(pid));
  struct clone_args args;
  memset(&args, 0, sizeof args);
  args.exit_signal = SIGCHLD;
  pid = (pid_t)syscall(SYS_clone3, &args, sizeof args);
  if (pid == 0) _exit(33);
  printf("clone3: %x\n", status_of(pid));

  pid = fork();
  if (pid == 0) {
    raise(SIGKILL);
    _exit(1);
  }
  printf("killed: %x\n", status_of(pid));
  pid = fork();
  if (pid == 0) abort();
  printf("aborted: %x\n", status_of(pid) & 0x7f);
  pid = fork();
  if (pid == 0) {
    signal(SIGSEGV, SIG_DFL);
    *(volatile int*)8 = 0;
  }
  printf("segmentation fault: %x\n", status_of(pid) & 0x7f);
  pid = fork();
  if (pid == 0) __asm__ volatile("int3");
  printf("breakpoint: %x\n", status_of(pid) & 0x7f);
  pid = fork();
  if (pid == 0) {
    raise(SIGSYS);
    _exit(1);
  }
  printf("SIGSYS: %x\n", status_of(pid) & 0x7f);

  int bad = 0;
  for (int i = 0; i < 200; ++i) {
    pid = fork();
    if (pid == 0) {
      pid_t grandchild = fork();
      if (grandchild == 0) _exit(3);
      _exit(status_of(grandchild) == 0x300 ? 4 : 5);
    }
    bad += status_of(pid) != 0x400;
  }
  printf("two hundred families, bad ones: %d\n", bad);
  pid_t many[50];
  for (int i = 0; i < 50; ++i) {
    many[i] = fork();
    if (many[i] == 0) {
      for (int n = 0; n < 100; ++n) getppid();
      _exit(i);
    }
  }
  for (int i = 0; i < 50; ++i) bad += status_of(many[i]) != i << 8;
  printf("fifty at once, bad ones: %d; SIGCHLD came: %d\n", bad, children > 0);
  return 0;
}
