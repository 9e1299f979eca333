// The host of a run in this process: HostOps over this process's own memory, clocks and thread.
#pragma once

#include "object/helper_context.h"

namespace skep::runtime {

// Constant; its functions are thread-safe. Memory is read through process_vm_readv(2), so that a bad address
// is -EFAULT and never a fault.
[[nodiscard]] const HostOps& in_process_host();

}  // namespace skep::runtime
