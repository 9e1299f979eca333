// The running kernel's verifier as the oracle of the scalar domain's precision: random straight-line programs of
// arithmetic and comparisons on unknown numbers. What the kernel's log says of a register after each instruction holds all
// that the domain says of it, so no program is refused here because a bound is wider than the kernel's.
// Loads only. Skipped where bpf(2) is refused or the kernel is older than the log that is read.
#include <gtest/gtest.h>
#include <sys/syscall.h>
#include <sys/utsname.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <charconv>
#include <cstdio>
#include <cstring>
#include <map>
#include <random>
#include <string>
#include <vector>

#include "verifier/scalar.h"

namespace skep::verifier {
namespace {

using namespace isa;

struct ProgLoad {
  uint32_t type, insn_count;
  uint64_t insns, license;
  uint32_t log_level, log_size;
  uint64_t log;
  uint32_t kern_version, flags;
  char name[16];
  uint32_t ifindex, expected_attach_type;
};
// 0 or an errno, and the log at level 2.
int load(const std::vector<Insn>& insns, std::string& log) {
  static std::array<char, 1 << 18> buffer;
  buffer[0] = 0;
  ProgLoad attributes{};
  attributes.type = 1;  // a socket filter
  attributes.insn_count = static_cast<uint32_t>(insns.size());
  attributes.insns = reinterpret_cast<uint64_t>(insns.data());
  attributes.license = reinterpret_cast<uint64_t>("GPL");
  attributes.log_level = 2;
  attributes.log_size = buffer.size();
  attributes.log = reinterpret_cast<uint64_t>(buffer.data());
  const long fd = ::syscall(SYS_bpf, 5, &attributes, sizeof attributes);
  const int error = fd < 0 ? errno : 0;
  if (fd >= 0) ::close(static_cast<int>(fd));
  log = buffer.data();
  return error;
}

// "-100", "0x7f8", "1940"
int64_t number_of(std::string_view text) {
  bool negative = false;
  if (text.starts_with('-')) negative = true, text.remove_prefix(1);
  int base = 10;
  if (text.starts_with("0x")) base = 16, text.remove_prefix(2);
  uint64_t value = 0;
  std::from_chars(text.data(), text.data() + text.size(), value, base);
  return static_cast<int64_t>(negative ? 0 - value : value);
}

// "scalar(smin=smin32=-100,umax=7,var_off=(0x4; 0x3f8))" or a number.
Scalar parse_state(std::string_view text) {
  if (!text.starts_with("scalar(")) return scalar_constant(static_cast<uint64_t>(number_of(text)));
  Scalar state;
  text = text.substr(7, text.size() - 8);
  if (const size_t at = text.find("var_off=("); at != std::string_view::npos) {
    const std::string_view bits = text.substr(at + 9);
    const size_t semicolon = bits.find(';');
    state.var_off.value = static_cast<uint64_t>(number_of(bits.substr(0, semicolon)));
    state.var_off.mask = static_cast<uint64_t>(
        number_of(bits.substr(semicolon + 2, bits.find(')') - semicolon - 2)));
    text = text.substr(0, at);
  }
  while (!text.empty()) {
    const size_t comma = text.find(',');
    std::string_view item = text.substr(0, comma);
    text = comma == std::string_view::npos ? std::string_view() : text.substr(comma + 1);
    const size_t last = item.rfind('=');
    if (last == std::string_view::npos) continue;
    const int64_t value = number_of(item.substr(last + 1));
    for (std::string_view names = item.substr(0, last); !names.empty();) {
      const size_t equals = names.find('=');
      const std::string_view name = names.substr(0, equals);
      names = equals == std::string_view::npos ? std::string_view() : names.substr(equals + 1);
      if (name == "smin") state.smin = value;
      if (name == "smax") state.smax = value;
      if (name == "umin") state.umin = static_cast<uint64_t>(value);
      if (name == "umax") state.umax = static_cast<uint64_t>(value);
      if (name == "smin32") state.s32_min = static_cast<int32_t>(value);
      if (name == "smax32") state.s32_max = static_cast<int32_t>(value);
      if (name == "umin32") state.u32_min = static_cast<uint32_t>(value);
      if (name == "umax32") state.u32_max = static_cast<uint32_t>(value);
    }
  }
  return state;
}

// What the log's line of instruction `index` says of register `reg`; none where it says nothing.
std::optional<std::string> state_after(const std::string& log, size_t index, unsigned reg) {
  const std::string head = "\n" + std::to_string(index) + ": (";
  const size_t line = log.find(head);
  if (line == std::string::npos) return std::nullopt;
  const std::string text = log.substr(line + 1, log.find('\n', line + 1) - line - 1);
  const size_t comment = text.find("; ");
  if (comment == std::string::npos) return std::nullopt;
  for (const char* suffix : {"=", "_w="}) {
    const std::string name = " R" + std::to_string(reg) + suffix;
    const size_t at = text.find(name, comment);
    if (at == std::string::npos) continue;
    const size_t begin = at + name.size();
    if (text.compare(begin, 7, "scalar(") != 0)
      return text.substr(begin, text.find(' ', begin) - begin);
    int depth = 0;
    for (size_t i = begin; i < text.size(); i++) {
      depth += text[i] == '(' ? 1 : text[i] == ')' ? -1 : 0;
      if (text[i] == ')' && depth == 0) return text.substr(begin, i + 1 - begin);
    }
  }
  return std::nullopt;
}

std::string show(const Scalar& s) {
  char text[300];
  std::snprintf(
      text, sizeof text, "s %lld..%lld u %llu..%llu s32 %d..%d u32 %u..%u (0x%llx; 0x%llx)",
      static_cast<long long>(s.smin), static_cast<long long>(s.smax),
      static_cast<unsigned long long>(s.umin), static_cast<unsigned long long>(s.umax), s.s32_min,
      s.s32_max, s.u32_min, s.u32_max, static_cast<unsigned long long>(s.var_off.value),
      static_cast<unsigned long long>(s.var_off.mask));
  return text;
}

// A program and what the domain says after each of its instructions.
class RandomProgram {
 public:
  explicit RandomProgram(uint64_t seed) : random_(seed) {
    for (uint8_t reg = kFirst; reg <= kLast; reg++) {
      emit({.opcode = BPF_JMP | BPF_CALL, .imm = 5});  // ktime_get_ns: any number
      emit({.opcode = BPF_ALU64 | BPF_MOV | BPF_X, .dst = reg, .src = 0});
      states_[reg] = scalar_unknown();
    }
    for (int step = 0; step < 14; step++) {
      switch (random_() % 8) {
        case 0:
        case 1:
        case 2: compare(); break;
        case 3: cast(); break;
        default: compute(); break;
      }
    }
    emit({.opcode = BPF_ALU64 | BPF_MOV | BPF_K, .dst = 0});
    emit({.opcode = BPF_JMP | BPF_EXIT});
    const auto end = static_cast<int>(insns_.size()) - 2;
    for (const int jump : jumps_)
      insns_[static_cast<size_t>(jump)].off = static_cast<int16_t>(end - jump - 1);
  }
  struct Claim {
    size_t insn;
    uint8_t reg;
    Scalar state;
  };
  [[nodiscard]] const std::vector<Insn>& insns() const { return insns_; }
  [[nodiscard]] const std::vector<Claim>& claims() const { return claims_; }

