// Special fields: what lies in a map's value, or in an object of bpf_obj_new, that programs reach through calls only
// (locks, timers, list heads and nodes, …) or through loads and stores with rules of their own (kptrs). Found by the
// names of their BTF structs, kptrs by their type tags, what a list or tree holds by its "contains:TYPE:MEMBER" tag.
#pragma once

#include <cstdint>
#include <string_view>
#include <vector>

#include "btf/btf.h"
#include "verifier/state.h"

namespace skep::verifier {

struct SpecialField {
  enum class Kind : uint8_t {
    spin_lock,
    res_spin_lock,
    timer,
    workqueue,
    task_work,
    list_head,
    list_node,
    rb_root,
    rb_node,
    refcount,
    kptr_untrusted,
    kptr,
    kptr_percpu,
    uptr,
  };
  Kind kind{};
  uint32_t offset = 0, size = 0;
  std::string_view name;  // "bpf_spin_lock"
  // kptrs: what they point to. list_head, rb_root: what they link, and where in it the node lies.
  BtfOf of = BtfOf::none;
  btf::TypeId type = 0;
  uint32_t node_offset = 0;

  [[nodiscard]] bool is_kptr() const { return kind >= Kind::kptr_untrusted; }
  [[nodiscard]] bool is_root() const { return kind == Kind::list_head || kind == Kind::rb_root; }
  [[nodiscard]] bool is_node() const { return kind == Kind::list_node || kind == Kind::rb_node; }
};

struct Record {
  std::vector<SpecialField> fields;
  std::string_view problem;  // why such a type can't be used; empty: it can

  [[nodiscard]] const SpecialField* field(SpecialField::Kind kind) const {
    for (const SpecialField& f : fields) {
      if (f.kind == kind) return &f;
    }
    return nullptr;
  }
  [[nodiscard]] const SpecialField* at(int64_t offset, SpecialField::Kind kind) const {
    for (const SpecialField& f : fields) {
      if (f.kind == kind && f.offset == offset) return &f;
    }
    return nullptr;
  }
  [[nodiscard]] const SpecialField* kptr_at(int64_t offset) const {
    for (const SpecialField& f : fields) {
      if (f.is_kptr() && f.offset == offset) return &f;
    }
    return nullptr;
  }
  [[nodiscard]] bool has_lock() const {
    return field(SpecialField::Kind::spin_lock) != nullptr ||
           field(SpecialField::Kind::res_spin_lock) != nullptr;
  }
  [[nodiscard]] bool has_node() const {
    for (const SpecialField& f : fields) {
      if (f.is_node()) return true;
    }
    return false;
  }
};

// Of the struct or data section `id`. kernel: where the types of kernel kptrs are looked up; may be null.
// in_map: a value's record, else an allocated object's.
[[nodiscard]] Record read_record(const btf::Btf& btf, btf::TypeId id, const btf::Btf* kernel,
                                 bool in_map);

// The text behind `prefix` of the declaration tag on `target` (component -1: the type itself); empty: there is none.
// count: how many there are.
[[nodiscard]] std::string_view decl_tag(const btf::Btf& btf, btf::TypeId target, int32_t component,
                                        std::string_view prefix, unsigned* count = nullptr);

}  // namespace skep::verifier
