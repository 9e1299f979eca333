// Any bytes as instructions: legality and the disassembler never read outside; what is legal reads back
// as itself.
#include <cstdlib>
#include <cstring>
#include <vector>

#include "isa/assembler.h"
#include "isa/disassembler.h"
#include "isa/legality.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  using namespace skep;
  std::vector<Insn> insns(size / sizeof(Insn));
  if (!insns.empty()) std::memcpy(insns.data(), data, insns.size() * sizeof(Insn));
  for (size_t i = 0; i < insns.size(); ++i) {
    const std::string text = isa::disassemble(insns, i);
    if (!isa::check_insn(insns, i)) continue;
    auto back = isa::assemble_insns(text);
    const size_t slots = isa::slots_of(insns[i]);
    if (!back || back->size() != slots ||
        std::memcmp(back->data(), &insns[i], slots * sizeof(Insn)) != 0)
      std::abort();
  }
  (void)isa::check_insns(insns);
  return 0;
}
