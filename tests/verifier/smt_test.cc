// The abstract operators against an SMT solver, at the widths that programs have.
//
// Formulas without branches (tnum_formulas.h) are proved for all abstract values at once. The others run on some
// thousand abstract values, of every shape that a verification makes; for each the solver proves that no member of the
// operands has a result that lies outside: all members, which no enumeration could try.
#include <fmt/format.h>
#include <gtest/gtest.h>
#include <z3++.h>

#include <random>

#include "verifier/scalar.h"
#include "verifier/scalar_domain.h"
#include "verifier/tnum_formulas.h"

namespace skep::verifier {
namespace {

using z3::expr;

// ---- formulas, symbolically

using Symbolic = TristateWord<expr>;

expr member(const expr& x, const Symbolic& t) {
  // No bit is both known to be 1 and unknown, in what is an operand.
  return (x & ~t.mask) == t.value;
}

class Formulas : public ::testing::TestWithParam<unsigned> {
 public:
  template <class Op, class Concrete>
  void prove(Op op, Concrete concrete) {
    const unsigned width = GetParam();
    z3::context context;
    z3::solver solver(context);
    const auto word = [&](const char* name) { return context.bv_const(name, width); };
    const Symbolic a{word("av"), word("am")}, b{word("bv"), word("bm")};
    const expr x = word("x"), y = word("y"), zero = context.bv_val(0, width);
    solver.add((a.value & a.mask) == zero && (b.value & b.mask) == zero);
    solver.add(member(x, a) && member(y, b));
    const Symbolic result = op(a, b);
    solver.add(!(member(concrete(x, y), result) && (result.value & result.mask) == zero));
    EXPECT_EQ(solver.check(), z3::unsat);
  }
};
TEST_P(Formulas, add_holds_every_sum) {
  prove([](auto& a, auto& b) { return tristate_add(a, b); },
        [](auto& x, auto& y) { return x + y; });
}
TEST_P(Formulas, sub_holds_every_difference) {
  prove([](auto& a, auto& b) { return tristate_sub(a, b); },
        [](auto& x, auto& y) { return x - y; });
}
TEST_P(Formulas, and_holds_every_conjunction) {
  prove([](auto& a, auto& b) { return tristate_and(a, b); },
        [](auto& x, auto& y) { return x & y; });
}
TEST_P(Formulas, or_holds_every_disjunction) {
  prove([](auto& a, auto& b) { return tristate_or(a, b); }, [](auto& x, auto& y) { return x | y; });
}
TEST_P(Formulas, xor_holds_every_exclusive_or) {
  prove([](auto& a, auto& b) { return tristate_xor(a, b); },
        [](auto& x, auto& y) { return x ^ y; });
}
INSTANTIATE_TEST_SUITE_P(width, Formulas, ::testing::Values(32u, 64u));

// ---- operators of the scalar domain

class Prover {
 public:
  Prover() : solver_(context_), x(context_.bv_const("x", 64)), y(context_.bv_const("y", 64)) {
    z3::params limits(context_);
    limits.set("timeout", 2000u);
    solver_.set(limits);
  }
  [[nodiscard]] expr word(uint64_t value) { return context_.bv_val(value, 64); }
  [[nodiscard]] expr low(const expr& e) { return e.extract(31, 0); }
  [[nodiscard]] expr in(const expr& e, const Scalar& s) {
    const expr half = low(e);
    const auto half_word = [&](uint64_t v) { return context_.bv_val(v & 0xffff'ffff, 32); };
    return (e & word(~s.var_off.mask)) == word(s.var_off.value) && z3::uge(e, word(s.umin)) &&
           z3::ule(e, word(s.umax)) && e >= word(static_cast<uint64_t>(s.smin)) &&
           e <= word(static_cast<uint64_t>(s.smax)) && z3::uge(half, half_word(s.u32_min)) &&
           z3::ule(half, half_word(s.u32_max)) &&
           half >= half_word(static_cast<uint32_t>(s.s32_min)) &&
           half <= half_word(static_cast<uint32_t>(s.s32_max));
  }
  // No x, y make `claim` false where `given` holds. Unknown (the solver gave up) counts as not refuted.
  void prove(const expr& given, const expr& claim, const std::string& what) {
    solver_.push();
    solver_.add(given && !claim);
    const z3::check_result result = solver_.check();
    if (result == z3::sat) {
      const z3::model model = solver_.get_model();
      ADD_FAILURE() << what << ": " << model;
    }
    ++(result == z3::unsat ? proved : unknown);
    solver_.pop();
  }

 private:
  z3::context context_;
  z3::solver solver_;

 public:
  expr x, y;
  int proved = 0, unknown = 0;
};

// Values as verifications make them: loads, masks, ranges from comparisons on either side of each seam.
Scalar random_scalar(std::mt19937_64& random) {
  const auto pick = [&](uint64_t n) { return random() % n; };
  const auto edge = [&]() -> uint64_t {
    constexpr uint64_t kEdges[] = {0,
                                   1,
                                   0x7f,
                                   0xff,
                                   0x7fff,
                                   0x7fffffff,
                                   0x80000000,
                                   0xffffffff,
                                   0x100000000,
                                   0x7fffffffffffffff,
                                   uint64_t{1} << 63,
                                   ~uint64_t{0},
                                   0xffffffff80000000,
                                   0xfff};
    return kEdges[pick(std::size(kEdges))] + pick(9) - 4;
  };
  Scalar s;
  switch (pick(6)) {
    case 0: return scalar_constant(edge());
    case 1: {
      const uint64_t a = edge(), b = edge();
      s = scalar_unsigned_range(std::min(a, b), std::max(a, b));
      break;
    }
    case 2: {
      const auto a = static_cast<int64_t>(edge()), b = static_cast<int64_t>(edge());
      s = scalar_signed_range(std::min(a, b), std::max(a, b));
      break;
    }
    case 3: s = scalar_of_load(1u << pick(4), pick(2) != 0); break;
    case 4: {
      const uint64_t mask = random() & random();
      s.var_off = {random() & ~mask, mask};
      break;
    }
    default: {
      s.u32_min = static_cast<uint32_t>(edge());
      s.u32_max = std::max(s.u32_min, static_cast<uint32_t>(edge()));
      break;
    }
  }
  if (pick(3) == 0) s.var_off = tnum_and(s.var_off, {0, edge() | random()});
  return sync_bounds(s) ? s : scalar_constant(edge());
}

std::string text(const Scalar& s) {
  return fmt::format("[u {:#x}..{:#x} s {}..{} bits {:#x}/{:#x} u32 {:#x}..{:#x}]", s.umin, s.umax,
                     s.smin, s.smax, s.var_off.value, s.var_off.mask, s.u32_min, s.u32_max);
}

// What the machine computes; y is a constant for shifts and divisions, as the domain reckons with constants only.
expr compute(Prover& p, AluOp op, bool is64, const expr& x64, const expr& y64) {
  const expr x = is64 ? x64 : p.low(x64), y = is64 ? y64 : p.low(y64);
  const unsigned width = is64 ? 64 : 32;
  const expr zero = x.ctx().bv_val(0, width);
  const expr amount = y & x.ctx().bv_val(width - 1, width);
  const auto result = [&]() -> expr {
    switch (op) {
      case AluOp::add: return x + y;
      case AluOp::sub: return x - y;
      case AluOp::mul: return x * y;
      case AluOp::div: return z3::ite(y == zero, zero, z3::udiv(x, y));
      case AluOp::mod: return z3::ite(y == zero, x, z3::urem(x, y));
      case AluOp::sdiv: return z3::ite(y == zero, zero, x / y);
      case AluOp::smod: return z3::ite(y == zero, x, z3::srem(x, y));
      case AluOp::bit_or: return x | y;
      case AluOp::bit_and: return x & y;
      case AluOp::bit_xor: return x ^ y;
      case AluOp::lsh: return z3::shl(x, amount);
      case AluOp::rsh: return z3::lshr(x, amount);
      case AluOp::arsh: return z3::ashr(x, amount);
    }
    return zero;
  }();
  return is64 ? result : z3::zext(result, 32);
}

class Operators : public ::testing::TestWithParam<AluOp> {};
TEST_P(Operators, hold_every_result) {
  const AluOp op = GetParam();
  Prover p;
  std::mt19937_64 random(static_cast<uint64_t>(op) + 1);
  const bool constant_only = op == AluOp::lsh || op == AluOp::rsh || op == AluOp::arsh ||
                             op == AluOp::div || op == AluOp::mod || op == AluOp::sdiv ||
                             op == AluOp::smod;
  const bool hard = op == AluOp::mul || op == AluOp::div || op == AluOp::mod || op == AluOp::sdiv ||
                    op == AluOp::smod;
  for (int i = 0; i < (hard ? 12 : 60); ++i) {
    const bool is64 = i % 2 == 0;
    const Scalar a = random_scalar(random);
    Scalar b = random_scalar(random);
    // Products and quotients by powers of two are what a solver can do; the small widths have the others.
    if (hard) b = scalar_constant(uint64_t{1} << (random() % 63));
    if (constant_only && !b.is_constant()) b = scalar_constant(random() % 64);
    const Scalar result = scalar_alu(op, is64, a, b);
    p.prove(p.in(p.x, a) && p.in(p.y, b), p.in(compute(p, op, is64, p.x, p.y), result),
            fmt::format("op {} {} {} {}", static_cast<int>(op), is64 ? 64 : 32, text(a), text(b)));
  }
  EXPECT_GT(p.proved, 0);
  RecordProperty("proved", p.proved);
  RecordProperty("given_up", p.unknown);
}
INSTANTIATE_TEST_SUITE_P(alu, Operators,
                         ::testing::Values(AluOp::add, AluOp::sub, AluOp::mul, AluOp::div,
                                           AluOp::sdiv, AluOp::mod, AluOp::smod, AluOp::bit_or,
                                           AluOp::bit_and, AluOp::bit_xor, AluOp::lsh, AluOp::rsh,
                                           AluOp::arsh));

expr compare(Prover& p, uint8_t op, bool is_jmp32, const expr& x64, const expr& y64) {
  const expr x = is_jmp32 ? p.low(x64) : x64, y = is_jmp32 ? p.low(y64) : y64;
  switch (op) {
    case isa::BPF_JEQ: return x == y;
    case isa::BPF_JNE: return x != y;
    case isa::BPF_JGT: return z3::ugt(x, y);
    case isa::BPF_JGE: return z3::uge(x, y);
    case isa::BPF_JLT: return z3::ult(x, y);
    case isa::BPF_JLE: return z3::ule(x, y);
    case isa::BPF_JSGT: return x > y;
    case isa::BPF_JSGE: return x >= y;
    case isa::BPF_JSLT: return x < y;
    case isa::BPF_JSLE: return x <= y;
    default: return (x & y) != x.ctx().bv_val(0, is_jmp32 ? 32 : 64);
  }
}

TEST(Smt, branches_keep_every_word_that_goes_that_way) {
  constexpr uint8_t kJumps[] = {isa::BPF_JEQ,  isa::BPF_JNE,  isa::BPF_JGT,  isa::BPF_JGE,
                                isa::BPF_JLT,  isa::BPF_JLE,  isa::BPF_JSGT, isa::BPF_JSGE,
                                isa::BPF_JSLT, isa::BPF_JSLE, isa::BPF_JSET};
  Prover p;
  std::mt19937_64 random(7);
  for (int i = 0; i < 330; ++i) {
    const uint8_t op = kJumps[static_cast<size_t>(i) % std::size(kJumps)];
    const bool is_jmp32 = random() % 2 != 0, taken = random() % 2 != 0;
    const Scalar a = random_scalar(random), b = random_scalar(random);
    Scalar left = a, right = b;
    const bool possible = refine_branch(op, is_jmp32, left, right, taken);
    const expr goes = compare(p, op, is_jmp32, p.x, p.y);
    const expr given = p.in(p.x, a) && p.in(p.y, b) && (taken ? goes : !goes);
    const expr claim = possible ? p.in(p.x, left) && p.in(p.y, right) : p.x.ctx().bool_val(false);
    p.prove(given, claim,
            fmt::format("jump {:#x}{} taken {} {} {}", op, is_jmp32 ? " w" : "", taken, text(a),
                        text(b)));
    const int decided = branch_taken(op, is_jmp32, a, b);
    if (decided >= 0) {
      p.prove(p.in(p.x, a) && p.in(p.y, b), decided != 0 ? goes : !goes,
              fmt::format("jump {:#x} decided {} {} {}", op, decided, text(a), text(b)));
    }
  }
  EXPECT_GT(p.proved, 300);
}

TEST(Smt, casts_joins_and_bounds_lose_no_word) {
  Prover p;
  std::mt19937_64 random(11);
  for (int i = 0; i < 80; ++i) {
    const Scalar a = random_scalar(random), b = random_scalar(random);
    const expr given = p.in(p.x, a);
    for (const unsigned bits : {8u, 16u, 32u}) {
      const expr part = p.x.extract(bits - 1, 0);
      p.prove(given, p.in(z3::zext(part, 64 - bits), scalar_zero_extend(a, bits / 8)),
              "zero-extended " + text(a));
      p.prove(given, p.in(z3::sext(part, 64 - bits), scalar_sign_extend(a, bits, true)),
              "sign-extended " + text(a));
    }
    p.prove(given, p.in(-p.x, scalar_neg(true, a)), "negated " + text(a));
    p.prove(given || p.in(p.x, b), p.in(p.x, scalar_join(a, b)), "joined " + text(a) + text(b));
    const auto both = scalar_intersect(a, b);
    p.prove(given && p.in(p.x, b), both ? p.in(p.x, *both) : p.x.ctx().bool_val(false),
            "intersected " + text(a) + text(b));
    // What is put together without having been synchronised.
    Scalar mixed = a;
    mixed.var_off = b.var_off;
    mixed.s32_min = b.s32_min, mixed.s32_max = b.s32_max;
    Scalar synced = mixed;
    const bool possible = sync_bounds(synced);
    p.prove(p.in(p.x, mixed), possible ? p.in(p.x, synced) : p.x.ctx().bool_val(false),
            "synchronised " + text(mixed));
  }
  EXPECT_GT(p.proved, 600);
}

}  // namespace
}  // namespace skep::verifier
