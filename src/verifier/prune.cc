// Pruning: a path ends where it meets a state that covers its own, and whose paths were all walked.
//
// `old` covers `cur` if every concrete machine state in cur is one in old, as far as what follows can
// tell: registers and slots that are dead (liveness.h) and scalars that no check relied on
// (precision.cc) are not compared. Ids are compared up to renaming.
//
// Loops: while a state's own paths are being walked its needs are not all known, so `cur` coming back
// to it must match it more closely: exactly, and the loop does not end (it is rejected); or, where the
// loop is one that ends by contract (may_goto, callbacks), every live register within its range. What the
// state turns out to need later is handed to such paths when the loop's first state is done
// (leave_scc).
#include <algorithm>

#include "verifier/env.h"

namespace skep::verifier {

// ---- comparing

bool Verifier::same_ids(uint32_t old, uint32_t cur) {
  if ((old == 0) != (cur == 0)) return false;
  if (old == 0) return true;
  for (const IdPair& pair : id_pairs_) {
    if (pair.old == old) return pair.cur == cur;
    if (pair.cur == cur) return false;
  }
  id_pairs_.push_back({old, cur});
  return true;
}

// An old scalar without an id was related to nothing: more relations in cur do no harm. One with an
// id must keep its relations; a cur without one is its own relation.
bool Verifier::same_scalar_ids(uint32_t old, uint32_t cur) {
  if (old == 0) return true;
  return same_ids(old, cur != 0 ? cur : ++next_id_);
}

bool Verifier::exactly_equal(const RegState& old, const RegState& cur) {
  return old.base == cur.base && old.flags == cur.flags && old.off == cur.off &&
         old.word == cur.word && old.map_uid == cur.map_uid &&
         (old.is(Base::stack) ? old.frame == cur.frame : same_ids(old.dynptr_id, cur.dynptr_id)) &&
         old.number == cur.number && same_ids(old.id, cur.id) && same_ids(old.ref_id, cur.ref_id);
}

bool Verifier::register_covered(const RegState& old, const RegState& cur, Exactness exact) {
  if (exact == Exactness::exact) return exactly_equal(old, cur);
  if (old.base == Base::not_init && (exact == Exactness::no || cur.base == Base::not_init))
    return true;
  if (old.base != cur.base || old.flags != cur.flags) return false;
  switch (old.base) {
    case Base::scalar:
      if (explore_alu_limits_) {
        return old.number == cur.number && old.off == cur.off &&
               same_scalar_ids(old.id & ~kAddConstant, cur.id & ~kAddConstant);
      }
      if (!old.precise && exact == Exactness::no && !options_.every_number_matters) return true;
      if ((old.id & kAddConstant) != 0 &&
          ((old.id & kAddConstant) != (cur.id & kAddConstant) || old.off != cur.off)) {
        return false;
      }
      if (old.id != 0 && (old.id & kAddConstant) == 0 && (cur.id & kAddConstant) != 0) return false;
      return same_scalar_ids(old.id & ~kAddConstant, cur.id & ~kAddConstant) &&
             scalar_subset(old.number, cur.number);
    case Base::map_key:
    case Base::map_value:
    case Base::mem:
    case Base::buf:
    case Base::tp_buffer:
      return same_ids(old.dynptr_id, cur.dynptr_id) && old.off == cur.off && old.word == cur.word &&
             old.map_uid == cur.map_uid && scalar_subset(old.number, cur.number) &&
             same_ids(old.id, cur.id) && same_ids(old.ref_id, cur.ref_id);
    case Base::packet:
    case Base::packet_meta:
      if (old.range < 0 || cur.range < 0) {
        if (old.range != cur.range) return false;
      } else if (old.range > cur.range) {
        return false;
      }
      return old.off == cur.off && same_ids(old.id, cur.id) &&
             scalar_subset(old.number, cur.number);
    case Base::arena: return true;
    default: return exactly_equal(old, cur);
  }
}

bool Verifier::stack_covered(const FuncState& old, const FuncState& cur, Exactness exact) {
  static const RegState kUnbound = [] {
    RegState reg;
    reg.base = Base::scalar;
    return reg;
  }();
  // What a load of all 8 bytes gives, where it is a number.
  const auto as_scalar = [&](const StackSlot& s) -> const RegState* {
    if (s.is_whole_spill()) return s.spilled.is_scalar() ? &s.spilled : nullptr;
    for (SlotByte b : s.bytes) {
      if (b != SlotByte::misc && !(b == SlotByte::invalid && allow_uninit_stack_)) return nullptr;
    }
    return &kUnbound;
  };
  for (size_t i = 0; i < old.stack.size(); ++i) {
    const StackSlot& was = old.stack[i];
    const bool present = i < cur.stack.size();
    if (exact == Exactness::exact && (!present || was.bytes != cur.stack[i].bytes)) return false;
    if (exact == Exactness::no) {
      bool matters = false;
      for (SlotByte b : was.bytes) {
        if (b != SlotByte::invalid && !(b == SlotByte::misc && allow_uninit_stack_)) matters = true;
      }
      if (!matters) continue;
    }
    if (!present) return false;
    const StackSlot& is = cur.stack[i];
    const RegState* was_scalar = as_scalar(was);
    const RegState* is_scalar = as_scalar(is);
    if (was_scalar != nullptr && is_scalar != nullptr) {
      if (!register_covered(*was_scalar, *is_scalar, exact)) return false;
      continue;
    }
    for (unsigned b = 0; b < 8; ++b) {
      if (was.bytes[b] == SlotByte::invalid) continue;
      if (was.bytes[b] == SlotByte::misc &&
          (allow_uninit_stack_ || is.bytes[b] == SlotByte::zero)) {
        continue;
      }
      if (was.bytes[b] != is.bytes[b]) return false;
    }
    if (was.is_spill() && !register_covered(was.spilled, is.spilled, exact)) return false;
    if (was.bytes[7] == SlotByte::dynptr || was.bytes[7] == SlotByte::irq_flag) {
      if (!exactly_equal(was.spilled, is.spilled)) return false;
    }
    if (was.bytes[7] == SlotByte::iterator) {
      // How often it went round does not matter to what follows.
      const RegState &a = was.spilled, &b = is.spilled;
      if (a.flags != b.flags || a.btf_type != b.btf_type || a.map_uid != b.map_uid ||
          !same_ids(a.ref_id, b.ref_id)) {
        return false;
      }
    }
  }
  return true;
}

bool Verifier::frames_equal(const FuncState& old, const FuncState& cur, RegisterMask live,
                            Exactness exact) {
  if (old.callback_depth > cur.callback_depth || old.in_less != cur.in_less ||
      old.held_at_entry != cur.held_at_entry)
    return false;
  // What the function may return depends on how it was entered.
  if (old.return_min != cur.return_min || old.return_max != cur.return_max ||
      old.in_async_callback != cur.in_async_callback) {
    return false;
  }
  for (unsigned r = 0; r < isa::kFramePointer; ++r) {
    if (((live >> r) & 1) != 0 && !register_covered(old.regs[r], cur.regs[r], exact)) return false;
  }
  return stack_covered(old, cur, exact);
}

bool Verifier::resources_equal(const VerifierState& old, const VerifierState& cur) {
  if (old.references.size() != cur.references.size() || old.active_locks != cur.active_locks ||
      old.active_preempt_locks != cur.active_preempt_locks ||
      old.active_irq_flags != cur.active_irq_flags || old.rcu_locks != cur.rcu_locks ||
      old.sleepable != cur.sleepable) {
    return false;
  }
  for (size_t i = 0; i < old.references.size(); ++i) {
    const Reference &a = old.references[i], &b = cur.references[i];
    if (a.kind != b.kind || a.lock_map != b.lock_map || !same_ids(a.id, b.id) ||
        !same_ids(a.lock_reg_id, b.lock_reg_id)) {
      return false;
    }
  }
  return true;
}

bool Verifier::states_equal(CachedState& cached, VerifierState& cur, Exactness exact) {
  const VerifierState& old = cached.state;
  if (old.current != cur.current) return false;
  // What speculation was cut short by is no answer for what really runs.
  if (old.speculative && !cur.speculative) return false;
  for (unsigned f = 0; f <= old.current; ++f) {
    if (old.frames[f]->callsite != cur.frames[f]->callsite ||
        old.frames[f]->subprogram != cur.frames[f]->subprogram) {
      return false;
    }
  }
  id_pairs_.clear();
  if (!resources_equal(old, cur)) return false;
  for (unsigned f = 0; f <= old.current; ++f) {
    if (!frames_equal(*old.frames[f], *cur.frames[f], aux_[insn_of_frame(old, f)].live, exact)) {
      return false;
    }
  }
  return true;
}

// ---- forgetting what is dead

void Verifier::clean(CachedState& cached) {
  cached.cleaned = true;
  VerifierState& state = cached.state;
  for (unsigned f = 0; f <= state.current; ++f) {
    FuncState& frame = *state.frames[f];
    const RegisterMask live = aux_[insn_of_frame(state, f)].live;
    for (unsigned r = 0; r < isa::kFramePointer; ++r) {
      if (((live >> r) & 1) == 0) mark_not_init(frame.regs[r]);
    }
    if (frame.stack.empty()) continue;
    SlotMask slots = stack_liveness_.live(state.frames[state.current]->instance, state.insn, f);
    for (unsigned outer = f; outer < state.current; ++outer) {
      // A callback's caller goes on at the call itself.
      const uint32_t callsite = state.frames[outer + 1]->callsite;
      const uint32_t resumes = state.frames[outer + 1]->in_callback ? callsite : callsite + 1;
      slots |= stack_liveness_.live(state.frames[outer]->instance, resumes, f);
    }
    for (unsigned s = 0; s < frame.stack.size(); ++s) {
      if (((slots >> s) & 1) != 0) continue;
      mark_not_init(frame.stack[s].spilled);
      frame.stack[s].bytes.fill(SlotByte::invalid);
    }
    while (!frame.stack.empty() && frame.stack.back().bytes == std::array<SlotByte, 8>{}) {
      frame.stack.pop_back();
    }
  }
}

void Verifier::clean_states(std::vector<CachedState*>& list) {
  for (CachedState* cached : list) {
    if (cached->cleaned || cached->state.branches != 0 || reads_incomplete(*cached)) continue;
    clean(*cached);
  }
}

// An id that only one register has relates it to nothing.
void Verifier::forget_singular_ids(VerifierState& state) {
  id_pairs_.clear();  // .old: the id, .cur: how often
  for_each_register(state, [&](FuncState&, RegState& reg) {
    if (!reg.is_scalar() || reg.id == 0) return;
    const uint32_t id = reg.id & ~kAddConstant;
    for (IdPair& pair : id_pairs_) {
      if (pair.old == id) {
        ++pair.cur;
        return;
      }
    }
    id_pairs_.push_back({id, 1});
  });
  if (id_pairs_.empty()) return;
  for_each_register(state, [&](FuncState&, RegState& reg) {
    if (!reg.is_scalar() || reg.id == 0) return;
    const uint32_t id = reg.id & ~kAddConstant;
    for (const IdPair& pair : id_pairs_) {
      if (pair.old != id) continue;
      if (pair.cur == 1) {
        reg.id = 0;
        reg.off = 0;
      }
      return;
    }
  });
}

// ---- loops

// Names the outermost loop that the state is in, by the calls that lead there.
bool Verifier::scc_key(const VerifierState& state, std::vector<uint32_t>& key) const {
  key.clear();
  for (unsigned f = 0; f <= state.current; ++f) {
    const uint32_t insn = insn_of_frame(state, f);
    if (aux_[insn].scc != 0) {
      key.push_back(aux_[insn].scc);
      return true;
    }
    key.push_back(insn);
  }
  return false;
}

void Verifier::enter_scc(CachedState& cached) {
  std::vector<uint32_t> key;
  cached.scc = nullptr;
  if (!scc_key(cached.state, key)) return;
  SccVisit& visit = scc_visits_[std::move(key)];
  if (visit.entry == nullptr) visit.entry = &cached;
  cached.scc = &visit;
}

bool Verifier::reads_incomplete(const CachedState& cached) {
  return cached.scc != nullptr && !cached.scc->back_edges.empty();
}

void Verifier::leave_scc(CachedState& cached) {
  if (cached.scc == nullptr || cached.scc->entry != &cached) return;
  SccVisit& visit = *cached.scc;
  // Marks may go round the loop several times; give up precision where they take too long.
  constexpr unsigned kRounds = 64;
  for (unsigned round = 0;; ++round) {
    bool changed = false;
    for (SccVisit::BackEdge& edge : visit.back_edges) {
      if (round == kRounds) {
        mark_all_precise(*edge.state);
      } else {
        changed |= propagate_precision(edge.by->state, *edge.state);
      }
    }
    if (!changed || round == kRounds) break;
  }
  for (SccVisit::BackEdge& edge : visit.back_edges) free_state(edge.state);
  visit.back_edges.clear();
  visit.entry = nullptr;
  std::vector<CachedState*> unused;
  unused.swap(visit.unused);
  for (CachedState* state : unused) drop_if_unused(state);
}

const VerifierState* Verifier::previous_entry(const VerifierState& from, uint32_t insn) const {
  const auto& list = cached_[bucket_of(from, insn)];
  for (size_t i = list.size(); i-- > 0;) {
    const VerifierState& state = list[i]->state;
    if (state.insn != insn || state.branches == 0 || state.depth >= from.depth ||
        state.current != from.current)
      continue;
    bool same = true;
    for (unsigned f = 0; f <= from.current; ++f) {
      same &= state.frames[f]->callsite == from.frames[f]->callsite;
    }
    if (same) return &state;
  }
  return nullptr;
}

// Forgets numbers that changed since the last time round and that nothing has needed yet: a
// guess that lets loops converge. A number needed after all is then found too wide and rejected, so the
// guess costs programs, not soundness.
void Verifier::widen_imprecise(const VerifierState& old, VerifierState& cur) {
  id_pairs_.clear();
  const auto widen = [&](const RegState& was, RegState& is) {
    if (!was.is_scalar() || !is.is_scalar() || was.precise || is.precise) return;
    if (exactly_equal(was, is)) return;
    mark_unknown(is);
  };
  for (unsigned f = 0; f <= old.current && f <= cur.current; ++f) {
    const FuncState& was = *old.frames[f];
    FuncState& is = *cur.frames[f];
    for (unsigned r = 0; r < isa::kRegisters; ++r) widen(was.regs[r], is.regs[r]);
    for (size_t s = 0; s < std::min(was.stack.size(), is.stack.size()); ++s) {
      if (was.stack[s].is_spill() && is.stack[s].is_spill()) {
        widen(was.stack[s].spilled, is.stack[s].spilled);
      }
    }
  }
}

// ---- remembering

void Verifier::drop_if_unused(CachedState* cached) {
  if (!cached->evicted || cached->state.branches != 0) return;
  if (reads_incomplete(*cached)) {
    cached->scc->unused.push_back(cached);
    return;
  }
  clear_frames(cached->state);
  cached->state.history.clear();
  free_cached_.push_back(cached);
}

void Verifier::release_branch(CachedState* parent) {
  while (parent != nullptr) {
    if (--parent->state.branches != 0) return;
    leave_scc(*parent);
    CachedState* above = parent->state.parent;
    drop_if_unused(parent);
    parent = above;
  }
}

void Verifier::remember_state() {
  CachedState* cached;
  if (free_cached_.empty()) {
    all_cached_.push_back(new CachedState);
    memory_ += sizeof(CachedState);
    cached = all_cached_.back();
  } else {
    cached = free_cached_.back();
    free_cached_.pop_back();
    cached->hits = cached->misses = 0;
    cached->evicted = cached->cleaned = false;
    cached->scc = nullptr;
  }
  // Nothing from here on has asked for these numbers; what does will mark them again.
  if (capable_) mark_all_imprecise(*cur_);
  forget_singular_ids(*cur_);
  copy_state(cached->state, *cur_);
  cached->state.insn = insn_;
  cached->state.branches = 1;
  enter_scc(*cached);
  cur_->parent = cached;
  cur_->first_insn = insn_;
  cur_->depth = cached->state.depth + 1;
  cur_->history.clear();
  cached_[bucket_of(*cur_, insn_)].push_back(cached);
  ++cached_count_;
  ++stats_.states;
  stats_.peak_states = std::max(stats_.peak_states, cached_count_);
  previous_jumps_ = jumps_processed_;
  previous_processed_ = stats_.insns_processed;
}

Verifier::Visit Verifier::visit_state() {
  auto& list = cached_[bucket_of(*cur_, insn_)];
  const InsnAux& aux = aux_[insn_];
  const bool force_new =
      options_.test_state_freq || aux.force_checkpoint || cur_->history.size() > 40;
  // Remembering costs; do it where some way was made since the last time.
  bool add_new = force_new || (jumps_processed_ - previous_jumps_ >= 2 &&
                               stats_.insns_processed - previous_processed_ >= 8);
  clean_states(list);

  const Insn& insn = insns_[insn_];
  const bool is_may_goto = insn.opcode == (isa::BPF_JMP | isa::BPF_JCOND);
  uint64_t seen = 0;
  for (size_t i = list.size(); i-- > 0;) {
    CachedState& old = *list[i];
    // What another call of this function left here is no miss: it would only drive out what may match.
    if (old.state.insn != insn_ || old.state.frame().callsite != frame().callsite) continue;
    ++seen;
    bool hit = false, loop = false;
    if (old.state.branches != 0) {
      const FuncState& top = *old.state.frames[old.state.current];
      const bool other_async_entry =
          top.in_async_callback && top.async_entries != frame().async_entries;
      if (!other_async_entry) {
        if (is_may_goto) {
          if (old.state.may_goto_depth != cur_->may_goto_depth &&
              states_equal(old, *cur_, Exactness::range_within)) {
            hit = loop = true;
          }
        } else if (aux.iterator_next) {
          hit = loop =
              states_equal(old, *cur_, Exactness::range_within) && active_iterator_at(*cur_);
        } else if (aux.calls_callback) {
          hit = loop = states_equal(old, *cur_, Exactness::range_within);
        }
        if (!hit && !aux.calls_callback && !aux.iterator_next &&
            old.state.may_goto_depth == cur_->may_goto_depth &&
            old.state.callback_unroll_depth == cur_->callback_unroll_depth &&
            states_equal(old, *cur_, Exactness::exact) &&
            !iterator_depths_differ(old.state, *cur_)) {
          if (logging()) {
            log_source_line(insn_, "; ");
            log("infinite loop detected at insn {}\n", insn_);
            log("cur state:");
            print_state(log_, *cur_, cur_->current, true);
            log("\nold state:");
            print_state(log_, old.state, old.state.current, true);
            log("\n");
          }
          message_ = fmt::format("infinite loop detected at insn {}", insn_);
          finish_rejection(Rule::endless_loop, EINVAL, true);
          return Visit::failed;
        }
      }
      if (!hit) {
        // In a loop: each time round has a state of its own, that does not help others.
        if (!force_new && jumps_processed_ - previous_jumps_ < 20 &&
            stats_.insns_processed - previous_processed_ < 100) {
          add_new = false;
        }
      }
    } else {
      loop = reads_incomplete(old);
      hit = states_equal(old, *cur_, loop ? Exactness::range_within : Exactness::no);
    }
    // A path that is cut off by a state still being walked must wait for it; where there is no loop to
    // wait for, it walks on.
    if (hit && loop && old.scc == nullptr) hit = false;
    if (hit) {
      ++old.hits;
      if (aux.jump_point) push_history({});
      propagate_precision(old.state, *cur_);
      if (loop && old.scc != nullptr) {
        VerifierState* copy = new_state();
        copy_state(*copy, *cur_);
        old.scc->back_edges.push_back({copy, &old});
      }
      return Visit::covered;
    }
    if (add_new) ++old.misses;
    // A state that keeps being compared in vain goes; one at a loop's head stays longer.
    const uint32_t patience = aux.force_checkpoint && old.state.branches > 0 ? 64 : 3;
    if (old.misses > old.hits * patience + patience) {
      old.evicted = true;
      list.erase(list.begin() + static_cast<ptrdiff_t>(i));
      --cached_count_;
      drop_if_unused(&old);
    }
  }
  stats_.max_states_per_insn = std::max(stats_.max_states_per_insn, seen);
  if (!capable_ && seen > profile_.max_states_unprivileged) return Visit::fresh;
  if (add_new) remember_state();
  return Visit::fresh;
}

}  // namespace skep::verifier
