// Words of the tracing language, and where they stand in the text.
//
//   uprobe:libc.so.6:malloc /pid == 42/ { @bytes[comm] = sum(arg0); }
//
// A probe's name ("uprobe:…", up to white space, ',', '{' or a '/' that begins a predicate) is one word of its own:
// paths in it hold what would be operators elsewhere, so the parser asks for it with probe().
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "base/result.h"

namespace skep::lang {

struct Span {
  uint32_t offset = 0, length = 0;  // bytes
};

enum class TokenKind : uint8_t { end, name, map, variable, integer, string, symbol };

struct Token {
  TokenKind kind = TokenKind::end;
  Span span;
  std::string
      text;  // of names without their @ or $; of strings with escapes resolved; of symbols as written
  uint64_t value = 0;
};

// "FILE:1:8: MESSAGE", the line and a mark under the place. EINVAL.
[[nodiscard]] Error error_at(std::string_view source, std::string_view file, Span where,
                             std::string message);

class Lexer {
 public:
  Lexer(std::string_view source, std::string_view file) : source_(source), file_(file) {}
  // The next word. EINVAL where the text has none: an unknown character, a string without its end.
  [[nodiscard]] Result<Token> next();
  // A probe's name; empty where none stands here.
  [[nodiscard]] Result<Token> probe();
  [[nodiscard]] std::string_view source() const { return source_; }
  [[nodiscard]] std::string_view file() const { return file_; }

 private:
  Result<> skip_blanks();
  Result<Token> string();
  Result<Token> number();
  Token take(TokenKind kind, size_t begin);
  [[nodiscard]] std::unexpected<Error> bad(size_t at, size_t length, std::string message) const;

  std::string_view source_, file_;
  size_t at_ = 0;
};

}  // namespace skep::lang
