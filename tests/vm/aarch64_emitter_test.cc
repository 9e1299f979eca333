// Every form of the AArch64 emitter against GNU as: words and text are made side by side, the text is assembled at the
// end, and the two must be equal word for word. The test has no encodings of its own.
#include <fmt/format.h>
#include <gtest/gtest.h>
#include <stdlib.h>

#include <cstdio>
#include <fstream>
#include <string>

#include "vm/jit/aarch64/emitter.h"

namespace skep::jit::arm {
namespace {

constexpr const char* kAssembler = "/usr/bin/aarch64-linux-gnu-as";
constexpr const char* kObjcopy = "/usr/bin/aarch64-linux-gnu-objcopy";
constexpr unsigned kRegs[] = {0, 1, 7, 15, 16, 18, 28, 30};
constexpr const char* kConds[] = {"eq", "ne", "hs", "lo", "mi", "pl", "vs",
                                  "vc", "hi", "ls", "ge", "lt", "gt", "le"};

std::string r(bool wide, unsigned reg) {
  if (reg == 31) return wide ? "xzr" : "wzr";
  return fmt::format("{}{}", wide ? 'x' : 'w', reg);
}
std::string x(unsigned reg) { return r(true, reg); }
std::string sp_or(bool wide, unsigned reg) {
  if (reg != 31) return r(wide, reg);
  return wide ? "sp" : "wsp";
}
const char* size_suffix(unsigned size) { return size == 1 ? "b" : size == 2 ? "h" : ""; }

class Forms {
 public:
  Emitter e;
  std::string text;

