// Arithmetic.
#include "vm/jit/llvm/translate.h"

namespace skep::jit::optimising {

using namespace isa;

void Translator::alu(const Insn& insn, bool wide, uint32_t i) {
  const unsigned dst = insn.dst;
  const bool x = insn.uses_src_reg();
  if (insn.op() == BPF_MOV) {
    if (!x)
      return set(dst, b_.getInt64(wide ? static_cast<uint64_t>(int64_t{insn.imm})
                                       : static_cast<uint32_t>(insn.imm)));
    if (insn.off > 1) {  // movsx
      llvm::Value* narrow =
          b_.CreateTrunc(number(insn.src), b_.getIntNTy(static_cast<unsigned>(insn.off)));
      return set(dst, b_.CreateSExt(narrow, wide ? b_.getInt64Ty() : b_.getInt32Ty()));
    }
    if (!wide) return set(dst, low(insn.src));
    const Kind kind = kinds_[insn.src];
    set(dst, is_pointer(kind) ? pointer(insn.src) : number(insn.src));
    kinds_[dst] = kind == Kind::none ? Kind::number : kind;
    return;
  }
  if (insn.op() == BPF_END) return set(dst, byte_order(insn, wide));
  if (insn.op() == BPF_NEG) {
    return set(dst, b_.CreateNeg(wide ? number(dst) : low(dst)));
  }
  // Pointer and number: it stays a pointer.
  if (wide && (insn.op() == BPF_ADD || insn.op() == BPF_SUB)) {
    const bool left = is_pointer(kinds_[dst]), right = x && is_pointer(kinds_[insn.src]);
    const bool adds = insn.op() == BPF_ADD;
    if (left != right && (left || adds)) {
      const Kind kind = left ? kinds_[dst] : kinds_[insn.src];
      llvm::Value* base = pointer(left ? dst : insn.src);
      llvm::Value* by = nullptr;
      if (!x)
        by = b_.getInt64(static_cast<uint64_t>(int64_t{insn.imm}));
      else
        by = number(left ? insn.src : dst);
      set(dst, b_.CreatePtrAdd(base, adds ? by : b_.CreateNeg(by)));
      kinds_[dst] = kind;
      return;
    }
  }
  llvm::Type* type = wide ? b_.getInt64Ty() : b_.getInt32Ty();
  const unsigned width = wide ? 64 : 32;
  llvm::Value* a = wide ? number(dst) : low(dst);
  llvm::Value* b = nullptr;
  if (x)
    b = wide ? number(insn.src) : low(insn.src);
  else
    b = llvm::ConstantInt::get(type, static_cast<uint64_t>(int64_t{insn.imm}), true);
  auto amount = [&] { return b_.CreateAnd(b, llvm::ConstantInt::get(type, width - 1)); };
  const bool nonzero = i < program_.facts().size() && program_.facts()[i].divisor_is_nonzero;
  switch (insn.op()) {
    case BPF_ADD: return set(dst, b_.CreateAdd(a, b));
    case BPF_SUB: return set(dst, b_.CreateSub(a, b));
    case BPF_MUL: return set(dst, b_.CreateMul(a, b));
    case BPF_OR: return set(dst, b_.CreateOr(a, b));
    case BPF_AND: return set(dst, b_.CreateAnd(a, b));
    case BPF_XOR: return set(dst, b_.CreateXor(a, b));
    case BPF_LSH: return set(dst, b_.CreateShl(a, amount()));
    case BPF_RSH: return set(dst, b_.CreateLShr(a, amount()));
    case BPF_ARSH: return set(dst, b_.CreateAShr(a, amount()));
    case BPF_DIV: return set(dst, divide(a, b, insn.off == 1, false, nonzero));
    case BPF_MOD: return set(dst, divide(a, b, insn.off == 1, true, nonzero));
    default: return broken("an unknown ALU operation");
  }
}

// x / 0 is 0, x % 0 is x, and the most negative number by -1 wraps: IR leaves all three undefined.
llvm::Value* Translator::divide(llvm::Value* a, llvm::Value* b, bool is_signed, bool remainder,
                                bool nonzero) {
  llvm::Type* type = a->getType();
  auto* zero = llvm::ConstantInt::get(type, 0);
  auto* one = llvm::ConstantInt::get(type, 1);
  llvm::Value* is_zero =
      nonzero ? static_cast<llvm::Value*>(b_.getFalse()) : b_.CreateICmpEQ(b, zero);
  if (!is_signed) {
    llvm::Value* by = b_.CreateSelect(is_zero, one, b);
    llvm::Value* made = remainder ? b_.CreateURem(a, by) : b_.CreateUDiv(a, by);
    return b_.CreateSelect(is_zero, remainder ? a : zero, made);
  }
  llvm::Value* is_minus_one = b_.CreateICmpEQ(b, llvm::ConstantInt::getAllOnesValue(type));
  llvm::Value* by = b_.CreateSelect(b_.CreateOr(is_zero, is_minus_one), one, b);
  if (remainder) {  // by 1 leaves 0, as by -1 does
    return b_.CreateSelect(is_zero, a, b_.CreateSRem(a, by));
  }
  llvm::Value* made = b_.CreateSelect(is_minus_one, b_.CreateNeg(a), b_.CreateSDiv(a, by));
  return b_.CreateSelect(is_zero, zero, made);
}

llvm::Value* Translator::byte_order(const Insn& insn, bool wide) {
  const bool swap = wide || insn.uses_src_reg();
  llvm::Value* value = number(insn.dst);
  if (insn.imm != 16 && insn.imm != 32 && insn.imm != 64) {
    broken("a byte swap of an unknown width");
    return value;
  }
  if (insn.imm != 64) value = b_.CreateTrunc(value, b_.getIntNTy(static_cast<unsigned>(insn.imm)));
  if (swap) value = b_.CreateUnaryIntrinsic(llvm::Intrinsic::bswap, value);
  return value;
}

}  // namespace skep::jit::optimising
