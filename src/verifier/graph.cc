// Objects that the program allocates and what holds them: lists and trees (bpf_list_*, bpf_rbtree_*), and kptrs, the
// pointers that map values and objects keep.
//
// An object comes with a reference. Pushing it into a list or tree gives the reference away; what is left are non-owning
// pointers, good until the lock of the list or tree is dropped. The lock must lie in the same allocation as the root.
#include <algorithm>

#include "verifier/env.h"
#include "verifier/text.h"

namespace skep::verifier {

using FieldKind = SpecialField::Kind;

namespace {

std::string_view field_name(FieldKind kind) {
  switch (kind) {
    case FieldKind::list_head: return "bpf_list_head";
    case FieldKind::list_node: return "bpf_list_node";
    case FieldKind::rb_root: return "bpf_rb_root";
    case FieldKind::rb_node: return "bpf_rb_node";
    default: return "";
  }
}

// Kernel objects whose last reference is put through RCU.
bool is_freed_by_rcu(std::string_view name) {
  return name == "prog_test_ref_kfunc" || name == "cgroup" || name == "bpf_cpumask" ||
         name == "task_struct" || name == "bpf_crypto_ctx" || name == "bpf_ksock";
}

int64_t offset_of(const RegState& reg) {
  return reg.off + static_cast<int64_t>(reg.number.constant());
}

}  // namespace

bool Verifier::check_graph_root(unsigned number, FieldKind kind, KfuncMeta& meta) {
  const RegState& reg = regs()[number];
  if (!reg.number.is_constant()) {
    return reject(Rule::bad_argument_type, EINVAL,
                  "R{} doesn't have constant offset. {} has to be at the constant offset", number,
                  field_name(kind));
  }
  const Record* record = record_of(reg);
  const int64_t off = offset_of(reg);
  const SpecialField* field = record != nullptr ? record->at(off, kind) : nullptr;
  if (field == nullptr) {
    return reject(Rule::bad_argument_type, EINVAL, "{} not found at offset={}", field_name(kind),
                  off);
  }
  const uint32_t where = reg.is(Base::map_value) ? reg.map : kAllocatedObject;
  const bool held = std::ranges::any_of(cur_->references, [&](const Reference& r) {
    return r.is_lock() && r.lock_map == where && r.lock_reg_id == reg.id;
  });
  if (!held) {
    if (cur_->active_locks != 0) note("held lock and object are not in the same allocation\n");
    const SpecialField* lock = record->field(FieldKind::spin_lock);
    return reject(Rule::lock_not_held, EINVAL, "bpf_spin_lock at off={} must be held for {}",
                  lock != nullptr ? static_cast<int64_t>(lock->offset) : -EINVAL, field_name(kind));
  }
  meta.root = field;
  return true;
}

bool Verifier::check_graph_node(unsigned number, FieldKind kind, KfuncMeta& meta) {
  const RegState& reg = regs()[number];
  if (!reg.number.is_constant()) {
    return reject(Rule::bad_argument_type, EINVAL,
                  "R{} doesn't have constant offset. {} has to be at the constant offset", number,
                  field_name(kind));
  }
  const Record* record = record_of(reg);
  const int64_t off = offset_of(reg);
  if (record == nullptr || record->at(off, kind) == nullptr) {
    return reject(Rule::bad_argument_type, EINVAL, "{} not found at offset={}", field_name(kind),
                  off);
  }
  if (meta.root == nullptr) return reject(Rule::internal, EFAULT, "node before its root");
  const SpecialField& root = *meta.root;
  const std::string_view wanted = program_.btf->name(root.type);
  if (reg.btf_type != root.type) {
    return reject(Rule::bad_argument_type, EINVAL,
                  "operation on {} expects arg#1 {} at offset={} in struct {}, but arg is at "
                  "offset={} in struct {}",
                  field_name(root.kind), field_name(kind), root.node_offset, wanted, off,
                  btf_type_name(reg));
  }
  if (off != root.node_offset) {
    return reject(Rule::bad_argument_type, EINVAL,
                  "arg#1 offset={}, but expected {} at offset={} in struct {}", off,
                  field_name(kind), root.node_offset, wanted);
  }
  meta.argument_btf = btf_kind(reg);
  meta.argument_type = reg.btf_type;
  return true;
}

void Verifier::set_non_owning(RegState& reg) {
  reg.flags |= kNonOwning;
  const Record* record = record_of(reg);
  if (record != nullptr && record->field(FieldKind::refcount) != nullptr) reg.flags |= kRcu;
}

// The object is the list's or tree's now.
void Verifier::give_to_graph(uint32_t ref_id) {
  std::erase_if(cur_->references, [&](const Reference& r) {
    return r.kind == ReferenceKind::pointer && r.id == ref_id;
  });
  for_each_register(*cur_, [&](FuncState&, RegState& reg) {
    if (reg.ref_id != ref_id || !reg.is(Base::btf_id)) return;
    reg.ref_id = 0;
    reg.id = 0;
    set_non_owning(reg);
  });
}

void Verifier::mark_graph_node(RegState& reg, const SpecialField& root) {
  mark_pointer(reg, Base::btf_id, kAlloc);
  reg.map_uid = static_cast<uint32_t>(root.of);
  reg.btf_type = root.type;
  reg.off = static_cast<int32_t>(root.node_offset);
}

// ---- kptrs

Flags Verifier::loaded_kptr_flags(const SpecialField& field) {
  Flags flags = kMaybeNull;
  const btf::Btf* btf = btf_of(field.of);
  const bool rcu =
      field.kind == FieldKind::kptr_percpu ||
      (field.kind == FieldKind::kptr &&
       (field.of == BtfOf::program || (btf != nullptr && is_freed_by_rcu(btf->name(field.type)))));
  if (!rcu || !in_rcu_section()) return flags | kUntrusted;
  flags |= kRcu;
  if (field.kind == FieldKind::kptr_percpu) {
    flags |= kPercpu;
  } else if (field.of == BtfOf::program) {
    flags |= kAlloc;
  }
  if (field.of == BtfOf::program && object_record(field.type).has_node()) flags |= kNonOwning;
  return flags;
}

// A load or store of the kptr itself; bounds and width have been checked.
bool Verifier::check_kptr_access(const SpecialField& field, int value) {
  const Insn& insn = insns_[insn_];
  const bool loads = insn.cls() == isa::BPF_LDX;
  if (insn.mode() != isa::BPF_MEM) {
    return reject(Rule::special_field_accessed, EACCES,
                  "kptr in map can only be accessed using BPF_MEM instruction mode");
  }
  if (!loads && (field.kind == FieldKind::kptr || field.kind == FieldKind::kptr_percpu)) {
    return reject(Rule::special_field_accessed, EACCES, "store to referenced kptr disallowed");
  }
  if (!loads && field.kind == FieldKind::uptr)
    return reject(Rule::special_field_accessed, EACCES, "store to uptr disallowed");
  if (loads) {
    RegState& reg = regs()[value];
    if (field.kind == FieldKind::uptr) {
      mark_pointer(reg, Base::mem, kMaybeNull);
      reg.mem_size = program_.btf->size_of(field.type).value_or(0);
    } else {
      mark_pointer(reg, Base::btf_id, loaded_kptr_flags(field));
      reg.map_uid = static_cast<uint32_t>(field.of);
      reg.btf_type = field.type;
    }
    reg.id = ++next_id_;
    return true;
  }
  if (insn.cls() == isa::BPF_STX) {
    const auto number = static_cast<unsigned>(value);
    if (regs()[number].is_null()) {
      mark_precise(number);
      return true;
    }
    return check_kptr_fits(field, number);
  }
  if (insn.imm != 0) {
    return reject(Rule::special_field_accessed, EACCES,
                  "BPF_ST imm must be 0 when storing to kptr at off={}", field.offset);
  }
  return true;
}

// The register may be stored there.
bool Verifier::check_kptr_fits(const SpecialField& field, unsigned number) {
  const RegState& reg = regs()[number];
  const bool untrusted = field.kind == FieldKind::kptr_untrusted;
  const btf::Btf* btf = btf_of(field.of);
  const std::string_view wanted = btf != nullptr ? btf->name(field.type) : std::string_view("?");
  const auto bad_type = [&](std::string_view name) {
    std::string also;
    if (untrusted) also = fmt::format(" or {}{}", type_text(Base::btf_id, kUntrusted), wanted);
    return reject(Rule::bad_argument_type, EACCES,
                  "invalid kptr access, R{} type={}{} expected={}{}{}", number, type_text(reg),
                  name, type_text(Base::btf_id, 0), wanted, also);
  };
  if (!reg.is(Base::btf_id)) return bad_type("");
  Flags allowed;
  if (btf_kind(reg) == BtfOf::attach) {
    allowed = kMaybeNull | kTrusted | kRcu;
    if (untrusted) allowed |= kUntrusted;
  } else {
    allowed = kMaybeNull | kAlloc;
    if (field.kind == FieldKind::kptr_percpu) allowed |= kPercpu;
  }
  if ((reg.flags & ~allowed) != 0) return bad_type("");
  if ((field.kind == FieldKind::kptr_percpu) != ((reg.flags & kPercpu) != 0)) return bad_type("");
  const std::string_view name = btf_type_name(reg);
  if (!check_fixed_pointer(reg, number, true)) return false;
  if (btf == nullptr || btf_kind(reg) != field.of ||
      !struct_matches(*btf, reg.btf_type, offset_of(reg), *btf, field.type, !untrusted,
                      (reg.flags & kAlloc) == 0)) {
    return bad_type(name);
  }
  return true;
}

// The place of bpf_kptr_xchg.
bool Verifier::check_kptr_xchg(unsigned number, CallMeta& meta) {
  const RegState& reg = regs()[number];
  if (reg.is(Base::map_value)) {
    if (maps_[reg.map].map->btf == nullptr) {
      return reject(Rule::bad_argument_type, EINVAL,
                    "map '{}' has to have BTF in order to use bpf_kptr_xchg",
                    maps_[reg.map].map->name);
    }
    meta.map = static_cast<int32_t>(reg.map);
  }
  if (!reg.number.is_constant()) {
    return reject(Rule::bad_argument_type, EINVAL,
                  "R{} doesn't have constant offset. kptr has to be at the constant offset",
                  number);
  }
  const Record* record = record_of(reg);
  const bool any = record != nullptr && std::ranges::any_of(record->fields, &SpecialField::is_kptr);
  if (!any) return reject(Rule::bad_argument_type, EINVAL, "R{} has no valid kptr", number);
  const int64_t off = offset_of(reg);
  const SpecialField* field = record->kptr_at(off);
  if (field == nullptr)
    return reject(Rule::bad_argument_type, EACCES, "off={} doesn't point to kptr", off);
  if (field->kind != FieldKind::kptr && field->kind != FieldKind::kptr_percpu) {
    return reject(Rule::bad_argument_type, EACCES, "off={} kptr isn't referenced kptr", off);
  }
  meta.kptr = field;
  return true;
}

}  // namespace skep::verifier
