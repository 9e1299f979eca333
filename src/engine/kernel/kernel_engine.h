// The kernel engine: the running Linux kernel through its own bpf(2).
#pragma once

#include <memory>

#include "engine/engine.h"

namespace skep::engine {

// Fails with the kernel's errno where bpf(2) may not be used here, and says what is missing
// (capability, kernel.unprivileged_bpf_disabled, no bpf(2) at all).
[[nodiscard]] Result<std::unique_ptr<Engine>> make_kernel_engine();

}  // namespace skep::engine
