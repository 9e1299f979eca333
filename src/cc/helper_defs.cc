// <bpf/bpf_helper_defs.h>: each helper as a constant pointer to a function at its number, which the compiler
// turns into a call instruction.
#include <algorithm>
#include <map>
#include <set>

#include "cc/cc.h"
#include "spec/helpers.h"

namespace skep::cc {

namespace {

std::string replaced(std::string text, std::string_view from, std::string_view to) {
  for (size_t at = text.find(from); at != std::string::npos; at = text.find(from, at + to.size()))
    text.replace(at, from.size(), to);
  return text;
}

// "struct X" wherever it is named in `prototype`.
void collect_structs(std::string_view prototype, std::set<std::string>& names) {
  for (size_t at = prototype.find("struct "); at != std::string_view::npos;
       at = prototype.find("struct ", at + 1)) {
    const size_t begin = at + 7;
    const size_t end = prototype.find_first_not_of(
        "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_", begin);
    if (end != begin) names.emplace(prototype.substr(begin, end - begin));
  }
}

std::string declaration(const spec::Helper& helper, bool any_context) {
  std::string prototype = replaced(std::string(helper.prototype), "size_t", "unsigned long");
  const std::string name = fmt::format("bpf_{}", helper.name);
  const size_t at = prototype.find(name + "(");
  if (at == std::string::npos) return {};
  std::string result = prototype.substr(0, at), parameters = prototype.substr(at + name.size());
  // A helper that several kinds of program have takes each one's context.
  if (any_context && parameters.starts_with("(struct ")) {
    const size_t end = parameters.find_first_of(",)");
    parameters = "(void *ctx" + parameters.substr(end);
  }
  return fmt::format("static {}(* const {}){} = (void *) {};\n", result, name, parameters,
                     helper.id);
}

}  // namespace

std::string helper_defs_h() {
  std::map<uint32_t, std::vector<const spec::Helper*>> by_id;
  std::set<std::string> structs;
  for (const spec::Helper& helper : spec::helpers()) {
    by_id[helper.id].push_back(&helper);
    collect_structs(helper.prototype, structs);
  }
  std::string text =
      "/* The kernel's helpers, by number: made by skep from its table (src/spec/helpers.cc). */\n"
      "#ifndef __SKEP_HELPER_DEFS__\n#define __SKEP_HELPER_DEFS__\n\n";
  for (const std::string& name : structs) text += fmt::format("struct {};\n", name);
  text += "\n";
  for (const auto& [id, variants] : by_id) {
    const bool differ = std::ranges::any_of(variants, [&](const spec::Helper* helper) {
      return helper->prototype != variants[0]->prototype;
    });
    text += declaration(*variants[0], differ || variants.size() > 1);
  }
  return text + "\n#endif\n";
}

}  // namespace skep::cc
