#include "vm/jit/optimiser.h"

#include <dlfcn.h>
#include <unistd.h>

#include "vm/jit/llvm/module.h"

namespace skep::jit {

std::string optimiser_build() {
  return fmt::format("{} {} {} {} {}", SKEP_VERSION, sizeof(VerifiedProgram), sizeof(JitOptions),
                     sizeof(Image), sizeof(MapDescriptor));
}

namespace {

#if !defined(__x86_64__)
Result<const OptimiserModule*> load_module() {
  return fail(ENOSYS, "the optimising tier makes x86-64 code only");
}
#else
std::string directory_of_self() {
  char self[4096];
  const ssize_t size = ::readlink("/proc/self/exe", self, sizeof self - 1);
  std::string path(self, size > 0 ? static_cast<size_t>(size) : 0);
  const size_t slash = path.rfind('/');
  return slash == std::string::npos ? std::string(".") : path.substr(0, slash);
}

Result<const OptimiserModule*> load_module() {
  const std::string directory = directory_of_self();
  const std::string places[] = {directory + "/libskep-llvm.so",
                                directory + "/../lib/skep/libskep-llvm.so",
                                directory + "/../lib/libskep-llvm.so"};
  for (const std::string& place : places) {
    if (::access(place.c_str(), R_OK) != 0) continue;
    void* library = ::dlopen(place.c_str(), RTLD_NOW | RTLD_LOCAL);
    if (library == nullptr) return fail(ENOSYS, "the optimising tier: {}", ::dlerror());
    auto entry = reinterpret_cast<const OptimiserModule* (*)()>(::dlsym(library, kOptimiserEntry));
    if (entry == nullptr) return fail(ENOSYS, "{} is not skep's optimising tier", place);
    const OptimiserModule* module = entry();
    if (module->build != optimiser_build())
      return fail(ENOSYS, "{} is of another build of skep ({}, this is {})", place, module->build,
                  optimiser_build());
    return module;
  }
  return fail(
      ENOSYS,
      "the optimising tier is not installed: there is no libskep-llvm.so that can be read at "
      "{}, {} or {}",
      places[0], places[1], places[2]);
}
#endif

const Result<const OptimiserModule*>& the_module() {
  static const Result<const OptimiserModule*> loaded = load_module();
  return loaded;
}

}  // namespace

Result<Image> compile_image(const VerifiedProgram& program, const JitOptions& options) {
  const auto& module = the_module();
  if (!module) return fail(module);
  Image image;
  std::string error;
  if (!(*module)->compile(program, options, image, error))
    return fail(ENOTSUP, "the optimising tier: {}", error);
  return image;
}

Result<NativeCode> compile_optimised(const VerifiedProgram& program, const JitOptions& options,
                                     CodeMemory& memory) {
  SKEP_TRY(image, compile_image(program, options));
  return place(image, program, options, memory);
}

Result<std::string> optimiser_target() {
  const auto& module = the_module();
  if (!module) return fail(module);
  return std::string((*module)->cpu);
}

Result<std::string> show_ir(const VerifiedProgram& program, const JitOptions& options,
                            bool optimised) {
  const auto& module = the_module();
  if (!module) return fail(module);
  std::string text;
  if (!(*module)->show(program, options, optimised, text))
    return fail(ENOTSUP, "the optimising tier: {}", text);
  return text;
}

}  // namespace skep::jit
