// Calls of helpers: the arguments (check_argument.cc), then what the call does to the state: memory
// written, references taken and given back, r0.
#include <algorithm>

#include "verifier/env.h"
#include "verifier/text.h"

namespace skep::verifier {

using namespace isa;
using spec::ArgKind;

namespace {

constexpr int64_t kMaxErrno = 4095;

bool writes_map(uint32_t id) {
  return id == spec::BPF_FUNC_map_delete_elem || id == spec::BPF_FUNC_map_update_elem ||
         id == spec::BPF_FUNC_map_push_elem || id == spec::BPF_FUNC_map_pop_elem;
}

// The code generators want to know the map of these.
bool remembers_map(uint32_t id) {
  switch (id) {
    case spec::BPF_FUNC_tail_call:
    case spec::BPF_FUNC_map_lookup_elem:
    case spec::BPF_FUNC_map_update_elem:
    case spec::BPF_FUNC_map_delete_elem:
    case spec::BPF_FUNC_map_push_elem:
    case spec::BPF_FUNC_map_pop_elem:
    case spec::BPF_FUNC_map_peek_elem:
    case spec::BPF_FUNC_for_each_map_elem:
    case spec::BPF_FUNC_redirect_map:
    case spec::BPF_FUNC_map_lookup_percpu_elem:
    case spec::BPF_FUNC_ringbuf_reserve:
    case spec::BPF_FUNC_ringbuf_output:
    case spec::BPF_FUNC_perf_event_output: return true;
    default: return false;
  }
}

bool casts_pointer(uint32_t id) {
  return id == spec::BPF_FUNC_tcp_sock || id == spec::BPF_FUNC_sk_fullsock ||
         id == spec::BPF_FUNC_skc_to_tcp_sock || id == spec::BPF_FUNC_skc_to_tcp6_sock ||
         id == spec::BPF_FUNC_skc_to_udp6_sock || id == spec::BPF_FUNC_skc_to_mptcp_sock ||
         id == spec::BPF_FUNC_skc_to_tcp_timewait_sock ||
         id == spec::BPF_FUNC_skc_to_tcp_request_sock;
}

}  // namespace

bool Verifier::needs_callback(const Insn& insn) const {
  if (const Kfunc* kfunc = known_kfunc(insn)) return kfunc->special == SpecialKfunc::rbtree_add;
  if (insn.opcode != (BPF_JMP | BPF_CALL) || insn.src != 0) return false;
  return insn.imm == spec::BPF_FUNC_loop || insn.imm == spec::BPF_FUNC_for_each_map_elem ||
         insn.imm == spec::BPF_FUNC_find_vma || insn.imm == spec::BPF_FUNC_user_ringbuf_drain;
}

// ---- the call

// Programs that may change a map of sockets: the others could deadlock with the socket's own locks.
static bool may_update_sockets(const Program& program, uint32_t helper, bool networking_may) {
  if (helper != spec::BPF_FUNC_map_update_elem && helper != spec::BPF_FUNC_map_delete_elem)
    return true;
  switch (program.type) {
    case ProgType::BPF_PROG_TYPE_TRACING:
      return program.expected_attach_type == AttachType::BPF_TRACE_ITER;
    case ProgType::BPF_PROG_TYPE_SOCK_OPS: return helper == spec::BPF_FUNC_map_delete_elem;
    case ProgType::BPF_PROG_TYPE_SOCKET_FILTER:
    case ProgType::BPF_PROG_TYPE_SCHED_CLS:
    case ProgType::BPF_PROG_TYPE_SCHED_ACT:
    case ProgType::BPF_PROG_TYPE_XDP:
    case ProgType::BPF_PROG_TYPE_FLOW_DISSECTOR: return networking_may;
    case ProgType::BPF_PROG_TYPE_SK_REUSEPORT:
    case ProgType::BPF_PROG_TYPE_SK_LOOKUP: return true;
    default: return false;
  }
}

bool Verifier::check_map_compatible(int32_t map_index, const spec::Helper& helper) {
  if (map_index < 0) return true;
  const MapDescriptor& map = *maps_[map_index].map;
  const bool sockets =
      map.type == MapType::BPF_MAP_TYPE_SOCKMAP || map.type == MapType::BPF_MAP_TYPE_SOCKHASH;
  if (sockets &&
      !may_update_sockets(program_, helper.id, profile_.version < kernel_version(7, 0))) {
    return reject(Rule::bad_map_for_helper, EINVAL, "cannot update sockmap in this context");
  }
  const bool by_row = helper.map_types == 0 || in_set(helper.map_types, map.type);
  // Told by a field of the value: its map has such fields, and so may.
  if (helper.arguments[0].kind == spec::ArgKind::timer ||
      helper.arguments[0].kind == spec::ArgKind::kptr_xchg_dest) {
    return true;
  }
  if (by_row && spec::map_helper_allowed(map.type, helper.id)) return true;
  return reject(Rule::bad_map_for_helper, EINVAL, "cannot pass map_type {} into func bpf_{}#{}",
                static_cast<uint32_t>(map.type), helper.name, helper.id);
}

bool Verifier::record_map(const CallMeta& meta) {
  const uint32_t id = meta.helper->id;
  if (meta.map < 0 || !remembers_map(id)) return true;
  if ((maps_[meta.map].map->map_flags & BPF_F_RDONLY_PROG) != 0 && writes_map(id)) {
    return reject(Rule::map_permission, EACCES, "write into map forbidden");
  }
  InsnAux& aux = aux_[insn_];
  // Only maps that the program names have an index in its table.
  const bool named = static_cast<size_t>(meta.map) < program_.maps.size();
  if (!named || (aux.map >= 0 && aux.map != meta.map)) aux.map_conflict = true;
  if (aux.map_conflict && id == spec::BPF_FUNC_tail_call && !allow_leaks_) {
    return reject(Rule::tail_call, EINVAL, "tail_call abusing map_ptr");
  }
  if (aux.map < 0) aux.map = meta.map;
  return true;
}

bool Verifier::record_key(const CallMeta& meta) {
  InsnAux& aux = aux_[insn_];
  bool known = meta.constant_key;
  uint32_t key = meta.key;
  if (meta.helper->id == spec::BPF_FUNC_tail_call) {
    const RegState& index = regs()[3];
    known = index.is_constant() && meta.map >= 0 &&
            index.number.constant() < maps_[meta.map].map->max_entries;
    key = static_cast<uint32_t>(index.number.constant());
    if (known) mark_precise(3);
  } else if (meta.helper->id != spec::BPF_FUNC_map_lookup_elem) {
    return true;
  }
  if (!known || (aux.key_seen && aux.key != key)) aux.key_unknown = true;
  aux.key_seen = true;
  aux.key = key;
  return true;
}

void Verifier::refine_helper_result(const spec::Helper& helper, CallMeta& meta) {
  RegState& r0 = regs()[0];
  if (!r0.is_scalar()) return;
  switch (helper.id) {
    case spec::BPF_FUNC_get_stack:
    case spec::BPF_FUNC_get_task_stack:
    case spec::BPF_FUNC_probe_read_str:
    case spec::BPF_FUNC_probe_read_kernel_str:
    case spec::BPF_FUNC_probe_read_user_str:
      if (meta.size_max <= static_cast<uint64_t>(std::numeric_limits<int32_t>::max())) {
        r0.number = scalar_signed_range(-kMaxErrno, static_cast<int64_t>(meta.size_max));
        r0.number.s32_min = -kMaxErrno;
        r0.number.s32_max = static_cast<int32_t>(meta.size_max);
        if (!sync_bounds(r0.number)) r0.number = Scalar{};
      }
      break;
    case spec::BPF_FUNC_get_smp_processor_id:
      r0.number = scalar_unsigned_range(0, kMaxCpus - 1);
      if (!sync_bounds(r0.number)) r0.number = Scalar{};
      break;
    default: break;
  }
}

// bpf_per_cpu_ptr, bpf_this_cpu_ptr: a kernel variable, or an object of bpf_percpu_obj_new.
bool Verifier::set_percpu_result(Flags flags, const CallMeta& meta) {
  RegState& r0 = regs()[0];
  const btf::Btf* btf = btf_of(meta.percpu_btf);
  if (btf == nullptr) return reject(Rule::internal, EFAULT, "typed pointer without BTF");
  const btf::Type type = btf->resolve(meta.return_btf);
  if (!type.is_composite()) {
    const auto size = btf->size_of(type.id());
    if (!size) {
      return reject(Rule::bad_argument_type, EINVAL, "unable to resolve the size of type '{}': {}",
                    type.name(), -EINVAL);
    }
    mark_pointer(r0, Base::mem, flags);
    r0.mem_size = *size;
  } else {
    const bool object = meta.percpu_btf == BtfOf::program;
    flags = object ? Flags{kAlloc | kRcu} : static_cast<Flags>(flags & ~kRdonly);
    mark_pointer(r0, Base::btf_id, flags);
    r0.btf_type = type.id();
    r0.map_uid = static_cast<uint32_t>(meta.percpu_btf);
  }
  if (r0.maybe_null()) r0.id = ++next_id_;
  return true;
}

bool Verifier::check_tail_call() { return check_resources_at_exit("tail_call"); }

bool Verifier::set_helper_result(const Insn&, const spec::Helper& helper, CallMeta& meta) {
  RegState& r0 = regs()[0];
  Flags flags = 0;
  if ((helper.return_flags & spec::kMaybeNull) != 0) flags |= kMaybeNull;
  if ((helper.return_flags & spec::kRingbufMem) != 0) flags |= kRingbuf;
  if ((helper.return_flags & spec::kReadOnly) != 0) flags |= kRdonly;
  const auto unsupported = [&] {
    return reject(Rule::not_supported_here, EINVAL,
                  "func bpf_{}#{} is not supported by this verifier yet", helper.name, helper.id);
  };
  switch (helper.returns) {
    case spec::ReturnKind::integer: mark_unknown(r0); break;
    case spec::ReturnKind::nothing: mark_not_init(r0); break;
    case spec::ReturnKind::map_value: {
      if (meta.map < 0)
        return reject(Rule::internal, EINVAL, "kernel subsystem misconfigured verifier");
      const MapInfo& info = maps_[meta.map];
      const bool in_range = meta.constant_key && meta.key < info.map->max_entries &&
                            helper.id == spec::BPF_FUNC_map_lookup_elem;
      if (in_range) flags &= static_cast<Flags>(~kMaybeNull);
      mark_pointer(r0, Base::map_value, flags);
      r0.map = static_cast<uint32_t>(meta.map);
      r0.map_uid = meta.map_uid;
      if ((flags & kMaybeNull) != 0 || info.has_lock()) r0.id = ++next_id_;
      refine_map_value(r0);
      break;
    }
    case spec::ReturnKind::socket: mark_pointer(r0, Base::socket, flags); break;
    case spec::ReturnKind::sock_common: mark_pointer(r0, Base::sock_common, flags); break;
    case spec::ReturnKind::tcp_sock: mark_pointer(r0, Base::tcp_sock, flags); break;
    case spec::ReturnKind::mem:
      mark_pointer(r0, Base::mem, flags);
      r0.mem_size = meta.mem_size;
      if (helper.id == spec::BPF_FUNC_dynptr_data) {
        r0.dynptr_id = meta.dynptr_id;
        r0.ref_id = meta.dynptr_ref;
      }
      break;
    case spec::ReturnKind::btf_id: {
      if (meta.kptr != nullptr) {
        if (meta.kptr->of == BtfOf::program) {
          flags |= kAlloc;
          if (meta.kptr->kind == SpecialField::Kind::kptr_percpu) flags |= kPercpu;
        }
        mark_pointer(r0, Base::btf_id, flags);
        r0.btf_type = meta.kptr->type;
        r0.map_uid = static_cast<uint32_t>(meta.kptr->of);
        break;
      }
      // The struct's name, in the BTF that the program is attached through.
      if (kernel_btf_ == nullptr) return unsupported();
      const auto id = kernel_btf_->find(helper.return_btf_type, btf::Kind::Struct);
      if (!id) return unsupported();
      if ((helper.return_flags & spec::kTrusted) != 0) flags |= kTrusted;
      mark_pointer(r0, Base::btf_id, flags);
      r0.btf_type = *id;
      r0.map_uid = static_cast<uint32_t>(BtfOf::attach);
      break;
    }
    case spec::ReturnKind::mem_or_btf_id: return set_percpu_result(flags, meta);
  }
  if (r0.maybe_null() && r0.id == 0) r0.id = ++next_id_;
  const MapType map_type = meta.map >= 0 ? maps_[meta.map].map->type : MapType::BPF_MAP_TYPE_UNSPEC;
  const bool acquires =
      helper.acquires ||
      (helper.id == spec::BPF_FUNC_map_lookup_elem &&
       (map_type == MapType::BPF_MAP_TYPE_SOCKMAP || map_type == MapType::BPF_MAP_TYPE_SOCKHASH));
  if (casts_pointer(helper.id)) {
    r0.ref_id = meta.ref_id;
  } else if (acquires) {
    const uint32_t id = acquire_reference(insn_);
    r0.id = r0.ref_id = id;
  }
  return true;
}

bool Verifier::check_helper_call(const Insn& insn) {
  const auto id = static_cast<uint32_t>(insn.imm);
  const spec::Helper* any = insn.imm > 0 ? spec::find_helper(id) : nullptr;
  if (any == nullptr) {
    // The loader leaves this where a CO-RE relocation found nothing.
    for (const CoreFailure& failure : program_.core_failures) {
      if (failure.insn_off != insn_) continue;
      explain("CO-RE: {}", failure.text);
      note("<invalid CO-RE relocation>\nfailed to resolve CO-RE relocation {}\n", failure.text);
    }
    return reject(Rule::unknown_helper, EINVAL, "invalid func {}#{}", "unknown", insn.imm);
  }
  const spec::Helper* found = spec::find_helper(id, program_.type);
  if (found != nullptr && found->attach_types != 0 &&
      !in_set(found->attach_types, program_.expected_attach_type)) {
    found = nullptr;
  }
  // Some programs of a type have fewer: sockets that are let go take no options, and of iterators only those over
  // sockets do.
  if (found != nullptr && (id == spec::BPF_FUNC_setsockopt || id == spec::BPF_FUNC_getsockopt)) {
    const bool released = struct_ops_name_ == "tcp_congestion_ops" && attach_name_ == "release";
    const bool iterates = program_.type == ProgType::BPF_PROG_TYPE_TRACING;
    const bool sockets = attach_name_ == "bpf_iter_tcp" || attach_name_ == "bpf_iter_unix";
    if (released || (iterates && !sockets)) found = nullptr;
  }
  if (found != nullptr && found->since > profile_.version) {
    return reject(Rule::feature_not_in_kernel, EINVAL, "invalid func bpf_{}#{}", found->name, id);
  }
  if (found == nullptr) {
    explain("This is a {} program.", prog_type_->short_name);
    return reject(Rule::helper_not_allowed, EINVAL,
                  "program of this type cannot use helper bpf_{}#{}", any->name, id);
  }
  const spec::Helper& helper = *found;
  if (helper.gpl_only && !gpl_) {
    return reject(Rule::gpl_only_helper, EINVAL,
                  "cannot call GPL-restricted function from non-GPL compatible program");
  }
  if (helper.might_sleep && in_rcu_section()) {
    if (profile_.version >= kernel_version(7, 0)) {
      return reject(Rule::sleepable_helper, EINVAL, "sleepable helper bpf_{}#{} in {}", helper.name,
                    id, why_not_sleepable());
    }
    if (!cur_->sleepable) {
      return reject(Rule::sleepable_helper, EINVAL,
                    "helper call might sleep in a non-sleepable prog");
    }
    return reject(Rule::sleepable_helper, EINVAL, "sleepable helper bpf_{}#{} within {}",
                  helper.name, id, why_not_sleepable());
  }
  if (cur_->active_locks != 0 && id != spec::BPF_FUNC_spin_unlock &&
      id != spec::BPF_FUNC_spin_lock && id != spec::BPF_FUNC_kptr_xchg) {
    return reject(Rule::lock_held, EINVAL, "function calls are not allowed while holding a lock");
  }
  if (id == spec::BPF_FUNC_d_path && !may_use_d_path()) {
    return reject(Rule::helper_not_allowed, EINVAL, "helper call is not allowed in probe");
  }
  // In a sleepable program these may read pages in.
  const bool reads_in = (id == spec::BPF_FUNC_get_stack || id == spec::BPF_FUNC_get_task_stack) &&
                        (program_.flags & kSleepableFlag) != 0 &&
                        profile_.version >= kernel_version(6, 12);
  if (reads_in && in_rcu_section()) {
    return reject(Rule::sleepable_helper, EINVAL, "sleepable helper bpf_{}#{} in {}", helper.name,
                  id, why_not_sleepable());
  }
  CallMeta meta;
  meta.helper = &helper;
  meta.packet_access = helper.packet_access;
  for (unsigned i = 0; i < 5; ++i) {
    const spec::Argument& argument = helper.arguments[i];
    if (argument.kind == ArgKind::none) break;
    if (!check_argument(i + 1, argument, helper, meta)) return false;
  }
  if (!check_map_compatible(meta.map, helper) || !record_map(meta) || !record_key(meta))
    return false;

  // Memory that was to be filled is filled. All or nothing of a slot is overwritten, whatever was there.
  if (meta.access_size > 0) {
    const RegState memory = regs()[meta.register_number];
    const int first = memory.off + static_cast<int>(memory.number.constant());
    if (!fill_stack(frame_of(memory), first, meta.access_size)) return false;
  }
  if (meta.release_dynptr) {
    if (!release_dynptr(static_cast<unsigned>(meta.release_register))) return false;
  } else if (meta.release_register != 0) {
    const RegState& reg = regs()[meta.release_register];
    const bool shared = id == spec::BPF_FUNC_kptr_xchg && in_rcu_section() &&
                        (reg.flags & kAlloc) != 0 && (reg.flags & kPercpu) != 0;
    bool ok = reg.is_null();
    if (!ok && shared) {
      ok = share_by_rcu(reg.ref_id);
    } else if (!ok) {
      ok = reg.ref_id != 0 && release_reference(reg.ref_id);
    }
    if (!ok) {
      return reject(Rule::reference_not_owned, EINVAL,
                    "func bpf_{}#{} reference has not been acquired before", helper.name, id);
    }
  }
  switch (id) {
    case spec::BPF_FUNC_tail_call:
      if (!check_tail_call()) return false;
      break;
    case spec::BPF_FUNC_get_local_storage:
      mark_precise(2);
      if (!regs()[2].is_null()) {
        return reject(Rule::constant_argument_needed, EINVAL,
                      "get_local_storage() doesn't support non-zero flags");
      }
      break;
    case spec::BPF_FUNC_loop:
      // How often it goes round is what the walk relies on.
      mark_precise(1);
      if (frame().callback_depth < regs()[1].number.umax) {
        if (!push_callback(CallbackOf::loop, meta)) return false;
      } else {
        frame().callback_depth = 0;
        if (logging_all()) log("frame{} bpf_loop iteration limit reached\n", frame().frame);
      }
      break;
    case spec::BPF_FUNC_for_each_map_elem:
      if (!push_callback(CallbackOf::map_element, meta)) return false;
      break;
    case spec::BPF_FUNC_find_vma:
      if (!push_callback(CallbackOf::find_vma, meta)) return false;
      break;
    case spec::BPF_FUNC_user_ringbuf_drain:
      if (!push_callback(CallbackOf::user_ringbuf, meta)) return false;
      break;
    case spec::BPF_FUNC_timer_set_callback:
      if (!push_async_callback(CallbackOf::timer, meta, false)) return false;
      break;
    case spec::BPF_FUNC_set_retval: {
      const RegState& value = regs()[1];
      if (!value.is_scalar()) return reject(Rule::bad_argument_type, EINVAL, "R1 is not a scalar");
      if (profile_.version < kernel_version(7, 0) ||
          program_.expected_attach_type == AttachType::BPF_CGROUP_GETSOCKOPT) {
        break;
      }
      if (program_.type == ProgType::BPF_PROG_TYPE_LSM && attach_proto_ != 0 &&
          kernel_btf_->type(attach_proto_).referenced() == 0) {
        return reject(Rule::bad_argument_type, EINVAL,
                      "BPF_LSM_CGROUP that attach to void LSM hooks can't modify return value!");
      }
      mark_precise(1);
      if ((value.number.s32_min < -kMaxErrno || value.number.s32_max > 0) &&
          !check_range(value, -kMaxErrno, 0, "At bpf_set_retval the register R1")) {
        return false;
      }
      break;
    }
    case spec::BPF_FUNC_dynptr_from_mem:
      if (!regs()[1].has_type(Base::map_value, 0)) {
        return reject(Rule::bad_argument_type, EACCES,
                      "Unsupported reg type {} for bpf_dynptr_from_mem data", type_text(regs()[1]));
      }
      break;
    default:
      if (helper.has_callback()) {
        return reject(Rule::not_supported_here, EINVAL,
                      "func bpf_{}#{} is not supported by this verifier yet", helper.name, id);
      }
      break;
  }
  clear_caller_saved();
  if (!set_helper_result(insn, helper, meta)) return false;
  refine_helper_result(helper, meta);
  const bool direct_tail_call = id == spec::BPF_FUNC_tail_call && cur_->current == 0;
  const bool writes_packet =
      id == spec::BPF_FUNC_dynptr_write &&
      (meta.dynptr == DynptrKind::skb || meta.dynptr == DynptrKind::skb_meta);
  const bool changes = helper.changes_packet && !(direct_tail_call && profile_.tail_call_returns);
  if (changes || writes_packet) invalidate_packet_pointers(*cur_);
  return true;
}

// In a subprogram: the called program may return to the caller, with any number.
Step Verifier::finish_tail_call() {
  if (frame().in_callback) {
    reject(Rule::tail_call, EINVAL, "cannot tail call within callback");
    return Step::failed;
  }
  if (push_branch(insn_ + 1, insn_) == nullptr) return Step::failed;
  mark_unknown(0u);
  scratch(0);
  return leave_function() ? Step::jumped : Step::failed;
}

Step Verifier::check_call(const Insn& insn) {
  if (insn.src == BPF_PSEUDO_CALL) return check_function_call(insn);
  if (insn.src == BPF_PSEUDO_KFUNC_CALL) return check_kfunc_call(insn);
  if (!check_helper_call(insn)) return Step::failed;
  if (insn.imm == spec::BPF_FUNC_tail_call && cur_->current != 0 && profile_.tail_call_returns)
    return finish_tail_call();
  return Step::next;
}

}  // namespace skep::verifier
