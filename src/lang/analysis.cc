#include "lang/analysis.h"

#include <algorithm>
#include <array>
#include <span>

#include "spec/lookup.h"

namespace skep::lang {
namespace {

// clang-format off
constexpr std::array<Builtin, 19> kBuiltins = {{
    {"pid", Type::integer, Availability::always, "process id"},
    {"tid", Type::integer, Availability::always, "thread id"},
    {"uid", Type::integer, Availability::always, "user id"},
    {"gid", Type::integer, Availability::always, "group id"},
    {"comm", Type::string, Availability::always, "name of the thread"},
    {"nsecs", Type::integer, Availability::always, "nanoseconds since boot"},
    {"cpu", Type::integer, Availability::always, "CPU (user engine: slot) number"},
    {"rand", Type::integer, Availability::always, "a random number of 32 bits"},
    {"probe", Type::string, Availability::always, "the probe as written"},
    {"func", Type::string, Availability::always, "the probed function or tracepoint"},
    {"arg0", Type::integer, Availability::arguments, "first argument"},
    {"arg1", Type::integer, Availability::arguments, "second argument"},
    {"arg2", Type::integer, Availability::arguments, "third argument"},
    {"arg3", Type::integer, Availability::arguments, "fourth argument"},
    {"arg4", Type::integer, Availability::arguments, "fifth argument"},
    {"arg5", Type::integer, Availability::arguments, "sixth argument"},
    {"retval", Type::integer, Availability::returned, "what was returned"},
    {"args.ret", Type::integer, Availability::returned, "what was returned"},
    {"args.id", Type::integer, Availability::syscall, "number of the system call"},
}};
constexpr std::array<Function, 9> kFunctions = {{
    {"count", Type::count, 0, 0, "@x = count(): how often"},
    {"sum", Type::sum, 1, 1, "@x = sum(n): added up"},
    {"min", Type::min, 1, 1, "@x = min(n): the least"},
    {"max", Type::max, 1, 1, "@x = max(n): the greatest"},
    {"avg", Type::avg, 1, 1, "@x = avg(n): the mean"},
    {"hist", Type::hist, 1, 1, "@x = hist(n): a histogram by powers of two"},
    {"str", Type::string, 1, 1, "the string at an address of the process"},
    {"printf", Type::unknown, 1, 13, "prints a line"},
    {"delete", Type::unknown, 1, 1, "delete(@x[key]): takes the element away"},
}};
// clang-format on

struct ProviderName {
  std::string_view name, full;
};
constexpr std::array<ProviderName, 8> kProviders = {{{"uprobe", "uprobe"},
                                                     {"u", "uprobe"},
                                                     {"uretprobe", "uretprobe"},
                                                     {"ur", "uretprobe"},
                                                     {"tracepoint", "tracepoint"},
                                                     {"t", "tracepoint"},
                                                     {"rawtracepoint", "rawtracepoint"},
                                                     {"rt", "rawtracepoint"}}};

template <class Row>
std::string suggestion(std::string_view wanted, std::span<const Row> rows) {
  std::string_view close = spec::closest_name<Row>(wanted, rows, &Row::name);
  if (!close.empty()) return fmt::format("did you mean {}?", close);
  std::string all;
  for (const Row& row : rows) all += (all.empty() ? "" : ", ") + std::string(row.name);
  return "there are: " + all;
}

class Analysis {
 public:
  explicit Analysis(Script& script) : script_(script) {}

  Result<> run() {
    for (Probe& probe : script_.probes) {
      for (AttachPoint& point : probe.points) SKEP_CHECK(attach_point(point));
    }
    // The first round finds out what maps and variables hold, which may be used above their assignment.
    for (lenient_ = true;; lenient_ = false) {
      script_.variables.assign(script_.probes.size(), {});
      for (size_t i = 0; i < script_.probes.size(); ++i) {
        probe_ = &script_.probes[i];
        variables_ = &script_.variables[i];
        if (probe_->predicate) {
          SKEP_TRY(type, expression(*probe_->predicate));
          if (type != Type::integer && type != Type::unknown)
            return error(probe_->predicate->span, "a predicate is a number; this is a string");
        }
        SKEP_CHECK(statements(probe_->body));
      }
      if (!lenient_) break;
    }
    for (const MapInfo& map : script_.maps) {
      if (map.type == Type::unknown)
        return error(map.first_use, fmt::format("@{} is never assigned", map.name));
    }
    return {};
  }

 private:
  [[nodiscard]] std::unexpected<Error> error(Span where, std::string message,
                                             std::string hint = {}) const {
    Error made = error_at(script_.source, script_.file, where, std::move(message));
    if (hint.empty()) return std::unexpected(std::move(made));
    return std::unexpected(std::move(made).with_hint(std::move(hint)));
  }

