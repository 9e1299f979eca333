#include "report/diagnosis.h"

#include <fmt/format.h>

#include <algorithm>
#include <charconv>

#include "btf/btf.h"
#include "report/history.h"
#include "report/verifier_messages.h"
#include "verifier/rules.h"

namespace skep::report {
namespace {

using Kind = LogOperation::Kind;

int64_t number_of(std::string_view s) {
  int64_t value = 0;
  const bool hex = s.starts_with("0x");
  std::from_chars(s.data() + (hex ? 2 : 0), s.data() + s.size(), value, hex ? 16 : 10);
  return value;
}

// The number behind `key` in a message: "off=14" -> 14.
std::optional<int64_t> field(std::string_view message, std::string_view key) {
  const size_t at = message.find(key);
  if (at == message.npos) return std::nullopt;
  return number_of(message.substr(at + key.size()));
}

struct Chosen {
  std::string_view line;
  std::optional<MessageMatch> match;
};

// The message that says most; loaders' own words before it are passed over.
Chosen choose(const std::vector<std::string_view>& lines) {
  Chosen detail;
  for (std::string_view line : lines) {
    auto match = match_verifier_message(line);
    for (size_t at = 0;
         !match && (at = line.find_first_of(":]|\"(", at)) != line.npos && at < 200;) {
      ++at;
      std::string_view rest = line.substr(at);
      while (!rest.empty() && (rest[0] == ' ' || rest[0] == '\t')) rest.remove_prefix(1);
      // A row that begins with any text would match behind any colon.
      match = match_verifier_message(rest);
      if (match && match->row->pattern[0] == '*') match.reset();
      if (match) line = rest;
    }
    if (!match) continue;
    if (!match->row->detail) return {line, match};
    if (!detail.match) detail = {line, match};
  }
  if (!detail.match && !lines.empty()) detail.line = lines.back();
  return detail;
}

class Diagnoser {
 public:
  Diagnoser(const ParsedLog& log, const LogSegment& segment, const Program* program, Diagnosis& out)
      : log_(log), segment_(segment), program_(program), out_(out) {}

  void run(std::string_view message, Cause cause) {
    message_ = message;
    at_ = segment_.steps.empty() ? kNoIndex : static_cast<uint32_t>(segment_.steps.size() - 1);
    out_.cause = cause;
    locate();
    find_subject();
    look_at_other_paths();
    refine();
    words();
    finish_history();
  }

 private:
  void locate() {
    if (at_ == kNoIndex) return;
    const LogStep& step = segment_.steps[at_];
    operation_ = parse_log_operation(step.text);
    if (out_.insn == kNoIndex) {
      out_.insn = step.insn;
      out_.insn_text = std::string(step.text);
    }
    if (out_.source_text.empty() && step.source < log_.sources.size()) {
      const LogSource& source = log_.sources[step.source];
      out_.file = std::string(source.file);
      out_.line = source.line;
      out_.source_text = std::string(source.text);
    }
    if (out_.state.empty()) {
      for (int r = 0; r <= 10; ++r) {
        const LogValue value = last_value(segment_, at_, fmt::format("R{}", r));
        if (!value.name.empty()) out_.state.push_back(fmt::format("{}={}", value.name, value.text));
      }
    }
  }

  // The register that the message is about; else the one that the instruction goes through.
  void find_subject() {
    int reg = -1;
    for (size_t i = 0; i + 1 < message_.size() && reg < 0; ++i) {
      const bool word = i == 0 || message_[i - 1] == ' ' || message_[i - 1] == '(';
      if (message_[i] == 'R' && word && message_[i + 1] >= '0' && message_[i + 1] <= '9')
        reg = static_cast<int>(number_of(message_.substr(i + 1)));
    }
    if (const auto arg = field(message_, "arg#"); reg < 0 && arg && operation_.kind == Kind::call)
      reg = static_cast<int>(*arg) + 1;
    if (reg < 0) {
      if (operation_.kind == Kind::load) reg = operation_.src;
      if (operation_.kind == Kind::store || operation_.kind == Kind::store_imm)
        reg = operation_.dst;
      if (operation_.kind == Kind::exit) reg = 0;
      if (operation_.kind == Kind::alu)
        reg = out_.cause == Cause::index_unbounded || out_.cause == Cause::index_maybe_negative
                  ? operation_.src
                  : operation_.dst;
    }
    if (reg < 0 || reg > 10) return;
    // What is wrong with an addition is the number that is added.
    if (operation_.kind == Kind::alu && operation_.src >= 0 && reg == operation_.dst &&
        (out_.cause == Cause::index_unbounded || out_.cause == Cause::index_maybe_negative) &&
        last_value(segment_, at_, fmt::format("R{}", operation_.src)).is_scalar())
      reg = operation_.src;
    subject_ = reg;
    out_.subject = fmt::format("R{}", reg);
    value_ = last_value(segment_, at_, out_.subject);
    // Old kernels print what a step found behind it.
    if (value_.name.empty() && at_ != kNoIndex)
      value_ = find_log_value(segment_.steps[at_].after, out_.subject);
    if (at_ != kNoIndex) trail_ = follow_register(log_, segment_, at_, reg);
  }

