// A rejection by skep's own verifier, as people and as programs read it (report/diagnosis.h makes it).
#pragma once

#include <nlohmann/json_fwd.hpp>

#include <string>
#include <string_view>

#include "verifier/verifier.h"

namespace skep::cli {

// `log`: the verification's log (level 1 or 2), for the value's history; where it is empty the program is verified once
// more to get one, as `options` says.
[[nodiscard]] std::string rejection_text(const std::string& where, const Program& program,
                                         const verifier::Rejection& rejection, std::string_view log,
                                         bool color, verifier::Options options = {});
// All of it: the report, errno, and the path of jumps that led there.
[[nodiscard]] nlohmann::json rejection_json(const Program& program,
                                            const verifier::Rejection& rejection,
                                            std::string_view log, verifier::Options options = {});

}  // namespace skep::cli
