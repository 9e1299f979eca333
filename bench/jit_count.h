// Native instructions of one run, as callgrind counts them: where there are no hardware counters, what tells code apart
// on a machine that is busy. The bench runs itself under valgrind for that, once a program.
#pragma once

#include <map>
#include <string>

#include "base/result.h"
#include "jit_engines.h"

namespace skep::bench {

// Starts this executable again under valgrind, for one program; instructions by engine.
[[nodiscard]] Result<std::map<std::string, double>> count_instructions(const std::string& directory,
                                                                       const std::string& name);
// In there: a run of each native engine, counted.
Result<> run_counted(Subject& subject);

}  // namespace skep::bench
