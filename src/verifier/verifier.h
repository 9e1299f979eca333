// The verifier: decides whether a program is safe to run, before it runs.
//
//   Report report = verify(program, {.log_level = 1});
//   if (report.verified) run(*report.verified);
//   else print(report.rejection->message);
//
// It walks every path of the program with an abstract state (registers and stack slots with a type,
// known bits and ranges), and cuts a path off where a state that covers it was walked to its end
// before. It is the kernel's in its decisions (docs/decisions/0007): the same rules, limits and log
// wording. Where it is unsure it rejects.
//
// Files: cfg.cc (functions, jumps, loops), liveness.cc (what a later instruction can still read),
// walk.cc (the loop over instructions and paths), prune.cc (which states cover which), precision.cc
// (which numbers mattered), check_*.cc (one instruction class each), context.cc (ctx fields),
// log.cc (the kernel's log format), finalize.cc (what code generators get to know).
//
// Thread-safe: no state outlives a call. Never fails but by rejecting; ends after at most
// profile.max_processed instructions.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "object/program.h"
#include "object/verified_program.h"
#include "spec/kfuncs.h"
#include "verifier/profile.h"

namespace skep::verifier {

// Log levels, to be or'ed: the kernel's.
inline constexpr uint32_t kLogErrors = 1;  // the failing path, with states
inline constexpr uint32_t kLogAll = 2;     // every path
inline constexpr uint32_t kLogStats = 4;   // "processed … insns" and stack depths only

struct RegState;
// Told of each instruction before it is walked, with the registers r0 to r10 of its frame, and which of them
// it or what follows may read (bit n: rn). Tests collect these states and check that a concrete run stays
// inside them.
class Observer {
 public:
  virtual ~Observer() = default;
  virtual void at(uint32_t insn, uint32_t frame, const RegState* registers, uint16_t live) = 0;
};

struct Options {
  const KernelProfile* profile = nullptr;  // null: newest_profile()
  uint32_t log_level = 0;
  size_t log_limit = 64u << 20;  // bytes; the log's end is kept where it would grow over it
  // All of the three below. Without, and without any of them, the loader is an ordinary user: speculative execution
  // is reckoned with, and little is allowed.
  bool privileged = true;
  bool cap_bpf = false;           // may loop, call subprograms, load most types of programs
  bool cap_perfmon = false;       // may leak pointers, read uninitialised stack; no sanitation
  bool cap_net_admin = false;     // networking programs
  bool test_state_freq = false;   // BPF_F_TEST_STATE_FREQ: remember a state at every chance
  bool strict_alignment = false;  // also by BPF_F_STRICT_ALIGNMENT in Program::flags
  // For the observer's sake: a path is cut off only where every live number lies in the remembered state's,
  // not only those that some check relied on.
  bool every_number_matters = false;
  Observer* observer = nullptr;
  // Types that helpers return (task_struct, …), where the program is not attached through BTF itself.
  std::shared_ptr<const btf::Btf> kernel_btf;
  // kfuncs that the tables don't have: those of modules, whose functions kernel_btf has too (it may be split BTF).
  // Alive for as long as the call.
  std::span<const spec::Kfunc> module_kfuncs;
};

// What was broken. One value a rule; explanations and suggestions are rows by it (rules.cc).
enum class Rule : uint8_t {
  none,
  // The text as such.
  bad_program_size,
  bad_opcode,
  reserved_field,
  bad_register,
  bad_ld_imm64,
  bad_jump,
  bad_call_target,
  unreachable_code,
  falls_off_end,
  endless_loop,
  no_loops,
  bad_func_info,
  bad_line_info,
  too_many_subprograms,
  feature_not_in_kernel,
  not_privileged,
  not_supported_here,
  bad_attach_target,
  bad_map_for_program,
  // Registers and arithmetic.
  uninitialized_register,
  frame_pointer_written,
  pointer_arithmetic,
  pointer_out_of_range,
  pointer_compared,
  pointer_leaked,
  division_by_zero,
  bad_shift,
  maybe_null_dereferenced,
  not_a_pointer,
  // Memory.
  stack_out_of_bounds,
  stack_uninitialized,
  stack_spill_corrupted,
  stack_variable_offset,
  stack_pointer_returned,
  map_value_out_of_bounds,
  map_permission,
  packet_out_of_bounds,
  packet_not_writable,
  context_access,
  mem_out_of_bounds,
  read_only_memory,
  misaligned_access,
  unbounded_access,
  negative_offset,
  special_field_accessed,
  btf_access,
  bad_atomic,
  same_insn_different_pointers,
  // Calls.
  unknown_helper,
  helper_not_allowed,
  gpl_only_helper,
  sleepable_helper,
  bad_argument_type,
  argument_maybe_null,
  bad_size_argument,
  constant_argument_needed,
  bad_map_for_helper,
  bad_callback,
  bad_kfunc,
  too_many_frames,
  stack_too_deep,
  tail_call,
  argument_mismatch,
  ld_abs_not_allowed,
  // Resources.
  reference_leaked,
  reference_not_owned,
  lock_held,
  lock_not_held,
  region_not_left,
  // Ends.
  bad_return_value,
  too_complex,
  out_of_memory,
  internal,
};
[[nodiscard]] std::string_view rule_name(Rule rule);

// A step of the path that led to a rejection: a jump, call or exit that was passed.
struct PathStep {
  uint32_t insn = 0;
  uint32_t next = 0;  // where it went
};

struct SourceLine {
  std::string file;
  std::string text;  // without leading blanks
  uint32_t line = 0, column = 0;
};

struct Rejection {
  Rule rule{};
  int error = 0;          // positive errno that the kernel's BPF_PROG_LOAD gives: EACCES, EINVAL, …
  uint32_t insn = 0;      // index into Program::insns
  std::string insn_text;  // as the log has it
  std::optional<SourceLine> source;
  std::string message;      // the kernel's wording; may have several lines, no newline at its end
  std::string explanation;  // in plain words: what was needed, what is known
  std::string suggestion;   // the smallest change that may help; empty where none is known
  // Registers and stack at the instruction, as the log prints them: "R1=ctx()", "fp-8=mmmmmmmm".
  std::vector<std::string> state;
  std::vector<PathStep> path;  // oldest first
};

struct Stats {
  uint64_t insns_processed = 0;
  uint64_t states = 0;       // remembered, all in all
  uint64_t peak_states = 0;  // at once
  uint64_t max_states_per_insn = 0;
  uint64_t peak_memory = 0;  // bytes in states
  uint64_t time_ns = 0;
  std::vector<uint32_t> stack_depths;  // of each subprogram, bytes
};

struct Report {
  std::optional<VerifiedProgram> verified;
  std::optional<Rejection> rejection;  // exactly one of the two
  std::string log;                     // by Options::log_level
  Stats stats;
  [[nodiscard]] bool accepted() const { return verified.has_value(); }
};

[[nodiscard]] Report verify(const Program& program, const Options& options = {});

}  // namespace skep::verifier
