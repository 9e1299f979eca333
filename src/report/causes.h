// Root causes of rejections: finer than the verifier's rules. The rule says what was broken ("not_a_pointer"),
// the cause why it came to that ("packet_pointer_stale": a helper moved the packet since), and with it what to do.
//
// To add one: the enum, a row in causes.cc, and either a message's row (verifier_messages.cc) or a refinement
// (diagnosis.cc) that names it; a case in tests/report/explain_test.cc.
#pragma once

#include <cstdint>
#include <string_view>

#include "verifier/verifier.h"

namespace skep::report {

enum class Cause : uint8_t {
  unknown,
  // Pointers and NULL.
  null_check_missing,
  null_on_this_path,
  scalar_as_pointer,
  kernel_pointer_dereferenced,
  pointer_truncated,
  pointer_lost_at_join,
  pointer_arithmetic_forbidden,
  pointer_or_number_leaked,
  context_pointer_modified,
  different_pointers_merged,
  map_object_accessed,
  // Packets.
  packet_check_missing,
  packet_check_short,
  packet_check_on_other_pointer,
  packet_offset_too_wide,
  packet_pointer_stale,
  packet_not_for_helper,
  packet_read_only,
  // Sizes and bounds.
  index_unbounded,
  index_check_lost,
  index_check_off,
  index_maybe_negative,
  access_beyond_object,
  size_maybe_negative,
  size_maybe_zero,
  size_unbounded,
  size_too_large,
  constant_needed,
  // Registers and stack.
  register_never_set,
  argument_not_passed,
  register_lost_by_call,
  return_value_not_set,
  stack_never_written,
  stack_too_small,
  stack_index_unbounded,
  stack_misaligned,
  misaligned,
  stack_object_read,
  spilled_pointer_damaged,
  // Context and BTF.
  context_field,
  context_wide_access,
  context_argument_type,
  kernel_struct_access,
  special_field,
  read_only,
  // Calls.
  helper_not_for_type,
  helper_unknown,
  helper_needs_gpl,
  kfunc_not_allowed,
  sleeps_here,
  argument_wrong_type,
  map_not_relocated,
  map_wrong_for_helper,
  function_argument_type,
  btf_missing,
  callback_wrong,
  exception_callback_called,
  stack_of_calls_too_deep,
  tail_call_misused,
  // Objects with a protocol.
  dynptr_not_initialized,
  dynptr_misplaced,
  dynptr_in_use,
  dynptr_released_twice,
  slice_stale,
  iterator_not_initialized,
  iterator_in_use,
  iterator_misplaced,
  irq_flag_not_saved,
  irq_flag_in_use,
  irq_order,
  kptr_missing,
  object_not_trusted,
  object_not_in_rcu,
  object_wrong_type,
  // Resources.
  reference_not_released,
  reference_not_owned,
  lock_held,
  lock_not_held,
  region_not_left,
  // Ends.
  return_value_range,
  loop_without_end,
  loop_backwards,
  too_many_paths,
  text_malformed,
  instruction_unknown,
  not_privileged,
  kernel_too_old,
  wrong_attach_target,
  wrong_map_for_program,
  verifier_fault,
  count
};

struct CauseRow {
  Cause cause{};
  std::string_view name;   // "packet_check_missing": stable
  std::string_view title;  // a line
  std::string_view need;   // what the verifier must be able to prove; empty: the rule's words
  std::string_view fix;    // the smallest change; empty where none is known
};
[[nodiscard]] const CauseRow& cause_row(Cause cause);
// A second thing to do where the compiler made the shape that was refused; empty: none known.
[[nodiscard]] std::string_view barrier_hint(Cause cause);
// Where only the rule is known.
[[nodiscard]] Cause cause_of_rule(verifier::Rule rule);

}  // namespace skep::report
