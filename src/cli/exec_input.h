// What `skep exec` runs a program over: packets and contexts, from hexadecimal text, files or captures.
#pragma once

#include <expected>
#include <string>
#include <vector>

#include "cli/command.h"

namespace skep::cli {

using Bytes = std::vector<std::byte>;

// "0a0b0c", "0a 0b:0c" as they are; else a file's bytes. kUsage, kNoInput.
[[nodiscard]] std::expected<Bytes, Failure> read_bytes(const std::string& text,
                                                       std::string_view what);
// The same; a pcap or pcapng file gives each of its packets.
[[nodiscard]] std::expected<std::vector<Bytes>, Failure> read_packets(const std::string& text);
[[nodiscard]] std::string hex_of(const Bytes& bytes);

}  // namespace skep::cli
