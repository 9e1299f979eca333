// The dialect of iovisor/ubpf and bpf_conformance: mnemonics, and operands with commas.
//
//   mov %r0, 1    ldxdw %r1, [%r2+4]    jeq %r1, 2, +3    lock fetch add32 [%r10-8], %r1    call
//   local f
//
// A mnemonic is an operation and, for 32 bits, "32" after it. The first exit instruction is a label
// of its own name, which jumps use.
#include <fmt/format.h>

#include <map>
#include <optional>

#include "isa/assembler.h"

namespace skep::isa {
namespace {

struct Named {
  std::string_view name;
  uint8_t value;
};
constexpr Named kAlu[] = {{"add", BPF_ADD},  {"sub", BPF_SUB}, {"mul", BPF_MUL}, {"div", BPF_DIV},
                          {"or", BPF_OR},    {"and", BPF_AND}, {"lsh", BPF_LSH}, {"rsh", BPF_RSH},
                          {"mod", BPF_MOD},  {"xor", BPF_XOR}, {"mov", BPF_MOV}, {"arsh", BPF_ARSH},
                          {"sdiv", BPF_DIV}, {"smod", BPF_MOD}};
constexpr Named kJumps[] = {{"jeq", BPF_JEQ},   {"jgt", BPF_JGT},  {"jge", BPF_JGE},
                            {"jset", BPF_JSET}, {"jne", BPF_JNE},  {"jsgt", BPF_JSGT},
                            {"jsge", BPF_JSGE}, {"jlt", BPF_JLT},  {"jle", BPF_JLE},
                            {"jslt", BPF_JSLT}, {"jsle", BPF_JSLE}};
constexpr Named kSizes[] = {{"b", BPF_B}, {"h", BPF_H}, {"w", BPF_W}, {"dw", BPF_DW}};
constexpr Named kAtomics[] = {{"add", BPF_ADD}, {"or", BPF_OR}, {"and", BPF_AND}, {"xor", BPF_XOR}};

template <size_t N>
std::optional<uint8_t> find(const Named (&table)[N], std::string_view name) {
  for (const Named& row : table)
    if (row.name == name) return row.value;
  return {};
}

class Ubpf {
 public:
  Result<std::vector<Insn>> run(std::string_view text) {
    size_t number = 0;
    while (!text.empty()) {
      const size_t newline = text.find('\n');
      std::string_view line = text.substr(0, newline);
      text = newline == std::string_view::npos ? std::string_view{} : text.substr(newline + 1);
      line = line.substr(0, line.find('#'));
      ++number;
      if (auto done = statement(line); !done)
        return fail(EINVAL, "{}: {}", number, done.error().message());
      for (; lines_.size() < insns_.size();) lines_.push_back(number);
    }
    for (const auto& [at, name] : uses_) {
      const auto label = labels_.find(name);
      if (label == labels_.end())
        return fail(EINVAL, "{}: no label is named '{}'", lines_[at], name);
      const auto relative = static_cast<int64_t>(label->second) - static_cast<int64_t>(at) - 1;
      Insn& insn = insns_[at];
      if (insn.opcode == (BPF_JMP | BPF_CALL) || insn.opcode == (BPF_JMP32 | BPF_JA)) {
        insn.imm = static_cast<int32_t>(relative);
      } else {
        if (relative < INT16_MIN || relative > INT16_MAX)
          return fail(EINVAL, "{}: '{}' is {} instructions away, a jump reaches 32767", lines_[at],
                      name, relative);
        insn.off = static_cast<int16_t>(relative);
      }
    }
    return std::move(insns_);
  }

 private:
  Result<> statement(std::string_view line) {
    words_.clear();
    for (size_t at = 0; at < line.size();) {
      const auto separator = [&](char c) { return c == ' ' || c == '\t' || c == '\r' || c == ','; };
      if (separator(line[at])) {
        ++at;
        continue;
      }
      const size_t start = at;
      while (at < line.size() && !separator(line[at])) ++at;
      words_.push_back(line.substr(start, at - start));
    }
    if (words_.empty()) return {};
    std::string_view name = words_[0];
    if (name.ends_with(':')) {
      name.remove_suffix(1);
      if (!labels_.emplace(name, insns_.size()).second)
        return fail(EINVAL, "label '{}' is already defined", name);
      return {};
    }
    words_.erase(words_.begin());
    if (name == "exit") {
      SKEP_CHECK(operands(name, 0));
      labels_.emplace("exit", insns_.size());
      return emit({.opcode = BPF_JMP | BPF_EXIT});
    }
    if (name == "lddw") return lddw();
    if (name == "lock") return lock();
    if (name == "call") return call();
    if (name == "ja" || name == "ja32") {
      SKEP_CHECK(operands(name, 1));
      return jump(
          {.opcode = static_cast<uint8_t>(name == "ja" ? BPF_JMP | BPF_JA : BPF_JMP32 | BPF_JA)},
          words_[0]);
    }
    if (name.starts_with("ldx") || name.starts_with("st")) return memory(name);
    return alu_or_jump(name);
  }

