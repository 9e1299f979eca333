// What a program of the tracing language is made of. Passive data: the parser makes it, analysis.cc adds what each
// expression is, codegen.cc reads it.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "lang/token.h"

namespace skep::lang {

// A value's type. Aggregations are what maps hold, never what an expression yields.
enum class Type : uint8_t { unknown, integer, string, count, sum, min, max, avg, hist };
[[nodiscard]] constexpr bool is_aggregation(Type type) { return type >= Type::count; }
[[nodiscard]] std::string_view type_name(Type type);

// Bytes of a string: text, then zeros to the end.
inline constexpr uint32_t kStringSize = 64;

enum class ExprKind : uint8_t {
  integer,
  string,
  builtin,
  variable,
  map,
  call,
  unary,
  binary,
  ternary
};

struct Expr {
  ExprKind kind{};
  Span span;
  std::string text;  // name of builtins, calls, maps, variables; operator; a string's content
  uint64_t value = 0;
  std::vector<std::unique_ptr<Expr>> operands;  // of a map: its keys
  // Analysis:
  Type type = Type::unknown;
  uint32_t index = 0;  // of maps and variables, into the program's tables; of printf formats
};
using ExprPtr = std::unique_ptr<Expr>;

enum class StatementKind : uint8_t { expression, assign, condition };

struct Statement {
  StatementKind kind{};
  Span span;
  std::string op;  // of assign: "=", "+=", …
  ExprPtr target;  // of assign
  ExprPtr value;   // expression, assigned value, condition
  std::vector<Statement> then_part, else_part;
};

struct AttachPoint {
  Span span;
  std::string text;  // as written
  std::string provider, target, function;
  // Analysis: what SEC() would say.
  std::string section;
  bool is_return = false;   // retval is there
  bool is_syscall = false;  // a system call's tracepoint
  bool has_arguments = false;
};

struct Probe {
  std::vector<AttachPoint> points;
  ExprPtr predicate;  // may be null
  std::vector<Statement> body;
};

struct MapInfo {
  std::string name;  // without @; "" for @ alone
  Span first_use;
  Type type = Type::unknown;
  bool keys_known = false;
  std::vector<Type> keys;
  std::vector<std::string> key_names;
};
struct VariableInfo {
  std::string name;
  Type type = Type::unknown;
};

struct Script {
  std::string source, file;
  std::vector<Probe> probes;
  // Analysis:
  std::vector<MapInfo> maps;
  std::vector<std::vector<VariableInfo>> variables;  // of each probe
};

}  // namespace skep::lang
