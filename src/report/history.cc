#include "report/history.h"

#include <fmt/format.h>

#include <algorithm>

#include "spec/helpers.h"

namespace skep::report {
namespace {

constexpr uint32_t kMaxSteps = 200000;  // that are walked back over

using Kind = LogOperation::Kind;

bool may_change_packet(std::string_view callee) {
  if (const spec::Helper* helper = spec::find_helper(callee); helper != nullptr)
    return helper->changes_packet;
  return callee == "bpf_xdp_pull_data";
}

// Calls after which slices of dynptrs are no longer valid, beside those that may move packets.
bool may_end_slices(std::string_view callee) {
  static constexpr std::string_view kNames[] = {
      "bpf_dynptr_write",    "bpf_ringbuf_submit_dynptr",  "bpf_ringbuf_discard_dynptr",
      "bpf_dynptr_adjust",   "bpf_dynptr_from_mem",        "bpf_loop",
      "bpf_dynptr_from_skb", "bpf_ringbuf_reserve_dynptr", "bpf_dynptr_copy"};
  return may_change_packet(callee) || std::ranges::find(kNames, callee) != std::end(kNames);
}

bool writes_memory(std::string_view callee) {
  if (callee.find("read") != callee.npos || callee.find("copy") != callee.npos ||
      callee.find("load") != callee.npos)
    return true;
  const spec::Helper* helper = spec::find_helper(callee);
  if (helper == nullptr) return false;
  return std::ranges::any_of(helper->arguments, [](const spec::Argument& a) {
    return a.has(spec::kWrite) || a.has(spec::kUninit);
  });
}

struct Walker {
  const ParsedLog& log;
  const LogSegment& segment;
  size_t limit;
  Trail trail;
  uint32_t at;     // the step that is looked at next
  uint32_t later;  // the one after it on the path

  void add(HistoryEvent::Kind kind, const LogStep& step, std::string what) {
    if (trail.events.size() >= limit) return;
    trail.events.push_back(
        {kind, step.insn, std::string(step.text), source_of(log, step), std::move(what)});
  }
  bool back() {
    later = at;
    at = step_before(segment, at);
    return at != kNoIndex;
  }
  [[nodiscard]] const LogStep& step() const { return segment.steps[at]; }

  // "r6 is map_value_or_null(…)", as printed after the step.
  [[nodiscard]] std::string value_after(const LogStep& step, int reg) const {
    const LogValue value = find_log_value(step.after, fmt::format("R{}", reg));
    return value.name.empty() ? std::string() : fmt::format(" -> {}", value.text);
  }
  void note_type(std::string_view state, int reg) {
    if (state.empty()) return;
    const LogValue value = find_log_value(state, fmt::format("R{}", reg));
    if (value.name.empty()) return;
    trail.was_packet |= value.is_packet();
    trail.was_memory |= value.type.ends_with("mem");
    trail.was_pointer |= !value.is_scalar() && value.type != "pkt_end";
    trail.was_maybe_null |= value.maybe_null();
  }
  // Skips a callee's steps, from its exit back to the call. false: the log does not hold it.
  bool skip_callee() {
    int depth = 1;
    for (uint32_t n = 0; n < kMaxSteps && back(); ++n) {
      const LogOperation op = parse_log_operation(step().text);
      if (op.kind == Kind::exit) ++depth;
      if (op.kind == Kind::call_function && enters(step(), op) && --depth == 0) return true;
    }
    return false;
  }
  [[nodiscard]] bool enters(const LogStep& call, const LogOperation& op) const {
    return later != kNoIndex &&
           segment.steps[later].insn == call.insn + 1 + static_cast<uint32_t>(op.off);
  }

  void describe_load(const LogStep& step, const LogOperation& op, int reg) {
    LogValue base = find_log_value(step.after, fmt::format("R{}", op.src));
    if (base.name.empty()) base = last_value(segment, at, fmt::format("R{}", op.src));
    const std::string_view type = base.name.empty() ? std::string_view("memory") : base.type;
    if (type == "ctx") {
      trail.loaded_context = true;
      add(HistoryEvent::Kind::loaded, step,
          fmt::format("r{}: field of the context at offset {}{}", reg, op.off,
                      value_after(step, reg)));
    } else {
      trail.loaded_memory = true;
      add(HistoryEvent::Kind::loaded, step,
          fmt::format("r{}: {} bytes loaded from {} at offset {}{}", reg, op.size, type, op.off,
                      value_after(step, reg)));
    }
    trail.from_load = true;
  }

