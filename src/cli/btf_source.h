// Where BTF comes from on the command line: a file, the kernel, the user engine.
#pragma once

#include <expected>
#include <memory>
#include <string>

#include "btf/btf.h"
#include "cli/command.h"

namespace skep::cli {

// "user", "kernel", an object, or bare BTF. `base`, where it is not null, is what split BTF in a bare file is on
// ("kernel:MODULE" and /sys/kernel/btf/MODULE find theirs by themselves).
[[nodiscard]] std::expected<std::shared_ptr<const btf::Btf>, Failure> open_btf(
    const std::string& source, const std::shared_ptr<const btf::Btf>& base = nullptr);

}  // namespace skep::cli
