#include "cli/engine_choice.h"

#include <CLI/CLI.hpp>

#include <algorithm>

#include "engine/kernel/kernel_engine.h"
#include "spec/sections.h"

namespace skep::cli {

namespace {

// Whether COMMAND's hooks reach what the section names.
bool user_engine_has(const spec::SectionName& name) {
  using enum spec::AttachBehaviour;
  const std::string_view target = name.target;
  switch (name.section->attach) {
    case kprobe: return target.starts_with("__x64_sys_");
    case tracepoint: return target.starts_with("syscalls/") || target.starts_with("raw_syscalls/");
    case raw_tracepoint: return target == "sys_enter" || target == "sys_exit";
    default: return name.section->user == spec::UserStatus::works;
  }
}

}  // namespace

std::expected<EngineChoice, Failure> choose_engine(const std::string& wanted,
                                                   const object::Object& object,
                                                   const std::vector<std::string>& only,
                                                   bool has_command, bool needs_kernel) {
  EngineChoice choice;
  if (wanted == "user") return choice;
  if (wanted == "kernel") {
    choice.kernel = true;
    return choice;
  }
  if (needs_kernel) {
    choice.why = "a running process is watched from the kernel";
  } else if (!has_command) {
    choice.why = "there is no COMMAND, so the whole system is watched";
  } else {
    for (const object::ProgramSpec& program : object.programs()) {
      auto name = spec::parse_section_name(program.section);
      const bool loads = only.empty() ? name && name->autoload
                                      : std::ranges::find(only, program.name) != only.end();
      if (!loads || !name || user_engine_has(*name)) continue;
      choice.why = fmt::format("SEC(\"{}\") has no hook on the user engine", program.section);
      break;
    }
    if (choice.why.empty()) return choice;
  }
  if (auto kernel = engine::make_kernel_engine(); !kernel) {
    Error error(kernel.error());
    return failure(kUnavailable, std::move(error).within(choice.why));
  }
  choice.kernel = true;
  return choice;
}

void add_engine_option(CLI::App& app, std::string& engine) {
  app.add_option(
         "--engine", engine,
         "user, kernel or auto: kernel only where the user engine has no hook, or no COMMAND")
      ->capture_default_str()
      ->check(CLI::IsMember({"user", "kernel", "auto"}));
}

}  // namespace skep::cli
