// The optimising tier as a module of its own: LLVM is 100 MB that most runs of skep never need, so skep does not link
// it. libskep-llvm.so lies beside skep (or in ../lib/skep) and is loaded when something is first to be optimised.
// Never in a traced process.
//
// Both sides are built from one tree: what crosses are this tree's own types, and `build` says whether they are.
#pragma once

#include <string>

#include "vm/jit/image.h"

namespace skep::jit {

struct OptimiserModule {
  const char* build;  // kOptimiserBuild of the module's build
  const char* cpu;    // what it makes code for: LLVM's version, target features
  // False: `error` says why.
  bool (*compile)(const VerifiedProgram& program, const JitOptions& options, Image& image,
                  std::string& error);
  // IR as text, after optimisation where `optimised`; for people who want to see it.
  bool (*show)(const VerifiedProgram& program, const JitOptions& options, bool optimised,
               std::string& text);
};

constexpr char kOptimiserEntry[] = "skep_llvm_module";
std::string optimiser_build();

}  // namespace skep::jit
