// Any bytes as a verifier's log: parsed, explained and printed; what is printed is safe for terminals and valid JSON.
#include <nlohmann/json.hpp>

#include <cstdint>
#include <cstdlib>
#include <string_view>

#include "report/diagnosis.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  using namespace skep::report;
  const ParsedLog log = parse_verifier_log({reinterpret_cast<const char*>(data), size});
  for (const LogSegment& segment : log.segments) {
    const Diagnosis diagnosis = diagnose(log, segment, nullptr);
    if (diagnosis_text(diagnosis, false).find('\033') != std::string::npos) std::abort();
    if (diagnosis_json(diagnosis).dump().empty()) std::abort();
  }
  return 0;
}
