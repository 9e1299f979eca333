// The running kernel as an Engine, for the corpus: what it accepts, it must run as we do. It only loads programs and
// runs them with BPF_PROG_TEST_RUN; nothing is attached.
//
// A case becomes the body of a BPF_PROG_TYPE_SYSCALL program, whose context is the case's memory:
//
//     main:  r6 = r1;  r2 = length;  call body;  *(u64 *)(r6 + end of memory) = r0;  r0 = 0;  exit
//     body:  the case, without the loads that unpack {address, length}
//
// prepare() gives EOPNOTSUPP for what can't be asked of a kernel: helpers of the corpus, packets, and what its verifier
// refuses (division by an immediate 0, uninitialised registers, unaligned access, …).
#pragma once

#include <memory>

#include "vm/engine.h"

namespace skep::conformance {

// ENOSYS, EPERM … where bpf(2) is refused here.
[[nodiscard]] Result<std::unique_ptr<vm::Engine>> make_kernel_engine();

}  // namespace skep::conformance
