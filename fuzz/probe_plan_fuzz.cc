// Any bytes as code: a plan must stay within its record.
#include <cstdlib>

#include "hooks/probe_plan.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  using namespace skep;
  using namespace skep::hooks;
  if (size < 2) return 0;
  uint64_t offset = data[0];
  PlanRequest request;
  request.code = {std::as_bytes(std::span(data + 1, size - 1)), 0x401000};
  request.function = {0x401000, 0x401000 + size - 1};
  request.at = 0x401000 + offset % (size - 1);
  auto plan = plan_code(request);
  if (!plan) return 0;
  const ProbeCode& code = plan->code;
  if (code.displaced > kMaxDisplaced || code.code_size > kMaxProbeCode) std::abort();
  if (code.kind == ProbeKind::jump && code.displaced < 5) std::abort();
  for (unsigned i = 0; i < code.fixup_count; ++i) {
    size_t width = code.fixups[i].kind == ProbeFixup::relative32 ? 4 : 8;
    if (code.fixups[i].offset + width > code.code_size) std::abort();
  }
  return 0;
}
