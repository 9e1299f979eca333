// From IR to an Image: optimisation, machine code, and the object file that LLVM makes of it taken apart.
#pragma once

#include <llvm/IR/Module.h>
#include <llvm/Target/TargetMachine.h>

#include <string>

#include "vm/jit/image.h"

namespace skep::jit::optimising {

// For this CPU; null: `error` says why.
[[nodiscard]] std::unique_ptr<llvm::TargetMachine> make_target(std::string& error);
// Target features: general registers only, and what of this CPU's extensions works on those.
[[nodiscard]] const std::string& target_features();

// Takes in the functions of our own bitcode that the module calls.
[[nodiscard]] bool link_inlined(llvm::Module& module, std::string& error);
void optimise(llvm::Module& module, llvm::TargetMachine& target);
[[nodiscard]] bool emit(llvm::Module& module, llvm::TargetMachine& target, Image& image,
                        std::string& error);

}  // namespace skep::jit::optimising
