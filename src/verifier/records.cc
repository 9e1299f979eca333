// See records.h.
#include "verifier/records.h"

#include <algorithm>
#include <array>

namespace skep::verifier {

using btf::Kind;
using FieldKind = SpecialField::Kind;

namespace {

constexpr unsigned kMaxNesting = 16;
constexpr size_t kMaxFields =
    64;  // the kernel's is 11 in maps of old, 64 since arrays are unrolled

struct NamedField {
  std::string_view name;
  FieldKind kind;
  bool unique;
  bool in_map, in_object;
};
constexpr NamedField kNamed[] = {
    {"bpf_spin_lock", FieldKind::spin_lock, true, true, true},
    {"bpf_res_spin_lock", FieldKind::res_spin_lock, true, true, true},
    {"bpf_timer", FieldKind::timer, true, true, false},
    {"bpf_wq", FieldKind::workqueue, true, true, false},
    {"bpf_task_work", FieldKind::task_work, true, true, false},
    {"bpf_list_head", FieldKind::list_head, false, true, true},
    {"bpf_list_node", FieldKind::list_node, false, false, true},
    {"bpf_rb_root", FieldKind::rb_root, false, true, true},
    {"bpf_rb_node", FieldKind::rb_node, false, false, true},
    {"bpf_refcount", FieldKind::refcount, true, true, true},
};

// Kernel structs that can be owned by a map: those with a destructor.
constexpr std::string_view kOwnable[] = {"task_struct",      "cgroup",    "bpf_cpumask",
                                         "bpf_crypto_ctx",   "sk_buff",   "prog_test_ref_kfunc",
                                         "prog_test_member", "bpf_ksock", "nf_conn"};

class Reader {
 public:
  Reader(const btf::Btf& btf, const btf::Btf* kernel, bool in_map)
      : btf_(btf), kernel_(kernel), in_map_(in_map) {}

  Record take() {
    std::ranges::sort(out_.fields, {}, &SpecialField::offset);
    for (size_t i = 1; i < out_.fields.size(); ++i) {
      const SpecialField& before = out_.fields[i - 1];
      if (before.offset + before.size > out_.fields[i].offset) fail("fields overlap");
    }
    if (out_.field(FieldKind::spin_lock) != nullptr && out_.field(FieldKind::res_spin_lock))
      fail("both bpf_spin_lock and bpf_res_spin_lock");
    const bool roots = std::ranges::any_of(out_.fields, &SpecialField::is_root);
    if (roots && !out_.has_lock()) fail("bpf_list_head or bpf_rb_root without a lock");
    if (out_.field(FieldKind::refcount) != nullptr && !in_map_ && !out_.has_node())
      fail("bpf_refcount without bpf_list_node or bpf_rb_node");
    const bool two_nodes = out_.field(FieldKind::list_node) && out_.field(FieldKind::rb_node);
    if (two_nodes && out_.field(FieldKind::refcount) == nullptr)
      fail("bpf_list_node and bpf_rb_node without bpf_refcount");
    return std::move(out_);
  }

  void read(btf::TypeId id) {
    const btf::Type type = btf_.resolve(id);
    if (type.kind() == Kind::Datasec) {
      for (uint32_t i = 0; i < type.vlen(); ++i) {
        const btf::SecVar var = type.sec_var(i);
        read_one(btf_.type(var.type).referenced(), var.offset, 0, var.type, -1);
      }
      return;
    }
    // The struct itself may be the field (a map whose value is one bpf_timer).
    if (type.kind() == Kind::Struct) read_members(type, 0, 0);
  }

 private:
  void fail(std::string_view problem) {
    if (out_.problem.empty()) out_.problem = problem;
  }

  void read_members(const btf::Type& type, uint32_t at, unsigned depth) {
    for (uint32_t i = 0; i < type.vlen(); ++i) {
      const btf::Member member = type.member(i);
      if (member.bitfield_size != 0) continue;
      read_one(member.type, at + member.bit_offset / 8, depth, type.id(), static_cast<int32_t>(i));
    }
  }

  // `owner`, `component`: where a "contains:" tag would hang.
  void read_one(btf::TypeId id, uint32_t at, unsigned depth, btf::TypeId owner, int32_t component) {
    if (depth > kMaxNesting || budget_ == 0 || out_.fields.size() > kMaxFields) return;
    --budget_;
    btf::Type type = strip(id);
    uint64_t count = 1;
    for (unsigned i = 0; type.kind() == Kind::Array && i < kMaxNesting; ++i) {
      count *= type.length();
      type = strip(type.element());
    }
    if (count == 0) return;
    const size_t first = out_.fields.size();
    uint32_t step = 8;
    if (type.kind() == Kind::Ptr) {
      read_kptr(type, at);
    } else if (type.kind() == Kind::Struct) {
      step = type.size();
      const auto* named = std::ranges::find(kNamed, type.name(), &NamedField::name);
      if (named == std::end(kNamed)) {
        read_members(type, at, depth + 1);
      } else if (in_map_ ? named->in_map : named->in_object) {
        add_named(*named, type, at, owner, component);
      }
    }
    const size_t found = out_.fields.size() - first;
    if (found == 0 || count == 1) return;
    for (size_t f = first; f < first + found; ++f) {
      const SpecialField& field = out_.fields[f];
      if (!field.is_kptr() && !field.is_root()) return fail("such a field can't be in an array");
    }
    if (count * found > kMaxFields) return fail("too many special fields");
    for (uint32_t i = 1; i < count; ++i) {
      for (size_t f = 0; f < found; ++f) {
        SpecialField field = out_.fields[first + f];
        field.offset += i * step;
        out_.fields.push_back(field);
      }
    }
  }

