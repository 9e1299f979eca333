// --engine user|kernel|auto: which engine runs an object, and why.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "cli/command.h"
#include "engine/engine.h"
#include "object/object.h"

namespace skep::cli {

struct EngineChoice {
  bool kernel = false;
  std::string why;  // empty where it is obvious
};

// For `skep run`: the user engine where there is a COMMAND and every program to be loaded has a hook there; else the
// kernel where it lets us. `wanted`: "user", "kernel" or "auto".
[[nodiscard]] std::expected<EngineChoice, Failure> choose_engine(
    const std::string& wanted, const object::Object& object, const std::vector<std::string>& only,
    bool has_command, bool needs_kernel);

void add_engine_option(CLI::App& app, std::string& engine);

}  // namespace skep::cli