  Result<> attach_point(AttachPoint& point) {
    const auto* row = std::find_if(kProviders.begin(), kProviders.end(),
                                   [&](const ProviderName& p) { return p.name == point.provider; });
    if (row == kProviders.end()) {
      return error(point.span, fmt::format("there is no provider \"{}\"", point.provider),
                   suggestion<ProviderName>(point.provider, kProviders));
    }
    point.provider = row->full;
    if (point.target.find('*') != std::string::npos ||
        point.function.find('*') != std::string::npos)
      return error(point.span, "a probe names one place: patterns are not taken here");
    if (point.provider == "rawtracepoint") {
      if (point.target.empty() || !point.function.empty())
        return error(point.span, "expected rawtracepoint:NAME");
      point.function = point.target;
      point.section = "raw_tp/" + point.target;
      return {};
    }
    if (point.target.empty() || point.function.empty()) {
      return error(point.span, point.provider == "tracepoint"
                                   ? "expected tracepoint:CATEGORY:NAME"
                                   : fmt::format("expected {}:BINARY:FUNCTION", point.provider));
    }
    if (point.provider == "tracepoint") {
      point.section = "tracepoint/" + point.target + "/" + point.function;
      point.is_syscall = point.target == "syscalls" || point.target == "raw_syscalls";
      bool exit = point.function.starts_with("sys_exit");
      point.is_return = point.is_syscall && exit;
      point.has_arguments = point.is_syscall && !exit;
      return {};
    }
    point.is_return = point.provider == "uretprobe";
    point.has_arguments = !point.is_return;
    point.section = point.provider + "/" + point.target + ":" + point.function;
    return {};
  }

  Result<> statements(std::vector<Statement>& list) {
    for (Statement& one : list) SKEP_CHECK(statement(one));
    return {};
  }

  Result<> statement(Statement& one) {
    switch (one.kind) {
      case StatementKind::condition: {
        SKEP_TRY(type, expression(*one.value));
        if (type == Type::string)
          return error(one.value->span, "a condition is a number; this is a string");
        SKEP_CHECK(statements(one.then_part));
        return statements(one.else_part);
      }
      case StatementKind::expression: {
        Expr& call = *one.value;
        if (call.kind != ExprKind::call || (call.text != "printf" && call.text != "delete")) {
          return error(call.span,
                       "this has no effect: expected an assignment, printf() or delete()");
        }
        SKEP_CHECK(statement_call(call));
        return {};
      }
      case StatementKind::assign: return assign(one);
    }
    return {};
  }

  Result<> statement_call(Expr& call) {
    SKEP_CHECK(arity(call));
    if (call.text == "delete") {
      Expr& map = *call.operands.front();
      if (map.kind != ExprKind::map)
        return error(map.span, "expected a map's element, as in delete(@x[tid])");
      SKEP_CHECK(map_use(map));
      return {};
    }
    Expr& format = *call.operands.front();
    if (format.kind != ExprKind::string)
      return error(format.span, "the first argument of printf is a string literal");
    return check_format(call);
  }

  // Each conversion takes one argument of its kind.
  Result<> check_format(Expr& call) {
    const std::string& format = call.operands.front()->text;
    size_t argument = 1;
    for (size_t i = 0; i < format.size(); ++i) {
      if (format[i] != '%') continue;
      if (i + 1 < format.size() && format[i + 1] == '%') {
        ++i;
        continue;
      }
      size_t end = format.find_first_not_of("-+ 0123456789", i + 1);
      while (end < format.size() && format[end] == 'l') ++end;
      char conversion = end < format.size() ? format[end] : '\0';
      if (conversion == '\0' ||
          std::string_view("diuxXscp").find(conversion) == std::string_view::npos) {
        return error(call.operands.front()->span,
                     fmt::format("\"{}\" is no conversion", format.substr(i, end - i + 1)),
                     "there are: %d %i %u %x %X %c %p %s %%, with flags and width");
      }
      if (argument >= call.operands.size()) {
        return error(call.span, fmt::format("printf has {} arguments, its format takes more",
                                            call.operands.size() - 1));
      }
      Expr& value = *call.operands[argument++];
      SKEP_TRY(type, expression(value));
      if (type != Type::unknown && (type == Type::string) != (conversion == 's')) {
        return error(value.span,
                     fmt::format("%{} takes {}, this is {}", conversion,
                                 conversion == 's' ? "a string" : "a number",
                                 type == Type::string ? "a string" : "a number"),
                     conversion == 's' ? "str(ADDRESS) reads a string of the process" : "");
      }
      i = end;
    }
    if (argument < call.operands.size()) {
      return error(call.operands[argument]->span,
                   fmt::format("printf has {} arguments, its format takes {}",
                               call.operands.size() - 1, argument - 1));
    }
    return {};
  }