  // Who filled fp+off? Walks on to the store; the register stored, -1 where the trail ends.
  int follow_slot(int64_t off) {
    bool saw_call = false;
    unsigned calls = 0;  // whose arguments were looked at: each look is a walk of its own
    LogStep call_step;
    std::string_view callee;
    for (uint32_t n = 0; n < kMaxSteps && back(); ++n) {
      const LogStep& s = step();
      const LogOperation op = parse_log_operation(s.text);
      if (op.kind == Kind::exit) {
        if (!skip_callee()) return -1;
        continue;
      }
      if (op.kind == Kind::call && !saw_call && calls < 32 && writes_memory(op.callee)) {
        ++calls;
        // Does one of its arguments point at or below the slot?
        for (int r = 1; r <= 5; ++r) {
          const LogValue value = last_value(segment, at, fmt::format("R{}", r));
          if (value.type == "fp" && value.off <= off && off - value.off < 512 &&
              value.off > off - 64)
            saw_call = true;
        }
        if (saw_call) {
          call_step = s;
          callee = op.callee;
        }
      }
      const bool store = op.kind == Kind::store || op.kind == Kind::store_imm;
      if (!store || op.dst != 10 || off < op.off || off >= op.off + int64_t{op.size}) continue;
      if (saw_call) break;
      if (op.kind == Kind::store_imm) {
        trail.from_constant = true;
        add(HistoryEvent::Kind::saved, s,
            fmt::format("the constant {} stored to the stack at fp{}", op.imm, off));
        return -1;
      }
      add(HistoryEvent::Kind::saved, s, fmt::format("r{} saved to the stack at fp{}", op.src, off));
      return op.src;
    }
    if (saw_call) {
      trail.filled_by_read = true;
      trail.origin = std::string(callee);
      add(HistoryEvent::Kind::made, call_step,
          fmt::format("the stack at fp{} was filled by {}", off, callee));
    } else {
      trail.slot_unset = true;
    }
    return -1;
  }

