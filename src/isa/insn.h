// One eBPF instruction, its fields and its opcodes, as in <linux/bpf.h> and RFC 9669.
//
//    bytes  0        1             2-3       4-7
//          +--------+------+------+---------+---------------+
//          | opcode | dst  | src  | offset  |      imm      |     little-endian objects: dst is the
//          low nibble
//          +--------+------+------+---------+---------------+
//   opcode, ALU and JMP:   | op:4 | source:1 | class:3 |        load and store:  | mode:3 | size:2
//   | class:3 |
//
// BPF_LD|BPF_IMM|BPF_DW (ld_imm64) takes two of them; the second has only imm.
#pragma once

#include <cstdint>
#include <type_traits>

namespace skep {

struct Insn {
  uint8_t opcode = 0;
  uint8_t dst : 4 = 0;
  uint8_t src : 4 = 0;
  int16_t off = 0;
  int32_t imm = 0;

  bool operator==(const Insn&) const = default;

  [[nodiscard]] constexpr uint8_t cls() const { return opcode & 0x07; }
  [[nodiscard]] constexpr uint8_t size_bits() const { return opcode & 0x18; }
  [[nodiscard]] constexpr uint8_t mode() const { return opcode & 0xe0; }
  [[nodiscard]] constexpr uint8_t op() const { return opcode & 0xf0; }
  [[nodiscard]] constexpr bool uses_src_reg() const { return (opcode & 0x08) != 0; }
  // Bytes that a load or store moves: 1, 2, 4 or 8.
  [[nodiscard]] constexpr unsigned access_size() const {
    switch (size_bits()) {
      case 0x00: return 4;
      case 0x08: return 2;
      case 0x10: return 1;
      default: return 8;
    }
  }
};
static_assert(sizeof(Insn) == 8 && std::is_trivially_copyable_v<Insn>);

namespace isa {

// Plain constants under their UAPI names. No file of skep includes <linux/bpf.h>, whose macros
// would collide; engine/ has its own bpf_attr, newer than any distribution's header.
// clang-format off
// Classes.
inline constexpr uint8_t BPF_LD = 0x00, BPF_LDX = 0x01, BPF_ST = 0x02, BPF_STX = 0x03,
                         BPF_ALU = 0x04, BPF_JMP = 0x05, BPF_JMP32 = 0x06, BPF_ALU64 = 0x07;
// Sizes.
inline constexpr uint8_t BPF_W = 0x00, BPF_H = 0x08, BPF_B = 0x10, BPF_DW = 0x18;
// Modes.
inline constexpr uint8_t BPF_IMM = 0x00, BPF_ABS = 0x20, BPF_IND = 0x40, BPF_MEM = 0x60, BPF_MEMSX = 0x80,
                         BPF_ATOMIC = 0xc0;
// Modes of BPF_LDX that only the verifier makes, in a VerifiedProgram: a load that may fault and then
// reads 0. Never legal in input.
inline constexpr uint8_t BPF_PROBE_MEM = 0x20, BPF_PROBE_MEMSX = 0x40;
inline constexpr uint8_t BPF_K = 0x00, BPF_X = 0x08;        // source of ALU and JMP
inline constexpr uint8_t BPF_TO_LE = 0x00, BPF_TO_BE = 0x08;  // source of BPF_ALU|BPF_END
// ALU operations.
inline constexpr uint8_t BPF_ADD = 0x00, BPF_SUB = 0x10, BPF_MUL = 0x20, BPF_DIV = 0x30, BPF_OR = 0x40,
                         BPF_AND = 0x50, BPF_LSH = 0x60, BPF_RSH = 0x70, BPF_NEG = 0x80, BPF_MOD = 0x90,
                         BPF_XOR = 0xa0, BPF_MOV = 0xb0, BPF_ARSH = 0xc0, BPF_END = 0xd0;
// Jumps.
inline constexpr uint8_t BPF_JA = 0x00, BPF_JEQ = 0x10, BPF_JGT = 0x20, BPF_JGE = 0x30, BPF_JSET = 0x40,
                         BPF_JNE = 0x50, BPF_JSGT = 0x60, BPF_JSGE = 0x70, BPF_CALL = 0x80, BPF_EXIT = 0x90,
                         BPF_JLT = 0xa0, BPF_JLE = 0xb0, BPF_JSLT = 0xc0, BPF_JSLE = 0xd0, BPF_JCOND = 0xe0;
// imm of BPF_STX|BPF_ATOMIC. BPF_ADD, OR, AND, XOR may add BPF_FETCH.
inline constexpr int32_t BPF_FETCH = 0x01, BPF_XCHG = 0xe1, BPF_CMPXCHG = 0xf1, BPF_LOAD_ACQ = 0x100,
                         BPF_STORE_REL = 0x110;
// src of ld_imm64.
inline constexpr uint8_t BPF_PSEUDO_MAP_FD = 1, BPF_PSEUDO_MAP_VALUE = 2, BPF_PSEUDO_BTF_ID = 3,
                         BPF_PSEUDO_FUNC = 4, BPF_PSEUDO_MAP_IDX = 5, BPF_PSEUDO_MAP_IDX_VALUE = 6;
// src of BPF_JMP|BPF_CALL; 0 is a helper.
inline constexpr uint8_t BPF_PSEUDO_CALL = 1, BPF_PSEUDO_KFUNC_CALL = 2;
// clang-format on

inline constexpr unsigned kRegisters = 11;  // r0 to r10
inline constexpr unsigned kFramePointer = 10;
inline constexpr unsigned kMaxStackBytes = 512;  // a frame's
inline constexpr unsigned kMaxCallFrames = 8;
inline constexpr unsigned kMaxTailCalls = 33;

[[nodiscard]] constexpr bool is_ld_imm64(const Insn& insn) {
  return insn.opcode == (BPF_LD | BPF_IMM | BPF_DW);
}
[[nodiscard]] constexpr uint64_t imm64(const Insn& low, const Insn& high) {
  return static_cast<uint32_t>(low.imm) |
         (static_cast<uint64_t>(static_cast<uint32_t>(high.imm)) << 32);
}

}  // namespace isa
}  // namespace skep
