// Processes and threads that begin and end.
#pragma once

#include "hooks/agent/thread.h"
#include "hooks/attach_table.h"

namespace skep::agent {

void thread_exits(Thread* thread);
void process_exits(Thread* thread);
hooks::AgentBoard* board();  // nullptr: none
void wake_controller();
// Tells the controller; lossy.
void notice(uint32_t kind, Thread* thread, uint64_t detail, uint64_t detail2 = 0);

}  // namespace skep::agent
