// Functions' frames, the loop over instructions, and what becomes of the bytes.
#include "vm/jit/x86_64/codegen.h"

#include <algorithm>
#include <bit>
#include <cstddef>

#include "object/helper_context.h"
#include "vm/jit/placed_code.h"
#include "vm/metering.h"

namespace skep::jit::x86 {

using namespace isa;

namespace {

constexpr int kTrap = 0xcc;    // int3
constexpr size_t kRoom = 512;  // the most that one instruction emits, short of what it materialises
constexpr uint8_t kCalleeSaved[] = {rbx, rbp, r14, r15, r13, r12};
constexpr uint16_t kCalleeSavedMask =
    1 << rbx | 1 << rbp | 1 << r12 | 1 << r13 | 1 << r14 | 1 << r15;
constexpr size_t kGuard =
    16;  // bytes of traps after the code, and where blinded a random number before it
constexpr uint32_t kMaxLoops = 8u << 20;  // BPF_MAX_LOOPS: what may_goto allows

// Registers that a function may use without saving them: homes of arguments that it never names, if it
// calls nothing that would change them.
unsigned unsaved_homes(const Function& function, uint8_t* homes) {
  unsigned count = 0;
  if (function.calls) return 0;
  if (!function.fetches_bitwise) homes[count++] = r9;
  if ((function.used >> 5 & 1) == 0) homes[count++] = r8;
  if ((function.used >> 2 & 1) == 0) homes[count++] = rsi;
  return count;
}

}  // namespace

CodeGen::CodeGen(const VerifiedProgram& program, const JitOptions& options,
                 const Analysis& analysis)
    : program_(program), options_(options), a_(analysis), insns_(analysis.insns()) {
  blind_ = options.blinding_seed.has_value();
  random_state_ = options.blinding_seed.value_or(0);
  if (options.fuel != 0) costs_ = vm::block_costs(program);
}

unsigned CodeGen::slot_budget(const Function& function) {
  uint8_t homes[4];
  unsigned free = 5 + unsaved_homes(function, homes);
  return free - static_cast<unsigned>(std::popcount(function.used & 0x3c0u));
}

void CodeGen::room() {
  size_t used = here();
  if (capacity_ - used >= kRoom) return;
  size_t capacity = capacity_ * 2 + 2 * kRoom;
  auto larger = std::make_unique_for_overwrite<uint8_t[]>(capacity);
  std::memcpy(larger.get(), buffer_.get(), used);
  buffer_ = std::move(larger);
  capacity_ = capacity;
  e_.p = buffer_.get() + used;
  flags_at_ = nullptr;
}

void CodeGen::begin_function(uint32_t index) {
  room();
  function_ = &a_.functions()[index];
  function_index_ = index;
  subprogram_ = &program_.subprograms()[index];
  while (here() % 16 != 0) e_.trap();
  function_offsets_[index] = here();

  home_.fill(kNoReg);
  owner_.fill(kNoReg);
  constexpr uint8_t kFixed[] = {rax, rdi, rsi, rdx, rcx, r8};
  for (unsigned v = 0; v < 6; v++) home_[v] = kFixed[v];
  home_[kFramePointer] = rsp;
  uint8_t homes[16];
  unsigned count = unsaved_homes(*function_, homes), next = 0;
  for (uint8_t reg : kCalleeSaved)
    if (reg != kContext || !a_.uses_context()) homes[count++] = reg;
  saved_count_ = 0;
  for (unsigned v = 6; v < kVirtualRegisters; v++) {
    if (v == kFramePointer) continue;
    if (v >= kFirstSlot + function_->slots + function_->constants) break;
    if (v < kFirstSlot && (function_->used >> v & 1) == 0) continue;
    if (next == count) return broken("no register for a stack slot");
    home_[v] = homes[next++];
    if ((kCalleeSavedMask >> home_[v] & 1) != 0) saved_[saved_count_++] = home_[v];
  }
  for (unsigned v = 0; v < kVirtualRegisters; v++)
    if (home_[v] != kNoReg && v != kFramePointer) owner_[home_[v]] = static_cast<uint8_t>(v);
  bool main = index == 0;
  if (main && a_.uses_context()) saved_[saved_count_++] = kContext;

  // | return address | saved registers | BPF stack, r10 at its top | may_goto's counter | padding |
  uint32_t frame =
      (function_->used >> kFramePointer & 1) != 0 ? (subprogram_->stack_depth + 7) & ~7u : 0;
  if (function_->has_may_goto) frame += 8;
  if (function_->calls && (frame + 8 * saved_count_ + 8) % 16 != 0) frame += 8;
  frame_ = static_cast<int32_t>(frame);
  if (main) {
    if (!costs_.empty()) {
      e_.mov_imm(kScratch, options_.fuel);
      e_.store(8, {.base = rsi, .disp = offsetof(HelperContext, fuel)}, kScratch);
      e_.store_imm(4, {.base = rsi, .disp = offsetof(HelperContext, flags)}, 0);
    }
    tail_entry_ = here();
  }
  for (unsigned k = 0; k < saved_count_; k++) e_.push(saved_[k]);
  if (frame_ != 0) e_.alu_imm(kSub, true, rsp, frame_);
  if (function_->has_may_goto) e_.store_imm(4, {.base = rsp}, kMaxLoops);
  if (main && a_.uses_context()) e_.mov(true, kContext, rsi);
  if (main && a_.has_callbacks() && a_.uses_context()) {
    const uint8_t* at = e_.lea_rip(kScratch);
    fixups_.push_back({Fixup::kCode, static_cast<uint32_t>(at - buffer_.get()), 0, 0});
    e_.store(8, {.base = kContext, .disp = offsetof(HelperContext, call_bpf)}, kScratch);
  }
  for (unsigned k = 0; k < function_->constants; k++)
    e_.mov_imm(home_[kFirstSlot + function_->slots + k], function_->constant[k]);
  shared_epilogue_ = 0;
  values_[kFramePointer] = {.kind = Kind::kLinear, .base = rsp, .imm = frame_};
  lazy_ = bit(kFramePointer);
  in_progress_ = zext_ = 0;
  flags_at_ = nullptr;
  fenced_ = false;
}

void CodeGen::epilogue(bool with_ret) {
  if (with_ret && shared_epilogue_ != 0 && saved_count_ + (frame_ != 0) > 1) {
    int64_t disp = static_cast<int64_t>(shared_epilogue_) - (here() + 2);
    if (fits8(disp)) return e_.jmp8(disp);
    return e_.jmp32(disp - 3);
  }
  if (with_ret) shared_epilogue_ = here();
  if (frame_ != 0) e_.alu_imm(kAdd, true, rsp, frame_);
  for (unsigned k = saved_count_; k-- > 0;) e_.pop(saved_[k]);
  if (with_ret) e_.ret();
}

// The rest of the fuel must pay for the block that begins here.
void CodeGen::charge(uint32_t cost) {
  room();
  e_.alu_store_imm(kSub, 8, {.base = kContext, .disp = offsetof(HelperContext, fuel)},
                   static_cast<int32_t>(cost));
  leave_without_fuel(kB);
  flags_at_ = nullptr;
}

void CodeGen::leave_without_fuel(Cond cond) {
  e_.jcc32(cond, 0);
  stubs_.push_back({.kind = Stub::kNoFuel, .reg = 0, .insn_at = 0, .resume = here() - 4});
}

// After a call of what may have run out of it.
void CodeGen::check_fuel() {
  if (costs_.empty()) return;
  e_.alu_store_imm(kCmp, 4, {.base = kContext, .disp = offsetof(HelperContext, flags)}, 0);
  static_assert(kRanOutOfFuel == 1);  // the only flag
  leave_without_fuel(kNe);
}

// All stubs of a kind share what they jump to.
void CodeGen::bind_stubs(Stub::Kind kind) {
  for (const Stub& stub : stubs_) {
    if (stub.kind != kind) continue;
    auto disp = static_cast<int32_t>(here() - (stub.resume + 4));
    std::memcpy(buffer_.get() + stub.resume, &disp, 4);
  }
}

void CodeGen::end_function() {
  bool leaves = false, out_of_fuel = false;
  for (const Stub& stub : stubs_) {
    room();
    if (stub.kind != Stub::kFault) {
      (stub.kind == Stub::kExitZero ? leaves : out_of_fuel) = true;
      continue;
    }
    faults_.push_back({stub.insn_at, here()});
    e_.zero(stub.reg);
    e_.jmp32(static_cast<int64_t>(stub.resume) - (here() + 5));
  }
  if (out_of_fuel) {
    room();
    bind_stubs(Stub::kNoFuel);
    e_.store_imm(8, {.base = kContext, .disp = offsetof(HelperContext, fuel)}, 0);
    e_.store_imm(4, {.base = kContext, .disp = offsetof(HelperContext, flags)}, kRanOutOfFuel);
    if (function_index_ == 0 && options_.out_of_fuel != 0) {
      e_.mov_imm(kScratch, options_.out_of_fuel);
      e_.mov_imm(rax, 1);
      e_.alu_store(kAdd, 8, {.base = kScratch}, rax, true);
    }
    e_.mov_imm(rax, subprogram_->is_callback ? 1 : 0);
    epilogue();
  }
  if (leaves) {
    room();
    bind_stubs(Stub::kExitZero);
    e_.zero(rax);
    epilogue();
  }
  stubs_.clear();
}

void CodeGen::step(uint32_t i) {
  room();
  uint16_t live = a_.live_in(i);
  uint8_t flags = a_.flags(i);
  if ((flags & kLeader) != 0) {
    in_ = out_ = live;
    flush(live);
    lazy_ = bit(kFramePointer);
    zext_ = 0;
    flags_at_ = nullptr;
    fenced_ = false;
    if ((flags & kLoopHead) != 0 && here() % 16 != 0) e_.nops(16 - here() % 16);
  }
  lines_[i] = here();
  next_ = i + 1;
  const Insn& insn = insns_[i];
  if (!costs_.empty() && costs_[i] != 0 &&
      !(i < program_.facts().size() && program_.facts()[i].dead))
    charge(costs_[i]);
  if (insn.opcode == kNop) return;
  generate(i);
  for (uint32_t k = i + 1; k < next_; k++) lines_[k] = here();
  if (broken_ != nullptr && broken_at_ == 0) broken_at_ = i;
}

void CodeGen::generate(uint32_t i) {
  const Insn& insn = insns_[i];
  in_ = a_.live_in(i);
  out_ = a_.live_out(i);
  lazy_ &= static_cast<uint16_t>(in_ | bit(kFramePointer));
  switch (insn.cls()) {
    case BPF_LD:
      if (insn.mode() == BPF_IMM) {
        load_imm64(i, insn);
      } else {
        load_packet(i, insn);
      }
      break;
    case BPF_LDX: load(i, insn); break;
    case BPF_ST:
    case BPF_STX: store(i, insn); break;
    case BPF_ALU: alu(i, insn, false); break;
    case BPF_ALU64: alu(i, insn, true); break;
    default: jump(i, insn);
  }
}

// call_bpf(context, entry, r1, r2, r3, r4, r5), for helpers that call back. Calls nothing but this program's own
// callbacks, each directly: `entry` may come from memory that others can write.
void CodeGen::emit_thunk() {
  room();
  while (here() % 16 != 0) e_.trap();
  thunk_ = here();
  e_.push(kContext);
  e_.mov(true, kContext, rdi);
  e_.mov(true, kScratch, rsi);
  e_.mov(true, rdi, rdx);
  e_.mov(true, rsi, rcx);
  e_.mov(true, rdx, r8);
  e_.mov(true, rcx, r9);
  e_.load(8, r8, {.base = rsp, .disp = 16});
  uint32_t to_end = 0;
  for (uint32_t f = 0; f < a_.functions().size(); f++) {
    if (!program_.subprograms()[f].is_callback) continue;
    room();
    const uint8_t* at = e_.lea_rip(rax);
    fixups_.push_back({Fixup::kFunction, static_cast<uint32_t>(at - buffer_.get()), f, 0});
    e_.alu(kCmp, true, rax, kScratch);
    uint8_t* other = skip(kNe);
    e_.call32(0);
    fixups_.push_back({Fixup::kFunction, here() - 4, f, 0});
    if (to_end == 0) {
      to_end = here();
      e_.pop(kContext);
      e_.ret();
    } else {
      e_.jmp32(static_cast<int64_t>(to_end) - (here() + 5));
    }
    bind(other);
  }
  e_.trap();
}

void CodeGen::generate() {
  e_.p = buffer_.get();
  if (blind_)
    for (uint64_t k = kGuard * (1 + random() % 16); k > 0; k--) e_.trap();
  fixups_.clear();
  faults_.clear();
  stubs_.clear();
  for (uint32_t f = 0; f < a_.functions().size() && broken_ == nullptr; f++) {
    begin_function(f);
    for (uint32_t i = function_->start; i < function_->end && broken_ == nullptr; i = next_)
      step(i);
    end_function();
  }
  lines_[a_.size()] = here();
  if (a_.has_callbacks()) emit_thunk();
}

bool CodeGen::patch_jumps() {
  bool all_reach = true;
  for (const Fixup& fixup : fixups_) {
    uint32_t target = 0;
    switch (fixup.kind) {
      case Fixup::kInsn8:
      case Fixup::kInsn32: target = lines_[fixup.target]; break;
      case Fixup::kFunction: target = function_offsets_[fixup.target]; break;
      case Fixup::kCode: target = thunk_; break;
      case Fixup::kTable: continue;
    }
    uint8_t* at = buffer_.get() + fixup.at;
    if (fixup.kind == Fixup::kInsn8) {
      int64_t disp = static_cast<int64_t>(target) - (fixup.at + 1);
      if (!fits8(disp)) {
        if (far_.empty()) far_.resize(a_.size());
        far_[fixup.insn] = true;
        all_reach = false;
      }
      *at = static_cast<uint8_t>(disp);
    } else {
      auto disp = static_cast<int32_t>(target - (fixup.at + 4));
      std::memcpy(at, &disp, 4);
    }
  }
  return all_reach;
}

Result<NativeCode> CodeGen::finish(CodeMemory& memory) {
  auto size = static_cast<uint32_t>(e_.p - buffer_.get());
  size_t tables = 0;
  for (const Fixup& fixup : fixups_) tables += fixup.kind == Fixup::kTable;
  // | code | traps | fault table | addresses of helpers, where the process page is out of reach |
  const size_t fault_at = fault_table_at(size, kGuard);
  size_t pool_at = fault_at + faults_.size() * sizeof(FaultEntry);
  SKEP_TRY(block, memory.allocate(pool_at));
  auto reaches = [](const CodeBlock& at, const Fixup& fixup) {
    return fits32(static_cast<int64_t>(fixup.target - (at.address + fixup.at + 4)));
  };
  bool near = std::all_of(fixups_.begin(), fixups_.end(), [&](const Fixup& fixup) {
    return fixup.kind != Fixup::kTable || reaches(block, fixup);
  });
  if (!near) {
    memory.free(block);
    SKEP_TRY(larger, memory.allocate(pool_at + 8 * tables));
    block = larger;
  }
  uint64_t pool = pool_at;
  for (const Fixup& fixup : fixups_) {
    if (fixup.kind != Fixup::kTable) continue;
    int64_t disp = static_cast<int64_t>(fixup.target - (block.address + fixup.at + 4));
    if (!near) {
      std::memcpy(block.writable + pool, reinterpret_cast<const void*>(fixup.target), 8);
      disp = static_cast<int64_t>(pool - (fixup.at + 4));
      pool += 8;
    }
    auto low = static_cast<int32_t>(disp);
    std::memcpy(buffer_.get() + fixup.at, &low, 4);
  }
  NativeCode code = place_code(block, {reinterpret_cast<const std::byte*>(buffer_.get()), size},
                               kGuard, kTrap, std::move(faults_));
  code.entry = block.address + function_offsets_[0];
  code.tail_entry = block.address + tail_entry_;
  code.lines = std::move(lines_);
  code.subprograms = std::move(function_offsets_);
  return code;
}

Result<NativeCode> CodeGen::run(CodeMemory& memory) {
  capacity_ =
      (blind_ ? 16 * kGuard : 0) + a_.estimate(a_.size()) + 64 * a_.functions().size() + 4 * kRoom;
  buffer_ = std::make_unique_for_overwrite<uint8_t[]>(capacity_);
  lines_.resize(a_.size() + 1);
  function_offsets_.resize(a_.functions().size());
  fixups_.reserve(a_.jumps() + 8);
  do {
    generate();
    if (broken_ != nullptr) return fail(EINVAL, "insn {}: can't compile {}", broken_at_, broken_);
  } while (!patch_jumps());
  return finish(memory);
}

}  // namespace skep::jit::x86
