// BTF as anyone may hand it in: parse, validate, walk everything, print everything.
#include "btf/btf.h"
#include "btf/builder.h"
#include "btf/c_dump.h"
#include "btf/ext.h"

using namespace skep;

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  const ByteSpan bytes = std::as_bytes(std::span(data, size));
  auto btf = btf::Btf::parse(bytes);
  if (!btf) return 0;
  (void)(*btf)->validate();
  btf::BtfBuilder copy;
  for (btf::TypeId id = 1; id < (*btf)->type_end(); ++id) {
    const btf::Type type = (*btf)->type(id);
    (void)(*btf)->size_of(id);
    (void)(*btf)->align_of(id);
    (void)(*btf)->resolve(id);
    (void)(*btf)->find_all(type.name());
    if (id < 8) {
      (void)btf::type_text(**btf, id, "x");
      (void)btf::definition_text(**btf, id);
    }
    copy.add_copy(type, [](btf::TypeId old) { return old; });
  }
  // A copy of all types, ids kept, reads back as the same types.
  auto again = copy.finish();
  if (!again || (*again)->type_end() != (*btf)->type_end()) __builtin_trap();
  (void)btf::dump_c(**btf);
  (void)btf::parse_btf_ext(bytes, **btf);
  return 0;
}
