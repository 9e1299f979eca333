// Arguments of global functions, which are verified apart from their callers: what the prototype and its tags (__arg_ctx,
// __arg_nonnull, __arg_trusted, …) declare, what a caller must pass, and what the function may rely on.
#include <algorithm>

#include "verifier/env.h"
#include "verifier/text.h"

namespace skep::verifier {

using btf::Kind;

namespace {

enum : uint32_t {
  kTagCtx = 1 << 0,
  kTagTrusted = 1 << 1,
  kTagUntrusted = 1 << 2,
  kTagNonnull = 1 << 3,
  kTagNullable = 1 << 4,
  kTagArena = 1 << 5,
};
constexpr std::pair<std::string_view, uint32_t> kTags[] = {
    {"arg:ctx", kTagCtx},         {"arg:trusted", kTagTrusted},   {"arg:untrusted", kTagUntrusted},
    {"arg:nonnull", kTagNonnull}, {"arg:nullable", kTagNullable}, {"arg:arena", kTagArena}};

// As `int __arena *` is in BTF: a pointer with the type tag "arena".
bool is_arena_pointer(const btf::Btf& btf, btf::TypeId id) {
  const btf::Type type = btf.resolve(id);
  if (type.kind() != Kind::Ptr) return false;
  for (btf::Type tag = btf.type(type.referenced()); tag.is_modifier();
       tag = btf.type(tag.referenced())) {
    if (tag.kind() == Kind::TypeTag && tag.name() == "arena") return true;
  }
  return false;
}

}  // namespace

bool Verifier::read_function_arguments(SubprogramInfo& sub) {
  if (sub.arguments_known) return true;
  sub.arguments_known = true;
  const btf::Btf& btf = *program_.btf;
  const int index = subprogram_at(sub.start);
  const btf::Type func = btf.type(program_.func_info[static_cast<size_t>(index)].type_id);
  const btf::Type proto = btf.type(func.referenced());
  const auto refuse = [&]<class... Args>(fmt::format_string<Args...> format, Args&&... args) {
    return reject_at(sub.start, Rule::bad_func_info, EINVAL, format, std::forward<Args>(args)...);
  };
  if (proto.vlen() > 5)
    return refuse("Global function {}() with {} > 5 args. Buggy compiler.", sub.name, proto.vlen());
  const bool newer = profile_.version >= kernel_version(7, 0);
  if (!sub.returns_int && !(sub.returns_void && newer) &&
      !(newer && is_arena_pointer(btf, proto.referenced()))) {
    if (newer) {
      return refuse(
          "Global function {}() return value not void or scalar. Only those are supported.",
          sub.name);
    }
    return refuse("Global function {}() doesn't return scalar. Only those are supported.",
                  sub.name);
  }
  const spec::ContextRow* context = spec::find_context(program_.type);
  for (uint32_t i = 0; i < proto.vlen(); ++i) {
    FunctionArgument argument;
    uint32_t tags = 0;
    for (const auto& [name, bit] : kTags) {
      for (const btf::TypeId id : btf.find_all(name)) {
        const btf::Type tag = btf.type(id);
        if (tag.kind() == Kind::DeclTag && tag.referenced() == func.id() &&
            tag.component() == static_cast<int32_t>(i)) {
          tags |= bit;
        }
      }
    }
    if (is_arena_pointer(btf, proto.parameter(i).type)) tags |= kTagArena;
    const btf::Type type = btf.resolve(proto.parameter(i).type);
    if (type.kind() != Kind::Ptr) {
      if (tags != 0) return refuse("arg#{} has pointer tag, but is not a pointer type", i);
      if (type.kind() != Kind::Int && !type.is_enum()) {
        return refuse("Arg#{} type {} in {}() is not supported yet.", i,
                      btf::kind_name(type.kind()), sub.name);
      }
      argument.kind = FunctionArgument::Kind::scalar;
      sub.arguments.push_back(argument);
      continue;
    }
    const btf::Type target = btf.resolve(type.referenced());
    const auto bad_tags = [&] { return refuse("arg#{} has invalid combination of tags", i); };
    const auto done = [&](FunctionArgument::Kind kind) {
      argument.kind = kind;
      sub.arguments.push_back(argument);
    };
    // The kernel's type of that name.
    const auto find_kernel_type = [&] {
      const auto id = kernel_btf_ == nullptr
                          ? std::nullopt
                          : kernel_btf_->find(btf::essential_name(target.name()), target.kind());
      if (!id) {
        return refuse("arg#{} reference type('{} {}') has no matches", i,
                      btf::kind_name(target.kind()), target.name());
      }
      argument.btf_type = *id;
      return true;
    };
    const bool names_context = context != nullptr && is_context_type(btf, type);
    if ((tags & kTagCtx) != 0 || names_context) {
      if ((tags & ~kTagCtx) != 0) return bad_tags();
      if ((tags & kTagCtx) != 0 && !names_context && !check_context_tag(type, i, sub)) return false;
      argument.maybe_null = false;
      done(FunctionArgument::Kind::ctx);
    } else if (target.kind() == Kind::Struct && target.name() == "bpf_dynptr") {
      if (tags != 0) return bad_tags();
      argument.maybe_null = false;
      done(FunctionArgument::Kind::dynptr);
    } else if ((tags & kTagTrusted) != 0) {
      if ((tags & kTagNonnull) != 0) return bad_tags();
      if (!find_kernel_type()) return false;
      argument.trusted = true;
      argument.maybe_null = (tags & kTagNullable) != 0;
      done(FunctionArgument::Kind::btf);
    } else if ((tags & kTagUntrusted) != 0) {
      if ((tags & ~kTagUntrusted) != 0)
        return refuse("arg#{} untrusted cannot be combined with any other tags", i);
      argument.untrusted = true;
      argument.maybe_null = false;
      if (target.kind() == Kind::Void || target.kind() == Kind::Int || target.is_enum() ||
          target.kind() == Kind::Float) {
        done(FunctionArgument::Kind::mem);
      } else {
        if (!find_kernel_type()) return false;
        if (!target.is_composite()) {
          return refuse("arg#{} has type {} '{}', but only struct or primitive types are allowed",
                        i, btf::kind_name(target.kind()), target.name());
        }
        done(FunctionArgument::Kind::btf);
      }
    } else if ((tags & kTagArena) != 0) {
      if ((tags & ~kTagArena) != 0)
        return refuse("arg#{} arena cannot be combined with any other tags", i);
      done(FunctionArgument::Kind::arena);
    } else {
      if ((tags & kTagNullable) != 0) return bad_tags();
      const std::optional<uint32_t> size = btf.size_of(type.referenced());
      if (!size || target.kind() == Kind::Void || target.kind() == Kind::Func) {
        return refuse("arg#{} reference type('{} {}') size cannot be determined: {}", i,
                      btf::kind_name(target.kind()), target.name(), -EINVAL);
      }
      argument.mem_size = *size;
      argument.maybe_null = (tags & kTagNonnull) == 0;
      done(FunctionArgument::Kind::mem);
    }
  }
  return true;
}

// __arg_ctx on a pointer that does not name the context: some types are allowed instead.
bool Verifier::check_context_tag(const btf::Type& pointer, uint32_t index, SubprogramInfo& sub) {
  const btf::Btf& btf = *program_.btf;
  const btf::Type named = btf.strip_modifiers(pointer.referenced());
  const btf::Type target = btf.resolve(pointer.referenced());
  const bool is_struct = target.kind() == Kind::Struct;
  if (target.kind() == Kind::Void) return true;
  const bool is_u64 = target.kind() == Kind::Int && target.size() == 8;
  switch (program_.type) {
    case ProgType::BPF_PROG_TYPE_KPROBE:
    case ProgType::BPF_PROG_TYPE_PERF_EVENT:
      if (named.kind() == Kind::Typedef && named.name() == "bpf_user_pt_regs_t") return true;
      if (is_struct && (target.name() == "pt_regs" || target.name() == "user_pt_regs")) return true;
      break;
    case ProgType::BPF_PROG_TYPE_RAW_TRACEPOINT:
    case ProgType::BPF_PROG_TYPE_RAW_TRACEPOINT_WRITABLE:
    case ProgType::BPF_PROG_TYPE_LSM:
    case ProgType::BPF_PROG_TYPE_STRUCT_OPS:
      if (is_u64) return true;
      break;
    case ProgType::BPF_PROG_TYPE_TRACING:
      if (program_.expected_attach_type == AttachType::BPF_TRACE_ITER) {
        if (is_struct && target.name().starts_with("bpf_iter__")) return true;
      } else if (is_u64) {
        return true;
      }
      if (program_.expected_attach_type == AttachType::BPF_TRACE_RAW_TP && is_struct &&
          target.name() == "bpf_raw_tracepoint_args") {
        return true;
      }
      break;
    case ProgType::BPF_PROG_TYPE_TRACEPOINT:
    case ProgType::BPF_PROG_TYPE_SYSCALL:
    case ProgType::BPF_PROG_TYPE_EXT: return true;
    default: break;
  }
  std::string_view wanted = prog_type_->context;
  if (wanted.starts_with("struct ")) {
    wanted.remove_prefix(7);
    return reject_at(sub.start, Rule::bad_func_info, EINVAL, "arg#{} should be `struct {} *`",
                     index, wanted);
  }
  return reject_at(sub.start, Rule::bad_func_info, EINVAL, "arg#{} should be void pointer", index);
}

// The registers agree with what the global function declares.
bool Verifier::check_global_arguments(uint32_t subprogram) {
  SubprogramInfo& sub = subs_[subprogram];
  const uint32_t here = insn_;
  if (!read_function_arguments(sub)) return false;
  insn_ = here;
  const auto caller_passes = [&] {
    return reject(Rule::argument_mismatch, EINVAL, "Caller passes invalid args into func#{} ('{}')",
                  subprogram, sub.name);
  };
  const bool newer = profile_.version >= kernel_version(7, 0);
  for (unsigned i = 0; i < sub.arguments.size(); ++i) {
    const FunctionArgument& argument = sub.arguments[i];
    const unsigned number = i + 1;
    RegState& reg = regs()[number];
    const std::string name = newer ? fmt::format("R{}", number) : fmt::format("arg#{}", i);
    if (reg.base == Base::not_init) {
      note("R{} !read_ok\n", number);
      return caller_passes();
    }
    if (argument.untrusted) continue;  // anything: it will only be read, and may fault
    switch (argument.kind) {
      case FunctionArgument::Kind::scalar:
        if (!reg.is_scalar()) {
          note("R{} is not a scalar\n", number);
          return caller_passes();
        }
        break;
      case FunctionArgument::Kind::ctx:
        if (reg.is(Base::ctx)) {
          if (!check_fixed_pointer(reg, number, false)) return caller_passes();
          break;
        }
        note("{} expects pointer to ctx\n", name);
        return caller_passes();
      case FunctionArgument::Kind::mem: {
        if (!argument.maybe_null && (reg.maybe_null() || reg.is_null())) {
          note("{} is expected to be non-NULL\n", name);
          return caller_passes();
        }
        if (reg.is_null()) {
          mark_precise(number);
          break;
        }
        const RegState saved = reg;
        if (reg.maybe_null()) mark_not_null(reg);
        const auto size = static_cast<int>(argument.mem_size);
        if (argument.mem_size > (1u << 29) ||
            !check_helper_memory(number, size, Access::read, true, nullptr) ||
            !check_helper_memory(number, size, Access::write, true, nullptr)) {
          return caller_passes();
        }
        regs()[number] = saved;
        const bool slice = saved.is(Base::mem) && (saved.flags & kPacketSlice) != 0;
        if ((saved.is_packet() || slice) && sub.changes_packet && newer) {
          note("R{} is a packet pointer, but func#{} may change packet data\n", number, subprogram);
          return caller_passes();
        }
        break;
      }
      case FunctionArgument::Kind::dynptr: {
        CallMeta meta;
        if (reg.is(Base::dynptr) && !check_fixed_pointer(reg, number, false))
          return caller_passes();
        if (!check_dynptr(number, false, false, DynptrKind::none, meta)) return caller_passes();
        break;
      }
      case FunctionArgument::Kind::arena:
        if (!reg.is(Base::arena) && !reg.is_scalar()) {
          note("R{} is not a pointer to arena or scalar.\n", number);
          return caller_passes();
        }
        break;
      case FunctionArgument::Kind::btf: {
        if (reg.is_null() && argument.maybe_null) {
          mark_precise(number);
          break;
        }
        spec::Argument wanted;
        wanted.kind = spec::ArgKind::btf_id;
        wanted.btf_type = kernel_btf_->name(argument.btf_type);
        if (argument.maybe_null) wanted.flags = spec::kMaybeNull;
        CallMeta meta;
        if (!check_argument_type(number, wanted, meta) ||
            !check_argument_offset(number, wanted, false)) {
          return caller_passes();
        }
        break;
      }
      default: return caller_passes();
    }
  }
  return true;
}

// Registers as any caller that fits the prototype may pass them.
bool Verifier::prepare_global_entry(SubprogramInfo& sub) {
  if (!read_function_arguments(sub)) return false;
  if (sub.is_exception_callback) {
    frame().in_exception_callback = true;
    if (sub.returns_void)
      return reject(Rule::bad_callback, EINVAL, "exception cb cannot return void");
    if (sub.arguments.size() != 1 || sub.arguments[0].kind != FunctionArgument::Kind::scalar) {
      return reject(Rule::bad_callback, EINVAL,
                    "exception cb only supports single integer argument");
    }
  }
  for (unsigned i = 0; i < sub.arguments.size(); ++i) {
    const FunctionArgument& argument = sub.arguments[i];
    RegState& reg = regs()[i + 1];
    const Flags null = argument.maybe_null ? kMaybeNull : Flags{0};
    switch (argument.kind) {
      case FunctionArgument::Kind::ctx: mark_pointer(reg, Base::ctx); break;
      case FunctionArgument::Kind::mem:
        mark_pointer(reg, Base::mem,
                     argument.untrusted ? static_cast<Flags>(kRdonly | kUntrusted) : null);
        reg.mem_size = argument.mem_size;
        reg.id = ++next_id_;
        break;
      case FunctionArgument::Kind::btf:
        mark_pointer(reg, Base::btf_id,
                     static_cast<Flags>(null | (argument.trusted ? kTrusted : kUntrusted)));
        reg.btf_type = argument.btf_type;
        reg.map_uid = static_cast<uint32_t>(BtfOf::attach);
        reg.id = ++next_id_;
        break;
      case FunctionArgument::Kind::dynptr:
        mark_pointer(reg, Base::dynptr);
        reg.word = static_cast<uint32_t>(DynptrKind::local) | kFirstSlot;
        reg.id = ++next_id_;
        break;
      default: mark_unknown(reg); break;
    }
  }
  return true;
}

}  // namespace skep::verifier
