// Decoding. Everything that can be decided before running is decided here: widths, signs, where jumps go,
// which function a helper is, what address a map has.
#include "vm/interpreter.h"

#include "isa/legality.h"
#include "vm/interpreter_ops.h"
#include "vm/metering.h"

namespace skep::vm {
namespace {

using namespace isa;

constexpr int32_t kTailCallHelper = 12;  // BPF_FUNC_tail_call

// X64K and its three neighbours, in the order of SKEP_VM_WIDTHS.
Code with_width(Code wide_k, bool wide, bool x) {
  return static_cast<Code>(std::to_underlying(wide_k) + (wide ? 0 : 2) + (x ? 1 : 0));
}
Code plus(Code code, unsigned by) { return static_cast<Code>(std::to_underlying(code) + by); }
// 0 to 3 for 1 to 8 bytes.
unsigned log_size(const Insn& insn) {
  switch (insn.access_size()) {
    case 1: return 0;
    case 2: return 1;
    case 4: return 2;
    default: return 3;
  }
}

Result<Code> alu_code(const Insn& insn) {
  const bool wide = insn.cls() == BPF_ALU64, x = insn.uses_src_reg(), sign = insn.off == 1;
  const auto code = [&](Code wide_k) -> Result<Code> { return with_width(wide_k, wide, x); };
  switch (insn.op()) {
    case BPF_ADD: return code(Code::ADD64K);
    case BPF_SUB: return code(Code::SUB64K);
    case BPF_MUL: return code(Code::MUL64K);
    case BPF_DIV: return code(sign ? Code::SDIV64K : Code::DIV64K);
    case BPF_OR: return code(Code::OR64K);
    case BPF_AND: return code(Code::AND64K);
    case BPF_LSH: return code(Code::LSH64K);
    case BPF_RSH: return code(Code::RSH64K);
    case BPF_NEG: return wide ? Code::NEG64 : Code::NEG32;
    case BPF_MOD: return code(sign ? Code::SMOD64K : Code::MOD64K);
    case BPF_XOR: return code(Code::XOR64K);
    case BPF_ARSH: return code(Code::ARSH64K);
    case BPF_MOV:
      if (insn.off == 8) return wide ? Code::MOVSX8_64 : Code::MOVSX8_32;
      if (insn.off == 16) return wide ? Code::MOVSX16_64 : Code::MOVSX16_32;
      if (insn.off == 32) return Code::MOVSX32_64;
      return code(Code::MOV64K);  // off 1: addr_space_cast
    case BPF_END: {
      const unsigned width = insn.imm == 16 ? 0 : insn.imm == 32 ? 1 : 2;
      // This machine is little-endian: le truncates, be and bswap swap.
      return plus(wide || x ? Code::SWAP16 : Code::LE16, width);
    }
    default: return fail(EINVAL, "unknown ALU operation");
  }
}

Result<Code> condition_code(const Insn& insn) {
  const auto code = [&](Code wide_k) -> Result<Code> {
    return with_width(wide_k, insn.cls() == BPF_JMP, insn.uses_src_reg());
  };
  switch (insn.op()) {
    case BPF_JEQ: return code(Code::JEQ64K);
    case BPF_JNE: return code(Code::JNE64K);
    case BPF_JGT: return code(Code::JGT64K);
    case BPF_JGE: return code(Code::JGE64K);
    case BPF_JLT: return code(Code::JLT64K);
    case BPF_JLE: return code(Code::JLE64K);
    case BPF_JSGT: return code(Code::JSGT64K);
    case BPF_JSGE: return code(Code::JSGE64K);
    case BPF_JSLT: return code(Code::JSLT64K);
    case BPF_JSLE: return code(Code::JSLE64K);
    case BPF_JSET: return code(Code::JSET64K);
    default: return fail(EINVAL, "unknown jump");
  }
}

Result<Code> atomic_code(const Insn& insn) {
  const unsigned wide = insn.access_size() == 8;
  switch (insn.imm) {
    case BPF_ADD: return plus(Code::ATOMIC_ADD32, wide);
    case BPF_OR: return plus(Code::ATOMIC_OR32, wide);
    case BPF_AND: return plus(Code::ATOMIC_AND32, wide);
    case BPF_XOR: return plus(Code::ATOMIC_XOR32, wide);
    case BPF_ADD | BPF_FETCH: return plus(Code::FETCH_ADD32, wide);
    case BPF_OR | BPF_FETCH: return plus(Code::FETCH_OR32, wide);
    case BPF_AND | BPF_FETCH: return plus(Code::FETCH_AND32, wide);
    case BPF_XOR | BPF_FETCH: return plus(Code::FETCH_XOR32, wide);
    case BPF_XCHG: return plus(Code::XCHG32, wide);
    case BPF_CMPXCHG: return plus(Code::CMPXCHG32, wide);
    case BPF_LOAD_ACQ: return plus(Code::LOAD_ACQ8, log_size(insn));
    case BPF_STORE_REL: return plus(Code::STORE_REL8, log_size(insn));
    default: return fail(EINVAL, "unknown atomic operation");
  }
}

class Decoder {
 public:
  Decoder(const VerifiedProgram& program, const InterpreterOptions& options, Op* ops)
      : program_(program), insns_(program.insns()), options_(options), ops_(ops) {}

