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
  if (erased == 0) return false;
  for_each_register(*cur_, [&](FuncState&, RegState& reg) {
    if (reg.ref_id != id) return;
    // What is left is an address: a number to those who may know it, nothing to the others.
    if (allow_leaks_) {
      mark_unknown(reg);
    } else {
      mark_not_init(reg);
    }
  });
  return true;
}

void Verifier::invalidate_packet_pointers(VerifierState& state) {
  for_each_register(state, [&](FuncState&, RegState& reg) {
    if (!reg.is_packet() && !reg.is(Base::packet_end)) return;
    if (allow_leaks_) {
      mark_unknown(reg);
    } else {
      mark_not_init(reg);
    }
  });
}

// A lock is the pointer's map and id: the same value, reached by the same lookup.
bool Verifier::process_spin_lock(unsigned number, bool lock, CallMeta&) {
  const RegState& reg = regs()[number];
  if (!reg.number.is_constant()) {
    return reject(
        Rule::lock_held, EINVAL,
        "R{} doesn't have constant offset. bpf_spin_lock has to be at the constant offset", number);
  }
  const MapInfo& info = maps_[reg.map];
  if (info.map->btf == nullptr) {
    return reject(Rule::lock_held, EINVAL, "map '{}' has to have BTF in order to use bpf_spin_lock",
                  info.map->name);
  }
  const SpecialField* field = info.field(SpecialField::Kind::spin_lock);
  if (field == nullptr) {
    return reject(Rule::lock_held, EINVAL, "map '{}' has no valid bpf_spin_lock", info.map->name);
  }
  const int64_t off = reg.off + static_cast<int64_t>(reg.number.constant());
  if (off != field->offset) {
    return reject(Rule::lock_held, EINVAL,
                  "off {} doesn't point to 'struct bpf_spin_lock' that is at {}", off,
                  field->offset);
  }
  if (lock) {
    if (cur_->active_locks != 0) {
      return reject(Rule::lock_held, EINVAL, "Locking two bpf_spin_locks are not allowed");
    }
    Reference held;
    held.id = ++next_id_;
    held.insn = insn_;
    held.kind = ReferenceKind::lock;
    held.lock_map = reg.map;
    held.lock_reg_id = reg.id;
    cur_->references.push_back(held);
    ++cur_->active_locks;
    return true;
  }
  const auto held = std::find_if(cur_->references.rbegin(), cur_->references.rend(),
                                 [](const Reference& r) { return r.kind == ReferenceKind::lock; });
  if (held == cur_->references.rend()) {
    return reject(Rule::lock_not_held, EINVAL, "bpf_spin_unlock without taking a lock");
  }
  if (held->lock_map != reg.map || held->lock_reg_id != reg.id) {
    return reject(Rule::lock_not_held, EINVAL, "bpf_spin_unlock of different lock");
  }
  cur_->references.erase(std::next(held).base());
  --cur_->active_locks;
  return true;
}

// Nothing may be left behind where the program (or its checked part) ends.
bool Verifier::check_resources_at_exit(std::string_view where) {
  bool leaked = false;
  for (const Reference& reference : cur_->references) {
    if (reference.kind != ReferenceKind::pointer) continue;
    note("Unreleased reference id={} alloc_insn={}\n", reference.id, reference.insn);
    if (const auto line = source_line(reference.insn)) {
      explain("It was acquired at insn {}, {}:{}: {}", reference.insn, line->file, line->line,
              line->text);
    } else {
      explain("It was acquired at insn {}.", reference.insn);
    }
    leaked = true;
  }
  if (leaked)
    return reject(Rule::reference_leaked, EINVAL, "{} would lead to reference leak", where);
  if (cur_->active_locks != 0) {
    return reject(Rule::lock_held, EINVAL, "{} cannot be used inside bpf_spin_lock-ed region",
                  where);
  }
  return true;
}

}  // namespace skep::verifier
