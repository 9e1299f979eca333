// The interpreter's own instructions: eBPF's with every choice made that can be made before running.
// Decoding (interpreter.cc) turns each Insn into the Op at the same index; the loop (interpreter_loop.cc)
// runs them. Private to the interpreter.
#pragma once

#include <cstdint>

#include "vm/interpreter.h"

namespace skep::vm {

// X(name) for each operation. 64 and 32: widths; K and X: operand is imm or a register.
// clang-format off
#define SKEP_VM_ALU(X) \
  X(ADD) X(SUB) X(MUL) X(DIV) X(SDIV) X(OR) X(AND) X(LSH) X(RSH) X(MOD) X(SMOD) X(XOR) X(MOV) X(ARSH)
#define SKEP_VM_CONDITIONS(X) \
  X(JEQ) X(JNE) X(JGT) X(JGE) X(JLT) X(JLE) X(JSGT) X(JSGE) X(JSLT) X(JSLE) X(JSET)
#define SKEP_VM_WIDTHS(X, name) X(name##64K) X(name##64X) X(name##32K) X(name##32X)
#define SKEP_VM_OPS(X) \
  X(TRAP) \
  SKEP_VM_WIDTHS(X, ADD) SKEP_VM_WIDTHS(X, SUB) SKEP_VM_WIDTHS(X, MUL) SKEP_VM_WIDTHS(X, DIV) SKEP_VM_WIDTHS(X, SDIV) \
  SKEP_VM_WIDTHS(X, OR) SKEP_VM_WIDTHS(X, AND) SKEP_VM_WIDTHS(X, LSH) SKEP_VM_WIDTHS(X, RSH) SKEP_VM_WIDTHS(X, MOD) \
  SKEP_VM_WIDTHS(X, SMOD) SKEP_VM_WIDTHS(X, XOR) SKEP_VM_WIDTHS(X, MOV) SKEP_VM_WIDTHS(X, ARSH) \
  X(NEG64) X(NEG32) X(MOVSX8_64) X(MOVSX16_64) X(MOVSX32_64) X(MOVSX8_32) X(MOVSX16_32) \
  X(LE16) X(LE32) X(LE64) X(SWAP16) X(SWAP32) X(SWAP64) \
  SKEP_VM_WIDTHS(X, JEQ) SKEP_VM_WIDTHS(X, JNE) SKEP_VM_WIDTHS(X, JGT) SKEP_VM_WIDTHS(X, JGE) SKEP_VM_WIDTHS(X, JLT) \
  SKEP_VM_WIDTHS(X, JLE) SKEP_VM_WIDTHS(X, JSGT) SKEP_VM_WIDTHS(X, JSGE) SKEP_VM_WIDTHS(X, JSLT) SKEP_VM_WIDTHS(X, JSLE) \
  SKEP_VM_WIDTHS(X, JSET) \
  X(GOTO) X(MAY_GOTO) X(EXIT) X(CALL_HELPER) X(CALL_HELPER_BY_REGISTER) X(CALL_BPF) X(TAIL_CALL) \
  X(LD_IMM64) \
  X(LDX8) X(LDX16) X(LDX32) X(LDX64) X(LDXS8) X(LDXS16) X(LDXS32) \
  X(PROBE8) X(PROBE16) X(PROBE32) X(PROBE64) X(PROBES8) X(PROBES16) X(PROBES32) \
  X(ST8) X(ST16) X(ST32) X(ST64) X(STX8) X(STX16) X(STX32) X(STX64) \
  X(PACKET_ABS) X(PACKET_IND) \
  X(ATOMIC_ADD32) X(ATOMIC_ADD64) X(ATOMIC_OR32) X(ATOMIC_OR64) X(ATOMIC_AND32) X(ATOMIC_AND64) X(ATOMIC_XOR32) X(ATOMIC_XOR64) \
  X(FETCH_ADD32) X(FETCH_ADD64) X(FETCH_OR32) X(FETCH_OR64) X(FETCH_AND32) X(FETCH_AND64) X(FETCH_XOR32) X(FETCH_XOR64) \
  X(XCHG32) X(XCHG64) X(CMPXCHG32) X(CMPXCHG64) \
  X(LOAD_ACQ8) X(LOAD_ACQ16) X(LOAD_ACQ32) X(LOAD_ACQ64) X(STORE_REL8) X(STORE_REL16) X(STORE_REL32) X(STORE_REL64)
// clang-format on

enum class Code : uint16_t {
#define SKEP_VM_ENUM(name) name,
  SKEP_VM_OPS(SKEP_VM_ENUM)
#undef SKEP_VM_ENUM
};

struct Op {
  Code code = Code::TRAP;
  uint8_t dst = 0;
  uint8_t src = 0;
  int32_t off = 0;  // of memory; of jumps, in Ops from this one
  uint64_t imm =
      0;  // extended to the operation's width; an address; a helper's address; packet loads: size in `off`
};
static_assert(sizeof(Op) == 16);

}  // namespace skep::vm
