// The optimising tier as skep uses it: finds and loads libskep-llvm.so (llvm/module.h) at the first call, and never
// unloads it. Thread-safe; a compilation takes milliseconds and runs on the caller's thread.
//
// Not in a traced process, and not in a forked child of a process with threads.
#pragma once

#include <string>

#include "vm/jit/image.h"

namespace skep::jit {

// ENOSYS where the module is not installed or not of this build (the message says where it was looked for), ENOTSUP
// where it can't compile such a program (hardened ones).
[[nodiscard]] Result<Image> compile_image(const VerifiedProgram& program,
                                          const JitOptions& options);
[[nodiscard]] Result<NativeCode> compile_optimised(const VerifiedProgram& program,
                                                   const JitOptions& options, CodeMemory& memory);
// What code would be made for: LLVM's version and this CPU's features. Part of a cached image's identity.
[[nodiscard]] Result<std::string> optimiser_target();
// LLVM IR, for people.
[[nodiscard]] Result<std::string> show_ir(const VerifiedProgram& program, const JitOptions& options,
                                          bool optimised);

}  // namespace skep::jit
