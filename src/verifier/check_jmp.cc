// JMP, JMP32: which ways a conditional jump can go, and what each way teaches of the registers
// compared and of all that share an id with them.
#include <bit>

#include "verifier/env.h"
#include "verifier/text.h"

namespace skep::verifier {

using namespace isa;

namespace {

constexpr uint64_t kMaxPacketOffset = 0xffff;

// `a op b` as `b op' a`.
uint8_t flipped(uint8_t op) {
  switch (op) {
    case BPF_JGT: return BPF_JLT;
    case BPF_JGE: return BPF_JLE;
    case BPF_JLT: return BPF_JGT;
    case BPF_JLE: return BPF_JGE;
    case BPF_JSGT: return BPF_JSLT;
    case BPF_JSGE: return BPF_JSLE;
    case BPF_JSLT: return BPF_JSGT;
    case BPF_JSLE: return BPF_JSGE;
    default: return op;
  }
}

bool any_packet(const RegState& reg) { return reg.is_packet() || reg.is(Base::packet_end); }

// The packet's first byte, as the context gives it.
bool is_packet_start(const RegState& reg) {
  return reg.is(Base::packet) && reg.off == 0 && reg.number.is_constant() &&
         reg.number.constant() == 0 && reg.id == 0;
}

// Comparing with the packet's end a second time.
int packet_branch_taken(const RegState& dst, const RegState& src, uint8_t op) {
  const RegState* packet;
  if (src.is(Base::packet_end)) {
    packet = &dst;
  } else if (dst.is(Base::packet_end)) {
    packet = &src;
    op = flipped(op);
  } else {
    return -1;
  }
  if (packet->range >= 0) return -1;
  switch (op) {
    case BPF_JLE:
    case BPF_JGT: return packet->range == kBeyondPacketEnd ? op == BPF_JGT : -1;
    case BPF_JLT:
    case BPF_JGE: return op == BPF_JGE;
    default: return -1;
  }
}

bool never_null(const RegState& reg) {
  if (reg.maybe_null()) return false;
  // An object's address is not 0; far behind its end it may be.
  constexpr int64_t kMaxOffset = int64_t{1} << 29;
  const int64_t low = reg.number.smin, high = reg.number.smax;
  if (low <= -kMaxOffset || high >= kMaxOffset || low + reg.off <= -kMaxOffset ||
      high + reg.off >= kMaxOffset) {
    return false;
  }
  switch (reg.base) {
    case Base::map_value:
    case Base::map_key:
    case Base::socket:
    case Base::sock_common:
    case Base::tcp_sock:
    case Base::mem:
    case Base::xdp_sock:
    case Base::buf:
    case Base::const_map: return (reg.flags & kUntrusted) == 0;
    case Base::btf_id: {
      constexpr Flags kTrustFlags = kTrusted | kAlloc | kNonOwning;
      return reg.ref_id != 0 || ((reg.flags & kTrustFlags) != 0 && (reg.flags & ~kTrustFlags) == 0);
    }
    default: return false;
  }
}

}  // namespace

void Verifier::collect_linked(VerifierState& state, uint32_t id_in, LinkedSet& set) {
  const uint32_t id = id_in & ~kAddConstant;
  const auto add = [&](RegState& reg, unsigned frame_number, unsigned index, bool is_register) {
    if (!reg.is_scalar() || (reg.id & ~kAddConstant) != id) return;
    for (unsigned i = 0; i < set.size(); ++i) {
      const LinkedSet::Item item = set.at(i);
      if (item.frame == frame_number && item.index == index && item.is_register == is_register)
        return;
    }
    if (set.full()) {
      reg.id = 0;
      reg.off = 0;
    } else {
      set.add({frame_number, index, is_register});
    }
  };
  for (unsigned f = 0; f <= state.current; ++f) {
    FuncState& frame = *state.frames[f];
    for (unsigned r = 0; r < kFramePointer; ++r) add(frame.regs[r], f, r, true);
    for (unsigned s = 0; s < frame.stack.size(); ++s) {
      if (frame.stack[s].is_spill()) add(frame.stack[s].spilled, f, s, false);
    }
  }
}

void Verifier::sync_linked(VerifierState& state, const RegState& known_in, const LinkedSet& set) {
  const RegState known = known_in;
  for (unsigned i = 0; i < set.size(); ++i) {
    const LinkedSet::Item item = set.at(i);
    FuncState& frame = *state.frames[item.frame];
    RegState& reg = item.is_register ? frame.regs[item.index] : frame.stack[item.index].spilled;
    if (&reg == &known_in || !reg.is_scalar() ||
        (reg.id & ~kAddConstant) != (known.id & ~kAddConstant)) {
      continue;
    }
    // Sums of 32 and of 64 bits do not move together.
    if (((reg.id ^ known.id) & kAddConstant) == kAddConstant) continue;
    if (((reg.id | known.id) & kAddConstant) == 0 || reg.off == known.off) {
      reg.number = known.number;
      continue;
    }
    const int64_t delta = int64_t{reg.off} - known.off;
    reg.number =
        scalar_alu(AluOp::add, true, known.number, scalar_constant(static_cast<uint64_t>(delta)));
    if (((reg.id | known.id) & kAddConstant32) != 0) reg.number = scalar_zero_extend32(reg.number);
    if (!sync_bounds(reg.number)) reg.number = Scalar{};
  }
}

// Every pointer with this one's variable part now has `off` bytes of packet behind it (and one more
// if it was strictly below the end).
void Verifier::grow_packet_ranges(VerifierState& state, const RegState& pointer_in,
                                  bool range_right_open) {
  const RegState pointer = pointer_in;
  if (pointer.off < 0 || (pointer.off == 0 && range_right_open)) return;
  if (pointer.number.umax > kMaxPacketOffset ||
      pointer.number.umax + static_cast<uint64_t>(pointer.off) > kMaxPacketOffset) {
    return;
  }
  const int32_t range = pointer.off + (range_right_open ? 1 : 0);
  for_each_register(state, [&](FuncState&, RegState& reg) {
    if (reg.base == pointer.base && reg.id == pointer.id && reg.range < range) reg.range = range;
  });
}

// pointer op packet end, either way round. The state where the pointer is below the end learns a
// range; in the other one the pointer itself is known to be at or beyond it.
bool Verifier::try_packet_compare(const Insn& insn, VerifierState& taken) {
  if (!insn.uses_src_reg() || insn.cls() != BPF_JMP) return false;
  const RegState &dst = regs()[insn.dst], &src = regs()[insn.src];
  const auto bounds = [](const RegState& p, const RegState& end) {
    return (p.is(Base::packet) && end.is(Base::packet_end)) ||
           (p.is(Base::packet_meta) && is_packet_start(end));
  };
  uint8_t op = insn.op();
  unsigned number;
  if (bounds(dst, src)) {
    number = insn.dst;
  } else if (bounds(src, dst)) {
    number = insn.src;
    op = flipped(op);
  } else {
    return false;
  }
  const RegState pointer = regs()[number];
  VerifierState& fallthrough = *cur_;
  const auto mark_end = [&](VerifierState& state, bool beyond) {
    RegState& reg = state.frame().regs[number];
    if (reg.is(Base::packet)) reg.range = beyond ? kBeyondPacketEnd : kAtPacketEnd;
  };
  switch (op) {
    case BPF_JGT:
      grow_packet_ranges(fallthrough, pointer, false);
      mark_end(taken, true);
      return true;
    case BPF_JLT:
      grow_packet_ranges(taken, pointer, true);
      mark_end(fallthrough, false);
      return true;
    case BPF_JGE:
      grow_packet_ranges(fallthrough, pointer, true);
      mark_end(taken, false);
      return true;
    case BPF_JLE:
      grow_packet_ranges(taken, pointer, false);
      mark_end(fallthrough, true);
      return true;
    default: return false;
  }
}

void Verifier::mark_not_null(RegState& reg) { reg.flags &= static_cast<Flags>(~kMaybeNull); }

// Values that are maps or sockets, whether or not there is one: nobody may take them for bytes.
void Verifier::refine_map_value(RegState& reg) {
  const MapInfo& info = maps_[reg.map];
  switch (info.map->type) {
    case MapType::BPF_MAP_TYPE_ARRAY_OF_MAPS:
    case MapType::BPF_MAP_TYPE_HASH_OF_MAPS:
      if (info.inner < 0) break;
      reg.base = Base::const_map;
      reg.map = static_cast<uint32_t>(info.inner);
      // Inner maps with such fields are told apart: what lies in one may not be used with another.
      if (maps_[reg.map].field(SpecialField::Kind::timer) != nullptr ||
          maps_[reg.map].field(SpecialField::Kind::workqueue) != nullptr ||
          maps_[reg.map].field(SpecialField::Kind::task_work) != nullptr) {
        reg.map_uid = reg.id;
      }
      break;
    case MapType::BPF_MAP_TYPE_XSKMAP: reg.base = Base::xdp_sock; break;
    case MapType::BPF_MAP_TYPE_SOCKMAP:
    case MapType::BPF_MAP_TYPE_SOCKHASH: reg.base = Base::socket; break;
    default: break;
  }
}

void Verifier::mark_or_null(VerifierState& state, unsigned number, bool is_null) {
  const RegState subject = state.frame().regs[number];
  const uint32_t id = subject.id;
  if (subject.ref_id != 0 && subject.ref_id == id && is_null) {
    // It never was acquired.
    std::erase_if(state.references, [&](const Reference& r) { return r.id == id; });
  }
  for_each_register(state, [&](FuncState&, RegState& reg) {
    if (!reg.maybe_null() || reg.id != id) return;
    if (is_null) {
      mark_constant(reg, 0);
      return;
    }
    mark_not_null(reg);
    // A lock is known by its pointer's id.
    const bool keeps_id = (reg.is(Base::map_value) && maps_[reg.map].has_lock()) ||
                          (reg.is(Base::btf_id) && (reg.flags & kAlloc) != 0 && reg.ref_id == id);
    if (!keeps_id) reg.id = 0;
  });
}

Step Verifier::check_jump(const Insn& insn) {
  const uint32_t here = insn_;
  InsnAux& aux = aux_[here];
  const auto target = static_cast<uint32_t>(int64_t{here} + 1 + insn.off);

  if (insn.op() == BPF_JCOND) {
    // may_goto: leaves the loop on its own after many times round.
    const VerifierState* before =
        cur_->parent != nullptr ? previous_entry(cur_->parent->state, here) : nullptr;
    VerifierState* again = push_branch(here + 1, here);
    if (again == nullptr) return Step::failed;
    ++again->may_goto_depth;
    if (before != nullptr) widen_imprecise(*before, *again);
    aux.taken_seen = aux.fallthrough_seen = true;
    insn_ = target;
    return Step::jumped;
  }

  if (!check_read(insn.dst)) return Step::failed;
  if (insn.uses_src_reg() && !check_read(insn.src)) return Step::failed;
  const bool is_jmp32 = insn.cls() == BPF_JMP32;
  const bool uses_src = insn.uses_src_reg();
  const uint8_t op = insn.op();
  RegState& dst = regs()[insn.dst];
  RegState* src;
  if (uses_src) {
    src = &regs()[insn.src];
    if (!(any_packet(dst) && any_packet(*src)) && is_pointer_value(insn.src)) {
      reject(Rule::pointer_compared, EACCES, "R{} pointer comparison prohibited",
             unsigned{insn.src});
      return Step::failed;
    }
  } else {
    mark_constant(imm_reg_, is_jmp32 ? uint64_t{static_cast<uint32_t>(insn.imm)}
                                     : static_cast<uint64_t>(int64_t{insn.imm}));
    src = &imm_reg_;
  }
  HistoryEntry facts;
  facts.dst_is_stack_pointer = dst.is(Base::stack);
  facts.src_is_stack_pointer = uses_src && src->is(Base::stack);
  if (facts.dst_is_stack_pointer || facts.src_is_stack_pointer) push_history(facts);

  // Which way?
  int taken = -1;
  Scalar taken_dst = dst.number, taken_src = src->number;
  Scalar other_dst = dst.number, other_src = src->number;
  const bool numbers = dst.is_scalar() && src->is_scalar();
  if (any_packet(dst) && any_packet(*src) && !is_jmp32) {
    taken = packet_branch_taken(dst, *src, op);
  } else if (numbers) {
    taken = branch_taken(op, is_jmp32, dst.number, src->number);
    if (taken < 0) {
      const bool can = refine_branch(op, is_jmp32, taken_dst, taken_src, true);
      const bool can_not = refine_branch(op, is_jmp32, other_dst, other_src, false);
      if (!can) taken = 0;
      if (!can_not) taken = 1;
      if (!can && !can_not)
        taken = -1, taken_dst = other_dst = dst.number, taken_src = other_src = src->number;
    }
  } else if (!is_jmp32 && (op == BPF_JEQ || op == BPF_JNE)) {
    const RegState& pointer = dst.is_pointer() ? dst : *src;
    const RegState& number = dst.is_pointer() ? *src : dst;
    if (number.is_null() && never_null(pointer)) taken = op == BPF_JNE ? 1 : 0;
  }
  if (taken >= 0) {
    // The decision relied on both numbers.
    if (dst.is_scalar()) mark_precise(insn.dst);
    if (uses_src && src->is_scalar()) mark_precise(insn.src);
    if (taken != 0) {
      aux.taken_seen = true;
    } else {
      aux.fallthrough_seen = true;
    }
    if (!bypass_spec_v1_ && !push_speculative(&insn, taken != 0 ? here + 1 : target))
      return Step::failed;
    if (logging()) log_changed_state();
    insn_ = taken != 0 ? target : here + 1;
    return Step::jumped;
  }
  aux.taken_seen = aux.fallthrough_seen = true;

  // What shares an id with either learns the same; precision must know that they did.
  LinkedSet linked;
  if (uses_src && src->is_scalar() && src->id != 0) collect_linked(*cur_, src->id, linked);
  if (dst.is_scalar() && dst.id != 0) collect_linked(*cur_, dst.id, linked);
  if (linked.size() > 1) {
    HistoryEntry entry;
    entry.linked = linked;
    push_history(entry);
  }
  VerifierState* other = push_branch(target, here);
  if (other == nullptr) return Step::failed;
  RegState* other_regs = other->frame().regs.data();

  if (numbers) {
    other_regs[insn.dst].number = taken_dst;
    dst.number = other_dst;
    if (uses_src) {
      if (insn.src != insn.dst) {
        other_regs[insn.src].number = taken_src;
        src->number = other_src;
      }
      if (src->id != 0) {
        sync_linked(*cur_, *src, linked);
        sync_linked(*other, other_regs[insn.src], linked);
      }
    }
    if (dst.id != 0) {
      sync_linked(*cur_, dst, linked);
      sync_linked(*other, other_regs[insn.dst], linked);
    }
  }

  // Equal to a pointer that is not null.
  if (!is_jmp32 && uses_src && dst.is_pointer() && src->is_pointer() &&
      dst.maybe_null() != src->maybe_null() && !dst.is(Base::btf_id) && !src->is(Base::btf_id) &&
      never_null(dst.maybe_null() ? *src : dst) && (op == BPF_JEQ || op == BPF_JNE)) {
    const unsigned number = dst.maybe_null() ? insn.dst : insn.src;
    mark_not_null((op == BPF_JEQ ? other_regs : regs())[number]);
  }
  const bool with_null = uses_src ? src->is_null() && profile_.null_in_register : insn.imm == 0;
  if (!is_jmp32 && with_null && (op == BPF_JEQ || op == BPF_JNE) && dst.maybe_null()) {
    if (uses_src) mark_precise(insn.src);
    mark_or_null(*cur_, insn.dst, op == BPF_JNE);
    mark_or_null(*other, insn.dst, op == BPF_JEQ);
  } else if (!try_packet_compare(insn, *other) && is_pointer_value(insn.dst)) {
    reject(Rule::pointer_compared, EACCES, "R{} pointer comparison prohibited", unsigned{insn.dst});
    return Step::failed;
  }
  if (logging()) log_changed_state();
  insn_ = here + 1;
  return Step::jumped;
}

}  // namespace skep::verifier
