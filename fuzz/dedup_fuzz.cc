// dedup of anyone's BTF: it ends, what it gives reads back, and nothing is left for a second time.
#include "btf/dedup.h"

using namespace skep;

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  auto btf = btf::Btf::parse(std::as_bytes(std::span(data, size)));
  if (!btf) return 0;
  auto once = btf::dedup(*btf);
  if (!once) return 0;
  auto result = once->builder.finish();
  if (!result) __builtin_trap();
  for (btf::TypeId id : once->ids)
    if (id >= (*result)->type_end()) __builtin_trap();
  const std::shared_ptr<const btf::Btf> both[] = {*btf, *result};
  auto whole = btf::concatenate(both).builder.finish();
  if (!whole) __builtin_trap();
  (void)btf::dedup(*whole);
  (void)btf::split(*btf, *result);
  return 0;
}
