// What the kernel keeps on the program's stack: open-coded iterators, and IRQ flags.
//
// An iterator is some slots of kind `iterator`; the first (highest) one's register has the struct, the reference that
// destroying it releases, and whether it is drained. Its next() is walked both ways: drained, with a null result, and
// with one more element. The path with the element comes back to next() in a state that some earlier time round
// covers, or in one that knows more and is walked again (prune.cc): next() is promised to end.
#include "verifier/env.h"
#include "verifier/text.h"

namespace skep::verifier {

using namespace isa;

namespace {

std::string_view iterator_name(std::string_view type) {
  constexpr std::string_view kPrefix = "bpf_iter_";
  return type.starts_with(kPrefix) ? type.substr(kPrefix.size()) : type;
}

SlotMask slots_mask(unsigned first, unsigned slots) {
  SlotMask mask = 0;
  for (unsigned i = 0; i < slots; ++i) mask |= SlotMask{1} << (first - i);
  return mask;
}

}  // namespace

int Verifier::stack_object(unsigned number, std::string_view what, unsigned slots) {
  const RegState& reg = regs()[number];
  if (!reg.number.is_constant()) {
    note("{} has to be at a constant offset\n", what);
    return -1;
  }
  const int64_t off = reg.off + static_cast<int64_t>(reg.number.constant());
  if (off >= 0 || off % 8 != 0 || off < -static_cast<int64_t>(kMaxStackBytes) ||
      slot_of(static_cast<int>(off)) + 1 < slots) {
    note("cannot pass in {} at an offset={}\n", what, off);
    return -1;
  }
  const auto slot = static_cast<int>(slot_of(static_cast<int>(off)));
  return slot < static_cast<int>(frame_of(reg).stack.size()) ? slot : -2;
}

// As stores would: the bytes must be the program's to write.
bool Verifier::write_stack_object(unsigned number, unsigned slots) {
  for (unsigned i = 0; i < slots; ++i) {
    if (!check_access(number, static_cast<int32_t>(8 * i), 8, Access::write, -1)) return false;
  }
  return true;
}

void Verifier::use_stack_object(FuncState& of, unsigned first, unsigned slots, bool written) {
  const SlotMask mask = slots_mask(first, slots);
  if (written) {
    stack_liveness_.mark_write(of.frame, mask);
  } else {
    stack_liveness_.mark_read(of.frame, mask);
  }
  for (unsigned i = 0; i < slots; ++i) scratch_slot(first - i);
}

bool Verifier::check_iterator(unsigned number, const KfuncArgument& argument, KfuncMeta& meta) {
  const RegState reg = regs()[number];
  if (!reg.is(Base::stack)) {
    return reject(Rule::bad_argument_type, EINVAL, "R{} expected pointer to an iterator on stack",
                  number);
  }
  const std::string_view name = iterator_name(argument.type_name);
  const unsigned slots = argument.size / 8;
  FuncState& of = frame_of(reg);
  const Kfunc& kfunc = *meta.kfunc;
  const int at = stack_object(number, "iter", slots);
  if (kfunc.has(spec::kKfuncIterNew)) {
    bool free = at != -1;
    if (at >= 0) {
      for (unsigned i = 0; i < slots; ++i) {
        for (SlotByte b : of.stack[static_cast<unsigned>(at) - i].bytes)
          free &= b != SlotByte::iterator;
      }
    }
    if (!free) {
      return reject(Rule::bad_argument_type, EINVAL, "expected uninitialized iter_{} as R{}", name,
                    number);
    }
    if (!write_stack_object(number, slots)) return false;
    const int first = stack_object(number, "iter", slots);
    if (first < 0) return reject(Rule::internal, EFAULT, "iterator outside of the stack");
    const uint32_t id = acquire_reference(insn_);
    for (unsigned i = 0; i < slots; ++i) {
      StackSlot& s = of.stack[static_cast<unsigned>(first) - i];
      mark_pointer(s.spilled, Base::iterator);
      if (kfunc.has(spec::kKfuncRcuProtected))
        s.spilled.flags = in_rcu_section() ? kRcu : kUntrusted;
      s.spilled.btf_type = argument.type;
      s.spilled.ref_id = i == 0 ? id : 0;
      s.spilled.map_uid = static_cast<uint32_t>(IteratorState::active);
      s.bytes.fill(SlotByte::iterator);
    }
    use_stack_object(of, static_cast<unsigned>(first), slots, true);
    return true;
  }
  const auto uninitialized = [&] {
    return reject(Rule::bad_argument_type, EINVAL, "expected an initialized iter_{} as R{}", name,
                  number);
  };
  if (at < 0) return uninitialized();
  const auto first = static_cast<unsigned>(at);
  for (unsigned i = 0; i < slots; ++i) {
    const StackSlot& s = of.stack[first - i];
    for (SlotByte b : s.bytes) {
      if (b != SlotByte::iterator) return uninitialized();
    }
    if ((s.spilled.flags & kUntrusted) != 0) {
      return reject(Rule::bad_kfunc, EPROTO, "expected an RCU CS when using {}", kfunc.name);
    }
    if ((i == 0) != (s.spilled.ref_id != 0) || s.spilled.btf_type != argument.type)
      return uninitialized();
  }
  use_stack_object(of, first, slots, false);
  meta.iterator_frame = of.frame;
  meta.iterator_slot = first;
  if (!kfunc.has(spec::kKfuncIterDestroy)) {
    meta.ref_id = of.stack[first].spilled.ref_id;
    return true;
  }
  const uint32_t id = of.stack[first].spilled.ref_id;
  for (unsigned i = 0; i < slots; ++i) {
    mark_not_init(of.stack[first - i].spilled);
    of.stack[first - i].bytes.fill(SlotByte::invalid);
  }
  use_stack_object(of, first, slots, true);
  if (!release_reference(id)) return reject(Rule::internal, EFAULT, "iterator without a reference");
  return true;
}

bool Verifier::step_iterator(const KfuncMeta& meta) {
  RegState& state = cur_->frames[meta.iterator_frame]->stack[meta.iterator_slot].spilled;
  if (static_cast<IteratorState>(state.map_uid) == IteratorState::active) {
    const VerifierState* before =
        cur_->parent != nullptr ? previous_entry(cur_->parent->state, insn_) : nullptr;
    VerifierState* more = push_branch(insn_ + 1, insn_);
    if (more == nullptr) return false;
    ++more->frames[meta.iterator_frame]->stack[meta.iterator_slot].spilled.off;
    if (before != nullptr) widen_imprecise(*before, *more);
    RegState& r0 = more->frame().regs[0];
    r0.flags &= static_cast<Flags>(~kMaybeNull);
    if (r0.ref_id != r0.id) r0.id = 0;
  }
  cur_->frames[meta.iterator_frame]->stack[meta.iterator_slot].spilled.map_uid =
      static_cast<uint32_t>(IteratorState::drained);
  mark_constant(regs()[0], 0);
  regs()[0].precise = !capable_;
  return true;
}

// Some iterator has gone on since: the same registers do not make it an endless loop.
bool Verifier::iterator_depths_differ(const VerifierState& a, const VerifierState& b) {
  for (unsigned f = 0; f <= a.current && f <= b.current; ++f) {
    const auto &was = a.frames[f]->stack, &is = b.frames[f]->stack;
    for (size_t s = 0; s < std::min(was.size(), is.size()); ++s) {
      if (was[s].bytes[7] != SlotByte::iterator || was[s].spilled.ref_id == 0) continue;
      if (static_cast<IteratorState>(was[s].spilled.map_uid) != IteratorState::active) continue;
      if (is[s].spilled.off != was[s].spilled.off) return true;
    }
  }
  return false;
}

// The iterator that r1 points to, at a call of its next().
bool Verifier::active_iterator_at(const VerifierState& state) const {
  const RegState& reg = state.frame().regs[1];
  if (!reg.is(Base::stack) || !reg.number.is_constant() || reg.frame > state.current) return false;
  const int64_t off = reg.off + static_cast<int64_t>(reg.number.constant());
  if (off >= 0 || off < -static_cast<int64_t>(kMaxStackBytes)) return false;
  const unsigned slot = slot_of(static_cast<int>(off));
  const auto& stack = state.frames[reg.frame]->stack;
  return slot < stack.size() && stack[slot].bytes[7] == SlotByte::iterator &&
         static_cast<IteratorState>(stack[slot].spilled.map_uid) == IteratorState::active;
}

bool Verifier::check_irq_flag(unsigned number, const Kfunc& kfunc) {
  const RegState reg = regs()[number];
  FuncState& of = frame_of(reg);
  const bool saves = kfunc.special == SpecialKfunc::irq_save ||
                     kfunc.special == SpecialKfunc::res_spin_lock_irqsave;
  const bool lock = kfunc.special == SpecialKfunc::res_spin_lock_irqsave ||
                    kfunc.special == SpecialKfunc::res_spin_unlock_irqrestore;
  const IrqFlagOf kind = lock ? IrqFlagOf::lock : IrqFlagOf::native;
  const int at = stack_object(number, "irq_flag", 1);
  const auto is_flag = [&] {
    if (at < 0) return false;
    for (SlotByte b : of.stack[static_cast<unsigned>(at)].bytes) {
      if (b == SlotByte::irq_flag) return true;
    }
    return false;
  };
  if (saves) {
    if (at == -1 || is_flag()) {
      return reject(Rule::bad_argument_type, EINVAL, "expected uninitialized irq flag as R{}",
                    number);
    }
    if (!write_stack_object(number, 1)) return false;
    const int slot = stack_object(number, "irq_flag", 1);
    if (slot < 0) return reject(Rule::internal, EFAULT, "IRQ flag outside of the stack");
    Reference reference;
    reference.id = ++next_id_;
    reference.insn = insn_;
    reference.kind = ReferenceKind::irq;
    cur_->references.push_back(reference);
    ++cur_->active_irq_flags;
    StackSlot& s = of.stack[static_cast<unsigned>(slot)];
    mark_pointer(s.spilled, Base::irq_flag);
    s.spilled.word = static_cast<uint32_t>(kind);
    s.spilled.ref_id = reference.id;
    s.bytes.fill(SlotByte::irq_flag);
    use_stack_object(of, static_cast<unsigned>(slot), 1, true);
    return true;
  }
  if (at < 0 || !is_flag() || of.stack[static_cast<unsigned>(at)].spilled.ref_id == 0) {
    return reject(Rule::bad_argument_type, EINVAL, "expected an initialized irq flag as R{}",
                  number);
  }
  StackSlot& s = of.stack[static_cast<unsigned>(at)];
  if (static_cast<IrqFlagOf>(s.spilled.word) != kind) {
    const auto name = [](IrqFlagOf k) { return k == IrqFlagOf::native ? "native" : "lock"; };
    return reject(Rule::region_not_left, EINVAL,
                  "irq flag acquired by {} kfuncs cannot be restored with {} kfuncs",
                  name(static_cast<IrqFlagOf>(s.spilled.word)), name(kind));
  }
  const Reference* last = nullptr;
  for (const Reference& r : cur_->references) {
    if (r.kind == ReferenceKind::irq) last = &r;
  }
  if (last == nullptr || last->id != s.spilled.ref_id) {
    return reject(Rule::region_not_left, EACCES,
                  "cannot restore irq state out of order, expected id={} acquired at insn_idx={}",
                  last != nullptr ? last->id : 0, last != nullptr ? last->insn : 0);
  }
  std::erase_if(cur_->references, [&](const Reference& r) {
    return r.kind == ReferenceKind::irq && r.id == s.spilled.ref_id;
  });
  --cur_->active_irq_flags;
  use_stack_object(of, static_cast<unsigned>(at), 1, false);
  mark_not_init(s.spilled);
  s.bytes.fill(SlotByte::invalid);
  use_stack_object(of, static_cast<unsigned>(at), 1, true);
  if (!in_rcu_section()) invalidate_rcu_protected();
  return true;
}

}  // namespace skep::verifier
