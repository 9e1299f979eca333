// CodeGen: one forward pass over the instructions of an analysed program.
//
// Values are lazy. Inside a basic block (and past a conditional jump that falls through) each BPF register is
// either *home*, in its own machine register, or an expression over machine registers that has not been
// computed: a constant, base + index << shift + displacement, a constant shift, a zero extension. Copies,
// additions and address arithmetic therefore cost nothing until their result is needed as a number; by then
// it often is an addressing mode, a rotate, an immediate, or dead. clang's BPF code has two-operand
// instructions and no addressing modes, and this wins both back without a second pass:
//
//     r3 = r1                   r3: rdi                     (nothing emitted)
//     r3 += r2                  r3: rdi + rsi               (nothing emitted)
//     r0 = *(u8 *)(r3 + 4)      movzx eax, byte [rdi + rsi + 4]
//
// Before a machine register changes, expressions over it that are still live are computed ("clobber"); before
// a label or a jump, those that are live there ("flush"). An expression may be computed into its home, whose
// old value others may depend on, so they go first. That order has no cycles: an expression is only made
// lazily over a register that belongs to another lazy one if nothing depends on its own home (prepare()).
//
// Register homes: r0 rax, r1 rdi, r2 rsi, r3 rdx, r4 rcx, r5 r8: a helper's arguments are in place, shifts
// find rcx and divisions rax and rdx at hand. r6 to r9 and promoted stack slots get what is cheapest in
// their function: caller-saved registers if it calls nothing. r10 is rsp + constant and needs none.
// HelperContext is in r12 throughout a program that needs it, r10 and r11 are scratch.
#pragma once

#include <array>
#include <cstdint>
#include <memory>
#include <vector>

#include "vm/jit/analysis.h"
#include "vm/jit/jit.h"
#include "vm/jit/x86_64/emitter.h"

namespace skep::jit {
struct Lookup;
}
namespace skep {
struct MapHeader;
}

namespace skep::jit::x86 {

inline constexpr unsigned kScratch = r11, kScratch2 = r10, kContext = r12;

enum class Kind : uint8_t {
  kConst,   // imm
  kLinear,  // base + (index << shift) + imm, of which `narrow` keeps 32 bits
  kShl,     // base << shift; narrow: in 32 bits
  kShr,
  kZext8,  // the low byte of base
  kZext16,
};

struct Value {
  Kind kind = Kind::kLinear;
  uint8_t base = kNoReg;
  uint8_t index = kNoReg;
  uint8_t shift = 0;
  bool narrow = false;
  uint16_t deps = 0;  // machine registers that it reads, without rsp
  int64_t imm = 0;

  [[nodiscard]] bool is_copy() const {
    return kind == Kind::kLinear && index == kNoReg && base != kNoReg && imm == 0;
  }
};

class CodeGen {
 public:
  CodeGen(const VerifiedProgram& program, const JitOptions& options, const Analysis& analysis);
  [[nodiscard]] Result<NativeCode> run(CodeMemory& memory);

  // How many stack slots Analysis may promote.
  [[nodiscard]] static unsigned slot_budget(const Function& function);

 private:
  struct Fixup {
    enum Kind : uint8_t { kInsn8, kInsn32, kFunction, kTable, kCode };
    Kind kind;
    uint32_t at;      // offset of the displacement
    uint64_t target;  // insn, function, address of a table's element, or offset in the code
    uint32_t insn;    // that made it
  };
  // Code that lies after its function.
  struct Stub {
    enum Kind : uint8_t { kFault, kExitZero, kNoFuel };
    Kind kind;
    uint8_t reg;       // kFault: what becomes 0
    uint32_t insn_at;  // kFault: the faulting instruction
    uint32_t resume;   // kFault: where to go on; others: the jump's displacement
  };

  // --- codegen.cc: frame, buffer, fixups
  void generate();
  void begin_function(uint32_t index);
  void end_function();
  void epilogue(bool with_ret = true);
  void step(uint32_t i);
  void generate(uint32_t i);
  void room();
  void charge(uint32_t cost);
  void leave_without_fuel(Cond cond);
  void check_fuel();
  void bind_stubs(Stub::Kind kind);
  // Before a memory access through register `v` of BPF, where barriers were asked for.
  void barrier(unsigned v) {
    if (!options_.speculation_barriers || fenced_ || v == isa::kFramePointer) return;
    e_.lfence();
    fenced_ = true;
  }
  void emit_thunk();
  [[nodiscard]] uint32_t here() const { return static_cast<uint32_t>(e_.p - buffer_.get()); }
  [[nodiscard]] Result<NativeCode> finish(CodeMemory& memory);
  bool patch_jumps();  // false: some short jump doesn't reach
  void broken(const char* why) { broken_ = why; }

