// Random programs for trying engines against each other: they always end, touch nothing but their stack and a
// context of kContextBytes bytes at r1, and give the same result on every right engine. They are rich in what a
// code generator treats specially: address arithmetic, copies, selects, rotates, load-op-store sequences, stack
// slots, loops, subprograms, helpers, atomics, packet loads.
//
// r9 holds the context in every function; r8 and r7 count loops. No address of the stack gets into a value.
// Helper 5 takes five arguments.
//
// With kVerifiable they are programs of type sched_cls that a verifier accepts (all but a few): r9 is map 0's
// value instead of the context, r6 the context where there is one function, helpers are those of maps 1 (hash) and
// 2 (array), bpf_loop and for_each_map_elem with callbacks, and tail calls into map 3 (a program array); functions
// take an address of their caller's stack in some; and no address gets into a number.
#pragma once

#include <array>
#include <cstdint>
#include <iterator>
#include <vector>

#include "isa/insn.h"

namespace skep {

class RandomProgram {
 public:
  static constexpr int kContextBytes = 256, kPacketBytes = 64;

  enum Shape { kAny, kVerifiable };
  static constexpr uint32_t kHashEntries = 8, kArrayEntries = 5, kElementBytes = 24;
  static constexpr uint32_t kTailCalls = 4;  // elements of map 3

  explicit RandomProgram(uint64_t seed, Shape shape = kAny)
      : verifiable_(shape == kVerifiable), state_(seed * 2 + 1) {}

  // Instructions for VerifiedProgramMaker::unverified.
  [[nodiscard]] std::vector<Insn> make() {
    unsigned functions = 1 + (one_in(3) ? below(3) : 0);
    starts_.clear();
    functions_ = functions;
    callbacks_ = verifiable_ && one_in(4) ? 1 + below(2) : 0;
    shares_stack_ = verifiable_ && one_in(3);
    for (unsigned f = 0; f < functions; f++) {
      starts_.push_back(out_.size());
      last_function_ = f + 1 == functions;
      function_ = f;
      escapes_ = one_in(2);
      function_body(f == 0);
    }
    for (unsigned f = 0; f < callbacks_; f++) {
      starts_.push_back(out_.size());
      callback_body(f == 1);
    }
    for (auto [at, callee] : calls_)
      out_[at].imm = static_cast<int32_t>(starts_[callee]) - static_cast<int32_t>(at) - 1;
    return std::move(out_);
  }
  // Where the functions of the last program begin; the callbacks are its last.
  [[nodiscard]] const std::vector<size_t>& starts() const { return starts_; }
  [[nodiscard]] bool has_callbacks() const { return callbacks_ != 0; }
  // Its result may hang on the order of a hash map's elements.
  [[nodiscard]] bool visits_hash() const { return visits_hash_; }

 private:
  using B = uint8_t;
  static constexpr int kStack = 64;  // bytes of it that are used, all written first

  uint64_t next() {
    uint64_t z = state_ += 0x9e3779b97f4a7c15;
    z = (z ^ z >> 30) * 0xbf58476d1ce4e5b9;
    z = (z ^ z >> 27) * 0x94d049bb133111eb;
    return z ^ z >> 31;
  }
  unsigned below(unsigned n) { return static_cast<unsigned>(next() % n); }
  bool one_in(unsigned n) { return below(n) == 0; }
  int32_t imm() {
    switch (below(8)) {
      case 0: return static_cast<int32_t>(below(4));
      case 1: return -1 - static_cast<int32_t>(below(4));
      case 2: return INT32_MIN + static_cast<int32_t>(below(2));
      case 3: return INT32_MAX - static_cast<int32_t>(below(2));
      case 4: return static_cast<int32_t>(1u << below(32));
      case 5: return static_cast<int32_t>(0xffu << 8 * below(4));
      case 6: return static_cast<int32_t>(below(2000)) - 1000;
      default: return static_cast<int32_t>(next());
    }
  }
  // Registers that hold no number for others to take.
  bool reserved(unsigned r) const { return verifiable_ && (r == 9 || (r == 6 && packets())); }
  bool packets() const { return functions_ == 1; }  // and context
  unsigned source() {
    for (;;)
      if (unsigned r = below(10); !reserved(r)) return r;
  }
  unsigned target() {
    for (;;) {
      unsigned r = below(9);
      if ((r == 8 && loops_ > 0) || (r == 7 && loops_ > 1) || reserved(r)) continue;
      return r;
    }
  }

