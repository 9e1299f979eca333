// Random programs that have a fair chance to be accepted: each register has a role that it keeps.
//
//   r6 ctx   r7 map value   r0 r2 r3 r8 numbers   r9 loop counter   r1 r4 r5 scratch
//   fp-8 … fp-64 spill slots, all written at the start
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <vector>

#include "isa/insn.h"

namespace skep::soundness {

class ProgramMaker {
 public:
  explicit ProgramMaker(uint64_t seed) : state_(seed * 0x9e3779b97f4a7c15u | 1) {}

  std::vector<Insn> make() {
    using namespace isa;
    emit(BPF_ALU64 | BPF_MOV | BPF_X, 6, 1, 0, 0);
    emit(BPF_LD | BPF_IMM | BPF_DW, 7, BPF_PSEUDO_MAP_IDX_VALUE, 0, 0);
    insns_.push_back({});
    for (int off = -8; off >= -64; off -= 8) emit(BPF_ST | BPF_MEM | BPF_DW, 10, 0, off, 0);
    for (unsigned r : kNumbers) load_number(r);
    emit(BPF_ALU64 | BPF_MOV | BPF_K, 9, 0, 0, 0);
    with_function_ = one_in(3);
    block(4 + pick(22), 0);
    emit(BPF_ALU64 | BPF_MOV | BPF_K, 0, 0, 0, 2);
    emit(BPF_JMP | BPF_EXIT, 0, 0, 0, 0);
    if (!calls_.empty()) {
      const auto start = static_cast<int32_t>(insns_.size());
      for (const size_t call : calls_) insns_[call].imm = start - static_cast<int32_t>(call) - 1;
      in_function_ = true;
      emit(BPF_ALU64 | BPF_MOV | BPF_X, 0, 1, 0, 0);
      for (unsigned i = pick(6); i-- > 0;) arithmetic(i % 2 == 0 ? 0 : 2);
      emit(BPF_JMP | BPF_EXIT, 0, 0, 0, 0);
    }
    return insns_;
  }

 private:
  static constexpr std::array<unsigned, 4> kNumbers{0, 2, 3, 8};

  uint64_t next() {
    state_ ^= state_ << 13;
    state_ ^= state_ >> 7;
    state_ ^= state_ << 17;
    return state_;
  }
  unsigned pick(unsigned n) { return static_cast<unsigned>((next() >> 20) % n); }
  bool one_in(unsigned n) { return pick(n) == 0; }
  unsigned number() { return in_function_ ? (one_in(2) ? 0u : 2u) : kNumbers[pick(4)]; }

