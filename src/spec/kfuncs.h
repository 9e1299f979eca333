// kfuncs that the tables know: kernel functions callable by name and BTF prototype. A start; the
// user engine publishes those with `works` in its BTF. Rows in kfuncs.cc, by name.
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
  kKfuncTrustedArgs = 1 << 4,
  kKfuncSleepable = 1 << 5,
  kKfuncDestructive = 1 << 6,
  kKfuncRcu = 1 << 7,
  kKfuncIterNew = 1 << 8,
  kKfuncIterNext = 1 << 9,
  kKfuncIterDestroy = 1 << 10,
};

struct Kfunc {
  std::string_view name;
  KernelVersion since = 0;
  std::string_view prototype;
  uint32_t flags = 0;
  ProgTypeSet prog_types = 0;
  UserStatus user = UserStatus::refused;
};
[[nodiscard]] std::span<const Kfunc> kfuncs();
[[nodiscard]] const Kfunc* find_kfunc(std::string_view name);

}  // namespace skep::spec
