#include "report/verifier_log.h"

#include <algorithm>
#include <cctype>
#include <charconv>
#include <unordered_map>

namespace skep::report {
namespace {

bool digit(char c) { return c >= '0' && c <= '9'; }
bool hex_digit(char c) { return digit(c) || (c >= 'a' && c <= 'f'); }

std::string_view trim(std::string_view s) {
  while (!s.empty() && (s.front() == ' ' || s.front() == '\t')) s.remove_prefix(1);
  while (!s.empty() && (s.back() == ' ' || s.back() == '\t' || s.back() == '\r'))
    s.remove_suffix(1);
  return s;
}

// A number at the beginning of `s` (sign, 0x); false: there is none. Numbers too large saturate.
bool take_number(std::string_view& s, int64_t& value) {
  size_t i = 0;
  const bool negative = !s.empty() && s[0] == '-';
  if (!s.empty() && (s[0] == '-' || s[0] == '+')) ++i;
  if (i >= s.size() || !digit(s[i])) return false;
  int base = 10;
  if (s.substr(i).starts_with("0x")) {
    base = 16;
    i += 2;
  }
  uint64_t raw = 0;
  const auto [end, error] = std::from_chars(s.data() + i, s.data() + s.size(), raw, base);
  if (end == s.data() + i) return false;
  if (error != std::errc()) raw = ~uint64_t{0};
  value = static_cast<int64_t>(negative ? 0 - raw : raw);
  s.remove_prefix(static_cast<size_t>(end - s.data()));
  return true;
}

// ---- cleaning

bool has_literal_newlines(std::string_view log) {
  // Loaders that print the log as a quoted string leave hardly any real newline in it.
  const size_t escaped = [&] {
    size_t n = 0;
    for (size_t at = log.find("\\n"); at != log.npos; at = log.find("\\n", at + 2)) ++n;
    return n;
  }();
  return escaped >= 2 && escaped > static_cast<size_t>(std::ranges::count(log, '\n'));
}

std::string clean(std::string_view log) {
  std::string out;
  out.reserve(log.size());
  const bool escaped = has_literal_newlines(log);
  for (size_t i = 0; i < log.size(); ++i) {
    const char c = log[i];
    if (c == '\033' && i + 1 < log.size() && log[i + 1] == '[') {  // colours
      i += 2;
      while (i < log.size() && (digit(log[i]) || log[i] == ';' || log[i] == '?')) ++i;
      continue;
    }
    if (escaped && c == '\\' && i + 1 < log.size()) {
      const char next = log[++i];
      out += next == 'n' ? '\n' : next == 't' ? '\t' : next == 'r' ? ' ' : next;
      continue;
    }
    if (c == '\r') {
      out += i + 1 < log.size() && log[i + 1] == '\n' ? ' ' : '\n';
      continue;
    }
    out += c == '\0' ? ' ' : c;
  }
  return out;
}

// ---- lines

// "12: (b7) r0 = 1": where it begins in `line`; npos: nowhere.
size_t find_step(std::string_view line) {
  for (size_t at = line.find(": ("); at != line.npos; at = line.find(": (", at + 1)) {
    if (at == 0 || at + 6 >= line.size() || !digit(line[at - 1])) continue;
    if (!hex_digit(line[at + 3]) || !hex_digit(line[at + 4]) || line[at + 5] != ')') continue;
    size_t begin = at;
    while (begin > 0 && digit(line[begin - 1])) --begin;
    if (at - begin > 7) continue;
    if (begin > 0 && line[begin - 1] != ' ' && line[begin - 1] != '\t' && line[begin - 1] != '"' &&
        line[begin - 1] != '|')
      continue;
    return begin;
  }
  return line.npos;
}

bool is_noise(std::string_view line) {
  static constexpr std::string_view kBegins[] = {"mark_precise:",
                                                 "last_idx ",
                                                 "regs=",
                                                 "parent ",
                                                 "propagating ",
                                                 "caller:",
                                                 "callee:",
                                                 "returning from callee:",
                                                 "to caller at ",
                                                 "Live regs before insn",
                                                 "func#",
                                                 "verification time",
                                                 "stack depth",
                                                 "peak_states",
                                                 "Validating ",
                                                 "Func#",
                                                 "reg type unsupported",
                                                 "max_states",
                                                 "total_states",
                                                 "arg#0 is ",
                                                 "BTF ",
                                                 "[",
                                                 "-- ",
                                                 "Verifier output",
                                                 "Verifier analysis",
                                                 "Kernel error log",
                                                 "Error: failed to load object",
                                                 "cur state:",
                                                 "old state:",
                                                 "Dumping ",
                                                 "insns (limit"};
  for (std::string_view begin : kBegins)
    if (line.starts_with(begin)) return true;
  if (line.starts_with("libbpf: ") || line.starts_with("bpf: ")) return true;
  if (line.find("mark_precise: ") != line.npos || line.find(" stack=") != line.npos) return true;
  if (line.size() > 8 && line[0] == '(' && digit(line[1]) && line.find(") frame ") < 8) return true;
  return line.ends_with(": safe") || line.find("is safe for any args") != line.npos;
}

// The state's text in "R1=ctx() …", "12: R1=…", " frame1: R1=…"; false: the line is no state.
bool is_state(std::string_view line) {
  if (line.size() < 3) return false;
  if (line.starts_with("frame") && line.find(": R") < 10) return true;
  if (line.starts_with("fp-")) return line.find('=') < 12;
  if (line[0] != 'R' || !digit(line[1])) return false;
  const size_t equals = line.find('=');
  return equals != line.npos && equals < 8 && line.find(' ') > equals;
}

// Does `line` begin as `prefix` does, digits aside?
bool same_shape(std::string_view line, std::string_view prefix) {
  if (line.size() < prefix.size()) return false;
  for (size_t i = 0; i < prefix.size(); ++i)
    if (line[i] != prefix[i] && !(digit(line[i]) && digit(prefix[i]))) return false;
  return true;
}

struct Reader {
  ParsedLog& log;
  LogSegment segment{};
  uint32_t source = kNoIndex;
  bool have_path = false;
  int64_t path_from = -1;
  std::string_view path_state{};
  std::unordered_map<uint32_t, uint32_t> last_step{};  // by instruction
  std::string_view prefix{};  // that the log's first step stands behind: a date, a logger's name

