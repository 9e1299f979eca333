// Field legality: which values each field of an instruction may have, as one constexpr table.
//
// A row is one *form* of an instruction: an opcode, what each of its fields may hold, and the ISA
// version (clang's -mcpu=v1 … v4) that introduced it. An opcode whose fields select between
// meanings (BPF_MOV: off 0 moves, 8/16/32 sign-extends, 1 casts between address spaces) has several
// rows. An instruction is legal if one of its opcode's rows admits all of its fields.
//
// This is about encoding only. What depends on anything else is the verifier's: writes to r10,
// immediate divisors of 0 and immediate shifts of the width or more (RFC 9669 defines both, the
// kernel refuses them), jump targets, which helpers and maps exist.
//
// To add an instruction: a row here (the random tests then make it), a line in disassembler.cc and
// assembler.cc, the interpreter, the JITs, and cases in tests/corpus/insn.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <string_view>

#include "base/result.h"
#include "isa/insn.h"

namespace skep::isa {

enum class IsaVersion : uint8_t {
  kV1 = 1,
  kV2,    // jlt, jle, jslt, jsle
  kV3,    // 32-bit jumps, atomics beyond add
  kV4,    // sdiv, smod, movsx, memsx, bswap, gotol, may_goto, load_acquire, store_release
  kNone,  // defined, but no kernel loads it (callx)
};

// What one field may hold.
struct Allowed {
  enum class Kind : uint8_t { kZero, kAny, kRegister, kOneOf };
  Kind kind = Kind::kZero;
  uint8_t count = 0;
  std::array<int32_t, 4> values{};  // the first `count`, for kOneOf

  [[nodiscard]] constexpr bool admits(int64_t value) const {
    switch (kind) {
      case Kind::kZero: return value == 0;
      case Kind::kAny: return true;
      case Kind::kRegister: return value >= 0 && value < kRegisters;
      case Kind::kOneOf:
        for (uint8_t i = 0; i < count; ++i)
          if (values[i] == value) return true;
        return false;
    }
    return false;
  }
};

struct Form {
  uint8_t opcode;
  IsaVersion since;
  Allowed dst, src, off, imm;
};

// All forms, sorted by opcode.
[[nodiscard]] std::span<const Form> all_forms();
// Those of one opcode; empty where the opcode is unknown.
[[nodiscard]] std::span<const Form> forms_of(uint8_t opcode);
// The form that `insn` has; null where its fields fit none. Second slots of ld_imm64 have none.
[[nodiscard]] const Form* form_of(const Insn& insn);

struct LegalityOptions {
  IsaVersion newest = IsaVersion::kV4;  // kNone admits callx too
};

// Is insns[index] well formed (a ld_imm64: together with its second slot)? EINVAL otherwise, as
// "insn 12: opcode 0x8f (BPF_ALU64|BPF_NEG|BPF_X): …". `index` must not be a ld_imm64's second
// slot.
[[nodiscard]] Result<> check_insn(std::span<const Insn> insns, size_t index,
                                  const LegalityOptions& options = {});
// Every instruction of a program, and that jumps and calls end on an instruction's first slot
// inside it.
[[nodiscard]] Result<> check_insns(std::span<const Insn> insns,
                                   const LegalityOptions& options = {});

// "BPF_ALU64|BPF_ADD|BPF_X"; "unknown" where the opcode has no row.
[[nodiscard]] std::string opcode_name(uint8_t opcode);

// How many slots the instruction takes: 2 for ld_imm64.
[[nodiscard]] constexpr size_t slots_of(const Insn& insn) { return is_ld_imm64(insn) ? 2 : 1; }

// Where a jump (conditional, goto, gotol, may_goto) goes, relative to the next instruction.
[[nodiscard]] constexpr bool is_jump(const Insn& insn) {
  return (insn.cls() == BPF_JMP || insn.cls() == BPF_JMP32) && insn.op() != BPF_CALL &&
         insn.op() != BPF_EXIT;
}
[[nodiscard]] constexpr bool is_gotol(const Insn& insn) {
  return insn.opcode == (BPF_JMP32 | BPF_JA);
}
[[nodiscard]] constexpr int64_t jump_offset(const Insn& insn) {
  return is_gotol(insn) ? int64_t{insn.imm} : int64_t{insn.off};
}
[[nodiscard]] constexpr bool is_pseudo_call(const Insn& insn) {
  return insn.opcode == (BPF_JMP | BPF_CALL) && insn.src == BPF_PSEUDO_CALL;
}

}  // namespace skep::isa
