// A USDT probe "skep:probe" behind a semaphore, as <sys/sdt.h> would make it, hit three times: in the executable, or,
// with a path as argument, in the library that is this file again. Prints what the semaphore was, and what it is after.
#include <dlfcn.h>
#include <stdint.h>
#include <stdio.h>

uint16_t skep_semaphore __attribute__((section(".probes"), used, visibility("hidden")));

__attribute__((noinline)) int fire_all(void) {
  int hits = 0;
  for (int i = 1; i <= 3; ++i) {
    // Only a traced process makes the arguments.
    if (*(volatile uint16_t*)&skep_semaphore == 0) continue;
    long second = 1000L * i;
    __asm__ volatile(
        "990: nop\n"
        ".pushsection .note.stapsdt,\"?\",\"note\"\n"
        ".balign 4\n"
        ".4byte 992f-991f, 994f-993f, 3\n"
        "991: .asciz \"stapsdt\"\n"
        "992: .balign 4\n"
        "993: .8byte 990b\n"
        ".8byte _.stapsdt.base\n"
        ".8byte skep_semaphore\n"
        ".asciz \"skep\"\n"
        ".asciz \"probe\"\n"
        ".asciz \"-4@%0 8@%1\"\n"
        "994: .balign 4\n"
        ".popsection\n"
        ".ifndef _.stapsdt.base\n"
        ".pushsection .stapsdt.base,\"aG\",\"progbits\",.stapsdt.base,comdat\n"
        ".weak _.stapsdt.base\n"
        ".hidden _.stapsdt.base\n"
        "_.stapsdt.base: .space 1\n"
        ".size _.stapsdt.base,1\n"
        ".popsection\n"
        ".endif\n"
        :
        : "r"(i), "r"(second));
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
