#include "isa/disassembler.h"

#include <fmt/format.h>

#include "isa/legality.h"

namespace skep::isa {
namespace {

constexpr const char* kAluOps[16] = {
    "+=", "-=", "*=", "/=", "|=", "&=", "<<=", ">>=", "", "%=", "^=", "=", "s>>="};
constexpr const char* kJumpOps[16] = {"",    "==", ">", ">=", "&",  "!=", "s>",
                                      "s>=", "",   "",  "<",  "<=", "s<", "s<="};

char register_letter(const Insn& insn) {
  return insn.cls() == BPF_ALU || insn.cls() == BPF_JMP32 ? 'w' : 'r';
}

const char* type_name(const Insn& insn) {
  const bool sign = insn.cls() == BPF_LDX && insn.mode() == BPF_MEMSX;
  switch (insn.access_size()) {
    case 1: return sign ? "s8" : "u8";
    case 2: return sign ? "s16" : "u16";
    case 4: return sign ? "s32" : "u32";
    default: return sign ? "s64" : "u64";
  }
}

std::string alu(const Insn& i) {
  const char w = register_letter(i);
  const int dst = i.dst, src = i.src;
  if (i.op() == BPF_NEG) return fmt::format("{}{} = -{}{}", w, dst, w, dst);
  if (i.op() == BPF_END) {
    const char* name = i.cls() == BPF_ALU64 ? "bswap" : i.uses_src_reg() ? "be" : "le";
    return fmt::format("r{} = {}{} r{}", dst, name, i.imm, dst);
  }
  if (i.op() == BPF_MOV && i.off == 1)
    return fmt::format("r{} = addr_space_cast(r{}, {}, {})", dst, src,
                       static_cast<uint32_t>(i.imm) >> 16, i.imm & 0xffff);
  if (i.op() == BPF_MOV && i.off != 0)
    return fmt::format("{}{} = (s{}){}{}", w, dst, i.off, w, src);
  const char* sign = i.off == 1 ? "s" : "";  // sdiv, smod
  if (i.uses_src_reg())
    return fmt::format("{}{} {}{} {}{}", w, dst, sign, kAluOps[i.op() >> 4], w, src);
  return fmt::format("{}{} {}{} {}", w, dst, sign, kAluOps[i.op() >> 4], i.imm);
}

std::string call(const Insn& i, const DisassemblyOptions& options) {
  if (i.uses_src_reg()) return fmt::format("callx r{}", +i.dst);
  if (i.src == BPF_PSEUDO_CALL) return fmt::format("call pc{:+}", i.imm);
  if (i.src == BPF_PSEUDO_KFUNC_CALL)
    return i.off == 0 ? fmt::format("call kfunc[{}]", i.imm)
                      : fmt::format("call kfunc[{}, {}]", i.imm, i.off);
  std::string_view name;
  if (options.helper_name != nullptr) name = options.helper_name(options.data, i.imm);
  return fmt::format("call {}#{}", name.empty() ? "unknown" : name, i.imm);
}

std::string jump(const Insn& i, const DisassemblyOptions& options) {
  switch (i.op()) {
    case BPF_CALL: return call(i, options);
    case BPF_EXIT: return "exit";
    case BPF_JCOND: return fmt::format("may_goto pc{:+}", i.off);
    case BPF_JA:
      return is_gotol(i) ? fmt::format("gotol pc{:+}", i.imm) : fmt::format("goto pc{:+}", i.off);
    default: break;
  }
  const char w = register_letter(i);
  if (i.uses_src_reg())
    return fmt::format("if {}{} {} {}{} goto pc{:+}", w, +i.dst, kJumpOps[i.op() >> 4], w, +i.src,
                       i.off);
  return fmt::format("if {}{} {} {:#x} goto pc{:+}", w, +i.dst, kJumpOps[i.op() >> 4],
                     static_cast<uint32_t>(i.imm), i.off);
}

std::string atomic(const Insn& i) {
  const std::string place = fmt::format("({} *)(r{} {:+})", type_name(i), +i.dst, i.off);
  const char* width = i.access_size() == 8 ? "64" : "";
  const auto named = [&](int32_t op) {
    return op == BPF_ADD ? "add" : op == BPF_AND ? "and" : op == BPF_OR ? "or" : "xor";
  };
  switch (i.imm) {
    case BPF_LOAD_ACQ:
      return fmt::format("r{} = load_acquire(({} *)(r{} {:+}))", +i.dst, type_name(i), +i.src,
                         i.off);
    case BPF_STORE_REL: return fmt::format("store_release({}, r{})", place, +i.src);
    case BPF_XCHG: return fmt::format("r{} = atomic{}_xchg({}, r{})", +i.src, width, place, +i.src);
    case BPF_CMPXCHG:
      return fmt::format("r0 = atomic{}_cmpxchg({}, r0, r{})", width, place, +i.src);
    default: break;
  }
  if ((i.imm & BPF_FETCH) != 0)
    return fmt::format("r{} = atomic{}_fetch_{}({}, r{})", +i.src, width, named(i.imm & ~BPF_FETCH),
                       place, +i.src);
  return fmt::format("lock *{} {} r{}", place, kAluOps[i.imm >> 4], +i.src);
}

std::string ld_imm64(const Insn& low, const Insn& high, const DisassemblyOptions& options) {
  const auto map = [&](std::string_view kind) {
    if (kind == "idx" && options.map_name != nullptr) {
      const std::string_view name = options.map_name(options.data, low.imm);
      if (!name.empty()) return fmt::format("map[{}]", name);
    }
    return fmt::format("map[{}:{}]", kind, low.imm);
  };
  const int dst = low.dst;
  switch (low.src) {
    case BPF_PSEUDO_MAP_FD: return fmt::format("r{} = {}", dst, map("fd"));
    case BPF_PSEUDO_MAP_VALUE:
      return fmt::format("r{} = {}[0]+{}", dst, map("fd"), static_cast<uint32_t>(high.imm));
    case BPF_PSEUDO_MAP_IDX: return fmt::format("r{} = {}", dst, map("idx"));
    case BPF_PSEUDO_MAP_IDX_VALUE:
      return fmt::format("r{} = {}[0]+{}", dst, map("idx"), static_cast<uint32_t>(high.imm));
    case BPF_PSEUDO_BTF_ID:
      return high.imm == 0 ? fmt::format("r{} = btf[id:{}]", dst, low.imm)
                           : fmt::format("r{} = btf[id:{}, fd:{}]", dst, low.imm, high.imm);
    case BPF_PSEUDO_FUNC: return fmt::format("r{} = subprog[{:+}]", dst, low.imm);
    default: return fmt::format("r{} = {:#x} ll", dst, imm64(low, high));
  }
}

std::string memory(const Insn& i) {
  switch (i.cls()) {
    case BPF_LDX:
      return fmt::format("r{} = *({} *)(r{} {:+})", +i.dst, type_name(i), +i.src, i.off);
    case BPF_ST: return fmt::format("*({} *)(r{} {:+}) = {}", type_name(i), +i.dst, i.off, i.imm);
    case BPF_STX:
      if (i.mode() == BPF_ATOMIC) return atomic(i);
      return fmt::format("*({} *)(r{} {:+}) = r{}", type_name(i), +i.dst, i.off, +i.src);
    default:
      if (i.mode() == BPF_ABS) return fmt::format("r0 = *({} *)skb[{}]", type_name(i), i.imm);
      return fmt::format("r0 = *({} *)skb[r{} + {}]", type_name(i), +i.src, i.imm);
  }
}

// The verifier's own loads (BPF_PROBE_MEM) are not legal input; they read as the loads that they
// were.
Insn as_input(Insn insn) {
  if (insn.cls() == BPF_LDX && insn.mode() == BPF_PROBE_MEM)
    insn.opcode = static_cast<uint8_t>(BPF_LDX | BPF_MEM | insn.size_bits());
  if (insn.cls() == BPF_LDX && insn.mode() == BPF_PROBE_MEMSX)
    insn.opcode = static_cast<uint8_t>(BPF_LDX | BPF_MEMSX | insn.size_bits());
  return insn;
}

}  // namespace

std::string disassemble(std::span<const Insn> insns, size_t index,
                        const DisassemblyOptions& options) {
  if (index >= insns.size()) return "invalid: outside the program";
  const Insn insn = as_input(insns[index]);
  const std::string prefix = options.opcodes ? fmt::format("({:02x}) ", insns[index].opcode) : "";
  if (form_of(insn) == nullptr)
    return fmt::format("{}invalid: opcode {:#04x} dst {} src {} off {} imm {}", prefix, insn.opcode,
                       +insn.dst, +insn.src, insn.off, insn.imm);
  switch (insn.cls()) {
    case BPF_ALU:
    case BPF_ALU64: return prefix + alu(insn);
    case BPF_JMP:
    case BPF_JMP32: return prefix + jump(insn, options);
    default: break;
  }
  if (is_ld_imm64(insn)) {
    if (index + 1 >= insns.size()) return prefix + "invalid: ld_imm64 without its second slot";
    return prefix + ld_imm64(insn, insns[index + 1], options);
  }
  return prefix + memory(insn);
}

std::string disassemble_all(std::span<const Insn> insns, const DisassemblyOptions& options) {
  std::string text;
  for (size_t i = 0; i < insns.size(); i += slots_of(insns[i]))
    text += fmt::format("{:4}: {}\n", i, disassemble(insns, i, options));
  return text;
}

}  // namespace skep::isa
