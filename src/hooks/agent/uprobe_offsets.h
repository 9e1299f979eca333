// Where uprobe_entry.S and trampolines keep a thread's two words, in Thread::uprobe; uprobe.cc asserts them.
#pragma once
#define U_RSP 48    /* the program's stack pointer while the agent's is in use */
#define U_RESUME 56 /* where the program goes on */
