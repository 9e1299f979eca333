// ALU, ALU64: numbers go to the scalar domain; pointers may move by numbers that are bounded.
//
// A pointer keeps its constant offset in `off` and what is not constant in `number`. Moving a packet pointer
// by an unknown amount gives it a new id: what was compared with the packet's end before says nothing
// of it.
#include "isa/legality.h"
#include "verifier/env.h"
#include "verifier/text.h"

namespace skep::verifier {

using namespace isa;

namespace {

// Offsets beyond are refused before they can overflow anything.
constexpr int64_t kMaxOffset = int64_t{1} << 29;

constexpr std::string_view kOperators[16] = {"+=",   "-=",     "*=",  "/=", "|=", "&=",
                                             "<<=",  ">>=",    "neg", "%=", "^=", "=",
                                             "s>>=", "endian", "?",   "?"};

}  // namespace

void Verifier::assign_scalar_id(RegState& reg) {
  if (!reg.is_scalar()) return;
  // A number that is another plus a constant can't be the root of further relations.
  if ((reg.id & kAddConstant) != 0) {
    reg.id = 0;
    reg.off = 0;
  }
  if (reg.id == 0 && !reg.number.is_constant()) reg.id = ++next_id_;
}

bool Verifier::check_pointer_sane(const RegState& reg, Base base, Flags flags) {
  const auto type = [&] { return type_text(base, flags); };
  if (reg.number.is_constant()) {
    const auto value = static_cast<int64_t>(reg.number.constant());
    if (value >= kMaxOffset || value <= -kMaxOffset) {
      return reject(Rule::pointer_out_of_range, EINVAL,
                    "math between {} pointer and {} is not allowed", type(), value);
    }
  }
  if (reg.is_pointer() && (reg.off >= kMaxOffset || reg.off <= -kMaxOffset)) {
    return reject(Rule::pointer_out_of_range, EINVAL, "{} pointer offset {} is not allowed", type(),
                  reg.off);
  }
  const int64_t smin = reg.number.smin;
  if (smin == std::numeric_limits<int64_t>::min()) {
    return reject(Rule::pointer_out_of_range, EINVAL,
                  "math between {} pointer and register with unbounded min value is not allowed",
                  type());
  }
  if (smin >= kMaxOffset || smin <= -kMaxOffset) {
    return reject(Rule::pointer_out_of_range, EINVAL, "value {} makes {} pointer be out of bounds",
                  smin, type());
  }
  return true;
}

// dst = pointer op scalar, or scalar + pointer where the pointer is the source operand.
bool Verifier::adjust_pointer(const Insn& insn, const RegState& pointer_in,
                              const RegState& scalar_in, bool pointer_is_source) {
  const RegState pointer = pointer_in, scalar = scalar_in;  // dst is one of them
  RegState& dst = regs()[insn.dst];
  const unsigned number = insn.dst;
  if (insn.cls() != BPF_ALU64) {
    if (insn.op() == BPF_SUB && allow_leaks_) {
      mark_unknown(dst);
      return true;
    }
    return reject(Rule::pointer_arithmetic, EACCES, "R{} 32-bit pointer arithmetic prohibited",
                  number);
  }
  if (pointer.maybe_null()) {
    return reject(Rule::maybe_null_dereferenced, EACCES,
                  "R{} pointer arithmetic on {} prohibited, null-check it first", number,
                  type_text(pointer));
  }
  if (pointer.is(Base::mem) && (pointer.flags & kUntrusted) != 0 &&
      (insn.op() == BPF_ADD || insn.op() == BPF_SUB)) {
    // Where it points is not kept track of; before 7.0 `number += pointer` stayed the number.
    if (profile_.version >= kernel_version(7, 0) || !pointer_is_source) dst = pointer;
    return true;
  }
  const bool known = scalar.number.is_constant();
  const auto value = static_cast<int64_t>(scalar.number.constant());
  bool allowed = false;
  switch (pointer.base) {
    case Base::ctx:
    case Base::map_value:
    case Base::map_key:
    case Base::stack:
    case Base::packet:
    case Base::packet_meta:
    case Base::tp_buffer:
    case Base::btf_id:
    case Base::mem:
    case Base::buf:
    case Base::func:
    case Base::dynptr:
    case Base::arena: allowed = true; break;
    case Base::flow_keys: allowed = known; break;
    case Base::const_map:
    case Base::socket:
    case Base::sock_common:
    case Base::tcp_sock:
    case Base::xdp_sock:
    case Base::packet_end:
    case Base::not_init:
    case Base::iterator:
    case Base::irq_flag:
    case Base::scalar: break;
  }
  if (!allowed && pointer.base == Base::const_map)
    allowed = known && value == 0 && insn.op() == BPF_ADD;
  if (!allowed) {
    return reject(Rule::pointer_arithmetic, EACCES, "R{} pointer arithmetic on {} prohibited",
                  number, type_text(pointer));
  }
  if (!check_pointer_sane(scalar, pointer.base, pointer.flags) ||
      !check_pointer_sane(pointer, pointer.base, pointer.flags)) {
    return false;
  }
  const bool sums = insn.op() == BPF_ADD || insn.op() == BPF_SUB;
  AluWindow window;
  if (sums && !sanitize_pointer_alu(insn, pointer, scalar, !pointer_is_source, window, false))
    return false;
  const auto moved = [&](AluOp op) {
    // Pointers have no 32-bit bounds: unbounded before, derived after.
    Scalar a = pointer.number;
    return scalar_alu(op, true, a, scalar.number);
  };
  switch (insn.op()) {
    case BPF_ADD: {
      const int64_t off = int64_t{pointer.off} + value;
      dst = pointer;
      if (known && off == static_cast<int32_t>(off)) {
        dst.off = static_cast<int32_t>(off);
        if (pointer.is_packet() && dst.range < 0) dst.range = 0;  // it is at the end no more
        break;
      }
      dst.number = moved(AluOp::add);
      if (pointer.is_packet()) {
        dst.id = ++next_id_;
        dst.range = 0;
      }
      break;
    }
    case BPF_SUB: {
      if (pointer_is_source) {
        return reject(Rule::pointer_arithmetic, EACCES, "R{} tried to subtract pointer from scalar",
                      number);
      }
      if (pointer.is(Base::stack)) {
        return reject(Rule::pointer_arithmetic, EACCES,
                      "R{} subtraction from stack pointer prohibited", number);
      }
      const int64_t off = int64_t{pointer.off} - value;
      dst = pointer;
      if (known && off == static_cast<int32_t>(off)) {
        dst.off = static_cast<int32_t>(off);
        if (pointer.is_packet() && dst.range < 0) dst.range = 0;  // it is at the end no more
        break;
      }
      dst.number = moved(AluOp::sub);
      if (pointer.is_packet()) {
        dst.id = ++next_id_;
        if (scalar.number.smin < 0 || dst.range < 0) dst.range = 0;
      }
      break;
    }
    case BPF_AND:
    case BPF_OR:
    case BPF_XOR:
      return reject(Rule::pointer_arithmetic, EACCES,
                    "R{} bitwise operator {} on pointer prohibited", number,
                    kOperators[insn.op() >> 4]);
    default:
      return reject(Rule::pointer_arithmetic, EACCES,
                    "R{} pointer arithmetic with {} operator prohibited", number,
                    kOperators[insn.op() >> 4]);
  }
  if (!check_pointer_sane(dst, dst.base, dst.flags)) return false;
  if (!sync_bounds(dst.number)) dst.number = Scalar{};
  if (!check_pointer_stays_inside(number)) return false;
  return !sums ||
         sanitize_pointer_alu(insn, RegState(dst), scalar, !pointer_is_source, window, true);
}

// dst, which shares its id with others, becomes their number plus a constant: which.
bool Verifier::constant_delta(const Insn& insn, AluOp op, bool is64, const RegState& dst,
                              const Scalar& operand, int32_t& delta) const {
  const bool narrow = profile_.links_32_bits;
  if (!capable_ || dst.id == 0 || (dst.id & kAddConstant) != 0) return false;
  if (op != AluOp::add && !(op == AluOp::sub && narrow)) return false;
  if (insn.uses_src_reg() && insn.src == insn.dst) return false;
  if (is64) {
    if (!operand.is_constant()) return false;
    const auto value = static_cast<int64_t>(operand.constant());
    if (value != static_cast<int32_t>(value) || (!narrow && value < 0)) return false;
    delta = static_cast<int32_t>(value);
  } else {
    // The sum wraps at 32 bits: so must the number that it is of.
    if (!narrow || !operand.is_constant32() || dst.number.umax > 0xffff'ffffu) return false;
    delta = static_cast<int32_t>(operand.var_off.value);
  }
  if (op == AluOp::sub) {
    if (delta == std::numeric_limits<int32_t>::min()) return false;
    delta = -delta;
  }
  return true;
}

// A mask of all or nothing (x s>> 63, say) is walked as the two numbers that it can be: what is masked with it is
// then one of two numbers, not a range.
bool Verifier::fork_on_mask(RegState& dst, const Insn& insn) {
  const bool wide = dst.number.smin == -1 && dst.number.smax == 0;
  if (!wide && !(dst.number.s32_min == -1 && dst.number.s32_max == 0)) return true;
  const auto only = [&](uint32_t low) -> std::optional<Scalar> {
    if (wide) return scalar_constant(low == 0 ? 0 : ~uint64_t{0});
    Scalar half;
    half.u32_min = half.u32_max = low;
    half.s32_min = half.s32_max = static_cast<int32_t>(low);
    if (!sync_bounds(half)) return std::nullopt;
    return scalar_intersect(dst.number, half);
  };
  const auto zero = only(0), ones = only(~uint32_t{0});
  if (!zero || !ones) return true;
  VerifierState* other = push_branch(insn_, insn_);
  if (other == nullptr) return false;
  other->frame().regs[insn.dst].number = *zero;
  dst.number = *ones;
  return true;
}

bool Verifier::check_alu_values(const Insn& insn) {
  RegState& dst = regs()[insn.dst];
  const bool is64 = insn.cls() == BPF_ALU64;
  const RegState* src;
  const bool from_arena = insn.uses_src_reg() && regs()[insn.src].is(Base::arena);
  const bool with_arena = dst.is(Base::arena) || from_arena;
  if (arena_ >= 0 && is64 && profile_.version >= kernel_version(7, 0)) {
    // The instruction becomes one of 32 bits where an arena pointer is worked on.
    Base& used_with = aux_[insn_].pointer;
    if (used_with != Base::not_init && (used_with == Base::arena) != with_arena) {
      return reject(Rule::same_insn_different_pointers, EINVAL,
                    "same insn cannot be used with and without arena pointer");
    }
    used_with = with_arena ? Base::arena : Base::scalar;
  }
  if (with_arena) {
    // Whatever comes of it stays within the arena: the JIT adds its low half to the arena's base.
    mark_pointer(dst, Base::arena);
    return true;
  }
  if (insn.uses_src_reg()) {
    src = &regs()[insn.src];
    if (src->is_pointer()) {
      if (dst.is_pointer()) {
        if (insn.op() == BPF_SUB && allow_leaks_) {
          mark_unknown(dst);
          return true;
        }
        return reject(Rule::pointer_arithmetic, EACCES, "R{} pointer {} pointer prohibited",
                      unsigned{insn.dst}, kOperators[insn.op() >> 4]);
      }
      mark_precise(insn.dst);
      return adjust_pointer(insn, *src, dst, true);
    }
    if (dst.is_pointer()) {
      mark_precise(insn.src);
      return adjust_pointer(insn, dst, *src, false);
    }
    if (dst.precise) mark_precise(insn.src);
  } else {
    mark_constant(imm_reg_, is64 ? static_cast<uint64_t>(int64_t{insn.imm})
                                 : uint64_t{static_cast<uint32_t>(insn.imm)});
    src = &imm_reg_;
    if (dst.is_pointer()) return adjust_pointer(insn, dst, *src, false);
  }
  const std::optional<AluOp> op = alu_op(insn);
  if (!op) return reject(Rule::bad_opcode, EINVAL, "unknown opcode {:02x}", insn.opcode);
  switch (*op) {
    case AluOp::div:
    case AluOp::mod:
    case AluOp::sdiv:
    case AluOp::smod: {
      const bool zero =
          is64 ? src->number.contains(0)
               : src->number.u32_min == 0 && tnum_subreg(src->number.var_off).contains(0);
      if (zero) aux_[insn_].divisor_may_be_zero = true;
      break;
    }
    default: break;
  }
  if ((*op == AluOp::add || *op == AluOp::sub) && !sanitize_scalar_alu(insn)) return false;
  const Scalar operand = src->number;  // may be dst itself
  // Shifts by what may be the width or more are no number that the kernel vouches for.
  const bool is_shift = *op == AluOp::lsh || *op == AluOp::rsh || *op == AluOp::arsh;
  if (is_shift && operand.umax >= (is64 ? 64 : 32)) {
    mark_unknown(dst);
    return true;
  }
  if ((*op == AluOp::bit_and || *op == AluOp::bit_or) && operand.is_constant() &&
      profile_.forks_masks && !fork_on_mask(dst, insn)) {
    return false;
  }
  int32_t delta = 0;
  const bool linked = constant_delta(insn, *op, is64, dst, operand, delta);
  const bool precise_divisions =
      profile_.division_ranges ||
      !(*op == AluOp::div || *op == AluOp::mod || *op == AluOp::sdiv || *op == AluOp::smod);
  dst.number = precise_divisions ? scalar_alu(*op, is64, dst.number, operand) : Scalar{};
  if (!precise_divisions && !is64) dst.number = scalar_zero_extend32(dst.number);
  if (!sync_bounds(dst.number)) dst.number = is64 ? Scalar{} : scalar_zero_extend32(Scalar{});
  if (linked) {
    dst.id |= is64 ? kAddConstant64 : kAddConstant32;
    dst.off = delta;
  } else {
    dst.id = 0;
    dst.off = 0;
  }
  return true;
}

bool Verifier::check_alu(const Insn& insn) {
  const bool is64 = insn.cls() == BPF_ALU64;
  const unsigned d = insn.dst;

  if (insn.op() == BPF_NEG || insn.op() == BPF_END) {
    if (!check_read(d)) return false;
    if (is_pointer_value(d)) {
      return reject(Rule::pointer_arithmetic, EACCES, "R{} pointer arithmetic prohibited", d);
    }
    if (!check_write(d, false)) return false;
    RegState& dst = regs()[d];
    if (dst.is_pointer()) mark_unknown(dst);
    if (insn.op() == BPF_NEG) {
      dst.number = scalar_neg(is64, dst.number);
    } else {
      // BPF_ALU64|BPF_END always swaps; BPF_ALU|BPF_END swaps towards the other byte order only.
      const bool swap = is64 || insn.uses_src_reg();
      dst.number = scalar_end(dst.number, static_cast<unsigned>(insn.imm), swap);
    }
    if (!sync_bounds(dst.number)) dst.number = Scalar{};
    dst.id = 0;
    dst.off = 0;
    return true;
  }

  if (insn.op() == BPF_MOV) {
    if (!insn.uses_src_reg()) {
      if (!check_write(d, false)) return false;
      mark_constant(regs()[d], is64 ? static_cast<uint64_t>(int64_t{insn.imm})
                                    : uint64_t{static_cast<uint32_t>(insn.imm)});
      regs()[d].precise = !capable_;
      return true;
    }
    if (insn.off == 1 && is64 && arena_ >= 0) {
      if (!check_read(insn.src) || !check_write(d, false)) return false;
      RegState& to = regs()[d];
      // To the kernel's address of the arena, and back to a number.
      if (insn.imm == 1) {
        mark_pointer(to, Base::arena);
      } else {
        mark_unknown(to);
      }
      return true;
    }
    if (insn.off == 1) {
      return reject(
          Rule::not_supported_here, EINVAL,
          "addr_space_cast insn can only be used in a program that has an associated arena");
    }
    if (!check_read(insn.src) || !check_write(d, false)) return false;
    RegState& src = regs()[insn.src];
    RegState& dst = regs()[d];
    if (is64 && insn.off == 0) {
      assign_scalar_id(src);
      dst = src;
      return true;
    }
    if (src.is_pointer() && !allow_leaks_) {
      return reject(Rule::pointer_leaked, EACCES, "R{} {} of pointer", unsigned{insn.src},
                    is64 ? "sign-extension part" : "partial copy");
    }
    if (src.is_pointer()) {
      // An address as a number: what it is is not known.
      mark_unknown(dst);
      if (insn.off != 0) {
        dst.number = scalar_sign_extend(dst.number, static_cast<unsigned>(insn.off), is64);
      } else {
        dst.number = scalar_zero_extend32(dst.number);
      }
      if (!sync_bounds(dst.number)) dst.number = Scalar{};
      return true;
    }
    // The copy equals its source where the bits that it drops or invents are those already there.
    const unsigned bits = insn.off != 0 ? static_cast<unsigned>(insn.off) : 32;
    const uint64_t fits = insn.off != 0 ? (uint64_t{1} << (bits - 1)) - 1 : 0xffff'ffffu;
    const bool same = src.number.umax <= fits;
    if (same) assign_scalar_id(src);
    dst = src;
    if (!same) {
      dst.id = 0;
      dst.off = 0;
    }
    dst.number = insn.off != 0 ? scalar_sign_extend(dst.number, bits, is64)
                               : scalar_zero_extend32(dst.number);
    if (!sync_bounds(dst.number)) dst.number = is64 ? Scalar{} : scalar_zero_extend32(Scalar{});
    return true;
  }

  if (insn.uses_src_reg() && !check_read(insn.src)) return false;
  if (!check_read(d)) return false;
  if ((insn.op() == BPF_MOD || insn.op() == BPF_DIV) && !insn.uses_src_reg() && insn.imm == 0) {
    return reject(Rule::division_by_zero, EINVAL, "div by zero");
  }
  if ((insn.op() == BPF_LSH || insn.op() == BPF_RSH || insn.op() == BPF_ARSH) &&
      !insn.uses_src_reg()) {
    const int32_t width = is64 ? 64 : 32;
    if (insn.imm < 0 || insn.imm >= width) {
      return reject(Rule::bad_shift, EINVAL, "invalid shift {}", insn.imm);
    }
  }
  if (!check_write(d, false)) return false;
  return check_alu_values(insn);
}

}  // namespace skep::verifier