  void refine() {
    switch (out_.cause) {
      case Cause::scalar_as_pointer:
      case Cause::argument_wrong_type:
      case Cause::object_wrong_type: refine_number(); break;
      case Cause::register_never_set: refine_unset(); break;
      case Cause::packet_check_missing: refine_packet(); break;
      case Cause::access_beyond_object: refine_bounds(); break;
      case Cause::index_unbounded:
        if (value_.is_packet() || message_.find("pkt pointer") != message_.npos)
          out_.cause = Cause::packet_offset_too_wide;
        if (message_.find("fp pointer") != message_.npos) out_.cause = Cause::stack_index_unbounded;
        break;
      case Cause::index_maybe_negative:
        if (message_.find("fp pointer") != message_.npos) out_.cause = Cause::stack_index_unbounded;
        break;
      case Cause::stack_never_written: refine_stack(); break;
      case Cause::dynptr_not_initialized:
        if (released_before()) out_.cause = Cause::dynptr_released_twice;
        break;
      case Cause::context_field:
        if (field(message_, "size=") == 8 && !has_line("func '"))
          out_.cause = wide_context() ? Cause::context_wide_access : out_.cause;
        if (has_line("func '")) out_.cause = Cause::context_argument_type;
        break;
      case Cause::reference_not_owned:
        if (operation_.callee.find("dynptr") != operation_.callee.npos)
          out_.cause = Cause::dynptr_released_twice;
        break;
      default: break;
    }
  }

  [[nodiscard]] bool has_line(std::string_view part) const {
    return std::ranges::any_of(
               segment_.messages,
               [&](std::string_view line) { return line.find(part) != line.npos; }) ||
           out_.message.find(part) != std::string::npos;
  }

  // The call that fails gives a dynptr back, and an earlier one on this path did.
  [[nodiscard]] bool released_before() const {
    const auto releases = [](std::string_view callee) {
      return callee.ends_with("submit_dynptr") || callee.ends_with("discard_dynptr");
    };
    if (!releases(operation_.callee)) return false;
    uint32_t step = at_;
    for (unsigned n = 0; n < 4096 && (step = step_before(segment_, step)) != kNoIndex; ++n)
      if (releases(parse_log_operation(segment_.steps[step].text).callee)) return true;
    return false;
  }

  [[nodiscard]] bool wide_context() const {
    if (program_ == nullptr) return true;
    switch (program_->type) {
      case ProgType::BPF_PROG_TYPE_KPROBE:
      case ProgType::BPF_PROG_TYPE_TRACEPOINT:
      case ProgType::BPF_PROG_TYPE_RAW_TRACEPOINT:
      case ProgType::BPF_PROG_TYPE_TRACING:
      case ProgType::BPF_PROG_TYPE_LSM:
      case ProgType::BPF_PROG_TYPE_PERF_EVENT: return false;
      default: return true;
    }
  }

