// From BTF to what the hive needs of it at run time: the fields of maps' values and of programs' objects, the heap that
// objects lie in, the table of timers. Made when the first program or map asks for them.
#include <algorithm>
#include <cstring>

#include "btf/user_engine/published.h"
#include "helpers/bindings.h"
#include "helpers/kfuncs.h"
#include "maps/map_helpers.h"
#include "object/heap.h"
#include "object/task_view.h"
#include "runtime/runtime.h"
#include "spec/helpers.h"
#include "verifier/records.h"

namespace skep::runtime {
namespace {

using Kind = verifier::SpecialField::Kind;

std::optional<FieldKind> kind_of(Kind kind) {
  switch (kind) {
    case Kind::spin_lock: return FieldKind::spin_lock;
    case Kind::res_spin_lock: return FieldKind::res_spin_lock;
    case Kind::timer: return FieldKind::timer;
    case Kind::workqueue: return FieldKind::workqueue;
    case Kind::list_head: return FieldKind::list_head;
    case Kind::list_node: return FieldKind::list_node;
    case Kind::rb_root: return FieldKind::rb_root;
    case Kind::rb_node: return FieldKind::rb_node;
    case Kind::refcount: return FieldKind::refcount;
    case Kind::kptr:
    case Kind::kptr_percpu: return FieldKind::kptr;
    case Kind::kptr_untrusted:
    case Kind::uptr: return FieldKind::untrusted;
    case Kind::task_work: return std::nullopt;
  }
  std::unreachable();
}

ValueFields fields_of(const verifier::Record& record) {
  ValueFields made{};
  for (const verifier::SpecialField& field : record.fields) {
    const auto kind = kind_of(field.kind);
    if (!kind || made.count == ValueFields::kMost) continue;
    made.fields[made.count++] = {*kind, field.offset, field.size, field.node_offset};
  }
  return made;
}

// kernel/bpf/syscall.c map_check_btf: which fields values of a map type may have.
Result<> check_fields(const maps::MapAttributes& map, const verifier::Record& record) {
  using enum MapType;
  const auto type = map.type;
  const bool storage = type == BPF_MAP_TYPE_SK_STORAGE || type == BPF_MAP_TYPE_INODE_STORAGE ||
                       type == BPF_MAP_TYPE_TASK_STORAGE || type == BPF_MAP_TYPE_CGRP_STORAGE;
  const bool plain = type == BPF_MAP_TYPE_HASH || type == BPF_MAP_TYPE_ARRAY;
  const bool lru = type == BPF_MAP_TYPE_LRU_HASH;
  const bool per_cpu = type == BPF_MAP_TYPE_PERCPU_HASH || type == BPF_MAP_TYPE_PERCPU_ARRAY ||
                       type == BPF_MAP_TYPE_LRU_PERCPU_HASH;
  if (!record.fields.empty() && (map.map_flags & (BPF_F_RDONLY_PROG | BPF_F_WRONLY_PROG)) != 0)
    return fail(EACCES, "a map with locks, timers and the like is for programs to read and write");
  for (const verifier::SpecialField& field : record.fields) {
    bool allowed = false;
    switch (field.kind) {
      case Kind::spin_lock:
      case Kind::res_spin_lock:
        allowed = plain || storage || type == BPF_MAP_TYPE_CGROUP_STORAGE;
        break;
      case Kind::timer:
      case Kind::workqueue:
      case Kind::task_work:
      case Kind::list_head:
      case Kind::rb_root: allowed = plain || lru; break;
      case Kind::kptr:
      case Kind::kptr_percpu:
      case Kind::kptr_untrusted:
      case Kind::refcount: allowed = plain || lru || per_cpu || storage; break;
      case Kind::uptr: allowed = type == BPF_MAP_TYPE_TASK_STORAGE; break;
      case Kind::list_node:
      case Kind::rb_node: break;
    }
    if (!allowed) return fail(EOPNOTSUPP, "a {} can't be in this type of map", field.name);
  }
  return {};
}

}  // namespace

Result<ValueFields> Runtime::value_fields(const MapCreation& creation) const {
  if (!creation.btf || creation.btf_value_type_id == 0) return ValueFields{};
  const verifier::Record record = verifier::read_record(
      *creation.btf->btf(), creation.btf_value_type_id, kernel_btf_.get(), true);
  if (!record.problem.empty()) return fail(EINVAL, "the value's type: {}", record.problem);
  SKEP_CHECK(check_fields(creation.attributes, record));
  return fields_of(record);
}

Result<const ObjectType*> BtfObject::object_type(uint32_t type_id, bool percpu) {
  std::lock_guard lock(mutex_);
  auto& known = object_types_[{type_id, percpu}];
  if (known != nullptr) return known;
  SKEP_TRY(memory, runtime_.hive().allocate_object(sizeof(ObjectType)));
  auto& made = *static_cast<ObjectType*>(memory);
  made.size = static_cast<uint32_t>(btf_->size_of(type_id).value_or(0));
  made.slots = percpu ? runtime_.possible_cpus() : 0;
  made.btf_id = id_;
  made.fields =
      fields_of(verifier::read_record(*btf_, type_id, runtime_.kernel_btf().get(), false));
  made.magic = kObjectTypeMagic;
  return known = &made;
}

Result<> Runtime::ensure_heap() {
  std::lock_guard lock(mutex_);
  if (hive::root(hive::Root::kTimers) != 0) return {};
  constexpr uint64_t kLargest = uint64_t{heap::kSmallest} << (heap::kClasses - 1);
  constexpr uint64_t kMost = uint64_t{16} << 20;
  const uint64_t bytes = std::min(kMost, hive_->data_size() / 64) / kLargest * kLargest;
  if (bytes == 0) return fail(ENOMEM, "the hive is too small for objects");
  SKEP_TRY(layout_memory, hive_->allocate_object(sizeof(heap::Layout)));
  SKEP_TRY(base, hive_->allocate_data(bytes * heap::kClasses));
  SKEP_TRY(hints,
           hive_->allocate_data(size_t{hive::kMaxSlots} * heap::kClasses * sizeof(uint32_t)));
  auto& layout = *static_cast<heap::Layout*>(layout_memory);
  layout = {reinterpret_cast<uint64_t>(base), bytes, reinterpret_cast<uint64_t>(hints)};
  SKEP_TRY(types_memory, hive_->allocate_object(sizeof(EngineTypes)));
  auto& types = *static_cast<EngineTypes*>(types_memory);
  types.cpumask.size = sizeof(published::bpf_cpumask);
  types.task.size = sizeof(TaskView);
  types.cpumask.magic = types.task.magic = kObjectTypeMagic;
  SKEP_TRY(timers_memory, hive_->allocate_object(sizeof(timers::Layout)));
  SKEP_TRY(table, hive_->allocate_data(sizeof(timers::Table)));
  static_cast<timers::Layout*>(timers_memory)->table = reinterpret_cast<uint64_t>(table);
  hive_->set_root(hive::Root::kHeap, &layout);
  hive_->set_root(hive::Root::kEngineTypes, &types);
  hive_->set_root(hive::Root::kTimers, timers_memory);
  return {};
}

// Every call that a path reaches must have a body here: EINVAL as in a kernel without it.
Result<> Runtime::check_bound(const VerifiedProgram& program) const {
  for (size_t i = 0; i < program.insns().size(); ++i) {
    const Insn& insn = program.insns()[i];
    if (isa::is_ld_imm64(insn)) {
      ++i;
      continue;
    }
    if (insn.opcode != (isa::BPF_JMP | isa::BPF_CALL) || program.facts()[i].dead) continue;
    if (insn.src == isa::BPF_PSEUDO_KFUNC_CALL && static_cast<uint32_t>(insn.imm) >= spec::kKfuncs)
      return fail(EINVAL, "insn {}: the user engine does not have this kernel function", i);
    if (insn.src != 0 || insn.imm == spec::BPF_FUNC_tail_call) continue;
    const auto id = static_cast<uint32_t>(insn.imm);
    auto has = [&](const HelperBinding& row) { return row.id == id; };
    if (std::ranges::any_of(helpers::helper_bindings(), has) ||
        std::ranges::any_of(maps::map_helper_bindings(), has))
      continue;
    const spec::Helper* row = spec::find_helper(id);
    return fail(EINVAL, "insn {}: the user engine does not have bpf_{}: {}", i,
                row != nullptr ? row->name : "?", row != nullptr ? row->user_reason : "unknown");
  }
  return {};
}

Result<> Runtime::prepare_types(ProgObject& program) {
  const VerifiedProgram& verified = program.verified();
  bool needs = false, timers = false;
  for (size_t i = 0; i < verified.insns().size(); ++i) {
    const Insn& insn = verified.insns()[i];
    if (isa::is_ld_imm64(insn)) {
      ++i;
      continue;
    }
    if (insn.opcode != (isa::BPF_JMP | isa::BPF_CALL)) continue;
    const bool kfunc = insn.src == isa::BPF_PSEUDO_KFUNC_CALL;
    needs |= kfunc || (insn.src == 0 && (insn.imm == spec::BPF_FUNC_kptr_xchg ||
                                         insn.imm == spec::BPF_FUNC_timer_init));
    timers |= (kfunc && (insn.imm == spec::kKfunc_bpf_wq_set_callback ||
                         insn.imm == spec::kKfunc_bpf_wq_set_callback_impl)) ||
              (insn.src == 0 && insn.imm == spec::BPF_FUNC_timer_set_callback);
  }
  if (needs || timers) SKEP_CHECK(ensure_heap());
  if (timers) start_timers();
  if (verified.made_types().empty() || !program.btf()) return {};
  const size_t count = verified.made_types().size();
  SKEP_TRY(memory, hive_->allocate_object(sizeof(ObjectTypes) + count * sizeof(ObjectTypes::Row)));
  program.object_types_ = memory;
  auto& types = *static_cast<ObjectTypes*>(memory);
  for (const auto& made : verified.made_types()) {
    SKEP_TRY(type, program.btf()->object_type(made.type_id, made.percpu));
    types.rows[types.count++] = {reinterpret_cast<uint64_t>(type), made.type_id,
                                 made.percpu ? 1u : 0u};
  }
  return {};
}

}  // namespace skep::runtime
