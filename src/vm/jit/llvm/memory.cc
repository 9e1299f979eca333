// Loads, stores, atomics, packet loads, 64-bit immediates.
#include <llvm/IR/InlineAsm.h>

#include "vm/jit/llvm/translate.h"

namespace skep::jit::optimising {

using namespace isa;

namespace {

const llvm::Align kUnaligned;  // 1

}  // namespace

void Translator::load(uint32_t i, const Insn& insn) {
  const bool is_signed = insn.mode() == BPF_MEMSX || insn.mode() == BPF_PROBE_MEMSX;
  if (insn.mode() == BPF_PROBE_MEM || insn.mode() == BPF_PROBE_MEMSX) return probe(insn);
  llvm::Type* type = bits(insn.access_size());
  llvm::Value* value = b_.CreateAlignedLoad(type, address(insn.src, insn.off), kUnaligned);
  // IR may take what nobody wrote for something else at each use, or for nothing at all.
  const bool maybe_unwritten = insn.src == kFramePointer ? !kinds_of_.reads_written_stack(i)
                                                         : kinds_[insn.src] == Kind::stack;
  if (is_signed && insn.access_size() < 8) value = b_.CreateSExt(value, b_.getInt64Ty());
  if (maybe_unwritten) value = b_.CreateFreeze(value);
  set(insn.dst, value);
}

// A load that may fault: the register is 0 before it, and a SIGSEGV handler goes on behind it. The snippet tells
// emit.cc the two places.
void Translator::probe(const Insn& insn) {
  const bool is_signed = insn.mode() == BPF_PROBE_MEMSX;
  const char* move = nullptr;
  switch (insn.access_size()) {
    case 1: move = is_signed ? "movsbq ($1), $0" : "movzbl ($1), ${0:k}"; break;
    case 2: move = is_signed ? "movswq ($1), $0" : "movzwl ($1), ${0:k}"; break;
    case 4: move = is_signed ? "movslq ($1), $0" : "movl ($1), ${0:k}"; break;
    default: move = "movq ($1), $0"; break;
  }
  const std::string text = std::string("xorl ${0:k}, ${0:k}\n.Lskep_load${:uid}:\n") + move +
                           "\n.Lskep_next${:uid}:\n.pushsection " + kFaultSection +
                           ",\"a\",@progbits\n.long .Lskep_load${:uid} - ., .Lskep_next${:uid} - "
                           ".\n.popsection";
  auto* type = llvm::FunctionType::get(b_.getInt64Ty(), {b_.getPtrTy()}, false);
  auto* snippet = llvm::InlineAsm::get(type, text, "=&r,r,~{flags},~{dirflag},~{fpsr}", false);
  auto* call = b_.CreateCall(type, snippet, {address(insn.src, insn.off)});
  call->setMemoryEffects(llvm::MemoryEffects::readOnly());
  call->setDoesNotThrow();
  call->addFnAttr(llvm::Attribute::WillReturn);
  set(insn.dst, call);
}

void Translator::store(const Insn& insn) {
  if (insn.cls() == BPF_STX && insn.mode() == BPF_ATOMIC) return atomic(insn);
  llvm::Type* type = bits(insn.access_size());
  llvm::Value* value = nullptr;
  if (insn.cls() == BPF_ST)
    value = llvm::ConstantInt::get(type, static_cast<uint64_t>(int64_t{insn.imm}), true);
  else if (insn.access_size() == 8 && is_pointer(kinds_[insn.src]))
    value = pointer(insn.src);
  else
    value = b_.CreateTrunc(number(insn.src), type);
  b_.CreateAlignedStore(value, address(insn.dst, insn.off), kUnaligned);
}

void Translator::atomic(const Insn& insn) {
  const unsigned size = insn.access_size();
  llvm::Type* type = bits(size);
  const llvm::Align align(size);  // the verifier sees to it
  if (insn.imm == BPF_LOAD_ACQ) {
    auto* made = b_.CreateAlignedLoad(type, address(insn.src, insn.off), align);
    made->setAtomic(llvm::AtomicOrdering::Acquire);
    return set(insn.dst, made);
  }
  llvm::Value* place = address(insn.dst, insn.off);
  llvm::Value* operand = b_.CreateTrunc(number(insn.src), type);
  if (insn.imm == BPF_STORE_REL) {
    b_.CreateAlignedStore(operand, place, align)->setAtomic(llvm::AtomicOrdering::Release);
    return;
  }
  constexpr auto kOrder = llvm::AtomicOrdering::SequentiallyConsistent;
  if (insn.imm == BPF_CMPXCHG) {
    llvm::Value* expected = b_.CreateTrunc(number(0), type);
    auto* made = b_.CreateAtomicCmpXchg(place, expected, operand, align, kOrder, kOrder);
    return set(0, b_.CreateExtractValue(made, 0));
  }
  llvm::AtomicRMWInst::BinOp operation{};
  switch (insn.imm & ~BPF_FETCH) {
    case BPF_ADD: operation = llvm::AtomicRMWInst::Add; break;
    case BPF_OR: operation = llvm::AtomicRMWInst::Or; break;
    case BPF_AND: operation = llvm::AtomicRMWInst::And; break;
    case BPF_XOR: operation = llvm::AtomicRMWInst::Xor; break;
    case BPF_XCHG & ~BPF_FETCH: operation = llvm::AtomicRMWInst::Xchg; break;
    default: return broken("an unknown atomic operation");
  }
  llvm::Value* before = b_.CreateAtomicRMW(operation, place, operand, align, kOrder);
  if ((insn.imm & BPF_FETCH) != 0) set(insn.src, before);
}

// Ends the function with 0 where the packet has no such bytes; skep_load_packet is vm/packet_load.h as bitcode.
void Translator::load_packet(const Insn& insn) {
  llvm::Value* offset = b_.getInt32(static_cast<uint32_t>(insn.imm));
  if (insn.mode() == BPF_IND) offset = b_.CreateAdd(low(insn.src), offset);
  llvm::IRBuilderBase::InsertPoint here = b_.saveIP();
  b_.SetInsertPoint(&into_->getEntryBlock(), into_->getEntryBlock().begin());
  llvm::Value* place = b_.CreateAlloca(b_.getInt64Ty());
  b_.restoreIP(here);
  auto callee = module_.getOrInsertFunction("skep_load_packet", b_.getInt32Ty(), b_.getPtrTy(),
                                            b_.getInt32Ty(), b_.getInt32Ty(), b_.getPtrTy());
  llvm::Value* good = b_.CreateCall(callee, {run_, offset, b_.getInt32(insn.access_size()), place});
  auto* missing = llvm::BasicBlock::Create(b_.getContext(), "", into_);
  auto* there = llvm::BasicBlock::Create(b_.getContext(), "", into_);
  b_.CreateCondBr(b_.CreateIsNotNull(good), there, missing);
  b_.SetInsertPoint(missing);
  leave(b_.getInt64(0));
  b_.SetInsertPoint(there);
  set(0, b_.CreateLoad(b_.getInt64Ty(), place));
}

// Not a constant: it differs from hive to hive, and cached code must not hold it. One a function and map, in the
// entry block, so that it can stay in a register.
llvm::Value* Translator::map_address(ImageAddress what, uint32_t index) {
  constexpr const char* kNames[] = {"skep_map_",
                                    "skep_map_values_",
                                    "skep_array_values_",
                                    "skep_out_of_fuel_",
                                    "skep_helper_table_",
                                    "",
                                    "",
                                    "skep_hash_buckets_",
                                    "skep_hash_elements_",
                                    "skep_hash_seed_"};
  llvm::Value* once = nullptr;
  const auto row = static_cast<size_t>(what);
  const bool of_map = is_of_map(what);
  llvm::Value** kept = of_map ? &maps_[row][index] : &once;
  if (*kept != nullptr) return *kept;
  llvm::IRBuilderBase::InsertPointGuard guard(b_);
  if (of_map) b_.SetInsertPoint(&into_->getEntryBlock(), into_->getEntryBlock().begin());
  auto* type = llvm::FunctionType::get(b_.getPtrTy(), {}, false);
  auto* snippet = llvm::InlineAsm::get(
      type, std::string("movabsq $$") + kNames[row] + std::to_string(index) + ", $0", "=r", false);
  auto* call = b_.CreateCall(type, snippet, {});
  call->setDoesNotThrow();
  call->setDoesNotAccessMemory();
  call->addFnAttr(llvm::Attribute::WillReturn);
  if (what != ImageAddress::hash_seed) call->addRetAttr(llvm::Attribute::NonNull);
  return *kept = call;
}

void Translator::load_imm64(uint32_t i, const Insn& insn) {
  const Insn& high = a_.insns()[i + 1];
  const auto index = static_cast<uint32_t>(insn.imm);
  switch (insn.src) {
    case BPF_PSEUDO_MAP_FD:
    case BPF_PSEUDO_MAP_IDX:
    case BPF_PSEUDO_MAP_VALUE:
    case BPF_PSEUDO_MAP_IDX_VALUE: {
      if (index >= program_.maps().size()) return broken("ld_imm64 of a map that there is not");
      const bool value = insn.src == BPF_PSEUDO_MAP_VALUE || insn.src == BPF_PSEUDO_MAP_IDX_VALUE;
      llvm::Value* base = map_address(value ? ImageAddress::map_values : ImageAddress::map, index);
      if (value) base = b_.CreatePtrAdd(base, b_.getInt64(static_cast<uint32_t>(high.imm)));
      kinds_[insn.dst] = Kind::pointer;
      return set(insn.dst, base);
    }
    case BPF_PSEUDO_FUNC: {
      const uint32_t f = a_.function_at(i + 1 + index);
      if (f == functions_.size()) return broken("ld_imm64 of a function that there is not");
      return set(insn.dst, b_.CreatePtrToInt(functions_[f], b_.getInt64Ty()));
    }
    default: return set(insn.dst, b_.getInt64(imm64(insn, high)));
  }
}

}  // namespace skep::jit::optimising
