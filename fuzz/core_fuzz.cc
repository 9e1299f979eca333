// CO-RE: | u16 size of the local BTF | kind | type | local BTF | target BTF; a local type, each accessor of a few.
#include "btf/core.h"

using namespace skep;

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  if (size < 4) return 0;
  const size_t local_size = load<uint16_t>(data);
  const auto kind = static_cast<btf::CoreKind>(data[2] % 16);
  const btf::TypeId type = data[3];
  const ByteSpan rest = std::as_bytes(std::span(data + 4, size - 4));
  if (local_size > rest.size()) return 0;
  auto local = btf::Btf::parse(rest.first(local_size));
  auto target = btf::Btf::parse(rest.subspan(local_size));
  if (!local) return 0;
  if (!target) target = *local;
  const std::vector<std::shared_ptr<const btf::Btf>> targets = {*target};
  btf::CoreResolver resolver(**local, targets);
  for (std::string_view accessor : {"0", "1", "0:0", "0:1", "0:0:0", "0:1:3", "2:0:1:0:0"}) {
    (void)resolver.resolve({type, accessor, kind});
    (void)btf::describe(**local, {type, accessor, kind});
  }
  return 0;
}
