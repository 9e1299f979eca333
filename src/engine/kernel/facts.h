// What the running kernel says of itself, apart from bpf(2): its version, configuration, symbols, BTF, and what this
// process may do.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "base/result.h"
#include "btf/btf.h"

namespace skep::engine::kernel {

// LINUX_VERSION_CODE as bpf(2) checks it. Distributions patch beyond the 255 that fit a byte: it stays at 255.
[[nodiscard]] uint32_t version_code();

// /proc/config.gz, else /boot/config-RELEASE: CONFIG_X to the text behind "=", quotes included. Empty where neither can be read.
[[nodiscard]] std::unordered_map<std::string, std::string> read_config();

// Addresses of `name` in /proc/kallsyms (0 where kernel.kptr_restrict hides them).
[[nodiscard]] std::optional<uint64_t> find_symbol(std::string_view name);
// Functions that ftrace can attach to (available_filter_functions, else the text symbols of kallsyms) which match
// a glob pattern, sorted, unique.
[[nodiscard]] Result<std::vector<std::string>> traceable_functions(std::string_view pattern);

// The BTF file at `path`, mapped where the kernel lets it be (6.16), else read.
[[nodiscard]] Result<std::shared_ptr<const btf::Btf>> map_btf(const std::string& path);

// tracefs, where it is mounted; "" where it is not.
[[nodiscard]] std::string tracefs();

// "you have CAP_NET_ADMIN of these", for errors: which of CAP_BPF, CAP_PERFMON, CAP_NET_ADMIN, CAP_SYS_ADMIN this
// process has.
[[nodiscard]] std::string capabilities_text();
// EPERM's hint for loading or attaching programs.
[[nodiscard]] std::string privilege_hint();

// "*" any characters, "?" one.
[[nodiscard]] bool matches_glob(std::string_view text, std::string_view pattern);

}  // namespace skep::engine::kernel
