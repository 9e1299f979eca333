#include "vm/jit/llvm/translate.h"

#include <llvm/BinaryFormat/Dwarf.h>
#include <llvm/IR/DIBuilder.h>
#include <llvm/IR/InlineAsm.h>

#include <cstddef>

#include "object/helper_context.h"
#include "vm/metering.h"

namespace skep::jit::optimising {

using namespace isa;

namespace {

constexpr uint32_t kMaxLoops = 8u << 20;  // BPF_MAX_LOOPS: what may_goto allows

}  // namespace

Translator::Translator(const VerifiedProgram& program, const JitOptions& options,
                       const Analysis& analysis, llvm::Module& module)
    : program_(program),
      options_(options),
      a_(analysis),
      module_(module),
      b_(module.getContext()),
      kinds_of_(RegisterKinds::of(program, analysis)) {
  if (options.fuel != 0) costs_ = vm::block_costs(program);
}

llvm::Function* Translator::declare(size_t index) {
  llvm::Type* number = b_.getInt64Ty();
  std::vector<llvm::Type*> types;
  if (index == 0) {
    types = {b_.getPtrTy(), b_.getPtrTy()};
  } else {
    for (unsigned r = 1; r < 6; ++r)
      types.push_back(is_pointer(kinds_of_.arguments(index)[r]) ? b_.getPtrTy() : number);
    types.push_back(b_.getPtrTy());
  }
  auto* made = llvm::Function::Create(
      llvm::FunctionType::get(number, types, false),
      index == 0 ? llvm::Function::ExternalLinkage : llvm::Function::InternalLinkage,
      index == 0 ? kTailName : "prog" + std::to_string(index), module_);
  if (index == 0) made->setVisibility(llvm::GlobalValue::HiddenVisibility);
  const unsigned last = static_cast<unsigned>(types.size()) - 1;
  made->addParamAttr(last, llvm::Attribute::NoAlias);
  made->addParamAttr(last, llvm::Attribute::NonNull);
  made->addParamAttrs(
      last, llvm::AttrBuilder(b_.getContext()).addDereferenceableAttr(sizeof(HelperContext)));
  return made;
}

bool Translator::run() {
  for (size_t f = 0; f < a_.functions().size(); ++f) functions_.push_back(declare(f));
  if (a_.has_callbacks()) {
    std::vector<llvm::Type*> types{b_.getPtrTy()};
    types.insert(types.end(), 6, b_.getInt64Ty());
    thunk_ = llvm::Function::Create(llvm::FunctionType::get(b_.getInt64Ty(), types, false),
                                    llvm::Function::InternalLinkage, "skep_call_bpf", module_);
  }
  llvm::DIBuilder debug(module_);
  module_.addModuleFlag(llvm::Module::Warning, "Debug Info Version", llvm::DEBUG_METADATA_VERSION);
  llvm::DIFile* file = debug.createFile("program", "/");
  debug.createCompileUnit(llvm::dwarf::DW_LANG_C, file, "skep", true, "", 0, "",
                          llvm::DICompileUnit::LineTablesOnly);
  auto* type = debug.createSubroutineType(debug.getOrCreateTypeArray({}));
  for (size_t f = 0; f < functions_.size() && error_.empty(); ++f) {
    scope_ = debug.createFunction(
        file, functions_[f]->getName(), "", file, 1, type, 1, llvm::DINode::FlagZero,
        llvm::DISubprogram::SPFlagDefinition | llvm::DISubprogram::SPFlagOptimized);
    functions_[f]->setSubprogram(scope_);
    function(f);
  }
  debug.finalize();
  if (!error_.empty()) return false;
  b_.SetCurrentDebugLocation(llvm::DebugLoc());
  make_entry();
  if (thunk_ != nullptr) make_thunk();
  return true;
}

// A run begins with all its fuel; a tail call goes on with what is left.
void Translator::make_entry() {
  llvm::Function* main = functions_[0];
  auto* entry = llvm::Function::Create(main->getFunctionType(), llvm::Function::ExternalLinkage,
                                       kEntryName, module_);
  entry->setVisibility(llvm::GlobalValue::HiddenVisibility);
  b_.SetInsertPoint(llvm::BasicBlock::Create(b_.getContext(), "", entry));
  run_ = entry->getArg(1);
  if (options_.fuel != 0) {
    b_.CreateStore(b_.getInt64(options_.fuel), context_field(offsetof(HelperContext, fuel)));
    b_.CreateStore(b_.getInt32(0), context_field(offsetof(HelperContext, flags)));
  }
  auto* call = b_.CreateCall(main, {entry->getArg(0), entry->getArg(1)});
  call->setTailCallKind(llvm::CallInst::TCK_MustTail);
  b_.CreateRet(call);
}

// Calls nothing but this program's own callbacks: `entry` may come from memory that others can write.
void Translator::make_thunk() {
  b_.SetInsertPoint(llvm::BasicBlock::Create(b_.getContext(), "", thunk_));
  for (size_t f = 0; f < functions_.size(); ++f) {
    if (!program_.subprograms()[f].is_callback || f == 0) continue;
    auto* match = llvm::BasicBlock::Create(b_.getContext(), "", thunk_);
    auto* next = llvm::BasicBlock::Create(b_.getContext(), "", thunk_);
    llvm::Value* address = b_.CreatePtrToInt(functions_[f], b_.getInt64Ty());
    b_.CreateCondBr(b_.CreateICmpEQ(address, thunk_->getArg(1)), match, next);
    b_.SetInsertPoint(match);
    std::vector<llvm::Value*> arguments;
    for (unsigned r = 1; r < 6; ++r) {
      llvm::Value* value = thunk_->getArg(1 + r);
      arguments.push_back(
          is_pointer(kinds_of_.arguments(f)[r]) ? b_.CreateIntToPtr(value, b_.getPtrTy()) : value);
    }
    arguments.push_back(thunk_->getArg(0));
    b_.CreateRet(b_.CreateCall(functions_[f], arguments));
    b_.SetInsertPoint(next);
  }
  b_.CreateIntrinsic(llvm::Intrinsic::trap, {}, {});
  b_.CreateUnreachable();
}

llvm::BasicBlock* Translator::block_at(uint32_t i) {
  llvm::BasicBlock*& block = blocks_[i - function_->start];
  if (block == nullptr)
    block = llvm::BasicBlock::Create(b_.getContext(), "i" + std::to_string(i), into_);
  return block;
}

void Translator::begin_function(size_t index) {
  index_ = index;
  function_ = &a_.functions()[index];
  into_ = functions_[index];
  run_ = into_->getArg(index == 0 ? 1 : 5);
  blocks_.assign(function_->end - function_->start + 1, nullptr);
  for (auto& addresses : maps_) addresses.assign(program_.maps().size(), nullptr);
  no_fuel_ = nullptr;
  auto* entry = llvm::BasicBlock::Create(b_.getContext(), "entry", into_);
  b_.SetInsertPoint(entry);
  b_.SetCurrentDebugLocation(llvm::DILocation::get(b_.getContext(), 0, 0, scope_));
  for (unsigned r = 0; r < kFramePointer; ++r) {
    numbers_[r] = b_.CreateAlloca(b_.getInt64Ty());
    pointers_[r] = b_.CreateAlloca(b_.getPtrTy());
  }
  const uint64_t depth = (program_.subprograms()[index].stack_depth + 7) & ~7u;
  frame_ = llvm::ConstantPointerNull::get(b_.getPtrTy());
  if (depth != 0) {
    auto* stack = b_.CreateAlloca(llvm::ArrayType::get(b_.getInt8Ty(), depth));
    stack->setAlignment(llvm::Align(8));
    frame_ = b_.CreateConstGEP1_64(b_.getInt8Ty(), stack, depth);
  }
  may_goto_ = function_->has_may_goto ? b_.CreateAlloca(b_.getInt32Ty()) : nullptr;
  if (may_goto_ != nullptr) b_.CreateStore(b_.getInt32(kMaxLoops), may_goto_);
  kinds_ = kinds_of_.at(function_->start);
  if (index == 0) {
    kinds_[1] = Kind::pointer;
    b_.CreateStore(into_->getArg(0), pointers_[1]);
    if (thunk_ != nullptr) b_.CreateStore(thunk_, context_field(offsetof(HelperContext, call_bpf)));
  } else {
    for (unsigned r = 1; r < 6; ++r) {
      const bool is_address = is_pointer(kinds_of_.arguments(index)[r]);
      b_.CreateStore(into_->getArg(r - 1), is_address ? pointers_[r] : numbers_[r]);
      if (is_pointer(kinds_[r]) && !is_address) kinds_[r] = Kind::number;
    }
  }
}

void Translator::function(size_t index) {
  begin_function(index);
  auto* first = block_at(function_->start);
  prepare_edge(function_->start);
  b_.CreateBr(first);
  b_.SetInsertPoint(first);
  kinds_ = kinds_of_.at(function_->start);
  for (uint32_t i = function_->start; i < function_->end && error_.empty(); ++i) step(i);
  if (b_.GetInsertBlock()->getTerminator() == nullptr) b_.CreateUnreachable();
  for (llvm::BasicBlock* block : blocks_)
    if (block != nullptr && block->empty()) new llvm::UnreachableInst(b_.getContext(), block);
}

void Translator::at_line(uint32_t i) {
  b_.SetCurrentDebugLocation(llvm::DILocation::get(b_.getContext(), i + 1, 0, scope_));
}

void Translator::step(uint32_t i) {
  const Insn& insn = a_.insns()[i];
  at_line(i);
  if ((a_.flags(i) & kLeader) != 0 && i != function_->start) {
    // After a conditional jump we are in that block already: a branch would be one to itself.
    llvm::BasicBlock* block = block_at(i);
    if (b_.GetInsertBlock() != block && b_.GetInsertBlock()->getTerminator() == nullptr) go_to(i);
    b_.SetInsertPoint(block);
    kinds_ = kinds_of_.at(i);
  } else if (i == function_->start) {
    kinds_ = kinds_of_.at(i);
  } else if (b_.GetInsertBlock()->getTerminator() != nullptr) {  // nothing leads here
    b_.SetInsertPoint(block_at(i));
    kinds_ = kinds_of_.at(i);
  }
  const bool dead = i < program_.facts().size() && program_.facts()[i].dead;
  if (!costs_.empty() && costs_[i] != 0 && !dead) charge(costs_[i]);
  if (insn.opcode == kNop) return;
  switch (insn.cls()) {
    case BPF_LD:
      if (insn.mode() == BPF_IMM)
        load_imm64(i, insn);
      else
        load_packet(insn);
      break;
    case BPF_LDX: load(i, insn); break;
    case BPF_ST:
    case BPF_STX: store(insn); break;
    case BPF_ALU: alu(insn, false, i); break;
    case BPF_ALU64: alu(insn, true, i); break;
    default: jump(i, insn);
  }
}

// ---- registers

llvm::Value* Translator::number(unsigned reg) {
  if (is_pointer(kinds_[reg])) return b_.CreatePtrToInt(pointer(reg), b_.getInt64Ty());
  return b_.CreateLoad(b_.getInt64Ty(), numbers_[reg]);
}

llvm::Value* Translator::pointer(unsigned reg) {
  if (reg == kFramePointer) return frame_;
  if (is_pointer(kinds_[reg])) return b_.CreateLoad(b_.getPtrTy(), pointers_[reg]);
  return b_.CreateIntToPtr(number(reg), b_.getPtrTy());
}

void Translator::set(unsigned reg, llvm::Value* value) {
  const bool is_address = value->getType()->isPointerTy();
  if (!is_address && value->getType() != b_.getInt64Ty())
    value = b_.CreateZExt(value, b_.getInt64Ty());
  b_.CreateStore(value, is_address ? pointers_[reg] : numbers_[reg]);
  if (!is_address) {
    kinds_[reg] = Kind::number;
  } else if (!is_pointer(kinds_[reg])) {
    kinds_[reg] = Kind::pointer;
  }
}

llvm::Value* Translator::address(unsigned reg, int off) {
  llvm::Value* base = pointer(reg);
  return off == 0 ? base : b_.CreatePtrAdd(base, b_.getInt64(static_cast<uint64_t>(int64_t{off})));
}

llvm::Value* Translator::load_field(llvm::Type* type, llvm::Value* base, size_t offset,
                                    bool invariant) {
  auto* made = b_.CreateLoad(type, b_.CreateConstGEP1_64(b_.getInt8Ty(), base, offset));
  if (invariant)
    made->setMetadata(llvm::LLVMContext::MD_invariant_load, llvm::MDNode::get(b_.getContext(), {}));
  return made;
}

// ---- control flow

// Registers that are live at `target` take the form that they have there.
void Translator::prepare_edge(uint32_t target) {
  const Kinds& there = kinds_of_.at(target);
  for (unsigned r = 0; r < kFramePointer; ++r) {
    if ((a_.live_in(target) >> r & 1) == 0 || is_pointer(kinds_[r]) == is_pointer(there[r]))
      continue;
    if (is_pointer(there[r]))
      b_.CreateStore(pointer(r), pointers_[r]);
    else
      b_.CreateStore(number(r), numbers_[r]);
  }
}

void Translator::go_to(uint32_t target) {
  prepare_edge(target);
  b_.CreateBr(block_at(target));
}

void Translator::leave(llvm::Value* result) { b_.CreateRet(result); }

llvm::Value* Translator::condition(const Insn& insn) {
  const bool wide = insn.cls() == BPF_JMP, x = insn.uses_src_reg();
  if (wide && x && is_pointer(kinds_[insn.dst]) && is_pointer(kinds_[insn.src]) &&
      (insn.op() == BPF_JEQ || insn.op() == BPF_JNE)) {
    return b_.CreateICmp(insn.op() == BPF_JEQ ? llvm::CmpInst::ICMP_EQ : llvm::CmpInst::ICMP_NE,
                         pointer(insn.dst), pointer(insn.src));
  }
  if (wide && !x && insn.imm == 0 && is_pointer(kinds_[insn.dst]) &&
      (insn.op() == BPF_JEQ || insn.op() == BPF_JNE)) {
    return insn.op() == BPF_JEQ ? b_.CreateIsNull(pointer(insn.dst))
                                : b_.CreateIsNotNull(pointer(insn.dst));
  }
  llvm::Value* left = wide ? number(insn.dst) : low(insn.dst);
  llvm::Value* right = nullptr;
  if (x)
    right = wide ? number(insn.src) : low(insn.src);
  else
    right = llvm::ConstantInt::get(left->getType(), static_cast<uint64_t>(int64_t{insn.imm}), true);
  using Predicate = llvm::CmpInst::Predicate;
  Predicate predicate{};
  switch (insn.op()) {
    case BPF_JEQ: predicate = Predicate::ICMP_EQ; break;
    case BPF_JNE: predicate = Predicate::ICMP_NE; break;
    case BPF_JGT: predicate = Predicate::ICMP_UGT; break;
    case BPF_JGE: predicate = Predicate::ICMP_UGE; break;
    case BPF_JLT: predicate = Predicate::ICMP_ULT; break;
    case BPF_JLE: predicate = Predicate::ICMP_ULE; break;
    case BPF_JSGT: predicate = Predicate::ICMP_SGT; break;
    case BPF_JSGE: predicate = Predicate::ICMP_SGE; break;
    case BPF_JSLT: predicate = Predicate::ICMP_SLT; break;
    case BPF_JSLE: predicate = Predicate::ICMP_SLE; break;
    case BPF_JSET: return b_.CreateIsNotNull(b_.CreateAnd(left, right));
    default: broken("an unknown jump"); return b_.getFalse();
  }
  return b_.CreateICmp(predicate, left, right);
}

void Translator::jump(uint32_t i, const Insn& insn) {
  switch (insn.op()) {
    case BPF_EXIT: return leave(number(0));
    case BPF_CALL: return call(i, insn);
    case BPF_JA: return go_to(Analysis::target(insn, i));
    case BPF_JCOND: return may_goto(i, insn);
    default: break;
  }
  const uint32_t target = Analysis::target(insn, i);
  llvm::Value* taken = condition(insn);
  prepare_edge(target);
  prepare_edge(i + 1);
  auto* next = block_at(i + 1);
  b_.CreateCondBr(taken, block_at(target), next);
  b_.SetInsertPoint(next);
  kinds_ = kinds_of_.at(i + 1);
}

void Translator::may_goto(uint32_t i, const Insn& insn) {
  const uint32_t target = Analysis::target(insn, i);
  llvm::Value* left = b_.CreateLoad(b_.getInt32Ty(), may_goto_);
  prepare_edge(target);
  prepare_edge(i + 1);
  auto* pass = llvm::BasicBlock::Create(b_.getContext(), "", into_);
  b_.CreateCondBr(b_.CreateIsNull(left), block_at(target), pass);
  b_.SetInsertPoint(pass);
  b_.CreateStore(b_.CreateSub(left, b_.getInt32(1)), may_goto_);
  auto* next = block_at(i + 1);
  b_.CreateBr(next);
  b_.SetInsertPoint(next);
  kinds_ = kinds_of_.at(i + 1);
}

// ---- fuel (vm/metering.h)

void Translator::out_of_fuel_unless(llvm::Value* condition) {
  if (no_fuel_ == nullptr) {
    no_fuel_ = llvm::BasicBlock::Create(b_.getContext(), "no_fuel", into_);
    llvm::IRBuilderBase::InsertPointGuard guard(b_);
    b_.SetInsertPoint(no_fuel_);
    b_.CreateStore(b_.getInt64(0), context_field(offsetof(HelperContext, fuel)));
    b_.CreateStore(b_.getInt32(kRanOutOfFuel), context_field(offsetof(HelperContext, flags)));
    if (index_ == 0 && options_.out_of_fuel != 0)
      b_.CreateAtomicRMW(llvm::AtomicRMWInst::Add, map_address(ImageAddress::out_of_fuel, 0),
                         b_.getInt64(1), llvm::Align(8), llvm::AtomicOrdering::Monotonic);
    b_.CreateRet(b_.getInt64(program_.subprograms()[index_].is_callback ? 1 : 0));
  }
  auto* enough = llvm::BasicBlock::Create(b_.getContext(), "", into_);
  b_.CreateCondBr(condition, enough, no_fuel_);
  b_.SetInsertPoint(enough);
}

void Translator::charge(uint32_t cost) {
  llvm::Value* fuel = context_field(offsetof(HelperContext, fuel));
  llvm::Value* left = b_.CreateLoad(b_.getInt64Ty(), fuel);
  out_of_fuel_unless(b_.CreateICmpUGE(left, b_.getInt64(cost)));
  b_.CreateStore(b_.CreateSub(left, b_.getInt64(cost)), fuel);
}

void Translator::check_fuel() {
  if (costs_.empty()) return;
  out_of_fuel_unless(b_.CreateIsNull(
      b_.CreateLoad(b_.getInt32Ty(), context_field(offsetof(HelperContext, flags)))));
}

}  // namespace skep::jit::optimising
