#include "vm/engine.h"

#include "vm/interpreter.h"

namespace skep::vm {
namespace {

class InterpretedProgram final : public Runnable {
 public:
  explicit InterpretedProgram(Interpreter interpreter) : interpreter_(std::move(interpreter)) {}
  Result<uint64_t> run(void* ctx, HelperContext* context) override {
    return interpreter_.run(ctx, context);
  }

 private:
  Interpreter interpreter_;
};

class InterpreterEngine final : public Engine {
 public:
  std::string_view name() const override { return "interpreter"; }
  Result<std::unique_ptr<Runnable>> prepare(const VerifiedProgram& program,
                                            std::span<const uint64_t, 1024> helpers) override {
    SKEP_TRY(interpreter, Interpreter::make(program, {.helpers = helpers}));
    return std::make_unique<InterpretedProgram>(std::move(interpreter));
  }
};

}  // namespace

std::unique_ptr<Engine> make_interpreter_engine() { return std::make_unique<InterpreterEngine>(); }

}  // namespace skep::vm