  void refine_number() {
    const bool number =
        value_.name.empty() || value_.is_scalar() || message_.find("'scalar'") != message_.npos ||
        message_.find("'inv'") != message_.npos || message_.find("type=scalar") != message_.npos ||
        message_.find("type=inv") != message_.npos;
    if (!number) return;
    const bool access = out_.cause == Cause::scalar_as_pointer;
    if (trail_.truncated) {
      out_.cause = Cause::pointer_truncated;
    } else if (trail_.was_packet && trail_.changed_by_call) {
      out_.cause = Cause::packet_pointer_stale;
    } else if (trail_.was_memory && trail_.changed_by_call) {
      out_.cause = Cause::slice_stale;
    } else if (access && other_path_ == OtherPath::packet) {
      out_.cause = Cause::pointer_lost_at_join;
    } else if (access && value_.is_constant && (value_.constant == 0 || trail_.was_maybe_null)) {
      out_.cause = Cause::null_on_this_path;
    } else if (access &&
               (trail_.was_packet || (value_.is_constant && other_path_ == OtherPath::pointer))) {
      out_.cause = Cause::pointer_lost_at_join;
    } else if (trail_.slot_unset) {
      out_.cause = Cause::stack_never_written;
    } else if (access && (trail_.loaded_context || trail_.loaded_memory || trail_.filled_by_read ||
                          (trail_.from_helper && !trail_.from_constant))) {
      out_.cause = Cause::kernel_pointer_dereferenced;
    }
  }

  // Does the log show this instruction on another path, with a pointer in the register?
  void look_at_other_paths() {
    if (at_ == kNoIndex || subject_ < 0) return;
    const uint32_t insn = segment_.steps[at_].insn;
    unsigned looked = 0;
    for (uint32_t i = 0; i < at_ && looked < 64; ++i) {
      if (segment_.steps[i].insn != insn) continue;
      ++looked;
      const LogValue there = last_value(segment_, i, out_.subject);
      if (there.name.empty() || there.is_scalar() || there.type == "pkt_end") continue;
      other_path_ = there.is_packet() ? OtherPath::packet : OtherPath::pointer;
      return;
    }
  }

  void refine_unset() {
    if (trail_.lost_by_call) {
      out_.cause = Cause::register_lost_by_call;
    } else if (other_path_ == OtherPath::unseen && trail_.from_entry && subject_ >= 2 &&
               subject_ <= 5 && operation_.kind != Kind::call) {
      out_.cause = Cause::argument_not_passed;
    }
  }

  void refine_packet() {
    const int64_t range = field(message_, "r=").value_or(0);
    const int64_t id = field(message_, "id=").value_or(0);
    if (range > 0) {
      out_.cause = Cause::packet_check_short;
      return;
    }
    if (id == 0) return;
    constexpr uint64_t kMaxOffset = 0xffff;
    if (value_.has_umax && value_.umax >= kMaxOffset) {
      out_.cause = Cause::packet_offset_too_wide;
      return;
    }
    for (int r = 0; r < 10; ++r) {
      const LogValue other = last_value(segment_, at_, fmt::format("R{}", r));
      if (r != subject_ && other.is_packet() && other.range > 0 && other.id == id)
        out_.cause = Cause::packet_check_on_other_pointer;
    }
    if (out_.cause == Cause::packet_check_missing && trail_.checked) {
      out_.cause = value_.umax + 64 >= kMaxOffset ? Cause::packet_offset_too_wide
                                                  : Cause::packet_check_on_other_pointer;
    }
  }

  void refine_bounds() {
    const int64_t object =
        field(message_, "value_size=").value_or(field(message_, "mem_size=").value_or(-1));
    const int64_t off = field(message_, "off=").value_or(0),
                  size = field(message_, "size=").value_or(0);
    const int64_t real_size = message_.rfind("size=") != message_.npos
                                  ? number_of(message_.substr(message_.rfind("size=") + 5))
                                  : size;
    if (operation_.kind == Kind::call) {
      if (real_size > 0 && object >= 0) out_.cause = Cause::size_too_large;
      return;
    }
    const bool variable = !value_.name.empty() && value_.has_umax && value_.umax != 0;
    if (!variable || object < 0) return;
    const bool slightly =
        off + real_size - object <= 8 || static_cast<int64_t>(value_.umax) < 2 * object;
    out_.cause = slightly ? Cause::index_check_off : Cause::index_check_lost;
  }