 private:
  static constexpr uint8_t kFirst = 6, kLast = 8;
  void emit(const Insn& insn) { insns_.push_back(insn); }
  void claim(uint8_t reg) { claims_.push_back({insns_.size() - 1, reg, states_[reg]}); }
  uint8_t any_reg() { return static_cast<uint8_t>(kFirst + random_() % 3); }
  int32_t constant() {
    switch (random_() % 6) {
      case 0: return static_cast<int32_t>(random_());
      case 1: return -static_cast<int32_t>(random_() % 100);
      case 2: return static_cast<int32_t>(uint32_t{1} << (random_() % 32));
      case 3: return static_cast<int32_t>((uint32_t{1} << (random_() % 32)) - 1);
      default: return static_cast<int32_t>(random_() % 300);
    }
  }
  static Scalar immediate(int32_t value) {
    return scalar_constant(static_cast<uint64_t>(int64_t{value}));
  }

  void compute() {
    static constexpr uint8_t kOps[] = {BPF_ADD, BPF_SUB, BPF_MUL,  BPF_OR,  BPF_AND, BPF_XOR,
                                       BPF_LSH, BPF_RSH, BPF_ARSH, BPF_AND, BPF_ADD, BPF_NEG};
    const uint8_t op = kOps[random_() % std::size(kOps)];
    const bool is64 = random_() % 2 == 0;
    Insn insn{.opcode = static_cast<uint8_t>((is64 ? BPF_ALU64 : BPF_ALU) | op), .dst = any_reg()};
    Scalar& dst = states_[insn.dst];
    // Of 0 or -1 the kernel follows both, each as a constant: the walk's doing, not the domain's.
    const bool forks = (dst.smin == -1 && dst.smax == 0) || (dst.s32_min == -1 && dst.s32_max == 0);
    if ((op == BPF_AND || op == BPF_OR) && forks) return;
    if (op == BPF_NEG) {
      dst = scalar_neg(is64, dst);
    } else {
      const bool shift = op == BPF_LSH || op == BPF_RSH || op == BPF_ARSH;
      if (shift) {
        insn.imm = static_cast<int32_t>(random_() % (is64 ? 64 : 32));
      } else if (random_() % 2 == 0) {
        insn.opcode |= BPF_X;
        insn.src = any_reg();
      } else {
        insn.imm = constant();
      }
      const Scalar src = insn.uses_src_reg() ? states_[insn.src] : immediate(insn.imm);
      dst = scalar_alu(*alu_op(insn), is64, dst, src);
    }
    emit(insn);
    claim(insn.dst);
  }
  void cast() {
    Insn insn{.dst = any_reg()};
    Scalar& dst = states_[insn.dst];
    switch (random_() % 3) {
      case 0:
        insn.opcode = BPF_ALU | BPF_MOV | BPF_X;
        insn.src = insn.dst;
        dst = scalar_zero_extend32(dst);
        break;
      case 1: {
        const bool is64 = random_() % 2 == 0;
        insn.opcode = static_cast<uint8_t>((is64 ? BPF_ALU64 : BPF_ALU) | BPF_MOV | BPF_X);
        insn.src = insn.dst;
        insn.off = is64 && random_() % 2 == 0 ? 32 : random_() % 2 == 0 ? 8 : 16;
        dst = scalar_sign_extend(dst, static_cast<unsigned>(insn.off), is64);
        break;
      }
      default:
        insn.opcode = BPF_ALU64 | BPF_END;
        insn.imm = 16 << (random_() % 3);
        dst = scalar_end(dst, static_cast<unsigned>(insn.imm), true);
        break;
    }
    emit(insn);
    claim(insn.dst);
  }
  void compare() {
    static constexpr uint8_t kOps[] = {BPF_JEQ,  BPF_JNE,  BPF_JGT,  BPF_JGE,  BPF_JLT, BPF_JLE,
                                       BPF_JSGT, BPF_JSGE, BPF_JSLT, BPF_JSLE, BPF_JSET};
    for (int attempt = 0; attempt < 8; attempt++) {
      const uint8_t op = kOps[random_() % std::size(kOps)];
      const bool half = random_() % 3 == 0;
      Insn insn{.opcode = static_cast<uint8_t>((half ? BPF_JMP32 : BPF_JMP) | op),
                .dst = any_reg()};
      Scalar other;
      Scalar* rhs = &other;
      if (random_() % 2 == 0) {
        insn.opcode |= BPF_X;
        insn.src = any_reg();
        if (insn.src == insn.dst) continue;
        rhs = &states_[insn.src];
      } else {
        insn.imm = constant();
        other = immediate(insn.imm);
      }
      Scalar& lhs = states_[insn.dst];
      if (branch_taken(op, half, lhs, *rhs) >= 0) continue;  // the kernel would not go on here
      Scalar new_lhs = lhs, new_rhs = *rhs;
      if (!refine_branch(op, half, new_lhs, new_rhs, false)) continue;
      lhs = new_lhs;
      *rhs = new_rhs;
      jumps_.push_back(static_cast<int>(insns_.size()));
      emit(insn);
      claim(insn.dst);
      if (insn.uses_src_reg()) claim(insn.src);
      return;
    }
  }