  Result<> run() {
    for (size_t i = 0; i < insns_.size(); i += slots_of(insns_[i])) {
      const bool dead = i < program_.facts().size() && program_.facts()[i].dead;
      if (dead) continue;
      if (auto done = decode(i); !done) return fail(done, "insn {}", i);
    }
    return {};
  }

 private:
  Result<> decode(size_t i) {
    const Insn& insn = insns_[i];
    Op& op = ops_[i];
    op.dst = insn.dst;
    op.src = insn.src;
    op.off = insn.off;
    op.imm = static_cast<uint64_t>(int64_t{insn.imm});
    if (insn.dst >= kRegisters) return fail(EINVAL, "no register r{}", +insn.dst);
    switch (insn.cls()) {
      case BPF_ALU:
      case BPF_ALU64: {
        SKEP_TRY(code, alu_code(insn));
        op.code = code;
        if (insn.uses_src_reg()) return source(insn);
        return {};
      }
      case BPF_JMP:
      case BPF_JMP32: return jump(i, op);
      case BPF_LD: return load_constant_or_packet(i, op);
      case BPF_LDX: {
        const unsigned size = log_size(insn);
        switch (insn.mode()) {
          case BPF_MEM: op.code = plus(Code::LDX8, size); break;
          case BPF_MEMSX: op.code = plus(Code::LDXS8, size); break;
          case BPF_PROBE_MEM: op.code = plus(Code::PROBE8, size); break;
          case BPF_PROBE_MEMSX: op.code = plus(Code::PROBES8, size); break;
          default: return fail(EINVAL, "unknown load, opcode {:#x}", insn.opcode);
        }
        if (size == 3 && (insn.mode() == BPF_MEMSX || insn.mode() == BPF_PROBE_MEMSX))
          return fail(EINVAL, "a signed load of 64 bits");
        return source(insn);
      }
      case BPF_ST: op.code = plus(Code::ST8, log_size(insn)); return {};
      default:
        if (insn.mode() == BPF_ATOMIC) {
          SKEP_TRY(code, atomic_code(insn));
          op.code = code;
        } else {
          op.code = plus(Code::STX8, log_size(insn));
        }
        return source(insn);
    }
  }

  Result<> source(const Insn& insn) {
    if (insn.src >= kRegisters) return fail(EINVAL, "no register r{}", +insn.src);
    return {};
  }

  // The Op that instruction i reaches by `relative`, as a distance between Ops.
  Result<int32_t> distance(size_t i, int64_t relative) {
    const int64_t target = static_cast<int64_t>(i) + 1 + relative;
    if (target < 0 || target >= static_cast<int64_t>(insns_.size()))
      return fail(EINVAL, "goes to insn {}, outside the program", target);
    return static_cast<int32_t>(relative + 1);
  }

