// What the verifier takes from BTF: arguments of attach targets, structs behind typed pointers, special
// fields of map values, prototypes of global functions.
#include <algorithm>

#include "verifier/env.h"
#include "verifier/text.h"

namespace skep::verifier {

using btf::Kind;

namespace {

constexpr unsigned kMaxNesting = 16;

struct NamedField {
  std::string_view name;
  SpecialField::Kind kind;
};
constexpr NamedField kSpecialStructs[] = {
    {"bpf_spin_lock", SpecialField::Kind::spin_lock},
    {"bpf_res_spin_lock", SpecialField::Kind::res_spin_lock},
    {"bpf_timer", SpecialField::Kind::timer},
    {"bpf_wq", SpecialField::Kind::workqueue},
    {"bpf_task_work", SpecialField::Kind::task_work},
    {"bpf_list_head", SpecialField::Kind::other},
    {"bpf_list_node", SpecialField::Kind::other},
    {"bpf_rb_root", SpecialField::Kind::other},
    {"bpf_rb_node", SpecialField::Kind::other},
    {"bpf_refcount", SpecialField::Kind::other},
};

// A pointer with type tag "kptr", "kptr_untrusted", "percpu_kptr", "uptr".
bool is_kptr(const btf::Btf& btf, btf::TypeId id) {
  btf::Type type = btf.type(id);
  for (unsigned i = 0;
       i < kMaxNesting && (type.kind() == Kind::Typedef || type.kind() == Kind::Const ||
                           type.kind() == Kind::Volatile);
       ++i) {
    type = btf.type(type.referenced());
  }
  if (type.kind() != Kind::Ptr) return false;
  const btf::Type target = btf.type(type.referenced());
  if (target.kind() != Kind::TypeTag) return false;
  const std::string_view tag = target.name();
  return tag == "kptr" || tag == "kptr_untrusted" || tag == "percpu_kptr" || tag == "uptr";
}

// `budget`: types that may still be looked at; a struct of structs of structs can name very many.
void collect_fields(const btf::Btf& btf, btf::TypeId id, uint32_t at, unsigned depth,
                    unsigned& budget, std::vector<SpecialField>& out) {
  constexpr size_t kMaxFields = 64;
  if (depth > kMaxNesting || out.size() > kMaxFields || budget == 0) return;
  --budget;
  if (is_kptr(btf, id)) {
    out.push_back({SpecialField::Kind::kptr, at, 8, "kptr"});
    return;
  }
  const btf::Type type = btf.resolve(id);
  if (type.kind() == Kind::Array) {
    const std::optional<uint32_t> size = btf.size_of(type.element());
    if (!size || *size == 0) return;
    // Arrays of plain numbers are most of what there is: one look at the element is enough for them.
    std::vector<SpecialField> of_element;
    collect_fields(btf, type.element(), 0, depth + 1, budget, of_element);
    if (of_element.empty()) return;
    for (uint32_t i = 0; i < type.length() && out.size() <= kMaxFields; ++i) {
      for (SpecialField field : of_element) {
        field.offset += at + i * *size;
        out.push_back(field);
      }
    }
    return;
  }
  if (!type.is_composite() && type.kind() != Kind::Datasec) return;
  if (type.kind() == Kind::Struct) {
    for (const NamedField& special : kSpecialStructs) {
      if (type.name() == special.name) {
        out.push_back({special.kind, at, type.size(), special.name});
        return;
      }
    }
  }
  for (uint32_t i = 0; i < type.vlen(); ++i) {
    if (type.kind() == Kind::Datasec) {
      const btf::SecVar var = type.sec_var(i);
      collect_fields(btf, btf.type(var.type).referenced(), at + var.offset, depth + 1, budget, out);
    } else {
      const btf::Member member = type.member(i);
      if (member.bitfield_size == 0) {
        collect_fields(btf, member.type, at + member.bit_offset / 8, depth + 1, budget, out);
      }
    }
  }
}

}  // namespace

void Verifier::find_special_fields(MapInfo& info) const {
  const MapDescriptor& map = *info.map;
  if (map.btf == nullptr || map.btf_value_type_id == 0) return;
  unsigned budget = 100'000;
  collect_fields(*map.btf, map.btf_value_type_id, 0, 0, budget, info.fields);
}

std::string_view Verifier::btf_type_name(const RegState& reg) const {
  if (kernel_btf_ == nullptr) return "?";
  return kernel_btf_->name(reg.btf_type);
}

// Argument number off / 8 of what the program is attached to.
bool Verifier::context_argument(int32_t off, unsigned size, Access access, RegState& result) {
  const auto refuse = [&] {
    return reject(Rule::context_access, EACCES, "invalid bpf_context access off={} size={}", off,
                  size);
  };
  if (access == Access::write) return refuse();
  mark_unknown(result);
  if (attach_proto_ == 0) return true;  // raw_tp: numbers
  if (off % 8 != 0) return refuse();
  const btf::Btf& btf = *kernel_btf_;
  const btf::Type proto = btf.type(attach_proto_);
  const uint32_t number = static_cast<uint32_t>(off) / 8;
  const uint32_t skipped = attach_skips_argument_ ? 1 : 0;
  const uint32_t count = proto.vlen() > skipped ? proto.vlen() - skipped : 0;
  btf::TypeId id;
  if (number < count) {
    id = proto.parameter(number + skipped).type;
  } else if (number == count && (program_.expected_attach_type == AttachType::BPF_TRACE_FEXIT ||
                                 program_.expected_attach_type == AttachType::BPF_MODIFY_RETURN ||
                                 program_.expected_attach_type == AttachType::BPF_TRACE_FSESSION)) {
    id = proto.referenced();
  } else {
    return reject(Rule::context_access, EACCES, "func '{}' doesn't have {}-th argument",
                  attach_name_, number + 1);
  }
  const btf::Type type = btf.resolve(id);
  if (type.kind() != Kind::Ptr) return true;
  if (size != 8) return refuse();
  // An iterator's objects are null at its end; its meta data never is.
  const bool iterator = program_.expected_attach_type == AttachType::BPF_TRACE_ITER;
  const Flags maybe_null = iterator && number > 0 ? kMaybeNull : Flags{0};
  const btf::Type target = btf.resolve(type.referenced());
  if (iterator && target.kind() == Kind::Void) {
    // bpf_map_elem's key, read-only, and value: as long as what the program reads of them, which is held against
    // the map when the iterator is attached.
    const bool key = number == 2;
    mark_pointer(result, Base::buf, static_cast<Flags>(kMaybeNull | (key ? kRdonly : 0)));
    return true;
  }
  if (!target.is_composite()) return true;  // pointers to numbers are numbers here
  mark_pointer(result, Base::btf_id, static_cast<Flags>(kTrusted | maybe_null));
  result.btf_type = target.id();
  result.map_uid = static_cast<uint32_t>(BtfOf::attach);
  return true;
}

// Through a typed pointer: reads only, each of them may fault (and then gives 0).
bool Verifier::check_btf_access(unsigned number, int32_t off_in, unsigned size, Access access,
                                int value) {
  const RegState reg = regs()[number];
  const std::string_view name = btf_type_name(reg);
  if (kernel_btf_ == nullptr) return reject(Rule::internal, EFAULT, "typed pointer without BTF");
  if (access == Access::write) return reject(Rule::btf_access, EACCES, "only read is supported");
  if (off_in < 0) {
    return reject(Rule::btf_access, EACCES, "R{} is ptr_{} invalid negative access: off={}", number,
                  name, off_in);
  }
  if (!reg.number.is_constant() || reg.number.constant() != 0) {
    return reject(Rule::btf_access, EACCES,
                  "R{} is ptr_{} invalid variable offset: off={}, var_off={}", number, name, off_in,
                  tnum_text(reg.number.var_off));
  }
  aux_[insn_].probe = true;
  const btf::Btf& btf = *kernel_btf_;
  btf::Type type = btf.resolve(reg.btf_type);
  auto off = static_cast<uint32_t>(off_in);
  if (value >= 0) mark_unknown(static_cast<unsigned>(value));
  for (unsigned depth = 0; depth < kMaxNesting; ++depth) {
    if (type.kind() == Kind::Array) {
      const std::optional<uint32_t> element = btf.size_of(type.element());
      if (!element || *element == 0) break;
      off %= *element;
      type = btf.resolve(type.element());
      continue;
    }
    if (!type.is_composite()) {
      if (type.kind() != Kind::Ptr || off != 0 || size != 8 || value < 0) return true;
      const btf::Type target = btf.resolve(type.referenced());
      if (!target.is_composite()) return true;
      RegState& loaded = regs()[value];
      mark_pointer(loaded, Base::btf_id);
      loaded.btf_type = target.id();
      loaded.map_uid = reg.map_uid;
      return true;
    }
    const uint64_t past = uint64_t{off} + size;
    if (past > type.size()) {
      // A struct may end in an array of unknown length.
      const bool flexible = type.vlen() != 0 &&
                            btf.resolve(type.member(type.vlen() - 1).type).kind() == Kind::Array &&
                            btf.resolve(type.member(type.vlen() - 1).type).length() == 0;
      if (flexible) return true;
      return reject(Rule::btf_access, EACCES, "access beyond struct {} at off {} size {}", name,
                    off_in, size);
    }
    bool found = false;
    for (uint32_t i = 0; i < type.vlen() && !found; ++i) {
      const btf::Member member = type.member(i);
      const uint32_t at = member.bit_offset / 8;
      if (member.bitfield_size != 0) {
        const uint32_t end = (member.bit_offset + member.bitfield_size + 7) / 8;
        if (off < end && at < past) return true;
        continue;
      }
      const std::optional<uint32_t> bytes = btf.size_of(member.type);
      if (!bytes || off < at || past > uint64_t{at} + *bytes) continue;
      if (type.kind() == Kind::Union && i + 1 < type.vlen() &&
          !btf.resolve(member.type).is_composite() &&
          btf.resolve(member.type).kind() != Kind::Ptr) {
        continue;  // another member may say more
      }
      type = btf.resolve(member.type);
      off -= at;
      found = true;
    }
    if (!found) return true;  // padding, or several members at once: a number
  }
  return true;
}

bool Verifier::read_function_arguments(SubprogramInfo& sub) {
  if (sub.arguments_known) return true;
  sub.arguments_known = true;
  const btf::Btf& btf = *program_.btf;
  const int index = subprogram_at(sub.start);
  const btf::Type func = btf.type(program_.func_info[static_cast<size_t>(index)].type_id);
  const btf::Type proto = btf.type(func.referenced());
  if (proto.vlen() > 5) {
    return reject_at(sub.start, Rule::bad_func_info, EINVAL,
                     "Global function {}() with {} > 5 args. Buggy compiler.", sub.name,
                     proto.vlen());
  }
  if (!sub.returns_int && !(sub.returns_void && profile_.version >= kernel_version(7, 0))) {
    return reject_at(sub.start, Rule::bad_func_info, EINVAL,
                     "Global function {}() doesn't return scalar. Only those are supported.",
                     sub.name);
  }
  // Tags are DeclTags that name the function and the argument.
  const auto has_tag = [&](uint32_t argument, std::string_view tag) {
    for (const btf::TypeId id : btf.find_all(tag)) {
      const btf::Type type = btf.type(id);
      if (type.kind() == Kind::DeclTag && type.referenced() == func.id() &&
          type.component() == static_cast<int32_t>(argument)) {
        return true;
      }
    }
    return false;
  };
  const spec::ContextRow* context = spec::find_context(program_.type);
  const std::string_view context_name = prog_type_ != nullptr ? prog_type_->context : "";
  for (uint32_t i = 0; i < proto.vlen(); ++i) {
    FunctionArgument argument;
    const btf::Type type = btf.resolve(proto.parameter(i).type);
    if (type.kind() == Kind::Int || type.is_enum()) {
      argument.kind = FunctionArgument::Kind::scalar;
      sub.arguments.push_back(argument);
      continue;
    }
    if (type.kind() != Kind::Ptr) {
      return reject_at(sub.start, Rule::bad_func_info, EINVAL,
                       "Arg#{} type {} in {}() is not supported yet.", i,
                       btf::kind_name(type.kind()), sub.name);
    }
    const btf::Type target = btf.resolve(type.referenced());
    const bool names_context =
        target.kind() == Kind::Struct && context != nullptr &&
        (context_name == target.name() ||
         (context_name.starts_with("struct ") && context_name.substr(7) == target.name()));
    if (has_tag(i, "arg:ctx") || names_context) {
      argument.kind = FunctionArgument::Kind::ctx;
      argument.maybe_null = false;
      sub.arguments.push_back(argument);
      continue;
    }
    const std::optional<uint32_t> size = btf.size_of(type.referenced());
    if (!size || target.kind() == Kind::Void || target.kind() == Kind::Func) {
      return reject_at(sub.start, Rule::bad_func_info, EINVAL,
                       "arg#{} reference type('{} {}') size cannot be determined: {}", i,
                       btf::kind_name(target.kind()), target.name(), -EINVAL);
    }
    argument.kind = FunctionArgument::Kind::mem;
    argument.mem_size = *size;
    argument.maybe_null = !has_tag(i, "arg:nonnull");
    sub.arguments.push_back(argument);
  }
  return true;
}

}  // namespace skep::verifier
