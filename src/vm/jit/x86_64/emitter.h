// Emitter: x86-64 instructions as bytes, and nothing else. Every method appends one instruction in its
// shortest form; there are no labels, no relocation and no state but the cursor. tests/vm/emitter_test.cc
// compares each form over all registers with asmjit's Assembler, which is the reference for encodings
// (docs/decisions/0015-jit-emitter.md says why the JIT itself doesn't use it).
//
//   | 66/F0/F2/F3 | REX 0100WRXB | opcode 1-3 | ModRM mod:2 reg:3 rm:3 | SIB scale:2 index:3 base:3 | disp | imm |
//
// The caller guarantees room: no instruction is longer than 15 bytes.
#pragma once

#include <cstdint>
#include <cstring>

namespace skep::jit::x86 {

enum Reg : uint8_t { rax, rcx, rdx, rbx, rsp, rbp, rsi, rdi, r8, r9, r10, r11, r12, r13, r14, r15 };
inline constexpr uint8_t kNoReg = 0xff;

// Condition codes as in the opcodes of Jcc, SETcc and CMOVcc.
enum Cond : uint8_t {
  kO,
  kNo,
  kB,
  kAe,
  kE,
  kNe,
  kBe,
  kA,
  kS,
  kNs,
  kP,
  kNp,
  kL,
  kGe,
  kLe,
  kG,
};
[[nodiscard]] constexpr Cond inverse(Cond cond) { return static_cast<Cond>(cond ^ 1); }

// Operations of the 00-3F group (the digit of 81/83 too).
enum Alu : uint8_t { kAdd = 0, kOr = 1, kSbb = 3, kAnd = 4, kSub = 5, kXor = 6, kCmp = 7 };
// Digits of C1/D1/D3.
enum Shift : uint8_t { kRol = 0, kRor = 1, kShl = 4, kShr = 5, kSar = 7 };

// [base + index << scale + disp]; either register may be absent. rsp can't be an index.
struct Mem {
  uint8_t base = kNoReg;
  uint8_t index = kNoReg;
  uint8_t scale = 0;
  int32_t disp = 0;
};

[[nodiscard]] constexpr bool fits8(int64_t value) { return value == static_cast<int8_t>(value); }
[[nodiscard]] constexpr bool fits32(int64_t value) { return value == static_cast<int32_t>(value); }

class Emitter {
 public:
  uint8_t* p = nullptr;

  void byte(unsigned value) { *p++ = static_cast<uint8_t>(value); }
  void imm32(int64_t value) {
    auto low = static_cast<int32_t>(value);
    std::memcpy(p, &low, 4);
    p += 4;
  }
  void imm64(uint64_t value) {
    std::memcpy(p, &value, 8);
    p += 8;
  }

  // op dst, src (wide: 64 bits, else 32 with zero extension).
  void alu(Alu op, bool wide, unsigned dst, unsigned src) { rr(op << 3 | 1, wide, src, dst); }
  void alu(Alu op, bool wide, unsigned dst, const Mem& src) { rm(op << 3 | 3, wide, dst, src); }
  void alu_imm(Alu op, bool wide, unsigned dst, int32_t imm) {
    rex(wide, 0, 0, dst);
    if (fits8(imm)) {
      byte(0x83), byte(0xc0 | op << 3 | (dst & 7)), byte(imm);
    } else if (dst == rax) {
      byte(op << 3 | 5), imm32(imm);
    } else {
      byte(0x81), byte(0xc0 | op << 3 | (dst & 7)), imm32(imm);
    }
  }
  // op [mem], src with operands of 1, 2, 4 or 8 bytes.
  void alu_store(Alu op, unsigned size, const Mem& mem, unsigned src, bool lock = false) {
    if (lock) byte(0xf0);
    sized(op << 3, size, src, mem);
  }
  void alu_store_imm(Alu op, unsigned size, const Mem& mem, int32_t imm) {
    if (size == 2) byte(0x66);
    rex_mem(size == 8, 0, mem, false);
    bool small = size == 1 || fits8(imm);
    byte(size == 1 ? 0x80 : small ? 0x83 : 0x81);
    modrm_mem(op, mem);
    if (small) {
      byte(imm);
    } else if (size == 2) {
      byte(imm), byte(imm >> 8);
    } else {
      imm32(imm);
    }
  }
  void test(bool wide, unsigned a, unsigned b) { rr(0x85, wide, b, a); }
  void test_imm(bool wide, unsigned reg, int32_t imm) {
    if (imm >= 0 && imm < 0x80) {  // the low byte tells; SF is 0 in both
      if (reg == rax) {
        byte(0xa8), byte(imm);
        return;
      }
      if (reg >= 4) byte(0x40 | reg >> 3);
      byte(0xf6), byte(0xc0 | (reg & 7)), byte(imm);
      return;
    }
    rex(wide && imm < 0, 0, 0, reg);
    if (reg == rax) {
      byte(0xa9);
    } else {
      byte(0xf7), byte(0xc0 | (reg & 7));
    }
    imm32(imm);
  }

