#include "cc/headers.h"

extern "C" {
extern const char skep_header_helpers[], skep_header_helpers_end[];
extern const char skep_header_tracing[], skep_header_tracing_end[];
extern const char skep_header_core_read[], skep_header_core_read_end[];
extern const char skep_header_endian[], skep_header_endian_end[];
extern const char skep_header_usdt[], skep_header_usdt_end[];
}

namespace skep::cc {

std::vector<Header> shipped_headers() {
  auto text = [](const char* begin, const char* end) { return std::string_view(begin, end); };
  return {{"bpf/bpf_helpers.h", text(skep_header_helpers, skep_header_helpers_end)},
          {"bpf/bpf_tracing.h", text(skep_header_tracing, skep_header_tracing_end)},
          {"bpf/bpf_core_read.h", text(skep_header_core_read, skep_header_core_read_end)},
          {"bpf/bpf_endian.h", text(skep_header_endian, skep_header_endian_end)},
          {"bpf/usdt.bpf.h", text(skep_header_usdt, skep_header_usdt_end)}};
}

}  // namespace skep::cc
