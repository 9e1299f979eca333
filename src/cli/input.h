// FILE on the command line: C, an object, BPF assembly or a package, to an Object.
#pragma once

#include <expected>
#include <memory>
#include <string>
#include <vector>

#include "cli/command.h"
#include "object/object.h"
#include "package/package.h"

namespace skep::cli {

struct InputOptions {
  std::vector<std::string> include_dirs;  // -I
  std::vector<std::string> defines;       // -D
  bool no_cache = false;
  std::string section;  // of assembled programs that name none
};

// A file, and what it was made from.
struct Opened {
  std::unique_ptr<object::Object> object;  // with the defaults of @cmdarg set
  std::vector<std::byte>
      bytes;  // what it was opened from: the compiler's output, a package's object
  package::Format format = package::Format::elf;
  std::string description;                    // a package's, or a source's
  std::optional<package::Package> package{};  // where the file is one
};

// The one place that opens any file. By its content (an ELF file is an object, JSON a package) and then its name: .c
// is compiled, .s is assembled. clang's own diagnostics go to standard error as they are.
[[nodiscard]] std::expected<Opened, Failure> open_file(const std::string& path,
                                                       const InputOptions& options = {});
// An object file's bytes, also those in a package; kBadInput where a package holds assembly.
[[nodiscard]] std::expected<std::vector<std::byte>, Failure> read_object_bytes(
    const std::string& path);
// Its object alone.
[[nodiscard]] std::expected<std::unique_ptr<object::Object>, Failure> open_input(
    const std::string& path, const InputOptions& options = {});

// Helper and map names for disassembly of `program`.
[[nodiscard]] std::string disassembly_of(const Program& program, bool opcodes);

}  // namespace skep::cli
