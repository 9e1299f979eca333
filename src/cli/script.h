// Scripts of the tracing language on the command line: read, compiled, their maps printed.
#pragma once

#include <expected>
#include <span>
#include <string>

#include "cli/command.h"
#include "lang/lang.h"
#include "report/map_table.h"

namespace skep::cli {

// By its name: .bt.
[[nodiscard]] bool is_script(const std::string& path);
[[nodiscard]] std::expected<lang::Compiled, Failure> compile_script(const std::string& text,
                                                                    const std::string& name);
[[nodiscard]] std::expected<lang::Compiled, Failure> compile_script_file(const std::string& path);

// Null where the map is not one of the script's.
[[nodiscard]] const lang::ShownMap* shown_map(std::span<const lang::ShownMap> maps,
                                              const std::string& name);
// "@x: 5", a table or histograms; "" where it is empty. Per-CPU parts are put together.
[[nodiscard]] std::string script_map_text(const lang::ShownMap& shown, report::MapContents contents,
                                          bool json);

// Builtins and functions, for --help.
[[nodiscard]] std::string language_help();

}  // namespace skep::cli