  void emit(int opcode, unsigned dst, unsigned src, int off, int32_t value) {
    out_.push_back({.opcode = static_cast<B>(opcode),
                    .dst = static_cast<B>(dst & 15),
                    .src = static_cast<B>(src & 15),
                    .off = static_cast<int16_t>(off),
                    .imm = value});
  }
  void load_constant(unsigned reg) {
    if (one_in(3)) {
      uint64_t value = one_in(2) ? next() : uint64_t{1} << below(64);
      emit(isa::BPF_LD | isa::BPF_IMM | isa::BPF_DW, reg, 0, 0, static_cast<int32_t>(value));
      emit(0, 0, 0, 0, static_cast<int32_t>(value >> 32));
    } else {
      emit((one_in(2) ? isa::BPF_ALU64 : isa::BPF_ALU) | isa::BPF_MOV | isa::BPF_K, reg, 0, 0,
           imm());
    }
  }
  void refill_scratch() {
    for (unsigned r = 1; r <= 5; r++) {
      if (one_in(2)) {
        load_constant(r);
      } else {
        unsigned from = one_in(2) ? 0 : 6 + below(3);
        emit(isa::BPF_ALU64 | isa::BPF_MOV | isa::BPF_X, r, reserved(from) ? 0 : from, 0, 0);
      }
    }
  }

  void load_memory() {  // r9
    if (!verifiable_) return emit(isa::BPF_ALU64 | isa::BPF_MOV | isa::BPF_X, 9, 1, 0, 0);
    emit(isa::BPF_LD | isa::BPF_IMM | isa::BPF_DW, 9, isa::BPF_PSEUDO_MAP_IDX_VALUE, 0, 0);
    emit(0, 0, 0, 0, 0);
  }
  void load_map(unsigned reg, int32_t map) {
    emit(isa::BPF_LD | isa::BPF_IMM | isa::BPF_DW, reg, isa::BPF_PSEUDO_MAP_IDX, 0, map);
    emit(0, 0, 0, 0, 0);
  }
  void stack_address(unsigned reg, int32_t at) {
    emit(isa::BPF_ALU64 | isa::BPF_MOV | isa::BPF_X, reg, 10, 0, 0);
    emit(isa::BPF_ALU64 | isa::BPF_ADD | isa::BPF_K, reg, 0, 0, at);
  }
  void call_helper(int32_t id) { emit(isa::BPF_JMP | isa::BPF_CALL, 0, 0, 0, id); }

