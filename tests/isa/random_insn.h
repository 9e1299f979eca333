// Random legal instructions, drawn from the legality table itself, so that a new row is tested at
// once.
#pragma once

#include <random>
#include <vector>

#include "isa/legality.h"

namespace skep::isa {

class RandomInsns {
 public:
  explicit RandomInsns(uint64_t seed) : random_(seed) {}

  // One instruction: one slot or two.
  std::vector<Insn> next() {
    const auto forms = all_forms();
    const Form& form = forms[random_() % forms.size()];
    Insn insn{.opcode = form.opcode};
    insn.dst = static_cast<uint8_t>(value(form.dst, 15));
    insn.src = static_cast<uint8_t>(value(form.src, 15));
    insn.off = static_cast<int16_t>(value(form.off, 0xffff));
    insn.imm = static_cast<int32_t>(value(form.imm, 0xffffffff));
    // Read-modify-write atomics return the old value in src, which the text names twice.
    if (!is_ld_imm64(insn)) return {insn};
    Insn high{.imm = static_cast<int32_t>(edge(0xffffffff))};
    if (!check_insn(std::vector{insn, high}, 0)) high.imm = 0;
    return {insn, high};
  }

 private:
  int64_t value(const Allowed& allowed, uint64_t mask) {
    switch (allowed.kind) {
      case Allowed::Kind::kZero: return 0;
      case Allowed::Kind::kAny: return static_cast<int64_t>(edge(mask));
      case Allowed::Kind::kRegister: return static_cast<int64_t>(random_() % kRegisters);
      case Allowed::Kind::kOneOf: return allowed.values[random_() % allowed.count];
    }
    return 0;
  }
  // Half of the values lie at the edges of the field.
  uint64_t edge(uint64_t mask) {
    static constexpr uint64_t kEdges[] = {0,      1,      2,          0x7f,       0x80,
                                          0x7fff, 0x8000, 0x7fffffff, 0x80000000, ~uint64_t{0}};
    if (random_() & 1) return kEdges[random_() % std::size(kEdges)] & mask;
    return random_() & mask;
  }

  std::mt19937_64 random_;
};

}  // namespace skep::isa
