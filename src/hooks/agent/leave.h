// Leaving a process that goes on: everything the agent changed in it is put back.
//
// All threads of the process must be in the agent at once, because dispositions and text are the process's. Each that
// makes a system call, or is kicked, arrives here and waits a moment for the others; once all have arrived (the
// decision is made under the threads' lock) they turn dispatch off, the last one restores text and dispositions, and
// all go back to the program's own instructions. Where some thread can't come in time (it sleeps in the
// kernel uninterruptibly, or waits for a vfork child), all go on as before, to be kicked again.
#pragma once

#include "hooks/agent/thread.h"

namespace skep::agent {

bool leaving();  // the controller wants it

// At a system call. True: the agent has left; the call must be made by the program itself (ENTER_ABORT).
bool leave_at_call(Thread* thread);

// SIGSYS by leave's own hand or the controller's; `context` is where the thread is. True where it was one.
bool leave_kicked(Thread* thread, const SignalInfo* info);
// The program is at `context`, all signals are blocked: leaves, if the others come.
void leave_at(Thread* thread, SignalContext* context);

}  // namespace skep::agent
