// Hand-written bytecode in C++, in two styles.
//
// The classic one, as in the kernel's samples; each name is a constexpr function, not a macro:
//
//   using namespace skep::isa::macros;
//   constexpr auto prog = insns(
//       BPF_MOV64_REG(BPF_REG_6, BPF_REG_1),
//       BPF_LD_ABS(BPF_B, 23),                       // r0 = ip->proto
//       BPF_LD_MAP_FD(BPF_REG_1, map_fd),            // two slots
//       BPF_RAW_INSN(BPF_JMP | BPF_CALL, 0, 0, 0, 1),
//       BPF_JMP_IMM(BPF_JEQ, BPF_REG_0, 0, 2),
//       BPF_ATOMIC_OP(BPF_DW, BPF_ADD, BPF_REG_0, BPF_REG_1, 0),
//       BPF_EXIT_INSN());
//
// And Builder, with labels instead of counted offsets:
//
//   Builder b;
//   auto out = b.label();
//   b.emit(BPF_LD_MAP_FD(BPF_REG_1, fd)).call(1).jump_imm(BPF_JEQ, BPF_REG_0, 0, out);
//   b.bind(out).emit(BPF_EXIT_INSN());
//   Result<std::vector<Insn>> program = b.finish();
#pragma once

#include <array>
#include <cstdint>
#include <limits>
#include <span>
#include <vector>

#include "base/result.h"
#include "isa/insn.h"

