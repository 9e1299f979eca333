// The two relations between whole types that CO-RE asks for. Both look through typedefs and
// modifiers.
//
// compatible: same kinds all the way down pointers, arrays and prototypes; integers of any size;
// structs,
//   unions and enums by kind only (their names were compared by who asks).
// match: names too; integers of equal size and sign; arrays of equal length; each member of a local
// struct
//   has one of that name that matches; behind a pointer a struct needs only its name.
#include <algorithm>

#include "btf/core.h"

namespace skep::btf {

namespace {

constexpr unsigned kDepth = 32;
constexpr unsigned kBudget = 100'000;  // pairs compared: bounds the walk through hostile types

bool is_any_enum(Kind kind) { return kind == Kind::Enum || kind == Kind::Enum64; }
bool same_kind(Kind a, Kind b) { return a == b || (is_any_enum(a) && is_any_enum(b)); }
bool same_name(std::string_view local, std::string_view target) {
  if (target.empty()) return local.empty();
  return essential_name(local) == essential_name(target);
}

class Relation {
 public:
  Relation(const Btf& local, const Btf& target) : local_(local), target_(target) {}

  bool compatible(TypeId local_id, TypeId target_id, unsigned level) {
    for (unsigned depth = 0; depth < kDepth; ++depth) {
      if (budget_ == 0) return false;
      --budget_;
      const Type ours = local_.resolve(local_id), theirs = target_.resolve(target_id);
      if (!same_kind(ours.kind(), theirs.kind())) return false;
      switch (ours.kind()) {
        case Kind::Void:
        case Kind::Struct:
        case Kind::Union:
        case Kind::Enum:
        case Kind::Enum64:
        case Kind::Fwd: return true;
        case Kind::Int: return ours.int_offset() == 0 && theirs.int_offset() == 0;
        case Kind::Ptr:
          local_id = ours.referenced();
          target_id = theirs.referenced();
          continue;
        case Kind::Array:
          local_id = ours.element();
          target_id = theirs.element();
          continue;
        case Kind::FuncProto:
          if (ours.vlen() != theirs.vlen() || (level == 0 && ours.vlen() > 0)) return false;
          for (uint32_t i = 0; i < ours.vlen(); ++i)
            if (!compatible(ours.parameter(i).type, theirs.parameter(i).type, level - 1))
              return false;
          local_id = ours.referenced();
          target_id = theirs.referenced();
          continue;
        case Kind::Typedef:
        case Kind::Volatile:
        case Kind::Const:
        case Kind::Restrict:
        case Kind::Func:
        case Kind::Var:
        case Kind::Datasec:
        case Kind::Float:
        case Kind::DeclTag:
        case Kind::TypeTag: return false;
      }
    }
    return false;
  }

  bool match(TypeId local_id, TypeId target_id, bool behind_pointer, unsigned level) {
    if (level == 0) return false;
    for (unsigned depth = 0; depth < kDepth; ++depth) {
      if (budget_ == 0) return false;
      --budget_;
      const Type ours = local_.resolve(local_id), theirs = target_.resolve(target_id);
      if (!same_name(ours.name(), theirs.name())) return false;
      const bool same = ours.kind() == theirs.kind();
      switch (ours.kind()) {
        case Kind::Void: return same;
        case Kind::Fwd:
          if (same) return ours.fwd_is_union() == theirs.fwd_is_union();
          return behind_pointer &&
                 theirs.kind() == (ours.fwd_is_union() ? Kind::Union : Kind::Struct);
        case Kind::Enum:
        case Kind::Enum64: return theirs.is_enum() && enums_match(ours, theirs);
        case Kind::Struct:
        case Kind::Union:
          if (!behind_pointer) return same && members_match(ours, theirs, level);
          return same || (theirs.kind() == Kind::Fwd &&
                          theirs.fwd_is_union() == (ours.kind() == Kind::Union));
        case Kind::Int:
          return same && ours.size() == theirs.size() && ours.is_signed() == theirs.is_signed();
        case Kind::Ptr:
          if (!same) return false;
          behind_pointer = true;
          local_id = ours.referenced();
          target_id = theirs.referenced();
          continue;
        case Kind::Array:
          if (!same || ours.length() != theirs.length()) return false;
          local_id = ours.element();
          target_id = theirs.element();
          continue;
        case Kind::FuncProto:
          if (!same || ours.vlen() != theirs.vlen()) return false;
          for (uint32_t i = 0; i < ours.vlen(); ++i)
            if (!match(ours.parameter(i).type, theirs.parameter(i).type, behind_pointer, level - 1))
              return false;
          local_id = ours.referenced();
          target_id = theirs.referenced();
          continue;
        case Kind::Typedef:
        case Kind::Volatile:
        case Kind::Const:
        case Kind::Restrict:
        case Kind::Func:
        case Kind::Var:
        case Kind::Datasec:
        case Kind::Float:
        case Kind::DeclTag:
        case Kind::TypeTag: return false;
      }
    }
    return false;
  }

 private:
  bool spend(uint64_t steps) {
    if (budget_ < steps)
      budget_ = 0;
    else
      budget_ -= static_cast<unsigned>(steps);
    return budget_ != 0;
  }
  // By name, not by value.
  bool enums_match(const Type& ours, const Type& theirs) {
    if (ours.size() != theirs.size() || ours.vlen() > theirs.vlen()) return false;
    for (uint32_t i = 0; i < ours.vlen(); ++i) {
      bool found = false;
      for (uint32_t j = 0; j < theirs.vlen() && !found; ++j)
        found = same_name(ours.enumerator(i).name, theirs.enumerator(j).name);
      if (!found || !spend(theirs.vlen() / 64 + 1)) return false;
    }
    return true;
  }
  bool members_match(const Type& ours, const Type& theirs, unsigned level) {
    if (ours.vlen() > theirs.vlen()) return false;
    for (uint32_t i = 0; i < ours.vlen(); ++i) {
      const Member member = ours.member(i);
      bool found = false;
      for (uint32_t j = 0; j < theirs.vlen() && !found; ++j) {
        const Member other = theirs.member(j);
        found =
            same_name(member.name, other.name) && match(member.type, other.type, false, level - 1);
      }
      if (!found || !spend(theirs.vlen() / 64 + 1)) return false;
    }
    return true;
  }

  const Btf& local_;
  const Btf& target_;
  unsigned budget_ = kBudget;
};

}  // namespace

bool core_types_compatible(const Btf& local, TypeId local_id, const Btf& target, TypeId target_id) {
  if (!same_kind(local.type(local_id).kind(), target.type(target_id).kind())) return false;
  return Relation(local, target).compatible(local_id, target_id, kDepth);
}

bool core_types_match(const Btf& local, TypeId local_id, const Btf& target, TypeId target_id) {
  return Relation(local, target).match(local_id, target_id, false, kDepth);
}

}  // namespace skep::btf