  void refine_stack() {
    // "off -16+4 size 8": the slots that it touches.
    const size_t at = message_.find(" off ");
    if (at == message_.npos || at_ == kNoIndex) return;
    std::string_view rest = message_.substr(at + 5);
    const int64_t begin = number_of(rest);
    const int64_t size = field(message_, "size ").value_or(8);
    const bool fills_buffer = operation_.callee.starts_with("bpf_dynptr_slice");
    for (int64_t slot = begin & ~int64_t{7}; slot < begin + size && slot < 0 && slot > begin - 1024;
         slot += 8) {
      std::string_view text = last_value(segment_, at_, fmt::format("fp{}", slot)).text;
      // A dynptr's two slots are printed once, under the lower.
      if (text.empty() &&
          last_value(segment_, at_, fmt::format("fp{}", slot - 8)).text.starts_with("dynptr"))
        text = "dynptr";
      const bool object = text.starts_with("dynptr") || text.starts_with("iter_") ||
                          (!text.empty() && text.find_first_not_of("dif") == text.npos);
      if (!object) continue;
      // A buffer that is read beyond its end, into the object behind it.
      out_.cause = fills_buffer && slot > begin ? Cause::size_too_large : Cause::stack_object_read;
      out_.known = fmt::format("fp{} holds a {}", slot, text.substr(0, text.find('(')));
      return;
    }
  }

  void words() {
    const CauseRow& row = cause_row(out_.cause);
    const verifier::RuleText& rule = verifier::rule_text(out_.rule);
    if (out_.need.empty())
      out_.need = row.need.empty() ? std::string(rule.explanation) : std::string(row.need);
    if (out_.known.empty()) out_.known = known();
    if (out_.fixes.empty()) {
      if (!row.fix.empty()) out_.fixes.emplace_back(row.fix);
      if (row.fix.empty() && !rule.suggestion.empty()) out_.fixes.emplace_back(rule.suggestion);
      const std::string_view barrier = barrier_hint(out_.cause);
      if (!barrier.empty()) out_.fixes.emplace_back(barrier);
    }
  }

  [[nodiscard]] std::string known() const {
    const auto off = field(message_, "off="), r = field(message_, "r=");
    const size_t last_size = message_.rfind("size=");
    const int64_t size = last_size == message_.npos ? 0 : number_of(message_.substr(last_size + 5));
    std::string text;
    if (out_.rule == verifier::Rule::packet_out_of_bounds && off) {
      text = fmt::format(
          "bytes {} to {} are accessed; {} bytes are known to exist from where r{} was taken", *off,
          *off + std::max<int64_t>(size, 1) - 1, r.value_or(0), std::max(subject_, 0));
    } else if (const auto object = field(message_, "value_size="); object && off) {
      text = fmt::format("bytes {} to {} may be accessed; the value has bytes 0 to {}", *off,
                         *off + std::max<int64_t>(size, 1) - 1, *object - 1);
    } else if (const auto mem = field(message_, "mem_size="); mem && off) {
      text = fmt::format("bytes {} to {} may be accessed; the memory has bytes 0 to {}", *off,
                         *off + std::max<int64_t>(size, 1) - 1, *mem - 1);
    } else if (const auto alloc = field(message_, "alloc_insn="); alloc) {
      text = fmt::format("it was acquired at insn {}{}", *alloc,
                         acquired_by(static_cast<uint32_t>(*alloc)));
    }
    if (!value_.name.empty()) {
      if (!text.empty()) text += "; ";
      text += fmt::format("{} is {}", value_.name, value_.text);
      if (value_.is_scalar() && !value_.is_constant) {
        const bool top = !value_.has_umax || value_.umax == ~uint64_t{0};
        text += top ? ": any number"
                    : fmt::format(": from {} to {}",
                                  value_.smin < 0 ? value_.smin : static_cast<int64_t>(value_.umin),
                                  value_.umax);
      }
    } else if (subject_ >= 0 && out_.rule == verifier::Rule::uninitialized_register) {
      text += fmt::format("{} has no value here", out_.subject);
    }
    return text;
  }

  [[nodiscard]] std::string acquired_by(uint32_t insn) const {
    for (const LogStep& step : segment_.steps)
      if (step.insn == insn) {
        const std::string source = source_of(log_, step);
        return fmt::format(" ({}{}{})", step.text, source.empty() ? "" : ", ", source);
      }
    return {};
  }

  void finish_history() {
    out_.history = std::move(trail_.events);
    if (const auto alloc = field(message_, "alloc_insn="); alloc) {
      for (const LogStep& step : segment_.steps) {
        if (step.insn != *alloc) continue;
        out_.history.push_back({HistoryEvent::Kind::made, step.insn, std::string(step.text),
                                source_of(log_, step), "acquired here"});
        break;
      }
    }
    if (at_ == kNoIndex) return;
    const LogStep& step = segment_.steps[at_];
    out_.history.push_back({HistoryEvent::Kind::refused, step.insn, std::string(step.text),
                            source_of(log_, step), std::string(cause_row(out_.cause).title)});
  }

