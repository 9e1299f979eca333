// The scalar domain at 64 bits. All reasoning is in scalar_domain.h and interval.h.
#include "verifier/scalar.h"

#include "verifier/scalar_domain.h"

namespace skep::verifier {

namespace {
using Domain = ScalarDomain<64>;
}

bool Scalar::contains(uint64_t x) const { return Domain::contains(*this, x); }

Scalar scalar_constant(uint64_t value) { return Domain::constant(value); }

Scalar scalar_unsigned_range(uint64_t min, uint64_t max) {
  Scalar range;
  range.umin = min, range.umax = max;
  (void)sync_bounds(range);
  return range;
}
Scalar scalar_signed_range(int64_t min, int64_t max) {
  Scalar range;
  range.smin = min, range.smax = max;
  (void)sync_bounds(range);
  return range;
}
Scalar scalar_of_load(unsigned bytes, bool sign_extended) {
  if (bytes >= 8) return scalar_unknown();
  const unsigned bits = bytes * 8;
  if (!sign_extended) return scalar_unsigned_range(0, (uint64_t{1} << bits) - 1);
  return scalar_signed_range(-(int64_t{1} << (bits - 1)), (int64_t{1} << (bits - 1)) - 1);
}

bool sync_bounds(Scalar& scalar) { return Domain::sync_bounds(scalar); }

std::optional<AluOp> alu_op(const Insn& insn) {
  using namespace isa;
  if (insn.cls() != BPF_ALU && insn.cls() != BPF_ALU64) return std::nullopt;
  const bool is_signed = insn.off == 1;
  switch (insn.op()) {
    case BPF_ADD: return AluOp::add;
    case BPF_SUB: return AluOp::sub;
    case BPF_MUL: return AluOp::mul;
    case BPF_DIV: return is_signed ? AluOp::sdiv : AluOp::div;
    case BPF_MOD: return is_signed ? AluOp::smod : AluOp::mod;
    case BPF_OR: return AluOp::bit_or;
    case BPF_AND: return AluOp::bit_and;
    case BPF_XOR: return AluOp::bit_xor;
    case BPF_LSH: return AluOp::lsh;
    case BPF_RSH: return AluOp::rsh;
    case BPF_ARSH: return AluOp::arsh;
    default: return std::nullopt;
  }
}

Scalar scalar_alu(AluOp op, bool is64, const Scalar& dst, const Scalar& src) {
  return Domain::alu(op, is64, dst, src);
}
Scalar scalar_neg(bool is64, const Scalar& value) { return Domain::negate(is64, value); }

// Swapping bytes moves bits, so the tnum follows exactly; order is lost but for what the bits tell.
Scalar scalar_end(const Scalar& value, unsigned bits, bool swap) {
  if (!swap) return bits == 64 ? value : scalar_zero_extend(value, bits / 8);
  Scalar swapped;
  swapped.var_off = tnum_byteswap(value.var_off, bits);
  (void)sync_bounds(swapped);
  return swapped;
}
Scalar scalar_sign_extend(const Scalar& value, unsigned bits, bool is64) {
  return Domain::sign_extend(value, bits, is64);
}
Scalar scalar_zero_extend32(const Scalar& value) { return Domain::zero_extend_half(value); }
Scalar scalar_zero_extend(const Scalar& value, unsigned bytes) {
  if (bytes >= 8) return value;
  return bytes == 4 ? Domain::zero_extend_half(value) : Domain::zero_extend(value, bytes * 8);
}

int branch_taken(uint8_t op, bool is_jmp32, const Scalar& lhs, const Scalar& rhs) {
  return Domain::taken(op, is_jmp32, lhs, rhs);
}
bool refine_branch(uint8_t op, bool is_jmp32, Scalar& lhs, Scalar& rhs, bool taken) {
  return Domain::refine(op, is_jmp32, lhs, rhs, taken);
}

bool scalar_subset(const Scalar& outer, const Scalar& inner) {
  return Domain::subset(outer, inner);
}
std::optional<Scalar> scalar_intersect(const Scalar& a, const Scalar& b) {
  return Domain::intersect(a, b);
}
Scalar scalar_join(const Scalar& a, const Scalar& b) { return Domain::join(a, b); }

}  // namespace skep::verifier
