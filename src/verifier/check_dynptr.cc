// Dynptrs: two slots of kind `dynptr`, the upper one with what it is made of (DynptrKind), its own id, which slices of it
// carry, and, where giving it back is a duty (ringbuf, file), a reference that its clones share. Writing over the
// slots unmakes it and all slices; where the reference would be lost with it, that is refused.
#include <algorithm>

#include "verifier/env.h"
#include "verifier/text.h"

namespace skep::verifier {

namespace {

constexpr unsigned kSlots = 2;

std::string_view name_of(DynptrKind kind) {
  switch (kind) {
    case DynptrKind::local: return "local";
    case DynptrKind::ringbuf: return "ringbuf";
    case DynptrKind::skb: return "skb";
    case DynptrKind::xdp: return "xdp";
    case DynptrKind::skb_meta: return "skb_meta";
    case DynptrKind::file: return "file";
    case DynptrKind::none: return "<unknown>";
  }
  return "";
}

DynptrKind kind_of(const RegState& reg) { return static_cast<DynptrKind>(reg.word & 0xff); }
bool is_owned(DynptrKind kind) { return kind == DynptrKind::ringbuf || kind == DynptrKind::file; }

}  // namespace

void Verifier::mark_invalid(RegState& reg) {
  if (allow_leaks_) {
    mark_unknown(reg);
  } else {
    mark_not_init(reg);
  }
}

void Verifier::invalidate_slices(uint32_t dynptr_id) {
  for_each_register(*cur_, [&](FuncState&, RegState& reg) {
    if (reg.is(Base::mem) && reg.dynptr_id == dynptr_id) mark_invalid(reg);
  });
}

const RegState* Verifier::dynptr_state(const RegState& reg) {
  if (reg.is(Base::dynptr)) return &reg;
  if (!reg.is(Base::stack) || !reg.number.is_constant()) return nullptr;
  const int64_t off = reg.off + static_cast<int64_t>(reg.number.constant());
  if (off >= 0 || off % 8 != 0 || off < -static_cast<int64_t>(isa::kMaxStackBytes)) return nullptr;
  const unsigned slot = slot_of(static_cast<int>(off));
  const FuncState& of = frame_of(reg);
  if (slot < 1 || slot >= of.stack.size()) return nullptr;
  for (unsigned i = 0; i < 8; ++i) {
    if (of.stack[slot].bytes[i] != SlotByte::dynptr ||
        of.stack[slot - 1].bytes[i] != SlotByte::dynptr)
      return nullptr;
  }
  const RegState& state = of.stack[slot].spilled;
  return (state.word & kFirstSlot) != 0 ? &state : nullptr;
}

// Something is about to be written over `slot`.
bool Verifier::destroy_dynptr(FuncState& of, unsigned slot) {
  if (slot >= of.stack.size() || of.stack[slot].bytes[7] != SlotByte::dynptr) return true;
  if ((of.stack[slot].spilled.word & kFirstSlot) == 0) ++slot;
  if (slot >= of.stack.size() || slot == 0) return reject(Rule::internal, EFAULT, "half a dynptr");
  const RegState state = of.stack[slot].spilled;
  if (is_owned(kind_of(state))) {
    unsigned shared = 0;
    for (unsigned f = 0; f <= cur_->current; ++f) {
      for (const StackSlot& s : cur_->frames[f]->stack) {
        shared += s.bytes[7] == SlotByte::dynptr && (s.spilled.word & kFirstSlot) != 0 &&
                  s.spilled.ref_id == state.ref_id;
      }
    }
    if (shared <= 1 || profile_.version < kernel_version(7, 0)) {
      return reject(Rule::reference_leaked, EINVAL, "cannot overwrite referenced dynptr");
    }
  }
  for (unsigned s : {slot, slot - 1}) {
    mark_not_init(of.stack[s].spilled);
    of.stack[s].bytes.fill(SlotByte::invalid);
    scratch_slot(s);
  }
  invalidate_slices(state.id);
  return true;
}

bool Verifier::check_dynptr(unsigned number, bool uninit, bool release, DynptrKind kind,
                            CallMeta& meta) {
  const RegState reg = regs()[number];
  if (!reg.is(Base::stack) && !reg.is(Base::dynptr)) {
    return reject(Rule::bad_argument_type, EINVAL,
                  "R{} expected pointer to stack or const struct bpf_dynptr", number);
  }
  if (uninit) {
    if (reg.is(Base::dynptr) || stack_object(number, "dynptr", kSlots) == -1) {
      return reject(Rule::bad_argument_type, EINVAL, "Dynptr has to be an uninitialized dynptr");
    }
    if (!write_stack_object(number, kSlots)) return false;
    const int at = stack_object(number, "dynptr", kSlots);
    if (at < 1) return reject(Rule::internal, EFAULT, "dynptr outside of the stack");
    const auto slot = static_cast<unsigned>(at);
    FuncState& of = frame_of(reg);
    if (!destroy_dynptr(of, slot) || !destroy_dynptr(of, slot - 1)) return false;
    if (kind == DynptrKind::none) return reject(Rule::internal, EFAULT, "dynptr of no kind");
    uint32_t ref = 0, of_ref = meta.ref_id;
    if (meta.dynptr != DynptrKind::none) {
      ref = meta.dynptr_ref;  // a clone
      of_ref = meta.dynptr_of;
    } else if (is_owned(kind)) {
      ref = acquire_reference(insn_);
    }
    const uint32_t id = ++next_id_;
    for (unsigned i = 0; i < kSlots; ++i) {
      StackSlot& s = of.stack[slot - i];
      mark_pointer(s.spilled, Base::dynptr);
      s.spilled.word = static_cast<uint32_t>(kind) | (i == 0 ? kFirstSlot : 0);
      s.spilled.id = id;
      s.spilled.ref_id = ref;
      s.spilled.dynptr_id = of_ref;
      s.bytes.fill(SlotByte::dynptr);
    }
    use_stack_object(of, slot, kSlots, true);
    return true;
  }
  if (release && reg.is(Base::dynptr)) {
    return reject(Rule::reference_not_owned, EINVAL, "CONST_PTR_TO_DYNPTR cannot be released");
  }
  if (reg.is(Base::stack) && stack_object(number, "dynptr", kSlots) == -1) {
    return reject(Rule::bad_argument_type, EINVAL, "Expected an initialized dynptr as R{}", number);
  }
  const RegState* state = dynptr_state(reg);
  if (state == nullptr) {
    return reject(Rule::bad_argument_type, EINVAL, "Expected an initialized dynptr as R{}", number);
  }
  if (kind != DynptrKind::none && kind_of(*state) != kind) {
    return reject(Rule::bad_argument_type, EINVAL, "Expected a dynptr of type {} as R{}",
                  name_of(kind), number);
  }
  meta.dynptr = kind_of(*state);
  meta.dynptr_id = state->id;
  meta.dynptr_ref = state->ref_id;
  meta.dynptr_of = state->dynptr_id;
  if (reg.is(Base::stack)) {
    const int64_t off = reg.off + static_cast<int64_t>(reg.number.constant());
    use_stack_object(frame_of(reg), slot_of(static_cast<int>(off)), kSlots, false);
  }
  if (release) {
    meta.release_dynptr = true;
    meta.release_register = static_cast<int>(number);
  }
  return true;
}

// What they were of is given back: they and their slices go with it; one that must be given back itself is lost.
bool Verifier::release_dynptrs_of(uint32_t ref) {
  for (unsigned f = 0; f <= cur_->current; ++f) {
    FuncState& of = *cur_->frames[f];
    for (unsigned s = 0; s < of.stack.size(); ++s) {
      StackSlot& slot = of.stack[s];
      if (slot.bytes[7] != SlotByte::dynptr || slot.spilled.dynptr_id != ref) continue;
      if (is_owned(kind_of(slot.spilled))) {
        const auto& all = cur_->references;
        const auto it = std::ranges::find(all, slot.spilled.ref_id, &Reference::id);
        return reject(Rule::reference_leaked, EINVAL,
                      "Leaking reference id={} alloc_insn={}. Release it first.",
                      slot.spilled.ref_id, it != all.end() ? it->insn : 0);
      }
      const uint32_t gone = slot.spilled.id;
      mark_not_init(slot.spilled);
      slot.bytes.fill(SlotByte::invalid);
      if (&of == &frame()) scratch_slot(s);
      invalidate_slices(gone);
    }
  }
  return true;
}

// It, its clones and all slices are gone.
bool Verifier::release_dynptr(unsigned number) {
  const RegState* state = dynptr_state(regs()[number]);
  if (state == nullptr) return reject(Rule::internal, EFAULT, "released no dynptr");
  const uint32_t ref = state->ref_id, id = state->id;
  const bool owned = is_owned(kind_of(*state));
  for (unsigned f = 0; f <= cur_->current; ++f) {
    FuncState& of = *cur_->frames[f];
    for (unsigned s = 0; s < of.stack.size(); ++s) {
      StackSlot& slot = of.stack[s];
      if (slot.bytes[7] != SlotByte::dynptr) continue;
      if (owned ? slot.spilled.ref_id != ref : slot.spilled.id != id) continue;
      const uint32_t gone = slot.spilled.id;
      mark_not_init(slot.spilled);
      slot.bytes.fill(SlotByte::invalid);
      if (&of == &frame()) scratch_slot(s);
      invalidate_slices(gone);
    }
  }
  if (owned && !release_reference(ref))
    return reject(Rule::reference_not_owned, EINVAL,
                  "the dynptr's reference has not been acquired before");
  return true;
}

}  // namespace skep::verifier
