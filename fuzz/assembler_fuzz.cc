// Any text: both assemblers refuse it or give legal instructions, which read back as themselves.
#include <cstdlib>
#include <string_view>

#include "isa/assembler.h"
#include "isa/disassembler.h"
#include "isa/legality.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  using namespace skep;
  const std::string_view text(reinterpret_cast<const char*>(data), size);
  (void)isa::assemble_ubpf(text);
  auto assembly = isa::assemble(text);
  if (!assembly) return 0;
  for (const isa::AsmProgram& program : assembly->programs) {
    if (program.insns.size() != program.lines.size() || program.insns.empty()) std::abort();
    for (size_t i = 0; i < program.insns.size(); i += isa::slots_of(program.insns[i]))
      if (!isa::check_insn(program.insns, i)) std::abort();
    auto back = isa::assemble_insns(isa::disassemble_all(program.insns));
    if (!back || *back != program.insns) std::abort();
  }
  return 0;
}