  void mov(bool wide, unsigned dst, unsigned src) { rr(0x89, wide, src, dst); }
  // dst = value, all 64 bits. Leaves flags alone: zero is not made with xor here.
  void mov_imm(unsigned dst, uint64_t value) {
    if (value <= UINT32_MAX) {
      rex(false, 0, 0, dst);
      byte(0xb8 | (dst & 7)), imm32(static_cast<int64_t>(value));
    } else if (fits32(static_cast<int64_t>(value))) {
      rex(true, 0, 0, dst);
      byte(0xc7), byte(0xc0 | (dst & 7)), imm32(static_cast<int64_t>(value));
    } else {
      rex(true, 0, 0, dst);
      byte(0xb8 | (dst & 7)), imm64(value);
    }
  }
  void mov_imm64(unsigned dst, uint64_t value) {
    rex(true, 0, 0, dst);
    byte(0xb8 | (dst & 7)), imm64(value);
  }
  void zero(unsigned dst) { rr(0x31, false, dst, dst); }

  // Zero-extending loads of 1, 2, 4, 8 bytes; sign-extending ones of 1, 2, 4 (to 64 bits).
  void load(unsigned size, unsigned dst, const Mem& mem) {
    switch (size) {
      case 1: rm0f(0xb6, false, dst, mem); break;
      case 2: rm0f(0xb7, false, dst, mem); break;
      case 4: rm(0x8b, false, dst, mem); break;
      default: rm(0x8b, true, dst, mem); break;
    }
  }
  void load_signed(unsigned size, unsigned dst, const Mem& mem) {
    switch (size) {
      case 1: rm0f(0xbe, true, dst, mem); break;
      case 2: rm0f(0xbf, true, dst, mem); break;
      default: rm(0x63, true, dst, mem); break;
    }
  }
  void store(unsigned size, const Mem& mem, unsigned src) { sized(0x88, size, src, mem); }
  void store_imm(unsigned size, const Mem& mem, int32_t imm) {
    if (size == 2) byte(0x66);
    rex_mem(size == 8, 0, mem, false);
    byte(size == 1 ? 0xc6 : 0xc7);
    modrm_mem(0, mem);
    if (size == 1) {
      byte(imm);
    } else if (size == 2) {
      byte(imm), byte(imm >> 8);
    } else {
      imm32(imm);
    }
  }
  void lea(bool wide, unsigned dst, const Mem& mem) { rm(0x8d, wide, dst, mem); }
  // lea dst, [rip + d]: the address of d's four bytes, for the caller to fill in.
  uint8_t* lea_rip(unsigned dst) {
    rex(true, dst, 0, 0);
    byte(0x8d), byte((dst & 7) << 3 | 5), imm32(0);
    return p - 4;
  }
  // MOVBE: dst = byteswap(mem), 4 or 8 bytes, and the store.
  void load_swapped(unsigned size, unsigned dst, const Mem& mem) {
    rex_mem(size == 8, dst, mem, false);
    byte(0x0f), byte(0x38), byte(0xf0), modrm_mem(dst, mem);
  }
  void store_swapped(unsigned size, const Mem& mem, unsigned src) {
    if (size == 2) byte(0x66);
    rex_mem(size == 8, src, mem, false);
    byte(0x0f), byte(0x38), byte(0xf1), modrm_mem(src, mem);
  }

