// Btf::validate: what the one pass of parsing leaves open. Each check is linear in the number of
// types.
#include <algorithm>

#include "btf/btf.h"

namespace skep::btf {

namespace {

constexpr unsigned kMaxDepth = 32;  // references in a row

bool printable(std::string_view name) {
  return std::ranges::all_of(name,
                             [](char c) { return static_cast<uint8_t>(c) >= 0x20 && c != 0x7f; });
}

// The types that `type` cannot do without. `by_value`: those that lie inside it; else those that
// its spelling needs (a struct is spelled by its name, so it ends the walk).
template <class Visit>
void each_edge(const Type& type, bool by_value, Visit visit) {
  switch (type.kind()) {
    case Kind::Typedef:
    case Kind::Volatile:
    case Kind::Const:
    case Kind::Restrict:
    case Kind::TypeTag:
    case Kind::Var:
    case Kind::DeclTag:
    case Kind::Func: visit(type.referenced()); break;
    case Kind::Array:
      visit(type.element());
      visit(type.index_type());
      break;
    case Kind::Ptr:
      if (!by_value) visit(type.referenced());
      break;
    case Kind::FuncProto:
      if (by_value) break;
      visit(type.referenced());
      for (uint32_t i = 0; i < type.vlen(); ++i) visit(type.parameter(i).type);
      break;
    case Kind::Struct:
    case Kind::Union:
      if (!by_value) break;
      for (uint32_t i = 0; i < type.vlen(); ++i) visit(type.member(i).type);
      break;
    case Kind::Datasec:
      if (!by_value) break;
      for (uint32_t i = 0; i < type.vlen(); ++i) visit(type.sec_var(i).type);
      break;
    case Kind::Void:
    case Kind::Int:
    case Kind::Enum:
    case Kind::Enum64:
    case Kind::Fwd:
    case Kind::Float: break;
  }
}

// Depth-first without recursion; a type met while it is still open closes a circle.
class Circles {
 public:
  Circles(const Btf& btf, bool by_value)
      : btf_(btf),
        by_value_(by_value),
        state_(btf.type_end() - btf.type_begin(), kNew),
        depth_(state_.size(), 0) {}

  Result<> check() {
    for (TypeId id = btf_.type_begin(); id < btf_.type_end(); ++id) SKEP_CHECK(walk(id));
    return {};
  }

 private:
  enum State : uint8_t { kNew, kOpen, kDone };
  struct Frame {
    TypeId id;
    std::vector<TypeId> edges;
  };

  Result<> walk(TypeId root) {
    if (state_[root - btf_.type_begin()] != kNew) return {};
    open(root);
    while (!stack_.empty()) {
      Frame& frame = stack_.back();
      const size_t own = frame.id - btf_.type_begin();
      if (frame.edges.empty()) {
        state_[own] = kDone;
        const unsigned depth = depth_[own] + 1u;
        stack_.pop_back();
        if (!by_value_ && depth > kMaxDepth)
          return fail(EINVAL, "type {}: more than {} references in a row", own + btf_.type_begin(),
                      kMaxDepth);
        if (!stack_.empty()) raise(stack_.back().id, depth);
        continue;
      }
      const TypeId next = frame.edges.back();
      frame.edges.pop_back();
      if (next < btf_.type_begin()) continue;  // the base's types can't lead back
      const size_t index = next - btf_.type_begin();
      if (state_[index] == kOpen)
        return fail(EINVAL, "type {} ({} '{}') contains itself", next,
                    kind_name(btf_.type(next).kind()), btf_.name(next));
      if (state_[index] == kDone) {
        raise(frame.id, depth_[index] + 1u);
      } else {
        open(next);
      }
    }
    return {};
  }
  void raise(TypeId id, unsigned depth) {
    auto& of = depth_[id - btf_.type_begin()];
    of = static_cast<uint16_t>(std::max<unsigned>(of, std::min(depth, 60000u)));
  }
  void open(TypeId id) {
    state_[id - btf_.type_begin()] = kOpen;
    Frame frame{id, {}};
    each_edge(btf_.type(id), by_value_, [&](TypeId to) { frame.edges.push_back(to); });
    stack_.push_back(std::move(frame));
  }

