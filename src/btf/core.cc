// How one relocation is resolved:
//
//   accessor "0:1:2" of a local type  --local_path()-->  Path: what each step means, by name
//   Path, candidate in the target     --match()------->  Path in the target, or none
//   both Paths, the relocation's kind --value_of()---->  the local and the target value
//
// A Path's step is a named member (anonymous structs on the way have no step of their own), an
// array index, or an enumerator.
#include "btf/core.h"

#include <algorithm>
#include <charconv>

namespace skep::btf {

namespace {

constexpr size_t kMaxSteps = 64;
constexpr unsigned kSearchBudget =
    100'000;  // members looked at for one relocation of a hostile target

bool is_field_kind(CoreKind kind) { return kind <= CoreKind::FieldRshiftU64; }
bool is_type_kind(CoreKind kind) {
  return (kind >= CoreKind::TypeIdLocal && kind <= CoreKind::TypeSize) ||
         kind == CoreKind::TypeMatches;
}

struct Step {
  TypeId type = 0;  // the struct that the member is in; the array's element type; the enum
  uint32_t index = 0;
  std::string_view name;  // "" for an array index
};
struct Path {
  const Btf* btf = nullptr;
  TypeId root = 0;
  std::vector<Step> steps;
  uint64_t bit_offset = 0;
  std::vector<CoreTrace::Use> members{};  // of a target: every member walked through
};

bool same_kind(Kind a, Kind b) {
  auto is_enum = [](Kind kind) { return kind == Kind::Enum || kind == Kind::Enum64; };
  return a == b || (is_enum(a) && is_enum(b));
}

// An array of no elements at a struct's end: any index is inside.
bool is_flexible(const Path& path, const Type& array) {
  if (array.length() > 0 || path.steps.empty() || path.steps.back().name.empty()) return false;
  return path.steps.back().index + 1 == path.btf->type(path.steps.back().type).vlen();
}

Result<std::vector<uint32_t>> parse_accessor(std::string_view text) {
  std::vector<uint32_t> indices;
  const char* at = text.data();
  const char* end = at + text.size();
  for (;;) {
    uint32_t index = 0;
    auto [next, error] = std::from_chars(at, end, index);
    if (error != std::errc() || indices.size() == kMaxSteps || (next != end && *next != ':'))
      return fail(EINVAL, "expected an accessor like \"0:1:2\", found \"{}\"", text);
    indices.push_back(index);
    if (next == end) return indices;
    at = next + 1;
  }
}

Result<> walk_member(Path& path, const Type& type, uint32_t index, TypeId& at) {
  if (index >= type.vlen()) return fail(EINVAL, "member {} of a type with {}", index, type.vlen());
  const Member member = type.member(index);
  path.bit_offset += member.bit_offset;
  if (!member.name.empty()) path.steps.push_back({type.id(), index, member.name});
  at = member.type;
  return {};
}

Result<> walk_element(Path& path, const Type& type, uint32_t index, TypeId& at) {
  if (index >= type.length() && !is_flexible(path, type))
    return fail(EINVAL, "element {} of an array of {}", index, type.length());
  at = path.btf->resolve(type.element()).id();
  const auto size = path.btf->size_of(at);
  if (!size) return fail(EINVAL, "an array whose element has no size");
  path.steps.push_back({at, index, {}});
  path.bit_offset += uint64_t{index} * *size * 8;
  return {};
}

Result<Path> local_path(const Btf& btf, const CoreRelocation& relocation) {
  SKEP_TRY(indices, parse_accessor(relocation.accessor));
  Path path{.btf = &btf, .root = relocation.type, .steps = {}, .bit_offset = 0};
  if (is_type_kind(relocation.kind)) {
    if (relocation.accessor != "0")
      return fail(EINVAL, "expected the accessor \"0\", found \"{}\"", relocation.accessor);
    return path;
  }
  Type type = btf.resolve(relocation.type);
  const uint32_t first = indices[0];
  if (!is_field_kind(relocation.kind)) {
    if (!type.is_enum() || indices.size() != 1 || first >= type.vlen())
      return fail(EINVAL, "accessor \"{}\" names no enumerator of type {}", relocation.accessor,
                  relocation.type);
    path.steps.push_back({type.id(), first, type.enumerator(first).name});
    return path;
  }
  const auto size = btf.size_of(type.id());
  if (!size) return fail(EINVAL, "type {} has no size", relocation.type);
  path.steps.push_back({type.id(), first, {}});
  path.bit_offset = uint64_t{first} * *size * 8;
  TypeId at = type.id();
  for (size_t i = 1; i < indices.size(); ++i) {
    type = btf.resolve(at);
    if (type.is_composite()) {
      SKEP_CHECK(walk_member(path, type, indices[i], at));
    } else if (type.kind() == Kind::Array) {
      SKEP_CHECK(walk_element(path, type, indices[i], at));
    } else {
      return fail(EINVAL, "accessor \"{}\" goes into type {} of kind {}", relocation.accessor, at,
                  kind_name(type.kind()));
    }
  }
  return path;
}

// Whether a field of one type may be read as the other.
bool fields_compatible(const Btf& local, TypeId local_id, const Btf& target, TypeId target_id) {
  for (unsigned depth = 0; depth < kMaxSteps; ++depth) {
    const Type ours = local.resolve(local_id), theirs = target.resolve(target_id);
    if (ours.is_composite() && theirs.is_composite()) return true;
    if (!same_kind(ours.kind(), theirs.kind())) return false;
    switch (ours.kind()) {
      case Kind::Ptr:
      case Kind::Float: return true;
      case Kind::Fwd:
      case Kind::Enum:
      case Kind::Enum64: {
        const auto a = essential_name(ours.name()), b = essential_name(theirs.name());
        return a.empty() || b.empty() || a == b;  // anonymous ones match any
      }
      case Kind::Int: return ours.int_offset() == 0 && theirs.int_offset() == 0;
      case Kind::Array:
        local_id = ours.element();
        target_id = theirs.element();
        continue;
      case Kind::Void:
      case Kind::Struct:
      case Kind::Union:
      case Kind::Typedef:
      case Kind::Volatile:
      case Kind::Const:
      case Kind::Restrict:
      case Kind::Func:
      case Kind::FuncProto:
      case Kind::Var:
      case Kind::Datasec:
      case Kind::DeclTag:
      case Kind::TypeTag: return false;
    }
  }
  return false;
}

class Matcher {
 public:
  Matcher(const Btf& local, const Path& path, const Btf& target)
      : local_(local), path_(path), target_(target) {}

