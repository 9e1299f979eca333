// Functions that helpers and kfuncs call back. Synchronous ones (bpf_loop, bpf_for_each_map_elem, …) are walked as a call
// from the helper, again and again until a time round is covered by an earlier one; asynchronous ones (timers, work
// queues, task work) as programs of their own. And exceptions: bpf_throw ends the program on the spot.
#include <algorithm>

#include "verifier/env.h"
#include "verifier/text.h"

namespace skep::verifier {

using namespace isa;

bool Verifier::set_callback_arguments(CallbackOf what, const CallMeta& meta,
                                      const FuncState& caller, FuncState& callee) {
  callee.return_min = 0;
  callee.return_max = 1;
  RegState* regs = callee.regs.data();
  const auto map_element = [&](int32_t map, uint32_t uid) {
    mark_pointer(regs[1], Base::const_map);
    mark_pointer(regs[2], Base::map_key);
    mark_pointer(regs[3], Base::map_value);
    for (unsigned r = 1; r <= 3; ++r) {
      regs[r].map = static_cast<uint32_t>(map);
      regs[r].map_uid = uid;
    }
    // A lock in the value is known by an id.
    if (maps_[map].has_lock()) regs[3].id = ++next_id_;
  };
  switch (what) {
    case CallbackOf::loop:
      mark_unknown(regs[1]);     // the index
      regs[2] = caller.regs[3];  // what the caller passes through
      return true;
    case CallbackOf::map_element:
      switch (maps_[meta.map].map->type) {
        case MapType::BPF_MAP_TYPE_HASH:
        case MapType::BPF_MAP_TYPE_LRU_HASH:
        case MapType::BPF_MAP_TYPE_ARRAY:
        case MapType::BPF_MAP_TYPE_PERCPU_HASH:
        case MapType::BPF_MAP_TYPE_LRU_PERCPU_HASH:
        case MapType::BPF_MAP_TYPE_PERCPU_ARRAY:
        case MapType::BPF_MAP_TYPE_RHASH: break;
        default:
          return reject(Rule::bad_callback, EOPNOTSUPP, "callback function not allowed for map");
      }
      map_element(meta.map, meta.map_uid);
      regs[4] = caller.regs[3];
      return true;
    case CallbackOf::timer:
    case CallbackOf::task_work: {
      const RegState& value = caller.regs[what == CallbackOf::timer ? 1 : 3];
      const bool is_value = value.is(Base::map_value) || value.is(Base::const_map);
      if (!is_value) return reject(Rule::internal, EFAULT, "callback without its map");
      std::vector<uint32_t>& maps = subs_[meta.subprogram].async_maps;
      if (std::ranges::find(maps, value.map) == maps.end()) maps.push_back(value.map);
      map_element(static_cast<int32_t>(value.map), value.map_uid);
      callee.return_max = 0;
      if (what == CallbackOf::task_work) {
        callee.return_min = std::numeric_limits<int32_t>::min();
        callee.return_max = std::numeric_limits<int32_t>::max();
      }
      return true;
    }
    case CallbackOf::find_vma: {
      const auto vma = kernel_btf_ != nullptr
                           ? kernel_btf_->find("vm_area_struct", btf::Kind::Struct)
                           : std::nullopt;
      if (!vma) {
        return reject(Rule::not_supported_here, EINVAL,
                      "bpf_find_vma needs the kernel's BTF, which was not given");
      }
      regs[1] = caller.regs[1];
      mark_pointer(regs[2], Base::btf_id);
      regs[2].btf_type = *vma;
      regs[2].map_uid = static_cast<uint32_t>(BtfOf::attach);
      regs[3] = caller.regs[4];
      return true;
    }
    case CallbackOf::user_ringbuf:
      mark_pointer(regs[1], Base::dynptr);
      regs[1].word = static_cast<uint32_t>(DynptrKind::local) | kFirstSlot;
      regs[1].id = ++next_id_;
      regs[2] = caller.regs[3];
      return true;
    case CallbackOf::less: {
      const Record* record = record_of(caller.regs[1]);
      const int64_t off =
          caller.regs[1].off + static_cast<int64_t>(caller.regs[1].number.constant());
      const SpecialField* root =
          record != nullptr ? record->at(off, SpecialField::Kind::rb_root) : nullptr;
      if (root == nullptr) return reject(Rule::internal, EFAULT, "tree without its root");
      for (unsigned r = 1; r <= 2; ++r) {
        mark_graph_node(regs[r], *root);
        set_non_owning(regs[r]);
      }
      callee.in_less = true;
      return true;
    }
  }
  return true;
}

// This path goes on as if the helper were done calling; another one walks one more call.
bool Verifier::push_callback(CallbackOf what, const CallMeta& meta) {
  SubprogramInfo& sub = subs_[meta.subprogram];
  if (sub.global) return reject(Rule::bad_callback, EINVAL, "callback function not static");
  sub.is_callback = true;
  VerifierState* inside = push_branch(sub.start, insn_);
  if (inside == nullptr) return false;
  if (!enter_function(*inside, meta.subprogram, insn_)) return false;
  FuncState& caller = *inside->frames[inside->current - 1];
  inside->frame().in_callback = true;
  if (!set_callback_arguments(what, meta, caller, inside->frame())) return false;
  inside->frame().held_at_entry = static_cast<uint32_t>(inside->references.size());
  inside->frame().first_id = next_id_;
  ++inside->callback_unroll_depth;
  ++caller.callback_depth;
  frame().callback_depth = 0;
  // The caller keeps r1 to r5: from the callback's end the walk comes back to the call, and makes it again.
  return true;
}

// Called some time later, by itself.
bool Verifier::push_async_callback(CallbackOf what, const CallMeta& meta, bool sleepable) {
  SubprogramInfo& sub = subs_[meta.subprogram];
  if (sub.global) return reject(Rule::bad_callback, EINVAL, "callback function not static");
  sub.is_callback = sub.is_async_callback = true;
  if (pending_.size() >= profile_.max_jumps_pending) {
    return reject(Rule::too_complex, E2BIG, "The sequence of {} jumps is too complex for async cb.",
                  profile_.max_jumps_pending);
  }
  VerifierState* state = new_state();
  clear_frames(*state);
  state->references.clear();
  state->history.clear();
  state->parent = nullptr;
  state->current = 0;
  state->branches = 1;
  state->depth = 0;
  state->may_goto_depth = state->callback_unroll_depth = 0;
  state->active_locks = state->active_preempt_locks = state->active_irq_flags = 0;
  state->rcu_locks = 0;
  state->speculative = false;
  state->sleepable = sleepable;
  state->insn = state->first_insn = sub.start;
  state->last_insn = kNoPrevious;
  state->frames[0] = new_frame();
  FuncState& callee = *state->frames[0];
  init_frame(callee, kNoCaller, 0, meta.subprogram);
  callee.instance =
      stack_liveness_.instance(StackLiveness::kNone, meta.subprogram, sub.start, sub.end);
  callee.in_async_callback = true;
  callee.async_entries = frame().async_entries + 1;
  pending_.push_back({state, sub.start, insn_, log_.size()});
  return set_callback_arguments(what, meta, frame(), callee);
}

bool Verifier::in_less_callback() const {
  for (unsigned f = 1; f <= cur_->current; ++f) {
    if (cur_->frames[f]->in_less) return true;
  }
  return false;
}

// ---- exceptions

// Named by a declaration tag of the main function.
bool Verifier::find_exception_callback() {
  if (program_.func_info.empty() || program_.btf == nullptr) return true;
  const btf::Btf& btf = *program_.btf;
  unsigned count = 0;
  const std::string_view name =
      decl_tag(btf, program_.func_info[0].type_id, -1, "exception_callback:", &count);
  if (name.empty()) return true;
  const auto refuse = [&](std::string text) {
    return reject_at(0, Rule::bad_callback, EINVAL, "{}", text);
  };
  if (count > 1) return refuse("multiple exception callback tags for main subprog");
  const auto id = btf.find(name, btf::Kind::Func);
  if (!id) return refuse(fmt::format("exception callback '{}' could not be found in BTF", name));
  if (btf.type(*id).linkage() != btf::Linkage::Global) {
    return refuse(fmt::format("exception callback '{}' must have global linkage", name));
  }
  for (size_t s = 1; s < program_.func_info.size() && s < subs_.size(); ++s) {
    if (program_.func_info[s].type_id != *id) continue;
    exception_callback_ = static_cast<int>(s);
    subs_[s].is_exception_callback = true;
    subs_[s].called = true;
    for (uint32_t i = 0; i < count_; ++i) {
      const Insn& insn = insns_[i];
      const bool calls = insn.opcode == (BPF_JMP | BPF_CALL) && insn.src == BPF_PSEUDO_CALL;
      if (calls && int64_t{i} + 1 + insn.imm == subs_[s].start) {
        return reject_at(i, Rule::bad_callback, EINVAL, "insn {} cannot call exception cb directly",
                         i);
      }
      if (is_ld_imm64(insn)) ++i;
    }
    return true;
  }
  return refuse("exception callback type id not found in func_info");
}

// Global functions that throw, themselves or in what they call.
void Verifier::find_throwers() {
  for (bool changed = true; changed;) {
    changed = false;
    for (SubprogramInfo& sub : subs_) {
      for (uint32_t i = sub.start; i < sub.end; ++i) {
        const Insn& insn = insns_[i];
        if (insn.opcode != (BPF_JMP | BPF_CALL)) continue;
        bool throws = false, sleeps = false;
        if (insn.src == BPF_PSEUDO_CALL) {
          const int callee = subprogram_at(static_cast<uint32_t>(int64_t{i} + 1 + insn.imm));
          if (callee >= 0) {
            throws = subs_[callee].might_throw;
            sleeps = subs_[callee].might_sleep;
          }
        } else if (const Kfunc* kfunc = known_kfunc(insn)) {
          throws = kfunc->special == SpecialKfunc::throw_;
          sleeps = kfunc->has(spec::kKfuncSleepable);
          if (kfunc->special == SpecialKfunc::xdp_pull_data) sub.changes_packet = true;
        } else if (insn.src == 0 && insn.imm > 0) {
          const spec::Helper* helper =
              spec::find_helper(static_cast<uint32_t>(insn.imm), program_.type);
          sleeps = helper != nullptr && helper->might_sleep;
        }
        changed |= (throws && !sub.might_throw) || (sleeps && !sub.might_sleep);
        sub.might_throw |= throws;
        sub.might_sleep |= sleeps;
      }
    }
  }
}

// Without a callback of its own the cookie is what the program returns.
bool Verifier::check_throw() {
  for (unsigned f = 0; f <= cur_->current; ++f) {
    const FuncState& of = *cur_->frames[f];
    if (!of.in_callback && !of.in_async_callback && !of.in_exception_callback) continue;
    return reject(Rule::bad_callback, EINVAL, "insn {} cannot be called from callback subprog {}",
                  insn_, of.subprogram);
  }
  if (exception_callback_ < 0 && !check_return_value(1)) return false;
  return check_resources_at_exit("bpf_throw", true);
}

}  // namespace skep::verifier
