// Changing the program's code while its threads run, and the sites of its system calls.
#pragma once

#include <cstddef>
#include <cstdint>

#include "hooks/agent/thread.h"

namespace skep::agent {

// SIGTRAP by an int3: true where it was the agent's and `context` goes on.
bool patch_trapped(Thread* thread, SignalContext* context);

// A system call was caught at context->rip - 2: perhaps worth patching. On the alternate stack, all
// blocked.
void sites_caught(Thread* thread, SignalContext* context);
// Where context->rip lies in a site's stub: puts the context back into the program, before or after
// its system call.
bool sites_leave(SignalContext* context);

}  // namespace skep::agent