  void finish() {
    if (segment.steps.empty()) {
      segment.messages.insert(segment.messages.begin(), segment.early.begin(), segment.early.end());
      segment.early.clear();
    }
    if (!segment.steps.empty() || !segment.messages.empty())
      log.segments.push_back(std::move(segment));
    segment = LogSegment();
    last_step.clear();
    have_path = false;
    source = kNoIndex;
  }

  void add_source(std::string_view text) {
    LogSource found{text, {}, 0};
    const size_t at = text.rfind(" @ ");
    if (at != text.npos) {
      std::string_view place = text.substr(at + 3);
      const size_t colon = place.rfind(':');
      int64_t line = 0;
      std::string_view number = colon == place.npos ? std::string_view() : place.substr(colon + 1);
      if (take_number(number, line) && line > 0 && line < (1 << 24)) {
        found.text = trim(text.substr(0, at));
        found.file = place.substr(0, colon);
        found.line = static_cast<uint32_t>(line);
      }
    }
    constexpr size_t kMaxSources = 1u << 20;
    if (log.sources.size() >= kMaxSources) return;
    log.sources.push_back(found);
    source = static_cast<uint32_t>(log.sources.size() - 1);
  }

  void add_step(std::string_view line) {
    // Kernel logs print "N: (xx) text   ; state"; messages after a step belong to it only if it is the last.
    int64_t insn = 0;
    take_number(line, insn);
    LogStep step;
    step.insn = static_cast<uint32_t>(insn);
    step.source = source;
    std::string_view text = line.substr(line.find(')') + 1);
    const size_t semicolon = text.find("; ");
    if (semicolon != text.npos) {
      step.after = trim(text.substr(semicolon + 2));
      text = text.substr(0, semicolon);
    }
    step.text = trim(text);
    if (have_path) {
      step.path_begins = true;
      step.before = path_state;
      if (path_from >= 0) {
        const auto found = last_step.find(static_cast<uint32_t>(path_from));
        if (found != last_step.end()) step.from = found->second;
      }
      have_path = false;
    }
    segment.messages.clear();
    constexpr size_t kMaxSteps = 1u << 20;  // of a longer log the end counts
    if (segment.steps.size() >= kMaxSteps) {
      segment.steps.clear();
      last_step.clear();
      step.from = kNoIndex;
    }
    segment.steps.push_back(step);
    last_step[step.insn] = static_cast<uint32_t>(segment.steps.size() - 1);
  }

  void add_state(std::string_view state) {
    if (segment.steps.empty()) {
      have_path = true;
      path_from = -1;
      path_state = state;
      return;
    }
    // "9: R0=…" before insn 9 (new) is what step 8 led to; before 6.0 " R0=…" stands after its step.
    if (LogStep& last = segment.steps.back(); last.after.empty()) last.after = state;
  }

