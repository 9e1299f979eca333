// A USDT probe "skep:probe" with two arguments, an int and a long, and a semaphore, as <sys/sdt.h> would make it; in C
// and C++. `semaphore` is the name of a uint16_t in section ".probes" as the linker knows it.
#pragma once

#define SKEP_USDT_PROBE(semaphore, first, second)                             \
  __asm__ volatile(                                                           \
      "990: nop\n"                                                            \
      ".pushsection .note.stapsdt,\"?\",\"note\"\n"                           \
      ".balign 4\n"                                                           \
      ".4byte 992f-991f, 994f-993f, 3\n"                                      \
      "991: .asciz \"stapsdt\"\n"                                             \
      "992: .balign 4\n"                                                      \
      "993: .8byte 990b\n"                                                    \
      ".8byte _.stapsdt.base\n"                                               \
      ".8byte " #semaphore                                                    \
      "\n"                                                                    \
      ".asciz \"skep\"\n"                                                     \
      ".asciz \"probe\"\n"                                                    \
      ".asciz \"-4@%0 8@%1\"\n"                                               \
      "994: .balign 4\n"                                                      \
      ".popsection\n"                                                         \
      ".ifndef _.stapsdt.base\n"                                              \
      ".pushsection .stapsdt.base,\"aG\",\"progbits\",.stapsdt.base,comdat\n" \
      ".weak _.stapsdt.base\n"                                                \
      ".hidden _.stapsdt.base\n"                                              \
      "_.stapsdt.base: .space 1\n"                                            \
      ".size _.stapsdt.base,1\n"                                              \
      ".popsection\n"                                                         \
      ".endif\n"                                                              \
      :                                                                       \
      : "r"(first), "r"(second))