  // --- values.cc: lazy values
  [[nodiscard]] bool lazy(unsigned v) const { return (lazy_ >> v & 1) != 0; }
  [[nodiscard]] Value value(unsigned v) const;
  [[nodiscard]] bool constant(unsigned v, int64_t& imm) const {
    if (!lazy(v) || values_[v].kind != Kind::kConst) return false;
    imm = values_[v].imm;
    return true;
  }
  void compute(unsigned home, const Value& value);
  void materialise(unsigned v);
  // Computes those of `mask` that read machine register `reg`.
  void clobber(unsigned reg, uint16_t mask);
  void clobber_all(uint16_t regs, uint16_t mask);
  void flush(uint16_t mask);
  void flush_except_last(uint16_t mask, uint16_t last);
  // v becomes `value`, later. prepare() first, with what the value will be made of.
  void prepare(unsigned v, uint16_t deps);
  void assign(unsigned v, Value value);
  // v's home is about to be written by code: what depends on it is computed.
  unsigned begin_def(unsigned v);
  void end_def(unsigned v, bool zero_extended);
  // v is in its home, which is about to be changed in place.
  unsigned modify(unsigned v);
  // Makes reg() (mem()) possible without more code.
  void ready_reg(unsigned v, unsigned size = 8);
  void ready_mem(unsigned v, int32_t off);
  [[nodiscard]] unsigned reg(unsigned v, unsigned size = 8);
  [[nodiscard]] Mem mem(unsigned v, int32_t off) const;
  [[nodiscard]] unsigned plain_reg(unsigned v, unsigned size) const;  // or kNoReg
  [[nodiscard]] bool add(Value a, Value b, bool wide, Value& sum) const;
  [[nodiscard]] static bool linear(Value& value, bool wide, uint16_t zero_extended);
  static void set_deps(Value& value);
  [[nodiscard]] static Value copy_of(unsigned reg);
  [[nodiscard]] static Value const_of(int64_t imm);
  void note_flags(unsigned reg, bool wide, bool logic) {
    flags_at_ = e_.p, flags_reg_ = static_cast<uint8_t>(reg), flags_wide_ = wide,
    flags_logic_ = logic;
  }
  [[nodiscard]] bool zero_extended(unsigned reg) const { return (zext_ >> reg & 1) != 0; }
  // An immediate that the program chose, into a register without appearing in the code when blinded.
  void load_imm(unsigned reg, int64_t imm);
  uint64_t random();

  // --- alu.cc
  void alu(uint32_t i, const Insn& insn, bool wide);
  void alu_reg(unsigned dst, unsigned src, uint8_t op, bool wide);
  void alu_const(unsigned dst, int64_t imm, uint8_t op, bool wide);
  void alu_eager(unsigned dst, unsigned src_reg, uint8_t op, bool wide);
  void move(const Insn& insn, bool wide);
  void shift_const(unsigned dst, unsigned count, uint8_t op, bool wide);
  void shift_reg(unsigned dst, unsigned src, uint8_t op, bool wide);
  bool rotate(unsigned dst, unsigned src, bool wide);
  void byte_order(uint32_t i, const Insn& insn, bool wide);
  void add_values(unsigned dst, unsigned src, bool wide);
  void multiply_const(unsigned dst, int64_t imm, bool wide);

  // --- divide.cc
  void divide(uint32_t i, const Insn& insn, bool wide);
  void divide_reg(unsigned dst, unsigned divisor, bool wide, bool is_signed, bool remainder,
                  bool nonzero, bool maybe_minus_one);
  bool divide_const(unsigned dst, int64_t imm, bool wide, bool is_signed, bool remainder);
  void unsigned_magic(unsigned dst, uint64_t divisor, bool wide, bool remainder);
  void signed_magic(unsigned dst, int64_t divisor, bool wide, bool remainder);
  // dst = high half of dst * by; false: signed.
  void multiply_high(unsigned out, unsigned by_reg, unsigned src, bool is_signed);
  [[nodiscard]] bool must_keep(unsigned reg, unsigned except_v) const;

