// Kernel functions: from BTF and the tables to what the verifier asks of their arguments (kfunc.h).
#include "verifier/kfunc.h"

#include <algorithm>

#include "verifier/env.h"

namespace skep::verifier {

using btf::Kind;

namespace {

struct NamedSpecial {
  std::string_view name;
  SpecialKfunc special;
};
constexpr NamedSpecial kSpecials[] = {
    {"__bpf_trap", SpecialKfunc::trap},
    {"bpf_cast_to_kern_ctx", SpecialKfunc::cast_to_kern_ctx},
    {"bpf_dynptr_clone", SpecialKfunc::dynptr_clone},
    {"bpf_dynptr_file_discard", SpecialKfunc::dynptr_file_discard},
    {"bpf_dynptr_from_file", SpecialKfunc::dynptr_from_file},
    {"bpf_dynptr_from_skb", SpecialKfunc::dynptr_from_skb},
    {"bpf_dynptr_from_skb_meta", SpecialKfunc::dynptr_from_skb_meta},
    {"bpf_dynptr_from_xdp", SpecialKfunc::dynptr_from_xdp},
    {"bpf_dynptr_slice", SpecialKfunc::dynptr_slice},
    {"bpf_dynptr_slice_rdwr", SpecialKfunc::dynptr_slice_rdwr},
    {"bpf_get_kmem_cache", SpecialKfunc::get_kmem_cache},
    {"bpf_iter_css_task_new", SpecialKfunc::iter_css_task_new},
    {"bpf_list_add", SpecialKfunc::list_push},
    {"bpf_list_back", SpecialKfunc::list_other},
    {"bpf_list_del", SpecialKfunc::list_other},
    {"bpf_list_empty", SpecialKfunc::list_other},
    {"bpf_list_front", SpecialKfunc::list_other},
    {"bpf_list_is_first", SpecialKfunc::list_other},
    {"bpf_list_is_last", SpecialKfunc::list_other},
    {"bpf_list_pop_back", SpecialKfunc::list_other},
    {"bpf_list_pop_front", SpecialKfunc::list_other},
    {"bpf_list_push_back", SpecialKfunc::list_push},
    {"bpf_list_push_back_impl", SpecialKfunc::list_push},
    {"bpf_list_push_front", SpecialKfunc::list_push},
    {"bpf_list_push_front_impl", SpecialKfunc::list_push},
    {"bpf_local_irq_restore", SpecialKfunc::irq_restore},
    {"bpf_local_irq_save", SpecialKfunc::irq_save},
    {"bpf_obj_drop", SpecialKfunc::obj_drop},
    {"bpf_obj_drop_impl", SpecialKfunc::obj_drop},
    {"bpf_obj_new", SpecialKfunc::obj_new},
    {"bpf_obj_new_impl", SpecialKfunc::obj_new},
    {"bpf_percpu_obj_drop", SpecialKfunc::percpu_obj_drop},
    {"bpf_percpu_obj_drop_impl", SpecialKfunc::percpu_obj_drop},
    {"bpf_percpu_obj_new", SpecialKfunc::percpu_obj_new},
    {"bpf_percpu_obj_new_impl", SpecialKfunc::percpu_obj_new},
    {"bpf_preempt_disable", SpecialKfunc::preempt_disable},
    {"bpf_preempt_enable", SpecialKfunc::preempt_enable},
    {"bpf_rbtree_add", SpecialKfunc::rbtree_add},
    {"bpf_rbtree_add_impl", SpecialKfunc::rbtree_add},
    {"bpf_rbtree_first", SpecialKfunc::rbtree_other},
    {"bpf_rbtree_left", SpecialKfunc::rbtree_other},
    {"bpf_rbtree_remove", SpecialKfunc::rbtree_other},
    {"bpf_rbtree_right", SpecialKfunc::rbtree_other},
    {"bpf_rbtree_root", SpecialKfunc::rbtree_other},
    {"bpf_rcu_read_lock", SpecialKfunc::rcu_read_lock},
    {"bpf_rcu_read_unlock", SpecialKfunc::rcu_read_unlock},
    {"bpf_rdonly_cast", SpecialKfunc::rdonly_cast},
    {"bpf_refcount_acquire", SpecialKfunc::refcount_acquire},
    {"bpf_refcount_acquire_impl", SpecialKfunc::refcount_acquire},
    {"bpf_res_spin_lock", SpecialKfunc::res_spin_lock},
    {"bpf_res_spin_lock_irqsave", SpecialKfunc::res_spin_lock_irqsave},
    {"bpf_res_spin_unlock", SpecialKfunc::res_spin_unlock},
    {"bpf_res_spin_unlock_irqrestore", SpecialKfunc::res_spin_unlock_irqrestore},
    {"bpf_session_cookie", SpecialKfunc::session},
    {"bpf_session_is_return", SpecialKfunc::session},
    {"bpf_task_work_schedule_resume", SpecialKfunc::task_work_schedule},
    {"bpf_task_work_schedule_resume_impl", SpecialKfunc::task_work_schedule},
    {"bpf_task_work_schedule_signal", SpecialKfunc::task_work_schedule},
    {"bpf_task_work_schedule_signal_impl", SpecialKfunc::task_work_schedule},
    {"bpf_throw", SpecialKfunc::throw_},
    {"bpf_wq_set_callback", SpecialKfunc::wq_set_callback},
    {"bpf_wq_set_callback_impl", SpecialKfunc::wq_set_callback},
    {"bpf_xdp_pull_data", SpecialKfunc::xdp_pull_data},
};
static_assert(std::ranges::is_sorted(kSpecials, {}, &NamedSpecial::name));

// Pointers to these are what their names say.
struct NamedArgument {
  std::string_view type;
  KfuncArgKind kind;
};
constexpr NamedArgument kByType[] = {{"bpf_dynptr", KfuncArgKind::dynptr},
                                     {"bpf_list_head", KfuncArgKind::list_head},
                                     {"bpf_list_node", KfuncArgKind::list_node},
                                     {"bpf_rb_root", KfuncArgKind::rb_root},
                                     {"bpf_rb_node", KfuncArgKind::rb_node},
                                     {"bpf_wq", KfuncArgKind::workqueue},
                                     {"bpf_timer", KfuncArgKind::timer},
                                     {"bpf_task_work", KfuncArgKind::task_work},
                                     {"bpf_res_spin_lock", KfuncArgKind::res_spin_lock}};
// Or their parameters' names.
constexpr NamedArgument kBySuffix[] = {
    {"__alloc", KfuncArgKind::object},      {"__refcounted_kptr", KfuncArgKind::refcounted},
    {"__str", KfuncArgKind::const_str},     {"__const_map", KfuncArgKind::const_map},
    {"__irq_flag", KfuncArgKind::irq_flag}, {"__iter", KfuncArgKind::iterator},
    {"__arena", KfuncArgKind::arena},       {"__arena__nullable", KfuncArgKind::arena}};

bool ends_in(std::string_view name, std::string_view suffix) {
  return name.size() > suffix.size() && name.ends_with(suffix);
}

}  // namespace

SpecialKfunc special_kfunc(std::string_view name) {
  const auto* row = std::ranges::lower_bound(kSpecials, name, {}, &NamedSpecial::name);
  return row != std::end(kSpecials) && row->name == name ? row->special : SpecialKfunc::none;
}

// A pointer to what this program's type is given as its context: as the UAPI, or as the kernel calls it.
bool Verifier::is_context_type(const btf::Btf& btf, const btf::Type& pointer) const {
  btf::Type target = btf.strip_modifiers(pointer.referenced());
  if (target.kind() == Kind::Typedef && target.name() == "bpf_user_pt_regs_t")
    return program_.type == ProgType::BPF_PROG_TYPE_KPROBE;
  target = btf.resolve(target.id());
  if (target.kind() != Kind::Struct || prog_type_ == nullptr) return false;
  // A struct of the typedef's name, as programs for older kernels had to make one.
  if (target.name() == "bpf_user_pt_regs_t") return program_.type == ProgType::BPF_PROG_TYPE_KPROBE;
  std::string_view name = prog_type_->context;
  if (name.starts_with("struct ")) name.remove_prefix(7);
  if (name.empty() || name == "void") return false;
  return target.name() == name || (name == "__sk_buff" && target.name() == "sk_buff") ||
         (name == "xdp_md" && target.name() == "xdp_buff");
}

bool Verifier::read_kfunc_argument(Kfunc& kfunc, const btf::Type& proto, uint32_t index) {
  const btf::Btf& btf = *kernel_btf_;
  const btf::Parameter parameter = proto.parameter(index);
  const std::string_view name = parameter.name;
  KfuncArgument argument;
  const auto done = [&](KfuncArgKind kind) {
    argument.kind = kind;
    kfunc.arguments.push_back(argument);
    return true;
  };
  const btf::Type type = btf.resolve(parameter.type);
  if (type.kind() == Kind::Int || type.is_enum()) {
    if (ends_in(name, "__k")) return done(KfuncArgKind::constant);
    if (ends_in(name, "__szk")) return done(KfuncArgKind::const_mem_size);
    if (ends_in(name, "__sz")) return done(KfuncArgKind::mem_size);
    argument.readonly = name == "rdonly_buf_size";
    if (name == "rdonly_buf_size" || name == "rdwr_buf_size")
      return done(KfuncArgKind::result_size);
    if (ends_in(name, "__ign")) return done(KfuncArgKind::ignored);
    return done(KfuncArgKind::number);
  }
  if (type.kind() != Kind::Ptr) {
    return reject(Rule::bad_kfunc, EINVAL, "Unrecognized arg#{} type {}", index + 1,
                  btf::kind_name(type.kind()));
  }
  const btf::Type target = btf.resolve(type.referenced());
  argument.type = target.id();
  argument.type_name = target.name();
  if (target.name() == "bpf_prog_aux" || ends_in(name, "__ign")) return done(KfuncArgKind::ignored);
  argument.nullable =
      ends_in(name, "__nullable") || ends_in(name, "__opt") || ends_in(name, "__arena");
  argument.uninit = ends_in(name, "__uninit");
  argument.non_owning_ok = ends_in(name, "__nonown_allowed");
  if (kfunc.special == SpecialKfunc::cast_to_kern_ctx || kfunc.special == SpecialKfunc::session ||
      is_context_type(btf, type)) {
    return done(KfuncArgKind::ctx);
  }
  const bool iterates =
      kfunc.has(spec::kKfuncIterNew | spec::kKfuncIterNext | spec::kKfuncIterDestroy);
  if ((iterates && index == 0) || ends_in(name, "__iter")) {
    if (target.kind() != Kind::Struct || !target.name().starts_with("bpf_iter_")) {
      return reject(Rule::bad_kfunc, EINVAL, "expected valid iter pointer as arg#{}", index + 1);
    }
    argument.size = target.size();
    return done(KfuncArgKind::iterator);
  }
  for (const NamedArgument& row : kBySuffix) {
    if (ends_in(name, row.type)) return done(row.kind);
  }
  for (const NamedArgument& row : kByType) {
    if (target.kind() == Kind::Struct && target.name() == row.type) return done(row.kind);
  }
  if (ends_in(name, "__map")) {
    argument.any_map = true;
    if (const auto map = btf.find("bpf_map", Kind::Struct)) argument.type = *map;
    argument.type_name = "bpf_map";
    return done(KfuncArgKind::structure);
  }
  if (target.kind() == Kind::FuncProto) return done(KfuncArgKind::callback);
  argument.plain_struct = is_plain_struct(btf, target);
  argument.size = btf.size_of(target.id()).value_or(0);
  const bool number = target.kind() == Kind::Int || target.is_enum();
  if (index + 1 < proto.vlen()) {
    const std::string_view next = proto.parameter(index + 1).name;
    if (ends_in(next, "__sz") || ends_in(next, "__szk")) {
      if (target.kind() != Kind::Void && !number && !argument.plain_struct) {
        return reject(Rule::bad_kfunc, EINVAL,
                      "arg#{} pointer type {} {} must point to void, scalar, or struct with scalar",
                      index + 1, btf::kind_name(target.kind()), target.name());
      }
      return done(KfuncArgKind::mem);
    }
  }
  if (target.is_composite()) return done(KfuncArgKind::structure);
  if (!number) {
    return reject(Rule::bad_kfunc, EINVAL,
                  "arg#{} pointer type {} {} must point to scalar, or struct with scalar",
                  index + 1, btf::kind_name(target.kind()), target.name());
  }
  return done(KfuncArgKind::sized_mem);
}

bool Verifier::read_kfunc(uint32_t id, Kfunc& kfunc) {
  const btf::Btf& btf = *kernel_btf_;
  const btf::Type func = btf.type(id);
  if (func.kind() != Kind::Func) {
    return reject(Rule::bad_kfunc, EINVAL, "kernel btf_id {} is not a function", id);
  }
  kfunc.id = id;
  kfunc.name = func.name();
  kfunc.row = spec::find_kfunc(kfunc.name);
  for (const spec::Kfunc& row : options_.module_kfuncs) {
    if (kfunc.row == nullptr && row.name == kfunc.name) kfunc.row = &row;
  }
  if (kfunc.row != nullptr) kfunc.flags = kfunc.row->flags;
  if (profile_.version < kernel_version(7, 0) && kfunc.name.starts_with("bpf_arena_")) {
    kfunc.flags |= spec::kKfuncSleepable;
    kfunc.flags &= ~uint32_t{spec::kKfuncSpinLockSafe};
  }
  kfunc.special = special_kfunc(kfunc.name);
  // Not one of the tables is not one that may be called; the call says so.
  if (kfunc.row == nullptr) return true;
  btf::Type proto = btf.type(func.referenced());
  uint32_t given = proto.vlen();
  if (kfunc.has(spec::kKfuncImplicitArgs)) {
    const auto whole = btf.find(fmt::format("{}_impl", kfunc.name), Kind::Func);
    if (whole) proto = btf.type(btf.type(*whole).referenced());
  }
  if (proto.kind() != Kind::FuncProto) {
    return reject(Rule::bad_kfunc, EINVAL,
                  "kernel function btf_id {} does not have a valid func_proto", id);
  }
  kfunc.result = proto.referenced();
  for (uint32_t i = 0; i < proto.vlen(); ++i) {
    if (i >= given) {
      kfunc.arguments.emplace_back();
    } else if (!read_kfunc_argument(kfunc, proto, i)) {
      return false;
    }
  }
  if (given > 5) {
    return reject(Rule::bad_kfunc, EOPNOTSUPP, "JIT does not support kfunc {}() with {} args",
                  kfunc.name, given);
  }
  return true;
}

// Every kfunc that the text names, whether it is reached or not.
bool Verifier::add_kfuncs() {
  for (uint32_t i = 0; i < count_; ++i) {
    const Insn& insn = insns_[i];
    if (isa::is_ld_imm64(insn)) {
      ++i;
      continue;
    }
    if (insn.opcode != (isa::BPF_JMP | isa::BPF_CALL) || insn.src != isa::BPF_PSEUDO_KFUNC_CALL)
      continue;
    insn_ = i;
    if (kernel_btf_ == nullptr) {
      return reject(Rule::bad_kfunc, EOPNOTSUPP,
                    "calling kernel function is not supported without CONFIG_DEBUG_INFO_BTF");
    }
    if (!gpl_) {
      return reject(Rule::bad_kfunc, EINVAL,
                    "cannot call kernel function from non-GPL compatible program");
    }
    if (insn.imm == 0 && insn.off == 0) continue;
    if (insn.off != 0) {
      return reject(Rule::bad_kfunc, EINVAL, "kfuncs of modules are not known to this verifier");
    }
    const auto [place, fresh] = kfuncs_.try_emplace(static_cast<uint32_t>(insn.imm));
    if (fresh && !read_kfunc(place->first, place->second)) return false;
  }
  insn_ = 0;
  return true;
}

const Kfunc* Verifier::known_kfunc(const Insn& insn) const {
  if (insn.opcode != (isa::BPF_JMP | isa::BPF_CALL) || insn.src != isa::BPF_PSEUDO_KFUNC_CALL)
    return nullptr;
  const auto found = kfuncs_.find(static_cast<uint32_t>(insn.imm));
  return found != kfuncs_.end() ? &found->second : nullptr;
}

}  // namespace skep::verifier
