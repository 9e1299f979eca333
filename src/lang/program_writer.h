// One probe at one place, written as instructions.
//
//   r6: context          r0: what an expression yielded      r1–r5: short-lived
//   stack, downwards: the probe's variables, then buffers that live as long as one statement
#pragma once

#include <map>

#include "isa/builder.h"
#include "lang/ast.h"

namespace skep::lang {

// Constants of all programs: printf formats, and zeros that new map values start as.
class ReadOnlyData {
 public:
  static constexpr uint32_t kZeros = 512;
  ReadOnlyData() : bytes_(kZeros) {}
  // Offset of `text` and its NUL.
  uint32_t add(const std::string& text);
  [[nodiscard]] const std::vector<std::byte>& bytes() const { return bytes_; }

 private:
  std::vector<std::byte> bytes_;
  std::map<std::string, uint32_t> known_;
};

[[nodiscard]] constexpr uint32_t size_of(Type type) {
  switch (type) {
    case Type::string: return kStringSize;
    case Type::min:
    case Type::max:
    case Type::avg: return 16;  // { value or total; number of values }
    case Type::hist: return 64 * 8;
    default: return 8;
  }
}
[[nodiscard]] uint32_t key_size(const MapInfo& map);

class ProgramWriter {
 public:
  // Maps have their index in script.maps; the read-only data is the map behind them.
  ProgramWriter(const Script& script, size_t probe, const AttachPoint& point,
                ReadOnlyData& constants);
  // E2BIG where the stack does not suffice.
  [[nodiscard]] Result<std::vector<Insn>> write();

 private:
  using Label = isa::Builder::Label;
  // Gives its buffers back at its end.
  class Buffers {
   public:
    explicit Buffers(ProgramWriter& writer) : writer_(writer), before_(writer.stack_) {}
    ~Buffers() { writer_.stack_ = before_; }
    Buffers(const Buffers&) = delete;
    Buffers& operator=(const Buffers&) = delete;

   private:
    ProgramWriter& writer_;
    int before_;
  };
  int buffer(uint32_t size);  // offset from r10

  void statements(const std::vector<Statement>& list);
  void statement(const Statement& one);
  void assign(const Statement& one);
  void assign_variable(const Statement& one);
  void assign_map(const Statement& one);
  void aggregate(const Statement& one, int key, int operand);
  void count_in_histogram(int operand);
  void print(const Expr& call);
  void erase(const Expr& map);

  void number(const Expr& expr);  // to r0
  void builtin(const Expr& expr);
  void unary(const Expr& expr);
  void binary(const Expr& expr);
  void logical(const Expr& expr);
  void compare_strings(const Expr& expr);
  void arithmetic(std::string_view op);        // r0 = r1 op r0
  void set_by(int jump, int left, int right);  // r0 = left jump right
  void text(const Expr& expr, int to);
  void literal(std::string_view value, int to);

  int key_of(const Expr& map);
  void map_address(int reg, uint32_t map);
  void constant_address(int reg, uint32_t offset);
  void stack_address(int reg, int offset);
  void look_up(uint32_t map, int key);
  // r0 = the element, made of zeros where it was not there; jumps to `none` where that fails.
  void look_up_or_make(uint32_t map, int key, Label none);
  void store(int offset, int reg);
  void load(int reg, int offset);
  void zero(int offset, uint32_t size);
  void copy(int to, int from_reg, int from_offset, uint32_t size);

  const Script& script_;
  const Probe& probe_;
  const std::vector<VariableInfo>& variables_;
  const AttachPoint& point_;
  ReadOnlyData& constants_;
  isa::Builder out_;
  int stack_ = 0, deepest_ = 0;
  std::vector<int> variable_offsets_;
};

}  // namespace skep::lang
