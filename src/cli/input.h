// FILE on the command line: C, an object or BPF assembly, to an Object.
#pragma once

#include <expected>
#include <memory>
#include <string>
#include <vector>

#include "cli/command.h"
#include "object/object.h"

namespace skep::cli {

struct InputOptions {
  std::vector<std::string> include_dirs;  // -I
  std::vector<std::string> defines;       // -D
  bool no_cache = false;
  std::string section;  // of assembled programs that name none
};

// By its content (an ELF file is an object) and then its name: .c is compiled, .s is assembled. clang's own
// diagnostics go to standard error as they are.
[[nodiscard]] std::expected<std::unique_ptr<object::Object>, Failure> open_input(
    const std::string& path, const InputOptions& options = {});

// Helper and map names for disassembly of `program`.
[[nodiscard]] std::string disassembly_of(const Program& program, bool opcodes);

}  // namespace skep::cli
