// Loads, stores, atomics, packet loads, 64-bit immediates.
#include <cstddef>

#include "object/helper_context.h"
#include "vm/jit/aarch64/codegen.h"
#include "vm/packet_load.h"

namespace skep::jit::arm {

using namespace isa;

// Before a memory access through register `v` of BPF, where barriers were asked for.
void CodeGen::barrier(unsigned v) {
  if (!options_.speculation_barriers || fenced_ || v == kFramePointer) return;
  e_.speculation_barrier();
  fenced_ = true;
}

void CodeGen::access(Access what, unsigned size, unsigned t, unsigned v, int32_t off) {
  if (v == kFramePointer) off += static_cast<int32_t>(frame_);
  const unsigned base = home_[v], n = static_cast<unsigned>(off);
  if (off >= 0 && n % size == 0 && n / size < 4096) return e_.access_scaled(what, size, t, base, n);
  if (off >= -256 && off < 256) return e_.access_unscaled(what, size, t, base, off);
  e_.move_imm(kF, static_cast<uint64_t>(int64_t{off}));
  e_.access_indexed(what, size, t, base, kF);
}

// v + off in a register, for instructions without an offset of their own.
unsigned CodeGen::address(unsigned v, int32_t off) {
  if (v == kFramePointer)
    off += static_cast<int32_t>(frame_);
  else if (off == 0)
    return home_[v];
  const uint32_t size = static_cast<uint32_t>(off < 0 ? -off : off);
  if (Emitter::fits_imm12(size)) {
    off < 0 ? e_.sub_imm(true, kF, home_[v], size) : e_.add_imm(true, kF, home_[v], size);
    return kF;
  }
  e_.move_imm(kF, static_cast<uint64_t>(int64_t{off}));
  v == kFramePointer ? e_.add_to_sp(kF, kF) : e_.op(Op3::kAdd, true, kF, home_[v], kF);
  return kF;
}

void CodeGen::load(const Insn& insn) {
  if (!live(insn.dst)) return;  // no effect: what may fault reads 0 instead
  const bool probe = insn.mode() == BPF_PROBE_MEM || insn.mode() == BPF_PROBE_MEMSX;
  const bool is_signed = insn.mode() == BPF_MEMSX || insn.mode() == BPF_PROBE_MEMSX;
  const unsigned size = insn.access_size(), dst = home_[insn.dst];
  barrier(insn.src);
  access(is_signed && size < 8 ? Access::kLoadSigned : Access::kLoad, size, dst, insn.src,
         insn.off);
  if (probe)
    stubs_.push_back({.kind = Stub::kFault, .reg = static_cast<uint8_t>(dst), .at = e_.here() - 4});
}

void CodeGen::store(const Insn& insn) {
  const bool atomics = insn.cls() == BPF_STX && insn.mode() == BPF_ATOMIC;
  barrier(atomics && insn.imm == BPF_LOAD_ACQ ? insn.src : insn.dst);
  if (atomics) return atomic(insn);
  unsigned from = kZero;
  if (insn.cls() == BPF_STX)
    from = reg(insn.src, kA);
  else if (insn.imm != 0)
    load_imm(from = kA, static_cast<uint64_t>(int64_t{insn.imm}));
  access(Access::kStore, insn.access_size(), from, insn.dst, insn.off);
}

void CodeGen::atomic(const Insn& insn) {
  const unsigned size = insn.access_size();
  if (insn.imm == BPF_LOAD_ACQ)
    return e_.load_acquire(size, home_[insn.dst], address(insn.src, insn.off));
  const unsigned at = address(insn.dst, insn.off);
  if (insn.imm == BPF_STORE_REL) return e_.store_release(size, reg(insn.src, kA), at);
  if (options_.cpu.lse) return atomic_lse(insn, size, at);
  atomic_loop(insn, size, at);
}

// With a result an atomic operation is ordered with all that is around it, without one with nothing, as in the kernel.
void CodeGen::atomic_lse(const Insn& insn, unsigned size, unsigned at) {
  const bool wide = size == 8, fetch = (insn.imm & BPF_FETCH) != 0;
  const unsigned src = reg(insn.src, kA), out = fetch ? src : kZero;
  switch (insn.imm & ~BPF_FETCH) {
    case BPF_ADD: return e_.atomic(Lse::kAdd, fetch, size, src, out, at);
    case BPF_OR: return e_.atomic(Lse::kSet, fetch, size, src, out, at);
    case BPF_XOR: return e_.atomic(Lse::kEor, fetch, size, src, out, at);
    case BPF_AND:
      e_.op(Op3::kOrn, wide, kB, kZero, src);
      return e_.atomic(Lse::kClr, fetch, size, kB, out, at);
    case BPF_XCHG & ~BPF_FETCH: return e_.atomic(Lse::kSwp, true, size, src, src, at);
    case BPF_CMPXCHG & ~BPF_FETCH: return e_.compare_and_swap(size, kResult, src, at);
    default: return broken("an unknown atomic operation");
  }
}

void CodeGen::atomic_loop(const Insn& insn, unsigned size, unsigned at) {
  const bool wide = size == 8, fetch = (insn.imm & BPF_FETCH) != 0;
  const unsigned src = reg(insn.src, kA);
  const uint32_t again = e_.here();
  e_.load_exclusive(size, kC, at);
  unsigned value = kD;
  uint32_t differs = 0;
  switch (insn.imm & ~BPF_FETCH) {
    case BPF_ADD: e_.op(Op3::kAdd, wide, kD, kC, src); break;
    case BPF_OR: e_.op(Op3::kOrr, wide, kD, kC, src); break;
    case BPF_AND: e_.op(Op3::kAnd, wide, kD, kC, src); break;
    case BPF_XOR: e_.op(Op3::kEor, wide, kD, kC, src); break;
    case BPF_XCHG & ~BPF_FETCH: value = src; break;
    case BPF_CMPXCHG & ~BPF_FETCH:
      e_.cmp(wide, kC, kResult);
      differs = skip(kNe);
      value = src;
      break;
    default: return broken("an unknown atomic operation");
  }
  e_.store_exclusive(fetch, size, kE, value, at);
  e_.jump_if_not_zero(false, kE, static_cast<int64_t>(again) - e_.here());
  if (!fetch) return;
  if (differs != 0) bind(differs);
  e_.barrier();
  e_.mov(wide, insn.imm == BPF_CMPXCHG ? kResult : src, kC);
}

// r0 = big-endian bytes of the packet at imm (+ src); ends the function with 0 where they lie outside. What negative
// offsets mean says packet_load.h. r1 to r5 are lost, so that x0 to x4 are free.
void CodeGen::load_packet(const Insn& insn) {
  using vm::kSkfLlOff;
  using vm::kSkfNetOff;
  const unsigned size = insn.access_size();
  const bool indirect = insn.mode() == BPF_IND;
  // x1: the offset, x2: what it counts from.
  if (indirect) {
    load_imm(kA, static_cast<uint32_t>(insn.imm));
    e_.op(Op3::kAdd, false, 1, reg(insn.src, kB), kA);
    e_.bitfield(true, true, 1, 1, 0, 31);
  } else {
    int64_t offset = insn.imm;
    if (offset < 0) offset -= offset >= kSkfNetOff ? kSkfNetOff : kSkfLlOff;
    load_imm(1, static_cast<uint64_t>(offset));
  }
  field(8, 0, kContext, offsetof(HelperContext, packet));
  e_.cmp_imm(true, 0, 0);
  leave_if(kEq, Stub::kExitZero);
  if (indirect) {
    field(8, 2, 0, offsetof(PacketView, data));
    e_.cmp_imm(true, 1, 0);
    const uint32_t from_data = skip(kGe);
    field(8, 2, 0, offsetof(PacketView, network_header));
    static_assert(-kSkfNetOff == 0x100000 && -kSkfLlOff == 0x200000);
    e_.add_imm(true, 1, 1, 0x100000);
    e_.cmp_imm(true, 1, 0);
    const uint32_t from_network = skip(kGe);
    field(8, 2, 0, offsetof(PacketView, mac_header));
    e_.add_imm(true, 1, 1, 0x100000);
    e_.cmp_imm(true, 1, 0);
    leave_if(kLt, Stub::kExitZero);
    bind(from_network);
    bind(from_data);
  } else if (insn.imm >= 0) {
    field(8, 2, 0, offsetof(PacketView, data));
  } else if (insn.imm >= kSkfNetOff) {
    field(8, 2, 0, offsetof(PacketView, network_header));
  } else if (insn.imm >= kSkfLlOff) {
    field(8, 2, 0, offsetof(PacketView, mac_header));
  } else {
    e_.mov(true, 2, kZero);
  }
  e_.cmp_imm(true, 2, 0);
  leave_if(kEq, Stub::kExitZero);
  field(8, 3, 0, offsetof(PacketView, data_end));
  e_.op(Op3::kSub, true, 3, 3, 2);
  e_.sub_imm(true, 3, 3, size);
  e_.cmp(true, 1, 3);
  leave_if(kGt, Stub::kExitZero);
  fenced_ = false;
  barrier(0);
  e_.access_indexed(Access::kLoad, size, kResult, 2, 1);
  if (size == 4) return e_.reverse32(kResult, kResult);
  if (size != 2) return;
  e_.reverse16(kResult, kResult);
  e_.bitfield(false, false, kResult, kResult, 0, 15);
}

void CodeGen::load_imm64(uint32_t i, const Insn& insn) {
  next_ = i + 2;
  out_ = a_.live_out(i + 1);
  if (!live(insn.dst)) return;
  const unsigned dst = home_[insn.dst];
  if (insn.src == BPF_PSEUDO_FUNC) {
    const uint32_t index = a_.function_at(i + 1 + static_cast<uint32_t>(insn.imm));
    if (index == a_.functions().size()) return broken("ld_imm64 of a function that there is not");
    return address_of(dst, Target::function, index);
  }
  const auto value = Analysis::imm64_at(program_, insns_ + i);
  if (!value) return broken("ld_imm64 of a map that there is not");
  if ((a_.flags(i) & kHoisted) != 0) {  // near what a register holds
    const auto held = static_cast<unsigned>(insn.off);
    const auto distance =
        static_cast<int64_t>(*value - function_->constant[held - kFirstSlot - function_->slots]);
    const auto size = static_cast<uint64_t>(distance < 0 ? -distance : distance);
    if (size == 0) return e_.mov(true, dst, home_[held]);
    if (Emitter::fits_imm12(size)) return add_imm(true, dst, home_[held], distance);
  }
  if (insn.src == 0 || insn.src == BPF_PSEUDO_BTF_ID) return load_imm(dst, *value);
  e_.move_imm(dst, *value);
}

}  // namespace skep::jit::arm