  void add_line(std::string_view line) {
    line = trim(line);
    if (line.empty()) return;
    if (line.find("-- BEGIN PROG LOAD LOG --") != line.npos) {
      finish();
      const size_t name = line.find("prog '");
      if (name != line.npos)
        segment.program = line.substr(
            name + 6, std::min<size_t>(line.find('\'', name + 6), line.size()) - name - 6);
      return;
    }
    if (line.find("-- END PROG LOAD LOG --") != line.npos) return finish();
    if (!prefix.empty() && same_shape(line, prefix)) line = trim(line.substr(prefix.size()));
    if (line.empty()) return;
    const size_t step = find_step(line);
    if (step != line.npos && step > 0 && prefix.empty() && segment.steps.empty() &&
        line.find("mark_precise") == line.npos)
      prefix = line.substr(0, step);
    const bool backtracking = line.find("mark_precise") != line.npos ||
                              line.find(" before ") < step || line.starts_with("regs=");
    if (step != line.npos && backtracking) return;
    if (step != line.npos) return add_step(line.substr(step));
    add_other(line);
  }

  void add_other(std::string_view line) {
    if (line.starts_with("processed ")) {
      std::string_view number = line.substr(10);
      int64_t n = 0;
      if (take_number(number, n)) segment.processed = static_cast<uint64_t>(n);
      return;
    }
    if (line.starts_with("; ")) return add_source(trim(line.substr(2)));
    if (line.starts_with("from ")) {
      std::string_view rest = line.substr(5);
      int64_t from = 0, to = 0;
      if (take_number(rest, from) && rest.starts_with(" to ")) {
        rest.remove_prefix(4);
        if (take_number(rest, to) && !rest.ends_with("safe")) {
          have_path = true;
          path_from = from;
          path_state =
              trim(rest.substr(std::min(rest.find(':'), rest.size() - (rest.empty() ? 0 : 1))));
          if (path_state.starts_with(":")) path_state = trim(path_state.substr(1));
          return;
        }
        if (rest.ends_with("safe")) return;
      }
    }
    if (is_state(line)) return add_state(line);
    {
      std::string_view rest = line;
      int64_t insn = 0;
      if (digit(line[0]) && take_number(rest, insn) && rest.starts_with(": ")) {
        rest = trim(rest.substr(2));
        if (is_state(rest)) return add_state(rest);
        if (!rest.empty() && (rest[0] == '.' || digit(rest[0]))) return;  // live registers
        if (rest == "safe") return;
      }
    }
    if (is_noise(line)) return;
    add_message(line);
  }

