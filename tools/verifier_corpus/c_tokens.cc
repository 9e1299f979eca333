#include "c_tokens.h"

#include <cctype>
#include <cstdint>
#include <cstdlib>
#include <set>

namespace skep::corpus {

namespace {

struct Macro {
  bool takes_arguments = false;
  std::vector<std::string> parameters;
  Tokens body;
};
using Macros = std::map<std::string, Macro>;

bool name_char(char c) { return std::isalnum(static_cast<unsigned char>(c)) != 0 || c == '_'; }

char escaped(char c) {
  switch (c) {
    case 'n': return '\n';
    case 't': return '\t';
    default: return c;
  }
}

Tokens tokens_of(std::string_view s) {
  Tokens out;
  constexpr std::string_view kSigns[] = {"##", "<<", ">>", "->", "=="};
  for (size_t i = 0; i < s.size();) {
    const char c = s[i];
    if (std::isspace(static_cast<unsigned char>(c)) != 0 || c == '\\') {
      ++i;
    } else if (s.substr(i, 2) == "//") {
      i = std::min(s.find('\n', i), s.size());
    } else if (s.substr(i, 2) == "/*") {
      const size_t end = s.find("*/", i);
      i = end == std::string_view::npos ? s.size() : end + 2;
    } else if (c == '"') {
      Token token{Token::Kind::text, {}};
      for (++i; i < s.size() && s[i] != '"'; ++i) {
        if (s[i] == '\\' && i + 1 < s.size()) {
          token.value += escaped(s[++i]);
        } else {
          token.value += s[i];
        }
      }
      ++i;
      out.push_back(std::move(token));
    } else if (name_char(c)) {
      const size_t begin = i;
      while (i < s.size() && name_char(s[i])) ++i;
      const bool number = std::isdigit(static_cast<unsigned char>(c)) != 0;
      out.push_back({number ? Token::Kind::number : Token::Kind::name,
                     std::string(s.substr(begin, i - begin))});
    } else {
      size_t length = 1;
      for (std::string_view sign : kSigns) {
        if (s.substr(i, 2) == sign) length = 2;
      }
      out.push_back({Token::Kind::sign, std::string(s.substr(i, length))});
      i += length;
    }
  }
  return out;
}

class Expander {
 public:
  explicit Expander(const Macros& macros) : macros_(macros) {}
  void expand(const Tokens& in, Tokens& out, std::set<std::string> hidden = {}) const {
    for (size_t i = 0; i < in.size(); ++i) {
      const auto found =
          in[i].kind == Token::Kind::name ? macros_.find(in[i].value) : macros_.end();
      if (found == macros_.end() || hidden.contains(in[i].value)) {
        out.push_back(in[i]);
        continue;
      }
      const Macro& macro = found->second;
      std::vector<Tokens> arguments;
      if (macro.takes_arguments) {
        if (i + 1 >= in.size() || !in[i + 1].is("(")) {
          out.push_back(in[i]);
          continue;
        }
        size_t at = i + 1;
        arguments = split_at_commas(inside_brackets(in, at));
        i = at - 1;
      }
      Tokens body = substitute(macro, arguments);
      std::set<std::string> inner = hidden;
      inner.insert(found->first);
      expand(body, out, std::move(inner));
    }
  }

