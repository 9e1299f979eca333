// The ways from the program into the agent and back. See thread.h for the whole picture.
//
// agent_entry is where every caught system call goes: from a patched site's stub, or from the SIGSYS handler, which
// resumes the interrupted thread here. On entry all registers are the program's, but rcx = the address after its
// `syscall` instruction (what the kernel would leave there) and r11, which the instruction clobbers anyway.
// Nothing is written to the program's stack, ever: goroutines and coroutines have no room to spare.
//
// Labels that signals.cc compares an interrupted rip with:
//   agent_restore       .. agent_restore_arguments, agent_choose .. agent_plain_restore: eax says what comes; where that
//                       is a call, it has not been made
//   agent_restore_arguments .. agent_call (the syscall instruction of an observed call),
//   agent_plain_restore .. agent_plain_call (that of an unobserved one): the call has not been made
//   agent_plain_after   .. agent_plain_end: it has; all registers but rcx and r11 are the program's
//   agent_tail          .. agent_tail_end: the frame is complete; the program's state is the frame's
//   agent_sigreturn     .. agent_sigreturn_end: about to leave by rt_sigreturn
#include "hooks/agent/frame_offsets.h"
#include "hooks/agent/take_mask_back.inc"

#define NR_rt_sigreturn 15

.macro restore_flags          // from the frame; clobbers rax
    movl %gs:F_FLAGS, %eax
    addb $0x7f, %al           // OF from the saved 0 or 1
    sahf
.endm
.macro restore_arguments
    movq %gs:F_RDI, %rdi
    movq %gs:F_RSI, %rsi
    movq %gs:F_RDX, %rdx
    movq %gs:F_R10, %r10
    movq %gs:F_R8, %r8
    movq %gs:F_R9, %r9
.endm

.text
.globl agent_entry, agent_restore, agent_restore_arguments, agent_choose, agent_plain_end, agent_plain_restore, agent_plain_call, agent_plain_after, agent_call, agent_after
.globl agent_abort, agent_tail, agent_tail_end, agent_sigreturn, agent_sigreturn_end, agent_restorer
.globl agent_clone_child, agent_clone_call

.p2align 6
.type agent_entry, @function
agent_entry:
    movq %rax, %gs:F_NR
    lahf
    seto %al
    movl %eax, %gs:F_FLAGS
    movq %rcx, %gs:F_RIP
    movq %rsp, %gs:F_RSP
    movq %rdi, %gs:F_RDI
    movq %rsi, %gs:F_RSI
    movq %rdx, %gs:F_RDX
    movq %r10, %gs:F_R10
    movq %r8, %gs:F_R8
    movq %r9, %gs:F_R9
    movq %rbx, %gs:F_RBX
    movq %rbp, %gs:F_RBP
    movq %r12, %gs:F_R12
    movq %r13, %gs:F_R13
    movq %r14, %gs:F_R14
    movq %r15, %gs:F_R15
    movq %gs:T_STACK_TOP, %rsp
    movq %gs:T_SELF, %rdi
    cld
    call agent_on_enter
agent_restore:
    cmpl $0, %gs:T_MASKED     // a signal was put off meanwhile; a blocking call would wait with all blocked
    jne 4f
0:  cmpl $ENTER_OBSERVED, %eax
    jne 1f
agent_restore_arguments:
    restore_arguments
    movq %gs:F_RSP, %rsp
    movq %gs:F_NR, %rax
agent_call:
    syscall
agent_after:
    movq %rax, %gs:F_RAX
    movq %gs:T_STACK_TOP, %rsp
    movq %gs:T_SELF, %rdi
    call agent_on_exit
    jmp agent_tail
agent_choose:
1:  cmpl $ENTER_PLAIN, %eax
    jne 2f
agent_plain_restore:
    restore_flags
    restore_arguments
    movq %gs:F_RSP, %rsp
    movq %gs:F_NR, %rax
agent_plain_call:
    syscall
agent_plain_after:
    movq %gs:F_RIP, %rcx
    jmp *%rcx
agent_plain_end:

4:  cmpl $ENTER_OBSERVED, %eax
    jbe agent_abort
2:  cmpl $ENTER_DONE, %eax
    je agent_tail
    cmpl $ENTER_CLONE, %eax
    je agent_clone
    cmpl $ENTER_SIGRETURN, %eax
    je agent_sigreturn

// ENTER_ABORT, and where signals.cc sends a call that a signal cut off before it was made (or that must be
// made again): tells the exit programs, and leaves to the program's syscall instruction.
agent_abort:
    movq %gs:T_STACK_TOP, %rsp
    movq %gs:T_SELF, %rdi
    call agent_on_abort

