// Linking anyone's objects, with themselves and with what came of it: it ends, and what it makes is ELF.
#include "object/elf.h"
#include "object/static_linker.h"

using namespace skep;

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  const ByteSpan bytes = std::as_bytes(std::span(data, size));
  const object::LinkInput alone[] = {{"a", bytes}};
  auto once = object::link_objects(alone);
  if (!once) return 0;
  if (!object::read_elf(*once)) __builtin_trap();
  const object::LinkInput both[] = {{"a", bytes}, {"b", *once}};
  (void)object::link_objects(both);
  return 0;
}
