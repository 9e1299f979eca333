#include "cli/rejection.h"

#include <fmt/format.h>
#include <nlohmann/json.hpp>

#include "report/diagnosis.h"

namespace skep::cli {
namespace {

report::Diagnosis diagnosis_of(const Program& program, const verifier::Rejection& rejection,
                               std::string_view log, verifier::Options options) {
  if (!log.empty()) return report::diagnose(rejection, log, program);
  options.log_level = verifier::kLogAll;  // other paths through the same instruction say more
  options.log_limit = 8u << 20;
  options.observer = nullptr;
  const verifier::Report again = verifier::verify(program, options);
  return report::diagnose(rejection, again.log, program);
}

}  // namespace

std::string rejection_text(const std::string& where, const Program& program,
                           const verifier::Rejection& rejection, std::string_view log, bool color,
                           verifier::Options options) {
  return where + ": " +
         report::diagnosis_text(diagnosis_of(program, rejection, log, options), color);
}

nlohmann::json rejection_json(const Program& program, const verifier::Rejection& rejection,
                              std::string_view log, verifier::Options options) {
  nlohmann::json json = report::diagnosis_json(diagnosis_of(program, rejection, log, options));
  json["errno"] = rejection.error;
  // What the rule asks for, apart from this case: kept for readers of older output.
  json["explanation"] = rejection.explanation;
  json["suggestion"] = rejection.suggestion;
  auto path = nlohmann::json::array();
  for (const verifier::PathStep& step : rejection.path)
    path.push_back({{"insn", step.insn}, {"next", step.next}});
  json["path"] = std::move(path);
  return json;
}

}  // namespace skep::cli
