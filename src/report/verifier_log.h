// A verifier's log as data: the kernel's (4.19 to 7.x), skep's own, and either inside what loaders print around it
// (libbpf, bpftool, bpftrace, BCC, cilium/ebpf, aya, journald): prefixes, colours, escaped newlines.
//
//   libbpf: prog 'f': -- BEGIN PROG LOAD LOG --     a segment begins
//   ; v->x = 1; @ f.bpf.c:12                        source line
//   from 5 to 8: R0=0 R10=fp0                       a path begins, with all that is known
//   8: (7b) *(u64 *)(r0 +0) = r1   ; R0=map_value_or_null(id=1,…)   step, with what it changed
//   R0 invalid mem access 'map_value_or_null'       message
//   processed 9 insns (limit 1000000) …             end
//
// The log is hostile input: any bytes, any size. Only its last kMaxLogBytes are read; all is linear in them.
// Views point into `ParsedLog::text`.
#pragma once

#include <cstdint>
#include <limits>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

namespace skep::report {

inline constexpr size_t kMaxLogBytes = 32u << 20;
inline constexpr uint32_t kNoIndex = ~uint32_t{0};

// "R1=pkt(id=2,off=14,r=34)": one register or stack slot.
struct LogValue {
  std::string_view name;  // "R1", "fp-8"
  std::string_view text;  // "pkt(id=2,off=14,r=34)"
  std::string_view type;  // "pkt", "scalar" (also for old kernels' inv), "map_value_or_null"
  bool is_constant = false, has_smin = false, has_umax = false;
  int64_t constant = 0;
  int64_t smin = std::numeric_limits<int64_t>::min(), smax = std::numeric_limits<int64_t>::max();
  uint64_t umin = 0, umax = std::numeric_limits<uint64_t>::max();
  int64_t id = 0, ref_id = 0, off = 0, range = 0, size = -1;  // size: vs= or sz=; -1: not said
  [[nodiscard]] bool is_scalar() const { return type == "scalar"; }
  [[nodiscard]] bool is_packet() const { return type == "pkt" || type == "pkt_meta"; }
  [[nodiscard]] bool maybe_null() const { return type.find("or_null") != type.npos; }
};
[[nodiscard]] LogValue parse_log_value(std::string_view name, std::string_view text);
// All values of a state's text: " R1=ctx() R2_w=scalar() fp-8=mmmmmmmm refs=2".
[[nodiscard]] std::vector<LogValue> parse_log_state(std::string_view state);
// One of them, by name ("R7", "fp-8"), in the innermost frame printed; empty name where it is not there.
[[nodiscard]] LogValue find_log_value(std::string_view state, std::string_view name);

struct LogSource {
  std::string_view text, file;
  uint32_t line = 0;  // 0: the kernel is too old to say
};

struct LogStep {
  uint32_t insn = 0;
  uint32_t source = kNoIndex;  // into ParsedLog::sources
  uint32_t from = kNoIndex;    // a path begins here: the step it comes from; else the one before
  bool path_begins = false;
  std::string_view text;           // "r0 = 1"
  std::string_view before, after;  // states printed before and after it
};

// One program's log.
struct LogSegment {
  std::string_view program;  // as libbpf names it; may be empty
  std::vector<LogStep> steps;
  std::vector<std::string_view> messages;  // what stands after the last step
  std::vector<std::string_view> early;     // messages with no step before them
  uint64_t processed = 0;
  [[nodiscard]] bool failed() const { return !messages.empty(); }
};

struct ParsedLog {
  std::unique_ptr<std::string> text;
  std::vector<LogSource> sources;
  std::vector<LogSegment> segments;
  bool truncated = false;
};
[[nodiscard]] ParsedLog parse_verifier_log(std::string_view log);

// What an instruction's text does: as much as following a value backwards needs.
struct LogOperation {
  enum class Kind : uint8_t {
    other,
    move,
    alu,
    load,
    store,
    store_imm,
    atomic,
    call,
    call_function,
    exit,
    jump,
    go_to
  };
  Kind kind = Kind::other;
  int dst = -1, src = -1;  // registers; -1: none. load: src is the base, store: dst is
  bool is32 = false;       // w registers
  bool has_imm = false;
  int64_t imm = 0, off = 0;  // jump: off is the "pc+N"
  unsigned size = 0;         // bytes, of loads and stores
  std::string_view op;       // "+=", "==", "s>"
  std::string_view callee;   // "bpf_map_lookup_elem"
  [[nodiscard]] bool writes(int reg) const;
};
[[nodiscard]] LogOperation parse_log_operation(std::string_view text);

}  // namespace skep::report
