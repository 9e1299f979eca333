// What hardened native code may hold: every emitted byte is decoded, from the code's first to its last, and must
// be an instruction of a short list; jumps stay inside and land on instructions; no number of the program's shows.
#include <Zydis/Zydis.h>
#include <gtest/gtest.h>

#include <array>
#include <cstring>
#include <map>
#include <set>

#include "isa/assembler.h"
#include "object/helper_context.h"
#include "support/random_program.h"
#include "support/unsafe_program.h"
#include "vm/hardened.h"
#include "vm/jit/jit.h"

namespace skep::jit {
namespace {

using test::hardened;
using test::helpers;

struct Decoded {
  std::map<uint32_t, ZydisDecodedInstruction> insns;  // by offset
  std::set<uint32_t> targets;
  std::string wrong;
  unsigned indirect_jumps = 0, indirect_calls = 0;
  uint32_t memory_without_barrier = 0;
};

// Of what the code generator has any use for; nothing that enters the kernel, touches segments or ports, or
// changes a privileged state.
bool allowed(ZydisMnemonic m) {
  switch (m) {
    case ZYDIS_MNEMONIC_SYSCALL:
    case ZYDIS_MNEMONIC_SYSENTER:
    case ZYDIS_MNEMONIC_INT:
    case ZYDIS_MNEMONIC_IN:
    case ZYDIS_MNEMONIC_OUT:
    case ZYDIS_MNEMONIC_RDTSC:
    case ZYDIS_MNEMONIC_CPUID:
    case ZYDIS_MNEMONIC_WRFSBASE:
    case ZYDIS_MNEMONIC_WRGSBASE:
    case ZYDIS_MNEMONIC_WRPKRU:
    case ZYDIS_MNEMONIC_XRSTOR:
    case ZYDIS_MNEMONIC_HLT:
    case ZYDIS_MNEMONIC_LEAVE:
    case ZYDIS_MNEMONIC_ENTER:
    case ZYDIS_MNEMONIC_CLFLUSH: return false;
    default: return true;
  }
}

Decoded decode(const NativeCode& code) {
  Decoded out;
  ZydisDecoder decoder;
  ZydisDecoderInit(&decoder, ZYDIS_MACHINE_MODE_LONG_64, ZYDIS_STACK_WIDTH_64);
  ByteSpan bytes = code.code();
  uint32_t at = 0;
  ZydisDecodedOperand operands[ZYDIS_MAX_OPERAND_COUNT];
  while (at < bytes.size()) {
    ZydisDecodedInstruction insn;
    if (!ZYAN_SUCCESS(ZydisDecoderDecodeFull(&decoder, bytes.data() + at, bytes.size() - at, &insn,
                                             operands))) {
      out.wrong = fmt::format("no instruction at {}", at);
      return out;
    }
    if (!allowed(insn.mnemonic))
      out.wrong = fmt::format("{} at {}", ZydisMnemonicGetString(insn.mnemonic), at);
    bool branch = insn.meta.category == ZYDIS_CATEGORY_COND_BR ||
                  insn.meta.category == ZYDIS_CATEGORY_UNCOND_BR ||
                  insn.meta.category == ZYDIS_CATEGORY_CALL;
    if (branch && operands[0].type == ZYDIS_OPERAND_TYPE_IMMEDIATE) {
      int64_t to = at + insn.length + operands[0].imm.value.s;
      if (to < 0 || to >= static_cast<int64_t>(bytes.size()))
        out.wrong = fmt::format("a jump from {} to {}", at, to);
      else
        out.targets.insert(static_cast<uint32_t>(to));
    } else if (branch && insn.meta.category == ZYDIS_CATEGORY_CALL) {
      out.indirect_calls++;  // through a table whose place is fixed, never through a register
      if (operands[0].type != ZYDIS_OPERAND_TYPE_MEMORY ||
          operands[0].mem.base != ZYDIS_REGISTER_RIP)
        out.wrong = fmt::format("an indirect call at {}", at);
    } else if (branch) {
      out.indirect_jumps++;
    }
    out.insns.emplace(at, insn);
    at += insn.length;
  }
  for (uint32_t target : out.targets)
    if (!out.insns.contains(target))
      out.wrong = fmt::format("a jump into the middle of what is at {}", target);
  return out;
}

class Hardening : public testing::Test {
 protected:
  void SetUp() override { memory_ = std::move(*make_private_code_memory(1 << 20)); }
  std::unique_ptr<CodeMemory> memory_;
};

TEST_F(Hardening, every_byte_of_random_programs_is_an_instruction_that_may_be_there) {
  for (uint64_t seed = 1; seed <= 300; seed++) {
    VerifiedProgram program = VerifiedProgramMaker::unverified(RandomProgram(seed).make());
    for (bool hard : {false, true}) {
      JitOptions options = hardened(seed);
      if (!hard) options.blinding_seed.reset(), options.speculation_barriers = false;
      auto code = compile(program, options, *memory_);
      ASSERT_TRUE(code) << code.error().text();
      Decoded decoded = decode(*code);
      ASSERT_EQ(decoded.wrong, "") << "seed " << seed;
      EXPECT_EQ(decoded.indirect_jumps, 0u);
      memory_->free(code->block);
    }
  }
}

TEST_F(Hardening, no_constant_of_the_program_is_in_blinded_code) {
  constexpr uint32_t kNumbers[] = {0x3c909090, 0x4badf00d, 0x7eadbeef, 0x5ca1ab1e, 0x0f05c3c3};
  constexpr const char* kText =
      "r6 = r1\n r1 = *(u64 *)(r6 +8)\n r1 |= 0x3c909090\n r2 = 0x4badf00d7eadbeef ll\n r0 = r1\n "
      "r0 += 0x5ca1ab1e\n"
      "r0 ^= 0x0f05c3c3\n r0 &= 0x4badf00d\n r0 *= 0x5ca1ab1e\n w0 |= 0x3c909090\n"
      "*(u64 *)(r6 +0) = 0x0f05c3c3\n if r0 > 0x5ca1ab1e goto +1\n r0 += r2\n"
      "if w0 == 0x3c909090 goto +1\n r0 /= 0x4badf00d\n r0 %= 0x7eadbeef\n exit";
  auto insns = isa::assemble_insns(kText);
  ASSERT_TRUE(insns) << insns.error().text();
  VerifiedProgram program = VerifiedProgramMaker::unverified(std::move(*insns));
  auto holds = [&](const NativeCode& code, uint32_t number) {
    for (size_t i = 0; i + 4 <= code.code_size; i++)
      if (std::memcmp(code.block.writable + i, &number, 4) == 0) return true;
    return false;
  };
  JitOptions plain = hardened(0);
  plain.blinding_seed.reset();
  auto shown = compile(program, plain, *memory_);
  ASSERT_TRUE(shown);
  EXPECT_TRUE(holds(*shown, 0x5ca1ab1e));
  for (uint64_t seed = 0; seed < 50; seed++) {
    auto code = compile(program, hardened(seed), *memory_);
    ASSERT_TRUE(code);
    for (uint32_t number : kNumbers)
      EXPECT_FALSE(holds(*code, number)) << std::hex << number << " with seed " << seed;
    memory_->free(code->block);
  }
}

TEST_F(Hardening, traps_surround_the_code) {
  auto insns = isa::assemble_insns("r0 = 1\n exit");
  VerifiedProgram program = VerifiedProgramMaker::unverified(std::move(*insns));
  std::set<uint64_t> starts;
  for (uint64_t seed = 0; seed < 64; seed++) {
    auto code = compile(program, hardened(seed), *memory_);
    ASSERT_TRUE(code);
    uint64_t start = code->entry - code->block.address;
    starts.insert(start);
    EXPECT_GE(start, 16u);
    for (uint64_t i = 0; i < start; i++)
      EXPECT_EQ(std::to_integer<int>(code->block.writable[i]), 0xcc);
    for (uint32_t i = 0; i < 16; i++)
      EXPECT_EQ(std::to_integer<int>(code->block.writable[code->code_size + i]), 0xcc);
    memory_->free(code->block);
  }
  EXPECT_GT(starts.size(), 8u);  // where it starts can't be known
}

TEST_F(Hardening, a_barrier_stands_before_the_first_access_of_each_block) {
  auto insns = isa::assemble_insns(
      "r2 = *(u64 *)(r1 +0)\n if r2 > 10 goto out\n r2 <<= 3\n r1 += r2\n r0 = *(u64 *)(r1 +8)\n"
      "r3 = *(u64 *)(r1 +16)\n r0 += r3\n exit\n out: r0 = 0\n exit");
  ASSERT_TRUE(insns);
  auto code = compile(VerifiedProgramMaker::unverified(std::move(*insns)), hardened(3), *memory_);
  ASSERT_TRUE(code);
  unsigned barriers = 0;
  bool fenced = true, branched = false;
  for (const auto& [at, insn] : decode(*code).insns) {
    if (insn.mnemonic == ZYDIS_MNEMONIC_LFENCE) barriers++, fenced = true;
    if (insn.meta.category == ZYDIS_CATEGORY_COND_BR) fenced = false, branched = true;
    bool loads = insn.mnemonic == ZYDIS_MNEMONIC_MOV &&
                 (insn.attributes & ZYDIS_ATTRIB_HAS_MODRM) && insn.raw.modrm.mod != 3;
    EXPECT_TRUE(fenced || !branched || !loads) << "at " << at;
  }
  EXPECT_EQ(barriers, 2u);  // the first block's, and the one after the test
}

// What an attacker could hand to a helper as a callback's address: anything but a callback's first byte traps.
TEST_F(Hardening, callbacks_are_called_by_name) {
  helpers[5] = reinterpret_cast<uint64_t>(
      +[](uint64_t r1, uint64_t r2, uint64_t, uint64_t, uint64_t, HelperContext* context) {
        return context->call_bpf(context, r1 + r2, 40, 0, 0, 0, 0);
      });
  auto run = [&](int skew) {
    auto insns = isa::assemble_insns(
        fmt::format("r1 = subprog[f]\n r2 = {}\n call 5\n exit\n f: r0 = r1\n r0 += 2\n exit\n"
                    "g: r0 = 1\n exit\n h: r1 = subprog[g]\n r0 = 0\n exit",
                    skew));
    auto code = compile(VerifiedProgramMaker::unverified(std::move(*insns)), hardened(1), *memory_);
    EXPECT_TRUE(code);
    HelperContext context;
    return reinterpret_cast<uint64_t (*)(void*, HelperContext*)>(code->entry)(nullptr, &context);
  };
  EXPECT_EQ(run(0), 42u);
  EXPECT_EXIT(run(1), testing::KilledBySignal(SIGTRAP), "");
}

}  // namespace
}  // namespace skep::jit
