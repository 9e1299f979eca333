// Every form that the JIT's emitter has, over all registers, against asmjit's Assembler: byte for byte, or, where
// there are two encodings of one instruction, the same length.
#include "vm/jit/x86_64/emitter.h"

#include <asmjit/x86.h>
#include <gtest/gtest.h>

#include <functional>
#include <string>

namespace skep::jit::x86 {
namespace {

namespace a = asmjit::x86;

std::string hex(const uint8_t* bytes, size_t count) {
  std::string text;
  char two[4];
  for (size_t i = 0; i < count; i++) std::snprintf(two, sizeof two, "%02x ", bytes[i]), text += two;
  return text;
}

class EmitterTest : public testing::Test {
 protected:
  void check(const std::string& what, const std::function<void(Emitter&)>& ours,
             const std::function<void(a::Assembler&)>& theirs) {
    uint8_t buffer[64];
    Emitter e;
    e.p = buffer;
    ours(e);
    auto size = static_cast<size_t>(e.p - buffer);
    asmjit::CodeHolder holder;
    holder.init(asmjit::Environment::host());
    a::Assembler assembler(&holder);
    assembler.addEncodingOptions(asmjit::EncodingOptions::kOptimizeForSize);
    theirs(assembler);
    const auto& code = holder.sectionById(0)->buffer();
    std::string expected = hex(code.data(), code.size()), found = hex(buffer, size);
    if (expected != found) ADD_FAILURE() << what << ": expected " << expected << "found " << found;
  }
};

a::Gp gp(bool wide, unsigned reg) { return wide ? a::Gp(a::gpq(reg)) : a::Gp(a::gpd(reg)); }
a::Gp sized(unsigned size, unsigned reg) {
  switch (size) {
    case 1: return a::gpb_lo(reg);
    case 2: return a::gpw(reg);
    case 4: return a::gpd(reg);
    default: return a::gpq(reg);
  }
}
a::Mem mem_of(const Mem& m, unsigned size) {
  a::Mem out;
  if (m.base == kNoReg) {
    out = a::ptr(static_cast<uint64_t>(m.disp), a::gpq(m.index), m.scale);
  } else if (m.index == kNoReg) {
    out = a::ptr(a::gpq(m.base), m.disp);
  } else {
    out = a::ptr(a::gpq(m.base), a::gpq(m.index), m.scale, m.disp);
  }
  out.setSize(size);
  return out;
}
std::vector<Mem> addresses() {
  std::vector<Mem> all;
  for (uint8_t base = 0; base < 16; base++)
    for (int32_t disp : {0, 8, -128, 127, 128, -70000}) {
      all.push_back({.base = base, .disp = disp});
      for (uint8_t index : {rax, rbp, rdi, r8, r12, r13})
        all.push_back({.base = base,
                       .index = index,
                       .scale = static_cast<uint8_t>((base + index) % 4),
                       .disp = disp});
    }
  for (uint8_t index : {rax, rbp, r12, r15})
    all.push_back({.index = index, .scale = 3, .disp = 64});
  return all;
}

TEST_F(EmitterTest, register_forms_are_as_asmjits) {
  for (unsigned d = 0; d < 16; d++)
    for (unsigned s = 0; s < 16; s++)
      for (bool w : {false, true}) {
        auto D = gp(w, d), S = gp(w, s);
        check("add", [&](auto& e) { e.alu(kAdd, w, d, s); }, [&](auto& x) { x.add(D, S); });
        check("or", [&](auto& e) { e.alu(kOr, w, d, s); }, [&](auto& x) { x.or_(D, S); });
        check("and", [&](auto& e) { e.alu(kAnd, w, d, s); }, [&](auto& x) { x.and_(D, S); });
        check("sbb", [&](auto& e) { e.alu(kSbb, w, d, s); }, [&](auto& x) { x.sbb(D, S); });
        check("lfence", [&](auto& e) { e.lfence(); }, [&](auto& x) { x.lfence(); });
        check("sub", [&](auto& e) { e.alu(kSub, w, d, s); }, [&](auto& x) { x.sub(D, S); });
        check("xor", [&](auto& e) { e.alu(kXor, w, d, s); }, [&](auto& x) { x.xor_(D, S); });
        check("cmp", [&](auto& e) { e.alu(kCmp, w, d, s); }, [&](auto& x) { x.cmp(D, S); });
        check("test", [&](auto& e) { e.test(w, d, s); }, [&](auto& x) { x.test(D, S); });
        check("mov", [&](auto& e) { e.mov(w, d, s); }, [&](auto& x) { x.mov(D, S); });
        check("imul", [&](auto& e) { e.imul(w, d, s); }, [&](auto& x) { x.imul(D, S); });
        check(
            "imul imm8", [&](auto& e) { e.imul_imm(w, d, s, -7); },
            [&](auto& x) { x.imul(D, S, -7); });
        check(
            "imul imm32", [&](auto& e) { e.imul_imm(w, d, s, 1000); },
            [&](auto& x) { x.imul(D, S, 1000); });
        check("cmov", [&](auto& e) { e.cmov(kA, w, d, s); }, [&](auto& x) { x.cmova(D, S); });
        check("tzcnt", [&](auto& e) { e.tzcnt(w, d, s); }, [&](auto& x) { x.tzcnt(D, S); });
        check("rorx", [&](auto& e) { e.rorx(w, d, s, 13); }, [&](auto& x) { x.rorx(D, S, 13); });
        for (unsigned c : {0u, 5u, 9u, 15u}) {
          check(
              "shlx", [&](auto& e) { e.shift_x(kShl, w, d, s, c); },
              [&](auto& x) { x.shlx(D, S, gp(w, c)); });
          check(
              "shrx", [&](auto& e) { e.shift_x(kShr, w, d, s, c); },
              [&](auto& x) { x.shrx(D, S, gp(w, c)); });
          check(
              "sarx", [&](auto& e) { e.shift_x(kSar, w, d, s, c); },
              [&](auto& x) { x.sarx(D, S, gp(w, c)); });
          check(
              "mulx", [&](auto& e) { e.mulx(w, d, s, c); },
              [&](auto& x) { x.mulx(D, S, gp(w, c), gp(w, rdx)); });
        }
        check(
            "movzx8", [&](auto& e) { e.zero_extend(1, d, s); },
            [&](auto& x) { x.movzx(a::gpd(d), a::gpb_lo(s)); });
        check(
            "movzx16", [&](auto& e) { e.zero_extend(2, d, s); },
            [&](auto& x) { x.movzx(a::gpd(d), a::gpw(s)); });
        check(
            "movsx8", [&](auto& e) { e.sign_extend(1, w, d, s); },
            [&](auto& x) { x.movsx(D, a::gpb_lo(s)); });
        check(
            "movsx16", [&](auto& e) { e.sign_extend(2, w, d, s); },
            [&](auto& x) { x.movsx(D, a::gpw(s)); });
        check(
            "movsxd", [&](auto& e) { e.sign_extend(4, true, d, s); },
            [&](auto& x) { x.movsxd(a::gpq(d), a::gpd(s)); });
      }
}

TEST_F(EmitterTest, single_register_forms_are_as_asmjits) {
  for (unsigned d = 0; d < 16; d++)
    for (bool w : {false, true}) {
      auto D = gp(w, d);
      for (int32_t imm : {1, -1, 127, -128, 128, 0x7fffffff, -0x7fffffff}) {
        check(
            "add imm", [&](auto& e) { e.alu_imm(kAdd, w, d, imm); },
            [&](auto& x) { x.add(D, imm); });
        check(
            "cmp imm", [&](auto& e) { e.alu_imm(kCmp, w, d, imm); },
            [&](auto& x) { x.cmp(D, imm); });
        check(
            "or imm", [&](auto& e) { e.alu_imm(kOr, w, d, imm); }, [&](auto& x) { x.or_(D, imm); });
      }
      check("neg", [&](auto& e) { e.neg(w, d); }, [&](auto& x) { x.neg(D); });
      check("not", [&](auto& e) { e.not_(w, d); }, [&](auto& x) { x.not_(D); });
      check("div", [&](auto& e) { e.div(w, d); }, [&](auto& x) { x.div(D); });
      check("idiv", [&](auto& e) { e.idiv(w, d); }, [&](auto& x) { x.idiv(D); });
      check("mul", [&](auto& e) { e.mul(w, d); }, [&](auto& x) { x.mul(D); });
      check("bswap", [&](auto& e) { e.bswap(w, d); }, [&](auto& x) { x.bswap(D); });
      check("shl", [&](auto& e) { e.shift(kShl, w, d, 5); }, [&](auto& x) { x.shl(D, 5); });
      check("sar 1", [&](auto& e) { e.shift(kSar, w, d, 1); }, [&](auto& x) { x.sar(D, 1); });
      check("rol", [&](auto& e) { e.shift(kRol, w, d, 31); }, [&](auto& x) { x.rol(D, 31); });
      check("shr cl", [&](auto& e) { e.shift_cl(kShr, w, d); }, [&](auto& x) { x.shr(D, a::cl); });
      check("rol16", [&](auto& e) { e.rol16(d, 8); }, [&](auto& x) { x.rol(a::gpw(d), 8); });
      check("push", [&](auto& e) { e.push(d); }, [&](auto& x) { x.push(a::gpq(d)); });
      check("pop", [&](auto& e) { e.pop(d); }, [&](auto& x) { x.pop(a::gpq(d)); });
      check("setcc", [&](auto& e) { e.setcc(kB, d); }, [&](auto& x) { x.setb(a::gpb_lo(d)); });
      check("call", [&](auto& e) { e.call_reg(d); }, [&](auto& x) { x.call(a::gpq(d)); });
      check("jmp", [&](auto& e) { e.jmp_reg(d); }, [&](auto& x) { x.jmp(a::gpq(d)); });
      for (uint64_t imm :
           {uint64_t{1}, uint64_t{0x80000000}, uint64_t{0xffffffff}, uint64_t{0x123456789abcdef0}})
        check(
            "mov imm", [&](auto& e) { e.mov_imm(d, imm); },
            [&](auto& x) {
              if (imm <= UINT32_MAX) {
                x.mov(a::gpd(d), imm);
              } else {
                x.mov(a::gpq(d), imm);
              }
            });
    }
}

TEST_F(EmitterTest, memory_forms_are_as_asmjits) {
  unsigned reg = 0;
  for (const Mem& m : addresses()) {
    reg = (reg + 5) % 16;
    for (unsigned size : {1u, 2u, 4u, 8u}) {
      auto M = mem_of(m, size);
      auto R = sized(size, reg);
      check(
          "load", [&](auto& e) { e.load(size, reg, m); },
          [&](auto& x) {
            if (size < 4) {
              x.movzx(a::gpd(reg), M);
            } else {
              x.emit(a::Inst::kIdMov, R, M);
            }
          });
      if (size < 8)
        check(
            "load signed", [&](auto& e) { e.load_signed(size, reg, m); },
            [&](auto& x) {
              if (size == 4) {
                x.movsxd(a::gpq(reg), M);
              } else {
                x.movsx(a::gpq(reg), M);
              }
            });
      check(
          "store imm", [&](auto& e) { e.store_imm(size, m, 0x12); },
          [&](auto& x) { x.mov(M, 0x12); });
      check(
          "add mem, reg", [&](auto& e) { e.alu_store(kAdd, size, m, reg); },
          [&](auto& x) { x.add(M, R); });
      check(
          "lock or", [&](auto& e) { e.alu_store(kOr, size, m, reg, true); },
          [&](auto& x) { x.lock().or_(M, R); });
      check(
          "cmp mem, imm", [&](auto& e) { e.alu_store_imm(kCmp, size, m, 5); },
          [&](auto& x) { x.cmp(M, 5); });
      check("xchg", [&](auto& e) { e.xchg(size, m, reg); }, [&](auto& x) { x.xchg(M, R); });
      if (size >= 4) {
        bool w = size == 8;
        check(
            "store", [&](auto& e) { e.store(size, m, reg); },
            [&](auto& x) { x.emit(a::Inst::kIdMov, M, R); });
        check(
            "sub reg, mem", [&](auto& e) { e.alu(kSub, w, reg, m); },
            [&](auto& x) { x.sub(R, M); });
        check("imul reg, mem", [&](auto& e) { e.imul(w, reg, m); }, [&](auto& x) { x.imul(R, M); });
        check("lea", [&](auto& e) { e.lea(w, reg, m); }, [&](auto& x) { x.lea(R, M); });
        check(
            "movbe load", [&](auto& e) { e.load_swapped(size, reg, m); },
            [&](auto& x) { x.movbe(R, M); });
        check(
            "movbe store", [&](auto& e) { e.store_swapped(size, m, reg); },
            [&](auto& x) { x.movbe(M, R); });
        check(
            "lock xadd", [&](auto& e) { e.lock_xadd(size, m, reg); },
            [&](auto& x) { x.lock().xadd(M, R); });
        check(
            "lock cmpxchg", [&](auto& e) { e.lock_cmpxchg(size, m, reg); },
            [&](auto& x) { x.lock().cmpxchg(M, R); });
      }
    }
  }
}

}  // namespace
}  // namespace skep::jit::x86