  template <class... T>
  void line(fmt::format_string<T...> format, T&&... args) {
    text += fmt::format(format, std::forward<T>(args)...) + "\n";
  }
};

// What GNU as makes of the text; empty where it refuses it.
std::vector<uint32_t> assembled(const std::string& text) {
  char directory[] = "/tmp/skep-as-XXXXXX";
  if (mkdtemp(directory) == nullptr) return {};
  const std::string base = std::string(directory) + "/a";
  std::ofstream(base + ".s") << ".arch armv8.1-a\n" << text;
  const std::string command = fmt::format(
      "{0} -o {1}.o {1}.s && {2} -O binary -j .text {1}.o {1}.bin", kAssembler, base, kObjcopy);
  std::vector<uint32_t> words;
  if (std::system(command.c_str()) == 0) {
    std::ifstream in(base + ".bin", std::ios::binary);
    for (uint32_t word = 0; in.read(reinterpret_cast<char*>(&word), 4);) words.push_back(word);
  }
  for (const char* suffix : {".s", ".o", ".bin"}) std::remove((base + suffix).c_str());
  std::remove(directory);
  return words;
}

void expect_same(const Forms& forms) {
  const std::vector<uint32_t> expected = assembled(forms.text);
  ASSERT_EQ(forms.e.code.size(), expected.size());
  std::vector<std::string> lines;
  for (size_t at = 0, end = 0; (end = forms.text.find('\n', at)) != std::string::npos; at = end + 1)
    lines.push_back(forms.text.substr(at, end - at));
  ASSERT_EQ(lines.size(), expected.size());
  unsigned wrong = 0;
  for (size_t i = 0; i < expected.size() && wrong < 10; ++i) {
    wrong += forms.e.code[i] != expected[i];
    EXPECT_EQ(forms.e.code[i], expected[i])
        << lines[i] << fmt::format(": {:08x}, as {:08x}", forms.e.code[i], expected[i]);
  }
}

#define SKEP_NEED_ASSEMBLER()     \
  if (!std::ifstream(kAssembler)) \
  GTEST_SKIP() << "no " << kAssembler << " (binutils-aarch64-linux-gnu)"

TEST(Aarch64Emitter, arithmetic_is_what_the_assembler_makes_of_it) {
  SKEP_NEED_ASSEMBLER();
  Forms f;
  struct Named {
    Op3 op;
    const char* name;
    bool shifts;
  };
  constexpr Named kOps[] = {
      {Op3::kAdd, "add", true},   {Op3::kSub, "sub", true},    {Op3::kAdds, "adds", true},
      {Op3::kSubs, "subs", true}, {Op3::kAnd, "and", true},    {Op3::kBic, "bic", true},
      {Op3::kOrr, "orr", true},   {Op3::kOrn, "orn", true},    {Op3::kEor, "eor", true},
      {Op3::kAnds, "ands", true}, {Op3::kUdiv, "udiv", false}, {Op3::kSdiv, "sdiv", false},
      {Op3::kLsl, "lsl", false},  {Op3::kLsr, "lsr", false},   {Op3::kAsr, "asr", false},
      {Op3::kMul, "mul", false}};
  for (bool wide : {false, true})
    for (unsigned a : kRegs) {
      const unsigned b = (a * 7 + 3) % 31, c = (a * 5 + 1) % 31;
      for (const Named& op : kOps) {
        f.e.op(op.op, wide, a, b, c);
        f.line("{} {}, {}, {}", op.name, r(wide, a), r(wide, b), r(wide, c));
        f.e.op(op.op, wide, a, 31, c);
        f.line("{} {}, {}, {}", op.name, r(wide, a), r(wide, 31), r(wide, c));
        for (unsigned by : {1u, 3u, 31u}) {
          if (!op.shifts) continue;
          f.e.op(op.op, wide, a, b, c, by);
          f.line("{} {}, {}, {}, lsl #{}", op.name, r(wide, a), r(wide, b), r(wide, c), by);
        }
      }
      f.e.madd(wide, a, b, c, 9),
          f.line("madd {}, {}, {}, {}", r(wide, a), r(wide, b), r(wide, c), r(wide, 9));
      f.e.msub(wide, a, b, c, 9),
          f.line("msub {}, {}, {}, {}", r(wide, a), r(wide, b), r(wide, c), r(wide, 9));
      f.e.umulh(a, b, c), f.line("umulh {}, {}, {}", x(a), x(b), x(c));
      f.e.mov(wide, a, b), f.line("mov {}, {}", r(wide, a), r(wide, b));
      f.e.mov(wide, a, kZero), f.line("mov {}, {}", r(wide, a), r(wide, 31));
      f.e.cmp(wide, a, b), f.line("cmp {}, {}", r(wide, a), r(wide, b));
      for (uint32_t imm : {0u, 1u, 4095u, 4096u, 0x100000u, 0xfff000u}) {
        f.e.add_imm(wide, a, b, imm), f.line("add {}, {}, #{}", r(wide, a), r(wide, b), imm);
        f.e.sub_imm(wide, a, 31, imm), f.line("sub {}, {}, #{}", r(wide, a), sp_or(wide, 31), imm);
        f.e.add_imm(wide, 31, a, imm), f.line("add {}, {}, #{}", sp_or(wide, 31), r(wide, a), imm);
        f.e.subs_imm(wide, a, b, imm), f.line("subs {}, {}, #{}", r(wide, a), r(wide, b), imm);
        f.e.cmp_imm(wide, a, imm), f.line("cmp {}, #{}", r(wide, a), imm);
        f.e.cmn_imm(wide, a, imm), f.line("cmn {}, #{}", r(wide, a), imm);
      }
      f.e.add_to_sp(a, b), f.line("add {}, sp, {}", x(a), x(b));
      const unsigned top = wide ? 63 : 31;
      for (unsigned from : {0u, 1u, 7u, 16u, top})
        for (unsigned to : {0u, 7u, 15u, 30u, top}) {
          f.e.bitfield(true, wide, a, b, from, to),
              f.line("sbfm {}, {}, #{}, #{}", r(wide, a), r(wide, b), from, to);
          f.e.bitfield(false, wide, a, b, from, to),
              f.line("ubfm {}, {}, #{}, #{}", r(wide, a), r(wide, b), from, to);
        }
      for (unsigned by = 0; by <= top; ++by) {
        f.e.lsl_imm(wide, a, b, by), f.line("lsl {}, {}, #{}", r(wide, a), r(wide, b), by);
        f.e.lsr_imm(wide, a, b, by), f.line("lsr {}, {}, #{}", r(wide, a), r(wide, b), by);
        f.e.asr_imm(wide, a, b, by), f.line("asr {}, {}, #{}", r(wide, a), r(wide, b), by);
      }
      f.e.reverse64(a, b), f.line("rev {}, {}", x(a), x(b));
      f.e.reverse32(a, b), f.line("rev {}, {}", r(false, a), r(false, b));
      f.e.reverse16(a, b), f.line("rev16 {}, {}", r(false, a), r(false, b));
      for (unsigned cond = kEq; cond <= kLe; ++cond) {
        f.e.select(wide, a, b, 31, static_cast<Cond>(cond));
        f.line("csel {}, {}, {}, {}", r(wide, a), r(wide, b), r(wide, 31), kConds[cond]);
      }
    }
  expect_same(f);
}

TEST(Aarch64Emitter, memory_is_what_the_assembler_makes_of_it) {
  SKEP_NEED_ASSEMBLER();
  Forms f;
  for (unsigned size : {1u, 2u, 4u, 8u})
    for (unsigned t : kRegs)
      for (unsigned n : {0u, 13u, 29u, 31u}) {
        const unsigned m = (t * 3 + 2) % 31;
        const std::string base = sp_or(true, n), value = r(size == 8, t);
        const char* suffix = size_suffix(size);
        const std::string loads = fmt::format("ldr{}", suffix),
                          stores = fmt::format("str{}", suffix),
                          signs = size == 4 ? "ldrsw" : fmt::format("ldrs{}", suffix);
        auto access = [&](Access what, auto emit, auto address) {
          if (what == Access::kLoadSigned && size == 8) return;
          emit(what);
          const std::string name = what == Access::kLoad    ? loads
                                   : what == Access::kStore ? stores
                                                            : signs;
          f.line("{} {}, {}", name, what == Access::kLoadSigned ? x(t) : value, address);
        };
        auto unscaled_name = [&](Access what) {
          const std::string name = what == Access::kLoad    ? fmt::format("ldur{}", suffix)
                                   : what == Access::kStore ? fmt::format("stur{}", suffix)
                                   : size == 4              ? std::string("ldursw")
                                                            : fmt::format("ldurs{}", suffix);
          return name;
        };
        for (Access what : {Access::kStore, Access::kLoad, Access::kLoadSigned}) {
          for (uint32_t offset : {0u, size, size * 17, size * 4095})
            access(
                what, [&](Access w) { f.e.access_scaled(w, size, t, n, offset); },
                fmt::format("[{}, #{}]", base, offset));
          if (!(what == Access::kLoadSigned && size == 8))
            for (int offset : {-256, -1, 0, 3, 255}) {
              f.e.access_unscaled(what, size, t, n, offset);
              f.line("{} {}, [{}, #{}]", unscaled_name(what),
                     what == Access::kLoadSigned ? x(t) : value, base, offset);
            }
          access(
              what, [&](Access w) { f.e.access_indexed(w, size, t, n, m); },
              fmt::format("[{}, {}]", base, x(m)));
          if (size > 1)
            access(
                what, [&](Access w) { f.e.access_indexed(w, size, t, n, m, true); },
                fmt::format("[{}, {}, lsl #{}]", base, x(m),
                            size == 2   ? 1
                            : size == 4 ? 2
                                        : 3));
        }
        f.e.load(size, t, n, size), f.line("{} {}, [{}, #{}]", loads, value, base, size);
        f.e.store(size, t, n, size), f.line("{} {}, [{}, #{}]", stores, value, base, size);
        if (t == n) continue;
        f.e.load_acquire(size, t, n), f.line("ldar{} {}, [{}]", suffix, value, base);
        f.e.store_release(size, t, n), f.line("stlr{} {}, [{}]", suffix, value, base);
        f.e.load_exclusive(size, t, n), f.line("ldxr{} {}, [{}]", suffix, value, base);
        if (m != n && m != t) {
          f.e.store_exclusive(false, size, m, t, n),
              f.line("stxr{} {}, {}, [{}]", suffix, r(false, m), value, base);
          f.e.store_exclusive(true, size, m, t, n),
              f.line("stlxr{} {}, {}, [{}]", suffix, r(false, m), value, base);
        }
        constexpr std::pair<Lse, const char*> kLse[] = {{Lse::kAdd, "ldadd"},
                                                        {Lse::kClr, "ldclr"},
                                                        {Lse::kEor, "ldeor"},
                                                        {Lse::kSet, "ldset"},
                                                        {Lse::kSwp, "swp"}};
        for (const auto& [op, name] : kLse)
          for (bool ordered : {false, true}) {
            f.e.atomic(op, ordered, size, m, t, n);
            f.line("{}{}{} {}, {}, [{}]", name, ordered ? "al" : "", suffix, r(size == 8, m), value,
                   base);
          }
        f.e.compare_and_swap(size, m, t, n),
            f.line("casal{} {}, {}, [{}]", suffix, r(size == 8, m), value, base);
      }
  for (unsigned n : {3u, 31u})
    for (int offset : {-512, -16, 0, 8, 504}) {
      const std::string base = sp_or(true, n);
      f.e.store_pair(19, 20, n, offset), f.line("stp x19, x20, [{}, #{}]", base, offset);
      f.e.load_pair(29, 30, n, offset), f.line("ldp x29, x30, [{}, #{}]", base, offset);
      f.e.push_pair(21, 31, n, offset), f.line("stp x21, xzr, [{}, #{}]!", base, offset);
      f.e.pop_pair(21, 31, n, offset), f.line("ldp x21, xzr, [{}], #{}", base, offset);
    }
  expect_same(f);
}

TEST(Aarch64Emitter, branches_and_barriers_are_what_the_assembler_makes_of_them) {
  SKEP_NEED_ASSEMBLER();
  Forms f;
  for (int by : {4, 8, -4, 4096, -1048576, 1048572}) {
    for (unsigned cond = kEq; cond <= kLe; ++cond)
      f.e.jump_if(static_cast<Cond>(cond), by), f.line("b.{} .{:+}", kConds[cond], by);
    for (bool wide : {false, true}) {
      f.e.jump_if_zero(wide, 9, by), f.line("cbz {}, .{:+}", r(wide, 9), by);
      f.e.jump_if_not_zero(wide, 30, by), f.line("cbnz {}, .{:+}", r(wide, 30), by);
    }
    f.e.jump(by), f.line("b .{:+}", by);
    f.e.call(by), f.line("bl .{:+}", by);
  }
  f.e.jump(134217724), f.line("b .+134217724");
  f.e.call(-134217728), f.line("bl .-134217728");
  f.e.jump_reg(16), f.line("br x16");
  f.e.call_reg(16), f.line("blr x16");
  f.e.ret(), f.line("ret");
  f.e.trap(), f.line("brk #0");
  f.e.barrier(), f.line("dmb ish");
  f.e.speculation_barrier(), f.line("dsb nsh"), f.line("isb");
  f.e.consume_prediction(), f.line("hint #20");
  f.e.word(0), f.line("udf #0");
  expect_same(f);
}

TEST(Aarch64Emitter, patched_distances_are_what_the_assembler_makes_of_them) {
  SKEP_NEED_ASSEMBLER();
  Forms f;
  auto patched = [&](uint32_t to, auto emit, const std::string& text) {
    const uint32_t at = f.e.here();
    emit();
    ASSERT_TRUE(f.e.patch(at, to)) << text;
    f.text += text + fmt::format(" .{:+}\n", static_cast<int64_t>(to) - at);
  };
  for (int round = 0; round < 20; ++round)
    for (uint32_t to : {0u, 4u, 400u, 0xffffcu}) {
      patched(to, [&] { f.e.jump(); }, "b");
      patched(to, [&] { f.e.call(); }, "bl");
      patched(to, [&] { f.e.jump_if(kGt); }, "b.gt");
      patched(to, [&] { f.e.jump_if_zero(true, 3); }, "cbz x3,");
      patched(to, [&] { f.e.adr(11); }, "adr x11,");
    }
  expect_same(f);
  Emitter far;
  far.jump_if(kEq);
  EXPECT_FALSE(far.patch(0, 1 << 20));
  far.adr(3);
  EXPECT_FALSE(far.patch(4, 4 + (1 << 20)));
  far.jump();
  EXPECT_TRUE(far.patch(8, 1 << 26));
  EXPECT_FALSE(far.patch(8, 8 + (1u << 27)));
}

// All patterns there are (5,334 of 64 bits, 1,302 of 32), and numbers near them.
TEST(Aarch64Emitter, bit_patterns_are_those_that_the_assembler_knows) {
  SKEP_NEED_ASSEMBLER();
  Forms f;
  size_t wides = 0, narrows = 0;
  for (unsigned size = 2; size <= 64; size *= 2)
    for (unsigned ones = 1; ones < size; ++ones)
      for (unsigned rotate = 0; rotate < size; ++rotate) {
        const uint64_t mask = size == 64 ? ~uint64_t{0} : (uint64_t{1} << size) - 1;
        const uint64_t run = (uint64_t{1} << ones) - 1;
        uint64_t value = (run << rotate | (rotate == 0 ? 0 : run >> (size - rotate))) & mask;
        for (unsigned width = size; width < 64; width *= 2) value |= value << width;
        for (bool wide : {true, false}) {
          if (!wide && size == 64) continue;
          const auto pattern = bit_pattern(value, wide);
          ASSERT_TRUE(pattern) << std::hex << value;
          (wide ? wides : narrows)++;
          const Logic op = rotate % 4 == 0   ? Logic::kAnd
                           : rotate % 4 == 1 ? Logic::kOrr
                           : rotate % 4 == 2 ? Logic::kEor
                                             : Logic::kAnds;
          constexpr const char* kNames[] = {"and", "orr", "eor", "ands"};
          f.e.logic(op, wide, 3, 17, *pattern);
          f.line("{} {}, {}, #{:#x}", kNames[rotate % 4], r(wide, 3), r(wide, 17),
                 wide ? value : value & 0xffffffff);
        }
      }
  EXPECT_EQ(wides, 5334u);
  EXPECT_EQ(narrows, 1302u);
  expect_same(f);
  for (uint64_t none : {uint64_t{0}, ~uint64_t{0}, uint64_t{5}, uint64_t{0x1234},
                        uint64_t{0xff00ff01ff00ff00}, uint64_t{0x8000000000000005}})
    EXPECT_FALSE(bit_pattern(none, true)) << std::hex << none;
  EXPECT_FALSE(bit_pattern(0xffffffff, false));
}

// What the moves of a constant leave in the register, by their definition.
uint64_t moved(const std::vector<uint32_t>& code) {
  uint64_t value = 0;
  for (uint32_t word : code) {
    const bool wide = (word >> 31) != 0;
    const unsigned at = (word >> 21 & 3) * 16;
    const uint64_t bits = uint64_t{word >> 5 & 0xffff} << at;
    switch (word & 0x7f800000) {
      case 0x52800000: value = bits; break;
      case 0x12800000: value = ~bits; break;
      case 0x72800000: value = (value & ~(uint64_t{0xffff} << at)) | bits; break;
      default: return 0xbad;
    }
    if (!wide) value &= 0xffffffff;
  }
  return value;
}

TEST(Aarch64Emitter, moves_of_constants_are_short_and_right) {
  const std::pair<uint64_t, size_t> kLengths[] = {{0, 1},
                                                  {1, 1},
                                                  {0xffff, 1},
                                                  {0x10000, 1},
                                                  {0x12345678, 2},
                                                  {0xffffffff, 1},
                                                  {0xffff1234, 1},
                                                  {~uint64_t{0}, 1},
                                                  {~uint64_t{5}, 1},
                                                  {0x1234000000000000, 1},
                                                  {0x00ff00ff00ff00ff, 1},
                                                  {0x123456789abcdef0, 4},
                                                  {0xffffffff12345678, 2},
                                                  {0x2a0000001008, 2},
                                                  {0x7fffffffffffffff, 1}};
  for (const auto& [value, length] : kLengths) {
    Emitter e;
    e.move_imm(5, value);
    EXPECT_EQ(e.code.size(), length) << std::hex << value;
    if ((e.code[0] & 0x1f800000) != 0x12000000) {
      EXPECT_EQ(moved(e.code), value) << std::hex << value;
    }
  }
  uint64_t random = 1;
  for (int i = 0; i < 100000; ++i) {
    random = random * 6364136223846793005 + 1442695040888963407;
    uint64_t value = random >> (i % 61);
    if (i % 3 == 0) value = ~value;
    if (i % 5 == 0) value &= 0xffff0000ffff0000;
    Emitter e;
    e.move_imm(5, value);
    if ((e.code[0] & 0x1f800000) == 0x12000000) {  // a pattern: another test has them
      EXPECT_EQ(e.code.size(), 1u);
      continue;
    }
    ASSERT_EQ(moved(e.code), value) << std::hex << value;
  }
}

}  // namespace
}  // namespace skep::jit::arm
