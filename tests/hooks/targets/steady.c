// Answers each line on stdin with "<number of calls so far> <line>" and makes system calls of many kinds meanwhile; a second
// thread does nothing but wait in the kernel, a third spins.
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

static atomic_long spins;
static int ends[2];
static int wrong;
static void on_usr1(int signal) { (void)signal; }

static void* wait_in_the_kernel(void* unused) {
  char c;
  // Neither may see an interruption that was not the program's own.
  for (;;) {
    struct pollfd entry = {.fd = ends[0], .events = POLLIN};
    int ready = poll(&entry, 1, -1);
    if (ready != 1) {
      wrong++;
      continue;
    }
    if (read(ends[0], &c, 1) != 1) wrong++;
    if (c == 'q') return unused;
  }
}
static void* spin(void* unused) {
  (void)unused;
  for (;;) spins++;
}

int main(void) {
  setvbuf(stdout, NULL, _IOLBF, 0);
  signal(SIGUSR1, on_usr1);
  if (pipe(ends) != 0) return 1;
  pthread_t waiter, spinner;
  pthread_create(&waiter, NULL, wait_in_the_kernel, NULL);
  pthread_create(&spinner, NULL, spin, NULL);
  char line[128];
  long calls = 0;
  while (fgets(line, sizeof line, stdin) != NULL) {
    long before = spins;
    for (int i = 0; i < 100; ++i) {
      char c = 'x';
      calls += getppid() > 0;
      calls += syscall(SYS_getuid) >= 0;
      calls += write(ends[1], &c, 1) == 1;
    }
    raise(SIGUSR1);
    while (spins == before) {}
    printf("%ld %d %s", calls, wrong, line);
  }
  char quit = 'q';
  if (write(ends[1], &quit, 1) != 1) return 1;
  pthread_join(waiter, NULL);
  return wrong == 0 ? 9 : 1;
}