namespace skep::isa {

namespace macros {

using namespace skep::isa;  // BPF_ADD, BPF_DW, BPF_JEQ, …

enum Register : uint8_t {
  BPF_REG_0,
  BPF_REG_1,
  BPF_REG_2,
  BPF_REG_3,
  BPF_REG_4,
  BPF_REG_5,
  BPF_REG_6,
  BPF_REG_7,
  BPF_REG_8,
  BPF_REG_9,
  BPF_REG_10,
  BPF_REG_FP = BPF_REG_10,
};

// ld_imm64's two slots.
using Insn2 = std::array<Insn, 2>;

// clang-format off
constexpr Insn BPF_RAW_INSN(int code, int dst, int src, int off, int imm) {
  return {.opcode = static_cast<uint8_t>(code), .dst = static_cast<uint8_t>(dst & 15), .src = static_cast<uint8_t>(src & 15),
          .off = static_cast<int16_t>(off), .imm = imm};
}
// ALU.
constexpr Insn BPF_ALU64_REG(int op, int dst, int src) { return BPF_RAW_INSN(BPF_ALU64 | op | BPF_X, dst, src, 0, 0); }
constexpr Insn BPF_ALU32_REG(int op, int dst, int src) { return BPF_RAW_INSN(BPF_ALU | op | BPF_X, dst, src, 0, 0); }
constexpr Insn BPF_ALU64_IMM(int op, int dst, int imm) { return BPF_RAW_INSN(BPF_ALU64 | op | BPF_K, dst, 0, 0, imm); }
constexpr Insn BPF_ALU32_IMM(int op, int dst, int imm) { return BPF_RAW_INSN(BPF_ALU | op | BPF_K, dst, 0, 0, imm); }
// off = 1 with BPF_DIV and BPF_MOD: signed.
constexpr Insn BPF_ALU64_REG_OFF(int op, int dst, int src, int off) { return BPF_RAW_INSN(BPF_ALU64 | op | BPF_X, dst, src, off, 0); }
constexpr Insn BPF_ALU32_REG_OFF(int op, int dst, int src, int off) { return BPF_RAW_INSN(BPF_ALU | op | BPF_X, dst, src, off, 0); }
constexpr Insn BPF_ALU64_IMM_OFF(int op, int dst, int imm, int off) { return BPF_RAW_INSN(BPF_ALU64 | op | BPF_K, dst, 0, off, imm); }
constexpr Insn BPF_ALU32_IMM_OFF(int op, int dst, int imm, int off) { return BPF_RAW_INSN(BPF_ALU | op | BPF_K, dst, 0, off, imm); }
constexpr Insn BPF_MOV64_REG(int dst, int src) { return BPF_ALU64_REG(BPF_MOV, dst, src); }
constexpr Insn BPF_MOV32_REG(int dst, int src) { return BPF_ALU32_REG(BPF_MOV, dst, src); }
constexpr Insn BPF_MOV64_IMM(int dst, int imm) { return BPF_ALU64_IMM(BPF_MOV, dst, imm); }
constexpr Insn BPF_MOV32_IMM(int dst, int imm) { return BPF_ALU32_IMM(BPF_MOV, dst, imm); }
constexpr Insn BPF_MOVSX64_REG(int dst, int src, int bits) { return BPF_ALU64_REG_OFF(BPF_MOV, dst, src, bits); }
constexpr Insn BPF_MOVSX32_REG(int dst, int src, int bits) { return BPF_ALU32_REG_OFF(BPF_MOV, dst, src, bits); }
constexpr Insn BPF_NEG64(int dst) { return BPF_RAW_INSN(BPF_ALU64 | BPF_NEG, dst, 0, 0, 0); }
constexpr Insn BPF_NEG32(int dst) { return BPF_RAW_INSN(BPF_ALU | BPF_NEG, dst, 0, 0, 0); }
// type: BPF_TO_LE or BPF_TO_BE.
constexpr Insn BPF_ENDIAN(int type, int dst, int bits) { return BPF_RAW_INSN(BPF_ALU | BPF_END | type, dst, 0, 0, bits); }
constexpr Insn BPF_BSWAP(int dst, int bits) { return BPF_RAW_INSN(BPF_ALU64 | BPF_END, dst, 0, 0, bits); }
// Memory.
constexpr Insn BPF_LDX_MEM(int size, int dst, int src, int off) { return BPF_RAW_INSN(BPF_LDX | size | BPF_MEM, dst, src, off, 0); }
constexpr Insn BPF_LDX_MEMSX(int size, int dst, int src, int off) { return BPF_RAW_INSN(BPF_LDX | size | BPF_MEMSX, dst, src, off, 0); }
constexpr Insn BPF_STX_MEM(int size, int dst, int src, int off) { return BPF_RAW_INSN(BPF_STX | size | BPF_MEM, dst, src, off, 0); }
constexpr Insn BPF_ST_MEM(int size, int dst, int off, int imm) { return BPF_RAW_INSN(BPF_ST | size | BPF_MEM, dst, 0, off, imm); }
constexpr Insn BPF_LD_ABS(int size, int imm) { return BPF_RAW_INSN(BPF_LD | size | BPF_ABS, 0, 0, 0, imm); }
constexpr Insn BPF_LD_IND(int size, int src, int imm) { return BPF_RAW_INSN(BPF_LD | size | BPF_IND, 0, src, 0, imm); }
// op: BPF_ADD, BPF_AND, BPF_OR, BPF_XOR, each also | BPF_FETCH; BPF_XCHG, BPF_CMPXCHG, BPF_STORE_REL.
constexpr Insn BPF_ATOMIC_OP(int size, int op, int dst, int src, int off) { return BPF_RAW_INSN(BPF_STX | size | BPF_ATOMIC, dst, src, off, op); }
constexpr Insn BPF_STX_XADD(int size, int dst, int src, int off) { return BPF_ATOMIC_OP(size, BPF_ADD, dst, src, off); }
constexpr Insn BPF_LOAD_ACQUIRE(int size, int dst, int src, int off) { return BPF_RAW_INSN(BPF_STX | size | BPF_ATOMIC, dst, src, off, BPF_LOAD_ACQ); }
constexpr Insn BPF_STORE_RELEASE(int size, int dst, int src, int off) { return BPF_ATOMIC_OP(size, BPF_STORE_REL, dst, src, off); }
// 64-bit constants; two slots.
constexpr Insn2 BPF_LD_IMM64_RAW_FULL(int dst, int src, int off1, int off2, int imm1, int imm2) {
  return {BPF_RAW_INSN(BPF_LD | BPF_DW | BPF_IMM, dst, src, off1, imm1), BPF_RAW_INSN(0, 0, 0, off2, imm2)};
}
constexpr Insn2 BPF_LD_IMM64_RAW(int dst, int src, uint64_t imm) {
  return BPF_LD_IMM64_RAW_FULL(dst, src, 0, 0, static_cast<int32_t>(imm), static_cast<int32_t>(imm >> 32));
}
constexpr Insn2 BPF_LD_IMM64(int dst, uint64_t imm) { return BPF_LD_IMM64_RAW(dst, 0, imm); }
constexpr Insn2 BPF_LD_MAP_FD(int dst, int fd) { return BPF_LD_IMM64_RAW_FULL(dst, BPF_PSEUDO_MAP_FD, 0, 0, fd, 0); }
constexpr Insn2 BPF_LD_MAP_VALUE(int dst, int fd, int value_off) { return BPF_LD_IMM64_RAW_FULL(dst, BPF_PSEUDO_MAP_VALUE, 0, 0, fd, value_off); }
constexpr Insn2 BPF_LD_FUNC(int dst, int relative) { return BPF_LD_IMM64_RAW_FULL(dst, BPF_PSEUDO_FUNC, 0, 0, relative, 0); }
// Jumps: `off` counts slots from the next instruction.
constexpr Insn BPF_JMP_REG(int op, int dst, int src, int off) { return BPF_RAW_INSN(BPF_JMP | op | BPF_X, dst, src, off, 0); }
constexpr Insn BPF_JMP_IMM(int op, int dst, int imm, int off) { return BPF_RAW_INSN(BPF_JMP | op | BPF_K, dst, 0, off, imm); }
constexpr Insn BPF_JMP32_REG(int op, int dst, int src, int off) { return BPF_RAW_INSN(BPF_JMP32 | op | BPF_X, dst, src, off, 0); }
constexpr Insn BPF_JMP32_IMM(int op, int dst, int imm, int off) { return BPF_RAW_INSN(BPF_JMP32 | op | BPF_K, dst, 0, off, imm); }
constexpr Insn BPF_JMP_A(int off) { return BPF_RAW_INSN(BPF_JMP | BPF_JA, 0, 0, off, 0); }
constexpr Insn BPF_JMP32_A(int imm) { return BPF_RAW_INSN(BPF_JMP32 | BPF_JA, 0, 0, 0, imm); }
constexpr Insn BPF_MAY_GOTO(int off) { return BPF_RAW_INSN(BPF_JMP | BPF_JCOND, 0, 0, off, 0); }
constexpr Insn BPF_CALL_REL(int target) { return BPF_RAW_INSN(BPF_JMP | BPF_CALL, 0, BPF_PSEUDO_CALL, 0, target); }
constexpr Insn BPF_CALL_KFUNC(int off, int btf_id) { return BPF_RAW_INSN(BPF_JMP | BPF_CALL, 0, BPF_PSEUDO_KFUNC_CALL, off, btf_id); }
// The kernel's takes BPF_FUNC_xxx as a name; here it is the helper's id.
constexpr Insn BPF_EMIT_CALL(int helper) { return BPF_RAW_INSN(BPF_JMP | BPF_CALL, 0, 0, 0, helper); }
constexpr Insn BPF_EXIT_INSN() { return BPF_RAW_INSN(BPF_JMP | BPF_EXIT, 0, 0, 0, 0); }
// clang-format on

namespace detail {
template <class T>
inline constexpr size_t kSlots = 1;
template <>
inline constexpr size_t kSlots<Insn2> = 2;
constexpr void place(Insn*& to, const Insn& insn) { *to++ = insn; }
constexpr void place(Insn*& to, const Insn2& pair) {
  *to++ = pair[0];
  *to++ = pair[1];
}
}  // namespace detail

// A program as one array, whatever number of slots each part has.
template <class... Parts>
[[nodiscard]] constexpr auto insns(const Parts&... parts) {
  std::array<Insn, (detail::kSlots<Parts> + ... + 0)> program{};
  Insn* to = program.data();
  (detail::place(to, parts), ...);
  return program;
}

}  // namespace macros

class Builder {
 public:
  // A place in the program, bound now or later. Only for the Builder that made it.
  class Label {
    friend class Builder;
    explicit Label(size_t id) : id_(id) {}
    size_t id_;
  };

