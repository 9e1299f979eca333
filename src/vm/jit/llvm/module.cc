#include "vm/jit/llvm/module.h"

#include <llvm/Config/llvm-config.h>
#include <llvm/IR/DiagnosticInfo.h>
#include <llvm/IR/DiagnosticPrinter.h>
#include <llvm/IR/Verifier.h>
#include <llvm/Support/TargetSelect.h>
#include <llvm/Support/raw_ostream.h>

#include "vm/jit/llvm/emit.h"
#include "vm/jit/llvm/translate.h"

namespace skep::jit::optimising {
namespace {

bool build(const VerifiedProgram& program, const JitOptions& options, bool optimised, Image* image,
           std::string* text, std::string& error) {
  if (options.blinding_seed || options.speculation_barriers) {
    error = "hardened code is the fast tier's: LLVM would undo it";
    return false;
  }
  auto analysis = Analysis::run(program, [](const Function&) { return 0u; }, false);
  if (!analysis) {
    error = analysis.error().text();
    return false;
  }
  auto target = make_target(error);
  if (target == nullptr) return false;
  llvm::LLVMContext context;
  std::string complaint;
  context.setDiagnosticHandlerCallBack(
      [](const llvm::DiagnosticInfo* info, void* data) {
        if (info->getSeverity() != llvm::DS_Error) return;
        llvm::raw_string_ostream out(*static_cast<std::string*>(data));
        llvm::DiagnosticPrinterRawOStream printer(out);
        info->print(printer);
      },
      &complaint);
  llvm::Module module("program", context);
  module.setDataLayout(target->createDataLayout());
  module.setTargetTriple("x86_64-unknown-linux-gnu");
  module.setPICLevel(llvm::PICLevel::BigPIC);
  Translator translator(program, options, *analysis, module);
  if (!translator.run()) {
    error = translator.error();
    return false;
  }
  if (!link_inlined(module, error)) return false;
  llvm::raw_string_ostream problems(error);
  if (llvm::verifyModule(module, &problems)) return false;
  if (optimised) optimise(module, *target);
  if (text != nullptr) {
    llvm::raw_string_ostream out(*text);
    module.print(out, nullptr);
    return true;
  }
  if (!emit(module, *target, *image, error)) return false;
  if (!complaint.empty()) {
    error = complaint;
    return false;
  }
  return true;
}

bool compile_module(const VerifiedProgram& program, const JitOptions& options, Image& image,
                    std::string& error) {
  image = {};
  return build(program, options, true, &image, nullptr, error);
}

bool show_module(const VerifiedProgram& program, const JitOptions& options, bool optimised,
                 std::string& text) {
  std::string error;
  if (build(program, options, optimised, nullptr, &text, error)) return true;
  text = error;
  return false;
}

}  // namespace
}  // namespace skep::jit::optimising

extern "C" [[gnu::visibility("default")]] const skep::jit::OptimiserModule* skep_llvm_module() {
  using namespace skep::jit;
  static const std::string build = optimiser_build();
  static const std::string cpu =
      "LLVM " LLVM_VERSION_STRING " x86-64 " + optimising::target_features();
  static const OptimiserModule module = [] {
    LLVMInitializeX86TargetInfo();
    LLVMInitializeX86Target();
    LLVMInitializeX86TargetMC();
    LLVMInitializeX86AsmPrinter();
    LLVMInitializeX86AsmParser();  // of our assembly snippets
    return OptimiserModule{.build = build.c_str(),
                           .cpu = cpu.c_str(),
                           .compile = &optimising::compile_module,
                           .show = &optimising::show_module};
  }();
  return &module;
}
