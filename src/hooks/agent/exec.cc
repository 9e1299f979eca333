#include "hooks/agent/exec.h"

#include "base/raw_syscall.h"

namespace skep::agent {

int64_t on_exec(Thread* thread) {
  const Frame& f = thread->frame;
  return raw::syscall(static_cast<long>(f.nr), static_cast<long>(f.rdi), static_cast<long>(f.rsi),
                      static_cast<long>(f.rdx), static_cast<long>(f.r10), static_cast<long>(f.r8));
}

}  // namespace skep::agent
