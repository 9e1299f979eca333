// What the code generator wants to know before its one pass: where basic blocks begin, which registers are
// live after each instruction, which short forward branches are selects, which stack slots can be registers.
// Independent of the target.
//
// The analysis works on a copy of the instructions. In it
//  - a conditional jump with a side that no path takes is an unconditional one,
//  - a dead instruction has opcode kNop,
//  - an access to a promoted stack slot is a move to or from register 11 + slot.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <vector>

#include "object/verified_program.h"

namespace skep::jit {

// Opcode of an instruction that emits nothing: BPF_ALU|BPF_END|… has no such value in any version.
inline constexpr uint8_t kNop = 0xff;
// Registers beyond BPF's r0 to r10: promoted stack slots.
inline constexpr unsigned kFirstSlot = 11, kMaxSlots = 5,
                          kVirtualRegisters = kFirstSlot + kMaxSlots;

enum InsnFlag : uint8_t {
  kLeader = 1,    // some jump comes here
  kLoopHead = 2,  // a jump from further down does
  kSelect1 = 4,   // a conditional jump over one move (two), which no other jump enters
  kSelect2 = 8,
  kPromoted = 16,  // was an access to a stack slot
  kHoisted = 32,   // ld_imm64 of something near a constant that the register `off` holds
  kInlined =
      64,  // a call that needs none: lookup_at() (where `off` is not 0, that register is near
           // the map's values), or get_smp_processor_id
  kCopied =
      128,  // a jump back to a short block that ends in a conditional jump: better a copy of it
};

struct Function {
  uint32_t start = 0;
  uint32_t end = 0;
  uint16_t used = 0;       // registers that instructions name, slots included
  uint16_t arguments = 0;  // of r1 to r5: those that it reads
  uint32_t exits = 0;
  bool calls =
      false;  // helpers, kfuncs or BPF functions, not inlined: caller-saved registers are lost
  bool fetches_bitwise = false;  // an atomic and, or, xor with BPF_FETCH
  bool has_may_goto = false;
  uint8_t slots = 0;      // promoted
  uint8_t constants = 0;  // in registers throughout: kFirstSlot + slots, and on
  uint64_t constant[kMaxSlots] = {};
  // Registers that are written once in the function, with a number: wherever one is read it is that.
  uint16_t known = 0;
  uint64_t known_value[kVirtualRegisters] = {};
};

class Analysis {
 public:
  // `slot_budget` says how many stack slots the target can keep in registers for a function.
  [[nodiscard]] static Result<Analysis> run(const VerifiedProgram& program,
                                            unsigned (*slot_budget)(const Function&), bool selects,
                                            bool needs_context = false, bool inline_maps = false);

  [[nodiscard]] uint32_t size() const { return size_; }
  [[nodiscard]] const Insn* insns() const { return insns_; }
  [[nodiscard]] uint8_t flags(uint32_t i) const { return flags_[i]; }
  // Registers (bits) whose value is read after instruction i, before it on some path.
  [[nodiscard]] uint16_t live_out(uint32_t i) const { return live_out_[i]; }
  [[nodiscard]] uint16_t live_in(uint32_t i) const {
    return static_cast<uint16_t>(use_[i] | (live_out_[i] & ~def_[i]));
  }
  [[nodiscard]] uint16_t use(uint32_t i) const { return use_[i]; }
  [[nodiscard]] uint16_t def(uint32_t i) const { return def_[i]; }
  // Generous estimate of native bytes before instruction i, to tell near jumps from far ones.
  [[nodiscard]] uint32_t estimate(uint32_t i) const { return estimate_[i]; }
  [[nodiscard]] std::span<const Function> functions() const { return functions_; }
  [[nodiscard]] uint32_t jumps() const { return jumps_; }
  // Index of the function whose first instruction is `start`; none: functions().size().
  [[nodiscard]] uint32_t function_at(uint32_t start) const;
  [[nodiscard]] bool uses_context() const { return uses_context_; }  // HelperContext is needed
  [[nodiscard]] bool inlined(uint32_t i) const { return (flags_[i] & kInlined) != 0; }
  [[nodiscard]] bool has_callbacks() const { return has_callbacks_; }

  // What ld_imm64 at `i` loads, where it is a number or a map's address; none: not that.
  [[nodiscard]] static std::optional<uint64_t> imm64_at(const VerifiedProgram& program,
                                                        const Insn* insn);

  // The conditional jump that ends the block which begins at `from`, if that may be copied; none: 0.
  [[nodiscard]] uint32_t copied_end(const Function& function, uint32_t from) const;

  // The BPF function that `reg` is the address of at instruction `i`, where the same basic block says so; functions().size()
  // where it does not.
  [[nodiscard]] uint32_t function_in(unsigned reg, uint32_t i) const;

  // Where a jump goes.
  [[nodiscard]] static uint32_t target(const Insn& insn, uint32_t i) {
    bool far = insn.opcode == (isa::BPF_JMP32 | isa::BPF_JA);
    return i + 1 + static_cast<uint32_t>(far ? insn.imm : insn.off);
  }

 private:
  Result<> scan(const VerifiedProgram& program, Function& function);
  std::vector<int16_t> depth_changes(const Function& function) const;
  void promote_slots(Function& function, unsigned budget, const std::vector<int16_t>& depth);
  void hoist_constants(const VerifiedProgram& program, Function& function, unsigned budget,
                       const std::vector<int16_t>& depth);
  void keep_chasing_branches(const Function& function);
  void find_selects(const Function& function);
  void find_copies(const Function& function);
  void registers_of(const VerifiedProgram& program, Function& function);
  void liveness(Function& function);

  std::unique_ptr<std::byte[]> storage_;
  uint32_t size_ = 0;
  uint32_t jumps_ = 0;
  bool uses_context_ = false;
  bool has_callbacks_ = false;
  bool inline_maps_ = false;
  bool slots_escape_ = false;  // of the function being scanned
  bool touches_stack_ = false;
  bool loops_ = false;
  bool has_imm64_ = false;
  uint32_t estimated_ = 0;
  Insn* insns_ = nullptr;
  uint32_t* estimate_ = nullptr;
  uint16_t* use_ = nullptr;
  uint16_t* def_ = nullptr;
  uint16_t* live_out_ = nullptr;
  uint8_t* refs_ = nullptr;  // jumps to here, 255 for more
  uint8_t* flags_ = nullptr;
  std::vector<Function> functions_;
};

}  // namespace skep::jit