  void zero_extend(unsigned size, unsigned dst, unsigned src) {
    if (size == 4) {
      mov(false, dst, src);
    } else {
      rr0f(size == 1 ? 0xb6 : 0xb7, false, dst, src, size == 1);
    }
  }
  void sign_extend(unsigned size, bool wide, unsigned dst, unsigned src) {
    if (size == 4) {
      rr(0x63, true, dst, src);
    } else {
      rr0f(size == 1 ? 0xbe : 0xbf, wide, dst, src, size == 1);
    }
  }

  void shift(Shift op, bool wide, unsigned dst, unsigned count) {
    rex(wide, 0, 0, dst);
    byte(count == 1 ? 0xd1 : 0xc1), byte(0xc0 | op << 3 | (dst & 7));
    if (count != 1) byte(count);
  }
  void shift_cl(Shift op, bool wide, unsigned dst) {
    rex(wide, 0, 0, dst);
    byte(0xd3), byte(0xc0 | op << 3 | (dst & 7));
  }
  void rol16(unsigned dst, unsigned count) {
    byte(0x66), rex(false, 0, 0, dst);
    byte(0xc1), byte(0xc0 | (dst & 7)), byte(count);
  }
  // BMI2, none of which touches flags. SHLX, SHRX, SARX: dst = src shifted by count.
  void shift_x(Shift op, bool wide, unsigned dst, unsigned src, unsigned count) {
    vex(2, op == kShl ? 1 : op == kShr ? 3 : 2, wide, dst, count, src);
    byte(0xf7), byte(0xc0 | (dst & 7) << 3 | (src & 7));
  }
  void rorx(bool wide, unsigned dst, unsigned src, unsigned count) {
    vex(3, 3, wide, dst, 0, src);
    byte(0xf0), byte(0xc0 | (dst & 7) << 3 | (src & 7)), byte(count);
  }
  // high:low = rdx * src.
  void mulx(bool wide, unsigned high, unsigned low, unsigned src) {
    vex(2, 3, wide, high, low, src);
    byte(0xf6), byte(0xc0 | (high & 7) << 3 | (src & 7));
  }

  void imul(bool wide, unsigned dst, unsigned src) { rr0f(0xaf, wide, dst, src, false); }
  void imul(bool wide, unsigned dst, const Mem& mem) { rm0f(0xaf, wide, dst, mem); }
  void imul_imm(bool wide, unsigned dst, unsigned src, int32_t imm) {
    rr(fits8(imm) ? 0x6b : 0x69, wide, dst, src);
    if (fits8(imm)) {
      byte(imm);
    } else {
      imm32(imm);
    }
  }
  void mul(bool wide, unsigned src) { unary(4, wide, src); }        // rdx:rax = rax * src
  void imul_high(bool wide, unsigned src) { unary(5, wide, src); }  // the same, signed
  void div(bool wide, unsigned src) { unary(6, wide, src); }
  void idiv(bool wide, unsigned src) { unary(7, wide, src); }
  void neg(bool wide, unsigned dst) { unary(3, wide, dst); }
  void not_(bool wide, unsigned dst) { unary(2, wide, dst); }
  void sign_extend_rax(bool wide) {  // CDQ, CQO
    if (wide) byte(0x48);
    byte(0x99);
  }
  void bswap(bool wide, unsigned dst) {
    rex(wide, 0, 0, dst);
    byte(0x0f), byte(0xc8 | (dst & 7));
  }
  void cmov(Cond cond, bool wide, unsigned dst, unsigned src) {
    rr0f(0x40 | cond, wide, dst, src, false);
  }
  void setcc(Cond cond, unsigned dst) {  // the low byte only
    if (dst >= 4) byte(0x40 | dst >> 3);
    byte(0x0f), byte(0x90 | cond), byte(0xc0 | (dst & 7));
  }

