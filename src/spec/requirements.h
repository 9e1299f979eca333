// What a kernel must be built with, and a loader be allowed, beside being new enough: capabilities and configuration
// options by program type and map type; map flags by version. Rows in requirements.cc; `skep requires` reads them.
//
// Facts: kernel/bpf/syscall.c, kernel/bpf/Kconfig, the types' own files of Linux 7.3. Immutable; any thread.
#pragma once

#include <cstdint>
#include <span>
#include <string_view>

#include "spec/types.h"

namespace skep::spec {

// Of Linux 5.8 and newer; before, all of these are CAP_SYS_ADMIN.
enum : uint8_t {
  kCapBpf = 1 << 0,
  kCapPerfmon = 1 << 1,
  kCapNetAdmin = 1 << 2,
  kCapSysAdmin = 1 << 3,
};
inline constexpr KernelVersion kCapabilitiesSplit = kernel_version(5, 8);

struct ProgTypeNeeds {
  ProgType type{};
  uint8_t capabilities = 0;
  std::string_view
      config;  // "CONFIG_A CONFIG_B": to load and attach it; BPF, BPF_SYSCALL are needed by all
};
[[nodiscard]] const ProgTypeNeeds& needs_of(ProgType type);

struct MapTypeNeeds {
  MapType type{};
  uint8_t capabilities = 0;
  std::string_view config;
};
[[nodiscard]] const MapTypeNeeds& needs_of(MapType type);

struct MapFlagRow {
  uint32_t flag = 0;
  std::string_view name;  // "BPF_F_MMAPABLE"
  KernelVersion since = 0;
};
[[nodiscard]] std::span<const MapFlagRow> map_flags();

// Helpers that ask for more than their program's type does.
struct HelperNeeds {
  std::string_view name;  // without bpf_
  uint8_t capabilities = 0;
  std::string_view config;
};
[[nodiscard]] std::span<const HelperNeeds> helper_needs();

}  // namespace skep::spec
