// The command line's frame: exit statuses, how errors are shown, and the table of commands.
//
// A command is a function that adds itself to the CLI11 application and, when it was chosen, sets
// `run` to what is to be done. To add one: write cmd_NAME.cc, declare add_NAME here and name it in
// main.cc's table; completion and the man page's synopsis come from the application.
#pragma once

#include <cstdio>
#include <functional>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"

namespace CLI {
class App;
}

namespace skep::cli {

// Exit statuses. `skep run` and `skep exec` pass COMMAND's own status on; all else is one of these
// (docs/exit-status.md; after <sysexits.h> and the shell).
enum Exit : int {
  kOk = 0,
  kFailed = 1,     // what was asked for was done, and the answer is no (skep verify, differences)
  kUsage = 64,     // the command line
  kBadInput = 65,  // a file's content: C that does not compile, a damaged object, an unknown SEC
  kNoInput = 66,   // a file that can't be read
  kRejected = 67,  // the verifier refused a program
  kUnavailable = 69,  // this machine or engine does not have it
  kInternal = 70,     // a bug of skep's
  kSystem = 71,       // no memory, no space, no descriptors
  kCannotTrace =
      126,           // COMMAND exists, and can't be run or traced (static, setuid, not executable)
  kNoCommand = 127,  // COMMAND does not exist
};

// What went wrong and the status that says so.
struct Failure {
  Error error;
  Exit status;
};
[[nodiscard]] inline std::unexpected<Failure> failure(Exit status, Error error) {
  return std::unexpected(Failure{std::move(error), status});
}
// kNoInput, kSystem or `otherwise`, by the error's code.
[[nodiscard]] Exit exit_for(const Error& error, Exit otherwise);

// How to write to this terminal or pipe.
struct Output {
  bool json = false;
  bool color = false;  // standard output is a terminal, NO_COLOR is not set
  unsigned width = 0;  // columns; 0: not a terminal
};
[[nodiscard]] Output output_style(bool json);

// "skep: error: TEXT" and "  hint: …" on standard error; gives the status back.
int report_failure(const Error& error, Exit status);
void warn(std::string_view text);
// Writes all to standard output. A closed pipe ends the process quietly, a full disk is kSystem.
void print(std::string_view text);
[[nodiscard]] int finish_output(int status);

struct Chosen {
  std::function<int()> run;
  std::vector<std::string> command;  // what stood behind "--"
  bool has_command = false;          // "--" was there
};

void add_run(CLI::App& root, Chosen& chosen);
void add_trace(CLI::App& root, Chosen& chosen);
void add_exec(CLI::App& root, Chosen& chosen);
void add_compile(CLI::App& root, Chosen& chosen);
void add_link(CLI::App& root, Chosen& chosen);
void add_skeleton(CLI::App& root, Chosen& chosen);
void add_package(CLI::App& root, Chosen& chosen);
void add_verify(CLI::App& root, Chosen& chosen);
void add_explain(CLI::App& root, Chosen& chosen);
void add_requires(CLI::App& root, Chosen& chosen);
void add_disasm(CLI::App& root, Chosen& chosen);
void add_asm(CLI::App& root, Chosen& chosen);
void add_prog(CLI::App& root, Chosen& chosen);
void add_map(CLI::App& root, Chosen& chosen);
void add_btf(CLI::App& root, Chosen& chosen);
void add_feature(CLI::App& root, Chosen& chosen);
void add_hive(CLI::App& root, Chosen& chosen);
void add_shim(CLI::App& root, Chosen& chosen);
void add_version(CLI::App& root, Chosen& chosen);
void add_completion(CLI::App& root, Chosen& chosen);
void add_man(CLI::App& root, Chosen& chosen);

}  // namespace skep::cli
