// Map types: one row each, by number. Rows in map_types.cc.
#pragma once

#include <span>
#include <string_view>

#include "spec/types.h"

namespace skep::spec {

// What BPF_MAP_CREATE takes as a size.
struct SizeRule {
  uint32_t min = 0, max = 0;  // bytes; min == max: exactly that
  uint32_t multiple = 1;
  [[nodiscard]] constexpr bool allows(uint32_t size) const {
    return size >= min && size <= max && (size == 0 || size % multiple == 0);
  }
};

struct MapTypeRow {
  MapType type{};
  std::string_view name;        // "BPF_MAP_TYPE_PERCPU_HASH"
  std::string_view short_name;  // "percpu_hash", as bpftool prints it
  KernelVersion since = 0;
  SizeRule key{}, value{};
  uint32_t flags = 0;  // BPF_F_* that BPF_MAP_CREATE takes
  uint32_t required_flags = 0;
  bool max_entries_zero = false;          // max_entries must be 0
  bool max_entries_power_of_two = false;  // and a multiple of the page size (ring buffers)
  bool per_cpu = false;                   // a value for each CPU
  bool array_like = false;                // u32 index keys, elements always there
  bool map_in_map = false;
  bool values_are_fds = false;       // user space writes fds (programs, maps, sockets, events)
  bool direct_value_access = false;  // BPF_PSEUDO_MAP_VALUE
  bool freezable = true;
  UserStatus user = UserStatus::refused;
  std::string_view user_reason{};
};

[[nodiscard]] std::span<const MapTypeRow> map_types();
[[nodiscard]] const MapTypeRow* find_map_type(MapType type);
[[nodiscard]] const MapTypeRow* find_map_type(
    std::string_view name);  // full, short, or without the prefix

// Whether a helper may take a map of this type: the kernel's check_map_func_compatibility, both
// ways.
[[nodiscard]] bool map_helper_allowed(MapType map, uint32_t helper_id);

}  // namespace skep::spec
