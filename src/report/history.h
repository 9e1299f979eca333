// Where a register's value came from, by walking the log's steps backwards.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "report/diagnosis.h"
#include "report/verifier_log.h"

namespace skep::report {

// What the walk saw, for the choice of the cause.
struct Trail {
  std::vector<HistoryEvent> events;  // oldest first
  bool from_helper = false, from_load = false, from_entry = false, from_constant = false;
  bool truncated = false;   // a 32-bit operation was done on a pointer
  bool was_packet = false;  // printed as a packet pointer before
  bool was_memory = false;  // printed as mem (a dynptr's slice)
  bool was_pointer = false;
  bool was_maybe_null = false;
  bool changed_by_call = false;  // a call that may move packets lies between
  bool lost_by_call = false;     // r1 to r5 after a call
  bool loaded_context = false;   // from the context
  bool loaded_memory = false;    // from memory other than stack and context
  bool filled_by_read = false;   // from a stack slot that a helper wrote
  bool checked = false;          // a conditional jump looked at it
  bool masked = false;
  bool computed = false;
  bool slot_unset = false;  // loaded from a stack slot that nothing wrote on this path
  std::string origin;       // "bpf_map_lookup_elem"
  std::string changer;      // the call of changed_by_call
};

// The history of `reg` (number) before step `at` of `segment`; at most `limit` events.
[[nodiscard]] Trail follow_register(const ParsedLog& log, const LogSegment& segment, uint32_t at,
                                    int reg, size_t limit = 24);
// "R7" as last printed before step `at` on its path; name empty: it never was.
[[nodiscard]] LogValue last_value(const LogSegment& segment, uint32_t at, std::string_view name);
[[nodiscard]] uint32_t step_before(const LogSegment& segment, uint32_t step);  // kNoIndex: none
[[nodiscard]] std::string source_of(const ParsedLog& log, const LogStep& step);

}  // namespace skep::report
