// Files, directives and names of the grammar in assembler.h; statements are in asm_statements.cc.
#include "isa/assembler.h"

#include <fmt/format.h>

#include <limits>

#include "isa/asm_parser.h"
#include "isa/legality.h"

namespace skep::isa {
namespace asm_detail {
namespace {

// "12:" and "(b7)" of a verifier log, as the number of characters to skip.
size_t log_prefix(std::string_view line) {
  const auto spaces = [&](size_t at) {
    while (at < line.size() && (line[at] == ' ' || line[at] == '\t')) ++at;
    return at;
  };
  size_t at = spaces(0);
  size_t digits = at;
  while (digits < line.size() && line[digits] >= '0' && line[digits] <= '9') ++digits;
  if (digits > at && digits < line.size() && line[digits] == ':') at = spaces(digits + 1);
  const auto hex = [](char c) { return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'f'); };
  if (line.size() - at >= 4 && line[at] == '(' && hex(line[at + 1]) && hex(line[at + 2]) &&
      line[at + 3] == ')')
    at = spaces(at + 4);
  return at;
}

}  // namespace

Result<Assembly> Parser::run(std::string_view text) {
  bool open_comment = false;
  const std::string code = without_comments(text, &open_comment);
  std::string_view rest = code;
  while (!rest.empty() && !error_) {
    const size_t newline = rest.find('\n');
    ++line_;
    line(rest.substr(0, newline));
    rest = newline == std::string_view::npos ? std::string_view{} : rest.substr(newline + 1);
  }
  if (!error_ && open_comment) error_at(1, "a /* comment has no */ before the end of the file");
  if (!error_ && finish_program()) resolve_maps();
  if (error_) return std::unexpected<Error>(*error_);
  return std::move(out_);
}

bool Parser::line(std::string_view text) {
  // Blank the prefix instead of cutting it off, so that columns stay.
  std::string blanked;
  if (const size_t prefix = log_prefix(text); prefix > 0) {
    blanked = std::string(prefix, ' ') + std::string(text.substr(prefix));
    text = blanked;
  }
  auto tokens = tokenize(text);
  if (!tokens) {
    error_ = Error(EINVAL, fmt::format("{}:{}", line_, tokens.error().message()));
    return false;
  }
  tokens_ = std::move(*tokens);
  next_ = 0;
  while (peek().kind == Token::Kind::kWord && peek(1).is(":")) {  // labels
    const Token name = take();
    take();
    AsmProgram& owner = program();
    const auto at = static_cast<uint32_t>(owner.insns.size());
    if (as_register(name))
      return error_at(name.column, fmt::format("a register can't name a label: {}", name.shown()));
    if (!labels_.emplace(name.text, at).second)
      return error_at(name.column, fmt::format("label {} is already defined", name.shown()));
    owner.labels.push_back({std::string(name.text), at, false});
  }
  if (peek().kind == Token::Kind::kEnd) return true;
  statement_column_ = peek().column;
  if (peek().kind == Token::Kind::kWord && peek().text.starts_with('.')) return directive();
  return statement() && end_of_line();
}

bool Parser::end_of_line() {
  return peek().kind == Token::Kind::kEnd || expected("the end of the statement");
}

AsmProgram& Parser::program() {
  if (!in_program_) {
    in_program_ = true;
    out_.programs.push_back({.section = section_, .name = "main", .line = line_});
  }
  return out_.programs.back();
}

bool Parser::emit(const Insn& insn) {
  const LegalityOptions options{.newest = options_.callx ? IsaVersion::kNone : IsaVersion::kV4};
  if (!is_ld_imm64(insn)) {
    if (auto legal = check_insn({&insn, 1}, 0, options); !legal) {
      std::string_view message = legal.error().message();
      message.remove_prefix(std::min(message.size(), message.find(": ") + 2));
      return error_at(statement_column_, std::string(message));
    }
  }
  AsmProgram& to = program();
  to.insns.push_back(insn);
  to.lines.push_back(line_);
  return true;
}

bool Parser::emit64(const Insn& low, int32_t high) {
  Insn first = low;
  first.opcode = BPF_LD | BPF_IMM | BPF_DW;
  if (!emit(first)) return false;
  AsmProgram& to = program();
  to.insns.push_back({.imm = high});
  to.lines.push_back(line_);
  return true;
}

// --- directives

bool Parser::directive() {
  const Token name = take();
  const auto text = [&](std::string& out) {
    if (peek().kind != Token::Kind::kWord && peek().kind != Token::Kind::kString)
      return expected("a name or a string");
    out = std::string(take().text);
    return true;
  };
  if (name.text == ".license") return text(out_.license) && end_of_line();
  if (name.text == ".map") return map_directive();
  if (name.text == ".section") {
    if (!finish_program()) return false;
    // SEC names have slashes and more, which an unquoted name can't.
    return text(section_) && end_of_line();
  }
  if (name.text == ".prog") {
    std::string program_name;
    if (!finish_program() || !text(program_name)) return false;
    program().name = program_name;
    return end_of_line();
  }
  if (name.text == ".func") {
    const Token at = peek();
    std::string function;
    if (!text(function)) return false;
    AsmProgram& owner = program();
    const auto start = static_cast<uint32_t>(owner.insns.size());
    if (!labels_.emplace(function, start).second)
      return error_at(at.column, fmt::format("label {} is already defined", at.shown()));
    owner.labels.push_back({function, start, true});
    return end_of_line();
  }
  return error_at(
      name.column,
      fmt::format("unknown directive {}; there are .license, .map, .section, .prog and .func",
                  name.shown()));
}

bool Parser::map_directive() {
  AsmMap map{.line = line_};
  const Token name = peek();
  if (name.kind != Token::Kind::kWord) return expected("a map's name");
  take();
  map.name = std::string(name.text);
  for (const AsmMap& other : out_.maps)
    if (other.name == map.name)
      return error_at(name.column, fmt::format("map {} is already declared in line {}",
                                               name.shown(), other.line));
  if (!expect(",")) return false;
  if (peek().kind != Token::Kind::kWord && peek().kind != Token::Kind::kNumber)
    return expected("a map type");
  map.type = std::string(take().text);
  const auto size = [&](uint32_t& to, const char* what) {
    int64_t value = 0;
    if (!expect(",") || !number(0, UINT32_MAX, value, what)) return false;
    to = static_cast<uint32_t>(value);
    return true;
  };
  if (!size(map.key_size, "the key's size") || !size(map.value_size, "the value's size") ||
      !size(map.max_entries, "the number of entries"))
    return false;
  if (peek().is(",") && !size(map.flags, "map flags")) return false;
  out_.maps.push_back(std::move(map));
  return end_of_line();
}

// --- names

bool Parser::finish_program() {
  if (!in_program_) return true;
  in_program_ = false;
  AsmProgram& done = out_.programs.back();
  if (done.insns.empty()) {
    return error_in(done.line, 1, fmt::format("program '{}' has no instructions", done.name));
  }
  for (const NameUse& use : uses_) {
    const auto label = labels_.find(use.name);
    Insn& insn = done.insns[use.insn];
    const bool is_map = use.kind == NameUse::Kind::kMap ||
                        (use.kind == NameUse::Kind::kMapOrFunction && label == labels_.end());
    if (is_map) {
      map_uses_.push_back({out_.programs.size() - 1, use});
      continue;
    }
    if (label == labels_.end())
      return error_in(
          use.line, use.column,
          fmt::format("no {} is named '{}'",
                      use.kind == NameUse::Kind::kCall ? "helper and no label" : "label",
                      use.name));
    const int64_t relative = int64_t{label->second} - use.insn - 1;
    if (label->second >= done.insns.size())
      return error_in(use.line, use.column,
                      fmt::format("label '{}' is past the last instruction", use.name));
    if (use.kind == NameUse::Kind::kMapOrFunction) insn.src = BPF_PSEUDO_FUNC;
    if (use.kind != NameUse::Kind::kJump || is_gotol(insn)) {
      insn.imm = static_cast<int32_t>(relative);
    } else if (relative < INT16_MIN || relative > INT16_MAX) {
      return error_in(use.line, use.column,
                      fmt::format("'{}' is {} instructions away, a jump reaches 32767: use gotol",
                                  use.name, relative));
    } else {
      insn.off = static_cast<int16_t>(relative);
    }
  }
  uses_.clear();
  labels_.clear();
  return true;
}

bool Parser::resolve_maps() {
  for (const MapUse& item : map_uses_) {
    size_t index = 0;
    while (index < out_.maps.size() && out_.maps[index].name != item.use.name) ++index;
    if (index == out_.maps.size())
      return error_in(item.use.line, item.use.column,
                      fmt::format("no .map declares '{}'", item.use.name));
    out_.programs[item.program].insns[item.use.insn].imm = static_cast<int32_t>(index);
  }
  return true;
}

}  // namespace asm_detail

Result<Assembly> assemble(std::string_view text, const AsmOptions& options) {
  return asm_detail::Parser(options).run(text);
}

Result<std::vector<Insn>> assemble_insns(std::string_view text, const AsmOptions& options) {
  SKEP_TRY(assembly, assemble(text, options));
  if (assembly.programs.size() != 1 || !assembly.maps.empty())
    return fail(EINVAL, "expected one program and no maps, found {} programs and {} maps",
                assembly.programs.size(), assembly.maps.size());
  return std::move(assembly.programs[0].insns);
}

}  // namespace skep::isa
