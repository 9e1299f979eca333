#include "lang/parser.h"

#include <algorithm>
#include <array>

namespace skep::lang {
namespace {

// Deeper nesting than anybody writes; recursion must end before the stack does.
constexpr unsigned kMaxDepth = 200;

struct Operator {
  std::string_view text;
  unsigned precedence;
};
// As C has them.
constexpr std::array<Operator, 18> kBinary = {{{"||", 1},
                                               {"&&", 2},
                                               {"|", 3},
                                               {"^", 4},
                                               {"&", 5},
                                               {"==", 6},
                                               {"!=", 6},
                                               {"<", 7},
                                               {">", 7},
                                               {"<=", 7},
                                               {">=", 7},
                                               {"<<", 8},
                                               {">>", 8},
                                               {"+", 9},
                                               {"-", 9},
                                               {"*", 10},
                                               {"/", 10},
                                               {"%", 10}}};
constexpr std::array<std::string_view, 11> kAssignments = {
    "=", "+=", "-=", "*=", "/=", "%=", "&=", "|=", "^=", "<<=", ">>="};

class Parser {
 public:
  Parser(std::string_view source, std::string_view file) : lexer_(source, file) {}

  Result<Script> script() {
    Script script;
    script.source = lexer_.source();
    script.file = lexer_.file();
    while (true) {
      SKEP_TRY(word, lexer_.probe());
      if (word.kind == TokenKind::end) break;
      SKEP_TRY(probe, this->probe(std::move(word)));
      script.probes.push_back(std::move(probe));
    }
    if (script.probes.empty())
      return std::unexpected(
          error_at(lexer_.source(), lexer_.file(), {0, 1}, "expected a probe, found nothing")
              .with_hint("uprobe:libc.so.6:malloc { @[comm] = count(); }"));
    return script;
  }

 private:
  Result<> advance() {
    SKEP_TRY(token, lexer_.next());
    token_ = std::move(token);
    return {};
  }
  [[nodiscard]] bool at(std::string_view symbol) const {
    return token_.kind == TokenKind::symbol && token_.text == symbol;
  }
  [[nodiscard]] std::unexpected<Error> expected(std::string_view what) const {
    std::string found =
        token_.kind == TokenKind::end ? "the end of the text" : fmt::format("\"{}\"", token_.text);
    return std::unexpected(error_at(lexer_.source(), lexer_.file(), token_.span,
                                    fmt::format("expected {}, found {}", what, found)));
  }
  Result<> expect(std::string_view symbol) {
    if (!at(symbol)) return expected(fmt::format("\"{}\"", symbol));
    return advance();
  }

  Result<Probe> probe(Token word) {
    Probe probe;
    while (true) {
      AttachPoint point;
      point.span = word.span;
      point.text = word.text;
      size_t first = point.text.find(':');
      point.provider = point.text.substr(0, first);
      if (first != std::string::npos) {
        size_t last = point.text.rfind(':');
        if (last > first) {
          point.target = point.text.substr(first + 1, last - first - 1);
          point.function = point.text.substr(last + 1);
        } else {
          point.target = point.text.substr(first + 1);
        }
      }
      probe.points.push_back(std::move(point));
      SKEP_CHECK(advance());
      if (!at(",")) break;
      SKEP_TRY(next, lexer_.probe());
      word = std::move(next);
      if (word.kind == TokenKind::end) return expected("a probe behind \",\"");
    }
    if (at("/")) {
      SKEP_CHECK(advance());
      in_predicate_ = true;
      SKEP_TRY(condition, expression());
      in_predicate_ = false;
      probe.predicate = std::move(condition);
      SKEP_CHECK(expect("/"));
    }
    if (!at("{")) return expected("\"{\" or a /predicate/ behind the probe");
    SKEP_TRY(body, block(true));
    probe.body = std::move(body);
    return probe;
  }

  // `last`: what follows the "}" is a probe, not a token.
  Result<std::vector<Statement>> block(bool last = false) {
    if (++depth_ > kMaxDepth) return expected("fewer than 200 blocks in each other");
    SKEP_CHECK(expect("{"));
    std::vector<Statement> statements;
    while (!at("}")) {
      if (at(";")) {
        SKEP_CHECK(advance());
        continue;
      }
      SKEP_TRY(one, statement());
      statements.push_back(std::move(one));
    }
    --depth_;
    if (!last) SKEP_CHECK(advance());
    return statements;
  }

  Result<Statement> statement() {
    Statement statement;
    statement.span = token_.span;
    if (token_.kind == TokenKind::name && token_.text == "if") return condition();
    SKEP_TRY(first, expression());
    bool assignable = first->kind == ExprKind::map || first->kind == ExprKind::variable;
    if (assignable && (at("++") || at("--"))) {
      statement.kind = StatementKind::assign;
      statement.op = at("++") ? "+=" : "-=";
      statement.value = std::make_unique<Expr>();
      statement.value->span = token_.span;
      statement.value->value = 1;
      statement.target = std::move(first);
      SKEP_CHECK(advance());
    } else if (assignable && token_.kind == TokenKind::symbol &&
               std::find(kAssignments.begin(), kAssignments.end(), token_.text) !=
                   kAssignments.end()) {
      statement.kind = StatementKind::assign;
      statement.op = token_.text;
      statement.target = std::move(first);
      SKEP_CHECK(advance());
      SKEP_TRY(value, expression());
      statement.value = std::move(value);
    } else {
      statement.kind = StatementKind::expression;
      statement.value = std::move(first);
    }
    // The last statement of a block may go without.
    if (!at("}")) SKEP_CHECK(expect(";"));
    return statement;
  }

