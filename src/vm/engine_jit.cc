// The fast JIT tier as an Engine. Code lies in memory of this process only, helper addresses beside it.
#include "vm/engine.h"

#if defined(__x86_64__) || defined(__aarch64__)
#include "vm/jit/jit.h"
#include "vm/jit/optimiser.h"

namespace skep::vm {
namespace {

constexpr size_t kCodeBytes = size_t{64} << 20;  // sparse

class NativeProgram final : public Runnable {
 public:
  NativeProgram(CodeMemory& memory, jit::NativeCode code)
      : memory_(memory), code_(std::move(code)) {}
  ~NativeProgram() override { memory_.free(code_.block); }
  NativeProgram(const NativeProgram&) = delete;
  NativeProgram& operator=(const NativeProgram&) = delete;

  Result<uint64_t> run(void* ctx, HelperContext* context) override {
    using Entry = uint64_t (*)(void*, HelperContext*);
    return reinterpret_cast<Entry>(code_.entry)(ctx, context);
  }

 private:
  CodeMemory& memory_;
  jit::NativeCode code_;
};

class JitEngine final : public Engine {
 public:
  JitEngine(std::unique_ptr<CodeMemory> memory, bool optimises)
      : memory_(std::move(memory)), optimises_(optimises) {}
  std::string_view name() const override { return optimises_ ? "optimising" : "jit"; }
  Result<std::unique_ptr<Runnable>> prepare(const VerifiedProgram& program,
                                            std::span<const uint64_t, 1024> helpers) override {
    jit::JitOptions options;
    options.helper_table = reinterpret_cast<uint64_t>(helpers.data());
    options.kfunc_table = reinterpret_cast<uint64_t>(helpers.data());
    SKEP_TRY(code, optimises_ ? jit::compile_optimised(program, options, *memory_)
                              : jit::compile(program, options, *memory_));
    return std::make_unique<NativeProgram>(*memory_, std::move(code));
  }

 private:
  std::unique_ptr<CodeMemory> memory_;
  bool optimises_;
};

}  // namespace

Result<std::unique_ptr<Engine>> make_jit_engine() {
  SKEP_TRY(memory, make_private_code_memory(kCodeBytes));
  return std::make_unique<JitEngine>(std::move(memory), false);
}
Result<std::unique_ptr<Engine>> make_optimising_engine() {
  SKEP_CHECK(jit::optimiser_target());
  SKEP_TRY(memory, make_private_code_memory(kCodeBytes));
  return std::make_unique<JitEngine>(std::move(memory), true);
}

}  // namespace skep::vm
#else
namespace skep::vm {
Result<std::unique_ptr<Engine>> make_optimising_engine() {
  return fail(ENOSYS, "there is no optimising tier for this machine");
}
Result<std::unique_ptr<Engine>> make_jit_engine() {
  return fail(ENOSYS, "there is no JIT for this machine");
}
}  // namespace skep::vm
#endif
