// Calls between the program's own functions: static ones are walked into, global ones are verified on
// their own against their BTF prototype, callbacks are walked as a helper would call them. And what
// all their stacks take together.
#include <algorithm>

#include "verifier/env.h"
#include "verifier/text.h"

namespace skep::verifier {

using namespace isa;

bool Verifier::enter_function(VerifierState& state, uint32_t subprogram, uint32_t callsite) {
  if (state.current + 1 >= kMaxCallFrames) {
    return reject(Rule::too_many_frames, E2BIG, "the call stack of {} frames is too deep",
                  state.current + 2);
  }
  FuncState& caller = state.frame();
  FuncState* callee = new_frame();
  init_frame(*callee, callsite, state.current + 1, subprogram);
  callee->instance = stack_liveness_.instance(caller.instance, callsite, subs_[subprogram].start,
                                              subs_[subprogram].end);
  if (stack_liveness_.memory() > (size_t{1} << 28)) memory_exhausted_ = true;
  state.frames[++state.current] = callee;
  return true;
}

// The registers agree with what the global function declares.
bool Verifier::check_global_arguments(uint32_t subprogram) {
  SubprogramInfo& sub = subs_[subprogram];
  const uint32_t here = insn_;
  if (!read_function_arguments(sub)) return false;
  insn_ = here;
  const auto caller_passes = [&] {
    return reject(Rule::argument_mismatch, EINVAL, "Caller passes invalid args into func#{} ('{}')",
                  subprogram, sub.name);
  };
  for (unsigned i = 0; i < sub.arguments.size(); ++i) {
    const FunctionArgument& argument = sub.arguments[i];
    const unsigned number = i + 1;
    RegState& reg = regs()[number];
    switch (argument.kind) {
      case FunctionArgument::Kind::scalar:
        if (!reg.is_scalar()) {
          note("R{} is not a scalar\n", number);
          return caller_passes();
        }
        break;
      case FunctionArgument::Kind::ctx:
        if (!reg.is(Base::ctx)) {
          note("arg#{} expects pointer to ctx\n", i);
          return caller_passes();
        }
        if (!check_fixed_pointer(reg, number, false)) return false;
        break;
      case FunctionArgument::Kind::mem: {
        if (reg.base == Base::not_init) {
          note("R{} !read_ok\n", number);
          return caller_passes();
        }
        if (!argument.maybe_null && (reg.maybe_null() || reg.is_null())) {
          note("arg#{} is expected to be non-NULL\n", i);
          return caller_passes();
        }
        if (reg.is_null()) {
          mark_precise(number);
          break;
        }
        const RegState saved = reg;
        if (reg.maybe_null()) mark_not_null(reg);
        const auto size = static_cast<int>(argument.mem_size);
        if (argument.mem_size > (1u << 29) ||
            !check_helper_memory(number, size, Access::read, true, nullptr) ||
            !check_helper_memory(number, size, Access::write, true, nullptr)) {
          return caller_passes();
        }
        regs()[number] = saved;
        if (saved.is_packet() && sub.changes_packet && profile_.version >= kernel_version(7, 0)) {
          note("R{} is a packet pointer, but func#{} may change packet data\n", number, subprogram);
          return caller_passes();
        }
        break;
      }
      default: return caller_passes();
    }
  }
  return true;
}

Step Verifier::check_function_call(const Insn& insn) {
  const uint32_t here = insn_;
  const int found = subprogram_at(static_cast<uint32_t>(int64_t{here} + 1 + insn.imm));
  if (found < 0) {
    reject(Rule::bad_call_target, EFAULT, "call to invalid destination");
    return Step::failed;
  }
  const auto subprogram = static_cast<uint32_t>(found);
  SubprogramInfo& sub = subs_[subprogram];
  if (sub.global) {
    if (cur_->active_locks != 0) {
      reject(Rule::lock_held, EINVAL,
             "global function calls are not allowed while holding a lock,\nuse static function "
             "instead");
      return Step::failed;
    }
    if (!check_global_arguments(subprogram)) return Step::failed;
    if (logging()) log("Func#{} ('{}') is global and assumed valid.\n", subprogram, sub.name);
    if (sub.changes_packet) invalidate_packet_pointers(*cur_);
    sub.called = true;
    clear_caller_saved();
    if (!sub.returns_void) mark_unknown(0u);
    return Step::next;
  }
  if (cur_->active_locks != 0 && profile_.version < kernel_version(6, 7)) {
    reject(Rule::lock_held, EINVAL, "function calls are not allowed while holding a lock");
    return Step::failed;
  }
  FuncState& caller = frame();
  if (!enter_function(*cur_, subprogram, here)) return Step::failed;
  FuncState& callee = frame();
  for (unsigned r = 1; r <= 5; ++r) callee.regs[r] = caller.regs[r];
  for (unsigned r = 0; r <= 5; ++r) mark_not_init(caller.regs[r]);
  if (logging_all()) {
    log("caller:\n");
    print_state(log_, *cur_, cur_->current - 1, true);
    log("\ncallee:\n");
    print_state(log_, *cur_, cur_->current, true);
    log("\n");
  }
  insn_ = sub.start;
  return Step::jumped;
}

bool Verifier::leave_function() {
  FuncState& callee = frame();
  RegState& r0 = callee.regs[0];
  if (r0.is(Base::stack)) {
    return reject(Rule::stack_pointer_returned, EINVAL,
                  "cannot return stack pointer to the caller");
  }
  FuncState& caller = *cur_->frames[cur_->current - 1];
  const uint32_t callsite = callee.callsite;
  const bool callback = callee.in_callback;
  if (callback) {
    if (!r0.is_scalar()) return reject(Rule::bad_return_value, EACCES, "R0 not a scalar value");
    mark_precise(0);
    if (!check_range(r0, callee.return_min, callee.return_max, "At callback return")) return false;
  } else {
    caller.regs[0] = r0;
    scratch(0);
  }
  if (logging_all()) {
    log("returning from callee:\n");
    print_state(log_, *cur_, cur_->current, true);
    log("\nto caller at {}:\n", callback ? callsite : callsite + 1);
    print_state(log_, *cur_, cur_->current - 1, true);
    log("\n");
  }
  free_frame(cur_->frames[cur_->current]);
  cur_->frames[cur_->current--] = nullptr;
  insn_ = callback ? callsite : callsite + 1;
  if (callback) {
    // Numbers that changed from one call to the next and that nothing needed need not be kept apart.
    const VerifierState* before = previous_entry(*cur_, insn_);
    if (before != nullptr) widen_imprecise(*before, *cur_);
  }
  return true;
}

// Registers as any caller that fits the prototype may pass them.
bool Verifier::prepare_global_entry(SubprogramInfo& sub) {
  if (!read_function_arguments(sub)) return false;
  for (unsigned i = 0; i < sub.arguments.size(); ++i) {
    const FunctionArgument& argument = sub.arguments[i];
    RegState& reg = regs()[i + 1];
    switch (argument.kind) {
      case FunctionArgument::Kind::ctx: mark_pointer(reg, Base::ctx); break;
      case FunctionArgument::Kind::mem:
        mark_pointer(reg, Base::mem, argument.maybe_null ? kMaybeNull : Flags{0});
        reg.mem_size = argument.mem_size;
        reg.id = ++next_id_;
        break;
      default: mark_unknown(reg); break;
    }
  }
  return true;
}

// The deepest chain of calls from each function on; a function's own frame is rounded up.
bool Verifier::check_stack_depths() {
  constexpr uint32_t kRound = 16;
  constexpr uint32_t kMinPrivate = 64;
  const auto rounded = [](uint32_t depth) { return (depth + kRound - 1) / kRound * kRound; };

  struct Node {
    std::vector<uint32_t> callees;
    uint8_t state = 0;   // 0 new, 1 open, 2 done
    uint32_t below = 0;  // of itself and the deepest that it calls
    uint32_t frames = 0;
  };
  std::vector<Node> nodes(subs_.size());
  bool any_tail_call = false;
  for (size_t s = 0; s < subs_.size(); ++s) {
    any_tail_call |= subs_[s].has_tail_call;
    for (uint32_t i = subs_[s].start; i < subs_[s].end; ++i) {
      const Insn& insn = insns_[i];
      const bool calls = insn.opcode == (BPF_JMP | BPF_CALL) && insn.src == BPF_PSEUDO_CALL;
      const bool names = is_ld_imm64(insn) && insn.src == BPF_PSEUDO_FUNC;
      if (calls || names) {
        const int to = subprogram_at(static_cast<uint32_t>(int64_t{i} + 1 + insn.imm));
        if (to >= 0 && !(names && subs_[to].is_async_callback))
          nodes[s].callees.push_back(static_cast<uint32_t>(to));
      }
      if (is_ld_imm64(insn)) ++i;
    }
    std::sort(nodes[s].callees.begin(), nodes[s].callees.end());
    nodes[s].callees.erase(std::unique(nodes[s].callees.begin(), nodes[s].callees.end()),
                           nodes[s].callees.end());
  }
  // Tracing programs do not nest on one stack: large frames may lie elsewhere.
  bool private_stacks = false;
  if (!any_tail_call && subs_.size() > 1 && profile_.version >= kernel_version(6, 13)) {
    switch (program_.type) {
      case ProgType::BPF_PROG_TYPE_KPROBE:
      case ProgType::BPF_PROG_TYPE_TRACEPOINT:
      case ProgType::BPF_PROG_TYPE_PERF_EVENT:
      case ProgType::BPF_PROG_TYPE_RAW_TRACEPOINT:
      case ProgType::BPF_PROG_TYPE_TRACING: private_stacks = true; break;
      default: break;
    }
  }
  // Callees before callers, without recursion; a call back to an open function is recursion of the program.
  std::vector<uint32_t> order;
  struct Open {
    uint32_t sub;
    size_t edge;
  };
  std::vector<Open> path;
  for (uint32_t root = 0; root < subs_.size(); ++root) {
    if (nodes[root].state != 0) continue;
    path.push_back({root, 0});
    nodes[root].state = 1;
    while (!path.empty()) {
      Open& open = path.back();
      Node& node = nodes[open.sub];
      if (open.edge < node.callees.size()) {
        const uint32_t to = node.callees[open.edge++];
        if (nodes[to].state == 1) {
          return reject_at(subs_[open.sub].start, Rule::too_many_frames, EMLINK,
                           "recursive call from {}() to {}()", subs_[open.sub].name,
                           subs_[to].name);
        }
        if (nodes[to].state == 0) {
          nodes[to].state = 1;
          path.push_back({to, 0});
        }
        continue;
      }
      node.state = 2;
      order.push_back(open.sub);
      path.pop_back();
    }
  }
  for (const uint32_t s : order) {
    uint32_t below = 0, frames = 0;
    for (const uint32_t callee : nodes[s].callees) {
      below = std::max(below, nodes[callee].below);
      frames = std::max(frames, nodes[callee].frames);
    }
    const uint32_t own = rounded(subs_[s].stack_depth);
    const bool elsewhere = private_stacks && own >= kMinPrivate;
    if (own > kMaxStackBytes) {
      return reject_at(subs_[s].start, Rule::stack_too_deep, EACCES,
                       "stack size of subprog {} is {}. Too large", s, own);
    }
    nodes[s].below = below + (elsewhere ? 0 : own);
    max_stack_depth_ = std::max({max_stack_depth_, nodes[s].below, own});
    nodes[s].frames = frames + 1;
    if (nodes[s].frames > kMaxCallFrames) {
      return reject_at(subs_[s].start, Rule::too_many_frames, E2BIG,
                       "the call stack of {} frames is too deep !", nodes[s].frames);
    }
    if (nodes[s].below > kMaxStackBytes) {
      return reject_at(subs_[s].start, Rule::stack_too_deep, EACCES,
                       "combined stack size of {} calls is {}. Too large", nodes[s].frames,
                       nodes[s].below);
    }
  }
  // What a callback leads to can't be left other than by its end.
  std::vector<bool> from_callback(subs_.size(), false);
  for (size_t i = order.size(); i-- > 0;) {
    const uint32_t s = order[i];
    if (subs_[s].is_callback) from_callback[s] = true;
    for (const uint32_t callee : nodes[s].callees) {
      if (from_callback[s]) from_callback[callee] = true;
    }
    if (!from_callback[s]) continue;
    if (subs_[s].has_ld_abs) {
      return reject_at(subs_[s].start, Rule::ld_abs_not_allowed, EINVAL,
                       "cannot use BPF_LD_[ABS|IND] within callback");
    }
    if (subs_[s].has_tail_call && profile_.tail_call_returns) {
      return reject_at(subs_[s].start, Rule::tail_call, EINVAL, "cannot tail call within callback");
    }
  }
  // What callers hold when a function is reached; a tail call keeps it, up to 33 times over.
  std::vector<uint32_t> above(subs_.size(), 0);
  for (size_t i = order.size(); i-- > 0;) {
    const uint32_t s = order[i];
    if (s != 0 && subs_[s].has_tail_call && above[s] >= 256) {
      return reject_at(
          subs_[s].start, Rule::stack_too_deep, EACCES,
          "tail_calls are not allowed when call stack of previous frames is {} bytes. Too large",
          above[s]);
    }
    for (const uint32_t callee : nodes[s].callees) {
      above[callee] = std::max(above[callee], above[s] + rounded(subs_[s].stack_depth));
    }
  }
  return true;
}

}  // namespace skep::verifier