  Result<> arity(const Expr& call) {
    const auto* row = std::find_if(kFunctions.begin(), kFunctions.end(),
                                   [&](const Function& f) { return f.name == call.text; });
    if (row == kFunctions.end()) {
      return error(call.span, fmt::format("there is no function \"{}\"", call.text),
                   suggestion<Function>(call.text, kFunctions));
    }
    size_t given = call.operands.size();
    if (given >= row->least && given <= row->most) return {};
    std::string wanted = row->least == row->most ? fmt::format("{}", row->least)
                                                 : fmt::format("{} to {}", row->least, row->most);
    return error(call.span,
                 fmt::format("{}() takes {} arguments, this has {}", call.text, wanted, given));
  }

  Result<> assign(Statement& one) {
    Expr& target = *one.target;
    Expr& value = *one.value;
    bool aggregates = value.kind == ExprKind::call && is_aggregate(value.text);
    Type type = Type::unknown;
    if (aggregates) {
      SKEP_CHECK(arity(value));
      if (target.kind != ExprKind::map)
        return error(value.span,
                     fmt::format("{}() is assigned to a map, as in @x = {}", value.text,
                                 value.text == "count" ? "count()" : value.text + "(n)"));
      if (one.op != "=") return error(one.span, fmt::format("{}() is assigned with =", value.text));
      for (auto& operand : value.operands) {
        SKEP_TRY(inner, expression(*operand));
        if (inner == Type::string)
          return error(operand->span, "expected a number; this is a string");
      }
      type = value.type =
          std::find_if(kFunctions.begin(), kFunctions.end(), [&](const Function& f) {
            return f.name == value.text;
          })->result;
    } else {
      SKEP_TRY(found, expression(value));
      type = found;
    }
    if (one.op != "=" && type == Type::string)
      return error(one.span, fmt::format("{} takes numbers; this is a string", one.op));
    Type* known = nullptr;
    if (target.kind == ExprKind::map) {
      SKEP_CHECK(map_use(target));
      known = &script_.maps[target.index].type;
    } else {
      target.index = variable(target.text);
      known = &(*variables_)[target.index].type;
    }
    if (*known == Type::unknown) *known = type;
    target.type = *known;
    if (type != Type::unknown && *known != type) {
      return error(one.span, fmt::format("{}{} holds {}, this is {}",
                                         target.kind == ExprKind::map ? "@" : "$", target.text,
                                         type_name(*known), type_name(type)));
    }
    return {};
  }

  static bool is_aggregate(std::string_view name) {
    const auto* row = std::find_if(kFunctions.begin(), kFunctions.end(),
                                   [&](const Function& f) { return f.name == name; });
    return row != kFunctions.end() && is_aggregation(row->result);
  }

  uint32_t variable(const std::string& name) {
    for (uint32_t i = 0; i < variables_->size(); ++i) {
      if ((*variables_)[i].name == name) return i;
    }
    variables_->push_back({name, Type::unknown});
    return static_cast<uint32_t>(variables_->size() - 1);
  }

  // Finds the map, and sees to it that all its uses have keys of the same types.
  Result<> map_use(Expr& use) {
    std::vector<Type> keys;
    std::vector<std::string> names;
    for (auto& key : use.operands) {
      SKEP_TRY(type, expression(*key));
      keys.push_back(type);
      names.emplace_back(
          key->kind == ExprKind::builtin || key->kind == ExprKind::variable ? key->text : "");
    }
    auto found = std::find_if(script_.maps.begin(), script_.maps.end(),
                              [&](const MapInfo& map) { return map.name == use.text; });
    if (found == script_.maps.end()) {
      MapInfo& made = script_.maps.emplace_back();
      made.name = use.text;
      made.first_use = use.span;
      found = std::prev(script_.maps.end());
    }
    use.index = static_cast<uint32_t>(found - script_.maps.begin());
    bool all_known = std::find(keys.begin(), keys.end(), Type::unknown) == keys.end();
    if (!found->keys_known && all_known) {
      found->keys_known = true;
      found->keys = keys;
      found->key_names = std::move(names);
    }
    if (found->keys_known && all_known && found->keys != keys) {
      auto describe = [](const std::vector<Type>& types) {
        std::string text;
        for (Type type : types) text += (text.empty() ? "" : ", ") + std::string(type_name(type));
        return types.empty() ? std::string("no key") : "[" + text + "]";
      };
      return error(use.span, fmt::format("@{} has {} elsewhere, and {} here", use.text,
                                         describe(found->keys), describe(keys)));
    }
    return {};
  }

  Result<Type> expression(Expr& expr) {
    SKEP_TRY(type, type_of(expr));
    expr.type = type;
    return type;
  }