 private:
  static Tokens substitute(const Macro& macro, const std::vector<Tokens>& arguments) {
    Tokens out;
    const auto argument = [&](const std::string& name) -> const Tokens* {
      for (size_t p = 0; p < macro.parameters.size() && p < arguments.size(); ++p) {
        if (macro.parameters[p] == name) return &arguments[p];
      }
      return nullptr;
    };
    for (size_t i = 0; i < macro.body.size(); ++i) {
      const Token& token = macro.body[i];
      if (token.is("#") && i + 1 < macro.body.size()) {
        Token text{Token::Kind::text, {}};
        if (const Tokens* given = argument(macro.body[i + 1].value)) {
          for (const Token& t : *given) text.value += t.value;
        }
        out.push_back(std::move(text));
        ++i;
        continue;
      }
      const bool pastes = token.is("##") && !out.empty() && i + 1 < macro.body.size();
      const Token& part = pastes ? macro.body[++i] : token;
      const Tokens* given = part.kind == Token::Kind::name ? argument(part.value) : nullptr;
      const Tokens whole = given != nullptr ? *given : Tokens{part};
      for (size_t w = 0; w < whole.size(); ++w) {
        if (pastes && w == 0) {
          out.back().value += whole[w].value;
        } else {
          out.push_back(whole[w]);
        }
      }
    }
    return out;
  }
  const Macros& macros_;
};

// Whole lines, continued ones joined.
std::vector<std::string> lines_of(std::string_view source) {
  std::vector<std::string> lines;
  std::string line;
  for (size_t i = 0; i < source.size(); ++i) {
    if (source[i] == '\\' && i + 1 < source.size() && source[i + 1] == '\n') {
      ++i;
      line += ' ';
    } else if (source[i] == '\n') {
      lines.push_back(std::move(line));
      line.clear();
    } else {
      line += source[i];
    }
  }
  lines.push_back(std::move(line));
  return lines;
}

bool define(const std::string& line, Macros& macros) {
  const size_t at = line.find_first_not_of(" \t");
  if (at == std::string::npos || line[at] != '#') return false;
  std::string_view rest = std::string_view(line).substr(at + 1);
  while (!rest.empty() && rest[0] == ' ') rest.remove_prefix(1);
  if (!rest.starts_with("define ") && !rest.starts_with("define\t")) return true;
  rest.remove_prefix(7);
  while (!rest.empty() && std::isspace(static_cast<unsigned char>(rest[0])) != 0)
    rest.remove_prefix(1);
  size_t end = 0;
  while (end < rest.size() && name_char(rest[end])) ++end;
  Macro macro;
  const std::string name(rest.substr(0, end));
  rest.remove_prefix(end);
  macro.takes_arguments = rest.starts_with('(');
  macro.body = tokens_of(rest);
  if (macro.takes_arguments) {
    size_t after = 0;
    for (const Tokens& parameter : split_at_commas(inside_brackets(macro.body, after))) {
      if (!parameter.empty()) macro.parameters.push_back(parameter[0].value);
    }
    macro.body.erase(macro.body.begin(), macro.body.begin() + static_cast<ptrdiff_t>(after));
  }
  macros[name] = std::move(macro);
  return true;
}

int strength(const Token& token) {
  if (token.kind != Token::Kind::sign) return 0;
  if (token.value == "|") return 1;
  if (token.value == "^") return 2;
  if (token.value == "&") return 3;
  if (token.value == "<<" || token.value == ">>") return 4;
  if (token.value == "+" || token.value == "-") return 5;
  if (token.value == "*" || token.value == "/") return 6;
  return 0;
}

bool is_type_name(const std::string& name) {
  static const std::set<std::string> kTypes{"int",   "unsigned", "long",  "char", "short", "__u8",
                                            "__u16", "__u32",    "__u64", "__s8", "__s16", "__s32",
                                            "__s64", "u8",       "u16",   "u32",  "u64"};
  return kTypes.contains(name);
}

}  // namespace

Tokens inside_brackets(const Tokens& tokens, size_t& at) {
  Tokens inside;
  int depth = 0;
  for (; at < tokens.size(); ++at) {
    const bool opens = tokens[at].is("(") || tokens[at].is("{") || tokens[at].is("[");
    const bool closes = tokens[at].is(")") || tokens[at].is("}") || tokens[at].is("]");
    if (closes && --depth == 0) {
      ++at;
      return inside;
    }
    if (depth > 0) inside.push_back(tokens[at]);
    if (opens) ++depth;
  }
  return inside;
}

std::vector<Tokens> split_at_commas(const Tokens& tokens) {
  std::vector<Tokens> parts;
  Tokens part;
  int depth = 0;
  for (const Token& token : tokens) {
    if (token.is("(") || token.is("{") || token.is("[")) ++depth;
    if (token.is(")") || token.is("}") || token.is("]")) --depth;
    if (depth == 0 && token.is(",")) {
      parts.push_back(std::move(part));
      part.clear();
    } else {
      part.push_back(token);
    }
  }
  if (!part.empty()) parts.push_back(std::move(part));
  return parts;
}

Tokens expand_source(std::string_view prelude, std::string_view source) {
  Macros macros;
  std::string text;
  for (std::string_view part : {prelude, source}) {
    for (const std::string& line : lines_of(part)) {
      if (!define(line, macros)) text += line + '\n';
    }
  }
  Tokens out;
  Expander(macros).expand(tokens_of(text), out);
  return out;
}

std::optional<int64_t> Expression::unary(const Tokens& tokens, size_t& at) const {
  if (at >= tokens.size()) return std::nullopt;
  const Token& token = tokens[at];
  if (token.kind == Token::Kind::number) {
    ++at;
    return static_cast<int64_t>(std::strtoull(token.value.c_str(), nullptr, 0));
  }
  if (token.is("-") || token.is("~") || token.is("+")) {
    ++at;
    const auto value = unary(tokens, at);
    if (!value) return value;
    return token.value == "-"   ? static_cast<int64_t>(0 - static_cast<uint64_t>(*value))
           : token.value == "~" ? ~*value
                                : *value;
  }
  if (token.is("(")) {
    const Tokens inner = inside_brackets(tokens, at);
    if (!inner.empty() && is_type_name(inner[0].value)) {
      const auto value = unary(tokens, at);
      const std::string& type = inner.back().value;
      if (value && (type == "__u32" || type == "u32" || type == "unsigned"))
        return static_cast<uint32_t>(*value);
      if (value && (type == "int" || type == "__s32")) return static_cast<int32_t>(*value);
      return value;
    }
    size_t inside = 0;
    return parse(inner, inside);
  }
  if (token.kind != Token::Kind::name) return std::nullopt;
  ++at;
  if (at < tokens.size() && tokens[at].is("("))
    return call(token.value, inside_brackets(tokens, at));
  return name(token.value);
}

std::optional<int64_t> Expression::parse(const Tokens& tokens, size_t& at, int above) const {
  auto left = unary(tokens, at);
  while (left && at < tokens.size() && strength(tokens[at]) > above) {
    const Token op = tokens[at++];
    const auto right = parse(tokens, at, strength(op));
    if (!right) return right;
    const auto a = static_cast<uint64_t>(*left), b = static_cast<uint64_t>(*right);
    if (op.value == "|")
      left = static_cast<int64_t>(a | b);
    else if (op.value == "^")
      left = static_cast<int64_t>(a ^ b);
    else if (op.value == "&")
      left = static_cast<int64_t>(a & b);
    else if (op.value == "<<")
      left = static_cast<int64_t>(a << (b & 63));
    else if (op.value == ">>")
      left = static_cast<int64_t>(a >> (b & 63));
    else if (op.value == "+")
      left = static_cast<int64_t>(a + b);
    else if (op.value == "-")
      left = static_cast<int64_t>(a - b);
    else if (op.value == "*")
      left = static_cast<int64_t>(a * b);
    else
      left = b == 0 ? 0 : *left / *right;
  }
  return left;
}

}  // namespace skep::corpus
