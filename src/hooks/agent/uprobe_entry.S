// Probes: the ways from probed code into the agent and back.
//
//   probed text ─jmp or int3─▶ trampoline (trampoline.h) ─call─▶ agent_uprobe ─▶ agent_on_uprobe
//        ▲                          │ displaced instructions         │ ret
//        └──────────────────────────┴────────────────────────────────┘
//   probed function ─ret─▶ agent_uretprobe ─▶ agent_on_uretprobe ─▶ the real return address
//
// On the agent's stack lies, from T_STACK_TOP down: the site's index, the address back into the
// trampoline (both unused in agent_uretprobe), then a struct pt_regs at T_STACK_TOP - U_FRAME. No flag
// changes before it is saved. Vector registers are neither saved nor used: agent and native code are
// compiled without them.
//
// Labels that uprobe.cc compares an interrupted rip with:
//   agent_uprobe     .. agent_uprobe_saved:     registers are the program's still
//   agent_uprobe_tail .. agent_uprobe_tail_end: the struct pt_regs is the program's state
// and the same of agent_uretprobe.
#include "hooks/agent/frame_offsets.h"
#include "hooks/agent/uprobe_offsets.h"


.macro save_registers
    leaq -16(%rsp), %rsp      // ss, rsp: filled in by C++
    pushfq
    leaq -144(%rsp), %rsp
    movq %r15, 0(%rsp)
    movq %r14, 8(%rsp)
    movq %r13, 16(%rsp)
    movq %r12, 24(%rsp)
    movq %rbp, 32(%rsp)
    movq %rbx, 40(%rsp)
    movq %r11, 48(%rsp)
    movq %r10, 56(%rsp)
    movq %r9, 64(%rsp)
    movq %r8, 72(%rsp)
    movq %rax, 80(%rsp)
    movq %rcx, 88(%rsp)
    movq %rdx, 96(%rsp)
    movq %rsi, 104(%rsp)
    movq %rdi, 112(%rsp)
.endm

// C++ keeps the others, and nothing changes the struct.
.macro restore_registers
    movq 48(%rsp), %r11
    movq 56(%rsp), %r10
    movq 64(%rsp), %r9
    movq 72(%rsp), %r8
    movq 80(%rsp), %rax
    movq 88(%rsp), %rcx
    movq 96(%rsp), %rdx
    movq 104(%rsp), %rsi
    movq 112(%rsp), %rdi
    leaq 144(%rsp), %rsp
    popfq
.endm

#include "hooks/agent/take_mask_back.inc"

.text
.globl agent_uprobe, agent_uprobe_saved, agent_uprobe_tail, agent_uprobe_tail_end
.p2align 6
.type agent_uprobe, @function
agent_uprobe:
    save_registers
agent_uprobe_saved:
    cld
    movq %rsp, %rdi
    movl 176(%rsp), %esi      // the index that the trampoline pushed
    subq $8, %rsp             // 16-byte aligned calls
    call agent_on_uprobe
agent_uprobe_tail:
    addq $8, %rsp
    cmpl $0, %gs:T_MASKED
    jne 2f
1:  restore_registers
    leaq 16(%rsp), %rsp
    ret
2:  take_mask_back
    jmp 1b
agent_uprobe_tail_end:

.globl agent_uretprobe, agent_uretprobe_saved, agent_uretprobe_tail, agent_uretprobe_tail_end
.p2align 6
.type agent_uretprobe, @function
agent_uretprobe:
    movq %rsp, %gs:U_RSP
    movq %gs:T_STACK_TOP, %rsp
    leaq -16(%rsp), %rsp      // where a trampoline has its index and return address
    save_registers
agent_uretprobe_saved:
    cld
    movq %rsp, %rdi
    subq $8, %rsp
    call agent_on_uretprobe
agent_uretprobe_tail:
    addq $8, %rsp
    cmpl $0, %gs:T_MASKED
    jne 2f
1:  restore_registers
    movq %gs:U_RSP, %rsp
    jmpq *%gs:U_RESUME
2:  take_mask_back
    jmp 1b
agent_uretprobe_tail_end:
    nop

.section .note.GNU-stack,"",@progbits
