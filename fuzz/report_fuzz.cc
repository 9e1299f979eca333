// Any BTF (the first half) and any record (the rest): every type formats to printable text of one line.
#include <cstdlib>

#include "report/event.h"
#include "report/map_table.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  using namespace skep;
  if (size < 2) return 0;
  const ByteSpan all(reinterpret_cast<const std::byte*>(data), size);
  const size_t split = std::min<size_t>(load<uint16_t>(data), size - 2);
  auto btf = btf::Btf::parse(all.subspan(2, split));
  if (!btf) return 0;
  const ByteSpan record = all.subspan(2 + split);
  report::MapContents map{"hist", MapType::BPF_MAP_TYPE_ARRAY, *btf, 0, 0, {}};
  map.elements.push_back({{record.begin(), record.end()}, {{record.begin(), record.end()}}});
  for (btf::TypeId id = 1; id < (*btf)->type_end() && id < 32; ++id) {
    map.key_type = map.value_type = id;
    for (char c : report::format_map(map))
      if (c != '\n' && (c >= 0 && c < 0x20)) std::abort();
    auto format = report::EventFormat::make(*btf, id);
    if (!format) continue;
    for (char c : report::EventTable(*format).row(record))
      if ((c >= 0 && c < 0x20) || c == 0x7f) std::abort();
    for (char c : format->to_json(record))
      if (c < 0x20 || c == 0x7f) std::abort();
  }
  return 0;
}
