// The walk: one path at a time, instruction by instruction. At a branch that can go both ways the
// fall-through goes on, and the other way waits on a stack of pending states.
#include <algorithm>

#include "verifier/env.h"
#include "verifier/text.h"

namespace skep::verifier {

using namespace isa;

VerifierState* Verifier::push_branch(uint32_t insn, uint32_t previous) {
  if (pending_.size() >= profile_.max_jumps_pending) {
    reject(Rule::too_complex, E2BIG, "The sequence of {} jumps is too complex.",
           profile_.max_jumps_pending);
    return nullptr;
  }
  VerifierState* state = new_state();
  copy_state(*state, *cur_);
  state->branches = 1;
  if (state->parent != nullptr) ++state->parent->state.branches;
  pending_.push_back({state, insn, previous, log_.size()});
  return state;
}

bool Verifier::pop_branch() {
  if (pending_.empty()) return false;
  const Pending& top = pending_.back();
  free_state(cur_);
  cur_ = top.state;
  insn_ = top.insn;
  previous_insn_ = top.previous;
  // At level 1 only the path that fails is wanted.
  if (!logging_all()) trim_log(top.log_position);
  pending_.pop_back();
  path_switched_ = true;
  return true;
}

// The path is done: on with the next one.
Step Verifier::leave_path() {
  scratched_registers_ = 0x7ff;
  scratched_slots_ = ~uint64_t{0};
  release_branch(cur_->parent);
  cur_->parent = nullptr;
  if (!pop_branch()) return Step::path_done;
  entered_path_ = true;
  return Step::jumped;
}

bool Verifier::check_range(const RegState& reg, int32_t min, int32_t max, std::string_view where) {
  if (reg.number.smin >= min && reg.number.smax <= max) return true;
  explain("It may be {} to {} here; allowed is {} to {}.", reg.number.smin, reg.number.smax, min,
          max);
  note("{}{} has", where, where.ends_with("R1") ? "" : " the register R0");
  bool unknown = true;
  if (reg.number.smin > std::numeric_limits<int64_t>::min()) {
    note(" smin={}", reg.number.smin);
    unknown = false;
  }
  if (reg.number.smax < std::numeric_limits<int64_t>::max()) {
    note(" smax={}", reg.number.smax);
    unknown = false;
  }
  if (unknown) note(" unknown scalar value");
  return reject(Rule::bad_return_value, EINVAL, " should have been in [{}, {}]", min, max);
}

bool Verifier::check_return_value(unsigned number) {
  const FuncState& top = *cur_->frames[0];
  const bool is_subprogram =
      top.subprogram != 0 && !top.in_async_callback && !top.in_exception_callback && number == 0;
  if (is_subprogram && subs_[top.subprogram].returns_void && number == 0) return true;
  if (!is_subprogram && !top.in_async_callback && returns_nothing()) return true;
  const RegState& reg = regs()[number];
  const bool struct_ops = program_.type == ProgType::BPF_PROG_TYPE_STRUCT_OPS;
  bool returns_pointer = false;
  if (struct_ops && attach_proto_ != 0 && !is_subprogram) {
    const btf::Type result = kernel_btf_->resolve(kernel_btf_->type(attach_proto_).referenced());
    returns_pointer = result.kind() == btf::Kind::Ptr;
    // It may hand back a reference of the type that is wanted.
    if (returns_pointer && reg.is(Base::btf_id) && reg.ref_id != 0 &&
        btf_kind(reg) == BtfOf::attach &&
        kernel_btf_->resolve(result.referenced()).id() == reg.btf_type) {
      return check_fixed_pointer(reg, number, false);
    }
  }
  if (!check_read(number)) return false;
  if (is_subprogram && reg.is(Base::arena)) return true;
  if (is_pointer_value(number)) {
    return reject(Rule::pointer_leaked, EACCES, "R{} leaks addr as return value", number);
  }
  if (is_subprogram) {
    if (reg.is_scalar()) return true;
    return reject(Rule::bad_return_value, EINVAL,
                  "At subprogram exit the register R{} is not a scalar value ({})", number,
                  type_text(reg));
  }
  spec::ReturnRange range = spec::return_range(program_.type, program_.expected_attach_type);
  std::string_view where = number == 0 ? "At program exit" : "At program exit the register R1";
  if (program_.type == ProgType::BPF_PROG_TYPE_LSM)
    range.limited = attach_return_range(range.min, range.max);
  if (struct_ops) {
    range = {returns_pointer, 0, 0};
  }
  if (top.in_async_callback) {
    range = {true, top.return_min, top.return_max};
    where = "At async callback return";
  }
  if (!range.limited) return true;
  if (program_.type == ProgType::BPF_PROG_TYPE_LSM && !top.in_async_callback && reg.is_scalar() &&
      program_.expected_attach_type == AttachType::BPF_LSM_MAC && reg.number.s32_min >= range.min &&
      reg.number.s32_max <= range.max) {
    mark_precise(number);  // hooks return an int: its 32 bits count
    return true;
  }
  if (!reg.is_scalar()) {
    if (where.ends_with("R1")) where.remove_suffix(std::string_view(" the register R1").size());
    return reject(Rule::bad_return_value, EINVAL, "{} the register R{} is not a known value ({})",
                  where, number, type_text(reg));
  }
  mark_precise(number);
  return check_range(reg, range.min, range.max, where);
}

Step Verifier::check_exit() {
  const bool last = cur_->current == 0;
  // A static function may hand references, locks and regions to its caller; a callback and a program may not.
  if (last) {
    if (!check_resources_at_exit("BPF_EXIT instruction in main prog")) return Step::failed;
  } else if (frame().in_callback && !check_callback_references()) {
    return Step::failed;
  }
  if (!last) {
    if (!leave_function()) return Step::failed;
    entered_path_ = true;
    return Step::jumped;
  }
  if (!check_return_value(0)) return Step::failed;
  return leave_path();
}

// A callback may be called any number of times: what it acquires it must release.
bool Verifier::check_callback_references() {
  const auto& references = cur_->references;
  for (const Reference& reference : references) {
    bool in_callee = true;
    // What its caller holds was acquired before the call; ids only grow.
    if (reference.id <= frame().first_id) in_callee = false;
    if (!in_callee) continue;
    note("Unreleased reference id={} alloc_insn={}\n", reference.id, reference.insn);
    return reject(Rule::reference_leaked, EINVAL, "callback would lead to reference leak");
  }
  // And it must not release what was its caller's.
  if (references.size() < frame().held_at_entry) {
    return reject(Rule::reference_not_owned, EINVAL, "callback releases a reference of its caller");
  }
  return true;
}

// A kernel variable: a struct by its type, per CPU or not; else memory.
void Verifier::mark_ksym(RegState& reg, uint32_t id) {
  const btf::Type var = kernel_btf_->type(id);
  if (var.kind() == btf::Kind::Func) {
    mark_pointer(reg, Base::mem, kRdonly);
    return;
  }
  bool percpu = false;
  if (const auto section = kernel_btf_->find(".data..percpu", btf::Kind::Datasec)) {
    const btf::Type data = kernel_btf_->type(*section);
    for (uint32_t i = 0; i < data.vlen() && !percpu; ++i) percpu = data.sec_var(i).type == id;
  }
  const btf::Type type = kernel_btf_->resolve(var.referenced());
  if (percpu || type.is_composite()) {
    mark_pointer(reg, Base::btf_id, percpu ? kPercpu : Flags{0});
    reg.btf_type = type.id();
    reg.map_uid = static_cast<uint32_t>(BtfOf::attach);
    return;
  }
  mark_pointer(reg, Base::mem, kRdonly);
  reg.mem_size = kernel_btf_->size_of(type.id()).value_or(0);
}

bool Verifier::check_ld_imm64(const Insn& insn) {
  if (!check_write(insn.dst, false)) return false;
  RegState& dst = regs()[insn.dst];
  const Insn& high = insns_[insn_ + 1];
  switch (insn.src) {
    case 0:
      mark_constant(dst, imm64(insn, high));
      dst.precise = !capable_;
      return true;
    case BPF_PSEUDO_FUNC: {
      const int sub = subprogram_at(static_cast<uint32_t>(int64_t{insn_} + 1 + insn.imm));
      if (sub < 0) return reject(Rule::bad_call_target, EINVAL, "call to invalid destination");
      if (!subs_[sub].has_type) return reject(Rule::bad_callback, EINVAL, "missing btf func_info");
      if (subs_[sub].global)
        return reject(Rule::bad_callback, EINVAL, "callback function not static");
      if (sub == 0)
        return reject(Rule::bad_callback, EINVAL, "callback function cannot be the main program");
      mark_pointer(dst, Base::func);
      dst.subprogram = static_cast<uint32_t>(sub);
      return true;
    }
    case BPF_PSEUDO_MAP_IDX:
      mark_pointer(dst, Base::const_map);
      dst.map = static_cast<uint32_t>(insn.imm);
      return true;
    case BPF_PSEUDO_BTF_ID: mark_ksym(dst, static_cast<uint32_t>(insn.imm)); return true;
    case BPF_PSEUDO_MAP_IDX_VALUE:
      if (maps_[static_cast<size_t>(insn.imm)].map->type == MapType::BPF_MAP_TYPE_ARENA) {
        mark_unknown(dst);
        return true;
      }
      mark_pointer(dst, Base::map_value);
      dst.map = static_cast<uint32_t>(insn.imm);
      dst.off = high.imm;
      return true;
    default: return reject(Rule::bad_ld_imm64, EINVAL, "unrecognized bpf_ld_imm64 insn");
  }
}

Step Verifier::check_ld_abs(const Insn& insn) {
  const auto fail = [&](Rule rule, std::string_view message) {
    reject(rule, EINVAL, "{}", message);
    return Step::failed;
  };
  switch (program_.type) {
    case ProgType::BPF_PROG_TYPE_SOCKET_FILTER:
    case ProgType::BPF_PROG_TYPE_SCHED_CLS:
    case ProgType::BPF_PROG_TYPE_SCHED_ACT: break;
    default:
      return fail(Rule::ld_abs_not_allowed,
                  "BPF_LD_[ABS|IND] instructions not allowed for this program type");
  }
  for (unsigned f = 1; f <= cur_->current; ++f) {
    if (cur_->frames[f]->in_callback) {
      return fail(Rule::ld_abs_not_allowed, "cannot use BPF_LD_[ABS|IND] within callback");
    }
  }
  if (!check_read(6)) return Step::failed;
  if (!check_resources_at_exit("BPF_LD_[ABS|IND]")) return Step::failed;
  if (!regs()[6].is(Base::ctx)) {
    return fail(Rule::bad_argument_type, "at the time of BPF_LD_ABS|IND R6 != pointer to skb");
  }
  if (insn.mode() == BPF_IND && !check_read(insn.src)) return Step::failed;
  if (!check_fixed_pointer(regs()[6], 6, false)) return Step::failed;
  clear_caller_saved();
  mark_unknown(0u);
  regs()[0].number = scalar_of_load(4, false);
  if (cur_->current == 0) return Step::next;
  // Outside the packet it leaves the function with 0.
  if (push_branch(insn_ + 1, insn_) == nullptr) return Step::failed;
  mark_constant(regs()[0], 0);
  if (!leave_function()) return Step::failed;
  return Step::jumped;
}

Step Verifier::step() {
  const Insn& insn = insns_[insn_];
  const auto next_if = [](bool ok) { return ok ? Step::next : Step::failed; };
  switch (insn.cls()) {
    case BPF_ALU:
    case BPF_ALU64: return next_if(check_alu(insn));
    case BPF_LDX: return next_if(check_load(insn));
    case BPF_ST: return next_if(check_store(insn));
    case BPF_STX:
      return next_if(insn.mode() == BPF_ATOMIC ? check_atomic(insn) : check_store(insn));
    case BPF_LD:
      if (is_ld_imm64(insn)) return next_if(check_ld_imm64(insn));
      return check_ld_abs(insn);
    default: break;
  }
  ++jumps_processed_;  // calls and exits too, as remembering states goes by them
  switch (insn.op()) {
    case BPF_CALL: return check_call(insn);
    case BPF_EXIT: return check_exit();
    case BPF_JA:
      insn_ = static_cast<uint32_t>(int64_t{insn_} + 1 +
                                    (insn.cls() == BPF_JMP32 ? insn.imm : insn.off));
      return Step::jumped;
    default: return check_jump(insn);
  }
}

bool Verifier::walk() {
  previous_insn_ = kNoPrevious;
  entered_path_ = false;
  for (;;) {
    have_history_of_step_ = false;
    if (insn_ >= count_ || aux_[insn_].second_slot) {
      return reject(Rule::internal, EFAULT, "invalid insn idx {} insn_cnt {}", insn_, count_);
    }
    if (++stats_.insns_processed > profile_.max_processed) {
      return reject(Rule::too_complex, E2BIG, "BPF program is too large. Processed {} insn",
                    stats_.insns_processed);
    }
    if (memory_exhausted_) {
      return reject(Rule::out_of_memory, ENOMEM,
                    "states take more than the verifier's memory limit");
    }
    if ((options_.log_level & kLogStats) != 0) {
      ++subs_[frame().subprogram].insns_self;
      for (unsigned f = 0; f <= cur_->current; ++f)
        ++subs_[cur_->frames[f]->subprogram].insns_total;
    }
    InsnAux& aux = aux_[insn_];
    cur_->last_insn = previous_insn_;
    cur_->insn = insn_;
    if (aux.prune_point) {
      switch (visit_state()) {
        case Visit::failed: return false;
        case Visit::fresh: break;
        case Visit::covered: {
          if (logging()) {
            if (entered_path_) {
              log("\nfrom {} to {}{}: safe\n", static_cast<int32_t>(previous_insn_), insn_,
                  cur_->speculative ? " (speculative execution)" : "");
            } else {
              log("{}: safe\n", insn_);
            }
          }
          if (leave_path() == Step::path_done) return true;
          path_switched_ = false;
          continue;
        }
      }
    }
    if (aux.jump_point) push_history({});
    if (logging()) log_instruction();
    entered_path_ = false;
    if (!cur_->speculative) aux.seen = true;
    if (cur_->speculative && aux.barrier_before) {
      if (leave_path() == Step::path_done) return true;
      path_switched_ = false;
      continue;
    }
    subs_[frame().subprogram].walked = true;
    if (options_.observer != nullptr) options_.observer->at(insn_, frame().frame, regs(), aux.live);

    const uint32_t here = insn_;
    const bool two_slots = is_ld_imm64(insns_[here]);
    stack_liveness_.begin(frame().instance, here);
    Step outcome = step();
    if (outcome == Step::failed) {
      insn_ = here;
      if (!stop_speculation()) return false;
      stack_liveness_.commit();
      outcome = leave_path();
      if (outcome == Step::path_done) return true;
      path_switched_ = false;
      continue;
    }
    stack_liveness_.commit();
    if (cur_->speculative && aux.barrier_after && outcome == Step::next) {
      if (leave_path() == Step::path_done) return true;
      path_switched_ = false;
      continue;
    }
    if (outcome == Step::path_done) return true;
    if (outcome == Step::next) insn_ = here + (two_slots ? 2 : 1);
    if (!path_switched_) previous_insn_ = here;
    path_switched_ = false;
  }
}

// The function from its first instruction, called by nobody: main, or a global function.
bool Verifier::verify_subprogram(uint32_t subprogram, bool sleepable) {
  SubprogramInfo& sub = subs_[subprogram];
  last_line_ = nullptr;
  cur_ = new_state();
  cur_->current = 0;
  cur_->parent = nullptr;
  cur_->branches = 1;
  cur_->depth = 0;
  cur_->may_goto_depth = cur_->callback_unroll_depth = 0;
  cur_->active_locks = cur_->active_preempt_locks = 0;
  cur_->active_irq_flags = 0;
  cur_->rcu_locks = 0;
  cur_->speculative = false;
  cur_->sleepable = sleepable;
  cur_->references.clear();
  cur_->history.clear();
  cur_->frames[0] = new_frame();
  init_frame(*cur_->frames[0], kNoCaller, 0, subprogram);
  cur_->frames[0]->instance =
      stack_liveness_.instance(StackLiveness::kNone, subprogram, sub.start, sub.end);
  cur_->first_insn = sub.start;
  insn_ = sub.start;
  jumps_processed_ = previous_jumps_ = 0;
  previous_processed_ = stats_.insns_processed;
  if (subprogram == 0) {
    mark_pointer(regs()[1], Base::ctx);
    if (program_.type == ProgType::BPF_PROG_TYPE_STRUCT_OPS) acquire_arguments();
  } else {
    log("Validating {}() func#{}...\n", sub.name, subprogram);
    if (!prepare_global_entry(sub)) return false;
    insn_ = sub.start;
  }
  scratched_registers_ = (1u << 1) | (1u << kFramePointer);
  if (subprogram != 0) scratched_registers_ |= 0x3e;
  scratched_slots_ = 0;
  const bool ok = walk();
  forget_states();
  if (ok && !logging_all()) trim_log(0);
  return ok;
}

// States of one walk say nothing to the next.
void Verifier::forget_states() {
  for (Pending& pending : pending_) free_state(pending.state);
  pending_.clear();
  if (cur_ != nullptr) free_state(cur_);
  cur_ = nullptr;
  for (auto& [key, visit] : scc_visits_) {
    for (SccVisit::BackEdge& edge : visit.back_edges) free_state(edge.state);
  }
  scc_visits_.clear();
  free_cached_.clear();
  for (CachedState* cached : all_cached_) {
    if (cached->state.frames[0] != nullptr) clear_frames(cached->state);
    cached->state.history.clear();
    cached->state.parent = nullptr;
    free_cached_.push_back(cached);
  }
  for (auto& list : cached_) list.clear();
  cached_count_ = 0;
}

}  // namespace skep::verifier
