// Packages: any text is read or refused; what is read opens or is refused, and is written as it was read.
#include <cstdint>
#include <cstdlib>

#include "package/package.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  const std::string_view text(reinterpret_cast<const char*>(data), size);
  (void)skep::package::parse_annotations(text);
  auto package = skep::package::read(text);
  if (!package) return 0;
  auto object = skep::package::open(*package, "fuzz");
  if (object) (void)skep::package::apply_defaults(*object);
  const std::string written = skep::package::write(*package);
  auto again = skep::package::read(written);
  if (!again || skep::package::write(*again) != written) std::abort();
  return 0;
}