  // The same path in the target; none where there is no such field.
  Result<std::optional<Path>> match(TypeId candidate, CoreKind kind) {
    Path found{.btf = &target_, .root = candidate, .steps = {}, .bit_offset = 0};
    if (is_type_kind(kind)) {
      const bool fits = kind == CoreKind::TypeMatches
                            ? core_types_match(local_, path_.root, target_, candidate)
                            : core_types_compatible(local_, path_.root, target_, candidate);
      return fits ? std::optional(found) : std::nullopt;
    }
    if (!is_field_kind(kind)) return enumerator(candidate, std::move(found));
    TypeId at = candidate;
    for (size_t i = 0; i < path_.steps.size(); ++i) {
      const Step& step = path_.steps[i];
      if (!step.name.empty()) {
        auto member = find_member(step, at, found, 0);
        if (too_deep_ || budget_ == 0)
          return fail(E2BIG, "type {} of the target nests too deep", candidate);
        if (!member) return std::optional<Path>();
        at = *member;
        continue;
      }
      if (i > 0) {
        const Type array = target_.resolve(at);
        if (array.kind() != Kind::Array) return std::optional<Path>();
        if (step.index >= array.length() && !is_flexible(found, array))
          return std::optional<Path>();
        at = array.element();
      }
      at = target_.resolve(at).id();
      const auto size = target_.size_of(at);
      if (!size) return fail(EINVAL, "type {} of the target has no size", at);
      found.steps.push_back({at, step.index, {}});
      found.bit_offset += uint64_t{step.index} * *size * 8;
    }
    return std::optional(std::move(found));
  }

 private:
  std::optional<Path> enumerator(TypeId candidate, Path found) const {
    const Type type = target_.resolve(candidate);
    if (!type.is_enum()) return std::nullopt;
    const std::string_view wanted = essential_name(path_.steps[0].name);
    for (uint32_t i = 0; i < type.vlen(); ++i) {
      const std::string_view name = type.enumerator(i).name;
      if (essential_name(name) != wanted) continue;
      found.steps.push_back({type.id(), i, name});
      return found;
    }
    return std::nullopt;
  }