  void xchg(unsigned size, const Mem& mem, unsigned reg) { sized(0x86, size, reg, mem); }
  void lock_xadd(unsigned size, const Mem& mem, unsigned reg) { locked0f(0xc1, size, mem, reg); }
  void lock_cmpxchg(unsigned size, const Mem& mem, unsigned reg) { locked0f(0xb1, size, mem, reg); }

  // The number of trailing zeros of what is not 0 (else undefined: BSF on processors before BMI1).
  void tzcnt(bool wide, unsigned dst, unsigned src) {
    byte(0xf3);
    rr0f(0xbc, wide, dst, src, false);
  }

  void push(unsigned reg) {
    if (reg >= 8) byte(0x41);
    byte(0x50 | (reg & 7));
  }
  void pop(unsigned reg) {
    if (reg >= 8) byte(0x41);
    byte(0x58 | (reg & 7));
  }
  void ret() { byte(0xc3); }
  void trap() { byte(0xcc); }
  void lfence() { byte(0x0f), byte(0xae), byte(0xe8); }

  // Branches. The displacement is from the instruction's end; the last four (one) bytes hold it.
  void jmp8(int64_t disp) { byte(0xeb), byte(static_cast<unsigned>(disp)); }
  void jmp32(int64_t disp) { byte(0xe9), imm32(disp); }
  void jcc8(Cond cond, int64_t disp) { byte(0x70 | cond), byte(static_cast<unsigned>(disp)); }
  void jcc32(Cond cond, int64_t disp) { byte(0x0f), byte(0x80 | cond), imm32(disp); }
  void call32(int64_t disp) { byte(0xe8), imm32(disp); }
  void call_rip() { byte(0xff), byte(0x15), imm32(0); }  // call [rip + d]
  void call_reg(unsigned reg) {
    if (reg >= 8) byte(0x41);
    byte(0xff), byte(0xd0 | (reg & 7));
  }
  void jmp_reg(unsigned reg) {
    if (reg >= 8) byte(0x41);
    byte(0xff), byte(0xe0 | (reg & 7));
  }
  void jmp_mem(const Mem& mem) {
    rex_mem(false, 0, mem, false);
    byte(0xff), modrm_mem(4, mem);
  }
  // NOPs of up to nine bytes each.
  void nops(size_t count);

