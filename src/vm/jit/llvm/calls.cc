// Calls of helpers, kfuncs and BPF functions; tail calls; what needs no call.
#include <llvm/IR/MDBuilder.h>

#include <cstddef>

#include "object/hash_layout.h"
#include "object/helper_context.h"
#include "object/map_header.h"
#include "object/prog_header.h"
#include "spec/helpers.h"
#include "vm/jit/llvm/translate.h"
#include "vm/jit/lookup.h"

namespace skep::jit::optimising {

using namespace isa;

namespace {

constexpr uint32_t kTableSize = 1024;
constexpr const char* kHelpers = "skep_helper_";
constexpr const char* kKfuncs = "skep_kfunc_";

// How many of r1 to r5 the helper reads.
unsigned arguments_of(int32_t id) {
  const spec::Helper* helper = spec::find_helper(static_cast<uint32_t>(id));
  if (helper == nullptr) return 5;
  unsigned most = 0;
  for (const spec::Helper& row : spec::helpers())
    if (row.id == helper->id) most = std::max(most, row.argument_count());
  return most;
}

}  // namespace

llvm::FunctionType* Translator::helper_type() {
  std::vector<llvm::Type*> types(5, b_.getInt64Ty());
  types.push_back(b_.getPtrTy());
  return llvm::FunctionType::get(b_.getInt64Ty(), types, false);
}

void Translator::call(uint32_t i, const Insn& insn) {
  if (insn.src == BPF_PSEUDO_CALL) {
    const uint32_t f = a_.function_at(i + 1 + static_cast<uint32_t>(insn.imm));
    if (f == functions_.size()) return broken("a call of a function that there is not");
    if (f == 0) return broken("a call of the main function");
    std::vector<llvm::Value*> arguments;
    for (unsigned r = 1; r < 6; ++r) {
      const bool is_address = is_pointer(kinds_of_.arguments(f)[r]);
      if ((a_.use(i) >> r & 1) == 0)
        arguments.push_back(llvm::UndefValue::get(
            is_address ? static_cast<llvm::Type*>(b_.getPtrTy()) : b_.getInt64Ty()));
      else
        arguments.push_back(is_address ? pointer(r) : number(r));
    }
    arguments.push_back(run_);
    llvm::Value* result = b_.CreateCall(functions_[f], arguments);
    check_fuel();
    return set(0, result);
  }
  if (insn.uses_src_reg()) return call_register(insn);
  if (insn.imm < 0 || insn.imm >= static_cast<int32_t>(kTableSize))
    return broken("a call of a helper outside of the table");
  const bool kfunc = insn.src == BPF_PSEUDO_KFUNC_CALL;
  if (!kfunc && insn.imm == spec::BPF_FUNC_tail_call) return tail_call(i);
  if (!kfunc && inline_helper(i, insn.imm)) return;
  // A table of a test's own has helpers that the specification doesn't know.
  const bool known = options_.helper_table == JitOptions{}.helper_table;
  llvm::Value* result = call_through(kfunc ? kKfuncs : kHelpers, static_cast<uint32_t>(insn.imm),
                                     kfunc || !known ? 5 : arguments_of(insn.imm));
  if (a_.has_callbacks()) check_fuel();
  if (!kfunc && insn.imm == spec::BPF_FUNC_map_lookup_elem) {
    kinds_[0] = Kind::pointer;
    result = b_.CreateIntToPtr(result, b_.getPtrTy());
  }
  set(0, result);
}

llvm::Value* Translator::call_through(const char* table, uint32_t index, unsigned arguments) {
  const std::string name = table + std::to_string(index);
  auto* variable = module_.getGlobalVariable(name);
  if (variable == nullptr) {
    variable = new llvm::GlobalVariable(module_, b_.getPtrTy(), false,
                                        llvm::GlobalValue::ExternalLinkage, nullptr, name);
    variable->setVisibility(llvm::GlobalValue::HiddenVisibility);
    variable->setDSOLocal(true);
  }
  llvm::Value* callee = load_field(b_.getPtrTy(), variable, 0, true);
  std::vector<llvm::Value*> values;
  for (unsigned r = 1; r < 6; ++r)
    values.push_back(r <= arguments ? number(r) : llvm::UndefValue::get(b_.getInt64Ty()));
  values.push_back(run_);
  return b_.CreateCall(helper_type(), callee, values);
}

// callx: a helper by the id in a register. In conformance suites only; no verifier admits it.
void Translator::call_register(const Insn& insn) {
  llvm::Value* id = low(insn.dst);
  auto* inside = llvm::BasicBlock::Create(b_.getContext(), "", into_);
  auto* outside = llvm::BasicBlock::Create(b_.getContext(), "", into_);
  b_.CreateCondBr(b_.CreateICmpULT(id, b_.getInt32(kTableSize)), inside, outside);
  b_.SetInsertPoint(outside);
  b_.CreateIntrinsic(llvm::Intrinsic::trap, {}, {});
  b_.CreateUnreachable();
  b_.SetInsertPoint(inside);
  llvm::Value* element = b_.CreateGEP(b_.getInt64Ty(), map_address(ImageAddress::helper_table, 0),
                                      b_.CreateZExt(id, b_.getInt64Ty()));
  llvm::Value* callee = b_.CreateLoad(b_.getPtrTy(), element);
  std::vector<llvm::Value*> values;
  for (unsigned r = 1; r < 6; ++r) values.push_back(number(r));
  values.push_back(run_);
  set(0, b_.CreateCall(helper_type(), callee, values));
}

bool Translator::inline_helper(uint32_t i, int32_t id) {
  auto give = [&](llvm::Value* value) {
    set(0, value);
    return true;
  };
  switch (id) {
    case spec::BPF_FUNC_map_lookup_elem: return inline_lookup(i);
    case spec::BPF_FUNC_get_smp_processor_id:  // the slot is the CPU
      return give(load_field(b_.getInt32Ty(), run_, offsetof(HelperContext, slot), true));
    case spec::BPF_FUNC_loop: return loop_call(i);
    default: return false;
  }
}

// bpf_loop over a callback that is known: a loop, into which LLVM may inline it. What the helper would refuse it is left
// to refuse. Metered code has no such loop: fuel may end it.
bool Translator::loop_call(uint32_t i) {
  constexpr uint32_t kMaxLoops = 8u << 20;  // BPF_MAX_LOOPS
  const uint32_t f = a_.function_in(2, i);
  if (options_.fuel != 0 || f == functions_.size() || f == 0) return false;
  llvm::LLVMContext& context = b_.getContext();
  auto block = [&] { return llvm::BasicBlock::Create(context, "", into_); };
  llvm::BasicBlock *head = block(), *body = block(), *slow = block(), *done = block();
  llvm::Value* times = low(1);
  llvm::Value* argument =
      is_pointer(kinds_of_.arguments(f)[2]) ? pointer(3) : static_cast<llvm::Value*>(number(3));
  llvm::Value* allowed =
      b_.CreateAnd(b_.CreateIsNull(number(4)), b_.CreateICmpULE(times, b_.getInt32(kMaxLoops)));
  auto* from = b_.GetInsertBlock();
  b_.CreateCondBr(allowed, head, slow, llvm::MDBuilder(context).createLikelyBranchWeights());
  b_.SetInsertPoint(slow);
  llvm::Value* refused = call_through(kHelpers, spec::BPF_FUNC_loop, 4);
  auto* slow_end = b_.GetInsertBlock();
  b_.CreateBr(done);
  b_.SetInsertPoint(head);
  auto* index = b_.CreatePHI(b_.getInt32Ty(), 2);
  index->addIncoming(b_.getInt32(0), from);
  b_.CreateCondBr(b_.CreateICmpULT(index, times), body, done);
  b_.SetInsertPoint(body);
  std::vector<llvm::Value*> arguments;
  for (unsigned r = 1; r < 6; ++r) {
    const bool is_address = is_pointer(kinds_of_.arguments(f)[r]);
    llvm::Type* type = is_address ? static_cast<llvm::Type*>(b_.getPtrTy()) : b_.getInt64Ty();
    llvm::Value* value = llvm::UndefValue::get(type);
    if (r == 1) value = b_.CreateZExt(index, b_.getInt64Ty());
    if (r == 1 && is_address) value = b_.CreateIntToPtr(value, type);
    if (r == 2) value = argument;
    arguments.push_back(value);
  }
  arguments.push_back(run_);
  llvm::Value* stop = b_.CreateCall(functions_[f], arguments);
  llvm::Value* next = b_.CreateAdd(index, b_.getInt32(1));
  index->addIncoming(next, b_.GetInsertBlock());
  auto* body_end = b_.GetInsertBlock();
  b_.CreateCondBr(b_.CreateIsNull(stop), head, done);
  b_.SetInsertPoint(done);
  auto* made = b_.CreatePHI(b_.getInt32Ty(), 2);
  made->addIncoming(index, head);
  made->addIncoming(next, body_end);
  auto* result = b_.CreatePHI(b_.getInt64Ty(), 3);
  result->addIncoming(llvm::ConstantInt::get(b_.getInt64Ty(), 0), head);
  result->addIncoming(llvm::ConstantInt::get(b_.getInt64Ty(), 0), body_end);
  result->addIncoming(refused, slow_end);
  made->addIncoming(b_.getInt32(0), slow_end);
  set(0, b_.CreateOr(result, b_.CreateZExt(made, b_.getInt64Ty())));
  return true;
}

bool Translator::inline_lookup(uint32_t i) {
  if (!options_.inline_maps || program_.facts().empty()) return false;
  const InsnFacts& facts = program_.facts()[i];
  if (facts.map_index < 0 || static_cast<size_t>(facts.map_index) >= program_.maps().size())
    return false;
  const auto index = static_cast<uint32_t>(facts.map_index);
  const MapDescriptor& map = program_.maps()[index];
  if (map.address == 0) return false;
  const auto& header = *reinterpret_cast<const MapHeader*>(map.address);
  if (header.magic != kMapMagic) return false;
  llvm::Value* element = nullptr;
  switch (map.type) {
    case MapType::BPF_MAP_TYPE_ARRAY:
    case MapType::BPF_MAP_TYPE_PERCPU_ARRAY:
      if (header.values == 0) return false;
      element = array_element(map, header, index, facts);
      break;
    case MapType::BPF_MAP_TYPE_HASH: element = hash_element(header, index, false, false); break;
    case MapType::BPF_MAP_TYPE_PERCPU_HASH:
      element = hash_element(header, index, true, false);
      break;
    case MapType::BPF_MAP_TYPE_LRU_HASH: element = hash_element(header, index, false, true); break;
    case MapType::BPF_MAP_TYPE_LRU_PERCPU_HASH:
      element = hash_element(header, index, true, true);
      break;
    default: return false;
  }
  if (element == nullptr) return false;
  kinds_[0] = Kind::pointer;
  set(0, element);
  return true;
}

// An array's geometry never changes: its header's numbers are constants.
llvm::Value* Translator::array_element(const MapDescriptor& map, const MapHeader& header,
                                       uint32_t index, const InsnFacts& facts) {
  llvm::Value* key = facts.key_is_constant
                         ? static_cast<llvm::Value*>(b_.getInt32(facts.constant_key))
                         : b_.CreateAlignedLoad(b_.getInt32Ty(), pointer(2), llvm::Align(1));
  if (!facts.key_is_constant && is_pointer(kinds_[2])) key = b_.CreateFreeze(key);
  llvm::Value* inside = b_.CreateICmpULT(key, b_.getInt32(header.max_entries));
  llvm::Value* base = map_address(ImageAddress::array_values, index);
  llvm::Value* offset =
      b_.CreateNUWMul(b_.CreateZExt(key, b_.getInt64Ty()), b_.getInt64(header.value_stride));
  if (map.type == MapType::BPF_MAP_TYPE_PERCPU_ARRAY) {
    llvm::Value* slot = load_field(b_.getInt32Ty(), run_, offsetof(HelperContext, slot), true);
    offset = b_.CreateAdd(offset, b_.CreateNUWMul(b_.CreateZExt(slot, b_.getInt64Ty()),
                                                  b_.getInt64(header.slot_stride)));
  }
  // Where the key is outside, the address is not used: nothing is said of it but where it is inside.
  auto* found = llvm::BasicBlock::Create(b_.getContext(), "", into_);
  auto* done = llvm::BasicBlock::Create(b_.getContext(), "", into_);
  auto* from = b_.GetInsertBlock();
  b_.CreateCondBr(inside, found, done);
  b_.SetInsertPoint(found);
  llvm::Value* element = b_.CreateInBoundsPtrAdd(base, offset);
  b_.CreateBr(done);
  b_.SetInsertPoint(done);
  auto* result = b_.CreatePHI(b_.getPtrTy(), 2);
  result->addIncoming(element, found);
  result->addIncoming(llvm::ConstantPointerNull::get(b_.getPtrTy()), from);
  return result;
}

// skep_hash_lookup is maps/inlined/hash_lookup.cc as bitcode. What it can't find at once it leaves to the helper.
// The map's geometry never changes: numbers are constants, what differs from hive to hive is a relocation.
llvm::Value* Translator::hash_element(const MapHeader& header, uint32_t index, bool per_cpu,
                                      bool lru) {
  const auto& hash = *reinterpret_cast<const HashGeometry*>(header.extra);
  if (hash.buckets == 0 || (per_cpu ? header.values == 0 : hash.value_offset == 0) ||
      lru != (hash.lru != 0))
    return nullptr;
  llvm::Type *address = b_.getPtrTy(), *wide = b_.getInt64Ty(), *word = b_.getInt32Ty();
  auto callee = module_.getOrInsertFunction(
      "skep_hash_lookup",
      llvm::FunctionType::get(address,
                              {address, address, address, address, address, wide, wide, wide, wide,
                               word, wide, wide, word, word, word},
                              false));
  llvm::Value* values = per_cpu ? map_address(ImageAddress::array_values, index)
                                : llvm::ConstantPointerNull::get(b_.getPtrTy());
  llvm::Value* seed =
      b_.CreatePtrToInt(map_address(ImageAddress::hash_seed, index), b_.getInt64Ty());
  llvm::Value* found = b_.CreateCall(
      callee,
      {pointer(2), run_, map_address(ImageAddress::hash_buckets, index),
       map_address(ImageAddress::hash_elements, index), values, seed, b_.getInt64(hash.bucket_mask),
       b_.getInt64(hash.element_stride), b_.getInt64(hash.value_offset),
       b_.getInt32(static_cast<uint32_t>(hash.total)), b_.getInt64(header.slot_stride),
       b_.getInt64(header.value_stride), b_.getInt32(program_.maps()[index].key_size),
       b_.getInt32(per_cpu ? 1 : 0), b_.getInt32(lru ? 1 : 0)});
  auto* from = b_.GetInsertBlock();
  auto* slow = llvm::BasicBlock::Create(b_.getContext(), "", into_);
  auto* done = llvm::BasicBlock::Create(b_.getContext(), "", into_);
  llvm::Value* unsure = b_.CreateICmpEQ(found, b_.CreateIntToPtr(b_.getInt64(1), b_.getPtrTy()));
  b_.CreateCondBr(unsure, slow, done,
                  llvm::MDBuilder(b_.getContext()).createUnlikelyBranchWeights());
  b_.SetInsertPoint(slow);
  llvm::Value* called =
      b_.CreateIntToPtr(call_through(kHelpers, spec::BPF_FUNC_map_lookup_elem, 2), b_.getPtrTy());
  auto* slow_end = b_.GetInsertBlock();
  b_.CreateBr(done);
  b_.SetInsertPoint(done);
  auto* result = b_.CreatePHI(b_.getPtrTy(), 2);
  result->addIncoming(found, from);
  result->addIncoming(called, slow_end);
  return result;
}

// r1: ctx, r2: program array, r3: index. The array's memory is any traced process's to write: what it holds must
// be a published program. A subprogram's caller goes on with what the other program returns.
void Translator::tail_call(uint32_t i) {
  auto known = options_.inline_maps ? tail_call_at(program_, i) : std::nullopt;
  llvm::Value* array = pointer(2);
  llvm::Value* key = known && known->index ? b_.getInt32(*known->index) : low(3);
  auto* out = llvm::BasicBlock::Create(b_.getContext(), "", into_);
  auto go_on_if = [&](llvm::Value* condition) {
    auto* next = llvm::BasicBlock::Create(b_.getContext(), "", into_);
    b_.CreateCondBr(condition, next, out);
    b_.SetInsertPoint(next);
  };
  go_on_if(b_.CreateICmpULT(
      key, known ? b_.getInt32(known->array->max_entries)
                 : load_field(b_.getInt32Ty(), array, offsetof(MapHeader, max_entries), true)));
  llvm::Value* calls = load_field(b_.getInt32Ty(), run_, offsetof(HelperContext, tail_calls));
  go_on_if(b_.CreateICmpULT(calls, b_.getInt32(kMaxTailCalls)));
  llvm::Value* values =
      known ? map_address(ImageAddress::array_values, static_cast<uint32_t>(known->map_index))
            : load_field(b_.getPtrTy(), array, offsetof(MapHeader, values), true);
  // Atomic: LLVM may read it only once.
  auto* element = b_.CreateAlignedLoad(
      b_.getInt64Ty(), b_.CreateGEP(b_.getInt64Ty(), values, b_.CreateZExt(key, b_.getInt64Ty())),
      llvm::Align(8));
  element->setAtomic(llvm::AtomicOrdering::Acquire);
  llvm::Value* offset = b_.CreateSub(element, b_.getInt64(options_.prog_headers));
  offset = b_.CreateIntrinsic(llvm::Intrinsic::fshr, {b_.getInt64Ty()},
                              {offset, offset, b_.getInt64(6)});  // see x86_64/call.cc
  go_on_if(b_.CreateICmpULT(offset, b_.getInt64(options_.prog_headers_size / 64)));
  llvm::Value* header = b_.CreateIntToPtr(element, b_.getPtrTy());
  llvm::Value* magic = load_field(b_.getInt32Ty(), header, offsetof(ProgHeader, magic));
  go_on_if(b_.CreateICmpEQ(magic, b_.getInt32(kProgMagic)));
  b_.CreateStore(b_.CreateAdd(calls, b_.getInt32(1)),
                 context_field(offsetof(HelperContext, tail_calls)));
  b_.CreateStore(header, context_field(offsetof(HelperContext, program)));
  llvm::Value* entry = load_field(b_.getPtrTy(), header, offsetof(ProgHeader, tail_entry));
  auto* call = b_.CreateCall(functions_[0]->getFunctionType(), entry, {pointer(1), run_});
  call->setTailCallKind(index_ == 0 ? llvm::CallInst::TCK_MustTail : llvm::CallInst::TCK_Tail);
  b_.CreateRet(call);
  b_.SetInsertPoint(out);
  // r0 is a number that the program does not know; the verifier lets it read it.
  set(0, b_.getInt64(0));
}

}  // namespace skep::jit::optimising
