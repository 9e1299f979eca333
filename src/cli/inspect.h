// Looking into a running session of this user's from another process.
#pragma once

#include <expected>
#include <memory>
#include <string>

#include "base/hive.h"
#include "btf/btf.h"
#include "cli/command.h"
#include "object/map_header.h"

namespace skep::cli {

// The session named by `which` (controller's pid or hive name), or the only one that there is.
[[nodiscard]] std::expected<HiveSession, Failure> choose_session(const std::string& which);
[[nodiscard]] std::expected<std::unique_ptr<Hive>, Failure> open_session(const std::string& which);

// The BTF of a map's key and value; null where it has none or where it can't be read.
[[nodiscard]] std::shared_ptr<const btf::Btf> btf_of(const Hive& hive, const MapHeader& map);

}  // namespace skep::cli