  void emit(unsigned opcode, unsigned dst, unsigned src, int off, int64_t imm) {
    Insn insn;
    insn.opcode = static_cast<uint8_t>(opcode);
    insn.dst = static_cast<uint8_t>(dst & 15);
    insn.src = static_cast<uint8_t>(src & 15);
    insn.off = static_cast<int16_t>(off);
    insn.imm = static_cast<int32_t>(imm);
    insns_.push_back(insn);
  }
  int32_t constant() {
    static constexpr int64_t kEdges[] = {0,          1,
                                         2,          3,
                                         7,          8,
                                         15,         16,
                                         31,         32,
                                         47,         48,
                                         63,         64,
                                         127,        255,
                                         256,        0xffff,
                                         0x7fffffff, -1,
                                         -2,         -8,
                                         -64,        -128,
                                         -32768,     -2147483648LL,
                                         0x10000,    0x1ffffff,
                                         0x55555555};
    return one_in(4) ? static_cast<int32_t>(next())
                     : static_cast<int32_t>(kEdges[pick(std::size(kEdges))]);
  }
  void load_number(unsigned r) {
    using namespace isa;
    switch (pick(4)) {
      case 0: emit(BPF_ALU64 | BPF_MOV | BPF_K, r, 0, 0, constant()); break;
      case 1:
        emit(BPF_LD | BPF_IMM | BPF_DW, r, 0, 0, constant());
        insns_.push_back({});
        insns_.back().imm = constant();
        break;
      case 2: emit(BPF_LDX | BPF_MEM | BPF_W, r, 6, 12 + 4 * static_cast<int>(pick(2)), 0); break;
      default: emit(BPF_LDX | BPF_MEM | size(), r, 7, 8 * static_cast<int>(pick(5)), 0); break;
    }
  }
  unsigned size() {
    using namespace isa;
    constexpr std::array<uint8_t, 4> kSizes{BPF_B, BPF_H, BPF_W, BPF_DW};
    return kSizes[pick(4)];
  }
  void arithmetic(unsigned d) {
    using namespace isa;
    const unsigned cls = one_in(2) ? BPF_ALU64 : BPF_ALU;
    const unsigned width = cls == BPF_ALU64 ? 64 : 32;
    switch (pick(10)) {
      case 0:  // shifts by a constant
        emit(cls | std::array<uint8_t, 3>{BPF_LSH, BPF_RSH, BPF_ARSH}[pick(3)] | BPF_K, d, 0, 0,
             pick(width));
        break;
      case 1:
        if (one_in(2)) {
          emit(cls | BPF_NEG, d, 0, 0, 0);
        } else {
          emit((one_in(2) ? BPF_ALU : BPF_ALU64) | BPF_END | BPF_TO_LE, d, 0, 0, 16 << pick(3));
        }
        break;
      case 2: {  // moves with sign extension
        static constexpr int kBits[] = {8, 16, 32};
        const unsigned bits = pick(cls == BPF_ALU64 ? 3 : 2);
        emit(cls | BPF_MOV | BPF_X, d, number(), one_in(2) ? kBits[bits] : 0, 0);
        break;
      }
      case 3: {  // division
        const unsigned op = one_in(2) ? BPF_DIV : BPF_MOD;
        if (one_in(2)) {
          emit(cls | op | BPF_X, d, number(), one_in(2) ? 1 : 0, 0);
        } else {
          int32_t by = constant();
          emit(cls | op | BPF_K, d, 0, one_in(2) ? 1 : 0, by == 0 ? 3 : by);
        }
        break;
      }
      default: {
        static constexpr uint8_t kOps[] = {isa::BPF_ADD, isa::BPF_SUB, isa::BPF_MUL, isa::BPF_OR,
                                           isa::BPF_AND, isa::BPF_XOR, isa::BPF_AND, isa::BPF_ADD,
                                           isa::BPF_MOV, isa::BPF_LSH, isa::BPF_RSH, isa::BPF_ARSH};
        const bool from_register = one_in(2);
        const uint8_t op = kOps[pick(from_register ? 12 : 9)];
        emit(cls | op | (from_register ? BPF_X : BPF_K), d, from_register ? number() : 0, 0,
             from_register ? 0 : constant());
        break;
      }
    }
  }
  void condition(unsigned r, int skip) {
    using namespace isa;
    static constexpr uint8_t kOps[] = {BPF_JEQ,  BPF_JNE,  BPF_JGT,  BPF_JGE,  BPF_JLT, BPF_JLE,
                                       BPF_JSGT, BPF_JSGE, BPF_JSLT, BPF_JSLE, BPF_JSET};
    const unsigned cls = one_in(2) ? BPF_JMP : BPF_JMP32;
    const unsigned op = kOps[pick(std::size(kOps))];
    if (one_in(2)) {
      emit(cls | op | BPF_K, r, 0, skip, constant());
    } else {
      emit(cls | op | BPF_X, r, number(), skip, 0);
    }
  }
  // Up to `count` statements; jumps go forward over whole statements.
  void block(unsigned count, unsigned depth) {
    while (count-- > 0) statement(depth);
  }
  void guarded(unsigned depth) {
    const size_t jump = insns_.size();
    condition(number(), 0);
    block(1 + pick(4), depth + 1);
    insns_[jump].off = static_cast<int16_t>(insns_.size() - jump - 1);
  }
  void statement(unsigned depth) {
    using namespace isa;
    switch (pick(21)) {
      case 16: linked(); break;
      case 17: mask(); break;
      case 18: atomic(); break;
      case 19: emit(BPF_ALU64 | BPF_END, number(), 0, 0, 16 << pick(3)); break;
      case 20:
        emit(BPF_LDX | BPF_MEMSX | std::array<uint8_t, 3>{BPF_B, BPF_H, BPF_W}[pick(3)], number(),
             7, 8 * static_cast<int>(pick(5)), 0);
        break;
      case 0: load_number(number()); break;
      case 1:
      case 2:
        if (depth < 3) guarded(depth);
        break;
      case 3: {  // spill
        const unsigned s = size();
        const int bytes = s == BPF_B ? 1 : s == BPF_H ? 2 : s == BPF_W ? 4 : 8;
        const int off = -8 * static_cast<int>(1 + pick(8)) +
                        (one_in(3) ? bytes * static_cast<int>(pick(8 / bytes)) : 0);
        if (one_in(4)) {
          emit(BPF_ST | BPF_MEM | s, 10, 0, off, constant());
        } else {
          emit(BPF_STX | BPF_MEM | s, 10, number(), off, 0);
        }
        break;
      }
      case 4: {  // fill
        const unsigned s = size();
        const int bytes = s == BPF_B ? 1 : s == BPF_H ? 2 : s == BPF_W ? 4 : 8;
        const int off = -8 * static_cast<int>(1 + pick(8)) +
                        (one_in(3) ? bytes * static_cast<int>(pick(8 / bytes)) : 0);
        emit(BPF_LDX | (s != BPF_DW && one_in(3) ? BPF_MEMSX : BPF_MEM) | s, number(), 10, off, 0);
        break;
      }
      case 5:
      case 6: indexed(7, 48); break;
      case 7: indexed(10, 64); break;
      case 8: packet(); break;
      case 9:  // a loop
        if (depth == 0) {
          emit(BPF_ALU64 | BPF_MOV | BPF_K, 9, 0, 0, 0);
          const size_t top = insns_.size();
          block(1 + pick(3), 2);
          if (insns_.size() == top) arithmetic(number());
          emit(BPF_ALU64 | BPF_ADD | BPF_K, 9, 0, 0, 1);
          emit(BPF_JMP | BPF_JLT | BPF_K, 9, 0,
               static_cast<int>(top) - static_cast<int>(insns_.size()) - 1, 2 + pick(6));
        }
        break;
      case 10:
        if (with_function_ && depth < 2) {
          emit(BPF_ALU64 | BPF_MOV | BPF_X, 1, number(), 0, 0);
          if (!one_in(2)) emit(BPF_ALU64 | BPF_MOV | BPF_X, 2, 3, 0, 0);
          calls_.push_back(insns_.size());
          emit(BPF_JMP | BPF_CALL, 0, BPF_PSEUDO_CALL, 0, 0);
          load_number(2);
          load_number(3);
        }
        break;
      case 11:  // atomics
        emit(BPF_STX | BPF_ATOMIC | (one_in(2) ? BPF_W : BPF_DW), one_in(2) ? 7 : 10, number(),
             one_in(2) ? -8 : 8, one_in(2) ? BPF_ADD : (BPF_ADD | BPF_FETCH));
        break;
      default: arithmetic(number()); break;
    }
  }
  // A copy that is some constant away from its original; what a branch teaches of one says as much of the other.
  void linked() {
    using namespace isa;
    const unsigned n = number();
    if (one_in(2)) emit(BPF_ALU64 | BPF_AND | BPF_K, n, 0, 0, one_in(2) ? 0xff : 0x7fffffff);
    emit((one_in(3) ? BPF_ALU : BPF_ALU64) | BPF_MOV | BPF_X, 1, n, 0, 0);
    const unsigned cls = one_in(2) ? BPF_ALU64 : BPF_ALU;
    const int32_t delta = one_in(2) ? static_cast<int32_t>(pick(40)) - 20 : constant();
    emit(cls | (one_in(2) ? BPF_ADD : BPF_SUB) | BPF_K, one_in(2) ? 1 : n, 0, 0, delta);
    const size_t jump = insns_.size();
    condition(one_in(2) ? 1 : n, 0);
    emit(BPF_ALU64 | BPF_MOV | BPF_X, 4, one_in(2) ? 1 : n, 0, 0);
    if (one_in(2))
      emit(BPF_JMP | BPF_JGT | BPF_K, one_in(2) ? 1 : n, 0, 2, 40 + static_cast<int>(pick(8)));
    else
      emit(BPF_ALU64 | BPF_AND | BPF_K, 4, 0, 0, 31);
    emit(BPF_ALU64 | BPF_ADD | BPF_X, 4, 7, 0, 0);
    emit(BPF_LDX | BPF_MEM | BPF_B, number(), 4, 0, 0);
    insns_[jump].off = static_cast<int16_t>(insns_.size() - jump - 1);
  }
  // x s>> 31 and the like: all bits or none, then a mask.
  void mask() {
    using namespace isa;
    const unsigned n = number();
    const bool wide = one_in(2);
    emit((wide ? BPF_ALU64 : BPF_ALU) | BPF_ARSH | BPF_K, n, 0, 0, wide ? 63 : 31);
    emit((one_in(2) ? BPF_ALU64 : BPF_ALU) | (one_in(4) ? BPF_OR : BPF_AND) | BPF_K, n, 0, 0,
         constant());
  }
  void atomic() {
    using namespace isa;
    static constexpr int32_t kOps[] = {BPF_ADD,
                                       BPF_AND,
                                       BPF_OR,
                                       BPF_XOR,
                                       BPF_ADD | BPF_FETCH,
                                       BPF_AND | BPF_FETCH,
                                       BPF_OR | BPF_FETCH,
                                       BPF_XOR | BPF_FETCH,
                                       BPF_XCHG,
                                       BPF_CMPXCHG,
                                       BPF_LOAD_ACQ,
                                       BPF_STORE_REL};
    const int32_t op = kOps[pick(std::size(kOps))];
    const bool on_stack = one_in(2);
    const unsigned base = on_stack ? 10 : 7;
    const int off = on_stack ? -8 * static_cast<int>(1 + pick(8)) : 8 * static_cast<int>(pick(5));
    const unsigned s = one_in(2) ? BPF_W : BPF_DW;
    if (op == BPF_LOAD_ACQ) {
      emit(BPF_STX | BPF_ATOMIC | s, number(), base, off, op);
    } else {
      emit(BPF_STX | BPF_ATOMIC | s, base, number(), off, op);
    }
  }
  // base[number], where the number was bounded somehow near `room`.
  void indexed(unsigned base, int room) {
    using namespace isa;
    const unsigned s = size();
    const int bytes = s == BPF_B ? 1 : s == BPF_H ? 2 : s == BPF_W ? 4 : 8;
    const unsigned n = number();
    emit(BPF_ALU64 | BPF_MOV | BPF_X, 1, n, 0, 0);
    size_t jump = 0;
    const int limit =
        room - bytes + (one_in(6) ? 1 : 0) - (one_in(4) ? static_cast<int>(pick(8)) : 0);
    if (one_in(3)) {
      emit(BPF_ALU64 | BPF_AND | BPF_K, 1, 0, 0, one_in(2) ? 31 : 7);
    } else {
      jump = insns_.size();
      // Sometimes the copy, sometimes the original, sometimes only the low half.
      const bool low = one_in(4);
      emit((low ? BPF_JMP32 : BPF_JMP) | BPF_JGT | BPF_K, one_in(3) ? n : 1, 0, 0, limit);
      if (low && one_in(2)) emit(BPF_ALU | BPF_MOV | BPF_X, 1, 1, 0, 0);
    }
    emit(BPF_ALU64 | BPF_MOV | BPF_X, 4, base, 0, 0);
    if (base == 10) emit(BPF_ALU64 | BPF_ADD | BPF_K, 4, 0, 0, -64);
    emit(BPF_ALU64 | BPF_ADD | BPF_X, 4, 1, 0, 0);
    if (base == 10 && s != BPF_B) emit(BPF_ALU64 | BPF_MOV | BPF_X, 4, 10, 0, 0);
    if (base == 10 && s != BPF_B) emit(BPF_ALU64 | BPF_ADD | BPF_K, 4, 0, 0, -8);
    switch (pick(3)) {
      case 0: emit(BPF_STX | BPF_MEM | s, 4, number(), 0, 0); break;
      case 1: emit(BPF_ST | BPF_MEM | s, 4, 0, 0, one_in(2) ? 0 : constant()); break;
      default: emit(BPF_LDX | BPF_MEM | s, number(), 4, 0, 0); break;
    }
    if (jump != 0) insns_[jump].off = static_cast<int16_t>(insns_.size() - jump - 1);
  }
  void packet() {
    using namespace isa;
    const unsigned s = size();
    const int bytes = s == BPF_B ? 1 : s == BPF_H ? 2 : s == BPF_W ? 4 : 8;
    const int at = static_cast<int>(pick(24));
    emit(BPF_LDX | BPF_MEM | BPF_W, 4, 6, 0, 0);
    emit(BPF_LDX | BPF_MEM | BPF_W, 5, 6, 4, 0);
    if (one_in(2)) {
      emit(BPF_ALU64 | BPF_MOV | BPF_X, 1, number(), 0, 0);
      emit(BPF_ALU64 | BPF_AND | BPF_K, 1, 0, 0, 15);
      emit(BPF_ALU64 | BPF_ADD | BPF_X, 4, 1, 0, 0);
    }
    emit(BPF_ALU64 | BPF_MOV | BPF_X, 1, 4, 0, 0);
    emit(BPF_ALU64 | BPF_ADD | BPF_K, 1, 0, 0, at + bytes - (one_in(8) ? 1 : 0));
    const size_t jump = insns_.size();
    const unsigned op = std::array<uint8_t, 3>{BPF_JGT, BPF_JGT, BPF_JGE}[pick(3)];
    emit(BPF_JMP | op | BPF_X, 1, 5, 0, 0);
    if (one_in(3)) {
      emit(BPF_STX | BPF_MEM | s, 4, number(), at, 0);
    } else {
      emit(BPF_LDX | BPF_MEM | s, number(), 4, at, 0);
    }
    insns_[jump].off = static_cast<int16_t>(insns_.size() - jump - 1);
  }

  uint64_t state_;
  std::vector<Insn> insns_;
  std::vector<size_t> calls_;
  bool with_function_ = false, in_function_ = false;
};

inline std::vector<Insn> random_program(uint64_t seed) { return ProgramMaker(seed).make(); }

}  // namespace skep::soundness
