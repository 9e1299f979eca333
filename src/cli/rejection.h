// A verifier's rejection as people read it: the rule, the place in the source, what was needed against what is
// known, the states and jumps that led there, and what to try.
#pragma once

#include <nlohmann/json_fwd.hpp>

#include <string>

#include "verifier/verifier.h"

namespace skep::cli {

[[nodiscard]] std::string rejection_text(const std::string& where, const Program& program,
                                         const verifier::Rejection& rejection, bool color);
[[nodiscard]] nlohmann::json rejection_json(const verifier::Rejection& rejection);

}  // namespace skep::cli
