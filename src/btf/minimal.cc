#include "btf/minimal.h"

#include "btf/builder.h"

namespace skep::btf {

MinimalBtf::MinimalBtf(const Btf& target)
    : target_(target), kept_(target.type_end(), false), members_(target.type_end()) {}

// A type by value: down to what ends the walk. Structs are kept, their members only as they are used; what a
// pointer leads to is void unless it is used, too.
void MinimalBtf::keep_spelling(TypeId id) {
  while (id != 0 && id < kept_.size() && !kept_[id]) {
    kept_[id] = true;
    const Type type = target_.type(id);
    switch (type.kind()) {
      case Kind::Typedef:
      case Kind::Volatile:
      case Kind::Const:
      case Kind::Restrict:
      case Kind::TypeTag: id = type.referenced(); break;
      case Kind::Array:
        keep_spelling(type.index_type());
        id = type.element();
        break;
      default: return;
    }
  }
}

void MinimalBtf::keep_member(TypeId id, uint32_t member) {
  const Type type = target_.type(id);
  if (!type.is_composite() || member >= type.vlen()) return;
  kept_[id] = true;
  members_[id].resize(type.vlen(), false);
  members_[id][member] = true;
  keep_spelling(type.member(member).type);
}

// For questions about the type itself: all of it, and all that it needs. Behind pointers names are enough.
void MinimalBtf::keep_whole(TypeId root) {
  std::vector<std::pair<TypeId, bool>> open = {{root, false}};
  std::vector<bool> seen(target_.type_end(), false);
  while (!open.empty()) {
    const auto [id, behind_pointer] = open.back();
    open.pop_back();
    if (id == 0 || id >= kept_.size()) continue;
    const Type type = target_.type(id);
    kept_[id] = true;
    if (seen[id] || (behind_pointer && type.is_composite())) continue;
    seen[id] = true;
    switch (type.kind()) {
      case Kind::Ptr: open.emplace_back(type.referenced(), true); break;
      case Kind::Typedef:
      case Kind::Volatile:
      case Kind::Const:
      case Kind::Restrict:
      case Kind::TypeTag: open.emplace_back(type.referenced(), behind_pointer); break;
      case Kind::Array:
        open.emplace_back(type.element(), behind_pointer);
        open.emplace_back(type.index_type(), false);
        break;
      case Kind::FuncProto:
        open.emplace_back(type.referenced(), true);
        for (uint32_t i = 0; i < type.vlen(); ++i) open.emplace_back(type.parameter(i).type, true);
        break;
      case Kind::Struct:
      case Kind::Union:
        members_[id].assign(type.vlen(), true);
        for (uint32_t i = 0; i < type.vlen(); ++i) open.emplace_back(type.member(i).type, false);
        break;
      default: break;
    }
  }
}

Result<> MinimalBtf::add(CoreResolver& resolver, const CoreRelocation& relocation) {
  CoreTrace trace;
  SKEP_TRY(value, resolver.resolve(relocation, &trace));
  if (value.target_type == 0 || relocation.kind == CoreKind::TypeIdLocal) return {};
  for (TypeId candidate : trace.candidates) {
    if (relocation.kind == CoreKind::TypeMatches)
      keep_whole(candidate);
    else
      keep_spelling(candidate);
  }
  for (const CoreTrace::Use& use : trace.members) keep_member(use.type, use.member);
  return {};
}

std::vector<std::byte> MinimalBtf::bytes() const {
  std::vector<TypeId> ids(kept_.size(), 0);
  TypeId next = 1;
  for (TypeId id = 1; id < kept_.size(); ++id)
    if (kept_[id]) ids[id] = next++;
  auto map_id = [&](TypeId id) { return id < ids.size() ? ids[id] : 0; };
  BtfBuilder builder;
  for (TypeId id = 1; id < kept_.size(); ++id) {
    if (!kept_[id]) continue;
    const Type type = target_.type(id);
    if (!type.is_composite()) {
      builder.add_copy(type, map_id);
      continue;
    }
    std::vector<Member> members;
    for (uint32_t i = 0; i < members_[id].size(); ++i) {
      if (!members_[id][i]) continue;
      members.push_back(type.member(i));
      members.back().type = map_id(members.back().type);
    }
    builder.add_composite(type.kind(), type.name(), type.size(), members);
  }
  return builder.bytes();
}

}  // namespace skep::btf
