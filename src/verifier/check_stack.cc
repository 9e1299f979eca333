// Stack: 8-byte slots that remember a whole register spilled there, or what kind of byte each one is.
//
// A fixed offset reads and writes one slot exactly; an access is aligned, so it never spans two. A
// variable offset may hit any slot in its range: a write makes them all unknown numbers, a read gives one.
#include <algorithm>
#include <bit>

#include "verifier/env.h"
#include "verifier/text.h"

namespace skep::verifier {

using namespace isa;

namespace {

constexpr int64_t kMaxOffset = int64_t{1} << 29;

constexpr SlotMask slot_bit(unsigned slot) { return SlotMask{1} << slot; }

unsigned width_of(const RegState& reg) {
  return 64 - static_cast<unsigned>(std::countl_zero(reg.number.umax));
}

bool spillable(const RegState& reg, KernelVersion version) {
  if (version < kernel_version(7, 0) && (reg.is(Base::tp_buffer) || reg.is(Base::dynptr)))
    return false;
  return reg.is_pointer();
}

}  // namespace

void Verifier::use_stack_depth(FuncState& of, int off) {
  SubprogramInfo& sub = subs_[of.subprogram];
  sub.stack_depth = std::max(sub.stack_depth, static_cast<uint32_t>(-off));
}

bool Verifier::check_stack_bounds(unsigned number, int64_t off, int64_t size, bool by_helper,
                                  Access access) {
  const RegState& reg = regs()[number];
  FuncState& of = frame_of(reg);
  // Kernels before 6.14 did not tell whether a helper reads or writes.
  const bool unsaid = by_helper && profile_.version < kernel_version(6, 14);
  const std::string_view what = unsaid                   ? " indirect access to"
                                : access == Access::read ? " read from"
                                                         : " write to";
  int64_t min, max;
  if (reg.number.is_constant()) {
    min = static_cast<int64_t>(reg.number.constant()) + off;
    max = min + size;
  } else {
    if (reg.number.smax >= kMaxOffset || reg.number.smin <= -kMaxOffset) {
      return reject(Rule::stack_out_of_bounds, EACCES,
                    "invalid unbounded variable-offset{} stack R{}", what, number);
    }
    min = reg.number.smin + off;
    max = reg.number.smax + off + size;
  }
  // Reading below what was touched reads what was never written.
  const int64_t lowest = by_helper || access == Access::write || allow_uninit_stack_
                             ? -int64_t{kMaxStackBytes}
                             : -static_cast<int64_t>(of.stack.size()) * 8;
  if (min < lowest || min > -1 || max > 0 || size < 0) {
    if (reg.number.is_constant()) {
      return reject(Rule::stack_out_of_bounds, EACCES, "invalid{} stack R{} off={} size={}", what,
                    number, min, size);
    }
    return reject(Rule::stack_out_of_bounds, EACCES,
                  "invalid variable-offset{} stack R{} var_off={} off={} size={}", what, number,
                  tnum_text(reg.number.var_off), off, size);
  }
  if (!grow_stack(of, static_cast<unsigned>((-min + 7) / 8))) {
    return reject(Rule::stack_out_of_bounds, EACCES, "invalid{} stack R{} off={} size={}", what,
                  number, min, size);
  }
  use_stack_depth(of, static_cast<int>(min));
  return true;
}

// ---- writing

void Verifier::scrub(StackSlot& s) {
  mark_not_init(s.spilled);
  for (SlotByte& b : s.bytes) {
    if (b == SlotByte::spill || b == SlotByte::dynptr || b == SlotByte::iterator ||
        b == SlotByte::irq_flag) {
      b = SlotByte::misc;
    }
  }
}

void Verifier::save_spill(FuncState& of, unsigned index, const RegState& reg, unsigned size) {
  StackSlot& s = slot(of, index);
  s.spilled = reg;
  for (unsigned i = 0; i < 8; ++i) {
    SlotByte& b = s.bytes[7 - i];
    if (i < size) {
      b = SlotByte::spill;
    } else if (b != SlotByte::zero && b != SlotByte::invalid) {
      b = SlotByte::misc;
    }
  }
}

bool Verifier::write_stack_fixed(FuncState& of, int off, unsigned size, int value) {
  const unsigned index = slot_of(off);
  StackSlot& s = slot(of, index);
  const Insn& insn = insns_[insn_];
  const bool is_st = insn.cls() == BPF_ST && insn.mode() == BPF_MEM;
  if (!allow_leaks_ && s.is_spill() && !s.spilled.is_scalar() && size != 8) {
    return reject(Rule::stack_spill_corrupted, EACCES,
                  "attempt to corrupt spilled pointer on stack");
  }
  RegState* reg = value >= 0 ? &regs()[value] : nullptr;
  if (!destroy_dynptr(of, index)) return false;
  if (!bypass_spec_v4_) {
    bool barrier = reg != nullptr && reg->is_pointer();
    for (unsigned i = 0; i < size; ++i) {
      const SlotByte b = s.bytes[byte_of(off + static_cast<int>(i))];
      barrier |= b != SlotByte::misc && b != SlotByte::zero;
    }
    if (barrier) aux_[insn_].barrier_after = true;
  }
  scratch_slot(index);
  if (size == 8) stack_liveness_.mark_write(of.frame, slot_bit(index));
  HistoryEntry spill;
  spill.stack_access = true;
  spill.frame = static_cast<uint8_t>(of.frame);
  spill.slot = static_cast<uint8_t>(index);

  const bool at_slot_start = off % 8 == 0;
  if (reg != nullptr && at_slot_start && reg->is_scalar() && capable_) {
    const bool fits = width_of(*reg) <= 8 * size;
    if (fits) assign_scalar_id(*reg);
    save_spill(of, index, *reg, size);
    if (!fits) {
      s.spilled.id = 0;
      s.spilled.off = 0;
    }
    push_history(spill);
    return true;
  }
  if (reg == nullptr && at_slot_start && is_st && capable_) {
    RegState constant;
    mark_constant(constant, static_cast<uint64_t>(int64_t{insn.imm}));
    save_spill(of, index, constant, size);
    push_history(spill);
    return true;
  }
  if (reg != nullptr && spillable(*reg, profile_.version)) {
    if (size != 8) {
      return reject(Rule::stack_spill_corrupted, EACCES, "invalid size of register spill");
    }
    if (&of != &frame() && reg->is(Base::stack)) {
      return reject(Rule::stack_pointer_returned, EINVAL,
                    "cannot spill pointers to stack into stack frame of the caller");
    }
    save_spill(of, index, *reg, size);
    push_history(spill);
    return true;
  }
  if (s.is_special()) {
    scrub(s);
  } else {
    mark_not_init(s.spilled);
  }
  SlotByte type = SlotByte::misc;
  if ((reg != nullptr && reg->is_null()) || (reg == nullptr && is_st && insn.imm == 0)) {
    if (value >= 0) mark_precise(static_cast<unsigned>(value));
    type = SlotByte::zero;
  }
  for (unsigned i = 0; i < size; ++i) s.bytes[byte_of(off + static_cast<int>(i))] = type;
  return true;
}

bool Verifier::write_stack_variable(FuncState& of, unsigned number, int off, unsigned size,
                                    int value) {
  const RegState& pointer = regs()[number];
  const int min = static_cast<int>(pointer.number.smin) + off;
  const int max = static_cast<int>(pointer.number.smax) + off + static_cast<int>(size);
  const Insn& insn = insns_[insn_];
  const bool is_st = insn.cls() == BPF_ST && insn.mode() == BPF_MEM;
  const bool writes_zero = value >= 0 ? regs()[value].is_null() : is_st && insn.imm == 0;
  bool zero_used = false;
  for (int i = min; i < max; ++i) {
    const unsigned index = slot_of(i);
    if (!destroy_dynptr(of, index)) return false;
    StackSlot& s = slot(of, index);
    SlotByte& b = s.bytes[byte_of(i)];
    scratch_slot(index);
    // It may hit or miss each slot: what is there stays readable by a dead state, so it is live.
    stack_liveness_.mark_read(of.frame, slot_bit(index));
    if (!allow_leaks_ && b != SlotByte::misc && b != SlotByte::zero) {
      return reject(Rule::stack_variable_offset, EINVAL,
                    "spilled ptr in range of var-offset stack write; insn {}, ptr off: {}", insn_,
                    i);
    }
    if (writes_zero && b == SlotByte::spill && s.is_scalar_spill() && s.spilled.is_null()) {
      zero_used = true;
      continue;
    }
    const SlotByte was = b;
    if (s.is_special()) {
      scrub(s);
    } else {
      mark_not_init(s.spilled);
    }
    SlotByte now = SlotByte::misc;
    if (writes_zero && was == SlotByte::zero) {
      now = SlotByte::zero;
      zero_used = true;
    }
    if (was == SlotByte::invalid && !allow_uninit_stack_) {
      return reject(
          Rule::stack_uninitialized, EINVAL,
          "uninit stack in range of var-offset write prohibited for !root; insn {}, off: {}", insn_,
          i);
    }
    b = now;
  }
  if (zero_used && value >= 0) mark_precise(static_cast<unsigned>(value));
  return true;
}

bool Verifier::check_stack_write(unsigned number, int32_t off, unsigned size, int value) {
  const RegState& reg = regs()[number];
  FuncState& of = frame_of(reg);
  if (!reg.number.is_constant()) return write_stack_variable(of, number, off, size, value);
  return write_stack_fixed(of, off + static_cast<int32_t>(reg.number.constant()), size, value);
}

// Bytes become unknown numbers.
bool Verifier::fill_stack(FuncState& of, int off, int size) {
  for (int i = off; i < off + size; ++i) {
    const unsigned index = slot_of(i);
    if (!destroy_dynptr(of, index)) return false;
    StackSlot& s = slot(of, index);
    scratch_slot(index);
    if (!allow_leaks_ && s.is_spill() && !s.spilled.is_scalar()) {
      return reject(Rule::stack_spill_corrupted, EACCES,
                    "attempt to corrupt spilled pointer on stack");
    }
    if (s.is_special()) scrub(s);
    s.bytes[byte_of(i)] = SlotByte::misc;
    if (byte_of(i) == 7 && i + 8 <= off + size)
      stack_liveness_.mark_write(of.frame, slot_bit(index));
  }
  return true;
}

// ---- reading

// Zero if all bytes are, else a number.
void Verifier::read_stack_mixed(FuncState& of, int min, int max, int value) {
  bool zero = true;
  SlotMask spilled = 0;  // where it is because the number spilled there is
  for (int i = min; i < max && zero; ++i) {
    const unsigned index = slot_of(i);
    const StackSlot& s = slot(of, index);
    const SlotByte b = s.bytes[byte_of(i)];
    zero = b == SlotByte::zero;
    if (b == SlotByte::spill && s.spilled.is_null() && profile_.version >= kernel_version(7, 0)) {
      zero = true;
      spilled |= slot_bit(index);
    }
  }
  RegState& reg = regs()[value];
  if (zero) {
    for (; spilled != 0; spilled &= spilled - 1)
      mark_precise_slot(of.frame, static_cast<unsigned>(std::countr_zero(spilled)));
    mark_constant(reg, 0);
    reg.precise = !capable_;
  } else {
    mark_unknown(reg);
  }
}

bool Verifier::read_stack_fixed(FuncState& of, int off, unsigned size, int value) {
  const unsigned index = slot_of(off);
  StackSlot& s = slot(of, index);
  scratch_slot(index);
  stack_liveness_.mark_read(of.frame, slot_bit(index));
  HistoryEntry fill;
  fill.stack_access = true;
  fill.frame = static_cast<uint8_t>(of.frame);
  fill.slot = static_cast<uint8_t>(index);
  const auto invalid = [&](unsigned i) {
    return reject(Rule::stack_uninitialized, EACCES, "invalid read from stack off {}+{} size {}",
                  off, i, size);
  };

  if (!s.is_spill()) {
    for (unsigned i = 0; i < size; ++i) {
      const SlotByte b = s.bytes[byte_of(off + static_cast<int>(i))];
      if (b == SlotByte::misc || b == SlotByte::zero ||
          (b == SlotByte::invalid && allow_uninit_stack_)) {
        continue;
      }
      return invalid(i);
    }
    if (value >= 0) read_stack_mixed(of, off, off + static_cast<int>(size), value);
    return true;
  }

  unsigned spill_size = 0;
  while (spill_size < 8 && s.bytes[7 - spill_size] == SlotByte::spill) ++spill_size;
  if (size == 8 && spill_size == 8) {
    if (value >= 0) {
      regs()[value] = s.spilled;
    } else if (!allow_leaks_ && !s.spilled.is_scalar()) {
      return reject(Rule::pointer_leaked, EACCES, "leaking pointer from stack off {}", off);
    }
    push_history(fill);
    return true;
  }
  if (!s.spilled.is_scalar()) {
    return reject(Rule::stack_spill_corrupted, EACCES, "invalid size of register fill");
  }
  if (value < 0) return true;
  RegState& reg = regs()[value];
  if (size <= spill_size && off % 8 == 0) {
    reg = s.spilled;  // the caller cuts it to size
    if (width_of(reg) > 8 * size) {
      reg.id = 0;
      reg.off = 0;
    }
    push_history(fill);
    return true;
  }
  unsigned spilled = 0, zeros = 0;
  for (unsigned i = 0; i < size; ++i) {
    switch (s.bytes[byte_of(off + static_cast<int>(i))]) {
      case SlotByte::spill: ++spilled; break;
      case SlotByte::zero: ++zeros; break;
      case SlotByte::misc: break;
      case SlotByte::invalid:
        if (!allow_uninit_stack_) return invalid(i);
        break;
      case SlotByte::dynptr:
      case SlotByte::iterator:
      case SlotByte::irq_flag: return invalid(i);
    }
  }
  const bool mixed = profile_.version >= kernel_version(7, 0);
  const bool zero = zeros == size || (s.spilled.is_null() &&
                                      (spilled == size || (mixed && spilled + zeros == size)));
  if (zero) {
    mark_constant(reg, 0);
    reg.precise = !capable_;
    if (zeros != size) push_history(fill);
  } else {
    mark_unknown(reg);
  }
  return true;
}

bool Verifier::check_stack_read(unsigned number, int32_t off, unsigned size, int value) {
  const RegState& reg = regs()[number];
  FuncState& of = frame_of(reg);
  if (reg.number.is_constant()) {
    return read_stack_fixed(of, off + static_cast<int32_t>(reg.number.constant()), size, value);
  }
  if (value < 0) {
    return reject(
        Rule::stack_variable_offset, EACCES,
        "variable offset stack pointer cannot be passed into helper function; var_off={} off={} "
        "size={}",
        tnum_text(reg.number.var_off), off, size);
  }
  const int min = static_cast<int>(reg.number.smin) + off;
  const int max = static_cast<int>(reg.number.smax) + off + static_cast<int>(size);
  if (!check_stack_initialized(number, off, static_cast<int>(size), false, true, nullptr,
                               Access::read)) {
    return false;
  }
  read_stack_mixed(of, min, max, value);
  return true;
}

// All bytes that an access may read were written. A helper that writes leaves unknown numbers.
bool Verifier::check_stack_initialized(unsigned number, int32_t off, int size,
                                       bool zero_size_allowed, bool direct, CallMeta* meta,
                                       Access access) {
  const RegState reg = regs()[number];
  const std::string_view indirect =
      direct || profile_.version >= kernel_version(6, 14) ? "" : " indirect";
  if (size == 0 && !zero_size_allowed) {
    return reject(Rule::bad_size_argument, EACCES, "invalid zero-sized read");
  }
  if (!check_stack_bounds(number, off, size, !direct, access)) return false;
  FuncState& of = frame_of(reg);
  int64_t min = off, max = off;
  bool raw = meta != nullptr && meta->raw_mode;
  if (reg.number.is_constant()) {
    min = max = off + static_cast<int64_t>(reg.number.constant());
  } else {
    if (!allow_leaks_) {
      return reject(Rule::stack_variable_offset, EACCES,
                    "R{}{} variable offset stack access prohibited for !root, var_off={}", number,
                    indirect, tnum_text(reg.number.var_off));
    }
    // Where it will write is not known: what it would write over must be there already.
    raw = false;
    min += reg.number.smin;
    max += reg.number.smax;
  }
  if (raw) {
    for (int64_t i = min; i < max + size; ++i) {
      const StackSlot& s = slot(of, slot_of(static_cast<int>(i)));
      if (s.bytes[7] == SlotByte::dynptr) {
        return reject(Rule::special_field_accessed, EACCES,
                      "potential write to dynptr at off={} disallowed", i);
      }
    }
    meta->access_size = size;
    meta->register_number = static_cast<int>(number);
    return true;
  }
  for (int64_t i = min; i < max + size; ++i) {
    const unsigned index = slot_of(static_cast<int>(i));
    StackSlot& s = slot(of, index);
    SlotByte& b = s.bytes[byte_of(static_cast<int>(i))];
    stack_liveness_.mark_read(of.frame, slot_bit(index));
    const bool clobber = access == Access::write;
    if (b == SlotByte::misc) continue;
    if (b == SlotByte::zero || (b == SlotByte::invalid && allow_uninit_stack_)) {
      if (clobber) b = SlotByte::misc;
      continue;
    }
    if (s.is_spill() && (s.spilled.is_scalar() || allow_leaks_) && b == SlotByte::spill) {
      if (clobber) scrub(s);
      continue;
    }
    if (reg.number.is_constant()) {
      return reject(Rule::stack_uninitialized, EACCES,
                    "invalid{} read from stack R{} off {}+{} size {}", indirect, number, min,
                    i - min, size);
    }
    return reject(Rule::stack_uninitialized, EACCES,
                  "invalid{} read from stack R{} var_off {}+{} size {}", indirect, number,
                  tnum_text(reg.number.var_off), i - min, size);
  }
  return true;
}

}  // namespace skep::verifier
