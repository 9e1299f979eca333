// An object file as anyone may hand it in: opened, and every program relocated against our BTF.
#include "btf/user_engine/user_engine.h"
#include "object/object.h"

using namespace skep;

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  static const std::vector<std::shared_ptr<const btf::Btf>> targets = {btf::user_engine_btf()};
  auto object = object::open_object(std::as_bytes(std::span(data, size)), "fuzz");
  if (!object) return 0;
  (void)object->resolve_kconfig({.kernel_version = 0x061200, .config = [](std::string_view) {
                                   return std::optional<std::string>("y");
                                 }});
  for (const object::VariableSpec& variable : object->variables()) {
    const std::string text = object->variable_text(variable);
    (void)object->set_variable(variable.name, text);
  }
  for (const object::MapSpec& map : object->maps()) (void)object::describe_map(map, object->btf());
  for (uint32_t i = 0; i < object->programs().size() && i < 64; ++i)
    (void)object->program(i, {.btfs = targets, .symbol = {}});
  return 0;
}
