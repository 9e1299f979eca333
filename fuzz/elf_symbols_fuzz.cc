// Any bytes as an ELF file: parse, look up, and plan a probe on what is found.
#include "hooks/elf_symbols.h"
#include "hooks/probe_plan.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  using namespace skep;
  using namespace skep::hooks;
  auto bytes = std::as_bytes(std::span(data, size));
  (void)find_in_library_cache(bytes, "libc.so.6");
  (void)parse_target({reinterpret_cast<const char*>(data), std::min<size_t>(size, 64)});
  auto image = ElfImage::parse({bytes.begin(), bytes.end()});
  if (!image) return 0;
  (void)similar_symbols(*image, "main");
  (void)find_place(*image, "fuzz", {"fuzz", "main", 0});
  int budget = 16;
  for (const Segment& segment : image->segments()) {
    if (!segment.executable || --budget == 0) continue;
    auto place = find_place(*image, "fuzz", {"fuzz", "", segment.file_offset});
    if (place) (void)plan_probe(*image, *place);
  }
  for (const Symbol& symbol : image->symbols()) {
    if (--budget <= 0) break;
    auto bounds = image->function_bounds(symbol.vaddr);
    Place place{{}, symbol.vaddr, 0, bounds.range, bounds.exact, false};
    (void)plan_probe(*image, place);
    if (auto entry = image->unwind_entry(symbol.vaddr)) (void)image->landing_pads(*entry);
  }
  return 0;
}
