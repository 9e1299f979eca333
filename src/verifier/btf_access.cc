// What the verifier takes from BTF: structs behind typed pointers (walked by btf_walk.cc), special fields
// (records.cc), prototypes of global functions. Arguments of attach targets: btf_args.cc.
#include <algorithm>

#include "verifier/env.h"
#include "verifier/text.h"

namespace skep::verifier {

using btf::Kind;

namespace {

// What the kernel's BTF says of a map's own struct, by its type.
std::string_view map_struct(MapType type) {
  switch (type) {
    case MapType::BPF_MAP_TYPE_HASH:
    case MapType::BPF_MAP_TYPE_PERCPU_HASH:
    case MapType::BPF_MAP_TYPE_LRU_HASH:
    case MapType::BPF_MAP_TYPE_LRU_PERCPU_HASH:
    case MapType::BPF_MAP_TYPE_HASH_OF_MAPS: return "bpf_htab";
    case MapType::BPF_MAP_TYPE_ARRAY:
    case MapType::BPF_MAP_TYPE_PERCPU_ARRAY:
    case MapType::BPF_MAP_TYPE_PROG_ARRAY:
    case MapType::BPF_MAP_TYPE_PERF_EVENT_ARRAY:
    case MapType::BPF_MAP_TYPE_CGROUP_ARRAY:
    case MapType::BPF_MAP_TYPE_ARRAY_OF_MAPS: return "bpf_array";
    case MapType::BPF_MAP_TYPE_LPM_TRIE: return "lpm_trie";
    case MapType::BPF_MAP_TYPE_STACK_TRACE: return "bpf_stack_map";
    case MapType::BPF_MAP_TYPE_DEVMAP:
    case MapType::BPF_MAP_TYPE_DEVMAP_HASH: return "bpf_dtab";
    case MapType::BPF_MAP_TYPE_CPUMAP: return "bpf_cpu_map";
    case MapType::BPF_MAP_TYPE_XSKMAP: return "xsk_map";
    case MapType::BPF_MAP_TYPE_SOCKMAP: return "bpf_stab";
    case MapType::BPF_MAP_TYPE_SOCKHASH: return "bpf_shtab";
    case MapType::BPF_MAP_TYPE_REUSEPORT_SOCKARRAY: return "reuseport_array";
    case MapType::BPF_MAP_TYPE_QUEUE:
    case MapType::BPF_MAP_TYPE_STACK: return "bpf_queue_stack";
    case MapType::BPF_MAP_TYPE_RINGBUF:
    case MapType::BPF_MAP_TYPE_USER_RINGBUF: return "bpf_ringbuf_map";
    case MapType::BPF_MAP_TYPE_SK_STORAGE:
    case MapType::BPF_MAP_TYPE_INODE_STORAGE:
    case MapType::BPF_MAP_TYPE_TASK_STORAGE:
    case MapType::BPF_MAP_TYPE_CGRP_STORAGE: return "bpf_local_storage_map";
    case MapType::BPF_MAP_TYPE_CGROUP_STORAGE:
    case MapType::BPF_MAP_TYPE_PERCPU_CGROUP_STORAGE: return "bpf_cgroup_storage_map";
    case MapType::BPF_MAP_TYPE_BLOOM_FILTER: return "bpf_bloom_filter";
    case MapType::BPF_MAP_TYPE_ARENA: return "bpf_arena";
    default: return {};
  }
}

constexpr Flags kTrustFlags = kAlloc | kTrusted | kNonOwning;

}  // namespace

void Verifier::find_special_fields(MapInfo& info) const {
  const MapDescriptor& map = *info.map;
  if (map.btf == nullptr || map.btf_value_type_id == 0) return;
  static_cast<Record&>(info) = read_record(*map.btf, map.btf_value_type_id, kernel_btf_, true);
}

const Record& Verifier::object_record(btf::TypeId id) {
  const auto [place, fresh] = object_records_.try_emplace(id);
  if (fresh && program_.btf != nullptr)
    place->second = read_record(*program_.btf, id, kernel_btf_, false);
  return place->second;
}

const Record* Verifier::record_of(const RegState& reg) {
  if (reg.is(Base::map_value)) return &maps_[reg.map];
  if (reg.is(Base::btf_id) && btf_kind(reg) == BtfOf::program) return &object_record(reg.btf_type);
  return nullptr;
}

std::string_view Verifier::btf_type_name(const RegState& reg) const {
  const btf::Btf* btf = btf_of(btf_kind(reg));
  return btf == nullptr ? std::string_view("?") : btf->name(reg.btf_type);
}

bool Verifier::pointed_type(const RegState& reg, BtfOf& of, btf::TypeId& id) const {
  if (reg.is(Base::btf_id)) {
    of = btf_kind(reg);
    id = reg.btf_type;
    return true;
  }
  std::string_view name;
  switch (reg.base) {
    case Base::socket: name = "sock"; break;
    case Base::sock_common: name = "sock_common"; break;
    case Base::tcp_sock: name = "tcp_sock"; break;
    case Base::const_map: name = "bpf_map"; break;
    default: return false;
  }
  if (kernel_btf_ == nullptr) return false;
  const auto found = kernel_btf_->find(name, Kind::Struct);
  if (!found) return false;
  of = BtfOf::attach;
  id = *found;
  return true;
}

bool Verifier::is_trusted(const RegState& reg) const {
  if (reg.ref_id != 0) return true;
  const bool safe = (reg.flags & ~kTrustFlags) == 0;
  switch (reg.base) {
    case Base::socket:
    case Base::sock_common:
    case Base::tcp_sock:
    case Base::const_map: return safe;
    default: return safe && (reg.flags & kTrustFlags) != 0;
  }
}

// BTF lists members that keep their struct's trust as members of a type of their own:
// "task_struct__safe_rcu".
bool Verifier::field_is_listed(const RegState& reg, const Walk& walk, std::string_view list) const {
  const btf::Btf& btf = *kernel_btf_;
  const btf::Type from = btf.type(reg.btf_type);
  const auto id = btf.find(fmt::format("{}{}", from.name(), list), from.kind());
  if (!id) return false;
  const btf::Type safe = btf.type(*id);
  for (uint32_t i = 0; i < safe.vlen(); ++i) {
    const btf::Member member = safe.member(i);
    const btf::Type pointer = btf.type(member.type);
    if (pointer.kind() == Kind::Ptr && member.name == walk.field &&
        btf.resolve(pointer.referenced()).id() == walk.type) {
      return true;
    }
  }
  return false;
}

// `value` is what such a walk gives.
void Verifier::mark_walked(int value, const Walk& walk, BtfOf of, Flags flags) {
  if (value < 0) return;
  RegState& reg = regs()[value];
  switch (walk.kind) {
    case Walk::Kind::pointer:
      mark_pointer(reg, Base::btf_id, flags);
      reg.btf_type = walk.type;
      reg.map_uid = static_cast<uint32_t>(of);
      if (reg.maybe_null()) reg.id = ++next_id_;
      break;
    case Walk::Kind::untrusted_memory: mark_pointer(reg, Base::mem, kRdonly | kUntrusted); break;
    default: mark_unknown(reg); break;
  }
}

// Through a typed pointer. Loads from kernel structs may fault (and then give 0).
bool Verifier::check_btf_access(unsigned number, int32_t off, unsigned size, Access access,
                                int value) {
  const RegState reg = regs()[number];
  const std::string_view name = btf_type_name(reg);
  const BtfOf of = btf_kind(reg);
  const btf::Btf* btf = btf_of(of);
  if (btf == nullptr) return reject(Rule::internal, EFAULT, "typed pointer without BTF");
  const auto refuse = [&](std::string_view why) {
    return reject(Rule::btf_access, EACCES, "R{} is ptr_{} {}: off={}", number, name, why, off);
  };
  if (!allow_leaks_) {
    return reject(Rule::not_privileged, EPERM,
                  "'struct {}' access is allowed only to CAP_PERFMON and CAP_SYS_ADMIN", name);
  }
  if (!gpl_ && of == BtfOf::attach) {
    return reject(Rule::btf_access, EINVAL,
                  "Cannot access kernel 'struct {}' from non-GPL compatible program", name);
  }
  if (off < 0) return refuse("invalid negative access");
  if (!reg.number.is_constant() || reg.number.constant() != 0) {
    return reject(Rule::btf_access, EACCES,
                  "R{} is ptr_{} invalid variable offset: off={}, var_off={}", number, name, off,
                  tnum_text(reg.number.var_off));
  }
  if ((reg.flags & kUser) != 0) return refuse("access user memory");
  if ((reg.flags & kPercpu) != 0) return refuse("access percpu memory");
  const bool writes = access == Access::write;
  const bool allocated = (reg.flags & kAlloc) != 0;
  if (writes && ((reg.flags & kUntrusted) != 0 ||
                 (!allocated && program_.type != ProgType::BPF_PROG_TYPE_STRUCT_OPS &&
                  program_.type != ProgType::BPF_PROG_TYPE_XDP &&
                  program_.type != ProgType::BPF_PROG_TYPE_SCHED_CLS)))
    return reject(Rule::btf_access, EACCES, "only read is supported");
  // A store is not made so that it can't fault.
  if (writes && !allocated && profile_.version >= kernel_version(7, 0) && !is_trusted(reg))
    return reject(Rule::btf_access, EACCES, "only read is supported");
  if (writes && !allocated) return check_kernel_write(reg, number, off, size);
  if (of == BtfOf::attach || (reg.flags & kUntrusted) != 0) aux_[insn_].probe = true;
  if (of == BtfOf::program) {
    for (const SpecialField& field : object_record(reg.btf_type).fields) {
      if (off < static_cast<int64_t>(field.offset) + field.size &&
          static_cast<int64_t>(field.offset) < int64_t{off} + size) {
        return reject(Rule::special_field_accessed, EACCES, "direct access to {} is disallowed",
                      field.name);
      }
    }
  }
  Walk walk = walk_to_leaf(*btf, reg.btf_type, off, size, !allocated);
  if (walk.kind == Walk::Kind::error) return reject(Rule::btf_access, EACCES, "{}", walk.message);
  Flags flags = walk.flags;
  if (walk.kind == Walk::Kind::pointer) {
    if (of == BtfOf::program) {
      // Pointers that a program keeps in its own objects are numbers when they come back.
      walk.kind = Walk::Kind::scalar;
    } else if ((reg.flags & kUntrusted) != 0) {
      flags = kUntrusted;
    } else if (is_trusted(reg) || (reg.flags & kRcu) != 0) {
      if (field_is_listed(reg, walk, "__safe_trusted")) {
        flags |= kTrusted;
      } else if (field_is_listed(reg, walk, "__safe_trusted_or_null")) {
        flags |= kTrusted | kMaybeNull;
      } else if (in_rcu_section()) {
        if (field_is_listed(reg, walk, "__safe_rcu")) {
          flags |= kRcu;
        } else if (const bool listed = field_is_listed(reg, walk, "__safe_rcu_or_null");
                   listed || (flags & kRcu) != 0) {
          flags |= kRcu | kMaybeNull;
          if (listed) flags &= static_cast<Flags>(~kUntrusted);
        } else if ((flags & (kPercpu | kUser)) == 0) {
          flags &= static_cast<Flags>(~(kTrustFlags | kRcu));
        }
      } else {
        flags = kUntrusted;
      }
    } else {
      flags &= static_cast<Flags>(~(kTrustFlags | kRcu));
    }
  }
  if (!writes) mark_walked(value, walk, of, flags);
  return true;
}

// The map's own struct, in the kernel.
bool Verifier::check_map_pointer_access(unsigned number, int32_t off, unsigned size, Access access,
                                        int value) {
  const RegState reg = regs()[number];
  const std::string_view name = map_struct(maps_[reg.map].map->type);
  const auto id = kernel_btf_ != nullptr && !name.empty() ? kernel_btf_->find(name, Kind::Struct)
                                                          : std::nullopt;
  if (!id) {
    return reject(Rule::not_a_pointer, EACCES, "R{} invalid mem access '{}'", number,
                  type_text(reg));
  }
  if (!allow_leaks_) {
    return reject(Rule::not_privileged, EPERM,
                  "'struct {}' access is allowed only to CAP_PERFMON and CAP_SYS_ADMIN", name);
  }
  if (off < 0) {
    return reject(Rule::btf_access, EACCES, "R{} is {} invalid negative access: off={}", number,
                  name, off);
  }
  if (access == Access::write)
    return reject(Rule::btf_access, EACCES, "only read from {} is supported", name);
  const Walk walk = walk_to_leaf(*kernel_btf_, *id, off, size, true);
  if (walk.kind == Walk::Kind::error) return reject(Rule::btf_access, EACCES, "{}", walk.message);
  aux_[insn_].probe = true;
  mark_walked(value, walk, BtfOf::attach, walk.flags);
  return true;
}

std::string_view Verifier::why_not_sleepable() const {
  if (cur_->rcu_locks != 0) return "rcu_read_lock region";
  if (cur_->active_preempt_locks != 0) return "non-preemptible region";
  if (cur_->active_irq_flags != 0) return "IRQ-disabled region";
  if (cur_->active_locks != 0) return "lock region";
  return "non-sleepable prog";
}

}  // namespace skep::verifier
