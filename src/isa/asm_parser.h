// The assembler's parser, for assembler.cc (files, directives, names) and asm_statements.cc (statements).
// Recursive descent over one line's tokens; names are resolved when the program ends (labels) or the file does (maps).
#pragma once

#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "isa/asm_lexer.h"
#include "isa/assembler.h"

namespace skep::isa::asm_detail {

// A name that an instruction refers to, to be filled in later.
struct NameUse {
  enum class Kind : uint8_t { kJump, kCall, kFunction, kMap, kMapOrFunction };
  Kind kind;
  uint32_t insn;
  std::string name;
  uint32_t line;
  uint32_t column;
};

struct AtomicName {
  std::string_view text;
  int32_t op;
  bool old_in_r0;
};

struct RegisterName {
  uint8_t number;
  bool wide;  // r, not w
};
// r0 to r10, w0 to w10; none for any other token.
[[nodiscard]] std::optional<RegisterName> as_register(const Token& token);

struct MemoryType {
  uint8_t size;  // BPF_B, …
  bool sign;
};

class Parser {
 public:
  explicit Parser(const AsmOptions& options) : options_(options) {}
  Result<Assembly> run(std::string_view text);

 private:
  // Each returns false with error_ set where the line does not parse.
  bool line(std::string_view text);
  bool directive();
  bool map_directive();
  bool statement();
  bool assignment(const Token& at);
  bool move(RegisterName dst);
  bool from_word(RegisterName dst, const Token& word);
  bool load(RegisterName dst);
  bool packet_load(RegisterName dst, MemoryType type);
  bool store();
  bool locked();
  bool store_release();
  bool atomic(RegisterName dst, const AtomicName& name);
  bool llvm_atomic(RegisterName dst, std::string_view word);
  bool conditional();
  bool call();
  bool address_of_map(RegisterName dst);
  bool address_of_function(RegisterName dst);
  bool address_of_btf(RegisterName dst);

  // Parts.
  bool expect(std::string_view punct);
  bool reg(RegisterName& out, const char* what = "a register");
  bool same_width(RegisterName dst, RegisterName src, const Token& at);
  bool number(int64_t low, int64_t high, int64_t& out, const char* what);
  bool imm32(int32_t& out);
  bool offset16(int16_t& out);                   // +8, -8
  bool pointer_type(MemoryType& out);            // (u32 *)
  bool place(RegisterName& base, int16_t& off);  // (r1 +8)
  bool target(NameUse::Kind kind, Insn insn);    // of a jump or a call; emits
  bool end_of_line();

  bool emit(const Insn& insn);
  bool emit64(const Insn& low, int32_t high);
  bool finish_program();
  bool resolve_maps();
  AsmProgram& program();
  Insn alu(RegisterName dst, int op) const {
    return {.opcode = static_cast<uint8_t>((dst.wide ? BPF_ALU64 : BPF_ALU) | op),
            .dst = dst.number};
  }

  [[nodiscard]] const Token& peek(size_t ahead = 0) const {
    return tokens_[std::min(next_ + ahead, tokens_.size() - 1)];
  }
  const Token& take() {
    const Token& token = peek();
    if (next_ + 1 < tokens_.size()) ++next_;
    return token;
  }
  bool take_if(std::string_view what) {
    if (!peek().is(what)) return false;
    take();
    return true;
  }
  bool error_at(uint32_t column, std::string message) {
    return error_in(line_, column, std::move(message));
  }
  bool error_in(uint32_t line, uint32_t column, std::string message) {
    if (!error_) error_ = Error(EINVAL, fmt::format("{}:{}: {}", line, column, message));
    return false;
  }
  bool expected(std::string_view what) {
    return error_at(peek().column, fmt::format("expected {}, found {}", what, peek().shown()));
  }

  const AsmOptions& options_;
  Assembly out_;
  std::string section_;
  bool in_program_ = false;
  std::map<std::string, uint32_t, std::less<>> labels_;  // of the current program
  std::vector<NameUse> uses_;                            // of the current program
  struct MapUse {
    size_t program;
    NameUse use;
  };
  std::vector<MapUse> map_uses_;
  std::vector<Token> tokens_;
  size_t next_ = 0;
  uint32_t line_ = 0;
  uint32_t statement_column_ = 1;
  std::optional<Error> error_;
};

}  // namespace skep::isa::asm_detail