  const Btf& btf_;
  bool by_value_;
  std::vector<State> state_;
  std::vector<uint16_t> depth_;
  std::vector<Frame> stack_;
};

Result<> check_int(const Type& type) {
  const uint32_t size = type.size();
  if (size == 0 || size > 16 || !std::has_single_bit(size))
    return fail(EINVAL, "an integer of {} bytes", size);
  if (type.int_bits() + type.int_offset() > size * 8 || type.int_bits() > 128)
    return fail(EINVAL, "{} bits at bit {} do not fit {} bytes", type.int_bits(), type.int_offset(),
                size);
  return {};
}

Result<> check_members(const Btf& btf, const Type& type) {
  for (uint32_t i = 0; i < type.vlen(); ++i) {
    const Member member = type.member(i);
    if (!printable(member.name)) return fail(EINVAL, "member {} has an unprintable name", i);
    const auto size = btf.size_of(member.type);
    if (!size) return fail(EINVAL, "member {} '{}' has no size", i, member.name);
    const uint64_t bits = member.bitfield_size != 0 ? member.bitfield_size : uint64_t{*size} * 8;
    // Old compilers' bitfields: the integer may reach past the end, its bits do not.
    const Type integer = btf.resolve(member.type);
    const bool old_bitfield =
        integer.kind() == Kind::Int && integer.int_bits() < integer.size() * 8;
    if (member.bitfield_size > uint64_t{*size} * 8)
      return fail(EINVAL, "member {} '{}': {} bits of a type of {} bytes", i, member.name, bits,
                  *size);
    if (member.bitfield_size == 0 && !old_bitfield && member.bit_offset % 8 != 0)
      return fail(EINVAL, "member {} '{}' is no bitfield but begins at bit {}", i, member.name,
                  member.bit_offset);
    if (!old_bitfield && member.bit_offset + bits > uint64_t{type.size()} * 8)
      return fail(EINVAL, "member {} '{}' ends at bit {}, behind the end of {} bytes", i,
                  member.name, member.bit_offset + bits, type.size());
  }
  return {};
}

Result<> check_datasec(const Btf& btf, const Type& type) {
  uint64_t end = 0;
  for (uint32_t i = 0; i < type.vlen(); ++i) {
    const SecVar variable = type.sec_var(i);
    const Kind kind = btf.type(variable.type).kind();
    if (kind != Kind::Var && kind != Kind::Func)
      return fail(EINVAL, "entry {} is of kind {}, expected VAR", i, kind_name(kind));
    if (variable.offset < end)
      return fail(EINVAL, "entry {} begins at {}, within the one before it", i, variable.offset);
    // A compiler leaves sizes and offsets 0, for the linker or the loader to fill.
    if (type.size() != 0 && uint64_t{variable.offset} + variable.size > type.size())
      return fail(EINVAL, "entry {} ends at {}, behind the end of {} bytes", i,
                  uint64_t{variable.offset} + variable.size, type.size());
    end = type.size() != 0 ? uint64_t{variable.offset} + variable.size : 0;
  }
  return {};
}

Result<> check_type(const Btf& btf, const Type& type) {
  // A tag is any text: what it is good for is between the compiler and its reader.
  if (type.kind() != Kind::DeclTag && !printable(type.name()))
    return fail(EINVAL, "the name is unprintable");
  auto expect = [&](Kind kind) -> Result<> {
    const Type to = btf.type(type.referenced());
    if (to.kind() == kind) return {};
    return fail(EINVAL, "refers to type {} of kind {}, expected {}", to.id(), kind_name(to.kind()),
                kind_name(kind));
  };
  switch (type.kind()) {
    case Kind::Int: return check_int(type);
    case Kind::Struct:
    case Kind::Union: return check_members(btf, type);
    case Kind::Array:
      if (!btf.size_of(type.element()))
        return fail(EINVAL, "an array of a type without size, or larger than 4 GiB");
      if (!btf.size_of(type.id())) return fail(EINVAL, "an array larger than 4 GiB");
      return {};
    case Kind::Enum:
    case Kind::Enum64:
      if (type.size() > 8 || !std::has_single_bit(type.size()))
        return fail(EINVAL, "an enum of {} bytes", type.size());
      for (uint32_t i = 0; i < type.vlen(); ++i)
        if (!printable(type.enumerator(i).name))
          return fail(EINVAL, "enumerator {} has an unprintable name", i);
      return {};
    case Kind::Typedef:
    case Kind::Fwd:
      if (type.name().empty()) return fail(EINVAL, "it has no name");
      return {};
    case Kind::Func:
      if (type.name().empty()) return fail(EINVAL, "it has no name");
      return expect(Kind::FuncProto);
    case Kind::FuncProto:
      for (uint32_t i = 0; i < type.vlen(); ++i)
        if (!printable(type.parameter(i).name))
          return fail(EINVAL, "parameter {} has an unprintable name", i);
      return {};
    case Kind::Var:
      if (type.name().empty()) return fail(EINVAL, "it has no name");
      return {};
    case Kind::Datasec: return check_datasec(btf, type);
    case Kind::DeclTag: {
      const Type to = btf.type(type.referenced());
      const int64_t parts = to.kind() == Kind::Func ? btf.type(to.referenced()).vlen() : to.vlen();
      if (type.component() < -1 || (type.component() >= 0 && type.component() >= parts))
        return fail(EINVAL, "component {} of a type with {}", type.component(), parts);
      return {};
    }
    case Kind::Float:
      if (type.size() != 2 && type.size() != 4 && type.size() != 8 && type.size() != 12 &&
          type.size() != 16)
        return fail(EINVAL, "a floating-point number of {} bytes", type.size());
      return {};
    case Kind::Void:
    case Kind::Ptr:
    case Kind::Volatile:
    case Kind::Const:
    case Kind::Restrict:
    case Kind::TypeTag: return {};
  }
  return {};
}

}  // namespace

Result<> Btf::validate() const {
  // First the circles: all else walks.
  for (bool by_value : {false, true})
    if (auto done = Circles(*this, by_value).check(); !done) return fail(done, "BTF");
  for (TypeId id = type_begin(); id < type_end(); ++id) {
    const Type checked = type(id);
    if (auto done = check_type(*this, checked); !done)
      return fail(done, "BTF: type {} ({} '{}')", id, kind_name(checked.kind()), checked.name());
  }
  return {};
}

}  // namespace skep::btf
