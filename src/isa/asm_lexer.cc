#include "isa/asm_lexer.h"

#include <fmt/format.h>

namespace skep::isa {
namespace {

bool is_digit(char c) { return c >= '0' && c <= '9'; }
bool is_space(char c) { return c == ' ' || c == '\t' || c == '\r' || c == '\f' || c == '\v'; }
bool is_word_start(char c) {
  return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '_' || c == '.' || c == '$';
}
bool is_word(char c) { return is_word_start(c) || is_digit(c); }
int hex_digit(char c) {
  if (is_digit(c)) return c - '0';
  if (c >= 'a' && c <= 'f') return c - 'a' + 10;
  if (c >= 'A' && c <= 'F') return c - 'A' + 10;
  return -1;
}

// Longest first.
constexpr std::string_view kPuncts[] = {
    "s>>=", "s>=", "s<=", "s/=", "s%=", "s>", "s<", "<<=", ">>=", "+=", "-=", "*=",
    "/=",   "|=",  "&=",  "%=",  "^=",  "==", "!=", ">=",  "<=",  ">",  "<",  "&",
    "=",    "(",   ")",   "[",   "]",   "*",  ",",  ":",   "+",   "-",  "#",  "@"};

std::string printable(std::string_view text) {
  std::string out;
  for (char c : text.substr(0, 40)) {
    if (static_cast<unsigned char>(c) < 0x20 || static_cast<unsigned char>(c) >= 0x7f)
      out += fmt::format("\\x{:02x}", static_cast<unsigned char>(c));
    else
      out += c;
  }
  return text.size() > 40 ? out + "…" : out;
}

// Reads a number at line[at]; its length, or 0 with `error` set.
size_t read_number(std::string_view line, size_t at, uint64_t& value, std::string& error) {
  size_t end = at;
  const bool hex =
      line.size() - at > 1 && line[at] == '0' && (line[at + 1] == 'x' || line[at + 1] == 'X');
  const unsigned base = hex ? 16 : 10;
  if (hex) end += 2;
  const size_t digits = end;
  value = 0;
  bool overflow = false;
  for (; end < line.size(); ++end) {
    const int digit = hex_digit(line[end]);
    if (digit < 0 || static_cast<unsigned>(digit) >= base) break;
    overflow |= __builtin_mul_overflow(value, base, &value);
    overflow |= __builtin_add_overflow(value, static_cast<unsigned>(digit), &value);
  }
  size_t whole = end;
  while (whole < line.size() && is_word(line[whole])) ++whole;
  if (end == digits || whole != end)
    error = fmt::format("'{}' is not a number", printable(line.substr(at, whole - at)));
  else if (overflow)
    error = fmt::format("{} does not fit 64 bits", printable(line.substr(at, end - at)));
  return error.empty() ? end - at : 0;
}

}  // namespace

std::string Token::shown() const {
  if (kind == Kind::kEnd) return "the end of the line";
  if (kind == Kind::kString) return "a string";
  return "'" + printable(text) + "'";
}

std::string without_comments(std::string_view text, bool* ends_in_comment) {
  std::string out(text);
  enum { kCode, kString, kLine, kBlock } state = kCode;
  for (size_t i = 0; i < out.size(); ++i) {
    const char c = out[i];
    const char next = i + 1 < out.size() ? out[i + 1] : '\0';
    if (c == '\n') {
      if (state != kBlock) state = kCode;
      continue;
    }
    switch (state) {
      case kCode:
        if (c == '"') {
          state = kString;
        } else if (c == ';' || (c == '/' && next == '/') ||
                   (c == '#' && (i == 0 || out[i - 1] == '\n' || is_space(out[i - 1])))) {
          state = kLine;
          out[i] = ' ';
        } else if (c == '/' && next == '*') {
          state = kBlock;
          out[i] = out[i + 1] = ' ';
          ++i;
        }
        break;
      case kString:
        if (c == '"') state = kCode;
        break;
      case kLine: out[i] = ' '; break;
      case kBlock:
        out[i] = ' ';
        if (c == '*' && next == '/') {
          out[++i] = ' ';
          state = kCode;
        }
        break;
    }
  }
  *ends_in_comment = state == kBlock;
  return out;
}

Result<std::vector<Token>> tokenize(std::string_view line) {
  std::vector<Token> tokens;
  size_t at = 0;
  while (at < line.size()) {
    const char c = line[at];
    if (is_space(c)) {
      ++at;
      continue;
    }
    Token token{.column = static_cast<uint32_t>(at + 1)};
    if (is_digit(c)) {
      std::string error;
      const size_t length = read_number(line, at, token.value, error);
      if (length == 0) return fail(EINVAL, "{}: {}", token.column, error);
      token.kind = Token::Kind::kNumber;
      token.text = line.substr(at, length);
      at += length;
    } else if (c == '"') {
      const size_t close = line.find('"', at + 1);
      if (close == std::string_view::npos)
        return fail(EINVAL, "{}: this string has no closing quote", token.column);
      token.kind = Token::Kind::kString;
      token.text = line.substr(at + 1, close - at - 1);
      at = close + 1;
    } else {
      token.kind = Token::Kind::kPunct;
      for (std::string_view punct : kPuncts) {
        if (line.substr(at).starts_with(punct)) {
          token.text = punct;
          break;
        }
      }
      if (token.text.empty() && is_word_start(c)) {
        size_t end = at;
        while (end < line.size() && is_word(line[end])) ++end;
        token.kind = Token::Kind::kWord;
        token.text = line.substr(at, end - at);
      }
      if (token.text.empty())
        return fail(EINVAL, "{}: unexpected character '{}'", token.column,
                    printable(line.substr(at, 1)));
      at += token.text.size();
    }
    tokens.push_back(token);
  }
  tokens.push_back({.column = static_cast<uint32_t>(line.size() + 1)});
  return tokens;
}

}  // namespace skep::isa
