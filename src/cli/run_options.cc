#include "cli/run_options.h"

#include <algorithm>

#include "btf/c_dump.h"
#include "spec/lookup.h"

namespace skep::cli {
namespace {

std::string option_name(std::string_view variable) {
  std::string name(variable);
  std::replace(name.begin(), name.end(), '_', '-');
  return name;
}

std::vector<const object::VariableSpec*> options_of(const object::Object& object) {
  std::vector<const object::VariableSpec*> variables;
  for (const object::VariableSpec& variable : object.variables()) {
    // What has no text form can't be given on a command line; string literals have no name of their own.
    if (!variable.is_constant || variable.type == 0 || variable.is_static) continue;
    if (!object.btf()->type(variable.type).btf().resolve(variable.type).is_composite())
      variables.push_back(&variable);
  }
  return variables;
}

bool is_bool(const object::Object& object, const object::VariableSpec& variable) {
  btf::Type type = object.btf()->resolve(variable.type);
  return type.kind() == btf::Kind::Int && type.is_bool();
}

}  // namespace

std::expected<void, Failure> set_variables(object::Object& object,
                                           const std::vector<std::string>& arguments) {
  auto variables = options_of(object);
  struct Named {
    std::string_view name;
  };
  for (size_t i = 0; i < arguments.size(); ++i) {
    const std::string& argument = arguments[i];
    if (!argument.starts_with("--")) {
      return failure(
          kUsage,
          Error(EINVAL, fmt::format("\"{}\" is neither an option nor behind \"--\"", argument))
              .with_hint("COMMAND goes behind --: skep run FILE -- COMMAND"));
    }
    size_t equals = argument.find('=');
    std::string name =
        option_name(argument.substr(2, equals == argument.npos ? argument.npos : equals - 2));
    auto found = std::find_if(variables.begin(), variables.end(), [&](const auto* variable) {
      return option_name(variable->name) == name;
    });
    if (found == variables.end()) {
      std::vector<std::string> names;
      std::vector<Named> rows;
      for (const auto* variable : variables) names.push_back(option_name(variable->name));
      for (const std::string& known : names) rows.push_back({known});
      std::string_view close = spec::closest_name<Named>(name, rows, &Named::name);
      Error error(EINVAL, fmt::format("{} has no option --{}", object.name(), name));
      return failure(kUsage,
                     std::move(error).with_hint(
                         close.empty() ? fmt::format("skep run {} --help lists them", object.name())
                                       : fmt::format("did you mean --{}?", close)));
    }
    std::string value;
    if (equals != argument.npos) {
      value = argument.substr(equals + 1);
    } else if (is_bool(object, **found)) {
      value = "true";
    } else if (i + 1 < arguments.size()) {
      value = arguments[++i];
    } else {
      return failure(kUsage, Error(EINVAL, fmt::format("--{} needs a value", name)));
    }
    auto set = object.set_variable((*found)->name, std::string_view(value));
    if (!set) return failure(kUsage, Error(set.error()).within("--" + name));
  }
  return {};
}

std::string variable_help(const object::Object& object) {
  std::string text;
  for (const object::VariableSpec* variable : options_of(object)) {
    std::string type =
        is_bool(object, *variable)
            ? ""
            : " " +
                  btf::type_text(*object.btf(), object.btf()->strip_modifiers(variable->type).id());
    std::string left = "--" + option_name(variable->name) + type;
    text += fmt::format("  {:<30} {}{}(default {})\n", left, variable->comment,
                        variable->comment.empty() ? "" : " ", object.variable_text(*variable));
  }
  return text;
}

}  // namespace skep::cli
