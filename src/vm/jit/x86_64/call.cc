// Calls of helpers, kfuncs and BPF functions; tail calls; array lookups without a call.
#include <bit>
#include <cstddef>

#include "object/helper_context.h"
#include "object/map_header.h"
#include "object/prog_header.h"
#include "vm/jit/lookup.h"
#include "vm/jit/x86_64/codegen.h"

namespace skep::jit::x86 {

using namespace isa;

namespace {

constexpr uint16_t kLostRegisters =
    1 << rax | 1 << rcx | 1 << rdx | 1 << rsi | 1 << rdi | 1 << r8 | 1 << r9 | 1 << r10 | 1 << r11;
constexpr uint16_t kScratchRegisters = 0x3f;                                      // r0 to r5
constexpr int32_t kMapLookup = 1, kTailCall = 12, kProcessorId = 8, kLoop = 181;  // BPF_FUNC_*
constexpr int32_t kTableSize = 1024;
constexpr int32_t kMaxLoops = 8 << 20;  // BPF_MAX_LOOPS

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
      if (a_.inlined(i)) return inline_lookup(i);
      break;
    case kTailCall: return tail_call(i);
    case kLoop:
      if (loop_call(i)) return;
      break;
    case kProcessorId:  // the slot is the CPU
      if (!a_.inlined(i)) break;
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

// rax becomes the element's address, or 0.
void CodeGen::inline_lookup(uint32_t i) {
  auto lookup = lookup_at(program_, i);
  if (!lookup) return broken("a lookup");
  if (lookup->kind == Lookup::kHash) return hash_lookup(*lookup);
  const MapHeader& header = *lookup->header;
  if (!lookup->key_is_constant) return array_lookup(i, *lookup);
  clobber(rax, static_cast<uint16_t>(out_ & ~kScratchRegisters));
  lazy_ &= static_cast<uint16_t>(~kScratchRegisters);
  if (lookup->constant_key >= header.max_entries) return assign(0, const_of(0));
  uint64_t element = header.values + uint64_t{lookup->constant_key} * header.value_stride;
  if (lookup->kind == Lookup::kArray) return assign(0, const_of(static_cast<int64_t>(element)));
  load_slot_offset(rax, header);
  e_.mov_imm(kScratch, element);
  e_.alu(kAdd, true, rax, kScratch);
  end_def(0, false);
}

// Where this run's copy of a per-CPU array begins, from its values.
void CodeGen::load_slot_offset(unsigned to, const MapHeader& header) {
  e_.load(4, to, {.base = kContext, .disp = offsetof(HelperContext, slot)});
  if (std::has_single_bit(header.slot_stride)) {
    e_.shift(kShl, true, to, static_cast<unsigned>(std::countr_zero(header.slot_stride)));
  } else {
    e_.imul_imm(true, to, to, static_cast<int32_t>(header.slot_stride));
  }
}

// rax: an index that is in range; becomes the element's address.
void CodeGen::element_address(uint32_t i, const Lookup& lookup) {
  const MapHeader& header = *lookup.header;
  uint64_t stride = header.value_stride;
  unsigned log = std::has_single_bit(stride) ? static_cast<unsigned>(std::countr_zero(stride)) : 64;
  uint8_t scale = 0;
  if (log == 64) {
    e_.imul_imm(true, rax, rax, static_cast<int32_t>(stride));
  } else if (log > 3) {
    e_.shift(kShl, true, rax, log);
  } else {
    scale = static_cast<uint8_t>(log);
  }
  uint8_t base = kScratch;
  int32_t disp = 0;
  auto held = static_cast<unsigned>(insns_[i].off);
  if (held != 0) {
    base = home_[held];
    disp = static_cast<int32_t>(header.values -
                                function_->constant[held - kFirstSlot - function_->slots]);
  } else {
    e_.mov_imm(kScratch, header.values);
  }
  e_.lea(true, rax, {.base = base, .index = rax, .scale = scale, .disp = disp});
  if (lookup.kind != Lookup::kPercpuArray) return;
  load_slot_offset(kScratch, header);
  e_.alu(kAdd, true, rax, kScratch);
}

// A test of r0 for 0 that follows is part of it.
void CodeGen::array_lookup(uint32_t i, const Lookup& lookup) {
  const MapHeader& header = *lookup.header;
  auto survivors = static_cast<uint16_t>(out_ & ~kScratchRegisters);
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
  load_key(rax, 4);
  lazy_ &= static_cast<uint16_t>(~kScratchRegisters);
  e_.alu_imm(kCmp, false, rax, static_cast<int32_t>(header.max_entries));
  uint8_t* outside = nullptr;
  bool direct = test && next.op() == BPF_JEQ && (a_.live_in(to) & bit(0)) == 0;
  if (direct) {
    emit_jump(kAe, i + 1, to);
  } else {
    outside = skip(kAe);
  }
  if (options_.speculation_barriers) {  // past a wrong guess the index becomes 0
    e_.alu_imm(kCmp, false, rax, static_cast<int32_t>(header.max_entries));
    e_.alu(kSbb, false, kScratch, kScratch);
    e_.alu(kAnd, false, rax, kScratch);
  }
  element_address(i, lookup);
  end_def(0, false);
  flags_at_ = nullptr;
  if (!test) {
    uint8_t* end = skip();
    bind(outside);
    e_.zero(rax);
    bind(end);
    return;
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
}

// The key that r2 points to. It was mostly stored to the stack just before.
void CodeGen::load_key(unsigned to, unsigned size) {
  ready_mem(2, 0);
  e_.load(size, to, mem(2, 0));
}

// Looks at the bucket's entries; what needs more than that (an overflow chain, another key with the same tag) is
// the helper's. Concurrent changes are as harmless as in maps/hash_table.h: the element's number is bounded, and
// its key compared.
void CodeGen::hash_lookup(const Lookup& lookup) {
  const MapHeader& header = *lookup.header;
  const HashGeometry& hash = lookup.hash();
  const unsigned key = kScratch2, size = header.key_size;
  clobber_all(kLostRegisters, static_cast<uint16_t>(out_ & ~kScratchRegisters));
  materialise(2);
  lazy_ &= static_cast<uint16_t>(~kScratchRegisters);
  e_.load(size, key, {.base = rsi});
  e_.mov_imm(rax, hash.seed);
  e_.mov_imm(rdx, kHashFactor ^ hash.seed << 1);
  e_.alu(kXor, true, rax, key);
  e_.mul(true, rdx);
  e_.mov_imm(rdi, hash.buckets);
  e_.alu(kXor, true, rax, rdx);
  e_.mov(false, rdx, rax);
  e_.alu_imm(kAnd, false, rdx, static_cast<int32_t>(hash.bucket_mask));
  e_.shift(kShl, true, rdx, std::countr_zero(kBucketBytes));
  e_.alu(kAdd, true, rdx, rdi);
  e_.shift(kShr, true, rax, 32);  // the tag
  // Which entries have the tag, a bit each, without a branch that depends on where it is (HashTable::matches).
  e_.zero(rcx);
  e_.zero(r8);
  for (uint32_t k = kBucketEntries; k-- > 0;) {
    auto disp = static_cast<int32_t>(kBucketFirstEntry + 8 * k + 4);
    e_.alu(kCmp, false, rax, {.base = rdx, .disp = disp});
    e_.setcc(kE, rcx);
    e_.lea(false, r8, {.base = rcx, .index = r8, .scale = 1});
  }
  e_.test(false, r8, r8);
  uint8_t* found = skip(kNe);
  e_.alu_store_imm(kCmp, 4, {.base = rdx, .disp = kBucketOverflow}, 0);
  uint8_t* missing = skip(kE);
  uint8_t* ask = e_.p;
  e_.mov_imm(rdi, reinterpret_cast<uint64_t>(&header));
  call_table(options_.helper_table + uint64_t{kMapLookup} * 8);
  e_.jmp32(0);
  const uint32_t answered = here();
  bind(missing);
  e_.zero(rax);
  e_.jmp32(0);
  const uint32_t missed = here();
  bind(found);
  e_.tzcnt(false, rcx, r8);
  e_.load(4, rcx, {.base = rdx, .index = rcx, .scale = 3, .disp = kBucketFirstEntry});
  e_.alu_imm(kSub, false, rcx, 1);
  auto back = [&](Cond cond) { e_.jcc8(cond, ask - (e_.p + 2)); };
  e_.alu_imm(kCmp, false, rcx, static_cast<int32_t>(hash.total));
  back(kAe);
  fenced_ = false;
  barrier(0);
  const bool per_cpu = hash.value_offset == 0;
  if (per_cpu) e_.mov(false, r8, rcx);
  e_.imul_imm(true, rcx, rcx, static_cast<int32_t>(hash.element_stride));
  e_.mov_imm(rdi, hash.elements);
  e_.alu(kAdd, true, rcx, rdi);
  e_.alu(kCmp, size == 8, key, {.base = rcx, .disp = kElementKey});
  back(kNe);
  if (hash.lru != 0) {
    Mem referenced{.base = rcx, .disp = kElementReferenced};
    e_.alu_store_imm(kCmp, 1, referenced, 0);
    uint8_t* already = skip(kNe);
    e_.store_imm(1, referenced, 1);
    bind(already);
  }
  if (per_cpu) {
    e_.imul_imm(true, rax, r8, static_cast<int32_t>(header.value_stride));
    load_slot_offset(rcx, header);
    e_.alu(kAdd, true, rax, rcx);
    e_.mov_imm(rcx, header.values);
    e_.alu(kAdd, true, rax, rcx);
  } else {
    e_.lea(true, rax, {.base = rcx, .disp = static_cast<int32_t>(hash.value_offset)});
  }
  for (uint32_t out : {answered, missed}) {
    auto disp = static_cast<int32_t>(here() - out);
    std::memcpy(buffer_.get() + out - 4, &disp, 4);
  }
  after_call();
  end_def(0, false);
}

// bpf_loop(r1: how often, r2: callback, r3: its context, r4: flags) over a callback that is known: a loop around a direct
// call. What the helper would refuse it is left to refuse. Metered code has no such loop: fuel may end it.
bool CodeGen::loop_call(uint32_t i) {
  const uint32_t callback = a_.function_in(2, i);
  if (!costs_.empty() || callback == a_.functions().size()) return false;
  constexpr Mem kTimes{.base = rsp}, kArgument{.base = rsp, .disp = 8},
      kDone{.base = rsp, .disp = 16};
  arguments(a_.use(i));
  e_.test(true, rcx, rcx);
  uint8_t* flags = skip(kNe);
  e_.alu_imm(kCmp, false, rdi, kMaxLoops);
  uint8_t* most = skip(kA);
  e_.alu_imm(kSub, true, rsp, 32);  // what calls align to stays so
  e_.mov(false, rdi, rdi);
  e_.store(8, kTimes, rdi);
  e_.store(8, kArgument, rdx);
  e_.store_imm(8, kDone, 0);
  e_.test(true, rdi, rdi);
  uint8_t* none = skip(kE);
  uint8_t* again = e_.p;
  e_.load(8, rdi, kDone);
  e_.load(8, rsi, kArgument);
  e_.call32(0);
  fixups_.push_back({Fixup::kFunction, here() - 4, callback, i});
  e_.alu_store_imm(kAdd, 8, kDone, 1);
  e_.test(true, rax, rax);
  uint8_t* stopped = skip(kNe);
  e_.load(8, rcx, kDone);
  e_.alu(kCmp, true, rcx, kTimes);
  e_.jcc8(kB, again - (e_.p + 2));
  bind(stopped);
  bind(none);
  e_.load(8, rax, kDone);
  e_.alu_imm(kAdd, true, rsp, 32);
  uint8_t* end = skip();
  bind(flags);
  bind(most);
  call_table(options_.helper_table + uint64_t{kLoop} * 8);
  bind(end);
  after_call();
  return true;
}

// r1: ctx, r2: program array, r3: index. Leaves this function's frame, as the kernel does: a subprogram's
// caller goes on with what the other program returns.
void CodeGen::tail_call(uint32_t i) {
  auto known = options_.inline_maps && !blind_ ? tail_call_at(program_, i) : std::nullopt;
  const bool constant = known && known->index.has_value();
  if (constant && *known->index >= known->array->max_entries) {  // never
    arguments(0);
    return after_call();
  }
  arguments(constant ? bit(1) : a_.use(i));
  uint32_t outs[6];
  unsigned count = 0;
  auto leave = [&](Cond cond) {
    e_.jcc32(cond, 0);
    outs[count++] = here();
  };
  Mem tail_calls{.base = kContext, .disp = offsetof(HelperContext, tail_calls)};
  if (known && !constant) {
    e_.alu_imm(kCmp, false, rdx, static_cast<int32_t>(known->array->max_entries));
    leave(kAe);
  } else if (!known) {
    e_.alu(kCmp, false, rdx, {.base = rsi, .disp = offsetof(MapHeader, max_entries)});
    leave(kAe);
  }
  e_.alu_store_imm(kCmp, 4, tail_calls, kMaxTailCalls);
  leave(kAe);
  fenced_ = false;
  barrier(0);
  if (constant) {
    e_.mov_imm(rax, known->array->values + 8 * uint64_t{*known->index});
    e_.load(8, rax, {.base = rax});
  } else {
    if (known)
      e_.mov_imm(rax, known->array->values);
    else
      e_.load(8, rax, {.base = rsi, .disp = offsetof(MapHeader, values)});
    e_.mov(false, rdx, rdx);
    e_.load(8, rax, {.base = rax, .index = rdx, .scale = 3});
  }
  // The array's memory is any traced process's to write: what it holds must be a published program. Where it is not
  // aligned to 64 bytes, what it lacks comes to the top of the number of its 64 bytes.
  e_.mov_imm(kScratch, options_.prog_headers);
  e_.mov(true, kScratch2, rax);
  e_.alu(kSub, true, kScratch2, kScratch);
  e_.shift(kRor, true, kScratch2, 6);
  const uint64_t most = options_.prog_headers_size / 64;
  if (most <= INT32_MAX) {
    e_.alu_imm(kCmp, true, kScratch2, static_cast<int32_t>(most));
  } else {
    e_.mov_imm(kScratch, most);
    e_.alu(kCmp, true, kScratch2, kScratch);
  }
  leave(kAe);
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
