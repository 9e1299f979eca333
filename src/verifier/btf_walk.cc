// See btf_walk.h.
//
// A struct is walked member by member; arrays of it count as that many members in a row; a member that is a struct is
// entered. A load must take a pointer whole, a number within its member (or array of numbers). Unions may be
// read as any of their members, and so a pointer out of one is not trusted.
#include "verifier/btf_walk.h"

#include <fmt/format.h>

namespace skep::verifier {

using btf::Kind;

namespace {

constexpr unsigned kMaxSteps = 64;

Walk failed(std::string message) {
  Walk walk;
  walk.message = std::move(message);
  return walk;
}
Walk found(Walk::Kind kind, Flags flags) {
  Walk walk;
  walk.kind = kind;
  walk.flags = flags;
  return walk;
}

bool is_number(const btf::Type& type) { return type.kind() == Kind::Int || type.is_enum(); }

// An array's innermost element and how many of them there are in all; the type itself and 1 for others.
struct Elements {
  btf::Type type;
  uint64_t count = 1;
  bool array = false;
};
Elements elements_of(const btf::Btf& btf, btf::TypeId id) {
  Elements result{btf.resolve(id)};
  for (unsigned i = 0; result.type.kind() == Kind::Array && i < kMaxSteps; ++i) {
    result.array = true;
    result.count *= result.type.length();
    result.type = btf.resolve(result.type.element());
  }
  return result;
}

}  // namespace

Pointee pointee_of(const btf::Btf& btf, const btf::Type& pointer) {
  Pointee result;
  btf::Type type = btf.type(pointer.referenced());
  for (unsigned i = 0; type.kind() == Kind::TypeTag && i < kMaxSteps; ++i) {
    if (type.name() == "user") result.flags |= kUser;
    if (type.name() == "percpu") result.flags |= kPercpu;
    if (type.name() == "rcu") result.flags |= kRcu;
    type = btf.type(type.referenced());
  }
  result.type = btf.resolve(type.id());
  return result;
}

Walk walk_struct(const btf::Btf& btf, btf::TypeId id, int64_t off, uint32_t size, Flags flags,
                 bool flexible) {
  btf::Type type = btf.resolve(id);
  for (unsigned step = 0; step < kMaxSteps; ++step) {
    if (!type.is_composite()) return failed(fmt::format("Type '{}' is not a struct", type.name()));
    if (type.kind() == Kind::Union && type.vlen() != 1) flags |= kUntrusted;
    if (off + int64_t{size} > int64_t{type.size()}) {
      const std::string beyond =
          fmt::format("access beyond struct {} at off {} size {}", type.name(), off, size);
      if (!flexible || type.vlen() == 0) return failed(beyond);
      const btf::Member last = type.member(type.vlen() - 1);
      const btf::Type array = btf.resolve(last.type);
      const int64_t at = last.bit_offset / 8;
      if (array.kind() != Kind::Array || array.length() != 0 || off < at) return failed(beyond);
      const btf::Type element = btf.resolve(array.element());
      if (element.kind() == Kind::Int) return found(Walk::Kind::scalar, flags);
      if (!element.is_composite() || element.size() == 0) return failed(beyond);
      type = element;
      off = (off - at) % int64_t{element.size()};
      continue;
    }
    bool entered = false;
    for (uint32_t i = 0; i < type.vlen() && !entered; ++i) {
      const btf::Member member = type.member(i);
      int64_t at = member.bit_offset / 8;
      if (off + int64_t{size} <= at) break;
      if (member.bitfield_size != 0) {
        const int64_t end = (int64_t{member.bit_offset} + member.bitfield_size + 7) / 8;
        if (off <= at && end <= off + int64_t{size}) return found(Walk::Kind::scalar, flags);
        continue;
      }
      if (off < at) break;  // a hole
      const std::optional<uint32_t> bytes = btf.size_of(member.type);
      if (!bytes) return failed(fmt::format("field {} doesn't have size", member.name));
      const int64_t end = at + *bytes;
      if (off >= end) continue;
      const Elements elements = elements_of(btf, member.type);
      int64_t width = *bytes;
      if (elements.array) {
        if (elements.count == 0) continue;
        width /= static_cast<int64_t>(elements.count);
        if (width == 0) continue;
        at += (off - at) / width * width;
      }
      const btf::Type inner = elements.type;
      if (inner.is_composite()) {
        if (off == at) {
          Walk walk = found(Walk::Kind::structure, flags);
          walk.type = inner.id();
          return walk;
        }
        off -= at;
        type = inner;
        entered = true;
        break;
      }
      if (inner.kind() == Kind::Ptr) {
        if (width != size || off != at) {
          return failed(fmt::format(
              "cannot access ptr member {} with moff {} in struct {} with off {} size {}",
              member.name, at, type.name(), off, size));
        }
        const Pointee to = pointee_of(btf, inner);
        if (!to.type.is_composite()) return found(Walk::Kind::untrusted_memory, flags);
        Walk walk = found(Walk::Kind::pointer, static_cast<Flags>(flags | to.flags));
        walk.type = to.type.id();
        walk.field = member.name;
        return walk;
      }
      if (off + int64_t{size} > end && (flags & kUntrusted) == 0) {
        return failed(fmt::format(
            "access beyond the end of member {} (mend:{}) in struct {} with off {} size {}",
            member.name, end, type.name(), off, size));
      }
      return found(Walk::Kind::scalar, flags);
    }
    if (!entered)
      return failed(fmt::format("struct {} doesn't have field at offset {}", type.name(), off));
  }
  return failed("structs are nested too deep");
}

Walk walk_to_leaf(const btf::Btf& btf, btf::TypeId id, int64_t off, uint32_t size, bool flexible) {
  Flags flags = 0;
  for (unsigned i = 0; i < kMaxSteps; ++i) {
    Walk walk = walk_struct(btf, id, off, size, flags, flexible);
    if (walk.kind != Walk::Kind::structure) return walk;
    id = walk.type;
    flags = walk.flags;
    off = 0;
  }
  return failed("structs are nested too deep");
}

bool struct_matches(const btf::Btf& btf, btf::TypeId id, int64_t off, const btf::Btf& need_btf,
                    btf::TypeId need, bool strict, bool flexible) {
  const auto same = [&](btf::TypeId type) { return &btf == &need_btf && type == need; };
  if (off == 0 && same(btf.resolve(id).id())) return true;
  if (strict) return false;
  Flags flags = 0;
  for (unsigned i = 0; i < kMaxSteps; ++i) {
    const Walk walk = walk_struct(btf, id, off, 1, flags, flexible);
    if (walk.kind != Walk::Kind::structure) return false;
    if (same(walk.type)) return true;
    id = walk.type;
    flags = walk.flags;
    off = 0;
  }
  return false;
}

bool is_plain_struct(const btf::Btf& btf, const btf::Type& type, unsigned depth) {
  if (!type.is_composite()) return false;
  for (uint32_t i = 0; i < type.vlen(); ++i) {
    btf::Type member = btf.resolve(type.member(i).type);
    if (member.is_composite()) {
      if (depth >= 3 || !is_plain_struct(btf, member, depth + 1)) return false;
      continue;
    }
    if (member.kind() == Kind::Array) {
      if (member.length() == 0) return false;
      member = btf.resolve(member.element());
    }
    if (!is_number(member)) return false;
  }
  return true;
}

}  // namespace skep::verifier
