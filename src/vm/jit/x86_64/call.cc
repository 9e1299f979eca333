// Calls of helpers, kfuncs and BPF functions; tail calls; array lookups without a call.
#include <bit>
#include <cstddef>

#include "object/helper_context.h"
#include "object/map_header.h"
#include "object/prog_header.h"
#include "vm/jit/x86_64/codegen.h"

namespace skep::jit::x86 {

using namespace isa;

namespace {

constexpr uint16_t kLostRegisters =
    1 << rax | 1 << rcx | 1 << rdx | 1 << rsi | 1 << rdi | 1 << r8 | 1 << r9 | 1 << r10 | 1 << r11;
constexpr uint16_t kScratchRegisters = 0x3f;                         // r0 to r5
constexpr int32_t kMapLookup = 1, kTailCall = 12, kProcessorId = 8;  // BPF_FUNC_*
constexpr int32_t kTableSize = 1024;

}  // namespace

// Brings the arguments home, and what survives the call out of registers that don't.
void CodeGen::arguments(uint16_t mask) {
  clobber_all(kLostRegisters, static_cast<uint16_t>(out_ & ~kScratchRegisters));
  flush(mask);
}

void CodeGen::after_call() {
  lazy_ &= static_cast<uint16_t>(~kScratchRegisters);
  zext_ &= static_cast<uint16_t>(~kLostRegisters);
  flags_at_ = nullptr;
  fenced_ = false;
}

void CodeGen::call_table(uint64_t element) {
  e_.mov(true, r9, kContext);
  e_.call_rip();
  fixups_.push_back({Fixup::kTable, here() - 4, element, 0});
}

void CodeGen::call(uint32_t i, const Insn& insn) {
  if (insn.src == BPF_PSEUDO_CALL) {
    arguments(a_.use(i));
    e_.call32(0);
    uint32_t index = a_.function_at(i + 1 + static_cast<uint32_t>(insn.imm));
    fixups_.push_back({Fixup::kFunction, here() - 4, index, i});
    check_fuel();
    return after_call();
  }
  if (insn.uses_src_reg()) return call_register(i, insn);
  if (insn.imm < 0 || insn.imm >= kTableSize)
    return broken("a call of a helper outside of the table");
  auto offset = static_cast<uint64_t>(insn.imm) * 8;
  if (insn.src == BPF_PSEUDO_KFUNC_CALL) {
    arguments(a_.use(i));
    call_table(options_.kfunc_table + offset);
    if (a_.has_callbacks()) check_fuel();
    return after_call();
  }
  switch (insn.imm) {
    case kMapLookup:
      if (inline_lookup(i)) return;
      break;
    case kTailCall: return tail_call(i);
    case kProcessorId:  // the slot is the CPU
      clobber(rax, static_cast<uint16_t>(out_ & ~kScratchRegisters));
      lazy_ &= static_cast<uint16_t>(~kScratchRegisters);
      e_.load(4, rax, {.base = kContext, .disp = offsetof(HelperContext, slot)});
      return end_def(0, true);
    default: break;
  }
  arguments(a_.use(i));
  call_table(options_.helper_table + offset);
  if (a_.has_callbacks()) check_fuel();
  after_call();
}

// callx: a helper by the id in a register. In conformance suites only; no verifier admits it.
void CodeGen::call_register(uint32_t i, const Insn& insn) {
  arguments(a_.use(i));
  e_.mov(false, kScratch2, home_[insn.dst]);
  e_.alu_imm(kCmp, false, kScratch2, kTableSize);
  uint8_t* inside = skip(kB);
  e_.trap();
  bind(inside);
  e_.mov_imm(kScratch, options_.helper_table);
  e_.load(8, kScratch2, {.base = kScratch, .index = kScratch2, .scale = 3});
  e_.mov(true, r9, kContext);
  e_.call_reg(kScratch2);
  after_call();
}

// Element `key` of an ARRAY or PERCPU_ARRAY, whose geometry never changes: rax becomes its address, or 0. A
// test of r0 for 0 that follows is part of it.
bool CodeGen::inline_lookup(uint32_t i) {
  if (!options_.inline_maps || blind_ || program_.facts().empty()) return false;
  const InsnFacts& facts = program_.facts()[i];
  if (facts.map_index < 0 || static_cast<size_t>(facts.map_index) >= program_.maps().size())
    return false;
  const MapDescriptor& map = program_.maps()[static_cast<size_t>(facts.map_index)];
  bool per_cpu = map.type == MapType::BPF_MAP_TYPE_PERCPU_ARRAY;
  if (map.address == 0 || (map.type != MapType::BPF_MAP_TYPE_ARRAY && !per_cpu)) return false;
  const auto* header = reinterpret_cast<const MapHeader*>(map.address);
  if (header->magic != kMapMagic || header->values == 0 || header->max_entries > INT32_MAX)
    return false;
  uint64_t stride = header->value_stride;
  if (stride > INT32_MAX || (per_cpu && header->slot_stride > INT32_MAX)) return false;

  auto survivors = static_cast<uint16_t>(out_ & ~kScratchRegisters);
  auto drop_scratch = [&] { lazy_ &= static_cast<uint16_t>(~kScratchRegisters); };
  auto add_slot = [&](unsigned to) {  // to = slot * slot_stride
    e_.load(4, to, {.base = kContext, .disp = offsetof(HelperContext, slot)});
    if (std::has_single_bit(header->slot_stride)) {
      e_.shift(kShl, true, to, static_cast<unsigned>(std::countr_zero(header->slot_stride)));
    } else {
      e_.imul_imm(true, to, to, static_cast<int32_t>(header->slot_stride));
    }
  };
  if (facts.key_is_constant) {
    clobber(rax, survivors);
    drop_scratch();
    if (facts.constant_key >= header->max_entries) {
      assign(0, const_of(0));
      return true;
    }
    uint64_t element = header->values + facts.constant_key * stride;
    if (per_cpu) {
      add_slot(rax);
      e_.mov_imm(kScratch, element);
      e_.alu(kAdd, true, rax, kScratch);
      end_def(0, false);
    } else {
      assign(0, const_of(static_cast<int64_t>(element)));
    }
    return true;
  }

  // The test that follows, if it does: `if r0 == 0 goto` or `if r0 != 0 goto`.
  const Insn& next = insns_[i + 1];
  bool test = (a_.flags(i + 1) & (kLeader | kSelect1 | kSelect2)) == 0 && next.cls() == BPF_JMP &&
              next.dst == 0 && next.imm == 0 && !next.uses_src_reg() &&
              (next.op() == BPF_JEQ || next.op() == BPF_JNE);
  uint32_t to = test ? Analysis::target(next, i + 1) : 0;
  clobber(rax, survivors);
  if (test) {
    in_ |= a_.live_in(i + 1);
    flush(a_.live_in(to) & survivors);
  }
  ready_mem(2, 0);
  e_.load(4, rax, mem(2, 0));
  drop_scratch();
  e_.alu_imm(kCmp, false, rax, static_cast<int32_t>(header->max_entries));
  uint8_t* outside = nullptr;
  bool direct = test && next.op() == BPF_JEQ && (a_.live_in(to) & bit(0)) == 0;
  if (direct) {
    emit_jump(kAe, i + 1, to);
  } else {
    outside = skip(kAe);
  }
  if (options_.speculation_barriers) {  // past a wrong guess the index becomes 0
    e_.alu_imm(kCmp, false, rax, static_cast<int32_t>(header->max_entries));
    e_.alu(kSbb, false, kScratch, kScratch);
    e_.alu(kAnd, false, rax, kScratch);
  }
  unsigned log = std::has_single_bit(stride) ? static_cast<unsigned>(std::countr_zero(stride)) : 64;
  if (log == 64) {
    e_.imul_imm(true, rax, rax, static_cast<int32_t>(stride));
  } else if (log > 3) {
    e_.shift(kShl, true, rax, log);
  }
  if (per_cpu) {
    add_slot(kScratch);
    if (log <= 3 && log > 0) e_.shift(kShl, true, rax, log);
    e_.alu(kAdd, true, rax, kScratch);
    e_.mov_imm(kScratch, header->values);
    e_.alu(kAdd, true, rax, kScratch);
  } else {
    e_.mov_imm(kScratch, header->values);
    if (log <= 3 && log > 0) {
      e_.lea(true, rax, {.base = kScratch, .index = rax, .scale = static_cast<uint8_t>(log)});
    } else {
      e_.alu(kAdd, true, rax, kScratch);
    }
  }
  end_def(0, false);
  flags_at_ = nullptr;
  if (!test) {
    uint8_t* end = skip();
    bind(outside);
    e_.zero(rax);
    bind(end);
    return true;
  }
  next_ = i + 2;
  out_ = a_.live_out(i + 1);
  if (next.op() == BPF_JNE) {  // found: go there; else r0 = 0 and on
    emit_jump(i + 1, to);
    bind(outside);
    e_.zero(rax);
    assign(0, const_of(0));
  } else if (!direct) {
    uint8_t* end = skip();
    bind(outside);
    e_.zero(rax);
    emit_jump(i + 1, to);
    bind(end);
  }
  return true;
}

// r1: ctx, r2: program array, r3: index. Leaves this function's frame, as the kernel does: a subprogram's
// caller goes on with what the other program returns.
void CodeGen::tail_call(uint32_t i) {
  arguments(a_.use(i));
  uint32_t outs[6];
  unsigned count = 0;
  auto leave = [&](Cond cond) {
    e_.jcc32(cond, 0);
    outs[count++] = here();
  };
  Mem tail_calls{.base = kContext, .disp = offsetof(HelperContext, tail_calls)};
  e_.alu(kCmp, false, rdx, {.base = rsi, .disp = offsetof(MapHeader, max_entries)});
  leave(kAe);
  e_.alu_store_imm(kCmp, 4, tail_calls, kMaxTailCalls);
  leave(kAe);
  fenced_ = false;
  barrier(0);
  e_.load(8, rax, {.base = rsi, .disp = offsetof(MapHeader, values)});
  e_.mov(false, rdx, rdx);
  e_.load(8, rax, {.base = rax, .index = rdx, .scale = 3});
  // The array's memory is any traced process's to write: what it holds must be a published program.
  e_.mov_imm(kScratch, options_.prog_headers);
  e_.mov(true, kScratch2, rax);
  e_.alu(kSub, true, kScratch2, kScratch);
  e_.mov_imm(kScratch, options_.prog_headers_size);
  e_.alu(kCmp, true, kScratch2, kScratch);
  leave(kAe);
  e_.test_imm(true, rax, 63);
  leave(kNe);
  e_.alu_store_imm(kCmp, 4, {.base = rax, .disp = offsetof(ProgHeader, magic)},
                   static_cast<int32_t>(kProgMagic));
  leave(kNe);
  e_.load(8, kScratch, {.base = rax, .disp = offsetof(ProgHeader, tail_entry)});
  e_.alu_store_imm(kAdd, 4, tail_calls, 1);
  e_.store(8, {.base = kContext, .disp = offsetof(HelperContext, program)}, rax);
  e_.mov(true, rsi, kContext);
  epilogue(false);
  e_.jmp_reg(kScratch);
  for (unsigned k = 0; k < count; k++) {
    auto disp = static_cast<int32_t>(here() - outs[k]);
    std::memcpy(buffer_.get() + outs[k] - 4, &disp, 4);
  }
  after_call();
}

}  // namespace skep::jit::x86
