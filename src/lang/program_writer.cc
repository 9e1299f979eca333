#include "lang/program_writer.h"

#include <cstring>

#include "spec/helpers.h"

namespace skep::lang {

using namespace isa::macros;

namespace {

constexpr int kStack = 512;

int helper(std::string_view name) { return static_cast<int>(spec::find_helper(name)->id); }

// Where System V has a function's arguments, as offsets into pt_regs.
constexpr int kArgumentRegisters[] = {112, 104, 96, 88, 72, 64};  // di si dx cx r8 r9
constexpr int kReturnRegister = 80;                               // ax
// The record of a system call's tracepoint: 8 bytes of header, the number, the arguments or the result.
constexpr int kSyscallNumber = 8, kSyscallArguments = 16;

}  // namespace

uint32_t ReadOnlyData::add(const std::string& text) {
  auto [row, fresh] = known_.try_emplace(text, static_cast<uint32_t>(bytes_.size()));
  if (fresh) {
    for (char c : text) bytes_.push_back(static_cast<std::byte>(c));
    bytes_.push_back(std::byte{0});
    while (bytes_.size() % 8 != 0) bytes_.push_back(std::byte{0});
  }
  return row->second;
}

uint32_t key_size(const MapInfo& map) {
  uint32_t size = 0;
  for (Type type : map.keys) size += size_of(type);
  return size == 0 ? 8 : size;
}

ProgramWriter::ProgramWriter(const Script& script, size_t probe, const AttachPoint& point,
                             ReadOnlyData& constants)
    : script_(script),
      probe_(script.probes[probe]),
      variables_(script.variables[probe]),
      point_(point),
      constants_(constants) {}

Result<std::vector<Insn>> ProgramWriter::write() {
  out_.emit(BPF_MOV64_REG(BPF_REG_6, BPF_REG_1));
  for (const VariableInfo& variable : variables_) {
    variable_offsets_.push_back(buffer(size_of(variable.type)));
    zero(variable_offsets_.back(), size_of(variable.type));
  }
  Label end = out_.label();
  if (probe_.predicate) {
    number(*probe_.predicate);
    out_.jump_imm(isa::BPF_JEQ, BPF_REG_0, 0, end);
  }
  statements(probe_.body);
  out_.bind(end).emit(BPF_MOV64_IMM(BPF_REG_0, 0)).exit();
  if (deepest_ < -kStack) {
    return std::unexpected(
        Error(E2BIG, error_at(script_.source, script_.file, point_.span,
                              fmt::format("this probe needs {} bytes of stack, programs have {}",
                                          -deepest_, kStack))
                         .message())
            .with_hint(fmt::format("strings take {} bytes each: use fewer in one statement",
                                   kStringSize)));
  }
  return out_.finish();
}

int ProgramWriter::buffer(uint32_t size) {
  stack_ -= static_cast<int>((size + 7) / 8 * 8);
  deepest_ = std::min(deepest_, stack_);
  return stack_;
}

void ProgramWriter::store(int offset, int reg) {
  out_.emit(BPF_STX_MEM(isa::BPF_DW, BPF_REG_10, reg, offset));
}
void ProgramWriter::load(int reg, int offset) {
  out_.emit(BPF_LDX_MEM(isa::BPF_DW, reg, BPF_REG_10, offset));
}
void ProgramWriter::zero(int offset, uint32_t size) {
  for (uint32_t at = 0; at < size; at += 8)
    out_.emit(BPF_ST_MEM(isa::BPF_DW, BPF_REG_10, offset + static_cast<int>(at), 0));
}
void ProgramWriter::copy(int to, int from_reg, int from_offset, uint32_t size) {
  for (int at = 0; at < static_cast<int>(size); at += 8) {
    out_.emit(BPF_LDX_MEM(isa::BPF_DW, BPF_REG_1, from_reg, from_offset + at));
    store(to + at, BPF_REG_1);
  }
}
void ProgramWriter::stack_address(int reg, int offset) {
  out_.emit(BPF_MOV64_REG(reg, BPF_REG_10)).emit(BPF_ALU64_IMM(isa::BPF_ADD, reg, offset));
}
void ProgramWriter::map_address(int reg, uint32_t map) {
  out_.emit(BPF_LD_IMM64_RAW_FULL(reg, isa::BPF_PSEUDO_MAP_IDX, 0, 0, static_cast<int>(map), 0));
}
void ProgramWriter::constant_address(int reg, uint32_t offset) {
  out_.emit(BPF_LD_IMM64_RAW_FULL(reg, isa::BPF_PSEUDO_MAP_IDX_VALUE, 0, 0,
                                  static_cast<int>(script_.maps.size()), static_cast<int>(offset)));
}

void ProgramWriter::statements(const std::vector<Statement>& list) {
  for (const Statement& one : list) {
    Buffers scope(*this);
    statement(one);
  }
}

void ProgramWriter::statement(const Statement& one) {
  switch (one.kind) {
    case StatementKind::assign: return assign(one);
    case StatementKind::expression:
      return one.value->text == "printf" ? print(*one.value) : erase(*one.value->operands.front());
    case StatementKind::condition: {
      Label otherwise = out_.label(), end = out_.label();
      number(*one.value);
      out_.jump_imm(isa::BPF_JEQ, BPF_REG_0, 0, otherwise);
      statements(one.then_part);
      out_.go(end).bind(otherwise);
      statements(one.else_part);
      out_.bind(end);
    }
  }
}

void ProgramWriter::assign(const Statement& one) {
  one.target->kind == ExprKind::map ? assign_map(one) : assign_variable(one);
}

void ProgramWriter::assign_variable(const Statement& one) {
  int at = variable_offsets_[one.target->index];
  if (one.target->type == Type::string) {
    // By way of a buffer: the value may be made of the variable itself.
    int value = buffer(kStringSize);
    text(*one.value, value);
    copy(at, BPF_REG_10, value, kStringSize);
    return;
  }
  number(*one.value);
  if (one.op != "=") {
    load(BPF_REG_1, at);
    arithmetic(std::string_view(one.op).substr(0, one.op.size() - 1));
  }
  store(at, BPF_REG_0);
}

void ProgramWriter::assign_map(const Statement& one) {
  const Type type = script_.maps[one.target->index].type;
  const uint32_t map = one.target->index;
  if (is_aggregation(type)) {
    int operand = buffer(8);
    if (!one.value->operands.empty()) {
      number(*one.value->operands.front());
      store(operand, BPF_REG_0);
    }
    aggregate(one, key_of(*one.target), operand);
    return;
  }
  int value = buffer(size_of(type));
  if (type == Type::string) {
    text(*one.value, value);
  } else {
    number(*one.value);
    store(value, BPF_REG_0);
  }
  int key = key_of(*one.target);
  Label end = out_.label();
  if (one.op == "+=" || one.op == "-=") {
    look_up_or_make(map, key, end);
    load(BPF_REG_1, value);
    if (one.op == "-=") out_.emit(BPF_NEG64(BPF_REG_1));
    out_.emit(BPF_ATOMIC_OP(isa::BPF_DW, isa::BPF_ADD, BPF_REG_0, BPF_REG_1, 0));
  } else if (one.op != "=") {
    look_up_or_make(map, key, end);
    out_.emit(BPF_MOV64_REG(BPF_REG_7, BPF_REG_0))
        .emit(BPF_LDX_MEM(isa::BPF_DW, BPF_REG_1, BPF_REG_7, 0));
    load(BPF_REG_0, value);
    arithmetic(std::string_view(one.op).substr(0, one.op.size() - 1));
    out_.emit(BPF_STX_MEM(isa::BPF_DW, BPF_REG_7, BPF_REG_0, 0));
  } else {
    map_address(BPF_REG_1, map);
    stack_address(BPF_REG_2, key);
    stack_address(BPF_REG_3, value);
    out_.emit(BPF_MOV64_IMM(BPF_REG_4, 0)).call(helper("map_update_elem"));
  }
  out_.bind(end);
}

// r0: this CPU's part of the element; nobody else touches it meanwhile.
void ProgramWriter::aggregate(const Statement& one, int key, int operand) {
  const Type type = script_.maps[one.target->index].type;
  Label end = out_.label();
  look_up_or_make(one.target->index, key, end);
  auto add = [&](int offset) {
    out_.emit(BPF_LDX_MEM(isa::BPF_DW, BPF_REG_2, BPF_REG_0, offset))
        .emit(BPF_ALU64_REG(isa::BPF_ADD, BPF_REG_2, BPF_REG_1))
        .emit(BPF_STX_MEM(isa::BPF_DW, BPF_REG_0, BPF_REG_2, offset));
  };
  switch (type) {
    case Type::count:
      out_.emit(BPF_MOV64_IMM(BPF_REG_1, 1));
      add(0);
      break;
    case Type::sum:
      load(BPF_REG_1, operand);
      add(0);
      break;
    case Type::avg:
      load(BPF_REG_1, operand);
      add(0);
      out_.emit(BPF_MOV64_IMM(BPF_REG_1, 1));
      add(8);
      break;
    case Type::min:
    case Type::max: {
      Label take = out_.label();
      load(BPF_REG_1, operand);
      out_.emit(BPF_LDX_MEM(isa::BPF_DW, BPF_REG_2, BPF_REG_0, 8))
          .jump_imm(isa::BPF_JEQ, BPF_REG_2, 0, take)
          .emit(BPF_LDX_MEM(isa::BPF_DW, BPF_REG_2, BPF_REG_0, 0))
          .jump_reg(type == Type::min ? isa::BPF_JSGE : isa::BPF_JSLE, BPF_REG_1, BPF_REG_2, end)
          .bind(take)
          .emit(BPF_STX_MEM(isa::BPF_DW, BPF_REG_0, BPF_REG_1, 0))
          .emit(BPF_ST_MEM(isa::BPF_DW, BPF_REG_0, 8, 1));
      break;
    }
    case Type::hist: count_in_histogram(operand); break;
    default: break;
  }
  out_.bind(end);
}

// Slot n counts [2^n, 2^(n+1)); what is below 2, also negative, is in slot 0.
void ProgramWriter::count_in_histogram(int operand) {
  Label found = out_.label();
  load(BPF_REG_2, operand);
  out_.emit(BPF_MOV64_IMM(BPF_REG_3, 0)).jump_imm(isa::BPF_JSLE, BPF_REG_2, 1, found);
  for (int bits : {32, 16, 8, 4, 2, 1}) {
    Label smaller = out_.label();
    out_.emit(BPF_MOV64_REG(BPF_REG_4, BPF_REG_2))
        .emit(BPF_ALU64_IMM(isa::BPF_RSH, BPF_REG_4, bits))
        .jump_imm(isa::BPF_JEQ, BPF_REG_4, 0, smaller)
        .emit(BPF_ALU64_IMM(isa::BPF_ADD, BPF_REG_3, bits))
        .emit(BPF_MOV64_REG(BPF_REG_2, BPF_REG_4))
        .bind(smaller);
  }
  out_.bind(found)
      .emit(BPF_ALU64_IMM(isa::BPF_AND, BPF_REG_3, 63))
      .emit(BPF_ALU64_IMM(isa::BPF_LSH, BPF_REG_3, 3))
      .emit(BPF_ALU64_REG(isa::BPF_ADD, BPF_REG_0, BPF_REG_3))
      .emit(BPF_LDX_MEM(isa::BPF_DW, BPF_REG_1, BPF_REG_0, 0))
      .emit(BPF_ALU64_IMM(isa::BPF_ADD, BPF_REG_1, 1))
      .emit(BPF_STX_MEM(isa::BPF_DW, BPF_REG_0, BPF_REG_1, 0));
}

void ProgramWriter::erase(const Expr& map) {
  int key = key_of(map);
  map_address(BPF_REG_1, map.index);
  stack_address(BPF_REG_2, key);
  out_.call(helper("map_delete_elem"));
}

void ProgramWriter::print(const Expr& call) {
  // The kernel's %d is of 32 bits; numbers here have 64.
  std::string format;
  const std::string& given = call.operands.front()->text;
  for (size_t i = 0; i < given.size(); ++i) {
    format += given[i];
    if (given[i] != '%') continue;
    if (given[i + 1] == '%') {
      format += given[++i];
      continue;
    }
    while (std::strchr("-+ 0123456789", given[i + 1]) != nullptr) format += given[++i];
    while (given[i + 1] == 'l') ++i;
    char conversion = given[++i];
    if (conversion == 'p') {
      format.insert(format.rfind('%'), "0x");
      format += "llx";
    } else if (conversion == 's' || conversion == 'c') {
      format += conversion;
    } else {
      format += std::string("ll") + (conversion == 'i' ? 'd' : conversion);
    }
  }
  auto count = static_cast<int>(call.operands.size()) - 1;
  int arguments = count > 0 ? buffer(static_cast<uint32_t>(count) * 8) : 0;
  for (int i = 0; i < count; ++i) {
    const Expr& value = *call.operands[static_cast<size_t>(i) + 1];
    if (value.type == Type::string) {
      int bytes = buffer(kStringSize);
      text(value, bytes);
      stack_address(BPF_REG_0, bytes);
    } else {
      Buffers scope(*this);
      number(value);
    }
    store(arguments + i * 8, BPF_REG_0);
  }
  constant_address(BPF_REG_1, constants_.add(format));
  out_.emit(BPF_MOV64_IMM(BPF_REG_2, static_cast<int>(format.size()) + 1));
  if (count > 0) {
    stack_address(BPF_REG_3, arguments);
  } else {
    out_.emit(BPF_MOV64_IMM(BPF_REG_3, 0));
  }
  out_.emit(BPF_MOV64_IMM(BPF_REG_4, count * 8)).call(helper("trace_vprintk"));
}

int ProgramWriter::key_of(const Expr& map) {
  const MapInfo& info = script_.maps[map.index];
  int key = buffer(key_size(info));
  int at = key;
  if (map.operands.empty()) zero(key, 8);
  for (const auto& part : map.operands) {
    Buffers scope(*this);
    if (part->type == Type::string) {
      text(*part, at);
    } else {
      number(*part);
      store(at, BPF_REG_0);
    }
    at += static_cast<int>(size_of(part->type));
  }
  return key;
}

void ProgramWriter::look_up(uint32_t map, int key) {
  map_address(BPF_REG_1, map);
  stack_address(BPF_REG_2, key);
  out_.call(helper("map_lookup_elem"));
}

void ProgramWriter::look_up_or_make(uint32_t map, int key, Label none) {
  Label there = out_.label();
  look_up(map, key);
  out_.jump_imm(isa::BPF_JNE, BPF_REG_0, 0, there);
  map_address(BPF_REG_1, map);
  stack_address(BPF_REG_2, key);
  constant_address(BPF_REG_3, 0);
  out_.emit(BPF_MOV64_IMM(BPF_REG_4, 1 /* BPF_NOEXIST */)).call(helper("map_update_elem"));
  look_up(map, key);
  out_.jump_imm(isa::BPF_JEQ, BPF_REG_0, 0, none).bind(there);
}

// ---- expressions

void ProgramWriter::number(const Expr& expr) {
  switch (expr.kind) {
    case ExprKind::integer: out_.emit(BPF_LD_IMM64(BPF_REG_0, expr.value)); return;
    case ExprKind::builtin: builtin(expr); return;
    case ExprKind::variable: load(BPF_REG_0, variable_offsets_[expr.index]); return;
    case ExprKind::map: {
      Buffers scope(*this);
      Label end = out_.label();
      look_up(expr.index, key_of(expr));
      out_.jump_imm(isa::BPF_JEQ, BPF_REG_0, 0, end)
          .emit(BPF_LDX_MEM(isa::BPF_DW, BPF_REG_0, BPF_REG_0, 0))
          .bind(end);
      return;
    }
    case ExprKind::unary: unary(expr); return;
    case ExprKind::binary:
      if (expr.text == "&&" || expr.text == "||") return logical(expr);
      return binary(expr);
    case ExprKind::ternary: {
      Label no = out_.label(), end = out_.label();
      number(*expr.operands[0]);
      out_.jump_imm(isa::BPF_JEQ, BPF_REG_0, 0, no);
      number(*expr.operands[1]);
      out_.go(end).bind(no);
      number(*expr.operands[2]);
      out_.bind(end);
      return;
    }
    case ExprKind::string:
    case ExprKind::call: return;  // never of numbers
  }
}

void ProgramWriter::builtin(const Expr& expr) {
  struct Call {
    std::string_view name, helper;
    int shift;  // right; 32: the upper half, -32: the lower
  };
  static constexpr Call kCalls[] = {
      {"pid", "get_current_pid_tgid", 32}, {"tid", "get_current_pid_tgid", -32},
      {"gid", "get_current_uid_gid", 32},  {"uid", "get_current_uid_gid", -32},
      {"nsecs", "ktime_get_ns", 0},        {"cpu", "get_smp_processor_id", 0},
      {"rand", "get_prandom_u32", 0}};
  for (const Call& call : kCalls) {
    if (call.name != expr.text) continue;
    out_.call(helper(call.helper));
    if (call.shift == 32) out_.emit(BPF_ALU64_IMM(isa::BPF_RSH, BPF_REG_0, 32));
    if (call.shift == -32) out_.emit(BPF_MOV32_REG(BPF_REG_0, BPF_REG_0));
    return;
  }
  int offset = 0;
  if (expr.text.starts_with("arg") && expr.text.size() == 4) {
    int index = expr.text[3] - '0';
    offset = point_.is_syscall ? kSyscallArguments + 8 * index : kArgumentRegisters[index];
  } else if (expr.text == "args.id") {
    offset = kSyscallNumber;
  } else {
    offset = point_.is_syscall ? kSyscallArguments : kReturnRegister;
  }
  out_.emit(BPF_LDX_MEM(isa::BPF_DW, BPF_REG_0, BPF_REG_6, offset));
}

void ProgramWriter::unary(const Expr& expr) {
  number(*expr.operands.front());
  if (expr.text == "-") out_.emit(BPF_NEG64(BPF_REG_0));
  if (expr.text == "~") out_.emit(BPF_ALU64_IMM(isa::BPF_XOR, BPF_REG_0, -1));
  if (expr.text == "!") {
    out_.emit(BPF_MOV64_REG(BPF_REG_1, BPF_REG_0)).emit(BPF_MOV64_IMM(BPF_REG_2, 0));
    set_by(isa::BPF_JEQ, BPF_REG_1, BPF_REG_2);
  }
}

void ProgramWriter::set_by(int jump, int left, int right) {
  Label yes = out_.label();
  out_.emit(BPF_MOV64_IMM(BPF_REG_0, 1))
      .jump_reg(jump, left, right, yes)
      .emit(BPF_MOV64_IMM(BPF_REG_0, 0))
      .bind(yes);
}

void ProgramWriter::logical(const Expr& expr) {
  bool any = expr.text == "||";
  Label decided = out_.label(), end = out_.label();
  for (const auto& operand : expr.operands) {
    number(*operand);
    out_.jump_imm(any ? isa::BPF_JNE : isa::BPF_JEQ, BPF_REG_0, 0, decided);
  }
  out_.emit(BPF_MOV64_IMM(BPF_REG_0, any ? 0 : 1)).go(end).bind(decided);
  out_.emit(BPF_MOV64_IMM(BPF_REG_0, any ? 1 : 0)).bind(end);
}

void ProgramWriter::binary(const Expr& expr) {
  if (expr.operands[0]->type == Type::string) return compare_strings(expr);
  Buffers scope(*this);
  int left = buffer(8);
  number(*expr.operands[0]);
  store(left, BPF_REG_0);
  number(*expr.operands[1]);
  load(BPF_REG_1, left);
  arithmetic(expr.text);
}

void ProgramWriter::arithmetic(std::string_view op) {
  struct Comparison {
    std::string_view op;
    int jump;
  };
  static constexpr Comparison kComparisons[] = {{"==", isa::BPF_JEQ},  {"!=", isa::BPF_JNE},
                                                {"<", isa::BPF_JSLT},  {">", isa::BPF_JSGT},
                                                {"<=", isa::BPF_JSLE}, {">=", isa::BPF_JSGE}};
  for (const Comparison& comparison : kComparisons) {
    if (comparison.op != op) continue;
    out_.emit(BPF_MOV64_REG(BPF_REG_2, BPF_REG_0));
    set_by(comparison.jump, BPF_REG_1, BPF_REG_2);
    return;
  }
  struct Operation {
    std::string_view op;
    int code;
    int off;  // 1: signed
  };
  static constexpr Operation kOperations[] = {{"+", isa::BPF_ADD, 0}, {"-", isa::BPF_SUB, 0},
                                              {"*", isa::BPF_MUL, 0}, {"/", isa::BPF_DIV, 1},
                                              {"%", isa::BPF_MOD, 1}, {"&", isa::BPF_AND, 0},
                                              {"|", isa::BPF_OR, 0},  {"^", isa::BPF_XOR, 0}};
  for (const Operation& operation : kOperations) {
    if (operation.op != op) continue;
    out_.emit(BPF_ALU64_REG_OFF(operation.code, BPF_REG_1, BPF_REG_0, operation.off))
        .emit(BPF_MOV64_REG(BPF_REG_0, BPF_REG_1));
    return;
  }
  // Shifts by less than 64; as in the instruction set, only the low bits of the count matter.
  out_.emit(BPF_ALU64_IMM(isa::BPF_AND, BPF_REG_0, 63))
      .emit(BPF_ALU64_REG(op == "<<" ? isa::BPF_LSH : isa::BPF_ARSH, BPF_REG_1, BPF_REG_0))
      .emit(BPF_MOV64_REG(BPF_REG_0, BPF_REG_1));
}

void ProgramWriter::compare_strings(const Expr& expr) {
  Buffers scope(*this);
  int left = buffer(kStringSize), right = buffer(kStringSize);
  text(*expr.operands[0], left);
  text(*expr.operands[1], right);
  // Zeros follow the text, so equal strings are equal in every word.
  out_.emit(BPF_MOV64_IMM(BPF_REG_1, 0));
  for (int at = 0; at < static_cast<int>(kStringSize); at += 8) {
    load(BPF_REG_2, left + at);
    load(BPF_REG_3, right + at);
    out_.emit(BPF_ALU64_REG(isa::BPF_XOR, BPF_REG_2, BPF_REG_3))
        .emit(BPF_ALU64_REG(isa::BPF_OR, BPF_REG_1, BPF_REG_2));
  }
  out_.emit(BPF_MOV64_IMM(BPF_REG_2, 0));
  set_by(expr.text == "==" ? isa::BPF_JEQ : isa::BPF_JNE, BPF_REG_1, BPF_REG_2);
}

void ProgramWriter::literal(std::string_view value, int to) {
  char bytes[kStringSize] = {};
  std::memcpy(bytes, value.data(), std::min<size_t>(value.size(), kStringSize - 1));
  for (size_t at = 0; at < kStringSize; at += 8) {
    uint64_t word = 0;
    std::memcpy(&word, bytes + at, 8);
    int offset = to + static_cast<int>(at);
    if (word == 0) {
      zero(offset, 8);
    } else {
      out_.emit(BPF_LD_IMM64(BPF_REG_1, word));
      store(offset, BPF_REG_1);
    }
  }
}

void ProgramWriter::text(const Expr& expr, int to) {
  switch (expr.kind) {
    case ExprKind::string: return literal(expr.text, to);
    case ExprKind::variable:
      return copy(to, BPF_REG_10, variable_offsets_[expr.index], kStringSize);
    case ExprKind::builtin:
      if (expr.text == "probe") return literal(point_.text, to);
      if (expr.text == "func") return literal(point_.function, to);
      zero(to, kStringSize);
      stack_address(BPF_REG_1, to);
      out_.emit(BPF_MOV64_IMM(BPF_REG_2, 16)).call(helper("get_current_comm"));
      return;
    case ExprKind::call:  // str()
    {
      Buffers scope(*this);
      number(*expr.operands.front());
      out_.emit(BPF_MOV64_REG(BPF_REG_3, BPF_REG_0));
      zero(to, kStringSize);
      stack_address(BPF_REG_1, to);
      out_.emit(BPF_MOV64_IMM(BPF_REG_2, kStringSize)).call(helper("probe_read_user_str"));
      return;
    }
    case ExprKind::map: {
      Buffers scope(*this);
      Label none = out_.label(), end = out_.label();
      look_up(expr.index, key_of(expr));
      out_.jump_imm(isa::BPF_JEQ, BPF_REG_0, 0, none);
      copy(to, BPF_REG_0, 0, kStringSize);
      out_.go(end).bind(none);
      zero(to, kStringSize);
      out_.bind(end);
      return;
    }
    case ExprKind::ternary: {
      Label no = out_.label(), end = out_.label();
      number(*expr.operands[0]);
      out_.jump_imm(isa::BPF_JEQ, BPF_REG_0, 0, no);
      text(*expr.operands[1], to);
      out_.go(end).bind(no);
      text(*expr.operands[2], to);
      out_.bind(end);
      return;
    }
    case ExprKind::integer:
    case ExprKind::unary:
    case ExprKind::binary: return;  // never of strings
  }
}

}  // namespace skep::lang
