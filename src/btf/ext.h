// .BTF.ext: what belongs to instructions, not to types: functions, source lines, CO-RE relocations, a
// list for each ELF section. Offsets here are bytes from the section's start.
#pragma once

#include <cstdint>
#include <functional>
#include <span>
#include <string>
#include <vector>

#include "base/bytes.h"
#include "base/result.h"
#include "btf/btf.h"

namespace skep::btf {

struct ExtFunc {
  uint32_t offset = 0;
  TypeId type = 0;
};
struct ExtLine {
  uint32_t offset = 0;
  uint32_t file_name_off = 0, line_off = 0;  // into the BTF's strings
  uint32_t line_col = 0;                     // line << 10 | column
};
struct ExtCore {
  uint32_t offset = 0;
  TypeId type = 0;
  uint32_t accessor_off = 0;
  uint32_t kind = 0;  // not yet known to be a CoreKind
};
struct ExtSection {
  std::string name;
  std::vector<ExtFunc> functions;
  std::vector<ExtLine> lines;
  std::vector<ExtCore> relocations;
};

// Every record lies inside the blob and its strings exist in `btf`; type ids and instruction offsets
// are for the caller to check, who knows the sections.
[[nodiscard]] Result<std::vector<ExtSection>> parse_btf_ext(ByteSpan bytes, const Btf& btf);

// The blob for sections whose strings and types are already of the BTF that it will go with; `add_string` gives
// a section's name an offset there. This machine's byte order.
[[nodiscard]] std::vector<std::byte> write_btf_ext(
    std::span<const ExtSection> sections,
    const std::function<uint32_t(std::string_view)>& add_string);

}  // namespace skep::btf
