// The fast tier for AArch64: one forward pass over an analysed program, mostly an instruction at a time.
//
// The machine has three operands where BPF has two, and immediates and addressing modes that fit most of what clang
// writes for BPF; so each instruction becomes about one. What two make together is looked for one ahead: a copy and what
// changes it, shifts up and down again (an extension), a move that a conditional jump leaps over (csel).
//
// Register homes: r0 x7, r1 to r5 x0 to x4: a helper's arguments are in place, the HelperContext goes to x5. r6 to r9,
// promoted stack slots and hoisted constants get x19 to x27, before them in a function without calls x13, x14, x15, x8
// and x6, which nobody saves. r10 is sp + constant. The HelperContext is in x28 throughout a program that needs it.
// x9 to x12, x16 and x17 are scratch; x18 and the vector registers are left alone.
//
// A frame, from sp up: | may_goto's counter (16 bytes, where there is one) | BPF stack, r10 at its top |
//                      | x29, x30 (in functions that call) | registers to restore |
#pragma once

#include <array>

#include "vm/jit/aarch64/emitter.h"
#include "vm/jit/analysis.h"
#include "vm/jit/jit.h"

namespace skep {
struct MapHeader;
}
namespace skep::jit {
struct Lookup;
}

namespace skep::jit::arm {

inline constexpr unsigned kA = 9, kB = 10, kC = 11, kD = 12, kE = 16, kF = 17;  // scratch
inline constexpr unsigned kResult = 7, kContext = 28;

class CodeGen {
 public:
  CodeGen(const VerifiedProgram& program, const JitOptions& options, const Analysis& analysis);
  [[nodiscard]] Result<NativeCode> run(CodeMemory& memory);
  // How many stack slots Analysis may promote: all, there are registers enough.
  [[nodiscard]] static unsigned slot_budget(const Function&) { return kMaxSlots; }

 private:
  enum class Target : uint8_t { insn, function, thunk };
  struct Fixup {
    uint32_t at;
    Target kind;
    uint32_t target;
  };
  // Code that lies after its function.
  struct Stub {
    enum Kind : uint8_t { kFault, kExitZero, kNoFuel } kind;
    uint8_t reg;  // kFault: what becomes 0
    uint32_t at;  // kFault: the load; others: the jump
  };

  // ---- codegen.cc: frames, the loop over instructions, what becomes of the words
  void generate();
  void function(uint32_t index);
  void assign_homes(bool main);
  void prologue(bool main);
  void epilogue();
  void leave();
  void stubs();
  void step(uint32_t i);
  void charge(uint32_t cost);
  void check_fuel();
  void thunk();
  bool patch_branches();  // false: some branch doesn't reach
  [[nodiscard]] Result<NativeCode> finish(CodeMemory& memory);
  void address_of(unsigned reg, Target kind, uint32_t target);
  void leave_if(Cond cond, Stub::Kind kind);
  void to_stub(Stub::Kind kind);
  void field(unsigned size, unsigned to, unsigned base, size_t offset);
  void set_field(unsigned size, unsigned from, unsigned base, size_t offset);
  uint64_t random();
  void load_imm(unsigned reg, uint64_t value);  // a number that the program chose
  void broken(const char* why) { broken_ = why; }
  [[nodiscard]] bool live(unsigned v) const { return (out_ >> v & 1) != 0; }
  // The machine register that holds v; for r10 `scratch`, filled.
  unsigned reg(unsigned v, unsigned scratch);
  // Whether instruction i + 1 can be done together with i.
  [[nodiscard]] bool joins(uint32_t i) const {
    return i + 1 < function_->end && (a_.flags(i + 1) & kLeader) == 0 &&
           insns_[i + 1].opcode != kNop;
  }
  void take_next(uint32_t i) { next_ = i + 2, out_ = a_.live_out(i + 1); }

  // ---- alu.cc
  void alu(uint32_t i, const Insn& insn, bool wide);
  void move(uint32_t i, const Insn& insn, bool wide);
  void operate(uint32_t i, const Insn& insn, bool wide, unsigned d, unsigned n);
  bool operate_imm(const Insn& insn, bool wide, unsigned d, unsigned n);
  void add_imm(bool wide, unsigned d, unsigned n, int64_t imm);
  bool shift_pair(uint32_t i, const Insn& insn, bool wide, unsigned d, unsigned n);
  void divide(const Insn& insn, bool wide, unsigned d, unsigned n, unsigned m);
  void byte_order(const Insn& insn, bool wide);

  // ---- memory.cc
  // The address of a place in memory: base and an offset that `access` can have.
  void access(Access what, unsigned size, unsigned t, unsigned v, int32_t off);
  unsigned address(unsigned v, int32_t off);
  void load(const Insn& insn);
  void store(const Insn& insn);
  void atomic(const Insn& insn);
  void atomic_lse(const Insn& insn, unsigned size, unsigned at);
  void atomic_loop(const Insn& insn, unsigned size, unsigned at);
  void load_packet(const Insn& insn);
  void load_imm64(uint32_t i, const Insn& insn);
  void barrier(unsigned v);

  // ---- jump.cc
  void jump(uint32_t i, const Insn& insn);
  Cond compare(const Insn& insn, bool wide);
  void branch(Cond cond, uint32_t target);
  void branch_zero(bool wide, bool if_zero, unsigned t, uint32_t target);
  void select(uint32_t i, const Insn& insn);
  void may_goto(uint32_t target);
  // A branch over a few instructions, and its end.
  uint32_t skip(Cond cond);
  uint32_t skip();
  void bind(uint32_t at);

  // ---- call.cc
  void call(uint32_t i, const Insn& insn);
  void call_register(const Insn& insn);
  void call_table(uint64_t table, int32_t id);
  void tail_call();
  void inline_lookup(uint32_t i);
  void element_address(uint32_t i, const Lookup& lookup);
  void add_slot_offset(const MapHeader& header);
  void hash_lookup(const Lookup& lookup);

  const VerifiedProgram& program_;
  const JitOptions& options_;
  const Analysis& a_;
  const Insn* insns_;
  Emitter e_;
  std::vector<uint32_t> lines_, offsets_;
  std::vector<uint32_t> costs_;  // metered code: vm::block_costs()
  std::vector<Fixup> fixups_;
  std::vector<Fixup>
      addresses_;  // far code: four moves of an address, known once the code has a place
  std::vector<Stub> stubs_;
  std::vector<FaultEntry> faults_;
  uint32_t thunk_ = 0, tail_entry_ = 0;
  bool far_ = false;      // conditional branches may not reach: they leap over ones that do
  bool too_far_ = false;  // one didn't
  bool blind_ = false;
  uint64_t random_state_ = 0;
  const char* broken_ = nullptr;
  uint32_t broken_at_ = 0;

  // Of the function being generated.
  const Function* function_ = nullptr;
  uint32_t index_ = 0;
  std::array<uint8_t, kVirtualRegisters> home_{};
  std::array<uint8_t, 12> saved_{};
  unsigned saved_count_ = 0;
  uint32_t frame_ = 0;  // bytes below the saved registers

  // Of the instruction being generated.
  uint32_t next_ = 0;
  uint16_t out_ = 0;     // live after it
  bool fenced_ = false;  // a speculation barrier stands between the last branch and here
};

}  // namespace skep::jit::arm
