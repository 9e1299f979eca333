// What a system call must keep: registers, flags, red zone, vector state; from code of every kind.
#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <unistd.h>

static uint64_t before[16], after[16];
static uint64_t vectors_before[32][4], vectors_after[32][4];

// All general registers but rsp, rax, rcx, r11 hold known values around the call, and 16 ymm (or xmm) registers too.
static void around(long nr) {
  for (int i = 0; i < 16; ++i) before[i] = 0x1111111111111111u * (unsigned)i + 5;
  memset(after, 0, sizeof after);
  for (int i = 0; i < 16; ++i)
    for (int j = 0; j < 4; ++j)
      vectors_before[i][j] = 0x9e3779b97f4a7c15u * (unsigned)(i * 4 + j + 1);
  __asm__ volatile(
      "pushq %%rbx; pushq %%rbp\n\t"
      "movq %[nr], %%rax\n\t"
      "leaq before(%%rip), %%r15\n\t"
      "movups vectors_before(%%rip), %%xmm0\n\tmovups 32+vectors_before(%%rip), %%xmm1\n\t"
      "movups 224+vectors_before(%%rip), %%xmm7\n\tmovups 480+vectors_before(%%rip), %%xmm15\n\t"
      "movq 8(%%r15), %%rbx; movq 16(%%r15), %%rdx; movq 24(%%r15), %%rsi; movq 32(%%r15), "
      "%%rdi\n\t"
      "movq 40(%%r15), %%rbp; movq 48(%%r15), %%r8; movq 56(%%r15), %%r9; movq 64(%%r15), %%r10\n\t"
      "movq 72(%%r15), %%r12; movq 80(%%r15), %%r13; movq 88(%%r15), %%r14\n\t"
      "movq 96(%%r15), %%r15\n\t"
      "movq %%r12, -8(%%rsp); movq %%r13, -128(%%rsp)\n\t"
      "stc\n\t"
      "syscall\n\t"
      "setc after+112(%%rip)\n\t"
      "movq %%rax, after(%%rip); movq %%rbx, 8+after(%%rip); movq %%rdx, 16+after(%%rip)\n\t"
      "movq %%rsi, 24+after(%%rip); movq %%rdi, 32+after(%%rip); movq %%rbp, 40+after(%%rip)\n\t"
      "movq %%r8, 48+after(%%rip); movq %%r9, 56+after(%%rip); movq %%r10, 64+after(%%rip)\n\t"
      "movq %%r12, 72+after(%%rip); movq %%r13, 80+after(%%rip); movq %%r14, 88+after(%%rip)\n\t"
      "movq %%r15, 96+after(%%rip)\n\t"
      "movq -8(%%rsp), %%rax; cmpq %%r12, %%rax; sete after+104(%%rip)\n\t"
      "movq -128(%%rsp), %%rax; cmpq %%r13, %%rax; sete after+105(%%rip)\n\t"
      "movups %%xmm0, vectors_after(%%rip); movups %%xmm1, 32+vectors_after(%%rip)\n\t"
      "movups %%xmm7, 224+vectors_after(%%rip); movups %%xmm15, 480+vectors_after(%%rip)\n\t"
      "popq %%rbp; popq %%rbx\n\t"
      :
      : [nr] "r"(nr)
      : "rax", "rcx", "rdx", "rsi", "rdi", "r8", "r9", "r10", "r11", "r12", "r13", "r14", "r15",
        "xmm0", "xmm1", "xmm7", "xmm15", "memory", "cc");
}
static int kept(void) {
  int good = memcmp(&before[1], &after[1], 12 * 8) == 0;
  good &= ((uint8_t*)after)[104] == 1 && ((uint8_t*)after)[105] == 1 && ((uint8_t*)after)[112] == 1;
  const int checked[] = {0, 1, 7, 15};
  for (int i = 0; i < 4; ++i)
    good &= memcmp(vectors_before[checked[i]], vectors_after[checked[i]], 16) == 0;
  return good;
}

int main(void) {
  int bad = 0;
  for (int i = 0; i < 50; ++i) {
    around(SYS_getppid);
    bad += !kept() || (long)after[0] != getppid();
  }
  printf("registers, flags, red zone and vectors changed: %d\n", bad);
  bad = 0;
  for (int i = 0; i < 50; ++i) {
    around(100000);
    bad += !kept() || (long)after[0] != -ENOSYS;
  }
  printf("a number that is none: %d\n", bad);

  // Code that the program makes itself.
  uint8_t* code =
      mmap(NULL, 4096, PROT_READ | PROT_WRITE | PROT_EXEC, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  const uint8_t made[] = {0xb8, SYS_getuid, 0, 0, 0, 0x0f, 0x05, 0xc3};
  memcpy(code, made, sizeof made);
  long (*call)(void) = (long (*)(void))code;
  bad = 0;
  for (int i = 0; i < 200; ++i) bad += call() != (long)getuid();
  printf("system calls in made code: %d wrong, code unchanged: %d\n", bad,
         memcmp(code, made, sizeof made) == 0);
  munmap(code, 4096);

  void* late = dlopen("libutil.so.1", RTLD_NOW);
  void* late2 = dlopen("librt.so.1", RTLD_NOW | RTLD_LOCAL);
  printf("late libraries: %d %d\n", late != NULL, late2 != NULL);
  int pipe_ends[2];
  if (pipe(pipe_ends) != 0) return 1;
  long sum = 0;
  for (int i = 0; i < 3000; ++i) {
    char c = (char)i;
    if (write(pipe_ends[1], &c, 1) != 1 || read(pipe_ends[0], &c, 1) != 1) return 1;
    sum += c;
  }
  printf("through a pipe: %ld\n", sum);
  errno = 0;
  long result = syscall(SYS_close, 12345);
  printf("errno: %ld %d\n", result, errno == EBADF);
  return 0;
}