  // --- memory.cc
  void load(uint32_t i, const Insn& insn);
  bool fuse_load(uint32_t i, const Insn& insn);
  void store(uint32_t i, const Insn& insn);
  void atomic(uint32_t i, const Insn& insn);
  void fetch_bitwise(const Insn& insn, unsigned size, Alu op);
  void load_packet(uint32_t i, const Insn& insn);
  void load_imm64(uint32_t i, const Insn& insn);

  // --- jump.cc
  void jump(uint32_t i, const Insn& insn);
  [[nodiscard]] Cond compare(const Insn& insn, bool wide);
  void select(uint32_t i, const Insn& insn);
  void jump_to_copy(uint32_t i, const Insn& insn);
  bool set_condition(const Insn& insn, const Insn& move, uint16_t after);
  void may_goto(uint32_t i, const Insn& insn);
  void emit_jump(uint32_t i, uint32_t target);
  void emit_jump(Cond cond, uint32_t i, uint32_t target);
  // A forward jump inside one instruction's code, bound by bind().
  [[nodiscard]] uint8_t* skip(Cond cond);
  [[nodiscard]] uint8_t* skip();
  void bind(uint8_t* jump);

  // --- call.cc
  void call(uint32_t i, const Insn& insn);
  void call_register(uint32_t i, const Insn& insn);
  void arguments(uint16_t mask);
  void after_call();
  void inline_lookup(uint32_t i);
  void array_lookup(uint32_t i, const Lookup& lookup);
  void hash_lookup(const Lookup& lookup);
  void load_key(unsigned to, unsigned size);
  void load_slot_offset(unsigned to, const MapHeader& header);
  void element_address(uint32_t i, const Lookup& lookup);
  void tail_call(uint32_t i);
  bool loop_call(uint32_t i);
  void call_table(uint64_t element);

  static constexpr uint16_t bit(unsigned v) { return static_cast<uint16_t>(1u << v); }

  const VerifiedProgram& program_;
  const JitOptions& options_;
  const Analysis& a_;
  const Insn* insns_;
  Emitter e_;
  std::unique_ptr<uint8_t[]> buffer_;
  size_t capacity_ = 0;
  std::vector<uint32_t> lines_;
  std::vector<uint32_t> function_offsets_;
  std::vector<Fixup> fixups_;
  std::vector<Stub> stubs_;
  std::vector<FaultEntry> faults_;
  std::vector<bool> far_;  // insns whose jump was found not to reach as a short one
  uint32_t thunk_ = 0;
  uint32_t tail_entry_ = 0;
  const char* broken_ = nullptr;
  uint32_t broken_at_ = 0;
  bool blind_ = false;
  std::vector<uint32_t> costs_;  // metered code: vm::block_costs()
  uint64_t random_state_ = 0;

  // Of the function being generated.
  const Function* function_ = nullptr;
  const Subprogram* subprogram_ = nullptr;
  uint32_t function_index_ = 0;
  std::array<uint8_t, kVirtualRegisters> home_{};
  std::array<uint8_t, 16> owner_{};  // virtual register whose home a machine register is, or kNoReg
  std::array<uint8_t, 8> saved_{};
  unsigned saved_count_ = 0;
  int32_t frame_ = 0;
  uint32_t shared_epilogue_ = 0;

  // Of the instruction being generated.
  std::array<Value, kVirtualRegisters> values_{};
  uint16_t lazy_ = 0;         // virtual registers that values_ holds
  uint16_t in_progress_ = 0;  // of those, being computed
  uint16_t zext_ = 0;         // machine registers whose upper half is 0
  uint16_t in_ = 0,
           out_ = 0;   // live before and after; `in_` grows with what fused instructions read
  uint32_t next_ = 0;  // instruction to go on with
  uint8_t* flags_at_ = nullptr;
  uint8_t flags_reg_ = 0;
  bool flags_wide_ = false, flags_logic_ = false;
  bool fenced_ = false;  // a speculation barrier stands between the last branch and here
};

}  // namespace skep::jit::x86
