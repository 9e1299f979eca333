// Calls of helpers, kfuncs and BPF functions; tail calls; map lookups without a call.
#include <bit>
#include <cstddef>

#include "object/helper_context.h"
#include "object/map_header.h"
#include "object/prog_header.h"
#include "vm/jit/aarch64/codegen.h"
#include "vm/jit/lookup.h"

namespace skep::jit::arm {

using namespace isa;

namespace {

constexpr int32_t kMapLookup = 1, kTailCall = 12, kProcessorId = 8;  // BPF_FUNC_*
constexpr int32_t kTableSize = 1024;

}  // namespace

// The table is read when the call is made: in a hive it is the process's own page.
void CodeGen::call_table(uint64_t table, int32_t id) {
  e_.mov(true, 5, kContext);
  e_.move_imm(kE, table);
  e_.load(8, kE, kE, static_cast<uint32_t>(id) * 8);
  e_.call_reg(kE);
  e_.mov(true, kResult, 0);
  fenced_ = false;
}

void CodeGen::call(uint32_t i, const Insn& insn) {
  if (insn.src == BPF_PSEUDO_CALL) {
    const uint32_t index = a_.function_at(i + 1 + static_cast<uint32_t>(insn.imm));
    fixups_.push_back({e_.here(), Target::function, index});
    e_.call();
    fenced_ = false;
    return check_fuel();
  }
  if (insn.uses_src_reg()) return call_register(insn);
  if (insn.imm < 0 || insn.imm >= kTableSize)
    return broken("a call of a helper outside of the table");
  if (insn.src == BPF_PSEUDO_KFUNC_CALL) {
    call_table(options_.kfunc_table, insn.imm);
  } else {
    if (insn.imm == kTailCall) return tail_call();
    if (insn.imm == kMapLookup && a_.inlined(i)) return inline_lookup(i);
    if (insn.imm == kProcessorId && a_.inlined(i))  // the slot is the CPU
      return field(4, kResult, kContext, offsetof(HelperContext, slot));
    call_table(options_.helper_table, insn.imm);
  }
  if (a_.has_callbacks()) check_fuel();
}

// callx: a helper by the id in a register. In conformance suites only; no verifier admits it.
void CodeGen::call_register(const Insn& insn) {
  e_.cmp_imm(false, home_[insn.dst], kTableSize);
  const uint32_t inside = skip(kLo);
  e_.trap();
  bind(inside);
  e_.mov(false, kA, home_[insn.dst]);
  e_.move_imm(kE, options_.helper_table);
  e_.access_indexed(Access::kLoad, 8, kE, kE, kA, true);
  e_.mov(true, 5, kContext);
  e_.call_reg(kE);
  e_.mov(true, kResult, 0);
  fenced_ = false;
}

// r1: ctx, r2: program array, r3: index. Leaves this function's frame, as the kernel does: a subprogram's caller goes
// on with what the other program returns.
void CodeGen::tail_call() {
  uint32_t outs[5];
  unsigned count = 0;
  auto leave = [&](Cond cond) { outs[count++] = skip(cond); };
  field(4, kA, 1, offsetof(MapHeader, max_entries));
  e_.cmp(false, 2, kA);
  leave(kHs);
  field(4, kB, kContext, offsetof(HelperContext, tail_calls));
  e_.cmp_imm(false, kB, kMaxTailCalls);
  leave(kHs);
  fenced_ = false;
  barrier(0);
  field(8, kA, 1, offsetof(MapHeader, values));
  e_.mov(false, kC, 2);
  e_.op(Op3::kAdd, true, kA, kA, kC, 3);
  e_.load_acquire(8, kC, kA);
  // The array's memory is any traced process's to write: what it holds must be a published program.
  e_.move_imm(kA, options_.prog_headers);
  e_.op(Op3::kSub, true, kA, kC, kA);
  e_.move_imm(kD, options_.prog_headers_size);
  e_.cmp(true, kA, kD);
  leave(kHs);
  e_.logic(Logic::kAnds, true, kZero, kC, *bit_pattern(63, true));
  leave(kNe);
  field(4, kA, kC, offsetof(ProgHeader, magic));
  e_.move_imm(kD, kProgMagic);
  e_.cmp(false, kA, kD);
  leave(kNe);
  e_.add_imm(false, kB, kB, 1);
  set_field(4, kB, kContext, offsetof(HelperContext, tail_calls));
  set_field(8, kC, kContext, offsetof(HelperContext, program));
  field(8, kE, kC, offsetof(ProgHeader, tail_entry));
  e_.mov(true, 1, kContext);
  epilogue();
  e_.jump_reg(kE);
  for (unsigned k = 0; k < count; ++k) bind(outs[k]);
}

// x7 becomes the element's address, or 0. An index outside takes the same way and loses at its end.
void CodeGen::inline_lookup(uint32_t i) {
  const auto lookup = lookup_at(program_, i);
  if (!lookup) return broken("a lookup");
  if (lookup->kind == Lookup::kHash) return hash_lookup(*lookup);
  const MapHeader& header = *lookup->header;
  if (lookup->key_is_constant) {
    if (lookup->constant_key >= header.max_entries) return e_.mov(true, kResult, kZero);
    e_.move_imm(kResult, header.values + uint64_t{lookup->constant_key} * header.value_stride);
    if (lookup->kind == Lookup::kPercpuArray) add_slot_offset(header);
    return;
  }
  barrier(2);
  access(Access::kLoad, 4, kA, 2, 0);
  if (Emitter::fits_imm12(header.max_entries)) {
    e_.cmp_imm(false, kA, header.max_entries);
  } else {
    e_.move_imm(kB, header.max_entries);
    e_.cmp(false, kA, kB);
  }
  element_address(i, *lookup);
  e_.select(true, kResult, kResult, kZero, kLo);
  if (options_.speculation_barriers) e_.consume_prediction();
}

// x9: the index; changes no flags.
void CodeGen::element_address(uint32_t i, const Lookup& lookup) {
  const MapHeader& header = *lookup.header;
  unsigned values = kB;
  const auto held = static_cast<unsigned>(insns_[i].off);
  if (held != 0 && header.values == function_->constant[held - kFirstSlot - function_->slots])
    values = home_[held];
  else
    e_.move_imm(kB, header.values);
  const uint64_t stride = header.value_stride;
  if (std::has_single_bit(stride)) {
    e_.op(Op3::kAdd, true, kResult, values, kA, static_cast<unsigned>(std::countr_zero(stride)));
  } else {
    e_.move_imm(kC, stride);
    e_.madd(true, kResult, kA, kC, values);
  }
  if (lookup.kind == Lookup::kPercpuArray) add_slot_offset(header);
}

// This run's copy of a per-CPU array.
void CodeGen::add_slot_offset(const MapHeader& header) {
  field(4, kC, kContext, offsetof(HelperContext, slot));
  e_.move_imm(kD, header.slot_stride);
  e_.madd(true, kResult, kC, kD, kResult);
}

// Looks at the bucket's entries; what needs more than that (an overflow chain, another key with the same tag) is the
// helper's. Concurrent changes are as harmless as in maps/hash_table.h: the element's number is bounded, and its key
// compared.
void CodeGen::hash_lookup(const Lookup& lookup) {
  const MapHeader& header = *lookup.header;
  const HashGeometry& hash = lookup.hash();
  constexpr unsigned kKey = 13, kTag = kA,
                     kBucket = kC;  // in functions with calls x13 is nobody's home
  const unsigned size = header.key_size;
  barrier(2);
  access(Access::kLoad, size, kKey, 2, 0);
  e_.move_imm(kB, hash.seed);
  e_.op(Op3::kEor, true, kB, kB, kKey);
  e_.move_imm(kD, kHashFactor ^ hash.seed << 1);
  e_.op(Op3::kMul, true, kTag, kB, kD);
  e_.umulh(kD, kB, kD);
  e_.op(Op3::kEor, true, kTag, kTag, kD);
  e_.move_imm(kB, hash.bucket_mask);
  e_.op(Op3::kAnd, false, kB, kTag, kB);
  e_.move_imm(kBucket, hash.buckets);
  e_.op(Op3::kAdd, true, kBucket, kBucket, kB, std::countr_zero(kBucketBytes));
  e_.lsr_imm(true, kTag, kTag, 32);
  uint32_t found[kBucketEntries];
  for (uint32_t k = 0; k < kBucketEntries; ++k) {
    e_.load(4, kD, kBucket, kBucketFirstEntry + 8 * k + 4);
    e_.cmp(false, kD, kTag);
    found[k] = skip(kEq);
  }
  e_.load(4, kD, kBucket, kBucketOverflow);
  e_.cmp_imm(false, kD, 0);
  const uint32_t missing = skip(kEq);
  const uint32_t ask = e_.here();
  e_.move_imm(0, reinterpret_cast<uint64_t>(&header));
  call_table(options_.helper_table, kMapLookup);
  const uint32_t answered = skip();
  bind(missing);
  e_.mov(true, kResult, kZero);
  const uint32_t missed = skip();
  for (uint32_t k = kBucketEntries; k-- > 0;) {
    bind(found[k]);
    if (k > 0) e_.add_imm(true, kBucket, kBucket, 8);
  }
  auto ask_if = [&](Cond cond) { e_.jump_if(cond, static_cast<int64_t>(ask) - e_.here()); };
  e_.load(4, kD, kBucket, kBucketFirstEntry);
  e_.sub_imm(false, kD, kD, 1);
  e_.move_imm(kB, hash.total);
  e_.cmp(false, kD, kB);
  ask_if(kHs);
  fenced_ = false;
  barrier(0);
  e_.move_imm(kB, hash.element_stride);
  e_.move_imm(kE, hash.elements);
  e_.madd(true, kD, kD, kB, kE);
  e_.load(size, kB, kD, kElementKey);
  e_.cmp(size == 8, kB, kKey);
  ask_if(kNe);
  add_imm(true, kResult, kD, static_cast<int64_t>(hash.value_offset));
  bind(answered);
  bind(missed);
  fenced_ = false;
}

}  // namespace skep::jit::arm
