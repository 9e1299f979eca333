// Which types of a BTF a source needs, judged by its words alone:
//   - a type or an enumerator of that name;
//   - from each struct that is so taken in whole: what its members of such a name point to, since
//     `task->mm->start_code` names no mm_struct.
// What lies inside by value, or must be declared, is the C dump's to add.
#include <algorithm>
#include <unordered_set>

#include "btf/c_dump.h"
#include "cc/cc.h"

namespace skep::cc {

namespace {

// Headers use these whatever the program names.
constexpr std::string_view kAlways[] = {
    "__u8",    "__u16",    "__u32",    "__u64",    "__s8",         "__s16",   "__s32",
    "__s64",   "u8",       "u16",      "u32",      "u64",          "s8",      "s16",
    "s32",     "s64",      "bool",     "size_t",   "__be16",       "__be32",  "__be64",
    "__le16",  "__le32",   "__le64",   "__wsum",   "__sum16",      "ssize_t", "pid_t",
    "uint8_t", "uint16_t", "uint32_t", "uint64_t", "int8_t",       "int16_t", "int32_t",
    "int64_t", "uid_t",    "gid_t",    "loff_t",   "bpf_iter_num", "pt_regs", "user_pt_regs"};

class Roots {
 public:
  Roots(const btf::Btf& btf, const std::vector<std::string>& words)
      : btf_(btf), words_(words.begin(), words.end()), seen_(btf.type_end(), false) {}

  std::vector<btf::TypeId> find() {
    for (std::string_view word : words_) add_named(word);
    for (std::string_view word : kAlways) add_named(word);
    add_enumerators();
    while (!open_.empty()) {
      const btf::TypeId id = open_.back();
      open_.pop_back();
      follow(btf_.type(id));
    }
    std::ranges::sort(roots_);
    return std::move(roots_);
  }

 private:
  void add_named(std::string_view word) {
    for (btf::TypeId id : btf_.find_all(word)) {
      const btf::Type type = btf_.type(id);
      if (type.is_composite() || type.is_enum() || type.kind() == btf::Kind::Typedef) add_root(id);
      if (type.kind() == btf::Kind::Func && is_kfunc(id)) add_root(id);
    }
  }
  // Tagged, as the kernel tags those that programs may call.
  bool is_kfunc(btf::TypeId id) {
    if (kfuncs_.empty()) {
      kfuncs_.insert(0);
      for (btf::TypeId tag = 1; tag < btf_.type_end(); ++tag) {
        const btf::Type type = btf_.type(tag);
        if (type.kind() == btf::Kind::DeclTag && type.name() == "bpf_kfunc")
          kfuncs_.insert(type.referenced());
      }
    }
    return kfuncs_.contains(id);
  }
  void add_root(btf::TypeId id) {
    if (seen_[id]) return;
    roots_.push_back(id);
    enter(id);
  }
  void enter(btf::TypeId id) {
    if (seen_[id]) return;
    seen_[id] = true;
    open_.push_back(id);
  }
  void add_enumerators() {
    for (btf::TypeId id = 1; id < btf_.type_end(); ++id) {
      const btf::Type type = btf_.type(id);
      if (!type.is_enum() || seen_[id]) continue;
      for (uint32_t i = 0; i < type.vlen(); ++i) {
        if (!words_.contains(type.enumerator(i).name)) continue;
        add_root(id);
        break;
      }
    }
  }
  // Into what lies inside, and through members that the source names.
  void follow(const btf::Type& type) {
    switch (type.kind()) {
      case btf::Kind::Typedef:
      case btf::Kind::Const:
      case btf::Kind::Volatile:
      case btf::Kind::Restrict:
      case btf::Kind::TypeTag: enter(type.referenced()); break;
      case btf::Kind::Array: enter(type.element()); break;
      case btf::Kind::Func: follow_prototype(btf_.type(type.referenced())); break;
      case btf::Kind::Struct:
      case btf::Kind::Union:
        for (uint32_t i = 0; i < type.vlen(); ++i) {
          const btf::Member member = type.member(i);
          enter(member.type);
          if (!member.name.empty() && words_.contains(member.name)) add_pointee(member.type);
        }
        break;
      default: break;
    }
  }
  // A kfunc's parameters may be dereferenced without their types being named: iterators on the stack. And a loader
  // takes a struct that is only declared for another type than the kernel's.
  void follow_prototype(const btf::Type& prototype) {
    for (uint32_t i = 0; i < prototype.vlen(); ++i) {
      enter(prototype.parameter(i).type);
      add_pointee(prototype.parameter(i).type);
    }
  }
  void add_pointee(btf::TypeId id) {
    btf::Type type = btf_.resolve(id);
    for (unsigned depth = 0; depth < 8; ++depth) {
      if (type.kind() == btf::Kind::Ptr)
        type = btf_.resolve(type.referenced());
      else if (type.kind() == btf::Kind::Array)
        type = btf_.resolve(type.element());
      else
        break;
    }
    if (type.is_composite() && !type.name().empty() && !rooted_.contains(type.id())) {
      rooted_.insert(type.id());
      roots_.push_back(type.id());
      enter(type.id());
    }
  }

  const btf::Btf& btf_;
  std::unordered_set<std::string_view> words_;
  std::vector<bool> seen_;
  std::vector<btf::TypeId> roots_, open_;
  std::unordered_set<btf::TypeId> rooted_, kfuncs_;
};

}  // namespace

std::string minimal_vmlinux_h(const btf::Btf& btf, const std::vector<std::string>& words) {
  return btf::dump_c(btf, Roots(btf, words).find());
}

}  // namespace skep::cc
