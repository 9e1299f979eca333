#include "vm/metering.h"

#include "isa/legality.h"

namespace skep::vm {

std::vector<uint32_t> block_costs(const VerifiedProgram& program) {
  using namespace isa;
  const std::span<const Insn> insns = program.insns();
  std::vector<uint32_t> costs(insns.size());
  for (const Subprogram& sub : program.subprograms()) {
    if (sub.start < costs.size()) costs[sub.start] = 1;
  }
  for (size_t i = 0; i < insns.size(); i += slots_of(insns[i])) {
    const Insn& insn = insns[i];
    const bool jumps = insn.cls() == BPF_JMP || insn.cls() == BPF_JMP32;
    const bool dead = i < program.facts().size() && program.facts()[i].dead;
    if (!jumps || insn.op() == BPF_CALL || dead) continue;
    if (i + 1 < costs.size()) costs[i + 1] = 1;
    if (insn.op() == BPF_EXIT) continue;
    const int64_t target = static_cast<int64_t>(i) + 1 + jump_offset(insn);
    if (target >= 0 && target < static_cast<int64_t>(costs.size()))
      costs[static_cast<size_t>(target)] = 1;
  }
  uint32_t* block = nullptr;
  for (size_t i = 0; i < insns.size(); i += slots_of(insns[i])) {
    if (costs[i] != 0) {
      block = &costs[i];
    } else if (block != nullptr) {
      ++*block;
    }
  }
  return costs;
}

}  // namespace skep::vm
