// Programs that may refuse a system call: cgroup hooks. Called for the numbers whose AttachTable::seen has kSeenFilter,
// with the call in thread->frame, after its enter programs and before its exit programs.
#pragma once

#include "hooks/agent/thread.h"

namespace skep::agent {

// 0: the call is made; -errno: it is not, and that is its result.
int64_t filter_enter(Thread* thread);
// After the call: its result, or another one (having undone what the call did).
int64_t filter_exit(Thread* thread, int64_t result);

}  // namespace skep::agent