  Result<> jump(size_t i, Op& op) {
    const Insn& insn = insns_[i];
    if (insn.op() == BPF_EXIT) {
      op.code = Code::EXIT;
      return {};
    }
    if (insn.op() == BPF_CALL) return call(i, op);
    SKEP_TRY(off, distance(i, jump_offset(insn)));
    op.off = off;
    if (insn.op() == BPF_JA) {
      op.code = Code::GOTO;
    } else if (insn.op() == BPF_JCOND) {
      op.code = Code::MAY_GOTO;
    } else {
      SKEP_TRY(code, condition_code(insn));
      op.code = code;
      if (insn.uses_src_reg()) return source(insn);
    }
    return {};
  }

  Result<> call(size_t i, Op& op) {
    const Insn& insn = insns_[i];
    if (insn.uses_src_reg()) {
      op.code = Code::CALL_HELPER_BY_REGISTER;
      return {};
    }
    if (insn.src == BPF_PSEUDO_CALL) {
      SKEP_TRY(off, distance(i, insn.imm));
      op.off = off;
      op.code = Code::CALL_BPF;
      return {};
    }
    const bool kfunc = insn.src == BPF_PSEUDO_KFUNC_CALL;
    if (!kfunc && insn.imm == kTailCallHelper) {
      op.code = Code::TAIL_CALL;
      return {};
    }
    const auto table = kfunc ? options_.kfuncs : options_.helpers;
    const auto id = static_cast<uint32_t>(insn.imm);
    if (id >= table.size() || table[id] == 0)
      return fail(ENOSYS, "{} {} is not bound", kfunc ? "kfunc" : "helper", insn.imm);
    op.code = Code::CALL_HELPER;
    op.imm = table[id];
    return {};
  }

  Result<> load_constant_or_packet(size_t i, Op& op) {
    const Insn& insn = insns_[i];
    if (insn.mode() != BPF_IMM) {
      op.code = insn.mode() == BPF_ABS ? Code::PACKET_ABS : Code::PACKET_IND;
      op.off = static_cast<int32_t>(insn.access_size());
      return source(insn);
    }
    if (!is_ld_imm64(insn) || i + 1 >= insns_.size())
      return fail(EINVAL, "unknown opcode {:#x}", insn.opcode);
    const Insn& high = insns_[i + 1];
    op.code = Code::LD_IMM64;
    switch (insn.src) {
      case BPF_PSEUDO_MAP_IDX:
      case BPF_PSEUDO_MAP_IDX_VALUE: {
        const auto index = static_cast<uint32_t>(insn.imm);
        if (index >= program_.maps().size())
          return fail(EINVAL, "map {} of {}", index, program_.maps().size());
        const MapDescriptor& map = program_.maps()[index];
        op.imm = insn.src == BPF_PSEUDO_MAP_IDX
                     ? map.address
                     : map.value_address + static_cast<uint32_t>(high.imm);
        return {};
      }
      case BPF_PSEUDO_FUNC: {
        SKEP_TRY(off, distance(i, insn.imm));
        op.imm = reinterpret_cast<uint64_t>(&op + off);
        return {};
      }
      case 0:
      case BPF_PSEUDO_BTF_ID: op.imm = imm64(insn, high); return {};
      default: return fail(EINVAL, "ld_imm64 of pseudo kind {} in a verified program", +insn.src);
    }
  }

  const VerifiedProgram& program_;
  std::span<const Insn> insns_;
  const InterpreterOptions& options_;
  Op* ops_;
};

}  // namespace

Result<Interpreter> Interpreter::make(const VerifiedProgram& program,
                                      const InterpreterOptions& options) {
  Interpreter made;
  made.program_ = &program;
  made.options_ = options;
  made.ops_ = std::make_unique<Op[]>(program.insns().size() + 1);
  SKEP_CHECK(Decoder(program, options, made.ops_.get()).run());
  made.costs_ = block_costs(program);
  return made;
}

Interpreter::~Interpreter() = default;
Interpreter::Interpreter(Interpreter&&) noexcept = default;
Interpreter& Interpreter::operator=(Interpreter&&) noexcept = default;

}  // namespace skep::vm
