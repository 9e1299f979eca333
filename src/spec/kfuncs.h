// kfuncs that the tables know: kernel functions callable by name and BTF prototype. BTF says that a function is one and
// what its parameters are (their names' suffixes, too); what it does with its arguments, and which programs may call it,
// stands here only. The user engine publishes those with `works` in its BTF. Rows in kfuncs.cc, by name.
//
// `since` of rows without an exact version: the oldest of 6.1, 6.12, 6.18, 7.3 whose BTF has the function.
#pragma once

#include <span>
#include <string_view>

#include "spec/types.h"

namespace skep::spec {

// KF_* of include/linux/btf.h.
enum : uint32_t {
  kKfuncAcquire = 1 << 0,
  kKfuncRelease = 1 << 1,
  kKfuncReturnsNull = 1 << 2,
  kKfuncTrustedArgs = 1 << 4,  // in kernels before 7.0; newer ones ask it of all
  kKfuncSleepable = 1 << 5,
  kKfuncDestructive = 1 << 6,
  kKfuncRcu = 1 << 7,
  kKfuncIterNew = 1 << 8,
  kKfuncIterNext = 1 << 9,
  kKfuncIterDestroy = 1 << 10,
  kKfuncRcuProtected = 1 << 11,
  kKfuncFastcall = 1 << 12,
  kKfuncArenaReturn = 1 << 13,
  kKfuncArenaArg1 = 1 << 14,
  kKfuncArenaArg2 = 1 << 15,
  kKfuncImplicitArgs = 1 << 16,  // the verifier supplies the last ones; BTF has them in NAME_impl
  kKfuncSpinLockSafe = 1 << 17,  // may be called while a bpf_spin_lock is held
  kKfuncPerfmon = 1 << 18,
};

struct Kfunc {
  std::string_view name;
  KernelVersion since = 0;
  std::string_view prototype;
  uint32_t flags = 0;
  ProgTypeSet prog_types = 0;
  AttachTypeSet attach_types = 0;  // of those, only with these expected attach types; 0: any
  UserStatus user = UserStatus::refused;
};
[[nodiscard]] std::span<const Kfunc> kfuncs();
[[nodiscard]] const Kfunc* find_kfunc(std::string_view name);

}  // namespace skep::spec
