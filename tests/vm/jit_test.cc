// What the corpus and the random programs don't see of the JIT: memory protection, faults, tail calls,
// callbacks, lookups without a call, blinding, its tables and its refusals.
#include "vm/jit/jit.h"

#include <gtest/gtest.h>
#include <signal.h>
#include <sys/mman.h>

#include <algorithm>
#include <cstring>
#include <fstream>

#include "base/signal_context.h"
#include "isa/assembler.h"
#include "object/helper_context.h"
#include "object/map_header.h"
#include "object/prog_header.h"
#include "support/aarch64_words.h"
#include "support/unsafe_program.h"
#include "vm/fault_table.h"
#include "vm/jit/optimiser.h"
#include "vm/jit/perf_map.h"

namespace skep::jit {
namespace {

std::array<uint64_t, 1024> helpers{};
uint64_t lookups = 0;

uint64_t lookup(uint64_t, uint64_t, uint64_t, uint64_t, uint64_t, HelperContext*) {
  lookups++;
  return 0;
}
// calls back r1 with (r2, r3, 7, 8, 9)
uint64_t call_back(uint64_t r1, uint64_t r2, uint64_t r3, uint64_t, uint64_t,
                   HelperContext* context) {
  return context->call_bpf(context, r1, r2, r3, 7, 8, 9);
}

class JitTest : public testing::Test {
 protected:
  void SetUp() override {
    memory_ = std::move(*make_private_code_memory(1 << 20));
    helpers[1] = reinterpret_cast<uint64_t>(&lookup);
    helpers[5] = reinterpret_cast<uint64_t>(&call_back);
    options_.helper_table = options_.kfunc_table = reinterpret_cast<uint64_t>(helpers.data());
    options_.prog_headers = 64;  // anywhere but null
    options_.prog_headers_size = uint64_t{1} << 47;
  }
  VerifiedProgram program(const char* text, std::vector<MapDescriptor> maps = {}) {
    auto insns = isa::assemble_insns(text);
    if (!insns) {
      ADD_FAILURE() << insns.error().text();
      return VerifiedProgramMaker::unverified({{.opcode = isa::BPF_JMP | isa::BPF_EXIT}});
    }
    return VerifiedProgramMaker::unverified(std::move(*insns), std::move(maps));
  }
  NativeCode compiled(const VerifiedProgram& program) {
    auto code = compile(program, options_, *memory_);
    if (!code) {
      ADD_FAILURE() << code.error().text();
      return {};
    }
    return std::move(*code);
  }
  uint64_t run(const NativeCode& code, void* ctx = nullptr) {
    if (code.entry == 0) return 0xdead;
    return reinterpret_cast<uint64_t (*)(void*, HelperContext*)>(code.entry)(ctx, &context_);
  }

