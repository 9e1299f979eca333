#include "lang/token.h"

#include <algorithm>
#include <array>
#include <cctype>

namespace skep::lang {
namespace {

bool name_start(char c) { return std::isalpha(static_cast<unsigned char>(c)) != 0 || c == '_'; }
bool name_part(char c) { return std::isalnum(static_cast<unsigned char>(c)) != 0 || c == '_'; }
bool digit(char c) { return c >= '0' && c <= '9'; }

// Longest first.
constexpr std::array<std::string_view, 37> kSymbols = {
    "<<=", ">>=", "->", "++", "--", "+=", "-=", "*=", "/=", "%=", "&=", "|=", "^=",
    "==",  "!=",  "<=", ">=", "&&", "||", "<<", ">>", "{",  "}",  "(",  ")",  "[",
    "]",   ";",   ",",  "?",  ":",  "=",  "<",  ">",  "!",  "~",  "."};
constexpr std::string_view kOperators = "+-*/%&|^";

}  // namespace

Error error_at(std::string_view source, std::string_view file, Span where, std::string message) {
  size_t offset = std::min<size_t>(where.offset, source.size());
  size_t begin = source.rfind('\n', offset == 0 ? 0 : offset - 1);
  begin = begin == std::string_view::npos || (offset == 0) ? 0 : begin + 1;
  if (begin > offset) begin = offset;
  size_t end = std::min(source.find('\n', offset), source.size());
  auto line = std::count(source.begin(), source.begin() + static_cast<ptrdiff_t>(begin), '\n') + 1;
  std::string text(source.substr(begin, end - begin));
  std::replace(text.begin(), text.end(), '\t', ' ');
  size_t marks = std::clamp<size_t>(where.length, 1, std::max<size_t>(end - offset, 1));
  return Error(EINVAL, fmt::format("{}:{}:{}: {}\n  {}\n  {:{}}{}", file, line, offset - begin + 1,
                                   message, text, "", offset - begin, std::string(marks, '^')));
}

std::unexpected<Error> Lexer::bad(size_t at, size_t length, std::string message) const {
  return std::unexpected(error_at(source_, file_,
                                  {static_cast<uint32_t>(at), static_cast<uint32_t>(length)},
                                  std::move(message)));
}

Token Lexer::take(TokenKind kind, size_t begin) {
  Token token;
  token.kind = kind;
  token.span = {static_cast<uint32_t>(begin), static_cast<uint32_t>(at_ - begin)};
  token.text = source_.substr(begin, at_ - begin);
  return token;
}

Result<> Lexer::skip_blanks() {
  while (at_ < source_.size()) {
    if (std::isspace(static_cast<unsigned char>(source_[at_])) != 0) {
      ++at_;
    } else if (source_.substr(at_, 2) == "//" || (source_[at_] == '#' && at_ == 0)) {
      at_ = std::min(source_.find('\n', at_), source_.size());
    } else if (source_.substr(at_, 2) == "/*") {
      size_t end = source_.find("*/", at_ + 2);
      if (end == std::string_view::npos) return bad(at_, 2, "this comment has no end: expected */");
      at_ = end + 2;
    } else {
      break;
    }
  }
  return {};
}

Result<Token> Lexer::probe() {
  SKEP_CHECK(skip_blanks());
  size_t begin = at_;
  while (at_ < source_.size()) {
    char c = source_[at_];
    if (std::isspace(static_cast<unsigned char>(c)) != 0 || c == ',' || c == '{') break;
    ++at_;
  }
  return take(at_ == begin ? TokenKind::end : TokenKind::name, begin);
}

Result<Token> Lexer::string() {
  size_t begin = at_++;
  std::string text;
  while (at_ < source_.size() && source_[at_] != '"' && source_[at_] != '\n') {
    char c = source_[at_++];
    if (c != '\\') {
      text += c;
      continue;
    }
    char escape = at_ < source_.size() ? source_[at_++] : '\0';
    switch (escape) {
      case 'n': text += '\n'; break;
      case 't': text += '\t'; break;
      case '"':
      case '\\': text += escape; break;
      default: return bad(at_ - 2, 2, "unknown escape: expected \\n, \\t, \\\" or \\\\");
    }
  }
  if (at_ >= source_.size() || source_[at_] != '"')
    return bad(begin, at_ - begin, "this string has no end: expected \"");
  ++at_;
  Token token = take(TokenKind::string, begin);
  token.text = std::move(text);
  return token;
}

Result<Token> Lexer::number() {
  size_t begin = at_;
  unsigned base = 10;
  if (source_.substr(at_, 2) == "0x" || source_.substr(at_, 2) == "0X") {
    base = 16;
    at_ += 2;
  }
  uint64_t value = 0;
  size_t digits = 0;
  for (; at_ < source_.size(); ++at_) {
    char c = source_[at_];
    if (c == '_') continue;
    unsigned d = digit(c) ? static_cast<unsigned>(c - '0')
                 : base == 16 && std::isxdigit(static_cast<unsigned char>(c)) != 0
                     ? static_cast<unsigned>((c | 0x20) - 'a' + 10)
                     : base;
    if (d >= base) break;
    if (value > (UINT64_MAX - d) / base)
      return bad(begin, at_ - begin + 1, "this number does not fit 64 bits");
    value = value * base + d;
    ++digits;
  }
  struct Unit {
    std::string_view name;
    uint64_t factor;
  };
  static constexpr Unit kUnits[] = {
      {"ns", 1}, {"us", 1'000}, {"ms", 1'000'000}, {"s", 1'000'000'000}};
  size_t unit_end = at_;
  while (unit_end < source_.size() && name_part(source_[unit_end])) ++unit_end;
  std::string_view unit = source_.substr(at_, unit_end - at_);
  if (digits == 0) return bad(begin, unit_end - begin, "expected digits behind 0x");
  if (!unit.empty()) {
    const auto* found = std::find_if(std::begin(kUnits), std::end(kUnits),
                                     [&](const Unit& u) { return u.name == unit; });
    if (found == std::end(kUnits))
      return bad(at_, unit.size(),
                 fmt::format("\"{}\" is no unit: expected ns, us, ms or s", unit));
    if (value > UINT64_MAX / found->factor)
      return bad(begin, unit_end - begin, "this time does not fit 64 bits of nanoseconds");
    value *= found->factor;
    at_ = unit_end;
  }
  Token token = take(TokenKind::integer, begin);
  token.value = value;
  return token;
}

Result<Token> Lexer::next() {
  SKEP_CHECK(skip_blanks());
  if (at_ >= source_.size()) return take(TokenKind::end, at_);
  size_t begin = at_;
  char c = source_[at_];
  if (c == '"') return string();
  if (digit(c)) return number();
  if (name_start(c) || c == '@' || c == '$') {
    ++at_;
    while (at_ < source_.size() && name_part(source_[at_])) ++at_;
    TokenKind kind = c == '@' ? TokenKind::map : c == '$' ? TokenKind::variable : TokenKind::name;
    Token token = take(kind, begin);
    if (kind != TokenKind::name) token.text.erase(0, 1);
    if (kind == TokenKind::variable && token.text.empty())
      return bad(begin, 1, "expected a variable's name behind $");
    return token;
  }
  for (std::string_view symbol : kSymbols) {
    if (source_.substr(at_, symbol.size()) != symbol) continue;
    at_ += symbol.size();
    return take(TokenKind::symbol, begin);
  }
  if (kOperators.find(c) != std::string_view::npos) {
    ++at_;
    return take(TokenKind::symbol, begin);
  }
  return bad(begin, 1, "this character begins nothing in the language");
}

}  // namespace skep::lang
