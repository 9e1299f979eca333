#include "isa/legality.h"

#include <gtest/gtest.h>

#include <set>
#include <string>

#include "isa/random_insn.h"

namespace skep::isa {
namespace {

std::string why(std::vector<Insn> insns, size_t index = 0, LegalityOptions options = {}) {
  auto result = check_insn(insns, index, options);
  return result ? "legal" : result.error().text();
}

TEST(Legality, every_row_admits_the_instructions_drawn_from_it) {
  RandomInsns random(1);
  std::set<const Form*> seen;
  for (int i = 0; i < 20000; ++i) {
    const std::vector<Insn> insn = random.next();
    ASSERT_EQ(why(insn, 0, {.newest = IsaVersion::kNone}), "legal");
    seen.insert(form_of(insn[0]));
  }
  EXPECT_EQ(seen.size(), all_forms().size());
}

TEST(Legality, two_rows_never_admit_the_same_instruction) {
  RandomInsns random(2);
  for (int i = 0; i < 20000; ++i) {
    const Insn insn = random.next()[0];
    int matches = 0;
    for (const Form& form : forms_of(insn.opcode))
      matches += form.dst.admits(insn.dst) && form.src.admits(insn.src) &&
                 form.off.admits(insn.off) && form.imm.admits(insn.imm);
    ASSERT_EQ(matches, 1) << opcode_name(insn.opcode) << " src " << +insn.src << " off " << insn.off
                          << " imm " << insn.imm;
  }
}

// Counted by hand from RFC 9669 and the kernel's table, so that a lost row shows.
TEST(Legality, knows_as_many_opcodes_as_there_are) {
  size_t known = 0;
  for (int opcode = 0; opcode < 256; ++opcode)
    known += !forms_of(static_cast<uint8_t>(opcode)).empty();
  const size_t alu = 2 * (12 * 2 + 1) + 3;  // two widths; neg; le, be, bswap
  const size_t jumps = 2 * 11 * 2 + 6;      // ja, gotol, may_goto, exit, call, callx
  const size_t memory =
      4 + 3 + 4 + 4 + 3 + 3 + 1 + 4;  // ldx, ldxsx, st, stx, abs, ind, ld_imm64, atomics
  EXPECT_EQ(known, alu + jumps + memory);
}

struct Illegal {
  const char* name;
  Insn insn;
  const char* message;
};
class Refuses : public testing::TestWithParam<Illegal> {};

TEST_P(Refuses, it) { EXPECT_EQ(why({GetParam().insn, Insn{.opcode = 0x95}}), GetParam().message); }

INSTANTIATE_TEST_SUITE_P(
    Legality, Refuses,
    testing::Values(
        Illegal{"opcode_zero", {.opcode = 0x00}, "insn 0: unknown opcode 0x00"},
        Illegal{"neg_of_register", {.opcode = 0x8f}, "insn 0: unknown opcode 0x8f"},
        Illegal{"register_11",
                {.opcode = 0x07, .dst = 11},
                "insn 0: opcode 0x07 (BPF_ALU64|BPF_ADD|BPF_K): dst is 11, expected a register (0 "
                "to 10)"},
        Illegal{"add_imm_with_src",
                {.opcode = 0x07, .src = 1},
                "insn 0: opcode 0x07 (BPF_ALU64|BPF_ADD|BPF_K): src is 1, expected 0"},
        Illegal{"add_reg_with_imm",
                {.opcode = 0x0f, .imm = 1},
                "insn 0: opcode 0x0f (BPF_ALU64|BPF_ADD|BPF_X): imm is 1, expected 0"},
        Illegal{"div_with_off_2",
                {.opcode = 0x3f, .off = 2},
                "insn 0: opcode 0x3f (BPF_ALU64|BPF_DIV|BPF_X): off is 2, expected 0 or 1"},
        Illegal{"mov32_sign_extends_32",
                {.opcode = 0xbc, .off = 32},
                "insn 0: opcode 0xbc (BPF_ALU|BPF_MOV|BPF_X): off is 32, expected 0, 8 or 16"},
        Illegal{
            "mov64_off_3",
            {.opcode = 0xbf, .off = 3},
            "insn 0: opcode 0xbf (BPF_ALU64|BPF_MOV|BPF_X): off is 3, expected 0, 8, 16, 32 or 1"},
        Illegal{"addr_space_cast_to_itself",
                {.opcode = 0xbf, .off = 1, .imm = 0},
                "insn 0: opcode 0xbf (BPF_ALU64|BPF_MOV|BPF_X): imm is 0, expected 1 or 65536"},
        Illegal{"bswap_to_be", {.opcode = 0xdf, .imm = 16}, "insn 0: unknown opcode 0xdf"},
        Illegal{
            "be_of_24_bits",
            {.opcode = 0xdc, .imm = 24},
            "insn 0: opcode 0xdc (BPF_ALU|BPF_END|BPF_TO_BE): imm is 24, expected 16, 32 or 64"},
        Illegal{"exit_with_off",
                {.opcode = 0x95, .off = 1},
                "insn 0: opcode 0x95 (BPF_JMP|BPF_EXIT): off is 1, expected 0"},
        Illegal{"helper_call_with_off",
                {.opcode = 0x85, .off = 1, .imm = 1},
                "insn 0: opcode 0x85 (BPF_JMP|BPF_CALL): off is 1, expected 0"},
        Illegal{"call_kind_3",
                {.opcode = 0x85, .src = 3},
                "insn 0: opcode 0x85 (BPF_JMP|BPF_CALL): src is 3, expected 0, 1 or 2"},
        Illegal{"callx",
                {.opcode = 0x8d},
                "insn 0: opcode 0x8d (BPF_JMP|BPF_CALL|BPF_X): no kernel loads this instruction"},
        Illegal{"call_of_jmp32", {.opcode = 0x86}, "insn 0: unknown opcode 0x86"},
        Illegal{"ja_with_imm",
                {.opcode = 0x05, .imm = 1},
                "insn 0: opcode 0x05 (BPF_JMP|BPF_JA): imm is 1, expected 0"},
        Illegal{"gotol_with_off",
                {.opcode = 0x06, .off = 1},
                "insn 0: opcode 0x06 (BPF_JMP32|BPF_JA): off is 1, expected 0"},
        Illegal{"may_goto_kind_1",
                {.opcode = 0xe5, .src = 1},
                "insn 0: opcode 0xe5 (BPF_JMP|BPF_JCOND): src is 1, expected 0"},
        Illegal{"memsx_of_64_bits", {.opcode = 0x99}, "insn 0: unknown opcode 0x99"},
        Illegal{"probe_mem_is_the_verifiers", {.opcode = 0x21}, "insn 0: unknown opcode 0x21"},
        Illegal{"atomic_add_of_a_byte",
                {.opcode = 0xd3, .imm = 0},
                "insn 0: opcode 0xd3 (BPF_STX|BPF_ATOMIC|BPF_B): imm is 0, expected 256 or 272"},
        Illegal{"atomic_sub",
                {.opcode = 0xdb, .imm = 0x10},
                "insn 0: opcode 0xdb (BPF_STX|BPF_ATOMIC|BPF_DW): imm is 16, expected 0, 64, 80, "
                "160, 1, 65, 81, 161, "
                "225, 241, 256 or 272"},
        Illegal{"ld_abs_of_64_bits", {.opcode = 0x38}, "insn 0: unknown opcode 0x38"},
        Illegal{"ld_abs_with_src",
                {.opcode = 0x30, .src = 1},
                "insn 0: opcode 0x30 (BPF_LD|BPF_ABS|BPF_B): src is 1, expected 0"},
        Illegal{"ld_imm64_kind_7",
                {.opcode = 0x18, .src = 7},
                "insn 0: opcode 0x18 (BPF_LD|BPF_IMM|BPF_DW): src is 7, expected 0, 1, 2, 3, 4, 5 "
                "or 6"},
        Illegal{"ld_imm64_second_slot_is_an_instruction",
                {.opcode = 0x18},
                "insn 0: opcode 0x18 (BPF_LD|BPF_IMM|BPF_DW): its second slot must be 0 but for "
                "imm, found opcode 0x95 "
                "dst 0 src 0 off 0"}),
    [](const auto& test) { return std::string(test.param.name); });

TEST(Legality, refuses_a_map_fd_with_a_second_imm) {
  EXPECT_EQ(why({{.opcode = 0x18, .src = 1, .imm = 3}, {.imm = 8}}),
            "insn 0: opcode 0x18 (BPF_LD|BPF_IMM|BPF_DW): imm of its second slot is 8, expected 0 "
            "with pseudo kind 1");
  EXPECT_EQ(why({{.opcode = 0x18, .src = 2, .imm = 3}, {.imm = 8}}), "legal");
}

TEST(Legality, refuses_half_a_ld_imm64_at_the_end) {
  EXPECT_EQ(why({{.opcode = 0x95}, {.opcode = 0x18}}, 1),
            "insn 1: opcode 0x18 (BPF_LD|BPF_IMM|BPF_DW): its second slot is missing: the program "
            "ends here");
}

TEST(Legality, an_instruction_newer_than_asked_for_is_refused) {
  const Insn jlt{.opcode = 0xa5}, jmp32{.opcode = 0x16}, sdiv{.opcode = 0x37, .off = 1},
      div{.opcode = 0x37};
  EXPECT_EQ(why({jlt}, 0, {.newest = IsaVersion::kV1}),
            "insn 0: opcode 0xa5 (BPF_JMP|BPF_JLT|BPF_K): needs ISA v2, this is v1");
  EXPECT_EQ(why({jlt}, 0, {.newest = IsaVersion::kV2}), "legal");
  EXPECT_NE(why({jmp32}, 0, {.newest = IsaVersion::kV2}), "legal");
  EXPECT_NE(why({sdiv}, 0, {.newest = IsaVersion::kV3}), "legal");
  EXPECT_EQ(why({div}, 0, {.newest = IsaVersion::kV1}), "legal");
}

TEST(Legality, a_jump_must_end_on_an_instruction_of_the_program) {
  const Insn exit{.opcode = 0x95};
  const auto all = [](std::vector<Insn> insns) {
    auto result = check_insns(insns);
    return result ? "legal" : result.error().text();
  };
  EXPECT_EQ(all({{.opcode = 0x05, .off = 0}, exit}), "legal");
  EXPECT_EQ(all({{.opcode = 0x05, .off = 1}, exit}),
            "insn 0: opcode 0x05 (BPF_JMP|BPF_JA): goes to insn 2, the program has 2");
  EXPECT_EQ(all({{.opcode = 0x05, .off = -2}, exit}),
            "insn 0: opcode 0x05 (BPF_JMP|BPF_JA): goes to insn -1, the program has 2");
  EXPECT_EQ(all({{.opcode = 0x05, .off = 1}, {.opcode = 0x18}, {}, exit}),
            "insn 0: opcode 0x05 (BPF_JMP|BPF_JA): goes to insn 2, the second slot of a ld_imm64");
  EXPECT_EQ(all({{.opcode = 0x85, .src = 1, .imm = 0}, exit}), "legal");
  EXPECT_NE(all({{.opcode = 0x85, .src = 1, .imm = INT32_MAX}, exit}), "legal");
}

TEST(Legality, names_opcodes_as_the_uapi_does) {
  EXPECT_EQ(opcode_name(0x7b), "BPF_STX|BPF_MEM|BPF_DW");
  EXPECT_EQ(opcode_name(0xc3), "BPF_STX|BPF_ATOMIC|BPF_W");
  EXPECT_EQ(opcode_name(0x6e), "BPF_JMP32|BPF_JSGT|BPF_X");
  EXPECT_EQ(opcode_name(0xd7), "BPF_ALU64|BPF_END|BPF_TO_LE");
  EXPECT_EQ(opcode_name(0xff), "unknown");
}

}  // namespace
}  // namespace skep::isa