  void add_message(std::string_view line) {
    constexpr size_t kMaxMessages = 64;
    auto& into = segment.steps.empty() ? segment.early : segment.messages;
    if (into.size() >= kMaxMessages) into.erase(into.begin());
    into.push_back(line);
  }
};

}  // namespace

ParsedLog parse_verifier_log(std::string_view input) {
  ParsedLog log;
  if (input.size() > kMaxLogBytes) {
    input.remove_prefix(input.size() - kMaxLogBytes);
    log.truncated = true;
  }
  log.text = std::make_unique<std::string>(clean(input));
  std::string_view rest = *log.text;
  Reader reader{log};
  while (!rest.empty()) {
    const size_t end = std::min(rest.find('\n'), rest.size());
    reader.add_line(rest.substr(0, end));
    rest.remove_prefix(std::min(end + 1, rest.size()));
  }
  reader.finish();
  return log;
}

// ---- values

LogValue parse_log_value(std::string_view name, std::string_view text) {
  LogValue value;
  value.name = name;
  value.text = text;
  std::string_view rest = text;
  if (rest.starts_with("P") && rest.size() > 1) rest.remove_prefix(1);
  int64_t number = 0;
  if (!rest.empty() && (digit(rest[0]) || rest[0] == '-') && take_number(rest, number)) {
    value.type = "scalar";
    value.is_constant = true;
    value.constant = value.smin = value.smax = number;
    value.umin = value.umax = static_cast<uint64_t>(number);
    value.has_smin = value.has_umax = true;
    return value;
  }
  size_t end = 0;
  while (end < rest.size() && rest[end] != '(' && rest[end] != ',' && rest[end] != '[' &&
         rest[end] != '-' && rest[end] != '+' && !(digit(rest[end]) && !rest.starts_with("?")))
    ++end;
  value.type = rest.substr(0, end);
  if (value.type == "inv" || value.type == "invP" || value.type == "imm") value.type = "scalar";
  std::string_view tail = rest.substr(end);
  if (value.is_scalar() && !tail.empty() && tail[0] != '(') {
    if (tail[0] == 'P') tail.remove_prefix(1);
    if (take_number(tail, number)) {
      value.is_constant = value.has_smin = value.has_umax = true;
      value.constant = value.smin = value.smax = number;
      value.umin = value.umax = static_cast<uint64_t>(number);
      return value;
    }
  }
  if (value.type == "fp" && take_number(tail, number)) value.off = number;
  const size_t open = tail.find('(');
  if (open == tail.npos) return value;
  tail.remove_prefix(open + 1);
  bool smin_said = false, smax_said = false;
  while (!tail.empty() && tail[0] != ')') {
    // "smin=umin=5" names several fields with one value.
    std::string_view keys[6];
    size_t count = 0;
    size_t i = 0;
    for (;;) {
      size_t e = i;
      while (e < tail.size() &&
             (std::isalnum(static_cast<unsigned char>(tail[e])) != 0 || tail[e] == '_'))
        ++e;
      if (e >= tail.size() || tail[e] != '=' || e == i) break;
      if (count < 6) keys[count++] = tail.substr(i, e - i);
      i = e + 1;
    }
    std::string_view at = tail.substr(i);
    int64_t n = 0;
    if (take_number(at, n)) {
      for (size_t k = 0; k < count; ++k) {
        std::string_view key = keys[k];
        if (key.ends_with("_value")) key.remove_suffix(6);
        if (key == "id")
          value.id = n;
        else if (key == "ref_obj_id")
          value.ref_id = n;
        else if (key == "off")
          value.off = n;
        else if (key == "r")
          value.range = n;
        else if (key == "vs" || key == "sz" || key == "mem_size")
          value.size = n;
        else if (key == "smin")
          value.smin = n, smin_said = value.has_smin = true;
        else if (key == "smax")
          value.smax = n, smax_said = true;
        else if (key == "umin")
          value.umin = static_cast<uint64_t>(n);
        else if (key == "umax")
          value.umax = static_cast<uint64_t>(n), value.has_umax = true;
        else if (key == "imm" && !value.is_scalar())
          value.umin = value.umax = static_cast<uint64_t>(n);
      }
    }
    int depth = 0;
    while (i < tail.size() && !(depth == 0 && (tail[i] == ',' || tail[i] == ')'))) {
      if (tail[i] == '(') ++depth;
      if (tail[i] == ')') --depth;
      ++i;
    }
    tail.remove_prefix(std::min(i, tail.size()));
    if (!tail.empty() && tail[0] == ',') tail.remove_prefix(1);
  }
  constexpr auto kMax = static_cast<uint64_t>(std::numeric_limits<int64_t>::max());
  if (!smin_said && value.umax <= kMax) value.smin = static_cast<int64_t>(value.umin);
  if (!smax_said && value.umax <= kMax) value.smax = static_cast<int64_t>(value.umax);
  return value;
}

std::vector<LogValue> parse_log_state(std::string_view state) {
  std::vector<LogValue> values;
  size_t i = 0;
  while (i < state.size() && values.size() < 256) {
    while (i < state.size() && state[i] == ' ') ++i;
    size_t begin = i;
    int depth = 0;
    while (i < state.size() && !(state[i] == ' ' && depth == 0)) {
      if (state[i] == '(') ++depth;
      if (state[i] == ')' && depth > 0) --depth;
      ++i;
    }
    const std::string_view word = state.substr(begin, i - begin);
    if (word.starts_with("frame") && word.ends_with(":")) {
      values.clear();  // the innermost frame comes last
      continue;
    }
    const size_t equals = word.find('=');
    if (equals == word.npos || equals < 2) continue;
    std::string_view name = word.substr(0, equals);
    name = name.substr(0, name.find('_'));
    if (!(name[0] == 'R' && digit(name[1])) && !name.starts_with("fp-")) continue;
    values.push_back(parse_log_value(name, word.substr(equals + 1)));
  }
  return values;
}

LogValue find_log_value(std::string_view state, std::string_view name) {
  LogValue found;
  for (const LogValue& value : parse_log_state(state))
    if (value.name == name) found = value;
  return found;
}

// ---- operations

bool LogOperation::writes(int reg) const {
  switch (kind) {
    case Kind::move:
    case Kind::alu:
    case Kind::load: return dst == reg;
    case Kind::atomic: return dst == reg;
    case Kind::call:
    case Kind::call_function: return reg >= 0 && reg <= 5;
    default: return false;
  }
}

namespace {

// "r1" or "w1" at the beginning of s.
bool take_register(std::string_view& s, int& reg, bool& is32) {
  if (s.size() < 2 || (s[0] != 'r' && s[0] != 'w') || !digit(s[1])) return false;
  is32 = s[0] == 'w';
  size_t n = 2;
  reg = s[1] - '0';
  if (s.size() > 2 && digit(s[2])) reg = reg * 10 + (s[n++] - '0');
  if (reg > 11) return false;
  s.remove_prefix(n);
  return true;
}

// "*(u64 *)(r10 -8)"
bool take_memory(std::string_view& s, int& base, int64_t& off, unsigned& size) {
  if (!s.starts_with("*(")) return false;
  const size_t star = s.find("*)(");
  if (star == s.npos || star > 12) return false;
  std::string_view type = s.substr(2, star - 2);
  size = type.find("64") != type.npos   ? 8
         : type.find("32") != type.npos ? 4
         : type.find("16") != type.npos ? 2
                                        : 1;
  s.remove_prefix(star + 3);
  bool is32 = false;
  if (!take_register(s, base, is32)) return false;
  s = trim(s);
  off = 0;
  take_number(s, off);
  const size_t close = s.find(')');
  if (close == s.npos) return false;
  s = trim(s.substr(close + 1));
  return true;
}

}  // namespace

LogOperation parse_log_operation(std::string_view text) {
  using Kind = LogOperation::Kind;
  LogOperation op;
  std::string_view s = trim(text);
  if (s == "exit") {
    op.kind = Kind::exit;
    return op;
  }
  if (s.starts_with("call ")) {
    s.remove_prefix(5);
    if (s.starts_with("pc")) {
      op.kind = Kind::call_function;
      s.remove_prefix(2);
      take_number(s, op.off);
      return op;
    }
    op.kind = Kind::call;
    op.callee = s.substr(0, s.find('#'));
    return op;
  }
  if (s.starts_with("goto") || s.starts_with("may_goto")) {
    op.kind = Kind::go_to;
    return op;
  }
  if (s.starts_with("if ")) {
    op.kind = Kind::jump;
    s.remove_prefix(3);
    if (!take_register(s, op.dst, op.is32)) return op;
    s = trim(s);
    const size_t space = std::min(s.find(' '), s.size());
    op.op = s.substr(0, space);
    s = trim(s.substr(space));
    bool ignored = false;
    if (!take_register(s, op.src, ignored)) op.has_imm = take_number(s, op.imm);
    const size_t pc = s.find("pc");
    if (pc != s.npos) {
      s.remove_prefix(pc + 2);
      take_number(s, op.off);
    }
    return op;
  }
  if (s.starts_with("lock ")) {
    s.remove_prefix(5);
    op.kind = Kind::store;
    take_memory(s, op.dst, op.off, op.size);
    op.op = "lock";
    op.kind = Kind::other;
    op.src = -1;
    return op;
  }
  if (s.starts_with("*(")) {
    if (!take_memory(s, op.dst, op.off, op.size) || !s.starts_with("=")) return op;
    s = trim(s.substr(1));
    bool is32 = false;
    if (take_register(s, op.src, is32)) {
      op.kind = Kind::store;
    } else {
      op.kind = Kind::store_imm;
      op.has_imm = take_number(s, op.imm);
    }
    return op;
  }
  if (!take_register(s, op.dst, op.is32)) return op;
  s = trim(s);
  const size_t space = std::min(s.find(' '), s.size());
  op.op = s.substr(0, space);
  s = trim(s.substr(space));
  if (op.op != "=") {
    op.kind = Kind::alu;
    bool ignored = false;
    if (!take_register(s, op.src, ignored)) op.has_imm = take_number(s, op.imm);
    return op;
  }
  if (s.starts_with("*(")) {
    op.kind = Kind::load;
    take_memory(s, op.src, op.off, op.size);
    return op;
  }
  if (s.starts_with("atomic") || s.starts_with("cmpxchg") || s.starts_with("xchg") ||
      s.starts_with("load_acquire")) {
    op.kind = Kind::atomic;
    return op;
  }
  if (s.starts_with("(s")) {  // sign extension
    s = trim(s.substr(std::min(s.find(')') + 1, s.size())));
    op.op = "sext";
  }
  bool source32 = false;
  if (take_register(s, op.src, source32)) {
    op.kind = op.op == "sext" ? Kind::alu : Kind::move;
    op.is32 = op.is32 || source32;
    return op;
  }
  if (s.starts_with("-r") || s.starts_with("-w") || s.starts_with("be") || s.starts_with("le") ||
      s.starts_with("bswap")) {
    op.kind = Kind::alu;
    op.op = s.substr(0, s.find(' '));
    return op;
  }
  op.kind = Kind::move;
  op.has_imm = take_number(s, op.imm);
  return op;
}

}  // namespace skep::report
