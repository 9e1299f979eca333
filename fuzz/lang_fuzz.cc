// Scripts of the tracing language: any text is refused with one error, or becomes programs that verify() takes.
#include <cstdint>
#include <cstdlib>

#include "lang/lang.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  if (size > 1 << 14) return 0;
  auto compiled = skep::lang::compile({reinterpret_cast<const char*>(data), size}, "fuzz");
  if (!compiled) return 0;
  for (uint32_t i = 0; i < compiled->object.programs().size(); ++i) {
    if (!compiled->object.program(i)) std::abort();
  }
  return 0;
}
