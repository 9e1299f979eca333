// The smallest BTF against which given CO-RE relocations come out as against a whole one: what is shipped with an
// object for kernels that have no BTF of their own (bpftool's min_core_btf).
#pragma once

#include <span>
#include <vector>

#include "btf/btf.h"
#include "btf/core.h"

namespace skep::btf {

// Collects what relocations need of one target.
class MinimalBtf {
 public:
  explicit MinimalBtf(const Btf& target);

  // Errors as CoreResolver's. A relocation that finds nothing needs nothing. `resolver` resolves against
  // that one target.
  Result<> add(CoreResolver& resolver, const CoreRelocation& relocation);
  // Structs keep their name, size and the members that were used, at their places.
  [[nodiscard]] std::vector<std::byte> bytes() const;

 private:
  void keep_whole(TypeId id);
  void keep_spelling(TypeId id);
  void keep_member(TypeId id, uint32_t member);

  const Btf& target_;
  std::vector<bool> kept_;
  std::vector<std::vector<bool>> members_;  // of kept structs; empty: none
};

}  // namespace skep::btf
