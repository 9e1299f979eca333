// Metered execution on both engines: what a block costs, where a run ends, and what is left behind.
#include "vm/metering.h"

#include <gtest/gtest.h>

#include <array>

#include "isa/assembler.h"
#include "support/unsafe_program.h"
#include "vm/interpreter.h"
#include "vm/jit/jit.h"
#include "vm/jit/optimiser.h"

namespace skep {
namespace {

VerifiedProgram program(std::string_view text) {
  auto insns = isa::assemble_insns(text);
  if (!insns) ADD_FAILURE() << insns.error().text();
  return VerifiedProgramMaker::unverified(
      insns ? std::move(*insns) : std::vector<Insn>{{.opcode = isa::BPF_JMP | isa::BPF_EXIT}});
}

// Like bpf_loop: calls r1 back until it returns something else than 0, r2 times at most; counts the calls.
uint64_t loop(uint64_t r1, uint64_t r2, uint64_t r3, uint64_t, uint64_t, HelperContext* context) {
  uint64_t i = 0;
  while (i < r2) {
    i++;
    if (context->call_bpf(context, r1, i, r3, 0, 0, 0) != 0) break;
  }
  return i;
}
const std::array<uint64_t, 1024>& helpers() {
  static const auto table = [] {
    std::array<uint64_t, 1024> made{};
    made[5] = reinterpret_cast<uint64_t>(&loop);
    return made;
  }();
  return table;
}

struct Outcome {
  uint64_t result = 0, memory = 0, left = 0, counted = 0;
  bool out = false;
  bool operator==(const Outcome&) const = default;
};
std::ostream& operator<<(std::ostream& to, const Outcome& o) {
  return to << "{" << o.result << ", memory " << o.memory << ", left " << o.left << ", counted "
            << o.counted << ", out " << o.out << "}";
}

Outcome interpreted(const VerifiedProgram& of, uint64_t fuel) {
  auto interpreter = vm::Interpreter::make(of, {.helpers = helpers(), .kfuncs = {}, .regions = {}});
  if (!interpreter) {
    ADD_FAILURE() << interpreter.error().text();
    return {};
  }
  Outcome outcome;
  HelperContext context;
  context.fuel = fuel;
  auto result = interpreter->run(&outcome.memory, &context);
  outcome.result = result.value_or(0);
  outcome.left = context.fuel;
  outcome.out = context.flags == kRanOutOfFuel;
  EXPECT_EQ(result.has_value(), !outcome.out);
  outcome.counted = outcome.out;
  return outcome;
}

Outcome native(const VerifiedProgram& of, uint64_t fuel, bool optimised) {
  auto memory = make_private_code_memory(1 << 16);
  Outcome outcome;
  jit::JitOptions options;
  options.helper_table = options.kfunc_table = reinterpret_cast<uint64_t>(helpers().data());
  options.fuel = fuel;
  options.out_of_fuel = reinterpret_cast<uint64_t>(&outcome.counted);
  auto code = optimised ? jit::compile_optimised(of, options, **memory)
                        : jit::compile(of, options, **memory);
  if (!code) {
    ADD_FAILURE() << code.error().text();
    return {};
  }
  HelperContext context;
  context.flags = kRanOutOfFuel;  // of an earlier run
  outcome.result =
      reinterpret_cast<uint64_t (*)(void*, HelperContext*)>(code->entry)(&outcome.memory, &context);
  outcome.left = context.fuel;
  outcome.out = context.flags == kRanOutOfFuel;
  return outcome;
}

Outcome both(const VerifiedProgram& of, uint64_t fuel) {
  Outcome expected = interpreted(of, fuel);
  EXPECT_EQ(native(of, fuel, false), expected) << "fuel " << fuel;
  // Where its module is; corpus_test.cc says so where it is not.
  static const bool optimises = jit::optimiser_target().has_value();
  if (optimises) {
    EXPECT_EQ(native(of, fuel, true), expected) << "optimised, fuel " << fuel;
  }
  return expected;
}

TEST(BlockCosts, count_instructions_from_leader_to_leader) {
  VerifiedProgram of = program(
      "r0 = 0\n r1 = 0x123456789 ll\n again: r0 += 1\n if r0 < 5 goto again\n call f\n exit\n"
      "f: r0 = 7\n exit");
  EXPECT_EQ(vm::block_costs(of), (std::vector<uint32_t>{2, 0, 0, 2, 0, 2, 0, 2, 0}));
}

// The JIT may fuse two instructions where only dead code jumps to the second.
TEST(BlockCosts, leave_out_what_dead_code_does) {
  auto insns = isa::assemble_insns(
      "r2 = 0\n if r2 == 0 goto +2\n r3 = 1\n goto +1\n r3 = *(u64 *)(r1 +0)\n r3 = bswap64 r3\n"
      "r0 = r3\n exit");
  ASSERT_TRUE(insns) << insns.error().text();
  VerifiedProgram of = VerifiedProgramMaker::unverified(
      std::move(*insns), {}, [](auto& facts) { facts[2].dead = facts[3].dead = true; });
  EXPECT_EQ(vm::block_costs(of), (std::vector<uint32_t>{2, 0, 2, 0, 4, 0, 0, 0}));
  EXPECT_EQ(both(of, 5), (Outcome{.counted = 1, .out = true}));
  EXPECT_EQ(both(of, 6), (Outcome{}));
}

TEST(Metering, a_loop_ends_before_the_block_that_it_can_not_pay) {
  VerifiedProgram of = program("r2 = 0\n again: r2 += 1\n *(u64 *)(r1 +0) = r2\n goto again");
  EXPECT_EQ(both(of, 1), (Outcome{.counted = 1, .out = true}));
  EXPECT_EQ(both(of, 3), (Outcome{.counted = 1, .out = true}));
  EXPECT_EQ(both(of, 4), (Outcome{.memory = 1, .counted = 1, .out = true}));
  EXPECT_EQ(both(of, 30001), (Outcome{.memory = 10000, .counted = 1, .out = true}));
}

TEST(Metering, what_just_suffices_leaves_nothing) {
  VerifiedProgram of = program("r0 = 0\n again: r0 += 1\n if r0 < 5 goto again\n exit");
  EXPECT_EQ(both(of, 12), (Outcome{.result = 5, .left = 0}));
  EXPECT_EQ(both(of, 100), (Outcome{.result = 5, .left = 88}));
  EXPECT_EQ(both(of, 11), (Outcome{.counted = 1, .out = true}));
}

TEST(Metering, a_subprogram_ends_its_callers_too) {
  VerifiedProgram of = program(
      "r6 = r1\n call f\n *(u64 *)(r6 +0) = 99\n r0 = 3\n exit\n"
      "f: *(u64 *)(r1 +0) = 1\n goto g\n g: *(u64 *)(r1 +0) = 2\n r0 = 0\n exit");
  EXPECT_EQ(both(of, 4), (Outcome{.counted = 1, .out = true}));  // main costs 5
  EXPECT_EQ(both(of, 7), (Outcome{.memory = 1, .counted = 1, .out = true}));
  EXPECT_EQ(both(of, 9), (Outcome{.memory = 1, .counted = 1, .out = true}));
  EXPECT_EQ(both(of, 10), (Outcome{.result = 3, .memory = 99, .left = 0}));
}

TEST(Metering, a_callback_without_fuel_ends_the_loop_around_it) {
  VerifiedProgram of = program(
      "r3 = r1\n r1 = subprog[f]\n r2 = 1000000\n call 5\n exit\n"
      "f: *(u64 *)(r2 +0) = r1\n r0 = 0\n exit");
  EXPECT_EQ(both(of, 5 + 3 * 10 + 2), (Outcome{.memory = 10, .counted = 1, .out = true}));
  EXPECT_EQ(both(of, 5 + 3 * 1000000), (Outcome{.result = 1000000, .memory = 1000000}));
}

TEST(Metering, native_code_without_fuel_is_the_same_as_ever) {
  VerifiedProgram of = program("r0 = 0\n again: r0 += 1\n if r0 < 5 goto again\n exit");
  auto memory = make_private_code_memory(1 << 16);
  jit::JitOptions options;
  auto plain = jit::compile(of, options, **memory);
  options.fuel = 100;
  auto metered = jit::compile(of, options, **memory);
  ASSERT_TRUE(plain && metered);
  EXPECT_EQ(plain->entry, plain->tail_entry);
  EXPECT_LT(metered->entry, metered->tail_entry);  // a tail call keeps the run's budget
  EXPECT_GT(metered->code_size, plain->code_size);
}

}  // namespace
}  // namespace skep
