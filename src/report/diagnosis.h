// Why a program was rejected, found in a verifier's log (a kernel's or skep's): the rule, the root cause, where the
// value in question came from, what was needed against what was known, and what to change.
//
//   ParsedLog log = parse_verifier_log(text);
//   for (const LogSegment& segment : log.segments)
//     if (segment.failed()) print(diagnosis_text(diagnose(log, segment, nullptr), false));
//
// All that is said is taken from the log, so that it holds for any kernel; a Program only adds source lines and names.
// No state, no I/O; any thread. Never fails: what is not understood is Cause::unknown with the message as it is.
#pragma once

#include <nlohmann/json_fwd.hpp>

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "object/program.h"
#include "report/causes.h"
#include "report/verifier_log.h"
#include "verifier/verifier.h"

namespace skep::report {

struct HistoryEvent {
  enum class Kind : uint8_t { made, loaded, moved, computed, saved, checked, lost, refused };
  Kind kind = Kind::made;
  uint32_t insn = 0;
  std::string insn_text, source;  // source: "f.c:12: text", may be empty
  std::string what;               // "r6: returned by bpf_map_lookup_elem, map_value_or_null"
};

struct Diagnosis {
  verifier::Rule rule = verifier::Rule::none;
  Cause cause = Cause::unknown;
  std::string program;       // may be empty
  std::string message;       // the verifier's, whole
  uint32_t insn = kNoIndex;  // kNoIndex: the log names none
  std::string insn_text;
  std::string file, source_text;  // may be empty
  uint32_t line = 0, column = 0;
  std::string subject;                // "R7", "fp-16"; may be empty
  std::string need, known;            // plain words
  std::vector<HistoryEvent> history;  // oldest first
  std::vector<std::string> fixes;     // the smallest change first
  std::vector<std::string> state;     // registers and slots at the instruction
};

[[nodiscard]] Diagnosis diagnose(const ParsedLog& log, const LogSegment& segment,
                                 const Program* program);
// The same for a rejection of skep's own verifier, which knows rule and instruction itself; `log` is its log of level 1.
[[nodiscard]] Diagnosis diagnose(const verifier::Rejection& rejection, std::string_view log,
                                 const Program& program);

[[nodiscard]] std::string diagnosis_text(const Diagnosis& diagnosis, bool color);
[[nodiscard]] nlohmann::json diagnosis_json(const Diagnosis& diagnosis);
// "make", "check", …: stable.
[[nodiscard]] std::string_view history_kind_name(HistoryEvent::Kind kind);

}  // namespace skep::report
