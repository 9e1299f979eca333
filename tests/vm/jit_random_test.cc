// The JIT against the interpreter, on random programs: as compiled for this CPU, for any x86-64, blinded with
// speculation barriers, and with a fuel that may or may not suffice.
#include <gtest/gtest.h>

#include <array>
#include <cstdlib>
#include <cstring>

#include "isa/assembler.h"
#include "isa/disassembler.h"
#include "support/random_program.h"
#include "support/unsafe_program.h"
#include "vm/interpreter.h"
#include "vm/jit/jit.h"
#include "vm/jit/optimiser.h"

namespace skep {
namespace {

uint64_t mix(uint64_t r1, uint64_t r2, uint64_t r3, uint64_t r4, uint64_t r5,
             HelperContext* context) {
  return (r1 ^ r2 * 3 ^ r3 * 5 ^ r4 * 7 ^ r5 * 11) + context->slot;
}

const std::array<uint64_t, 1024>& helpers() {
  static const auto table = [] {
    std::array<uint64_t, 1024> made{};
    made[5] = reinterpret_cast<uint64_t>(&mix);
    return made;
  }();
  return table;
}

struct Outcome {
  uint64_t result = 0;
  std::array<uint8_t, RandomProgram::kContextBytes> memory{};
  uint64_t fuel_left = 0;
  bool out_of_fuel = false;
  bool operator==(const Outcome&) const = default;
};

// One buffer for all engines: its address may get into results.
alignas(16) std::array<uint8_t, RandomProgram::kContextBytes> context_memory;
std::array<uint8_t, RandomProgram::kPacketBytes> packet_memory;

template <class Run>
Outcome run_with(uint64_t seed, Run run) {
  for (size_t i = 0; i < context_memory.size(); i++)
    context_memory[i] = static_cast<uint8_t>((seed * 0x9e3779b9 + i * i * 31) >> (i % 13));
  for (size_t i = 0; i < packet_memory.size(); i++)
    packet_memory[i] = static_cast<uint8_t>(i * 7 + seed);
  PacketView packet{.head = packet_memory.data(),
                    .end_of_buffer = packet_memory.data() + packet_memory.size(),
                    .data = packet_memory.data(),
                    .data_end = packet_memory.data() + packet_memory.size(),
                    .data_meta = packet_memory.data()};
  HelperContext context;
  context.slot = 3;
  context.ctx = context_memory.data();
  context.packet = &packet;
  Outcome outcome;
  outcome.result = run(&context);
  outcome.memory = context_memory;
  outcome.fuel_left = context.fuel;
  outcome.out_of_fuel = context.flags == kRanOutOfFuel;
  return outcome;
}

enum class Variant { kThisCpu, kAnyCpu, kHardened, kMetered, kOptimised };
bool metered(Variant variant, uint64_t seed) {
  return variant == Variant::kMetered || (variant == Variant::kOptimised && seed % 4 == 0);
}

// What the JIT makes of it, if anything else than the interpreter does: as text. Unless `runs`, it only compiles.
std::string difference(uint64_t seed, const std::vector<Insn>& insns, Variant variant,
                       CodeMemory& memory, bool runs = true) {
  VerifiedProgram program = VerifiedProgramMaker::unverified(insns);
  const auto begin = reinterpret_cast<uint64_t>(context_memory.data());
  const vm::MemoryRegion regions[] = {
      {.begin = begin, .end = begin + context_memory.size(), .writable = true}};
  auto interpreter = vm::Interpreter::make(
      program, {.helpers = helpers(), .kfuncs = {}, .check_memory = true, .regions = regions});
  if (!interpreter) return interpreter.error().text();
  bool ended = true;
  uint64_t fuel = metered(variant, seed) ? 1 + seed * 0x9e3779b97f4a7c15 % 400 : 1'000'000;
  Outcome expected = run_with(seed, [&](HelperContext* context) {
    context->fuel = fuel;
    auto result = interpreter->run(context_memory.data(), context);
    ended = result.has_value() || (metered(variant, seed) && context->flags != 0);
    return result.value_or(0);
  });
  if (!metered(variant, seed)) expected.fuel_left = 0;
  if (!ended) return {};  // minimising made it wrong or endless
  jit::JitOptions options;
  options.helper_table = reinterpret_cast<uint64_t>(helpers().data());
  options.kfunc_table = options.helper_table;
  if (variant == Variant::kAnyCpu) options.cpu = {};
  if (variant == Variant::kHardened)
    options.blinding_seed = seed, options.speculation_barriers = true;
  uint64_t out_of_fuel = 0;
  if (metered(variant, seed)) {
    options.fuel = fuel;
    options.out_of_fuel = reinterpret_cast<uint64_t>(&out_of_fuel);
  }
  auto code = variant == Variant::kOptimised ? jit::compile_optimised(program, options, memory)
                                             : jit::compile(program, options, memory);
  if (!code) return code.error().text();
  if (!runs) {
    memory.free(code->block);
    return {};
  }
  Outcome found = run_with(seed, [&](HelperContext* context) {
    return reinterpret_cast<uint64_t (*)(void*, HelperContext*)>(code->entry)(context_memory.data(),
                                                                              context);
  });
  memory.free(code->block);
  if (found == expected && out_of_fuel == found.out_of_fuel) return {};
  return fmt::format(
      "expected {:#x}, found {:#x}{}; fuel {} and {}, run out {} and {}, counted {}",
      expected.result, found.result, found.memory == expected.memory ? "" : ", and other memory",
      expected.fuel_left, found.fuel_left, expected.out_of_fuel, found.out_of_fuel, out_of_fuel);
}

// The same failure with as many instructions as can be made nothing; what keeps loops ending stays.
std::vector<Insn> minimised(uint64_t seed, std::vector<Insn> insns, Variant variant,
                            CodeMemory& memory) {
  constexpr Insn kNothing{.opcode = isa::BPF_JMP | isa::BPF_JA};
  // Where the compiler refuses the program, what it makes of smaller ones may be wrong in other ways, endless too.
  const bool runs = difference(seed, insns, variant, memory, false).empty();
  bool initial = true;  // what fills registers and stack stays, too
  for (size_t i = 0; i < insns.size(); i++) {
    Insn insn = insns[i];
    if (initial) {
      if (insn.cls() == isa::BPF_ST && insn.dst == isa::kFramePointer && insn.off == -8)
        initial = false;
      continue;
    }
    if (insn.opcode == (isa::BPF_JMP | isa::BPF_EXIT)) initial = true;
    bool jumps = insn.cls() == isa::BPF_JMP || insn.cls() == isa::BPF_JMP32;
    bool counts = insn.op() == isa::BPF_ADD && insn.imm == -1 && (insn.dst == 7 || insn.dst == 8);
    bool second = i > 0 && isa::is_ld_imm64(insns[i - 1]);
    bool sets_counter = insn.op() == isa::BPF_MOV && insn.cls() == isa::BPF_ALU64 &&
                        (insn.dst == 7 || insn.dst == 8);
    bool leaves = insn.opcode == (isa::BPF_JMP | isa::BPF_EXIT);
    bool pointer = insn.dst == 9 && insn.cls() == isa::BPF_ALU64;
    if (counts || second || sets_counter || leaves || pointer || isa::is_ld_imm64(insn) ||
        insn == kNothing || insn.op() == isa::BPF_AND || (jumps && insn.off < 0))
      continue;
    insns[i] = kNothing;
    if (difference(seed, insns, variant, memory, runs).empty()) insns[i] = insn;
  }
  return insns;
}

// The variants on programs first to last, or as the environment says.
void compare(uint64_t last_seed, std::initializer_list<Variant> variants) {
  auto memory = make_private_code_memory(1 << 20);
  ASSERT_TRUE(memory);
  const char* only = std::getenv("SKEP_RANDOM_SEED");
  const char* count = std::getenv("SKEP_RANDOM_PROGRAMS");
  uint64_t first = only != nullptr ? std::strtoull(only, nullptr, 10) : 1;
  uint64_t last = only != nullptr    ? first
                  : count != nullptr ? std::strtoull(count, nullptr, 10)
                                     : last_seed;
  unsigned failures = 0;
  for (uint64_t seed = first; seed <= last && failures < 3; seed++) {
    auto insns = RandomProgram(seed).make();
    auto checked = isa::check_insns(insns, {.newest = isa::IsaVersion::kNone});
    ASSERT_TRUE(checked) << "seed " << seed << ": " << checked.error().text();
    for (Variant variant : variants) {
      std::string wrong = difference(seed, insns, variant, **memory);
      if (wrong.empty()) continue;
      failures++;
      ADD_FAILURE() << "seed " << seed << " variant " << static_cast<int>(variant) << ": " << wrong
                    << "\n"
                    << isa::disassemble_all(minimised(seed, insns, variant, **memory));
      break;
    }
  }
}

TEST(JitAgainstInterpreter, agrees_on_random_programs) {
  compare(20000, {Variant::kThisCpu, Variant::kAnyCpu, Variant::kHardened, Variant::kMetered});
}

// Where the tier is built, it must be there: vm_test is next to it.
#if defined(SKEP_HAS_OPTIMISING_TIER)
#define SKEP_NEED_OPTIMISING_TIER() \
  ASSERT_TRUE(jit::optimiser_target()) << jit::optimiser_target().error().text()
#else
#define SKEP_NEED_OPTIMISING_TIER() GTEST_SKIP() << "built without LLVM 19: no optimising tier"
#endif

// Fewer: LLVM takes milliseconds for each.
TEST(JitRandom, the_optimising_tier_agrees_with_the_interpreter) {
  SKEP_NEED_OPTIMISING_TIER();
  compare(300, {Variant::kOptimised});
}

// A conditional jump whose next instruction is a jump's target, too: once a branch of that block to itself, which LLVM
// refused, or, where nothing but nops followed, ran forever. The refused one is first, for this test to end.
TEST(JitRandom, a_conditional_jump_may_fall_into_a_jumps_target) {
  SKEP_NEED_OPTIMISING_TIER();
  auto memory = make_private_code_memory(1 << 20);
  ASSERT_TRUE(memory);
  const std::string start =
      "r0 = 1\n r2 = 3\n goto l2\n l1: r0 += 1\n l2: r2 += -1\n "
      "if r2 != 0 goto l1\n l3: ";
  const std::string leads_to_l3 = "goto l4\n l4: r0 += 7\n exit";
  for (const std::string& middle :
       {std::string("r0 += 2\n if r0 == 100 goto l3\n"), std::string("if r0 == 100 goto l3\n")}) {
    auto insns = isa::assemble_insns(start + middle + leads_to_l3);
    ASSERT_TRUE(insns) << insns.error().text();
    const std::string wrong = difference(1, *insns, Variant::kOptimised, **memory);
    ASSERT_EQ(wrong, "");
  }
  auto nops = isa::assemble_insns(
      "r0 = 1\n if r1 == 0 goto l1\n if r1 == 1 goto l2\n l1: goto l2\n l2: exit");
  ASSERT_TRUE(nops) << nops.error().text();
  (*nops)[3] = {.opcode = isa::BPF_JMP | isa::BPF_JA};  // falls into the exit, as a nop
  EXPECT_EQ(difference(1, *nops, Variant::kOptimised, **memory), "");
}

}  // namespace
}  // namespace skep
