#include "vm/jit/jit.h"

#include <algorithm>

#include "vm/jit/aarch64/codegen.h"
#include "vm/jit/analysis.h"
#if defined(__x86_64__)
#include "vm/jit/x86_64/codegen.h"
#elif defined(__aarch64__)
#include <asm/hwcap.h>
#include <sys/auxv.h>
#endif

namespace skep::jit {

const CpuFeatures& host_cpu() {
  // CPUID costs tens of microseconds in a virtual machine: asked once. Constant from then on.
  static const CpuFeatures features = [] {
#if defined(__x86_64__)
    __builtin_cpu_init();
    return CpuFeatures{.bmi2 = __builtin_cpu_supports("bmi2") != 0,
                       .movbe = __builtin_cpu_supports("movbe") != 0};
#elif defined(__aarch64__)
    return CpuFeatures{.lse = (getauxval(AT_HWCAP) & HWCAP_ATOMICS) != 0};
#else
    return CpuFeatures{};
#endif
  }();
  return features;
}

std::string_view machine() {
#if defined(__x86_64__)
  return "x86-64";
#elif defined(__aarch64__)
  return "AArch64";
#else
  return {};
#endif
}

namespace {

// Blinded code keeps every branch: a select would need an immediate in a register of its own. So does metered
// code, whose blocks are charged one by one.
template <class CodeGen>
Result<NativeCode> compile_with(const VerifiedProgram& program, const JitOptions& options,
                                CodeMemory& memory) {
  SKEP_TRY(analysis,
           Analysis::run(program, CodeGen::slot_budget,
                         !options.blinding_seed.has_value() && options.fuel == 0, options.fuel != 0,
                         options.inline_maps && !options.blinding_seed.has_value()));
  return CodeGen(program, options, analysis).run(memory);
}

}  // namespace

Result<NativeCode> compile_aarch64(const VerifiedProgram& program, const JitOptions& options,
                                   CodeMemory& memory) {
  return compile_with<arm::CodeGen>(program, options, memory);
}

Result<NativeCode> compile(const VerifiedProgram& program, const JitOptions& options,
                           CodeMemory& memory) {
#if defined(__x86_64__)
  return compile_with<x86::CodeGen>(program, options, memory);
#elif defined(__aarch64__)
  return compile_aarch64(program, options, memory);
#else
  return fail(ENOSYS, "there is no JIT for this machine");
#endif
}

std::optional<uint32_t> insn_at(const NativeCode& code, uint32_t offset) {
  if (!code.line_table.empty()) {
    if (offset >= code.code_size) return std::nullopt;
    auto next =
        std::upper_bound(code.line_table.begin(), code.line_table.end(), offset,
                         [](uint32_t at, const CodeLine& line) { return at < line.offset; });
    if (next == code.line_table.begin() || std::prev(next)->insn == kNoInsn) return std::nullopt;
    return std::prev(next)->insn;
  }
  if (code.lines.empty() || offset < code.lines.front() || offset >= code.lines.back())
    return std::nullopt;
  auto after = std::upper_bound(code.lines.begin(), code.lines.end(), offset);
  return static_cast<uint32_t>(after - code.lines.begin() - 1);
}

}  // namespace skep::jit