  // The type of the member that `step` names, searched through anonymous members; `found` then
  // leads to it.
  std::optional<TypeId> find_member(const Step& step, TypeId in, Path& found, unsigned depth) {
    const Type type = target_.resolve(in);
    if (!type.is_composite()) return std::nullopt;
    if (depth == kMaxSteps) {
      too_deep_ = true;
      return std::nullopt;
    }
    const TypeId wanted_type = local_.type(step.type).member(step.index).type;
    for (uint32_t i = 0; i < type.vlen(); ++i) {
      if (budget_ == 0 || too_deep_) return std::nullopt;
      --budget_;
      if (found.members.size() >= kMaxSteps - 1) {  // one more is an array's index
        too_deep_ = true;
        return std::nullopt;
      }
      const Member member = type.member(i);
      if (member.name.empty()) {
        const uint64_t before = found.bit_offset;
        found.bit_offset += member.bit_offset;
        found.members.push_back({type.id(), i});
        if (auto inner = find_member(step, member.type, found, depth + 1)) return inner;
        found.bit_offset = before;
        found.members.pop_back();
      } else if (member.name == step.name) {
        if (!fields_compatible(local_, wanted_type, target_, member.type)) return std::nullopt;
        found.bit_offset += member.bit_offset;
        found.steps.push_back({type.id(), i, member.name});
        found.members.push_back({type.id(), i});
        return member.type;
      }
    }
    return std::nullopt;
  }

