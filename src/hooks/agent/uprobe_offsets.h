// Where uprobe_entry.S and trampolines keep a thread's two words (uprobe.cc asserts them against Thread),
// and where its saved registers lie.
#pragma once
#define U_RSP 48 /* Thread::uprobe_rsp: the program's stack pointer while the agent's is in use */
#define U_RESUME 56 /* Thread::uprobe_resume: where the program goes on */
#define U_FRAME 184 /* T_STACK_TOP - U_FRAME: struct pt_regs */