  // One operation on the hash map or the array, with a key that may not be there; r0 is a number afterwards.
  void use_map() {
    bool hash = one_in(2);
    unsigned key = source();
    emit(isa::BPF_ALU64 | isa::BPF_MOV | isa::BPF_X, 1, key, 0, 0);
    if (one_in(4)) {
      emit(isa::BPF_ALU64 | isa::BPF_MOV | isa::BPF_K, 1, 0, 0, static_cast<int32_t>(below(8)));
    } else {
      emit(isa::BPF_ALU64 | isa::BPF_AND | isa::BPF_K, 1, 0, 0, 7);
    }
    emit(isa::BPF_STX | isa::BPF_MEM | isa::BPF_W, 10, 1, -8, 0);
    stack_address(2, -8);
    load_map(1, hash ? 1 : 2);
    unsigned kind = below(hash ? 4 : 3);
    if (kind == 2) {
      stack_address(3, -kStack + static_cast<int32_t>(8 * below(4)));
      emit(isa::BPF_ALU64 | isa::BPF_MOV | isa::BPF_K, 4, 0, 0, static_cast<int32_t>(below(3)));
      return call_helper(2);  // map_update_elem
    }
    if (kind == 3) return call_helper(3);  // map_delete_elem
    call_helper(1);
    size_t at = out_.size();
    bool equal = one_in(2);
    emit(isa::BPF_JMP | (equal ? isa::BPF_JEQ : isa::BPF_JNE) | isa::BPF_K, 0, 0, 0, 0);
    if (!equal) {
      emit(isa::BPF_ALU64 | isa::BPF_MOV | isa::BPF_K, 0, 0, 0, imm());
      out_[at].off = 2;
      at = out_.size();
      emit(isa::BPF_JMP | isa::BPF_JA, 0, 0, 0, 0);
    }
    auto off = static_cast<int>(8 * below(kElementBytes / 8));
    if (one_in(2))
      emit(isa::BPF_ST | isa::BPF_MEM | isa::BPF_DW, 0, 0, off, imm());
    else if (one_in(2))
      emit(isa::BPF_STX | isa::BPF_ATOMIC | isa::BPF_DW, 0, one_in(2) ? 7 : 8, off, isa::BPF_ADD);
    emit(isa::BPF_LDX | isa::BPF_MEM | size_code(), 0, 0, off, 0);
    out_[at].off = static_cast<int16_t>(out_.size() - at - 1);
  }
  // struct __sk_buff at r6: fields, and the packet itself.
  void use_context() {
    static constexpr int kWritable[] = {8 /* mark */, 32 /* priority */, 48, 52, 56, 60, 64};  // cb
    static constexpr int kReadable[] = {0 /* len */, 8, 16 /* protocol */, 32, 48, 52, 56, 60, 64};
    switch (below(3)) {
      case 0: {
        int off = kReadable[below(std::size(kReadable))];
        return emit(isa::BPF_LDX | isa::BPF_MEM | isa::BPF_W, target(), 6, off, 0);
      }
      case 1: {
        int off = kWritable[below(std::size(kWritable))];
        return emit(isa::BPF_STX | isa::BPF_MEM | isa::BPF_W, 6, source(), off, 0);
      }
      default: break;
    }
    int size = size_code();
    auto room = static_cast<int32_t>(8 + below(kPacketBytes));    // sometimes more than there is
    emit(isa::BPF_LDX | isa::BPF_MEM | isa::BPF_W, 1, 6, 76, 0);  // data
    emit(isa::BPF_LDX | isa::BPF_MEM | isa::BPF_W, 2, 6, 80, 0);  // data_end
    emit(isa::BPF_ALU64 | isa::BPF_MOV | isa::BPF_X, 3, 1, 0, 0);
    emit(isa::BPF_ALU64 | isa::BPF_ADD | isa::BPF_K, 3, 0, 0, room);
    emit(isa::BPF_JMP | isa::BPF_JGT | isa::BPF_X, 3, 2, 1, 0);
    auto off = static_cast<int>(below(static_cast<unsigned>(room - bytes(size) + 1)));
    if (one_in(3))
      emit(isa::BPF_STX | isa::BPF_MEM | size, 1, one_in(2) ? 0 : 8, off, 0);
    else
      emit(isa::BPF_LDX | isa::BPF_MEM | size, 0, 1, off, 0);
    for (unsigned r = 1; r <= 3; r++) load_constant(r);
  }
  // bpf_loop over the first callback, or for_each_map_elem of map 1 or 2 over the second. Their context is a number on
  // this function's stack, which they add to.
  void call_back() {
    bool each = callbacks_ == 2 && one_in(2);
    unsigned callee = functions_ + (each ? 1 : 0);
    called_back_ |= 1u << (each ? 1 : 0);
    bool hash = each && one_in(2);
    visits_hash_ |= hash;
    if (each)
      load_map(1, hash ? 1 : 2);
    else
      emit(isa::BPF_ALU64 | isa::BPF_MOV | isa::BPF_K, 1, 0, 0, static_cast<int32_t>(below(5)));
    calls_.emplace_back(out_.size(), callee);
    emit(isa::BPF_LD | isa::BPF_IMM | isa::BPF_DW, 2, isa::BPF_PSEUDO_FUNC, 0, 0);
    emit(0, 0, 0, 0, 0);
    stack_address(3, -kStack + static_cast<int32_t>(8 * below(kStack / 8)));
    emit(isa::BPF_ALU64 | isa::BPF_MOV | isa::BPF_K, 4, 0, 0, 0);
    call_helper(each ? 164 : 181);
  }
  // (index, context), or (map, key, value, context): r0 says whether to stop.
  void callback_body(bool each) {
    unsigned context = each ? 4 : 2;
    emit(isa::BPF_LDX | isa::BPF_MEM | isa::BPF_DW, 7, context, 0, 0);
    if (each) {
      emit(isa::BPF_LDX | isa::BPF_MEM | isa::BPF_W, 8, 2, 0, 0);
      emit(isa::BPF_LDX | isa::BPF_MEM | isa::BPF_DW, 6, 3, static_cast<int>(8 * below(3)), 0);
      if (one_in(2)) emit(isa::BPF_STX | isa::BPF_MEM | isa::BPF_DW, 3, 7, 8, 0);
    } else {
      emit(isa::BPF_ALU64 | isa::BPF_MOV | isa::BPF_X, 8, 1, 0, 0);
      load_constant(6);
    }
    emit(isa::BPF_ALU64 | isa::BPF_XOR | isa::BPF_X, 6, 8, 0, 0);
    unsigned steps = 1 + below(6);
    int ops[] = {isa::BPF_ADD, isa::BPF_SUB, isa::BPF_MUL, isa::BPF_OR, isa::BPF_AND, isa::BPF_XOR};
    for (unsigned k = 0; k < steps; k++)
      emit((one_in(2) ? isa::BPF_ALU64 : isa::BPF_ALU) | ops[below(6)] | isa::BPF_X, 6 + below(3),
           6 + below(3), 0, 0);
    emit(isa::BPF_ALU64 | isa::BPF_ADD | isa::BPF_X, 7, 6, 0, 0);
    emit(isa::BPF_STX | isa::BPF_MEM | isa::BPF_DW, context, 7, 0, 0);
    if (one_in(3)) {  // the program's memory
      load_memory();
      emit(isa::BPF_STX | isa::BPF_ATOMIC | isa::BPF_DW, 9, 8, static_cast<int>(8 * below(32)),
           isa::BPF_ADD);
    }
    emit(isa::BPF_ALU64 | isa::BPF_MOV | isa::BPF_X, 0, 6, 0, 0);
    emit(isa::BPF_ALU64 | isa::BPF_AND | isa::BPF_K, 0, 0, 0, one_in(2) ? 1 : 0);
    emit(isa::BPF_JMP | isa::BPF_EXIT, 0, 0, 0, 0);
  }
  // Of main: what is at the index goes on in its place, or nothing does, and r0 is a number that engines differ in.
  void tail_call() {
    emit(isa::BPF_ALU64 | isa::BPF_MOV | isa::BPF_X, 1, 6, 0, 0);
    load_map(2, 3);
    if (one_in(2)) {
      emit(isa::BPF_ALU64 | isa::BPF_MOV | isa::BPF_K, 3, 0, 0,
           static_cast<int32_t>(below(kTailCalls + 1)));
    } else {
      emit(isa::BPF_ALU64 | isa::BPF_MOV | isa::BPF_X, 3, one_in(2) ? 7 : 8, 0, 0);
      emit(isa::BPF_ALU64 | isa::BPF_AND | isa::BPF_K, 3, 0, 0, 7);
    }
    call_helper(12);
    load_constant(0);
  }
  // A verifier wants every function to be called.
  void call_the_rest() {
    for (unsigned f = 0; f < callbacks_; f++)
      while ((called_back_ >> f & 1) == 0) call_back(), refill_scratch();
    for (unsigned f = 1; f < functions_; f++) {
      bool called = false;
      for (auto [at, callee] : calls_) called |= callee == f;
      if (called) continue;
      if (shares_stack_) stack_address(1, -kStack);
      calls_.emplace_back(out_.size(), f);
      emit(isa::BPF_JMP | isa::BPF_CALL, 0, isa::BPF_PSEUDO_CALL, 0, 0);
      refill_scratch();
    }
  }
  void function_body(bool main) {
    loops_ = 0;
    int budget = main ? 60 : 25;
    if (main) {
      load_memory();
      if (verifiable_ && packets()) emit(isa::BPF_ALU64 | isa::BPF_MOV | isa::BPF_X, 6, 1, 0, 0);
      for (unsigned r = 0; r < 9; r++) {
        if (reserved(r)) continue;
        if (one_in(2)) {
          load_constant(r);
        } else {
          emit(isa::BPF_LDX | isa::BPF_MEM | isa::BPF_DW, r, 9, static_cast<int>(8 * below(32)), 0);
        }
      }
    } else {  // r1: context; r2 to r5: numbers
      load_memory();
      if (shares_stack_) {  // r1: kStack bytes of the caller's stack
        emit(isa::BPF_LDX | isa::BPF_MEM | isa::BPF_DW, 6, 1, static_cast<int>(8 * below(8)), 0);
        emit(isa::BPF_STX | isa::BPF_MEM | isa::BPF_DW, 1, 2, static_cast<int>(8 * below(8)), 0);
        emit(isa::BPF_STX | isa::BPF_MEM | isa::BPF_DW, 9, 6, static_cast<int>(8 * below(31)), 0);
      }
      for (unsigned r = 0; r < 9; r++) {
        if (r >= 2 && r <= 5) continue;
        load_constant(r);
      }
    }
    for (int at = -kStack; at < 0; at += 8)
      emit(isa::BPF_ST | isa::BPF_MEM | isa::BPF_DW, 10, 0, at, imm());
    block(budget, 0);
    if (main && verifiable_) call_the_rest();
    // All that the function made goes into the result.
    for (unsigned r = 1; r < 9; r++) {
      if (reserved(r)) continue;
      emit(isa::BPF_ALU64 | isa::BPF_MUL | isa::BPF_K, 0, 0, 0, 0x01000193);
      emit(isa::BPF_ALU64 | isa::BPF_XOR | isa::BPF_X, 0, r, 0, 0);
    }
    for (int at = -kStack; at < 0; at += 8) {
      emit(isa::BPF_LDX | isa::BPF_MEM | isa::BPF_DW, 1, 10, at, 0);
      emit(isa::BPF_ALU64 | isa::BPF_ADD | isa::BPF_X, 0, 1, 0, 0);
    }
    if (verifiable_) emit(isa::BPF_STX | isa::BPF_MEM | isa::BPF_DW, 9, 0, kContextBytes - 8, 0);
    emit(isa::BPF_JMP | isa::BPF_EXIT, 0, 0, 0, 0);
  }

