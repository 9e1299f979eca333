// Threads that begin, end, are cancelled and signal each other while they make system calls.
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <sched.h>
#include <semaphore.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <unistd.h>

static atomic_long calls, wrong, handled;
static atomic_int started;
static void wait_for_start(void) {
  while (!started) sched_yield();
  started = 0;
}
static __thread int local = 7;

static void on_signal(int signal) {
  (void)signal;
  handled++;
}
static void* storm(void* raw) {
  long count = (long)raw;
  int zero = open("/dev/zero", O_RDONLY);
  for (long i = 0; i < count; ++i) {
    char buffer[64];
    memset(buffer, 1, sizeof buffer);
    ssize_t got = read(zero, buffer, sizeof buffer);
    if (got != sizeof buffer || buffer[63] != 0) wrong++;
    if (syscall(SYS_gettid) != gettid()) wrong++;
    calls++;
    local++;
  }
  close(zero);
  return (void*)(long)local;
}
static void cleanup(void* raw) { *(int*)raw = 1; }
static int cleaned;
static void* wait_forever(void* raw) {
  int fd = *(int*)raw;
  char c;
  pthread_cleanup_push(cleanup, &cleaned);
  started = 1;
  while (read(fd, &c, 1) >= 0 || errno == EINTR) {
  }
  pthread_cleanup_pop(0);
  return NULL;
}
static void* spin_forever(void* raw) {
  (void)raw;
  pthread_setcanceltype(PTHREAD_CANCEL_ASYNCHRONOUS, NULL);
  started = 1;
  for (;;) syscall(SYS_getppid);
}
static void* echo(void* raw) {
  int fd = *(int*)raw;
  char buffer[256];
  ssize_t got;
  while ((got = read(fd, buffer, sizeof buffer)) > 0) {
    if (write(fd, buffer, (size_t)got) != got) break;
  }
  return NULL;
}

int main(void) {
  pthread_t threads[16];
  for (int round = 0; round < 20; ++round) {
    for (int i = 0; i < 16; ++i) pthread_create(&threads[i], NULL, storm, (void*)200L);
    for (int i = 0; i < 16; ++i) {
      void* result;
      pthread_join(threads[i], &result);
      if ((long)result != 207) wrong++;
    }
  }
  printf("storm: %ld calls, %ld wrong\n", (long)calls, (long)wrong);

  int ends[2];
  if (pipe(ends) != 0) return 1;
  pthread_t waiter;
  pthread_create(&waiter, NULL, wait_forever, &ends[0]);
  wait_for_start();
  pthread_cancel(waiter);
  void* result;
  pthread_join(waiter, &result);
  printf("cancelled in read: %d, cleaned up: %d\n", result == PTHREAD_CANCELED, cleaned);
  pthread_create(&waiter, NULL, spin_forever, NULL);
  wait_for_start();
  pthread_cancel(waiter);
  pthread_join(waiter, &result);
  printf("cancelled asynchronously: %d\n", result == PTHREAD_CANCELED);

  struct sigaction action;
  memset(&action, 0, sizeof action);
  action.sa_handler = on_signal;
  action.sa_flags = SA_RESTART;
  sigaction(SIGUSR1, &action, NULL);
  for (int i = 0; i < 4; ++i) pthread_create(&threads[i], NULL, storm, (void*)20000L);
  for (int i = 0; i < 400; ++i) {
    pthread_kill(threads[i % 4], SIGUSR1);
    usleep(50);
  }
  for (int i = 0; i < 4; ++i) pthread_join(threads[i], NULL);
  printf("signalled: %s, %ld wrong\n", handled > 0 ? "yes" : "no", (long)wrong);

  int pairs[8][2];
  for (int i = 0; i < 8; ++i) {
    socketpair(AF_UNIX, SOCK_STREAM, 0, pairs[i]);
    pthread_create(&threads[i], NULL, echo, &pairs[i][1]);
  }
  long echoed = 0;
  for (int round = 0; round < 500; ++round) {
    for (int i = 0; i < 8; ++i) {
      char text[32];
      int size = snprintf(text, sizeof text, "%d:%d", round, i);
      if (write(pairs[i][0], text, (size_t)size) != size) return 1;
      char back[32] = "";
      if (read(pairs[i][0], back, sizeof back) == size && memcmp(text, back, (size_t)size) == 0)
        ++echoed;
    }
  }
  for (int i = 0; i < 8; ++i) {
    close(pairs[i][0]);
    pthread_join(threads[i], NULL);
  }
  printf("echoed: %ld\n", echoed);
  return 0;
}
