#include "btf/user_engine/user_engine.h"

#include <vector>

#include "btf/builder.h"

extern "C" {
extern const std::byte skep_user_engine_btf_begin[];
extern const std::byte skep_user_engine_btf_end[];
}

namespace skep::btf {

std::shared_ptr<const Btf> user_engine_btf() {
  auto whole = Btf::parse_in_place({skep_user_engine_btf_begin, skep_user_engine_btf_end}, nullptr);
  if (!whole) return BtfBuilder().finish().value();  // can't be: a test reads it
  // Without the variables that publish the types, and their section.
  std::vector<TypeId> ids((*whole)->type_end(), 0);
  TypeId next = 1;
  auto kept = [](const Type& type) {
    return type.kind() != Kind::Var && type.kind() != Kind::Datasec;
  };
  for (TypeId id = 1; id < (*whole)->type_end(); ++id)
    if (kept((*whole)->type(id))) ids[id] = next++;
  BtfBuilder builder;
  for (TypeId id = 1; id < (*whole)->type_end(); ++id)
    if (kept((*whole)->type(id)))
      builder.add_copy((*whole)->type(id), [&](TypeId old) { return ids[old]; });
  return builder.finish().value();
}

}  // namespace skep::btf
