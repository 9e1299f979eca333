// One face for the interpreter and the JITs, so that one corpus, one bench and one `--via` run on each.
#pragma once

#include <memory>
#include <span>
#include <string_view>

#include "base/result.h"
#include "object/helper_context.h"
#include "object/verified_program.h"

namespace skep::vm {

// A program made ready to run. Refers to the VerifiedProgram, the helper table and the Engine that it came from.
class Runnable {
 public:
  virtual ~Runnable() = default;
  // r0 at exit. Fails only where an engine can (the interpreter's fuel and checks).
  [[nodiscard]] virtual Result<uint64_t> run(void* ctx, HelperContext* context) = 0;
};

class Engine {
 public:
  virtual ~Engine() = default;
  [[nodiscard]] virtual std::string_view name() const = 0;
  // `helpers`: addresses of HelperFn by BPF_FUNC id, 1024 of them; 0 where there is none.
  [[nodiscard]] virtual Result<std::unique_ptr<Runnable>> prepare(
      const VerifiedProgram& program, std::span<const uint64_t, 1024> helpers) = 0;
};

[[nodiscard]] std::unique_ptr<Engine> make_interpreter_engine();
// ENOSYS where there is no JIT for this machine. Code goes to memory of its own, in this process.
[[nodiscard]] Result<std::unique_ptr<Engine>> make_jit_engine();
// The optimising tier; ENOSYS where its module is not there.
[[nodiscard]] Result<std::unique_ptr<Engine>> make_optimising_engine();

}  // namespace skep::vm