  [[nodiscard]] Label label() {
    bound_.push_back(kUnbound);
    return Label(bound_.size() - 1);
  }
  Builder& bind(Label at) {
    if (bound_[at.id_] != kUnbound) twice_ = true;
    bound_[at.id_] = insns_.size();
    return *this;
  }
  [[nodiscard]] size_t position() const { return insns_.size(); }

  Builder& emit(const Insn& insn) {
    insns_.push_back(insn);
    return *this;
  }
  Builder& emit(std::span<const Insn> insns) {
    insns_.insert(insns_.end(), insns.begin(), insns.end());
    return *this;
  }
  // op: BPF_JEQ, … ; for 32 bits wide: or BPF_JMP32 instead of BPF_JMP in `cls`.
  Builder& jump_imm(int op, int dst, int imm, Label to, int cls = BPF_JMP) {
    return refer(macros::BPF_RAW_INSN(cls | op | BPF_K, dst, 0, 0, imm), to);
  }
  Builder& jump_reg(int op, int dst, int src, Label to, int cls = BPF_JMP) {
    return refer(macros::BPF_RAW_INSN(cls | op | BPF_X, dst, src, 0, 0), to);
  }
  Builder& go(Label to) { return refer(macros::BPF_JMP_A(0), to); }
  Builder& gotol(Label to) { return refer(macros::BPF_JMP32_A(0), to); }
  Builder& call(int helper) { return emit(macros::BPF_EMIT_CALL(helper)); }
  Builder& call(Label subprogram) { return refer(macros::BPF_CALL_REL(0), subprogram); }
  // dst = the address of a subprogram, for callbacks.
  Builder& load_function(int dst, Label subprogram) {
    refer(macros::BPF_LD_FUNC(dst, 0)[0], subprogram);
    return emit(macros::BPF_LD_FUNC(dst, 0)[1]);
  }
  Builder& exit() { return emit(macros::BPF_EXIT_INSN()); }

