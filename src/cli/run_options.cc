#include "cli/run_options.h"

#include <algorithm>

#include "btf/c_dump.h"
#include "package/package.h"
#include "spec/lookup.h"

namespace skep::cli {
namespace {

struct RunOption {
  const object::VariableSpec* variable;
  std::string name, help;
  char short_name = 0;
};

std::vector<RunOption> options_of(const object::Object& object) {
  std::vector<RunOption> options;
  for (const object::VariableSpec& variable : object.variables()) {
    // What has no text form can't be given on a command line; string literals have no name of their own.
    if (variable.type == 0 || variable.is_static) continue;
    if (object.btf()->type(variable.type).btf().resolve(variable.type).is_composite()) continue;
    auto said = package::parse_annotations(variable.comment);
    if (!said) continue;  // open_file refused it
    if (!variable.is_constant && !said->argument) continue;
    const package::CommandArgument argument = said->argument.value_or(package::CommandArgument{});
    options.push_back({&variable, package::option_name(variable.name, argument),
                       std::move(said->help), argument.short_name});
  }
  return options;
}

bool is_bool(const object::Object& object, const object::VariableSpec& variable) {
  btf::Type type = object.btf()->resolve(variable.type);
  return type.kind() == btf::Kind::Int && type.is_bool();
}

}  // namespace

std::expected<void, Failure> set_variables(object::Object& object,
                                           const std::vector<std::string>& arguments) {
  auto options = options_of(object);
  struct Named {
    std::string_view name;
  };
  for (size_t i = 0; i < arguments.size(); ++i) {
    const std::string& argument = arguments[i];
    const bool is_long = argument.starts_with("--");
    if (!is_long && (argument.size() < 2 || argument[0] != '-')) {
      return failure(
          kUsage,
          Error(EINVAL, fmt::format("\"{}\" is neither an option nor behind \"--\"", argument))
              .with_hint("COMMAND goes behind --: skep run FILE -- COMMAND"));
    }
    size_t equals = argument.find('=');
    std::string name = argument.substr(is_long ? 2 : 1);
    name = name.substr(0, name.find('='));
    if (is_long) std::ranges::replace(name, '_', '-');
    auto found = std::ranges::find_if(options, [&](const RunOption& option) {
      return is_long ? option.name == name
                     : name.size() == 1 && option.short_name != 0 && option.short_name == name[0];
    });
    if (found == options.end()) {
      std::vector<Named> rows;
      for (const RunOption& option : options) rows.push_back({option.name});
      std::string_view close = spec::closest_name<Named>(name, rows, &Named::name);
      Error error(EINVAL,
                  fmt::format("{} has no option {}{}", object.name(), is_long ? "--" : "-", name));
      return failure(kUsage,
                     std::move(error).with_hint(
                         close.empty() ? fmt::format("skep run {} --help lists them", object.name())
                                       : fmt::format("did you mean --{}?", close)));
    }
    std::string value;
    if (equals != argument.npos) {
      value = argument.substr(equals + 1);
    } else if (is_bool(object, *found->variable)) {
      value = "true";
    } else if (i + 1 < arguments.size()) {
      value = arguments[++i];
    } else {
      return failure(kUsage, Error(EINVAL, fmt::format("--{} needs a value", name)));
    }
    auto set = object.set_variable(found->variable->name, std::string_view(value));
    if (!set) return failure(kUsage, Error(set.error()).within("--" + name));
  }
  return {};
}

std::string variable_help(const object::Object& object) {
  std::string text;
  for (const RunOption& option : options_of(object)) {
    const object::VariableSpec& variable = *option.variable;
    std::string type =
        is_bool(object, variable)
            ? ""
            : " " +
                  btf::type_text(*object.btf(), object.btf()->strip_modifiers(variable.type).id());
    std::string left = option.short_name != 0 ? fmt::format("-{}, ", option.short_name) : "";
    left += "--" + option.name + type;
    text += fmt::format("  {:<30} {}{}(default {})\n", left, option.help,
                        option.help.empty() ? "" : " ", object.variable_text(variable));
  }
  return text;
}

}  // namespace skep::cli