agent_tail:
    cmpl $0, %gs:T_MASKED
    jne 3f
agent_tail_restore:
    movq %gs:F_RBX, %rbx
    movq %gs:F_RBP, %rbp
    movq %gs:F_R12, %r12
    movq %gs:F_R13, %r13
    movq %gs:F_R14, %r14
    movq %gs:F_R15, %r15
    restore_flags
    restore_arguments
    movq %gs:F_RSP, %rsp
    movq %gs:F_RIP, %rcx
    movq %gs:F_RAX, %rax
    jmp *%rcx
3:  take_mask_back            // the program seems to be at F_RIP
    jmp agent_tail_restore
agent_tail_end:

// All signals are blocked here (process.cc). The child is told its record by r9, which no clone call uses.
agent_clone:
    restore_arguments
    movq %gs:T_NEXT_CHILD, %r9
    movq %gs:F_NR, %rax
    movq %gs:F_RSP, %rsp
agent_clone_call:
    syscall
    testq %rax, %rax
    jz agent_clone_child
    movq %rax, %gs:F_RAX
    movq %gs:T_STACK_TOP, %rsp
    movq %gs:T_SELF, %rdi
    call agent_on_cloned
    jmp agent_tail
agent_clone_child:
    movq %r9, %rdi
    movq T_STACK_TOP(%r9), %rsp
    call agent_on_child
    jmp agent_tail

agent_sigreturn:
    movl $0, %gs:T_MASKED
    movq %gs:T_SIGFRAME, %rsp
    movl $NR_rt_sigreturn, %eax
    syscall
agent_sigreturn_end:
    ud2

// The sa_restorer of the agent's own handlers.
.p2align 4
agent_restorer:
    movl $NR_rt_sigreturn, %eax
    syscall
    ud2

// Entered by the injected bootstrap: rdi = AgentInit. Returns 0 or -errno.
.globl agent_start
.type agent_start, @function
agent_start:
    pushq %rbp
    movq %rsp, %rbp
    andq $-16, %rsp
    call agent_init
    movq %rbp, %rsp
    popq %rbp
    ret

// size_t agent_safe_copy(void* to, const void* from, size_t size): copies; returns the bytes left when a fault came (0: all).
// Between agent_copy_begin and _end a fault resumes at agent_copy_fault.
.globl agent_safe_copy, agent_copy_begin, agent_copy_end, agent_copy_fault
.p2align 4
.type agent_safe_copy, @function
agent_safe_copy:
    movq %rdx, %rcx
agent_copy_begin:
    cmpq $8, %rcx
    jb 2f
1:  movq (%rsi), %rax
    movq %rax, (%rdi)
    addq $8, %rsi
    addq $8, %rdi
    subq $8, %rcx
    cmpq $8, %rcx
    jae 1b
2:  testq %rcx, %rcx
    jz 4f
3:  movb (%rsi), %al
    movb %al, (%rdi)
    incq %rsi
    incq %rdi
    decq %rcx
    jnz 3b
agent_copy_end:
4:  xorl %eax, %eax
    ret
agent_copy_fault:   // a word that lies half in an unmapped page is tried again by bytes
    cmpq $8, %rcx
    jae 5f
    movq %rcx, %rax
    ret
5:  movq %rcx, %rdx
agent_copy_tail_begin:
6:  movb (%rsi), %al
    movb %al, (%rdi)
    incq %rsi
    incq %rdi
    decq %rdx
    jnz 6b
agent_copy_tail_end:
    xorl %eax, %eax
    ret
.globl agent_copy_tail_begin, agent_copy_tail_end, agent_copy_tail_fault
agent_copy_tail_fault:
    movq %rdx, %rax
    ret

// int64_t agent_safe_string(void* to, const void* from, size_t size): copies to and with the NUL; returns bytes written
// (with the NUL), or size + 1 where none was within `size`, or -1 on a fault.
.globl agent_safe_string, agent_string_begin, agent_string_end, agent_string_fault
.p2align 4
.type agent_safe_string, @function
agent_safe_string:
    xorl %ecx, %ecx
agent_string_begin:
1:  cmpq %rdx, %rcx
    jae 2f
    movb (%rsi,%rcx), %al
    movb %al, (%rdi,%rcx)
    incq %rcx
    testb %al, %al
    jnz 1b
agent_string_end:
    movq %rcx, %rax
    ret
2:  leaq 1(%rdx), %rax
    ret
agent_string_fault:
    movq $-1, %rax
    ret

.section .note.GNU-stack,"",@progbits