  const Btf& local_;
  const Path& path_;
  const Btf& target_;
  unsigned budget_ = kSearchBudget;
  bool too_deep_ = false;
};

struct Value {
  uint64_t value = 0;
  bool check = true;
  bool none = false;  // there is nothing: poison
  uint32_t size = 0;  // of the memory that a byte offset leads to
  TypeId type = 0;    // and its type
};

// Size of what one access moves: of an array, an element.
Result<uint32_t> access_size(const Btf& btf, TypeId id) {
  Type type = btf.resolve(id);
  for (size_t i = 0; type.kind() == Kind::Array && i < kMaxSteps; ++i)
    type = btf.resolve(type.element());
  const auto size = btf.size_of(type.id());
  if (!size) return fail(EINVAL, "type {} has no size", id);
  return *size;
}

Result<Value> element_value(const Path& path, CoreKind kind) {
  const TypeId type = path.steps.back().type;
  SKEP_TRY(size, access_size(*path.btf, type));
  if (kind == CoreKind::FieldByteOffset)
    return Value{.value = path.bit_offset / 8, .size = size, .type = type};
  const auto whole = path.btf->size_of(type);
  if (kind == CoreKind::FieldByteSize && whole) return Value{.value = *whole};
  return fail(EINVAL, "{} can't be asked of an array's element", core_kind_name(kind));
}

Result<Value> field_value(const Path* path, CoreKind kind) {
  if (kind == CoreKind::FieldExists) return Value{.value = path != nullptr};
  if (path == nullptr) return Value{.none = true};
  const Step& last = path->steps.back();
  if (last.name.empty()) return element_value(*path, kind);

  const Btf& btf = *path->btf;
  const Member member = btf.type(last.type).member(last.index);
  const Type type = btf.resolve(member.type);
  const uint64_t bit_offset = path->bit_offset;
  const bool bitfield = member.bitfield_size != 0;
  uint64_t bits = member.bitfield_size, byte_offset = 0, bytes = 0;
  if (bitfield) {
    // The smallest aligned integer that holds all of its bits.
    bytes = type.size();
    if (!std::has_single_bit(bytes)) return fail(EINVAL, "a bitfield of a type of {} bytes", bytes);
    byte_offset = bit_offset / 8 / bytes * bytes;
    while (bit_offset + bits - byte_offset * 8 > bytes * 8) {
      if (bytes >= 8)
        return fail(EINVAL, "a bitfield of {} bits at bit {} can't be read with one load", bits,
                    bit_offset);
      bytes *= 2;
      byte_offset = bit_offset / 8 / bytes * bytes;
    }
  } else {
    const auto size = btf.size_of(type.id());
    if (!size) return fail(EINVAL, "field '{}' has no size", last.name);
    bytes = *size;
    byte_offset = bit_offset / 8;
    bits = bytes * 8;
  }
  // A compiler may choose another integer to read a bitfield with.
  Value value{.check = !bitfield};
  switch (kind) {
    case CoreKind::FieldByteOffset:
      value.value = byte_offset;
      if (!bitfield) {
        SKEP_TRY(size, access_size(btf, type.id()));
        value.size = size;
        value.type = type.id();
      }
      return value;
    case CoreKind::FieldByteSize: value.value = bytes; return value;
    case CoreKind::FieldSigned:
      value.value = type.is_signed();
      value.check = true;
      return value;
    case CoreKind::FieldLshiftU64:
      value.value = std::endian::native == std::endian::little
                        ? 64 - (bit_offset + bits - byte_offset * 8)
                        : (8 - bytes) * 8 + (bit_offset - byte_offset * 8);
      return value;
    case CoreKind::FieldRshiftU64:
      value.value = 64 - bits;
      value.check = true;
      return value;
    case CoreKind::FieldExists:
    case CoreKind::TypeIdLocal:
    case CoreKind::TypeIdTarget:
    case CoreKind::TypeExists:
    case CoreKind::TypeSize:
    case CoreKind::EnumvalExists:
    case CoreKind::EnumvalValue:
    case CoreKind::TypeMatches: break;
  }
  return fail(EINVAL, "{} is not of a field", core_kind_name(kind));
}

// A type that is not there has size, id and existence 0.
Result<Value> type_value(const Path* path, CoreKind kind) {
  if (path == nullptr) return Value{.value = 0};
  if (kind == CoreKind::TypeIdTarget) return Value{.value = path->root, .check = false};
  if (kind != CoreKind::TypeSize) return Value{.value = 1};
  const auto size = path->btf->size_of(path->root);
  if (!size) return fail(EINVAL, "type {} has no size", path->root);
  return Value{.value = *size};
}

Result<Value> value_of(const Path* path, CoreKind kind) {
  if (is_field_kind(kind)) return field_value(path, kind);
  if (is_type_kind(kind)) return type_value(path, kind);
  if (kind == CoreKind::EnumvalExists) return Value{.value = path != nullptr};
  if (path == nullptr) return Value{.none = true};
  return Value{.value =
                   path->btf->type(path->steps[0].type).enumerator(path->steps[0].index).value};
}

Result<CoreValue> compare(const Path& local, const Path* target, CoreKind kind) {
  SKEP_TRY(ours, value_of(&local, kind));
  SKEP_TRY(theirs, value_of(target, kind));
  CoreValue value{.local = ours.value,
                  .target = theirs.value,
                  .check_local = ours.check,
                  .poison = theirs.none};
  if (target != nullptr) value.target_type = target->root;
  if (!is_field_kind(kind) || theirs.none || ours.size == theirs.size) return value;
  value.local_size = ours.size;
  value.target_size = theirs.size;
  // Reading more or fewer bytes is right for pointers and for unsigned integers.
  const Type from = local.btf->resolve(ours.type), to = target->btf->resolve(theirs.type);
  const bool pointers = from.kind() == Kind::Ptr && to.kind() == Kind::Ptr;
  const bool integers =
      from.kind() == Kind::Int && to.kind() == Kind::Int && !from.is_signed() && !to.is_signed();
  (pointers || integers ? value.adjust_size : value.cannot_adjust_size) = true;
  return value;
}

}  // namespace

std::string_view core_kind_name(CoreKind kind) {
  switch (kind) {
    case CoreKind::FieldByteOffset: return "byte_off";
    case CoreKind::FieldByteSize: return "byte_sz";
    case CoreKind::FieldExists: return "field_exists";
    case CoreKind::FieldSigned: return "signed";
    case CoreKind::FieldLshiftU64: return "lshift_u64";
    case CoreKind::FieldRshiftU64: return "rshift_u64";
    case CoreKind::TypeIdLocal: return "local_type_id";
    case CoreKind::TypeIdTarget: return "target_type_id";
    case CoreKind::TypeExists: return "type_exists";
    case CoreKind::TypeSize: return "type_size";
    case CoreKind::EnumvalExists: return "enumval_exists";
    case CoreKind::EnumvalValue: return "enumval_value";
    case CoreKind::TypeMatches: return "type_matches";
  }
  return "unknown";
}

std::string describe(const Btf& local, const CoreRelocation& relocation) {
  const Type root = local.type(relocation.type);
  std::string text = fmt::format("{} of ", core_kind_name(relocation.kind));
  switch (root.kind()) {
    case Kind::Struct: text += "struct "; break;
    case Kind::Union: text += "union "; break;
    case Kind::Enum:
    case Kind::Enum64: text += "enum "; break;
    default: break;
  }
  text += root.name().empty() ? "<anonymous>" : root.name();
  if (auto path = local_path(local, relocation)) {
    for (size_t i = is_field_kind(relocation.kind) ? 1 : 0; i < path->steps.size(); ++i) {
      const Step& step = path->steps[i];
      if (!is_field_kind(relocation.kind))
        text += fmt::format("::{}", step.name);
      else if (step.name.empty())
        text += fmt::format("[{}]", step.index);
      else
        text += fmt::format(".{}", step.name);
    }
  }
  return text;
}

std::vector<CoreResolver::Candidate>& CoreResolver::candidates(const Type& local) {
  auto [at, fresh] = candidates_.try_emplace(local.id());
  if (!fresh) return at->second;
  const std::string_view name = essential_name(local.name());
  for (uint32_t i = 0; i < targets_.size(); ++i) {
    for (TypeId id : targets_[i]->find_essential(name)) {
      // A module's BTF repeats its base, which was looked at first.
      if (i > 0 && id < targets_[i]->type_begin()) continue;
      if (same_kind(targets_[i]->type(id).kind(), local.kind())) at->second.push_back({i, id});
    }
    if (i == 0 && !at->second.empty()) break;
  }
  return at->second;
}

Result<CoreValue> CoreResolver::resolve(const CoreRelocation& relocation, CoreTrace* trace) {
  const Type root = local_.type(relocation.type);
  if (static_cast<uint32_t>(relocation.kind) >= kCoreKinds)
    return fail(EINVAL, "unknown kind of CO-RE relocation {}",
                static_cast<uint32_t>(relocation.kind));
  if (relocation.type >= local_.type_end())
    return fail(EINVAL, "CO-RE relocation of type {}, which does not exist", relocation.type);
  SKEP_TRY(local, local_path(local_, relocation));
  if (relocation.kind == CoreKind::TypeIdLocal)
    return CoreValue{
        .local = root.id(), .target = root.id(), .check_local = false, .target_type = root.id()};
  if (root.name().empty())
    return fail(EINVAL, "{} of an anonymous type can't be relocated (type {})",
                core_kind_name(relocation.kind), root.id());

  std::optional<CoreValue> chosen;
  uint64_t chosen_offset = 0;
  std::vector<Candidate> matching;
  std::vector<Candidate>& possible = candidates(root);
  for (const Candidate& candidate : possible) {
    const Btf& target = *targets_[candidate.target];
    SKEP_TRY(path, Matcher(local_, local, target).match(candidate.type, relocation.kind));
    if (!path) continue;
    SKEP_TRY(value, compare(local, &*path, relocation.kind));
    value.target_index = candidate.target;
    if (!chosen) {
      chosen = value;
      chosen_offset = path->bit_offset;
    } else if (chosen_offset != path->bit_offset || chosen->poison != value.poison ||
               chosen->target != value.target) {
      return fail(EINVAL, "{} is ambiguous: types {} and {} of the target differ in it",
                  describe(local_, relocation), chosen->target_type, candidate.type);
    }
    matching.push_back(candidate);
    if (trace != nullptr) {
      trace->candidates.push_back(candidate.type);
      trace->members.insert(trace->members.end(), path->members.begin(), path->members.end());
    }
  }
  if (!chosen) return compare(local, nullptr, relocation.kind);
  possible = std::move(matching);
  return *chosen;
}

Result<CoreValue> core_resolve(const Btf& local, const CoreRelocation& relocation,
                               std::span<const std::shared_ptr<const Btf>> targets) {
  return CoreResolver(local, targets).resolve(relocation);
}

}  // namespace skep::btf
