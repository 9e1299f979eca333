// BPF to LLVM IR, one instruction after the other; LLVM does the rest.
//
//   skep_entry(ctx, run) ──▶ prog0(ctx, run)     main; tail calls from other programs enter here (skep_tail)
//   progN(r1 … r5, run)                          the other BPF functions, internal: LLVM may inline them
//   skep_call_bpf(run, entry, r1 … r5)           calls this program's callbacks back, for helpers
//
// Registers are stack variables, one as a number and one as a pointer (kinds.h), of which the mem2reg pass makes
// values; a frame's stack is one array. `run` is the HelperContext.
//
// What IR leaves undefined, BPF does not: divisors are chosen so that no division traps, shifts are masked, and
// what a program reads of stack that nobody wrote is frozen (an arbitrary value, but one).
// No addition is said not to wrap, no access to be aligned.
//
// Addresses that differ between processes or hives are not in the IR: a map is the result of an assembly snippet
// `movabs $skep_map_N`, a helper is called through an external variable, and emit.cc turns both into relocations.
#pragma once

#include <llvm/IR/IRBuilder.h>
#include <llvm/IR/Module.h>

#include <memory>
#include <string>

#include "vm/jit/image.h"
#include "vm/jit/llvm/kinds.h"

namespace skep {
struct MapHeader;
}

namespace skep::jit::optimising {

inline constexpr char kEntryName[] = "skep_entry", kTailName[] = "skep_tail";
inline constexpr char kFaultSection[] = ".skep_faults";

class Translator {
 public:
  Translator(const VerifiedProgram& program, const JitOptions& options, const Analysis& analysis,
             llvm::Module& module);
  // False: error() says why.
  [[nodiscard]] bool run();
  [[nodiscard]] const std::string& error() const { return error_; }

 private:
  // --- translate.cc: functions, control flow, registers
  llvm::Function* declare(size_t index);
  void make_entry();
  void make_thunk();
  void function(size_t index);
  void begin_function(size_t index);
  void step(uint32_t i);
  void jump(uint32_t i, const Insn& insn);
  llvm::Value* condition(const Insn& insn);
  void may_goto(uint32_t i, const Insn& insn);
  void go_to(uint32_t target);
  void prepare_edge(uint32_t target);
  llvm::BasicBlock* block_at(uint32_t i);
  void leave(llvm::Value* result);
  void charge(uint32_t cost);
  void check_fuel();
  void out_of_fuel_unless(llvm::Value* condition);
  void at_line(uint32_t i);
  void broken(std::string why) {
    if (error_.empty()) error_ = std::move(why);
  }

  [[nodiscard]] llvm::Value* number(unsigned reg);
  [[nodiscard]] llvm::Value* low(unsigned reg) {
    return b_.CreateTrunc(number(reg), b_.getInt32Ty());
  }
  [[nodiscard]] llvm::Value* pointer(unsigned reg);
  void set(unsigned reg, llvm::Value* value);  // by its type
  [[nodiscard]] llvm::Value* address(unsigned reg, int off);
  [[nodiscard]] llvm::IntegerType* bits(unsigned bytes) { return b_.getIntNTy(8 * bytes); }
  [[nodiscard]] llvm::Value* context_field(size_t offset) {
    return b_.CreateConstGEP1_64(b_.getInt8Ty(), run_, offset);
  }
  llvm::Value* load_field(llvm::Type* type, llvm::Value* base, size_t offset,
                          bool invariant = false);

  // --- alu.cc
  void alu(const Insn& insn, bool wide, uint32_t i);
  llvm::Value* divide(llvm::Value* a, llvm::Value* b, bool is_signed, bool remainder, bool nonzero);
  llvm::Value* byte_order(const Insn& insn, bool wide);

  // --- memory.cc
  void load(uint32_t i, const Insn& insn);
  void probe(const Insn& insn);
  void store(const Insn& insn);
  void atomic(const Insn& insn);
  void load_packet(const Insn& insn);
  void load_imm64(uint32_t i, const Insn& insn);
  llvm::Value* map_address(ImageAddress what, uint32_t index);

  // --- calls.cc
  void call(uint32_t i, const Insn& insn);
  llvm::Value* call_through(const char* table, uint32_t index, unsigned arguments);
  void call_register(const Insn& insn);
  bool inline_lookup(uint32_t i);
  bool inline_helper(uint32_t i, int32_t id);
  llvm::Value* array_element(const MapDescriptor& map, const MapHeader& header, uint32_t index,
                             const InsnFacts& facts);
  llvm::Value* hash_element(const MapHeader& header, uint32_t index, bool per_cpu, bool lru);
  void tail_call(uint32_t i);
  bool loop_call(uint32_t i);
  llvm::FunctionType* helper_type();

  const VerifiedProgram& program_;
  const JitOptions& options_;
  const Analysis& a_;
  llvm::Module& module_;
  llvm::IRBuilder<> b_;
  RegisterKinds kinds_of_;
  std::vector<uint32_t> costs_;
  std::vector<llvm::Function*> functions_;
  llvm::Function* thunk_ = nullptr;
  std::string error_;

  // Of the function being translated.
  size_t index_ = 0;
  const Function* function_ = nullptr;
  llvm::Function* into_ = nullptr;
  llvm::Value* run_ = nullptr;
  llvm::Value* frame_ = nullptr;  // r10
  llvm::AllocaInst* may_goto_ = nullptr;
  llvm::BasicBlock* no_fuel_ = nullptr;
  std::array<llvm::AllocaInst*, isa::kRegisters> numbers_{}, pointers_{};
  std::array<std::vector<llvm::Value*>, 10>
      maps_;                               // by ImageAddress and index, made in the entry block
  std::vector<llvm::BasicBlock*> blocks_;  // by instruction, from function_->start
  Kinds kinds_{};
  llvm::DISubprogram* scope_ = nullptr;
};

}  // namespace skep::jit::optimising