  Result<> lddw() {
    SKEP_CHECK(operands("lddw", 2));
    SKEP_TRY(dst, reg(words_[0]));
    SKEP_TRY(value, number(words_[1]));
    SKEP_CHECK(emit({.opcode = BPF_LD | BPF_IMM | BPF_DW,
                     .dst = dst,
                     .imm = static_cast<int32_t>(value.bits)}));
    return emit({.imm = static_cast<int32_t>(value.bits >> 32)});
  }

  Result<> memory(std::string_view name) {
    const bool is_load = name.starts_with("ldx");
    const bool from_register = is_load || name.starts_with("stx");
    std::string_view size = name.substr(from_register ? 3 : 2);
    const bool sign = is_load && size.starts_with("s");
    if (sign) size.remove_prefix(1);
    const auto width = find(kSizes, size);
    if (!width || (sign && *width == BPF_DW)) return unknown(name);
    SKEP_CHECK(operands(name, 2));
    SKEP_TRY(at, place(words_[is_load ? 1 : 0]));
    Insn insn{.off = at.off};
    if (is_load) {
      SKEP_TRY(dst, reg(words_[0]));
      insn.opcode = static_cast<uint8_t>(BPF_LDX | (sign ? BPF_MEMSX : BPF_MEM) | *width);
      insn.dst = dst;
      insn.src = at.base;
      return emit(insn);
    }
    insn.dst = at.base;
    if (from_register) {
      SKEP_TRY(src, reg(words_[1]));
      insn.opcode = static_cast<uint8_t>(BPF_STX | BPF_MEM | *width);
      insn.src = src;
    } else {
      SKEP_TRY(value, imm32(words_[1]));
      insn.opcode = static_cast<uint8_t>(BPF_ST | BPF_MEM | *width);
      insn.imm = value;
    }
    return emit(insn);
  }

  Result<> lock() {
    if (words_.empty()) return fail(EINVAL, "lock needs an operation");
    const bool fetch = words_[0] == "fetch";
    if (fetch) words_.erase(words_.begin());
    if (words_.empty()) return fail(EINVAL, "lock fetch needs an operation");
    const std::string_view name = words_[0];
    words_.erase(words_.begin());
    std::string_view op = name;
    const bool narrow = op.ends_with("32");
    if (narrow) op.remove_suffix(2);
    int32_t imm = 0;
    if (const auto found = find(kAtomics, op))
      imm = *found | (fetch ? BPF_FETCH : 0);
    else if (op == "xchg")
      imm = BPF_XCHG;
    else if (op == "cmpxchg")
      imm = BPF_CMPXCHG;
    else
      return unknown(name);
    SKEP_CHECK(operands(fmt::format("lock {}", name), 2));
    SKEP_TRY(at, place(words_[0]));
    SKEP_TRY(src, reg(words_[1]));
    return emit({.opcode = static_cast<uint8_t>(BPF_STX | BPF_ATOMIC | (narrow ? BPF_W : BPF_DW)),
                 .dst = at.base,
                 .src = src,
                 .off = at.off,
                 .imm = imm});
  }

  // call 5, call %r2, call helper 5, call local label, call runtime 7
  Result<> call() {
    std::string_view mode = "helper";
    if (words_.size() == 2) {
      mode = words_[0];
      words_.erase(words_.begin());
    }
    SKEP_CHECK(operands("call", 1));
    Insn insn{.opcode = BPF_JMP | BPF_CALL};
    if (mode == "local") {
      insn.src = BPF_PSEUDO_CALL;
      return jump(insn, words_[0]);
    }
    if (mode != "helper" && mode != "runtime")
      return fail(EINVAL, "expected helper, local or runtime, found '{}'", mode);
    if (mode == "helper" && words_[0].starts_with('%')) {
      SKEP_TRY(dst, reg(words_[0]));
      insn.opcode |= BPF_X;
      insn.dst = dst;
      return emit(insn);
    }
    if (mode == "runtime") insn.src = BPF_PSEUDO_KFUNC_CALL;
    SKEP_TRY(id, imm32(words_[0]));
    insn.imm = id;
    return emit(insn);
  }

