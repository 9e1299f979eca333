// USDT notes and their argument strings: any bytes.
#include "loader/usdt.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  const skep::ByteSpan bytes(reinterpret_cast<const std::byte*>(data), size);
  if (auto sites = skep::loader::read_usdt(bytes))
    for (const auto& site : *sites)
      (void)skep::loader::parse_usdt_arguments(site.arguments).has_value();
  (void)skep::loader::parse_usdt_arguments({reinterpret_cast<const char*>(data), size}).has_value();
  return 0;
}