  btf::Type strip(btf::TypeId id) const {
    btf::Type type = btf_.type(id);
    for (unsigned i = 0; i < kMaxNesting; ++i) {
      const Kind kind = type.kind();
      if (kind != Kind::Typedef && kind != Kind::Const && kind != Kind::Volatile &&
          kind != Kind::Restrict) {
        break;
      }
      type = btf_.type(type.referenced());
    }
    return type;
  }

  void add_named(const NamedField& named, const btf::Type& type, uint32_t at, btf::TypeId owner,
                 int32_t component) {
    if (named.unique && out_.field(named.kind) != nullptr)
      return fail("more than one of a kind of field that can only be once");
    SpecialField field;
    field.kind = named.kind;
    field.offset = at;
    field.size = type.size();
    field.name = named.name;
    if (field.is_root() && !find_contents(field, owner, component)) return;
    out_.fields.push_back(field);
  }

  bool find_contents(SpecialField& field, btf::TypeId owner, int32_t component) {
    const std::string_view tag = decl_tag(btf_, owner, component, "contains:");
    const size_t colon = tag.find(':');
    if (colon == std::string_view::npos) {
      if (tag.empty()) return false;  // not one that can be used; only bytes
      fail("malformed 'contains' tag");
      return false;
    }
    const auto value = btf_.find(tag.substr(0, colon), Kind::Struct);
    if (!value) {
      fail("the type that a list or tree contains does not exist");
      return false;
    }
    const std::string_view wanted =
        field.kind == FieldKind::list_head ? "bpf_list_node" : "bpf_rb_node";
    const btf::Type type = btf_.type(*value);
    for (uint32_t i = 0; i < type.vlen(); ++i) {
      const btf::Member member = type.member(i);
      if (member.name != tag.substr(colon + 1)) continue;
      if (btf_.resolve(member.type).name() != wanted) break;
      field.of = BtfOf::program;
      field.type = *value;
      field.node_offset = member.bit_offset / 8;
      return true;
    }
    fail("the type that a list or tree contains has no such node");
    return false;
  }

  void read_kptr(const btf::Type& pointer, uint32_t at) {
    btf::Type target = btf_.type(pointer.referenced());
    if (target.kind() != Kind::TypeTag) return;
    constexpr std::array<std::pair<std::string_view, FieldKind>, 4> kTags{{
        {"kptr_untrusted", FieldKind::kptr_untrusted},
        {"kptr", FieldKind::kptr},
        {"percpu_kptr", FieldKind::kptr_percpu},
        {"uptr", FieldKind::uptr},
    }};
    const auto* tag =
        std::ranges::find(kTags, target.name(), &std::pair<std::string_view, FieldKind>::first);
    if (tag == kTags.end()) return;
    if (tag->second == FieldKind::uptr && !in_map_) return;
    target = btf_.resolve(target.referenced());
    if (target.kind() == Kind::Fwd) {
      // Declared only: the kernel's.
    } else if (!target.is_composite()) {
      return fail("kptr to something that is no struct");
    }
    SpecialField field;
    field.kind = tag->second;
    field.offset = at;
    field.size = 8;
    field.name = field.kind == FieldKind::uptr          ? "uptr"
                 : field.kind == FieldKind::kptr_percpu ? "percpu_kptr"
                                                        : "kptr";
    const Kind kind = target.kind() == Kind::Union ? Kind::Union : Kind::Struct;
    std::optional<btf::TypeId> known;
    if (kernel_ != nullptr && field.kind != FieldKind::uptr)
      known = kernel_->find(target.name(), kind);
    if (known) {
      field.of = BtfOf::attach;
      field.type = *known;
      if (field.kind == FieldKind::kptr &&
          std::ranges::find(kOwnable, target.name()) == std::end(kOwnable))
        return fail("kptr to a kernel object that maps can't own");
    } else {
      if (target.kind() == Kind::Fwd) return fail("kptr to an unknown struct");
      field.of = BtfOf::program;
      field.type = target.id();
    }
    out_.fields.push_back(field);
  }

  const btf::Btf& btf_;
  const btf::Btf* kernel_;
  bool in_map_;
  unsigned budget_ = 100'000;
  Record out_;
};

}  // namespace

std::string_view decl_tag(const btf::Btf& btf, btf::TypeId target, int32_t component,
                          std::string_view prefix, unsigned* count) {
  std::string_view found;
  for (btf::TypeId id = btf.type_begin(); id < btf.type_end(); ++id) {
    const btf::Type type = btf.type(id);
    if (type.kind() != Kind::DeclTag || type.referenced() != target ||
        type.component() != component || !type.name().starts_with(prefix)) {
      continue;
    }
    if (found.empty()) found = type.name().substr(prefix.size());
    if (count != nullptr) ++*count;
  }
  return found;
}

Record read_record(const btf::Btf& btf, btf::TypeId id, const btf::Btf* kernel, bool in_map) {
  Reader reader(btf, kernel, in_map);
  reader.read(id);
  return reader.take();
}

}  // namespace skep::verifier