  // EINVAL where a label that is used was never bound or one was bound twice, ERANGE where a jump is too long for 16 bits.
  [[nodiscard]] Result<std::vector<Insn>> finish() const {
    if (twice_) return fail(EINVAL, "a label was bound twice");
    std::vector<Insn> out = insns_;
    for (const Use& use : uses_) {
      if (bound_[use.label] == kUnbound)
        return fail(EINVAL, "insn {}: its target label was never bound", use.at);
      const int64_t relative =
          static_cast<int64_t>(bound_[use.label]) - static_cast<int64_t>(use.at) - 1;
      Insn& insn = out[use.at];
      const bool wide = insn.opcode == (BPF_JMP | BPF_CALL) ||
                        insn.opcode == (BPF_JMP32 | BPF_JA) || is_ld_imm64(insn);
      if (wide) {
        insn.imm = static_cast<int32_t>(relative);
        continue;
      }
      if (relative < std::numeric_limits<int16_t>::min() ||
          relative > std::numeric_limits<int16_t>::max())
        return fail(ERANGE, "insn {}: its target is {} instructions away, a jump reaches 32767",
                    use.at, relative);
      insn.off = static_cast<int16_t>(relative);
    }
    return out;
  }

 private:
  static constexpr size_t kUnbound = SIZE_MAX;
  struct Use {
    size_t at;
    size_t label;
  };
  Builder& refer(const Insn& insn, Label to) {
    uses_.push_back({insns_.size(), to.id_});
    return emit(insn);
  }

  std::vector<Insn> insns_;
  std::vector<size_t> bound_;
  std::vector<Use> uses_;
  bool twice_ = false;
};

}  // namespace skep::isa