  Result<Statement> condition() {
    if (++depth_ > kMaxDepth) return expected("fewer than 200 conditions in each other");
    Statement statement;
    statement.kind = StatementKind::condition;
    statement.span = token_.span;
    SKEP_CHECK(advance());
    SKEP_CHECK(expect("("));
    SKEP_TRY(value, expression());
    statement.value = std::move(value);
    SKEP_CHECK(expect(")"));
    SKEP_TRY(then_part, block());
    statement.then_part = std::move(then_part);
    if (token_.kind == TokenKind::name && token_.text == "else") {
      SKEP_CHECK(advance());
      if (token_.kind == TokenKind::name && token_.text == "if") {
        SKEP_TRY(nested, condition());
        statement.else_part.push_back(std::move(nested));
      } else {
        SKEP_TRY(else_part, block());
        statement.else_part = std::move(else_part);
      }
    }
    --depth_;
    return statement;
  }

  Result<ExprPtr> expression() {
    if (++depth_ > kMaxDepth) return expected("an expression less deep");
    SKEP_TRY(condition, binary(1));
    ExprPtr result = std::move(condition);
    if (at("?")) {
      auto choice = make(ExprKind::ternary, result->span);
      SKEP_CHECK(advance());
      SKEP_TRY(yes, expression());
      SKEP_CHECK(expect(":"));
      SKEP_TRY(no, expression());
      choice->operands.push_back(std::move(result));
      choice->operands.push_back(std::move(yes));
      choice->operands.push_back(std::move(no));
      result = std::move(choice);
    }
    --depth_;
    return result;
  }

  Result<ExprPtr> binary(unsigned lowest) {
    SKEP_TRY(first, unary());
    ExprPtr left = std::move(first);
    while (token_.kind == TokenKind::symbol) {
      const auto* op = std::find_if(kBinary.begin(), kBinary.end(),
                                    [&](const Operator& o) { return o.text == token_.text; });
      if (op == kBinary.end() || op->precedence < lowest) break;
      // The predicate's end, not a division: divide in parentheses there.
      if (in_predicate_ && parentheses_ == 0 && op->text == "/") break;
      auto node = make(ExprKind::binary, token_.span);
      node->text = op->text;
      SKEP_CHECK(advance());
      SKEP_TRY(right, binary(op->precedence + 1));
      node->operands.push_back(std::move(left));
      node->operands.push_back(std::move(right));
      left = std::move(node);
    }
    return left;
  }

  Result<ExprPtr> unary() {
    if (at("-") || at("!") || at("~")) {
      if (++depth_ > kMaxDepth) return expected("an expression less deep");
      auto node = make(ExprKind::unary, token_.span);
      node->text = token_.text;
      SKEP_CHECK(advance());
      SKEP_TRY(operand, unary());
      node->operands.push_back(std::move(operand));
      --depth_;
      return node;
    }
    return primary();
  }

  Result<> list(std::string_view end, std::vector<ExprPtr>& into) {
    ++parentheses_;
    while (!at(end)) {
      SKEP_TRY(one, expression());
      into.push_back(std::move(one));
      if (!at(",")) break;
      SKEP_CHECK(advance());
    }
    --parentheses_;
    return expect(end);
  }

  Result<ExprPtr> primary() {
    ExprPtr node = make(ExprKind::integer, token_.span);
    node->text = token_.text;
    node->value = token_.value;
    switch (token_.kind) {
      case TokenKind::integer: SKEP_CHECK(advance()); return node;
      case TokenKind::string:
        node->kind = ExprKind::string;
        SKEP_CHECK(advance());
        return node;
      case TokenKind::variable:
        node->kind = ExprKind::variable;
        SKEP_CHECK(advance());
        return node;
      case TokenKind::map:
        node->kind = ExprKind::map;
        SKEP_CHECK(advance());
        if (at("[")) {
          SKEP_CHECK(advance());
          if (at("]")) return expected("a key");
          SKEP_CHECK(list("]", node->operands));
        }
        return node;
      case TokenKind::name: {
        node->kind = ExprKind::builtin;
        SKEP_CHECK(advance());
        if (node->text == "args" && (at(".") || at("->"))) {
          SKEP_CHECK(advance());
          if (token_.kind != TokenKind::name) return expected("a field's name");
          node->text += "." + token_.text;
          node->span.length = token_.span.offset + token_.span.length - node->span.offset;
          SKEP_CHECK(advance());
          return node;
        }
        if (!at("(")) return node;
        node->kind = ExprKind::call;
        SKEP_CHECK(advance());
        SKEP_CHECK(list(")", node->operands));
        return node;
      }
      case TokenKind::symbol:
        if (at("(")) {
          SKEP_CHECK(advance());
          ++parentheses_;
          SKEP_TRY(inner, expression());
          --parentheses_;
          SKEP_CHECK(expect(")"));
          return std::move(inner);
        }
        return expected("an expression");
      case TokenKind::end: return expected("an expression");
    }
    return expected("an expression");
  }

  static ExprPtr make(ExprKind kind, Span span) {
    auto node = std::make_unique<Expr>();
    node->kind = kind;
    node->span = span;
    return node;
  }

  Lexer lexer_;
  Token token_;
  unsigned depth_ = 0;
  unsigned parentheses_ = 0;
  bool in_predicate_ = false;
};

}  // namespace

Result<Script> parse(std::string_view source, std::string_view file) {
  return Parser(source, file).script();
}

}  // namespace skep::lang
