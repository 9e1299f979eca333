// What the translation to LLVM IR must know of registers before it begins: where they hold pointers (IR tells
// pointers from numbers, and sees through the first only), and which bytes of the stack are written for certain.
//
// A kind is advice, not a promise: a pointer taken for a number is converted at its use and costs only
// optimisation. So where paths disagree either will do; pointers win, for they are what analyses look at.
#pragma once

#include <array>
#include <bitset>
#include <cstdint>
#include <vector>

#include "vm/jit/analysis.h"

namespace skep::jit::optimising {

enum class Kind : uint8_t {
  none,     // nothing yet
  number,   //
  pointer,  // somewhere else than the stack
  stack,    // perhaps into the stack
};
using Kinds = std::array<Kind, isa::kRegisters>;
[[nodiscard]] constexpr bool is_pointer(Kind kind) { return kind >= Kind::pointer; }

class RegisterKinds {
 public:
  [[nodiscard]] static RegisterKinds of(const VerifiedProgram& program, const Analysis& analysis);

  // Before instruction i, which begins a basic block or a function.
  [[nodiscard]] const Kinds& at(uint32_t i) const { return before_[i]; }
  // What instruction i makes of them.
  void step(uint32_t i, Kinds& kinds) const;
  // Every path has written all that the load at i reads through r10.
  [[nodiscard]] bool reads_written_stack(uint32_t i) const { return written_[i]; }
  // Of a function's r1 to r5, by its index.
  [[nodiscard]] const std::array<Kind, 6>& arguments(size_t function) const {
    return arguments_[function];
  }

 private:
  using Bytes = std::bitset<isa::kMaxStackBytes>;
  bool flow(const Function& function, size_t index);
  void find_written(const Function& function);

  const VerifiedProgram* program_ = nullptr;
  const Analysis* analysis_ = nullptr;
  std::vector<Kinds> before_;
  std::vector<bool> written_;
  std::vector<std::array<Kind, 6>> arguments_;
};

// A jump's two ways on, for instructions of an analysed program.
struct Ways {
  bool falls_through = true;
  bool jumps = false;
  uint32_t target = 0;
};
[[nodiscard]] Ways ways_on(const Insn& insn, uint32_t i);

}  // namespace skep::jit::optimising
