// One of each type. Compilers and linkers give every translation unit its own copy of every type it uses; two types
// are the same where no walk through names, sizes, members and references can tell them apart, cycles included.
//
//   forward declarations   become the struct, union or enum of that name, where all definitions of it look alike
//   VAR, DATASEC           stay: two variables of one name and type are two variables
//   split BTF              types that the base has already go, the others stay
//
// How: partition refinement. Types begin in classes of equal shape (all but references); a class whose members refer
// to different classes is split; when nothing splits any more, each class is one type.
#pragma once

#include <memory>
#include <vector>

#include "btf/btf.h"
#include "btf/builder.h"

namespace skep::btf {

struct Deduped {
  BtfBuilder builder;       // on the same base; the types that are left, in their old order
  std::vector<TypeId> ids;  // by old id (the base's too): the new one
  [[nodiscard]] TypeId id(TypeId old) const { return old < ids.size() ? ids[old] : 0; }
};

// Linear but for the rounds of refinement. E2BIG where a hostile nest of types needs more than 100 million steps.
[[nodiscard]] Result<Deduped> dedup(const std::shared_ptr<const Btf>& btf);

// Puts each module's or object's types behind one another, ids and strings renumbered, nothing merged: input for
// dedup(). `ids[i]` has the new id of each old one of input i.
struct Concatenated {
  BtfBuilder builder;
  std::vector<std::vector<TypeId>> ids;
};
[[nodiscard]] Concatenated concatenate(std::span<const std::shared_ptr<const Btf>> inputs);

// The types of `btf` that `base` does not have, as split BTF on it: what a module of that kernel would ship.
[[nodiscard]] Result<std::vector<std::byte>> split(const std::shared_ptr<const Btf>& btf,
                                                   std::shared_ptr<const Btf> base);

}  // namespace skep::btf
