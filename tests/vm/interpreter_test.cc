#include "vm/interpreter.h"

#include <gtest/gtest.h>
#include <sys/mman.h>

#include <array>
#include <csetjmp>
#include <csignal>
#include <cstring>

#include "base/signal_context.h"
#include "isa/assembler.h"
#include "support/unsafe_program.h"
#include "vm/fault_table.h"
#include "vm/safe_copy.h"

namespace skep::vm {
namespace {

VerifiedProgram program(std::string_view text) {
  auto insns = isa::assemble_insns(text);
  EXPECT_TRUE(insns) << insns.error().text();
  return VerifiedProgramMaker::unverified(std::move(*insns));
}

Result<uint64_t> run(std::string_view text, const InterpreterOptions& options = {},
                     void* ctx = nullptr, uint64_t fuel = 0) {
  const VerifiedProgram verified = program(text);
  auto interpreter = Interpreter::make(verified, options);
  if (!interpreter) return fail(interpreter);
  HelperContext context;
  context.fuel = fuel;
  return interpreter->run(ctx, &context);
}

std::string error(const Result<uint64_t>& result) { return result ? "ran" : result.error().text(); }

TEST(Interpreter, refuses_to_make_a_program_whose_helper_is_not_bound) {
  EXPECT_EQ(error(run("r0 = 0\ncall 77\nexit")), "insn 1: helper 77 is not bound");
}

TEST(Interpreter, never_decodes_what_no_path_reaches) {
  auto result = run("r0 = 1\nexit\ncall 77\nexit");
  ASSERT_TRUE(result) << result.error().text();
  EXPECT_EQ(*result, 1u);
}

TEST(Interpreter, fuel_is_a_number_of_instructions_and_pays_for_whole_blocks) {
  const char* kFour = "r0 = 1\nr0 = 2\nr0 = 3\nexit";
  EXPECT_EQ(error(run(kFour, {}, nullptr, 4)), "ran");
  EXPECT_EQ(error(run(kFour, {}, nullptr, 3)), "insn 0: no fuel left");
  EXPECT_EQ(error(run("again: goto again", {}, nullptr, 1000)), "insn 0: no fuel left");
}

TEST(Interpreter, seventeen_frames_are_too_many) {
  EXPECT_EQ(error(run("r0 = 0\nf: call f\nexit")), "insn 1: more than 16 frames");
}

struct Trace {
  std::vector<std::pair<uint32_t, uint32_t>> frame_and_insn;
};

TEST(Interpreter, the_trace_hook_sees_each_instruction_before_it_runs) {
  Trace trace;
  std::vector<uint64_t> r1;
  struct Data {
    Trace* trace;
    std::vector<uint64_t>* r1;
  } data{&trace, &r1};
  InterpreterOptions options;
  options.trace_data = &data;
  options.trace = [](void* to, const TraceEvent& event) {
    auto& out = *static_cast<Data*>(to);
    out.trace->frame_and_insn.emplace_back(event.frame, event.insn);
    out.r1->push_back(event.registers[1]);
    EXPECT_EQ(event.registers[10], event.stack + isa::kMaxStackBytes);
  };
  auto result = run("r1 = 1\ncall f\nexit\nf: r1 += 1\nr0 = r1\nexit", options);
  ASSERT_TRUE(result);
  EXPECT_EQ(*result, 2u);
  const std::vector<std::pair<uint32_t, uint32_t>> expected = {{0, 0}, {0, 1}, {1, 3},
                                                               {1, 4}, {1, 5}, {0, 2}};
  EXPECT_EQ(trace.frame_and_insn, expected);
  EXPECT_EQ(r1, (std::vector<uint64_t>{0, 1, 1, 2, 2, 2}));
}

TEST(Interpreter, the_trace_hook_may_change_registers) {
  InterpreterOptions options;
  options.trace = [](void*, const TraceEvent& event) {
    if (event.insn == 1) event.registers[0] = 42;
  };
  EXPECT_EQ(*run("r0 = 1\nexit", options), 42u);
}

TEST(Interpreter, checked_memory_is_the_stack_and_what_is_allowed) {
  std::array<uint64_t, 2> memory{7, 8};
  const auto address = reinterpret_cast<uint64_t>(memory.data());
  const MemoryRegion readable[] = {{address, address + 16, false}};
  const MemoryRegion writable[] = {{address, address + 16, true}};
  InterpreterOptions options;
  options.check_memory = true;
  const auto message = [&](std::string_view text) {
    std::string found = error(run(text, options, memory.data()));
    if (const size_t at = found.find(" at 0x"); at != std::string::npos)
      found.erase(at, found.find(',', at) - at);
    return found;
  };
  EXPECT_EQ(message("r0 = *(u64 *)(r1 +0)\nexit"),
            "insn 0: a read of 8 bytes, which the program may not touch");
  EXPECT_EQ(message("*(u64 *)(r10 -512) = 1\nr0 = *(u8 *)(r10 -1)\nexit"), "ran");
  EXPECT_EQ(message("r0 = *(u8 *)(r10 -513)\nexit"),
            "insn 0: a read of 1 bytes, which the program may not touch");
  EXPECT_EQ(message("r0 = *(u16 *)(r10 -1)\nexit"),
            "insn 0: a read of 2 bytes, which the program may not touch");
  options.regions = readable;
  EXPECT_EQ(message("r0 = *(u64 *)(r1 +8)\nexit"), "ran");
  EXPECT_EQ(message("r0 = *(u64 *)(r1 +9)\nexit"),
            "insn 0: a read of 8 bytes, which the program may not touch");
  EXPECT_EQ(message("*(u8 *)(r1 +8) = 1\nr0 = 0\nexit"),
            "insn 0: a write of 1 bytes, which the program may not touch");
  EXPECT_EQ(message("r0 = 1\nlock *(u32 *)(r1 +8) += r0\nexit"),
            "insn 1: a write of 4 bytes, which the program may not touch");
  options.regions = writable;
  EXPECT_EQ(message("*(u8 *)(r1 +8) = 1\nr0 = 0\nexit"), "ran");
  options.regions = {};
  options.is_allowed = [](void* data, uint64_t at, uint32_t, bool write) {
    return at == *static_cast<uint64_t*>(data) && !write;
  };
  uint64_t only = address + 8;
  options.is_allowed_data = &only;
  EXPECT_EQ(message("r0 = *(u64 *)(r1 +8)\nexit"), "ran");
  EXPECT_EQ(message("r0 = *(u64 *)(r1 +0)\nexit"),
            "insn 0: a read of 8 bytes, which the program may not touch");
}

TEST(Interpreter, a_callers_frame_stays_allowed_and_a_dead_one_does_not) {
  InterpreterOptions options;
  options.check_memory = true;
  EXPECT_EQ(error(run("*(u64 *)(r10 -8) = 5\nr1 = r10\ncall f\nexit\nf: r0 = *(u64 *)(r1 -8)\nexit",
                      options)),
            "ran");
  const std::string found = error(
      run("call f\nr0 = *(u64 *)(r0 -8)\nexit\nf: *(u64 *)(r10 -8) = 5\nr0 = r10\nexit", options));
  EXPECT_TRUE(found.starts_with("insn 1: a read of 8 bytes")) << found;
}

// --- tail calls

struct TailCalls {
  std::array<const Interpreter*, 3> programs{};
  uint64_t map = 0;
};
const Interpreter* find_tail(void* data, HelperContext*, uint64_t map, uint32_t index) {
  auto& tail = *static_cast<TailCalls*>(data);
  tail.map = map;
  return index < tail.programs.size() ? tail.programs[index] : nullptr;
}

struct TailCallTest : testing::Test {
  TailCalls tail;
  InterpreterOptions options;
  TailCallTest() {
    options.tail_call = find_tail;
    options.tail_call_data = &tail;
  }
  Result<uint64_t> go(const Interpreter& interpreter, HelperContext& context) {
    return interpreter.run(&tail, &context);
  }
};

TEST_F(TailCallTest, replaces_the_program_and_keeps_the_context) {
  const VerifiedProgram first = program("r2 = 0x1234 ll\nr3 = 1\ncall 12\nr0 = 99\nexit");
  const VerifiedProgram second = program("r0 = r1\nexit");
  auto a = Interpreter::make(first, options), b = Interpreter::make(second, options);
  ASSERT_TRUE(a && b);
  tail.programs[1] = &*b;
  HelperContext context;
  EXPECT_EQ(*go(*a, context), reinterpret_cast<uint64_t>(&tail));
  EXPECT_EQ(tail.map, 0x1234u);
  EXPECT_EQ(context.tail_calls, 1u);
}

TEST_F(TailCallTest, goes_on_where_there_is_no_program) {
  const VerifiedProgram first = program("r2 = 0\nr3 = 7\ncall 12\nr0 = 99\nexit");
  auto a = Interpreter::make(first, options);
  ASSERT_TRUE(a);
  HelperContext context;
  EXPECT_EQ(*go(*a, context), 99u);
  EXPECT_EQ(context.tail_calls, 0u);
}

TEST_F(TailCallTest, stops_after_33) {
  const VerifiedProgram self = program("r2 = 0\nr3 = 0\ncall 12\nr0 = 5\nexit");
  auto a = Interpreter::make(self, options);
  ASSERT_TRUE(a);
  tail.programs[0] = &*a;
  HelperContext context;
  EXPECT_EQ(*go(*a, context), 5u);
  EXPECT_EQ(context.tail_calls, 33u);
}

TEST_F(TailCallTest, from_a_subprogram_returns_to_its_caller) {
  const VerifiedProgram first =
      program("r6 = 2\ncall f\nr0 += r6\nexit\nf: r2 = 0\nr3 = 0\ncall 12\nr0 = 99\nexit");
  const VerifiedProgram second = program("r6 = 1000\nr0 = 40\nexit");
  auto a = Interpreter::make(first, options), b = Interpreter::make(second, options);
  ASSERT_TRUE(a && b);
  tail.programs[0] = &*b;
  HelperContext context;
  EXPECT_EQ(*go(*a, context), 42u);
}

// --- loads that may fault

VerifiedProgram probing(uint8_t mode, uint8_t size) {
  // r0 = *(size *)(r1 +0), may fault
  return VerifiedProgramMaker::unverified(
      {{.opcode = static_cast<uint8_t>(isa::BPF_LDX | mode | size), .dst = 0, .src = 1},
       {.opcode = isa::BPF_JMP | isa::BPF_EXIT}});
}

int64_t read_or_fault(HelperContext*, void* to, uint64_t address, uint64_t size) {
  if (address < 4096) return -EFAULT;
  std::memcpy(to, reinterpret_cast<void*>(address), size);
  return 0;
}

TEST(Probe, a_load_that_faults_gives_0_and_the_program_goes_on) {
  HostOps host{};
  host.read_memory = read_or_fault;
  HelperContext context;
  context.host = &host;
  const uint64_t value = 0xfffffffffffffff0;
  const auto gives = [&](uint8_t mode, uint8_t size, const void* at) {
    const VerifiedProgram verified = probing(mode, size);
    return *Interpreter::make(verified, {})->run(const_cast<void*>(at), &context);
  };
  EXPECT_EQ(gives(isa::BPF_PROBE_MEM, isa::BPF_DW, &value), value);
  EXPECT_EQ(gives(isa::BPF_PROBE_MEM, isa::BPF_W, &value), 0xfffffff0u);
  EXPECT_EQ(gives(isa::BPF_PROBE_MEM, isa::BPF_B, &value), 0xf0u);
  EXPECT_EQ(gives(isa::BPF_PROBE_MEMSX, isa::BPF_B, &value), value);
  EXPECT_EQ(gives(isa::BPF_PROBE_MEMSX, isa::BPF_H, &value), value);
  EXPECT_EQ(gives(isa::BPF_PROBE_MEMSX, isa::BPF_W, &value), value);
  EXPECT_EQ(gives(isa::BPF_PROBE_MEM, isa::BPF_DW, reinterpret_cast<void*>(8)), 0u);
}

void skip_known_faults(int, siginfo_t*, void* context) {
  const uint64_t next = fix_fault(signal_pc(context));
  if (next == 0) _exit(99);
  set_signal_pc(context, next);
}

struct FaultHandler : testing::Test {
  struct sigaction old{};
  FaultHandler() {
    struct sigaction action{};
    action.sa_sigaction = skip_known_faults;
    action.sa_flags = SA_SIGINFO;
    sigaction(SIGSEGV, &action, &old);
  }
  ~FaultHandler() override { sigaction(SIGSEGV, &old, nullptr); }
};

TEST_F(FaultHandler, safe_copy_says_how_much_is_left_at_a_page_that_is_not_there) {
  auto* pages = static_cast<char*>(
      mmap(nullptr, 8192, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0));
  ASSERT_NE(pages, MAP_FAILED);
  ASSERT_EQ(munmap(pages + 4096, 4096), 0);
  std::memset(pages, 'x', 4096);
  char to[16] = {};
  EXPECT_EQ(safe_copy(to, pages + 4090, 16), 10u);
  EXPECT_EQ(std::string(to, 6), "xxxxxx");
  EXPECT_EQ(to[6], 0);
  EXPECT_EQ(safe_copy(to, pages, 16), 0u);
  munmap(pages, 4096);
}

TEST_F(FaultHandler, the_interpreter_survives_plain_loads_of_bad_addresses) {
  HelperContext context;
  InterpreterOptions options;
  options.faults_are_handled = true;
  const VerifiedProgram verified = probing(isa::BPF_PROBE_MEM, isa::BPF_DW);
  auto interpreter = Interpreter::make(verified, options);
  ASSERT_TRUE(interpreter);
  EXPECT_EQ(*interpreter->run(reinterpret_cast<void*>(16), &context), 0u);
  EXPECT_EQ(*interpreter->run(reinterpret_cast<void*>(0x8000000000000000), &context),
            0u);  // not canonical
  uint64_t value = 12345;
  EXPECT_EQ(*interpreter->run(&value, &context), 12345u);
}

TEST(FaultTable, knows_its_own_addresses_and_no_others) {
  const FaultPair table[] = {{4, 20}, {9, 30}, {16, 4000}};
  EXPECT_EQ(find_fixup(table, 3, 1000, 100, 1004), 1020u);
  EXPECT_EQ(find_fixup(table, 3, 1000, 100, 1009), 1030u);
  EXPECT_EQ(find_fixup(table, 3, 1000, 100, 1005), 0u);
  EXPECT_EQ(find_fixup(table, 3, 1000, 100, 999), 0u);
  EXPECT_EQ(find_fixup(table, 3, 1000, 100, 1100), 0u);
  EXPECT_EQ(find_fixup(table, 3, 1000, 100, 1016), 0u)
      << "a fixup outside the code is never followed";
  EXPECT_EQ(find_fixup(table, 0, 1000, 100, 1004), 0u);
}

}  // namespace
}  // namespace skep::vm
