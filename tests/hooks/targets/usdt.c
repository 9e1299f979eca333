// A USDT probe behind a semaphore, hit three times: in the executable, or,
// with a path as argument, in the library that is this file again. Prints what the semaphore was, and what it is after.
#include <dlfcn.h>
#include <stdint.h>
#include <stdio.h>

#include "../../support/usdt_probe.h"

uint16_t skep_semaphore __attribute__((section(".probes"), used, visibility("hidden")));

__attribute__((noinline)) int fire_all(void) {
  int hits = 0;
  for (int i = 1; i <= 3; ++i) {
    // Only a traced process makes the arguments.
    if (*(volatile uint16_t*)&skep_semaphore == 0) continue;
    long second = 1000L * i;
    SKEP_USDT_PROBE(skep_semaphore, i, second);
    ++hits;
  }
  printf("semaphore %d, %d hits\n", skep_semaphore, hits);
  return hits;
}

__attribute__((noinline)) int multi_first(int x) {
  __asm__ volatile("" : "+r"(x));
  return x + 1;
}
__attribute__((noinline)) int multi_second(int x) {
  __asm__ volatile("" : "+r"(x));
  return x + 2;
}

#ifndef LIBRARY
int main(int argc, char** argv) {
  int (*fire)(void) = fire_all;
  if (argc > 1) {
    void* library = dlopen(argv[1], RTLD_NOW);
    fire = library == NULL ? NULL : (int (*)(void))dlsym(library, "fire_all");
  }
  if (fire == NULL) return 1;
  fire();
  for (int i = 0; i < 5; ++i) multi_second(multi_first(i));
  return 0;
}
#endif
