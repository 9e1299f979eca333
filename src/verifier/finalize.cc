// What is handed on of an accepted program: its instructions as code generators take them, and what was
// proved of each (object/verified_program.h).
#include <algorithm>

#include "spec/kfunc_numbers.h"
#include "verifier/env.h"

namespace skep {

// The only way to a VerifiedProgram.
class VerifiedProgramMaker {
 public:
  static VerifiedProgram make(Program program, std::vector<InsnFacts> facts,
                              std::vector<Subprogram> subprograms, uint64_t insns_processed,
                              const AccessBounds& accesses,
                              std::vector<VerifiedProgram::MadeType> made_types) {
    VerifiedProgram made;
    made.program_ = std::move(program);
    made.facts_ = std::move(facts);
    made.subprograms_ = std::move(subprograms);
    made.insns_processed_ = insns_processed;
    made.accesses_ = accesses;
    made.made_types_ = std::move(made_types);
    return made;
  }
};

namespace verifier {

using namespace isa;

void Verifier::finish_stats(Report& report) {
  for (const SubprogramInfo& sub : subs_) stats_.stack_depths.push_back(sub.stack_depth);
  if ((options_.log_level & (kLogErrors | kLogAll | kLogStats)) != 0) {
    if ((options_.log_level & kLogStats) != 0) {
      fmt::format_to(std::back_inserter(log_), "verification time {} usec\nstack depth ",
                     stats_.time_ns / 1000);
      if (profile_.version >= kernel_version(7, 0)) {
        fmt::format_to(std::back_inserter(log_), "max {}", max_stack_depth_);
        for (size_t i = 0; i < subs_.size(); ++i) {
          const SubprogramInfo& sub = subs_[i];
          fmt::format_to(std::back_inserter(log_),
                         "\nsubprog {} ({}) {} insns_self {} insns_total {} stack {}", i,
                         sub.name.empty() ? "<unknown>" : sub.name,
                         i == 0       ? "main"
                         : sub.global ? "global"
                                      : "static",
                         sub.insns_self, sub.insns_total, sub.stack_depth);
        }
      } else
        for (size_t i = 0; i < stats_.stack_depths.size(); ++i) {
          fmt::format_to(std::back_inserter(log_), "{}{}", i == 0 ? "" : "+",
                         stats_.stack_depths[i]);
        }
      log_ += '\n';
    }
    fmt::format_to(
        std::back_inserter(log_),
        "processed {} insns (limit {}) max_states_per_insn {} total_states {} peak_states {} "
        "mark_read 0\n",
        stats_.insns_processed, profile_.max_processed, stats_.max_states_per_insn, stats_.states,
        stats_.peak_states);
  }
  report.stats = std::move(stats_);
  report.log = std::move(log_);
}

void Verifier::finalize(Report& report) {
  Program program = program_;
  std::vector<InsnFacts> facts(count_);
  for (uint32_t i = 0; i < count_; ++i) {
    const InsnAux& aux = aux_[i];
    Insn& insn = program.insns[i];
    InsnFacts& fact = facts[i];
    if (aux.second_slot) {
      fact.dead = facts[i - 1].dead;
      continue;
    }
    fact.dead = !aux.seen;
    if (fact.dead) continue;
    if (aux.context_field != nullptr && insn.cls() == BPF_LDX) {
      // The UAPI's 32-bit handle becomes the pointer behind the struct.
      insn.opcode = BPF_LDX | BPF_MEM | BPF_DW;
      insn.off = static_cast<int16_t>(aux.context_field->hidden);
    }
    if (aux.probe && insn.cls() == BPF_LDX) {
      const uint8_t mode = insn.mode() == BPF_MEMSX ? BPF_PROBE_MEMSX : BPF_PROBE_MEM;
      insn.opcode = static_cast<uint8_t>((insn.opcode & ~0xe0) | mode);
      fact.memory_may_fault = true;
    }
    if (insn.opcode == (BPF_JMP | BPF_CALL) && insn.src == 0) {
      if (aux.map >= 0 && !aux.map_conflict) fact.map_index = static_cast<int16_t>(aux.map);
      const bool key_known = aux.key_seen && !aux.key_unknown && fact.map_index >= 0;
      if (insn.imm == spec::BPF_FUNC_map_lookup_elem) fact.key_is_constant = key_known;
      if (insn.imm == spec::BPF_FUNC_tail_call) fact.tail_call_is_constant = key_known;
      fact.constant_key = key_known ? aux.key : 0;
    }
    if (const Kfunc* kfunc = known_kfunc(insn)) {
      // The user engine's number; one that it has not keeps a number that no table has.
      insn.imm = static_cast<int32_t>(spec::kfunc_number(kfunc->name));
      insn.off = 0;
    }
    if (insn.cls() == BPF_ALU || insn.cls() == BPF_ALU64) {
      if (insn.op() == BPF_DIV || insn.op() == BPF_MOD)
        // A register's value may have been cut to what some path had: no state keeps a divisor precise.
        fact.divisor_is_nonzero = !insn.uses_src_reg() && !aux.divisor_may_be_zero;
    }
    const bool conditional = (insn.cls() == BPF_JMP || insn.cls() == BPF_JMP32) &&
                             insn.op() != BPF_JA && insn.op() != BPF_CALL && insn.op() != BPF_EXIT;
    if (conditional) {
      fact.jump_taken_seen = aux.taken_seen;
      fact.jump_not_taken_seen = aux.fallthrough_seen;
    }
  }
  std::vector<Subprogram> subprograms;
  for (const SubprogramInfo& sub : subs_) {
    Subprogram made;
    made.start = sub.start;
    made.end = sub.end;
    made.stack_depth = (sub.stack_depth + 7) / 8 * 8;
    made.is_callback = sub.is_callback;
    made.has_tail_call = sub.has_tail_call;
    made.has_ld_abs = sub.has_ld_abs;
    made.async_maps = sub.async_maps;
    made.name = sub.name;
    subprograms.push_back(std::move(made));
  }
  report.verified =
      VerifiedProgramMaker::make(std::move(program), std::move(facts), std::move(subprograms),
                                 stats_.insns_processed, accesses_, made_types_);
}

}  // namespace verifier
}  // namespace skep