  Result<> alu_or_jump(std::string_view name) {
    for (const auto& [prefix, opcode] :
         {std::pair<std::string_view, int>{"be", BPF_ALU | BPF_END | BPF_TO_BE},
          {"le", BPF_ALU | BPF_END | BPF_TO_LE},
          {"swap", BPF_ALU64 | BPF_END},
          {"bswap", BPF_ALU64 | BPF_END}}) {
      if (!name.starts_with(prefix)) continue;
      const std::string_view bits = name.substr(prefix.size());
      if (bits != "16" && bits != "32" && bits != "64") continue;
      SKEP_CHECK(operands(name, 1));
      SKEP_TRY(dst, reg(words_[0]));
      return emit({.opcode = static_cast<uint8_t>(opcode),
                   .dst = dst,
                   .imm = bits == "16"   ? 16
                          : bits == "32" ? 32
                                         : 64});
    }
    for (const auto& [text, cls, off] :
         {std::tuple<std::string_view, int, int>{"movsx832", BPF_ALU, 8},
          {"movsx1632", BPF_ALU, 16},
          {"movsx864", BPF_ALU64, 8},
          {"movsx1664", BPF_ALU64, 16},
          {"movsx3264", BPF_ALU64, 32}}) {
      if (name != text) continue;
      SKEP_CHECK(operands(name, 2));
      return binary(
          {.opcode = static_cast<uint8_t>(cls | BPF_MOV), .off = static_cast<int16_t>(off)});
    }
    std::string_view op = name;
    const bool narrow = op.ends_with("32");
    if (narrow || op.ends_with("64")) op.remove_suffix(2);
    if (op == "neg") {
      SKEP_CHECK(operands(name, 1));
      SKEP_TRY(dst, reg(words_[0]));
      return emit(
          {.opcode = static_cast<uint8_t>((narrow ? BPF_ALU : BPF_ALU64) | BPF_NEG), .dst = dst});
    }
    if (const auto alu = find(kAlu, op)) {
      SKEP_CHECK(operands(name, 2));
      return binary({.opcode = static_cast<uint8_t>((narrow ? BPF_ALU : BPF_ALU64) | *alu),
                     .off = static_cast<int16_t>(op == "sdiv" || op == "smod" ? 1 : 0)});
    }
    if (const auto jmp = find(kJumps, op)) {
      SKEP_CHECK(operands(name, 3));
      const std::string_view target = words_.back();
      words_.pop_back();
      pending_ = target;
      return binary({.opcode = static_cast<uint8_t>((narrow ? BPF_JMP32 : BPF_JMP) | *jmp)});
    }
    return unknown(name);
  }

  // Fills dst and src or imm from two operands; a conditional jump's target is in pending_.
  Result<> binary(Insn insn) {
    const std::string_view target = std::exchange(pending_, {});
    SKEP_TRY(dst, reg(words_[0]));
    insn.dst = dst;
    if (words_[1].starts_with('%')) {
      SKEP_TRY(src, reg(words_[1]));
      insn.opcode |= BPF_X;
      insn.src = src;
    } else {
      SKEP_TRY(value, imm32(words_[1]));
      insn.imm = value;
    }
    return target.empty() ? emit(insn) : jump(insn, target);
  }

  Result<> jump(Insn insn, std::string_view target) {
    if (!target.starts_with('+') && !target.starts_with('-')) {
      uses_.emplace_back(insns_.size(), target);
      return emit(insn);
    }
    SKEP_TRY(off, offset(target));
    if (insn.opcode == (BPF_JMP | BPF_CALL) || insn.opcode == (BPF_JMP32 | BPF_JA))
      insn.imm = off;
    else
      insn.off = off;
    return emit(insn);
  }

