// For tests of the engines only: a VerifiedProgram of instructions that no verifier has seen. This is the
// second friend of VerifiedProgram; it must never be linked together with the verifier, whose maker has the
// same name (tests/vm, tools/conformance and bench link skep_vm alone, and nothing in src/ includes this).
#pragma once

#include <algorithm>
#include <functional>
#include <set>
#include <utility>
#include <vector>

#include "isa/legality.h"
#include "object/verified_program.h"

namespace skep {

class VerifiedProgramMaker {
 public:
  // Subprograms begin where calls and function addresses point; what can't be reached is marked dead, as the
  // verifier does. The instructions must be well formed (isa::check_insns).
  // `adjust` may add facts that the verifier would have found.
  [[nodiscard]] static VerifiedProgram unverified(
      std::vector<Insn> insns, std::vector<MapDescriptor> maps = {},
      const std::function<void(std::vector<InsnFacts>&)>& adjust = {}) {
    VerifiedProgram made;
    made.program_.name = "test";
    made.program_.insns = std::move(insns);
    made.program_.maps = std::move(maps);
    const auto& code = made.program_.insns;
    std::set<uint32_t> starts{0}, callbacks;
    for (size_t i = 0; i < code.size(); i += isa::slots_of(code[i])) {
      const auto target = static_cast<uint32_t>(static_cast<int64_t>(i) + 1 + code[i].imm);
      if (isa::is_pseudo_call(code[i])) starts.insert(target);
      if (isa::is_ld_imm64(code[i]) && code[i].src == isa::BPF_PSEUDO_FUNC) {
        starts.insert(target);
        callbacks.insert(target);
      }
    }
    for (auto start = starts.begin(); start != starts.end(); ++start) {
      Subprogram sub;
      sub.start = *start;
      sub.end =
          std::next(start) == starts.end() ? static_cast<uint32_t>(code.size()) : *std::next(start);
      sub.stack_depth = isa::kMaxStackBytes;
      sub.is_callback = callbacks.contains(*start);
      for (uint32_t i = sub.start; i < sub.end;
           i += static_cast<uint32_t>(isa::slots_of(code[i]))) {
        const bool packet = code[i].cls() == isa::BPF_LD && code[i].mode() != isa::BPF_IMM;
        sub.has_ld_abs |= packet;
        sub.has_tail_call |= code[i].opcode == (isa::BPF_JMP | isa::BPF_CALL) && code[i].src == 0 &&
                             code[i].imm == 12;
      }
      made.subprograms_.push_back(sub);
    }
    made.facts_.resize(code.size());
    mark_dead(code, starts, made.facts_);
    if (adjust) adjust(made.facts_);
    made.insns_processed_ = code.size();
    return made;
  }

  // What the verifier would have proved of the instruction at `insn`.
  [[nodiscard]] static InsnFacts& facts_of(VerifiedProgram& program, size_t insn) {
    return program.facts_[insn];
  }

 private:
  static void mark_dead(const std::vector<Insn>& code, const std::set<uint32_t>& starts,
                        std::vector<InsnFacts>& facts) {
    for (InsnFacts& fact : facts) fact.dead = true;
    std::vector<int64_t> todo(starts.begin(), starts.end());
    while (!todo.empty()) {
      const int64_t i = todo.back();
      todo.pop_back();
      if (i < 0 || i >= static_cast<int64_t>(code.size()) || !facts[static_cast<size_t>(i)].dead)
        continue;
      const Insn& insn = code[static_cast<size_t>(i)];
      facts[static_cast<size_t>(i)].dead = false;
      const int64_t next = i + static_cast<int64_t>(isa::slots_of(insn));
      if (next == i + 2 && next <= static_cast<int64_t>(code.size()))
        facts[static_cast<size_t>(i + 1)].dead = false;
      if (isa::is_jump(insn)) todo.push_back(i + 1 + isa::jump_offset(insn));
      const bool jmp = insn.cls() == isa::BPF_JMP || insn.cls() == isa::BPF_JMP32;
      if (jmp && (insn.op() == isa::BPF_EXIT || insn.op() == isa::BPF_JA)) continue;
      todo.push_back(next);
    }
  }
};

}  // namespace skep