 private:
  void rex(bool wide, unsigned reg, unsigned index, unsigned base) {
    unsigned value = 0x40 | wide << 3 | (reg >> 3) << 2 | (index >> 3) << 1 | base >> 3;
    if (value != 0x40) byte(value);
  }
  // byte_reg: sil, dil, spl, bpl as byte operands need a REX prefix of any kind.
  void rex_mem(bool wide, unsigned reg, const Mem& mem, bool byte_reg) {
    unsigned base = mem.base == kNoReg ? 0 : mem.base;
    unsigned index = mem.index == kNoReg ? 0 : mem.index;
    unsigned value = 0x40 | wide << 3 | (reg >> 3) << 2 | (index >> 3) << 1 | base >> 3;
    if (value != 0x40 || (byte_reg && reg >= 4)) byte(value);
  }
  void rr(unsigned opcode, bool wide, unsigned reg, unsigned rm) {
    rex(wide, reg, 0, rm);
    byte(opcode), byte(0xc0 | (reg & 7) << 3 | (rm & 7));
  }
  void rr0f(unsigned opcode, bool wide, unsigned reg, unsigned rm, bool byte_rm) {
    unsigned value = 0x40 | wide << 3 | (reg >> 3) << 2 | rm >> 3;
    if (value != 0x40 || (byte_rm && rm >= 4)) byte(value);
    byte(0x0f), byte(opcode), byte(0xc0 | (reg & 7) << 3 | (rm & 7));
  }
  void rm(unsigned opcode, bool wide, unsigned reg, const Mem& mem) {
    rex_mem(wide, reg, mem, false);
    byte(opcode), modrm_mem(reg, mem);
  }
  void rm0f(unsigned opcode, bool wide, unsigned reg, const Mem& mem) {
    rex_mem(wide, reg, mem, false);
    byte(0x0f), byte(opcode), modrm_mem(reg, mem);
  }
  // opcode for bytes, opcode + 1 for the other sizes.
  void sized(unsigned opcode, unsigned size, unsigned reg, const Mem& mem) {
    if (size == 2) byte(0x66);
    rex_mem(size == 8, reg, mem, size == 1);
    byte(opcode | (size != 1)), modrm_mem(reg, mem);
  }
  void locked0f(unsigned opcode, unsigned size, const Mem& mem, unsigned reg) {
    byte(0xf0), rex_mem(size == 8, reg, mem, false);
    byte(0x0f), byte(opcode), modrm_mem(reg, mem);
  }
  void unary(unsigned digit, bool wide, unsigned reg) {
    rex(wide, 0, 0, reg);
    byte(0xf7), byte(0xc0 | digit << 3 | (reg & 7));
  }
  // Three-byte VEX, L = 0. map: 2 is 0F38, 3 is 0F3A; prefix: 1 is 66, 2 is F3, 3 is F2.
  void vex(unsigned map, unsigned prefix, bool wide, unsigned reg, unsigned v, unsigned rm) {
    byte(0xc4);
    byte((reg < 8) << 7 | 1 << 6 | (rm < 8) << 5 | map);
    byte(wide << 7 | (~v & 15) << 3 | prefix);
  }
  void modrm_mem(unsigned reg, const Mem& mem) {
    unsigned r = (reg & 7) << 3;
    if (mem.base == kNoReg) {  // SIB without a base always has disp32
      byte(r | 4);
      byte(mem.index == kNoReg ? 0x25 : mem.scale << 6 | (mem.index & 7) << 3 | 5);
      imm32(mem.disp);
      return;
    }
    unsigned base = mem.base & 7;
    // [rbp] and [r13] have no form without a displacement.
    unsigned mod = mem.disp == 0 && base != rbp ? 0 : fits8(mem.disp) ? 0x40 : 0x80;
    if (mem.index != kNoReg) {
      byte(mod | r | 4), byte(mem.scale << 6 | (mem.index & 7) << 3 | base);
    } else if (base == rsp) {  // also r12
      byte(mod | r | 4), byte(0x24);
    } else {
      byte(mod | r | base);
    }
    if (mod == 0x40) {
      byte(static_cast<unsigned>(mem.disp));
    } else if (mod == 0x80) {
      imm32(mem.disp);
    }
  }
};

inline void Emitter::nops(size_t count) {
  static constexpr uint8_t kNops[9][9] = {
      {0x90},
      {0x66, 0x90},
      {0x0f, 0x1f, 0x00},
      {0x0f, 0x1f, 0x40, 0x00},
      {0x0f, 0x1f, 0x44, 0x00, 0x00},
      {0x66, 0x0f, 0x1f, 0x44, 0x00, 0x00},
      {0x0f, 0x1f, 0x80, 0x00, 0x00, 0x00, 0x00},
      {0x0f, 0x1f, 0x84, 0x00, 0x00, 0x00, 0x00, 0x00},
      {0x66, 0x0f, 0x1f, 0x84, 0x00, 0x00, 0x00, 0x00, 0x00},
  };
  while (count > 0) {
    size_t step = count < 9 ? count : 9;
    std::memcpy(p, kNops[step - 1], step);
    p += step;
    count -= step;
  }
}

}  // namespace skep::jit::x86
