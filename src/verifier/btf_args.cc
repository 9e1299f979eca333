// Programs that are attached through BTF: whether they may be, what their arguments are and how far those can be
// trusted, what they may return and write. What BTF does not say stands in attach_facts.h.
#include <algorithm>

#include "verifier/attach_facts.h"
#include "verifier/env.h"
#include "verifier/text.h"

namespace skep::verifier {

using btf::Kind;

namespace {

constexpr std::string_view kTracepointPrefix = "btf_trace_", kLsmPrefix = "bpf_lsm_",
                           kIteratorPrefix = "bpf_iter_";
constexpr int32_t kMaxErrno = 4095;

bool listed(std::span<const std::string_view> list, std::string_view name) {
  return std::ranges::find(list, name) != list.end();
}

// Where programs may sleep, or change what a function returns: system calls, and functions made for it.
bool is_syscall(std::string_view name) {
  return name.starts_with("__x64_sys_") || name.starts_with("__ia32_sys_") ||
         name.starts_with("__arm64_sys_") || name.starts_with("__se_sys_") ||
         name.starts_with("__riscv_sys_") || name.starts_with("__s390x_sys_");
}
bool is_injectable(std::string_view name) {
  return is_syscall(name) || name.starts_with("bpf_fentry_test") ||
         name.starts_with("bpf_modify_return_test") || name.starts_with("bpf_testmod_") ||
         name == "should_failslab" || name == "should_fail_alloc_page" || name == "inc_ok" ||
         name == "update_socket_protocol" || name == "hid_bpf_device_event" ||
         name == "hid_bpf_rdesc_fixup";
}
constexpr std::string_view kNoReturn[] = {
    "__ia32_sys_exit", "__ia32_sys_exit_group", "__kunit_abort",
    "__x64_sys_exit",  "__x64_sys_exit_group",  "__module_put_and_kthread_exit",
    "do_exit",         "do_group_exit",         "kthread_complete_and_exit",
    "make_task_dead",  "kunit_try_catch_throw", "rewind_stack_and_make_dead",
    "start_kernel",    "stop_this_cpu",
};
constexpr std::string_view kDenied[] = {
    "___migrate_enable", "migrate_disable",   "migrate_enable",  "rcu_read_unlock_strict",
    "preempt_count_add", "preempt_count_sub", "__rcu_read_lock", "__rcu_read_unlock"};

bool ends_in(const btf::Parameter& parameter, std::string_view suffix) {
  return parameter.name.size() > suffix.size() && parameter.name.ends_with(suffix);
}

}  // namespace

bool Verifier::check_btf_target() {
  const auto refuse = [&]<class... Args>(int error, fmt::format_string<Args...> format,
                                         Args&&... args) {
    return reject(Rule::bad_attach_target, error, format, std::forward<Args>(args)...);
  };
  if (program_.attach_btf == nullptr || program_.attach_btf_id == 0)
    return reject(Rule::bad_attach_target, EINVAL, "Tracing programs must provide btf_id");
  if (program_.type == ProgType::BPF_PROG_TYPE_STRUCT_OPS) return check_struct_ops_target();
  const btf::Btf& btf = *program_.attach_btf;
  const btf::Type target = btf.type(program_.attach_btf_id);
  const AttachType type = program_.expected_attach_type;
  const bool sleeps = (program_.flags & kSleepableFlag) != 0;
  attach_name_ = target.name();
  const auto not_a_function = [&] {
    return refuse(EINVAL, "attach_btf_id {} is not a function", program_.attach_btf_id);
  };
  if (program_.type == ProgType::BPF_PROG_TYPE_EXT) {
    return reject(Rule::not_supported_here, EINVAL,
                  "freplace: the program to be extended is not known to this verifier");
  }
  if (type == AttachType::BPF_TRACE_RAW_TP && program_.type == ProgType::BPF_PROG_TYPE_TRACING) {
    if (target.kind() != Kind::Typedef)
      return refuse(EINVAL, "attach_btf_id {} is not a typedef", program_.attach_btf_id);
    if (!attach_name_.starts_with(kTracepointPrefix)) {
      return refuse(EINVAL, "attach_btf_id {} points to wrong type name {}", program_.attach_btf_id,
                    attach_name_);
    }
    attach_name_.remove_prefix(kTracepointPrefix.size());
    if (sleeps && attach_name_ != "sys_enter" && attach_name_ != "sys_exit") {
      return refuse(EINVAL, "Sleepable program cannot attach to non-faultable tracepoint {}",
                    attach_name_);
    }
    // The typedef's prototype has no parameters' names; the tracepoint's function has.
    const auto named = btf.find(fmt::format("__bpf_trace_{}", attach_name_), Kind::Func);
    btf::Type proto = named ? btf.type(btf.type(*named).referenced())
                            : btf.type(btf.resolve(target.id()).referenced());
    if (proto.kind() != Kind::FuncProto) return not_a_function();
    attach_proto_ = proto.id();
    attach_skips_argument_ = true;
    return true;
  }
  if (target.kind() != Kind::Func) return not_a_function();
  btf::Type proto = btf.type(target.referenced());
  if (proto.kind() != Kind::FuncProto) return not_a_function();
  attach_proto_ = proto.id();
  if (type == AttachType::BPF_TRACE_ITER) {
    if (!attach_name_.starts_with(kIteratorPrefix)) {
      return refuse(EINVAL, "attach_btf_id {} points to wrong type name {}", program_.attach_btf_id,
                    attach_name_);
    }
    return true;
  }
  if (program_.type == ProgType::BPF_PROG_TYPE_LSM) {
    if (!gpl_) return refuse(EINVAL, "LSM programs must have a GPL compatible license");
    std::string_view hook = attach_name_;
    if (hook.starts_with(kLsmPrefix)) hook.remove_prefix(kLsmPrefix.size());
    if (listed(kDisabledHooks, hook)) {
      return refuse(EINVAL, "attach_btf_id {} points to disabled hook {}", program_.attach_btf_id,
                    attach_name_);
    }
    if (!attach_name_.starts_with(kLsmPrefix)) {
      return refuse(EINVAL, "attach_btf_id {} points to wrong type name {}", program_.attach_btf_id,
                    attach_name_);
    }
    if (sleeps && !listed(kSleepableHooks, hook))
      return refuse(EINVAL, "{} is not sleepable", attach_name_);
    return true;
  }
  const bool multi = type == AttachType::BPF_TRACE_FENTRY_MULTI ||
                     type == AttachType::BPF_TRACE_FEXIT_MULTI ||
                     type == AttachType::BPF_TRACE_FSESSION_MULTI;
  if (multi) return true;
  if (listed(kDenied, attach_name_)) {
    return refuse(EINVAL, "Attaching tracing programs to function '{}' is rejected.", attach_name_);
  }
  if (type != AttachType::BPF_TRACE_FENTRY && listed(kNoReturn, attach_name_)) {
    return refuse(EINVAL,
                  "Attaching fexit/fsession/fmod_ret to __noreturn function '{}' is rejected.",
                  attach_name_);
  }
  if (sleeps && !is_injectable(attach_name_))
    return refuse(EINVAL, "{} is not sleepable", attach_name_);
  if (type == AttachType::BPF_MODIFY_RETURN && !sleeps && !is_injectable(attach_name_) &&
      !attach_name_.starts_with("security_")) {
    return refuse(EINVAL, "{}() is not modifiable", attach_name_);
  }
  return true;
}

// The struct's id, and the member's number as expected attach type.
bool Verifier::check_struct_ops_target() {
  const btf::Btf& btf = *program_.attach_btf;
  const btf::Type ops = btf.type(program_.attach_btf_id);
  if (!gpl_) {
    return reject(Rule::bad_attach_target, EINVAL,
                  "struct ops programs must have a GPL compatible license");
  }
  const auto member_number = static_cast<uint32_t>(program_.expected_attach_type);
  if (ops.kind() != Kind::Struct ||
      !btf.find(fmt::format("bpf_struct_ops_{}", ops.name()), Kind::Struct)) {
    return reject(Rule::bad_attach_target, EINVAL, "attach_btf_id {} is not a supported struct",
                  program_.attach_btf_id);
  }
  if (member_number >= ops.vlen()) {
    return reject(Rule::bad_attach_target, EINVAL, "attach to invalid member idx {} of struct {}",
                  member_number, ops.name());
  }
  const btf::Member member = ops.member(member_number);
  const btf::Type pointer = btf.resolve(member.type);
  const btf::Type proto =
      pointer.kind() == Kind::Ptr ? btf.resolve(pointer.referenced()) : btf::Type();
  if (proto.kind() != Kind::FuncProto) {
    return reject(Rule::bad_attach_target, EINVAL,
                  "attach to invalid member {}(@idx {}) of struct {}", member.name, member_number,
                  ops.name());
  }
  // bpf_tcp_ca leaves the one to the kernel; the other is there to be refused.
  if ((ops.name() == "tcp_congestion_ops" && member.name == "get_info") ||
      (ops.name() == "bpf_testmod_ops" && member.name == "unsupported_ops")) {
    return reject(Rule::bad_attach_target, EOPNOTSUPP,
                  "attach to unsupported member {} of struct {}", member.name, ops.name());
  }
  const bool sleeps = (program_.flags & kSleepableFlag) != 0;
  if (ops.name() == "bpf_dummy_ops" && sleeps && member.name != "test_sleepable") {
    return reject(Rule::bad_attach_target, EINVAL, "attach to unsupported member {} of struct {}",
                  member.name, ops.name());
  }
  attach_name_ = member.name;
  struct_ops_name_ = ops.name();
  attach_proto_ = proto.id();
  for (const std::string& name : {fmt::format("{}__{}", ops.name(), member.name),
                                  fmt::format("bpf_{}_{}", ops.name(), member.name)}) {
    const auto stub = btf.find(name, Kind::Func);
    if (!stub) continue;
    const btf::Type stub_proto = btf.type(btf.type(*stub).referenced());
    if (stub_proto.vlen() == proto.vlen()) struct_ops_proto_ = stub_proto.id();
  }
  if (struct_ops_proto_ == 0) return true;
  const btf::Type stub = btf.type(struct_ops_proto_);
  for (uint32_t i = 0; i < stub.vlen(); ++i) {
    if (!ends_in(stub.parameter(i), "__ref")) continue;
    for (const Insn& insn : insns_) {
      if (insn.opcode == (isa::BPF_JMP | isa::BPF_CALL) && insn.src == 0 &&
          insn.imm == spec::BPF_FUNC_tail_call) {
        return reject(Rule::bad_attach_target, EINVAL,
                      "program with __ref argument cannot tail call");
      }
    }
  }
  return true;
}

// struct_ops: what the caller hands over with a reference (__ref).
void Verifier::acquire_arguments() {
  argument_refs_.clear();
  if (struct_ops_proto_ == 0) return;
  const btf::Type stub = kernel_btf_->type(struct_ops_proto_);
  for (uint32_t i = 0; i < stub.vlen(); ++i) {
    if (ends_in(stub.parameter(i), "__ref")) argument_refs_.emplace_back(i, acquire_reference(0));
  }
}

bool Verifier::arguments_are_trusted() const {
  switch (program_.type) {
    case ProgType::BPF_PROG_TYPE_TRACING:
      return program_.expected_attach_type == AttachType::BPF_TRACE_RAW_TP ||
             program_.expected_attach_type == AttachType::BPF_TRACE_ITER;
    case ProgType::BPF_PROG_TYPE_LSM:
      return !attach_name_.starts_with(kLsmPrefix) ||
             !listed(kUntrustedHooks, attach_name_.substr(kLsmPrefix.size()));
    case ProgType::BPF_PROG_TYPE_STRUCT_OPS: return true;
    default: return false;
  }
}

// Where a path may be walked: hooks that may sleep, iterators, and a few functions.
bool Verifier::may_use_d_path() const {
  constexpr std::string_view kFunctions[] = {"security_file_permission",
                                             "security_inode_getattr",
                                             "security_file_open",
                                             "security_path_truncate",
                                             "vfs_truncate",
                                             "vfs_fallocate",
                                             "dentry_open",
                                             "vfs_getattr",
                                             "filp_close"};
  if (program_.type == ProgType::BPF_PROG_TYPE_LSM) {
    return attach_name_.starts_with(kLsmPrefix) &&
           listed(kSleepableHooks, attach_name_.substr(kLsmPrefix.size()));
  }
  if (program_.type == ProgType::BPF_PROG_TYPE_TRACING &&
      program_.expected_attach_type == AttachType::BPF_TRACE_ITER) {
    return true;
  }
  return listed(kFunctions, attach_name_);
}

bool Verifier::returns_nothing() const {
  if (attach_proto_ == 0 || kernel_btf_->type(attach_proto_).referenced() != 0) return false;
  return program_.type == ProgType::BPF_PROG_TYPE_STRUCT_OPS ||
         (program_.type == ProgType::BPF_PROG_TYPE_LSM &&
          program_.expected_attach_type != AttachType::BPF_LSM_CGROUP);
}

// What an LSM hook returns.
bool Verifier::attach_return_range(int32_t& min, int32_t& max) const {
  if (program_.type != ProgType::BPF_PROG_TYPE_LSM || attach_proto_ == 0 ||
      !attach_name_.starts_with(kLsmPrefix)) {
    return false;
  }
  const bool nothing = kernel_btf_->type(attach_proto_).referenced() == 0;
  if (program_.expected_attach_type == AttachType::BPF_LSM_CGROUP) {
    min = nothing ? 1 : 0;
    max = 1;
    return true;
  }
  if (nothing) return false;
  const bool answers = listed(kBoolHooks, attach_name_.substr(kLsmPrefix.size()));
  min = answers ? 0 : -kMaxErrno;
  max = answers ? 1 : 0;
  return true;
}

namespace {

uint64_t tracepoint_mask(std::string_view name) {
  const auto* row =
      std::ranges::lower_bound(kRawTracepointArguments, name, {}, &RawTracepointArguments::name);
  return row != std::end(kRawTracepointArguments) && row->name == name ? row->mask : 0;
}

const IteratorArgument* iterator_argument(std::string_view target, std::string_view name) {
  for (const IteratorArgument& row : kIteratorArguments) {
    if (row.target == target && row.name == name) return &row;
  }
  return nullptr;
}

}  // namespace

// What lies at `off` of the arguments of what the program is attached to. is_result: the function's own.
bool Verifier::context_argument(int32_t off, unsigned size, Access access, RegState& result,
                                bool& is_result) {
  const auto refuse = [&] {
    return reject(Rule::context_access, EACCES, "invalid bpf_context access off={} size={}", off,
                  size);
  };
  is_result = false;
  if (access == Access::write) return refuse();
  mark_unknown(result);
  if (attach_proto_ == 0) return true;  // raw_tp: numbers
  if (off % 8 != 0) {
    note("func '{}' offset {} is not multiple of 8\n", attach_name_, off);
    return refuse();
  }
  const btf::Btf& btf = *kernel_btf_;
  const btf::Type proto = btf.type(attach_proto_);
  const uint32_t skipped = attach_skips_argument_ ? 1 : 0;
  const uint32_t count = proto.vlen() > skipped ? proto.vlen() - skipped : 0;
  // Structs by value take as many places of 8 bytes as they need.
  uint32_t number = 0;
  for (uint32_t at = 0; number < count; ++number) {
    const uint32_t bytes = btf.size_of(proto.parameter(number + skipped).type).value_or(8);
    at += std::max((bytes + 7) / 8 * 8, 8u);
    if (static_cast<uint32_t>(off) < at) break;
    if (number + 1 == count && static_cast<uint32_t>(off) >= at) {
      number = count + (static_cast<uint32_t>(off) - at) / 8;
      break;
    }
  }
  if (count == 0) number = static_cast<uint32_t>(off) / 8;
  const auto missing = [&] {
    note("func '{}' doesn't have {}-th argument\n", attach_name_, number + 1);
    return refuse();
  };
  btf::TypeId id;
  const AttachType attach = program_.expected_attach_type;
  if (number < count) {
    id = proto.parameter(number + skipped).type;
  } else if (number == count &&
             (attach == AttachType::BPF_TRACE_FEXIT || attach == AttachType::BPF_MODIFY_RETURN ||
              attach == AttachType::BPF_TRACE_FSESSION ||
              program_.type == ProgType::BPF_PROG_TYPE_LSM)) {
    id = proto.referenced();
    is_result = true;
  } else {
    return missing();
  }
  const btf::Type type = btf.resolve(id);
  if (type.kind() == Kind::Int || type.is_enum() || type.is_composite() || id == 0) return true;
  if (type.kind() != Kind::Ptr) {
    note("func '{}' arg{} has type {}. Only pointer access is allowed\n", attach_name_, number,
         btf::kind_name(type.kind()));
    return refuse();
  }
  if (size != 8) {
    note("func '{}' size {} must be 8\n", attach_name_, size);
    return refuse();
  }
  Flags flags = arguments_are_trusted() ? kTrusted : Flags{0};
  const btf::Parameter parameter = is_result ? btf::Parameter{} : proto.parameter(number + skipped);
  btf::Parameter stub = parameter;
  if (struct_ops_proto_ != 0 && !is_result) stub = btf.type(struct_ops_proto_).parameter(number);
  if (ends_in(stub, "__arena") || ends_in(stub, "__arena__nullable")) {
    mark_pointer(result, Base::arena);
    return true;
  }
  const IteratorArgument* iterator = nullptr;
  if (attach == AttachType::BPF_TRACE_ITER && attach_name_.starts_with(kIteratorPrefix))
    iterator = iterator_argument(attach_name_.substr(kIteratorPrefix.size()), parameter.name);
  if (iterator != nullptr && iterator->base == Base::buf) {
    mark_pointer(result, Base::buf, iterator->flags);
    return true;
  }
  // A queueing discipline is given a list of packets to drop behind a type of its own.
  if (struct_ops_name_ == "Qdisc_ops" && attach_name_ == "enqueue" && number == 2) {
    if (const auto list = btf.find("bpf_sk_buff_ptr", Kind::Struct)) {
      mark_pointer(result, Base::btf_id, kTrusted);
      result.btf_type = *list;
      result.map_uid = static_cast<uint32_t>(BtfOf::attach);
      return true;
    }
  }
  const Pointee to = pointee_of(btf, type);
  if (!to.type.is_composite()) return true;  // pointers to numbers are numbers here
  if (iterator != nullptr) {
    flags = iterator->flags;
  } else {
    flags |= to.flags & (kUser | kPercpu);
    if (ends_in(stub, "__nullable")) flags |= kMaybeNull;
  }
  if (attach == AttachType::BPF_TRACE_RAW_TP) {
    const uint64_t bits = tracepoint_mask(attach_name_) >> (number * 4);
    if ((bits & 2) != 0) return true;  // an error may hide in it: a number
    if ((bits & 1) != 0) flags |= kMaybeNull;
    // Of a module's nothing is known.
    if (btf.base() != nullptr && program_.attach_btf_id >= btf.type_begin()) flags |= kMaybeNull;
  }
  mark_pointer(result, Base::btf_id, flags);
  result.btf_type = to.type.id();
  result.map_uid = static_cast<uint32_t>(BtfOf::attach);
  // Congestion control is given the TCP socket that it is.
  if (struct_ops_name_ == "tcp_congestion_ops" && to.type.name() == "sock") {
    if (const auto tcp = btf.find("tcp_sock", Kind::Struct)) result.btf_type = *tcp;
  }
  for (const auto& [argument, ref] : argument_refs_) {
    if (argument == number && !is_result) result.ref_id = ref;
  }
  return true;
}

// Programs may write some fields of what they are given.
bool Verifier::check_kernel_write(const RegState& reg, unsigned number, int32_t off,
                                  unsigned size) {
  const btf::Btf& btf = *kernel_btf_;
  const std::string_view name = btf_type_name(reg);
  struct Field {
    std::string_view in, name, inner;
  };
  constexpr Field kTcp[] = {{"sock", "sk_pacing_rate", ""},
                            {"sock", "sk_pacing_status", ""},
                            {"inet_connection_sock", "icsk_ca_priv", ""},
                            {"inet_connection_sock", "icsk_ack", "pending"},
                            {"tcp_sock", "snd_cwnd", ""},
                            {"tcp_sock", "snd_cwnd_cnt", ""},
                            {"tcp_sock", "snd_cwnd_stamp", ""},
                            {"tcp_sock", "snd_ssthresh", ""},
                            {"tcp_sock", "ecn_flags", ""},
                            {"tcp_sock", "app_limited", ""}};
  constexpr Field kSched[] = {{"task_struct", "scx", "slice"},
                              {"task_struct", "scx", "dsq_vtime"},
                              {"task_struct", "scx", "disallow"}};
  constexpr Field kQdisc[] = {
      {"Qdisc", "limit", ""}, {"Qdisc", "q", "qlen"}, {"Qdisc", "qstats", ""}};
  constexpr Field kConnection[] = {{"nf_conn", "mark", ""}};
  std::span<const Field> fields;
  const std::string_view ops = struct_ops_name_;
  if (ops == "tcp_congestion_ops" && name == "tcp_sock") fields = kTcp;
  if (ops == "sched_ext_ops" && name == "task_struct") fields = kSched;
  if (ops == "Qdisc_ops" && name == "Qdisc") fields = kQdisc;
  const bool packets = program_.type == ProgType::BPF_PROG_TYPE_XDP ||
                       program_.type == ProgType::BPF_PROG_TYPE_SCHED_CLS;
  if (packets && (name == "nf_conn" || name == "nf_conn___init")) fields = kConnection;
  // The kernel's own tests hand over a struct of theirs to write to.
  const bool all = (ops == "bpf_dummy_ops" && name == "bpf_dummy_ops_state") ||
                   (ops == "bpf_testmod_st_ops" && name == "st_ops_args");
  if (all && off >= 0 && int64_t{off} + size <= btf.size_of(reg.btf_type).value_or(0)) return true;
  if (fields.empty()) return reject(Rule::btf_access, EACCES, "only read is supported");
  const auto find = [&](btf::Type in, std::string_view field, int64_t& at, int64_t& bytes) {
    for (uint32_t i = 0; i < in.vlen(); ++i) {
      const btf::Member member = in.member(i);
      if (member.name != field || member.bitfield_size != 0) continue;
      at += member.bit_offset / 8;
      bytes = btf.size_of(member.type).value_or(0);
      return btf.resolve(member.type);
    }
    bytes = 0;
    return btf::Type();
  };
  for (const Field& field : fields) {
    const auto in = btf.find(field.in, Kind::Struct);
    if (!in) continue;
    int64_t at = 0, bytes = 0;
    const btf::Type type = find(btf.type(*in), field.name, at, bytes);
    if (!field.inner.empty() && bytes != 0) find(type, field.inner, at, bytes);
    if (bytes != 0 && off >= at && int64_t{off} + size <= at + bytes) return true;
  }
  return reject(Rule::btf_access, EACCES, "R{} cannot write into ptr_{} at off={} size={}", number,
                name, off, size);
}

}  // namespace skep::verifier