  const ParsedLog& log_;
  const LogSegment& segment_;
  const Program* program_;
  Diagnosis& out_;
  std::string_view message_;
  uint32_t at_ = kNoIndex;
  LogOperation operation_;
  int subject_ = -1;
  LogValue value_;
  Trail trail_;
  enum class OtherPath : uint8_t { unseen, pointer, packet };
  OtherPath other_path_ = OtherPath::unseen;
};

std::string joined(const std::vector<std::string_view>& lines) {
  std::string text;
  for (std::string_view line : lines) {
    if (!text.empty()) text += '\n';
    text += line;
  }
  return text;
}

// The source line of an instruction, from the object's records.
void add_source(const Program& program, Diagnosis& out) {
  if (out.insn == kNoIndex || !program.btf || program.line_info.empty() || !out.source_text.empty())
    return;
  auto after =
      std::upper_bound(program.line_info.begin(), program.line_info.end(), out.insn,
                       [](uint32_t at, const LineInfo& line) { return at < line.insn_off; });
  if (after == program.line_info.begin()) return;
  const LineInfo& line = *std::prev(after);
  out.file = std::string(program.btf->string(line.file_name_off));
  out.line = line.line();
  out.column = line.column();
  std::string_view text = program.btf->string(line.line_off);
  text.remove_prefix(std::min(text.find_first_not_of(" \t"), text.size()));
  out.source_text = std::string(text);
}

}  // namespace

Diagnosis diagnose(const ParsedLog& log, const LogSegment& segment, const Program* program) {
  Diagnosis out;
  out.program = std::string(segment.program);
  const Chosen chosen = choose(segment.messages);
  out.message = chosen.match ? std::string(chosen.line) : joined(segment.messages);
  Cause cause = Cause::unknown;
  if (chosen.match) {
    out.rule = chosen.match->row->rule;
    cause = chosen.match->row->cause;
    out.message = std::string(chosen.line);
    for (std::string_view line : segment.messages)
      if (line != chosen.line && match_verifier_message(line))
        out.message += "\n" + std::string(line);
  }
  Diagnoser(log, segment, program, out).run(chosen.line, cause);
  if (program != nullptr) add_source(*program, out);
  return out;
}

Diagnosis diagnose(const verifier::Rejection& rejection, std::string_view log_text,
                   const Program& program) {
  Diagnosis out;
  out.program = program.name;
  out.rule = rejection.rule;
  out.message = rejection.message;
  out.insn = rejection.insn;
  out.insn_text = rejection.insn_text;
  out.state = rejection.state;
  if (rejection.source) {
    out.file = rejection.source->file;
    out.line = rejection.source->line;
    out.column = rejection.source->column;
    out.source_text = rejection.source->text;
  }
  std::vector<std::string_view> lines;
  for (std::string_view rest = rejection.message; !rest.empty();) {
    const size_t end = std::min(rest.find('\n'), rest.size());
    if (end > 0) lines.push_back(rest.substr(0, end));
    rest.remove_prefix(std::min(end + 1, rest.size()));
  }
  const Chosen chosen = choose(lines);
  Cause cause = cause_of_rule(rejection.rule);
  if (chosen.match && chosen.match->row->cause != Cause::unknown &&
      rejection.rule != verifier::Rule::feature_not_in_kernel &&
      rejection.rule != verifier::Rule::internal)
    cause = chosen.match->row->cause;
  if (chosen.line.starts_with("unknown opcode 8d"))
    cause = Cause::instruction_unknown;  // no kernel has it
  ParsedLog log = parse_verifier_log(log_text);
  LogSegment none;
  const LogSegment* segment = log.segments.empty() ? &none : &log.segments.back();
  // The log's last step is the one refused, or the log has another end (checks before and after the walk).
  if (segment->steps.empty() || segment->steps.back().insn != rejection.insn) segment = &none;
  if (!rejection.explanation.empty()) out.need = rejection.explanation;
  if (!rejection.suggestion.empty() && cause_row(cause).fix.empty())
    out.fixes.push_back(rejection.suggestion);
  Diagnoser(log, *segment, &program, out)
      .run(chosen.line.empty() && !lines.empty() ? lines.front() : chosen.line, cause);
  add_source(program, out);
  return out;
}

}  // namespace skep::report
