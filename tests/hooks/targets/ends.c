// ends HOW: ends by exit status, signal, or from another thread.
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
static void* other(void* raw) { exit(*(int*)raw); }
int main(int argc, char** argv) {
  const char* how = argc > 1 ? argv[1] : "0";
  if (strcmp(how, "segv") == 0) *(volatile int*)8 = 1;
  if (strcmp(how, "trap") == 0) __asm__ volatile("int3");
  if (strcmp(how, "ill") == 0) __asm__ volatile("ud2");
  if (strcmp(how, "abort") == 0) abort();
  if (strcmp(how, "kill") == 0) kill(getpid(), SIGKILL);
  if (strcmp(how, "term") == 0) raise(SIGTERM);
  if (strcmp(how, "sys") == 0) raise(SIGSYS);
  if (strcmp(how, "fpe") == 0) {
    volatile int zero = 0;
    return 1 / zero;
  }
  if (strcmp(how, "thread") == 0) {
    int status = 42;
    pthread_t thread;
    pthread_create(&thread, NULL, other, &status);
    for (;;) pause();
  }
  if (strcmp(how, "main-exits") == 0) {
    pthread_exit(NULL);
  }
  return atoi(how);
}
