#include "hooks/probe_plan.h"

#include <Zydis/Zydis.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <map>

namespace skep::hooks {
namespace {

using ::testing::HasSubstr;

constexpr uint64_t kText = 0x401000;

std::vector<std::byte> bytes(std::initializer_list<int> values) {
  std::vector<std::byte> out;
  for (int value : values) out.push_back(static_cast<std::byte>(value));
  out.resize(std::max<size_t>(out.size(), 64), std::byte{0x90});
  return out;
}

Result<Plan> plan(const std::vector<std::byte>& code, uint64_t size, uint64_t offset = 0,
                  std::vector<uint64_t> entries = {}) {
  PlanRequest request;
  request.code = {code, kText};
  request.function = {kText, kText + size};
  request.at = kText + offset;
  request.entries = entries;
  return plan_code(request);
}

// The template as a process would hold it with P at `site` and the code at `place`.
std::vector<uint8_t> placed(const ProbeCode& code, uint64_t site, uint64_t place) {
  std::vector<uint8_t> out(code.code, code.code + code.code_size);
  for (unsigned i = 0; i < code.fixup_count; ++i) {
    const ProbeFixup& fixup = code.fixups[i];
    uint64_t target = site + static_cast<uint64_t>(fixup.delta);
    if (fixup.kind == ProbeFixup::relative32)
      store(out.data() + fixup.offset, static_cast<uint32_t>(target - (place + fixup.end)));
    else
      store(out.data() + fixup.offset, target);
  }
  return out;
}

// "mov eax, 0x1; jmp 0x401005" of relocated code; literals behind the last jump are left out.
std::string listing(std::span<const uint8_t> code, uint64_t address, bool literal = false) {
  std::string text;
  for (size_t at = 0; at < code.size();) {
    ZydisDisassembledInstruction insn;
    if (!ZYAN_SUCCESS(ZydisDisassembleIntel(ZYDIS_MACHINE_MODE_LONG_64, address + at,
                                            code.data() + at, code.size() - at, &insn)))
      return text + "; ?";
    text += (text.empty() ? "" : "; ") + std::string(insn.text);
    at += insn.info.length;
    if (at + 8 == code.size() && literal) break;
    if (insn.info.meta.category == ZYDIS_CATEGORY_RET) break;
  }
  return text;
}
std::string relocated(const Plan& plan, uint64_t offset = 0) {
  bool literal = std::ranges::any_of(
      plan.code.fixups, [](const ProbeFixup& f) { return f.kind == ProbeFixup::address64; });
  return listing(placed(plan.code, kText + offset, 0x500000), 0x500000, literal);
}

TEST(ProbePlan, whole_instructions_are_displaced_and_followed_by_a_jump_back) {
  // push rbp; mov rbp, rsp; sub rsp, 0x20; leave; ret
  auto code = bytes({0x55, 0x48, 0x89, 0xe5, 0x48, 0x83, 0xec, 0x20, 0xc9, 0xc3});
  auto made = plan(code, 10);
  ASSERT_TRUE(made) << made.error().text();
  EXPECT_EQ(made->code.kind, ProbeKind::jump);
  EXPECT_EQ(made->code.displaced, 8);
  EXPECT_EQ(made->code.boundary_count, 3);
  EXPECT_EQ(made->code.boundaries[2].original, 4);
  EXPECT_EQ(relocated(*made), "push rbp; mov rbp, rsp; sub rsp, 0x20; jmp 0x0000000000401008");
}

TEST(ProbePlan, ip_relative_operands_keep_their_absolute_address) {
  // cmp byte [rip+0x100], 7 (imm behind the displacement); lea rax, [rip-7]; ret
  auto code =
      bytes({0x80, 0x3d, 0x00, 0x01, 0, 0, 0x07, 0x48, 0x8d, 0x05, 0xf9, 0xff, 0xff, 0xff, 0xc3});
  auto made = plan(code, 15);
  ASSERT_TRUE(made);
  EXPECT_EQ(relocated(*made), "cmp byte ptr [0x0000000000401107], 0x07; jmp 0x0000000000401007");
  auto second = plan(code, 15, 7);
  ASSERT_TRUE(second);
  EXPECT_EQ(relocated(*second, 7), "lea rax, [0x0000000000401007]; jmp 0x000000000040100E");
}

TEST(ProbePlan, short_branches_become_long_ones) {
  // test edi, edi; je +0x10; xor eax, eax; …
  auto code = bytes({0x85, 0xff, 0x74, 0x10, 0x31, 0xc0, 0x48, 0x89, 0xf8, 0xc3});
  auto made = plan(code, 10);
  ASSERT_TRUE(made);
  EXPECT_EQ(made->code.kind, ProbeKind::jump);
  EXPECT_EQ(relocated(*made),
            "test edi, edi; jz 0x0000000000401014; xor eax, eax; jmp 0x0000000000401006");
  // jrcxz +0x20; nop…
  auto loop = plan(bytes({0xe3, 0x20, 0x48, 0x89, 0xf8, 0xc3}), 6);
  ASSERT_TRUE(loop);
  EXPECT_EQ(relocated(*loop),
            "jrcxz 0x0000000000500004; jmp 0x0000000000500009; jmp 0x0000000000401022; mov rax, "
            "rdi; jmp 0x0000000000401005");
}

TEST(ProbePlan, a_displaced_call_pushes_the_return_address_of_the_text) {
  auto code = bytes({0xe8, 0x20, 0, 0, 0, 0xc3});
  auto made = plan(code, 6);
  ASSERT_TRUE(made);
  EXPECT_EQ(made->code.kind, ProbeKind::jump);
  auto out = placed(made->code, kText, 0x500000);
  EXPECT_EQ(listing(out, 0x500000, true), "push [0x000000000050000B]; jmp 0x0000000000401025");
  ASSERT_EQ(out.size(), 19u);
  EXPECT_EQ(load<uint64_t>(out.data() + 11), kText + 5);
  // nop; call rax; … : nothing may be displaced behind a call, and 3 bytes are too few.
  auto indirect = plan(bytes({0x90, 0xff, 0xd0, 0x5b, 0xc3}), 5);
  ASSERT_TRUE(indirect);
  EXPECT_EQ(indirect->code.kind, ProbeKind::breakpoint);
  EXPECT_THAT(indirect->why_breakpoint, HasSubstr("call's return"));
  EXPECT_EQ(relocated(*indirect), "nop; jmp 0x0000000000401001");
  // call [rip+0x10] (6 bytes)
  auto memory = plan(bytes({0xff, 0x15, 0x10, 0, 0, 0, 0xc3}), 7);
  ASSERT_TRUE(memory);
  EXPECT_EQ(memory->code.kind, ProbeKind::jump);
  EXPECT_EQ(relocated(*memory), "push [0x000000000050000C]; jmp [0x0000000000401016]");
}

TEST(ProbePlan, a_loop_into_the_displaced_bytes_makes_it_a_breakpoint) {
  // push rbx; L: dec edi; jnz L; pop rbx; ret
  auto code = bytes({0x53, 0xff, 0xcf, 0x75, 0xfc, 0x5b, 0xc3});
  auto made = plan(code, 7);
  ASSERT_TRUE(made);
  EXPECT_EQ(made->code.kind, ProbeKind::breakpoint);
  EXPECT_EQ(made->code.displaced, 1);
  EXPECT_THAT(made->why_breakpoint, HasSubstr("0x401003 branches into"));
  EXPECT_EQ(relocated(*made), "push rbx; jmp 0x0000000000401001");
}

TEST(ProbePlan, a_loop_to_the_entry_itself_may_be_a_jump) {
  // L: dec edi; mov eax, edi; test edi, edi; jnz L; ret
  auto made = plan(bytes({0xff, 0xcf, 0x89, 0xf8, 0x85, 0xff, 0x75, 0xf8, 0xc3}), 9);
  ASSERT_TRUE(made);
  EXPECT_EQ(made->code.kind, ProbeKind::jump);
  EXPECT_EQ(made->code.displaced, 6);
}

TEST(ProbePlan, a_far_branch_from_elsewhere_in_the_segment_counts) {
  auto code = bytes({0x55, 0x48, 0x89, 0xe5, 0x48, 0x83, 0xec, 0x20, 0xc9, 0xc3});
  code[40] = std::byte{0xe9};  // at 0x401028: jmp 0x401004
  store<int32_t>(code.data() + 41, 4 - 45);
  auto made = plan(code, 10);
  ASSERT_TRUE(made);
  EXPECT_EQ(made->code.kind, ProbeKind::breakpoint);
  EXPECT_THAT(made->why_breakpoint, HasSubstr("refers to"));
}

TEST(ProbePlan, a_short_branch_from_the_function_before_counts) {
  // mov rax, rdi; jmp B+3; nops; B: mov rax, rdi; cmp rdx, 0x40; ret (as glibc's mempcpy and memmove)
  auto code = bytes({0x48, 0x89, 0xf8, 0xeb, 0x0e});
  std::vector<std::byte> second = bytes({0x48, 0x89, 0xf8, 0x48, 0x83, 0xfa, 0x40, 0xc3});
  std::copy_n(second.begin(), 8, code.begin() + 16);
  PlanRequest request;
  request.code = {code, kText};
  request.function = {kText + 16, kText + 24};
  request.at = kText + 16;
  CodeRange before{kText, kText + 5};
  auto unknown = plan_code(request);
  ASSERT_TRUE(unknown);
  EXPECT_EQ(unknown->code.kind, ProbeKind::breakpoint) << "whose padding, nobody knows";
  EXPECT_THAT(unknown->why_breakpoint, HasSubstr("0x401003 branches into"));

  request.neighbours = std::span(&before, 1);
  auto made = plan_code(request);
  ASSERT_TRUE(made);
  EXPECT_THAT(made->why_breakpoint, HasSubstr("0x401003 branches into"));
  ASSERT_EQ(made->code.kind, ProbeKind::short_jump);
  EXPECT_EQ(made->code.displaced, 3);
  EXPECT_EQ(made->code.cave, -11) << "right behind the function before";

  // Where the function before runs on into this one, its padding is executed.
  auto runs_on = code;
  runs_on[3] = runs_on[4] = std::byte{0x90};
  runs_on[40] = std::byte{0xe9};
  store<int32_t>(runs_on.data() + 41, 19 - 45);
  request.code.bytes = runs_on;
  made = plan_code(request);
  ASSERT_TRUE(made);
  EXPECT_EQ(made->code.kind, ProbeKind::breakpoint);

  // Padding that another probe has taken is not taken again.
  request.code.bytes = code;
  CodeRange taken{kText + 5, kText + 10};
  request.taken = std::span(&taken, 1);
  made = plan_code(request);
  ASSERT_TRUE(made);
  ASSERT_EQ(made->code.kind, ProbeKind::short_jump);
  EXPECT_EQ(made->code.cave, -6);
}

TEST(ProbePlan, an_entry_of_its_own_in_the_displaced_bytes_counts) {
  auto code = bytes({0x55, 0x48, 0x89, 0xe5, 0x48, 0x83, 0xec, 0x20, 0xc9, 0xc3});
  auto made = plan(code, 10, 0, {kText + 4});
  ASSERT_TRUE(made);
  EXPECT_EQ(made->code.kind, ProbeKind::breakpoint);
}

TEST(ProbePlan, a_short_function_uses_the_padding_behind_it_but_not_the_next_function) {
  // xor eax, eax; ret; 13 bytes of padding
  auto made = plan(bytes({0x31, 0xc0, 0xc3}), 3);
  ASSERT_TRUE(made);
  EXPECT_EQ(made->code.kind, ProbeKind::jump);
  EXPECT_EQ(made->code.displaced, 5);
  EXPECT_EQ(relocated(*made), "xor eax, eax; ret");
  auto tight = plan(bytes({0x31, 0xc0, 0xc3, 0x55, 0x48, 0x89, 0xe5}), 3);
  ASSERT_TRUE(tight);
  EXPECT_EQ(tight->code.kind, ProbeKind::breakpoint);
  auto next_starts_with_nop = plan(bytes({0x31, 0xc0, 0xc3, 0x90, 0x90}), 3, 0, {kText + 4});
  ASSERT_TRUE(next_starts_with_nop);
  EXPECT_EQ(next_starts_with_nop->code.kind, ProbeKind::breakpoint);
}

TEST(ProbePlan, a_tail_jump_needs_no_way_back) {
  auto made = plan(bytes({0xe9, 0x10, 0, 0, 0}), 5);
  ASSERT_TRUE(made);
  EXPECT_EQ(made->code.kind, ProbeKind::jump);
  EXPECT_EQ(relocated(*made), "jmp 0x0000000000401015");
  EXPECT_EQ(made->code.code_size, 5);
}

TEST(ProbePlan, an_offset_inside_an_instruction_is_refused) {
  auto made = plan(bytes({0x55, 0x48, 0x89, 0xe5, 0xc3}), 5, 2);
  ASSERT_FALSE(made);
  EXPECT_EQ(made.error().code(), EINVAL);
  EXPECT_THAT(made.error().text(), HasSubstr("0x401002 is inside the instruction at 0x401001"));
  auto breakpoint = plan(bytes({0xcc, 0xc3}), 2);
  ASSERT_FALSE(breakpoint);
  EXPECT_EQ(breakpoint.error().code(), EBUSY);
}

TEST(ProbePlan, what_can_run_nowhere_else_is_refused_with_the_reason) {
  auto made = plan(bytes({0xff, 0x54, 0x24, 0x08, 0xc3}), 5);  // call [rsp+8]
  ASSERT_FALSE(made);
  EXPECT_EQ(made.error().code(), ENOTSUP);
  EXPECT_THAT(made.error().text(), HasSubstr("stack pointer"));
}

// ---- every function of real files ----

struct Decoded {
  ZydisDecodedInstruction insn;
  ZydisDecodedOperand operands[ZYDIS_MAX_OPERAND_COUNT];
};
bool decode(const void* at, size_t size, Decoded& out) {
  static const ZydisDecoder decoder = [] {
    ZydisDecoder made;
    ZydisDecoderInit(&made, ZYDIS_MACHINE_MODE_LONG_64, ZYDIS_STACK_WIDTH_64);
    return made;
  }();
  return ZYAN_SUCCESS(ZydisDecoderDecodeFull(&decoder, at, size, &out.insn, out.operands));
}
// The absolute address that an instruction names, by branch or by memory operand; 0 where none.
uint64_t absolute(const Decoded& decoded, uint64_t address) {
  for (unsigned i = 0; i < decoded.insn.operand_count; ++i) {
    uint64_t value = 0;
    const auto& operand = decoded.operands[i];
    bool relative =
        (operand.type == ZYDIS_OPERAND_TYPE_IMMEDIATE && operand.imm.is_relative) ||
        (operand.type == ZYDIS_OPERAND_TYPE_MEMORY && operand.mem.base == ZYDIS_REGISTER_RIP);
    if (relative &&
        ZYAN_SUCCESS(ZydisCalcAbsoluteAddress(&decoded.insn, &operand, address, &value)))
      return value;
  }
  return 0;
}
bool same_operands(const Decoded& a, const Decoded& b) {
  if (a.insn.operand_count != b.insn.operand_count) return false;
  for (unsigned i = 0; i < a.insn.operand_count; ++i) {
    const auto &x = a.operands[i], &y = b.operands[i];
    if (x.type != y.type || x.size != y.size) return false;
    if (x.type == ZYDIS_OPERAND_TYPE_REGISTER && x.reg.value != y.reg.value) return false;
    if (x.type == ZYDIS_OPERAND_TYPE_IMMEDIATE && !x.imm.is_relative &&
        x.imm.value.u != y.imm.value.u)
      return false;
    if (x.type == ZYDIS_OPERAND_TYPE_MEMORY &&
        (x.mem.base != y.mem.base || x.mem.index != y.mem.index || x.mem.scale != y.mem.scale ||
         x.mem.segment != y.mem.segment ||
         (x.mem.base != ZYDIS_REGISTER_RIP && x.mem.disp.value != y.mem.disp.value)))
      return false;
  }
  return true;
}

// Walks the original and the relocated instructions side by side; empty where they mean the same.
std::string differs(const ProbeCode& code, uint64_t site, uint64_t place) {
  auto out = placed(code, site, place);
  for (unsigned i = 0; i < code.boundary_count; ++i) {
    size_t from = code.boundaries[i].original, to = code.boundaries[i].relocated;
    Decoded original, moved;
    if (!decode(code.original + from, code.original_size - from, original)) return "original lost";
    if (!decode(out.data() + to, out.size() - to, moved)) return "relocated can't be decoded";
    uint64_t target = absolute(original, site + from);
    if (original.insn.meta.category == ZYDIS_CATEGORY_CALL) {
      if (moved.insn.mnemonic != ZYDIS_MNEMONIC_PUSH) return "call without push";
      uint64_t literal = absolute(moved, place + to) - place;
      if (literal + 8 > out.size() ||
          load<uint64_t>(out.data() + literal) != site + from + original.insn.length)
        return "wrong return address";
      to += moved.insn.length;
      if (!decode(out.data() + to, out.size() - to, moved) ||
          moved.insn.mnemonic != ZYDIS_MNEMONIC_JMP || absolute(moved, place + to) != target)
        return "wrong call target";
      continue;
    }
    if (original.insn.opcode >= 0xe0 && original.insn.opcode <= 0xe3 && target != 0 &&
        original.insn.opcode_map == ZYDIS_OPCODE_MAP_DEFAULT) {
      if (moved.insn.mnemonic != original.insn.mnemonic) return "wrong loop";
      Decoded jump;
      size_t at = absolute(moved, place + to) - place;
      if (!decode(out.data() + at, out.size() - at, jump) || absolute(jump, place + at) != target)
        return "wrong loop target";
      continue;
    }
    if (moved.insn.mnemonic != original.insn.mnemonic) return "another mnemonic";
    if (absolute(moved, place + to) != target) return "another address";
    if (target == 0 && !same_operands(original, moved)) return "other operands";
  }
  return {};
}

struct Count {
  int jump = 0, short_jump = 0, breakpoint = 0, refused = 0, wrong = 0;
};

Count plan_everything(const std::string& path, std::map<std::string, int>& why) {
  Count count;
  auto image = ElfImage::open(path);
  EXPECT_TRUE(image) << image.error().text();
  if (!image) return count;
  std::vector<uint64_t> starts;
  for (const Symbol& symbol : image->symbols())
    if (symbol.kind != SymbolKind::untyped && symbol.size != 0) starts.push_back(symbol.vaddr);
  starts.erase(std::unique(starts.begin(), starts.end()), starts.end());
  for (uint64_t vaddr : starts) {
    Place place;
    place.vaddr = vaddr;
    auto bounds = image->function_bounds(vaddr);
    place.bounds = bounds.range;
    place.bounds_exact = bounds.exact;
    auto made = plan_probe(*image, place);
    if (!made) {
      ++count.refused;
      ++why["refused: " + made.error().message()];
      continue;
    }
    (made->code.kind == ProbeKind::jump         ? count.jump
     : made->code.kind == ProbeKind::short_jump ? count.short_jump
                                                : count.breakpoint)++;
    if (made->code.kind == ProbeKind::breakpoint) {
      std::string reason = made->why_breakpoint;
      if (reason.starts_with("0x")) reason = reason.substr(reason.find(' '));
      ++why[reason];
    }
    std::string difference = differs(made->code, 0x7f12'3456'0000 + vaddr, 0x7f12'1234'0010);
    if (!difference.empty() && count.wrong++ < 5)
      ADD_FAILURE() << fmt::format("{}: 0x{:x}: {}", path, vaddr, difference);
    EXPECT_GE(made->code.displaced, made->code.kind == ProbeKind::jump         ? 5
                                    : made->code.kind == ProbeKind::short_jump ? 2
                                                                               : 1);
    EXPECT_LE(made->code.displaced, kMaxDisplaced);
    EXPECT_LT(made->code.code_size, kMaxProbeCode);
  }
  return count;
}

class RealFiles : public ::testing::TestWithParam<const char*> {};

TEST_P(RealFiles, every_function_gets_a_plan_that_means_the_same) {
  auto path = find_binary(GetParam(), "/usr/bin:/bin");
  if (!path) GTEST_SKIP() << path.error().text();
  std::map<std::string, int> why;
  Count count = plan_everything(*path, why);
  int all = count.jump + count.short_jump + count.breakpoint + count.refused;
  RecordProperty("jump", count.jump);
  RecordProperty("breakpoint", count.breakpoint);
  RecordProperty("refused", count.refused);
  fmt::print("{}: {} functions: {} by jump, {} by short jump, {} by breakpoint, {} refused\n",
             *path, all, count.jump, count.short_jump, count.breakpoint, count.refused);
  for (auto& [reason, number] : why) fmt::print("  {:5} {}\n", number, reason);
  EXPECT_EQ(count.wrong, 0);
  EXPECT_EQ(count.refused, 0);
  EXPECT_GT(all, 100);
  EXPECT_GT(count.jump, all * 9 / 10);
}
INSTANTIATE_TEST_SUITE_P(Planner, RealFiles,
                         ::testing::Values("libc.so.6", "bash", "libstdc++.so.6", "libgcc_s.so.1",
                                           "libm.so.6"));

TEST(UnwinderExits, libgccs_unwinders_have_both_kinds) {
  auto path = find_binary("libgcc_s.so.1", "");
  if (!path) GTEST_SKIP() << path.error().text();
  auto image = ElfImage::open(*path);
  ASSERT_TRUE(image);
  auto place = find_place(*image, *path, {"libgcc_s.so.1", "_Unwind_RaiseException", 0});
  ASSERT_TRUE(place);
  const Segment* segment = image->code_segment(place->vaddr);
  auto exits = unwinder_exits({image->bytes_of_segment(*segment), segment->vaddr}, place->bounds);
  auto count = [&](ProbeRole role) { return std::ranges::count(exits, role, &UnwinderExit::role); };
  EXPECT_GE(count(ProbeRole::unwinder_leave), 1);
  EXPECT_GE(count(ProbeRole::unwinder_leave_rcx), 1);
}

}  // namespace
}  // namespace skep::hooks
