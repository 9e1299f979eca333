// States and frames: pools, copies; and the marks that most checks put on registers.
#include <algorithm>

#include "verifier/env.h"

namespace skep::verifier {

namespace {
// What remembered states may take together. The budget of instructions bounds their number, not
// their size; this bounds both.
constexpr size_t kMemoryLimit = size_t{1} << 30;
}  // namespace

FuncState* Verifier::new_frame() {
  if (free_frames_.empty()) {
    all_frames_.push_back(new FuncState);
    memory_ += sizeof(FuncState);
    stats_.peak_memory = std::max<uint64_t>(stats_.peak_memory, memory_);
    if (memory_ > kMemoryLimit) memory_exhausted_ = true;
    return all_frames_.back();
  }
  FuncState* frame = free_frames_.back();
  free_frames_.pop_back();
  return frame;
}

void Verifier::free_frame(FuncState* frame) {
  frame->stack.clear();
  free_frames_.push_back(frame);
}

VerifierState* Verifier::new_state() {
  if (free_states_.empty()) {
    all_states_.push_back(new VerifierState);
    return all_states_.back();
  }
  VerifierState* state = free_states_.back();
  free_states_.pop_back();
  return state;
}

void Verifier::clear_frames(VerifierState& state) {
  for (unsigned i = 0; i <= state.current; ++i) {
    if (state.frames[i] != nullptr) free_frame(state.frames[i]);
    state.frames[i] = nullptr;
  }
  state.current = 0;
}

void Verifier::free_state(VerifierState* state) {
  clear_frames(*state);
  state->references.clear();
  state->history.clear();
  state->parent = nullptr;
  free_states_.push_back(state);
}

void Verifier::copy_state(VerifierState& to, const VerifierState& from) {
  for (unsigned i = from.current + 1; i <= to.current; ++i) {
    if (to.frames[i] != nullptr) free_frame(to.frames[i]);
    to.frames[i] = nullptr;
  }
  for (unsigned i = 0; i <= from.current; ++i) {
    if (to.frames[i] == nullptr) to.frames[i] = new_frame();
    const size_t before = to.frames[i]->stack.capacity();
    to.frames[i]->copy_from(*from.frames[i]);
    memory_ += (to.frames[i]->stack.capacity() - before) * sizeof(StackSlot);
  }
  if (memory_ > kMemoryLimit) memory_exhausted_ = true;
  stats_.peak_memory = std::max<uint64_t>(stats_.peak_memory, memory_);
  to.current = from.current;
  to.parent = from.parent;
  to.branches = from.branches;
  to.insn = from.insn;
  to.first_insn = from.first_insn;
  to.last_insn = from.last_insn;
  to.depth = from.depth;
  to.may_goto_depth = from.may_goto_depth;
  to.callback_unroll_depth = from.callback_unroll_depth;
  to.active_locks = from.active_locks;
  to.active_preempt_locks = from.active_preempt_locks;
  to.active_irq_flags = from.active_irq_flags;
  to.rcu_locks = from.rcu_locks;
  to.speculative = from.speculative;
  to.sleepable = from.sleepable;
  to.references.assign(from.references.begin(), from.references.end());
  to.history.assign(from.history.begin(), from.history.end());
}

void Verifier::init_frame(FuncState& frame, uint32_t callsite, uint32_t number,
                          uint32_t subprogram) {
  for (RegState& reg : frame.regs) mark_not_init(reg);
  RegState& fp = frame.regs[isa::kFramePointer];
  mark_pointer(fp, Base::stack);
  fp.frame = number;
  frame.stack.clear();
  frame.callsite = callsite;
  frame.frame = number;
  frame.subprogram = subprogram;
  frame.callback_depth = 0;
  frame.return_min = frame.return_max = 0;
  frame.in_callback = frame.in_async_callback = frame.in_exception_callback = frame.in_less = false;
  frame.async_entries = 0;
  frame.instance = 0;
  frame.held_at_entry = frame.first_id = 0;
}

bool Verifier::grow_stack(FuncState& frame, unsigned slots) {
  if (slots > kStackSlots) return false;
  if (frame.stack.size() < slots) {
    const size_t before = frame.stack.capacity();
    frame.stack.resize(slots);
    memory_ += (frame.stack.capacity() - before) * sizeof(StackSlot);
  }
  return true;
}

StackSlot& Verifier::slot(FuncState& frame, unsigned index) {
  if (frame.stack.size() <= index) grow_stack(frame, index + 1);
  return frame.stack[index];
}

void Verifier::mark_unknown(RegState& reg) {
  reg = RegState{};
  reg.base = Base::scalar;
  // Without the right to leak there is no precision tracking: every number counts.
  reg.precise = !capable_;
}

void Verifier::mark_constant(RegState& reg, uint64_t value) {
  const bool precise = reg.precise && reg.is_scalar();
  reg = RegState{};
  reg.base = Base::scalar;
  reg.precise = precise;
  reg.number = scalar_constant(value);
}

void Verifier::mark_pointer(RegState& reg, Base base, Flags flags) {
  static const Scalar kZero = scalar_constant(0);
  reg = RegState{};
  reg.base = base;
  reg.flags = flags;
  reg.number = kZero;
}

bool Verifier::check_read(unsigned reg) {
  scratch(reg);
  if (regs()[reg].base == Base::not_init) {
    return reject(Rule::uninitialized_register, EACCES, "R{} !read_ok", reg);
  }
  return true;
}

bool Verifier::check_write(unsigned reg, bool mark_result) {
  if (reg == isa::kFramePointer) {
    return reject(Rule::frame_pointer_written, EACCES, "frame pointer is read only");
  }
  scratch(reg);
  if (mark_result) mark_unknown(reg);
  return true;
}

void Verifier::clear_caller_saved() {
  for (unsigned r = 0; r <= 5; ++r) {
    mark_not_init(regs()[r]);
    scratch(r);
  }
}

}  // namespace skep::verifier