  std::mt19937_64 random_;
  std::vector<Insn> insns_;
  std::vector<int> jumps_;
  std::map<uint8_t, Scalar> states_;
  std::vector<Claim> claims_;
};

TEST(ScalarKernel, the_domain_is_as_precise_as_the_running_kernels) {
  utsname host{};
  unsigned major = 0, minor = 0;
  ASSERT_EQ(::uname(&host), 0);
  ASSERT_EQ(std::sscanf(host.release, "%u.%u", &major, &minor), 2);
  std::string log;
  if (const int error =
          load({{.opcode = BPF_ALU64 | BPF_MOV | BPF_K}, {.opcode = BPF_JMP | BPF_EXIT}}, log);
      error != 0) {
    GTEST_SKIP() << "bpf(2) refuses to load a socket filter here: " << std::strerror(error);
  }
  if (major * 100 + minor < 618)
    GTEST_SKIP() << "Linux " << host.release << " is older than the log that is read";
  unsigned compared = 0, wider = 0;
  for (uint64_t seed = 0; seed < 2000; seed++) {
    const RandomProgram program(seed);
    ASSERT_EQ(load(program.insns(), log), 0) << log;
    for (const RandomProgram::Claim& claim : program.claims()) {
      const auto text = state_after(log, claim.insn, claim.reg);
      if (!text) continue;
      compared++;
      if (scalar_subset(parse_state(*text), claim.state)) continue;
      wider++;
      if (wider > 10) continue;
      const size_t line = log.find("\n" + std::to_string(claim.insn) + ": (");
      ADD_FAILURE() << "seed " << seed << ": r" << claim.reg + 0 << " after"
                    << log.substr(line, log.find('\n', line + 1) - line) << "\n"
                    << "here   " << show(claim.state) << "\nkernel " << show(parse_state(*text))
                    << "\n"
                    << log.substr(log.find("\n0: R1"), line - log.find("\n0: R1"));
    }
  }
  EXPECT_EQ(wider, 0u) << "of " << compared;
  EXPECT_GT(compared, 15000u);
}

}  // namespace
}  // namespace skep::verifier
