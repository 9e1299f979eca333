// Arguments of kernel functions: each register against what BTF and the parameter's name ask of it.
#include <algorithm>
#include <cstring>

#include "verifier/env.h"
#include "verifier/text.h"

namespace skep::verifier {

using FieldKind = SpecialField::Kind;

namespace {

// The kernel's own struct behind each program type's context: what bpf_cast_to_kern_ctx gives.
std::string_view kernel_context(ProgType type) {
  switch (type) {
    case ProgType::BPF_PROG_TYPE_SOCKET_FILTER:
    case ProgType::BPF_PROG_TYPE_SCHED_CLS:
    case ProgType::BPF_PROG_TYPE_SCHED_ACT:
    case ProgType::BPF_PROG_TYPE_CGROUP_SKB:
    case ProgType::BPF_PROG_TYPE_LWT_IN:
    case ProgType::BPF_PROG_TYPE_LWT_OUT:
    case ProgType::BPF_PROG_TYPE_LWT_XMIT:
    case ProgType::BPF_PROG_TYPE_LWT_SEG6LOCAL:
    case ProgType::BPF_PROG_TYPE_SK_SKB: return "sk_buff";
    case ProgType::BPF_PROG_TYPE_XDP: return "xdp_buff";
    case ProgType::BPF_PROG_TYPE_CGROUP_SOCK: return "sock";
    case ProgType::BPF_PROG_TYPE_CGROUP_SOCK_ADDR: return "bpf_sock_addr_kern";
    case ProgType::BPF_PROG_TYPE_SOCK_OPS: return "bpf_sock_ops_kern";
    case ProgType::BPF_PROG_TYPE_SK_MSG: return "sk_msg";
    case ProgType::BPF_PROG_TYPE_FLOW_DISSECTOR: return "bpf_flow_dissector";
    case ProgType::BPF_PROG_TYPE_KPROBE: return "pt_regs";
    case ProgType::BPF_PROG_TYPE_PERF_EVENT: return "bpf_perf_event_data_kern";
    case ProgType::BPF_PROG_TYPE_CGROUP_DEVICE: return "bpf_cgroup_dev_ctx";
    case ProgType::BPF_PROG_TYPE_CGROUP_SYSCTL: return "bpf_sysctl_kern";
    case ProgType::BPF_PROG_TYPE_CGROUP_SOCKOPT: return "bpf_sockopt_kern";
    case ProgType::BPF_PROG_TYPE_SK_REUSEPORT: return "sk_reuseport_kern";
    case ProgType::BPF_PROG_TYPE_SK_LOOKUP: return "bpf_sk_lookup_kern";
    case ProgType::BPF_PROG_TYPE_NETFILTER: return "bpf_nf_ctx";
    default: return {};
  }
}

// The same object under two names, one of which may not be taken for the other ("nf_conn___init").
bool are_no_cast_aliases(std::string_view a, std::string_view b) {
  constexpr std::string_view kSuffix = "___init";
  if (a.size() > b.size()) std::swap(a, b);
  return b.size() == a.size() + kSuffix.size() && b.ends_with(kSuffix) && b.starts_with(a);
}

DynptrKind made_by(SpecialKfunc special) {
  switch (special) {
    case SpecialKfunc::dynptr_from_skb: return DynptrKind::skb;
    case SpecialKfunc::dynptr_from_xdp: return DynptrKind::xdp;
    case SpecialKfunc::dynptr_from_skb_meta: return DynptrKind::skb_meta;
    case SpecialKfunc::dynptr_from_file:
    case SpecialKfunc::dynptr_file_discard: return DynptrKind::file;
    default: return DynptrKind::none;
  }
}

bool can_iterate_css_tasks(const Program& program, bool sleepable) {
  if (program.type == ProgType::BPF_PROG_TYPE_LSM) return true;
  if (program.type == ProgType::BPF_PROG_TYPE_TRACING &&
      program.expected_attach_type == AttachType::BPF_TRACE_ITER) {
    return true;
  }
  return sleepable;
}

}  // namespace

// A field of a map's value that has one place: a timer, a work queue.
bool Verifier::check_map_field(unsigned number, FieldKind kind, std::string_view name,
                               CallMeta& meta) {
  const RegState& reg = regs()[number];
  if (!reg.has_type(Base::map_value, 0)) {
    return reject(Rule::bad_argument_type, EINVAL, "R{} doesn't point to a map value", number);
  }
  const MapInfo& info = maps_[reg.map];
  if (!reg.number.is_constant()) {
    return reject(Rule::bad_argument_type, EINVAL,
                  "R{} doesn't have constant offset. {} has to be at the constant offset", number,
                  name);
  }
  if (info.map->btf == nullptr) {
    return reject(Rule::bad_argument_type, EINVAL, "map '{}' has to have BTF in order to use {}",
                  info.map->name, name);
  }
  const SpecialField* field = info.field(kind);
  if (field == nullptr) {
    return reject(Rule::bad_argument_type, EINVAL, "map '{}' has no valid {}", info.map->name,
                  name);
  }
  const int64_t off = reg.off + static_cast<int64_t>(reg.number.constant());
  if (off != field->offset) {
    return reject(Rule::bad_argument_type, EINVAL,
                  "off {} doesn't point to 'struct {}' that is at {}", off, name, field->offset);
  }
  if (meta.map >= 0) return reject(Rule::internal, EFAULT, "Two map pointers in a {} helper", name);
  meta.map = static_cast<int32_t>(reg.map);
  meta.map_uid = reg.map_uid;
  return true;
}

// A map given after such a field must be the one that holds it: also where both are inner maps that look alike.
bool Verifier::check_same_map(unsigned number, CallMeta& meta) {
  const RegState& reg = regs()[number];
  if (meta.map >= 0 &&
      (static_cast<uint32_t>(meta.map) != reg.map || meta.map_uid != reg.map_uid)) {
    const MapInfo& info = maps_[meta.map];
    const std::string_view what = info.field(FieldKind::timer) != nullptr       ? "timer"
                                  : info.field(FieldKind::task_work) != nullptr ? "bpf_task_work"
                                                                                : "workqueue";
    return reject(Rule::bad_argument_type, EINVAL,
                  "{} pointer in R{} map_uid={} doesn't match map pointer in R{} map_uid={}", what,
                  number - 1, meta.map_uid, number, reg.map_uid);
  }
  meta.map = static_cast<int32_t>(reg.map);
  meta.map_uid = reg.map_uid;
  return true;
}

bool Verifier::check_kfunc_memory(unsigned number, uint32_t size, KfuncMeta& meta) {
  const RegState saved = regs()[number];
  if (saved.is_null()) {
    mark_precise(number);
    return true;
  }
  if (size > 0x7fffffffu) {
    return reject(Rule::bad_size_argument, EACCES, "R{} memory size {} is too large", number, size);
  }
  (void)meta;
  return check_helper_memory(number, static_cast<int>(size), Access::read, true, nullptr) &&
         check_helper_memory(number, static_cast<int>(size), Access::write, true, nullptr);
}

// A pointer to a kernel struct.
bool Verifier::check_kfunc_struct(unsigned number, const KfuncArgument& argument, KfuncMeta& meta) {
  const RegState reg = regs()[number];
  const Kfunc& kfunc = *meta.kfunc;
  BtfOf of{};
  btf::TypeId id = 0;
  if (argument.any_map && meta.map >= 0 && reg.is(Base::const_map))
    return check_same_map(number, meta);
  if (!pointed_type(reg, of, id)) {
    if (argument.plain_struct) return check_kfunc_memory(number, argument.size, meta);
    std::string_view also;
    if (argument.type_name == "sock") also = " or sock";
    if (argument.type_name == "sock_common") also = " or sock_common";
    if (argument.type_name == "tcp_sock") also = " or tcp_sock";
    if (argument.type_name == "bpf_map") also = " or map_ptr";
    return reject(Rule::bad_argument_type, EINVAL, "R{} is {} expected STRUCT {}{}", number,
                  type_text(reg), argument.type_name, also);
  }
  constexpr Flags kTrustFlags = kAlloc | kTrusted | kNonOwning;
  const bool asks = profile_.version >= kernel_version(7, 0) ||
                    kfunc.has(spec::kKfuncTrustedArgs | spec::kKfuncRelease);
  if ((!is_trusted(reg) || (reg.flags & ~kTrustFlags) != 0) &&
      (asks || kfunc.has(spec::kKfuncRcu))) {
    if (!kfunc.has(spec::kKfuncRcu)) {
      return reject(Rule::bad_argument_type, EINVAL, "R{} must be referenced or trusted", number);
    }
    if ((reg.flags & kRcu) == 0) {
      return reject(Rule::bad_argument_type, EINVAL, "R{} must be a rcu pointer", number);
    }
  }
  const btf::Btf* btf = btf_of(of);
  if (btf == nullptr) return reject(Rule::internal, EFAULT, "typed pointer without BTF");
  const std::string_view name = btf->name(id);
  const bool strict = (kfunc.has(spec::kKfuncRelease) && reg.ref_id != 0) ||
                      are_no_cast_aliases(name, argument.type_name);
  const int64_t off = int64_t{reg.off} + static_cast<int64_t>(reg.number.constant());
  const bool projection = (argument.type_name == "__sk_buff" && name == "sk_buff") ||
                          (argument.type_name == "xdp_md" && name == "xdp_buff");
  if (projection || struct_matches(*btf, id, off, *kernel_btf_, argument.type, strict,
                                   (reg.flags & kAlloc) == 0)) {
    return true;
  }
  return reject(
      Rule::bad_argument_type, EINVAL,
      "kernel function {} R{} expected pointer to STRUCT {} but R{} has a pointer to STRUCT {}",
      kfunc.name, number, argument.type_name, number, name);
}

// What bpf_obj_new made, or a field of it or of a map's value.
bool Verifier::check_kfunc_object(unsigned number, const KfuncArgument& argument, KfuncMeta& meta) {
  const RegState& reg = regs()[number];
  const SpecialKfunc special = meta.kfunc->special;
  const auto refuse = [&](auto&& text) {
    return reject(Rule::bad_argument_type, EINVAL, "{}", text);
  };
  const auto unowned = [&] {
    return reject(Rule::reference_not_owned, EINVAL, "allocated object must be referenced");
  };
  const bool is_object = reg.has_type(Base::btf_id, kAlloc);
  switch (argument.kind) {
    case KfuncArgKind::object:
      if (is_object) {
        if (special != SpecialKfunc::obj_drop)
          return refuse(fmt::format("R{} expected for bpf_obj_drop()", number));
      } else if (reg.has_type(Base::btf_id, kAlloc | kPercpu)) {
        if (special != SpecialKfunc::percpu_obj_drop)
          return refuse(fmt::format("R{} expected for bpf_percpu_obj_drop()", number));
      } else {
        return refuse(fmt::format("R{} expected pointer to allocated object", number));
      }
      if (reg.ref_id == 0) return unowned();
      meta.argument_btf = btf_kind(reg);
      meta.argument_type = reg.btf_type;
      return true;
    case KfuncArgKind::refcounted: {
      if (!reg.is(Base::btf_id) || (reg.flags & kAlloc) == 0 || (reg.flags & kUntrusted) != 0)
        return refuse(fmt::format("R{} is neither owning or non-owning ref", number));
      meta.owning = (reg.flags & kNonOwning) == 0 && reg.ref_id != 0;
      const Record* record = record_of(reg);
      if (record == nullptr || record->field(FieldKind::refcount) == nullptr)
        return refuse(fmt::format("R{} doesn't point to a type with bpf_refcount field", number));
      meta.argument_btf = btf_kind(reg);
      meta.argument_type = reg.btf_type;
      return true;
    }
    case KfuncArgKind::list_head:
    case KfuncArgKind::rb_root:
      if (!reg.has_type(Base::map_value, 0) && !is_object)
        return refuse(fmt::format("R{} expected pointer to map value or allocated object", number));
      if (is_object && reg.ref_id == 0) return unowned();
      return check_graph_root(
          number,
          argument.kind == KfuncArgKind::list_head ? FieldKind::list_head : FieldKind::rb_root,
          meta);
    case KfuncArgKind::list_node:
      if (argument.non_owning_ok && (reg.flags & kNonOwning) != 0 && reg.ref_id == 0)
        return check_graph_node(number, FieldKind::list_node, meta);
      if (!is_object)
        return refuse(fmt::format("R{} expected pointer to allocated object", number));
      if (reg.ref_id == 0) return unowned();
      return check_graph_node(number, FieldKind::list_node, meta);
    case KfuncArgKind::rb_node:
      if (special == SpecialKfunc::rbtree_add) {
        if (!is_object)
          return refuse(fmt::format("R{} expected pointer to allocated object", number));
        if (reg.ref_id == 0) return unowned();
      } else {
        if ((reg.flags & kNonOwning) == 0 && reg.ref_id == 0) {
          return refuse(fmt::format("{} can only take non-owning or refcounted bpf_rb_node pointer",
                                    meta.kfunc->name));
        }
        if (in_less_callback())
          return refuse(fmt::format("{} not allowed in rbtree cb", meta.kfunc->name));
      }
      return check_graph_node(number, FieldKind::rb_node, meta);
    default: return true;
  }
}

bool Verifier::check_kfunc_argument(unsigned number, const KfuncArgument& argument,
                                    KfuncMeta& meta) {
  using K = KfuncArgKind;
  const Kfunc& kfunc = *meta.kfunc;
  if (argument.kind == K::ignored) return true;
  if (!check_read(number)) return false;
  RegState& reg = regs()[number];
  if (argument.kind == K::arena && arena_ < 0) {
    return reject(Rule::bad_argument_type, EINVAL,
                  "R{} arena pointer requires a program with an associated arena", number);
  }
  const bool is_number = argument.kind == K::number || argument.kind == K::constant ||
                         argument.kind == K::result_size || argument.kind == K::mem_size ||
                         argument.kind == K::const_mem_size;
  const bool release = kfunc.has(spec::kKfuncRelease) && number == 1;
  if (!is_number && !argument.nullable && (reg.is_null() || reg.maybe_null())) {
    // Older kernels asked it only where the argument was to be trusted.
    return reject(Rule::argument_maybe_null, EACCES, "Possibly NULL pointer passed to trusted R{}",
                  number);
  }
  if (release && argument.kind != K::dynptr && reg.ref_id == 0 && !reg.is_null()) {
    return reject(Rule::reference_not_owned, EINVAL,
                  "release kfunc {} expects referenced PTR_TO_BTF_ID passed to R{}", kfunc.name,
                  number);
  }
  if (!is_number && reg.ref_id != 0) {
    if (meta.ref_id == 0 || argument.kind != K::dynptr) meta.ref_id = reg.ref_id;
  }
  if (release) meta.release_register = static_cast<int>(number);
  if (!is_number && argument.nullable && reg.is_null()) {
    mark_precise(number);
    return true;
  }
  if (is_number && !reg.is_scalar()) {
    return reject(Rule::bad_argument_type, EINVAL, "R{} is not a scalar", number);
  }
  const auto constant = [&] {
    if (!reg.number.is_constant()) {
      return reject(Rule::constant_argument_needed, EINVAL, "R{} must be a known constant", number);
    }
    mark_precise(number);
    meta.constant_known = true;
    meta.constant = reg.number.constant();
    return true;
  };
  if (!is_number) {
    if (release && !(argument.kind == K::dynptr && reg.is(Base::stack)) &&
        (reg.off != 0 || !reg.number.is_constant() || reg.number.constant() != 0)) {
      return reject(Rule::bad_argument_type, EINVAL,
                    "R{} must have zero offset when passed to release func or trusted arg to kfunc",
                    number);
    }
    // Records and the like may be pointed into; kernel structs at a known offset; the rest as they are.
    switch (reg.base) {
      case Base::stack:
      case Base::packet:
      case Base::packet_meta:
      case Base::map_key:
      case Base::map_value:
      case Base::mem:
      case Base::buf:
      case Base::arena:
      case Base::scalar: break;
      case Base::btf_id:
        if (!check_fixed_pointer(reg, number, argument.kind != K::refcounted)) return false;
        break;
      case Base::ctx:
        // What user space hands over is memory like any other.
        if (variable_context() &&
            (argument.kind == K::mem || argument.kind == K::sized_mem || argument.plain_struct)) {
          break;
        }
        [[fallthrough]];
      default:
        if (!check_fixed_pointer(reg, number, false)) return false;
        break;
    }
  }
  switch (argument.kind) {
    case K::ignored:
    case K::number: return true;
    case K::constant: return constant();
    case K::result_size:
      if (!reg.number.is_constant()) {
        return reject(Rule::constant_argument_needed, EINVAL, "R{} is not a const", number);
      }
      if (reg.number.constant() > 0xffff'ffffu) {
        return reject(Rule::bad_size_argument, EINVAL, "R{} allocation size exceeds u32 max",
                      number);
      }
      mark_precise(number);
      meta.memory_known = true;
      meta.memory_readonly = argument.readonly;
      meta.mem_size = static_cast<uint32_t>(reg.number.constant());
      return true;
    case K::const_mem_size:
      if (!constant()) return false;
      [[fallthrough]];
    case K::mem_size: {
      if (regs()[number - 1].is_null()) return true;
      if (check_mem_size(number - 1, number, Access::read, true, &meta) &&
          check_mem_size(number - 1, number, Access::write, true, &meta)) {
        return true;
      }
      return reject(Rule::bad_size_argument, EACCES,
                    "R{} and R{} memory, len pair leads to invalid memory access", number - 1,
                    number);
    }
    case K::mem: return true;
    case K::sized_mem: return check_kfunc_memory(number, argument.size, meta);
    case K::ctx: {
      if (!reg.is(Base::ctx)) {
        return reject(Rule::bad_argument_type, EINVAL, "R{} expected pointer to ctx, but got {}",
                      number, type_text(reg));
      }
      if (kfunc.special != SpecialKfunc::cast_to_kern_ctx) return true;
      const auto id = kernel_btf_->find(kernel_context(program_.type), btf::Kind::Struct);
      if (!id) {
        return reject(Rule::bad_argument_type, EINVAL,
                      "the context of this type of program has no kernel struct");
      }
      meta.kernel_context = *id;
      return true;
    }
    case K::arena:
      if (reg.is(Base::arena) || reg.is_scalar()) return true;
      return reject(Rule::bad_argument_type, EINVAL, "R{} is not a pointer to arena or scalar",
                    number);
    case K::object:
    case K::refcounted:
    case K::list_head:
    case K::list_node:
    case K::rb_root:
    case K::rb_node: return check_kfunc_object(number, argument, meta);
    case K::dynptr: {
      DynptrKind kind = made_by(kfunc.special);
      if (kfunc.special == SpecialKfunc::dynptr_clone && argument.uninit) kind = meta.dynptr;
      const bool gives_back = kfunc.special == SpecialKfunc::dynptr_file_discard;
      if (!argument.uninit && !gives_back) kind = DynptrKind::none;
      return check_dynptr(number, argument.uninit, gives_back, kind, meta);
    }
    case K::iterator:
      if (kfunc.special == SpecialKfunc::iter_css_task_new &&
          !can_iterate_css_tasks(program_, cur_->sleepable)) {
        return reject(Rule::bad_kfunc, EINVAL,
                      "css_task_iter is only allowed in bpf_lsm, bpf_iter and sleepable progs");
      }
      return check_iterator(number, argument, meta);
    case K::structure: return check_kfunc_struct(number, argument, meta);
    case K::const_map:
      if (!reg.has_type(Base::const_map, 0)) {
        return reject(Rule::bad_argument_type, EINVAL, "pointer in R{} isn't map pointer", number);
      }
      return check_same_map(number, meta);
    case K::const_str:
      if (!reg.has_type(Base::map_value, 0)) {
        return reject(Rule::bad_argument_type, EINVAL, "R{} doesn't point to a const string",
                      number);
      }
      return check_const_string(number);
    case K::timer: return check_map_field(number, FieldKind::timer, "bpf_timer", meta);
    case K::workqueue: return check_map_field(number, FieldKind::workqueue, "bpf_wq", meta);
    case K::task_work: return check_map_field(number, FieldKind::task_work, "bpf_task_work", meta);
    case K::irq_flag:
      if (!reg.is(Base::stack)) {
        return reject(Rule::bad_argument_type, EINVAL, "R{} doesn't point to an irq flag on stack",
                      number);
      }
      return check_irq_flag(number, kfunc);
    case K::res_spin_lock: {
      if (in_less_callback())
        return reject(Rule::lock_held, EACCES, "can't res_spin_{{lock,unlock}} in rbtree cb");
      if (!reg.has_type(Base::map_value, 0) && !reg.has_type(Base::btf_id, kAlloc)) {
        return reject(Rule::bad_argument_type, EINVAL,
                      "R{} doesn't point to map value or allocated object", number);
      }
      const bool irq = kfunc.special == SpecialKfunc::res_spin_lock_irqsave ||
                       kfunc.special == SpecialKfunc::res_spin_unlock_irqrestore;
      const bool lock = kfunc.special == SpecialKfunc::res_spin_lock ||
                        kfunc.special == SpecialKfunc::res_spin_lock_irqsave;
      return process_spin_lock(number, lock,
                               irq ? ReferenceKind::res_lock_irq : ReferenceKind::res_lock);
    }
    case K::callback:
      if (!reg.is(Base::func)) {
        return reject(Rule::bad_argument_type, EINVAL, "R{} expected pointer to func", number);
      }
      meta.subprogram = reg.subprogram;
      return true;
  }
  return true;
}

bool Verifier::check_kfunc_arguments(KfuncMeta& meta) {
  const std::vector<KfuncArgument>& arguments = meta.kfunc->arguments;
  for (unsigned i = 0; i < std::min<size_t>(arguments.size(), 5); ++i) {
    if (!check_kfunc_argument(i + 1, arguments[i], meta)) return false;
  }
  return true;
}

}  // namespace skep::verifier
