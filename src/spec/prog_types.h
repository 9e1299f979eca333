// Program types: one row each, by number. Rows in prog_types.cc.
#pragma once

#include <span>
#include <string_view>

#include "spec/types.h"

namespace skep::spec {

// What a program may return: none, or min..max of the 32-bit result. `always` says that the range
// holds whatever the attach type; else attach_types.h may narrow or lift it.
struct ReturnRange {
  bool limited = false;
  int32_t min = 0, max = 0;
};

struct ProgTypeRow {
  ProgType type{};
  std::string_view name;        // "BPF_PROG_TYPE_XDP"
  std::string_view short_name;  // "xdp", as bpftool prints it
  KernelVersion since = 0;
  std::string_view
      context;  // C type of the context: "struct xdp_md"; "void" where it has none of its own
  ReturnRange returns{};              // with any attach type that does not say otherwise
  bool attach_type_required = false;  // expected_attach_type is checked at load
  bool needs_attach_btf = false;      // attach_btf_id at load
  bool can_sleep = false;  // BPF_F_SLEEPABLE is allowed (with some attach types at least)
  bool may_be_privileged_only = true;  // refused to unprivileged users even where those may use bpf
  bool direct_packet_access = false;
  bool can_write_packet = false;
  bool test_run = false;  // the kernel's BPF_PROG_TEST_RUN takes it
  UserStatus user = UserStatus::refused;
  std::string_view user_reason{};
};

[[nodiscard]] std::span<const ProgTypeRow> prog_types();
[[nodiscard]] const ProgTypeRow* find_prog_type(ProgType type);
[[nodiscard]] const ProgTypeRow* find_prog_type(
    std::string_view name);  // full, short, or without the prefix

}  // namespace skep::spec
