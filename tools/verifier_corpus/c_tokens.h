// As much of C as tables of initialisers need: tokens, macros (with # and ##), constant expressions.
#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace skep::corpus {

struct Token {
  enum class Kind : uint8_t { name, number, text, sign } kind{};
  std::string value;  // text: without quotes and escapes
  [[nodiscard]] bool is(std::string_view sign) const { return kind == Kind::sign && value == sign; }
};
using Tokens = std::vector<Token>;

// Tokens of `source`, with its macros (and those of `prelude`) expanded.
[[nodiscard]] Tokens expand_source(std::string_view prelude, std::string_view source);

// From `at` on, of one constant expression; none where it is no such thing. Moves `at` behind it.
class Expression {
 public:
  // A name's value; a call's (offsetof, sizeof), whose tokens are given.
  std::function<std::optional<int64_t>(const std::string&)> name;
  std::function<std::optional<int64_t>(const std::string&, const Tokens&)> call;
  [[nodiscard]] std::optional<int64_t> parse(const Tokens& tokens, size_t& at, int above = 0) const;

 private:
  [[nodiscard]] std::optional<int64_t> unary(const Tokens& tokens, size_t& at) const;
};

// Tokens inside the bracket that opens at `at`; moves `at` behind its end.
[[nodiscard]] Tokens inside_brackets(const Tokens& tokens, size_t& at);
// Split at commas that are in no bracket.
[[nodiscard]] std::vector<Tokens> split_at_commas(const Tokens& tokens);

}  // namespace skep::corpus
