#include "isa/legality.h"

#include <fmt/format.h>

#include <algorithm>
#include <vector>

namespace skep::isa {
namespace {

constexpr Allowed kZero{.kind = Allowed::Kind::kZero};
constexpr Allowed kAny{.kind = Allowed::Kind::kAny};
constexpr Allowed kReg{.kind = Allowed::Kind::kRegister};
template <class... Values>
constexpr Allowed one_of(Values... values) {
  return {.kind = Allowed::Kind::kOneOf, .count = sizeof...(values), .values = {values...}};
}

constexpr IsaVersion v1 = IsaVersion::kV1, v2 = IsaVersion::kV2, v3 = IsaVersion::kV3,
                     v4 = IsaVersion::kV4;

struct Table {
  std::array<Form, 256> rows{};
  size_t size = 0;
  constexpr void add(int opcode, IsaVersion since, Allowed dst, Allowed src, Allowed off,
                     Allowed imm) {
    rows[size++] = {static_cast<uint8_t>(opcode), since, dst, src, off, imm};
  }
};

// clang-format off
constexpr void add_alu(Table& t) {
  for (int cls : {int{BPF_ALU}, int{BPF_ALU64}}) {
    for (int op : {BPF_ADD, BPF_SUB, BPF_MUL, BPF_DIV, BPF_OR, BPF_AND, BPF_LSH, BPF_RSH, BPF_MOD, BPF_XOR, BPF_MOV, BPF_ARSH}) {
      //    opcode            since dst   src    off    imm
      t.add(cls | op | BPF_K, v1,   kReg, kZero, kZero, kAny);
      t.add(cls | op | BPF_X, v1,   kReg, kReg,  kZero, kZero);
    }
    for (int op : {BPF_DIV, BPF_MOD}) {  // sdiv, smod
      t.add(cls | op | BPF_K, v4, kReg, kZero, one_of(1), kAny);
      t.add(cls | op | BPF_X, v4, kReg, kReg,  one_of(1), kZero);
    }
    t.add(cls | BPF_NEG, v1, kReg, kZero, kZero, kZero);
  }
  t.add(BPF_ALU | BPF_MOV | BPF_X,   v4, kReg, kReg, one_of(8, 16),     kZero);            // movsx
  t.add(BPF_ALU64 | BPF_MOV | BPF_X, v4, kReg, kReg, one_of(8, 16, 32), kZero);
  t.add(BPF_ALU64 | BPF_MOV | BPF_X, v4, kReg, kReg, one_of(1), one_of(1, 1 << 16));       // addr_space_cast
  t.add(BPF_ALU | BPF_END | BPF_TO_LE,   v1, kReg, kZero, kZero, one_of(16, 32, 64));
  t.add(BPF_ALU | BPF_END | BPF_TO_BE,   v1, kReg, kZero, kZero, one_of(16, 32, 64));
  t.add(BPF_ALU64 | BPF_END | BPF_TO_LE, v4, kReg, kZero, kZero, one_of(16, 32, 64));      // bswap
}

constexpr void add_jumps(Table& t) {
  for (int op : {BPF_JEQ, BPF_JGT, BPF_JGE, BPF_JSET, BPF_JNE, BPF_JSGT, BPF_JSGE, BPF_JLT, BPF_JLE, BPF_JSLT, BPF_JSLE}) {
    const bool lower = op == BPF_JLT || op == BPF_JLE || op == BPF_JSLT || op == BPF_JSLE;
    t.add(BPF_JMP | op | BPF_K,   lower ? v2 : v1, kReg, kZero, kAny, kAny);
    t.add(BPF_JMP | op | BPF_X,   lower ? v2 : v1, kReg, kReg,  kAny, kZero);
    t.add(BPF_JMP32 | op | BPF_K, v3, kReg, kZero, kAny, kAny);
    t.add(BPF_JMP32 | op | BPF_X, v3, kReg, kReg,  kAny, kZero);
  }
  t.add(BPF_JMP | BPF_JA,    v1, kZero, kZero, kAny,  kZero);
  t.add(BPF_JMP32 | BPF_JA,  v4, kZero, kZero, kZero, kAny);   // gotol
  t.add(BPF_JMP | BPF_JCOND, v4, kZero, kZero, kAny,  kZero);  // may_goto
  t.add(BPF_JMP | BPF_EXIT,  v1, kZero, kZero, kZero, kZero);
  t.add(BPF_JMP | BPF_CALL,  v1, kZero, one_of(0, BPF_PSEUDO_CALL), kZero, kAny);
  t.add(BPF_JMP | BPF_CALL,  v1, kZero, one_of(BPF_PSEUDO_KFUNC_CALL), kAny, kAny);  // off: index of the BTF fd
  t.add(BPF_JMP | BPF_CALL | BPF_X, IsaVersion::kNone, kReg, kZero, kZero, kZero);   // callx
}

constexpr void add_memory(Table& t) {
  for (int size : {BPF_B, BPF_H, BPF_W, BPF_DW}) {
    t.add(BPF_LDX | BPF_MEM | size, v1, kReg, kReg,  kAny, kZero);
    t.add(BPF_STX | BPF_MEM | size, v1, kReg, kReg,  kAny, kZero);
    t.add(BPF_ST | BPF_MEM | size,  v1, kReg, kZero, kAny, kAny);
    if (size != BPF_DW) {
      t.add(BPF_LDX | BPF_MEMSX | size, v4, kReg,  kReg,  kAny,  kZero);
      t.add(BPF_LD | BPF_ABS | size,    v1, kZero, kZero, kZero, kAny);
      t.add(BPF_LD | BPF_IND | size,    v1, kZero, kReg,  kZero, kAny);
    }
    const int atomic = BPF_STX | BPF_ATOMIC | size;
    if (size == BPF_W || size == BPF_DW) {
      t.add(atomic, v1, kReg, kReg, kAny, one_of(int32_t{BPF_ADD}));
      t.add(atomic, v3, kReg, kReg, kAny, one_of(int32_t{BPF_OR}, int32_t{BPF_AND}, int32_t{BPF_XOR}));
      t.add(atomic, v3, kReg, kReg, kAny, one_of(BPF_ADD | BPF_FETCH, BPF_OR | BPF_FETCH, BPF_AND | BPF_FETCH, BPF_XOR | BPF_FETCH));
      t.add(atomic, v3, kReg, kReg, kAny, one_of(BPF_XCHG, BPF_CMPXCHG));
    }
    t.add(atomic, v4, kReg, kReg, kAny, one_of(BPF_LOAD_ACQ, BPF_STORE_REL));
  }
  // src is the pseudo kind; the second slot is all zero but for imm, see check_ld_imm64.
  t.add(BPF_LD | BPF_IMM | BPF_DW, v1, kReg, one_of(0, BPF_PSEUDO_MAP_FD, BPF_PSEUDO_MAP_VALUE, BPF_PSEUDO_BTF_ID), kZero, kAny);
  t.add(BPF_LD | BPF_IMM | BPF_DW, v1, kReg, one_of(BPF_PSEUDO_FUNC, BPF_PSEUDO_MAP_IDX, BPF_PSEUDO_MAP_IDX_VALUE), kZero, kAny);
}
// clang-format on

constexpr Table make_table() {
  Table table;
  add_alu(table);
  add_jumps(table);
  add_memory(table);
  // Insertion sort: stable, and std::stable_sort is not constexpr.
  for (size_t i = 1; i < table.size; ++i)
    for (size_t j = i; j > 0 && table.rows[j].opcode < table.rows[j - 1].opcode; --j)
      std::swap(table.rows[j], table.rows[j - 1]);
  return table;
}
constexpr Table kTable = make_table();
static_assert(std::is_sorted(kTable.rows.begin(), kTable.rows.begin() + kTable.size,
                             [](const Form& a, const Form& b) { return a.opcode < b.opcode; }));

struct Range {
  uint8_t first = 0, count = 0;
};
constexpr std::array<Range, 256> make_index() {
  static_assert(kTable.size < 256);
  std::array<Range, 256> index{};
  for (size_t i = 0; i < kTable.size; ++i) {
    Range& range = index[kTable.rows[i].opcode];
    if (range.count++ == 0) range.first = static_cast<uint8_t>(i);
  }
  return index;
}
constexpr std::array<Range, 256> kIndex = make_index();

// The four fields in the order in which they are judged: those that choose between forms last.
struct Field {
  const char* name;
  Allowed Form::* allowed;
  int64_t (*get)(const Insn&);
};
constexpr Field kFields[] = {
    {"dst", &Form::dst, [](const Insn& i) { return int64_t{i.dst}; }},
    {"src", &Form::src, [](const Insn& i) { return int64_t{i.src}; }},
    {"off", &Form::off, [](const Insn& i) { return int64_t{i.off}; }},
    {"imm", &Form::imm, [](const Insn& i) { return int64_t{i.imm}; }},
};

// How many of the leading fields the form admits.
size_t admitted(const Form& form, const Insn& insn) {
  size_t count = 0;
  for (const Field& field : kFields) {
    if (!(form.*field.allowed).admits(field.get(insn))) break;
    ++count;
  }
  return count;
}

void add_expected(const Allowed& allowed, std::vector<std::string>& out) {
  const auto add = [&](std::string text) {
    if (std::ranges::find(out, text) == out.end()) out.push_back(std::move(text));
  };
  switch (allowed.kind) {
    case Allowed::Kind::kZero: add("0"); break;
    case Allowed::Kind::kAny: add("any value"); break;
    case Allowed::Kind::kRegister: add("a register (0 to 10)"); break;
    case Allowed::Kind::kOneOf:
      for (uint8_t i = 0; i < allowed.count; ++i) add(fmt::format("{}", allowed.values[i]));
      break;
  }
}

std::string join_or(const std::vector<std::string>& items) {
  std::string text;
  for (size_t i = 0; i < items.size(); ++i) {
    if (i > 0) text += i + 1 == items.size() ? " or " : ", ";
    text += items[i];
  }
  return text;
}

template <class... Args>
std::unexpected<Error> illegal(size_t index, const Insn& insn, fmt::format_string<Args...> format,
                               Args&&... args) {
  return fail(EINVAL, "insn {}: opcode {:#04x} ({}): {}", index, insn.opcode,
              opcode_name(insn.opcode), fmt::format(format, std::forward<Args>(args)...));
}

Result<> check_ld_imm64(std::span<const Insn> insns, size_t index) {
  const Insn& low = insns[index];
  if (index + 1 >= insns.size())
    return illegal(index, low, "its second slot is missing: the program ends here");
  const Insn& high = insns[index + 1];
  if (high.opcode != 0 || high.dst != 0 || high.src != 0 || high.off != 0)
    return illegal(
        index, low,
        "its second slot must be 0 but for imm, found opcode {:#04x} dst {} src {} off {}",
        high.opcode, +high.dst, +high.src, high.off);
  const bool second_imm = low.src == 0 || low.src == BPF_PSEUDO_MAP_VALUE ||
                          low.src == BPF_PSEUDO_MAP_IDX_VALUE || low.src == BPF_PSEUDO_BTF_ID;
  if (!second_imm && high.imm != 0)
    return illegal(index, low, "imm of its second slot is {}, expected 0 with pseudo kind {}",
                   high.imm, +low.src);
  return {};
}

}  // namespace

std::span<const Form> all_forms() { return {kTable.rows.data(), kTable.size}; }

std::span<const Form> forms_of(uint8_t opcode) {
  return {kTable.rows.data() + kIndex[opcode].first, kIndex[opcode].count};
}

const Form* form_of(const Insn& insn) {
  for (const Form& form : forms_of(insn.opcode))
    if (admitted(form, insn) == std::size(kFields)) return &form;
  return nullptr;
}

Result<> check_insn(std::span<const Insn> insns, size_t index, const LegalityOptions& options) {
  if (index >= insns.size())
    return fail(EINVAL, "insn {}: the program has {} instructions", index, insns.size());
  const Insn& insn = insns[index];
  const std::span<const Form> forms = forms_of(insn.opcode);
  if (forms.empty()) return fail(EINVAL, "insn {}: unknown opcode {:#04x}", index, insn.opcode);

  const Form* form = form_of(insn);
  if (form == nullptr) {
    // Blame the first field that no form admits after those before it.
    size_t best = 0;
    for (const Form& candidate : forms) best = std::max(best, admitted(candidate, insn));
    const Field& field = kFields[best];
    std::vector<std::string> expected;
    for (const Form& candidate : forms)
      if (admitted(candidate, insn) == best) add_expected(candidate.*field.allowed, expected);
    return illegal(index, insn, "{} is {}, expected {}", field.name, field.get(insn),
                   join_or(expected));
  }
  if (form->since > options.newest) {
    if (form->since == IsaVersion::kNone)
      return illegal(index, insn, "no kernel loads this instruction");
    return illegal(index, insn, "needs ISA v{}, this is v{}", +std::to_underlying(form->since),
                   +std::to_underlying(options.newest));
  }
  return is_ld_imm64(insn) ? check_ld_imm64(insns, index) : Result<>{};
}

Result<> check_insns(std::span<const Insn> insns, const LegalityOptions& options) {
  std::vector<bool> starts(insns.size(), false);
  for (size_t i = 0; i < insns.size(); i += slots_of(insns[i])) {
    SKEP_CHECK(check_insn(insns, i, options));
    starts[i] = true;
  }
  for (size_t i = 0; i < insns.size(); i += slots_of(insns[i])) {
    const Insn& insn = insns[i];
    int64_t target = static_cast<int64_t>(i) + 1;
    if (is_jump(insn))
      target += jump_offset(insn);
    else if (is_pseudo_call(insn) || (is_ld_imm64(insn) && insn.src == BPF_PSEUDO_FUNC))
      target += insn.imm;
    else
      continue;
    if (target < 0 || target >= static_cast<int64_t>(insns.size()))
      return illegal(i, insn, "goes to insn {}, the program has {}", target, insns.size());
    if (!starts[static_cast<size_t>(target)])
      return illegal(i, insn, "goes to insn {}, the second slot of a ld_imm64", target);
  }
  return {};
}

std::string opcode_name(uint8_t opcode) {
  if (forms_of(opcode).empty()) return "unknown";
  static constexpr const char* kClasses[] = {"BPF_LD",  "BPF_LDX", "BPF_ST",    "BPF_STX",
                                             "BPF_ALU", "BPF_JMP", "BPF_JMP32", "BPF_ALU64"};
  static constexpr const char* kAlu[] = {"ADD", "SUB", "MUL", "DIV", "OR",   "AND", "LSH", "RSH",
                                         "NEG", "MOD", "XOR", "MOV", "ARSH", "END", "?",   "?"};
  static constexpr const char* kJmp[] = {"JA",   "JEQ",  "JGT",   "JGE",  "JSET", "JNE",
                                         "JSGT", "JSGE", "CALL",  "EXIT", "JLT",  "JLE",
                                         "JSLT", "JSLE", "JCOND", "?"};
  static constexpr const char* kSizes[] = {"W", "H", "B", "DW"};
  static constexpr const char* kModes[] = {"IMM", "ABS", "IND", "MEM", "MEMSX", "?", "ATOMIC", "?"};
  const Insn insn{.opcode = opcode};
  // Not (alu ? kAlu : kJmp)[…]: GCC 12 with -fsanitize=bounds then always takes element 0.
  const std::string cls = kClasses[insn.cls()];
  if (insn.cls() >= BPF_ALU) {
    const bool alu = insn.cls() == BPF_ALU || insn.cls() == BPF_ALU64;
    const bool end = alu && insn.op() == BPF_END;
    const char* source =
        insn.uses_src_reg() ? (end ? "|BPF_TO_BE" : "|BPF_X") : (end ? "|BPF_TO_LE" : "|BPF_K");
    const bool plain = !alu &&
                       (insn.op() == BPF_JA || insn.op() == BPF_EXIT || insn.op() == BPF_CALL ||
                        insn.op() == BPF_JCOND) &&
                       !insn.uses_src_reg();
    return cls + "|BPF_" + (alu ? kAlu[opcode >> 4] : kJmp[opcode >> 4]) + (plain ? "" : source);
  }
  return cls + "|BPF_" + kModes[opcode >> 5] + "|BPF_" + kSizes[(opcode >> 3) & 3];
}

}  // namespace skep::isa
