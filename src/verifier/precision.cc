// Precision: which numbers mattered. A remembered state covers another if every number that a check
// relied on lies within the remembered one; numbers that no check relied on may differ. So when a
// check relies on a number (a size, an offset, a branch that was decided), mark_precise() walks back
// over the instructions of this path and marks, in every remembered state that it passes, the registers
// and spilled slots that the number came from.
//
// Soundness: an instruction that copies the number moves the mark to its source; one that computes it
// marks all operands; one that makes it from nothing (a load from memory that is no spill, a call's result,
// a constant) ends the search. A comparison between two registers marks both if either is marked,
// and registers with one id, which a comparison refines together, are marked together (`linked`).
// Where the walk meets what it cannot follow, every scalar of every remembered state above is
// marked: marks too many cost pruning, never truth.
#include <bit>

#include "verifier/env.h"

namespace skep::verifier {

using namespace isa;

struct Verifier::Backtrack {
  unsigned frame = 0;
  std::array<uint32_t, kMaxCallFrames> registers{};
  std::array<SlotMask, kMaxCallFrames> slots{};

  [[nodiscard]] bool empty() const {
    for (unsigned i = 0; i < kMaxCallFrames; ++i) {
      if (registers[i] != 0 || slots[i] != 0) return false;
    }
    return true;
  }
  void set(unsigned reg) { registers[frame] |= 1u << reg; }
  void clear(unsigned reg) { registers[frame] &= ~(1u << reg); }
  [[nodiscard]] bool has(unsigned reg) const { return ((registers[frame] >> reg) & 1) != 0; }
};

void Verifier::push_history(const HistoryEntry& facts) {
  HistoryEntry entry = facts;
  entry.insn = insn_;
  entry.previous = previous_insn_;
  // Several facts of one instruction are one entry.
  if (have_history_of_step_ && !cur_->history.empty()) {
    HistoryEntry& last = cur_->history.back();
    if (entry.stack_access) {
      last.stack_access = true;
      last.frame = entry.frame;
      last.slot = entry.slot;
    }
    last.dst_is_stack_pointer |= entry.dst_is_stack_pointer;
    last.src_is_stack_pointer |= entry.src_is_stack_pointer;
    if (entry.linked.size() != 0) last.linked = entry.linked;
    return;
  }
  cur_->history.push_back(entry);
  have_history_of_step_ = true;
}

void Verifier::mark_all_precise(VerifierState& from) {
  for (CachedState* st = from.parent; st != nullptr; st = st->state.parent) {
    for_each_register(st->state, [](FuncState&, RegState& reg) {
      if (reg.is_scalar()) reg.precise = true;
    });
  }
}

void Verifier::mark_all_imprecise(VerifierState& state) {
  for_each_register(state, [](FuncState&, RegState& reg) {
    if (reg.is_scalar()) reg.precise = false;
  });
}

namespace {

enum : int { kOk = 0, kGiveUp = -1 };

// "r0,r6" and "-8,-16", as the kernel's log has them.
std::string mask_text(uint32_t registers) {
  std::string out;
  for (; registers != 0; registers &= registers - 1) {
    out += fmt::format("{}r{}", out.empty() ? "" : ",", std::countr_zero(registers));
  }
  return out;
}
std::string slots_text(SlotMask slots) {
  std::string out;
  for (; slots != 0; slots &= slots - 1) {
    out += fmt::format("{}{}", out.empty() ? "" : ",", -8 * (std::countr_zero(slots) + 1));
  }
  return out;
}

constexpr uint32_t kArguments = 0b111110;

bool is_fetch(const Insn& insn) {
  return insn.cls() == BPF_STX && insn.mode() == BPF_ATOMIC &&
         (insn.imm == BPF_LOAD_ACQ || (insn.imm != BPF_STORE_REL && (insn.imm & BPF_FETCH) != 0));
}

}  // namespace

// One instruction backwards. `next` is the instruction that ran after it.
int Verifier::backtrack_insn(uint32_t index, int64_t next, const HistoryEntry* entry,
                             Backtrack& bt) {
  const Insn& insn = insns_[index];
  const unsigned dst = insn.dst, src = insn.src;
  const uint8_t cls = insn.cls();

  const auto sync_linked_marks = [&] {
    if (entry == nullptr || entry->linked.size() == 0) return;
    bool any = false;
    for (unsigned i = 0; i < entry->linked.size() && !any; ++i) {
      const LinkedSet::Item item = entry->linked.at(i);
      any = item.is_register ? ((bt.registers[item.frame] >> item.index) & 1) != 0
                             : ((bt.slots[item.frame] >> item.index) & 1) != 0;
    }
    if (!any) return;
    for (unsigned i = 0; i < entry->linked.size(); ++i) {
      const LinkedSet::Item item = entry->linked.at(i);
      if (item.is_register) {
        bt.registers[item.frame] |= 1u << item.index;
      } else {
        bt.slots[item.frame] |= SlotMask{1} << item.index;
      }
    }
  };
  const auto leave_frame = [&] {
    if (bt.frame == 0) return false;
    --bt.frame;
    return true;
  };
  const auto enter_frame = [&] {
    if (bt.frame + 1 >= kMaxCallFrames) return false;
    ++bt.frame;
    return true;
  };

  if (bt.empty()) return kOk;
  if (logging_all()) {
    log("mark_precise: frame{}: regs={} stack={} before {}: {}\n", bt.frame,
        mask_text(bt.registers[bt.frame]), slots_text(bt.slots[bt.frame]), index, insn_text(index));
  }
  sync_linked_marks();

  if (cls == BPF_ALU || cls == BPF_ALU64) {
    if (!bt.has(dst)) return kOk;
    if (insn.op() == BPF_END || insn.op() == BPF_NEG) return kOk;
    if (insn.op() == BPF_MOV) {
      bt.clear(dst);
      if (insn.uses_src_reg() && src != kFramePointer) bt.set(src);
    } else if (insn.uses_src_reg() && src != kFramePointer) {
      bt.set(src);
    }
    sync_linked_marks();
    return kOk;
  }
  if (cls == BPF_LDX || is_fetch(insn)) {
    unsigned loaded = dst;
    if (cls != BPF_LDX && insn.imm != BPF_LOAD_ACQ) loaded = insn.imm == BPF_CMPXCHG ? 0 : src;
    if (!bt.has(loaded)) return kOk;
    bt.clear(loaded);
    if (entry == nullptr || !entry->stack_access) return kOk;
    bt.slots[entry->frame] |= SlotMask{1} << entry->slot;
    return kOk;
  }
  if (cls == BPF_STX || cls == BPF_ST) {
    // A scalar does not address memory; a mark on it came from pointer subtraction.
    if (bt.has(dst)) return kGiveUp;
    if (entry == nullptr || !entry->stack_access) return kOk;
    const SlotMask slot = SlotMask{1} << entry->slot;
    if ((bt.slots[entry->frame] & slot) == 0) return kOk;
    bt.slots[entry->frame] &= ~slot;
    if (cls == BPF_STX) bt.set(src);
    return kOk;
  }
  if (cls == BPF_LD) {
    if (insn.mode() == BPF_IMM) {
      bt.clear(dst);
      return kOk;
    }
    // LD_ABS and LD_IND make r0, or leave the function.
    bt.clear(0);
    if (next != int64_t{index} + 1 && !enter_frame()) return kGiveUp;
    return kOk;
  }
  // Jumps.
  if (insn.op() == BPF_CALL && cls == BPF_JMP) {
    if (insn.src == BPF_PSEUDO_CALL) {
      const int sub = subprogram_at(static_cast<uint32_t>(index + 1 + insn.imm));
      if (sub < 0) return kGiveUp;
      if (next == int64_t{index} + 1 && subs_[sub].global) {
        if ((bt.registers[bt.frame] & kArguments) != 0) return kGiveUp;
        bt.clear(0);
        return kOk;
      }
      // From the callee's first instruction to its caller.
      if ((bt.registers[bt.frame] & ~kArguments) != 0 || bt.slots[bt.frame] != 0) return kGiveUp;
      const uint32_t arguments = bt.registers[bt.frame];
      bt.registers[bt.frame] = 0;
      if (!leave_frame()) return kGiveUp;
      bt.registers[bt.frame] |= arguments;
      return kOk;
    }
    if (aux_[index].calls_callback && next != int64_t{index} + 1) {
      // From a callback's first instruction to the helper that calls it, whose arguments are not the
      // callback's.
      if ((bt.registers[bt.frame] & ~kArguments) != 0 || bt.slots[bt.frame] != 0) return kGiveUp;
      bt.registers[bt.frame] = 0;
      return leave_frame() ? kOk : kGiveUp;
    }
    bt.clear(0);
    // A tail call that came back to the caller.
    if (insn.imm == spec::BPF_FUNC_tail_call && insn.src == 0 && next != int64_t{index} + 1)
      return enter_frame() ? kOk : kGiveUp;
    if ((bt.registers[bt.frame] & kArguments) != 0) return kGiveUp;
    return kOk;
  }
  if (insn.op() == BPF_EXIT && cls == BPF_JMP) {
    const bool from_call = next >= 1 &&
                           insns_[static_cast<size_t>(next - 1)].opcode == (BPF_JMP | BPF_CALL) &&
                           insns_[static_cast<size_t>(next - 1)].src == BPF_PSEUDO_CALL;
    const bool r0 = from_call && bt.has(0);
    if (from_call && (bt.registers[bt.frame] & kArguments) != 0) return kGiveUp;
    bt.clear(0);
    if (!enter_frame()) return kGiveUp;
    if (r0) bt.set(0);
    return kOk;
  }
  if (insn.op() == BPF_JA || insn.op() == BPF_JCOND) return kOk;
  if (insn.uses_src_reg()) {
    if (!bt.has(dst) && !bt.has(src)) return kOk;
    if (entry == nullptr || !entry->src_is_stack_pointer) bt.set(src);
    if (entry == nullptr || !entry->dst_is_stack_pointer) bt.set(dst);
  }
  sync_linked_marks();
  return kOk;
}

// Walks back from `start`, which stands before start.insn; its history is the way from its parent.
void Verifier::backtrack(VerifierState& start, Backtrack& bt, bool& changed) {
  const auto give_up = [&] {
    mark_all_precise(start);
    changed = true;
  };
  VerifierState* st = &start;
  int64_t last = st->insn;
  int64_t next = -1;
  bool skip = true;  // what stands at start.insn has not run (or is what asks)
  for (;;) {
    const int64_t first = st->first_insn;
    size_t entries = st->history.size();
    if (logging_all()) {
      log("mark_precise: frame{}: last_idx {} first_idx {} subseq_idx {} \n", bt.frame, last, first,
          next);
    }
    for (int64_t i = last;;) {
      const HistoryEntry* entry =
          entries > 0 && st->history[entries - 1].insn == i ? &st->history[entries - 1] : nullptr;
      if (!skip && backtrack_insn(static_cast<uint32_t>(i), next, entry, bt) != kOk)
        return give_up();
      skip = false;
      if (bt.empty()) return;
      next = i;
      if (i == first && (entries == 0 || (entries == 1 && entry != nullptr))) break;
      // The instruction before: the history's where it has one, else the one above.
      if (entry != nullptr) {
        i = entry->previous;
        --entries;
      } else {
        --i;
      }
      if (i < 0 || i >= count_) return give_up();
      if (aux_[static_cast<size_t>(i)].second_slot) --i;
    }
    if (st->parent == nullptr) break;
    st = &st->parent->state;
    if (bt.frame != st->current) return give_up();
    for (unsigned f = 0; f <= st->current; ++f) {
      FuncState& frame = *st->frames[f];
      for (uint32_t mask = bt.registers[f]; mask != 0; mask &= mask - 1) {
        const auto r = static_cast<unsigned>(std::countr_zero(mask));
        RegState& reg = frame.regs[r];
        if (!reg.is_scalar() || reg.precise) {
          bt.registers[f] &= ~(1u << r);
        } else {
          reg.precise = changed = true;
        }
      }
      for (SlotMask mask = bt.slots[f]; mask != 0; mask &= mask - 1) {
        const auto s = static_cast<unsigned>(std::countr_zero(mask));
        if (s >= frame.stack.size() || !frame.stack[s].is_scalar_spill() ||
            frame.stack[s].spilled.precise) {
          bt.slots[f] &= ~(SlotMask{1} << s);
        } else {
          frame.stack[s].spilled.precise = changed = true;
        }
      }
    }
    for (unsigned f = bt.frame + 1; logging_all() && f-- > 0;) {
      log("mark_precise: frame{}: parent state regs={} stack={}: ", f, mask_text(bt.registers[f]),
          slots_text(bt.slots[f]));
      print_state(log_, *st, f, true);
      log_ += '\n';
    }
    if (bt.empty()) return;
    next = st->insn;
    last = st->last_insn;
    if (last == int64_t{kNoPrevious}) break;
    if (aux_[static_cast<size_t>(last)].second_slot) --last;
  }
  // What is left was there before the walk began: the arguments of a global function.
  bt.registers[0] &= ~kArguments;
  if (!bt.empty()) give_up();
}

void Verifier::mark_precise(unsigned reg) {
  if (!capable_ || !regs()[reg].is_scalar()) return;
  if (cur_->parent == nullptr && !logging_all())
    return;  // nothing to mark; only the log would tell
  Backtrack bt;
  bt.frame = cur_->current;
  bt.set(reg);
  bool changed = false;
  backtrack(*cur_, bt, changed);
}

void Verifier::mark_precise_slot(unsigned frame_number, unsigned slot_number) {
  if (!capable_ || (cur_->parent == nullptr && !logging_all())) return;
  Backtrack bt;
  bt.frame = cur_->current;
  bt.slots[frame_number] |= SlotMask{1} << slot_number;
  bool changed = false;
  backtrack(*cur_, bt, changed);
}

// `cur` was covered by `old`: what mattered to the paths from `old` matters to the ones that led to `cur`.
bool Verifier::propagate_precision(const VerifierState& old, VerifierState& cur) {
  if (!capable_) return false;
  Backtrack bt;
  bt.frame = old.current;
  for (unsigned f = 0; f <= old.current; ++f) {
    const FuncState& frame = *old.frames[f];
    for (unsigned r = 0; r < kFramePointer; ++r) {
      if (frame.regs[r].is_scalar() && frame.regs[r].precise) bt.registers[f] |= 1u << r;
    }
    for (size_t s = 0; s < frame.stack.size(); ++s) {
      if (frame.stack[s].is_scalar_spill() && frame.stack[s].spilled.precise) {
        bt.slots[f] |= SlotMask{1} << s;
      }
    }
  }
  if (bt.empty()) return false;
  bool changed = false;
  backtrack(cur, bt, changed);
  return changed;
}

}  // namespace skep::verifier
