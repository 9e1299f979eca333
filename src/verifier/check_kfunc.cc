// Calls of kernel functions: whether this program may make it here, its arguments (kfunc_args.cc), what it does to
// references and regions, and what it returns.
#include <algorithm>

#include "verifier/env.h"
#include "verifier/text.h"

namespace skep::verifier {

using btf::Kind;

namespace {

constexpr int32_t kMaxErrno = 4095;
constexpr uint32_t kMaxPercpuObject = 512;

bool locks_resource(SpecialKfunc special) {
  return special == SpecialKfunc::res_spin_lock || special == SpecialKfunc::res_spin_lock_irqsave;
}
bool unlocks_or_locks_resource(SpecialKfunc special) {
  return locks_resource(special) || special == SpecialKfunc::res_spin_unlock ||
         special == SpecialKfunc::res_spin_unlock_irqrestore;
}
bool uses_graph(SpecialKfunc special) {
  return special == SpecialKfunc::list_push || special == SpecialKfunc::list_other ||
         special == SpecialKfunc::rbtree_add || special == SpecialKfunc::rbtree_other;
}

// What may be called while a lock is held.
bool allowed_with_lock(const Kfunc& kfunc) {
  if (kfunc.has(spec::kKfuncSpinLockSafe) || uses_graph(kfunc.special) ||
      unlocks_or_locks_resource(kfunc.special)) {
    return true;
  }
  switch (kfunc.special) {
    case SpecialKfunc::refcount_acquire:
    case SpecialKfunc::rcu_read_lock:
    case SpecialKfunc::rcu_read_unlock: return false;
    default:
      return kfunc.name == "bpf_iter_num_new" || kfunc.name == "bpf_iter_num_next" ||
             kfunc.name == "bpf_iter_num_destroy";
  }
}

bool is_tracing(ProgType type) {
  switch (type) {
    case ProgType::BPF_PROG_TYPE_KPROBE:
    case ProgType::BPF_PROG_TYPE_TRACEPOINT:
    case ProgType::BPF_PROG_TYPE_PERF_EVENT:
    case ProgType::BPF_PROG_TYPE_RAW_TRACEPOINT:
    case ProgType::BPF_PROG_TYPE_RAW_TRACEPOINT_WRITABLE: return true;
    default: return false;
  }
}

}  // namespace

const Kfunc* Verifier::kfunc_of(const Insn& insn) {
  const Kfunc* kfunc = known_kfunc(insn);
  if (kfunc == nullptr) {
    reject(Rule::bad_kfunc, EINVAL, "invalid kernel function btf_id {}", insn.imm);
    return nullptr;
  }
  const spec::Kfunc* row = kfunc->row;
  // Before 7.0 raw tracepoints were given only what every type is.
  const bool plain_raw_tp = program_.type == ProgType::BPF_PROG_TYPE_RAW_TRACEPOINT &&
                            profile_.version < kernel_version(7, 0);
  const bool allowed =
      row != nullptr && (!plain_raw_tp || row->prog_types == ~ProgTypeSet{0}) &&
      in_set(row->prog_types, program_.type) &&
      (row->attach_types == 0 || in_set(row->attach_types, program_.expected_attach_type));
  if (!allowed) {
    if (row == nullptr) explain("The verifier's tables have no such kfunc.");
    reject(Rule::bad_kfunc, EACCES, "calling kernel function {} is not allowed", kfunc->name);
    return nullptr;
  }
  return kfunc;
}

// Regions that the call enters or leaves, and those that it may not be made in.
bool Verifier::enter_kfunc_region(const KfuncMeta& meta) {
  const Kfunc& kfunc = *meta.kfunc;
  switch (kfunc.special) {
    case SpecialKfunc::rcu_read_lock: ++cur_->rcu_locks; break;
    case SpecialKfunc::rcu_read_unlock:
      if (cur_->rcu_locks == 0) {
        return reject(Rule::region_not_left, EINVAL,
                      "unmatched rcu read unlock (kernel function {})", kfunc.name);
      }
      --cur_->rcu_locks;
      if (!in_rcu_section()) invalidate_rcu_protected();
      break;
    case SpecialKfunc::preempt_disable: ++cur_->active_preempt_locks; break;
    case SpecialKfunc::preempt_enable:
      if (cur_->active_preempt_locks == 0) {
        return reject(Rule::region_not_left, EINVAL,
                      "unmatched attempt to enable preemption (kernel function {})", kfunc.name);
      }
      --cur_->active_preempt_locks;
      if (!in_rcu_section()) invalidate_rcu_protected();
      break;
    default: break;
  }
  if (kfunc.has(spec::kKfuncSleepable) && in_rcu_section()) {
    return reject(Rule::sleepable_helper, EACCES, "kernel func {} is sleepable within {}",
                  kfunc.name, why_not_sleepable());
  }
  if (in_less_callback() && (kfunc.special == SpecialKfunc::rcu_read_lock ||
                             kfunc.special == SpecialKfunc::rcu_read_unlock)) {
    return reject(Rule::lock_held, EACCES,
                  "Calling bpf_rcu_read_{{lock,unlock}} in unnecessary rbtree callback");
  }
  if (kfunc.has(spec::kKfuncRcuProtected) && !in_rcu_section()) {
    return reject(Rule::bad_kfunc, EACCES,
                  "kernel func {} requires RCU critical section protection", kfunc.name);
  }
  return true;
}

// Results that are not what the prototype says. done: it was one.
bool Verifier::set_special_kfunc_result(KfuncMeta& meta, bool& done) {
  RegState& r0 = regs()[0];
  const Kfunc& kfunc = *meta.kfunc;
  done = true;
  const auto typed = [&](Flags flags, BtfOf of, uint32_t type) {
    mark_pointer(r0, Base::btf_id, flags);
    r0.map_uid = static_cast<uint32_t>(of);
    r0.btf_type = type;
  };
  switch (kfunc.special) {
    case SpecialKfunc::obj_new:
    case SpecialKfunc::percpu_obj_new: {
      const bool percpu = kfunc.special == SpecialKfunc::percpu_obj_new;
      if (meta.constant > 0xffff'ffffu) {
        return reject(Rule::bad_kfunc, EINVAL,
                      "local type ID argument must be in range [0, U32_MAX]");
      }
      if (program_.btf == nullptr) {
        return reject(Rule::bad_kfunc, EINVAL, "bpf_obj_new/bpf_percpu_obj_new requires prog BTF");
      }
      const auto id = static_cast<uint32_t>(meta.constant);
      const btf::Type type = program_.btf->type(id);
      if (type.kind() != Kind::Struct) {
        return reject(Rule::bad_kfunc, EINVAL,
                      "bpf_obj_new/bpf_percpu_obj_new type ID argument must be of a struct");
      }
      const Record& record = object_record(id);
      if (percpu) {
        if (type.size() > kMaxPercpuObject) {
          return reject(Rule::bad_kfunc, EINVAL,
                        "bpf_percpu_obj_new type size ({}) is greater than {}", type.size(),
                        kMaxPercpuObject);
        }
        if (!is_plain_struct(*program_.btf, type)) {
          return reject(Rule::bad_kfunc, EINVAL,
                        "bpf_percpu_obj_new type ID argument must be of a struct of scalars");
        }
        if (!record.fields.empty()) {
          return reject(Rule::bad_kfunc, EINVAL,
                        "bpf_percpu_obj_new type ID argument must not contain special fields");
        }
      }
      if (!record.problem.empty()) {
        return reject(Rule::bad_kfunc, EINVAL, "struct {}: {}", type.name(), record.problem);
      }
      if (const VerifiedProgram::MadeType made{id, percpu};
          std::ranges::find(made_types_, made) == made_types_.end())
        made_types_.push_back(made);
      typed(percpu ? kAlloc | kPercpu : kAlloc, BtfOf::program, id);
      return true;
    }
    case SpecialKfunc::refcount_acquire:
      typed(kAlloc, meta.argument_btf, meta.argument_type);
      return true;
    case SpecialKfunc::cast_to_kern_ctx:
      typed(kTrusted, BtfOf::attach, meta.kernel_context);
      return true;
    case SpecialKfunc::rdonly_cast: {
      const auto id = static_cast<uint32_t>(meta.constant);
      const btf::Type type = kernel_btf_->type(id);
      if (meta.constant >= kernel_btf_->type_end()) {
        return reject(Rule::bad_kfunc, EINVAL, "Unknown type ID {} passed to kfunc bpf_rdonly_cast",
                      meta.constant);
      }
      if (type.is_composite()) {
        typed(kUntrusted, BtfOf::attach, id);
      } else if (id == 0) {
        mark_pointer(r0, Base::mem, kRdonly | kUntrusted);
      } else {
        return reject(Rule::bad_kfunc, EINVAL,
                      "kfunc bpf_rdonly_cast type ID argument must be of a struct or void");
      }
      return true;
    }
    case SpecialKfunc::dynptr_slice:
    case SpecialKfunc::dynptr_slice_rdwr: {
      Flags flags = 0;
      if (meta.dynptr == DynptrKind::skb || meta.dynptr == DynptrKind::xdp ||
          meta.dynptr == DynptrKind::skb_meta) {
        flags |= kPacketSlice;
      }
      if (kfunc.special == SpecialKfunc::dynptr_slice) {
        flags |= kRdonly;
      } else if (!may_access_packet(Access::write, nullptr)) {
        return reject(Rule::packet_not_writable, EINVAL,
                      "the prog does not allow writes to packet data");
      }
      mark_pointer(r0, Base::mem, flags);
      r0.mem_size = static_cast<uint32_t>(meta.constant);
      r0.dynptr_id = meta.dynptr_id;
      r0.ref_id = meta.dynptr_ref;
      return true;
    }
    default: break;
  }
  const btf::Type result = kernel_btf_->resolve(kfunc.result);
  const std::string_view name = kernel_btf_->resolve(result.referenced()).name();
  if (meta.root != nullptr && (name == "bpf_list_node" || name == "bpf_rb_node")) {
    mark_graph_node(r0, *meta.root);
    return true;
  }
  done = false;
  return true;
}

bool Verifier::set_kfunc_result(KfuncMeta& meta) {
  RegState& r0 = regs()[0];
  const Kfunc& kfunc = *meta.kfunc;
  const btf::Btf& btf = *kernel_btf_;
  const btf::Type result = btf.resolve(kfunc.result);
  if (kfunc.result == 0) return true;
  if (result.kind() != Kind::Ptr) {
    mark_unknown(r0);
    if (locks_resource(kfunc.special)) mark_constant(r0, 0);
    return true;
  }
  const btf::Type target = btf.resolve(result.referenced());
  bool special = false;
  if (!set_special_kfunc_result(meta, special)) return false;
  if (kfunc.has(spec::kKfuncArenaReturn)) {
    mark_unknown(r0);
    return true;
  }
  if (special) {
  } else if (target.kind() == Kind::Void) {
    mark_unknown(r0);
    return true;
  } else if (!target.is_composite()) {
    bool readonly = meta.memory_readonly;
    if (!meta.memory_known) {
      const auto size = btf.size_of(target.id());
      if (!size) {
        return reject(Rule::bad_kfunc, EINVAL,
                      "kernel function {} returns pointer type {} {} is not supported", kfunc.name,
                      btf::kind_name(target.kind()), target.name());
      }
      meta.mem_size = *size;
      readonly = kfunc.special != SpecialKfunc::session;
    }
    mark_pointer(r0, Base::mem, readonly ? kRdonly : Flags{0});
    r0.mem_size = meta.mem_size;
    r0.ref_id = meta.ref_id;
    if (kfunc.has(spec::kKfuncRcuProtected)) r0.flags |= kRcu;
  } else {
    Flags flags = kTrusted;
    if (kfunc.special == SpecialKfunc::get_kmem_cache) {
      flags = kUntrusted;
    } else if (kfunc.has(spec::kKfuncRcuProtected)) {
      flags = kRcu;
    } else if (kfunc.has(spec::kKfuncIterNext)) {
      const RegState& state = cur_->frames[meta.iterator_frame]->stack[meta.iterator_slot].spilled;
      if ((state.flags & kRcu) != 0) flags = kRcu;
    }
    mark_pointer(r0, Base::btf_id, flags);
    r0.map_uid = static_cast<uint32_t>(BtfOf::attach);
    r0.btf_type = target.id();
  }
  const bool never_null = kfunc.special == SpecialKfunc::refcount_acquire && meta.owning;
  if (kfunc.has(spec::kKfuncReturnsNull) && !never_null) {
    r0.flags |= kMaybeNull;
    r0.id = ++next_id_;
  }
  if (kfunc.has(spec::kKfuncAcquire)) {
    r0.ref_id = acquire_reference(insn_);
    r0.id = r0.ref_id;
  } else if (meta.root != nullptr &&
             (target.name() == "bpf_list_node" || target.name() == "bpf_rb_node")) {
    set_non_owning(r0);
  }
  const Record* record = record_of(r0);
  if (record != nullptr && record->has_lock() && r0.id == 0) r0.id = ++next_id_;
  return true;
}

Step Verifier::check_kfunc_call(const Insn& insn) {
  const auto next_if = [](bool ok) { return ok ? Step::next : Step::failed; };
  if (insn.imm == 0 && insn.off == 0) {
    return next_if(reject(Rule::bad_kfunc, EINVAL, "invalid kernel function call"));
  }
  const Kfunc* found = kfunc_of(insn);
  if (found == nullptr) return Step::failed;
  const Kfunc& kfunc = *found;
  if (cur_->active_locks != 0 && !allowed_with_lock(kfunc)) {
    return next_if(
        reject(Rule::lock_held, EINVAL, "function calls are not allowed while holding a lock"));
  }
  if (locks_resource(kfunc.special)) {
    // It may fail, and then nothing was locked.
    VerifierState* failed = push_branch(insn_ + 1, insn_);
    if (failed == nullptr) return Step::failed;
    RegState* other = failed->frame().regs.data();
    for (unsigned r = 0; r <= 5; ++r) mark_not_init(other[r]);
    mark_unknown(other[0]);
    other[0].number = scalar_signed_range(-kMaxErrno, -1);
    other[0].number.s32_min = -kMaxErrno;
    other[0].number.s32_max = -1;
    if (!sync_bounds(other[0].number)) other[0].number = Scalar{};
  }
  if (kfunc.special == SpecialKfunc::trap) {
    return next_if(
        reject(Rule::bad_kfunc, EFAULT, "unexpected __bpf_trap() due to uninitialized variable?"));
  }
  if (kfunc.has(spec::kKfuncPerfmon) && !allow_leaks_) {
    return next_if(reject(Rule::not_privileged, EPERM,
                          "{} is allowed only to CAP_PERFMON and CAP_SYS_ADMIN", kfunc.name));
  }
  if (kfunc.has(spec::kKfuncSleepable) && !cur_->sleepable) {
    return next_if(reject(Rule::sleepable_helper, EACCES,
                          "program must be sleepable to call sleepable kfunc {}", kfunc.name));
  }
  KfuncMeta meta;
  meta.kfunc = &kfunc;
  if (!check_kfunc_arguments(meta)) return Step::failed;

  const bool drops =
      kfunc.special == SpecialKfunc::obj_drop || kfunc.special == SpecialKfunc::percpu_obj_drop;
  if (drops && meta.argument_btf == BtfOf::program) {
    const bool unsafe_here =
        is_tracing(program_.type) || (program_.type == ProgType::BPF_PROG_TYPE_TRACING &&
                                      program_.expected_attach_type != AttachType::BPF_TRACE_ITER &&
                                      (program_.flags & kSleepableFlag) == 0);
    for (const SpecialField& field : object_record(meta.argument_type).fields) {
      // Freeing these takes locks that an NMI may hold.
      const bool unsafe = field.is_root() || field.kind == SpecialField::Kind::kptr ||
                          field.kind == SpecialField::Kind::kptr_percpu;
      if (unsafe_here && unsafe) {
        return next_if(reject(
            Rule::bad_kfunc, EINVAL,
            "{} cannot be used in tracing programs on types with NMI unsafe fields", kfunc.name));
      }
    }
  }
  switch (kfunc.special) {
    case SpecialKfunc::rbtree_add:
      if (!push_callback(CallbackOf::less, meta)) return Step::failed;
      break;
    case SpecialKfunc::wq_set_callback:
      if (!push_async_callback(CallbackOf::timer, meta, true)) return Step::failed;
      break;
    case SpecialKfunc::task_work_schedule:
      if (!push_async_callback(CallbackOf::task_work, meta, true)) return Step::failed;
      break;
    default: break;
  }
  if (!enter_kfunc_region(meta)) return Step::failed;
  if (meta.release_dynptr) {
    if (!release_dynptr(static_cast<unsigned>(meta.release_register))) return Step::failed;
  } else if (meta.release_register != 0) {
    const RegState& reg = regs()[meta.release_register];
    if (!reg.is_null() && !release_reference(reg.ref_id)) {
      return next_if(reject(Rule::reference_not_owned, EINVAL,
                            "kfunc {}#{} reference has not been acquired before", kfunc.name,
                            kfunc.id));
    }
  }
  if (kfunc.special == SpecialKfunc::list_push || kfunc.special == SpecialKfunc::rbtree_add) {
    constexpr unsigned kNewNode = 2;  // the second argument of all of them
    give_to_graph(regs()[kNewNode].ref_id);
  }
  if (kfunc.special == SpecialKfunc::throw_) {
    if (!check_throw()) return Step::failed;
    return leave_path();
  }
  clear_caller_saved();
  if (!set_kfunc_result(meta)) return Step::failed;
  if (kfunc.special == SpecialKfunc::xdp_pull_data) invalidate_packet_pointers(*cur_);
  if (kfunc.has(spec::kKfuncIterNext) && !step_iterator(meta)) return Step::failed;
  return Step::next;
}

}  // namespace skep::verifier
