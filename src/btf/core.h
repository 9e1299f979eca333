// CO-RE as a pure function: (a program's BTF, one relocation, the target's BTF) → the value that the
// instruction should carry. Patching instructions is object/'s part.
//
// The rules are those of the kernel's and libbpf's relo_core: a candidate is a target type of the
// same kind whose name is equal up to a ___flavour; a field is found by name through anonymous
// members; types along the way must be compatible; several candidates must agree on the value.
#pragma once

#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <unordered_map>
#include <vector>

#include "btf/btf.h"

namespace skep::btf {

// enum bpf_core_relo_kind.
enum class CoreKind : uint32_t {
  FieldByteOffset,
  FieldByteSize,
  FieldExists,
  FieldSigned,
  FieldLshiftU64,
  FieldRshiftU64,
  TypeIdLocal,
  TypeIdTarget,
  TypeExists,
  TypeSize,
  EnumvalExists,
  EnumvalValue,
  TypeMatches,
};
inline constexpr unsigned kCoreKinds = 13;
[[nodiscard]] std::string_view core_kind_name(CoreKind kind);  // "byte_off", "type_exists", …

struct CoreRelocation {
  TypeId type = 0;            // of the local BTF
  std::string_view accessor;  // "0:1:2"
  CoreKind kind{};
};

struct CoreValue {
  uint64_t local = 0;   // what the compiler must have put into the instruction
  uint64_t target = 0;  // what it becomes
  // Bitfields: the compiler's value is not to be compared.
  bool check_local = true;
  // Nothing in the target matches: the instruction is to be poisoned, an error only where it is
  // reached.
  bool poison = false;
  // A byte offset whose field is a scalar or pointer of another size: a memory access through it
  // changes its size from local_size to target_size.
  bool adjust_size = false;
  // The size differs, and reading another one would be wrong (a signed or mismatched scalar): an
  // access through it is poisoned.
  bool cannot_adjust_size = false;
  uint32_t local_size = 0, target_size = 0;  // bytes
  TypeId target_type = 0;                    // the candidate that matched, 0 where there is none
  uint32_t target_index = 0;                 // which of the targets it is in
};

// The types and members of the targets that a relocation's value came from.
struct CoreTrace {
  struct Use {
    TypeId type = 0;  // a struct or union, anonymous ones on the way included
    uint32_t member = 0;
  };
  std::vector<TypeId> candidates;  // that matched
  std::vector<Use> members;
};

// Resolves the relocations of one program. Keeps, for each local type, the candidates that are still
// possible: what an earlier relocation of that type did not match, a later one does not look at (so
// libbpf does, and the order of relocations matters).
//
// `targets`: the kernel's (or user engine's) BTF, then its modules'. Where the first has a candidate
// the others are not looked at. All must outlive the resolver.
class CoreResolver {
 public:
  CoreResolver(const Btf& local, std::span<const std::shared_ptr<const Btf>> targets)
      : local_(local), targets_(targets) {}
  // EINVAL for a malformed or ambiguous relocation; one that finds nothing is `poison`, not an error.
  // `trace`, where it is not null, is told what of the targets decided it.
  [[nodiscard]] Result<CoreValue> resolve(const CoreRelocation& relocation,
                                          CoreTrace* trace = nullptr);

 private:
  struct Candidate {
    uint32_t target = 0;  // index into targets_
    TypeId type = 0;
  };
  std::vector<Candidate>& candidates(const Type& local);

  const Btf& local_;
  std::span<const std::shared_ptr<const Btf>> targets_;
  std::unordered_map<TypeId, std::vector<Candidate>> candidates_;
};

// One relocation on its own.
[[nodiscard]] Result<CoreValue> core_resolve(const Btf& local, const CoreRelocation& relocation,
                                             std::span<const std::shared_ptr<const Btf>> targets);

// "byte_off of struct task_struct.pid (0:7, type 12)", for messages.
[[nodiscard]] std::string describe(const Btf& local, const CoreRelocation& relocation);

// Whether the target's type could stand for the local one (bpf_core_types_are_compat), and the
// stricter relation of TYPE_MATCHES.
[[nodiscard]] bool core_types_compatible(const Btf& local, TypeId local_id, const Btf& target,
                                         TypeId target_id);
[[nodiscard]] bool core_types_match(const Btf& local, TypeId local_id, const Btf& target,
                                    TypeId target_id);

}  // namespace skep::btf
