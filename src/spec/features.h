// What the verifier and BPF_PROG_LOAD learnt, by kernel version: what KernelProfile switches on,
// what `skep requires` and `skep feature` print. And BTF kinds. Rows in features.cc.
#pragma once

#include <span>
#include <string_view>

#include "spec/types.h"

namespace skep::spec {

enum class Feature : uint8_t {
  direct_packet_access,
  map_value_adjust,
  bpf_to_bpf_calls,
  jmp32,
  spin_lock,
  global_data,
  mega_insns,
  bounded_loops,
  btf_tracing,
  global_functions,
  sleepable,
  tail_calls_in_subprograms,
  kfuncs,
  atomics,
  callbacks,
  timers,
  fixed_size_spill,
  open_coded_iterators,
  cpu_v4,
  may_goto,
  arena,
  exceptions,
  private_stack,
  load_acquire,
  res_spin_lock,
  signed_loads,
  dynptrs,
  kptrs,
  precision_backtracking,
  dead_code_elimination,
  ringbuf,
  core_relocation,
  count
};

struct FeatureRow {
  Feature feature{};
  std::string_view name;  // "bounded_loops"
  KernelVersion since = 0;
  std::string_view summary;
};
[[nodiscard]] std::span<const FeatureRow> features();
[[nodiscard]] const FeatureRow& feature(Feature which);

struct BtfKindRow {
  uint8_t kind = 0;
  std::string_view name;  // "BTF_KIND_STRUCT"
  KernelVersion since = 0;
};
[[nodiscard]] std::span<const BtfKindRow> btf_kinds();

}  // namespace skep::spec
