// A map's elements, read through its header: of the session in this process, or of another's.
#pragma once

#include <memory>

#include "base/result.h"
#include "btf/btf.h"
#include "engine/engine.h"
#include "object/map_header.h"
#include "report/map_table.h"

namespace skep::cli {

// At most `limit` elements. EOPNOTSUPP for maps that have none to read (rings, prog arrays, …).
[[nodiscard]] Result<report::MapContents> read_map(const MapHeader& map,
                                                   std::shared_ptr<const btf::Btf> btf,
                                                   size_t limit = 1'000'000);
// The same through an engine's bpf(2).
[[nodiscard]] Result<report::MapContents> read_map(engine::Engine& engine, int fd,
                                                   std::shared_ptr<const btf::Btf> btf,
                                                   size_t limit = 1'000'000);
// Whether people want to see it when a run is over: it holds results, and not only zeros.
[[nodiscard]] bool holds_results(const MapHeader& map);
[[nodiscard]] std::string_view map_type_name(uint32_t type);
[[nodiscard]] std::string map_name(const MapHeader& map);

}  // namespace skep::cli