  // --- operands
  struct Number {
    uint64_t bits = 0;  // two's complement
    bool negative = false;
    bool hex = false;
  };
  Result<Number> number(std::string_view text) {
    Number result;
    std::string_view digits = text;
    if (digits.starts_with('-') || digits.starts_with('+')) {
      result.negative = digits[0] == '-';
      digits.remove_prefix(1);
    }
    result.hex = digits.starts_with("0x") || digits.starts_with("0X");
    if (result.hex) digits.remove_prefix(2);
    if (digits.empty()) return fail(EINVAL, "expected a number, found '{}'", text);
    const unsigned base = result.hex ? 16 : 10;
    bool overflow = false;
    for (char c : digits) {
      const unsigned digit = c >= '0' && c <= '9'   ? static_cast<unsigned>(c - '0')
                             : c >= 'a' && c <= 'f' ? static_cast<unsigned>(c - 'a' + 10)
                             : c >= 'A' && c <= 'F' ? static_cast<unsigned>(c - 'A' + 10)
                                                    : 99u;
      if (digit >= base) return fail(EINVAL, "expected a number, found '{}'", text);
      overflow |= __builtin_mul_overflow(result.bits, base, &result.bits);
      overflow |= __builtin_add_overflow(result.bits, digit, &result.bits);
    }
    if (overflow || (result.negative && result.bits > uint64_t{1} << 63))
      return fail(EINVAL, "{} does not fit 64 bits", text);
    if (result.negative) result.bits = 0 - result.bits;
    return result;
  }
  Result<int64_t> limited(std::string_view text, int bits, const char* what) {
    SKEP_TRY(value, number(text));
    const auto as_signed = static_cast<int64_t>(value.bits);
    const int64_t half = int64_t{1} << (bits - 1);
    // Hexadecimal names the bits, decimal a signed value.
    const bool fits = value.hex && !value.negative ? value.bits < uint64_t{1} << bits
                      : value.negative             ? as_signed >= -half
                                                   : value.bits < static_cast<uint64_t>(half);
    if (!fits) return fail(EINVAL, "{} {} does not fit {} bits", what, text, bits);
    return as_signed;
  }
  Result<int32_t> imm32(std::string_view text) {
    SKEP_TRY(value, limited(text, 32, "immediate"));
    return static_cast<int32_t>(value);
  }
  Result<int16_t> offset(std::string_view text) {
    const std::string_view shown = text.starts_with('+') ? text.substr(1) : text;
    SKEP_TRY(value, limited(shown, 16, "offset"));
    return static_cast<int16_t>(value);
  }
  Result<uint8_t> reg(std::string_view text) {
    unsigned value = 99;
    if ((text.size() == 3 || text.size() == 4) && text.starts_with("%r")) {
      value = 0;
      for (char c : text.substr(2))
        value = c >= '0' && c <= '9' ? value * 10 + static_cast<unsigned>(c - '0') : 99;
    }
    // 11 to 15 don't exist, but the suite's negative cases encode them.
    if (value > 15) return fail(EINVAL, "expected a register %r0 to %r15, found '{}'", text);
    return static_cast<uint8_t>(value);
  }
  struct Place {
    uint8_t base = 0;
    int16_t off = 0;
  };
  Result<Place> place(std::string_view text) {
    if (!text.starts_with('[') || !text.ends_with(']'))
      return fail(EINVAL, "expected [register+offset], found '{}'", text);
    const std::string_view inner = text.substr(1, text.size() - 2);
    const size_t sign = inner.find_first_of("+-");
    SKEP_TRY(base, reg(inner.substr(0, sign)));
    if (sign == std::string_view::npos) return Place{base, 0};
    SKEP_TRY(off, offset(inner.substr(sign)));
    return Place{base, off};
  }

  Result<> operands(std::string_view name, size_t count) {
    if (words_.size() == count) return {};
    return fail(EINVAL, "{} takes {} operands, found {}", name, count, words_.size());
  }
  Result<> unknown(std::string_view name) { return fail(EINVAL, "unknown mnemonic '{}'", name); }
  Result<> emit(const Insn& insn) {
    insns_.push_back(insn);
    return {};
  }

  std::vector<std::string_view> words_;
  std::string_view pending_;
  std::vector<Insn> insns_;
  std::vector<size_t> lines_;
  std::map<std::string, size_t, std::less<>> labels_;
  std::vector<std::pair<size_t, std::string>> uses_;
};

}  // namespace

Result<std::vector<Insn>> assemble_ubpf(std::string_view text) { return Ubpf().run(text); }

}  // namespace skep::isa
