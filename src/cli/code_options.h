// Options of how programs are made into native code: skep run, skep exec.
#pragma once

#include <CLI/CLI.hpp>
#include <sys/random.h>

#include <cstdint>
#include <string>

#include "cli/command.h"
#include "runtime/runtime.h"
#include "vm/jit/jit.h"

namespace skep::cli {

struct CodeOptions {
  uint64_t fuel = 0;
  bool harden = false;
  bool perf_map = false, jitdump = false;
  std::string optimise = "off";
};

inline void add_code_options(CLI::App& app, CodeOptions& options) {
  app.add_option("--fuel", options.fuel,
                 "End each run of a program after so many instructions, with the result 0")
      ->check(CLI::Range(uint64_t{1}, uint64_t{1} << 62));
  app.add_flag("--harden", options.harden,
               "For programs of others: blinded constants and speculation barriers");
  app.add_flag("--perf-map", options.perf_map,
               "Write /tmp/perf-PID.map, which tells profilers the programs' names");
  app.add_flag(
      "--jitdump", options.jitdump,
      "Write jit-PID.dump ($JITDUMPDIR or /tmp) with the native code, for perf inject --jit");
}

// Programs compiled ahead of time (skep compile --native) are used wherever the user engine runs.
inline void use_native_cache(runtime::Runtime& runtime) {
  std::string directory = runtime::default_native_cache();
  if (!directory.empty()) runtime.set_native_cache(runtime::NativeCache(std::move(directory)));
}
inline void warn_of_cache_problems(runtime::Runtime& runtime) {
  for (const Error& error : runtime.take_cache_problems())
    warn(fmt::format("native code that was compiled ahead is not used: {}", error.text()));
}

[[nodiscard]] inline jit::JitOptions jit_options(const CodeOptions& options) {
  jit::JitOptions made;
  made.fuel = options.fuel;
  if (options.harden) {
    uint64_t seed = 0;
    if (::getrandom(&seed, sizeof seed, GRND_NONBLOCK) != sizeof seed)
      seed = reinterpret_cast<uint64_t>(&made);  // early boot: the stack's place is random, too
    made.blinding_seed = seed;
    made.speculation_barriers = true;
  }
  return made;
}

}  // namespace skep::cli
