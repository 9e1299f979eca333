// Resources: references that must be released, locks, and pointers that an event makes stale.
#include <algorithm>

#include "verifier/env.h"

namespace skep::verifier {

uint32_t Verifier::acquire_reference(uint32_t insn) {
  Reference reference;
  reference.id = ++next_id_;
  reference.insn = insn;
  cur_->references.push_back(reference);
  return reference.id;
}

// Everything that points into it is no pointer any more.
bool Verifier::release_reference(uint32_t id) {
  const auto erased = std::erase_if(cur_->references, [&](const Reference& r) {
    return r.kind == ReferenceKind::pointer && r.id == id;
  });
  if (erased == 0 || !release_dynptrs_of(id)) return false;
  for_each_register(*cur_, [&](FuncState&, RegState& reg) {
    // What is left is an address: a number to those who may know it, nothing to the others.
    if (reg.ref_id == id) mark_invalid(reg);
  });
  return true;
}

void Verifier::invalidate_packet_pointers(VerifierState& state) {
  for_each_register(state, [&](FuncState&, RegState& reg) {
    const bool slice = reg.is(Base::mem) && (reg.flags & kPacketSlice) != 0;
    if (reg.is_packet() || reg.is(Base::packet_end) || slice) mark_invalid(reg);
  });
}

void Verifier::invalidate_non_owning() {
  for_each_register(*cur_, [&](FuncState&, RegState& reg) {
    if (reg.is(Base::btf_id) && (reg.flags & kNonOwning) != 0) mark_invalid(reg);
  });
}

// RCU no longer keeps them: they may be read still, at the risk of what is there now.
void Verifier::invalidate_rcu_protected() {
  const auto demote = [](RegState& reg) {
    if ((reg.flags & kRcu) == 0) return;
    reg.flags &= static_cast<Flags>(~(kRcu | kMaybeNull | kNonOwning));
    reg.flags |= kUntrusted;
  };
  for_each_register(*cur_, [&](FuncState&, RegState& reg) { demote(reg); });
  for (unsigned f = 0; f <= cur_->current; ++f) {
    for (StackSlot& s : cur_->frames[f]->stack) {
      if (s.bytes[7] == SlotByte::iterator) demote(s.spilled);
    }
  }
}

// A lock is the pointer's map (or that it is an object) and id: the same value, reached by the same lookup.
bool Verifier::process_spin_lock(unsigned number, bool lock, ReferenceKind kind) {
  const RegState& reg = regs()[number];
  const bool res = kind != ReferenceKind::lock;
  const std::string_view name = res ? "bpf_res_spin" : "bpf_spin";
  if (!reg.number.is_constant()) {
    return reject(Rule::lock_held, EINVAL,
                  "R{} doesn't have constant offset. {}_lock has to be at the constant offset",
                  number, name);
  }
  const bool in_map = reg.is(Base::map_value);
  const std::string_view owner = in_map ? std::string_view(maps_[reg.map].map->name) : "kptr";
  if (in_map && maps_[reg.map].map->btf == nullptr) {
    return reject(Rule::lock_held, EINVAL, "map '{}' has to have BTF in order to use {}_lock",
                  owner, name);
  }
  const Record* record = record_of(reg);
  const SpecialField* field =
      record == nullptr
          ? nullptr
          : record->field(res ? SpecialField::Kind::res_spin_lock : SpecialField::Kind::spin_lock);
  if (field == nullptr) {
    return reject(Rule::lock_held, EINVAL, "{} '{}' has no valid {}_lock", in_map ? "map" : "local",
                  owner, name);
  }
  const int64_t off = reg.off + static_cast<int64_t>(reg.number.constant());
  if (off != field->offset) {
    return reject(Rule::lock_held, EINVAL, "off {} doesn't point to 'struct {}_lock' that is at {}",
                  off, name, field->offset);
  }
  const uint32_t where = in_map ? reg.map : kAllocatedObject;
  const auto is_this = [&](const Reference& r) {
    return r.lock_map == where && r.lock_reg_id == reg.id;
  };
  if (lock) {
    for (const Reference& r : cur_->references) {
      if (!res && r.kind == ReferenceKind::lock)
        return reject(Rule::lock_held, EINVAL, "Locking two bpf_spin_locks are not allowed");
      if (res && r.is_lock() && r.kind != ReferenceKind::lock && is_this(r)) {
        return reject(Rule::lock_held, EINVAL,
                      "Acquiring the same lock again, AA deadlock detected");
      }
    }
    Reference held;
    held.id = ++next_id_;
    held.insn = insn_;
    held.kind = kind;
    held.lock_map = where;
    held.lock_reg_id = reg.id;
    cur_->references.push_back(held);
    ++cur_->active_locks;
    return true;
  }
  if (cur_->active_locks == 0)
    return reject(Rule::lock_not_held, EINVAL, "{}_unlock without taking a lock", name);
  const auto last = std::find_if(cur_->references.rbegin(), cur_->references.rend(),
                                 [](const Reference& r) { return r.is_lock(); });
  const bool held = std::ranges::any_of(
      cur_->references, [&](const Reference& r) { return r.kind == kind && is_this(r); });
  if (!held || last == cur_->references.rend())
    return reject(Rule::lock_not_held, EINVAL, "{}_unlock of different lock", name);
  if (!is_this(*last))
    return reject(Rule::lock_not_held, EINVAL, "{}_unlock cannot be out of order", name);
  if (last->kind != kind)
    return reject(Rule::lock_not_held, EINVAL, "{}_unlock of different lock", name);
  cur_->references.erase(std::next(last).base());
  --cur_->active_locks;
  invalidate_non_owning();
  if (!in_rcu_section()) invalidate_rcu_protected();
  return true;
}

// Nothing acquired may be left behind where the program (or its checked part) ends.
bool Verifier::check_references_at_exit(std::string_view where, bool exception) {
  // A static function may hand them to its caller.
  if (!exception && cur_->current != 0 && !frame().in_callback) return true;
  const uint32_t returned =
      program_.type == ProgType::BPF_PROG_TYPE_STRUCT_OPS && !exception ? regs()[0].ref_id : 0;
  bool leaked = false;
  for (const Reference& reference : cur_->references) {
    if (reference.kind != ReferenceKind::pointer) continue;
    if (returned != 0 && reference.id == returned) continue;
    note("Unreleased reference id={} alloc_insn={}\n", reference.id, reference.insn);
    if (const auto line = source_line(reference.insn)) {
      explain("It was acquired at insn {}, {}:{}: {}", reference.insn, line->file, line->line,
              line->text);
    } else {
      explain("It was acquired at insn {}.", reference.insn);
    }
    leaked = true;
  }
  if (!leaked) return true;
  return reject(Rule::reference_leaked, EINVAL, "{} would lead to reference leak", where);
}

// Nor may a region be open.
bool Verifier::check_resources_at_exit(std::string_view where, bool exception) {
  if (cur_->active_locks != 0) {
    return reject(Rule::lock_held, EINVAL, "{} cannot be used inside bpf_spin_lock-ed region",
                  where);
  }
  if (!check_references_at_exit(where, exception)) return false;
  const auto open = [&](std::string_view region) {
    return reject(Rule::region_not_left, EINVAL, "{} cannot be used inside {}-ed region", where,
                  region);
  };
  if (cur_->active_irq_flags != 0) return open("bpf_local_irq_save");
  if (cur_->rcu_locks != 0) return open("bpf_rcu_read_lock");
  if (cur_->active_preempt_locks != 0) return open("bpf_preempt_disable");
  return true;
}

}  // namespace skep::verifier