  void block(int budget, int depth) {
    while (budget > 0) {
      unsigned kind = below(depth < 3 ? 24 : 20);
      budget -= 2;
      if (kind < 9) {
        alu();
      } else if (kind < 12) {
        memory();
      } else if (kind == 12) {
        atomic();
      } else if (kind == 13) {
        rotate();
      } else if (kind == 14) {
        select();
      } else if (kind == 15) {
        indexed();
      } else if (kind == 16) {
        slot();
      } else if (kind == 17) {
        load_op_store();
      } else if (kind == 18) {
        extend();
      } else if (kind == 19) {
        if (one_in(2)) call();
      } else if (kind < 23) {
        branch(budget / 3, depth);
        budget -= budget / 3;
      } else if (loops_ < 2) {
        loop(budget / 3, depth);
        budget -= budget / 3;
      }
    }
  }

  void alu() {
    int cls = one_in(2) ? isa::BPF_ALU64 : isa::BPF_ALU;
    unsigned dst = target(), src = source();
    switch (below(8)) {
      case 0: return emit(cls | isa::BPF_NEG, dst, 0, 0, 0);
      case 1: {
        int sizes[] = {16, 32, 64};
        if (one_in(2)) return emit(isa::BPF_ALU64 | isa::BPF_END, dst, 0, 0, sizes[below(3)]);
        return emit(isa::BPF_ALU | isa::BPF_END | (one_in(2) ? isa::BPF_TO_BE : 0), dst, 0, 0,
                    sizes[below(3)]);
      }
      case 2: {
        int offs64[] = {0, 8, 16, 32}, offs32[] = {0, 8, 16};
        int off = cls == isa::BPF_ALU64 ? offs64[below(4)] : offs32[below(3)];
        return emit(cls | isa::BPF_MOV | isa::BPF_X, dst, src, off, 0);
      }
      case 3: {
        int op = one_in(2) ? isa::BPF_DIV : isa::BPF_MOD, off = one_in(3) ? 1 : 0;
        if (one_in(2)) return emit(cls | op | isa::BPF_X, dst, src, off, 0);
        int32_t by = one_in(2) ? static_cast<int32_t>(below(100)) + 1 : imm();
        return emit(cls | op | isa::BPF_K, dst, 0, off, by == 0 ? 7 : by);
      }
      case 4: {
        int ops[] = {isa::BPF_LSH, isa::BPF_RSH, isa::BPF_ARSH};
        int op = ops[below(3)];
        if (one_in(2)) return emit(cls | op | isa::BPF_X, dst, src, 0, 0);
        return emit(cls | op | isa::BPF_K, dst, 0, 0,
                    static_cast<int32_t>(below(cls == isa::BPF_ALU64 ? 64 : 32)));
      }
      default: {
        int ops[] = {isa::BPF_ADD, isa::BPF_SUB, isa::BPF_MUL, isa::BPF_OR,
                     isa::BPF_AND, isa::BPF_XOR, isa::BPF_MOV};
        int op = ops[below(7)];
        if (one_in(2)) return emit(cls | op | isa::BPF_X, dst, src, 0, 0);
        return emit(cls | op | isa::BPF_K, dst, 0, 0, imm());
      }
    }
  }
  int size_code() {
    int sizes[] = {isa::BPF_B, isa::BPF_H, isa::BPF_W, isa::BPF_DW};
    return sizes[below(4)];
  }
  static int bytes(int size) {
    return size == isa::BPF_B ? 1 : size == isa::BPF_H ? 2 : size == isa::BPF_W ? 4 : 8;
  }
  void memory() {
    int size = size_code();
    bool stack = escapes_ && one_in(2);
    unsigned base = stack ? 10 : 9;
    int range = stack ? kStack : kContextBytes;
    int off = static_cast<int>(below(static_cast<unsigned>(range - bytes(size) + 1))) -
              (stack ? kStack : 0);
    if (stack && verifiable_) off &= -bytes(size);
    switch (below(4)) {
      case 0: return emit(isa::BPF_ST | isa::BPF_MEM | size, base, 0, off, imm());
      case 1: return emit(isa::BPF_STX | isa::BPF_MEM | size, base, source(), off, 0);
      case 2:
        if (size != isa::BPF_DW)
          return emit(isa::BPF_LDX | isa::BPF_MEMSX | size, target(), base, off, 0);
        [[fallthrough]];
      default: return emit(isa::BPF_LDX | isa::BPF_MEM | size, target(), base, off, 0);
    }
  }
  void slot() {  // whole slots by their offset: what the JIT keeps in registers
    bool word = one_in(4);
    int off = -8 - static_cast<int>(8 * below(kStack / 8));
    int size = word ? isa::BPF_W : isa::BPF_DW;
    switch (below(3)) {
      case 0: return emit(isa::BPF_STX | isa::BPF_MEM | size, 10, source(), off, 0);
      case 1: return emit(isa::BPF_ST | isa::BPF_MEM | size, 10, 0, off, imm());
      default: return emit(isa::BPF_LDX | isa::BPF_MEM | size, target(), 10, off, 0);
    }
  }
  void atomic() {
    bool wide = one_in(2);
    bool stack = escapes_ && one_in(2);
    int size = wide ? isa::BPF_DW : isa::BPF_W;
    int off =
        static_cast<int>(8 * below((stack ? kStack : kContextBytes) / 8)) - (stack ? kStack : 0);
    unsigned base = stack ? 10 : 9;
    int32_t ops[] = {isa::BPF_ADD, isa::BPF_OR, isa::BPF_AND, isa::BPF_XOR};
    switch (below(5)) {
      case 0:
        return emit(isa::BPF_STX | isa::BPF_ATOMIC | size, base, source(), off, ops[below(4)]);
      case 1:
        return emit(isa::BPF_STX | isa::BPF_ATOMIC | size, base, target(), off,
                    ops[below(4)] | isa::BPF_FETCH);
      case 2:
        return emit(isa::BPF_STX | isa::BPF_ATOMIC | size, base, target(), off, isa::BPF_XCHG);
      case 3:
        emit(isa::BPF_STX | isa::BPF_ATOMIC | size, base, source(), off, isa::BPF_CMPXCHG);
        // What Linux 6.18 may leave in r0's upper half (support/differential.cc).
        if (!wide && one_in(2)) emit(isa::BPF_ALU | isa::BPF_MOV | isa::BPF_X, 0, 0, 0, 0);
        return;
      default:
        if (one_in(2))
          return emit(isa::BPF_STX | isa::BPF_ATOMIC | size_code(), base, source(), off,
                      isa::BPF_STORE_REL);
        return emit(isa::BPF_STX | isa::BPF_ATOMIC | size_code(), target(), base, off,
                    isa::BPF_LOAD_ACQ);
    }
  }
  void rotate() {
    bool wide = one_in(2);
    int cls = wide ? isa::BPF_ALU64 : isa::BPF_ALU;
    unsigned width = wide ? 64 : 32, a = target(), b = target(), left = 1 + below(width - 1);
    if (a == b) return;
    unsigned right = one_in(4) ? below(width) : width - left;
    emit(cls | isa::BPF_MOV | isa::BPF_X, b, a, 0, 0);
    bool first = one_in(2);
    emit(cls | (first ? isa::BPF_LSH : isa::BPF_RSH) | isa::BPF_K, b, 0, 0,
         static_cast<int32_t>(first ? left : right));
    emit(cls | (first ? isa::BPF_RSH : isa::BPF_LSH) | isa::BPF_K, a, 0, 0,
         static_cast<int32_t>(first ? right : left));
    int ops[] = {isa::BPF_OR, isa::BPF_XOR, isa::BPF_ADD};
    emit(cls | ops[below(3)] | isa::BPF_X, one_in(2) ? a : b, one_in(2) ? b : a, 0, 0);
  }
  int condition() {
    int ops[] = {isa::BPF_JEQ, isa::BPF_JGT,  isa::BPF_JGE,  isa::BPF_JSET,
                 isa::BPF_JNE, isa::BPF_JSGT, isa::BPF_JSGE, isa::BPF_JLT,
                 isa::BPF_JLE, isa::BPF_JSLT, isa::BPF_JSLE};
    return ops[below(11)];
  }
  void conditional(int off) {
    int cls = one_in(2) ? isa::BPF_JMP : isa::BPF_JMP32;
    if (one_in(2)) return emit(cls | condition() | isa::BPF_X, source(), source(), off, 0);
    emit(cls | condition() | isa::BPF_K, source(), 0, off, one_in(2) ? 0 : imm());
  }
  void select() {
    if (one_in(4)) {  // a condition as a number
      unsigned r = target();
      auto taken = static_cast<int32_t>(below(2));
      int cls = one_in(2) ? isa::BPF_ALU64 : isa::BPF_ALU;
      emit(cls | isa::BPF_MOV | isa::BPF_K, r, 0, 0, taken);
      conditional(1);
      return emit(cls | isa::BPF_MOV | isa::BPF_K, r, 0, 0, 1 - taken);
    }
    unsigned count = 1 + below(2);
    if (one_in(3)) {  // if a goto T; c = d; goto T; …; T:
      size_t at = out_.size();
      conditional(0);
      emit(isa::BPF_ALU64 | isa::BPF_MOV | isa::BPF_X, target(), source(), 0, 0);
      size_t jump = out_.size();
      emit(isa::BPF_JMP | isa::BPF_JA, 0, 0, 0, 0);
      if (!verifiable_) alu();  // nothing gets there
      out_[at].off = static_cast<int16_t>(out_.size() - at - 1);
      out_[jump].off = static_cast<int16_t>(out_.size() - jump - 1);
      return;
    }
    conditional(static_cast<int>(count));
    for (unsigned k = 0; k < count; k++) {
      int cls = one_in(2) ? isa::BPF_ALU64 : isa::BPF_ALU;
      if (one_in(2)) {
        emit(cls | isa::BPF_MOV | isa::BPF_X, target(), source(), 0, 0);
      } else {
        emit(cls | isa::BPF_MOV | isa::BPF_K, target(), 0, 0, imm());
      }
    }
  }
  void indexed() {  // base + (index & mask) << scale + displacement
    unsigned index = target(), address = target();
    if (index == address) return;
    bool stack = escapes_ && one_in(2);
    if (one_in(2)) {
      emit(isa::BPF_ALU64 | isa::BPF_AND | isa::BPF_K, index, 0, 0, 7);
    } else {
      emit(isa::BPF_ALU | isa::BPF_AND | isa::BPF_K, index, 0, 0, 7);
    }
    emit(isa::BPF_ALU64 | isa::BPF_MOV | isa::BPF_X, address, stack ? 10 : 9, 0, 0);
    unsigned scale = stack ? (verifiable_ ? 3 : below(2)) : below(4);
    unsigned add = index;
    if (scale != 0 && one_in(2)) {
      unsigned copy = target();
      if (copy == address) return load_constant(address);
      emit((one_in(2) ? isa::BPF_ALU64 : isa::BPF_ALU) | isa::BPF_MOV | isa::BPF_X, copy, index, 0,
           0);
      add = copy;
    }
    if (scale != 0)
      emit(isa::BPF_ALU64 | isa::BPF_LSH | isa::BPF_K, add, 0, 0, static_cast<int32_t>(scale));
    if (stack) emit(isa::BPF_ALU64 | isa::BPF_ADD | isa::BPF_K, address, 0, 0, -kStack);
    emit(isa::BPF_ALU64 | isa::BPF_ADD | isa::BPF_X, address, add, 0, 0);
    int size = size_code();
    int off = static_cast<int>(below(32));
    if (stack && verifiable_) off = off % 8 & -bytes(size);
    switch (below(3)) {
      case 0: emit(isa::BPF_STX | isa::BPF_MEM | size, address, source_but(address), off, 0); break;
      case 1: emit(isa::BPF_ST | isa::BPF_MEM | size, address, 0, off, imm()); break;
      default: emit(isa::BPF_LDX | isa::BPF_MEM | size, target_but(address), address, off, 0);
    }
    load_constant(address);  // a stack's address may not be seen
  }
  unsigned source_but(unsigned not_this) {
    for (;;)
      if (unsigned r = source(); r != not_this) return r;
  }
  unsigned target_but(unsigned not_this) {
    for (;;)
      if (unsigned r = target(); r != not_this) return r;
  }
  void load_op_store() {
    int size = size_code();
    int off = static_cast<int>(below(kContextBytes - 8));
    unsigned r = target();
    int cls = one_in(2) ? isa::BPF_ALU64 : isa::BPF_ALU;
    int ops[] = {isa::BPF_ADD, isa::BPF_SUB, isa::BPF_OR, isa::BPF_AND, isa::BPF_XOR, isa::BPF_MUL};
    emit(isa::BPF_LDX | isa::BPF_MEM | size, r, 9, off, 0);
    switch (below(4)) {
      case 0: emit(cls | ops[below(6)] | isa::BPF_X, target(), r, 0, 0); break;
      case 1:
        emit(isa::BPF_ALU | isa::BPF_END | isa::BPF_TO_BE, r, 0, 0, 8 * std::max(bytes(size), 2));
        break;
      case 2: emit(cls | ops[below(6)] | isa::BPF_X, r, source(), 0, 0); break;
      default: emit(cls | ops[below(6)] | isa::BPF_K, r, 0, 0, imm());
    }
    if (!one_in(4)) emit(isa::BPF_STX | isa::BPF_MEM | size, 9, r, off, 0);
    if (one_in(2)) load_constant(r);
  }
  void extend() {
    unsigned r = target();
    int counts[] = {32, 48, 56, 16};
    int count = counts[below(4)];
    emit(isa::BPF_ALU64 | isa::BPF_LSH | isa::BPF_K, r, 0, 0, count);
    emit(isa::BPF_ALU64 | (one_in(2) ? isa::BPF_RSH : isa::BPF_ARSH) | isa::BPF_K, r, 0, 0, count);
  }
  void call() {
    switch (below(3)) {
      case 0:
        if (!verifiable_)
          call_helper(5);
        else if (callbacks_ != 0 && one_in(3))
          call_back();
        else if (packets() && function_ == 0 && one_in(3))
          tail_call();
        else
          use_map();
        return refill_scratch();
      case 1: {
        if (verifiable_ && !packets()) return;
        if (verifiable_ && one_in(2)) return use_context();
        int size = size_code();
        if (size == isa::BPF_DW) size = isa::BPF_W;
        if (one_in(2)) {
          emit(isa::BPF_LD | isa::BPF_ABS | size, 0, 0, 0,
               static_cast<int32_t>(below(kPacketBytes - 4)));
        } else {
          unsigned r = target();
          emit(isa::BPF_ALU64 | isa::BPF_AND | isa::BPF_K, r, 0, 0, 31);
          emit(isa::BPF_LD | isa::BPF_IND | size, 0, r, 0, static_cast<int32_t>(below(28)));
        }
        return refill_scratch();
      }
      default:
        if (last_function_) return;
        if (!verifiable_) emit(isa::BPF_ALU64 | isa::BPF_MOV | isa::BPF_X, 1, 9, 0, 0);
        if (shares_stack_) stack_address(1, -kStack);
        calls_.emplace_back(out_.size(), function_ + 1 + below(functions_ - function_ - 1));
        emit(isa::BPF_JMP | isa::BPF_CALL, 0, isa::BPF_PSEUDO_CALL, 0, 0);
        return refill_scratch();
    }
  }
  void branch(int budget, int depth) {
    size_t at = out_.size();
    conditional(0);
    block(budget, depth + 1);
    if (one_in(2)) {
      size_t skip = out_.size();
      bool far = one_in(4);
      emit(far ? isa::BPF_JMP32 | isa::BPF_JA : isa::BPF_JMP | isa::BPF_JA, 0, 0, 0, 0);
      out_[at].off = static_cast<int16_t>(out_.size() - at - 1);
      block(budget / 2, depth + 1);
      auto distance = static_cast<int32_t>(out_.size() - skip - 1);
      if (far) {
        out_[skip].imm = distance;
      } else {
        out_[skip].off = static_cast<int16_t>(distance);
      }
    } else {
      out_[at].off = static_cast<int16_t>(out_.size() - at - 1);
    }
  }
  void loop(int budget, int depth) {
    unsigned counter = loops_ == 0 ? 8 : 7;
    emit(isa::BPF_ALU64 | isa::BPF_MOV | isa::BPF_K, counter, 0, 0,
         static_cast<int32_t>(1 + below(4)));
    loops_++;
    size_t head = out_.size();
    block(budget, depth + 1);
    loops_--;
    emit((one_in(2) ? isa::BPF_ALU64 : isa::BPF_ALU) | isa::BPF_ADD | isa::BPF_K, counter, 0, 0,
         -1);
    auto back = static_cast<int>(head) - static_cast<int>(out_.size()) - 1;
    emit(isa::BPF_JMP | isa::BPF_JNE | isa::BPF_K, counter, 0, back, 0);
  }

  bool verifiable_;
  uint64_t state_;
  std::vector<Insn> out_;
  std::vector<std::pair<size_t, unsigned>> calls_;
  std::vector<size_t> starts_;
  bool last_function_ = true, escapes_ = false, shares_stack_ = false, visits_hash_ = false;
  unsigned function_ = 0, functions_ = 1, callbacks_ = 0, called_back_ = 0;
  int loops_ = 0;
};

}  // namespace skep
