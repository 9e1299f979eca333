// Anyone's bytes as an image of native code: refused, or what it says of itself is consistent and comes out as it went in.
#include <algorithm>

#include "vm/jit/image.h"

using namespace skep;

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  const ByteSpan bytes = std::as_bytes(std::span(data, size));
  auto image = jit::decode_image(bytes);
  if (!image) return 0;
  if (image->code_size > image->bytes.size() || image->entry >= image->code_size) __builtin_trap();
  const auto again = jit::encode(*image);
  if (!std::equal(again.begin(), again.end(), bytes.begin(), bytes.end())) __builtin_trap();
  return 0;
}
