// Statements: moves, arithmetic, memory, jumps, calls, addresses, and the parts that they are made of.
#include <fmt/format.h>

#include "isa/asm_parser.h"
#include "isa/legality.h"

namespace skep::isa::asm_detail {
namespace {

struct Operator {
  std::string_view text;
  uint8_t op;
  int16_t off;  // 1: signed division
};
constexpr Operator kAluOperators[] = {
    {"+=", BPF_ADD, 0},  {"-=", BPF_SUB, 0},    {"*=", BPF_MUL, 0},  {"/=", BPF_DIV, 0},
    {"|=", BPF_OR, 0},   {"&=", BPF_AND, 0},    {"<<=", BPF_LSH, 0}, {">>=", BPF_RSH, 0},
    {"%=", BPF_MOD, 0},  {"^=", BPF_XOR, 0},    {"=", BPF_MOV, 0},   {"s/=", BPF_DIV, 1},
    {"s%=", BPF_MOD, 1}, {"s>>=", BPF_ARSH, 0},
};
constexpr Operator kJumpOperators[] = {
    {"==", BPF_JEQ, 0}, {">", BPF_JGT, 0},   {">=", BPF_JGE, 0},   {"&", BPF_JSET, 0},
    {"!=", BPF_JNE, 0}, {"s>", BPF_JSGT, 0}, {"s>=", BPF_JSGE, 0}, {"<", BPF_JLT, 0},
    {"<=", BPF_JLE, 0}, {"s<", BPF_JSLT, 0}, {"s<=", BPF_JSLE, 0},
};
template <size_t N>
const Operator* find_operator(const Operator (&table)[N], const Token& token) {
  if (token.kind != Token::Kind::kPunct) return nullptr;
  for (const Operator& row : table)
    if (row.text == token.text) return &row;
  return nullptr;
}

// After "atomic_" or "atomic64_".
constexpr AtomicName kAtomics[] = {
    {"fetch_add", BPF_ADD | BPF_FETCH, false},
    {"fetch_or", BPF_OR | BPF_FETCH, false},
    {"fetch_and", BPF_AND | BPF_FETCH, false},
    {"fetch_xor", BPF_XOR | BPF_FETCH, false},
    {"xchg", BPF_XCHG, false},
    {"cmpxchg", BPF_CMPXCHG, true},
};

std::optional<MemoryType> as_type(const Token& token) {
  static constexpr std::pair<std::string_view, MemoryType> kTypes[] = {
      {"u8", {BPF_B, false}},   {"u16", {BPF_H, false}}, {"u32", {BPF_W, false}},
      {"u64", {BPF_DW, false}}, {"s8", {BPF_B, true}},   {"s16", {BPF_H, true}},
      {"s32", {BPF_W, true}}};
  for (const auto& [text, type] : kTypes)
    if (token.is(text)) return type;
  return {};
}

}  // namespace

std::optional<RegisterName> as_register(const Token& token) {
  if (token.kind != Token::Kind::kWord || token.text.size() < 2 || token.text.size() > 3) return {};
  if (token.text[0] != 'r' && token.text[0] != 'w') return {};
  unsigned number = 0;
  for (char c : token.text.substr(1)) {
    if (c < '0' || c > '9') return {};
    number = number * 10 + static_cast<unsigned>(c - '0');
  }
  if (number >= kRegisters || (token.text.size() == 3 && token.text[1] == '0')) return {};
  return RegisterName{static_cast<uint8_t>(number), token.text[0] == 'r'};
}

// --- statements

bool Parser::statement() {
  const Token first = peek();
  if (as_register(first)) return assignment(take());
  if (first.is("*")) return store();
  if (first.is("if")) return take(), conditional();
  if (first.is("goto")) return take(), target(NameUse::Kind::kJump, {.opcode = BPF_JMP | BPF_JA});
  if (first.is("gotol"))
    return take(), target(NameUse::Kind::kJump, {.opcode = BPF_JMP32 | BPF_JA});
  if (first.is("may_goto"))
    return take(), target(NameUse::Kind::kJump, {.opcode = BPF_JMP | BPF_JCOND});
  if (first.is("call")) return take(), call();
  if (first.is("callx")) {
    take();
    RegisterName dst{};
    return reg(dst) && emit({.opcode = BPF_JMP | BPF_CALL | BPF_X, .dst = dst.number});
  }
  if (first.is("exit")) return take(), emit({.opcode = BPF_JMP | BPF_EXIT});
  if (first.is("lock")) return take(), locked();
  if (first.is("store_release")) return take(), store_release();
  return expected("an instruction, a label or a directive");
}

bool Parser::assignment(const Token& at) {
  const RegisterName dst = *as_register(at);
  const Operator* op = find_operator(kAluOperators, peek());
  if (op == nullptr) return expected("an assignment (=, +=, …)");
  take();
  if (op->op == BPF_MOV) return move(dst);
  Insn insn = alu(dst, op->op);
  insn.off = op->off;
  const Token operand = peek();
  if (const auto src = as_register(operand)) {
    take();
    insn.opcode |= BPF_X;
    insn.src = src->number;
    return same_width(dst, *src, operand) && emit(insn);
  }
  return imm32(insn.imm) && emit(insn);
}

// Everything after `rN =`.
bool Parser::move(RegisterName dst) {
  const Token first = peek();
  if (const auto src = as_register(first)) {
    take();
    Insn insn = alu(dst, BPF_MOV | BPF_X);
    insn.src = src->number;
    return same_width(dst, *src, first) && emit(insn);
  }
  if (first.is("-") && as_register(peek(1))) {
    take();
    const Token operand = take();
    const RegisterName src = *as_register(operand);
    if (src.number != dst.number)
      return error_at(
          operand.column,
          fmt::format("expected {}{}: a register can only be negated in place, found {}",
                      dst.wide ? 'r' : 'w', +dst.number, operand.shown()));
    return same_width(dst, src, operand) && emit(alu(dst, BPF_NEG));
  }
  if (first.is("*")) return load(dst);
  if (first.is("(")) {
    take();
    const Token bits = take();
    Insn insn = alu(dst, BPF_MOV | BPF_X);
    if (bits.is("s8"))
      insn.off = 8;
    else if (bits.is("s16"))
      insn.off = 16;
    else if (bits.is("s32"))
      insn.off = 32;
    else
      return error_at(bits.column, fmt::format("expected s8, s16 or s32, found {}", bits.shown()));
    if (!expect(")")) return false;
    const Token operand = peek();
    RegisterName src{};
    if (!reg(src) || !same_width(dst, src, operand)) return false;
    insn.src = src.number;
    return emit(insn);
  }
  if (first.kind == Token::Kind::kWord) return from_word(dst, take());

  // A number: 64 bits wide with `ll` after it.
  const bool negative = take_if("-");
  if (!negative) take_if("+");
  if (peek().kind != Token::Kind::kNumber) return expected("a register, a number or an address");
  const Token value = take();
  if (take_if("ll")) {
    if (!dst.wide) return error_at(first.column, "a 64-bit constant needs an r register");
    if (negative && value.value > uint64_t{1} << 63)
      return error_at(value.column, fmt::format("-{} does not fit 64 bits", value.text));
    const uint64_t bits = negative ? 0 - value.value : value.value;
    return emit64({.dst = dst.number, .imm = static_cast<int32_t>(bits)},
                  static_cast<int32_t>(bits >> 32));
  }
  if (value.value > (negative ? uint64_t{1} << 31 : uint64_t{UINT32_MAX}))
    return error_at(value.column,
                    fmt::format("{}{} does not fit 32 bits; write `{}{} ll` for 64",
                                negative ? "-" : "", value.text, negative ? "-" : "", value.text));
  Insn insn = alu(dst, BPF_MOV);
  insn.imm = static_cast<int32_t>(negative ? 0 - value.value : value.value);
  return emit(insn);
}

bool Parser::from_word(RegisterName dst, const Token& word) {
  const Token name = word;
  if (!dst.wide && !name.text.starts_with("atomic") && !name.text.starts_with("xchg32") &&
      !name.text.starts_with("cmpxchg32") && name.text != "load_acquire")
    return error_at(name.column, fmt::format("{} needs an r register on the left", name.shown()));
  for (const auto& [prefix, opcode] :
       {std::pair<std::string_view, int>{"be", BPF_ALU | BPF_END | BPF_TO_BE},
        {"le", BPF_ALU | BPF_END | BPF_TO_LE},
        {"bswap", BPF_ALU64 | BPF_END}}) {
    if (!name.text.starts_with(prefix)) continue;
    const std::string_view bits = name.text.substr(prefix.size());
    if (bits != "16" && bits != "32" && bits != "64") continue;
    const Token operand = peek();
    RegisterName src{};
    if (!reg(src)) return false;
    if (src.number != dst.number)
      return error_at(operand.column,
                      fmt::format("expected r{}: bytes are swapped in place, found {}", +dst.number,
                                  operand.shown()));
    return emit({.opcode = static_cast<uint8_t>(opcode),
                 .dst = dst.number,
                 .imm = bits == "16"   ? 16
                        : bits == "32" ? 32
                                       : 64});
  }
  if (name.text == "map") return address_of_map(dst);
  if (name.text == "btf") return address_of_btf(dst);
  if (name.text == "subprog") return address_of_function(dst);
  if (name.text == "addr_space_cast") {
    RegisterName src{};
    int64_t to = 0, from = 0;
    if (!expect("(") || !reg(src) || !expect(",") || !number(0, 1, to, "0 or 1") || !expect(",") ||
        !number(0, 1, from, "0 or 1") || !expect(")"))
      return false;
    return emit({.opcode = BPF_ALU64 | BPF_MOV | BPF_X,
                 .dst = dst.number,
                 .src = src.number,
                 .off = 1,
                 .imm = static_cast<int32_t>(to << 16 | from)});
  }
  if (name.text == "load_acquire") {
    MemoryType type{};
    RegisterName base{};
    Insn insn{.opcode = BPF_STX | BPF_ATOMIC, .dst = dst.number, .imm = BPF_LOAD_ACQ};
    int16_t off = 0;
    if (!expect("(") || !pointer_type(type) || !place(base, off) || !expect(")")) return false;
    insn.opcode |= type.size;
    insn.src = base.number;
    insn.off = off;
    return emit(insn);
  }
  for (std::string_view prefix : {"atomic_", "atomic64_"}) {
    if (!name.text.starts_with(prefix)) continue;
    for (const AtomicName& row : kAtomics)
      if (name.text.substr(prefix.size()) == row.text) return atomic(dst, row);
  }
  if (name.text == "xchg_64" || name.text == "xchg32_32" || name.text == "cmpxchg_64" ||
      name.text == "cmpxchg32_32")
    return llvm_atomic(dst, name.text);
  if (take_if("ll")) {  // LLVM's: the address of a symbol
    uses_.push_back({NameUse::Kind::kMapOrFunction, static_cast<uint32_t>(program().insns.size()),
                     std::string(name.text), line_, name.column});
    return emit64({.dst = dst.number, .src = BPF_PSEUDO_MAP_IDX}, 0);
  }
  return error_at(name.column, fmt::format("expected a register, a number or an address, found {}",
                                           name.shown()));
}

// --- memory

bool Parser::load(RegisterName dst) {
  MemoryType type{};
  if (!expect("*") || !pointer_type(type)) return false;
  if (peek().is("skb")) return packet_load(dst, type);
  RegisterName base{};
  int16_t off = 0;
  const Token at = peek();
  if (!place(base, off)) return false;
  if (!dst.wide && (type.size == BPF_DW || type.sign))
    return error_at(at.column, "this load fills all 64 bits: it needs an r register on the left");
  const int mode = type.sign ? BPF_MEMSX : BPF_MEM;
  return emit({.opcode = static_cast<uint8_t>(BPF_LDX | mode | type.size),
               .dst = dst.number,
               .src = base.number,
               .off = off});
}

bool Parser::packet_load(RegisterName dst, MemoryType type) {
  const Token at = take();
  if (dst.number != 0 || !dst.wide) return error_at(at.column, "a load from skb goes into r0");
  if (type.sign || type.size == BPF_DW)
    return error_at(at.column, "a load from skb is of u8, u16 or u32");
  if (!expect("[")) return false;
  Insn insn{.opcode = static_cast<uint8_t>(BPF_LD | BPF_ABS | type.size)};
  if (const auto index = as_register(peek())) {
    take();
    insn.opcode = static_cast<uint8_t>(BPF_LD | BPF_IND | type.size);
    insn.src = index->number;
    if (!peek().is("]")) {
      if (!peek().is("-") && !expect("+")) return false;
      if (!imm32(insn.imm)) return false;
    }
  } else if (!imm32(insn.imm)) {
    return false;
  }
  return expect("]") && emit(insn);
}

bool Parser::store() {
  MemoryType type{};
  RegisterName base{};
  int16_t off = 0;
  if (!expect("*") || !pointer_type(type) || !place(base, off) || !expect("=")) return false;
  if (type.sign)
    return error_at(statement_column_, "a store has no sign: write u8, u16, u32 or u64");
  Insn insn{
      .opcode = static_cast<uint8_t>(BPF_ST | BPF_MEM | type.size), .dst = base.number, .off = off};
  if (const auto src = as_register(peek())) {
    const Token at = take();
    if (!src->wide && type.size == BPF_DW)
      return error_at(at.column, "a store of 64 bits needs an r register");
    insn.opcode = static_cast<uint8_t>(BPF_STX | BPF_MEM | type.size);
    insn.src = src->number;
    return emit(insn);
  }
  return imm32(insn.imm) && emit(insn);
}

bool Parser::locked() {
  MemoryType type{};
  RegisterName base{}, src{};
  int16_t off = 0;
  if (!expect("*") || !pointer_type(type) || !place(base, off)) return false;
  const Operator* op = find_operator(kAluOperators, peek());
  if (op == nullptr ||
      (op->op != BPF_ADD && op->op != BPF_OR && op->op != BPF_AND && op->op != BPF_XOR))
    return expected("+=, |=, &= or ^=");
  take();
  if (!reg(src)) return false;
  return emit({.opcode = static_cast<uint8_t>(BPF_STX | BPF_ATOMIC | type.size),
               .dst = base.number,
               .src = src.number,
               .off = off,
               .imm = op->op});
}

bool Parser::store_release() {
  MemoryType type{};
  RegisterName base{}, src{};
  int16_t off = 0;
  if (!expect("(") || !pointer_type(type) || !place(base, off) || !expect(",") || !reg(src) ||
      !expect(")"))
    return false;
  return emit({.opcode = static_cast<uint8_t>(BPF_STX | BPF_ATOMIC | type.size),
               .dst = base.number,
               .src = src.number,
               .off = off,
               .imm = BPF_STORE_REL});
}

// ((u64 *)(r1 +0), r2), and with r0 in the middle for cmpxchg. The old value lands in the last
// register (cmpxchg: in r0), which therefore is the one on the left.
bool Parser::atomic(RegisterName dst, const AtomicName& name) {
  MemoryType type{};
  RegisterName base{}, src{};
  int16_t off = 0;
  if (!expect("(") || !pointer_type(type) || !place(base, off) || !expect(",")) return false;
  if (name.old_in_r0) {
    const Token at = peek();
    if (!reg(src)) return false;
    if (src.number != 0 || dst.number != 0)
      return error_at(at.column, "cmpxchg compares with r0 and returns in it");
    if (!expect(",")) return false;
  }
  const Token at = peek();
  if (!reg(src) || !expect(")")) return false;
  if (!name.old_in_r0 && src.number != dst.number)
    return error_at(at.column,
                    fmt::format("expected r{}: the old value replaces the operand, found {}",
                                +dst.number, at.shown()));
  return emit({.opcode = static_cast<uint8_t>(BPF_STX | BPF_ATOMIC | type.size),
               .dst = base.number,
               .src = src.number,
               .off = off,
               .imm = name.op});
}

bool Parser::llvm_atomic(RegisterName dst, std::string_view word) {
  const bool compare = word.starts_with("cmp");
  const uint8_t size = word.ends_with("_64") ? BPF_DW : BPF_W;
  RegisterName base{}, src{};
  int16_t off = 0;
  if (!expect("(") || !reg(base)) return false;
  if (!peek().is(",") && !offset16(off)) return false;
  if (!expect(",")) return false;
  if (compare) {
    const Token at = peek();
    if (!reg(src)) return false;
    if (src.number != 0 || dst.number != 0)
      return error_at(at.column, "cmpxchg compares with r0 and returns in it");
    if (!expect(",")) return false;
  }
  const Token at = peek();
  if (!reg(src) || !expect(")")) return false;
  if (!compare && src.number != dst.number)
    return error_at(at.column,
                    fmt::format("expected r{}: the old value replaces the operand", +dst.number));
  return emit({.opcode = static_cast<uint8_t>(BPF_STX | BPF_ATOMIC | size),
               .dst = base.number,
               .src = src.number,
               .off = off,
               .imm = compare ? BPF_CMPXCHG : BPF_XCHG});
}

// --- jumps and calls

bool Parser::conditional() {
  RegisterName dst{};
  if (!reg(dst)) return false;
  const Operator* op = find_operator(kJumpOperators, peek());
  if (op == nullptr) return expected("a comparison (==, !=, >, s>, &, …)");
  take();
  Insn insn{.opcode = static_cast<uint8_t>((dst.wide ? BPF_JMP : BPF_JMP32) | op->op),
            .dst = dst.number};
  const Token right = peek();
  if (const auto src = as_register(right)) {
    take();
    insn.opcode |= BPF_X;
    insn.src = src->number;
    if (!same_width(dst, *src, right)) return false;
  } else if (!imm32(insn.imm)) {
    return false;
  }
  if (!take_if("goto")) return expected("goto");
  return target(NameUse::Kind::kJump, insn);
}

bool Parser::target(NameUse::Kind kind, Insn insn) {
  const bool wide = is_gotol(insn) || kind == NameUse::Kind::kCall;
  const bool pc = peek().is("pc") && (peek(1).is("+") || peek(1).is("-"));
  if (pc || peek().is("+") || peek().is("-")) {
    if (pc) take();
    int64_t relative = 0;
    if (!number(wide ? INT32_MIN : INT16_MIN, wide ? INT32_MAX : INT16_MAX, relative, "a distance"))
      return false;
    if (wide)
      insn.imm = static_cast<int32_t>(relative);
    else
      insn.off = static_cast<int16_t>(relative);
    return emit(insn);
  }
  if (peek().kind != Token::Kind::kWord) return expected("a label or a distance like +3");
  const Token label = take();
  uses_.push_back({kind, static_cast<uint32_t>(program().insns.size()), std::string(label.text),
                   line_, label.column});
  return emit(insn);
}

bool Parser::call() {
  Insn insn{.opcode = BPF_JMP | BPF_CALL};
  const Token first = peek();
  if (first.kind == Token::Kind::kNumber) return imm32(insn.imm) && emit(insn);
  if (first.is("kfunc") && peek(1).is("[")) {
    take(), take();
    insn.src = BPF_PSEUDO_KFUNC_CALL;
    if (!imm32(insn.imm)) return false;
    if (take_if(",")) {
      int64_t off = 0;
      if (!number(INT16_MIN, INT16_MAX, off, "an index of 16 bits")) return false;
      insn.off = static_cast<int16_t>(off);
    }
    return expect("]") && emit(insn);
  }
  if (first.kind == Token::Kind::kWord && peek(1).is("#")) {
    take(), take();
    return imm32(insn.imm) && emit(insn);
  }
  const bool relative = first.is("pc") || first.is("+") || first.is("-");
  if (first.kind == Token::Kind::kWord && !relative && options_.helper_id != nullptr) {
    const int32_t id = options_.helper_id(options_.data, first.text);
    if (id >= 0) {
      take();
      insn.imm = id;
      return emit(insn);
    }
  }
  insn.src = BPF_PSEUDO_CALL;
  return target(NameUse::Kind::kCall, insn);
}

// --- addresses

bool Parser::address_of_map(RegisterName dst) {
  if (!expect("[")) return false;
  if (peek().kind != Token::Kind::kWord) return expected("a map's name, fd:, idx: or id:");
  const Token name = take();
  Insn insn{.dst = dst.number, .src = BPF_PSEUDO_MAP_FD};
  const auto at = static_cast<uint32_t>(program().insns.size());
  if (peek().is(":")) {
    take();
    if (!imm32(insn.imm)) return false;
    if (name.text == "idx")
      insn.src = BPF_PSEUDO_MAP_IDX;
    else if (name.text == "id")
      program().maps_by_id.push_back({at, static_cast<uint32_t>(insn.imm)});
    else if (name.text != "fd")
      return error_at(name.column,
                      fmt::format("expected fd, idx or id before ':', found {}", name.shown()));
  } else {
    insn.src = BPF_PSEUDO_MAP_IDX;
    uses_.push_back({NameUse::Kind::kMap, at, std::string(name.text), line_, name.column});
  }
  if (!expect("]")) return false;
  int64_t offset = 0;
  if (take_if("[")) {  // the first value
    int64_t zero = 0;
    if (!number(0, 0, zero, "0: only the first element has a fixed address") || !expect("]"))
      return false;
    if (peek().is("+") && !number(0, UINT32_MAX, offset, "an offset into the value")) return false;
    insn.src = insn.src == BPF_PSEUDO_MAP_FD ? BPF_PSEUDO_MAP_VALUE : BPF_PSEUDO_MAP_IDX_VALUE;
  }
  return emit64(insn, static_cast<int32_t>(offset));
}

bool Parser::address_of_btf(RegisterName dst) {
  Insn insn{.dst = dst.number, .src = BPF_PSEUDO_BTF_ID};
  int32_t fd = 0;
  if (!expect("[")) return false;
  if (!take_if("id")) return expected("id:");
  if (!expect(":") || !imm32(insn.imm)) return false;
  if (take_if(",")) {
    if (!take_if("fd")) return expected("fd:");
    if (!expect(":") || !imm32(fd)) return false;
  }
  return expect("]") && emit64(insn, fd);
}

bool Parser::address_of_function(RegisterName dst) {
  Insn insn{.dst = dst.number, .src = BPF_PSEUDO_FUNC};
  if (!expect("[")) return false;
  if (peek().kind == Token::Kind::kWord) {
    const Token name = take();
    uses_.push_back({NameUse::Kind::kFunction, static_cast<uint32_t>(program().insns.size()),
                     std::string(name.text), line_, name.column});
  } else {
    int64_t relative = 0;
    if (!number(INT32_MIN, INT32_MAX, relative, "a distance")) return false;
    insn.imm = static_cast<int32_t>(relative);
  }
  return expect("]") && emit64(insn, 0);
}

// --- parts

bool Parser::expect(std::string_view punct) {
  if (take_if(punct)) return true;
  return expected(fmt::format("'{}'", punct));
}

bool Parser::reg(RegisterName& out, const char* what) {
  const auto found = as_register(peek());
  if (!found) return expected(fmt::format("{} (r0 to r10)", what));
  take();
  out = *found;
  return true;
}

bool Parser::same_width(RegisterName dst, RegisterName src, const Token& at) {
  if (dst.wide == src.wide) return true;
  return error_at(
      at.column, fmt::format("expected {}{} beside {}{}: both are of 64 bits (r) or of 32 (w)",
                             dst.wide ? 'r' : 'w', +src.number, dst.wide ? 'r' : 'w', +dst.number));
}

bool Parser::number(int64_t low, int64_t high, int64_t& out, const char* what) {
  const uint32_t column = peek().column;
  const bool negative = take_if("-");
  if (!negative) take_if("+");
  if (negative && take_if("-")) return error_at(column, "two signs");
  if (peek().kind != Token::Kind::kNumber) return expected(what);
  const Token value = take();
  const uint64_t limit = negative ? uint64_t{1} << 63 : uint64_t{INT64_MAX};
  const int64_t result = static_cast<int64_t>(negative ? 0 - value.value : value.value);
  if (value.value > limit || result < low || result > high)
    return error_at(column, fmt::format("expected {} from {} to {}, found {}{}", what, low, high,
                                        negative ? "-" : "", value.text));
  out = result;
  return true;
}

// Signed, or a bit pattern up to 0xffffffff.
bool Parser::imm32(int32_t& out) {
  int64_t value = 0;
  if (!number(INT32_MIN, UINT32_MAX, value, "a number of 32 bits")) return false;
  out = static_cast<int32_t>(value);
  return true;
}

bool Parser::offset16(int16_t& out) {
  if (!peek().is("+") && !peek().is("-")) return expected("an offset like +8");
  int64_t value = 0;
  if (!number(INT16_MIN, INT16_MAX, value, "an offset")) return false;
  out = static_cast<int16_t>(value);
  return true;
}

bool Parser::pointer_type(MemoryType& out) {
  if (!expect("(")) return false;
  const auto type = as_type(peek());
  if (!type) return expected("a type (u8 to u64, s8 to s32)");
  take();
  out = *type;
  return expect("*") && expect(")");
}

bool Parser::place(RegisterName& base, int16_t& off) {
  off = 0;
  if (!expect("(") || !reg(base)) return false;
  if (!peek().is(")") && !offset16(off)) return false;
  return expect(")");
}

}  // namespace skep::isa::asm_detail
