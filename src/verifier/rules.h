// Rules in plain words.
#pragma once

#include <string_view>

#include "verifier/verifier.h"

namespace skep::verifier {

struct RuleText {
  Rule rule;
  std::string_view name;
  std::string_view explanation;
  std::string_view suggestion;
};
[[nodiscard]] const RuleText& rule_text(Rule rule);

}  // namespace skep::verifier