  void run(int reg) {
    const int subject = reg;
    bool moved = false;
    for (uint32_t n = 0; n < kMaxSteps && trail.events.size() < limit; ++n) {
      if (at != kNoIndex && later != kNoIndex) note_type(segment.steps[later].before, reg);
      if (!back()) break;
      const LogStep& s = step();
      const LogOperation op = parse_log_operation(s.text);
      const bool after_change = trail.changed_by_call;
      (void)after_change;
      if (op.kind == Kind::exit && later != kNoIndex && later != at + 0 &&
          segment.steps[later].insn != s.insn + 1) {
        // Back in the caller: r0 came from here, the rest from before the call.
        if (reg == 0) continue;
        if (!skip_callee()) break;
        if (reg >= 1 && reg <= 5) {
          trail.lost_by_call = true;
          add(HistoryEvent::Kind::lost, step(),
              fmt::format("r{} is undefined after the call", reg));
          return;
        }
        continue;
      }
      switch (op.kind) {
        case Kind::call_function:
          if (enters(s, op)) {
            if (reg >= 6 && reg <= 9) return;
            continue;
          }
          [[fallthrough]];
        case Kind::call: {
          const std::string_view callee =
              op.kind == Kind::call ? op.callee : std::string_view("a function of the program");
          if (reg == 0) {
            note_type(s.after, 0);
            trail.from_helper = true;
            trail.origin = std::string(callee);
            add(HistoryEvent::Kind::made, s,
                fmt::format("r0: returned by {}{}", callee, value_after(s, 0)));
            return;
          }
          if (reg >= 1 && reg <= 5) {
            trail.lost_by_call = true;
            add(HistoryEvent::Kind::lost, s, fmt::format("r{} is undefined after {}", reg, callee));
            return;
          }
          if (!trail.changed_by_call && may_end_slices(op.callee)) {
            trail.changed_by_call = true;
            trail.changer = std::string(callee);
            add(HistoryEvent::Kind::lost, s,
                fmt::format("{} may change what r{} points to", callee, reg));
          }
          note_type(s.after, reg);
          continue;
        }
        case Kind::jump:
          if (op.dst == reg || op.src == reg) {
            trail.checked = true;
            const bool taken = later != kNoIndex && segment.steps[later].insn != s.insn + 1;
            add(HistoryEvent::Kind::checked, s,
                fmt::format("r{}: compared here; on this path the jump is {}{}", reg,
                            taken ? "taken" : "not taken", value_after(s, reg)));
          }
          note_type(s.after, reg);
          continue;
        default: break;
      }
      // A register that a note of the log shows, e.g. the base of an access.
      note_type(s.after, reg);
      if (!op.writes(reg)) continue;
      if (op.kind == Kind::move && op.src >= 0) {
        LogValue from;
        if (op.src != op.dst) from = find_log_value(s.after, fmt::format("R{}", op.src));
        if (from.name.empty()) from = last_value(segment, at, fmt::format("R{}", op.src));
        if (op.is32 && !from.name.empty() && !from.is_scalar()) {
          trail.truncated = true;
          add(HistoryEvent::Kind::lost, s,
              fmt::format("only the low 32 bits of r{} ({}) are copied to r{}", op.src, from.type,
                          reg));
        } else {
          add(HistoryEvent::Kind::moved, s,
              fmt::format("r{}: copied from r{}{}", reg, op.src, value_after(s, reg)));
        }
        reg = op.src;
        moved = true;
        continue;
      }
      if (op.kind == Kind::move) {
        const bool map = s.text.find("map[") != s.text.npos ||
                         !find_log_value(s.after, fmt::format("R{}", reg)).is_scalar();
        trail.from_constant = true;
        const LogValue value = find_log_value(s.after, fmt::format("R{}", reg));
        add(HistoryEvent::Kind::made, s,
            map && !value.name.empty()
                ? fmt::format("r{}: set to {}", reg, value.text)
                : fmt::format("r{}: set to a constant{}", reg, value_after(s, reg)));
        return;
      }
      if (op.kind == Kind::alu) {
        trail.computed = true;
        trail.masked |= op.op == "&=";
        std::string what = fmt::format("r{}: changed by {}{}", reg, s.text, value_after(s, reg));
        if (op.src >= 0 && op.src != reg) {
          const LogValue value = last_value(segment, at, fmt::format("R{}", op.src));
          if (!value.name.empty()) what += fmt::format(" (r{} is {})", op.src, value.text);
          // A pointer may be the second operand: go on with it.
          const LogValue mine = last_value(segment, at, fmt::format("R{}", reg));
          add(HistoryEvent::Kind::computed, s, std::move(what));
          if (op.op == "+=" && !value.name.empty() && !value.is_scalar() &&
              (mine.name.empty() || mine.is_scalar()))
            reg = op.src;
          continue;
        }
        add(HistoryEvent::Kind::computed, s, std::move(what));
        continue;
      }
      if (op.kind == Kind::load) {
        const bool stack =
            op.src == 10 || last_value(segment, at, fmt::format("R{}", op.src)).type == "fp";
        if (!stack) return describe_load(s, op, reg);
        int64_t off = op.off;
        if (op.src != 10) off += last_value(segment, at, fmt::format("R{}", op.src)).off;
        add(HistoryEvent::Kind::loaded, s,
            fmt::format("r{}: loaded from the stack at fp{}{}", reg, off, value_after(s, reg)));
        reg = follow_slot(off);
        moved = true;
        if (reg < 0) return;
        continue;
      }
      add(HistoryEvent::Kind::computed, s,
          fmt::format("r{}: {}{}", reg, s.text, value_after(s, reg)));
      return;
    }
    (void)subject;
    (void)moved;
    if (at == kNoIndex) {
      trail.from_entry = true;
      const LogStep& first = segment.steps.front();
      note_type(first.before, reg);
      const LogValue value = find_log_value(first.before, fmt::format("R{}", reg));
      if (reg == 1 || !value.name.empty())
        add(HistoryEvent::Kind::made, first,
            fmt::format("r{}: given to the program at its start{}", reg,
                        value.name.empty() ? "" : fmt::format(" -> {}", value.text)));
      else
        add(HistoryEvent::Kind::made, first, fmt::format("r{} was never set", reg));
    }
  }
};

}  // namespace

uint32_t step_before(const LogSegment& segment, uint32_t at) {
  if (at == kNoIndex || at >= segment.steps.size()) return kNoIndex;
  const LogStep& step = segment.steps[at];
  if (step.path_begins && step.from != kNoIndex && step.from < at) return step.from;
  return at == 0 ? kNoIndex : at - 1;
}

LogValue last_value(const LogSegment& segment, uint32_t at, std::string_view name) {
  uint32_t later = at;
  if (at < segment.steps.size()) {
    const LogValue here = find_log_value(segment.steps[at].before, name);
    if (!here.name.empty()) return here;
  }
  for (uint32_t n = 0; n < 4096; ++n) {
    const uint32_t before = step_before(segment, later);
    if (before == kNoIndex) break;
    const LogStep& step = segment.steps[before];
    LogValue value = find_log_value(step.after, name);
    if (!value.name.empty()) return value;
    value = find_log_value(step.before, name);
    if (!value.name.empty() &&
        !parse_log_operation(step.text).writes(name.size() > 1 ? name[1] - '0' : -1))
      return value;
    later = before;
  }
  return {};
}

std::string source_of(const ParsedLog& log, const LogStep& step) {
  if (step.source >= log.sources.size()) return {};
  const LogSource& source = log.sources[step.source];
  if (source.line == 0) return std::string(source.text);
  return fmt::format("{}:{}: {}", source.file.substr(source.file.rfind('/') + 1), source.line,
                     source.text);
}

Trail follow_register(const ParsedLog& log, const LogSegment& segment, uint32_t at, int reg,
                      size_t limit) {
  Walker walker{log, segment, limit, {}, at, kNoIndex};
  if (at < segment.steps.size()) walker.note_type(segment.steps[at].before, reg);
  if (at <= segment.steps.size() && at != kNoIndex) walker.run(reg);
  std::reverse(walker.trail.events.begin(), walker.trail.events.end());
  return std::move(walker.trail);
}

}  // namespace skep::report
