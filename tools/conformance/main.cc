// conformance DIR…: runs every .data file of the directories on the interpreter and on both JIT tiers; for
// ./dev corpus conformance. Says what failed, line by line, then "N passed, N failed" (a file on one engine counts one).
//
// A directory of bpf_conformance is in its dialect (mnemonics); tests/corpus/insn is in the kernel's. Files in
// a directory named `negative` are cases that must not pass: the suite's own runner is expected to skip, refuse or fail
// them, and so is this one.
#include <fmt/format.h>

#include <algorithm>
#include <cstdio>
#include <filesystem>
#include <fstream>
#include <sstream>

#include "support/conformance.h"

namespace {

namespace fs = std::filesystem;
using namespace skep;

struct Tally {
  size_t passed = 0;
  size_t failed = 0;
};

// The first case that is wrong decides for a file.
conformance::Outcome run_file(const fs::path& file, vm::Engine& engine) {
  using Kind = conformance::Outcome::Kind;
  std::ifstream in(file);
  std::stringstream text;
  text << in.rdbuf();
  if (!in) return {Kind::wrong, "can't be read"};
  auto cases = conformance::parse(text.str(), file.filename().string());
  if (!cases) return {Kind::wrong, cases.error().text()};
  if (cases->empty()) return {Kind::wrong, "the file has no case"};
  const bool ours = text.str().find("-- case ") != std::string::npos;
  conformance::Outcome outcome;
  for (const conformance::Case& test : *cases) {
    outcome = conformance::run(
        test, ours ? conformance::Dialect::kernel : conformance::Dialect::ubpf, engine);
    if (outcome.kind != Kind::wrong) continue;
    if (cases->size() > 1) outcome.why = fmt::format("{}: {}", test.name, outcome.why);
    break;
  }
  return outcome;
}

void run_directory(const fs::path& directory, vm::Engine& engine, Tally& tally) {
  std::vector<fs::path> files;
  for (const auto& entry : fs::recursive_directory_iterator(directory))
    if (entry.is_regular_file() && entry.path().extension() == ".data")
      files.push_back(entry.path());
  std::sort(files.begin(), files.end());
  for (const fs::path& file : files) {
    const bool negative = file.parent_path().filename() == "negative";
    const conformance::Outcome outcome = run_file(file, engine);
    using Kind = conformance::Outcome::Kind;
    if (negative ? outcome.kind != Kind::right : outcome.kind != Kind::wrong) {
      ++tally.passed;
      continue;
    }
    ++tally.failed;
    fmt::print("{}: {}: {}\n", engine.name(), file.string(),
               negative ? "ran and gave its result, but must not" : outcome.why);
  }
}

}  // namespace

int main(int argc, char** argv) {
  if (argc < 2) {
    fmt::print(stderr, "usage: conformance DIR…\n");
    return 2;
  }
  const auto interpreter = vm::make_interpreter_engine();
  const auto jit = vm::make_jit_engine();
  std::vector<vm::Engine*> engines{interpreter.get()};
  if (jit)
    engines.push_back(jit->get());
  else
    fmt::print(stderr, "conformance: not on the JIT: {}\n", jit.error().text());
  const auto optimising = vm::make_optimising_engine();
  if (optimising)
    engines.push_back(optimising->get());
  else
    fmt::print(stderr, "conformance: not on the optimising tier: {}\n", optimising.error().text());
  Tally tally;
  for (vm::Engine* engine : engines) {
    for (int i = 1; i < argc; ++i) {
      if (!fs::is_directory(argv[i])) {
        fmt::print(stderr, "conformance: {}: not a directory\n", argv[i]);
        return 2;
      }
      run_directory(argv[i], *engine, tally);
    }
  }
  fmt::print("{} passed, {} failed\n", tally.passed, tally.failed);
  return tally.failed == 0 && tally.passed > 0 ? 0 : 1;
}
