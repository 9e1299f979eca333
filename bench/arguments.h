// What the benches' commands have in common: [--quick] [--json] [--write PAGE], options with a value, and the rest.
#pragma once

#include <map>
#include <string>
#include <vector>

namespace skep::bench {

struct Arguments {
  bool quick = false, json = false;
  std::map<std::string, std::string> values;  // "--write" among them
  std::vector<std::string> rest;

  [[nodiscard]] std::string value(const std::string& option) const {
    auto found = values.find(option);
    return found == values.end() ? std::string() : found->second;
  }
};

inline Arguments read_arguments(int argc, char** argv) {
  Arguments arguments;
  for (int i = 1; i < argc; ++i) {
    const std::string argument = argv[i];
    if (argument == "--quick") {
      arguments.quick = true;
    } else if (argument == "--json") {
      arguments.json = true;
    } else if (argument.starts_with("--") && i + 1 < argc) {
      arguments.values[argument] = argv[++i];
    } else {
      arguments.rest.push_back(argument);
    }
  }
  return arguments;
}

}  // namespace skep::bench