  std::unique_ptr<CodeMemory> memory_;
  JitOptions options_;
  HelperContext context_;
};

// Permissions of the mapping that holds `address`, as /proc/self/maps has them.
std::string permissions(uint64_t address) {
  std::ifstream in("/proc/self/maps");
  for (std::string line; std::getline(in, line);) {
    uint64_t begin = 0, end = 0;
    char flags[8] = {};
    if (std::sscanf(line.c_str(), "%lx-%lx %7s", &begin, &end, flags) == 3 && address >= begin &&
        address < end)
      return flags;
  }
  return "none";
}

TEST_F(JitTest, code_is_never_writable_where_it_executes_nor_executable_where_it_is_written) {
  NativeCode code = compiled(program("r0 = 1\nexit"));
  EXPECT_EQ(permissions(code.entry), "r-xs");
  EXPECT_EQ(permissions(reinterpret_cast<uint64_t>(code.block.writable)), "rw-s");
  EXPECT_EQ(run(code), 1u);
}

TEST_F(JitTest, freed_code_is_used_again_and_holds_traps) {
  NativeCode first = compiled(program("r0 = 1\nexit"));
  memory_->free(first.block);
  EXPECT_EQ(std::to_integer<int>(*first.block.writable), kTrapByte);
  NativeCode second = compiled(program("r0 = 2\nexit"));
  EXPECT_EQ(second.entry, first.entry);
  EXPECT_EQ(run(second), 2u);
}

TEST(PrivateCodeMemory, says_when_it_is_full_and_merges_what_is_freed) {
  auto memory = make_private_code_memory(4096);
  ASSERT_TRUE(memory);
  auto a = (*memory)->allocate(1000), b = (*memory)->allocate(2000);
  ASSERT_TRUE(a && b);
  EXPECT_EQ(a->address % 64, 0u);
  auto c = (*memory)->allocate(2000);
  ASSERT_FALSE(c);
  EXPECT_EQ(c.error().code(), ENOMEM);
  (*memory)->free(*a);
  (*memory)->free(*b);
  EXPECT_TRUE((*memory)->allocate(4096));
}

// Whether the code has it as an immediate.
bool holds(const NativeCode& code, uint32_t number) {
#if defined(__aarch64__)
  return aarch64::moves_number(aarch64::words_of(code), number);
#else
  const auto* begin = reinterpret_cast<const uint8_t*>(code.block.writable);
  const auto* what = reinterpret_cast<const uint8_t*>(&number);
  const auto* end = begin + code.code_size;
  return std::search(begin, end, what, what + sizeof number) != end;
#endif
}

TEST_F(JitTest, blinded_code_holds_no_immediate_of_the_program) {
  VerifiedProgram chosen = program(
      "r6 = r1\n r1 = *(u64 *)(r6 +0)\n r2 = *(u64 *)(r6 +8)\n r3 = *(u64 *)(r6 +16)\n r4 = *(u64 "
      "*)(r6 +24)\n"
      "r1 += 0x31415926\n w1 ^= 0x27182818\n r2 &= 0x16180339\n r5 = 0x5566778899aabbcc ll\n r2 ^= "
      "r5\n"
      "w3 *= 0x0badcafe\n r4 -= 0x12345678\n *(u32 *)(r10 -8) = 0x42424243\n if r1 == 0x13572468 "
      "goto +1\n"
      "r3 |= 0x2468ace0\n if w3 & 0x55aa55aa goto +1\n r4 += 1\n r0 = 0x11223344\n r0 ^= r1\n r0 "
      "^= r2\n"
      "r0 ^= r3\n r0 ^= r4\n r5 = *(u32 *)(r10 -8)\n r0 += r5\n r0 s/= 0x10203\n exit");
  NativeCode plain = compiled(chosen);
  options_.blinding_seed = 1;
  NativeCode blinded = compiled(chosen);
  const uint32_t immediates[] = {0x11223344, 0x99aabbcc, 0x55667788, 0x0badcafe,
                                 0x31415926, 0x27182818, 0x16180339, 0x12345678,
                                 0x42424243, 0x13572468, 0x2468ace0, 0x00010203};
  unsigned seen = 0;
  for (uint32_t immediate : immediates) {
    seen += holds(plain, immediate);
    EXPECT_FALSE(holds(blinded, immediate)) << std::hex << immediate;
  }
  EXPECT_GE(seen, 8u);  // the search finds what is there
  uint64_t numbers[4] = {0x123456789abcdef0, ~uint64_t{0}, 0x5a5a5a5a, 77};
  EXPECT_EQ(run(blinded, numbers), run(plain, numbers));
  options_.blinding_seed = 2;
  NativeCode other = compiled(chosen);
  EXPECT_FALSE(std::equal(other.code().begin(), other.code().end(), blinded.code().begin(),
                          blinded.code().end()));
}

const NativeCode* faulting = nullptr;
unsigned faults = 0;
void on_fault(int, siginfo_t*, void* context) {
  uint64_t next = vm::find_fixup(reinterpret_cast<const vm::FaultPair*>(faulting->fault_table),
                                 faulting->faults.size(), faulting->block.address,
                                 faulting->code_size, signal_pc(context));
  if (next == 0) _exit(99);
  faults++;
  set_signal_pc(context, next);
}

// Each size of load that may fault, its result added up.
std::vector<Insn> probing_insns() {
  using namespace isa;
  std::vector<Insn> insns;
  auto emit = [&](int opcode, int dst, int src, int off, int imm) {
    insns.push_back({.opcode = static_cast<uint8_t>(opcode),
                     .dst = static_cast<uint8_t>(dst & 15),
                     .src = static_cast<uint8_t>(src & 15),
                     .off = static_cast<int16_t>(off),
                     .imm = imm});
  };
  emit(BPF_ALU64 | BPF_MOV | BPF_K, 0, 0, 0, 0);
  for (int mode : {BPF_PROBE_MEM, BPF_PROBE_MEMSX})
    for (int size : {BPF_B, BPF_H, BPF_W, BPF_DW}) {
      emit(BPF_ALU64 | BPF_MOV | BPF_K, 2, 0, 0, 77);
      emit(BPF_LDX | mode | size, 2, 1, 16, 0);
      emit(BPF_ALU64 | BPF_LSH | BPF_K, 0, 0, 0, 1);
      emit(BPF_ALU64 | BPF_ADD | BPF_X, 0, 2, 0, 0);
      emit(BPF_ALU64 | BPF_ADD | BPF_K, 0, 0, 0, 1);
    }
  emit(BPF_JMP | BPF_EXIT, 0, 0, 0, 0);
  return insns;
}

// Parameter: by the optimising tier.
class FaultingLoadTest : public JitTest, public testing::WithParamInterface<bool> {
 protected:
  void SetUp() override {
    JitTest::SetUp();
    if (!GetParam()) return;
    if (auto target = optimiser_target(); !target) GTEST_SKIP() << target.error().text();
  }
};

TEST_P(FaultingLoadTest, reads_0_and_the_program_goes_on) {
  VerifiedProgram program = VerifiedProgramMaker::unverified(probing_insns());
  auto made = GetParam() ? compile_optimised(program, options_, *memory_)
                         : compile(program, options_, *memory_);
  ASSERT_TRUE(made) << made.error().text();
  const NativeCode& code = *made;
  // LLVM takes two loads of eight bytes for one, and may have the program twice (for tail calls, too).
  const unsigned expected_faults = GetParam() ? 7 : 8;
  ASSERT_GE(code.faults.size(), expected_faults);
  EXPECT_TRUE(std::is_sorted(code.faults.begin(), code.faults.end(),
                             [](auto& a, auto& b) { return a.insn < b.insn; }));
  void* page = mmap(nullptr, 4096, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  ASSERT_NE(page, MAP_FAILED);
  struct sigaction action = {}, before = {};
  action.sa_sigaction = on_fault;
  action.sa_flags = SA_SIGINFO;
  faulting = &code;
  faults = 0;
  ASSERT_EQ(sigaction(SIGSEGV, &action, &before), 0);
  EXPECT_EQ(run(code, page), 255u);
  EXPECT_EQ(faults, expected_faults);
  alignas(8) int8_t bytes[32];
  std::fill(std::begin(bytes), std::end(bytes), -1);
  const uint64_t there = run(code, bytes);
  EXPECT_EQ(faults, expected_faults);  // nothing faults where memory is
  uint64_t expected = 0;
  for (uint64_t value : {uint64_t{0xff}, uint64_t{0xffff}, uint64_t{0xffffffff}, ~uint64_t{0},
                         ~uint64_t{0}, ~uint64_t{0}, ~uint64_t{0}, ~uint64_t{0}})
    expected = (expected << 1) + value + 1;
  EXPECT_EQ(there, expected);
  sigaction(SIGSEGV, &before, nullptr);
  munmap(page, 4096);
}
INSTANTIATE_TEST_SUITE_P(Tiers, FaultingLoadTest, testing::Bool(), [](const auto& tier) {
  return std::string(tier.param ? "optimising" : "fast");
});

// A program array as maps/ makes it, and programs in it.
class TailCallJitTest : public JitTest {
 protected:
  void SetUp() override {
    JitTest::SetUp();
    array_.magic = kMapMagic;
    array_.type = static_cast<uint32_t>(MapType::BPF_MAP_TYPE_PROG_ARRAY);
    array_.max_entries = 4;
    array_.values = reinterpret_cast<uint64_t>(elements_);
    descriptor_.type = MapType::BPF_MAP_TYPE_PROG_ARRAY;
    descriptor_.max_entries = 4;
    descriptor_.address = reinterpret_cast<uint64_t>(&array_);
  }
  void put(unsigned index, ProgHeader& header, const NativeCode& code) {
    header = {};
    header.magic = kProgMagic;
    header.entry = code.entry;
    header.tail_entry = code.tail_entry;
    elements_[index] = reinterpret_cast<uint64_t>(&header);
  }
  MapHeader array_{};
  MapDescriptor descriptor_;
  uint64_t elements_[4] = {};
  ProgHeader header_{}, second_{};
};

TEST_F(TailCallJitTest, a_program_calls_itself_33_times_and_then_goes_on) {
  VerifiedProgram looping = program(
      "r6 = r1\n r2 = *(u64 *)(r1 +0)\n r2 += 1\n *(u64 *)(r1 +0) = r2\n r2 = map[idx:0]\n r3 = "
      "1\n call 12\n"
      "r0 = *(u64 *)(r6 +0)\n exit",
      {descriptor_});
  NativeCode code = compiled(looping);
  put(1, header_, code);
  uint64_t count = 0;
  EXPECT_EQ(run(code, &count), 34u);
  EXPECT_EQ(context_.tail_calls, 33u);
  EXPECT_EQ(context_.program, &header_);
}

TEST_F(TailCallJitTest, an_index_outside_an_empty_element_and_a_forged_one_are_passed_over) {
  VerifiedProgram caller =
      program("r2 = map[idx:0]\n r3 = *(u32 *)(r1 +0)\n call 12\n r0 = 5\n exit", {descriptor_});
  NativeCode code = compiled(caller);
  put(1, header_, compiled(program("r0 = 9\n exit")));
  uint32_t index = 1;
  EXPECT_EQ(run(code, &index), 9u);
  index = 4;
  EXPECT_EQ(run(code, &index), 5u);
  index = 0xffffffff;
  EXPECT_EQ(run(code, &index), 5u);
  index = 0;
  options_.prog_headers = 1;  // not even null is in it
  NativeCode strict = compiled(caller);
  EXPECT_EQ(run(strict, &index), 5u);
  index = 2;
  ProgHeader forged{};
  put(2, forged, code);
  forged.magic = 0;
  EXPECT_EQ(run(code, &index), 5u);
  elements_[2] = reinterpret_cast<uint64_t>(&header_) + 8;
  EXPECT_EQ(run(code, &index), 5u);
  options_.prog_headers = reinterpret_cast<uint64_t>(&header_) + 64;
  options_.prog_headers_size = 4096;
  index = 1;
  NativeCode elsewhere = compiled(caller);
  EXPECT_EQ(run(elsewhere, &index), 5u);
}

// Where facts name the array, its geometry is in the code; its elements are as little trusted.
TEST_F(TailCallJitTest, into_a_known_array_is_checked_as_well) {
  for (bool constant : {false, true}) {
    auto caller = [&](uint32_t index) {
      auto insns =
          isa::assemble_insns("r2 = map[idx:0]\n r3 = *(u32 *)(r1 +0)\n call 12\n r0 = 5\n exit");
      return VerifiedProgramMaker::unverified(*insns, {descriptor_},
                                              [&](std::vector<InsnFacts>& facts) {
                                                facts[3].map_index = 0;
                                                facts[3].tail_call_is_constant = constant;
                                                facts[3].constant_key = index;
                                              });
    };
    uint32_t index = 1;
    VerifiedProgram one = caller(index);
    NativeCode code = compiled(one);
    elements_[1] = 0;
    options_.prog_headers = 64;
    EXPECT_EQ(run(code, &index), 5u);
    put(1, header_, compiled(program("r0 = 9\n exit")));
    EXPECT_EQ(run(code, &index), 9u);
    EXPECT_EQ(context_.program, &header_);
    header_.magic = 0;
    EXPECT_EQ(run(code, &index), 5u);
    header_.magic = kProgMagic;
    elements_[1] += 8;  // not where a header can be
    EXPECT_EQ(run(code, &index), 5u);
    elements_[1] -= 8;
    context_.tail_calls = isa::kMaxTailCalls;
    EXPECT_EQ(run(code, &index), 5u);
    context_.tail_calls = 0;
    index = 4;
    VerifiedProgram outside = caller(index);
    NativeCode never = compiled(outside);
    EXPECT_EQ(run(never, &index), 5u);
  }
}

// A loop in the code: the callback sees each number once, ends it by 1, and may change its context.
TEST_F(JitTest, bpf_loop_over_a_known_callback_is_a_loop) {
#if !defined(__x86_64__)
  GTEST_SKIP() << "only the x86-64 tier makes a loop of it";
#endif
  VerifiedProgram looping = program(
      "r6 = r1\n *(u64 *)(r10 -8) = 0\n r1 = *(u32 *)(r6 +0)\n r2 = subprog[f]\n r3 = r10\n "
      "r3 += -8\n r4 = *(u32 *)(r6 +4)\n call 181\n r1 = *(u64 *)(r10 -8)\n r1 <<= 32\n r0 <<= 32\n"
      "r0 s>>= 32\n r0 += r1\n exit\n"
      "f:\n r3 = *(u64 *)(r2 +0)\n r3 += r1\n *(u64 *)(r2 +0) = r3\n r0 = 0\n if r1 < 99 goto +1\n "
      "r0 = 1\n exit");
  NativeCode code = compiled(looping);
  uint32_t in[2] = {10, 0};
  EXPECT_EQ(run(code, in), (uint64_t{45} << 32) + 10);
  in[0] = 0;
  EXPECT_EQ(run(code, in), 0u);
  in[0] = 1000;  // the callback ends it
  EXPECT_EQ(run(code, in), (uint64_t{4950} << 32) + 100);
  // What is refused is the helper's to refuse: there is none in this test's table but a mark.
  helpers[181] = reinterpret_cast<uint64_t>(+[](uint64_t, uint64_t, uint64_t, uint64_t, uint64_t,
                                                HelperContext*) -> uint64_t { return 77; });
  NativeCode refusing = compiled(looping);
  in[0] = (8 << 20) + 1;
  EXPECT_EQ(run(refusing, in), 77u);
  in[0] = 10, in[1] = 1;
  EXPECT_EQ(run(refusing, in), 77u);
  helpers[181] = 0;
}

TEST_F(TailCallJitTest, from_a_subprogram_it_returns_to_the_subprograms_caller) {
  VerifiedProgram caller = program(
      "r6 = 100\n r7 = 20\n r8 = 3\n r9 = 4\n call f\n r0 += r6\n r0 += r7\n r0 += r8\n r0 += r9\n "
      "exit\n"
      "f:\n r6 = 1000\n *(u64 *)(r10 -8) = r6\n r2 = map[idx:0]\n r3 = 1\n call 12\n r0 = 7\n exit",
      {descriptor_});
  NativeCode code = compiled(caller);
  EXPECT_EQ(run(code), 134u);
  put(1, header_, compiled(program("r6 = 5\n r7 = 6\n r8 = 7\n r9 = 8\n r0 = 50000\n exit")));
  EXPECT_EQ(run(code), 50127u);
}

TEST_F(JitTest, eight_frames_each_have_their_own_stack_and_registers) {
  std::string text = "r1 = 1\n call f1\n exit\n";
  for (int f = 1; f <= 7; f++) {
    text += "f" + std::to_string(f) +
            ":\n r6 = r1\n *(u64 *)(r10 -8) = r6\n r2 = r10\n r2 += -8\n r1 += 1\n";
    if (f < 7)
      text +=
          "*(u64 *)(r10 -16) = r2\n call f" + std::to_string(f + 1) + "\n r2 = *(u64 *)(r10 -16)\n";
    else
      text += "r0 = 0\n";
    text += "r3 = *(u64 *)(r2 +0)\n r0 *= 10\n r0 += r3\n r0 *= 10\n r0 += r6\n exit\n";
  }
  EXPECT_EQ(run(compiled(program(text.c_str()))), 77665544332211u);
}

TEST_F(JitTest, a_perf_map_has_a_line_for_each_function) {
  VerifiedProgram two = program("call f\n exit\n f: r0 = 3\n exit");
  NativeCode code = compiled(two);
  std::string lines = perf_map_lines(two, code, "0123456789abcdef");
  EXPECT_EQ(lines, fmt::format("{:x} {:x} bpf_prog_0123456789abcdef_test\n"
                               "{:x} {:x} bpf_prog_0123456789abcdef_test\n",
                               code.block.address, code.subprograms[1],
                               code.block.address + code.subprograms[1],
                               code.code_size - code.subprograms[1]));
}

// The optimising tier's code has no parts by function.
TEST_F(JitTest, a_perf_map_has_one_line_for_code_of_one_part) {
  VerifiedProgram two = program("call f\n exit\n f: r0 = 3\n exit");
  NativeCode code = compiled(two);
  code.subprograms.clear();
  EXPECT_EQ(perf_map_lines(two, code, "0123456789abcdef"),
            fmt::format("{:x} {:x} bpf_prog_0123456789abcdef_test\n", code.block.address,
                        code.code_size));
}

TEST_F(JitTest, a_helper_calls_back_with_five_arguments) {
  VerifiedProgram calling = program(
      "r6 = 1000000\n r1 = subprog[f]\n r2 = 5\n r3 = 6\n call 5\n r0 += r6\n exit\n"
      "f:\n r6 = r1\n r0 = r6\n r0 *= 10\n r0 += r2\n r0 *= 10\n r0 += r3\n r0 *= 10\n r0 += r4\n "
      "r0 *= 10\n r0 += r5\n exit");
  EXPECT_EQ(run(compiled(calling)), 1056789u);
}

class LookupTest : public JitTest {
 protected:
  VerifiedProgram with_map(const char* text, MapType type, uint32_t stride) {
    map_ = {};
    map_.magic = kMapMagic;
    map_.max_entries = 5;
    map_.value_size = map_.value_stride = stride;
    map_.values = 0x10000;
    map_.slot_stride = 5 * stride;
    MapDescriptor descriptor;
    descriptor.type = type;
    descriptor.max_entries = 5;
    descriptor.address = reinterpret_cast<uint64_t>(&map_);
    VerifiedProgram made = program(text, {descriptor});
    for (size_t i = 0; i < made.insns().size(); i++)
      if (made.insns()[i].opcode == (isa::BPF_JMP | isa::BPF_CALL))
        VerifiedProgramMaker::facts_of(made, i).map_index = 0;
    lookups = 0;
    return made;
  }
  MapHeader map_{};
};

TEST_F(LookupTest, of_an_array_is_inline_and_bounded) {
  constexpr const char* kText =
      "r3 = *(u32 *)(r1 +0)\n *(u32 *)(r10 -4) = r3\n r2 = r10\n r2 += -4\n r1 = map[idx:0]\n call "
      "1\n exit";
  constexpr const char* kTested =
      "r6 = r1\n r3 = *(u32 *)(r1 +0)\n *(u32 *)(r10 -4) = r3\n r2 = r10\n r2 += -4\n r1 = "
      "map[idx:0]\n call 1\n"
      "if r0 == 0 goto +2\n r0 += 1\n exit\n r0 = 99\n exit";
  constexpr const char* kTestedTheOtherWay =
      "r3 = *(u32 *)(r1 +0)\n *(u32 *)(r10 -4) = r3\n r2 = r10\n r2 += -4\n r1 = map[idx:0]\n call "
      "1\n"
      "if r0 != 0 goto +2\n r0 += 77\n exit\n r0 += 1\n exit";
  constexpr const char* kNullIsUsed =
      "r3 = *(u32 *)(r1 +0)\n *(u32 *)(r10 -4) = r3\n r2 = r10\n r2 += -4\n r1 = map[idx:0]\n call "
      "1\n"
      "if r0 == 0 goto +1\n r0 += 1\n exit";
  context_.slot = 3;
  for (MapType type : {MapType::BPF_MAP_TYPE_ARRAY, MapType::BPF_MAP_TYPE_PERCPU_ARRAY})
    for (uint32_t stride : {8u, 1u, 4u, 64u, 24u}) {
      uint64_t base = 0x10000 + (type == MapType::BPF_MAP_TYPE_PERCPU_ARRAY ? 3 * 5 * stride : 0);
      NativeCode plain = compiled(with_map(kText, type, stride)),
                 tested = compiled(with_map(kTested, type, stride)),
                 other = compiled(with_map(kTestedTheOtherWay, type, stride)),
                 null = compiled(with_map(kNullIsUsed, type, stride));
      for (uint32_t key : {0u, 1u, 4u}) {
        EXPECT_EQ(run(plain, &key), base + key * stride);
        EXPECT_EQ(run(tested, &key), base + key * stride + 1);
        EXPECT_EQ(run(other, &key), base + key * stride + 1);
        EXPECT_EQ(run(null, &key), base + key * stride + 1);
      }
      for (uint32_t key : {5u, 0x80000000u, 0xffffffffu}) {
        EXPECT_EQ(run(plain, &key), 0u);
        EXPECT_EQ(run(tested, &key), 99u);
        EXPECT_EQ(run(other, &key), 77u);
        EXPECT_EQ(run(null, &key), 0u);
      }
    }
  EXPECT_EQ(lookups, 0u);
}

TEST_F(LookupTest, with_a_known_key_is_a_constant) {
  constexpr const char* kText =
      "r2 = r10\n r2 += -4\n *(u32 *)(r10 -4) = 3\n r1 = map[idx:0]\n call 1\n if r0 == 0 goto "
      "+2\n r0 += 1\n exit\n"
      "r0 = 99\n exit";
  context_.slot = 2;
  for (MapType type : {MapType::BPF_MAP_TYPE_ARRAY, MapType::BPF_MAP_TYPE_PERCPU_ARRAY})
    for (uint32_t key : {3u, 5u}) {
      VerifiedProgram constant = with_map(kText, type, 16);
      auto& facts = VerifiedProgramMaker::facts_of(constant, 5);
      facts.key_is_constant = true, facts.constant_key = key;
      uint64_t base = 0x10000 + (type == MapType::BPF_MAP_TYPE_PERCPU_ARRAY ? 2 * 5 * 16 : 0);
      EXPECT_EQ(run(compiled(constant)), key == 3 ? base + 3 * 16 + 1 : 99u);
    }
  EXPECT_EQ(lookups, 0u);
}

TEST_F(LookupTest, of_a_map_that_is_not_published_calls_the_helper) {
  VerifiedProgram made =
      with_map("*(u32 *)(r10 -4) = 0\n r2 = r10\n r2 += -4\n r1 = map[idx:0]\n call 1\n exit",
               MapType::BPF_MAP_TYPE_ARRAY, 8);
  map_.magic = 0;
  EXPECT_EQ(run(compiled(made)), 0u);
  EXPECT_EQ(lookups, 1u);
}

TEST_F(JitTest, may_goto_lets_a_loop_run_eight_million_times) {
  NativeCode code = compiled(
      program("r0 = 0\n again:\n may_goto out\n r0 += 1\n goto again\n out:\n may_goto +0\n exit"));
  EXPECT_EQ(run(code), 8u << 20);
}

// AArch64's conditional branches and adr reach a megabyte; x86's short jumps much less.
TEST_F(JitTest, branches_over_megabytes_of_code_reach) {
  using namespace isa;
  memory_ = std::move(*make_private_code_memory(8 << 20));
  constexpr int kLoads = 15000;
  const Insn load{.opcode = BPF_LD | BPF_IND | BPF_B, .src = 7};
  constexpr auto kOver = static_cast<int16_t>(2 * kLoads + 2);
  std::vector<Insn> insns{
      {.opcode = BPF_LDX | BPF_MEM | BPF_DW, .dst = 7, .src = 1},
      {.opcode = BPF_LDX | BPF_MEM | BPF_DW, .dst = 8, .src = 1, .off = 8},
      {.opcode = BPF_ALU64 | BPF_MOV | BPF_K, .dst = 9},
      {.opcode = BPF_JMP | BPF_JEQ | BPF_K,
       .dst = 8,
       .off = kOver},  // to the end; back here from there
      {.opcode = BPF_ALU64 | BPF_ADD | BPF_K, .dst = 8, .imm = -1},
  };
  for (int i = 0; i < kLoads; ++i) {
    insns.push_back(load);
    insns.push_back({.opcode = BPF_ALU64 | BPF_ADD | BPF_X, .dst = 9, .src = 0});
  }
  insns.push_back({.opcode = BPF_JMP | BPF_JSGE | BPF_K, .dst = 8, .off = -kOver - 1});
  insns.push_back({.opcode = BPF_ALU64 | BPF_MOV | BPF_X, .dst = 0, .src = 9});
  insns.push_back({.opcode = BPF_JMP | BPF_EXIT});
  NativeCode code = compiled(VerifiedProgramMaker::unverified(std::move(insns)));
  EXPECT_GT(code.code_size, 1u << 20);
  uint8_t bytes[2] = {0, 5};
  PacketView packet{.data = bytes, .data_end = bytes + 2};
  context_.packet = &packet;
  uint64_t offset_and_rounds[2] = {1, 3};
  EXPECT_EQ(run(code, offset_and_rounds), 3u * 5 * kLoads);
  offset_and_rounds[1] = 0;
  EXPECT_EQ(run(code, offset_and_rounds), 0u);
  offset_and_rounds[0] = 2, offset_and_rounds[1] = 1;  // outside: it ends
  EXPECT_EQ(run(code, offset_and_rounds), 0u);
  context_.packet = nullptr;
}

TEST_F(JitTest, the_line_table_names_the_instruction_of_each_byte) {
  NativeCode code = compiled(
      program("r0 = *(u64 *)(r1 +0)\n r0 *= 77\n r2 = 0x1234567812345678 ll\n r0 ^= r2\n exit"));
  EXPECT_EQ(code.lines.size(), 7u);
  for (uint32_t insn : {0u, 1u, 4u, 5u}) EXPECT_EQ(insn_at(code, code.lines[insn]), insn);
  EXPECT_EQ(insn_at(code, code.code_size), std::nullopt);
}

TEST_F(JitTest, refuses_what_no_verifier_passes) {
  using namespace isa;
  auto error = [&](std::vector<Insn> insns) {
    auto code = compile(VerifiedProgramMaker::unverified(std::move(insns)), options_, *memory_);
    return code ? std::string() : code.error().text();
  };
  const Insn leave{.opcode = BPF_JMP | BPF_EXIT};
  EXPECT_NE(error({{.opcode = BPF_JMP | BPF_JA, .off = 5}, leave}), "");
  EXPECT_NE(error({{.opcode = BPF_ALU64 | BPF_MOV | BPF_K, .dst = 10}, leave}), "");
  EXPECT_NE(error({{.opcode = BPF_ALU64 | BPF_MOV | BPF_K, .dst = 11}, leave}), "");
  EXPECT_NE(error({{.opcode = BPF_JMP | BPF_CALL, .imm = 4000}, leave}), "");
  EXPECT_EQ(error({{.opcode = BPF_ALU64 | BPF_MOV | BPF_K}, leave}), "");
}

}  // namespace
}  // namespace skep::jit
