// Time an eBPF instruction, on the interpreter and on the JIT. items_per_second is instructions.
#include <benchmark/benchmark.h>

#include <array>

#include "isa/assembler.h"
#include "support/unsafe_program.h"
#include "vm/engine.h"

namespace {

using namespace skep;

// Arithmetic, a load, a store and a branch each round, as programs have them: 12 instructions.
constexpr const char* kMixed = R"(
    r0 = 0
    r6 = 1000
  again:
    r2 = r6
    r2 *= 7
    r2 ^= r0
    w3 = w2
    w3 >>= 3
    *(u64 *)(r10 -8) = r3
    r4 = *(u64 *)(r10 -8)
    if r4 s> 0x7fffffff goto skip
    r0 += r4
  skip:
    r0 &= 0xffffff
    r6 += -1
    if r6 != 0 goto again
    exit)";
constexpr int64_t kMixedInsns = 2 + 12 * 1000 + 1;

constexpr std::array<uint64_t, 1024> kNoHelpers{};

void run_on(benchmark::State& state, vm::Engine& engine, const char* text, int64_t insns) {
  const VerifiedProgram program = VerifiedProgramMaker::unverified(*isa::assemble_insns(text));
  auto runnable = engine.prepare(program, kNoHelpers);
  if (!runnable) return state.SkipWithError(runnable.error().text().c_str());
  HelperContext context;
  for (auto _ : state) benchmark::DoNotOptimize(*(*runnable)->run(nullptr, &context));
  state.SetItemsProcessed(state.iterations() * insns);
}

void interpreter_instruction(benchmark::State& state) {
  const auto engine = vm::make_interpreter_engine();
  run_on(state, *engine, kMixed, kMixedInsns);
}
void jit_instruction(benchmark::State& state) {
  const auto engine = vm::make_jit_engine();
  if (!engine) return state.SkipWithError(engine.error().text().c_str());
  run_on(state, **engine, kMixed, kMixedInsns);
}
void interpreter_empty_program(benchmark::State& state) {
  const auto engine = vm::make_interpreter_engine();
  run_on(state, *engine, "r0 = 0\nexit", 2);
}
BENCHMARK(interpreter_instruction);
BENCHMARK(jit_instruction);
BENCHMARK(interpreter_empty_program);

}  // namespace

BENCHMARK_MAIN();
