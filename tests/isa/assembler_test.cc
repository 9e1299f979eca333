#include "isa/assembler.h"

#include <gtest/gtest.h>

#include <map>

#include "isa/builder.h"
#include "isa/disassembler.h"
#include "isa/random_insn.h"

namespace skep::isa {
namespace {

using namespace macros;

int32_t test_helper_id(const void*, std::string_view name) {
  if (name == "bpf_map_lookup_elem") return 1;
  if (name == "bpf_ktime_get_ns") return 5;
  return -1;
}
std::string_view test_helper_name(const void*, int32_t id) {
  return id == 1 ? "bpf_map_lookup_elem" : id == 5 ? "bpf_ktime_get_ns" : std::string_view{};
}
constexpr AsmOptions kAsm{.helper_id = test_helper_id, .callx = true};

std::string error_of(std::string_view text) {
  auto result = assemble(text, kAsm);
  return result ? "assembled" : result.error().text();
}

TEST(Assembler, reads_back_what_the_disassembler_writes_for_every_legal_instruction) {
  RandomInsns random(3);
  for (int i = 0; i < 200000; ++i) {
    const std::vector<Insn> insn = random.next();
    const std::string text =
        disassemble(insn, 0, {.helper_name = test_helper_name, .opcodes = (i & 1) != 0});
    auto back = assemble_insns(text, kAsm);
    ASSERT_TRUE(back) << text << ": " << back.error().text();
    ASSERT_EQ(*back, insn) << text;
  }
}

TEST(Assembler, reads_back_a_whole_listing) {
  RandomInsns random(4);
  std::vector<Insn> program;
  for (int i = 0; i < 5000; ++i) {
    const auto insn = random.next();
    program.insert(program.end(), insn.begin(), insn.end());
  }
  auto back = assemble_insns(disassemble_all(program), kAsm);
  ASSERT_TRUE(back) << back.error().text();
  EXPECT_EQ(*back, program);
}

struct Golden {
  const char* text;
  std::vector<Insn> insns;
};

std::vector<Insn> of(const Insn& insn) { return {insn}; }
std::vector<Insn> of(const Insn2& pair) { return {pair[0], pair[1]}; }

// What the disassembler writes, too: the kernel's own form.
const Golden kKernelForm[] = {
    {"r0 = 5", of(BPF_MOV64_IMM(0, 5))},
    {"w0 = -1", of(BPF_MOV32_IMM(0, -1))},
    {"r1 = r10", of(BPF_MOV64_REG(1, 10))},
    {"w1 = (s8)w2", of(BPF_MOVSX32_REG(1, 2, 8))},
    {"r1 = (s32)r2", of(BPF_MOVSX64_REG(1, 2, 32))},
    {"r1 = -r1", of(BPF_NEG64(1))},
    {"w3 = -w3", of(BPF_NEG32(3))},
    {"r1 s/= r2", of(BPF_ALU64_REG_OFF(BPF_DIV, 1, 2, 1))},
    {"w1 s%= 7", of(BPF_ALU32_IMM_OFF(BPF_MOD, 1, 7, 1))},
    {"r1 s>>= 3", of(BPF_ALU64_IMM(BPF_ARSH, 1, 3))},
    {"w1 <<= w2", of(BPF_ALU32_REG(BPF_LSH, 1, 2))},
    {"r0 = be16 r0", of(BPF_ENDIAN(BPF_TO_BE, 0, 16))},
    {"r0 = le64 r0", of(BPF_ENDIAN(BPF_TO_LE, 0, 64))},
    {"r1 = bswap32 r1", of(BPF_BSWAP(1, 32))},
    {"r1 = addr_space_cast(r2, 0, 1)", of(BPF_RAW_INSN(0xbf, 1, 2, 1, 1))},
    {"r1 = addr_space_cast(r2, 1, 0)", of(BPF_RAW_INSN(0xbf, 1, 2, 1, 0x10000))},
    {"r0 = *(u32 *)(r1 +8)", of(BPF_LDX_MEM(BPF_W, 0, 1, 8))},
    {"r0 = *(s16 *)(r1 -2)", of(BPF_LDX_MEMSX(BPF_H, 0, 1, -2))},
    {"*(u64 *)(r10 -8) = r1", of(BPF_STX_MEM(BPF_DW, 10, 1, -8))},
    {"*(u8 *)(r10 -1) = 255", of(BPF_ST_MEM(BPF_B, 10, -1, 255))},
    {"r0 = *(u8 *)skb[14]", of(BPF_LD_ABS(BPF_B, 14))},
    {"r0 = *(u16 *)skb[r6 + 12]", of(BPF_LD_IND(BPF_H, 6, 12))},
    {"lock *(u64 *)(r1 +0) += r2", of(BPF_ATOMIC_OP(BPF_DW, BPF_ADD, 1, 2, 0))},
    {"lock *(u32 *)(r1 +4) ^= r2", of(BPF_ATOMIC_OP(BPF_W, BPF_XOR, 1, 2, 4))},
    {"r2 = atomic64_fetch_add((u64 *)(r1 +0), r2)",
     of(BPF_ATOMIC_OP(BPF_DW, BPF_ADD | BPF_FETCH, 1, 2, 0))},
    {"r2 = atomic_xchg((u32 *)(r1 -4), r2)", of(BPF_ATOMIC_OP(BPF_W, BPF_XCHG, 1, 2, -4))},
    {"r0 = atomic64_cmpxchg((u64 *)(r1 +0), r0, r2)",
     of(BPF_ATOMIC_OP(BPF_DW, BPF_CMPXCHG, 1, 2, 0))},
    {"r3 = load_acquire((u8 *)(r1 +0))", of(BPF_LOAD_ACQUIRE(BPF_B, 3, 1, 0))},
    {"store_release((u64 *)(r1 +8), r3)", of(BPF_STORE_RELEASE(BPF_DW, 1, 3, 8))},
    {"goto pc+3", of(BPF_JMP_A(3))},
    {"gotol pc-3", of(BPF_JMP32_A(-3))},
    {"may_goto pc+2", of(BPF_MAY_GOTO(2))},
    {"if r1 == 0x5 goto pc+3", of(BPF_JMP_IMM(BPF_JEQ, 1, 5, 3))},
    {"if w7 s> w8 goto pc-1", of(BPF_JMP32_REG(BPF_JSGT, 7, 8, -1))},
    {"if r1 & 0xffffffff goto pc+0", of(BPF_JMP_IMM(BPF_JSET, 1, -1, 0))},
    {"call bpf_map_lookup_elem#1", of(BPF_EMIT_CALL(1))},
    {"call unknown#777", of(BPF_EMIT_CALL(777))},
    {"call pc+3", of(BPF_CALL_REL(3))},
    {"call kfunc[1234]", of(BPF_CALL_KFUNC(0, 1234))},
    {"call kfunc[1234, 2]", of(BPF_CALL_KFUNC(2, 1234))},
    {"callx r2", of(BPF_RAW_INSN(0x8d, 2, 0, 0, 0))},
    {"exit", of(BPF_EXIT_INSN())},
    {"r2 = 0x1122334455667788 ll", of(BPF_LD_IMM64(2, 0x1122334455667788))},
    {"r1 = map[fd:5]", of(BPF_LD_MAP_FD(1, 5))},
    {"r1 = map[fd:5][0]+8", of(BPF_LD_MAP_VALUE(1, 5, 8))},
    {"r1 = map[idx:2]", of(BPF_LD_IMM64_RAW_FULL(1, BPF_PSEUDO_MAP_IDX, 0, 0, 2, 0))},
    {"r1 = btf[id:9]", of(BPF_LD_IMM64_RAW_FULL(1, BPF_PSEUDO_BTF_ID, 0, 0, 9, 0))},
    {"r1 = btf[id:9, fd:3]", of(BPF_LD_IMM64_RAW_FULL(1, BPF_PSEUDO_BTF_ID, 0, 0, 9, 3))},
    {"r1 = subprog[+7]", of(BPF_LD_FUNC(1, 7))},
};

TEST(Disassembler, writes_the_kernels_syntax) {
  for (const Golden& golden : kKernelForm)
    EXPECT_EQ(disassemble(golden.insns, 0, {.helper_name = test_helper_name}), golden.text);
}

TEST(Assembler, reads_the_kernels_syntax) {
  for (const Golden& golden : kKernelForm) {
    auto insns = assemble_insns(golden.text, kAsm);
    ASSERT_TRUE(insns) << golden.text << ": " << insns.error().text();
    EXPECT_EQ(*insns, golden.insns) << golden.text;
  }
}

TEST(Assembler, reads_llvms_syntax_and_other_spellings) {
  const Golden kOthers[] = {
      {"r0 = *(u32 *)(r1 + 8)", of(BPF_LDX_MEM(BPF_W, 0, 1, 8))},
      {"r0 = *(u32*)(r1+8)", of(BPF_LDX_MEM(BPF_W, 0, 1, 8))},
      {"r0 = *(u32 *)(r1)", of(BPF_LDX_MEM(BPF_W, 0, 1, 0))},
      {"w0 = *(u8 *)(r1 + 0)", of(BPF_LDX_MEM(BPF_B, 0, 1, 0))},
      {"*(u32 *)(r10 - 4) = w1", of(BPF_STX_MEM(BPF_W, 10, 1, -4))},
      {"*(u64 *)(r10 - 8) = -0x80000000", of(BPF_ST_MEM(BPF_DW, 10, -8, INT32_MIN))},
      {"lock *(u32 *)(r1 + 0) += w2", of(BPF_ATOMIC_OP(BPF_W, BPF_ADD, 1, 2, 0))},
      {"w2 = atomic_fetch_or((u32 *)(r1 + 0), w2)",
       of(BPF_ATOMIC_OP(BPF_W, BPF_OR | BPF_FETCH, 1, 2, 0))},
      {"r2 = xchg_64(r1 + 8, r2)", of(BPF_ATOMIC_OP(BPF_DW, BPF_XCHG, 1, 2, 8))},
      {"w0 = cmpxchg32_32(r1 + 0, w0, w2)", of(BPF_ATOMIC_OP(BPF_W, BPF_CMPXCHG, 1, 2, 0))},
      {"r0 = *(u8 *)skb[r1]", of(BPF_LD_IND(BPF_B, 1, 0))},
      {"r0 = *(u8 *)skb[r1 - 4]", of(BPF_LD_IND(BPF_B, 1, -4))},
      {"r0 = *(u8 *)skb[-4096]", of(BPF_LD_ABS(BPF_B, -4096))},
      {"goto +3", of(BPF_JMP_A(3))},
      {"if r1 s< -5 goto +1", of(BPF_JMP_IMM(BPF_JSLT, 1, -5, 1))},
      {"call 5", of(BPF_EMIT_CALL(5))},
      {"call bpf_ktime_get_ns", of(BPF_EMIT_CALL(5))},
      {"r1 = -1 ll", of(BPF_LD_IMM64(1, UINT64_MAX))},
      {"r1 = 4294967295", of(BPF_MOV64_IMM(1, -1))},
      {"12: (b7) r0 = 1   ; R0_w=1 refs=2", of(BPF_MOV64_IMM(0, 1))},
      {"  r0 = 1 // one", of(BPF_MOV64_IMM(0, 1))},
      {"  r0 /* zero */ = 1 # one", of(BPF_MOV64_IMM(0, 1))},
      {"r1 = map[fd:5][0]", of(BPF_LD_MAP_VALUE(1, 5, 0))},
  };
  for (const Golden& golden : kOthers) {
    auto insns = assemble_insns(golden.text, kAsm);
    ASSERT_TRUE(insns) << golden.text << ": " << insns.error().text();
    EXPECT_EQ(*insns, golden.insns) << golden.text;
  }
}

TEST(Assembler, resolves_labels_forwards_and_backwards) {
  auto insns = assemble_insns(R"(
      r0 = 0
    again: r0 += 1
      if r0 < 10 goto again
      r2 = subprog[add]
      gotol out
      call add
    out:
      exit
    add:
      r0 = r1
      exit)");
  ASSERT_TRUE(insns) << insns.error().text();
  const auto expected =
      macros::insns(BPF_MOV64_IMM(0, 0), BPF_ALU64_IMM(BPF_ADD, 0, 1),
                    BPF_JMP_IMM(BPF_JLT, 0, 10, -2), BPF_LD_FUNC(2, 4), BPF_JMP32_A(1),
                    BPF_CALL_REL(1), BPF_EXIT_INSN(), BPF_MOV64_REG(0, 1), BPF_EXIT_INSN());
  EXPECT_EQ(*insns, std::vector<Insn>(expected.begin(), expected.end()));
}

TEST(Assembler, a_file_with_directives_becomes_maps_and_programs) {
  auto result = assemble(R"(
    .license "GPL"
    .map counts, percpu_array, 4, 8, 16
    .section "tracepoint/syscalls/sys_enter_openat"
    .prog on_enter
      *(u32 *)(r10 -4) = 0
      r2 = r10
      r2 += -4
      r1 = map[counts]
      call bpf_map_lookup_elem
      r1 = events ll
      r3 = map[counts][0]+4
      r0 = 0
      exit
    .func twice
      r0 = r1
      r0 += r1
      exit
    .section xdp
      r0 = 2
      r1 = map[id:17]
      exit
    .map events, 27, 0, 0, 0x1000, 1
  )",
                         kAsm);
  ASSERT_TRUE(result) << result.error().text();
  EXPECT_EQ(result->license, "GPL");
  ASSERT_EQ(result->maps.size(), 2u);
  EXPECT_EQ(result->maps[0].name, "counts");
  EXPECT_EQ(result->maps[0].type, "percpu_array");
  EXPECT_EQ(result->maps[0].value_size, 8u);
  EXPECT_EQ(result->maps[1].type, "27");
  EXPECT_EQ(result->maps[1].max_entries, 0x1000u);
  EXPECT_EQ(result->maps[1].flags, 1u);
  ASSERT_EQ(result->programs.size(), 2u);
  const AsmProgram& enter = result->programs[0];
  EXPECT_EQ(enter.section, "tracepoint/syscalls/sys_enter_openat");
  EXPECT_EQ(enter.name, "on_enter");
  ASSERT_EQ(enter.insns.size(), 15u);
  EXPECT_EQ(enter.lines[0], 6u);
  EXPECT_EQ(enter.insns[3], (Insn{.opcode = 0x18, .dst = 1, .src = BPF_PSEUDO_MAP_IDX, .imm = 0}));
  EXPECT_EQ(enter.insns[6], (Insn{.opcode = 0x18, .dst = 1, .src = BPF_PSEUDO_MAP_IDX, .imm = 1}));
  EXPECT_EQ(enter.insns[8],
            (Insn{.opcode = 0x18, .dst = 3, .src = BPF_PSEUDO_MAP_IDX_VALUE, .imm = 0}));
  EXPECT_EQ(enter.insns[9].imm, 4);
  ASSERT_EQ(enter.labels.size(), 1u);
  EXPECT_EQ(enter.labels[0].name, "twice");
  EXPECT_EQ(enter.labels[0].insn, 12u);
  EXPECT_TRUE(enter.labels[0].function);
  const AsmProgram& xdp = result->programs[1];
  EXPECT_EQ(xdp.section, "xdp");
  EXPECT_EQ(xdp.name, "main");
  ASSERT_EQ(xdp.maps_by_id.size(), 1u);
  EXPECT_EQ(xdp.maps_by_id[0].insn, 1u);
  EXPECT_EQ(xdp.maps_by_id[0].id, 17u);
}

TEST(Assembler, says_where_it_stopped_and_what_it_wanted) {
  const std::map<std::string, std::string> kErrors = {
      {"r0 = foo", "1:6: expected a register, a number or an address, found 'foo'"},
      {"\n\n  r11 = 0", "3:3: expected an instruction, a label or a directive, found 'r11'"},
      {"r0 = r1 r2", "1:9: expected the end of the statement, found 'r2'"},
      {"r0 + 1", "1:4: expected an assignment (=, +=, …), found '+'"},
      {"r0 += w1", "1:7: expected r1 beside r0: both are of 64 bits (r) or of 32 (w), found 'w1'"},
      {"r0 = 0x1122334455",
       "1:6: 0x1122334455 does not fit 32 bits; write `0x1122334455 ll` for 64"},
      {"r0 = 99999999999999999999", "1:6: 99999999999999999999 does not fit 64 bits"},
      {"r0 = 12ab", "1:6: '12ab' is not a number"},
      {"r0 = *(u32 *)(r1 +40000)", "1:18: expected an offset from -32768 to 32767, found 40000"},
      {"r0 = *(u24 *)(r1 +4)", "1:8: expected a type (u8 to u64, s8 to s32), found 'u24'"},
      {"r1 = *(u8 *)skb[4]", "1:13: a load from skb goes into r0"},
      {"*(s8 *)(r1 +0) = 4", "1:1: a store has no sign: write u8, u16, u32 or u64"},
      {"if r1 = 3 goto x", "1:7: expected a comparison (==, !=, >, s>, &, …), found '='"},
      {"goto nowhere", "1:6: no label is named 'nowhere'"},
      {"call nowhere", "1:6: no helper and no label is named 'nowhere'"},
      {"goto x\nx:", "1:6: label 'x' is past the last instruction"},
      {"x: exit\nx: exit", "2:1: label 'x' is already defined"},
      {"r1 = map[nope]", "1:10: no .map declares 'nope'"},
      {"r1 = map[hd:3]", "1:10: expected fd, idx or id before ':', found 'hd'"},
      {"lock *(u8 *)(r1 +0) += r2",
       "1:1: opcode 0xd3 (BPF_STX|BPF_ATOMIC|BPF_B): imm is 0, expected 256 or 272"},
      {"lock *(u64 *)(r1 +0) -= r2", "1:22: expected +=, |=, &= or ^=, found '-='"},
      {"r3 = atomic_xchg((u64 *)(r1 +0), r2)",
       "1:34: expected r3: the old value replaces the operand, found 'r2'"},
      {"r1 = -r2", "1:7: expected r1: a register can only be negated in place, found 'r2'"},
      {"w1 = (s32)w2", "1:1: opcode 0xbc (BPF_ALU|BPF_MOV|BPF_X): off is 32, expected 0, 8 or 16"},
      {"r0 = 1 \x1b[31m", "1:8: unexpected character '\\x1b'"},
      {".bogus 3",
       "1:1: unknown directive '.bogus'; there are .license, .map, .section, .prog and .func"},
      {".map a, hash, 4, 8", "1:19: expected ',', found the end of the line"},
      {".map a, hash, 4, 8, 1\n.map a, hash, 4, 8, 1",
       "2:6: map 'a' is already declared in line 1"},
      {".license \"GPL", "1:10: this string has no closing quote"},
      {".prog empty\n.prog other\nexit", "1:1: program 'empty' has no instructions"},
      {"exit /* open", "1:1: a /* comment has no */ before the end of the file"},
  };
  for (const auto& [text, message] : kErrors) {
    const std::string found = error_of(text);
    // A width mismatch names the operand; the rest is compared whole.
    if (text == "r0 += w1")
      EXPECT_TRUE(message.starts_with(found)) << found;
    else
      EXPECT_EQ(found, message) << text;
  }
}

TEST(Assembler, a_jump_beyond_16_bits_says_to_use_gotol) {
  std::string text = "goto far\n";
  for (int i = 0; i < 32768; ++i) text += "r0 = 0\n";
  text += "far: exit\n";
  EXPECT_EQ(error_of(text),
            "1:6: 'far' is 32768 instructions away, a jump reaches 32767: use gotol");
  text.replace(0, 4, "gotol");
  EXPECT_EQ(error_of(text), "assembled");
}

TEST(Disassembler, survives_illegal_instructions_and_truncated_ones) {
  const std::vector<Insn> bad = {{.opcode = 0xff, .dst = 15}, {.opcode = 0x18}};
  EXPECT_EQ(disassemble(bad, 0), "invalid: opcode 0xff dst 15 src 0 off 0 imm 0");
  EXPECT_EQ(disassemble(bad, 1), "invalid: ld_imm64 without its second slot");
  EXPECT_EQ(disassemble(bad, 2), "invalid: outside the program");
}

TEST(Disassembler, shows_the_verifiers_faulting_loads_as_loads) {
  const std::vector<Insn> probe = {
      {.opcode = BPF_LDX | BPF_PROBE_MEM | BPF_W, .dst = 1, .src = 2, .off = 4}};
  EXPECT_EQ(disassemble(probe, 0), "r1 = *(u32 *)(r2 +4)");
}

TEST(Disassembler, names_maps_through_the_callback) {
  const auto pair = BPF_LD_IMM64_RAW_FULL(1, BPF_PSEUDO_MAP_IDX_VALUE, 0, 0, 3, 16);
  const DisassemblyOptions options{.map_name = [](const void*, int32_t index) {
    return index == 3 ? std::string_view("counts") : "";
  }};
  EXPECT_EQ(disassemble(pair, 0, options), "r1 = map[counts][0]+16");
}

TEST(Ubpf, reads_the_dialect_of_the_conformance_suite) {
  auto insns = assemble_ubpf(R"(
    # a comment
    mov32 %r0, 2
    lddw %r1, 0xFFFFFFFF80000000
    jeq %r1, 0x80000000, +1   # taken
    exit
    ldxdw %r1, [%r2+4]
    ldxsb %r1, [%r2]
    stw [%r10-8], -1
    stxh [%r10+0x10], %r3
    movsx1632 %r1, %r2
    sdiv %r1, 3
    smod32 %r1, %r2
    be16 %r1
    swap32 %r1
    neg32 %r4
    lock fetch add32 [%r10-8], %r1
    lock cmpxchg [%r10-8], %r1
    call 5
    call %r2
    call local f
    ja32 exit
    jslt32 %r1, %r2, f
f:
    mov %r0, -1
    exit)");
  ASSERT_TRUE(insns) << insns.error().text();
  const auto expected = macros::insns(
      BPF_MOV32_IMM(0, 2), BPF_LD_IMM64(1, 0xFFFFFFFF80000000),
      BPF_JMP_IMM(BPF_JEQ, 1, INT32_MIN, 1), BPF_EXIT_INSN(), BPF_LDX_MEM(BPF_DW, 1, 2, 4),
      BPF_LDX_MEMSX(BPF_B, 1, 2, 0), BPF_ST_MEM(BPF_W, 10, -8, -1), BPF_STX_MEM(BPF_H, 10, 3, 16),
      BPF_MOVSX32_REG(1, 2, 16), BPF_ALU64_IMM_OFF(BPF_DIV, 1, 3, 1),
      BPF_ALU32_REG_OFF(BPF_MOD, 1, 2, 1), BPF_ENDIAN(BPF_TO_BE, 1, 16), BPF_BSWAP(1, 32),
      BPF_NEG32(4), BPF_ATOMIC_OP(BPF_W, BPF_ADD | BPF_FETCH, 10, 1, -8),
      BPF_ATOMIC_OP(BPF_DW, BPF_CMPXCHG, 10, 1, -8), BPF_EMIT_CALL(5),
      BPF_RAW_INSN(0x8d, 2, 0, 0, 0), BPF_CALL_REL(2), BPF_JMP32_A(-17),
      BPF_JMP32_REG(BPF_JSLT, 1, 2, 0), BPF_MOV64_IMM(0, -1), BPF_EXIT_INSN());
  EXPECT_EQ(*insns, std::vector<Insn>(expected.begin(), expected.end()));
}

TEST(Ubpf, refuses_what_it_does_not_know) {
  const std::map<std::string, std::string> kErrors = {
      {"or %r0, %r50\nexit", "1: expected a register %r0 to %r15, found '%r50'"},
      {"ldxq %r0, %r1\nexit", "1: unknown mnemonic 'ldxq'"},
      {"exit\nldxb %r0, %r1", "2: expected [register+offset], found '%r1'"},
      {"ldxb %r0, [%r1+0x10000]", "1: offset 0x10000 does not fit 16 bits"},
      {"mov32 %r0, 2147483648", "1: immediate 2147483648 does not fit 32 bits"},
      {"mov32 %r0, 0x100000000", "1: immediate 0x100000000 does not fit 32 bits"},
      {"lddw %r0", "1: lddw takes 2 operands, found 1"},
      {"ja NOT_A_LABEL", "1: no label is named 'NOT_A_LABEL'"},
      {"lock", "1: lock needs an operation"},
      {"lock or [%r10-8]", "1: lock or takes 2 operands, found 1"},
  };
  for (const auto& [text, message] : kErrors) {
    auto result = assemble_ubpf(text);
    EXPECT_EQ(result ? "assembled" : result.error().text(), message) << text;
  }
}

TEST(Builder, labels_become_relative_jumps) {
  Builder b;
  const auto again = b.label(), out = b.label(), function = b.label();
  b.emit(BPF_MOV64_IMM(0, 0)).bind(again).emit(BPF_ALU64_IMM(BPF_ADD, 0, 1));
  b.jump_imm(BPF_JGT, 0, 9, out).load_function(2, function).call(function).go(again);
  b.bind(out).exit().bind(function).emit(BPF_LD_IMM64(0, 7)).exit();
  auto program = b.finish();
  ASSERT_TRUE(program) << program.error().text();
  const auto expected =
      macros::insns(BPF_MOV64_IMM(0, 0), BPF_ALU64_IMM(BPF_ADD, 0, 1),
                    BPF_JMP_IMM(BPF_JGT, 0, 9, 4), BPF_LD_FUNC(2, 4), BPF_CALL_REL(2),
                    BPF_JMP_A(-6), BPF_EXIT_INSN(), BPF_LD_IMM64(0, 7), BPF_EXIT_INSN());
  EXPECT_EQ(*program, std::vector<Insn>(expected.begin(), expected.end()));
}

TEST(Builder, a_label_never_bound_or_bound_twice_is_an_error) {
  Builder missing;
  missing.go(missing.label());
  EXPECT_EQ(missing.finish().error().text(), "insn 0: its target label was never bound");
  Builder twice;
  const auto label = twice.label();
  twice.bind(label).bind(label);
  EXPECT_EQ(twice.finish().error().text(), "a label was bound twice");
}

}  // namespace
}  // namespace skep::isa
