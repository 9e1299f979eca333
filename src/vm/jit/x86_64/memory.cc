// Loads, stores, atomics, packet loads, 64-bit immediates.
#include <cstddef>

#include "object/helper_context.h"
#include "vm/jit/x86_64/codegen.h"

namespace skep::jit::x86 {

using namespace isa;

void CodeGen::load(uint32_t i, const Insn& insn) {
  unsigned v = insn.dst, size = insn.access_size();
  bool probe = insn.mode() == BPF_PROBE_MEM || insn.mode() == BPF_PROBE_MEMSX;
  bool is_signed = insn.mode() == BPF_MEMSX || insn.mode() == BPF_PROBE_MEMSX;
  if ((out_ & bit(v)) == 0) return;  // no effect: what may fault reads 0 instead
  barrier(insn.src);
  if (!probe && !is_signed && (a_.flags(i + 1) & kLeader) == 0 && fuse_load(i, insn)) return;
  unsigned dst = begin_def(v);
  ready_mem(insn.src, insn.off);
  uint32_t at = here();
  Mem from = mem(insn.src, insn.off);
  if (is_signed && size < 8) {
    e_.load_signed(size, dst, from);
  } else {
    e_.load(size, dst, from);
  }
  end_def(v, size < 8 && !is_signed);
  if (probe) {
    zext_ &= static_cast<uint16_t>(~bit(dst));
    stubs_.push_back(
        {.kind = Stub::kFault, .reg = static_cast<uint8_t>(dst), .insn_at = at, .resume = here()});
  }
}

// load; op; store of the same place is one instruction with a memory operand, if nothing else reads the
// loaded value. So is load; op with the value as its source.
bool CodeGen::fuse_load(uint32_t i, const Insn& insn) {
  unsigned v = insn.dst, size = insn.access_size();
  const Insn& op = insns_[i + 1];
  if (op.opcode == kNop || (op.cls() != BPF_ALU && op.cls() != BPF_ALU64)) return false;
  bool wide = op.cls() == BPF_ALU64;
  Alu operation;
  switch (op.op()) {
    case BPF_ADD: operation = kAdd; break;
    case BPF_SUB: operation = kSub; break;
    case BPF_OR: operation = kOr; break;
    case BPF_AND: operation = kAnd; break;
    case BPF_XOR: operation = kXor; break;
    case BPF_END: {
      if (!options_.cpu.movbe || op.dst != v || !(wide || (op.opcode & BPF_TO_BE) != 0))
        return false;
      if (size < 4 || op.imm != static_cast<int>(size) * 8) return false;
      out_ = a_.live_out(i + 1);
      unsigned dst = begin_def(v);
      ready_mem(insn.src, insn.off);
      e_.load_swapped(size, dst, mem(insn.src, insn.off));
      end_def(v, size == 4);
      next_ = i + 2;
      return true;
    }
    case BPF_MUL: operation = kCmp; break;  // imul has another form
    default: return false;
  }
  if (op.uses_src_reg() && op.src == v && op.dst != v && (size == 8) == wide && size >= 4 &&
      (a_.live_out(i + 1) & bit(v)) == 0 && (a_.live_out(i + 1) & bit(op.dst)) != 0) {
    in_ |= a_.live_in(i + 1);
    out_ = a_.live_out(i + 1);
    unsigned dst = modify(op.dst);
    ready_mem(insn.src, insn.off);
    if (op.op() == BPF_MUL) {
      e_.imul(wide, dst, mem(insn.src, insn.off));
    } else {
      e_.alu(operation, wide, dst, mem(insn.src, insn.off));
      note_flags(dst, wide, operation != kAdd && operation != kSub);
    }
    end_def(op.dst, !wide);
    next_ = i + 2;
    return true;
  }
  if (op.dst != v || op.op() == BPF_MUL || insn.src == v) return false;
  if (op.uses_src_reg() && (op.src == v || op.src == kFramePointer)) return false;
  if (size == 8 && !wide) return false;
  if ((a_.flags(i + 2) & kLeader) != 0) return false;
  const Insn& back = insns_[i + 2];
  if (back.opcode != static_cast<uint8_t>(BPF_STX | BPF_MEM | insn.size_bits()) || back.src != v ||
      back.dst != insn.src || back.off != insn.off || (a_.live_out(i + 2) & bit(v)) != 0)
    return false;
  in_ |= a_.live_in(i + 1);
  out_ = a_.live_out(i + 2);
  int64_t imm = op.imm;
  bool known = !op.uses_src_reg() || constant(op.src, imm);
  if (known && (blind_ || !fits32(imm))) {
    if (op.uses_src_reg()) {
      known = false;
    } else {
      ready_mem(insn.src, insn.off);
      load_imm(kScratch, imm);
      e_.alu_store(operation, size, mem(insn.src, insn.off), kScratch);
      next_ = i + 3;
      return true;
    }
  }
  if (known) {
    ready_mem(insn.src, insn.off);
    e_.alu_store_imm(operation, size, mem(insn.src, insn.off), static_cast<int32_t>(imm));
  } else {
    ready_mem(insn.src, insn.off);
    ready_reg(op.src, size);
    ready_mem(insn.src, insn.off);
    e_.alu_store(operation, size, mem(insn.src, insn.off), reg(op.src, size));
  }
  next_ = i + 3;
  return true;
}

void CodeGen::store(uint32_t i, const Insn& insn) {
  unsigned size = insn.access_size();
  int64_t imm = insn.imm;
  barrier(insn.cls() == BPF_STX && insn.mode() == BPF_ATOMIC && insn.imm == BPF_LOAD_ACQ
              ? insn.src
              : insn.dst);
  if (insn.cls() == BPF_STX && insn.mode() == BPF_ATOMIC) return atomic(i, insn);
  if (insn.cls() == BPF_ST || (constant(insn.src, imm) && (size < 8 || fits32(imm)))) {
    ready_mem(insn.dst, insn.off);
    if (blind_) {
      load_imm(kScratch, imm);
      return e_.store(size, mem(insn.dst, insn.off), kScratch);
    }
    return e_.store_imm(size, mem(insn.dst, insn.off), static_cast<int32_t>(imm));
  }
  ready_mem(insn.dst, insn.off);
  ready_reg(insn.src, size);
  ready_mem(insn.dst, insn.off);
  unsigned from = reg(insn.src, size);
  e_.store(size, mem(insn.dst, insn.off), from);
}

void CodeGen::atomic(uint32_t, const Insn& insn) {
  unsigned size = insn.access_size();
  bool fetch = (insn.imm & BPF_FETCH) != 0;
  if (insn.imm == BPF_LOAD_ACQ) {  // x86 loads are acquiring, stores releasing
    unsigned dst = begin_def(insn.dst);
    ready_mem(insn.src, insn.off);
    e_.load(size, dst, mem(insn.src, insn.off));
    return end_def(insn.dst, size < 8);
  }
  if (insn.imm == BPF_STORE_REL) {
    ready_mem(insn.dst, insn.off);
    ready_reg(insn.src, size);
    ready_mem(insn.dst, insn.off);
    unsigned from = reg(insn.src, size);
    return e_.store(size, mem(insn.dst, insn.off), from);
  }
  Alu op;
  switch (insn.imm & ~BPF_FETCH) {
    case BPF_ADD: op = kAdd; break;
    case BPF_OR: op = kOr; break;
    case BPF_AND: op = kAnd; break;
    case BPF_XOR: op = kXor; break;
    case BPF_XCHG & ~BPF_FETCH: {
      unsigned src = modify(insn.src);
      ready_mem(insn.dst, insn.off);
      e_.xchg(size, mem(insn.dst, insn.off), src);
      return end_def(insn.src, size < 8);
    }
    case BPF_CMPXCHG & ~BPF_FETCH: {
      modify(0);
      ready_mem(insn.dst, insn.off);
      ready_reg(insn.src, size);
      ready_mem(insn.dst, insn.off);
      e_.lock_cmpxchg(size, mem(insn.dst, insn.off), reg(insn.src, size));
      if (size == 4) e_.mov(false, rax, rax);
      return end_def(0, size < 8);
    }
    default: return broken("an unknown atomic operation");
  }
  if (!fetch) {
    ready_mem(insn.dst, insn.off);
    ready_reg(insn.src, size);
    ready_mem(insn.dst, insn.off);
    unsigned from = reg(insn.src, size);
    return e_.alu_store(op, size, mem(insn.dst, insn.off), from, true);
  }
  if (op != kAdd) return fetch_bitwise(insn, size, op);
  unsigned src = modify(insn.src);
  ready_mem(insn.dst, insn.off);
  e_.lock_xadd(size, mem(insn.dst, insn.off), src);
  end_def(insn.src, size < 8);
}

// src = *mem; *mem op= src, in a loop around cmpxchg. rax holds what was read; in functions with these r9 is
// nobody's home (begin_function).
void CodeGen::fetch_bitwise(const Insn& insn, unsigned size, Alu op) {
  unsigned src = modify(insn.src);
  ready_mem(insn.dst, insn.off);
  bool wide = size == 8;
  bool keep = src != rax && must_keep(rax, insn.src);
  Mem at = mem(insn.dst, insn.off);
  if (at.base == rax || at.index == rax) {
    e_.lea(true, r9, at);
    at = {.base = r9};
  }
  unsigned operand = src;
  if (src == rax) e_.mov(true, operand = kScratch2, rax);
  if (keep) e_.mov(true, kScratch2, rax);
  e_.load(size, rax, at);
  uint8_t* again = e_.p;
  e_.mov(wide, kScratch, rax);
  e_.alu(op, wide, kScratch, operand);
  e_.lock_cmpxchg(size, at, kScratch);
  e_.jcc8(kNe, again - (e_.p + 2));
  if (src != rax) e_.mov(wide, src, rax);
  if (keep) e_.mov(true, rax, kScratch2);
  end_def(insn.src, !wide);
}

// r0 = big-endian bytes of the packet at imm (+ src); ends the function with 0 where they lie outside. What
// negative offsets mean says packet_load.h. r1 to r5 are lost, so that their registers are free.
void CodeGen::load_packet(uint32_t, const Insn& insn) {
  constexpr int32_t kNetwork = -0x100000, kLinkLayer = -0x200000;  // SKF_NET_OFF, SKF_LL_OFF
  unsigned size = insn.access_size();
  bool indirect = insn.mode() == BPF_IND;
  clobber_all(bit(rax) | bit(rdi) | bit(rsi) | bit(rdx), static_cast<uint16_t>(out_ & ~0x3f));
  auto leave_to = [&] {
    stubs_.push_back({.kind = Stub::kExitZero, .reg = 0, .insn_at = 0, .resume = here() - 4});
  };
  auto leave = [&](Cond cond) {
    e_.jcc32(cond, 0);
    leave_to();
  };
  auto field = [&](unsigned to, size_t offset) {
    e_.load(8, to, {.base = rdi, .disp = static_cast<int32_t>(offset)});
  };
  if (indirect) {
    ready_reg(insn.src, 4);
    unsigned from = reg(insn.src, 4);
    if (blind_) {
      e_.mov(false, rdx, from);
      load_imm(kScratch, static_cast<uint32_t>(insn.imm));
      e_.alu(kAdd, false, rdx, kScratch);
    } else {
      e_.lea(false, rdx, {.base = static_cast<uint8_t>(from), .disp = insn.imm});
    }
    e_.sign_extend(4, true, rdx, rdx);
  } else {
    int64_t offset = insn.imm;
    if (offset < 0) offset -= offset >= kNetwork ? kNetwork : kLinkLayer;
    load_imm(rdx, offset);
  }
  e_.load(8, rdi, {.base = kContext, .disp = offsetof(HelperContext, packet)});
  e_.test(true, rdi, rdi);
  leave(kE);
  if (indirect) {
    field(rsi, offsetof(PacketView, data));
    e_.test(true, rdx, rdx);
    uint8_t* from_data = skip(kNs);
    field(rsi, offsetof(PacketView, network_header));
    e_.alu_imm(kSub, true, rdx, kNetwork);
    uint8_t* from_network = skip(kNs);
    field(rsi, offsetof(PacketView, mac_header));
    e_.alu_imm(kSub, true, rdx, kLinkLayer - kNetwork);
    leave(kS);
    bind(from_network);
    bind(from_data);
  } else if (insn.imm >= 0) {
    field(rsi, offsetof(PacketView, data));
  } else if (insn.imm >= kNetwork) {
    field(rsi, offsetof(PacketView, network_header));
  } else if (insn.imm >= kLinkLayer) {
    field(rsi, offsetof(PacketView, mac_header));
  } else {
    e_.zero(rsi);
  }
  e_.test(true, rsi, rsi);
  leave(kE);
  field(rdi, offsetof(PacketView, data_end));
  e_.alu(kSub, true, rdi, rsi);
  e_.alu_imm(kSub, true, rdi, static_cast<int32_t>(size));
  e_.alu(kCmp, true, rdx, rdi);
  leave(kG);
  fenced_ = false;
  barrier(0);
  e_.load(size, rax, {.base = rsi, .index = rdx});
  if (size == 2) {
    e_.rol16(rax, 8);
  } else if (size == 4) {
    e_.bswap(false, rax);
  }
  lazy_ &= static_cast<uint16_t>(~0x3f);
  end_def(0, true);
}

void CodeGen::load_imm64(uint32_t i, const Insn& insn) {
  next_ = i + 2;
  out_ = a_.live_out(i + 1);
  unsigned v = insn.dst;
  if ((out_ & bit(v)) == 0) return;
  if (insn.src == BPF_PSEUDO_FUNC) {
    uint32_t index = a_.function_at(i + 1 + static_cast<uint32_t>(insn.imm));
    if (index == a_.functions().size()) return broken("ld_imm64 of a function that there is not");
    unsigned dst = begin_def(v);
    const uint8_t* at = e_.lea_rip(dst);
    fixups_.push_back({Fixup::kFunction, static_cast<uint32_t>(at - buffer_.get()), index, i});
    return end_def(v, false);
  }
  auto value = Analysis::imm64_at(program_, insns_ + i);
  if (!value) return broken("ld_imm64 of a map that there is not");
  uint64_t imm = *value;
  bool chosen_by_program = insn.src == 0 || insn.src == BPF_PSEUDO_BTF_ID;
  if ((a_.flags(i) & kHoisted) != 0) {
    auto held = static_cast<unsigned>(insn.off);
    Value near = copy_of(home_[held]);
    near.imm =
        static_cast<int64_t>(imm - function_->constant[held - kFirstSlot - function_->slots]);
    prepare(v, near.deps);
    return assign(v, near);
  }
  if (blind_ && chosen_by_program) {
    load_imm(begin_def(v), static_cast<int64_t>(imm));
    return end_def(v, imm <= UINT32_MAX);
  }
  if (blind_) {
    e_.mov_imm(begin_def(v), imm);
    return end_def(v, imm <= UINT32_MAX);
  }
  prepare(v, 0);
  assign(v, const_of(static_cast<int64_t>(imm)));
}

}  // namespace skep::jit::x86
