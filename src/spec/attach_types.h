// Attach types: one row each, by number. Rows in attach_types.cc.
#pragma once

#include <span>
#include <string_view>

#include "spec/prog_types.h"
#include "spec/types.h"

namespace skep::spec {

struct AttachTypeRow {
  AttachType type{};
  std::string_view name;        // "BPF_CGROUP_INET4_BIND"
  std::string_view short_name;  // "cgroup_inet4_bind", as bpftool prints it
  KernelVersion since = 0;
  ProgTypeSet prog_types = 0;     // that may expect it
  bool overrides_return = false;  // `returns` holds in place of the program type's
  ReturnRange returns{};
  UserStatus user = UserStatus::refused;
  std::string_view user_reason{};
};

[[nodiscard]] std::span<const AttachTypeRow> attach_types();
[[nodiscard]] const AttachTypeRow* find_attach_type(AttachType type);
[[nodiscard]] const AttachTypeRow* find_attach_type(std::string_view name);

// What a program of this type, loaded with this expected attach type, may return.
[[nodiscard]] ReturnRange return_range(ProgType type, AttachType expected);
// What the kernel makes of an expected attach type of 0 where the program type needs one (old loaders).
[[nodiscard]] AttachType fixed_attach_type(ProgType type, AttachType expected);
// Whether BPF_PROG_LOAD takes the pair, after that.
[[nodiscard]] bool attach_type_allowed(ProgType type, AttachType expected);

}  // namespace skep::spec
