// Contexts: which fields a program may load and store, what a loaded one is, and what the program is
// attached to. The rows are spec/context.h's; finalize.cc converts what needs it.
#include <algorithm>

#include "verifier/env.h"
#include "verifier/text.h"

namespace skep::verifier {

namespace {

void mark_loaded_pointer(RegState& reg, spec::PointerKind kind) {
  using spec::PointerKind;
  const auto set = [&](Base base, Flags flags = 0) {
    static const Scalar kZero = scalar_constant(0);
    reg = RegState{};
    reg.base = base;
    reg.flags = flags;
    reg.number = kZero;
  };
  switch (kind) {
    case PointerKind::none: break;
    case PointerKind::packet: set(Base::packet); break;
    case PointerKind::packet_end: set(Base::packet_end); break;
    case PointerKind::packet_meta: set(Base::packet_meta); break;
    case PointerKind::flow_keys: set(Base::flow_keys); break;
    case PointerKind::socket: set(Base::socket); break;
    case PointerKind::socket_or_null: set(Base::socket, kMaybeNull); break;
    case PointerKind::sock_common_or_null: set(Base::sock_common, kMaybeNull); break;
    case PointerKind::tp_buffer: set(Base::tp_buffer); break;
    case PointerKind::btf_id: set(Base::btf_id, kTrusted); break;
  }
}

}  // namespace

bool Verifier::check_context_access(const RegState& reg, unsigned number, int32_t off,
                                    unsigned size, Access access, int value, bool sign_extended) {
  const bool syscall = program_.type == ProgType::BPF_PROG_TYPE_SYSCALL;
  if (variable_context()) {
    if (!check_region(number, int64_t{off} + reg.off, size, kSyscallContext, false)) return false;
    // Inside it, so nothing wraps around: whoever runs the program must have as much.
    const uint64_t end = static_cast<uint64_t>(int64_t{off} + reg.off) + reg.number.umax + size;
    accesses_.context = std::max(accesses_.context, static_cast<uint32_t>(end));
    if (access == Access::read && value >= 0) mark_unknown(regs()[value]);
    return true;
  }
  const bool fixed_ok = profile_.version >= kernel_version(7, 0) && context_is_not_converted();
  if (!check_fixed_pointer(reg, number, fixed_ok)) return false;
  if (fixed_ok) off += reg.off + static_cast<int32_t>(reg.number.constant());
  const bool writes = access == Access::write;
  const spec::ContextRow* row = spec::find_context(program_.type);
  const auto refuse = [&] {
    return reject(Rule::context_access, EACCES, "invalid bpf_context access off={} size={}", off,
                  size);
  };
  if (row == nullptr) return refuse();
  const spec::ContextAccess answer = spec::check_context_access(
      program_.type, program_.expected_attach_type, off, size, writes, sign_extended);
  if (answer.denial != spec::ContextDenial::none) return refuse();
  accesses_.context = std::max(accesses_.context, static_cast<uint32_t>(off) + size);
  if (syscall && off % static_cast<int32_t>(size) != 0) return refuse();
  if (!capable_ && program_.type == ProgType::BPF_PROG_TYPE_CGROUP_SKB && answer.field != nullptr) {
    const std::string_view name = answer.field->name;
    if (name == "data" || name == "data_end" || (writes && name == "tstamp")) return refuse();
  }
  if (program_.type == ProgType::BPF_PROG_TYPE_RAW_TRACEPOINT_WRITABLE && off == 0) {
    if (size != 8 || writes) return refuse();
    if (value >= 0) mark_loaded_pointer(regs()[value], spec::PointerKind::tp_buffer);
    return true;
  }
  if (row->rule == spec::ContextRule::arguments) {
    RegState loaded;
    bool is_result = false;
    if (!context_argument(off, size, access, loaded, is_result)) return false;
    if (!writes && value >= 0) {
      regs()[value] = loaded;
      if (loaded.maybe_null()) regs()[value].id = ++next_id_;
      int32_t min, max;
      if (is_result && program_.expected_attach_type == AttachType::BPF_LSM_MAC &&
          attach_return_range(min, max)) {
        regs()[value].number = scalar_signed_range(min, max);
        if (!sync_bounds(regs()[value].number)) mark_unknown(regs()[value]);
      }
    }
    return true;
  }
  const spec::ContextField* field = answer.field;
  if (field != nullptr && field->hidden != 0) {
    if (writes) return refuse();
    aux_[insn_].context_field = field;
  }
  if (writes || value < 0) return true;
  RegState& loaded = regs()[value];
  if (field == nullptr || field->pointer == spec::PointerKind::none) {
    mark_unknown(loaded);
    return true;
  }
  mark_loaded_pointer(loaded, field->pointer);
  if (loaded.is(Base::btf_id)) {
    const auto id = kernel_btf_ != nullptr ? kernel_btf_->find(field->btf_type, btf::Kind::Struct)
                                           : std::nullopt;
    if (!id) {
      mark_unknown(loaded);
      return true;
    }
    loaded.btf_type = *id;
    loaded.map_uid = static_cast<uint32_t>(BtfOf::attach);
  }
  if (loaded.maybe_null()) loaded.id = ++next_id_;
  return true;
}

bool Verifier::check_socket_access(unsigned number, int32_t off, unsigned size, Access access) {
  const RegState& reg = regs()[number];
  spec::PointedStruct which = spec::PointedStruct::bpf_sock;
  switch (reg.base) {
    case Base::sock_common: which = spec::PointedStruct::bpf_sock_common; break;
    case Base::tcp_sock: which = spec::PointedStruct::bpf_tcp_sock; break;
    case Base::xdp_sock: which = spec::PointedStruct::bpf_xdp_sock; break;
    case Base::flow_keys: which = spec::PointedStruct::bpf_flow_keys; break;
    default: break;
  }
  const bool flow_keys = reg.is(Base::flow_keys);
  if (!flow_keys && reg.number.smin < 0) {
    return reject(
        Rule::negative_offset, EACCES,
        "R{} min value is negative, either use unsigned index or do a if (index >=0) check.",
        number);
  }
  if (!reg.number.is_constant()) {
    return reject(Rule::pointer_arithmetic, EACCES, "variable {} access var_off={} disallowed",
                  type_text(reg), tnum_text(reg.number.var_off));
  }
  const int64_t at = off + static_cast<int64_t>(reg.number.constant());
  const spec::ContextAccess answer =
      spec::check_pointed_access(which, at, size, access == Access::write);
  if (answer.denial == spec::ContextDenial::none) {
    if (answer.field != nullptr && answer.field->hidden != 0)
      aux_[insn_].context_field = answer.field;
    return true;
  }
  if (flow_keys) {
    return reject(Rule::context_access, EACCES, "invalid access to flow keys off={} size={}", at,
                  size);
  }
  return reject(Rule::context_access, EACCES, "R{} invalid {} access off={} size={}", number,
                type_text(reg), at, size);
}

namespace {

bool needs_net_admin(ProgType type) {
  switch (type) {
    case ProgType::BPF_PROG_TYPE_SCHED_CLS:
    case ProgType::BPF_PROG_TYPE_SCHED_ACT:
    case ProgType::BPF_PROG_TYPE_XDP:
    case ProgType::BPF_PROG_TYPE_LWT_IN:
    case ProgType::BPF_PROG_TYPE_LWT_OUT:
    case ProgType::BPF_PROG_TYPE_LWT_XMIT:
    case ProgType::BPF_PROG_TYPE_LWT_SEG6LOCAL:
    case ProgType::BPF_PROG_TYPE_SK_SKB:
    case ProgType::BPF_PROG_TYPE_SK_MSG:
    case ProgType::BPF_PROG_TYPE_FLOW_DISSECTOR:
    case ProgType::BPF_PROG_TYPE_CGROUP_DEVICE:
    case ProgType::BPF_PROG_TYPE_CGROUP_SOCK:
    case ProgType::BPF_PROG_TYPE_CGROUP_SOCK_ADDR:
    case ProgType::BPF_PROG_TYPE_CGROUP_SOCKOPT:
    case ProgType::BPF_PROG_TYPE_CGROUP_SYSCTL:
    case ProgType::BPF_PROG_TYPE_SOCK_OPS:
    case ProgType::BPF_PROG_TYPE_EXT:
    case ProgType::BPF_PROG_TYPE_NETFILTER: return true;
    default: return false;
  }
}

bool needs_perfmon(ProgType type) {
  switch (type) {
    case ProgType::BPF_PROG_TYPE_KPROBE:
    case ProgType::BPF_PROG_TYPE_TRACEPOINT:
    case ProgType::BPF_PROG_TYPE_PERF_EVENT:
    case ProgType::BPF_PROG_TYPE_RAW_TRACEPOINT:
    case ProgType::BPF_PROG_TYPE_RAW_TRACEPOINT_WRITABLE:
    case ProgType::BPF_PROG_TYPE_TRACING:
    case ProgType::BPF_PROG_TYPE_LSM:
    case ProgType::BPF_PROG_TYPE_STRUCT_OPS:
    case ProgType::BPF_PROG_TYPE_EXT: return true;
    default: return false;
  }
}

}  // namespace

// Programs whose loads from the context are loads from memory, as they stand.
bool Verifier::context_is_not_converted() const {
  switch (program_.type) {
    case ProgType::BPF_PROG_TYPE_KPROBE:
    case ProgType::BPF_PROG_TYPE_TRACEPOINT:
    case ProgType::BPF_PROG_TYPE_RAW_TRACEPOINT:
    case ProgType::BPF_PROG_TYPE_RAW_TRACEPOINT_WRITABLE:
    case ProgType::BPF_PROG_TYPE_TRACING:
    case ProgType::BPF_PROG_TYPE_LSM:
    case ProgType::BPF_PROG_TYPE_STRUCT_OPS:
    case ProgType::BPF_PROG_TYPE_SYSCALL:
    case ProgType::BPF_PROG_TYPE_NETFILTER: return true;
    default: return false;
  }
}

bool Verifier::check_privileges() {
  if (options_.privileged) return true;
  const ProgType type = program_.type;
  std::string_view missing;
  if (!options_.cap_bpf && type != ProgType::BPF_PROG_TYPE_SOCKET_FILTER &&
      type != ProgType::BPF_PROG_TYPE_CGROUP_SKB) {
    missing = "CAP_BPF";
  } else if (needs_net_admin(type) && !options_.cap_net_admin) {
    missing = "CAP_NET_ADMIN";
  } else if (needs_perfmon(type) && !options_.cap_perfmon) {
    missing = "CAP_PERFMON";
  }
  if (missing.empty()) return true;
  return reject(Rule::not_privileged, EPERM, "program type {} needs {}", prog_type_->name, missing);
}

// What the program is for exists, and it may be loaded for that.
bool Verifier::check_attach_target() {
  insn_ = 0;
  prog_type_ = spec::find_prog_type(program_.type);
  if (prog_type_ == nullptr || program_.type == ProgType::BPF_PROG_TYPE_UNSPEC) {
    return reject(Rule::bad_attach_target, EINVAL, "unknown program type {}",
                  static_cast<uint32_t>(program_.type));
  }
  if (prog_type_->since > profile_.version) {
    return reject(Rule::feature_not_in_kernel, EINVAL, "program type {} is not known to kernel {}",
                  prog_type_->name, profile_.name);
  }
  if (!check_privileges()) return false;
  bool can_sleep = prog_type_->can_sleep;
  if (program_.type == ProgType::BPF_PROG_TYPE_TRACEPOINT ||
      program_.type == ProgType::BPF_PROG_TYPE_RAW_TRACEPOINT ||
      program_.expected_attach_type == AttachType::BPF_TRACE_RAW_TP) {
    can_sleep = profile_.version >= kernel_version(7, 0);
  }
  if (program_.expected_attach_type == AttachType::BPF_LSM_CGROUP) can_sleep = false;
  if ((program_.flags & kSleepableFlag) != 0 && !can_sleep) {
    if (profile_.version >= kernel_version(7, 0)) {
      return reject(Rule::bad_attach_target, EINVAL, "Program of this type cannot be sleepable");
    }
    return reject(
        Rule::bad_attach_target, EINVAL,
        "Only fentry/fexit/fmod_ret, lsm, iter, uprobe, and struct_ops programs can be sleepable");
  }
  if (!spec::attach_type_allowed(program_.type, program_.expected_attach_type)) {
    return reject(Rule::bad_attach_target, EINVAL,
                  "program type {} can't have expected attach type {}", prog_type_->name,
                  static_cast<uint32_t>(program_.expected_attach_type));
  }
  if (!prog_type_->needs_attach_btf) return true;
  return check_btf_target();
}

}  // namespace skep::verifier
