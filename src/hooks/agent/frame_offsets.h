// Offsets into Thread that entry.S uses; thread.h asserts them.
#pragma once
#define T_SELF 0
#define T_STACK_TOP 8
#define T_MASKED 16
#define T_HELD 20
#define T_NEXT_CHILD 24
#define T_SAVED_MASK 32
#define T_SIGFRAME 40
#define T_PID 200
#define T_TID 204
#define T_HELD_INFO 208
#define F_NR 64
#define F_RAX 72
#define F_RDI 80
#define F_RSI 88
#define F_RDX 96
#define F_R10 104
#define F_R8 112
#define F_R9 120
#define F_RBX 128
#define F_RBP 136
#define F_R12 144
#define F_R13 152
#define F_R14 160
#define F_R15 168
#define F_RSP 176
#define F_RIP 184
#define F_FLAGS 192

// What agent_on_enter returns.
#define ENTER_PLAIN 0    /* make the call, nothing after it */
#define ENTER_OBSERVED 1 /* make the call, then agent_on_exit */
#define ENTER_DONE 2     /* the result is in the frame */
/* a signal came first: back to the program, which will make the call again */
#define ENTER_ABORT 3
#define ENTER_CLONE 4     /* a new thread or process: Thread::next_child */
#define ENTER_SIGRETURN 5 /* rt_sigreturn from Thread::sigframe */