  Result<Type> type_of(Expr& expr) {
    switch (expr.kind) {
      case ExprKind::integer: return Type::integer;
      case ExprKind::string:
        if (expr.text.size() >= kStringSize)
          return error(expr.span, fmt::format("this string has {} bytes, strings have at most {}",
                                              expr.text.size(), kStringSize - 1));
        return Type::string;
      case ExprKind::builtin: return builtin(expr);
      case ExprKind::variable: return read_variable(expr);
      case ExprKind::map: {
        SKEP_CHECK(map_use(expr));
        Type type = script_.maps[expr.index].type;
        if (is_aggregation(type))
          return error(expr.span, fmt::format("@{} is {}: a program can add to it, not read it",
                                              expr.text, type_name(type)));
        return type;
      }
      case ExprKind::call: {
        SKEP_CHECK(arity(expr));
        if (expr.text != "str")
          return error(expr.span, is_aggregate(expr.text)
                                      ? fmt::format("{}() stands alone behind @x =", expr.text)
                                      : fmt::format("{}() has no value", expr.text));
        SKEP_TRY(inner, expression(*expr.operands.front()));
        if (inner == Type::string)
          return error(expr.operands.front()->span, "str() takes an address; this is a string");
        return Type::string;
      }
      case ExprKind::unary: {
        SKEP_TRY(inner, expression(*expr.operands.front()));
        if (inner == Type::string)
          return error(expr.span, fmt::format("{} takes a number; this is a string", expr.text));
        return Type::integer;
      }
      case ExprKind::binary: {
        SKEP_TRY(left, expression(*expr.operands[0]));
        SKEP_TRY(right, expression(*expr.operands[1]));
        if (left == Type::unknown || right == Type::unknown) return Type::integer;
        bool compares = expr.text == "==" || expr.text == "!=";
        if (left != right || (left == Type::string && !compares))
          return error(
              expr.span,
              fmt::format("{} between {} and {}", expr.text, type_name(left), type_name(right)),
              left == right ? "strings are compared with == and !=" : "");
        return Type::integer;
      }
      case ExprKind::ternary: {
        SKEP_TRY(condition, expression(*expr.operands[0]));
        if (condition == Type::string)
          return error(expr.operands[0]->span, "a condition is a number; this is a string");
        SKEP_TRY(yes, expression(*expr.operands[1]));
        SKEP_TRY(no, expression(*expr.operands[2]));
        if (yes == Type::unknown || no == Type::unknown) return yes == Type::unknown ? no : yes;
        if (yes != no)
          return error(expr.span, fmt::format("? gives {} or {}: both must be the same",
                                              type_name(yes), type_name(no)));
        return yes;
      }
    }
    return Type::unknown;
  }

  Result<Type> read_variable(Expr& expr) {
    for (uint32_t i = 0; i < variables_->size(); ++i) {
      if ((*variables_)[i].name != expr.text) continue;
      expr.index = i;
      return (*variables_)[i].type;
    }
    return error(expr.span, fmt::format("${} is read before it is assigned", expr.text));
  }

  Result<Type> builtin(const Expr& expr) {
    const auto* row = std::find_if(kBuiltins.begin(), kBuiltins.end(),
                                   [&](const Builtin& b) { return b.name == expr.text; });
    if (row == kBuiltins.end()) {
      return error(expr.span, fmt::format("there is no builtin \"{}\"", expr.text),
                   suggestion<Builtin>(expr.text, kBuiltins));
    }
    for (const AttachPoint& point : probe_->points) {
      bool there = row->needs == Availability::always ||
                   (row->needs == Availability::arguments && point.has_arguments) ||
                   (row->needs == Availability::returned && point.is_return) ||
                   (row->needs == Availability::syscall && point.is_syscall);
      if (!there)
        return error(
            expr.span, fmt::format("{} does not exist in {}", row->name, point.text),
            row->needs == Availability::returned  ? "uretprobes and sys_exit tracepoints have it"
            : row->needs == Availability::syscall ? "system calls' tracepoints have it"
                                                  : "uprobes and sys_enter tracepoints have it");
    }
    return row->type;
  }

  Script& script_;
  bool lenient_ = true;
  Probe* probe_ = nullptr;
  std::vector<VariableInfo>* variables_ = nullptr;
};

}  // namespace

std::string_view type_name(Type type) {
  switch (type) {
    case Type::unknown: return "nothing";
    case Type::integer: return "a number";
    case Type::string: return "a string";
    case Type::count: return "count()";
    case Type::sum: return "sum()";
    case Type::min: return "min()";
    case Type::max: return "max()";
    case Type::avg: return "avg()";
    case Type::hist: return "hist()";
  }
  return "?";
}

std::span<const Builtin> builtins() { return kBuiltins; }
std::span<const Function> functions() { return kFunctions; }

Result<> analyse(Script& script) { return Analysis(script).run(); }

}  // namespace skep::lang
