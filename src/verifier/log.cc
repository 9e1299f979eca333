// The kernel's log format: each instruction with the registers that it changed, where paths begin and
// end, source lines; and a rejection put together from it all.
//
//   ; int x = foo(); @ file.c:12
//   3: (61) r2 = *(u32 *)(r1 +0)          ; R1=ctx() R2=scalar(smin=0,smax=umax=0xffffffff,…)
//   from 5 to 8: R0=0 R10=fp0
#include <algorithm>
#include <cstring>

#include "isa/disassembler.h"
#include "verifier/env.h"
#include "verifier/rules.h"
#include "verifier/text.h"

namespace skep::verifier {

// ---- words

std::string unsigned_text(uint64_t value) {
  return value <= 0xffff ? fmt::format("{}", value) : fmt::format("{:#x}", value);
}

std::string signed_text(int64_t value) {
  return value >= -0x8000 && value <= 0x7fff ? fmt::format("{}", value)
                                             : fmt::format("{:#x}", static_cast<uint64_t>(value));
}

std::string tnum_text(Tnum tnum) {
  if (tnum.is_constant()) return unsigned_text(tnum.value);
  return fmt::format("({:#x}; {:#x})", tnum.value, tnum.mask);
}

std::string type_text(Base base, Flags flags) {
  static constexpr std::string_view kNames[] = {
      "?",           "scalar",   "ctx",       "map_ptr",    "map_value", "map_key",
      "fp",          "pkt",      "pkt_meta",  "pkt_end",    "flow_keys", "sock",
      "sock_common", "tcp_sock", "tp_buffer", "xdp_sock",   "ptr_",      "mem",
      "arena",       "buf",      "func",      "dynptr_ptr", "iter",      "irq_flag"};
  std::string text;
  if ((flags & kRdonly) != 0) text += "rdonly_";
  if ((flags & kRingbuf) != 0) text += "ringbuf_";
  if ((flags & kUser) != 0) text += "user_";
  if ((flags & kPercpu) != 0) text += "percpu_";
  if ((flags & kRcu) != 0) text += "rcu_";
  if ((flags & kUntrusted) != 0) text += "untrusted_";
  if ((flags & kTrusted) != 0) text += "trusted_";
  text += kNames[static_cast<unsigned>(base)];
  if ((flags & kMaybeNull) != 0) text += base == Base::btf_id ? "or_null_" : "_or_null";
  return text;
}

// ---- states

namespace {

void append_ranges(std::string& out, const Scalar& n, std::string_view& separator) {
  struct Bound {
    std::string_view name;
    uint64_t value;
    bool is_signed, omit;
  };
  const auto shown32 = [](int32_t v) {
    return v >= -0x8000 && v <= 0x7fff ? static_cast<uint64_t>(int64_t{v})
                                       : uint64_t{static_cast<uint32_t>(v)};
  };
  using L = std::numeric_limits<int64_t>;
  using I = std::numeric_limits<int32_t>;
  Bound bounds[] = {
      {"smin", static_cast<uint64_t>(n.smin), true, n.smin == L::min()},
      {"smax", static_cast<uint64_t>(n.smax), true, n.smax == L::max()},
      {"umin", n.umin, false, n.umin == 0},
      {"umax", n.umax, false, n.umax == ~uint64_t{0}},
      {"smin32", shown32(n.s32_min), true, n.s32_min == I::min()},
      {"smax32", shown32(n.s32_max), true, n.s32_max == I::max()},
      {"umin32", n.u32_min, false, n.u32_min == 0},
      {"umax32", n.u32_max, false, n.u32_max == ~uint32_t{0}},
  };
  for (unsigned i = 0; i < 8; ++i) {
    if (bounds[i].omit) continue;
    const bool negative = bounds[i].is_signed && static_cast<int64_t>(bounds[i].value) < 0;
    out += separator;
    out += bounds[i].name;
    out += '=';
    separator = ",";
    // Equal bounds of the same end are named together: smax=umax=255.
    for (unsigned k = i + 2; k < 8; k += 2) {
      if (bounds[k].omit || bounds[k].value != bounds[i].value) continue;
      const bool other = bounds[k].is_signed && static_cast<int64_t>(bounds[k].value) < 0;
      if (other != negative) continue;
      bounds[k].omit = true;
      out += bounds[k].name;
      out += '=';
    }
    out += bounds[i].is_signed ? signed_text(static_cast<int64_t>(bounds[i].value))
                               : unsigned_text(bounds[i].value);
  }
}

constexpr char kSlotChars[] = {'?', 'r', 'm', '0', 'd', 'i', 'f'};

}  // namespace

void Verifier::print_register(std::string& out, const FuncState& of, const RegState& reg_in) const {
  RegState reg = reg_in;
  if (profile_.version >= kernel_version(7, 0) && reg.is_pointer() && reg.off != 0 &&
      !reg.is(Base::stack)) {
    // One number: the fixed part is no longer told apart.
    reg.number = scalar_alu(AluOp::add, true, reg.number,
                            scalar_constant(static_cast<uint64_t>(int64_t{reg.off})));
    if (!sync_bounds(reg.number)) reg.number = reg_in.number;
    reg.off = 0;
  }
  if (reg.is_scalar() && reg.precise) out += 'P';
  if (reg.is_constant()) {
    out += signed_text(static_cast<int64_t>(reg.number.constant()));
    return;
  }
  if (reg.is_scalar() && !profile_.scalar_word) {
    out += "inv";
  } else {
    out += type_text(reg);
  }
  if (reg.is(Base::arena)) return;
  if (reg.is(Base::stack)) {
    if (reg.frame != of.frame) out += fmt::format("[{}]", reg.frame);
    if (reg.number.is_constant()) {
      out += signed_text(static_cast<int64_t>(reg.number.constant()) + reg.off);
      return;
    }
  }
  if (reg.is(Base::btf_id)) out += btf_type_name(reg);
  out += '(';
  std::string_view separator;
  const auto add = [&](const std::string& text) {
    out += separator;
    out += text;
    separator = ",";
  };
  if (reg.id != 0) add(fmt::format("id={}", reg.id & ~kAddConstant));
  if (reg.is_scalar() && (reg.id & kAddConstant) != 0) out += fmt::format("{:+}", reg.off);
  if (reg.ref_id != 0) add(fmt::format("ref_obj_id={}", reg.ref_id));
  if (reg.is(Base::const_map) || reg.is(Base::map_key) || reg.is(Base::map_value)) {
    const MapDescriptor& map = *maps_[reg.map].map;
    if (!map.name.empty()) add("map=" + map.name);
    add(fmt::format("ks={},vs={}", map.key_size, map.value_size));
  }
  if (!reg.is_scalar() && reg.off != 0) add("off=" + signed_text(reg.off));
  if (reg.is_packet()) add("r=" + unsigned_text(static_cast<uint64_t>(int64_t{reg.range})));
  if (reg.is(Base::mem)) add("sz=" + unsigned_text(reg.mem_size));
  if (reg.number.is_constant()) {
    if (reg.number.constant() != 0)
      add("imm=" + signed_text(static_cast<int64_t>(reg.number.constant())));
  } else {
    append_ranges(out, reg.number, separator);
    if (!reg.number.var_off.is_unknown()) add("var_off=" + tnum_text(reg.number.var_off));
  }
  out += ')';
}

void Verifier::print_slot(std::string& out, const FuncState& of, unsigned index) const {
  const StackSlot& s = of.stack[index];
  std::string bytes;
  bool valid = false;
  for (SlotByte b : s.bytes) {
    valid |= b != SlotByte::invalid;
    bytes += kSlotChars[static_cast<unsigned>(b)];
  }
  if (!valid) return;
  const RegState& top = s.spilled;
  if (s.bytes[7] == SlotByte::iterator && kernel_btf_ != nullptr) {
    if (top.ref_id == 0) return;  // the first of its slots tells of all
    const bool drained = top.map_uid == static_cast<uint32_t>(IteratorState::drained);
    std::string_view name = kernel_btf_->name(top.btf_type);
    if (name.starts_with("bpf_")) name.remove_prefix(4);
    out += fmt::format(" fp{}={}({}={},state={},depth={})", -8 * (static_cast<int>(index) + 1),
                       name, profile_.version >= kernel_version(7, 0) ? "id" : "ref_id", top.ref_id,
                       drained ? "drained" : "active", top.off);
    return;
  }
  out += fmt::format(" fp{}=", -8 * (static_cast<int>(index) + 1));
  if (!s.is_spill()) {
    out += bytes;
    return;
  }
  out += bytes.substr(0, bytes.find('r'));
  print_register(out, of, s.spilled);
}

void Verifier::print_state(std::string& out, const VerifierState& state, unsigned number,
                           bool all) const {
  const FuncState& of = *state.frames[number];
  if (of.frame != 0) out += fmt::format(" frame{}:", of.frame);
  for (unsigned r = 0; r < isa::kRegisters; ++r) {
    if (of.regs[r].base == Base::not_init || (!all && ((scratched_registers_ >> r) & 1) == 0))
      continue;
    out += fmt::format(" R{}=", r);
    print_register(out, of, of.regs[r]);
  }
  for (unsigned s = 0; s < of.stack.size(); ++s) {
    if (all || ((scratched_slots_ >> s) & 1) != 0) print_slot(out, of, s);
  }
  bool first = true;
  for (const Reference& reference : state.references) {
    out += first ? " refs=" : ",";
    out += fmt::format("{}", reference.id);
    first = false;
  }
  if (of.in_callback) out += " cb";
  if (of.in_async_callback) out += " async_cb";
}

// Behind the instruction that changed it, where nothing was printed since; else on a line of its own.
void Verifier::log_changed_state() {
  if (!logging()) return;
  constexpr size_t kColumn = 40, kStep = 8;
  if (log_after_insn_ != 0 && log_after_insn_ == log_.size()) {
    log_.resize(log_.size() - 1);
    const size_t column = std::max(log_insn_width_ + kStep / 2, kColumn);
    const size_t padding = (column + kStep - 1) / kStep * kStep - log_insn_width_ - 1;
    log_.append(padding, ' ');
    log_ += ';';
  } else {
    log("{}:", insn_);
  }
  print_state(log_, *cur_, cur_->current, false);
  log_ += '\n';
  scratched_registers_ = 0;
  scratched_slots_ = 0;
}

void Verifier::log_instruction() {
  if (log_.size() > options_.log_limit) {
    // Keep the end: what was rejected stands there.
    log_.erase(0, log_.size() / 2);
    log_after_insn_ = 0;
  }
  if (entered_path_ && logging_all()) {
    log("\nfrom {} to {}{}:", static_cast<int32_t>(previous_insn_), insn_,
        cur_->speculative ? " (speculative execution)" : "");
    print_state(log_, *cur_, cur_->current, true);
    log_ += '\n';
  }
  if (scratched_registers_ != 0 || scratched_slots_ != 0) log_changed_state();
  log_source_line(insn_, "; ");
  const size_t start = log_.size();
  log("{}: ", insn_);
  log_ += insn_text(insn_);
  log_ += '\n';
  log_insn_width_ = log_.size() - start;
  log_after_insn_ = log_.size();
}

// ---- source

const LineInfo* Verifier::line_info(uint32_t insn) const {
  const auto& lines = program_.line_info;
  if (lines.empty() || program_.btf == nullptr) return nullptr;
  auto after =
      std::upper_bound(lines.begin(), lines.end(), insn,
                       [](uint32_t at, const LineInfo& line) { return at < line.insn_off; });
  return after == lines.begin() ? &lines.front() : &*std::prev(after);
}

std::optional<SourceLine> Verifier::source_line(uint32_t insn) const {
  const LineInfo* info = line_info(insn);
  if (info == nullptr) return std::nullopt;
  std::string_view text = program_.btf->string(info->line_off);
  text.remove_prefix(std::min(text.find_first_not_of(" \t"), text.size()));
  return SourceLine{std::string(program_.btf->string(info->file_name_off)), std::string(text),
                    info->line(), info->column()};
}

void Verifier::log_source_line(uint32_t insn, std::string_view prefix) {
  if (!logging()) return;
  const LineInfo* info = line_info(insn);
  if (info == nullptr || info == last_line_) return;
  if (last_line_ != nullptr && info->file_name_off == last_line_->file_name_off &&
      info->line() == last_line_->line()) {
    return;
  }
  const SourceLine line = *source_line(insn);
  log_ += prefix;
  log_ += line.text;
  if (profile_.source_at_file) {
    const size_t slash = line.file.rfind('/');
    log_ += fmt::format(" @ {}:{}",
                        slash == std::string::npos ? line.file : line.file.substr(slash + 1),
                        line.line);
  }
  log_ += '\n';
  last_line_ = info;
}

std::string Verifier::insn_text(uint32_t insn) const {
  isa::DisassemblyOptions options;
  options.opcodes = true;
  options.helper_name = [](const void*, int32_t id) -> std::string_view {
    // Rows have names without the prefix that every log has.
    static const std::vector<std::string> kNames = [] {
      std::vector<std::string> names(spec::kHelperIds);
      for (const spec::Helper& helper : spec::helpers())
        names[helper.id] = "bpf_" + std::string(helper.name);
      return names;
    }();
    return id > 0 && static_cast<size_t>(id) < kNames.size()
               ? std::string_view(kNames[static_cast<size_t>(id)])
               : std::string_view();
  };
  std::string text = isa::disassemble(insns_, insn, options);
  if (const Kfunc* kfunc = known_kfunc(insns_[insn])) {
    const size_t at = text.find("kfunc[");
    if (at != std::string::npos) {
      text.resize(at);
      text += fmt::format("{}#{}", kfunc->name, kfunc->id);
    }
  }
  return text;
}

// Functions, each after those that it calls.
void Verifier::log_call_order() {
  enum : uint8_t { kNew, kOpen, kDone };
  // A function's instructions, each after those that follow it.
  const auto postorder = [&](const SubprogramInfo& sub) {
    std::vector<uint32_t> order, stack{sub.start};
    std::vector<uint8_t> edge(sub.end - sub.start, 0);
    std::vector<bool> seen(sub.end - sub.start, false);
    seen[0] = true;
    while (!stack.empty()) {
      const uint32_t at = stack.back();
      const Successors next = successors(insns_, at);
      uint8_t& taken = edge[at - sub.start];
      if (taken == next.count) {
        order.push_back(at);
        stack.pop_back();
        continue;
      }
      const uint32_t to = next.next[taken++];
      if (to < sub.start || to >= sub.end || seen[to - sub.start]) continue;
      seen[to - sub.start] = true;
      stack.push_back(to);
    }
    return order;
  };
  std::vector<uint8_t> state(subs_.size(), kNew);
  std::vector<std::vector<uint32_t>> orders(subs_.size());
  std::vector<size_t> position(subs_.size(), 0);
  std::vector<uint32_t> stack;
  unsigned number = 0;
  for (uint32_t root = 0; root < subs_.size(); ++root) {
    if (state[root] != kNew) continue;
    stack.push_back(root);
    while (!stack.empty()) {
      const uint32_t sub = stack.back();
      if (state[sub] == kNew) {
        state[sub] = kOpen;
        orders[sub] = postorder(subs_[sub]);
      }
      int callee = -1;
      while (callee < 0 && position[sub] < orders[sub].size()) {
        const uint32_t i = orders[sub][position[sub]++];
        const Insn& insn = insns_[i];
        const bool calls =
            insn.opcode == (isa::BPF_JMP | isa::BPF_CALL) && insn.src == isa::BPF_PSEUDO_CALL;
        if (!calls && !(isa::is_ld_imm64(insn) && insn.src == isa::BPF_PSEUDO_FUNC)) continue;
        callee = subprogram_at(static_cast<uint32_t>(int64_t{i} + 1 + insn.imm));
        if (callee >= 0 && state[static_cast<size_t>(callee)] != kNew) callee = -1;
      }
      if (callee >= 0) {
        stack.push_back(static_cast<uint32_t>(callee));
        continue;
      }
      state[sub] = kDone;
      stack.pop_back();
      log("topo_order[{}] = {}\n", number++, subs_[sub].name);
    }
  }
}

// ---- rejections

void Verifier::finish_rejection(Rule rule, int error, bool already_logged) {
  while (!message_.empty() && message_.back() == '\n') message_.pop_back();
  if (logging() && !already_logged) {
    log_ += message_;
    log_ += '\n';
  }
  if (rejection_) {
    rejection_->message += '\n';
    rejection_->message += message_;
    message_.clear();
    return;
  }
  Rejection made;
  made.rule = rule;
  made.error = error;
  made.insn = std::min(insn_, count_ == 0 ? 0 : count_ - 1);
  made.message = std::move(message_);
  message_.clear();
  if (count_ != 0) made.insn_text = insn_text(made.insn);
  made.source = source_line(made.insn);
  const RuleText& words = rule_text(rule);
  made.explanation = words.explanation;
  if (!detail_.empty()) made.explanation += (made.explanation.empty() ? "" : " ") + detail_;
  made.suggestion = words.suggestion;
  if (cur_ != nullptr && cur_->frames[cur_->current] != nullptr) {
    const FuncState& of = frame();
    for (unsigned r = 0; r < isa::kRegisters; ++r) {
      if (of.regs[r].base == Base::not_init) continue;
      std::string text = fmt::format("R{}=", r);
      print_register(text, of, of.regs[r]);
      made.state.push_back(std::move(text));
    }
    for (unsigned s = 0; s < of.stack.size(); ++s) {
      std::string text;
      print_slot(text, of, s);
      if (!text.empty()) made.state.push_back(text.substr(1));
    }
    // The jumps that led here, from the last remembered states' histories.
    constexpr size_t kMaxSteps = 256;
    const VerifierState* state = cur_;
    while (state != nullptr && made.path.size() < kMaxSteps) {
      for (size_t i = state->history.size(); i-- > 0 && made.path.size() < kMaxSteps;) {
        const HistoryEntry& entry = state->history[i];
        if (entry.previous == kNoPrevious || entry.insn == entry.previous + 1) continue;
        made.path.push_back({entry.previous, entry.insn});
      }
      state = state->parent != nullptr ? &state->parent->state : nullptr;
    }
    std::reverse(made.path.begin(), made.path.end());
  }
  rejection_ = std::move(made);
}

}  // namespace skep::verifier
